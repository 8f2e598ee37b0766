"""A copy of nap as another computer uses it: from a second network namespace, with nothing but what ./up printed. Its
folder lies below one that other users cannot enter, as /root is, and its port is one that only root may have."""
import json
import os
import re
import shutil
import subprocess

import pytest

from stack import Nap, remove_folder, temporary_folder, wait_until, web_app, write_files

# a network for each run: what one that was killed has left is not in another's way
NET = os.getpid() % 16384 * 4
US, OTHER = ("10.233.%d.%d" % divmod(NET + n, 256) for n in (1, 2))


def run(*argv, **kw):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw).stdout


def git_processes(state):
    """(command line, rights that it has) of each git that works on a repository of this copy"""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f, open(f"/proc/{pid}/status") as g:
                line, status = f.read().replace("\0", " "), g.read()
        except OSError:
            continue
        if line.startswith("git ") and state + "/git/" in line:
            found.append((line, re.search(r"^CapPrm:\s*(\w+)", status, re.M)[1]))
    return found


@pytest.fixture(scope="module")
def net():
    """the name of a namespace from which we are at US"""
    if os.getuid() != 0 or not shutil.which("ip"):
        pytest.skip("another network namespace needs root")
    name = "nap-%d" % os.getpid()
    ours, theirs = "napa%d" % (os.getpid() % 10 ** 7), "napb%d" % (os.getpid() % 10 ** 7)
    if subprocess.run(["ip", "netns", "add", name], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("a network namespace cannot be made here")
    try:
        if subprocess.run(["ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name],
                          stderr=subprocess.DEVNULL).returncode != 0:
            pytest.skip("a pair of network devices cannot be made here")
        run("ip", "addr", "add", US + "/30", "dev", ours)
        run("ip", "link", "set", ours, "up")
        run("ip", "-n", name, "addr", "add", OTHER + "/30", "dev", theirs)
        run("ip", "-n", name, "link", "set", theirs, "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        subprocess.run(["ip", "link", "del", ours], stderr=subprocess.DEVNULL)
        run("ip", "netns", "del", name)


@pytest.fixture(scope="module")
def copy(net, shared_build):
    folder = temporary_folder()
    os.mkdir(folder + "/closed", 0o700)
    one = Nap(folder + "/closed", NAP_LISTEN=US, NAP_APP_PORTS="30900-30949")
    one.port, one.ssh_port = 887, 886
    one.env.update(NAP_PORT="887", NAP_SSH_PORT="886")
    try:
        one.start()
        yield one
    finally:
        one.up("--stop")
        state = os.path.realpath(one.state)
        remove_folder(folder)
        if state.startswith("/var/lib/nap/"):
            remove_folder(state)


def test_another_computer_signs_in_deploys_and_opens_the_app(copy, net, tmp_path):
    there = ["ip", "netns", "exec", net]

    def curl(*options):
        return run(*there, "curl", "-sS", "-m", "100", *options)

    def api(method, path, body, *options):
        return json.loads(curl("-X", method, "-H", "Content-Type: application/json", "-H", "Origin: " + url, "-d",
                               json.dumps(body), *options, url + "/api/v1" + path))

    # what ./up printed, and nothing else
    url = re.search(r"from other computers: (\S+)", copy.said).group(1)
    tenant, password = re.search(r'first sign-in, shown once: tenant "(\w+)", password (\S+)', copy.said).groups()
    assert url == "http://%s:887" % US

    jar = str(tmp_path / "cookies")
    assert "<title>" in curl(url + "/")
    csrf = api("POST", "/session", {"tenant": tenant, "password": password}, "-c", jar)["csrf"]
    signed = ["-b", jar, "-H", "X-CSRF-Token: " + csrf]
    token = api("POST", "/tokens", {"name": "t", "scopes": ["deploy"]}, *signed)["token"]

    work = str(tmp_path / "work")
    write_files(work, web_app("far"))
    git = [*there, "env", "GIT_CONFIG_GLOBAL=/dev/null", "git", "-C", work, "-c", "user.name=a", "-c", "user.email=a@b"]
    run(*git, "init", "-q", "-b", "main")
    run(*git, "add", "-A")
    run(*git, "commit", "-q", "-m", "first")
    told = run(*git, "push", url.replace("http://", "http://%s:%s@" % (tenant, token)) + "/git/%s/far.git" % tenant, "main")

    # the address that the push showed is the one that a browser there opens
    address = re.search(r"deployed as release 1: (\S+)", told).group(1)
    assert re.fullmatch(r"http://%s:309[0-4]\d/" % US, address)
    assert json.loads(curl(address))["word"] == "far"
    assert json.loads(curl(*signed, url + "/api/v1/apps/far"))["address"] == address

    # by SSH too, on a port that only root may have; what sshd starts has that right no more
    key = str(tmp_path / "key")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    with open(key + ".pub") as f:
        api("POST", "/keys", {"name": "far", "key": f.read()}, *signed)
    ssh = ["ssh", "-T", "-F", "/dev/null", "-p", "886", "-i", key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
           "UserKnownHostsFile=/dev/null"]
    wait_until(lambda: "Hello " + tenant in subprocess.run([*there, *ssh, tenant + "@" + US], capture_output=True, text=True).stdout)
    sha = run(*there, "env", "GIT_SSH_COMMAND=" + " ".join(ssh), "git", "ls-remote", "-q", "%s@%s:far" % (tenant, US), "HEAD")
    assert run(*git, "rev-parse", "HEAD").strip() in sha
    with subprocess.Popen([*there, *ssh, tenant + "@" + US, "git-upload-pack 'far'"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as fetch:
        fetch.stdout.read(4)                    # git is there, and waits for what is wanted
        assert {caps for line, caps in git_processes(os.path.realpath(copy.state))} == {"0" * 16}
        fetch.stdin.close()
        fetch.stdout.read()

    # and nothing else of nap or of its apps is open to that computer
    mine = set(re.findall(r" %s:(\d+) " % re.escape(US), run("ss", "-Hltn")))
    assert mine == {"887", str(copy.ssh_port), address.split(":")[2].strip("/")}


def test_its_folder_is_a_link_to_where_other_users_may_come(copy):
    assert os.path.islink(copy.state) and os.path.realpath(copy.state).startswith("/var/lib/nap/")
    assert copy.up("--status") == 0, copy.said


@pytest.mark.parametrize("settings,word", [
    ({"NAP_STATE": "/tmp/nap-" + "x" * 80}, "sockets below it allow 75; name a shorter one by NAP_STATE"),
    ({"NAP_STATE": "/tmp/nap with blank"}, "has characters that nap's configuration files cannot hold"),
])
def test_a_place_that_cannot_be_used_is_said_and_nothing_runs(shared_build, settings, word):
    folder = temporary_folder()
    one = Nap(folder)
    one.env.update(settings)
    try:
        assert one.up("--detach") != 0
        assert word in one.said
        assert "Traceback" not in one.said and "line " not in one.said
    finally:
        one.up("--stop")
        remove_folder(folder)
        remove_folder(one.env["NAP_STATE"])
