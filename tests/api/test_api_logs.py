"""An app's log over REST: read from files that `nap-worker logs` writes."""
import os
import threading

import pytest

from api_stack import Tenant, faults, me, stack  # noqa: F401


class Log:
    """store/applog.h: SEQ TIME RELEASE INSTANCE STREAM MESSAGE"""

    def __init__(self, me, app="web"):
        self.folder = me.stack.path("logs/" + me.id(app))
        self.seq = 0

    def add(self, message, instance=1, release=1, stream="o"):
        os.makedirs(self.folder, exist_ok=True)
        self.seq += 1
        with open(self.folder + "/current", "a") as f:
            f.write("%d 2026-11-23T21:10:16.%06dZ %d %d %s %s\n" % (self.seq, self.seq, release, instance, stream, message))


@pytest.fixture
def log(me):
    me.app("web")
    return Log(me)


def messages(answer):
    return [x["message"] for x in answer.json["items"]]


def test_an_app_that_wrote_nothing_has_an_empty_log(me, log):
    assert me.get("/apps/web/logs").json == {"items": [], "next": None}


def test_the_last_lines_of_all_or_one_instance(me, log):
    for n in range(1, 151):
        log.add("line %d" % n, instance=n % 2 + 1, release=n // 100)
    a = me.get("/apps/web/logs")
    assert len(messages(a)) == 100 and messages(a)[-1] == "line 150"
    assert a.json["items"][-1] == {"seq": 150, "time": "2026-11-23T21:10:16.000150Z", "release": 1, "instance": 1,
                                   "stream": "output", "message": "line 150"}
    assert messages(me.get("/apps/web/logs?lines=2")) == ["line 149", "line 150"]
    assert messages(me.get("/apps/web/logs?lines=2&instance=2")) == ["line 147", "line 149"]
    assert messages(me.get("/apps/web/logs?lines=1&release=0")) == ["line 150"]
    assert len(messages(me.get("/apps/web/logs?lines=1000&release=1"))) == 51
    assert faults(me.get("/apps/web/logs?lines=0&instance=501&after=-1&wait=61")) == {
        "lines": "out_of_range", "instance": "out_of_range", "after": "out_of_range", "wait": "out_of_range"}


def test_lines_behind_a_place_come_in_pages(me, log):
    for n in range(1, 8):
        log.add("line %d" % n)
    a = me.get("/apps/web/logs?after=2&lines=3")
    assert (messages(a), a.json["next"]) == (["line 3", "line 4", "line 5"], "5")
    a = me.get("/apps/web/logs?after=5&lines=3")
    assert (messages(a), a.json["next"]) == (["line 6", "line 7"], None)


def test_text_for_curl_is_no_page(me, log):
    log.add("<script>alert(1)</script> \t\u00e9")
    a = me.get("/apps/web/logs", headers={"Accept": "text/plain"})
    assert a.body.decode() == "2026-11-23T21:10:16.000001Z 1 <script>alert(1)</script> \t\u00e9\n"
    assert a.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert a.headers["X-Content-Type-Options"] == "nosniff"
    assert a.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize("folder_first", [True, False])
def test_the_next_line_is_waited_for(me, log, folder_first):
    if folder_first:
        log.add("first")
    t = threading.Timer(0.5, lambda: log.add("next"))
    t.start()
    a = me.get("/apps/web/logs?wait=60&after=%d" % log.seq)
    t.join()
    assert messages(a) == ["next"]


def test_a_wait_for_an_instance_is_not_ended_by_another(me, log):
    log.add("first")
    t = [threading.Timer(0.3, lambda: log.add("not me", instance=2)), threading.Timer(0.8, lambda: log.add("me", instance=1))]
    for x in t:
        x.start()
    a = me.get("/apps/web/logs?wait=60&after=1&instance=1")
    for x in t:
        x.join()
    assert messages(a) == ["me"]


def test_a_very_long_log_is_cut_to_what_fits(me, log):
    for n in range(300):
        log.add("%d " % n + "x" * 48000)
    tail = me.get("/apps/web/logs?lines=300")
    assert 5 << 20 < len(tail.body) < 8 << 20 and messages(tail)[-1].startswith("299 ")
    a = me.get("/apps/web/logs?lines=300&after=1")
    assert messages(a)[0].startswith("1 ") and a.json["next"] == str(a.json["items"][-1]["seq"])


def test_the_log_outlives_its_app_for_a_while(me, log):
    log.add("last words")
    id_ = me.id()
    me.sql("INSERT INTO operation (tenant_id, app_id, app, kind, state, ended_at) VALUES (TENANT, %s, 'web', 'destroy', "
           "'succeeded', now()); DELETE FROM app WHERE id = %s" % (id_, id_))
    assert messages(me.get("/apps/web/logs")) == ["last words"]
    assert Tenant(me.stack).get("/apps/web/logs").status == 404
    me.sql("UPDATE operation SET ended_at = now() - interval '25 hours' WHERE app_id = %s" % id_)
    assert me.get("/apps/web/logs").status == 404
