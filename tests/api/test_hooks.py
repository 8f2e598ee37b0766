"""Webhooks in: GitHub's and GitLab's deliveries at nap-api, and the deploy that a worker makes of one."""
import concurrent.futures
import hashlib
import hmac
import json

import pytest

from api_stack import Tenant, me, stack  # noqa: F401  (fixtures)
from jobs_stack import Jobs, have_jobs

URL = "https://git.invalid/o/web"


def signed(secret, body):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def push(n, ref="refs/heads/main", **more):
    return dict({"ref": ref, "after": "%040d" % n, "repository": {"default_branch": "main", "url": "https://evil.invalid/"}}, **more)


def github(stack, hook, body, secret=None, event="push", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    h = {"Content-Type": "application/json", "X-GitHub-Event": event,
         "X-Hub-Signature-256": signed(secret or hook["secret"], raw)}
    h.update({k.replace("_", "-"): v for k, v in headers.items()})
    return stack.call("POST", "/hooks/" + hook["id"], body=raw, headers=h)


def gitlab(stack, hook, body, token=None, event="Push Hook", uuid=None):
    h = {"Content-Type": "application/json", "X-Gitlab-Event": event, "X-Gitlab-Token": token or hook["secret"]}
    if uuid:
        h["X-Gitlab-Event-UUID"] = uuid
    return stack.call("POST", "/hooks/" + hook["id"], body=json.dumps(body), headers=h)


def nothing(a, word):
    assert a.status == 200 and a.json["result"] == "nothing to do" and word in a.json["detail"], a


def unknown(a, hook):
    assert (a.status, a.code, a.json["detail"]) == (404, "not_found", "/hooks/%s does not exist" % hook["id"]), a


@pytest.fixture
def hook(me):
    me.app("web", url=URL)
    me.end_operations()
    a = me.post("/apps/web/hook")
    assert a.status == 201 and a.headers["Location"] == "/api/v1/apps/web/hook", a
    return a.json


def operations(me):
    return json.loads(me.sql("SELECT coalesce(json_agg(o ORDER BY id), '[]') FROM operation o WHERE tenant_id = TENANT "
                             "AND created_by LIKE 'hook:%'"))


def test_it_is_made_shown_renewed_and_removed(stack, me):
    me.app("pushed")
    a = me.post("/apps/pushed/hook")
    assert (a.status, a.code) == (409, "url_missing")
    assert me.get("/apps/pushed/hook").status == 404
    me.app("web", url=URL)
    first = me.post("/apps/web/hook").json
    assert len(first["id"]) == 43 and len(first["secret"]) == 43 and first["id"] != first["secret"]
    assert first["url"] == "http://127.0.0.1:%d/api/v1/hooks/%s" % (stack.port, first["id"])
    shown = me.get("/apps/web/hook").json
    assert "secret" not in shown and shown["id"] == first["id"] and shown["last_used_at"] is None
    once = me.post("/apps/web/hook", headers={"Idempotency-Key": "h"})
    again = me.post("/apps/web/hook", headers={"Idempotency-Key": "h"})
    assert once.json["secret"] and "secret" not in again.json and again.json["id"] == once.json["id"]
    second = once.json
    unknown(github(stack, first, push(1)), first)
    unknown(github(stack, dict(second, secret=first["secret"]), push(1)), second)
    assert github(stack, second, push(1)).status == 202
    assert me.get("/apps/web/hook").json["last_used_at"]
    assert me.call("DELETE", "/apps/web/hook").status == 204 and me.call("DELETE", "/apps/web/hook").status == 404
    unknown(github(stack, second, push(2)), second)
    kinds = me.sql("SELECT string_agg(kind || ' ' || app, ',' ORDER BY id) FROM event WHERE tenant_id = TENANT AND kind LIKE 'hook.%'")
    assert kinds == "hook.made web,hook.renewed web,hook.used web,hook.removed web"
    for secret in (first["secret"], second["secret"], first["id"]):
        assert secret not in me.sql("SELECT string_agg(data::text || actor, ' ') FROM event WHERE tenant_id = TENANT")


def test_only_who_knows_the_secret_is_heard_and_hears_little(stack, me, hook):
    body = json.dumps(push(1)).encode()
    for headers in ({}, {"X-Hub-Signature-256": ""}, {"X-Hub-Signature-256": "sha256="},
                    {"X-Hub-Signature-256": signed("wrong", body)},
                    {"X-Hub-Signature-256": signed(hook["secret"], body + b" ")},
                    {"X-Hub-Signature-256": signed(hook["secret"], body).upper()},
                    {"X-Hub-Signature-256": signed(hook["secret"], body)[7:-1]},
                    {"X-Hub-Signature": "sha1=" + hmac.new(hook["secret"].encode(), body, hashlib.sha1).hexdigest()},
                    {"X-Gitlab-Token": ""}, {"X-Gitlab-Token": hook["secret"][:-1]}, {"X-Gitlab-Token": hook["id"]},
                    # a wrong signature is not made good by a token
                    {"X-Hub-Signature-256": signed("wrong", body), "X-Gitlab-Token": hook["secret"]}):
        h = dict(headers, **{"Content-Type": "application/json", "X-GitHub-Event": "push"})
        unknown(stack.call("POST", "/hooks/" + hook["id"], body=body, headers=h), hook)
    for absent in ("x" * 43, "%27", me.id(), "web"):
        assert stack.call("POST", "/hooks/" + absent, body=body, headers={
            "Content-Type": "application/json", "X-Hub-Signature-256": signed(hook["secret"], body)}).status == 404
    # its id opens nothing else, and a token of the tenant opens nothing here
    unknown(me.post("/hooks/" + hook["id"], push(1)), hook)
    me.sql("UPDATE tenant SET disabled_at = now() WHERE id = TENANT")
    unknown(github(stack, hook, push(1)), hook)
    me.sql("UPDATE tenant SET disabled_at = NULL WHERE id = TENANT")
    assert operations(me) == []
    a = stack.call("POST", "/hooks/" + hook["id"], body=b"payload=" + body, headers={
        "Content-Type": "application/x-www-form-urlencoded", "X-GitHub-Event": "push",
        "X-Hub-Signature-256": signed(hook["secret"], b"payload=" + body)})
    assert (a.status, a.code) == (415, "unsupported_media_type") and "must be application/json" in a.json["detail"]
    assert github(stack, hook, b'{"x": "%s"}' % (b"y" * (1 << 20))).status == 413
    # the raw bytes are signed: blanks, escapes and letters of any kind
    raw = b'{ "ref" :\t"refs\\/heads\\/main",\r\n "x": "\\u00e9 \xc3\xa9 \xe6\xb0\xb4 \xf0\x9f\x98\x80 e\xcc\x81" }\n\n'
    a = github(stack, hook, raw)
    assert a.status == 202 and set(a.json) == {"operation"}, a
    # as the RFC has it; and the secret cannot be read by nap_api
    assert stack.sql("SELECT encode(nap_hmac_sha256(convert_to('Jefe', 'UTF8'), convert_to('what do ya want for nothing?', 'UTF8')), 'hex')") \
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert stack.sql("SELECT encode(nap_hmac_sha256(decode(repeat('aa', 131), 'hex'), convert_to("
                     "'Test Using Larger Than Block-Size Key - Hash Key First', 'UTF8')), 'hex')") \
        == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    for table in ("webhook_secret", "webhook_delivery"):
        assert stack.sql("SELECT has_table_privilege('nap_api', '%s', 'SELECT, INSERT, UPDATE, DELETE')" % table) == "f"


def test_a_delivery_is_a_hint_and_is_taken_once(stack, me, hook):
    nothing(github(stack, hook, {"zen": "x"}, event="ping"), "another event")
    nothing(gitlab(stack, hook, {}, event="Tag Push Hook"), "another event")
    nothing(github(stack, hook, push(1, "refs/heads/other")), "not the branch")
    nothing(gitlab(stack, hook, {"ref": "refs/heads/other", "project": {"default_branch": "main"}}), "not the branch")
    assert operations(me) == []
    a = github(stack, hook, push(1), X_GitHub_Delivery="one")
    o = a.json["operation"]
    assert a.status == 202 and a.headers["Location"].endswith(o["id"]) and o["kind"] == "deploy" and set(a.json) == {"operation"}
    (row,) = operations(me)
    assert row["args"] == {"hint": True} and row["created_by"] == "hook:" + me.id(), "url, ref and commit are not the body's"
    # the header is not signed, so another one makes nothing new of the same body
    nothing(github(stack, hook, push(1), X_GitHub_Delivery="two"), "came before")
    # GitLab's is known by its name; without one by its body
    assert gitlab(stack, hook, push(5), uuid="a").status == 202
    nothing(gitlab(stack, hook, push(6), uuid="a"), "came before")
    assert gitlab(stack, hook, push(5), uuid="b").status == 202
    assert gitlab(stack, hook, push(7)).status == 202
    nothing(gitlab(stack, hook, push(7)), "came before")
    assert len(operations(me)) == 4
    with concurrent.futures.ThreadPoolExecutor(12) as many:
        got = sorted(a.status for a in many.map(lambda _: github(stack, hook, push(9)), range(12)))
    assert got == [200] * 11 + [202]
    # a day later it is forgotten
    me.sql("UPDATE webhook_delivery SET at = at - interval '25 h' WHERE app_id = %s" % me.id())
    assert github(stack, hook, push(1)).status == 202
    assert me.sql("SELECT count(*) FROM webhook_delivery WHERE app_id = %s" % me.id()) == "1"
    # another tenant's webhook has another memory
    other = Tenant(stack)
    other.app("web", url=URL)
    assert github(stack, other.post("/apps/web/hook").json, push(1)).status == 202


def test_the_app_s_own_ref_and_state_decide(stack, me, hook):
    assert me.call("PATCH", "/apps/web", {"ref": "release"}).status == 200
    nothing(github(stack, hook, push(1)), "not the branch")
    assert github(stack, hook, push(2, "refs/heads/release")).status == 202
    assert github(stack, hook, push(3, "refs/tags/release")).status == 202
    assert me.call("PATCH", "/apps/web", {"url": None}).status == 200
    a = github(stack, hook, push(4, "refs/heads/release"))
    assert (a.status, a.code) == (409, "url_missing")
    me.sql("UPDATE app SET deleting = true WHERE id = %s" % me.id())
    a = github(stack, hook, push(5, "refs/heads/release"))
    assert (a.status, a.code) == (409, "app_deleting")
    assert len(operations(me)) == 2, "what was refused was not remembered either"
    me.end_operations()
    me.sql("DELETE FROM app WHERE id = %s" % me.id())
    unknown(github(stack, hook, push(6, "refs/heads/release")), hook)


@pytest.mark.skipif(not have_jobs(), reason="nap-worker is not built")
def test_the_worker_deploys_what_the_app_s_url_has_and_leaves_what_runs(tmp_path):
    jobs, hint = Jobs(tmp_path), {"hint": True}
    try:
        commit = jobs.repository("web", {"profile": "memory: 64m\ncommand: ./a\n"})
        app = jobs.app("web", "file://" + jobs.path("source/web"))
        asked, early, late = (jobs.submit(app, "deploy", args) for args in (None, hint, hint))
        child = jobs.worker()
        assert jobs.ended(late)["state"] == "succeeded"
        assert jobs.operation(asked)["state"] == "succeeded", "a hint does not overtake what a person asked for"
        assert jobs.operation(early)["error_code"] == "superseded"
        assert "nothing to do: commit " + commit[:12] in jobs.log(late) and jobs.steps(late) == "fetch:succeeded"
        assert jobs.value("SELECT count(*) FROM release WHERE app_id = %d" % app) == "1"
        later = jobs.repository("web", {"profile": "memory: 64m\ncommand: ./b\n"}, "second")
        assert jobs.ended(jobs.submit(app, "deploy", hint))["state"] == "succeeded"
        assert jobs.value("SELECT r.commit FROM app a JOIN release r ON r.id = a.release_id WHERE a.id = %d" % app) == later
        jobs.kill(child)
    finally:
        jobs.close()
