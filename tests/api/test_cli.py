"""nap, the command line, as people and CI use it: its outcome, its exit codes, and what it never shows."""
import http.client
import http.server
import io
import json
import os
import re
import signal
import stat
import subprocess
import tarfile
import threading
import time
import zipfile

import pytest

from cli_stack import Cli, CliStack, have_cli, wait_until

pytestmark = pytest.mark.skipif(not have_cli(), reason="nap is not built")
PROFILE = "command: ./serve\nmemory: 32m\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    s = CliStack(tmp_path_factory.mktemp("cli"))
    yield s
    s.close()


@pytest.fixture
def name(request):
    return "t" + os.urandom(6).hex()


@pytest.fixture
def me(stack, tmp_path, name):
    cli = Cli(tmp_path, stack.url, stack.tenant(name))
    cli.name = name
    return cli


@pytest.fixture
def operator(stack, tmp_path):
    return Cli(tmp_path, stack.url, stack.admin)


def source(stack, name, profile=PROFILE, **files):
    stack.repository(name, {"profile": profile, **files})
    return "file://" + stack.path("source/" + name)


# Who asks --------------------------------------------------------------------------------------------------------

def test_login_keeps_a_token_for_one_address_and_shows_it_nowhere(stack, tmp_path, name):
    token = stack.tenant(name)
    cli = Cli(tmp_path)
    r = cli.run("apps")
    assert r.code == 2 and "nap login URL" in r.err
    r = cli.run("login", stack.url, input="nap_wrong\n")
    assert r.code == 4 and re.search(r"\(unauthenticated, request \w+\)", r.err) and not os.path.exists(cli.home + "/nap"), r
    r = cli.good("login", stack.url + "/", input=token + "\n")
    assert r.out == "logged in at %s as %s (tenant)\n" % (stack.url, name)
    kept = cli.home + "/nap/logins.json"
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600 and stat.S_IMODE(os.stat(cli.home + "/nap").st_mode) == 0o700
    with open(kept) as f:
        assert json.load(f) == {"current": stack.url, "logins": {stack.url: {"tenant": name, "token": token}}}
    assert cli.good("whoami").out == "%s (tenant) at %s\n" % (name, stack.url)
    # another address gets no token
    r = cli.run("apps", NAP_URL="http://127.0.0.1:9")
    assert r.code == 4 and "no token is kept for http://127.0.0.1:9" in r.err
    # CI: by the environment alone
    assert cli.good("whoami", "--json", NAP_URL=stack.url, NAP_TOKEN=token, NAP_CONFIG="/nonexistent").json["tenant"] == name
    assert cli.good("logout").code == 0
    assert cli.run("apps").code == 2
    # typed on a terminal it is not echoed
    r = cli.typed("login", stack.url, answers=[("the token: ", token)])
    assert r.code == 0 and token not in r.out, r


def test_login_with_a_password_makes_a_token_of_its_own(stack, tmp_path, name, operator):
    assert operator.good("tenant", "add", name, "--apps", "3", input="correct horse\n").out == "tenant %s is made\n" % name
    cli = Cli(tmp_path / "x")
    os.mkdir(cli.home)
    r = cli.run("login", stack.url, "--tenant", name, input="wrong\n")
    assert r.code == 4 and "sign_in_failed" in r.err
    cli.good("login", stack.url, "-t", name, input="correct horse\n")
    made = cli.good("tokens", "list", "--json").json["items"]
    assert len(made) == 1 and made[0]["name"].startswith("nap on ") and made[0]["scopes"][-1] == "manage"
    assert stack.sql("SELECT count(*) FROM session s JOIN tenant t ON t.id = s.tenant_id WHERE t.name = '%s'" % name) == "0"
    assert cli.good("quota").rows["apps"] == ["apps", "0/3"]


# What is typed wrong ---------------------------------------------------------------------------------------------

def test_what_is_wrong_is_told_with_its_exit_code(stack, me):
    for words, text in ((["aps"], 'did you mean "apps"?'), (["scale", "web"], "something is missing: nap scale APP N|auto"),
                        (["scale", "web", "many"], "0 to 500, or auto"), (["logs", "web", "-n", "0"], "from 1 to 1000"),
                        (["env", "set", "web", "X"], "no KEY=VALUE"), (["deploy", "nowhere"], "neither a folder nor"),
                        (["deploy", ".", "Big"], "app name"), (["destroy"], "something is missing"), ([], "usage: nap")):
        r = me.run(*words)
        assert (r.code, r.out) == (2, "") and text in r.err, (words, r)
    stack.app("solver", tenant=me.name)
    r = me.run("ps", "solvr")
    assert r.code == 3 and re.search(r"\(not_found, request \w+\)\n  did you mean \"solver\"\?\n$", r.err), r
    r = me.run("ps", "zebra", "--json")
    assert r.code == 3 and r.json["code"] == "not_found" and "did you mean" not in r.err
    assert me.run("rollback", "solver", "7").code == 4
    r = me.run("tenant", "list")
    assert r.code == 4 and "admin_only" in r.err
    assert me.run("apps", NAP_URL="http://127.0.0.1:9").code == 5
    r = me.run("apps", NAP_TOKEN="nap_none")
    assert r.code == 4 and "log in with: nap login " + stack.url in r.err
    r = me.run("destroy", "solver")
    assert r.code == 2 and "--yes" in r.err and me.run("open", "solver").code == 0


def test_help_page_and_completion_are_made_of_one_table(me, tmp_path):
    listed = me.good("help").out
    assert me.good("--help").out == listed and "  scale APP N|auto " in listed and "git-credential" not in listed
    assert "NAP_TOKEN" in listed and "  130  Ctrl-C" in listed
    r = me.good("help", "tokens", "add")
    assert r.out == me.good("tokens", "add", "--help").out and "--expires DAYS" in r.out and "nap tokens add ci" in r.out
    assert me.run("help", "tokens", "ad").code == 2
    page = tmp_path / "nap.1"
    page.write_text(me.good("help", "--man").out)
    script = tmp_path / "completion"
    script.write_text(me.good("help", "--completion").out)
    subprocess.run(["bash", "-n", str(script)], check=True)

    def complete(*words):
        ask = 'source %s; nap() { echo NAME; echo web; }; COMP_WORDS=(nap %s) COMP_CWORD=%d; _nap; echo "${COMPREPLY[@]}"' % (
            script, " ".join("'%s'" % w for w in words), len(words))
        return subprocess.run(["bash", "-c", ask], check=True, stdout=subprocess.PIPE, text=True).stdout.split()

    assert complete("ro") == ["rollback"] and complete("tenant", "d") == ["disable", "destroy"]
    assert complete("scale", "") == ["web"] and complete("group", "show", "w") == ["web"]
    assert complete("logs", "web", "--f") == ["--follow"] and complete("scale", "web", "") == []


# The life of an app ----------------------------------------------------------------------------------------------

def test_an_app_from_its_deploy_to_its_end(stack, me):
    url = source(stack, "shop" + me.name, serve="echo one")
    r = me.good("deploy", url, "shop")
    steps = [line.split() for line in r.err.splitlines()]
    assert [s[1] for s in steps if s[0] == "ok"] == ["fetch", "profile", "release", "tree", "start", "route"], r
    assert all(re.fullmatch(r"\d+\.\d s", " ".join(s[2:])) for s in steps), r
    assert re.fullmatch(r"shop is release 1: http://shop-%s.localhost:%d/\n" % (me.name, stack.port), r.out)
    assert me.good("open", "shop").out == "http://shop-%s.localhost:%d/\n" % (me.name, stack.port)
    stack.led(me.name)
    row = me.good("apps").rows["shop"]
    assert row[:5] == ["shop", "running", "1/1", "32 MiB", "1"], row
    assert [a["name"] for a in me.good("apps", "--json", "--state", "running").json["items"]] == ["shop"]
    assert me.good("apps", "--state", "failed").out == ""
    assert me.good("scale", "shop", "3").out == "shop: 3 instances\n"
    wait_until(lambda: list(me.good("ps", "shop").rows) == ["NO", "1", "2", "3"])
    body = me.good("scale", "shop", "auto", "--json").json
    assert body["operation"]["state"] == "succeeded" and body["app"]["scale_override"] is None
    me.good("env", "set", "shop", "A=1", "B=-", "--secret", input="hidden\n")
    assert me.good("env", "list", "shop").rows == {"NAME": ["NAME", "VALUE"], "A": ["A", "(secret)"], "B": ["B", "(secret)"]}
    me.good("env", "set", "shop", "C=x=y z")
    me.good("env", "unset", "shop", "A")
    assert me.good("env", "list", "shop", "--json").json == {"B": {"secret": True}, "C": "x=y z"}
    me.good("deploy", url, "shop", "--scale", "2")
    rows = me.good("releases", "shop").rows
    assert rows["1"][:3] == ["1", "retired", "deploy"] and [r for r in rows.values() if r[1] == "live"][0][2] == "deploy"
    newest = max(int(n) for n in rows if n.isdigit())
    assert me.good("rollback", "shop").out == "shop is back at release %d\n" % (newest - 1)
    assert me.good("rollback", "shop", "1").err.count("\n") >= 3
    for verb in ("stop", "start", "restart"):
        me.good(verb, "shop")
    assert me.good("restart", "shop", "1", "--detach").out.startswith("operation ")
    r = me.typed("destroy", "shop", answers=[("Type its name to go on: ", "chop")])
    assert r.code == 2 and "nothing was done" in r.out
    r = me.typed("destroy", "shop", answers=[("Type its name to go on: ", "shop")])
    assert r.code == 0 and "shop is destroyed" in r.out, r
    assert me.run("destroy", "shop", "--yes").code == 3


def test_a_deploy_that_fails_says_why_and_exits_1(stack, me):
    r = me.run("deploy", source(stack, "bad" + me.name, "memory: lots\ncommand: x\n"), "bad")
    number = re.search(r"\(profile_invalid, operation (\d+)\)", r.err)
    assert r.code == 1 and number and r.out == "" and "memory" in r.err, r
    assert "nap ops log " + number[1] in r.err
    assert me.run("ops", "show", number[1], "--wait").code == 1
    assert "profile_invalid" in me.good("ops", "show", number[1]).out
    assert me.good("ops", "list", "--app", "bad").rows[number[1]][1:4] == ["deploy", "bad", "failed"]
    r = me.run("ops", "log", number[1], "-f")
    assert r.code == 1 and "fetching file://" in r.out and r.out == me.good("ops", "log", number[1]).out
    stack.mode("slow" + me.name, "slow")
    url = source(stack, "slow" + me.name)
    r = me.good("deploy", url, "slow" + me.name, "-d")
    operation = r.out.split()[1]
    me.good("ops", "cancel", operation)
    assert me.run("ops", "show", operation, "--wait").code == 1
    assert me.good("ops", "show", operation, "--json").json["state"] == "cancelled"


def test_ctrl_c_ends_the_waiting_and_not_the_operation(stack, me):
    stack.mode("long" + me.name, "slow")
    stack.leading = False
    try:
        p = me.start("deploy", source(stack, "long" + me.name), "long" + me.name)
        told = ""
        while "release" not in told:
            line = p.stderr.readline()
            assert line, told
            told += line
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=30)
        assert p.returncode == 130 and "the operation goes on; to look at it: nap ops show " in err, err
        assert me.good("ops", "list", "--json").json["items"][0]["state"] == "running"
    finally:
        stack.leading = True
        stack.mode("long" + me.name, "good")


# A folder --------------------------------------------------------------------------------------------------------

def tree(stack, app):
    """{path: (mode, content)} of what the app's branch holds"""
    repo = ["git", "-c", "safe.directory=*", "--git-dir", stack.path("git/%d.git" % app)]
    lines = subprocess.run(repo + ["ls-tree", "-rz", "main"], check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    found = {}
    for line in filter(None, lines):
        (mode, _, blob), path = line.split("\t")[0].split(), line.split("\t")[1]
        found[path] = mode, subprocess.run(repo + ["cat-file", "blob", blob], check=True, stdout=subprocess.PIPE).stdout
    return found


def app_id(stack, tenant, name):
    return int(stack.sql("SELECT a.id FROM app a JOIN tenant t ON t.id = a.tenant_id WHERE t.name = '%s' AND a.name = '%s'" % (tenant, name)))


def write(folder, **files):
    for path, text in files.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text)


def test_a_folder_without_git_is_deployed_as_it_is(stack, me, tmp_path):
    site = str(tmp_path / "My Site")
    big = os.urandom(300000)
    write(site, **{"profile": PROFILE.encode(), "serve": b"#!/bin/sh\n", "a b/\u00fc\"x\\.txt": b"odd", "big.bin": big, "empty": b"",
                   "secret.key": b"k", "build/out.o": b"o", "keep.key": b"k", ".napignore": b"*.key\n!keep.key\n/build/\n",
                   ".git/config": b"no", "sub/.git/config": b"no", "sub/x": b"x"})
    os.chmod(site + "/serve", 0o755)
    os.symlink("big.bin", site + "/link")
    os.mkfifo(site + "/pipe")
    r = me.good("deploy", site)
    assert r.out.startswith("my-site is release 1: ") and r.err.startswith("9 files, "), r
    app = app_id(stack, me.name, "my-site")
    assert tree(stack, app) == {
        "profile": ("100644", PROFILE.encode()), "serve": ("100755", b"#!/bin/sh\n"), "a b/\u00fc\"x\\.txt": ("100644", b"odd"),
        "big.bin": ("100644", big), "empty": ("100644", b""), "keep.key": ("100644", b"k"),
        ".napignore": ("100644", b"*.key\n!keep.key\n/build/\n"), "sub/x": ("100644", b"x"), "link": ("120000", b"big.bin")}
    # again: on top of what was there, and without what is gone
    os.unlink(site + "/big.bin")
    me.good("deploy", site, "my-site")
    assert "big.bin" not in tree(stack, app)
    repo = ["git", "-c", "safe.directory=*", "--git-dir", stack.path("git/%d.git" % app)]
    assert subprocess.run(repo + ["rev-list", "--count", "main"], check=True, stdout=subprocess.PIPE).stdout == b"2\n"
    assert me.good("releases", "my-site").rows["2"][:3] == ["2", "live", "upload"]
    assert os.listdir(stack.path("upload")) == []
    # a bad profile is refused by the same gate as a push's
    write(site, profile=b"memory: lots\ncommand: x\n")
    r = me.run("deploy", site, "my-site")
    assert r.code == 1 and "profile_invalid" in r.err and me.good("releases", "my-site").rows["2"][1] == "live"
    assert os.listdir(stack.path("upload")) == []
    os.mkdir(tmp_path / "none")
    r = me.run("deploy", str(tmp_path / "none"))
    assert r.code == 2 and "has no file to deploy" in r.err
    # more than the operator allows
    write(site, profile=PROFILE.encode(), noise=os.urandom(4 << 20))
    r = me.run("deploy", site, "my-site")
    assert r.code == 4 and "(too_large, request " in r.err, r


def send(stack, me, app, body, kind, **headers):
    return stack.call("POST", "/apps/%s/source" % app, token=me.env["NAP_TOKEN"], body=body, headers={"Content-Type": kind, **headers})


def tar(members, mode="w"):
    """members: (name, content) or (name, type, link)"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:
        for m in members:
            info = tarfile.TarInfo(m[0])
            if len(m) == 2:
                info.size = len(m[1])
                t.addfile(info, io.BytesIO(m[1]))
            else:
                info.type, info.linkname = m[1], m[2]
                t.addfile(info)
    return out.getvalue()


def test_archives_of_each_kind_and_those_that_are_refused(stack, me):
    stack.call("POST", "/apps", {"name": "arc"}, me.env["NAP_TOKEN"])
    app = app_id(stack, me.name, "arc")

    def ended(body, kind):
        a = send(stack, me, "arc", body, kind)
        assert a.status == 202 and a.json["operation"]["kind"] == "upload", a
        op = stack.ended(int(a.json["operation"]["id"]))
        return op["state"], op["error_code"]

    files = [("profile", PROFILE.encode()), ("d/f", b"x"), ("d/g", tarfile.LNKTYPE, "d/f"), ("dev", tarfile.CHRTYPE, ""), ("d", tarfile.DIRTYPE, "")]
    assert ended(tar(files), "application/x-tar") == ("succeeded", None)
    assert tree(stack, app) == {"profile": ("100644", PROFILE.encode()), "d/f": ("100644", b"x"), "d/g": ("100644", b"x")}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("profile", PROFILE)
        z.writestr("\u4e2d.txt", "zip" * 1000)
    assert ended(zipped.getvalue(), "application/zip") == ("succeeded", None)
    assert set(tree(stack, app)) == {"profile", "\u4e2d.txt"}
    good = tree(stack, app)
    for bad in ([("../x", b"x")], [("/etc/x", b"x")], [("a/.git/hooks/x", b"x")], [("x", tarfile.LNKTYPE, "../../etc/passwd")]):
        assert ended(tar([("profile", PROFILE.encode())] + bad, "w:gz"), "application/gzip") == ("failed", "source_broken"), bad
    whole = tar([("profile", PROFILE.encode()), ("f", os.urandom(200000))], "w:gz")
    assert ended(whole[:100000], "application/gzip") == ("failed", "source_broken")
    assert ended(b"no archive at all" * 100, "application/zip")[0] == "failed"
    assert ended(tar([("d", tarfile.DIRTYPE, "")]), "application/x-tar") == ("failed", "source_empty")
    # small as it is sent, and large as it would be unpacked
    assert ended(tar([("zeros", bytes(16 << 20))], "w:gz"), "application/gzip") == ("failed", "source_too_large")
    assert tree(stack, app) == good
    for body, kind, status, code in ((b"x", "text/plain", 415, "unsupported_media_type"), (b"", "application/zip", 422, "malformed"),
                                     (bytes((3 << 20) + 1), "application/x-tar", 413, "too_large")):
        a = send(stack, me, "arc", body, kind)
        assert a.code == code and a.status in (status, 400), a
    assert send(stack, me, "absent", whole, "application/gzip").status == 404
    # the same key and body: one operation; another body is none of it
    first = send(stack, me, "arc", tar(files), "application/x-tar", **{"Idempotency-Key": "k"})
    again = send(stack, me, "arc", tar(files), "application/x-tar", **{"Idempotency-Key": "k"})
    assert again.json["operation"]["id"] == first.json["operation"]["id"] and again.headers["Idempotent-Replayed"] == "true"
    assert send(stack, me, "arc", zipped.getvalue(), "application/zip", **{"Idempotency-Key": "k"}).code == "idempotency_key_reused"
    stack.ended(int(first.json["operation"]["id"]))
    wait_until(lambda: os.listdir(stack.path("upload")) == [])
    # where the disk quota is used up nothing is kept
    stack.sql("UPDATE tenant SET used_disk = quota_disk WHERE name = '%s'" % me.name)
    assert send(stack, me, "arc", tar(files), "application/x-tar").code == "quota_disk" and os.listdir(stack.path("upload")) == []
    # what no operation needs goes when it is old: a worker sweeps when it starts
    for file, age in (("a" * 32, 7200), ("b" * 32, 0)):
        with open(stack.path("upload/" + file), "w"):
            os.utime(stack.path("upload/" + file), (time.time() - age,) * 2)
    second = stack.worker()
    wait_until(lambda: os.listdir(stack.path("upload")) == ["b" * 32])
    stack.kill(second)
    os.unlink(stack.path("upload/" + "b" * 32))


# Groups ----------------------------------------------------------------------------------------------------------

def test_similar_apps_and_their_results(stack, me):
    me.good("deploy", source(stack, "model" + me.name), "model")
    r = me.good("similar", "model", "--dry-run", "./train --seed {seed:1..3}")
    assert [v[1] for k, v in r.rows.items() if k.startswith("model_")] == ["./train --seed %d" % n for n in (1, 2, 3)]
    assert "3 instances (" in r.out and "room for 3 of 3" in r.out and list(me.good("apps").rows) == ["NAME", "model"]
    assert me.good("similar", "model", "--dry-run", "a", "b", "--json").json["needed"]["apps"] == 2
    r = me.good("similar", "model", "./train --seed {seed:1..3}")
    assert list(r.rows) == ["NAME", "model_1", "model_2", "model_3"], r
    assert me.good("group", "list").rows["model"][:2] == ["model", "4"]
    assert me.good("group", "show", "model").rows["model_2"][-1] == "./train --seed 2"
    lines = me.good("results", "model", "--csv").out.splitlines()
    assert lines[0].split(",")[0] == "name" and "seed" in lines[0].split(",") and len(lines) == 5
    assert me.good("results", "model", "--sort", "seed", "--desc").rows["model_3"][2] == "3"
    assert me.run("similar", "model", "./x {1..2000}").code == 4
    r = me.run("results", "mode")
    assert r.code == 3 and 'did you mean "model"?' in r.err, r
    me.good("group", "scale", "model", "2")
    me.good("group", "stop", "model")
    assert me.run("group", "destroy", "model").code == 2
    assert me.good("group", "destroy", "model", "--yes").out == "group model is destroyed\n"
    assert me.good("apps", "--json").json["items"] == []


# Lines -----------------------------------------------------------------------------------------------------------

def test_logs_are_followed_and_no_process_shows_the_token(stack, me):
    app = stack.app("chatty", tenant=me.name)
    stack.log_lines(app, 1, 3)
    stack.log_lines(app, 4, 5, instance=2, text="two")
    assert me.good("logs", "chatty").out.splitlines() == ["1 | line 1", "1 | line 2", "1 | line 3", "2 | two 4", "2 | two 5"]
    assert me.good("logs", "chatty", "-i", "2", "-n", "1").out == "two 5\n"
    assert me.good("logs", "chatty", "--json").json["items"][0]["message"] == "line 1"
    p = me.start("logs", "chatty", "-f", "--lines", "1")
    assert p.stdout.readline() == "2 | two 5\n"
    stack.log_lines(app, 6, 6, text="\x1b[31mred")
    assert p.stdout.readline() == "1 | \x1b[31mred 6\n"
    token = me.env["NAP_TOKEN"].encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                assert token not in f.read()
        except OSError:
            pass
    # a stream that breaks off is taken up where it was
    stack.stream.terminate()
    stack.stream.wait(20)
    stack.log_lines(app, 7, 7, text="meanwhile")
    stack.start_stream()
    assert p.stdout.readline() == "1 | meanwhile 7\n"
    p.send_signal(signal.SIGINT)
    assert p.wait(20) == 130
    # a terminal obeys none of it
    r = me.typed("logs", "chatty", "-i", "1", "-n", "2")
    assert "\x1b[31mred" not in r.out and "\ufffd[31mred 6" in r.out


# Terminals -------------------------------------------------------------------------------------------------------

def test_a_terminal_gets_colours_widths_and_progress_and_a_pipe_plain_lines(stack, me):
    url = source(stack, "web" + me.name)
    r = me.typed("deploy", url, "web")
    assert "\r\x1b[K" in r.out and "\x1b[32mok    \x1b[0m" in r.out and "  ...     " in r.out, r
    r = me.typed("deploy", url, "web", NO_COLOR="1")
    assert "\x1b[32m" not in r.out and "\r\x1b[K" in r.out and "  ok      start" in r.out
    stack.led(me.name)
    r = me.typed("apps", columns=60)
    assert "\x1b[32mrunning\x1b[0m" in r.out
    plain = re.sub(r"\x1b\[\d+m", "", r.out).splitlines()
    assert all(len(line) <= 60 for line in plain) and any("\u2026" in line for line in plain), plain
    assert "\x1b" not in me.typed("apps", NO_COLOR="1").out and "\x1b" not in me.typed("apps", TERM="dumb").out
    assert json.loads(me.typed("apps", "--json", NO_COLOR="1").out)["items"][0]["name"] == "web"


# Operators -------------------------------------------------------------------------------------------------------

def test_tenants_tokens_and_machines(stack, operator, name, me):
    made = "x" + name[1:]
    operator.good("tenant", "add", made, "--memory", "1g", input="correct horse\n")
    assert operator.run("tenant", "add", made, input="correct horse\n").code == 4
    r = operator.run("tenant", "add", "a-b", input="correct horse\n")
    assert r.code == 4 and re.search("\n  name: ", r.err), r
    operator.good("tenant", "quota", made, "--instances", "7")
    row = operator.good("tenant", "list").rows[made]
    assert row[1:5] == ["tenant", "ok", "0 bytes/1 GiB", "0/7"], row
    operator.good("tenant", "disable", made)
    assert operator.good("tenant", "list").rows[made][2] == "disabled"
    operator.good("tenant", "enable", made)
    assert operator.run("tenant", "quota", made).code == 2
    operator.good("tenant", "destroy", made, "--yes")
    assert operator.run("tenant", "destroy", made, "--yes").code == 3
    stack.sql("INSERT INTO machine (id, address, metadata) VALUES ('m1', '10.0.0.1', '{\"isolation\": \"crun\"}') ON CONFLICT DO NOTHING")
    assert me.good("machines").rows["m1"][1] == "10.0.0.1" and "isolation=crun" in me.good("machines").out
    token = me.good("tokens", "add", "ci", "--scope", "read", "--expires", "30").out.strip()
    assert me.run("tokens", "add", "none", NAP_TOKEN=token).code == 4
    listed = me.good("tokens", "list", "--json").json["items"]
    one = [t for t in listed if t["name"] == "ci"][0]
    assert one["scopes"] == ["read"] and one["expires_at"]
    assert me.good("tokens", "revoke", one["id"]).out == "revoked token %s\n" % one["id"]
    assert me.run("apps", NAP_TOKEN=token).code == 4
    v = me.good("version").out.splitlines()
    r = me.run("version", NAP_URL="http://127.0.0.1:9")
    assert (r.code, r.out) == (5, v[0] + "\n") and Cli(me.home).good("version").out == r.out and Cli(me.home).good("--version").out == r.out
    assert v[0].startswith("nap ") and v[1] == "%s runs %s" % (stack.url, v[0][4:])


def test_the_doctor_finds_faults_and_says_what_to_do(stack, operator, me):
    def found(cli=operator, **env):
        r = cli.run("doctor", "--json", **env)
        items = {i["check"]: i for i in r.json["items"]}
        assert r.json["faults"] == sum(i["state"] == "fault" for i in items.values()) and r.code == (1 if r.json["faults"] else 0)
        assert all(i["todo"] for i in items.values() if i["state"] in ("fault", "warning"))
        return items

    healthy = "UPDATE engine SET observed_at = now(), reachable = true; UPDATE installation SET held = false; DELETE FROM machine; INSERT INTO machine " \
              "(id, address, metadata, observed_at) VALUES ('m1', '10.0.0.1', '{\"isolation\": \"crun\"}', now())"
    stack.sql(healthy)
    good = found()
    assert {c: i["state"] for c, i in good.items()} == dict(
        {c: "ok" for c in ("address", "credential", "isolation", "database", "engine", "leader", "machines", "workers", "clock")},
        **{c: "unknown" for c in ("services", "migrations", "disk", "rights", "git")}), good
    assert found(me)["engine"]["state"] == "unknown"
    for sql, check in (("UPDATE engine SET observed_at = now() - interval '5 minutes'", "leader"),
                       ("UPDATE installation SET held = true, held_reason = 'restored'", "engine"),
                       ("UPDATE machine SET metadata = '{\"isolation\": \"none\"}'", "isolation"),
                       ("DELETE FROM machine", "machines")):
        stack.sql(healthy)
        stack.sql(sql)
        assert found()[check]["state"] == "fault", check
    stack.sql(healthy)
    assert found(NAP_TOKEN="nap_none")["credential"]["state"] == "fault"
    between = Lossy(stack.port, date="Mon, 30 Nov 2020 10:00:00 GMT")
    assert found(NAP_URL=between.url)["clock"]["state"] == "warning"
    between.close()
    # an operation that nobody takes; with a worker it is taken
    stack.kill(stack.work)
    waits = stack.submit(stack.app("waits", tenant="admin"), "stop")
    stack.sql("UPDATE operation SET created_at = now() - interval '5 minutes' WHERE id = %d" % waits)
    item = found()["workers"]
    assert item["state"] == "fault" and "./up --detach" in item["todo"], item
    stack.work = stack.worker()
    stack.ended(waits)
    assert found()["workers"]["state"] == "ok"
    # on the machine itself: what has no runsv, and rights
    state = os.path.join(operator.home, "state")
    write(state, address=stack.url.encode(), **{"service/web/run": b"", "admin-token": stack.admin.encode()})
    os.chmod(state + "/service/web/run", 0o755)
    there = found(NAP_STATE=state)
    assert there["services"]["detail"] == "these do not run: web" and there["rights"]["state"] == "fault", there
    assert there["disk"]["state"] in ("ok", "warning", "fault") and there["git"]["state"] == "ok"
    subprocess.run(["sh", "-ec", there["rights"]["todo"].partition(":")[2]], check=True)
    assert found(NAP_STATE=state)["rights"]["state"] == "ok"
    # the operator's token of that folder, for that address alone
    alone = Cli(operator.home)
    assert alone.good("whoami", NAP_STATE=state).out.startswith("admin (admin)")
    assert alone.run("whoami", NAP_STATE=state, NAP_URL="http://127.0.0.1:9").code == 4
    r = operator.run("doctor", NAP_URL="http://127.0.0.1:9")
    assert r.code == 1 and r.rows["address"][1] == "fault" and "\naddress: start it: ./up --detach" in r.out


# Keys ------------------------------------------------------------------------------------------------------------

def test_keys_for_pushes_by_ssh(me, operator, tmp_path):
    private, public = str(tmp_path / "id"), str(tmp_path / "id.pub")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f", private], check=True)
    fingerprint = subprocess.run(["ssh-keygen", "-lf", public], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[1]
    assert me.good("keys", "list").out == "" and me.good("keys", "list", "--json").json["items"] == []
    r = me.good("keys", "add", "laptop", public)
    number = re.fullmatch(r"added key (\d+)\n", r.out)[1]
    assert me.good("keys", "list").rows[number][:3] == [number, "laptop", fingerprint]
    one, = me.good("keys", "list", "--json").json["items"]
    assert (one["id"], one["fingerprint"], one["comment"], one["last_used_at"]) == (number, fingerprint, "me@here", None)
    # one that is taken, by anybody; a private one, which is not sent; none; a file that is not there
    with open(public) as f:
        line = f.read()
    for who in (me, operator):
        r = who.run("keys", "add", "again", input=line)
        assert (r.code, r.out) == (4, "") and "(key_taken, request " in r.err, r
    r = me.run("keys", "add", "oops", private, NAP_URL="http://127.0.0.1:9")
    assert r.code == 2 and "that is a private key" in r.err, r
    r = me.run("keys", "add", "bad", input=line[:60] + "\n")
    assert r.code == 4 and re.search("\n  key: ", r.err), r
    r = me.run("keys", "add", "bad", input="")
    assert r.code == 4 and re.search("\n  key: ", r.err), r
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    r = me.run("keys", "add", "bad", str(tmp_path / "binary"))
    assert r.code == 2 and "is no public key" in r.err, r
    r = me.run("keys", "add", "bad", input=line + line)
    assert r.code == 4 and "must be one line" in r.err, r
    r = me.run("keys", "add", "bad", public + "x")
    assert r.code == 2 and public + "x" in r.err, r
    assert me.run("keys", "add").code == 2 and me.run("keys", "remove").code == 2
    # somebody else's is not there
    assert operator.run("keys", "remove", number).code == 3
    assert me.good("keys", "remove", number).out == "removed key %s\n" % number
    assert me.run("keys", "remove", number).code == 3
    made = me.good("keys", "add", "again", "--json", input="\n" + line).json
    assert made["fingerprint"] == fingerprint and made["name"] == "again"
    assert me.good("keys", "remove", made["id"], "--json").out == ""


# What is lost on the way -------------------------------------------------------------------------------------------

class Lossy:
    """Stands between: loses the answer of each first request of a key, and says 503 once before that. date: what it says
    instead of the answer's"""

    def __init__(self, port, date=None):
        self.tries = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def run(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                key = self.headers.get("Idempotency-Key")
                outer.tries.append((self.command, key))
                turn = sum(k == key for _, k in outer.tries)
                self.close_connection = True
                if key and turn == 1:
                    self.send_response(503)
                    self.send_header("Retry-After", "1")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                c.request(self.command, self.path, body or None, dict(self.headers.items()))
                r = c.getresponse()
                text = r.read()
                c.close()
                if key and turn == 2:
                    self.connection.close()          # it took effect, and nobody hears of it
                    return
                self.send_response_only(r.status)
                self.send_header("Date", date or r.headers["Date"])
                for k, v in r.headers.items():
                    if k not in ("Transfer-Encoding", "Content-Length", "Connection", "Date"):
                        self.send_header(k, v)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = run

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_lost_answer_is_asked_for_again_and_takes_effect_once(stack, me):
    me.good("deploy", source(stack, "once" + me.name), "once")
    between = Lossy(stack.port)
    try:
        assert me.good("restart", "once", NAP_URL=between.url).out == "once is restarted\n"
    finally:
        between.close()
    posts = [key for method, key in between.tries if method == "POST"]
    assert len(posts) == 3 and len(set(posts)) == 1
    assert stack.sql("SELECT count(*) FROM operation o JOIN tenant t ON t.id = o.tenant_id WHERE t.name = '%s' AND kind = 'restart'"
                     % me.name) == "1"
