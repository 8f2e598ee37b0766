"""nap-node and nap-run: an instance from the answer of nap to the report of its end."""
import hashlib
import os
import signal
import socket
import stat
import subprocess
import threading

import pytest
from node_stack import TREE, free_port, until
from test_files import Home

NAME = "t.a.v1@1.service"
SIDEKICK = "t.a.v1_discovery@1.service"


def command(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().split(b"\0")[0]
    except OSError:
        return b""


def test_a_job_runs_once_and_is_finished(each):
    u = each.instance(NAME, "cat hello.txt\necho \"$SECRET\"\necho out >\"$NAP_OUT/o\"; echo data >\"$NAP_DATA/d\"; echo x >hello.txt\n",
                      env={"SECRET": "it's $HOME `x` \"y\"\nz"})
    u.wait("dead")
    said = "hi\nit's $HOME `x` \"y\"\nz\n"
    assert u.log == said
    assert u.events.count("Started %s - nap t.a.v1 1." % NAME) == 1
    end, = each.nap.exits_of(NAME)
    assert (end["result"], end["exit_code"], end["exit_signal"]) == ("finished", 0, None)
    assert end["stdout_bytes"] == len(said)
    assert end["stdout_sha256"] == hashlib.sha256(said.encode()).hexdigest()
    assert end["started_us"] <= end["ended_us"] and not end["listened"] and len(end["run_id"]) == 32
    folder = each.lib + "/" + NAME
    assert open(folder + "/out/o").read() == "out\n"
    assert Home(each.lib).tar("12") == {"a/1/o": b"out\n"}
    assert open(each.lib + "/data/12/d").read() == "data\n"
    # the view and the environment are gone, the tree is as it was
    assert not os.path.exists(folder + "/view") and not os.path.exists(each.run + "/" + NAME)
    assert open("%s/tree/%s/hello.txt" % (each.state, TREE)).read() == "hi\n"


def test_what_fails_is_tried_again_and_given_up(machine):
    u = machine.instance(NAME, "echo try; exit 3\n", policy={"attempts": 3, "backoff_max": 0})
    u.wait("failed", 60)
    assert u.log.count("try") == 3
    assert "nap: gave up: it ended 3 times within 10 minutes, last with exit status 3" in u.log
    results = [(e["result"], e["exit_code"]) for e in machine.nap.exits_of(NAME)]
    assert results == [("exit-code", 3), ("exit-code", 3), ("gave-up", 3)]


def test_the_wait_before_a_retry_grows(machine):
    u = machine.instance(NAME, "exit 3\n", policy={"attempts": 3})
    u.wait("failed", 60)
    assert "starts again in 1 s" in u.log and "starts again in 2 s" in u.log


def test_a_last_line_without_a_newline_is_a_line(machine):
    u = machine.instance(NAME, "echo hi; printf oops >&2; exit 3\n", policy={"attempts": 2, "backoff_max": 0})
    u.wait("failed")
    said = u.log.splitlines()
    assert said.count("hi") == said.count("oops") == 2 and len(said) == 6 and said[2].startswith("nap: ended with") \
        and said[5].startswith("nap: gave up"), said
    assert [end["stdout_bytes"] for end in machine.nap.exits_of(NAME)] == [3, 3]


def test_restart_no_and_on_failure(machine):
    once = machine.instance(NAME, "exit 4\n", restart="no")
    once.wait("failed")
    assert [e["result"] for e in machine.nap.exits_of(NAME)] == ["exit-code"]
    good = machine.instance("t.b.v1@1.service", "exit 0\n", restart="on-failure")
    good.wait("dead")
    assert [e["result"] for e in machine.nap.exits_of("t.b.v1@1.service")] == ["finished"]


def test_a_server_is_restarted_whenever_it_ends(machine):
    u = machine.instance(NAME, "echo up; exit 0\n", listened=True, policy={"backoff_max": 0})
    until(lambda: u.phase and u.restarts >= 3)
    u.stop()
    # auto-restart: the order came just before runsv would have started it again
    assert u.phase in ("dead", "failed", "auto-restart") and u.processes() == []
    assert {e["result"] for e in machine.nap.exits_of(NAME)} <= {"exit-code", "stopped"}


def test_its_port_is_seen_to_be_listened_on(each):
    port = free_port()
    u = each.instance(NAME, "exec python3 -u -m http.server --bind 127.0.0.1 %d\n" % port, port=port, health="/",
                      env={"PORT": str(port)})
    k = each.unit(SIDEKICK, [("Service", "ExecStart", "+%S/nap/bin/nap-node announce %n"),
                             ("Service", "Restart", "always"), ("Service", "TimeoutStopSec", "2")])
    until(lambda: (NAME, True) in each.nap.announced, 60, lambda: u.log + str(each.nap.announced))
    until(lambda: "listened=1" in open(each.lib + "/" + NAME + "/exit/record").read())
    if not u.processes():
        return  # an ordinary user's units have its own uid: which process is the program's cannot be told
    before = len(each.nap.announced)
    os.kill(max(u.processes()), signal.SIGKILL)
    until(lambda: (NAME, False) in each.nap.announced[before:])
    until(lambda: (NAME, True) in each.nap.announced[before:], 60)
    u.stop()
    until(lambda: each.nap.announced[-1] == (NAME, False))
    assert each.nap.exits_of(NAME)[0]["listened"] is True
    k.stop()
    assert k.phase == "dead"


def test_a_port_of_somebody_else_is_not_healthy(machine):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        u = machine.instance(NAME, "echo up; sleep 1000\n", port=port, health="")
        machine.unit(SIDEKICK, [("Service", "ExecStart", "+%S/nap/bin/nap-node announce %n")])
        u.wait_log("up")
        until(lambda: len(machine.nap.announced) >= 3)
        assert (NAME, True) not in machine.nap.announced


def test_a_restart_needs_no_nap_and_the_end_is_told_later(machine):
    u = machine.instance(
        NAME, "test -e \"$NAP_DATA/go\" || { touch \"$NAP_DATA/go\"; exec sleep 1000; }; echo again; exit 5\n",
        policy={"attempts": 3, "backoff_max": 0})
    u.wait("running")
    sleep = until(lambda: [p for p in u.processes() if command(p) == b"sleep"])
    machine.nap.status = 503
    os.kill(sleep[0], signal.SIGKILL)
    u.wait_log("nap: nap cannot be reached; starting from the kept copy")
    u.wait("failed", 60)
    assert machine.nap.exits == []
    machine.nap.status = 0
    other = machine.instance("t.b.v1@1.service", "exit 0\n")
    other.wait("dead")
    until(lambda: len(machine.nap.exits_of(NAME)) == 3)
    assert [e["result"] for e in machine.nap.exits_of(NAME)] == ["signal", "exit-code", "gave-up"]
    assert os.listdir(machine.lib + "/outbox") == []


def test_gone_drops_the_kept_copy_and_does_not_start(machine):
    u = machine.instance(NAME, "exit 0\n", restart="no")
    u.wait("dead")
    assert os.path.exists(machine.lib + "/" + NAME + "/unit.json")
    u.stop()
    del machine.nap.units[NAME]
    u.start()
    u.wait_log("nap: this instance is not wanted any more")
    until(lambda: not os.path.exists(machine.lib + "/" + NAME + "/unit.json"))


def test_memory_is_said_by_the_end_and_in_the_log(machine):
    if machine.isolation != "crun":
        pytest.skip("no cgroup")
    u = machine.instance(NAME, "exec python3 -c 'bytearray(100 << 20)'\n", policy={"attempts": 1})
    u.wait("failed")
    end, = machine.nap.exits_of(NAME)
    assert (end["exit_signal"], end["result"]) == (9, "gave-up")
    assert "nap: killed: it used more memory than it is allowed" in u.log
    assert u.result == "oom-kill"


def test_a_missing_language_is_explained(machine):
    u = machine.instance(NAME, "cd . && PORT=1\nno-such-language main.x\n", policy={"attempts": 1})
    u.wait("failed")
    assert "nap: `no-such-language` is not on this machine" in u.log


def test_tenant_values_never_reach_root(machine):
    """RULES 1: LD_PRELOAD of an app runs nothing outside the sandbox; the files are only its own."""
    u = machine.instance(NAME, "echo \"$LD_PRELOAD\"; sleep 1000\n", env={"LD_PRELOAD": "/app/evil.so", "PATH": "/usr/bin:/bin"})
    u.wait("running")
    until(lambda: "evil.so" in u.log)
    for path in ("env", "start", "policy"):
        st = os.stat("%s/%s/%s" % (machine.run, NAME, path))
        assert (stat.S_IMODE(st.st_mode), st.st_uid) == (0o400, u.uid)
    assert stat.S_IMODE(os.stat(machine.run + "/" + NAME).st_mode) == 0o500
    assert stat.S_IMODE(os.stat(machine.lib + "/" + NAME + "/unit.json").st_mode) == 0o600
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open("/proc/%s/cmdline" % pid, "rb").read()
            env = open("/proc/%s/environ" % pid, "rb").read()
            uid = os.stat("/proc/" + pid).st_uid
        except OSError:
            continue
        assert b"evil.so" not in line and (uid == u.uid or b"LD_PRELOAD=/app/evil.so" not in env)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has namespaces to be led out of")
def test_what_systemd_starts_it_with_is_no_trap(machine):
    """systemd gives a + command the unit's UMask= and a mount namespace of its own: files are readable all the same, and
    the view is there for the next command."""
    machine.nap.units[NAME] = {
        "unit": NAME, "kind": "instance", "app_id": "12", "tenant": "t", "app": "a", "group": "a", "release": 1, "number": 1, "port": 0,
        "tree": machine.tree({"hello.txt": "hi\n"}), "health": "none", "restart": "auto", "listened": False, "memory": 1 << 26,
        "env": {"PORT": "0"}, "start": "true"}
    node, view, self = machine.lib + "/bin/nap-node", "%s/%s/view" % (machine.lib, NAME), "%s/%s" % (machine.run, NAME)
    said = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c",  # sh is its process 1, as systemd is
         "unshare --mount --propagation slave sh -c 'umask 077; exec %s prepare %s' || exit; cat %s/hello.txt; stat -c %%a %s %s/env %s; "
         "unshare --mount --propagation slave %s stopped %s; ls %s" % (node, NAME, view, view, self, self, node, NAME, view)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    assert said.splitlines()[:4] == ["hi", "777", "444", "755"] and "No such file" in said, said


def test_units_do_not_see_each_other(each):
    """RULES 6: neither files nor environment nor processes of another unit."""
    secret = each.instance("t.b.v1@1.service", "echo hidden >\"$NAP_DATA/f\"; echo up; sleep 1000\n",
                           env={"SECRET": "swordfish"}, app_id="13", tenant="u")
    secret.wait_log("up")
    u = each.instance(NAME, "for p in /proc/[0-9]*; do cat $p/environ; done 2>/dev/null | tr '\\0' '\\n' | grep -c swordfish\n"
                            "cat %s/t.b.v1@1.service/env %s/data/13/f %s/t.b.v1@1.service/view/hello.txt %s/tree/*/hello.txt\n"
                            "kill -9 %d; echo done\n" % (each.run, each.lib, each.lib, each.state, secret.pid))
    u.wait_log("done")
    assert "hidden" not in u.log and "swordfish" not in u.log and u.log.splitlines()[0] == "0"
    assert secret.phase == "running"


def test_a_build_leaves_its_folder_as_a_tree(machine):
    result, name = "f" * 64, "t.a.v1-build@1.service"
    u = machine.instance(name, "echo built >new; mkdir sub; ln -s /etc/shadow sub/l; chmod 4755 new; echo c >>/cache/c; rm hello.txt\n",
                         kind="build", result_tree=result)
    u.wait("dead")
    tree = "%s/tree/%s" % (machine.state, result)
    assert open(tree + "/new").read() == "built\n" and not os.path.exists(tree + "/hello.txt")
    assert stat.S_IMODE(os.stat(tree + "/new").st_mode) == 0o777
    assert os.readlink(tree + "/sub/l") == "/etc/shadow"
    assert open(machine.lib + "/cache/t/c").read() == "c\n"
    assert [e["result"] for e in machine.nap.exits_of(name)] == ["finished"]
    bad = "t.a.v2-build@1.service"
    f = machine.instance(bad, "echo c >>/cache/c; exit 9\n", kind="build", result_tree="e" * 64)
    f.wait("failed")
    assert open(machine.lib + "/cache/t/c").read() == "c\nc\n"
    assert [(e["result"], e["exit_code"]) for e in machine.nap.exits_of(bad)] == [("exit-code", 9)]
    assert not os.path.exists("%s/tree/%s" % (machine.state, "e" * 64))


def test_data_outlives_a_release_and_its_user(machine):
    one = machine.instance(NAME, "echo one >\"$NAP_DATA/f\"; chmod 600 \"$NAP_DATA/f\"\n")
    one.wait("dead")
    two = machine.instance("t.a.v2@1.service", "cat \"$NAP_DATA/f\"; echo two >\"$NAP_DATA/f\"\n", release=2)
    two.wait("dead")
    assert one.uid != two.uid or os.geteuid() != 0
    assert two.log == "one\n" and open(machine.lib + "/data/12/f").read() == "two\n"


def test_a_hostile_exit_folder_leads_root_nowhere(machine):
    target = machine.state + "/target"
    machine.write(target, "keep\n", 0o600)
    u = machine.instance(NAME, "cd \"${NAP_ROOT}/run/nap-exit\"; rm -f *; ln -s %s ends; ln -s %s ends.node; mkfifo record; "
                               "kill -9 $PPID\n" % (target, target), policy={"attempts": 1})
    u.wait_log("", 1)
    until(lambda: machine.nap.exits_of(NAME), 60)
    assert machine.nap.exits_of(NAME)[0]["result"] in ("signal", "exit-code")
    u.stop()
    assert open(target).read() == "keep\n"


def test_the_sidekick_leaves_when_nap_knows_the_unit_no_more(machine):
    k = machine.unit(SIDEKICK, [("Service", "ExecStart", "+%S/nap/bin/nap-node announce %n")])
    k.wait("running")
    until(lambda: machine.nap.announced)
    assert machine.nap.announced == [(NAME, False)]
    k.stop()


def test_a_busy_nap_is_asked_again(machine):
    machine.nap.status = 409
    threading.Timer(1.5, lambda: setattr(machine.nap, "status", 0)).start()
    u = machine.instance(NAME, "echo up\n")
    u.wait("dead")
    assert u.log == "up\n"


def test_who_keeps_too_much_may_still_clean_up_but_not_grow(machine):
    u = machine.instance(NAME, "case $(ls \"$NAP_DATA\") in '') ;; *) rm \"$NAP_DATA\"/*; exit ;; esac\n"
                         "head -c 9000000 /dev/zero >\"$NAP_DATA/f\"; echo status $?; : >\"$NAP_DATA/more\"\n", restart="no",
                         disk={"limit": 4 << 20, "floor": 0})

    def again():
        n = len(machine.nap.exits_of(NAME))
        u.stop()
        u.start()
        until(lambda: len(machine.nap.exits_of(NAME)) > n)
        u.wait("dead")

    def limit():
        with open("%s/%s/limit" % (machine.lib, NAME)) as f:
            return int(f.read().split()[0])

    u.wait("dead")
    assert "status 153\n" in u.log                      # 128 + SIGXFSZ: no file becomes larger than all may be
    data = machine.lib + "/data/12/f"
    assert os.path.getsize(data) == 4 << 20 and limit() == 4 << 20
    again()
    assert "nap: disk: 4 MiB of 4 MiB used before it starts; this run may take 1 MiB more, to clean up" in u.log
    assert machine.nap.exits_of(NAME)[-1]["result"] == "finished"
    assert os.listdir(machine.lib + "/data/12") == [] and 5 << 20 <= limit() < (5 << 20) + 65536
    again()
    assert limit() == 4 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no other to give a unit")
def test_outputs_of_a_start_before_are_the_next_users_too(machine):
    """Stopped and started again, as by ./up, a unit has another user."""
    u = machine.instance(NAME, "echo again >>\"$NAP_OUT/f\"\n", restart="no")
    u.wait("dead")
    u.stop()
    u.uid = next(type(machine).uids)
    machine.write(u.dir + "/uid", str(u.uid))
    u.start()
    until(lambda: len(machine.nap.exits_of(NAME)) == 2)
    assert machine.nap.exits_of(NAME)[-1]["result"] == "finished", u.log
    out = "%s/%s/out/f" % (machine.lib, NAME)
    assert open(out).read() == "again\nagain\n" and os.stat(out).st_uid == u.uid


def test_a_builds_cache_makes_room(machine):
    os.makedirs(machine.lib + "/cache/t")
    with open(machine.lib + "/cache/t/old", "wb") as f:
        f.write(b"x" * (3 << 20))
    u = machine.instance(NAME, "echo new >\"$XDG_CACHE_HOME/new\"\n", kind="build", result_tree="", disk={"limit": 4 << 20, "floor": 0})
    u.wait("dead")
    assert os.listdir(machine.lib + "/cache/t") == ["new"]


def test_data_of_destroyed_apps_goes_and_of_unknown_ones_stays(machine):
    for app in ("12", "13", "14"):
        os.makedirs("%s/data/%s/deep" % (machine.lib, app))
    u = machine.instance(NAME, "sleep 1000\n")           # of app 12: its unit is there still
    u.wait("running")

    def sweep(status, *destroyed):
        machine.nap.status, machine.nap.destroyed = status, destroyed
        subprocess.run([machine.lib + "/bin/nap-node", "sweep"], check=True)
        return sorted(os.listdir(machine.lib + "/data"))

    assert sweep(503, "13") == ["12", "13", "14"]
    assert sweep(0, "12", "13") == ["12", "14"]
    u.stop()
    machine.nap.units.clear()
    assert sweep(0, "12") == ["14"]
