"""Scale, releases, instances, environment, profile, power, operations, machines and units over REST."""
import base64
import os
import subprocess
import threading
import time
import urllib.parse

import pytest

from api_stack import COMMIT, Tenant, faults, me, stack  # noqa: F401

URL = "https://git.invalid/owner/shop"


# SSH keys --------------------------------------------------------------------------------------------------------

def ssh_key(type="ssh-ed25519", rest=None):
    parts = [type.encode(), *(rest or [os.urandom(32)])]
    return type + " " + base64.b64encode(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).decode()


def test_an_ssh_key_is_checked_shown_and_belongs_to_one_tenant(me, stack):
    key, other = ssh_key(), Tenant(stack)
    a = me.post("/keys", {"name": "laptop", "key": "\n" + key + " me@here\n"})
    assert a.status == 201 and a.headers["Location"] == "/api/v1/keys/" + a.json["id"]
    made = a.json
    want = subprocess.run(["ssh-keygen", "-lf", "-"], input=key, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]
    assert (made["type"], made["key"], made["comment"], made["fingerprint"]) == ("ssh-ed25519", key, "me@here", want)
    assert made["last_used_at"] is None and me.get("/keys/" + made["id"]).json == made
    for who in (me, other):
        a = who.post("/keys", {"name": "again", "key": key + " another comment"})
        assert (a.status, a.code) == (409, "key_taken"), a
    assert other.get("/keys").json["items"] == []
    rsa = [b"\1\0\1", b"\0\xff" + b"\1" * 255]
    assert me.post("/keys", {"name": "r", "key": ssh_key("ssh-rsa", rsa)}).status == 201
    assert me.post("/keys", {"name": "e", "key": ssh_key("ecdsa-sha2-nistp256", [b"nistp256", b"\4" + bytes(64)])}).status == 201
    for bad in ("", "x", "ssh-dss AAAA", ssh_key("ssh-rsa", [b"\1\0\1", b"\x7f" + b"\1" * 255]), 'command="sh" ' + key, key + "\n" + ssh_key()):
        a = me.post("/keys", {"name": "bad", "key": bad})
        assert a.status == 422 and [e["field"] for e in a.json["errors"]] == ["key"], (bad, a)
    assert [k["name"] for k in me.get("/keys").json["items"]] == ["e", "r", "laptop"]
    page = me.get("/keys?limit=2").json
    assert [k["name"] for k in me.get("/keys?limit=2&after=" + page["next"]).json["items"]] == ["laptop"]
    assert me.call("DELETE", "/keys/" + made["id"]).status == 204
    assert me.call("DELETE", "/keys/" + made["id"]).status == 404
    assert other.post("/keys", {"name": "now", "key": key}).status == 201
    kinds = [e["kind"] for e in me.get("/events?limit=1000").json["items"] if e["kind"].startswith("key.")]
    assert kinds == ["key.added"] * 3 + ["key.removed"]


def test_a_tenant_has_a_hundred_ssh_keys_at_most_however_many_come_at_once(me):
    me.sql("INSERT INTO ssh_key (tenant_id, name, type, base64, fingerprint) SELECT TENANT, 'k', 'ssh-ed25519', 'AAAA', "
           "gen_random_uuid()::text FROM generate_series(1, 95)")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(me.post("/keys", {"name": "x", "key": ssh_key()}))) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(a.status for a in answers) == [201] * 5 + [422] * 7
    assert {a.code for a in answers if a.status == 422} == {"too_many_keys"}


def test_the_deploy_key_shows_its_public_half_alone(me, stack):
    a = me.get("/deploy-key")
    assert a.json == {"public_key": None, "fingerprint": None, "created_at": None, "hosts": []}
    me.sql("INSERT INTO deploy_key VALUES (TENANT, 'ssh-ed25519 AAAA nap-x', 'SHA256:x'); "
           "INSERT INTO deploy_secret VALUES (TENANT, '1:1:sealed')")
    me.sql("INSERT INTO known_host VALUES (TENANT, '[git.example.org]:2222', 'ssh-ed25519', 'BBBB', 'SHA256:y')")
    a = me.get("/deploy-key")
    assert a.json["public_key"] == "ssh-ed25519 AAAA nap-x" and "sealed" not in a.body.decode()
    assert [(h["host"], h["key"], h["fingerprint"]) for h in a.json["hosts"]] == [("[git.example.org]:2222", "ssh-ed25519 BBBB", "SHA256:y")]
    path = "/deploy-key/hosts/" + urllib.parse.quote("[git.example.org]:2222", safe="")
    assert Tenant(stack).call("DELETE", path).status == 404
    assert me.call("DELETE", path).status == 204
    assert me.get("/deploy-key").json["hosts"] == []
    # the API's role cannot read what is sealed
    with pytest.raises(AssertionError, match="permission denied"):
        stack.sql("SELECT sealed FROM deploy_secret", user="nap_api")


# Scale -----------------------------------------------------------------------------------------------------------

def test_scale_is_absolute_and_can_follow_the_profile_again(me):
    me.app("web")
    me.release()
    a = me.get("/apps/web/scale")
    assert a.json == {"instances": 2, "follows_profile": True, "scale_override": None, "scale_profile": 2}
    a = me.call("PUT", "/apps/web/scale", {"instances": 5})
    assert (a.status, a.json["operation"]["kind"], a.json["app"]["desired_instances"]) == (202, "scale", 5)
    assert me.get("/apps/web/scale").json["scale_override"] == 5
    a = me.call("PUT", "/apps/web/scale", {"instances": None})
    assert a.json["app"]["scale_override"] is None and a.json["app"]["desired_instances"] == 2
    lanes = me.sql("SELECT string_agg(lane || ' ' || args, ', ' ORDER BY id) FROM operation WHERE tenant_id = TENANT")
    assert lanes == 'normal {"instances": 5}, quick {"instances": 2}'


def test_scale_honours_if_match_and_its_tag_is_of_the_scale_alone(me):
    me.app("web")
    me.release()
    tag = me.get("/apps/web/scale").headers["ETag"]
    me.sql("UPDATE app SET running_instances = 1 WHERE tenant_id = TENANT")
    assert me.get("/apps/web/scale").headers["ETag"] == tag
    assert me.call("PUT", "/apps/web/scale", {"instances": 3}, headers={"If-Match": tag}).status == 202
    a = me.call("PUT", "/apps/web/scale", {"instances": 4}, headers={"If-Match": tag})
    assert (a.status, a.code) == (412, "precondition_failed")
    assert me.get("/apps/web/scale").json["instances"] == 3
    assert me.call("PUT", "/apps/web/scale", {"instances": 4}, headers={"If-Match": '"x", *'}).status == 412
    assert me.call("PUT", "/apps/web/scale", {"instances": 4}, headers={"If-Match": "*"}).status == 202


@pytest.mark.parametrize("n", ["three", -1, 501, 10 ** 9, 1e9, 2.5, True, [], {}])
def test_a_number_of_instances_that_is_none_is_refused(me, n):
    me.app("web")
    a = me.call("PUT", "/apps/web/scale", {"instances": n})
    assert list(faults(a)) == ["instances"] and "0 to 500" in a.json["errors"][0]["detail"] or "whole" in a.json["errors"][0]["detail"]
    assert faults(me.call("PUT", "/apps/web/scale", {})) == {"instances": "required"}


def test_scaling_over_the_quota_is_refused_with_numbers(stack):
    me = Tenant(stack, memory=1 << 30, instances=10)
    me.app("web")
    me.release()
    a = me.call("PUT", "/apps/web/scale", {"instances": 17})
    assert (a.status, a.code) == (422, "quota_memory") and "0.9 of 1 GiB left" in a.json["detail"]
    a = me.call("PUT", "/apps/web/scale", {"instances": 11})
    assert (a.status, a.code) == (422, "quota_instances") and "8 of 10 left" in a.json["detail"]
    assert me.get("/apps/web/scale").json["instances"] == 2
    assert me.get("/operations").json["items"] == []


# Releases --------------------------------------------------------------------------------------------------------

def test_releases_newest_first_in_pages(me):
    me.app("web")
    for n in (1, 2, 3):
        me.release(number=n, state="live" if n == 3 else "retired")
    page = me.get("/apps/web/releases?limit=2").json
    assert [(r["number"], r["state"], r["current"]) for r in page["items"]] == [(3, "live", True), (2, "retired", False)]
    assert page["items"][0]["commit"] == COMMIT and page["items"][0]["error"] is None
    page = me.get("/apps/web/releases?limit=2&after=" + page["next"]).json
    assert [r["number"] for r in page["items"]] == [1] and page["next"] is None
    one = me.get("/apps/web/releases/2").json
    assert one["number"] == 2 and one["profile"]["command"] == "./run\n" and one["profile_text"] == "command: ./run"
    for n in ("4", "0", "x", "99999999999999999999"):
        assert me.get("/apps/web/releases/" + n).status == 404


def test_deploying_again_takes_the_stored_url_and_a_ref(me):
    me.app("web", url=URL)
    assert me.post("/apps/web/releases").json["operation"]["kind"] == "deploy"
    assert me.post("/apps/web/releases", {"ref": "v2"}).status == 202
    assert me.sql("SELECT args->>'ref' FROM operation WHERE tenant_id = TENANT ORDER BY id DESC LIMIT 1") == "v2"
    assert faults(me.post("/apps/web/releases", {"ref": "-x", "url": "y"})) == {"ref": "invalid_value", "url": "unknown_field"}
    me.app("pushed")
    a = me.post("/apps/pushed/releases", {})
    assert (a.status, a.code) == (409, "url_missing")


def test_rollback_goes_to_a_release_that_ran(me):
    me.app("web")
    me.release(number=1, state="retired")
    me.release(number=2, state="failed", serve=False)
    me.release(number=3)
    a = me.post("/apps/web/rollback", {"release": 1})
    assert (a.status, a.json["operation"]["kind"]) == (202, "rollback")
    assert me.sql("SELECT args->>'release' FROM operation WHERE tenant_id = TENANT") == "1"
    assert faults(me.post("/apps/web/rollback", {"release": 2})) == {"release": "release_unusable"}
    assert faults(me.post("/apps/web/rollback", {"release": 9})) == {"release": "not_found"}
    assert faults(me.post("/apps/web/rollback", {"release": "1"})) == {"release": "wrong_type"}
    assert me.post("/apps/web/rollback", {"release": 3}).code == "release_current"


# Instances -------------------------------------------------------------------------------------------------------

def test_instances_are_told_with_what_is_known_of_them(me):
    me.app("web")
    old, new = me.release(number=1), me.release(number=2)
    me.instance(old, 1, want="gone")
    me.instance(new, 1, memory_used=5 << 20, cpu_usec=123)
    me.instance(new, 2, state="failed", exit_code=3, exit_result="exit-code", restarts=5, reason="it ended")
    items = me.get("/apps/web/instances").json["items"]
    assert [(i["number"], i["release"], i["state"]) for i in items] == [(1, 1, "stopping"), (1, 2, "ready"), (2, 2, "failed")]
    assert items[1]["memory_bytes"] == 5 << 20 and items[1]["cpu_usec"] == 123 and items[1]["memory_limit"] == 64 << 20
    assert items[1]["address"] == "10.0.0.1:%d" % items[1]["port"]
    assert (items[2]["exit_code"], items[2]["restarts"], items[2]["reason"]) == (3, 5, "it ended")
    page = me.get("/apps/web/instances?limit=1").json
    rest = me.get("/apps/web/instances?limit=5&after=" + page["next"]).json
    assert page["items"] + rest["items"] == items and rest["next"] is None
    assert me.get("/apps/web/instances/1").json == items[1]
    for n in ("3", "0", "501", "one"):
        assert me.get("/apps/web/instances/" + n).status == 404


def test_restarting_one_instance(me):
    me.app("web")
    assert me.post("/apps/web/instances/1/restart").status == 404
    me.instance(me.release(), 1)
    a = me.post("/apps/web/instances/1/restart", {})
    assert (a.status, a.json["operation"]["kind"]) == (202, "restart")
    assert me.sql("SELECT args->>'instance' FROM operation WHERE tenant_id = TENANT") == "1"
    me.sql("UPDATE app SET stopped = true WHERE tenant_id = TENANT")
    assert me.post("/apps/web/instances/1/restart").code == "app_stopped"


def test_endpoints_are_what_was_announced_lately(me, stack):
    me.app("web")
    r = me.release()
    me.instance(r, 1, unit="ep1")
    me.instance(r, 2, unit="ep2")
    me.instance(r, 3, unit="ep3")
    me.sql("INSERT INTO announcement (unit, healthy, at) VALUES ('ep1', true, now()), ('ep2', false, now()), "
           "('ep3', true, now() - interval '1 minute')")
    items = me.get("/apps/web/endpoints").json["items"]
    assert [(i["instance"], i["healthy"], i["host"]) for i in items] == [(1, True, "10.0.0.1"), (2, False, "10.0.0.1")]
    assert 0 <= items[0]["age"] < 30 and items[0]["address"].endswith(":%d" % items[0]["port"])
    # the token that an instance has reads the endpoints of its app, and nothing else
    token = stack.token(me.name, "read", app="web")
    me.sql("UPDATE token SET release_id = %s WHERE app_id = %s" % (r, me.id()))
    assert me.get("/apps/web/endpoints", token=token).json["items"][0]["instance"] == 1
    me.app("other")
    assert me.get("/apps/other/endpoints", token=token).status == 404
    me.sql("UPDATE app SET group_name = 'web' WHERE tenant_id = TENANT AND name = 'other'")
    assert me.get("/apps/other/endpoints", token=token).json["items"] == []
    assert me.get("/apps/web", token=token).status == 403
    assert me.get("/apps/web/env", token=token).status == 403


def test_start_stop_and_restart(me):
    me.app("web")
    assert me.post("/apps/web/start").code == "app_empty"
    assert me.post("/apps/web/restart").code == "app_empty"
    me.instance(me.release(), 1, state="failed")
    a = me.post("/apps/web/stop", {})
    assert (a.status, a.json["operation"]["kind"]) == (202, "stop")
    assert me.sql("SELECT stopped FROM app WHERE tenant_id = TENANT") == "t"
    assert me.post("/apps/web/restart").code == "app_stopped"
    assert me.post("/apps/web/start").json["operation"]["kind"] == "start"
    assert me.sql("SELECT stopped FROM app WHERE tenant_id = TENANT") == "f"
    assert me.sql("SELECT want FROM instance WHERE tenant_id = TENANT") == "run"
    # of an app that is not stopped, start runs again what has ended
    assert me.post("/apps/web/start").status == 202
    assert me.sql("SELECT want FROM instance WHERE tenant_id = TENANT") == "restart"
    assert me.post("/apps/web/restart").json["operation"]["kind"] == "restart"
    assert faults(me.post("/apps/web/stop", {"force": True})) == {"force": "unknown_field"}
    kinds = me.sql("SELECT string_agg(kind || '/' || lane, ' ' ORDER BY id) FROM operation WHERE tenant_id = TENANT")
    assert kinds == "stop/quick start/normal start/normal restart/normal"


def test_starting_what_no_longer_fits_the_quota_is_refused(stack):
    me = Tenant(stack, memory=150 << 20)
    me.app("web")
    me.release()
    me.post("/apps/web/stop")
    me.app("other")
    me.release("other", scale=1)
    a = me.post("/apps/web/start")
    assert (a.status, a.code) == (422, "quota_memory")
    assert me.sql("SELECT stopped FROM app WHERE id = " + me.id()) == "t"


def test_no_new_source_comes_in_where_the_disk_quota_is_used_up(me):
    me.app("web")
    me.release()
    me.sql("UPDATE app SET url = '%s' WHERE tenant_id = TENANT" % URL)
    me.sql("INSERT INTO app_disk (app_id, source, data) SELECT id, 3000, 2000 FROM app WHERE tenant_id = TENANT")
    assert me.get("/apps/web").json["disk"] == 5000
    disk = me.get("/quota").json["disk"]
    assert disk["used"] == 5000
    me.sql("UPDATE tenant SET quota_disk = 5000 WHERE id = TENANT")
    for path, body in (("/apps", {"name": "two", "url": URL}), ("/apps/web/releases", {})):
        a = me.post(path, body)
        assert (a.status, a.code) == (422, "quota_disk"), path
    assert me.get("/apps/two").status == 404
    assert me.call("PUT", "/apps/web/scale", {"instances": 1}).status == 202
    me.sql("UPDATE tenant SET quota_disk = 5001 WHERE id = TENANT")
    assert me.post("/apps/web/releases", {}).status == 202


# Environment and profile -----------------------------------------------------------------------------------------

def test_variables_are_set_taken_away_and_hidden(me):
    me.app("web")
    assert me.get("/apps/web/env").json == {}
    a = me.call("PATCH", "/apps/web/env", {"A": "1", "B": "zwei\n", "KEY": {"value": "s3cr3t", "secret": True}})
    assert a.status == 200 and a.json == {"A": "1", "B": "zwei\n", "KEY": {"secret": True}}   # nothing runs yet
    me.release()
    a = me.call("PATCH", "/apps/web/env", {"A": None, "KEY": "other", "C": {"value": "3"}})
    assert (a.status, a.json["operation"]["kind"]) == (202, "env")
    a = me.get("/apps/web/env")
    assert a.json == {"B": "zwei\n", "KEY": {"secret": True}, "C": "3"}
    assert b"s3cr3t" not in a.body and b"other" not in a.body
    assert me.sql("SELECT env->'KEY'->>'value' FROM app WHERE tenant_id = TENANT") == "other"
    # what GET tells can be sent back: nothing changes, nothing runs
    assert me.call("PATCH", "/apps/web/env", a.json).status == 200
    assert me.call("PATCH", "/apps/web/env", {}).status == 200
    # a secret is not told by making it none
    assert faults(me.call("PATCH", "/apps/web/env", {"KEY": {"secret": False}})) == {"KEY": "required"}
    assert len(me.get("/operations").json["items"]) == 1
    assert me.call("PATCH", "/apps/web/env", {"A": "x"}, headers={"If-Match": '"1"'}).status == 412


def test_wrong_variables_are_all_told(me):
    me.app("web")
    a = me.call("PATCH", "/apps/web/env", {"PORT": "1", "NAP_X": "1", "9A": "1", "a-b": "1", "N": 7, "O": {"secret": True},
                                           "P": {"value": "x", "sekret": 1}, "Q": {"value": 1}, "R": ["x"], "S": "x" * 70000})
    assert faults(a) == {"PORT": "name_invalid", "NAP_X": "name_invalid", "9A": "name_invalid", "a-b": "name_invalid",
                         "N": "wrong_type", "O": "required", "P.sekret": "unknown_field", "Q": "wrong_type", "R": "wrong_type",
                         "S": "invalid_value"}
    assert me.get("/apps/web/env").json == {}
    a = me.call("PATCH", "/apps/web/env", {"A%d" % i: "x" * 60000 for i in range(5)})
    assert a.status == 422 and "262144" in a.json["detail"]


def test_the_profile_of_the_release_that_serves(me):
    me.app("web")
    assert me.get("/apps/web/profile").status == 404
    me.release(number=3)
    a = me.get("/apps/web/profile")
    assert (a.json["command"], a.json["release"], a.json["text"], a.json["warnings"]) == ("./run\n", 3, "command: ./run", [])


def test_a_profile_is_checked_without_an_app(me):
    check = lambda text: me.post("/profile/check", body=text, headers={"Content-Type": "text/plain"})  # noqa: E731
    text = "command: a\nmemory: 64m x\nwhat: ever\n"
    a = check(text)
    assert a.status == 200 and a.json["memory"] == 64 << 20 and a.json["scale"] is None and a.json["errors"] == []
    assert [(f["line"], f["code"]) for f in a.json["warnings"]] == [(2, "words_ignored"), (3, "unknown_key")]
    a = check(text + "scale: many\nport: x\n")
    assert a.status == 422 and [(f["line"], f["code"]) for f in a.json["errors"]] == [(4, "scale_invalid"), (5, "port_invalid")]
    assert check(b"command: \xff\n").json["errors"][0]["code"] == "not_utf8"
    assert me.post("/profile/check", {"profile": text}).status == 415
    a = me.post("/profile/check", body=b"#" * (1 << 20) + b"#", headers={"Content-Type": "text/plain"})
    assert (a.status, a.code) == (413, "too_large")


# Operations ------------------------------------------------------------------------------------------------------

def test_operations_newest_first_of_an_app_or_a_state(me, stack):
    me.app("a", url=URL)
    me.app("b", url=URL)
    me.end_operations()
    me.post("/apps/a/releases")
    all_ = me.get("/operations").json["items"]
    assert [(o["app"], o["state"]) for o in all_] == [("a", "queued"), ("b", "succeeded"), ("a", "succeeded")]
    assert [o["id"] for o in me.get("/operations?app=a").json["items"]] == [all_[0]["id"], all_[2]["id"]]
    assert [o["id"] for o in me.get("/operations?state=succeeded&limit=1").json["items"]] == [all_[1]["id"]]
    page = me.get("/operations?limit=1").json
    assert me.get("/operations?limit=9&after=" + page["next"]).json["items"] == all_[1:]
    assert me.get("/operations/" + all_[0]["id"]).json == all_[0]
    other = Tenant(stack)
    assert other.get("/operations/" + all_[0]["id"]).status == 404
    assert other.post("/operations/%s/cancel" % all_[0]["id"]).status == 404
    assert other.get("/operations/%s/log" % all_[0]["id"]).status == 404
    assert faults(me.get("/operations?state=odd&limit=x")) == {"state": "invalid_value", "limit": "out_of_range"}
    for bad in ("0", "x", "99999999999999999999"):
        assert me.get("/operations/" + bad).status == 404


def test_the_outcome_of_an_operation_is_a_status(me):
    me.app("web", url=URL)
    id_ = me.get("/operations").json["items"][0]["id"]
    assert me.get("/operations/%s?outcome=1" % id_).status == 202
    me.end_operations()
    assert me.get("/operations/%s?outcome=1&wait=600" % id_).status == 200
    me.sql("UPDATE operation SET state = 'failed', error_code = 'git_failed', error = 'no such host' WHERE id = " + id_)
    assert me.get("/operations/" + id_).json["error"] == {"code": "git_failed", "detail": "no such host", "lines": []}
    a = me.get("/operations/%s?outcome=1" % id_)
    assert (a.status, a.code, a.json["detail"], a.json["operation"]["id"]) == (409, "operation_failed", "no such host", id_)
    me.sql("UPDATE operation SET state = 'cancelled' WHERE id = " + id_)
    assert me.get("/operations/%s?outcome=1" % id_).code == "operation_cancelled"
    assert faults(me.get("/operations/%s?outcome=2&wait=601" % id_)) == {"outcome": "invalid_value", "wait": "out_of_range"}


def test_the_end_of_an_operation_is_waited_for(me):
    me.app("web", url=URL)
    id_ = me.get("/operations").json["items"][0]["id"]
    t = threading.Timer(0.5, me.end_operations)
    t.start()
    a = me.get("/operations/%s?wait=60&outcome=1" % id_)
    t.join()
    assert (a.status, a.json["state"]) == (200, "succeeded")
    t = threading.Timer(0.5, me.end_operations)
    t.start()
    a = me.post("/apps/web/releases", headers={"Prefer": "wait=60"})
    t.join()
    assert (a.status, a.json["operation"]["state"], a.json["app"]["name"]) == (200, "succeeded", "web")


def test_a_queued_operation_is_cancelled_at_once_a_running_one_is_asked(me):
    me.app("web", url=URL)
    id_ = me.get("/operations").json["items"][0]["id"]
    a = me.post("/operations/%s/cancel" % id_, {})
    assert (a.status, a.json["operation"]["state"]) == (202, "cancelled")
    assert me.post("/operations/%s/cancel" % id_).code == "too_late"
    id_ = me.post("/apps/web/releases").json["operation"]["id"]
    me.sql("UPDATE operation SET state = 'running' WHERE id = " + id_)
    a = me.post("/operations/%s/cancel" % id_)
    assert (a.json["operation"]["state"], a.json["operation"]["cancel"]) == ("running", True)
    me.sql("UPDATE operation SET switched = true WHERE id = " + id_)
    assert (me.post("/operations/%s/cancel" % id_).status, me.post("/operations/%s/cancel" % id_).code) == (409, "too_late")


def test_cancelling_the_first_deploy_leaves_an_app_that_does_not_start(me):
    me.app("web", url=URL)
    id_ = me.get("/operations").json["items"][0]["id"]
    me.post("/operations/%s/cancel" % id_)
    assert me.get("/apps/web").json["state"] == "empty"
    assert me.post("/apps/web/releases").json["app"]["state"] == "starting"
    me.sql("UPDATE operation SET state = 'receiving' WHERE state = 'queued' AND tenant_id = TENANT")
    assert me.get("/operations/%d" % (int(id_) + 1)).json["state"] == "queued"


def test_the_log_of_an_operation(me):
    me.app("web", url=URL)
    id_ = me.get("/operations").json["items"][0]["id"]
    me.sql("INSERT INTO operation_log (operation_id, seq, tenant_id, line) "
           "SELECT %s, g, TENANT, 'line \"' || g || '\"' FROM generate_series(1, 5) g" % id_)
    page = me.get("/operations/%s/log?limit=2" % id_).json
    assert [(x["seq"], x["line"]) for x in page["items"]] == [(1, 'line "1"'), (2, 'line "2"')] and page["next"] == "2"
    page = me.get("/operations/%s/log?after=4" % id_).json
    assert [x["seq"] for x in page["items"]] == [5] and page["next"] is None
    a = me.get("/operations/%s/log" % id_, headers={"Accept": "text/plain"})
    assert a.body.decode() == "".join('line "%d"\n' % n for n in range(1, 6))
    assert a.headers["Content-Type"] == "text/plain; charset=utf-8" and "sandbox" in a.headers["Content-Security-Policy"]
    t = threading.Timer(0.5, lambda: me.sql("INSERT INTO operation_log (operation_id, seq, tenant_id, line) VALUES "
                                            "(%s, 6, TENANT, 'last'); SELECT pg_notify('nap_operation', '%s')" % (id_, id_)))
    t.start()
    page = me.get("/operations/%s/log?after=5&wait=60" % id_).json
    t.join()
    assert [x["line"] for x in page["items"]] == ["last"]


# Events ----------------------------------------------------------------------------------------------------------

def test_events_are_read_behind_a_place(me, stack):
    me.app("a", url=URL)
    me.app("b")
    begun = me.get("/events?kind=token").json["items"][-1]["id"]
    page = me.get("/events?limit=2&after=" + begun).json
    assert [v["kind"] for v in page["items"]] == ["app.created", "operation.queued"]
    assert page["items"][0]["app"] == "a" and page["items"][0]["tenant"] == me.name
    assert page["items"][0]["actor"].startswith("token:") and page["next"] == page["items"][1]["id"]
    rest = me.get("/events?after=" + page["next"]).json
    assert [(v["kind"], v["app"]) for v in rest["items"]] == [("app.created", "b")] and rest["next"] is None
    assert [v["app"] for v in me.get("/events?app=b").json["items"]] == ["b"]
    assert {v["tenant"] for v in me.get("/events?limit=1000", token=stack.admin).json["items"]} > {me.name}
    assert faults(me.get("/events?after=x&limit=0&wait=61")) == {"after": "invalid_value", "limit": "out_of_range",
                                                                 "wait": "out_of_range"}


def test_the_next_event_is_waited_for(me):
    me.app("a")
    last = me.get("/events").json["items"][-1]["id"]
    t = threading.Timer(0.5, lambda: me.app("b"))
    t.start()
    items = me.get("/events?wait=60&after=" + last).json["items"]
    t.join()
    assert [v["app"] for v in items] == ["b"]
    began = time.monotonic()
    assert me.get("/events?wait=1&after=" + items[-1]["id"]).json == {"items": [], "next": None}
    assert time.monotonic() - began >= 1


# The engine ------------------------------------------------------------------------------------------------------

def test_machines_and_units_as_the_engine_told_them(me, stack):
    other = Tenant(stack)
    me.sql("INSERT INTO machine (id, address, metadata) VALUES ('m1', '10.0.0.1', '{\"isolation\": \"crun\"}'), ('m2', '', '{}') "
           "ON CONFLICT DO NOTHING; UPDATE engine SET reachable = true, observed_at = now()")
    me.sql("INSERT INTO unit (name, desired_state, current_state, machine, ours, tenant_id) VALUES "
           "('%s.a.v1@1.service', 'launched', 'launched', 'm1', true, TENANT), ('%s.foreign.service', 'launched', '', NULL, false, NULL)"
           % (me.name, me.name))
    me.sql("INSERT INTO unit_state (unit, machine, active, sub, load, tenant_id) VALUES "
           "('%s.a.v1@1.service', 'm0', 'failed', 'failed', 'loaded', TENANT), "
           "('%s.a.v1@1.service', 'm1', 'active', 'running', 'loaded', TENANT)" % (me.name, me.name))
    a = me.get("/machines?limit=1").json
    assert a["items"][0]["id"] == "m1" and a["items"][0]["metadata"] == {"isolation": "crun"}
    assert a["reachable"] is True and a["observed_at"].endswith("Z")
    assert [m["id"] for m in me.get("/machines?after=" + a["next"]).json["items"]] == ["m2"]
    a = me.get("/units").json
    assert [(u["name"], u["active_state"], u["sub_state"], u["machine"]) for u in a["items"]] == [
        (me.name + ".a.v1@1.service", "active", "running", "m1")]
    assert other.get("/units").json["items"] == []
    names = {u["name"]: u["active_state"] for u in me.get("/units?limit=1000", token=stack.admin).json["items"]}
    assert names[me.name + ".a.v1@1.service"] == "active" and names[me.name + ".foreign.service"] is None
