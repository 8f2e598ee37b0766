"""The main job from outside, with HTTP and git only: source in, instances running and reachable."""
import http.client
import json
import os
import re
import threading
import time

from stack import Ssh, ask, git, run_git, wait_until, web_app, write_files


def instances(tenant, name):
    r = tenant.api("GET", f"/apps/{name}/instances")
    assert r.status == 200, r
    return r.json()["items"]


def ready(tenant, name):
    return sorted(int(i["number"]) for i in instances(tenant, name) if i["state"] == "ready")


def who(tenant, app, n=60):
    """instances that answered n visits"""
    return {tenant.visit(app).json()["instance"] for _ in range(n)}


def test_a_repository_by_url_answers_from_all_its_instances(tenant, git_server):
    url = git_server.repo("shop", web_app(scale=3))
    app = tenant.deploy(url)
    assert (app["name"], app["state"], app["desired_instances"], app["running_instances"]) == ("shop", "running", 3, 3)
    assert app["commit"] == git_server.head("shop") and app["url"] == url
    assert who(tenant, app) == {"1", "2", "3"}


def test_scaling_up_and_down(tenant, git_server):
    app = tenant.deploy(git_server.repo("scaled", web_app()), scale=1)
    for n in (3, 1):
        r = tenant.api("PUT", "/apps/scaled/scale", {"instances": n}, {"Prefer": "wait=60"})
        assert r.status == 200, r
        wait_until(lambda: ready(tenant, "scaled") == list(range(1, n + 1)))
    assert who(tenant, app, 10) == {"1"}


class Load:
    """Visits an app over and over, each time on a new connection, and keeps what went wrong."""

    def __init__(self, tenant, app):
        self.tenant, self.app, self.bad, self.n, self.words = tenant, app, [], 0, set()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(2)]
        for t in self.threads:
            t.start()

    def run(self):
        while not self.ended.is_set():
            try:
                r = self.tenant.visit(self.app)
                if r.status == 200:
                    self.words.add(r.json()["word"])
                else:
                    self.bad.append(repr(r))
            except (OSError, http.client.HTTPException) as e:
                self.bad.append(repr(e))
            self.n += 1
            time.sleep(0.005)

    def end(self):
        self.ended.set()
        for t in self.threads:
            t.join()


def test_a_second_deploy_under_load_fails_no_request(tenant, git_server):
    url = git_server.repo("busy", web_app("one", scale=2))
    app = tenant.deploy(url)
    load = Load(tenant, app)
    git_server.repo("busy", web_app("two", scale=2), "second")
    r = tenant.api("POST", "/apps/busy/releases", {}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    wait_until(lambda: tenant.visit(app).json()["word"] == "two")
    wait_until(lambda: len(instances(tenant, "busy")) == 2, why="the old instances were not removed")
    load.end()
    assert load.bad == [] and load.n > 20
    assert load.words == {"one", "two"}


def test_a_killed_instance_fails_no_request_and_comes_back(nap, tenant, git_server):
    app = tenant.deploy(git_server.repo("hardy", web_app(scale=3)))
    load = Load(tenant, app)
    pid = pid_of(app, instance="2")
    os.kill(pid, 9)
    wait_until(lambda: load.n > 300)
    load.end()
    assert load.bad == []
    wait_until(lambda: ready(tenant, "hardy") == [1, 2, 3])
    wait_until(lambda: pid_of(app, instance="2", none=True) not in (None, pid))


def pid_of(app, instance, none=False):
    """the process of an instance, found by its environment, as root sees it"""
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/environ", "rb") as f:
                env = dict(v.split(b"=", 1) for v in f.read().split(b"\0") if b"=" in v)
            with open(f"/proc/{p}/cmdline", "rb") as f:
                command = f.read()
        except OSError:
            continue
        if (env.get(b"NAP_APP"), env.get(b"NAP_INSTANCE")) == (app["name"].encode(), instance.encode()) and \
                b"app.py" in command:
            return int(p)
    assert none, "the instance has no process"
    return None


def test_a_broken_deploy_keeps_the_old_release_and_says_why(tenant, git_server):
    url = git_server.repo("fragile", web_app("good"))
    app = tenant.deploy(url)
    broken = web_app()
    broken["app.py"] = "import sys\nprint('cannot go on')\nsys.exit(3)\n"
    git_server.repo("fragile", broken, "broken")
    r = tenant.api("POST", "/apps/fragile/releases", {}, {"Prefer": "wait=60"}, timeout=120)
    if r.status == 202:
        failed = tenant.outcome(r.json()["operation"]["id"])
    else:
        assert (r.status, r.json()["code"]) == (409, "operation_failed"), r
        failed = r.json()["operation"]
    assert failed["state"] == "failed"
    text = json.dumps(failed)
    assert "cannot go on" in text and "3" in text
    assert tenant.visit(app).json()["word"] == "good"
    r = tenant.api("GET", "/apps/fragile/releases")
    assert [(x["number"], x["state"]) for x in r.json()["items"]] == [(2, "failed"), (1, "live")]


def test_rolling_back(tenant, git_server):
    url = git_server.repo("undo", web_app("one"))
    app = tenant.deploy(url)
    git_server.repo("undo", web_app("two"), "second")
    assert tenant.api("POST", "/apps/undo/releases", {}, {"Prefer": "wait=60"}).status == 200
    assert tenant.visit(app).json()["word"] == "two"
    r = tenant.api("POST", "/apps/undo/rollback", {"release": 1}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    assert tenant.visit(app).json() == {"instance": "1", "release": "3", "word": "one"}


def test_logs_are_kept_and_followed(tenant, git_server):
    app = tenant.deploy(git_server.repo("chatty", web_app(scale=2)))
    wait_until(lambda: tenant.api("GET", "/apps/chatty/logs").text.count("listening on") >= 2)
    r = tenant.api("GET", "/apps/chatty/logs?instance=1", None, {"Accept": "text/plain"})
    assert r.status == 200 and "listening on" in r.text and r.headers["Content-Type"].startswith("text/plain")
    c = http.client.HTTPConnection("127.0.0.1", tenant.nap.port, timeout=30)
    c.request("GET", "/api/v1/apps/chatty/logs?lines=1", None,
              {"Authorization": f"Bearer {tenant.token}", "Accept": "text/event-stream"})
    stream = c.getresponse()
    assert (stream.status, stream.headers["Content-Type"].split(";")[0]) == (200, "text/event-stream")
    tenant.visit(app, "/print?now-or-never")
    seen = b""
    while b"now-or-never" not in seen:
        line = stream.readline()
        assert line, seen
        seen += line
    c.close()


def test_a_job_that_ends_is_finished_with_its_exit_code(tenant, git_server):
    url = git_server.repo("sum", {"profile": "command: echo the sum is 42\nmemory: 32m\n"})
    app = tenant.deploy(url)
    wait_until(lambda: tenant.app("sum")["state"] == "finished", why=repr(app))
    one = instances(tenant, "sum")[0]
    assert (one["state"], one["exit_code"]) == ("finished", 0)
    wait_until(lambda: "the sum is 42" in tenant.api("GET", "/apps/sum/logs").text)


def test_a_push_makes_the_app_and_tells_its_deploy(nap, tenant, tmp_path):
    work = str(tmp_path / "work")
    git("init", "-q", "-b", "main", work)
    write_files(work, web_app("pushed", scale=2))
    git("-C", work, "add", "-A")
    git("-C", work, "commit", "-q", "-m", "first")
    r = run_git("-C", work, "push", tenant.git_url("pushed"), "main")
    assert r.returncode == 0, r.stdout
    told = [line[8:].rstrip() for line in r.stdout.splitlines() if line.startswith("remote: ")]
    app = tenant.app("pushed")
    steps = ["profile checked: 64 MiB of memory, scale 2", "commit ", "source prepared", "starting 2 instances", "2 of 2 ready",
             "routed", "deployed as release 1: "]
    assert [step for line in told for step in steps if line.startswith(step)] == steps, told
    assert app["state"] == "running" and app["commit"] == git("-C", work, "rev-parse", "HEAD")
    assert app["address"] in told[-1]
    assert tenant.visit(app).json()["word"] == "pushed"
    # the same source back
    git("clone", "-q", tenant.git_url("pushed"), str(tmp_path / "back"))
    assert (tmp_path / "back" / "app.py").read_text() == web_app("pushed")["app.py"]

    # a bad profile is refused with its line
    write_files(work, {"profile": "memory: lots\ncommand: true\n"})
    git("-C", work, "commit", "-qam", "bad")
    r = run_git("-C", work, "push", tenant.git_url("pushed"), "main")
    assert r.returncode != 0 and "profile:1" in r.stdout, r.stdout
    assert tenant.visit(app).json()["word"] == "pushed"


def test_a_push_by_ssh_as_the_tenant_s_own_user_does_the_same(nap, tenant, tmp_path):
    ssh, stranger = Ssh(tenant, str(tmp_path)), nap.tenant()
    work = str(tmp_path / "work")
    git("init", "-q", "-b", "master", work)
    for n in range(3):
        write_files(work, web_app(f"by ssh {n}"))
        git("-C", work, "add", "-A")
        git("-C", work, "commit", "-q", "-m", f"number {n}")
    git("-C", work, "remote", "add", tenant.name, ssh.host + ":shell")
    r = ssh.git("-C", work, "push", tenant.name, "master")
    assert r.returncode == 0, r.stdout
    told = [line[8:].rstrip() for line in r.stdout.splitlines() if line.startswith("remote: ")]
    app = tenant.app("shell")
    assert told[0] == "profile checked: 64 MiB of memory, scale 1" and told[-1] == "deployed as release 1: " + app["address"], told
    assert app["git_ssh"] == f"ssh://{ssh.host}:{nap.ssh_port}/shell" and tenant.visit(app).json()["word"] == "by ssh 2"
    made = tenant.api("GET", f"/operations/{tenant.api('GET', '/operations').json()['items'][0]['id']}").json()
    assert (made["kind"], made["created_by"]) == ("push", "key:" + ssh.id)
    assert tenant.api("GET", "/keys/" + ssh.id).json()["last_used_at"]

    # a shallow clone by the address that is shown, changed and pushed from
    back = str(tmp_path / "back")
    assert ssh.git("clone", "-q", "--depth", "1", app["git_ssh"], back).returncode == 0
    assert git("-C", back, "rev-list", "--count", "HEAD") == "1"
    write_files(back, web_app("shallow"))
    git("-C", back, "commit", "-qam", "shallow")
    r = ssh.git("-C", back, "push", "origin", "master")
    assert r.returncode == 0 and "remote: deployed as release 2" in r.stdout, r.stdout
    assert tenant.visit(app).json()["word"] == "shallow"
    # what HTTP refuses is refused here by the same words
    write_files(back, {"profile": "memory: lots\ncommand: true\n"})
    git("-C", back, "commit", "-qam", "bad")
    r = ssh.git("-C", back, "push", "origin", "master")
    assert r.returncode != 0 and "profile:1" in r.stdout, r.stdout

    # nothing else: no shell, no other command, no terminal, no forwarding, no other name
    r = ssh.run()
    assert r.returncode == 0 and r.stdout.startswith(f"Hello {tenant.name}, this is nap.") and \
        f"git push ssh://{tenant.name}@THIS-HOST:{nap.ssh_port}/APP master" in r.stdout
    for words in (("sh",), ("ls", "-la"), ("git-shell",), ("git-upload-archive", "'shell'"), ("git-receive-pack 'shell'; id",), ("scp -f /etc/passwd",)):
        r = ssh.run(*words)
        assert r.returncode == 1 and r.stdout == "nap: only git push, fetch and clone are possible here; ssh without a command says more\n", r
    for name in ("absent", "../shell", f"{stranger.name}/shell", f"{tenant.name}/shell", "$(id)", "it's"):
        r = ssh.git("ls-remote", f"{ssh.host}:{name}")
        assert r.returncode == 128 and r.stdout.startswith("nap: not found: there is no such application\n"), r.stdout
    assert "PTY allocation request failed" in ssh.run(options=["-tt"]).stdout
    for options, word in ((["-W", f"127.0.0.1:{nap.port}"], "open failed"), (["-R", "0:127.0.0.1:9", "-o", "ExitOnForwardFailure=yes"], "forwarding failed"),
                          (["-s"], "subsystem request failed")):
        r = ssh.run(*(["sftp"] if "-s" in options else []), options=options)
        assert r.returncode != 0 and word in r.stdout, (options, r)
    for user in (stranger.name, "root", "nap-git", "nobody"):
        assert "Permission denied (publickey)" in ssh.run(user=user + "@127.0.0.1").stdout
    assert "Permission denied (publickey)" in ssh.run(options=["-o", "PreferredAuthentications=password,keyboard-interactive"]).stdout

    # a git host for another tenant: its deploy key is let in, its pin is shown
    stranger_key = wait_until(lambda: stranger.api("GET", "/deploy-key").json()["public_key"])
    r = stranger.api("POST", "/apps", {"url": app["git_ssh"], "name": "mirror"}, {"Prefer": "wait=60"})
    assert (r.status, r.json()["code"]) == (409, "operation_failed") and "git_auth_failed" in r.text, r
    assert tenant.api("POST", "/keys", {"name": "mirror", "key": stranger_key}).status == 201
    wait_until(lambda: stranger.api("POST", "/apps/mirror/releases", {}, {"Prefer": "wait=60"}).status == 200)
    assert stranger.visit(stranger.app("mirror")).json()["word"] == "shallow"
    with open(f"{nap.state}/ssh/host/ed25519.pub") as f:
        host_key = " ".join(f.read().split()[:2])
    hosts = stranger.api("GET", "/deploy-key").json()["hosts"]
    assert [(h["host"], h["key"]) for h in hosts] == [(f"[127.0.0.1]:{nap.ssh_port}", host_key)]
    assert tenant.api("GET", "/deploy-key").json()["hosts"] == []

    # a key that is removed, and a tenant that is shut out, are out
    assert stranger.api("POST", "/keys", {"name": "again", "key": ssh.public}).json()["code"] == "key_taken"
    assert tenant.api("DELETE", "/keys/" + ssh.id).status == 204
    wait_until(lambda: "Permission denied" in ssh.run().stdout)
    other = Ssh(tenant, str(tmp_path), "other")
    events = [e for e in tenant.api("GET", "/events?limit=1000").json()["items"] if e["kind"].startswith("key.")]
    assert [(e["kind"], e["data"]["name"]) for e in events] == [
        ("key.added", "laptop"), ("key.added", "mirror"), ("key.removed", "laptop"), ("key.added", "other")]
    assert events[2]["data"]["id"] == ssh.id and events[2]["actor"].startswith("token:")
    assert nap.api("PATCH", "/tenants/" + tenant.name, {"disabled": True}).status == 200
    wait_until(lambda: "Permission denied" in other.run().stdout)


def test_a_push_without_a_credential_is_refused(nap, tenant, tmp_path):
    work = str(tmp_path)
    git("init", "-q", "-b", "main", work)
    write_files(work, web_app())
    git("-C", work, "add", "-A")
    git("-C", work, "commit", "-q", "-m", "first")
    for user in ("", f"{tenant.name}:wrong@"):
        r = run_git("-C", work, "push", f"http://{user}127.0.0.1:{nap.port}/git/{tenant.name}/shop.git", "main")
        assert r.returncode != 0
    assert tenant.api("GET", "/apps/shop").status == 404


def test_an_app_that_fills_the_disk_is_ended_and_says_so(nap, tenant, git_server):
    other = tenant.deploy(git_server.repo("modest", web_app()))
    pid = pid_of(other, "1")
    r = nap.api("PATCH", "/tenants/" + tenant.name, {"quota": {"disk": 64 << 20}})
    assert r.status == 200, r
    # slowly, and with memory for it: with cgroup v1 pages that wait for a slow disk count, and the app would be killed for those
    script = "sleep 7; for i in 1 2 3 4 5 6 7 8 9 10; do head -c 20971520 /dev/zero >f$i; sleep 1; done; sleep 1000"
    tenant.deploy(git_server.repo("greedy", {"profile": f"command: {script}\nmemory: 256m\nhealth: none\n"}))
    wait_until(lambda: tenant.app("greedy")["state"] == "failed", 240, why=lambda: instances(tenant, "greedy"))
    one = instances(tenant, "greedy")[0]
    assert re.fullmatch(r"disk: \d+ MiB of 64 MiB used", one["reason"]), (one["reason"], tenant.api("GET", "/apps/greedy/logs").text)
    wait_until(lambda: "nap: ended: disk: " in tenant.api("GET", "/apps/greedy/logs").text)
    assert pid_of(other, "1") == pid and tenant.visit(other).status == 200


def test_destroy_leaves_nothing(nap, tenant, git_server):
    app = tenant.deploy(git_server.repo("gone", web_app(scale=2)))
    machine = os.path.join(nap.state, "agent/lib/nap")
    data = os.path.realpath(f"{machine}/{tenant.name}.gone.v1@1.service/data")
    assert data.startswith(os.path.realpath(machine) + "/data/") and os.path.isdir(data)
    where = ask(nap.port, "GET", "/", headers={"Host": app["address"].split("/")[2]})
    assert where.status == 200
    r = tenant.api("DELETE", "/apps/gone?confirm=gone", None, {"Prefer": "wait=60"})
    assert r.status == 200, r
    assert tenant.api("GET", "/apps/gone").status == 404
    units = tenant.api("GET", "/units").json()["items"]
    assert [u for u in units if ".gone." in u["name"]] == []
    wait_until(lambda: not os.path.exists(data), 60)
    assert pid_of(app, "1", none=True) is None and pid_of(app, "2", none=True) is None
    assert tenant.visit(app).status == 404
