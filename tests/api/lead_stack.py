"""The leader with everything around it that it talks to: a private PostgreSQL, a fake fleet, a nginx that only answers
its generation, and the machines' side (announcements, ends of runs) played by the test. What test_lead.py drives.

Apps are made as rows, as nap-api and the jobs make them.
"""
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time

from database import PG_BIN, Psql
from push_server import program

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from fake_fleet import Fleet  # noqa: E402
from waiting import patience

MIB = 1 << 20


def have_lead():
    return bool(program("nap-worker") and PG_BIN and shutil.which("psql"))


class ContentType(dict):
    def __init__(self):
        super().__init__({"Content-Type": "application/json"})

    def get_all(self, name):
        return [self[name]]


until = patience(20)


class Nginx:
    """Answers the generation of routes.conf as of the last "h" in the control pipe, as the apps' nginx does."""

    def __init__(self, state):
        self.routes = os.path.join(state, "nginx/routes.conf")
        self.text = ""
        self.reloads = 0
        self.deaf = False
        pipe = os.path.join(state, "service/apps/supervise/control")
        os.makedirs(os.path.dirname(pipe))
        os.mkfifo(pipe)
        self.pipe = os.open(pipe, os.O_RDWR)
        nginx = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while self.rfile.readline().strip():
                    pass
                found = re.search(r'default "(\d+\.\d+)"', nginx.text)
                text = found.group(1) if found else "0.0"
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                                 % (len(text), text.encode()))

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(os.path.join(state, "run/web/routes.sock"), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while os.read(self.pipe, 1) == b"h":
            self.reloads += 1
            if not self.deaf:
                self.read()

    def read(self):
        with open(self.routes) as f:
            self.text = f.read()

    def upstream(self, app_id):
        """Addresses that requests to the app go to."""
        block = re.search(r"upstream app_%d \{(.*?)\n\}" % app_id, self.text, re.S)
        if block:
            return sorted(re.findall(r"server (\S+)", block.group(1)))
        one = re.search(r"map \$nap_app \$nap_upstream \{(.*?)\n\}", self.text, re.S)
        return re.findall(r"\t%d (\S+);" % app_id, one.group(1)) if one else []

    def page(self, app_id):
        block = re.search(r"map \$nap_app \$nap_page \{(.*?)\n\}", self.text, re.S)
        found = re.search(r"\t%d (\w+);" % app_id, block.group(1)) if block else None
        return found.group(1) if found else None

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        os.write(self.pipe, b"x")


class Machines(threading.Thread):
    """What nap-node does on the machines: announces what runs and listens, reports what ended."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.stack, self.closing = stack, False
        self.mute = set()                   # units that nobody announces
        self.sick = set()                   # units announced as unhealthy
        self.silent = set()                 # patterns of apps that never listen
        self.said = {}

    def run(self):
        sql = Psql(self.stack.database.socket)
        while not self.closing:
            running = set(self.stack.fleet.running())
            for side in [u for u in running if "_discovery@" in u]:
                unit = side.replace("_discovery@", "@")
                healthy = unit in running and unit not in self.sick and not any(re.search(p, unit) for p in self.silent)
                last = self.said.get(unit, (None, 0))
                if unit in self.mute or last[0] == healthy and time.monotonic() - last[1] < 0.5:
                    continue
                sql("SELECT nap_node_announce('%s', %s)" % (unit, healthy))
                self.said[unit] = (healthy, time.monotonic())
            time.sleep(0.02)
        sql.close()


class Lead:
    """One leader's world. close() ends all of it."""

    def __init__(self, database, folder, scale=0.03, agent=False, machines=3, **settings):
        self.database, self.folder = database, str(folder)
        for d in ("run/web", "run/agent", "nginx", "logs"):
            os.makedirs(os.path.join(self.folder, d))
        os.symlink(database.socket, os.path.join(self.folder, "run/db"))
        database.fresh()
        self.sql = Psql(database.socket)
        path = os.path.join(self.folder, "run/agent/agent.sock")
        if agent:
            os.symlink(path, os.path.join(self.folder, "run/agent/read.sock"))
        self.fleet = Fleet(path, scale=scale, agent=agent, machines=1 if agent else machines).start()
        self.nginx = Nginx(self.folder)
        self.settings = {"state": self.folder, "drain": 0, "port_rest": 600, "block_port": 20000, "domain": "localhost",
                         "ready_timeout": 5, "orphan_grace": 2, "silence_grace": 2, "engine": "" if agent else "unix://" + path, **settings}
        self.leaders = []
        self.machines = Machines(self)
        self.machines.start()
        self.tenant_id = int(self.sql("INSERT INTO tenant (name, quota_memory, quota_instances, quota_apps, quota_disk) VALUES "
                                      "('acme', 1::bigint << 40, 5000, 500, 1::bigint << 40) RETURNING id")[0][0])
        self.installation = self.sql("SELECT id FROM installation")[0][0]

    def lead(self):
        """Starts a (further) leader."""
        env = {"PATH": os.environ["PATH"], **{"NAP_" + k.upper(): str(v) for k, v in self.settings.items()}}
        log = open(os.path.join(self.folder, "logs/lead.%d" % len(self.leaders)), "wb")
        child = subprocess.Popen([program("nap-worker"), "lead"], env=env, stderr=log, stdout=log)
        self.leaders.append(child)
        return child

    def close(self):
        for child in self.leaders:
            child.terminate()
        codes = [child.wait(30) for child in self.leaders]
        print(self.log()[-8000:])           # pytest shows it where a test fails
        for row in self.sql("SELECT unit, port, want, state, reason, listened, exit_result FROM instance"):
            print(row)
        self.machines.closing = True
        self.machines.join()
        self.nginx.close()
        self.fleet.close()
        self.sql.close()
        assert all(c in (0, -9) for c in codes), "a leader ended with %s:\n%s" % (codes, self.log()[-6000:])

    def log(self):
        text = ""
        for n in range(len(self.leaders)):
            with open(os.path.join(self.folder, "logs/lead.%d" % n), errors="replace") as f:
                text += f.read()
        return text

    # what the API and the jobs write ------------------------------------------------------------------------------

    def main_unit(self, memory=64 * MIB, sidekick=True):
        options = [("Unit", "Description", "nap %p %i"), ("Service", "ExecStart", "/bin/sh -c 'exec run'"),
                   ("Service", "MemoryMax", str(memory)), ("Service", "CapabilityBoundingSet", "")]
        if sidekick:
            options.append(("X-Fleet", "MachineOf", "%p_discovery@%i.service"))
        return self.options(options)

    def options(self, options):
        options = [*options, ("X-Nap", "Installation", self.installation)]
        return json.dumps([{"section": s, "name": n, "value": v} for s, n, v in options]).replace("'", "''")

    def app(self, name, instances=1, memory=64 * MIB, **more):
        """An app and its first release, being started. Returns its id."""
        app = int(self.sql("INSERT INTO app (tenant_id, name, group_name, memory_bytes, scale_profile, deployed) VALUES "
                           "(%d, '%s', '%s', %d, %d, true) RETURNING id"
                           % (self.tenant_id, name, name, memory, instances))[0][0])
        self.release(app, memory=memory, **more)
        return app

    def release(self, app, memory=64 * MIB, sidekick=True, health=""):
        """A further release of an app, being started. Returns its id."""
        side = self.options([("Service", "ExecStart", "+/bin/announce %n")])
        row = self.sql("INSERT INTO app_counter AS c (tenant, app, release_no) SELECT 'acme', name, 1 FROM app WHERE id = %d "
                       "ON CONFLICT (tenant, app) DO UPDATE SET release_no = c.release_no + 1 RETURNING release_no" % app)
        number = int(row[0][0])
        release = int(self.sql(
            "INSERT INTO release (tenant_id, app_id, number, kind, commit, profile_text, profile, start, command, memory_bytes, "
            "scale, health, sidekick, main_unit, sidekick_unit, state) VALUES (%d, %d, %d, 'deploy', repeat('a', 40), '', '{}', "
            "'', '', %d, (SELECT scale_profile FROM app WHERE id = %d), '%s', %s, '%s', '%s', 'starting') RETURNING id"
            % (self.tenant_id, app, number, memory, app, health, sidekick, self.main_unit(memory, sidekick), side))[0][0])
        self.sql("UPDATE app SET next_release_id = %d WHERE id = %d" % (release, app))
        return release

    def switch(self, app):
        """What the job does when the release that starts is ready."""
        self.sql("UPDATE release SET state = 'retired' WHERE app_id = %d AND state = 'live'; "
                 "UPDATE release SET state = 'live' WHERE id = (SELECT next_release_id FROM app WHERE id = %d); "
                 "UPDATE app SET release_id = next_release_id, next_release_id = NULL, switched_at = now() WHERE id = %d"
                 % (app, app, app))

    def deploy(self, app, release=None):
        """Waits until the release that starts is ready, switches, waits until it is routed."""
        release = release or int(self.value("SELECT next_release_id FROM app WHERE id = %d" % app))
        n = int(self.value("SELECT instances FROM app WHERE id = %d" % app))
        until(lambda: self.count("release_id = %d AND state = 'ready'" % release) == n, 90)
        self.switch(app)
        until(lambda: self.value("SELECT routed_release_id FROM app WHERE id = %d" % app) == str(release))
        return release

    def asked(self, app, kind="scale"):
        """An operation of the app ran just now."""
        self.sql("INSERT INTO operation (tenant_id, app_id, kind, state, ended_at) VALUES (%d, %d, '%s', 'succeeded', now())"
                 % (self.tenant_id, app, kind))

    def web(self, name="web", instances=1, **more):
        """An app that serves. Returns its id."""
        app = self.app(name, instances, **more)
        self.deploy(app)
        self.quiet(app)
        return app

    def units(self, app):
        return [r[0] for r in self.sql("SELECT unit FROM instance WHERE app_id = %d ORDER BY unit" % app)]

    def events(self, kind):
        return int(self.value("SELECT count(*) FROM event WHERE kind = '%s'" % kind))

    def put(self, name, *options, desired="launched"):
        """What a foreign hand does."""
        with self.fleet.lock:
            self.fleet.put(name, ContentType(), json.dumps({"desiredState": desired, "options": [
                {"section": s, "name": n, "value": v} for s, n, v in options]}).encode())

    def scale(self, app, n):
        self.asked(app)
        self.sql("UPDATE app SET scale_override = %d WHERE id = %d" % (n, app))

    def ended(self, unit, result="finished", code=0, listened=False):
        self.sql("SELECT nap_node_exit('%s', '%s-%f', now(), now(), %s, NULL, '%s', 0, '', %s)"
                 % (unit, unit, time.time(), code, result, listened))

    # what came of it ----------------------------------------------------------------------------------------------

    def value(self, sql):
        rows = self.sql(sql)
        return rows[0][0] if rows else None

    def rows_of(self, sql):
        return [str(r[0]) for r in self.sql(sql)]

    def count(self, where):
        return int(self.value("SELECT count(*) FROM instance WHERE " + where))

    def rows(self, app=None):
        """(release number, number, state) of all instances"""
        where = "WHERE i.app_id = %d" % app if app else ""
        return [(int(a), int(b), c) for a, b, c in self.sql(
            "SELECT r.number, i.number, i.state FROM instance i JOIN release r ON r.id = i.release_id %s ORDER BY 1, 2" % where)]

    def state(self, app):
        return self.value("SELECT state FROM app WHERE id = %d" % app)

    def ready(self, app, n):
        until(lambda: self.count("app_id = %d AND state = 'ready'" % app) == n)

    def declared(self):
        """The units that PostgreSQL says there are."""
        names = []
        for unit, sidekick in self.sql("SELECT i.unit, r.sidekick FROM instance i JOIN release r ON r.id = i.release_id"):
            names.append(unit)
            if sidekick == "t":
                names.append(unit.replace("@", "_discovery@"))
        return sorted(names)

    def servers(self, app):
        return sorted("%s:%s" % (a, p) for a, p in self.sql(
            "SELECT i.address, i.port FROM instance i JOIN app a ON a.id = i.app_id AND a.release_id = i.release_id "
            "WHERE a.id = %d AND i.want = 'run' AND i.state = 'ready' AND i.listened" % app))

    def quiet(self, *apps):
        """Everything is as declared: units, what runs, routes."""
        def is_so():
            if self.count("state NOT IN ('ready', 'finished', 'failed')"):
                return False
            if self.fleet.names() != self.declared() or self.fleet.running() != self.declared():
                return False
            return all(self.nginx.upstream(a) == self.servers(a) for a in apps)
        until(is_so, 40)

    def kill_leader(self):
        child = self.leaders[-1]
        child.kill()
        child.wait(10)
