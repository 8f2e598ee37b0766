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


class App(BaseHTTPRequestHandler):
    """answers with the headers that the request asks for"""
    protocol_version = "HTTP/1.1"
    answer = []

    def do_GET(self):
        self.send_response(200)
        for name, value in self.answer:
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *a):
        pass


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """visit(headers of the app) -> the Set-Cookie headers that the visitor gets"""
    state = tmp_path_factory.mktemp("apps")
    for d in ("run/web", "nginx/tmp"):
        os.makedirs(state / d)
    for p in (state, *state.parents, state / "nginx/tmp"):
        if str(p).startswith("/tmp/"):
            os.chmod(p, 0o777 if p.name == "tmp" else 0o755)
    app = ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    for f in os.listdir(TOP + "/nginx"):
        with open(TOP + "/nginx/" + f) as t:
            (state / "nginx" / f).write_text(t.read().replace("@S@", str(state)))
    (state / "nginx/routes.conf").write_text(
        'map "" $nap_generation { default "1.1"; }\nmap $host $nap_app { default "1"; }\n'
        'map $host $nap_upstream { default "127.0.0.1:%d"; }\nmap $host $nap_page { default ""; }\n' % app.server_port)
    nginx = subprocess.Popen(["nginx", "-p", str(state / "nginx"), "-c", "apps.conf"],
                             stderr=open(state / "said", "wb"))
    wait_until(lambda: nginx.poll() is not None or (state / "run/web/apps.sock").exists())

    def get(*headers):
        assert nginx.poll() is None, (state / "said").read_text()
        App.answer = headers
        c = http.client.HTTPConnection("web-acme.localhost")
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.connect(str(state / "run/web/apps.sock"))
        c.request("GET", "/")
        r = c.getresponse()
        assert (r.status, r.read()) == (200, b"ok")
        c.close()
        return r.msg.get_all("Set-Cookie")

    yield get
    nginx.terminate()
    nginx.wait(20)
    app.shutdown()
    app.server_close()


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
