"""nap-worker with a private PostgreSQL and git, and a leader that is a few lines of SQL: what test_jobs.py drives.

The leader says that every instance that is wanted is ready, unless mode() told otherwise of its app: "bad" (failed) or
"slow" (still starting); builds end well unless their script holds "exit"."""
import json
import os
import signal
import subprocess
import threading
import time

from database import PG_BIN
from push_server import program, wait_until
from serve_stack import Stack

LEAD = """
UPDATE instance i SET want = 'gone' FROM app a WHERE a.id = i.app_id AND (a.stopped OR a.deleting OR i.number > CASE WHEN
  i.release_id = a.next_release_id THEN (SELECT coalesce(a.scale_override, r.scale) FROM release r WHERE r.id = i.release_id)
  ELSE a.instances END OR (i.release_id IS DISTINCT FROM a.release_id AND i.release_id IS DISTINCT FROM a.next_release_id));
DELETE FROM instance WHERE want = 'gone';
UPDATE instance SET want = 'run', state = 'ready', restarts = restarts + 1 WHERE want = 'restart';
INSERT INTO instance (tenant_id, app_id, release_id, number, unit, state, reason) SELECT a.tenant_id, a.id, r.id, n,
  t.name || '.' || a.name || '.v' || r.number || '@' || n || '.service', coalesce(m.state, 'ready'), CASE m.state WHEN 'failed' THEN
  'it ended at once' END FROM app a LEFT JOIN test_mode m ON m.name = a.name JOIN tenant t ON t.id = a.tenant_id JOIN release r ON r.id IN (a.release_id, a.next_release_id)
  CROSS JOIN LATERAL generate_series(1, CASE WHEN r.id = a.next_release_id THEN coalesce(a.scale_override, r.scale)
  ELSE a.instances END) n WHERE NOT a.stopped AND NOT a.deleting ON CONFLICT DO NOTHING;
UPDATE app SET routed_release_id = release_id WHERE routed_release_id IS DISTINCT FROM release_id;
UPDATE build SET state = 'gone' WHERE want = 'gone' AND state <> 'gone';
UPDATE engine SET reachable = true WHERE NOT reachable;
"""


def have_jobs():
    return bool(program("nap-worker") and PG_BIN)


class Jobs(Stack):
    def __init__(self, folder, **settings):
        self.folder, self.children, self.settings, self.stopping = str(folder), [], settings, False
        self.db = self.nginx = self.listener = None
        for d in ("logs", "git", "tree", "work", "source", "upload"):
            os.makedirs(os.path.join(self.folder, d), exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.start_db()
        self.sql("UPDATE engine SET reachable = true")
        self.sql("CREATE TABLE test_mode (name text PRIMARY KEY, state text)")
        self.tenant("acme")
        self.leading = True
        self.leader = threading.Thread(target=self.lead, daemon=True)
        self.leader.start()

    def close(self):
        self.stopping = True
        self.leader.join(20)                            # it uses the session that is closed next
        super().close()

    def lead(self):
        while not self.stopping:
            if self.leading:
                try:
                    self.sql(LEAD)
                    for row in self.sql("SELECT unit, result_tree, script FROM build WHERE state = 'waiting' AND "
                                         "want = 'run' AND script NOT LIKE '%sleep%'").splitlines():
                        if row.count("|") >= 2:
                            unit, tree, script = row.split("|", 2)
                            self.end_build(unit, tree, "exit" in self.sql(
                                "SELECT script FROM build WHERE unit = '%s'" % unit))
                except AssertionError:
                    pass
            time.sleep(0.1)

    def end_build(self, unit, tree, failed):
        if not failed:
            os.makedirs(self.path("tree/" + tree), exist_ok=True)
        self.sql("SELECT nap_node_exit('%s', '%s', now(), now(), %d, NULL, '%s', 0, '', false)" % (
            unit, unit, 3 if failed else 0, "exit-code" if failed else "finished"))

    def worker(self, mode="jobs", **more):
        env = {"PATH": os.environ["PATH"], "NAP_STATE": self.folder, "NAP_GIT_PROTOCOLS": "https ssh http file",
               "NAP_READY_TIMEOUT": "1"}
        env.update({"NAP_" + k.upper(): str(v) for k, v in {**self.settings, **more}.items()})
        child = subprocess.Popen([program("nap-worker"), mode], stderr=open(self.path("logs/worker"), "ab"), env=env)
        self.children.append(child)
        return child

    def kill(self, child, sig=signal.SIGKILL):
        child.send_signal(sig)
        child.wait(20)

    def repository(self, name, files, commit="first"):
        folder = self.path("source/" + name)
        git = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
        if not os.path.isdir(folder):
            os.makedirs(folder)
            subprocess.run(git + ["init", "-q"], check=True)
        for file, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, file)), exist_ok=True)
            with open(os.path.join(folder, file), "w") as f:
                f.write(text)
        subprocess.run(git + ["add", "-A"], check=True)
        subprocess.run(git + ["commit", "-q", "--allow-empty", "-m", commit], check=True)
        return subprocess.run(git + ["rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def app(self, name, url=None, tenant="acme"):
        self.sql("INSERT INTO app (tenant_id, name, group_name, url, memory_bytes, state) SELECT id, '%s', '%s', %s, 268435456, "
                 "'starting' FROM tenant WHERE name = '%s'" % (name, name, "'%s'" % url if url else "NULL", tenant))
        return int(self.sql("SELECT max(id) FROM app"))

    def submit(self, app, kind, args=None, lane="normal"):
        return int(self.sql("INSERT INTO operation (tenant_id, app_id, app, kind, lane, args) SELECT tenant_id, id, name, '%s', "
                            "'%s', '%s' FROM app WHERE id = %d RETURNING id" % (kind, lane, json.dumps(args or {}), app)))

    def operation(self, id):
        return json.loads(self.sql("SELECT row_to_json(o) FROM operation o WHERE id = %d" % id))

    def steps(self, id):
        return self.sql("SELECT string_agg(name || ':' || state, ' ' ORDER BY n) FROM operation_step WHERE operation_id = %d" % id)

    def log(self, id):
        return self.sql("SELECT string_agg(line, E'\\n' ORDER BY seq) FROM operation_log WHERE operation_id = %d" % id)

    def ended(self, id, seconds=60):
        wait_until(lambda: self.operation(id)["state"] in ("succeeded", "failed", "cancelled"), seconds)
        return self.operation(id)

    def deploy(self, name, files, **args):
        commit = self.repository(name, files)
        app = self.app(name, "file://" + self.path("source/" + name))
        return app, commit, self.ended(self.submit(app, "deploy", args))

    def mode(self, name, mode):
        state = {"bad": "failed", "slow": "starting", "good": "ready"}[mode]
        self.sql("INSERT INTO test_mode VALUES ('%s', '%s') ON CONFLICT (name) DO UPDATE SET state = excluded.state; "
                 "UPDATE instance i SET state = '%s' FROM app a WHERE a.id = i.app_id AND a.name = '%s' AND i.state = 'starting'"
                 % (name, state, state, name))

    def value(self, sql):
        return self.sql(sql)
