"""serve_stack.Stack with nap-stream beside nap-api, and a client that reads event streams as they come."""
import json
import os
import select
import socket
import subprocess
import time

from push_server import program, wait_until
import serve_stack


class Streams(serve_stack.Stack):
    def __init__(self, folder, **settings):
        serve_stack.NGINX = NGINX                       # read when the base starts nginx
        super().__init__(folder, **settings)
        self.stream = None
        self.stream_listener = socket.socket(socket.AF_UNIX)
        self.stream_listener.bind(self.path("run/web/stream.sock"))
        self.stream_listener.listen(1024)
        os.chmod(self.path("run/web/stream.sock"), 0o666)
        self.start_stream()

    def start_stream(self):
        env = {"PATH": os.environ["PATH"], "NAP_STATE": self.folder, "NAP_PORT": str(self.port)}
        self.stream = subprocess.Popen([program("nap-stream")], stdin=self.stream_listener,
                                       stderr=open(self.path("logs/stream"), "ab"), env=env)

    def close(self):
        if self.stream.poll() is None:
            self.stream.terminate()
            self.stream.wait(20)
        self.stream_listener.close()
        super().close()

    def follow(self, path, token, headers=None, receive=None):
        return Follower(self.port, path, token, headers or {}, receive)

    def app(self, tenant, name):
        self.sql("INSERT INTO app (tenant_id, name, group_name, memory_bytes) SELECT id, '%s', '%s', 268435456 FROM tenant "
                 "WHERE name = '%s'" % (name, name, tenant))
        return int(self.sql("SELECT a.id FROM app a JOIN tenant t ON t.id = a.tenant_id WHERE t.name = '%s' AND a.name = '%s'"
                            % (tenant, name)))

    def event(self, tenant, kind):
        self.sql("SELECT nap_event((SELECT id FROM tenant WHERE name = '%s'), '', '%s', '{}')" % (tenant, kind))

    def operation(self, tenant, app_id=0):
        return int(self.sql("INSERT INTO operation (tenant_id, app_id, app, kind, state, attempt) SELECT id, nullif(%d, 0), '', "
                            "'deploy', 'running', 1 FROM tenant WHERE name = '%s' RETURNING id" % (app_id, tenant)))

    def say(self, operation, line):
        self.sql("INSERT INTO operation_log (operation_id, seq, tenant_id, line) SELECT id, coalesce((SELECT max(seq) FROM "
                 "operation_log WHERE operation_id = %d), 0) + 1, tenant_id, '%s' FROM operation WHERE id = %d; "
                 "SELECT pg_notify('nap_operation', '%d')" % (operation, line, operation, operation))

    def log_lines(self, app_id, first, last, instance=1, text="line"):
        """as nap-worker logs writes them"""
        folder = self.path("logs/%d" % app_id)
        os.makedirs(folder, exist_ok=True)
        with open(folder + "/current", "a") as f:
            for n in range(first, last + 1):
                f.write("%d 2026-11-23T21:10:16.%06dZ 3 %d o %s %d\n" % (n, n, instance, text, n))
        self.sql("SELECT pg_notify('nap_log', '%d')" % app_id)


class Follower:
    """Messages of a stream: dicts of id, event, data; comments are counted."""

    def __init__(self, port, path, token, headers, receive=None):
        self.sock = socket.socket()
        if receive:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.sock.connect(("127.0.0.1", port))
        head = {"Host": "127.0.0.1:%d" % port, "Accept": "text/event-stream", "Authorization": "Bearer %s" % token, **headers}
        self.sock.sendall(("GET /api/v1%s HTTP/1.1\r\n%s\r\n" % (
            path, "".join("%s: %s\r\n" % kv for kv in head.items()))).encode())
        self.raw, self.text, self.messages, self.comments = b"", b"", [], 0
        self.head, self.status, self.last_id, self.ended = None, None, None, False

    def read(self, seconds=0.05):
        """takes what has come; False: the stream has ended"""
        if self.ended or not select.select([self.sock], [], [], seconds)[0]:
            return not self.ended
        some = self.sock.recv(1 << 20)
        self.ended = not some
        self.raw += some
        if self.head is None and b"\r\n\r\n" in self.raw:
            head, self.raw = self.raw.split(b"\r\n\r\n", 1)
            lines = head.decode().split("\r\n")
            self.status = int(lines[0].split()[1])
            self.head = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:])}
        if self.head is not None:
            self.unchunk()
        return not self.ended

    def unchunk(self):
        if self.head.get("transfer-encoding") != "chunked":
            self.text, self.raw = self.text + self.raw, b""
            return
        at, parts = 0, []
        while not self.ended:
            eol = self.raw.find(b"\r\n", at)
            if eol < 0:
                break
            n = int(self.raw[at:eol], 16)
            if len(self.raw) < eol + 4 + n:
                break
            parts.append(self.raw[eol + 2:eol + 2 + n])
            at = eol + 4 + n
            self.ended = n == 0
        self.raw = self.raw[at:]
        self.text += b"".join(parts)
        self.parse()

    def parse(self):
        *blocks, self.text = self.text.split(b"\n\n")
        for block in blocks:
            m = {}
            for line in block.decode().split("\n"):
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    key, _, value = line.partition(": ")
                    m[key] = value
            if "id" in m:
                self.last_id = m["id"]
            if "data" in m:
                m["data"] = json.loads(m["data"])
                self.messages.append(m)

    def until(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < end, "%r, %d messages, %r" % (self.status, len(self.messages), self.text[-300:])
            assert self.read() or condition(self), "the stream ended after %d messages" % len(self.messages)
        return self

    def until_open(self):
        return self.until(lambda f: f.status is not None)

    def until_n(self, n, seconds=30):
        return self.until(lambda f: len(f.messages) >= n, seconds)

    def until_end(self, seconds=30):
        end = time.monotonic() + seconds
        while self.read():
            assert time.monotonic() < end
        return self

    def data(self):
        return [m["data"] for m in self.messages]

    def close(self):
        self.sock.close()


NGINX = serve_stack.NGINX.replace("worker_connections 256", "worker_connections 2048").replace("""	upstream api {""", """	upstream stream {
		server unix:FOLDER/run/web/stream.sock max_fails=0;
		server unix:FOLDER/run/web/stream.sock max_fails=0;
	}
	map $http_accept $pool { default api; "~text/event-stream" stream; }
	upstream api {""").replace("fastcgi_param NAP_DOOR public; fastcgi_pass api;",
                               "fastcgi_param NAP_DOOR public; fastcgi_read_timeout 60s; fastcgi_pass $pool;")
