"""Similar apps as nap-worker makes them: killed at every step, undone, shared, and never one inside another."""
import fcntl
import json
import os
import re
import subprocess

import pytest

from jobs_stack import Jobs, have_jobs, wait_until
from stack import TOP
from test_jobs import jobs  # noqa: F401

pytestmark = pytest.mark.skipif(not have_jobs(), reason="nap-worker is not built or PostgreSQL is missing")

SOURCE = {"profile": "memory: 64m\ncommand: ./serve\nscale: 1\n", "serve": "#!/bin/sh\n", "run": "set -e"}
with open(os.path.join(TOP, "fcgi/job/similar.c")) as f:
    STEPS = re.findall(r'job_step\(job, "(\w+)"', f.read())


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    s = Jobs(tmp_path_factory.mktemp("group"))
    s.sql("UPDATE tenant SET quota_instances = 3000, quota_apps = 3000, quota_memory = 1::bigint << 40 WHERE name = 'acme'")
    yield s
    s.close()


def request(jobs, app, commands):
    """what POST /apps/{app}/similar writes; the operation, and the apps' ids"""
    members = json.dumps([{"command": c, "params": {"n": str(i)}} for i, c in enumerate(commands)])
    tenant = "(SELECT id FROM tenant WHERE name = 'acme')"
    jobs.sql(f"""SELECT set_config('nap.tenant', {tenant}::text, false);
        INSERT INTO family (tenant_id, name) SELECT tenant_id, group_name FROM app WHERE id = {app} ON CONFLICT DO NOTHING;
        UPDATE app SET family_id = f.id FROM family f WHERE app.id = {app} AND f.name = app.group_name AND app.family_id IS NULL;
        INSERT INTO app (tenant_id, name, group_name, family_id, parent, params, turn, branch, memory_bytes, scale_profile, command,
        deployed, state) SELECT s.tenant_id, n.name, s.group_name, s.family_id, s.name, x.m->'params', nextval('member_turn'),
        'main', r.memory_bytes, r.scale, x.m->>'command', true, 'starting' FROM app s JOIN release r ON r.id = s.release_id,
        nap_similar_names((SELECT name FROM app WHERE id = {app}), {len(commands)}) n
        JOIN json_array_elements('{members}'::json) WITH ORDINALITY x (m, ord) ON x.ord = n.ord WHERE s.id = {app} ORDER BY n.ord;
        INSERT INTO operation (tenant_id, app, kind, args) SELECT s.tenant_id, s.name, 'similar', jsonb_build_object('parent', s.id,
        'release', s.release_id, 'turns', false, 'members', (SELECT jsonb_agg(a.id ORDER BY a.id) FROM app a
        WHERE a.parent = s.name AND a.release_id IS NULL)) FROM app s WHERE s.id = {app}""")
    id = int(jobs.sql("SELECT max(id) FROM operation WHERE kind = 'similar'"))
    return id, json.loads(jobs.sql("SELECT args->'members' FROM operation WHERE id = %d" % id))


def show(jobs, app, path, ref="HEAD"):
    return subprocess.run(["git", "-c", "safe.directory=*", "--git-dir", jobs.path(f"git/{app}.git"), "show", f"{ref}:{path}"],
                          stdout=subprocess.PIPE, check=True, text=True).stdout


def parent(jobs, name):
    app, _, o = jobs.deploy(name, dict(SOURCE, own=name))
    assert o["state"] == "succeeded", o
    return app


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_any_step_is_replaced_and_all_members_are_made(jobs, step):
    app = parent(jobs, "kill-" + step)
    tree = jobs.value("SELECT tree FROM release WHERE app_id = %d" % app)
    if step == "tree":                                  # it is made again where the sweep took it
        subprocess.run(["rm", "-rf", jobs.path("tree/" + tree)], check=True)
    jobs.leading = step != "start"
    before = set(os.listdir(jobs.path("git")))
    id, members = request(jobs, app, [f"./serve {n}" for n in range(30)])
    wait_until(lambda: step + ":" in jobs.steps(id), 60)
    jobs.kill(jobs.children[-1])
    jobs.leading = True
    jobs.worker()
    o = jobs.ended(id)
    assert o["state"] == "succeeded", (o, jobs.steps(id))
    rows = jobs.value("SELECT count(*) || ' ' || count(DISTINCT r.commit) || ' ' || count(DISTINCT r.tree) FROM app a JOIN "
                      "release r ON r.id = a.release_id AND r.number = 1 WHERE a.id = ANY ('{%s}')" % ",".join(map(str, members)))
    assert rows == "30 30 1"
    assert set(os.listdir(jobs.path("git"))) - before == {f"{m}.git" for m in members} | ({"pool"} - before)
    for n in (0, 29):
        assert show(jobs, members[n], "profile") == f"memory: 64m\ncommand: ./serve {n}\nscale: 1\n"
    assert jobs.value("SELECT start FROM release WHERE app_id = %d" % members[3]) == "set -e\n./serve 3"


def test_the_source_is_not_shared_while_it_is_being_packed(jobs):
    app = parent(jobs, "packed")
    with open(jobs.path(f"git/{app}.git/nap-pack"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        id, members = request(jobs, app, ["./a"])
        wait_until(lambda: jobs.value("SELECT waiting FROM operation WHERE id = %d" % id) == "the source is being packed")
    assert jobs.ended(id)["state"] == "succeeded"
    assert show(jobs, members[0], "serve") == SOURCE["serve"]


def test_what_cannot_be_made_leaves_no_half_app_and_no_repository(jobs):
    app = parent(jobs, "undone")
    jobs.sql("UPDATE release SET commit = repeat('1', 40) WHERE app_id = %d" % app)
    used = jobs.value("SELECT used_apps FROM tenant WHERE name = 'acme'")
    id, members = request(jobs, app, ["./a", "./b"])
    o = jobs.ended(id)
    assert (o["state"], o["error_code"]) == ("failed", "git_failed"), o
    assert jobs.value("SELECT count(*) FROM app WHERE parent = 'undone'") == "0"
    assert jobs.value("SELECT used_apps FROM tenant WHERE name = 'acme'") == used
    assert not [m for m in members if os.path.exists(jobs.path(f"git/{m}.git"))]


def test_a_member_destroyed_while_its_siblings_are_made_is_left_out(jobs):
    app = parent(jobs, "less")
    jobs.kill(jobs.children[-1])
    id, members = request(jobs, app, ["./a", "./b", "./c"])
    jobs.sql("UPDATE app SET deleting = true, state = 'deleting' WHERE id = %d" % members[1])
    gone = jobs.submit(members[1], "destroy", lane="quick")
    jobs.worker()
    jobs.worker()
    assert jobs.ended(id)["state"] == "succeeded" and jobs.ended(gone)["state"] == "succeeded"
    assert jobs.value("SELECT string_agg(name, ' ' ORDER BY name) FROM app WHERE parent = 'less'") == "less_1 less_3"
    assert not os.path.exists(jobs.path(f"git/{members[1]}.git"))


def test_a_profile_of_the_request_becomes_a_file_and_odd_commands_stay_as_they_are(jobs):
    app = parent(jobs, "odd")
    jobs.sql("UPDATE release SET profile_text = 'memory: 64m\n# no command here\n' WHERE app_id = %d" % app)
    command = "echo \"$(date)\" `x` 'it' %i a\\\\b\n\n  two   lines"
    id, members = request(jobs, app, [command.replace("'", "''")])
    assert jobs.ended(id)["state"] == "succeeded"
    assert show(jobs, members[0], "profile") == "memory: 64m\n# no command here\n" + "".join(
        f"command: {line}\n" for line in command.split("\n"))
    assert jobs.value("SELECT start FROM release WHERE app_id = %d" % members[0]) == "set -e\n" + command


def test_destroying_the_parent_waits_until_members_have_their_source(jobs):
    app = parent(jobs, "mother")
    jobs.kill(jobs.children[-1])
    id, members = request(jobs, app, [f"./x {n}" for n in range(5)])
    jobs.sql("UPDATE app SET deleting = true, state = 'deleting' WHERE id = %d" % app)
    gone = jobs.submit(app, "destroy", lane="quick")
    jobs.worker("quick")
    wait_until(lambda: jobs.operation(gone)["waiting"], 30)
    jobs.worker()
    assert jobs.ended(id)["state"] == "succeeded" and jobs.ended(gone)["state"] == "succeeded"
    assert show(jobs, members[4], "serve") == "#!/bin/sh\n"
    assert not os.path.exists(jobs.path(f"git/{app}.git"))
    # the pool goes with the last member
    pool = jobs.value("SELECT family_id FROM app WHERE id = %d" % members[0])
    assert os.path.isdir(jobs.path(f"git/pool/{pool}.git"))


def group_operation(jobs, name, action, lane="normal"):
    return int(jobs.sql("INSERT INTO operation (tenant_id, app, kind, lane, args) SELECT id, '%s', 'group', '%s', '%s' FROM tenant "
                        "WHERE name = 'acme' RETURNING id" % (name, lane, json.dumps({"action": action, "group": name}))))


def test_what_is_done_to_a_group_reaches_each_member(jobs):
    app = parent(jobs, "flock")
    id, members = request(jobs, app, ["./a", "./b"])
    assert jobs.ended(id)["state"] == "succeeded"
    family = jobs.value("SELECT family_id FROM app WHERE id = %d" % app)
    of = "family_id = " + family

    def instances():
        return jobs.value("SELECT count(*) FROM instance i JOIN app a ON a.id = i.app_id WHERE a." + of)

    jobs.sql("UPDATE app SET scale_override = 3 WHERE " + of)
    assert jobs.ended(group_operation(jobs, "flock", "scale"))["state"] == "succeeded" and instances() == "9"
    jobs.sql("UPDATE app SET stopped = true WHERE " + of)
    assert jobs.ended(group_operation(jobs, "flock", "stop", "quick"))["state"] == "succeeded" and instances() == "0"
    jobs.sql("UPDATE app SET stopped = false, scale_override = 2 WHERE " + of)
    assert jobs.ended(group_operation(jobs, "flock", "start"))["state"] == "succeeded" and instances() == "6"
    assert jobs.ended(group_operation(jobs, "flock", "restart"))["state"] == "succeeded"
    assert jobs.value("SELECT string_agg(DISTINCT restarts::text, ' ') FROM instance i JOIN app a ON a.id = i.app_id "
                      "WHERE a." + of) == "1"
    jobs.mode("flock_2", "bad")
    jobs.sql("UPDATE app SET scale_override = 3 WHERE " + of)
    o = jobs.ended(group_operation(jobs, "flock", "scale"))
    assert (o["state"], o["error_code"]) == ("failed", "members_failed") and "1 of 3 members failed: flock_2" in o["error"]
    # a push to a member is told of none of its siblings' refs
    told = subprocess.run(["git", "-c", "safe.directory=*", "receive-pack", "--advertise-refs", jobs.path(f"git/{members[0]}.git")],
                          stdout=subprocess.PIPE, check=True).stdout
    assert b".have" not in told and told.count(b"refs/") == 1
    jobs.sql("UPDATE app SET deleting = true, state = 'deleting' WHERE " + of)
    jobs.kill(jobs.children[-1])
    gone = group_operation(jobs, "flock", "destroy", "quick")
    child = jobs.worker()
    wait_until(lambda: "destroy:" in jobs.steps(gone), 30)
    jobs.kill(child)
    jobs.worker()
    assert jobs.ended(gone)["state"] == "succeeded"
    assert jobs.value("SELECT count(*) FROM family WHERE id = " + family) == "0"
    assert not [m for m in [app, *members] if os.path.exists(jobs.path(f"git/{m}.git"))]
