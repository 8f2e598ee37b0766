#!/usr/bin/env python3
"""What fleetctl asks of fleet, command by command: tests/fleet/fleetctl holds it as it was recorded of fleetctl 1.0 in
front of a real fleetd 1.0, and test_fleetctl.py asks the same of nap-agent.

    fleetctl_tape.py SOCKET            records anew: a fleetd's socket, of a cluster without units; FLEETCTL names fleetctl

A tape is {"command", "exit", "stdout", "exchanges": [{"method", "path", "body", "status", "type", "answer"}]}. What
is asked again and again until it is so (a start that waits) stands there once, with the last answer.
"""
import http.server
import json
import os
import re
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from fleet_exchanges import HERE, Answer, Unix, until  # noqa: E402

TAPES = os.path.join(HERE, "fleet", "fleetctl")
FILES = {
    "hello.service": "[Unit]\nDescription=hello\n\n[Service]\nExecStart=/bin/sh -c 'exec sleep 1000'\nTimeoutStopSec=5\n",
    "app@.service": "[Unit]\nDescription=app %i\n\n[Service]\nExecStart=/bin/sh -c 'exec sleep 100%i'\n\n[X-Fleet]\nConflicts=other@*.service\n",
}
COMMANDS = [c.split() for c in """list-machines
list-machines --full --no-legend
list-units
list-unit-files
submit hello.service
list-unit-files
cat hello.service
load hello.service
list-units
start hello.service
list-units
status hello.service
start nosuch.service
submit app@.service
start app@1.service
start app@2.service
list-units --fields=unit,load,active,sub
stop app@1.service
unload app@1.service
list-unit-files --fields=unit,dstate,state
destroy app@1.service app@2.service
destroy app@.service
stop hello.service
unload hello.service
destroy hello.service
destroy hello.service
list-units
list-unit-files""".splitlines()]


def fleetctl():
    return os.environ.get("FLEETCTL") or shutil.which("fleetctl")


class Recorder:
    """A unix socket in front of another; log: the exchanges that went through."""

    def __init__(self, path, upstream):
        self.path, self.log = path, []
        log = self.log

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do(self):
                length = self.headers.get("Content-Length")
                body = self.rfile.read(int(length)) if length else None
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                c = Unix(upstream)
                c.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for k in ("Host", "Content-Type"):
                    if k in self.headers:
                        c.putheader(k, self.headers[k])
                if body is not None:
                    c.putheader("Content-Length", str(len(body)))
                c.endheaders(body)
                answer = Answer(c.getresponse())
                c.close()
                one = {"method": self.command, "path": self.path, "body": body.decode() if body else None,
                       "status": answer.status, "type": answer.headers.get("content-type"), "answer": answer.text}
                if not log or any(log[-1][k] != one[k] for k in ("method", "path", "body")):
                    log.append(one)
                log[-1] = one
                self.send_response(answer.status)
                for k in ("content-type",):
                    if k in answer.headers:
                        self.send_header(k, answer.headers[k])
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(answer.raw)))
                self.end_headers()
                self.wfile.write(answer.raw)

            do_GET = do_PUT = do_DELETE = do_POST = do

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

            def get_request(self):
                return super().get_request()[0], ("unix", 0)

        self.server = Server(path, Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)


def run(command, upstream):
    """One command of the real fleetctl; the tape of it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            if command[0] in ("submit", "load", "start"):
                with open(os.path.join(folder, name), "w") as f:
                    f.write(text)
        r = Recorder(os.path.join(folder, "s"), upstream)
        try:
            done = subprocess.run([fleetctl(), "--endpoint=unix://" + r.path, "--strict-host-key-checking=false", *command],
                                  cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, timeout=90, env={"PATH": "/nonexistent", "HOME": folder})
        finally:
            r.close()
    return {"command": command, "exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr,
            "exchanges": [e for e in r.log if e["path"] != "/fleet/v1/discovery"]}


def settled(upstream):
    """Until no state is left: fleet needs some seconds after a DELETE."""
    def gone():
        c = Unix(upstream)
        try:
            c.request("GET", "/fleet/v1/state", headers={"Host": "fleet"})
            return c.getresponse().read().strip() == b"{}"
        finally:
            c.close()
    until(gone, 60)


def load():
    tapes = []
    for name in sorted(os.listdir(TAPES)):
        if re.match(r"\d\d-", name):
            with open(os.path.join(TAPES, name)) as f:
                tapes.append(json.load(f))
    return tapes


if __name__ == "__main__":
    os.makedirs(TAPES, exist_ok=True)
    for number, asked in enumerate(COMMANDS, 1):
        if COMMANDS[number - 2][0] == "destroy" and asked[0] == "list-units":
            settled(sys.argv[1])
        tape = run(asked, sys.argv[1])
        with open(os.path.join(TAPES, "%02d-%s.json" % (number, asked[0])), "w") as out:
            json.dump(tape, out, indent=1)
            out.write("\n")
        print(tape["exit"], *asked, [(e["method"], e["path"], e["status"]) for e in tape["exchanges"]])
        print(tape["stdout"], tape["stderr"])
