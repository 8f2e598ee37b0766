"""A real nap-agent on a state folder of its own, and what tests ask of it."""
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fleet_exchanges import FleetClient, Unix, until  # noqa: E402,F401
from programs import program  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
FLEET = os.path.join(HERE, "..", "fleet")
SLEEP = ("ExecStart", "/bin/sleep 100000")


def start_of(pid):
    """When a process was started, in clock ticks since the boot; None: it is gone, or a zombie."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def open_way(path):
    """Units' users may pass through the folders down to path, and read it."""
    path.chmod(0o755)
    for p in path.parents:
        if str(p) in ("/tmp", "/"):
            return
        p.chmod(0o711)


def processes(mark):
    """Processes whose command line or environment holds mark."""
    found = []
    for p in os.listdir("/proc"):
        if not p.isdigit() or int(p) == os.getpid() or start_of(int(p)) is None:
            continue
        with contextlib.suppress(OSError):
            with open("/proc/%s/cmdline" % p, "rb") as f:
                if mark.encode() in f.read():
                    found.append(int(p))
    return found


def found(*isolations):
    """The ways of isolation that this machine has, of those asked for."""
    def works(word):
        r = subprocess.run([program("nap-unit"), "--probe", "/tmp"], capture_output=True, text=True,
                           env=dict(os.environ, NAP_ISOLATION=word))
        return r.returncode == 0 and r.stdout.strip() == word
    return [i for i in isolations if i == "none" or works(i)]


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


BLOCKS = itertools.count((os.getpid() % 400) * 50)


class Agent(FleetClient):
    """isolation is the agent's own word; block, a port and a range of uids, is another for each: an agent ends all of its uids."""

    def __init__(self, state, isolation="none", block=None):
        self.state, self.isolation, self.block = str(state), isolation, block or free_port()
        self.uids = 600000000 + 65536 * next(BLOCKS)
        self.process = None
        os.makedirs(self.state, exist_ok=True)

    def command(self):
        return [program("nap-agent"), "--state", self.state, "--block-port", str(self.block),
                "--block-uid", str(self.uids), "--isolation", self.isolation]

    def start(self):
        self.log = open(os.path.join(self.state, "agent.log"), "ab")
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log, start_new_session=True)
        until(self.answers, why=self.said)
        return self

    def said(self):
        with open(os.path.join(self.state, "agent.log"), errors="replace") as f:
            return f.read()

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("nap-agent ended: " + self.said())
        with contextlib.suppress(OSError):
            return self.get("/machines").status == 200

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(20)
        self.log.close()
        assert number == signal.SIGKILL or self.process.returncode == 0, self.said()

    def stop_all(self, seconds):
        return subprocess.run([program("nap-agent"), "--stop-all", "--state", self.state], timeout=seconds)

    def end(self):
        """Everything away, whatever state it is in."""
        with contextlib.suppress(Exception):
            if self.process and self.process.poll() is None:
                self.stop()
        self.stop_all(150).check_returncode()
        assert processes(self.state) == []

    # the API

    def request(self, method, path, body=None, headers=None, socket_name="agent.sock", timeout=20):
        return self.request_at(os.path.join(self.state, "run/agent", socket_name), method, path, body, headers, timeout)

    def run(self, name, *options, wait="active"):
        r = self.put(name, "launched", [("Service", *o) if len(o) == 2 else o for o in options])
        assert r.status == 201, r.raw
        if wait:
            self.wait(name, wait)

    # behind it

    def path(self, *parts):
        return os.path.join(self.state, "agent", *parts)

    def phase(self, name):
        """What nap-unit says; of a unit that has not begun, nothing."""
        try:
            with open(self.path("unit", name, "phase")) as f:
                p = f.read().split()
        except FileNotFoundError:
            p = ["", "", 0, 0, 0, 0, 0]
        return {"phase": p[0], "result": p[1], "code": int(p[2]), "signal": int(p[3]), "since": int(p[4]),
                "restarts": int(p[5]), "pid": int(p[6])}

    def runsv(self, name):
        """The pid of the unit's runsv."""
        for p in processes(self.path("service", name)):
            try:
                with open("/proc/%d/comm" % p) as f:
                    if f.read().strip() == "runsv":
                        return p
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                pass
        return None

    def entries(self, query="", accept="application/json", range_=None, **kw):
        headers = {"Host": "journal", "Accept": accept}
        if range_:
            headers["Range"] = "entries=" + range_
        return self.request("GET", "/entries" + query, headers=headers, socket_name="read.sock", **kw)

    def lines(self, query="", **kw):
        return [json.loads(line) for line in self.entries(query, **kw).text.splitlines()]

    def messages(self, unit, field="_SYSTEMD_UNIT", **kw):
        return [e["MESSAGE"] for e in self.lines("?%s=%s" % (field, unit), **kw)]


def main_pid(agent, unit):
    return agent.phase(unit)["pid"]
