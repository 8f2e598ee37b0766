"""nap-worker logs against a journal-gatewayd made of Python and a real PostgreSQL: nothing lost, nothing twice."""
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import threading

import pytest

from push_server import program, wait_until
from serve_stack import have_stack
from stream_stack import Streams

pytestmark = pytest.mark.skipif(not have_stack() or not program("nap-worker"), reason="nap-worker is not built")


class Journal(socketserver.ThreadingUnixStreamServer):
    """GET /entries?follow with Range: entries=CURSOR:1:N, in the export format, chunked; add() appends."""
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path):
        self.entries, self.requests, self.changed, self.live = [], [], threading.Condition(), []
        self.refuse_cursors = False
        super().__init__(path, Follow)
        os.chmod(path, 0o666)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, message, unit="acme.web.v1@1.service", at=None, **fields):
        n = len(self.entries)
        at = at or 1795472551000000 + n
        fields = {"_SYSTEMD_UNIT": unit, "MESSAGE": message, **fields}
        text = b"__CURSOR=c%d\n__REALTIME_TIMESTAMP=%d\n" % (n, at)
        for k, v in fields.items():
            v = v if isinstance(v, bytes) else v.encode()
            text += (k.encode() + b"=" + v + b"\n") if b"\n" not in v else \
                k.encode() + b"\n" + struct.pack("<Q", len(v)) + v + b"\n"
        with self.changed:
            self.entries.append(text + b"\n")
            self.changed.notify_all()

    def cut(self):
        for s in list(self.live):
            s.shutdown(socket.SHUT_RDWR)


class Follow(socketserver.StreamRequestHandler):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            some = self.request.recv(65536)
            if not some:
                return
            head += some
        head = head.decode()
        self.server.requests.append(head)
        cursor = re.search(r"Range: entries=c(\d+):1:", head)
        if cursor and self.server.refuse_cursors:
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 27\r\n\r\nFailed to seek in journal.\n")
            return
        at = int(cursor.group(1)) + 1 if cursor else 0
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.server.live.append(self.request)
        try:
            while True:
                with self.server.changed:
                    while len(self.server.entries) <= at:
                        self.server.changed.wait()
                    text = b"".join(self.server.entries[at:])
                    at = len(self.server.entries)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        except OSError:
            pass
        finally:
            self.server.live.remove(self.request)


class Copy(Streams):
    def __init__(self, folder):
        super().__init__(folder)
        os.makedirs(self.path("run/agent"), exist_ok=True)
        self.journal = Journal(self.path("run/agent/read.sock"))
        self.worker = None
        self.tenant("acme")

    def fresh(self):
        """as new: no log, no place in the journal, one app"""
        if self.worker and self.worker.poll() is None:
            self.stop_worker()
        self.journal.cut()
        self.journal.refuse_cursors = False
        self.journal.entries.clear()
        self.journal.requests.clear()
        self.sql("DELETE FROM release; DELETE FROM app")
        for d in os.listdir(self.path("logs")):
            if d.isdigit() or d == "cursor":
                shutil.rmtree(self.path("logs/" + d))
        self.app_id = self.app("acme", "web")
        self.sql("INSERT INTO release (tenant_id, app_id, number, kind, commit, profile_text, profile, start, command, memory_bytes,"
                 " scale) SELECT tenant_id, id, 1, 'deploy', repeat('0', 40), '', '{}', '', '', 268435456, 1 FROM app")
        self.start_worker()

    def start_worker(self, **settings):
        env = {"PATH": os.environ["PATH"], "NAP_STATE": self.folder}
        env.update({"NAP_" + k.upper(): str(v) for k, v in settings.items()})
        self.worker = subprocess.Popen([program("nap-worker"), "logs"], stderr=open(self.path("logs/worker"), "ab"), env=env)

    def stop_worker(self, sig=signal.SIGTERM):
        self.worker.send_signal(sig)
        return self.worker.wait(20)

    def lines(self, app_id=None):
        out = []
        folder = self.path("logs/%d" % (app_id or self.app_id))
        for name in ("3", "2", "1", "current"):
            try:
                with open(folder + "/" + name) as f:
                    out += [line.rstrip("\n").split(" ", 5) for line in f]
            except FileNotFoundError:   # it is being rotated
                pass
        return out

    def messages(self, app_id=None):
        return [line[5] for line in self.lines(app_id)]

    def until(self, *messages):
        wait_until(lambda: self.messages()[-len(messages):] == list(messages), 30)

    def close(self):
        if self.worker.poll() is None:
            self.stop_worker()
        self.journal.cut()
        self.journal.shutdown()
        self.journal.server_close()
        super().close()


@pytest.fixture(scope="module")
def one_copy(tmp_path_factory):
    c = Copy(tmp_path_factory.mktemp("collect"))
    yield c
    c.close()


@pytest.fixture
def copy(one_copy):
    one_copy.fresh()
    return one_copy


def test_what_an_instance_prints_reaches_its_log_and_a_follower(copy):
    j = copy.journal
    token = copy.token("acme", "read")
    f = copy.follow("/apps/web/logs", token).until_open()
    j.add("hello", _COMM="python3")
    j.add("not nap's", unit="ssh.service")
    j.add("a sidekick's", unit="acme.web.v1_discovery@1.service")
    j.add("no such app", unit="acme.other.v1@1.service")
    j.add("no such release", unit="acme.web.v9@1.service")
    j.add("acme.web.v1@1.service: Failed with result 'exit-code'.", unit="init.scope", UNIT="acme.web.v1@1.service")
    j.add(b"bad \xff bytes, \x1b[31mred\x1b[0m", unit="acme.web.v1@2.service")
    j.add("of the build", unit="acme.web.v2-build@1.service")
    j.add("piece ", _LINE_BREAK="line-max", _STREAM_ID="s")
    j.add("by piece", _STREAM_ID="s")
    j.add("two\nlines")
    f.until_n(7)
    assert [line[2:] for line in copy.lines()] == [
        ["1", "1", "o", "hello"],
        ["1", "1", "s", "Failed with result 'exit-code'."],
        ["1", "2", "o", "bad \ufffd bytes, red"],
        ["2", "0", "o", "of the build"],
        ["1", "1", "o", "piece by piece"],
        ["1", "1", "o", "two"],
        ["1", "1", "o", "lines"]]
    assert copy.lines()[0][1] == "2026-11-23T22:22:31.000000Z"
    assert [d["message"] for d in f.data()] == copy.messages()
    assert [d["seq"] for d in f.data()] == list(range(1, 8))
    f.close()


def test_nothing_is_lost_or_doubled_over_cuts_restarts_and_kills(copy):
    j = copy.journal
    n = 0
    for sig in (None, signal.SIGTERM, signal.SIGKILL, None, signal.SIGKILL):
        for _ in range(300):
            j.add("line %d" % n)
            n += 1
        copy.until("line %d" % (n - 1))
        if sig is None:
            j.cut()
        else:
            copy.stop_worker(sig)
            j.add("meanwhile %d" % n)
            copy.start_worker()
            copy.until("meanwhile %d" % n)
    j.add("end")
    copy.until("end")
    got = [m for m in copy.messages() if m.startswith("line")]
    assert got == ["line %d" % i for i in range(n)]
    assert len([m for m in copy.messages() if m.startswith("meanwhile")]) == 3
    assert [int(line[0]) for line in copy.lines()] == list(range(1, len(copy.lines()) + 1))


def test_a_line_whose_end_had_not_come_is_read_again(copy):
    j = copy.journal
    j.add("whole")
    j.add("first half, ", _LINE_BREAK="line-max", _STREAM_ID="s")
    j.add("other", unit="acme.web.v1@2.service", _STREAM_ID="t")
    copy.until("whole", "other")
    copy.stop_worker(signal.SIGKILL)
    j.add("second half", _STREAM_ID="s")
    copy.start_worker()
    copy.until("whole", "other", "first half, second half")


def test_a_cursor_that_the_journal_lost_begins_anew_without_doubles(copy):
    j = copy.journal
    j.add("one")
    copy.until("one")
    wait_until(lambda: os.path.exists(copy.path("logs/cursor/agent")))
    copy.stop_worker()
    j.refuse_cursors = True
    copy.start_worker()
    wait_until(lambda: "&boot" in j.requests[-1] and len(j.requests) >= 3)
    j.add("two")
    copy.until("one", "two")


def test_one_collects_and_another_takes_over(copy):
    first = copy.worker
    copy.journal.add("one")
    copy.until("one")
    copy.start_worker()
    copy.journal.add("two")
    copy.until("one", "two")
    assert copy.worker.poll() is None   # it waits
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    copy.journal.add("three")
    copy.until("one", "two", "three")


def test_a_database_restart_loses_no_line(copy):
    copy.journal.add("one")
    copy.until("one")
    copy.db.stop()
    copy.journal.add("while it was away", unit="acme.web.v1@7.service")
    copy.db.start()
    if copy.worker.poll() is not None or copy.worker.wait(30) is not None:
        copy.start_worker()             # it leaves when its lock is gone; runsv starts it again
    copy.until("one", "while it was away")


def test_a_destroyed_apps_log_goes_after_its_time(copy):
    copy.journal.add("one")
    copy.until("one")
    copy.sql("DELETE FROM release; DELETE FROM app")
    folder = copy.path("logs/%d" % copy.app_id)
    copy.stop_worker()
    copy.start_worker()
    wait_until(lambda: os.path.exists(folder + "/gone"))
    assert copy.messages() == ["one"]
    copy.stop_worker()
    copy.start_worker(log_keep_hours=0)
    wait_until(lambda: not os.path.exists(folder))


def test_an_endless_writer_stays_within_the_cap(copy):
    copy.stop_worker()
    copy.start_worker(log_max=200000)
    for n in range(3000):
        copy.journal.add("%06d " % n + "x" * 500)
    wait_until(lambda: copy.messages() and copy.messages()[-1].startswith("002999"))
    size = sum(os.path.getsize(copy.path("logs/%d/%s" % (copy.app_id, f))) for f in os.listdir(copy.path("logs/%d" % copy.app_id)))
    assert size < 260000
    assert copy.lines()[-1][0] == "3000"
