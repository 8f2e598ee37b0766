"""Apps: made, shown, listed, changed and destroyed over REST, without a worker behind."""
import pytest

from api_stack import Tenant, faults, me, stack  # noqa: F401

URL = "https://git.invalid/owner/shop"


def test_an_app_by_url_is_a_deploy(me):
    a = me.post("/apps", {"url": URL + ".git"})
    assert a.status == 202, a
    app, operation = a.json["app"], a.json["operation"]
    assert a.headers["Location"] == "/api/v1/operations/" + operation["id"]
    assert (operation["kind"], operation["state"], operation["app"]) == ("deploy", "queued", "shop")
    assert app["name"] == app["group"] == "shop" and app["state"] == "starting"
    assert app["url"] == URL + ".git" and app["ref"] is None and app["release"] is None and app["commit"] is None
    assert app["desired_instances"] == 1 and app["running_instances"] == 0 and app["memory"] == 256 << 20
    assert app["address"] == "http://shop-%s.localhost:%d/" % (me.name, me.stack.port)
    assert app["git_http"] == "http://127.0.0.1:%d/git/%s/shop.git" % (me.stack.port, me.name)
    assert me.get("/apps/shop").json == app


def test_an_app_without_a_url_waits_for_a_push(me):
    a = me.post("/apps", {"name": "web"})
    assert (a.status, a.headers["Location"]) == (201, "/api/v1/apps/web")
    assert a.json["app"]["state"] == "empty" and a.json["operation"] is None
    assert me.get("/operations").json == {"items": [], "next": None}


def test_what_the_request_says_overrides_the_profile(me):
    a = me.post("/apps", {"url": "git@git.invalid:o/r.git", "name": "web", "command": "./a\n./b", "memory": "64m", "scale": 3,
                          "profile": "command: ./c\nscale: 9\n", "ref": "v1.2"})
    app = a.json["app"]
    assert a.status == 202, a
    assert (app["command"], app["memory"], app["desired_instances"], app["ref"]) == ("./a\n./b", 64 << 20, 3, "v1.2")
    assert (app["scale_override"], app["memory_override"], app["command_override"]) == (3, 64 << 20, "./a\n./b")
    assert app["profile_given"] is True


@pytest.mark.parametrize("given,url,ref,name", [
    ("https://git.invalid/Owner/My.App/tree/feature/x", "https://git.invalid/Owner/My.App", "feature/x", "my-app"),
    ("https://git.invalid/o/3d.git", "https://git.invalid/o/3d.git", None, "app-3d"),
    ("git@git.invalid:o/r_r.git", "git@git.invalid:o/r_r.git", None, "r_r"),
    ("https://git.invalid/o/admin", "https://git.invalid/o/admin", None, "app-admin"),
])
def test_addresses_as_people_have_them_are_urls(me, given, url, ref, name):
    app = me.post("/apps", {"url": given}).json["app"]
    assert (app["url"], app["ref"], app["name"]) == (url, ref, name)


def test_credentials_of_a_url_are_kept_apart_and_never_shown(me):
    a = me.post("/apps", {"name": "web", "url": "https://bob:s3cr3t@git.invalid/o/r"})
    assert a.json["app"]["url"] == "https://git.invalid/o/r"
    assert b"s3cr3t" not in a.body + me.get("/apps").body + me.get("/operations").body + me.get("/events").body
    assert me.sql("SELECT url_secret FROM app WHERE tenant_id = TENANT") == "bob:s3cr3t"
    assert "s3cr3t" not in open(me.stack.path("logs/api")).read()


@pytest.mark.parametrize("url,code", [
    ("", "url_invalid"), ("ext::sh -c touch% /tmp/x", "url_invalid"), ("ext::sh", "protocol_not_allowed"),
    ("--upload-pack=touch /tmp/x", "url_invalid"), ("https://git.invalid/o/r\n", "url_invalid"),
    ("http://git.invalid/o/r", "protocol_not_allowed"), ("file:///etc", "protocol_not_allowed"),
    ("ssh://-oProxyCommand=x/r", "url_invalid"), ("/srv/git/r", "url_invalid"), ("https://git.invalid", "url_invalid"),
    ("https://git.invalid/" + "a" * 2000, "url_invalid"),
])
def test_a_url_that_git_would_misread_is_refused_and_nothing_is_made(me, url, code):
    a = me.post("/apps", {"name": "web", "url": url})
    assert faults(a) == {"url": code}
    assert me.get("/apps").json["items"] == []


def test_all_faults_are_told_at_once(me):
    a = me.post("/apps", {"name": "Web", "url": "ftp://x/y", "ref": "a..b", "command": " ", "memory": "1m", "scale": 1e9,
                          "profile": "scale: many\nmemory: lots", "colour": "red"})
    assert faults(a) == {"name": "name_invalid", "url": "protocol_not_allowed", "ref": "invalid_value",
                         "command": "invalid_value", "memory": "out_of_range", "scale": "wrong_type",
                         "profile": "memory_invalid", "colour": "unknown_field"}
    lines = [(f["line"], f["code"]) for f in a.json["errors"] if f["field"] == "profile"]
    assert lines == [(1, "scale_invalid"), (2, "memory_invalid")]


@pytest.mark.parametrize("scale,word", [("three", "whole number"), (-1, "from 0 to 500"), (501, "from 0 to 500"),
                                        (10 ** 9, "from 0 to 500"), (1.5, "whole number"), (None, "null")])
def test_a_scale_that_is_none_is_refused_in_clear_words(me, scale, word):
    for a in (me.post("/apps", {"name": "web", "scale": scale}),):
        assert list(faults(a)) == ["scale"]
        assert word in a.json["errors"][0]["detail"]


@pytest.mark.parametrize("name,code", [("a" * 33, "name_too_long"), ("api", "name_reserved"), ("wéb", "name_invalid"),
                                       ("-a", "name_invalid"), ("a--b", "name_invalid"), ("1a", "name_invalid"),
                                       ("a.b", "name_invalid"), ("", "name_invalid"), (7, "wrong_type")])
def test_names_follow_the_rules(me, name, code):
    assert faults(me.post("/apps", {"name": name})) == {"name": code}


def test_a_taken_name_is_a_conflict_with_the_next_free_one(me):
    me.app("web")
    a = me.post("/apps", {"name": "web"})
    assert (a.status, a.code, a.json["suggestion"]) == (409, "name_taken", "web_1")
    me.app("web-1")
    a = me.post("/apps", {"name": "web"})
    assert (a.code, a.json["suggestion"]) == ("name_taken", "web_2")
    # the host name counts too
    a = me.post("/apps", {"name": "web_1"})
    assert (a.status, a.code, a.json["suggestion"]) == (409, "name_taken", "web_1_1")
    assert "web-1" in a.json["detail"]
    long = "a" * 32
    me.app(long)
    suggestion = me.post("/apps", {"name": long}).json["suggestion"]
    assert suggestion == "a" * 30 + "_1"
    me.app(suggestion)


def test_names_of_other_tenants_are_free(me, stack):
    me.app("web")
    Tenant(stack).app("web")


def test_the_list_goes_by_name_in_pages(me):
    for n in ("c", "a", "e", "b", "d"):
        me.app(n)
    seen, after, pages = [], "", 0
    while after is not None:
        page = me.get("/apps?limit=2" + ("&after=" + after if after else "")).json
        seen += [a["name"] for a in page["items"]]
        after, pages = page["next"], pages + 1
    assert (seen, pages) == (["a", "b", "c", "d", "e"], 3)
    assert me.get("/apps?limit=5").json["next"] is None


def test_the_list_is_filtered(me):
    me.app("web")
    me.app("worker", url=URL)
    me.sql("UPDATE app SET state = 'running' WHERE tenant_id = TENANT AND name = 'web'")
    pick = lambda q: [a["name"] for a in me.get("/apps?" + q).json["items"]]  # noqa: E731
    assert pick("q=we") == ["web"] and pick("q=SHOP") == ["worker"] and pick("q=nothing") == []
    assert pick("state=running") == ["web"] and pick("group=worker") == ["worker"] and pick("q=w&state=starting") == ["worker"]
    assert faults(me.get("/apps?state=happy&limit=0&after=!")) == {
        "state": "invalid_value", "limit": "out_of_range", "after": "invalid_value"}
    assert me.get("/apps?limit=1001", token=None).status == 401


def test_what_belongs_to_others_is_not_found_with_the_same_bytes(me, stack):
    Tenant(stack).app("theirs")
    same = lambda a: (a.status, a.json["detail"].replace("nothing", "theirs"), a.code)  # noqa: E731
    for method, path, body in [("GET", "", None), ("DELETE", "?confirm=theirs", None), ("GET", "/scale", None),
                               ("PUT", "/scale", {"instances": 1}), ("GET", "/env", None), ("PATCH", "/env", {"A": "b"}),
                               ("GET", "/releases", None), ("GET", "/releases/1", None), ("POST", "/releases", {}),
                               ("POST", "/rollback", {"release": 1}), ("GET", "/instances", None), ("GET", "/instances/1", None),
                               ("POST", "/instances/1/restart", None), ("POST", "/start", None), ("POST", "/stop", None),
                               ("POST", "/restart", None), ("GET", "/profile", None), ("GET", "/logs", None),
                               ("GET", "/endpoints", None), ("PATCH", "", {"ref": "x"})]:
        there = me.call(method, "/apps/theirs" + path, body)
        absent = me.call(method, "/apps/nothing" + path.replace("theirs", "nothing"), body)
        assert there.status == 404, (method, path, there)
        assert same(there) == same(absent), (method, path)


def test_the_quota_refuses_with_numbers(stack):
    me = Tenant(stack, memory=7 << 30, instances=10, apps=2)
    a = me.post("/apps", {"name": "web", "url": URL, "memory": "2g", "scale": 4})
    assert (a.status, a.code) == (422, "quota_memory") and "7 of 7 GiB left" in a.json["detail"]
    a = me.post("/apps", {"name": "web", "url": URL, "scale": 11})
    assert (a.status, a.code) == (422, "quota_instances") and "10 of 10 left" in a.json["detail"]
    assert me.get("/apps").json["items"] == []
    me.app("a")
    me.app("b")
    a = me.post("/apps", {"name": "c"})
    assert (a.status, a.code) == (422, "quota_apps") and "0 of 2 left" in a.json["detail"]


def test_put_makes_the_app_and_then_deploys_it(me):
    a = me.call("PUT", "/apps/web", {"url": URL, "ref": "main", "scale": 2})
    assert (a.status, a.json["operation"]["kind"], a.json["app"]["ref"]) == (202, "deploy", "main")
    a = me.call("PUT", "/apps/web", {"url": "https://u:new@git.invalid/owner/shop", "command": "./x"})
    assert (a.status, a.json["operation"]["kind"]) == (202, "deploy")
    app = a.json["app"]
    assert (app["ref"], app["scale_override"], app["command_override"]) == (None, 2, "./x")
    assert me.sql("SELECT url_secret FROM app WHERE tenant_id = TENANT") == "u:new"
    a = me.call("PUT", "/apps/web", {"url": URL + "2"})
    assert (a.status, a.code) == (409, "url_differs")
    me.app("pushed")
    assert me.call("PUT", "/apps/pushed", {"url": URL}).code == "url_differs"
    assert faults(me.call("PUT", "/apps/A", {"ref": "x"})) == {"name": "name_invalid", "url": "required"}
    assert len(me.get("/operations").json["items"]) == 2


def test_patch_changes_settings_and_null_takes_them_away(me):
    me.app("web", url=URL, ref="main", memory="64m")
    a = me.call("PATCH", "/apps/web", {"ref": None, "memory": None, "scale": 4, "url": "https://git.invalid/other"})
    assert a.status == 200, a
    assert (a.json["ref"], a.json["memory_override"], a.json["desired_instances"]) == (None, None, 4)
    assert a.json["url"] == "https://git.invalid/other"
    assert me.call("PATCH", "/apps/web", {"url": None}).json["url"] is None
    me.release("web")
    a = me.call("PATCH", "/apps/web", {"command": "./new"})
    assert (a.status, a.json["operation"]["kind"], a.json["app"]["command_override"]) == (202, "env", "./new")
    assert me.sql("SELECT args FROM operation WHERE tenant_id = TENANT ORDER BY id DESC LIMIT 1") == '{"settings": true}'
    assert me.call("PATCH", "/apps/web", {"scale": None}).json["operation"]["kind"] == "scale"
    etag = me.get("/apps/web").headers["ETag"]
    assert me.call("PATCH", "/apps/web", {"ref": "x"}, headers={"If-Match": etag}).status == 200
    a = me.call("PATCH", "/apps/web", {"ref": "y"}, headers={"If-Match": etag})
    assert (a.status, a.code) == (412, "precondition_failed")


def test_destroying_asks_for_the_name_and_ends_what_goes_on(me):
    me.app("web", url=URL)
    me.call("PUT", "/apps/web", {"url": URL})
    running = me.get("/operations").json["items"][1]["id"]
    me.sql("UPDATE operation SET state = 'running' WHERE id = %s" % running)
    for q in ("", "?confirm=other", "?confirm="):
        a = me.call("DELETE", "/apps/web" + q)
        assert (a.status, a.code) == (422, "confirm_required")
    a = me.call("DELETE", "/apps/web?confirm=web")
    assert (a.status, a.json["app"]["state"], a.json["operation"]["kind"]) == (202, "deleting", "destroy")
    states = {o["kind"] + o["id"]: (o["state"], o["cancel"]) for o in me.get("/operations").json["items"]}
    assert states["deploy" + running] == ("running", True)
    assert sorted(states.values()) == [("cancelled", True), ("queued", False), ("running", True)]
    assert me.sql("SELECT lane FROM operation WHERE kind = 'destroy' AND tenant_id = TENANT") == "quick"
    for method, path, body in [("DELETE", "?confirm=web", None), ("PUT", "", {"url": URL}), ("POST", "/releases", {}),
                               ("PUT", "/scale", {"instances": 2}), ("PATCH", "/env", {"A": "b"}), ("POST", "/start", None),
                               ("POST", "/stop", None), ("POST", "/restart", None), ("POST", "/rollback", {"release": 1}),
                               ("PATCH", "", {"ref": "x"})]:
        a = me.call(method, "/apps/web" + path, body)
        assert (a.status, a.code) == (409, "app_deleting"), (method, path, a)
    a = me.post("/apps", {"name": "web"})
    assert (a.status, a.code, a.json["suggestion"]) == (409, "name_taken", "web_1")


def test_a_token_bound_to_an_app_sees_and_changes_that_one(me, stack):
    me.app("web", url=URL)
    me.app("other")
    bound = stack.token(me.name, "manage", app="web")
    assert [a["name"] for a in me.get("/apps", token=bound).json["items"]] == ["web"]
    assert me.get("/apps/web", token=bound).status == 200
    assert me.get("/apps/other", token=bound).status == 404
    assert me.post("/apps", {"name": "third"}, token=bound).status == 403
    assert me.call("PATCH", "/apps/web", {"url": URL + "2"}, token=bound).code == "token_bound"
    assert me.call("PATCH", "/apps/web", {"ref": "x"}, token=bound).status == 200
    assert [o["app"] for o in me.get("/operations", token=bound).json["items"]] == ["web"]
    assert me.get("/operations?app=other", token=bound).status == 404
    assert {v["app"] for v in me.get("/events", token=bound).json["items"]} <= {"web"}


def test_scopes_are_asked_for(me, stack):
    me.app("web")
    read, deploy = stack.token(me.name, "read"), stack.token(me.name, "deploy")
    assert me.post("/apps", {"name": "b"}, token=read).code == "scope_missing"
    assert me.call("PUT", "/apps/web/scale", {"instances": 2}, token=read).code == "scope_missing"
    assert me.call("DELETE", "/apps/web?confirm=web", token=deploy).code == "scope_missing"
    assert me.call("PATCH", "/apps/web/env", {"A": "b"}, token=deploy).code == "scope_missing"
    assert me.call("PUT", "/apps/web/scale", {"instances": 2}, token=deploy).status == 202


def test_a_repeated_request_makes_one_app(me):
    h = {"Idempotency-Key": "k1"}
    first = me.post("/apps", {"name": "web", "url": URL}, headers=h)
    again = me.post("/apps", {"name": "web", "url": URL}, headers=h)
    assert (first.status, again.status, again.headers["Idempotent-Replayed"]) == (202, 202, "true")
    assert first.json["operation"]["id"] == again.json["operation"]["id"]
    assert len(me.get("/operations").json["items"]) == 1


def test_without_a_domain_each_app_has_a_port_of_its_own(tmp_path_factory):
    from serve_stack import Stack
    s = Stack(tmp_path_factory.mktemp("ports"), domain="", app_ports="30000-30001")
    try:
        one, two = Tenant(s), Tenant(s)
        assert one.app("a")["address"] == "http://127.0.0.1:30000/"
        assert two.app("a")["address"] == "http://127.0.0.1:30001/"
        a = two.post("/apps", {"name": "b"})
        assert (a.status, a.code) == (503, "database_busy") and "30000 to 30001" in a.json["detail"]
    finally:
        s.close()
