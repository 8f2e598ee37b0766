"""The command line on a light stack: nginx, nap-api, nap-stream and nap-worker with a private PostgreSQL; jobs_stack's leader.

Cli.run() runs the real nap with pipes, Cli.typed() on a terminal of its own."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import serve_stack
import stream_stack
from jobs_stack import Jobs, have_jobs
from push_server import program, wait_until
from serve_stack import have_stack


def have_cli():
    return bool(have_stack() and have_jobs() and program("nap-stream") and program("nap"))


class CliStack(Jobs, stream_stack.Streams):
    def __init__(self, folder):
        serve_stack.NGINX = stream_stack.NGINX
        self.port = self.free_port()
        self.stream = None
        Jobs.__init__(self, folder, git_protocols="https ssh http file", git_private="1", source_upload_max="3m",
                      source_max_bytes="8m")
        for d in ("run/web", "run/hook", "run/node", "nginx"):
            os.makedirs(self.path(d), exist_ok=True)
        self.start_api()
        self.start_nginx()
        self.stream_listener = serve_stack.socket.socket(serve_stack.socket.AF_UNIX)
        self.stream_listener.bind(self.path("run/web/stream.sock"))
        self.stream_listener.listen(1024)
        os.chmod(self.path("run/web/stream.sock"), 0o666)
        self.start_stream()
        self.admin = self.tenant("admin", role="admin")
        self.work = self.worker()

    def led(self, tenant):
        """what a leader writes of apps that run"""
        self.sql("UPDATE app SET state = 'running', running_instances = instances WHERE tenant_id = (SELECT id FROM tenant "
                 "WHERE name = '%s')" % tenant)

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port


class Run:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return "exit %s\n%s\n--\n%s" % (self.code, self.out, self.err)

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def rows(self):
        """of a table: {first cell: [cells]}, the heading too"""
        return {r[0]: r for r in (re.split(r" {2,}", line.strip()) for line in self.out.splitlines())}


class Cli:
    """One person with a folder of settings of its own."""

    def __init__(self, folder, url=None, token=None, **env):
        self.home = str(folder)
        self.env = {"PATH": os.environ["PATH"], "HOME": self.home, "ASAN_OPTIONS": "abort_on_error=0", "NAP_CONFIG": self.home + "/nap",
                    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
                    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", **env}
        if url:
            self.env["NAP_URL"] = url
        if token:
            self.env["NAP_TOKEN"] = token

    def run(self, *words, input="", cwd=None, timeout=90, path=None, **env):
        r = subprocess.run([path or program("nap"), *words], input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env={**self.env, **env}, cwd=cwd or self.home, timeout=timeout)
        assert "\x1b" not in r.stdout + r.stderr or "TERM" in env, r
        return Run(r.returncode, r.stdout, r.stderr)

    def good(self, *words, **kw):
        r = self.run(*words, **kw)
        assert r.code == 0, r
        return r

    def start(self, *words):
        return subprocess.Popen([program("nap"), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.env, cwd=self.home)

    def typed(self, *words, answers=(), columns=80, **env):
        """On a terminal: standard input, output and error are one. answers: (prompt, what is typed)."""
        path, argv, env = program("nap"), ["nap", *words], {**self.env, "TERM": "xterm", **env}
        pid, fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execve(path, argv, env)
        seen, answers, end = "", list(answers), time.monotonic() + 90
        while True:
            assert time.monotonic() < end, seen
            if not select.select([fd], [], [], 1)[0]:
                continue
            try:
                some = os.read(fd, 65536)
            except OSError:
                break
            if not some:
                break
            seen += some.decode(errors="replace")
            if answers and answers[0][0] in seen:
                os.write(fd, (answers.pop(0)[1] + "\n").encode())
        os.close(fd)
        return Run(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.replace("\r\n", "\n"), "")


__all__ = ["Cli", "CliStack", "have_cli", "wait_until"]
