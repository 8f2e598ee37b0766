"""What test_api_*.py share: a tenant of its own for each test, and rows that worker and leader would have written."""
import itertools
import json

import pytest

from serve_stack import Stack, have_stack

names = ("t%d" % n for n in itertools.count(1))
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Tenant:
    def __init__(self, stack, **quota):
        self.stack, self.name = stack, next(names)
        self.token = stack.tenant(self.name, **quota)

    def call(self, method, path, json_body=None, **kw):
        kw.setdefault("token", self.token)
        return self.stack.call(method, path, json_body, **kw)

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, json_body=None, **kw):
        return self.call("POST", path, json_body, **kw)

    def app(self, name="web", **body):
        a = self.post("/apps", dict(body, name=name))
        assert a.status in (201, 202), a
        return a.json["app"]

    def sql(self, text, **kw):
        return self.stack.sql(text.replace("TENANT", "(SELECT id FROM tenant WHERE name = '%s')" % self.name)
                              .replace("COMMIT", "'%s'" % COMMIT), **kw)

    def id(self, app="web"):
        return self.sql("SELECT id FROM app WHERE tenant_id = TENANT AND name = '%s'" % app)

    def end_operations(self, state="succeeded"):
        self.sql("UPDATE operation SET state = '%s', ended_at = now() WHERE tenant_id = TENANT "
                 "AND state IN ('queued', 'running')" % state)

    def release(self, app="web", number=1, state="live", memory=64 << 20, scale=2, serve=True, profile=None):
        """what a worker writes when a deploy succeeds"""
        text = profile or {"command": "./run\n", "memory": memory, "scale": scale, "warnings": [], "errors": []}
        release = self.sql(
            "INSERT INTO release (tenant_id, app_id, number, kind, commit, profile_text, profile, start, command, "
            "memory_bytes, scale, state) VALUES (TENANT, %s, %d, 'deploy', COMMIT, 'command: ./run', '%s', './run', "
            "'./run', %d, %d, '%s') RETURNING id" % (self.id(app), number, json.dumps(text), memory, scale, state))
        if serve:
            self.sql("UPDATE app SET release_id = %s, deployed = true, memory_bytes = %d, scale_profile = %d, "
                     "command = './run', state = 'running' WHERE id = %s" % (release, memory, scale, self.id(app)))
        return release

    def instance(self, release, number, app="web", **columns):
        columns = dict(dict(unit="u%s@%d" % (release, number), state="ready", machine="m1", address="10.0.0.1",
                            port=20000 + int(release) * 10 + number), **columns)
        return self.sql("INSERT INTO instance (tenant_id, app_id, release_id, number, %s) VALUES (TENANT, %s, %s, %d, %s) "
                        "RETURNING id" % (", ".join(columns), self.id(app), release, number,
                                          ", ".join("'%s'" % v for v in columns.values())))


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    if not have_stack():
        pytest.skip("nap-api, nginx or PostgreSQL is missing")
    s = Stack(tmp_path_factory.mktemp("api"))
    yield s
    s.close()


@pytest.fixture
def me(stack):
    return Tenant(stack)


def faults(answer):
    """{field: code} of a 422"""
    assert answer.status == 422, answer
    return {f["field"]: f["code"] for f in answer.json["errors"]}
