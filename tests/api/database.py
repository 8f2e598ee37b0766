"""A private PostgreSQL with nap's schema, for tests. As root it runs as another uid, as it must."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

PG_BIN = next((p for p in ("/usr/lib/postgresql/%d/bin" % v for v in range(17, 13, -1)) if os.path.isdir(p)), "")
SQL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sql")
PG_UID = 65534


class SessionEnded(Exception):
    pass


class Psql:
    """One psql that answers statement after statement: rows of texts. A psql for each would cost more than what it asks."""

    END = "end-of-answer"

    def __init__(self, folder, user="nap_worker", db="nap"):
        self.lock = threading.Lock()
        self.child = subprocess.Popen(["psql", "-XqAt", "-F", "\x1f", "-R", "\x1e", "-h", folder, "-U", user, "-d", db],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      env=dict(os.environ, PGOPTIONS="-c client_min_messages=error"))

    def __call__(self, sql):
        with self.lock:
            text = ""
            try:
                self.child.stdin.write("%s;\n\\echo %s\n" % (sql, self.END))
                self.child.stdin.flush()
            except BrokenPipeError:
                raise SessionEnded from None
            while not text.endswith(self.END + "\n"):
                line = self.child.stdout.readline()
                if not line:
                    raise SessionEnded(text)
                text += line
        text = text[:-len(self.END) - 1].rstrip("\n\x1e")
        assert not re.search("^ERROR: ", text, re.M), text
        return [row.split("\x1f") for row in text.split("\x1e")] if text else []

    def close(self):
        self.child.stdin.close()
        self.child.wait(10)
        self.child.stdout.close()


class Cluster:
    """folder/db holds the data, folder/run/db the socket, folder/logs/db what the server says."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.socket = os.path.join(self.folder, "run/db")
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
        self.sessions = {}
        for d in ("db", "run/db", "logs"):
            os.makedirs(os.path.join(self.folder, d), exist_ok=True)
        os.chmod(self.folder, 0o755)
        if os.getuid() == 0:
            parts = self.folder.split("/")
            for i in range(2, len(parts) + 1):          # pytest makes its folders 0700
                part = "/".join(parts[:i])
                if os.stat(part).st_uid == 0 and not os.stat(part).st_mode & 1:
                    os.chmod(part, os.stat(part).st_mode | 0o11)
            for d in ("db", "run/db"):
                os.chown(os.path.join(self.folder, d), PG_UID, PG_UID)
        subprocess.run(self.argv(PG_BIN + "/initdb", "-D", self.folder + "/db", "-U", "nap_owner", "-A", "trust", "-N",
                                 "--no-instructions"), check=True, stdout=subprocess.DEVNULL, env=self.env, cwd="/")
        self.start()
        self.sql("CREATE ROLE nap_api LOGIN; CREATE ROLE nap_worker LOGIN BYPASSRLS", db="postgres")

    def argv(self, *argv):
        if os.getuid() == 0:
            return ["setpriv", "--reuid=%d" % PG_UID, "--regid=%d" % PG_UID, "--clear-groups", *argv]
        return list(argv)

    def start(self):
        with open(self.folder + "/logs/db", "ab") as log:
            self.child = subprocess.Popen(
                self.argv(PG_BIN + "/postgres", "-D", self.folder + "/db", "-k", self.socket, "-c", "listen_addresses=", "-c",
                          "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=32MB"),
                stdout=subprocess.DEVNULL, stderr=log, env=self.env, cwd="/")
        end = time.monotonic() + 60
        while subprocess.run([PG_BIN + "/pg_isready", "-q", "-h", self.socket]).returncode:
            assert time.monotonic() < end, "PostgreSQL does not answer"
            time.sleep(0.02)

    def stop(self, sig=signal.SIGQUIT):
        self.child.send_signal(sig)
        self.child.wait(30)

    def migrate(self, db):
        """A new database with all of sql/."""
        self.sql("CREATE DATABASE " + db, db="postgres")
        files = [os.path.join(SQL, f) for f in sorted(os.listdir(SQL)) if re.fullmatch(r"\d{4}_\w+\.sql", f)]
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-1", "-h", self.socket, "-U", "nap_owner", "-d", db,
                        *[w for f in files for w in ("-f", f)]], check=True)

    def sql(self, text, db="nap", user="nap_owner"):
        """What psql -At prints. A session that ended with its server is opened anew."""
        for last in (False, True):
            session = self.sessions.get((db, user)) or Psql(self.socket, user, db)
            self.sessions[db, user] = session
            try:
                return "\n".join("|".join(row) for row in session(text))
            except SessionEnded:
                self.sessions.pop((db, user)).close()
                if last:
                    raise

    def close(self):
        for session in self.sessions.values():
            session.close()
        self.stop()


class Template(Cluster):
    """In a folder of its own; fresh() makes a new database nap from a migrated one."""

    def __init__(self):
        # not below pytest's folders: another run of it closes those to other uids
        super().__init__(tempfile.mkdtemp(prefix="nap-db-"))
        self.migrate("origin")

    def fresh(self):
        self.sql("DROP DATABASE IF EXISTS nap WITH (FORCE)", db="postgres")
        self.sql("CREATE DATABASE nap TEMPLATE origin", db="postgres")

    def close(self):
        super().close()
        shutil.rmtree(self.folder)
