"""What nap-api says to nap-hook, to git's authentication and to a machine's helper (serve_stack.py)."""
import threading

import pytest

from push_server import ZERO
from serve_stack import Stack, have_stack

pytestmark = pytest.mark.skipif(not have_stack(), reason="nap-api is not built, or nginx or PostgreSQL is missing")


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("doors"))
    stack.iwanna = stack.tenant("iwanna")
    stack.other = stack.tenant("other")
    yield stack
    stack.close()
    with open(stack.path("logs/api")) as f:
        log = f.read()
    assert "ERROR: AddressSanitizer" not in log and "runtime error" not in log and "Assertion" not in log, log[-4000:]


def auth(api, app, service="git-receive-pack", basic=None, tenant="iwanna", path="info/refs"):
    return api.git_auth(tenant, app, service, "iwanna:" + api.iwanna if basic is None else basic, path)


def repo_of(api, app):
    a = auth(api, app, path="git-receive-pack")
    assert a.status == 200, a
    return a.headers["X-Nap-Repo"]


def hook(api, what, **body):
    return api.call("POST", "/internal/v1/hooks/" + what, body, door="hook")


def push(api, app, push_id, profile="command: ./go\nmemory: 64m\n", **more):
    body = dict(repo=repo_of(api, app), push=push_id, tenant="iwanna", app=app, actor="token:1", request_id="r1", options=[],
                ref="refs/heads/main", branch="main", old=ZERO, new="a" * 40, profile=profile, run=False, entries=3, bytes=1000)
    body.update(more)
    return hook(api, "pre-receive", **body), body


# git's authentication --------------------------------------------------------------------------------------------


def test_git_wants_the_tenant_and_a_token_of_it(api):
    for basic in ("", "iwanna", "iwanna:", "iwanna:nap_" + "x" * 43, "other:" + api.iwanna, "iwanna:" + api.other):
        a = auth(api, "new", basic=basic)
        assert a.status == 401 and a.headers["WWW-Authenticate"].startswith('Basic realm="nap"'), (basic, a)
    assert auth(api, "new").status == 200


def test_another_tenant_s_path_is_404(api):
    assert auth(api, "new", tenant="other").status == 404


def test_reading_wants_read_and_pushing_deploy(api):
    read, deploy = api.token("iwanna", "read"), api.token("iwanna", "deploy")
    assert auth(api, "new", "git-upload-pack", "iwanna:" + read).status == 200
    a = auth(api, "new", basic="iwanna:" + read)
    assert a.status == 403 and a.headers["X-Nap-Error"] == 'this token lacks the scope "deploy"'
    assert auth(api, "new", basic="iwanna:" + deploy).status == 200


def test_looking_at_an_app_that_does_not_exist_keeps_nothing(api):
    a = auth(api, "unseen")
    assert a.status == 200 and a.headers.get("X-Nap-Repo", "") == "" and a.headers["X-Nap-Actor"].startswith("token:")
    assert api.sql("SELECT count(*) FROM push_name WHERE name = 'unseen'") == "0"


def test_a_push_keeps_one_id_for_the_name(api):
    first = repo_of(api, "kept")
    assert first == repo_of(api, "kept") and int(first) > 0
    assert repo_of(api, "kept2") != first
    assert api.sql("SELECT count(*) FROM app WHERE name = 'kept'") == "0"


@pytest.mark.parametrize("name,why", [("www", "reserved"), ("a" * 33, "32 characters"), ("a--b", "letter or digit")])
def test_a_bad_name_is_said_before_anything_is_sent(api, name, why):
    a = auth(api, name)
    assert a.status == 422 and why in a.headers["X-Nap-Error"]


def test_a_bound_token_pushes_to_its_app_alone(api):
    push(api, "mine", "bound1")
    bound = "iwanna:" + api.token("iwanna", "deploy", app="mine")
    assert auth(api, "mine", basic=bound).status == 200
    assert auth(api, "other1", basic=bound).status == 404


# nap-shell -------------------------------------------------------------------------------------------------------


def ssh_key(api, tenant, name="k"):
    return api.sql("INSERT INTO ssh_key (tenant_id, name, type, base64, fingerprint) SELECT id, '%s', 'ssh-ed25519', 'AAAA', "
                   "gen_random_uuid()::text FROM tenant WHERE name = '%s' RETURNING id" % (name, tenant))


def ssh(api, key, app, service="git-receive-pack", tenant="iwanna"):
    return api.call("POST", "/internal/v1/ssh", dict(tenant=tenant, key=key, app=app, service=service), door="hook")


def test_a_key_opens_its_tenants_repositories_alone(api):
    key, others = ssh_key(api, "iwanna"), ssh_key(api, "other")
    push(api, "own", "ssh1")
    a = ssh(api, key, "own", "git-upload-pack")
    assert a.status == 200 and a.json == {"repo": repo_of(api, "own"), "actor": "key:" + key}
    assert ssh(api, key, "own").json == a.json
    assert api.sql("SELECT last_used_at IS NOT NULL FROM ssh_key WHERE id = " + key) == "t"
    for bad in (ssh(api, others, "own"), ssh(api, "999999", "own"), ssh(api, "x", "own"), ssh(api, "0", "own"),
                ssh(api, key, "own", tenant="other"), ssh(api, others, "own", "git-upload-pack", "other"),
                ssh(api, key, "absent", "git-upload-pack")):
        assert (bad.status, bad.code) == (404, "not_found"), bad
    # a first push gets the id that HTTP would give; a bad name is said before anything is sent
    assert ssh(api, key, "fresh").json["repo"] == repo_of(api, "fresh")
    a = ssh(api, key, "www")
    assert a.status == 422 and "reserved" in a.json["detail"]
    # who is shut out is out, though the key's file may still be there
    api.sql("UPDATE tenant SET disabled_at = now() WHERE name = 'other'")
    try:
        assert ssh(api, others, "new", tenant="other").status == 404
    finally:
        api.sql("UPDATE tenant SET disabled_at = NULL WHERE name = 'other'")
    api.sql("UPDATE app SET deleting = true WHERE name = 'own'")
    a = ssh(api, key, "own")
    assert (a.status, a.code) == (409, "app_deleting")


# pre-receive -----------------------------------------------------------------------------------------------------


def test_the_first_push_makes_app_and_operation_in_one(api):
    a, body = push(api, "shop", "p1", "memory: 64m\ncommand: ./go\ncolour: red\n")
    assert a.status == 200 and [line[:19] for line in a.json["lines"]] == ["warning: profile:3:"]
    row = api.sql("SELECT a.id, o.kind, o.state, o.args->>'push', o.args->>'new', o.created_by, o.request_id FROM app a "
                  "JOIN operation o ON o.app_id = a.id WHERE a.name = 'shop'")
    assert row == "%s|push|receiving|p1|%s|token:1|r1" % (body["repo"], "a" * 40)
    assert api.sql("SELECT count(*) FROM push_name WHERE name = 'shop'") == "0"
    assert repo_of(api, "shop") == body["repo"]
    again = hook(api, "pre-receive", **body)
    assert again.status == 200 and again.json["operation"] == a.json["operation"]


def test_a_push_of_other_branches_makes_the_app_and_no_operation(api):
    a, _ = push(api, "stored", "p2", ref=None, branch=None, old=None, new=None, profile=None)
    assert a.status == 200 and a.json == {"operation": None, "lines": []}
    assert api.sql("SELECT state FROM app WHERE name = 'stored'") == "empty"


def test_faults_of_the_profile_refuse_and_leave_nothing(api):
    a, _ = push(api, "bad", "p3", "command: x\nmemory: lots\nscale: many\n")
    assert (a.status, a.code) == (422, "profile_invalid")
    assert [(e["field"], e["line"]) for e in a.json["errors"]] == [("profile", 2), ("profile", 3)]
    assert api.sql("SELECT count(*) FROM app WHERE name = 'bad'") == "0"


def test_a_source_needs_a_command(api):
    a, _ = push(api, "mute", "p4", None)
    assert (a.status, a.code) == (422, "profile_missing")
    a, _ = push(api, "mute", "p4", "memory: 64m\n")
    assert (a.status, a.code) == (422, "profile_invalid")
    a, _ = push(api, "mute", "p4", None, run=True)
    assert a.status == 200 and a.json["lines"] == ["memory is not given: 256 MiB"]


def test_what_is_over_quota_is_refused_before_it_is_stored(api):
    a, _ = push(api, "huge", "p5", "command: x\nmemory: 5g\n")
    assert (a.status, a.code) == (422, "quota_memory") and "GiB left" in a.json["detail"]
    a, _ = push(api, "huge", "p5", "command: x\nmemory: 6m\nscale: 101\n")
    assert (a.status, a.code) == (422, "quota_instances")
    a, _ = push(api, "huge", "p5", bytes=11 << 30)
    assert (a.status, a.code) == (413, "source_too_large")
    a, _ = push(api, "huge", "p5", entries=200001)
    assert (a.status, a.code) == (413, "source_too_large")
    assert api.sql("SELECT count(*) FROM app WHERE name = 'huge'") == "0"


def test_a_profile_of_a_mebibyte_passes(api):
    a, _ = push(api, "long", "p6", "command: x\n" + "\n" * ((1 << 20) - 11))
    assert a.status == 200, a


def test_a_destroyed_name_comes_back_only_when_asked(api):
    api.sql("INSERT INTO app_counter (tenant, app, release_no) VALUES ('iwanna', 'phoenix', 3)")
    a, _ = push(api, "phoenix", "p7")
    assert (a.status, a.code) == (409, "name_used") and "git push -o create" in a.json["detail"]
    a, _ = push(api, "phoenix", "p7", options=["create"])
    assert a.status == 200


def test_an_app_that_is_being_destroyed_takes_no_push(api):
    push(api, "dying", "p8")
    repo = repo_of(api, "dying")
    api.sql("UPDATE app SET deleting = true WHERE name = 'dying'")
    a = auth(api, "dying")
    assert a.status == 409 and "being destroyed" in a.headers["X-Nap-Error"]
    a = hook(api, "pre-receive", repo=repo, push="p9", ref="refs/heads/main", branch="main", old=ZERO, new="a" * 40,
             profile="command: x\n")
    assert (a.status, a.code) == (409, "app_deleting")


# update and following --------------------------------------------------------------------------------------------


def test_update_queues_the_operation_once(api):
    a, body = push(api, "queued", "q1", options=["detach"])
    q = dict(repo=body["repo"], push="q1", ref="refs/heads/main", old=ZERO, new="a" * 40)
    for _ in range(2):
        u = hook(api, "update", **q)
        assert u.status == 200 and u.json == {"operation": a.json["operation"], "detach": True}
        assert api.sql("SELECT state FROM operation WHERE id = " + a.json["operation"]) == "queued"
    assert hook(api, "update", **dict(q, ref="refs/heads/topic")).json["operation"] is None
    assert hook(api, "update", **dict(q, push="unknown")).json["operation"] is None
    assert hook(api, "update", **dict(q, repo="99999")).status == 404


def follow(api, repo, operation, after=0, wait=0):
    return api.call("GET", "/internal/v1/operations/%s?repo=%s&after=%d&wait=%d" % (operation, repo, after, wait), door="hook")


def test_an_operation_is_followed_to_its_end(api):
    a, body = push(api, "followed", "f1")
    operation, repo = a.json["operation"], body["repo"]
    hook(api, "update", repo=repo, push="f1", ref="refs/heads/main", old=ZERO, new="a" * 40)
    got = follow(api, repo, operation)
    assert got.status == 200 and got.json["state"] == "queued" and got.json["lines"] == [] and got.json["position"] >= 1
    answers = []
    t = threading.Thread(target=lambda: answers.append(follow(api, repo, operation, 0, 20)))
    t.start()
    api.sql("INSERT INTO operation_log (operation_id, seq, tenant_id, line) SELECT id, 1, tenant_id, 'building' FROM operation "
            "WHERE id = %s; SELECT pg_notify('nap_operation', '%s')" % (operation, operation))
    t.join(15)
    assert answers and answers[0].json["lines"] == [{"seq": 1, "line": "building"}]
    api.sql("UPDATE operation SET state = 'failed', error_code = 'release_not_ready', error = 'no', error_lines = '[\"x\"]' "
            "WHERE id = " + operation)
    got = follow(api, repo, operation, 1, 20).json
    assert (got["state"], got["error_code"], got["error"], got["error_lines"], got["lines"]) == \
        ("failed", "release_not_ready", "no", ["x"], [])
    api.sql("UPDATE operation SET state = 'succeeded', release_number = 4 WHERE id = " + operation)
    got = follow(api, repo, operation, 1, 20).json
    assert (got["release"], got["address"]) == (4, "http://followed-iwanna.localhost:%d/" % api.port)
    assert follow(api, "1", operation).status == 404
    assert follow(api, repo, "99999").status == 404


# The machine's helper --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unit(api):
    api.sql("""
        WITH t AS (SELECT id FROM tenant WHERE name = 'iwanna'),
        a AS (INSERT INTO app (tenant_id, name, group_name, memory_bytes) SELECT id, 'web_1', 'web', 67108864 FROM t RETURNING *),
        r AS (INSERT INTO release (tenant_id, app_id, number, kind, commit, tree, profile_text, profile, env, start, command,
            memory_bytes, scale, health) SELECT tenant_id, id, 3, 'deploy', repeat('a', 40), 'abcd', '', '{}',
            '{"KEY": {"value": "it''s", "secret": true}, "PORT": {"value": "1", "secret": false}}', 'exec ./go', './go',
            67108864, 1, '/up' FROM a RETURNING *)
        INSERT INTO instance (tenant_id, app_id, release_id, number, unit, port)
            SELECT tenant_id, app_id, id, 2, 'iwanna.web_1.v3@2.service', 20011 FROM r""")
    return "/node/v1/units/iwanna.web_1.v3@2.service"


def node(api, method, path, body=None):
    return api.call(method, path, body, door="node")


def test_a_unit_is_told_all_that_it_needs(api, unit):
    a = node(api, "GET", unit)
    assert a.status == 200
    got = a.json
    token = got["env"].pop("NAP_TOKEN")
    assert got == {
        "unit": "iwanna.web_1.v3@2.service", "kind": "instance", "app_id": got["app_id"], "tenant": "iwanna", "app": "web_1",
        "group": "web", "release": 3, "number": 2, "port": 20011, "tree": "abcd", "health": "/up", "restart": "auto",
        "listened": False, "memory": 64 << 20, "start": "exec ./go",
        "disk": {"limit": 4 << 30, "floor": 512 << 20},
        "env": {"KEY": "it's", "PORT": "20011", "HOST": "127.0.0.1", "NAP_APP": "web_1", "NAP_TENANT": "iwanna", "NAP_GROUP": "web",
                "NAP_RELEASE": "3", "NAP_INSTANCE": "2", "NAP_URL": "http://web-1-iwanna.localhost:%d/" % api.port}}
    assert api.call("GET", "/quota", token=token).status == 403
    assert api.call("GET", "/session", token=token).status == 403
    assert api.call("GET", "/apps/web_1/endpoints", token=token).status == 200
    other = node(api, "GET", unit).json["env"]["NAP_TOKEN"]
    assert other != token and api.call("GET", "/apps/web_1/endpoints", token=token).status == 401
    assert all(t["name"] != "2" for t in api.call("GET", "/tokens", token=api.iwanna).json["items"])


def test_announcements_come_from_live_instances(api, unit):
    a = node(api, "POST", unit + "/announce", {"healthy": True})
    assert a.status == 200 and a.json["interval"] >= 1
    assert api.sql("SELECT healthy FROM announcement") == "t"
    assert node(api, "POST", unit + "/announce", {"healthy": "yes"}).status == 422
    assert node(api, "POST", "/node/v1/units/iwanna.web_1.v3@3.service/announce", {"healthy": True}).status == 410


def test_the_first_end_of_a_run_counts(api, unit):
    end = {"run_id": "r1", "started_us": 1700000000000000, "ended_us": 1700000001500000, "exit_code": 3, "exit_signal": None,
           "result": "exit-code", "stdout_bytes": 5, "stdout_sha256": "ab", "listened": True}
    assert node(api, "POST", unit + "/exit", end).status == 204
    assert node(api, "POST", unit + "/exit", dict(end, exit_code=4)).status == 204
    assert api.sql("SELECT exit_code, result, extract(epoch FROM ended_at - started_at) FROM run") == "3|exit-code|1.500000"
    assert api.sql("SELECT exit_code, restarts, listened FROM instance") == "3|1|t"
    assert node(api, "POST", "/node/v1/units/nope@1.service/exit", end).status == 404


def test_how_much_an_instance_took_is_said(api, unit):
    assert node(api, "GET", unit).json["disk"] == {"limit": 4 << 30, "floor": 512 << 20}
    api.sql("UPDATE tenant SET quota_disk = 1000000")
    assert node(api, "GET", unit).json["disk"]["limit"] == 1000000
    end = {"run_id": "full", "ended_us": 1700000001500000, "result": "disk", "reason": "disk: 2 GiB of 1 GiB used"}
    assert node(api, "POST", unit + "/exit", end).status == 204
    assert api.sql("SELECT exit_result, exit_reason FROM instance") == "disk|disk: 2 GiB of 1 GiB used"


def test_machines_are_told_which_apps_were_destroyed(api, unit):
    app = api.sql("SELECT id FROM app LIMIT 1")
    gone = api.sql("WITH a AS (INSERT INTO app (tenant_id, name, group_name, memory_bytes) SELECT id, 'gone', 'gone', 1 << 26 "
                   "FROM tenant WHERE name = 'iwanna' RETURNING id) SELECT id FROM a")
    asked = {"apps": [app, gone, "987654321"]}
    assert node(api, "POST", "/node/v1/data", asked).json == {"destroyed": []}
    api.sql("DELETE FROM app WHERE id = " + gone)
    assert node(api, "POST", "/node/v1/data", asked).json == {"destroyed": [gone]}
    assert node(api, "POST", "/node/v1/data", {"apps": ["x"]}).status == 422


def test_what_is_not_wanted_is_410_and_unknown_404(api, unit):
    assert node(api, "GET", "/node/v1/units/nope@1.service").status == 404
    api.sql("UPDATE instance SET port = NULL")
    assert node(api, "GET", unit).status == 409
    api.sql("UPDATE instance SET want = 'gone', port = 20011")
    assert node(api, "GET", unit).status == 410
    assert node(api, "POST", unit + "/announce", {"healthy": True}).status == 410


def test_a_build_is_told_what_to_run(api, unit):
    api.sql("""INSERT INTO build (tenant_id, app_id, release_id, operation_id, unit, unit_options, source_tree, result_tree,
        script, memory_bytes, seconds) SELECT tenant_id, app_id, id, 1, 'iwanna.web_1.v3-build@1.service', '[]', 'src', 'res',
        'make', 1073741824, 900 FROM release""")
    path = "/node/v1/units/iwanna.web_1.v3-build@1.service"
    got = node(api, "GET", path).json
    assert (got["kind"], got["tree"], got["result_tree"], got["start"], got["seconds"]) == ("build", "src", "res", "make", 900)
    assert "NAP_TOKEN" not in got["env"] and got["env"]["NAP_APP"] == "web_1"
    end = {"run_id": "b1", "started_us": None, "ended_us": None, "exit_code": 0, "exit_signal": None, "result": "finished",
           "stdout_bytes": 0, "stdout_sha256": None, "listened": False}
    assert node(api, "POST", path + "/exit", end).status == 204
    assert api.sql("SELECT state, result, exit_code FROM build") == "ended|finished|0"
    assert node(api, "GET", path).status == 410
