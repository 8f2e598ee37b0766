"""The apps' nginx as ./up configures it, in front of an app made of Python, without the rest of nap."""
import http.client
import os
import shutil
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from push_server import wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")


HALF = bytes(range(256)) * (64 << 10)       # 16 MiB: more than all buffers on the way


class App(BaseHTTPRequestHandler):
    """answers with the headers that the request asks for"""
    protocol_version = "HTTP/1.1"
    answer = []
    goes_on = threading.Event()

    def do_GET(self):
        if self.headers["Upgrade"] == "websocket":
            return self.echo()
        if self.path == "/long":
            return self.long()
        self.send_response(200)
        for name, value in self.answer:
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def echo(self):
        """what comes, after the handshake of RFC 6455 section 1.3, in both directions until the visitor leaves"""
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", self.headers["Sec-WebSocket-Key"])):
            self.send_header(name, value)
        self.end_headers()
        while data := self.connection.recv(65536):
            self.connection.sendall(data)
        self.close_connection = True

    def long(self):
        """a beginning, and the rest when the visitor has it"""
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(HALF)))
        self.end_headers()
        self.wfile.write(HALF)
        self.wfile.flush()
        if self.goes_on.wait(60):
            self.wfile.write(HALF)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *a):
        pass


class Stack:
    """the two nginx, and an app on the host web-acme; dead-acme has an instance that is not there, some-acme one of three"""

    def __init__(self, state):
        self.state = state
        self.app = ThreadingHTTPServer(("127.0.0.1", 0), App)
        threading.Thread(target=self.app.serve_forever, daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b, \
                socket.create_server(("127.0.0.1", 0)) as c:
            dead, more, self.port = (s.getsockname()[1] for s in (a, b, c))
        words = {"@S@": str(state), "@LISTEN@": "127.0.0.1", "@PORT@": str(self.port), "@NAMES@": "localhost",
                 "@APPS@": "*.localhost", "@WAIT_MAX@": "4", "@UPLOAD_MAX@": "4m"}
        for f in os.listdir(TOP + "/nginx"):
            with open(TOP + "/nginx/" + f) as t:
                text = t.read()
            for word, value in words.items():
                text = text.replace(word, value)
            (state / "nginx" / f).write_text(text)
        (state / "nginx/routes.conf").write_text(
            'map "" $nap_generation { default "1.1"; }\n'
            'map $host $nap_app { default "1"; dead-acme.localhost "2"; some-acme.localhost "3"; off-acme.localhost "4"; }\n'
            'upstream app_3 { random two least_conn; server 127.0.0.1:%d max_fails=1 fail_timeout=2s;'
            ' server 127.0.0.1:%d max_fails=1 fail_timeout=2s; server 127.0.0.1:%d max_fails=1 fail_timeout=2s; keepalive 16; }\n'
            'map $nap_app $nap_upstream { default "127.0.0.1:%d"; 2 "127.0.0.1:%d"; 3 app_3; 4 ""; }\n'
            'map $nap_app $nap_page { default starting; 4 stopped; }\n'
            % (dead, more, self.app.server_port, self.app.server_port, dead))
        self.nginx = {n: self.start(n) for n in ("apps", "front")}

    def start(self, name):
        p = subprocess.Popen(["nginx", "-p", str(self.state / "nginx"), "-c", name + ".conf"],
                             stderr=open(self.state / ("said." + name), "wb"))
        socket_of = {"apps": "run/web/apps.sock", "front": "run/node/node.sock"}[name]
        wait_until(lambda: p.poll() is not None or (self.state / socket_of).exists())
        return p

    def ask(self, host, front=False, method="GET", body=None, path="/"):
        """(status, Retry-After, text, headers)"""
        for name, p in self.nginx.items():
            assert p.poll() is None or name == "apps", (self.state / ("said." + name)).read_text()
        c = http.client.HTTPConnection(host, timeout=20)
        if front:
            c.sock = socket.create_connection(("127.0.0.1", self.port), 20)
        else:
            c.sock = socket.socket(socket.AF_UNIX)
            c.sock.connect(str(self.state / "run/web/apps.sock"))
        c.request(method, path, body)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, r.headers["Retry-After"], text, r.msg

    def end(self):
        for p in self.nginx.values():
            p.terminate()
        for p in self.nginx.values():
            p.wait(20)
        self.app.shutdown()
        self.app.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    state = tmp_path_factory.mktemp("apps")
    for d in ("run/web", "run/git", "run/node", "nginx/tmp"):
        os.makedirs(state / d)
    for p in (state, *state.parents, state / "nginx/tmp"):
        if str(p).startswith("/tmp/"):
            os.chmod(p, 0o777 if p.name == "tmp" else 0o755)
    s = Stack(state)
    yield s
    s.end()


@pytest.fixture
def visit(stack):
    """visit(headers of the app) -> the Set-Cookie headers that the visitor gets"""
    def get(*headers):
        App.answer = headers
        status, _, text, msg = stack.ask("web-acme.localhost")
        assert (status, text) == (200, "ok")
        return msg.get_all("Set-Cookie")

    yield get
    App.answer = []


def cookies(*values):
    return [("Set-Cookie", v) for v in values]


def test_an_app_cannot_set_the_managers_cookie(visit):
    assert visit(*cookies("a=1; Path=/", "nap_session_8080=evil; Path=/", "b=2; HttpOnly")) == ["a=1; Path=/", "b=2; HttpOnly"]
    assert visit(*cookies("nap_session_8080=evil; Secure")) is None
    # a name of any case or with blanks, and none at all: the browser would send the value as if it were one
    assert visit(*cookies("NAP_SESSION_1=x", "=nap_session_8080=x", " nap_session_9", "=  nap_session_8080=y", "c=3")) == ["c=3"]


def test_an_apps_own_cookies_pass_as_they_are(visit):
    own = ["a=nap_session_8080", "nap=1; Path=/x; HttpOnly", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"]
    assert visit(*cookies(*own)) == own
    assert visit() is None
    assert visit(*cookies("d=4; Domain=localhost")) == ["d=4; Domain=web-acme.localhost"]


def is_naps(text, title):
    return "<title>%s</title>" % title in text and "nginx" not in text


def test_an_instance_that_is_not_there_is_naps_page_and_not_nginxs(stack):
    for front in (False, True):
        status, again, text, _ = stack.ask("dead-acme.localhost", front)
        assert (status, again) == (502, "2") and is_naps(text, "Starting")
        status, again, text, _ = stack.ask("off-acme.localhost", front)
        assert (status, again) == (503, None) and is_naps(text, "Stopped")


def test_what_a_dead_instance_refused_another_one_answers(stack):
    for n in range(12):
        assert stack.ask("some-acme.localhost", front=n % 2)[0] == 200
        # it was refused before a byte of it was sent: what must not be repeated goes on too
        assert stack.ask("some-acme.localhost", front=n % 2, method="POST", body=b"x")[0] == 200


def connect(stack):
    return socket.create_connection(("127.0.0.1", stack.port), 30)


def test_a_websocket_passes_both_nginx_in_both_directions(stack):
    with connect(stack) as s:
        s.sendall(b"GET /ws HTTP/1.1\r\nHost: web-acme.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        with s.makefile("rb") as f:
            assert f.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
            head = {line.strip().lower() for line in iter(f.readline, b"\r\n")}
            assert {b"upgrade: websocket", b"sec-websocket-key: dghlihnhbxbszsbub25jzq=="} <= head
            for n in range(50):
                s.sendall(b"%04d" % n)
                assert f.read(4) == b"%04d" % n


def test_a_long_download_comes_as_the_app_sends_it(stack):
    App.goes_on.clear()
    with connect(stack) as s:
        s.sendall(b"GET /long HTTP/1.1\r\nHost: web-acme.localhost\r\nConnection: close\r\n\r\n")
        with s.makefile("rb") as f:
            assert f.readline() == b"HTTP/1.1 200 OK\r\n"
            assert b"Content-Length: %d\r\n" % (2 * len(HALF)) in list(iter(f.readline, b"\r\n"))
            assert f.read(len(HALF)) == HALF        # nothing more has been sent: it was not waited for
            App.goes_on.set()
            assert f.read() == HALF
    # nor was it put down on a disk
    assert not [f for d in ("apps-proxy", "front-proxy") for _, _, names in os.walk(stack.state / "nginx/tmp" / d) for f in names]


def test_a_webhook_is_not_asked_more_often_than_it_may(stack):
    def deliver(path):
        return stack.ask("localhost", front=True, method="POST", body=b"{}", path="/api/v1/" + path)[0]

    # no nap-api is behind it: 502 is what came through
    said = [deliver("hooks/one")]
    while 429 not in said and len(said) < 1000:
        said.append(deliver("hooks/one"))
    assert len(said) > 20 and said.index(429) == len(said) - 1 and set(said) == {502, 429}
    assert deliver("hooks/two") == 502 and {deliver("apps") for _ in range(40)} == {502}


def test_without_the_apps_nginx_visitors_see_naps_page(stack):
    stack.nginx["apps"].terminate()
    stack.nginx["apps"].wait(20)
    status, again, text, _ = stack.ask("web-acme.localhost", front=True)
    assert (status, again) == (503, "2") and is_naps(text, "Not available")
    (stack.state / "run/web/apps.sock").unlink(missing_ok=True)
    assert stack.ask("web-acme.localhost", front=True)[:2] == (503, "2")
    stack.nginx["apps"] = stack.start("apps")
    assert stack.ask("web-acme.localhost", front=True)[:3] == (200, None, "ok")
