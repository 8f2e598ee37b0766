"""kill -9 of any one process of nap heals by itself, and nothing is left when it is stopped."""
import os
import signal
import time

import pytest

from held import Held
from processes import left, processes
from stack import Nap, Ssh, remove_folder, temporary_folder, wait_until, web_app

# Every kind there is; a new one is added here when it has been seen to heal.
KNOWN = {
    "postmaster", "postgres checkpointer", "postgres background writer", "postgres walwriter",
    "postgres autovacuum launcher", "postgres logical replication", "postgres backend of nap_api",
    "postgres backend of nap_worker", "supervisor",
    "nap-agent of agent", "multiwatch of api", "nap-api of api", "multiwatch of login", "nap-api of login",
    "multiwatch of wait", "nap-api of wait", "nap-stream of stream", "multiwatch of git", "fcgiwrap of git",
    "multiwatch of push", "fcgiwrap of push", "nginx master of front", "nginx worker of front",
    "sshd of ssh", "a session of ssh", "nap-shell of ssh", "nginx master of apps", "nginx worker of apps", "nap-worker of jobs", "nap-worker of quick",
    "nap-worker of lead", "nap-worker of logs", "nap-unit of a unit", "nap-unit of a sidekick", "nap-node of a sidekick",
    "nap-init of a unit", "nap-run of a unit", "crun of a unit", "bwrap of a unit", "an app",
} | {f"{p} of {s}" for p in ("runsv", "svlogd") for s in (
    "postgres agent api login wait stream git push front ssh apps jobs-1 jobs-2 jobs-3 quick lead logs supervisor unit sidekick".split())}


@pytest.fixture(scope="module")
def own(shared_build):
    """A nap of this module's own: others would not like what is done to it."""
    folder = temporary_folder()
    copy = Nap(folder)
    try:
        copy.start()
        yield copy
    finally:
        copy.up("--stop")
        remove_folder(folder)


def alive(pid):
    return any(pid == p for p in map(int, filter(str.isdigit, os.listdir("/proc"))))


def whole(nap, kinds):
    """All kinds are there and all answer."""
    try:
        return set(processes(nap.state).values()) >= kinds and nap.api("GET", "/ready").status == 200
    except OSError:
        return False


def stable(nap):
    kinds = set(processes(nap.state).values())
    time.sleep(1.5)
    return kinds & set(processes(nap.state).values())


def test_whatever_is_killed_in_the_middle_of_a_deploy_comes_back(own, git_server, tmp_path):
    tenant = own.tenant()
    app = tenant.deploy(git_server.repo("steady", web_app(scale=2)))
    held = Held(own, git_server)
    operation, _ = held.deploy()
    kinds = stable(own)
    assert kinds - KNOWN == set(), "a kind of process that this test does not know"
    assert len(kinds) > 30
    # backends come and go with those who ask
    lasting = {k for k in kinds if "backend" not in k and "autovacuum" not in k}
    for kind in sorted(kinds):
        ended = held.ended(operation)
        if ended:                           # what was killed was the build's
            assert ended["state"] == "failed" and ended["error"], ended
            operation, _ = held.deploy()
        pid = next((p for p, k in processes(own.state).items() if k == kind), None)
        if pid is None:
            continue
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: whole(own, lasting), 60, f"after {kind} was killed: " +
                   repr(lasting - set(processes(own.state).values())))
    ended = wait_until(lambda: held.let_go() and False or held.ended(operation), 180, "the operation is stuck")
    assert ended["state"] == "succeeded" or ended["error"], ended
    held.nothing_left()
    wait_until(lambda: tenant.visit(app).status == 200 and tenant.app("steady")["running_instances"] == 2)
    assert own.up("--status") == 0, own.said
    again = tenant.deploy(git_server.repo("after", web_app("after")))
    assert tenant.visit(again).json()["word"] == "after"
    # each kind was another one afterwards, sshd too: the same host key, and who has a key comes in
    ssh = Ssh(tenant, str(tmp_path))
    assert f"Hello {tenant.name}" in ssh.run().stdout


def test_nothing_is_left_and_the_apps_run_again(own, git_server):
    tenant = own.tenant()
    app = tenant.deploy(git_server.repo("lasting", web_app(scale=2)))
    own.stop()
    assert left(own.state) == []
    own.start()
    assert "initdb" not in own.said and "installed" not in own.said and "built" not in own.said
    wait_until(lambda: tenant.visit(app).status == 200)
