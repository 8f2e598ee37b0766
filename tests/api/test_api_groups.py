"""Groups as nap-api answers for them: names, quota, templates, bad input; rows that a worker would have written."""
import concurrent.futures
import hashlib
import os

import pytest

from api_stack import Tenant, faults, me, stack  # noqa: F401

POOL = 16


@pytest.fixture
def web(me):
    me.app("web")
    me.release("web", memory=64 << 20, scale=1)
    me.sql("UPDATE app SET env = '{\"KEY\": {\"value\": \"v\", \"secret\": true}}', scale_override = 2 WHERE name = 'web' "
           "AND tenant_id = TENANT")
    return me


def similar(t, command="./x {1..3}", app="web", **body):
    return t.post(f"/apps/{app}/similar", dict(body, **({"command": command} if command is not None else {})))


def names(a):
    assert a.status == 202, a
    return [x["name"] for x in a.json["apps"]]


def used(t):
    return t.sql("SELECT used_memory || ' ' || used_instances || ' ' || used_apps FROM tenant WHERE id = TENANT")


def test_names_go_on_and_are_never_given_twice(web):
    assert names(similar(web)) == ["web_1", "web_2", "web_3"]
    web.sql("DELETE FROM app WHERE tenant_id = TENANT AND name IN ('web_2', 'web_3')")
    web.app("web_5")
    web.app("web-6")
    assert names(similar(web)) == ["web_4", "web_7", "web_8"]
    web.release("web_1", serve=True, scale=1)
    a = similar(web, "./y {1..2}", app="web_1")
    assert names(a) == ["web_1_1", "web_1_2"]
    assert {x["group"] for x in a.json["apps"]} == {"web"} and a.json["apps"][0]["parent"] == "web_1"


def test_a_member_inherits_what_its_source_says_and_no_scale_set_by_hand(web):
    one = similar(web, "./x").json["apps"][0]
    assert (one["command"], one["memory"], one["desired_instances"], one["scale_override"], one["url"]) == (
        "./x", 64 << 20, 1, None, None)
    assert web.get("/apps/web_1/env").json == {"KEY": {"secret": True}}


def test_a_dry_run_says_all_and_takes_nothing(web):
    before = used(web)
    a = web.post("/apps/web/similar?dry_run=true", {"command": "./x {seed:1..20}"})
    assert a.status == 200, a
    assert [x["name"] for x in a.json["apps"]] == ["web_%d" % n for n in range(1, 21)]
    assert a.json["apps"][6] == {"name": "web_7", "command": "./x 7", "params": {"seed": "7"}}
    assert a.json["needed"] == {"memory": 20 * (64 << 20), "instances": 20, "apps": 20}
    assert a.json["possible"] == 20 and a.json["left"]["apps"] == 199
    assert used(web) == before and web.get("/groups").json["items"] == []
    assert names(similar(web, "./x")) == ["web_1"]


def test_a_quota_with_room_for_twelve_of_twenty_makes_none_and_says_twelve(stack):
    t = Tenant(stack, memory=14 * (64 << 20))
    t.app("web")
    t.release("web", memory=64 << 20, scale=2)
    t.sql("UPDATE release SET scale = 1 WHERE tenant_id = TENANT")
    before = used(t)
    a = similar(t, "./x {1..20}")
    assert (a.status, a.code, a.json["possible"]) == (422, "quota_memory", 12), a
    assert "12 of 20" in a.json["detail"] and used(t) == before
    assert len(names(similar(t, "./x {1..12}"))) == 12
    # those that take turns need room for one at a time
    assert len(names(similar(t, "./x {1..20}", parallel=3))) == 20


def test_a_name_that_is_taken_is_a_conflict_with_the_next_free_one(web):
    web.app("fast")
    a = similar(web, None, commands=["./a", "./b"], names=["slow", "fast"])
    assert (a.status, a.code, a.json["suggestion"]) == (409, "name_taken", "fast_1")
    assert names(similar(web, None, commands=["./a", "./b"], names=["slow", "slower"])) == ["slow", "slower"]
    assert faults(similar(web, None, commands=["./a", "./b"], names=["one"])) == {"names": "invalid_value"}
    assert faults(similar(web, None, commands=["./a", "./b"], names=["a_b", "a-b"])) == {"names[1]": "invalid_value"}


def test_the_roots_name_stays_taken_while_a_member_lives(web):
    assert names(similar(web, "./x")) == ["web_1"]
    web.sql("UPDATE app SET release_id = NULL WHERE tenant_id = TENANT AND name = 'web'; "
            "DELETE FROM release WHERE tenant_id = TENANT; DELETE FROM app WHERE tenant_id = TENANT AND name = 'web'")
    a = web.post("/apps", {"name": "web"})
    assert (a.status, a.code) == (409, "name_taken"), a
    assert web.get("/groups/web").json["root"] is None
    web.sql("DELETE FROM app WHERE tenant_id = TENANT AND name = 'web_1'")
    assert web.get("/groups/web").status == 404
    assert web.post("/apps", {"name": "web"}).status == 201


def test_fifty_requests_at_once_give_a_thousand_names_without_a_gap(stack):
    t = Tenant(stack, memory=1 << 40, instances=5000, apps=5000)
    t.app("web")
    t.release("web", memory=64 << 20, scale=1)
    with concurrent.futures.ThreadPoolExecutor(POOL) as pool:
        answers = list(pool.map(lambda _: similar(t, "./x {1..20}"), range(50)))
    assert {a.status for a in answers} == {202}, [a for a in answers if a.status != 202][:1]
    every = sorted((int(n.rsplit("_", 1)[1]) for a in answers for n in names(a)))
    assert every == list(range(1, 1001))
    for a in answers:                                       # each request's are one run
        numbers = [int(n.rsplit("_", 1)[1]) for n in names(a)]
        assert numbers == list(range(numbers[0], numbers[0] + 20))


def test_names_by_hand_at_the_same_time_are_passed_by(stack):
    t = Tenant(stack, memory=1 << 40, instances=5000, apps=5000)
    t.app("web")
    t.release("web", memory=64 << 20, scale=1)

    def one(i):
        if i % 2:
            return similar(t, "./x {1..4}")
        return t.post("/apps", {"name": "web%s%d" % ("_-"[i % 4 // 2], i)})

    with concurrent.futures.ThreadPoolExecutor(POOL) as pool:
        answers = list(pool.map(one, range(60)))
    assert {a.status for a in answers} <= {201, 202, 409}, answers
    assert {a.status for i, a in enumerate(answers) if i % 2} == {202}
    labels = t.sql("SELECT count(*) || ' ' || count(DISTINCT label) FROM app WHERE tenant_id = TENANT").split()
    assert labels[0] == labels[1]


@pytest.mark.parametrize("command", ["", " \n ", "x" * 65537, "a\r\nb", "a \\\nb"])
def test_a_command_that_cannot_be_is_refused(web, command):
    assert faults(similar(web, command)) == {"command": "invalid_command"}


def test_bytes_that_are_no_text_are_invalid_commands(web):
    for body in (b'{"command": "a\\u0000b"}', b'{"command": "a\xffb"}'):
        a = web.call("POST", "/apps/web/similar", body=body, headers={"Content-Type": "application/json"})
        assert (a.status, a.code) == (422, "invalid_command"), a


def test_bad_templates_are_told_with_their_position(web):
    a = similar(web, "./x {1..b}")
    assert faults(a) == {"command": "template_invalid"} and "line 1, column 5" in a.json["errors"][0]["detail"]
    assert faults(similar(web, "./x {1..2000}")) == {"command": "too_many_members"}
    assert similar(web, "./x {1..b}", literal=True).json["apps"][0]["command"] == "./x {1..b}"
    assert faults(web.post("/apps/web/similar", {})) == {"command": "invalid_command"}
    assert faults(similar(web, "a", commands=["b"])) == {"command": "invalid_value"}
    assert faults(similar(web, None, commands=["a", ""])) == {"commands[1]": "invalid_command"}
    assert faults(similar(web, "a", release=7)) == {"release": "not_found"}


def test_an_app_without_a_release_has_nothing_to_start_from(me):
    me.app("web")
    a = similar(me)
    assert (a.status, a.code) == (409, "app_empty")


def test_a_name_of_the_sequence_that_is_too_long_takes_nothing(me):
    name = "a" * 30
    me.app(name)
    me.release(name, scale=1)
    for n in range(2, 20):
        me.sql("UPDATE app SET name = '%s', group_name = '%s' WHERE name = '%s' AND tenant_id = TENANT" % (
            "a" * 58, "a" * 58, name))
        break
    a = similar(me, "./x", app="a" * 58)
    assert (a.status, a.code) == (422, "name_too_long"), a
    assert me.sql("SELECT count(*) FROM app WHERE tenant_id = TENANT") == "1"


def test_groups_list_their_members_with_results(web):
    assert names(similar(web, "./x --rate {0.1,0.01}")) == ["web_1", "web_2"]
    for n, score in ((1, "2"), (2, "10")):
        release = web.release(f"web_{n}", scale=1)
        web.sql("INSERT INTO run (id, tenant_id, app_id, release_id, number, started_at, ended_at, exit_code, result, "
                "result_values) VALUES ('g%s', TENANT, %s, %s, 1, now() - interval '2.5 s', now(), %d, 'finished', "
                "'{\"score\": \"%s\", \"note\": \"=1+1, \\\"x\\\"\"}')" % (release, web.id(f"web_{n}"), release, n - 1, score))
    g = web.get("/groups/web").json
    assert (g["name"], g["root"], g["members"], g["parallel"]) == ("web", "web", 3, None)
    assert [(m["name"], m["params"]) for m in g["items"]] == [
        ("web", None), ("web_1", {"rate": "0.1"}), ("web_2", {"rate": "0.01"})]
    assert (g["items"][2]["exit_code"], g["items"][2]["seconds"], g["items"][2]["values"]["score"]) == (1, 2.5, "10")
    page = web.get("/groups/web?limit=2").json
    assert [m["name"] for m in web.get("/groups/web?limit=2&after=" + page["next"]).json["items"]] == ["web_2"]
    r = web.get("/groups/web/results?sort=score&order=desc").json
    assert [m["name"] for m in r["items"]] == ["web_2", "web_1", "web"]
    assert (r["params"], r["values"]) == (["rate"], ["score", "note"])
    csv = web.get("/groups/web/results?sort=rate", headers={"Accept": "text/csv"})
    assert csv.headers["Content-Type"].startswith("text/csv")
    assert csv.body.decode().split("\r\n")[:2] == [
        "name,command,state,exit_code,exit_signal,seconds,runs,rate,score,note",
        "web_2,./run,running,1,,2.500,1,0.01,10,\"'=1+1, \"\"x\"\"\""]
    assert [x["name"] for x in web.get("/groups").json["items"]] == ["web"]


def test_what_is_done_to_a_group_is_done_to_each_member(web):
    names(similar(web, "./x {1..2}"))
    for n in (1, 2):
        web.release(f"web_{n}", scale=1)
    a = web.post("/groups/web/stop")
    assert (a.status, a.json["operation"]["kind"], a.json["group"]["members"]) == (202, "group", 3), a
    assert web.sql("SELECT count(*) FROM app WHERE tenant_id = TENANT AND stopped") == "3"
    assert web.post("/groups/web/start").status == 202
    assert web.sql("SELECT count(*) FROM app WHERE tenant_id = TENANT AND stopped") == "0"
    assert web.call("PUT", "/groups/web/scale", {"instances": 3}).status == 202
    assert web.sql("SELECT string_agg(instances::text, ' ') FROM app WHERE tenant_id = TENANT") == "3 3 3"
    assert web.post("/groups/web/rerun").code == "nothing_to_run"
    assert faults(web.call("DELETE", "/groups/web")) == {"confirm": "confirm_required"}
    assert web.call("DELETE", "/groups/web?confirm=web").status == 202
    assert web.sql("SELECT count(*) FROM app WHERE tenant_id = TENANT AND deleting") == "3"
    assert web.sql("SELECT count(*) FROM operation WHERE tenant_id = TENANT AND state = 'queued'") == "1"


def test_another_tenant_sees_no_group(web, stack):
    names(similar(web))
    other = Tenant(stack)
    assert other.get("/groups").json["items"] == []
    for method, path in (("GET", "/groups/web"), ("GET", "/groups/web/results"), ("POST", "/groups/web/stop"),
                         ("GET", "/groups/web/logs"), ("GET", "/groups/web/files.tar"), ("GET", "/apps/web_1/files"),
                         ("GET", "/apps/web/files/1/x"), ("GET", "/apps/web/files.tar"), ("POST", "/groups/web/extend"), ("DELETE", "/groups/web?confirm=web")):
        a = other.call(method, path, {"command": "x"} if path.endswith("extend") else None)
        assert (a.status, a.code) == (404, "not_found"), (path, a)


def test_nginx_is_told_whose_files_are_asked_for(web):
    names(similar(web))
    between = Tenant(web.stack).app("else")                     # ids of one group with a gap in them
    names(similar(web, "./x {4..5}"))
    ids = sorted(int(web.id(n)) for n in ["web"] + ["web_%d" % n for n in range(1, 6)])
    a = web.get("/groups/web/files.tar")
    asked = a.json["asked"]
    assert asked.startswith("/.files/tar?apps=") and "attachment; filename=\"web-files.tar\"" == a.headers["Content-Disposition"]
    told = [[int(i) for i in part.split("-")] for part in asked.partition("=")[2].split(",")]
    assert [i for r in told for i in range(r[0], r[-1] + 1)] == ids and len(told) < len(ids), (told, between)
    assert web.get("/apps/web_1/files").json["asked"] == "/.files/list?apps=%s&after=" % web.id("web_1")
    a = web.get("/apps/web_1/files/1/sub/a%20b%22%3b.txt")
    assert a.json["asked"] == "/.files/file?apps=%s&path=%s" % (web.id("web_1"), b'1/sub/a b";.txt'.hex())
    assert a.headers["Content-Disposition"] == 'attachment; filename="a_b__.txt"'
    assert faults(web.get("/apps/web_1/files?after=1;x")) == {"after": "invalid_value"}


def test_extending_goes_on_with_the_roots_numbers(web):
    names(similar(web, "./x {1..2}"))
    a = web.post("/groups/web/extend", {"command": "./x {3..4}"})
    assert names(a) == ["web_3", "web_4"]


def output(t, number, text_sha, size, release, state="finished", app="web"):
    t.instance(release, number, app=app, state=state)
    t.sql("INSERT INTO run (id, tenant_id, app_id, release_id, number, started_at, ended_at, exit_code, result, stdout_bytes, "
          "stdout_sha256) VALUES ('o%s.%d', TENANT, %s, %s, %d, now(), now(), 0, 'finished', %d, '%s')" % (
              release, number, t.id(app), release, number, size, text_sha))


def test_outputs_of_ended_instances_agree_by_their_hashes(me):
    me.app("web")
    release = me.release("web", scale=3)
    assert me.get("/apps/web/outputs").json == {"items": [], "next": None, "agree": None}
    output(me, 1, "aa" * 32, 7, release)
    assert me.get("/apps/web/outputs").json["agree"] is None
    output(me, 2, "aa" * 32, 7, release)
    o = me.get("/apps/web/outputs").json
    assert o["agree"] is True and [(i["instance"], i["bytes"], i["complete"]) for i in o["items"]] == [(1, 7, True), (2, 7, True)]
    output(me, 3, "bb" * 32, 7, release)
    assert me.get("/apps/web/outputs").json["agree"] is False
    assert me.get("/apps/web/outputs/diff?a=1&b=2").json["same"] is True
    assert me.get("/apps/web/outputs/diff?a=1&b=9").status == 404


def test_outputs_of_running_instances_are_compared_on_their_common_length(me):
    me.app("web")
    release = me.release("web", scale=2)
    for n in (1, 2):
        me.instance(release, n)
    folder = os.path.join(me.stack.folder, "logs", me.id("web"))
    os.makedirs(folder)

    def log(*lines):
        with open(os.path.join(folder, "current"), "w") as f:
            for seq, (instance, stream, text) in enumerate(lines, 1):
                f.write("%d 2026-11-24T10:00:00.%06dZ 1 %d %s %s\n" % (seq, seq, instance, stream, text))

    log((1, "o", "of a run before"), (1, "s", "Started"), (2, "s", "Started"), (1, "o", "a"), (2, "o", "a"), (2, "o", "b"))
    o = me.get("/apps/web/outputs").json
    assert o["agree"] is True and [(i["bytes"], i["complete"]) for i in o["items"]] == [(2, False), (4, False)]
    assert o["items"][0]["sha256"] == hashlib.sha256(b"a\n").hexdigest()
    log((1, "o", "a"), (2, "o", "a"), (1, "o", "b"), (2, "o", "c"), (1, "o", "d"))
    assert me.get("/apps/web/outputs").json["agree"] is False
    d = me.get("/apps/web/outputs/diff").json
    assert (d["line"], d["line_a"], d["line_b"], d["same"]) == (2, "b", "c", False)


def test_a_token_bound_to_one_app_has_no_access_to_what_a_group_shares(web, stack):
    bound = stack.token(web.name, "manage", app="web")
    assert stack.git_auth(web.name, "web", "git-upload-pack", "%s:%s" % (web.name, bound)).status == 200
    a = web.call("POST", "/apps/web/similar", {"command": "./x"}, token=bound)
    assert (a.status, a.code) == (403, "token_bound"), a
    names(similar(web, "./x"))
    a = stack.git_auth(web.name, "web", "git-upload-pack", "%s:%s" % (web.name, bound))
    assert a.status == 403 and "shares objects" in a.headers["X-Nap-Error"]
    assert stack.git_auth(web.name, "web", "git-upload-pack", "%s:%s" % (web.name, web.token)).status == 200
