"""Git hosts as they should not be, and as they should: real nap-worker, git and ssh, and hosts of a few lines. After
each failure nothing of the fetch is left: no process, no file of it in work/, no half pack."""
import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from jobs_stack import Jobs, have_jobs, wait_until
from stack import GitHost

pytestmark = pytest.mark.skipif(not have_jobs(), reason="nap-worker is not built or PostgreSQL is missing")

WEB = {"profile": "memory: 64m\ncommand: ./serve\n", "serve": "#!/bin/sh\n"}
SHA = "1234567890" * 4


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    s = Jobs(tmp_path_factory.mktemp("hosts"))
    s.patience = None
    yield s
    work_for(s, None)
    s.close()


def work_for(jobs, seconds):
    """one worker, whose git has so many seconds"""
    if jobs.patience != seconds:
        for c in jobs.children:
            jobs.kill(c, signal.SIGTERM)
        jobs.children.clear()
        if seconds:
            jobs.worker(git_private=1, git_timeout=seconds, source_max_bytes="1m")
    jobs.patience = seconds


class Host:
    """Says to each connection what talk(connection, request head) makes of it; .heads: what was asked."""

    def __init__(self, talk):
        self.talk, self.heads, self.open = talk, [], True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path="o/r.git"):
        return "http://127.0.0.1:%d/%s" % (self.port, path)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            head = b""
            try:
                while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                    head += more
                self.heads.append(head.decode("latin1"))
                self.talk(connection, self.heads[-1])
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.open = False
        self.listener.close()


def answer(kind, length=None):
    return ("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n%s\r\n" % (
        kind, "" if length is None else "Content-Length: %d\r\n" % length)).encode()


def packet(data):
    return b"%04x" % (len(data) + 4) + data


ADVERT = answer("application/x-git-upload-pack-advertisement")
REFS = (packet(b"# service=git-upload-pack\n") + b"0000" +
        packet(SHA.encode() + b" HEAD\0side-band-64k ofs-delta symref=HEAD:refs/heads/main\n") +
        packet(SHA.encode() + b" refs/heads/main\n") + b"0000")


def trickle(connection, _):
    connection.sendall(ADVERT)
    for byte in REFS:
        connection.sendall(bytes([byte]))
        time.sleep(0.3)


def endless_refs(connection, _):
    connection.sendall(ADVERT + REFS[:-4])
    n = 0
    while True:
        connection.sendall(b"".join(packet(b"%040x refs/heads/b%d\n" % (n + i, n + i)) for i in range(500)))
        n += 500
        time.sleep(0.05)


def endless_pack(connection, head):
    """one object of a tebibyte, of zeros that are not even compressed"""
    if head.startswith("GET"):
        return connection.sendall(ADVERT + REFS)
    size, first = 1 << 40, b""
    byte, size = 0x30 | size & 15, size >> 4
    while size:
        first += bytes([byte | 0x80])
        byte, size = size & 0x7f, size >> 7
    connection.sendall(answer("application/x-git-upload-pack-result") + packet(b"NAK\n") +
                       packet(b"\1PACK" + struct.pack(">II", 2, 1) + first + bytes([byte]) + b"\x78\x01"))
    block = b"\0" + struct.pack("<HH", 0x8000, 0x7fff) + bytes(0x8000)
    while True:
        connection.sendall(packet(b"\1" + block))


def redirect(connection, _):
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def no_git(connection, _):
    connection.sendall(answer("text/html", 29) + b"<!doctype html>\n<p>hello</p>\n")


def denied(connection, _):
    connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def family(pid):
    """all that descends from a process"""
    children = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % p) as f:
                stat = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if stat[0] != "Z":
            children.setdefault(int(stat[1]), []).append(int(p))
    found, todo = [], [pid]
    while todo:
        more = children.get(todo.pop(), [])
        found += more
        todo += more
    return found


def left(jobs, app):
    """what a fetch could have left"""
    files = os.listdir(jobs.path("work")) + [f for f in os.listdir(jobs.path("tree")) if f[0] == "."]
    pack = jobs.path("git/%d.git/objects/pack" % app)
    if os.path.isdir(pack):
        files += os.listdir(pack)
    return files + [p for c in jobs.children if c.poll() is None for p in family(c.pid)]


@pytest.mark.parametrize("talk,code,word", [
    (trickle, "git_timeout", "4 s"), (endless_refs, "git_timeout", "4 s"), (endless_pack, "source_too_large", "more than 4 MiB"),
    (redirect, "redirect_refused", "302"), (no_git, "repository_not_found", ""), (denied, "git_auth_failed", ""),
], ids=lambda v: getattr(v, "__name__", ""))
def test_a_host_that_is_none_ends_the_deploy_with_its_reason(jobs, talk, code, word):
    work_for(jobs, 4 if code == "git_timeout" else 60)
    with Host(talk) as host:
        app = jobs.app(talk.__name__.replace("_", "-"), host.url())
        o = jobs.ended(jobs.submit(app, "deploy"))
        assert (o["state"], o["error_code"]) == ("failed", code), (o["error"], jobs.log(o["id"]))
        assert word in o["error"] and host.url() in o["error"] or code == "git_timeout" and word in o["error"]
        assert host.heads and not any("169.254" in h for h in host.heads)
    assert left(jobs, app) == []
    assert jobs.value("SELECT state || ' ' || deployed FROM app WHERE id = %d" % app) == "failed false"


def test_a_host_that_refuses_is_said(jobs):
    work_for(jobs, 60)
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    app = jobs.app("refused", "http://127.0.0.1:%d/o/r.git" % port)
    o = jobs.ended(jobs.submit(app, "deploy"))
    assert (o["state"], o["error_code"]) == ("failed", "git_unreachable"), o
    assert left(jobs, app) == []


def everything_said(jobs, id):
    """all that a person or another program could read of an operation"""
    with open(jobs.path("logs/worker"), errors="replace") as f:
        return jobs.log(id) + f.read() + jobs.value(
            "SELECT string_agg(row_to_json(o)::text, '') FROM operation o WHERE id = %d" % id) + jobs.value(
            "SELECT coalesce(string_agg(row_to_json(e)::text, ''), '') FROM event e") + jobs.value(
            "SELECT string_agg(row_to_json(s)::text, '') FROM operation_step s") + jobs.value(
            "SELECT coalesce(string_agg(row_to_json(r)::text, ''), '') FROM release r")


def test_credentials_reach_the_host_and_nobody_else(jobs):
    """slow, so that there is time to look at the processes: neither their arguments nor their environments hold it"""
    wanted = "Authorization: Basic " + base64.b64encode(b"me:s3cr3t-pass").decode()
    work_for(jobs, 60)
    goes_on = threading.Event()

    def talk(connection, head):
        if wanted not in head:
            return denied(connection, head)
        goes_on.wait(3)
        connection.sendall(b"HTTP/1.1 403 me:s3cr3t-pass s3cr3t-pass\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with Host(talk) as host:
        app = jobs.app("closed", host.url())
        jobs.sql("UPDATE app SET url_secret = 'me:s3cr3t-pass' WHERE id = %d" % app)
        id = jobs.submit(app, "deploy")
        wait_until(lambda: any(wanted in h for h in host.heads), 30)
        seen = b""
        for p in family(os.getpid()):
            for what in ("cmdline", "environ"):
                try:
                    with open("/proc/%d/%s" % (p, what), "rb") as f:
                        seen += f.read()
                except OSError:
                    pass
        goes_on.set()
        o = jobs.ended(id)
    assert b"ls-remote" in seen and b"s3cr3t" not in seen
    assert (o["state"], o["error_code"]) == ("failed", "git_auth_failed"), o
    assert "s3cr3t" not in everything_said(jobs, id)
    assert left(jobs, app) == []


# -- ssh ---------------------------------------------------------------------------------------------------------------

class Ssh:
    """a git host by OpenSSH, with a host key and one user, us"""

    def __init__(self, folder, address, port):
        self.folder, self.child = folder, None
        self.user = subprocess.check_output(["id", "-un"], text=True).strip()
        os.makedirs("/run/sshd", exist_ok=True)
        self.new_key()
        with open(folder + "/conf", "w") as f:
            f.write("ListenAddress %s\nPort %d\nHostKey %s/key\nAuthorizedKeysFile %s/authorized\nStrictModes no\nUsePAM no\n"
                    "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n"
                    % (address, port, folder, folder))
        self.start()

    def new_key(self):
        for f in ("key", "key.pub"):
            if os.path.exists(self.folder + "/" + f):
                os.unlink(self.folder + "/" + f)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder + "/key"], check=True)

    def start(self):
        self.child = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.folder + "/conf"],
                                      stderr=open(self.folder + "/log", "ab"))

        def listens():
            with open(self.folder + "/log") as f:
                return "Server listening" in f.read()
        wait_until(listens, 10)

    def stop(self):
        self.child.terminate()
        self.child.wait(10)
        os.unlink(self.folder + "/log")

    def allow(self, key):
        with open(self.folder + "/authorized", "w") as f:
            f.write(key + "\n")


@pytest.mark.skipif(not os.access("/usr/sbin/sshd", os.X_OK), reason="no sshd")
def test_a_private_repository_by_ssh_with_the_tenants_own_key(jobs, tmp_path):
    work_for(jobs, 60)
    jobs.repository("private", WEB)
    root = os.getuid() == 0
    address, port = ("127.77.0.9", 22) if root else ("127.0.0.1", jobs.free_port())
    ssh = Ssh(str(tmp_path), address, port)
    path = jobs.path("source/private")
    try:
        # as people write it: USER@HOST:PATH is port 22, which only root may have
        url = "%s@%s:%s" % (ssh.user, address, path) if root else "ssh://%s@%s:%d%s" % (ssh.user, address, port, path)
        app = jobs.app("private", url)
        o = jobs.ended(jobs.submit(app, "deploy"))
        assert (o["state"], o["error_code"]) == ("failed", "git_auth_failed"), o
        host = address if root else "[%s]:%d" % (address, port)
        pins = "SELECT host || ' ' || type || ' ' || base64 FROM known_host"
        with open(ssh.folder + "/key.pub") as f:
            pinned = host + " " + " ".join(f.read().split()[:2])
        assert jobs.value(pins) == pinned                                   # seen, though the key was not known there yet
        key = jobs.log(o["id"]).partition("to be added at the git host: ")[2].split("\n")[0]
        assert key.startswith("ssh-ed25519 ") and key.endswith(" nap-acme"), jobs.log(o["id"])
        assert key == jobs.value("SELECT public_key FROM deploy_key")
        ssh.allow(key)
        id = jobs.submit(app, "deploy")
        assert jobs.ended(id)["state"] == "succeeded", jobs.log(id)
        assert jobs.value(pins) == pinned
        # a host of that name with another key is not believed, until it is forgotten
        ssh.stop()
        ssh.new_key()
        ssh.start()
        o = jobs.ended(jobs.submit(app, "deploy"))
        assert (o["state"], o["error_code"]) == ("failed", "host_key_changed"), o
        assert jobs.value(pins) == pinned
        jobs.sql("DELETE FROM known_host")
        assert jobs.ended(jobs.submit(app, "deploy"))["state"] == "succeeded"
        # nothing of it is a file: the key is sealed, and only what opens it lies outside of the database
        assert os.listdir(jobs.path("work")) == []
        assert jobs.value("SELECT sealed ~ '^1:1:[A-Za-z0-9+/]+$' FROM deploy_secret") == "t"
        assert oct(os.stat(jobs.path("secret")).st_mode & 0o777) == "0o700"
        assert "PRIVATE KEY" not in everything_said(jobs, id)
        # sealed by what is lost, it opens no more, and says so
        with open(jobs.path("secret/keys"), "w") as f:
            f.write("2 %064x\n" % 7)
        o = jobs.ended(jobs.submit(app, "deploy"))
        assert (o["state"], o["error_code"]) == ("failed", "sealed_by_another_key"), o
    finally:
        ssh.stop()


# -- the disk ----------------------------------------------------------------------------------------------------------

def mounted(folder):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k,mode=0777", "tmpfs", folder]).returncode == 0


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system")
@pytest.mark.parametrize("which", ["git", "tree"])
def test_a_disk_that_is_full_is_said_and_nothing_is_left(jobs, tmp_path, which):
    work_for(jobs, 60)
    host = GitHost(str(tmp_path))
    url = host.repo("large", dict(WEB, data=os.urandom(900 * 1024), more=os.urandom(100 * 1024)))
    folder = jobs.path(which)
    if not mounted(folder):
        pytest.skip("a file system cannot be mounted here")
    try:
        with open(folder + "/filler", "wb") as f:
            f.write(bytes(700 * 1024))
        app = jobs.app("full-" + which, url)
        o = jobs.ended(jobs.submit(app, "deploy"))
        assert (o["state"], o["error_code"]) == ("failed", "disk_full"), (o, jobs.log(o["id"]))
        if which == "git":
            assert left(jobs, app) == []
        else:
            assert os.listdir(folder) == ["filler"]
        # room again: the same deploy goes through
        os.unlink(folder + "/filler")
        assert jobs.ended(jobs.submit(app, "deploy"))["state"] == "succeeded"
    finally:
        subprocess.run(["umount", folder], check=True)
        host.close()
        shutil.rmtree(jobs.path("tree"), ignore_errors=True)
        os.makedirs(jobs.path("tree"))
