"""The command line that ./up leaves, on a whole copy of nap: as the operator, as a tenant, and with git."""
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from cli_stack import Cli
from stack import TOP, git, wait_until, web_app, write_files


@pytest.fixture
def operator(nap, tmp_path):
    """as whoever started ./up, without a login"""
    cli = Cli(tmp_path)
    cli.path = nap.state + "/nap"
    return cli


def head_only(port, head):
    """what is answered to a request whose body never comes"""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(("POST /api/v1/apps/web/source HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n" % head).encode())
        answer = b""
        while b"}" not in answer:
            some = s.recv(65536)
            if not some:
                break
            answer += some
    return int(answer.split()[1]), answer.decode()


def test_a_tenant_from_the_first_login_to_the_last_push(nap, operator, tmp_path):
    assert os.path.lexists(os.path.join(TOP, "nap")) and operator.good("whoami", path=operator.path).out == "admin (admin) at %s\n" % nap.url
    name = "c" + os.urandom(5).hex()
    operator.good("tenant", "add", name, path=operator.path, input="correct horse\n")
    home = tmp_path / "home"
    home.mkdir()
    me = Cli(home)
    me.good("login", nap.url, "--tenant", name, input="correct horse\n")

    # a folder, by way of the real nginx
    site = str(tmp_path / "site")
    write_files(site, web_app("folder"))
    r = me.good("deploy", site)
    assert r.out == "site is release 1: http://site-%s.localhost:%d/\n" % (name, nap.port), r
    token = me.good("tokens", "add", "t").out.strip()
    status, answer = head_only(nap.port, "Content-Length: 100000000\r\nContent-Type: application/gzip\r\n")
    assert status == 401 and '"code":"unauthenticated"' in answer, answer
    status, answer = head_only(nap.port, "Content-Length: 300000000\r\nAuthorization: Bearer %s\r\n" % token)
    assert status == 413 and '"code":"body_too_large"' in answer, answer

    # git: the helper gives the token, which stands nowhere else
    work = str(tmp_path / "pushed")
    git("init", "-q", "-b", "main", work)
    write_files(work, web_app("one"))
    git("-C", work, "add", "-A")
    git("-C", work, "commit", "-q", "-m", "first")
    assert me.run("push", cwd=site).code == 2
    r = me.good("push", cwd=work)
    assert "deployed as release 1: " in r.err and git("-C", work, "remote", "get-url", "nap") == "%s/git/%s/pushed.git" % (nap.url, name)
    with open(work + "/.git/config") as f:
        config = f.read()
    with open(str(home) + "/nap/logins.json") as f:
        kept = re.search("nap_[\\w-]+", f.read())[0]
    assert kept not in config and "git-credential" in config
    write_files(work, web_app("two"))
    git("-C", work, "commit", "-q", "-a", "-m", "second")
    r = subprocess.run(["git", "push", "nap", "main"], cwd=work, env={**me.env, "GIT_TERMINAL_PROMPT": "0"}, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    assert r.returncode == 0 and "deployed as release 2" in r.stdout, r.stdout
    assert list(me.good("releases", "pushed").rows)[1] == "2" and me.good("push", "pushed", cwd=work).code == 0
    # who asks for another host gets nothing of it
    r = me.good("git-credential", "get", input="protocol=http\nhost=elsewhere.example\n\n")
    assert r.out == ""

    # what it prints, as it prints it
    wait_until(lambda: "listening on" in me.good("logs", "site").out)
    p = me.start("logs", "site", "-f", "-n", "1")
    assert "listening on" in p.stdout.readline()
    p.send_signal(signal.SIGINT)
    assert p.wait(20) == 130
    wait_until(lambda: me.good("ps", "site").rows["1"][1] == "ready")
    for app in ("site", "pushed"):
        me.good("destroy", app, "--yes")
    operator.good("tenant", "destroy", name, "--yes", path=operator.path)
    r = me.run("apps")
    assert r.code == 4, r


def test_the_doctor_of_a_whole_copy(nap, operator):
    def found():
        r = operator.run("doctor", "--json", path=operator.path)
        return r.code, {i["check"]: i for i in r.json["items"]}

    wait_until(lambda: found()[0] == 0, 60, why=lambda: found())
    code, items = found()
    assert [i for c, i in items.items() if i["state"] != "ok" and c != "disk"] == []
    # a fault, and what is printed against it run as text
    for path in ("admin-token", "db", "nap.conf"):
        os.chmod(nap.state + "/" + path, stat.S_IMODE(os.stat(nap.state + "/" + path).st_mode) | 0o066)
    code, items = found()
    assert (code, items["rights"]["state"]) == (1, "fault"), items
    subprocess.run(["sh", "-ec", items["rights"]["todo"].partition(":")[2]], check=True)
    assert found()[0] == 0 and stat.S_IMODE(os.stat(nap.state + "/admin-token").st_mode) == 0o600
    # a migration of a later version that has not run
    with open(nap.state + "/sql/9999_later.sql", "w") as f:
        f.write("SELECT 1;\n")
    try:
        code, items = found()
        assert code == 1 and "9999_later.sql" in items["migrations"]["detail"], items
    finally:
        os.unlink(nap.state + "/sql/9999_later.sql")
    assert found()[0] == 0
