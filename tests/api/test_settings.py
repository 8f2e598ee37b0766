"""What is changed over REST is what the instances run with: variables, command, memory, power; on a whole nap."""
import json
import os

from stack import wait_until, web_app


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


def test_a_cluster_that_cannot_reach_nap_is_refused_and_what_runs_goes_on(nap):
    conf = os.path.join(nap.state, "nap.conf")
    with open(conf) as f:
        before = f.read()
    nap.env["NAP_ENGINE"] = "http://10.0.0.1:49153"
    try:
        assert nap.up("--detach") == 1
    finally:
        del nap.env["NAP_ENGINE"]
    assert "cannot reach nap at" in nap.said and "NAP_URL" in nap.said
    with open(conf) as f:
        assert f.read() == before
    assert nap.up("--engine") == 0 and nap.said == "the engine answers\nnothing waits for the operator\n"
