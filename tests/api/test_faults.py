"""Faults at a moment that is certain: a deploy waits in its build until the test lets it go on, and something is killed,
stopped or reloaded meanwhile. And apps that do what they should not. All on one nap, most with one app."""
import http.client
import os
import signal
import subprocess

import pytest

from held import Held, of_app, patient
from processes import processes
from stack import WEB, git, run_git, wait_until, web_app, write_files


@pytest.fixture(scope="module")
def held(nap, git_server):
    one = Held(nap, git_server)
    operation, _ = one.deploy()
    one.go_on()
    assert one.outcome(operation)["state"] == "succeeded"
    assert one.serves() == "word1"
    return one


def begin(tenant, git_server, name, command):
    """begins a deploy; its operation"""
    url = git_server.repo(name, {"profile": f"command: {command}\nmemory: 32m\nhealth: /\n"})
    r = tenant.api("POST", "/apps", {"url": url})
    assert r.status == 202, r
    return r.json()["operation"]["id"]


@pytest.fixture(scope="module", autouse=True)
def deaf(nap, git_server):
    """An app that never listens: nap waits for it for a while, so it begins first, and the last test looks at its end."""
    tenant = nap.tenant()
    return tenant, begin(tenant, git_server, "deaf", "echo I never listen; exec sleep 1000")


def kill_kind(nap, kind):
    pids = [p for p, k in processes(nap.state).items() if k == kind]
    assert pids, kind
    os.kill(pids[0], signal.SIGKILL)
    return pids[0]


def kill_worker(nap, operation):
    """the one that runs the operation: its row tells (job/lease.h)"""
    with open(f"{nap.state}/block") as f:
        uid = int(f.read().split()[1])
    ids = ["setpriv", f"--reuid={uid + 3}", f"--regid={uid + 3}", f"--groups={uid + 5}"] if uid else []
    name = subprocess.run([*ids, "psql", "-XqAt", "-h", f"{nap.state}/run/db", "-U", "nap_worker", "-d", "nap", "-c",
                           f"SELECT worker FROM operation WHERE id = {operation}"], stdout=subprocess.PIPE, text=True, check=True).stdout
    pid = int(name.split(".")[2])
    assert processes(nap.state)[pid] == "nap-worker of jobs"
    os.kill(pid, signal.SIGKILL)


def reload_nginx(nap, operation):
    before = {p for p, k in processes(nap.state).items() if k.startswith("nginx worker")}
    for name in ("front", "apps"):
        subprocess.run(["sv", "hup", f"{nap.state}/service/{name}"], check=True, stdout=subprocess.DEVNULL)
    wait_until(lambda: {p for p, k in processes(nap.state).items() if k.startswith("nginx worker")} - before)


FAULTS = {
    "its worker is killed": kill_worker,
    "the postmaster is killed": lambda nap, operation: kill_kind(nap, "postmaster"),
    "the engine is killed": lambda nap, operation: kill_kind(nap, "nap-agent of agent"),
    "nginx is reloaded": reload_nginx,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_deploy_goes_on_when(held, fault):
    operation, _ = held.deploy()
    FAULTS[fault](held.nap, operation)
    held.go_on()
    assert held.outcome(operation)["state"] == "succeeded"
    wait_until(lambda: held.serves() == held.word)
    held.nothing_left()


def test_a_build_that_is_killed_is_a_failure_that_says_so(held):
    before = held.serves()
    operation, shell = held.deploy()
    os.kill(shell, signal.SIGKILL)
    o = held.outcome(operation)
    assert (o["state"], o["error"]["code"]) == ("failed", "build_failed"), o
    assert "signal 9" in o["error"]["detail"] or "137" in o["error"]["detail"], o
    assert held.serves() == before
    held.nothing_left()


# -- apps ----------------------------------------------------------------------------------------------------------

# takes 100 MiB at /eat; POST, which nginx does not repeat at the next instance
GLUTTON = WEB.replace("    def log_message", "    do_POST = do_GET\n    def log_message").replace('if path == "/exit":', '''if path == "/eat":
            eaten = bytearray(100 << 20)
            eaten[::4096] = b"x" * len(eaten[::4096])
        if path == "/exit":''')


def instances(tenant, name):
    return {int(i["number"]): i for i in tenant.api("GET", f"/apps/{name}/instances").json()["items"]}


def test_an_instance_over_its_memory_is_killed_alone_and_says_so(tenant, git_server):
    files = web_app(scale=3)
    files["app.py"] = GLUTTON
    app = tenant.deploy(git_server.repo("glutton", files))
    before = instances(tenant, "glutton")
    with pytest.raises((AssertionError, OSError, http.client.HTTPException)):
        assert tenant.visit(app, "/eat", "POST").status == 200
    hit = wait_until(lambda: [n for n, i in instances(tenant, "glutton").items() if i["restarts"] > before[n]["restarts"]])
    assert len(hit) == 1
    one = instances(tenant, "glutton")[hit[0]]
    assert (one["exit_result"], one["exit_signal"]) == ("oom-kill", 9), one
    wait_until(lambda: "nap: killed: it used more memory than it is allowed" in
               tenant.api("GET", f"/apps/glutton/logs?instance={hit[0]}").text)
    wait_until(lambda: instances(tenant, "glutton")[hit[0]]["since"] != before[hit[0]]["since"] and
               tenant.app("glutton")["running_instances"] == 3)
    after = instances(tenant, "glutton")
    assert [after[n]["since"] == before[n]["since"] for n in before if n != hit[0]] == [True, True]


def test_what_forks_away_and_ignores_term_is_gone_after_a_stop(tenant, git_server):
    files = web_app()
    files["profile"] = files["profile"].replace("exec python3", "python3 away.py & exec python3")
    files["away.py"] = ("import os, signal, time\nfor s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):\n"
                        "    signal.signal(s, signal.SIG_IGN)\nif os.fork():\n    os._exit(0)\nos.setsid()\nif os.fork():\n"
                        "    os._exit(0)\nprint('away', flush=True)\nwhile True:\n    time.sleep(60)\n")
    files["app.py"] = files["app.py"].replace('WORD = "one"', "WORD = 'one'").replace(
        "s.daemon_threads", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ns.daemon_threads")
    tenant.deploy(git_server.repo("forker", files))
    wait_until(lambda: any("away.py" in line for line in of_app(tenant, "forker").values()))
    r = tenant.api("POST", "/apps/forker/stop", None, {"Prefer": "wait=60"})
    assert r.status == 200, r
    wait_until(lambda: of_app(tenant, "forker") == {}, why=repr(of_app(tenant, "forker")))


def failed(tenant, name, operation):
    """what a deploy failed with; the app never ran"""
    o = tenant.outcome(operation, 180)
    assert o["state"] == "failed" and tenant.app(name)["state"] in ("failed", "empty"), o
    return str(o["error"])


def test_an_app_that_exits_at_once_fails_its_deploy_with_its_code_and_last_lines(tenant, git_server):
    said = failed(tenant, "brief", begin(tenant, git_server, "brief", "echo I go at once; exit 7"))
    assert "exit code 7" in said and "I go at once" in said


def test_an_app_that_never_listens_fails_its_deploy_with_its_last_lines(deaf):
    said = failed(deaf[0], "deaf", deaf[1])
    assert "does not answer after" in said and "I never listen" in said


# -- size ----------------------------------------------------------------------------------------------------------

@pytest.mark.long
def test_a_push_of_200_mb_becomes_the_app(tenant, tmp_path):
    work = str(tmp_path / "work")
    git("init", "-q", "-b", "main", work)
    write_files(work, web_app("large"))
    for n in range(4):
        with open(f"{work}/data{n}", "wb") as f:
            f.write(os.urandom(50 << 20))
    git("-C", work, "add", "-A")
    git("-C", work, "commit", "-q", "-m", "large")
    r = run_git("-C", work, "push", tenant.git_url("large"), "main", timeout=1200)
    assert r.returncode == 0, r.stdout
    assert tenant.visit(tenant.app("large")).json()["word"] == "large"
