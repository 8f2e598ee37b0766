"""Every row of the route table: its example works, and eight wrong forms are refused as the contract says.

The rows are those of web/openapi.json, which a unit test compares with the table; a row that takes a body and has no
example cannot get there."""
import base64
import json
import os
import re
import shutil
import subprocess

import pytest

from api_stack import Tenant, stack  # noqa: F401  (a fixture)
from push_server import program
from serve_stack import HERE, have_stack

TOP = os.path.join(HERE, "..", "..")
with open(os.path.join(TOP, "web", "openapi.json")) as f:
    DOCUMENT = json.load(f)

ROWS = [(method.upper(), path, row) for path, rows in DOCUMENT["paths"].items() for method, row in rows.items()]

pytestmark = pytest.mark.skipif(not have_stack(), reason="nap-api is not built, or nginx or PostgreSQL is missing")
HONOUR_IF_MATCH = {"PATCH /apps/{app}", "PATCH /apps/{app}/env", "PUT /apps/{app}/scale"}


def ssh_key():
    """another one each time, as a key belongs to one tenant alone"""
    return "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + os.urandom(32)).decode()


class Row:
    """A tenant with an app in which the row's example makes sense."""

    def __init__(self, stack, method, path, row):
        self.method, self.pattern, self.row = method, path, row
        self.me = Tenant(stack)
        admin = row["x-access"] == "admin"
        self.token = stack.admin if admin else self.me.token
        self.app = "example" if method == "PUT" and path == "/apps/{app}" else "web"
        self.id = self.me.post("/tokens", {"name": "x", "scopes": ["read"]}).json["id"]
        if path.startswith("/keys/"):
            self.id = self.me.post("/keys", {"name": "x", "key": ssh_key()}).json["id"]
        if "{host}" in path:
            stack.sql("INSERT INTO known_host SELECT id, 'git.example.org', 'ssh-ed25519', 'AAAA', 'SHA256:x' FROM tenant "
                      "WHERE name = '%s'" % self.me.name)
        if "{app}" in path or "{group}" in path or path.startswith("/operations"):
            a = self.me.post("/apps", {"name": self.app, "url": "https://git.invalid/owner/example"})
            assert a.status == 202, a
            operation = a.json["operation"]["id"]
            if not path.endswith("cancel"):
                self.me.end_operations()
            release = self.me.release(self.app)
            if path.endswith("rollback"):
                release = self.me.release(self.app, 2)
            self.me.instance(release, 1, self.app, **({"state": "failed"} if path.endswith("rerun") else {}))
            if path.endswith("diff"):
                self.me.instance(release, 2, self.app)
            if "{group}" in path:
                assert self.me.post("/apps/web/similar", {"command": "./x"}).status == 202
                self.me.end_operations()
            if path.endswith("/hook") and method != "POST":
                assert self.me.post("/apps/web/hook").status == 201
            if path.startswith("/operations"):
                self.id = operation
        if path.startswith("/sessions"):
            self.id = stack.sql("INSERT INTO session (tenant_id, hash, csrf_hash, expires_at) SELECT id, sha256(random()::text::bytea), "
                                "'', now() + interval '1 hour' FROM tenant WHERE name = '%s' RETURNING id" % self.me.name).split()[0]
        if path == "/hooks/{id}":
            self.me.app("web", url="https://git.invalid/owner/example")
            self.hook = self.me.post("/apps/web/hook").json
            self.id = self.hook["id"]
        self.path = self.path_of(path)
        if method == "DELETE":
            self.path += "?confirm=" + (self.me.name if "{tenant}" in path else self.app)
        if method == "DELETE" and "{tenant}" in path:
            self.token = stack.admin
        self.body = (row.get("requestBody") or {}).get("content", {})
        self.type = next(iter(self.body), None)
        self.headers = {}
        if path == "/hooks/{id}":
            self.headers = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": self.hook["secret"]}
        if row["x-access"] == "session" or path == "/session":
            self.sign_in(stack)

    def path_of(self, path):
        return (path.replace("{app}", self.app).replace("{id}", self.id).replace("{n}", "1").replace("{i}", "1")
                .replace("{tenant}", self.me.name).replace("{group}", "web").replace("{path}", "1/x").replace("{host}", "git.example.org"))

    def sign_in(self, stack):
        """the example's tenant has the example's password; and a browser's session of it"""
        if stack.sql("SELECT count(*) FROM tenant WHERE name = 'iwanna'") == "0":
            a = stack.call("POST", "/tenants", {"name": "iwanna", "password": "correct horse"}, stack.admin)
            assert a.status == 201, a
        if self.row["x-access"] == "session":
            a = stack.call("POST", "/session", {"tenant": "iwanna", "password": "correct horse"})
            self.token = None
            self.headers = {"Cookie": a.headers["Set-Cookie"].split(";")[0], "X-CSRF-Token": a.json["csrf"],
                            "Sec-Fetch-Site": "same-origin"}

    @property
    def example(self):
        return self.body[self.type]["example"]

    def send(self, body=None, kind=None, path=None, headers=None):
        h = dict(self.headers, **(headers or {}))
        if body is not None:
            h["Content-Type"] = kind or self.type
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.me.stack.call(self.method, path or self.path, token=self.token, body=body, headers=h)

    def good(self, **kw):
        return self.send(self.example if self.type else None, **kw)


@pytest.fixture
def one(stack, method, path, row):
    if not os.path.exists(stack.path("web")):
        os.makedirs(stack.path("web"))
        shutil.copy(os.path.join(TOP, "web", "openapi.json"), stack.path("web"))
    return Row(stack, method, path, row)


def refused(a, status, code):
    assert (a.status, a.code) == (status, code), a
    return a.json


def wrong_bodies(one):
    refused(one.send(json.dumps(one.example), "text/csv"), 415, "unsupported_media_type")
    refused(one.send("[]"), 415, "unsupported_media_type")
    detail = refused(one.send('{\n "a": oops}'), 400, "malformed")["detail"]
    assert "line 2 column" in detail
    refused(one.send('{"x": "%s"}' % ("y" * (1 << 20))), 413, "too_large")
    if one.pattern == "/hooks/{id}":
        return                                                     # the git host's own names
    if one.row["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"]:
        assert one.send(dict(one.example, **{"not a name": 3})).status == 422      # the client's own names
        return
    p = refused(one.send(dict(one.example, no_such_field=1)), 422, "validation_failed")
    assert [(e["field"], e["code"]) for e in p["errors"]] == [("no_such_field", "unknown_field")]
    p = refused(one.send({"no_such_field": 1, "another": [2]}), 422, "validation_failed")
    assert {("no_such_field", "unknown_field"), ("another", "unknown_field")} <= {(e["field"], e["code"]) for e in p["errors"]}


def a_body_where_none_is_taken(one):
    p = refused(one.send('{"no_such_field": 1}', "application/json"), 422, "validation_failed")
    assert p["errors"][0]["field"] == "no_such_field"


def limits(one):
    for limit in ("0", "1001", "x"):
        p = refused(one.send(path=one.path + "?limit=" + limit), 422, "validation_failed")
        assert [(e["field"], e["code"]) for e in p["errors"]] == [("limit", "out_of_range")]
    a = one.send(path=one.path + "?limit=1000")
    assert a.status == 200 and set(a.json) >= {"items", "next"}


LADDER = ["read", "deploy", "manage"]


def credentials(one, bound_too):
    """As nobody, with each scope, with what has expired or was revoked, and with a token of another app."""
    kept = one.headers, one.token
    one.headers, one.token = {}, None
    refused(one.good(), 401, "unauthenticated")
    stack, name, access = one.me.stack, one.me.name, one.row["x-access"]
    for expires in ("now() - interval '1 s'", "NULL"):
        one.token = stack.token(name, "manage", name="gone", expires=expires)
        stack.sql("DELETE FROM token WHERE name = 'gone' AND expires_at IS NULL")
        refused(one.good(), 401, "unauthenticated")
    if access == "session":
        one.token = stack.token(name, "manage")
        refused(one.good(), 403, "session_only")
    for scope in LADDER:
        one.token = stack.token(name, scope)
        if access == "admin":
            refused(one.good(), 403, "admin_only" if scope == "manage" else "scope_missing")
        elif access in LADDER and LADDER.index(scope) < LADDER.index(access):
            refused(one.good(), 403, "scope_missing")
    if access in LADDER:
        if stack.sql("SELECT count(*) FROM app a JOIN tenant t ON t.id = a.tenant_id WHERE t.name = '%s' AND a.name = 'elsewhere'"
                     % name) == "0":
            assert one.me.post("/apps", {"name": "elsewhere"}).status == 201
        one.token = stack.token(name, "manage", app="elsewhere")
        a = one.good()
        if bound_too and "{" not in one.pattern:
            assert a.status < 300 and b'"web"' not in a.body, a
        else:
            assert (a.status, a.code) in ((404, "not_found"), (403, "token_bound")), a
    one.headers, one.token = kept


def another_tenant_learns_nothing(one, other):
    mine, one.token = one.token, other
    foreign = one.good()
    refused(foreign, 404, "not_found")
    absent = one.good(path=one.path.replace("/" + one.app, "/absent", 1).replace("/" + one.id, "/999999", 1).replace("git.example", "git.other", 1).replace(
        "confirm=" + one.app, "confirm=absent"))

    def bare(a):
        text = a.body.decode().replace(a.headers["Request-Id"], "")
        for word in (one.app, "absent", one.id, "999999", "git.example", "git.other"):
            text = re.sub(r"\b%s\b" % word, "", text)
        return text

    assert bare(foreign) == bare(absent) and foreign.headers.keys() == absent.headers.keys()
    one.token = mine


def the_example_works(one, expected):
    keyed = one.method == "POST" and one.pattern not in ("/session", "/hooks/{id}")
    key = {"Idempotency-Key": "k"} if keyed else {}
    a = one.good(headers=key)
    assert a.status in expected, a
    if a.status == 202:
        assert a.headers["Location"] == "/api/v1/operations/" + a.json["operation"]["id"]
        assert set(a.json["operation"]) >= {"id", "kind", "state"}
    if keyed:
        again = one.good(headers=key)
        assert again.status == a.status and again.headers["Idempotent-Replayed"] == "true"
        refused(one.good(headers=key, path=one.path + "?x=1"), 422, "idempotency_key_reused")


@pytest.fixture(scope="module")
def other(stack):
    return Tenant(stack).token


@pytest.fixture(scope="module")
def open_to_bound():
    """rows that tokens bound to an app may use although no app stands in their path"""
    out = subprocess.run([program("nap-api"), "--routes"], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return {(r[0], re.sub(r":(\w+)", r"{\1}", r[1].replace("/api/v1", "", 1))) for r in rows if "bound" in r[3].split(",")}


@pytest.mark.parametrize("method,path,row", ROWS, ids=["%s %s" % (m, p) for m, p, _ in ROWS])
def test_row(one, other, open_to_bound, method, path, row):
    expected = {int(s) for s in row["responses"] if s != "default"}
    if (method, path) == ("POST", "/apps"):
        expected = {201}          # without a URL: nothing is to be waited for
    if "application/json" in one.body:
        wrong_bodies(one)
    elif method != "GET" and not one.body:
        a_body_where_none_is_taken(one)
    if {"$ref": "#/components/parameters/query-limit"} in row["parameters"]:
        limits(one)
    if row["x-access"] != "none":
        credentials(one, (method, path) in open_to_bound)
    if re.search("{(app|id|group|host)}", path) and (method, path) not in (("PUT", "/apps/{app}"), ("POST", "/hooks/{id}")):
        another_tenant_learns_nothing(one, other)
    if "%s %s" % (method, path) in HONOUR_IF_MATCH:
        refused(one.good(headers={"If-Match": '"0"'}), 412, "precondition_failed")
        one.headers["If-Match"] = one.me.get(one.path).headers["ETag"]
    the_example_works(one, expected)


def test_the_table_prints_all_its_rows():
    out = subprocess.run([program("nap-api"), "--routes"], stdout=subprocess.PIPE, text=True, check=True).stdout
    printed = {tuple(line.replace("/*", "/:").split()[:3]) for line in out.splitlines()}
    public = {(m, "/api/v1" + re.sub(r"\{(\w+)\}", r":\1", p), r["x-access"]) for m, p, r in ROWS}
    assert {p for p in printed if p[1].startswith("/api/v1")} == public
    assert {p[2] for p in printed if not p[1].startswith("/api/v1")} == {"node", "hook", "auth"}


def codes_of(text):
    """literals after an error kind, and as the third argument of fault_add"""
    yield from re.findall(r'\bERR_[A-Z_]+,\s*"([a-z_]+)"', text)
    for m in re.finditer(r"\bfault_add\(", text):
        parts = re.split(r",\s*(?![^(]*\))", text[m.end():m.end() + 300].split(";")[0])
        if len(parts) > 2 and re.fullmatch(r'\s*"[a-z_]+"\s*', parts[2]):
            yield parts[2].strip().strip('"')


def test_every_code_in_the_source_is_in_the_document():
    known = {c["code"] for c in DOCUMENT["x-error-codes"]}
    missing = set()
    for folder in ("serve", "api", "store", "model"):
        base = os.path.join(TOP, "fcgi", folder)
        for name in sorted(os.listdir(base)):
            if name in ("migrate.c", "config.c", "applog.c"):       # of programs that answer no request
                continue
            with open(os.path.join(base, name)) as f:
                missing |= {(code, name) for code in codes_of(f.read()) if code not in known}
    assert not missing
