"""nap-api behind a real nginx, with a private PostgreSQL and nothing else of nap: what test_serve_*.py drive.

Stack(folder) starts all in the folder; close() ends all.
"""
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time

from database import PG_BIN, Cluster
from push_server import program, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS = 3


def have_stack():
    return bool(program("nap-api") and PG_BIN and shutil.which("nginx") and shutil.which("psql"))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, r):
        self.status, self.headers, self.body = r.status, r.headers, r.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json.get("code")

    def __repr__(self):
        return "<%d %s>" % (self.status, self.body[:400])


class Stack:
    def __init__(self, folder, **settings):
        self.folder = str(folder)
        self.children = []
        self.settings = settings
        self.stopping = False
        for d in ("run/web", "run/hook", "run/node", "logs", "nginx", "upload"):
            os.makedirs(os.path.join(self.folder, d), exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.port = self.free_port()
        self.db = self.nginx = self.listener = None
        try:
            self.start_db()
            self.start_api()
            self.start_nginx()
            self.admin = self.tenant("admin", role="admin")
        except BaseException:
            self.close()
            raise

    @staticmethod
    def free_port():
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def path(self, below):
        return os.path.join(self.folder, below)

    # PostgreSQL --------------------------------------------------------------------------------------------------

    def start_db(self):
        self.db = Cluster(self.folder)
        self.db.migrate("nap")

    def sql(self, text, **kw):
        return self.db.sql(text, **kw)

    # nap-api -----------------------------------------------------------------------------------------------------

    def start_api(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path("run/web/api.sock"))
        self.listener.listen(1024)
        os.chmod(self.path("run/web/api.sock"), 0o666)
        env = {"PATH": os.environ["PATH"], "NAP_STATE": self.folder, "NAP_PORT": str(self.port)}
        env.update({"NAP_" + k.upper(): str(v) for k, v in self.settings.items()})
        self.log = open(self.path("logs/api"), "ab")

        def keep():                                     # as multiwatch does
            while not self.stopping:
                child = subprocess.Popen([program("nap-api")], stdin=self.listener, stdout=self.log, stderr=self.log, env=env)
                self.children.append(child)
                child.wait()
                time.sleep(0.05)

        self.keepers = [threading.Thread(target=keep, daemon=True) for _ in range(WORKERS)]
        for t in self.keepers:
            t.start()

    def start_nginx(self):
        conf = self.path("nginx/nginx.conf")
        with open(conf, "w") as f:
            f.write(NGINX.replace("PARAMS", PARAMS).replace("FOLDER", self.folder).replace("PORT", str(self.port))
                    .replace("USER", "user root root;" if os.getuid() == 0 else ""))
        self.nginx = subprocess.Popen(["nginx", "-p", self.path("nginx"), "-c", conf, "-g", "daemon off;"],
                                      stdout=subprocess.DEVNULL, stderr=open(self.path("logs/nginx"), "ab"))
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0)

    def close(self):
        self.stopping = True
        if self.nginx:
            self.nginx.send_signal(signal.SIGQUIT)
        for c in self.children:
            if c.poll() is None:
                c.terminate()
        for c in self.children:
            c.wait(20)
        if self.nginx:
            self.nginx.wait(20)
        if self.listener:
            self.listener.close()
        if self.db:
            self.db.close()

    # Use ---------------------------------------------------------------------------------------------------------

    def tenant(self, name, role="tenant", **quota):
        q = dict(memory=4 << 30, instances=100, apps=200, disk=10 << 30)
        q.update(quota)
        self.sql("INSERT INTO tenant (name, role, quota_memory, quota_instances, quota_apps, quota_disk) "
                 "VALUES ('%s', '%s', %d, %d, %d, %d)" % (name, role, q["memory"], q["instances"], q["apps"], q["disk"]))
        return self.token(name, "manage")

    def token(self, tenant, scopes, app=None, name="t", expires="NULL"):
        token = "nap_" + secrets.token_urlsafe(32)
        bound = "(SELECT a.id FROM app a JOIN tenant t ON t.id = a.tenant_id WHERE t.name = '%s' AND a.name = '%s')" % (
            tenant, app) if app else "NULL"
        self.sql("INSERT INTO token (tenant_id, name, hash, scopes, app_id, expires_at) SELECT id, '%s', '\\x%s', '{%s}', %s, %s "
                 "FROM tenant WHERE name = '%s'" % (name, hashlib.sha256(token.encode()).hexdigest(), scopes, bound, expires,
                                                    tenant))
        return token

    def call(self, method, path, json_body=None, token=None, body=None, headers=None, door=None):
        """door None: the manager's host, path below /api/v1; else "node" or "hook" """
        h = dict(headers or {})
        if token:
            h["Authorization"] = "Bearer " + token
        if json_body is not None:
            body = json.dumps(json_body)
            h.setdefault("Content-Type", "application/json")
        if door:
            c = UnixConnection(self.path("run/%s/%s.sock" % (door, door)))
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            path = "/api/v1" + path
        c.request(method, path, body.encode() if isinstance(body, str) else body, h)
        a = Answer(c.getresponse())
        c.close()
        return a

    def git_auth(self, tenant, app, service, basic=None, path="info/refs"):
        import base64
        h = {"X-Tenant": tenant, "X-App": app, "X-Service": service, "X-Path": path}
        if basic is not None:
            h["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request("GET", "/test-git-auth", None, h)
        a = Answer(c.getresponse())
        c.close()
        return a


NGINX = """
USER
worker_processes 1;
pid FOLDER/nginx/pid;
error_log stderr warn;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path FOLDER/nginx/body;
	proxy_temp_path FOLDER/nginx/proxy;
	fastcgi_temp_path FOLDER/nginx/fastcgi;
	uwsgi_temp_path FOLDER/nginx/uwsgi;
	scgi_temp_path FOLDER/nginx/scgi;
	client_max_body_size 300m;
	upstream api {
		server unix:FOLDER/run/web/api.sock max_fails=0;
		server unix:FOLDER/run/web/api.sock max_fails=0;
	}
	server {
		listen 127.0.0.1:PORT;
		location / { return 404; }
		location /api/v1/ { PARAMS fastcgi_param NAP_DOOR public; fastcgi_pass api; }
		location /.files/ {
			internal;
			default_type application/json;
			add_header Request-Id $request_id;
			return 200 '{"items":[],"next":null,"asked":"$uri?$args"}';
		}
		location = /test-git-auth {
			PARAMS
			fastcgi_param NAP_DOOR auth;
			fastcgi_param NAP_TENANT $http_x_tenant;
			fastcgi_param NAP_APP $http_x_app;
			fastcgi_param NAP_SERVICE $http_x_service;
			fastcgi_param NAP_PATH $http_x_path;
			fastcgi_pass api;
		}
	}
	server {
		listen unix:FOLDER/run/node/node.sock;
		location / { PARAMS fastcgi_param NAP_DOOR node; fastcgi_pass api; }
	}
	server {
		listen unix:FOLDER/run/hook/hook.sock;
		location / { PARAMS fastcgi_param NAP_DOOR hook; fastcgi_pass api; }
	}
}
"""

# within a location, since one fastcgi_param there hides all those above it
PARAMS = """
fastcgi_param REQUEST_METHOD $request_method;
fastcgi_param REQUEST_URI $request_uri;
fastcgi_param CONTENT_TYPE $content_type;
fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param REMOTE_ADDR $remote_addr;
fastcgi_param REQUEST_ID $request_id;
"""
