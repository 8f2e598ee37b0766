"""Units under real runsv, run by nap-unit, with nap-node asking a fake nap: what nap-agent would lay out, by hand."""
import glob
import http.server
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

from programs import program
from waiting import patience

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = "0123456789abcdef0123456789abcdef"


until = patience(30)


class FakeNap(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """/node/v1 on a unix socket: .units by name, .exits and .announced as they came, .status forces an answer."""
    daemon_threads = True

    def __init__(self, path):
        self.units, self.exits, self.announced, self.destroyed, self.status = {}, [], [], [], 0
        self.interval = 1
        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self):
        request, _ = super().get_request()
        return request, ("unix", 0)

    def exits_of(self, unit):
        return [e for u, e in self.exits if u == unit]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        name = self.path.split("/")[4]
        if self.server.status:
            self.answer(self.server.status)
        elif name in self.server.units:
            self.answer(200, self.server.units[name])
        else:
            self.answer(404, {"code": "not_found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status:
            self.answer(self.server.status)
            return
        if self.path == "/node/v1/data":
            self.answer(200, {"destroyed": [a for a in body["apps"] if a in self.server.destroyed]})
            return
        _, _, _, _, name, what = self.path.split("/")
        if what == "":
            self.answer(404)
        elif what == "exit":
            self.server.exits.append((name, body))
            self.answer(204)
        else:
            self.server.announced.append((name, body["healthy"]))
            self.answer(200 if name in self.server.units else 410, {"interval": self.server.interval})


class Machine:
    """A state folder with the agent's part of it; .unit() makes a unit and starts its runsv."""
    uids = iter(range(int.from_bytes(os.urandom(2), "big") * 100 + 3000000, 2**31))

    def __init__(self, folder, isolation="crun"):
        self.state = str(folder)
        self.agent = self.state + "/agent"
        self.isolation = isolation
        self.lib, self.run = self.agent + "/lib/nap", self.agent + "/run/nap"
        for path in (self.lib + "/bin", self.run, self.agent + "/unit", self.agent + "/service", self.agent + "/etc/nap",
                     self.agent + "/crun", self.state + "/tree", self.state + "/run"):
            os.makedirs(path, 0o700)
        if isolation in ("setpriv", "none"):
            # pytest's folders are closed to others; nap's state folder is not
            path = self.state
            while path != "/tmp" and len(path) > 4:
                os.chmod(path, 0o755)
                path = os.path.dirname(path)
        for name in ("nap-node", "nap-run"):
            shutil.copy(program(name), self.lib + "/bin/" + name)
        self.write(self.agent + "/isolation", isolation)
        self.write(self.agent + "/block", "t%d" % os.getpid())
        self.write(self.lib + "/node.conf", "socket = %s/run/n\ntrees = %s/tree\nrun = %s\n" % (
            self.state, self.state, self.run))
        self.nap = FakeNap(self.state + "/run/n")
        self.made = []

    @staticmethod
    def write(path, text, mode=0o644):
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def tree(self, files, name=TREE):
        root = "%s/tree/%s" % (self.state, name)
        for path, text in files.items():
            os.makedirs(os.path.dirname(root + "/" + path), exist_ok=True)
            self.write(root + "/" + path, text, 0o666)
        for folder, _, _ in os.walk(root):
            os.chmod(folder, 0o777)
        return name

    def unit(self, name, options, start=True):
        unit = Unit(self, name, options)
        self.made.append(unit)
        if start:
            unit.start()
        return unit

    def instance(self, name, script, options=(), env=None, **more):
        """An instance as nap makes it: its text is model/unit.c's, as far as one machine needs it."""
        self.nap.units[name] = dict({
            "unit": name, "kind": "instance", "app_id": "12", "tenant": "t", "app": "a", "group": "a", "release": 1,
            "number": 1, "port": 0, "tree": self.tree({"hello.txt": "hi\n"}), "health": "none", "restart": "auto",
            "listened": False, "memory": 1 << 26, "env": dict({"PORT": "0"}, **(env or {})), "start": script}, **more)
        return self.unit(name, MAIN + list(options))

    def end(self):
        for unit in self.made:
            unit.kill()
        self.nap.shutdown()
        self.nap.server_close()
        for folder in glob.glob("/sys/fs/cgroup/*/nap-t%d" % os.getpid()) + ["/sys/fs/cgroup/nap-t%d" % os.getpid()]:
            for path in glob.glob(folder + "/*/") + [folder]:
                try:
                    os.rmdir(path)
                except OSError:
                    pass


RUN = ("/bin/sh -c 'set -a; . \"${NAP_ROOT}/run/nap-self/env\"; set +a; cd \"${NAP_ROOT}/app\" && "
       "exec \"${NAP_ROOT}/run/nap-run\" /bin/sh \"${NAP_ROOT}/run/nap-self/start\"'")
MAIN = [
    ("Unit", "Description", "nap %p %i"),
    ("Unit", "StartLimitIntervalSec", "0"),
    ("Service", "Environment", "NAP_ROOT="),
    ("Service", "ExecStartPre", "+%S/nap/bin/nap-node prepare %n"),
    ("Service", "ExecStart", RUN),
    ("Service", "ExecStopPost", "+%S/nap/bin/nap-node stopped %n"),
    ("Service", "SuccessExitStatus", "250"),
    ("Service", "KillMode", "mixed"),
    ("Service", "Restart", "always"),
    ("Service", "RestartSec", "0"),
    ("Service", "RestartPreventExitStatus", "250 251"),
    ("Service", "TimeoutStopSec", "5"),
    ("Service", "TasksMax", "64"),
    ("Service", "MemoryMax", "64M"),
    ("Service", "UMask", "0077"),
    ("Service", "BindPaths", "-%S/nap/%n/view:/app -%S/nap/%n/exit:/run/nap-exit -%S/nap/%n/data:/data "
                             "-%S/nap/%n/out:/out -%S/nap/%n/cache:/cache"),
    ("Service", "BindReadOnlyPaths", "-%t/nap/%n:/run/nap-self %S/nap/bin/nap-run:/run/nap-run"),
]


class Unit:
    def __init__(self, machine, name, options):
        self.machine, self.name = machine, name
        self.dir, self.service = machine.agent + "/unit/" + name, machine.agent + "/service/" + name
        self.uid = next(Machine.uids) if os.geteuid() == 0 else os.getuid()
        self.runsv = None
        os.makedirs(self.dir)
        os.makedirs(self.service + "/log/main")
        self.options(options)
        machine.write(self.dir + "/uid", str(self.uid))
        for script, line in (("run", "%s run %s 2>&1"), ("finish", "%s finish %s \"$@\" 2>&1")):
            machine.write("%s/%s" % (self.service, script),
                          "#!/bin/sh\nexec " + line % (program("nap-unit"), self.dir) + "\n", 0o755)
        machine.write(self.service + "/log/run", "#!/bin/sh\nexec svlogd ./main\n", 0o755)

    def options(self, options):
        self.machine.write(self.dir + "/options.json", json.dumps(
            [{"section": s, "name": n, "value": v} for s, n, v in options]))

    def start(self):
        self.machine.write(self.dir + "/desired", "launched")
        self.runsv = subprocess.Popen(["runsv", self.service], start_new_session=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def control(self, letters):
        try:
            fd = os.open(self.service + "/supervise/control", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return
        try:
            os.write(fd, letters.encode())
        except BrokenPipeError:  # it left between the two
            pass
        os.close(fd)

    def stop(self):
        """As the agent stops it: the order is written, then runsv is told to end."""
        self.machine.write(self.dir + "/desired", "loaded")
        self.control("x")
        self.runsv.wait(60)
        self.runsv = None

    def kill(self):
        if self.runsv:
            self.machine.write(self.dir + "/desired", "loaded")
            until(lambda: self.runsv.poll() is not None or self.control("xk") or self.kill_all() or False, 60)
        self.kill_all()

    def kill_all(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    def read(self, file):
        try:
            with open(self.dir + "/" + file) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    @property
    def phase(self):
        return (self.read("phase").split() or [""])[0]

    @property
    def result(self):
        return (self.read("phase").split() or ["", ""])[1]

    @property
    def restarts(self):
        return int(self.read("phase").split()[5])

    @property
    def pid(self):
        return int(self.read("phase").split()[6])

    @property
    def events(self):
        return [line.split(" ", 1)[1] for line in self.read("events").splitlines()]

    @property
    def log(self):
        try:
            with open(self.service + "/log/main/current", errors="replace") as f:
                text = f.read()
        except FileNotFoundError:
            return ""
        # nap-unit's mark behind a run, as the agent's journal takes it off
        return re.sub("(?m)^\x1f\x1fend\n", "", text).replace("\x1f\x1fend\n", "\n")

    def processes(self):
        """Of its uid, alive."""
        pids = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/status" % pid) as f:
                    status = dict(line.split(":", 1) for line in f)
            except (OSError, ValueError):
                continue
            if status["Uid"].split()[0] == str(self.uid) and status["State"].split()[0] not in "ZX":
                pids.append(int(pid))
        return pids if self.uid != os.getuid() else []

    def wait(self, phase, seconds=30):
        until(lambda: self.phase == phase, seconds,
              lambda: "%s is %r, not %s\n%s\n%s" % (self.name, self.read("phase"), phase, self.log, self.read("events")))

    def wait_log(self, text, seconds=30):
        until(lambda: text in self.log, seconds, lambda: "%r is not in\n%s\n%s" % (text, self.log, self.read("events")))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def runsv_state(unit):
    with open(unit.service + "/supervise/status", "rb") as f:
        data = f.read()
    return struct.unpack("<I", data[12:16])[0], chr(data[17])
