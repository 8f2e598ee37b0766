"""The agent's logs, in systemd-journal-gatewayd's form; what was recorded of it lies in tests/fleet/journal."""
import base64
import glob
import json
import os
import re
import time

import pytest

from agent_stack import FLEET, Unix, open_way, until

SCRIPT = r"""printf 'plain line\n'
printf 'caf\303\251 utf8\n'
printf 'bad \377\376 bytes\n'
printf 'tab\there \033[31mred\033[0m\n'
head -c 6000 /dev/zero | tr '\0' A; echo
head -c 60000 /dev/zero | tr '\0' B; echo
printf 'no newline at end'
exec sleep 600
"""
SIDE = "iwanna.web.v1_discovery@1.service"
MAIN = "iwanna.web.v1@1.service"


def recorded():
    found = {}
    for path in sorted(glob.glob(os.path.join(FLEET, "journal", "*.json"))):
        with open(path) as f:
            found[int(os.path.basename(path)[:2])] = json.load(f)
    return found


JOURNAL = recorded()


@pytest.fixture(scope="module")
def logs(one_agent, tmp_path_factory):
    script = tmp_path_factory.mktemp("script") / "weird"
    script.write_text(SCRIPT)
    open_way(script)
    one_agent.run("weird.service", ("ExecStart", "/bin/sh %s" % script))
    one_agent.run(SIDE, ("ExecStart", "/bin/sh -c 'while :; do echo announce %n; sleep 0.2; done'"))
    one_agent.run(MAIN, ("Unit", "Description", "nap %p %i"), ("ExecStart", "/bin/sh -c 'sleep 0.1; exit 3'"),
                  ("Restart", "always"), ("RestartSec", "100ms"), ("Unit", "StartLimitIntervalSec", "0"), wait=None)
    until(lambda: len(one_agent.lines("?_SYSTEMD_UNIT=weird.service")) == 7)
    until(lambda: len(one_agent.messages(SIDE)) >= 4)
    until(lambda: any("Scheduled restart job" in m for m in one_agent.messages(MAIN, "UNIT")))
    one_agent.same = set()
    return one_agent


def ask(agent, n, **kw):
    r = JOURNAL[n]["request"]
    return agent.request(r["method"], r["path"], headers=dict(r["headers"], Host="journal"), socket_name="read.sock", **kw)


def same_head(agent, n, got):
    want = JOURNAL[n]["response"]
    assert got.status == want["status"]
    assert got.headers["content-type"] == want["headers"]["Content-Type"]
    assert got.headers.get("transfer-encoding") == want["headers"].get("Transfer-Encoding")
    agent.same.add(n)
    return want


FIELDS = {"__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP", "_BOOT_ID", "_MACHINE_ID", "_HOSTNAME", "PRIORITY",
          "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "_TRANSPORT", "_UID", "_GID", "MESSAGE"}


def test_the_last_three_as_json(logs):
    got = ask(logs, 1)
    want = same_head(logs, 1, got)
    entries, theirs = ([json.loads(x) for x in t.splitlines()] for t in (got.text, want["body"]))
    assert len(entries) == len(theirs) == 3
    for e, t in zip(entries, theirs):
        assert FIELDS <= set(e) and FIELDS <= set(t)
        assert all(isinstance(v, str) for v in e.values())
        for k in ("MESSAGE", "_SYSTEMD_UNIT", "_TRANSPORT", "PRIORITY", "SYSLOG_FACILITY"):
            assert e[k] == t[k]
        assert re.fullmatch(r"\d{16}", e["__REALTIME_TIMESTAMP"])


def test_short_text(logs):
    got = ask(logs, 2)
    want = same_head(logs, 2, got)
    mine, theirs = got.text.splitlines(), want["body"].splitlines()
    assert [m.split(": ", 1)[1] for m in mine] == [t.split(": ", 1)[1] for t in theirs]
    assert all(re.match(r"[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \S+ ", m) for m in mine)


def test_odd_bytes_and_long_lines(logs):
    got = ask(logs, 3)
    want = same_head(logs, 3, got)
    mine, theirs = ([json.loads(x) for x in t.splitlines()] for t in (got.text, want["body"]))
    assert [e["MESSAGE"] for e in mine] == [e["MESSAGE"] for e in theirs[:7]]
    # the agent knows of no process behind a line, and so of no pid-change
    assert [e.get("_LINE_BREAK") for e in mine] == [{"pid-change": None}.get(b, b) for b in (
        e.get("_LINE_BREAK") for e in theirs[:7])]


def test_what_is_not_there_or_wrong(logs):
    for n in (4, 5, 6, 10):
        got = ask(logs, n)
        want = same_head(logs, n, got)
        assert got.text == want["body"]
    assert logs.request("POST", "/entries", b"", socket_name="read.sock").status == 406


def test_an_event_stream(logs):
    got = ask(logs, 7)
    want = same_head(logs, 7, got)
    for text in (got.text, want["body"]):
        assert text.startswith("data: {") and text.endswith("}\n\n")
        assert json.loads(text[6:])["MESSAGE"] is None


def test_following(logs):
    r = JOURNAL[8]["request"]
    c = Unix(os.path.join(logs.state, "run/agent/read.sock"))
    c.request("GET", r["path"], headers=dict(r["headers"], Host="journal"))
    got = c.getresponse()
    assert got.status == 200 and got.headers["Content-Type"] == "application/json"
    began = time.time()
    entries = [json.loads(got.readline()) for _ in range(4)]
    assert {e["MESSAGE"] for e in entries} == {"announce " + SIDE}
    times = [int(e["__REALTIME_TIMESTAMP"]) for e in entries]
    assert times == sorted(times) and times[-1] > began * 1e6  # the later ones came while we waited
    logs.same.add(8)
    c.close()


def test_what_is_said_of_a_unit(logs):
    got = ask(logs, 9)
    want = same_head(logs, 9, got)
    for e in [json.loads(x) for x in want["body"].splitlines()[:1] + got.text.splitlines()]:
        assert e["UNIT"] == MAIN and e["_SYSTEMD_UNIT"] == "init.scope" and e["SYSLOG_IDENTIFIER"] == "systemd"
    said = logs.messages(MAIN, "UNIT")
    for words in ("%s: Scheduled restart job, restart counter is at 1." % MAIN,
                  "Started %s - nap iwanna.web.v1 1." % MAIN, "%s: Failed with result 'exit-code'." % MAIN,
                  "%s: Main process exited, code=exited, status=3/NOTIMPLEMENTED" % MAIN):
        assert words in said
    assert {e["PRIORITY"] for e in logs.lines("?UNIT=" + MAIN) if "Failed with result" in e["MESSAGE"]} == {"4"}


def test_the_machine(logs):
    got = ask(logs, 11)
    mine, theirs = got.json(), json.loads(same_head_no_length(logs, 11, got)["body"])
    assert list(mine) == list(theirs)


def same_head_no_length(agent, n, got):
    want = JOURNAL[n]["response"]
    assert (got.status, got.headers["content-type"]) == (want["status"], want["headers"]["Content-Type"])
    agent.same.add(n)
    return want


def parse_export(raw):
    entries, e = [], {}
    while raw:
        line, _, rest = raw.partition(b"\n")
        if not line:
            entries.append(e)
            e, raw = {}, rest
        elif b"=" in line:
            k, _, v = line.partition(b"=")
            e[k], raw = v, rest
        else:
            n = int.from_bytes(rest[:8], "little")
            e[line], raw = rest[8:8 + n], rest[9 + n:]
    return entries


def test_the_export_format_loses_nothing(logs):
    got = ask(logs, 12)
    want = same_head(logs, 12, got)
    mine, theirs = parse_export(got.raw), parse_export(base64.b64decode(want["body_base64"]))
    assert [e[b"MESSAGE"] for e in mine] == [e[b"MESSAGE"] for e in theirs[:7]]
    assert len(mine[5][b"MESSAGE"]) == 48 * 1024


def test_each_recorded_answer_of_gatewayd_was_compared(logs, record_property):
    record_property("counted", "%d answers of gatewayd the same, %d otherwise" % (len(logs.same), len(set(JOURNAL) - logs.same)))
    assert logs.same == set(JOURNAL)


def test_cursors_hold_over_rotation_and_a_restart(agent):
    agent.run("a.service", ("ExecStart", "/bin/sh -c 'for i in $(seq 1 400); do echo $i; done; exec sleep 1000'"))
    until(lambda: len(agent.messages("a.service")) == 400)
    every = agent.lines("?_SYSTEMD_UNIT=a.service")
    for p in [p for p in os.listdir("/proc") if p.isdigit()]:
        try:
            with open("/proc/%s/cmdline" % p, "rb") as f:
                if agent.path("log", "a.service").encode() in f.read() and open("/proc/%s/comm" % p).read() == "svlogd\n":
                    os.kill(int(p), 14)  # SIGALRM: rotate now (svlogd(8))
        except OSError:
            pass
    until(lambda: [f for f in os.listdir(agent.path("log", "a.service")) if f.startswith("@")])
    agent.stop()
    agent.start()
    for i in (0, 1, 199, 398, 399):
        at = every[i]["__CURSOR"]
        assert agent.messages("a.service", range_=at + ":0:1") == [str(i + 1)]
        assert agent.messages("a.service", range_=at + ":1:1000") == [str(n) for n in range(i + 2, 401)]
    assert agent.messages("a.service", range_=every[200]["__CURSOR"] + ":-3:2") == ["198", "199"]
    assert agent.messages("a.service", range_=":-5:100") == [str(n) for n in range(396, 401)]


def test_a_cursor_whose_file_is_gone_goes_on_by_time(agent):
    agent.run("a.service", ("ExecStart", "/bin/sh -c 'echo one; sleep 0.3; echo two; exec sleep 1000'"))
    until(lambda: len(agent.messages("a.service")) == 2)
    one = agent.lines("?_SYSTEMD_UNIT=a.service")[0]["__CURSOR"]
    other = re.sub(r"n=[0-9a-f]+", "n=1", one)
    assert agent.messages("a.service", range_=other + ":0:9") == ["one", "two"]
    later = re.sub(r"t=([0-9a-f]+)", lambda m: "t=%x" % (int(m[1], 16) + 100000000), other)
    assert agent.messages("a.service", range_=later + ":0:9") == ["two"]


def test_all_units_come_merged_in_the_order_of_time(agent):
    for i in range(1, 6):
        agent.run("a@%d.service" % i, ("ExecStart", "/bin/sh -c 'for i in $(seq 30); do echo $i; sleep 0.01; done;"
                                                    " exec sleep 1000'"))
    until(lambda: len([e for e in agent.lines() if e["_TRANSPORT"] == "stdout"]) == 150,
          why=lambda: agent.entries(accept="text/plain").text)
    every = agent.lines()
    times = [int(e["__REALTIME_TIMESTAMP"]) for e in every]
    assert times == sorted(times)
    for i in (0, 70, len(every) - 1):  # a cursor in the merged journal: nothing twice, nothing lost
        rest = agent.lines(range_=every[i]["__CURSOR"] + ":1:10000")
        assert [e["__CURSOR"] for e in rest] == [e["__CURSOR"] for e in every[i + 1:]]
    last = agent.lines(range_=":-7:7")
    assert [e["__CURSOR"] for e in last] == [e["__CURSOR"] for e in every[-7:]]
    only = agent.lines("?_SYSTEMD_UNIT=a@1.service&_SYSTEMD_UNIT=a@3.service")
    assert {e["_SYSTEMD_UNIT"] for e in only} == {"a@1.service", "a@3.service"} and len(only) == 60


def test_a_follower_of_all_sees_units_that_come_later(agent):
    c = Unix(os.path.join(agent.state, "run/agent/read.sock"))
    c.request("GET", "/entries?follow", headers={"Accept": "application/json"})
    got = c.getresponse()
    agent.run("late.service", ("ExecStart", "/bin/sh -c 'echo here; exec sleep 1000'"))
    seen = []
    while "here" not in seen:
        seen.append(json.loads(got.readline())["MESSAGE"])
    c.close()
    assert agent.delete("late.service").status == 204
    agent.wait("late.service", None)
    assert "here" in agent.messages("late.service")  # for whoever collects, for an hour
    agent.stop()
    agent.start()
    assert "here" in agent.messages("late.service")


def test_a_priority_in_front_of_a_line(agent):
    agent.run("a.service", ("ExecStart", "/bin/sh -c 'echo \"<3>bad\"; echo \"<9>no\"; exec sleep 1000'"))
    got = until(lambda: (lambda x: x if len(x) == 2 else None)(agent.lines("?_SYSTEMD_UNIT=a.service")))
    assert [(e["MESSAGE"], e["PRIORITY"]) for e in got] == [("bad", "3"), ("<9>no", "6")]
    assert [e["MESSAGE"] for e in agent.lines("?_SYSTEMD_UNIT=a.service&PRIORITY=3")] == ["bad"]


def test_a_last_line_without_a_newline_comes(agent):
    agent.run("a.service", ("ExecStart", "/bin/sh -c 'echo one; printf two'"), wait=None)
    agent.wait("a.service", "inactive")
    until(lambda: "two" in agent.messages("a.service"), why=lambda: agent.messages("a.service"))
    # each run's is its own, and a run that says nothing says nothing
    again = ("Restart", "always"), ("RestartSec", "50ms")
    agent.run("half.service", *again, ("ExecStart", "/bin/sh -c 'printf half'"), wait=None)
    agent.run("silent.service", *again, ("ExecStart", "/bin/true"), wait=None)
    until(lambda: agent.phase("half.service")["restarts"] > 3 and agent.phase("silent.service")["restarts"] > 3)
    assert set(agent.messages("half.service")) == {"half"} and agent.messages("silent.service") == []
    assert [e["MESSAGE"] for e in agent.lines("?_SYSTEMD_UNIT=half.service", range_=":-3:3")] == ["half"] * 3
    # a stop ends a line too; an empty one of the unit's own stays
    agent.run("c.service", ("ExecStart", "/bin/sh -c 'echo; printf last; exec sleep 1000'"))
    until(lambda: agent.messages("c.service") == [""])
    agent.delete("c.service")
    until(lambda: agent.messages("c.service") == ["", "last"], why=lambda: agent.messages("c.service"))


def test_usage_and_metrics(agent):
    agent.run("a.service", ("ExecStart", "/bin/sleep 1000"))
    r = agent.request("GET", "/nap/v1/usage", socket_name="read.sock").json()
    assert [u["name"] for u in r["units"]] == ["a.service"] and r["units"][0]["restarts"] == 0
    text = agent.request("GET", "/metrics", socket_name="read.sock").text
    assert 'nap_unit_active{unit="a.service"} 1' in text and "nap_agent_units 1" in text
