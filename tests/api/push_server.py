"""nap-git and nap-hook without the rest of nap: a CGI server as nginx and fcgiwrap are one, and a nap-api that answers
what a test says. Used by test_push_hooks.py."""
import http.client
import http.server
import json
import os
import re
import socketserver
import subprocess
import threading

from programs import program
from waiting import patience

ZERO = "0" * 40


class Hooks(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """What /internal/v1 says. answers: {path: [(status, body), ...]}, the last one repeated; asked: all questions."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, path):
        self.asked = []
        self.answers = {}
        self.lock = threading.Lock()
        super().__init__(path, HookRequest)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def reset(self):
        with self.lock:
            self.asked = []
            self.answers = {
                "pre-receive": [(200, {"operation": "7", "lines": []})],
                "update": [(200, {"operation": "7"})],
                "operations": [
                    (200, {"state": "running", "lines": [{"seq": 1, "line": "building"}]}),
                    (200, {"state": "running", "lines": [{"seq": 2, "line": "starting"}]}),
                    (200, {"state": "succeeded", "release": 3, "address": "http://shop-iwanna.localhost/", "lines": []}),
                ],
            }

    def questions(self, word):
        return [q for w, q in self.asked if w == word]

    def answer(self, word, question):
        with self.lock:
            self.asked.append((word, question))
            rows = self.answers[word]
            row = rows.pop(0) if len(rows) > 1 else rows[0]
        return row(question) if callable(row) else row


class HookRequest(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode()
        length = 0
        while (header := self.rfile.readline().strip()):
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        method, target = line.split()[:2]
        body = json.loads(self.rfile.read(length)) if method == "POST" else target
        word = re.match(r"/internal/v1/(?:hooks/)?([a-z-]+)", target).group(1)
        status, answer = self.server.answer(word, body)
        text = json.dumps(answer).encode()
        self.wfile.write(b"HTTP/1.1 %d x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                         b"Connection: close\r\n\r\n" % (status, len(text)) + text)


class Git(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 50

    def __init__(self, state, program, port=0):
        self.state, self.program, self.repos, self.children = str(state), program, {"shop": "12"}, []
        self.extra = {}
        super().__init__(("127.0.0.1", port), GitRequest)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, app="shop"):
        return "http://127.0.0.1:%d/git/iwanna/%s.git" % (self.server_address[1], app)


class GitRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *args):
        pass

    def body(self, child):
        try:
            if self.headers.get("Transfer-Encoding") == "chunked":
                while (size := int(self.rfile.readline(), 16)):
                    child.stdin.write(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
            else:
                left = int(self.headers.get("Content-Length", 0))
                while left and (data := self.rfile.read(min(left, 65536))):
                    left -= len(data)
                    child.stdin.write(data)
            child.stdin.close()
        except (BrokenPipeError, ConnectionError):
            pass

    def run(self):
        path, _, query = self.path.partition("?")
        m = re.fullmatch(r"/git/([a-z0-9]+)/([a-z0-9_-]+)\.git/(info/refs|git-upload-pack|git-receive-pack)", path)
        if not m:
            return self.send_error(404)
        service = query.partition("service=")[2] if m[3] == "info/refs" else m[3]
        env = dict(os.environ, NAP_STATE=self.server.state, NAP_TENANT=m[1], NAP_APP=m[2], NAP_PATH=m[3],
                   NAP_SERVICE=service, NAP_REPO=self.server.repos.get(m[2], ""), NAP_ACTOR="token:5",
                   REQUEST_ID="r1", REQUEST_METHOD=self.command, QUERY_STRING=query,
                   CONTENT_TYPE=self.headers.get("Content-Type", ""), SERVER_PROTOCOL="HTTP/1.1",
                   HTTP_GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""), **self.server.extra)
        if "Content-Length" in self.headers:
            env["CONTENT_LENGTH"] = self.headers["Content-Length"]
        child = subprocess.Popen([self.server.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.server.children.append(child)
        feeder = threading.Thread(target=self.body, args=(child,), daemon=True)
        feeder.start()
        headers = http.client.parse_headers(child.stdout)
        self.send_response(int(headers.get("Status", "200").split()[0]))
        for key, value in headers.items():
            if key != "Status":
                self.send_header(key, value)
        self.end_headers()
        try:
            while (data := child.stdout.read1(65536)):
                self.wfile.write(data)
                self.wfile.flush()
        except ConnectionError:
            child.stdout.close()
        child.wait()

    do_GET = do_POST = run


class Work:
    """A clone to push from."""

    def __init__(self, folder, url):
        self.folder = str(folder)
        os.makedirs(self.folder)
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "nap", url)

    def run(self, *args, **kw):
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0",
                   GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
        return subprocess.run(["git", *args], cwd=self.folder, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=kw.pop("timeout", 60), **kw)

    def git(self, *args, **kw):
        r = self.run(*args, **kw)
        assert r.returncode == 0, r.stdout
        return r.stdout.strip()

    def write(self, **files):
        for name, text in files.items():
            name = name.replace("__", "/")
            path = os.path.join(self.folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())

    def commit(self, message="a change", **files):
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *args, **kw):
        return self.run("push", *(args or ("nap", "main")), **kw)


wait_until = patience(10, 0.05)
