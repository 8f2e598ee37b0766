"""nap-files: what is told of $NAP_OUT, whatever a program has left there."""
import io
import os
import socket
import subprocess
import tarfile

import pytest

from node_stack import program

USER = 60123


class Home:
    def __init__(self, path):
        self.path = str(path)

    def unit(self, name, app_id, files):
        out = "%s/%s/out" % (self.path, name)
        os.makedirs(out)
        os.symlink("../data/%d" % app_id, "%s/%s/data" % (self.path, name))
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(out, path)), exist_ok=True)
            with open(os.path.join(out, path), "wb") as f:
                f.write(text)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "%d:%d" % (USER, USER), out], check=True)
        return out

    def ask(self, target, method="GET"):
        """status, headers, body; None: the answer was cut off"""
        ours, theirs = socket.socketpair()
        p = subprocess.Popen([program("nap-files"), self.path], stdin=theirs, stdout=theirs)
        theirs.close()
        ours.sendall(("%s %s HTTP/1.1\r\nHost: x\r\n\r\n" % (method, target)).encode())
        data = b"".join(iter(lambda: ours.recv(65536), b""))
        ours.close()
        p.wait()
        head, _, rest = data.partition(b"\r\n\r\n")
        if b"chunked" not in head:
            return int(head.split()[1]), rest
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            n = int(size, 16)
            if n == 0:
                return int(head.split()[1]), body
            body, rest = body + rest[:n], rest[n + 2:]
        return int(head.split()[1]), body if method == "HEAD" else None

    def tar(self, apps):
        status, body = self.ask("/tar?apps=" + apps)
        assert status == 200
        with tarfile.open(fileobj=io.BytesIO(body)) as t:
            assert all(m.isreg() and m.uid == 0 for m in t.getmembers())
            return {m.name: t.extractfile(m).read() for m in t.getmembers()}


@pytest.fixture
def home(tmp_path):
    if not program("nap-files"):
        pytest.skip("nap-files is not built")
    return Home(tmp_path)


def hexed(path):
    return path.encode().hex()


def test_the_newest_release_that_left_files_is_told_and_no_other_app(home):
    home.unit("t.web.v1@1.service", 12, {"old": b"1"})
    home.unit("t.web.v2@1.service", 12, {"new": b"2", "sub/deep/x": b"33"})
    home.unit("t.web.v3@1.service", 12, {})
    home.unit("t.web.v2@2.service", 12, {"two": b"4"})
    home.unit("t.web_1.v1@1.service", 13, {"member": b"5"})
    home.unit("other.web.v9@1.service", 14, {"secret": b"6"})
    assert home.tar("12") == {"web/1/new": b"2", "web/1/sub/deep/x": b"33", "web/2/two": b"4"}
    assert home.tar("1-3,12-13").keys() == {"web/1/new", "web/1/sub/deep/x", "web/2/two", "web_1/1/member"}
    assert home.ask("/file?apps=12&path=" + hexed("1/sub/deep/x")) == (200, b"33")
    for path in ("1/old", "1/sub", "1/../../t.web.v1@1.service/out/old", "2/new", "1//etc/passwd", "1/", "x", ""):
        assert home.ask("/file?apps=12&path=" + hexed(path))[0] == 404, path
    for wrong in ("/tar?apps=", "/tar?apps=0", "/tar?apps=12-", "/tar?apps=x", "/file?apps=12&path=0", "/file?apps=12&path=00",
                  "/tar", "/list?apps=12&after=" + hexed("nothing")):
        assert home.ask(wrong)[0] == (200 if wrong == "/tar?apps=" else 400), wrong


def test_a_list_goes_on_behind_its_last_file(home):
    import json
    home.unit("t.web.v1@1.service", 12, {"%s%04d" % (d, i): b"" for d in ("a/", "a", "b/") for i in range(400)})
    home.unit("t.web.v1@2.service", 12, {"z": b"zz"})
    first = json.loads(home.ask("/list?apps=12&after=")[1])
    assert len(first["items"]) == 1000 and first["next"]
    rest = json.loads(home.ask("/list?apps=12&after=" + first["next"])[1])
    paths = [f["path"] for f in first["items"] + rest["items"]]
    assert len(set(paths)) == len(paths) == 1201 and rest["next"] is None
    assert rest["items"][-1].items() >= {"path": "2/z", "size": 2, "instance": 2, "release": 1}.items()


def test_what_is_no_file_of_the_program_is_never_opened(home, tmp_path):
    out = home.unit("t.web.v1@1.service", 12, {"good": b"good"})
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    outside.chmod(0o600)
    os.symlink("/etc/passwd", out + "/link")
    os.symlink("..", out + "/up")
    os.mkfifo(out + "/pipe")
    s = socket.socket(socket.AF_UNIX)
    s.bind(out + "/socket")
    s.close()
    names = [b"\xff\xfe", b"new\nline", b"-rf", b"\x1b[31m", b"y" * 255]
    for name in names:
        with open(out.encode() + b"/" + name, "wb") as f:
            f.write(b"odd")
    deep = out
    for _ in range(300):
        deep += "/d"
        if len(deep) < 3900:
            os.mkdir(deep)
    open(out + "/d/d/here", "wb").close()
    if os.geteuid() == 0:
        os.link(str(outside), out + "/hard")              # what its user may not read is no file of its own
        os.mknod(out + "/null", 0o666 | 0o020000, os.makedev(1, 3))
        for name in names:
            os.chown(out.encode() + b"/" + name, USER, USER)
    got = home.tar("12")
    odd = {"web/1/" + n.decode(errors="surrogateescape") for n in names}
    assert got.keys() == {"web/1/good", "web/1/d/d/here"} | odd and b"secret" not in got.values()
    for path in ("1/link", "1/up/data", "1/pipe", "1/socket", "1/hard", "1/null"):
        assert home.ask("/file?apps=12&path=" + hexed(path)) == (404, b""), path
    assert home.ask("/file?apps=12&path=" + hexed("1/good"), "HEAD") == (200, b"")


def test_who_cannot_be_told_all_is_not_told_that_it_was_all(home):
    out = home.unit("t.web.v1@1.service", 12, {})
    with open(out + "/holes", "wb") as f:
        f.truncate(1 << 40)
    ours, theirs = socket.socketpair()
    p = subprocess.Popen([program("nap-files"), home.path], stdin=theirs, stdout=theirs)
    theirs.close()
    ours.sendall(b"GET /tar?apps=12 HTTP/1.1\r\n\r\n")
    assert ours.recv(65536)
    ours.close()
    assert p.wait() != 0
