"""A whole nap as ./up starts it, and a git host beside it; conftest.py makes fixtures of them."""
import base64
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid

from waiting import patience

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


wait_until = patience(60, 0.1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)


def ask(port, method, path, body=None, headers=None, timeout=90):
    """One request to 127.0.0.1:port. body: bytes, text, or what becomes JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request(method, path, body, headers)
        r = c.getresponse()
        return Answer(r.status, r.headers, r.read())
    finally:
        c.close()


class Tenant:
    """A tenant with a token of all scopes."""

    def __init__(self, nap, name, token, password):
        self.nap, self.name, self.token, self.password = nap, name, token, password

    def api(self, method, path, body=None, headers=None, **kw):
        return self.nap.api(method, path, body, headers, token=self.token, **kw)

    def deploy(self, url, name=None, wait=60, **more):
        """By URL; gives the app's body when the operation has succeeded."""
        body = {"url": url, **({"name": name} if name else {}), **more}
        r = self.api("POST", "/apps", body, {"Prefer": f"wait={wait}"})
        if r.status == 202:
            assert self.outcome(r.json()["operation"]["id"])["state"] == "succeeded", r
        else:
            assert r.status == 200, r
        return self.app(r.json()["app"]["name"])

    def app(self, name):
        r = self.api("GET", f"/apps/{name}")
        assert r.status == 200, r
        return r.json()

    def outcome(self, operation, seconds=120):
        """The operation, ended."""
        def ended():
            r = self.api("GET", f"/operations/{operation}?wait=20")
            assert r.status in (200, 409), r
            return r.json() if r.json()["state"] not in ("receiving", "queued", "running") else None

        return wait_until(ended, seconds)

    def visit(self, app, path="/", method="GET", headers=None, body=None, timeout=30):
        """A request to the app's address."""
        where = urllib.parse.urlsplit(app["address"])
        return ask(where.port or 80, method, path, body, {"Host": where.netloc, **(headers or {})}, timeout)

    def git_url(self, app):
        return f"http://{self.name}:{self.token}@127.0.0.1:{self.nap.port}/git/{self.name}/{app}.git"


class Nap:
    """One copy of nap."""

    def __init__(self, folder, **settings):
        self.state = os.path.join(folder, "s")
        self.password = None
        self.port, self.ssh_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("NAP_") or k == "NAP_BUILD"}
        self.env.update(NAP_STATE=self.state, NAP_PORT=str(self.port), NAP_SSH_PORT=str(self.ssh_port), NAP_GIT_PRIVATE="1",
                        NAP_GIT_PROTOCOLS="https ssh http file", NAP_DRAIN="2", NAP_PORT_REST="5", **settings)

    def up(self, *options, timeout=600):
        r = subprocess.run([os.path.join(TOP, "up"), *options], env=self.env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
        self.said = r.stdout
        return r.returncode

    def start(self):
        assert self.up("--detach") == 0, self.said
        first = re.search(r"password (\S+)", self.said)    # told once, by the first start
        self.password = first[1] if first else self.password

    def stop(self):
        assert self.up("--stop") == 0, self.said

    @property
    def admin_token(self):
        with open(os.path.join(self.state, "admin-token")) as f:
            return f.read().strip()

    def api(self, method, path, body=None, headers=None, token=None, **kw):
        headers = {"Authorization": f"Bearer {token or self.admin_token}", **(headers or {})}
        return ask(self.port, method, "/api/v1" + path, body, headers, **kw)

    def tenant(self, **more):
        """A fresh tenant, made by the operator, signed in once for a token."""
        name, password = "t" + str(uuid.uuid4().int)[:9], uuid.uuid4().hex
        r = self.api("POST", "/tenants", {"name": name, "password": password, **more})
        assert r.status == 201, r
        r = ask(self.port, "POST", "/api/v1/session", {"tenant": name, "password": password},
                {"Origin": self.url, "Sec-Fetch-Site": "same-origin"})
        assert r.status == 201, r
        signed = {"Cookie": r.headers["Set-Cookie"].split(";")[0], "X-CSRF-Token": r.json()["csrf"],
                  "Sec-Fetch-Site": "same-origin"}
        r = ask(self.port, "POST", "/api/v1/tokens", {"name": "test", "scopes": ["read", "deploy", "manage"]}, signed)
        assert r.status == 201, r
        return Tenant(self, name, r.json()["token"], password)

    def service_log(self, name, lines=40):
        with open(f"{self.state}/service/{name}/log/main/current", errors="replace") as f:
            return "".join(f.readlines()[-lines:])


class Ssh:
    """A person's ssh, with a key of a tenant's."""

    def __init__(self, tenant, folder, name="laptop"):
        self.tenant, self.key = tenant, os.path.join(folder, name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.key], check=True)
        with open(self.key + ".pub") as f:
            self.public = f.read().strip()
        r = tenant.api("POST", "/keys", {"name": name, "key": self.public})
        assert r.status == 201, r
        self.id = r.json()["id"]
        self.options = ["-F", "/dev/null", "-p", str(tenant.nap.ssh_port), "-i", self.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                        "-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={folder}/known_hosts"]
        self.host = f"{tenant.name}@127.0.0.1"
        # nap's leader writes the file that sshd reads
        wait_until(lambda: self.run().returncode == 0)

    def run(self, *words, options=(), user=None):
        return subprocess.run(["ssh", "-T", *self.options, *options, user or self.host, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)

    def git(self, *args, cwd=None):
        return run_git("-c", "core.sshCommand=ssh " + " ".join(self.options), *args, cwd=cwd)


class GitHost:
    """Serves repositories by git's smart HTTP, as a git host on this machine does."""

    def __init__(self, folder):
        self.folder = folder
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def run(self):
                host.answer(self)

            do_GET = do_POST = run

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        path, _, query = request.path.partition("?")
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if request.headers.get("Transfer-Encoding") == "chunked":
            while (n := int(request.rfile.readline(), 16)):
                body += request.rfile.read(n)
                request.rfile.readline()
            request.rfile.readline()
        env = dict(os.environ, GIT_PROJECT_ROOT=self.folder, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path,
                   QUERY_STRING=query, REQUEST_METHOD=request.command, CONTENT_LENGTH=str(len(body)),
                   CONTENT_TYPE=request.headers.get("Content-Type", ""),
                   HTTP_CONTENT_ENCODING=request.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=request.headers.get("Git-Protocol", ""))
        out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        status = next((v for k, v in fields if k == "Status"), "200")
        request.send_response(int(status.split()[0]))
        for key, value in fields:
            if key != "Status":
                request.send_header(key, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def repo(self, name, files, message="first"):
        """Makes the repository NAME, or adds a commit to it; gives its URL."""
        path = os.path.join(self.folder, name + ".git")
        if not os.path.isdir(path):
            git("init", "-q", "--bare", "-b", "main", path)
        with tempfile.TemporaryDirectory() as work:
            if git("-C", path, "for-each-ref"):
                git("clone", "-q", path, work)
            else:
                git("init", "-q", "-b", "main", work)
                git("-C", work, "remote", "add", "origin", path)
            write_files(work, files)
            git("-C", work, "add", "-A")
            git("-C", work, "commit", "-q", "--allow-empty", "-m", message)
            git("-C", work, "push", "-q", "origin", "HEAD:main")
        return f"http://127.0.0.1:{self.port}/{name}.git"

    def head(self, name):
        return git("-C", os.path.join(self.folder, name + ".git"), "rev-parse", "main")


GIT_ENV = dict(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0", GIT_AUTHOR_NAME="a",
               GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")


def run_git(*args, cwd=None, timeout=180):
    return subprocess.run(["git", *args], cwd=cwd, env={**os.environ, **GIT_ENV}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)


def git(*args, **kw):
    r = run_git(*args, **kw)
    assert r.returncode == 0, r.stdout
    return r.stdout.strip()


def write_files(folder, files):
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())


# An app that says who it is, at /; ends at /exit?N; sleeps at /slow?SECONDS; shows its environment at /env.
WEB = """\
import http.server, json, os, sys, threading, time, urllib.parse
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/exit":
            os._exit(int(query or 0))
        if path == "/slow":
            time.sleep(float(query))
        body = {"instance": os.environ["NAP_INSTANCE"], "release": os.environ["NAP_RELEASE"], "word": WORD}
        if path == "/env":
            body = dict(os.environ)
        if path == "/headers":
            body = dict(self.headers)
        if path == "/print":
            print(urllib.parse.unquote(query), flush=True)
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *a):
        pass
WORD = "one"
print("listening on", os.environ["PORT"], flush=True)
s = http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), H)
s.daemon_threads = True
s.serve_forever()
"""


def web_app(word="one", scale=1, more="", memory="64m"):
    return {"profile": f"command: exec python3 app.py\nmemory: {memory}\nscale: {scale}\n{more}",
            "app.py": WEB.replace('WORD = "one"', f"WORD = {word!r}")}


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def temporary_folder():
    """Short, for the sockets' sake, and open to the users that nap's processes have."""
    folder = tempfile.mkdtemp(prefix="nap-", dir="/tmp")
    os.chmod(folder, 0o755)
    return folder


def remove_folder(folder):
    shutil.rmtree(folder, ignore_errors=True)
