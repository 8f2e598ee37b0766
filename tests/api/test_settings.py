"""What is changed over REST is what the instances run with: variables, command, memory, power; on a whole nap."""
import json
import os
import shutil
import socket
import subprocess

import pytest

from stack import TOP, Nap, wait_until, web_app


def done(tenant, r):
    """the operation of an answer, ended well"""
    assert r.status in (200, 202), r
    assert tenant.outcome(r.json()["operation"]["id"])["state"] == "succeeded", r


def test_variables_and_settings_become_releases(tenant, git_server):
    app = tenant.deploy(git_server.repo("settings", web_app()))
    done(tenant, tenant.api("PATCH", "/apps/settings/env", {"GREETING": "it's $HOME\n%n", "KEY": {"value": "s3", "secret": True}}))
    env = tenant.visit(app, "/env").json()
    assert (env["GREETING"], env["KEY"], env["NAP_RELEASE"]) == ("it's $HOME\n%n", "s3", "2")
    assert env["NAP_URL"] and env["NAP_APP"] == "settings" and env["NAP_TENANT"] == tenant.name
    done(tenant, tenant.api("PATCH", "/apps/settings", {"command": "export COLOUR=red; exec python3 app.py", "memory": "96m"}))
    env = tenant.visit(app, "/env").json()
    assert (env["COLOUR"], env["GREETING"][:4], env["NAP_RELEASE"]) == ("red", "it's", "3")
    assert tenant.app("settings")["memory"] == 96 << 20
    done(tenant, tenant.api("PATCH", "/apps/settings", {"command": None, "memory": None}))
    assert "COLOUR" not in tenant.visit(app, "/env").json() and tenant.app("settings")["memory"] == 64 << 20
    kinds = [x["kind"] for x in tenant.api("GET", "/apps/settings/releases").json()["items"]]
    assert kinds == ["env", "env", "env", "deploy"]
    # a rollback takes the old one's variables too
    done(tenant, tenant.api("POST", "/apps/settings/rollback", {"release": 1}))
    assert "GREETING" not in tenant.visit(app, "/env").json()


def test_endpoints_are_announced_with_their_age(tenant, git_server):
    tenant.deploy(git_server.repo("found", web_app(scale=2)))
    items = wait_until(lambda: (lambda x: x if len(x) == 2 else None)(tenant.api("GET", "/apps/found/endpoints").json()["items"]))
    assert [i["instance"] for i in items] == [1, 2] and all(i["healthy"] and 0 <= i["age"] < 60 for i in items)


def test_stop_start_and_restart(tenant, git_server):
    app = tenant.deploy(git_server.repo("power", web_app(scale=2)))
    done(tenant, tenant.api("POST", "/apps/power/stop"))
    assert tenant.app("power")["state"] == "stopped" and tenant.api("GET", "/apps/power/instances").json()["items"] == []
    assert tenant.visit(app).status in (404, 503)
    done(tenant, tenant.api("POST", "/apps/power/start", {}))
    assert tenant.visit(app).status == 200
    before = {i["number"]: i["since"] for i in tenant.api("GET", "/apps/power/instances").json()["items"]}
    done(tenant, tenant.api("POST", "/apps/power/restart"))
    after = {i["number"]: i["since"] for i in tenant.api("GET", "/apps/power/instances").json()["items"]}
    assert sorted(before) == sorted(after) == [1, 2] and all(before[n] != after[n] for n in before)


def test_what_has_ended_is_started_again(tenant, git_server):
    tenant.deploy(git_server.repo("once", {"profile": "command: echo the time has come\nmemory: 32m\n"}))
    wait_until(lambda: tenant.app("once")["state"] == "finished")
    said = lambda: tenant.api("GET", "/apps/once/logs").text.count("the time has come")  # noqa: E731
    wait_until(lambda: said() == 1)
    done(tenant, tenant.api("POST", "/apps/once/start"))
    wait_until(lambda: said() == 2)
    wait_until(lambda: tenant.app("once")["state"] == "finished")


def test_the_log_of_a_destroyed_app_is_still_there(tenant, git_server):
    tenant.deploy(git_server.repo("late", web_app()))
    wait_until(lambda: "listening on" in tenant.api("GET", "/apps/late/logs").text)
    done(tenant, tenant.api("DELETE", "/apps/late?confirm=late"))
    assert tenant.api("GET", "/apps/late").status == 404
    assert "listening on" in tenant.api("GET", "/apps/late/logs").text
    assert "late" not in json.dumps(tenant.api("GET", "/apps").json())


def refused(nap, name, value):
    """./up of what runs says no to the setting, and its settings stay as they were."""
    conf = os.path.join(nap.state, "nap.conf")
    with open(conf) as f:
        before = f.read()
    nap.env[name] = value
    try:
        assert nap.up("--detach") == 1
    finally:
        del nap.env[name]
    with open(conf) as f:
        assert f.read() == before


def test_a_cluster_that_cannot_reach_nap_is_refused_and_what_runs_goes_on(nap):
    refused(nap, "NAP_ENGINE", "http://10.0.0.1:49153")
    assert "cannot reach nap at" in nap.said and "NAP_URL" in nap.said
    assert nap.up("--engine") == 0 and nap.said == "the engine answers\nnothing waits for the operator\n"


REFUSED = [
    ({"NAP_LISTEN": "192.0.2.77"}, 'NAP_LISTEN is "192.0.2.77", which is no address of this machine: one of these is expected:'),
    ({"NAP_LISTEN": "256.1.1.1"}, 'NAP_LISTEN is "256.1.1.1": an IPv4 address of this machine, or 0.0.0.0, is expected'),
    ({"NAP_LISTEN": "nap.example"}, 'NAP_LISTEN is "nap.example": an IPv4 address of this machine, or 0.0.0.0, is expected'),
    ({"NAP_PORT": "0"}, 'NAP_PORT is "0": a port, 1 to 65535, is expected'),
    ({"NAP_PORT": "70000"}, 'NAP_PORT is "70000": a port, 1 to 65535, is expected'),
    ({"NAP_PORT": "x", "NAP_SSH_PORT": "22 23"}, 'NAP_PORT is "x": a port, 1 to 65535, is expected\n'
     'nap: NAP_SSH_PORT is "22 23": a port, 1 to 65535, is expected'),
    ({"NAP_PORT": "8099", "NAP_SSH_PORT": "8099"}, "NAP_PORT and NAP_SSH_PORT are both 8099: two ports are expected"),
]


@pytest.mark.parametrize("settings,said", REFUSED, ids=[" ".join(s.values()) for s, _ in REFUSED])
def test_where_nap_cannot_listen_it_says_so_before_anything_is_made(tmp_path, settings, said):
    new = Nap(str(tmp_path))
    new.env.update(settings)
    assert new.up("--detach") == 1
    assert "\nnap: " + said in new.said and "nap: nothing was changed\n" in new.said, new.said
    assert not os.path.exists(new.state)


@pytest.mark.parametrize("key", ["NAP_PORT", "NAP_SSH_PORT"])
def test_a_port_on_which_another_program_listens_is_refused(tmp_path, key):
    new = Nap(str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        new.env[key] = port = str(other.getsockname()[1])
        assert new.up("--detach") == 1
    assert f"\nnap: {key} is {port}, on which another program listens: a free port is expected\n" in new.said
    assert not os.path.exists(new.state)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="wants a network namespace of its own")
def test_a_port_of_roots_is_refused_to_an_ordinary_user(tmp_path):
    env = {"PATH": os.environ["PATH"], "NAP_STATE": str(tmp_path / "s"), "NAP_PORT": "80"}
    r = subprocess.run(["unshare", "-n", "sh", "-c", "ip link set lo up && exec setpriv --reuid=65533 --regid=65533 "
                        "--clear-groups ./up --detach"], cwd=TOP, env=env, stdout=subprocess.PIPE, text=True)
    assert r.returncode == 1
    assert "\nnap: NAP_PORT is 80, which only root may listen on: one from 1024 on is expected\n" in r.stdout
    assert not os.path.exists(env["NAP_STATE"])


def test_what_runs_is_left_alone_by_settings_that_are_refused(nap):
    refused(nap, "NAP_LISTEN", "192.0.2.77")
    assert nap.up("--status") == 0, nap.said
