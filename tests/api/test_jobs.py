"""Operations as nap-worker runs them: real git, real PostgreSQL, a leader of a few lines."""
import fcntl
import json
import os
import signal
import subprocess
import tarfile

import pytest

from jobs_stack import Jobs, have_jobs, program, wait_until

pytestmark = pytest.mark.skipif(not have_jobs(), reason="nap-worker is not built or PostgreSQL is missing")

WEB = {"profile": "memory: 64m\nscale: 2\ncommand: ./serve\n", "serve": "#!/bin/sh\n"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    s = Jobs(tmp_path_factory.mktemp("jobs"))
    yield s
    s.close()


@pytest.fixture
def jobs(stack):
    """the stack with one worker; what the test started is ended, what it left is ended too"""
    stack.leading = True
    child = stack.worker()
    yield stack
    for c in [child, *stack.children]:
        if c.poll() is None:
            stack.kill(c)
    stack.children.clear()
    stack.sql("UPDATE operation SET state = 'cancelled', ended_at = now() WHERE state IN ('queued', 'running', 'receiving')")


def test_a_deploy_by_url_becomes_a_release_that_serves(jobs):
    app, commit, o = jobs.deploy("web", WEB)
    assert o["state"] == "succeeded", o
    assert jobs.steps(o["id"]) == " ".join(s + ":succeeded" for s in
                                           ("fetch", "profile", "release", "tree", "start", "route"))
    assert jobs.value("SELECT r.commit || ' ' || r.state || ' ' || a.memory_bytes || ' ' || a.instances FROM app a "
                      "JOIN release r ON r.id = a.release_id WHERE a.id = %d" % app) == commit + " live 67108864 2"
    tree = jobs.value("SELECT tree FROM release WHERE app_id = %d" % app)
    assert sorted(os.listdir(jobs.path("tree/" + tree))) == ["serve"]
    git = ["git", "--git-dir", jobs.path("git/%d.git" % app), "rev-parse"]
    for ref in ("refs/heads/main", "HEAD", "refs/nap/releases/1"):
        assert subprocess.check_output([*git, ref], text=True).strip() == commit
    assert jobs.value("SELECT used_memory >= 134217728 AND used_instances >= 2 FROM tenant WHERE name = 'acme'") == "t"


def test_a_release_that_never_gets_ready_leaves_the_app_as_it_was(jobs):
    jobs.mode("later", "bad")
    app, _, first = jobs.deploy("later", {"profile": "memory: 64m\ncommand: a\n"})
    assert (first["state"], first["error_code"]) == ("failed", "release_not_ready")
    assert "it ended at once" in first["error"]
    assert jobs.value("SELECT state || deployed FROM app WHERE id = %d" % app) == "failedfalse"
    used = jobs.value("SELECT used_memory || ' ' || used_instances FROM tenant WHERE name = 'acme'")
    jobs.mode("later", "good")
    assert jobs.ended(jobs.submit(app, "deploy"))["state"] == "succeeded"
    before = jobs.value("SELECT memory_bytes || ' ' || instances || ' ' || release_id FROM app WHERE id = %d" % app)
    jobs.mode("later", "bad")
    jobs.repository("later", {"profile": "memory: 32m\nscale: 3\ncommand: b\n"}, "second")
    o = jobs.ended(jobs.submit(app, "deploy"))
    assert o["state"] == "failed"
    assert jobs.value("SELECT memory_bytes || ' ' || instances || ' ' || release_id FROM app WHERE id = %d" % app) == before
    assert jobs.value("SELECT string_agg(state, ' ' ORDER BY number) FROM release WHERE app_id = %d" % app) == \
        "failed live failed"
    jobs.sql("UPDATE app SET deleting = true WHERE id = %d" % app)
    assert jobs.value("SELECT used_memory || ' ' || used_instances FROM tenant WHERE name = 'acme'") == used


def test_going_back_to_the_old_release_is_never_refused_for_its_quota(jobs):
    app, _, o = jobs.deploy("quota", {"profile": "memory: 512m\nscale: 2\ncommand: a\n"})
    assert o["state"] == "succeeded"
    jobs.mode("quota", "slow")
    jobs.repository("quota", {"profile": "memory: 64m\nscale: 1\ncommand: b\n"}, "smaller")
    id = jobs.submit(app, "deploy")
    wait_until(lambda: jobs.value("SELECT count(*) FROM app WHERE id = %d AND next_release_id IS NOT NULL" % app) == "1", 30)
    jobs.sql("UPDATE tenant SET quota_memory = used_memory WHERE name = 'acme'")
    try:
        jobs.sql("UPDATE operation SET cancel = true WHERE id = %d" % id)
        o = jobs.ended(id)
    finally:
        jobs.sql("UPDATE tenant SET quota_memory = 4294967296 WHERE name = 'acme'")
    assert (o["state"], o["error_code"]) == ("cancelled", "operation_cancelled")
    assert jobs.value("SELECT memory_bytes || ' ' || instances || ' ' || coalesce(next_memory, 0) FROM app WHERE id = %d"
                      % app) == "536870912 2 0"
    wait_until(lambda: jobs.value("SELECT count(*) FROM instance i JOIN release r ON r.id = i.release_id WHERE i.app_id = %d "
                                  "AND r.number = 2" % app) == "0")


def test_more_than_the_quota_is_a_clear_failure(jobs):
    _, _, o = jobs.deploy("large", {"profile": "memory: 3g\nscale: 2\ncommand: a\n"})
    assert (o["state"], o["error_code"]) == ("failed", "quota_memory")


def room(*folders):
    """what du says: blocks, hard links once"""
    found = {}
    for folder in folders:
        for at, _, files in os.walk(folder):
            for st in [os.lstat(at)] + [os.lstat(os.path.join(at, f)) for f in files]:
                found[st.st_ino] = st.st_blocks * 512
    return sum(found.values())


def test_a_second_tree_is_the_first_by_links_with_its_changes_in_it(jobs):
    """what is the same is linked, what differs is new; where attributes change, files that do not differ come out anew"""
    source = {"profile": "memory: 64m\ncommand: a\n", "a/same": "1", "a/b/c.txt": "one\n", "gone/x": "1", "swap": "file"}
    app, _, _ = jobs.deploy("links", source)
    second = {**source, "a/b/c.txt": "two\n", "a/b/new/n.sh": "n", "swap/in": "folder"}
    del second["gone/x"], second["swap"]

    def tree(changed, note):
        subprocess.run(["git", "-C", jobs.path("source/links"), "rm", "-qr", "."], check=True)
        jobs.repository("links", changed, note)
        assert jobs.ended(jobs.submit(app, "deploy"))["state"] == "succeeded"
        return jobs.path("tree/" + jobs.value("SELECT tree FROM release WHERE app_id = %d ORDER BY number DESC LIMIT 1" % app))

    def files(top):
        found = {os.path.relpath(os.path.join(at, f), top): os.path.join(at, f) for at, _, names in os.walk(top) for f in names}
        return {name: open(path, "rb").read().decode() for name, path in found.items()}

    first = jobs.path("tree/" + jobs.value("SELECT tree FROM release WHERE app_id = %d" % app))
    linked = tree(second, "second")
    assert files(linked) == {k: v for k, v in second.items() if k != "profile"}
    assert files(first) == {k: v for k, v in source.items() if k != "profile"}
    assert os.stat(linked + "/a/same").st_ino == os.stat(first + "/a/same").st_ino
    for at, folders, names in os.walk(linked):
        assert all(os.stat(os.path.join(at, d)).st_mode & 0o7777 == 0o777 for d in folders), at
        assert all(os.stat(os.path.join(at, f)).st_mode & 0o7777 == 0o666 for f in names), at
    crlf = tree({**second, ".gitattributes": "*.txt text eol=crlf\n"}, "third")
    assert files(crlf)["a/b/c.txt"] == "two\r\n"


def test_the_disk_is_counted_and_its_quota_kept(jobs):
    source = {"profile": "memory: 64m\ncommand: a\n", "big": "x" * 3000000, "small": "1"}
    app, _, o = jobs.deploy("disk", source)
    jobs.repository("disk", {**source, "small": "2"}, "second")
    again = jobs.ended(jobs.submit(app, "deploy"))
    assert o["state"] == again["state"] == "succeeded"

    def counted():
        trees = jobs.value("SELECT string_agg(tree, ' ') FROM release WHERE app_id = %d" % app).split()
        real = room(jobs.path("git/%d.git" % app), *(jobs.path("tree/" + t) for t in trees))
        return len(trees) == 2 and jobs.value("SELECT source FROM app_disk WHERE app_id = %d" % app) == str(real) and real

    # the second tree has the large file by a link
    wait_until(counted)
    assert 3000000 < counted() < 4000000
    before = jobs.value("SELECT version FROM app WHERE id = %d" % app)
    jobs.sql("UPDATE app_disk SET data = 5000 WHERE app_id = %d" % app)
    assert jobs.value("SELECT version FROM app WHERE id = %d" % app) == before
    assert jobs.value("SELECT disk_bytes = source + logs + 5000 FROM app JOIN app_disk ON app_id = id WHERE id = %d" % app) == "t"
    assert jobs.value("SELECT used_disk = (SELECT sum(disk_bytes) FROM app a WHERE a.tenant_id = t.id) AND used_disk > 0 "
                      "FROM tenant t WHERE name = 'acme'") == "t"
    jobs.sql("UPDATE tenant SET quota_disk = used_disk + 2000000 WHERE name = 'acme'")
    try:
        _, _, o = jobs.deploy("disk2", {**source, "big": "y" * 3000000})
        assert (o["state"], o["error_code"]) == ("failed", "quota_disk"), o
        # what is there already needs no room: going back is possible
        assert jobs.ended(jobs.submit(app, "rollback", {"release": 1}))["state"] == "succeeded"
    finally:
        jobs.sql("UPDATE tenant SET quota_disk = 10737418240 WHERE name = 'acme'")


def test_repositories_are_packed_but_not_under_a_push(jobs):
    jobs.tenant("beta")
    repositories, objects = [], []
    for name, tenant in (("packed", "acme"), ("packed2", "beta")):
        commit = jobs.repository(name, WEB)
        app = jobs.app(name, "file://" + jobs.path("source/" + name), tenant)
        assert jobs.ended(jobs.submit(app, "deploy"))["state"] == "succeeded"
        git = ["git", "--git-dir", jobs.path("git/%d.git" % app)]
        packs = jobs.path("git/%d.git/objects/pack" % app)
        ids = [subprocess.run(git + ["hash-object", "-w", "--stdin"], input=b"%d" % n, check=True, stdout=subprocess.PIPE)
               .stdout.strip() for n in range(22)]
        for n, id in enumerate(ids):
            pack = subprocess.run(git + ["pack-objects", "-q", packs + "/pack"], input=id, check=True, stdout=subprocess.PIPE)
            if n == 0:                                  # what came three days ago, and no ref reached
                for end in (".pack", ".idx"):
                    os.utime(packs + "/pack-" + pack.stdout.decode().strip() + end, (1, 1))
        subprocess.run(git + ["prune-packed"], check=True)
        repositories.append((git, packs))
        objects.append((commit, ids))

    def count(packs):
        return sum(f.endswith(".pack") for f in os.listdir(packs))

    def has(n, id):
        return subprocess.run([*repositories[n][0], "cat-file", "-e", id], stderr=subprocess.DEVNULL).returncode == 0

    os.makedirs(jobs.path("git/slots"), exist_ok=True)
    with open(jobs.path("git/slots/acme.1"), "w") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)                # as a push holds it
        os.chmod(slot.name, 0o660)
        jobs.worker()                                   # it sweeps at once
        wait_until(lambda: count(repositories[1][1]) == 1 and os.path.exists(repositories[1][1] + "/../../nap-packed"), 60)
        assert count(repositories[0][1]) > 20           # it came first
    jobs.worker()
    wait_until(lambda: count(repositories[0][1]) == 1 and os.path.exists(repositories[0][1] + "/../../nap-packed"), 60)
    for n, (commit, ids) in enumerate(objects):
        assert has(n, commit) and not has(n, ids[0]) and all(has(n, id) for id in ids[1:])


@pytest.mark.parametrize("name,files,code", [
    ("noprofile", {"x": ""}, "profile_missing"),
    ("nocommand", {"profile": "memory: 64m\n"}, "command_missing"),
    ("wrong", {"profile": "memory: much\ncommand: a\n"}, "profile_invalid"),
])
def test_a_source_that_cannot_be_run_says_why(jobs, name, files, code):
    _, _, o = jobs.deploy(name, files)
    assert (o["state"], o["error_code"]) == ("failed", code)


def test_sources_that_cannot_be_fetched_have_codes_of_their_own(jobs):
    os.makedirs(jobs.path("source/empty"))
    subprocess.run(["git", "init", "-q", "--bare", jobs.path("source/empty")], check=True)
    jobs.repository("there", WEB)
    cases = [
        ("file://" + jobs.path("source/empty"), {}, "empty_repository"),
        ("file://" + jobs.path("source/missing"), {}, "repository_not_found"),
        ("file://" + jobs.path("source/there"), {"ref": "nobranch"}, "ref_not_found"),
        ("file://" + jobs.path("source/there"), {"ref": "f" * 40}, "ref_not_found"),
        ("https://no-such-host.invalid/a.git", {}, "unknown_host"),
        ("http://127.0.0.1:9/a.git", {}, "address_not_allowed"),
        ("http://[::1]:9/a.git", {}, "address_not_allowed"),
        ("http://[::ffff:127.0.0.1]:9/a.git", {}, "address_not_allowed"),
        ("http://localhost:9/a.git", {}, "address_not_allowed"),
        ("http://0x7f000001/a.git", {}, "address_not_allowed"),
        ("http://169.254.169.254/a.git", {}, "address_not_allowed"),
        ("ssh://git@10.0.0.1/a.git", {}, "address_not_allowed"),
        ("git@192.168.1.1:a.git", {}, "address_not_allowed"),
    ]
    ids = [(url, code, jobs.submit(jobs.app("fetch%d" % i, url), "deploy", args))
           for i, (url, args, code) in enumerate(cases)]
    got = [(url, jobs.ended(id)["error_code"]) for url, _, id in ids]
    assert got == [(url, code) for url, code, _ in ids]
    assert not [f for f in os.listdir(jobs.path("work")) if f != "ssh"]


def test_a_password_in_the_url_is_told_to_nobody(jobs):
    app = jobs.app("secret", "http://127.0.0.1:9/a.git")
    jobs.sql("UPDATE app SET url_secret = 'me:s3cr%%65tpass' WHERE id = %d" % app)
    jobs.kill(jobs.children[0], signal.SIGTERM)
    jobs.worker(git_private=1)
    o = jobs.ended(jobs.submit(app, "deploy"))
    assert o["error_code"] == "git_unreachable", o
    assert "s3cr" not in json.dumps(o) + jobs.log(o["id"])


@pytest.mark.parametrize("step", ["fetch", "profile", "release", "tree", "start", "route"])
def test_a_worker_that_is_killed_is_replaced_and_the_deploy_goes_on(jobs, step):
    name = "kill-" + step
    jobs.repository(name, dict(WEB, own=step))      # a tree of its own
    app = jobs.app(name, "file://" + jobs.path("source/" + name))
    jobs.leading = step == "route"
    id = jobs.submit(app, "deploy")
    wait_until(lambda: step + ":" in jobs.steps(id), 60)
    jobs.kill(jobs.children[-1])
    jobs.leading = True
    jobs.worker()
    o = jobs.ended(id)
    assert o["state"] == "succeeded", (o, jobs.steps(id))
    assert jobs.value("SELECT count(*) || ' ' || max(number) FROM release WHERE app_id = %d" % app) == "1 1"


@pytest.mark.parametrize("step", ["import", "start"])
def test_an_archive_is_kept_until_its_operation_is_over(jobs, step):
    """whichever worker ends it"""
    name, file = "sent-" + step, jobs.path("upload/" + "c" * 32)
    jobs.repository(name, dict(WEB, noise="x" * 1000000, own=step))
    with tarfile.open(file, "w") as t:
        t.add(jobs.path("source/" + name), "", filter=lambda m: None if ".git" in m.name else m)
    app = jobs.app(name)
    jobs.leading = False
    id = jobs.submit(app, "upload", {"file": "c" * 32, "type": "application/x-tar"})
    wait_until(lambda: step + ":" in jobs.steps(id), 60)
    jobs.kill(jobs.children[-1])
    assert os.path.exists(file)
    jobs.leading = True
    jobs.worker()
    o = jobs.ended(id)
    assert (o["state"], o["attempt"]) == ("succeeded", 2), (o, jobs.steps(id))
    assert jobs.value("SELECT count(*) || ' ' || max(kind) FROM release WHERE app_id = %d" % app) == "1 upload"
    wait_until(lambda: not os.path.exists(file))


def test_term_gives_the_operation_back_at_once(jobs):
    jobs.mode("term", "slow")
    jobs.repository("term", WEB)
    app = jobs.app("term", "file://" + jobs.path("source/term"))
    id = jobs.submit(app, "deploy")
    wait_until(lambda: "start:" in jobs.steps(id), 60)
    jobs.kill(jobs.children[-1], signal.SIGTERM)
    assert jobs.operation(id)["state"] == "queued"
    jobs.mode("term", "good")
    jobs.worker()
    o = jobs.ended(id)
    assert (o["state"], o["attempt"]) == ("succeeded", 2)


def test_cancel_ends_the_child_and_its_group(jobs, tmp_path):
    """a git host that never answers"""
    import socket
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    jobs.kill(jobs.children[-1], signal.SIGTERM)
    worker = jobs.worker(git_private=1)
    id = jobs.submit(jobs.app("endless", "http://127.0.0.1:%d/a.git" % s.getsockname()[1]), "deploy")
    connection, _ = s.accept()

    def children():
        return subprocess.run(["pgrep", "-g", subprocess.run(["pgrep", "-P", str(worker.pid)], stdout=subprocess.PIPE,
                               text=True).stdout.strip() or "0"], stdout=subprocess.PIPE, text=True).stdout.split()
    wait_until(children)
    group = children()
    jobs.sql("UPDATE operation SET cancel = true WHERE id = %d" % id)
    assert jobs.ended(id)["state"] == "cancelled"
    assert not [p for p in group if os.path.exists("/proc/%s/cmdline" % p) and open("/proc/%s/cmdline" % p).read()]
    connection.close()
    s.close()


def test_one_operation_of_an_app_at_a_time_the_newest_deploy_wins_and_two_builds_a_tenant(jobs):
    jobs.kill(jobs.children[-1], signal.SIGTERM)
    jobs.repository("many", WEB)
    for i in range(4):
        jobs.mode("many%d" % i, "slow")
    apps = [jobs.app("many%d" % i, "file://" + jobs.path("source/many")) for i in range(4)]
    first = [jobs.submit(apps[0], "deploy"), jobs.submit(apps[0], "deploy")]
    others = [jobs.submit(a, "deploy") for a in apps[1:]]
    for _ in range(4):
        jobs.worker()
    wait_until(lambda: jobs.value("SELECT count(*) FROM operation WHERE state = 'running'") == "2", 30)
    assert (jobs.operation(first[0])["state"], jobs.operation(first[0])["error_code"]) == ("cancelled", "superseded")
    quick = jobs.submit(apps[3], "stop", lane="quick")
    assert jobs.ended(quick)["state"] == "succeeded"        # passes the deploy of the same app that waits
    assert jobs.value("SELECT count(*) FROM operation WHERE state = 'running'") == "2"
    jobs.sql("UPDATE operation SET cancel = true WHERE id = ANY('{%s}')" % ",".join(map(str, first + others)))
    for id in others[:2]:
        jobs.ended(id)


def test_a_build_is_made_once_and_shared(jobs):
    files = {"profile": "memory: 64m\nbuild: make\ncommand: ./a\n", "a": ""}
    app, _, o = jobs.deploy("built", files)
    assert o["state"] == "succeeded", o
    assert "build:succeeded" in jobs.steps(o["id"])
    assert jobs.value("SELECT b.unit || ' ' || (b.result_tree = r.tree) || ' ' || b.want FROM build b JOIN release r "
                      "ON r.id = b.release_id WHERE b.app_id = %d" % app) == "acme.built.v1-build@1.service true gone"
    jobs.repository("built", {"profile": "memory: 64m\nbuild: make\ncommand: ./b\n"}, "another command")
    o = jobs.ended(jobs.submit(app, "deploy"))
    assert o["state"] == "succeeded"
    assert jobs.value("SELECT count(*) FROM build WHERE app_id = %d" % app) == "1"
    assert "used again" in jobs.log(o["id"])


def test_a_build_that_fails_says_with_what(jobs):
    app, _, o = jobs.deploy("unbuilt", {"profile": "memory: 64m\nbuild: exit 3\ncommand: ./a\n"})
    assert (o["state"], o["error_code"]) == ("failed", "build_failed")
    assert "exit code 3" in o["error"]
    assert jobs.value("SELECT state || deployed FROM app WHERE id = %d" % app) == "failedfalse"


def test_rollback_env_scale_stop_start_restart_and_destroy(jobs):
    app, commit, o = jobs.deploy("life", WEB)
    jobs.sql("UPDATE app SET env = '{\"A\": {\"value\": \"1\", \"secret\": false}}' WHERE id = %d" % app)
    assert jobs.ended(jobs.submit(app, "env"))["state"] == "succeeded"
    jobs.repository("life", {"profile": "memory: 64m\nscale: 1\ncommand: ./other\n", "new/file": "x"}, "second")
    assert jobs.ended(jobs.submit(app, "deploy"))["state"] == "succeeded"
    three = jobs.value("SELECT tree FROM release WHERE app_id = %d AND number = 3" % app)
    assert sorted(os.listdir(jobs.path("tree/" + three))) == ["new", "serve"]
    assert jobs.ended(jobs.submit(app, "rollback", {"release": 1}))["state"] == "succeeded"
    assert jobs.value("SELECT r.number || ' ' || r.kind || ' ' || r.commit || ' ' || a.env::text || ' ' || a.instances "
                      "FROM app a JOIN release r ON r.id = a.release_id WHERE a.id = %d" % app) == \
        "4 rollback %s {} 2" % commit
    assert jobs.ended(jobs.submit(app, "rollback", {"release": 4}))["error_code"] == "release_current"
    assert jobs.ended(jobs.submit(app, "rollback", {"release": 9}))["error_code"] == "release_not_found"
    jobs.sql("UPDATE app SET scale_override = 3 WHERE id = %d" % app)
    o = jobs.ended(jobs.submit(app, "scale", {"instances": 3}))
    assert (o["state"], o["done"], o["total"]) == ("succeeded", 3, 3)
    jobs.sql("UPDATE app SET stopped = true WHERE id = %d" % app)
    assert jobs.ended(jobs.submit(app, "stop", lane="quick"))["state"] == "succeeded"
    assert jobs.value("SELECT count(*) FROM instance WHERE app_id = %d" % app) == "0"
    jobs.sql("UPDATE app SET stopped = false WHERE id = %d" % app)
    assert jobs.ended(jobs.submit(app, "start"))["state"] == "succeeded"
    assert jobs.ended(jobs.submit(app, "restart", {"instance": 2}))["state"] == "succeeded"
    assert jobs.value("SELECT string_agg(restarts::text, ' ' ORDER BY number) FROM instance WHERE app_id = %d" % app) == "0 1 0"
    assert jobs.ended(jobs.submit(app, "restart"))["state"] == "succeeded"
    assert jobs.ended(jobs.submit(app, "restart", {"instance": 9}))["error_code"] == "instance_not_found"
    jobs.sql("UPDATE app SET deleting = true, state = 'deleting' WHERE id = %d" % app)
    assert jobs.ended(jobs.submit(app, "destroy", lane="quick"))["state"] == "succeeded"
    for table in ("instance", "release", "run", "build", "token"):
        assert jobs.value("SELECT count(*) FROM %s WHERE app_id = %d" % (table, app)) == "0"
    assert jobs.value("SELECT count(*) FROM app WHERE id = %d" % app) == "0"
    assert not [f for f in os.listdir(jobs.path("git")) if str(app) in f]


def test_a_push_whose_hook_has_died_gets_its_branch(jobs):
    commit = jobs.repository("pushed", WEB)
    app = jobs.app("pushed")
    subprocess.run(["git", "clone", "-q", "--bare", jobs.path("source/pushed"), jobs.path("git/%d.git" % app)], check=True)
    git = ["git", "--git-dir", jobs.path("git/%d.git" % app)]
    subprocess.run([*git, "update-ref", "refs/nap/kept", commit], check=True)
    subprocess.run([*git, "update-ref", "-d", "refs/heads/main"], check=True)
    push = "0123456789abcdef" * 2
    open(jobs.path("git/%d.git/nap-push-%s" % (app, push)), "w").close()
    o = jobs.ended(jobs.submit(app, "push", {"push": push, "ref": "refs/heads/main", "branch": "main", "old": "0" * 40,
                                             "new": commit, "options": []}))
    assert o["state"] == "succeeded", o
    jobs.sql("UPDATE operation SET ended_at = now() - interval '1 minute' WHERE id = %d" % o["id"])
    jobs.sql("SELECT pg_notify('nap_operation', '')")
    wait_until(lambda: subprocess.run([*git, "rev-parse", "--verify", "-q", "refs/heads/main"], stdout=subprocess.PIPE,
                                      text=True).stdout.strip() == commit, 30)
    wait_until(lambda: not os.path.exists(jobs.path("git/%d.git/nap-push-%s" % (app, push))))
