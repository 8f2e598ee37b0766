"""Quotas are taken in the statement that spends them: however many ask at once, never more than there is."""
import concurrent.futures

from api_stack import Tenant, stack  # noqa: F401  (a fixture)

ASKED = 200
CLIENTS = 32


def at_once(*requests):
    """the statuses of all, sent by so many clients, and the words of those that were refused"""
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda f: f(), requests))
    return [a.status for a in answers], {a.code for a in answers if a.status >= 400}


def test_two_hundred_apps_at_once_are_as_many_as_the_quota(stack):
    me = Tenant(stack, apps=23)
    status, words = at_once(*[lambda n=n: me.post("/apps", {"name": "a%d" % n}) for n in range(ASKED)])
    assert (status.count(201), status.count(422), words) == (23, ASKED - 23, {"quota_apps"})
    used = me.get("/quota").json
    assert used["apps"]["used"] == used["apps"]["limit"] == 23 == len(me.get("/apps?limit=1000").json["items"])


def test_scales_at_once_never_pass_instances_or_memory(stack):
    me = Tenant(stack, apps=50, instances=100, memory=60 * (64 << 20))
    for n in range(20):
        me.app("a%d" % n, memory="64m", scale=1)
        me.end_operations()
        me.release("a%d" % n, scale=1)
    status, words = at_once(*[lambda n=n: me.call("PUT", "/apps/a%d/scale" % (n % 20), {"instances": 1 + n // 20})
                              for n in range(ASKED)])
    assert set(status) == {202, 422} and words == {"quota_memory"}
    # what counts is what the rows say, and each was let in by the same figures
    used = me.get("/quota").json
    rows = [a["desired_instances"] for a in me.get("/apps?limit=1000").json["items"]]
    assert used["instances"]["used"] == sum(rows) <= 60 and used["memory"]["used"] == sum(rows) * (64 << 20)


def test_groups_at_once_take_all_their_members_or_none(stack):
    me = Tenant(stack, apps=51, instances=1000)
    me.app("web", memory="6m")
    me.end_operations()
    me.release("web", memory=6 << 20, scale=1)
    status, words = at_once(*[lambda: me.post("/apps/web/similar", {"command": "./x {1..8}"}) for _ in range(ASKED // 8)])
    assert (status.count(202), words) == (6, {"quota_apps"})
    assert me.get("/quota").json["apps"]["used"] == 1 + 6 * 8
