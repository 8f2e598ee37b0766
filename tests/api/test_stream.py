"""nap-stream behind a real nginx, with real PostgreSQL: nothing lost, nothing of others, nobody waits for anybody."""
import os
import signal
import subprocess
import time

import pytest

from push_server import program, wait_until
from database import PG_BIN
from serve_stack import have_stack
from stream_stack import Streams

pytestmark = pytest.mark.skipif(not have_stack() or not program("nap-stream"), reason="nap-stream is not built")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    s = Streams(tmp_path_factory.mktemp("stream"))
    yield s
    s.close()


@pytest.fixture
def acme(stack, request):
    """a tenant of the test's own: (name, token)"""
    name = "t" + os.urandom(6).hex()
    return name, stack.tenant(name)


def kinds(follower):
    return [m["data"]["kind"] for m in follower.messages]


def in_tx(stack, *statements):
    """a session whose transaction stays open"""
    p = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-h", stack.path("run/db"), "-U", "nap_owner", "nap"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for s in statements:
        p.stdin.write(s + ";\n")
    p.stdin.write("SELECT 'ready';\n")
    p.stdin.flush()
    while p.stdout.readline().strip() != "ready":
        pass
    return p


def commit(p):
    p.stdin.write("COMMIT;\n\\q\n")
    p.stdin.flush()
    p.wait(10)


def test_the_head_says_what_it_is_and_nothing_buffers_it(stack, acme):
    f = stack.follow("/events", acme[1]).until_open()
    assert (f.status, f.head["content-type"]) == (200, "text/event-stream")
    assert "content-length" not in f.head and f.head["request-id"]
    assert f.head["cache-control"] == "no-store"
    f.close()


def test_events_come_as_they_happen_with_their_place(stack, acme):
    f = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    stack.event(acme[0], "one")
    f.until_n(1)
    stack.event(acme[0], "two")
    f.until_n(2)
    assert kinds(f) == ["one", "two"]
    assert [m["id"] for m in f.messages] == [m["data"]["id"] for m in f.messages]
    assert f.messages[0]["data"]["tenant"] == acme[0]
    f.close()


def test_a_client_that_comes_back_misses_nothing(stack, acme):
    f = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    quiet = f.last_id
    f.close()
    for kind in ("a", "b", "c"):
        stack.event(acme[0], kind)
    f = stack.follow("/events", acme[1], {"Last-Event-ID": quiet}).until_n(3)
    assert kinds(f) == ["a", "b", "c"]
    f.close()
    f = stack.follow("/events?after=" + f.messages[0]["id"], acme[1]).until_n(2)
    assert kinds(f) == ["b", "c"]
    f.close()


def test_more_than_a_page_is_caught_up_with(stack, acme):
    f = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    place = f.last_id
    f.close()
    stack.sql("INSERT INTO event (tenant_id, kind) SELECT t.id, 'n' || n FROM tenant t, generate_series(1, 1234) n "
              "WHERE t.name = '%s' ORDER BY n" % acme[0])
    f = stack.follow("/events", acme[1], {"Last-Event-ID": place}).until_n(1234)
    assert kinds(f) == ["n%d" % n for n in range(1, 1235)]
    f.close()


def test_no_event_is_lost_where_transactions_end_in_another_order(stack, acme):
    f = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    insert = "INSERT INTO event (tenant_id, kind) SELECT id, '%s' FROM tenant WHERE name = '" + acme[0] + "'"
    first = in_tx(stack, "BEGIN", insert % "first")
    stack.event(acme[0], "second")
    # the second is committed and told, but must wait: a reader past it would never see the first
    f.read(0.3)
    assert kinds(f) == []
    commit(first)               # says nothing by itself
    f.until_n(2)
    assert kinds(f) == ["first", "second"]
    f.close()


def test_a_tenant_sees_its_own_and_the_operator_all(stack, acme):
    other = "o" + os.urandom(6).hex()
    stack.tenant(other)
    mine = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    operator = stack.follow("/events", stack.admin).until(lambda f: f.last_id)
    stack.event(other, "foreign")
    stack.event(acme[0], "own")
    mine.until_n(1)
    operator.until_n(2)
    assert kinds(mine) == ["own"] and kinds(operator) == ["foreign", "own"]
    app = stack.app(other, "secret")
    operation = stack.operation(other, app)
    for path in ("/apps/secret/logs", "/operations/%d/log" % operation, "/operations/nonsense/log", "/apps/none/logs"):
        f = stack.follow(path, acme[1]).until_open()
        assert f.status == 404, path
        f.close()
    for f in (mine, operator):
        f.close()


def test_a_token_bound_to_an_app_sees_that_app_only(stack, acme):
    web = stack.app(acme[0], "web")
    stack.app(acme[0], "other")
    token = stack.token(acme[0], "read", app="web")
    f = stack.follow("/events", token).until(lambda f: f.last_id)
    stack.sql("UPDATE app SET stopped = true WHERE name = 'other'; UPDATE app SET stopped = true WHERE id = %d" % web)
    f.until_n(1)
    assert {d["app"] for d in f.data()} == {"web"}
    assert stack.follow("/apps/other/logs", token).until_open().status == 404
    f.close()


@pytest.mark.parametrize("path,status,code", [
    ("/nothing", 404, "no_such_route"), ("/events?after=x", 422, None), ("/apps/web/logs?lines=1001", 422, None)])
def test_what_is_no_stream_is_a_problem(stack, acme, path, status, code):
    f = stack.follow(path, acme[1]).until_open()
    f.read(1)
    assert f.status == status and f.head["content-type"] == "application/problem+json"
    assert code is None or code in f.text.decode()
    f.close()


def test_without_credentials_there_is_no_stream(stack):
    assert stack.follow("/events", "nap_" + "x" * 43).until_open().status == 401


def test_twenty_streams_a_tenant_and_no_more(stack, acme):
    open_ones = [stack.follow("/events", acme[1]).until(lambda f: f.last_id) for _ in range(20)]
    f = stack.follow("/events", acme[1]).until_open()
    assert f.status == 429 and f.head["retry-after"]
    f.close()
    open_ones.pop().close()     # seen at once, though nothing is written to it

    def again():
        f = stack.follow("/events", acme[1]).until_open()
        open_ones.append(f)
        return f.status == 200
    wait_until(again)
    for f in open_ones:
        f.close()


def test_a_token_that_is_taken_away_ends_its_streams(stack, acme):
    kept = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    token = stack.token(acme[0], "read", name="gone")
    f = stack.follow("/events", token).until(lambda f: f.last_id)
    stack.sql("DELETE FROM token WHERE name = 'gone'")
    f.until_end()
    stack.event(acme[0], "still")
    kept.until(lambda f: "still" in kinds(f))
    stack.sql("UPDATE tenant SET disabled_at = now() WHERE name = '%s'" % acme[0])
    kept.until_end()


def test_an_apps_log_begins_with_its_last_lines_and_goes_on(stack, acme):
    app = stack.app(acme[0], "web")
    stack.log_lines(app, 1, 150)
    f = stack.follow("/apps/web/logs?lines=20", acme[1]).until_n(20)
    assert [d["seq"] for d in f.data()] == list(range(131, 151))
    assert f.data()[0]["message"] == "line 131" and f.data()[0]["instance"] == 1 and f.messages[0]["id"] == "131"
    stack.log_lines(app, 151, 151, instance=2)
    f.until_n(21)
    f.close()
    stack.log_lines(app, 152, 3000)
    f = stack.follow("/apps/web/logs?lines=20", acme[1], {"Last-Event-ID": "149"}).until_n(2851)
    assert [d["seq"] for d in f.data()] == list(range(150, 3001))
    f.close()
    f = stack.follow("/apps/web/logs?instance=2&lines=5", acme[1]).until_n(1)
    assert [d["seq"] for d in f.data()] == [151]
    f.close()


def test_lines_0_begins_now(stack, acme):
    app = stack.app(acme[0], "web")
    stack.log_lines(app, 1, 50)
    f = stack.follow("/apps/web/logs?lines=0", acme[1]).until_open()
    f.read(0.5)
    stack.log_lines(app, 51, 52)
    f.until_n(2)
    assert [d["seq"] for d in f.data()] == [51, 52]
    f.close()


def test_a_log_that_begins_later_is_followed_from_its_first_line(stack, acme):
    app = stack.app(acme[0], "web")
    f = stack.follow("/apps/web/logs", acme[1]).until_open()
    stack.log_lines(app, 1, 300)
    f.until_n(300)
    assert [d["seq"] for d in f.data()] == list(range(1, 301))
    f.close()


def test_a_destroyed_apps_log_stream_ends(stack, acme):
    app = stack.app(acme[0], "web")
    f = stack.follow("/apps/web/logs", acme[1]).until_open()
    stack.sql("DELETE FROM app WHERE id = %d; SELECT pg_notify('nap_auth', (SELECT id FROM tenant WHERE name = '%s')::text)"
              % (app, acme[0]))
    f.until_end()


def test_a_groups_log_is_its_members_merged_and_goes_on(stack, acme):
    def member(name):
        app = stack.app(acme[0], name)
        stack.sql("INSERT INTO family (tenant_id, name) SELECT id, 'web' FROM tenant WHERE name = '%s' ON CONFLICT DO NOTHING; "
                  "UPDATE app SET family_id = f.id FROM family f JOIN tenant t ON t.id = f.tenant_id WHERE app.id = %d AND "
                  "f.name = 'web' AND t.name = '%s'" % (acme[0], app, acme[0]))
        return app

    def told(f):
        return [(d["app"], d["line"]["seq"]) for d in f.data()]

    one, two, alone = member("web_1"), member("web_2"), stack.app(acme[0], "alone")
    for n in range(1, 61, 2):                                     # in turns, a microsecond apart
        stack.log_lines(one, n, n)
        stack.log_lines(two, n + 1, n + 1)
    stack.log_lines(alone, 1, 1)
    f = stack.follow("/groups/web/logs?lines=10", acme[1]).until_n(10)
    assert told(f) == [("web_%d" % (2 - n % 2), n) for n in range(51, 61)]
    stack.log_lines(two, 61, 61)
    stack.log_lines(alone, 2, 2)
    f.until_n(11)
    late = member("web_3")                                        # it is found within ten seconds
    stack.log_lines(late, 70, 200)
    f.until_n(142)
    assert told(f)[10:] == [("web_2", 61)] + [("web_3", n) for n in range(70, 201)]
    f.close()
    f = stack.follow("/groups/web/logs?lines=10", acme[1], {"Last-Event-ID": f.messages[9]["id"]}).until_n(132)
    assert told(f) == [("web_2", 61)] + [("web_3", n) for n in range(70, 201)]
    f.close()
    assert stack.follow("/groups/web/logs", stack.tenant("o" + acme[0])).until_open().status == 404
    f = stack.follow("/groups/web/logs?lines=0", acme[1]).until_open()
    stack.log_lines(one, 300, 300)
    f.until_n(1)
    assert told(f) == [("web_1", 300)]
    stack.sql("DELETE FROM app WHERE id IN (%d, %d, %d)" % (one, two, late))
    f.until_end()
    assert stack.follow("/groups/web/logs", acme[1]).until_open().status == 404


def test_an_operations_log_ends_with_it(stack, acme):
    operation = stack.operation(acme[0])
    stack.say(operation, "cloning")
    path = "/operations/%d/log" % operation
    f = stack.follow(path, acme[1]).until_n(1)
    stack.say(operation, "starting")
    f.until_n(2)
    stack.sql("UPDATE operation SET state = 'succeeded', ended_at = now() WHERE id = %d" % operation)
    f.until_end()
    assert [m.get("event") for m in f.messages] == [None, None, "end"]
    assert [d.get("line") for d in f.data()] == ["cloning", "starting", None]
    assert f.data()[2] == {"state": "succeeded"}
    late = stack.follow(path, acme[1], {"Last-Event-ID": "1"}).until_end()
    assert [d.get("line") for d in late.data()] == ["starting", None]
    assert stack.follow(path, acme[1], {"Last-Event-ID": "2"}).until_open().status == 204


def test_a_client_that_does_not_read_holds_up_nobody(stack, acme):
    app = stack.app(acme[0], "web")
    slow = stack.follow("/apps/web/logs?lines=0", acme[1], receive=4096).until_open()
    good = stack.follow("/apps/web/logs?lines=0", acme[1]).until_open()
    for n in range(10):
        stack.log_lines(app, n * 500 + 1, n * 500 + 500, text="x" * 2000)
    good.until_n(5000)
    with open("/proc/%d/status" % stack.stream.pid) as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    if not os.environ.get("ASAN_OPTIONS") and rss < 60000:      # a build with the sanitizers needs more
        assert rss < 40000
    # and what it missed is still there for it
    slow.until_n(5000)
    assert [d["seq"] for d in slow.data()] == list(range(1, 5001))
    for f in (slow, good):
        f.close()


def test_two_hundred_streams_all_hear(stack):
    tenants = ["m%s%d" % (os.urandom(4).hex(), n) for n in range(10)]
    tokens = [stack.tenant(t) for t in tenants]
    followers = [stack.follow("/events", tokens[n // 20]) for n in range(200)]
    for f in followers:
        f.until(lambda f: f.last_id)
    for t in tenants:
        stack.event(t, "for-" + t)
    for n, f in enumerate(followers):
        f.until_n(1)
        assert kinds(f) == ["for-" + tenants[n // 20]]
        f.close()


def test_streams_live_through_a_lost_database_connection(stack, acme):
    f = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nap-stream'")
    stack.event(acme[0], "while away")
    f.until_n(1)
    stack.event(acme[0], "after")
    f.until_n(2)
    assert kinds(f) == ["while away", "after"]
    f.close()


def test_a_killed_process_is_followed_by_another_and_nothing_is_lost(stack, acme):
    f = stack.follow("/events", acme[1]).until(lambda f: f.last_id)
    stack.event(acme[0], "before")
    f.until_n(1)
    stack.stream.kill()
    stack.stream.wait(10)
    f.until_end()
    stack.event(acme[0], "between")
    stack.start_stream()
    f = stack.follow("/events", acme[1], {"Last-Event-ID": f.last_id}).until_n(1)
    assert kinds(f) == ["between"]
    f.close()


def test_term_ends_all_streams_and_the_process(stack, acme):
    followers = [stack.follow("/events", acme[1]).until(lambda f: f.last_id) for _ in range(5)]
    stack.stream.send_signal(signal.SIGTERM)
    assert stack.stream.wait(10) == 0
    for f in followers:
        f.until_end()
        assert f.ended and f.status == 200
    stack.start_stream()
