"""nap-unit under runsv: what systemd.service(5) promises, seen on the process."""
import json
import os
import signal
import time

from node_stack import until


def service(*lines):
    return [("Service", *line.split("=", 1)) for line in lines]


def test_a_plain_command_runs_walled_off(machine):
    u = machine.unit("a@1.service", service(
        "ExecStart=/bin/sh -c 'id -u; cat /proc/self/status; ls / /root /home; cat /etc/shadow; "
        "unshare -U true && echo unshared; hostname; sleep 1000'"))
    u.wait("running")
    u.wait_log("Seccomp:\t2")
    u.wait_log("unshare: ")
    log = u.log
    assert log.startswith("%d\n" % u.uid)
    assert "CapEff:\t0000000000000000" in log and "CapBnd:\t0000000000000000" in log
    assert "NoNewPrivs:\t1" in log and "unshared" not in log
    assert "cat: /etc/shadow: No such file" in log and "Operation not permitted" in log
    assert u.pid in u.processes() or u.uid == os.getuid()
    u.stop()
    assert (u.phase, u.result, u.processes()) == ("dead", "success", [])
    assert u.events[-1] == "Stopped a@1.service."


def test_restarts_follow_the_option(machine):
    always = machine.unit("always.service", service(
        "ExecStart=/bin/true", "Restart=always", "RestartSec=0", "StartLimitInterval=1h"))
    never = machine.unit("never.service", service("ExecStart=/bin/false", "Restart=on-success"))
    prevented = machine.unit("prevented.service", service(
        "ExecStart=/bin/sh -c 'exit 42'", "Restart=always", "RestartPreventExitStatus=42"))
    never.wait("failed")
    assert never.result == "exit-code"
    assert "never.service: Main process exited, code=exited, status=1/FAILURE" in never.events
    assert "never.service: Failed with result 'exit-code'." in never.events
    prevented.wait("failed")
    until(lambda: "always.service: Scheduled restart job, restart counter is at 2." in always.events)
    # five starts within the interval
    always.wait("failed", 60)
    assert always.result == "start-limit-hit"
    assert "always.service: Start request repeated too quickly." in always.events


def test_a_stop_cuts_the_wait_before_a_restart_short(machine):
    u = machine.unit("r.service", service("ExecStart=/bin/false", "Restart=always", "RestartSec=1h"))
    u.wait("auto-restart")
    u.stop()
    assert u.phase == "failed"


def test_memory_is_limited_and_only_the_eater_dies(machine):
    if machine.isolation != "crun":
        return
    other = machine.unit("other.service", service("ExecStart=/bin/sleep 1000", "MemoryMax=64M"))
    u = machine.unit("m.service", service(
        "ExecStart=/usr/bin/python3 -c 'bytearray(100 << 20)'", "MemoryMax=64M", "Restart=no"))
    u.wait("failed")
    assert (u.result, u.read("phase").split()[2:4]) == ("oom-kill", ["-1", "9"])
    assert "m.service: A process of this unit has been killed by the OOM killer." in u.events
    assert other.phase == "running"


def test_what_ignores_term_daemonises_and_forks_is_gone_after_the_stop(each):
    u = each.unit("h.service", service(
        "ExecStart=/bin/sh -c 'trap \"\" TERM; (setsid sleep 1000 &); "
        "setsid sh -c \"trap : TERM; while :; do sleep 2; done\" & echo up; while :; do sleep 1; done'",
        "TimeoutStopSec=1"))
    u.wait_log("up")
    until(lambda: len(u.processes()) > 4 or u.uid == os.getuid())
    u.stop()
    assert (u.phase, u.result) == ("failed", "timeout")
    assert u.processes() == []


def test_a_fork_bomb_is_bounded_and_gone(each):
    u = each.unit("f.service", service(
        "ExecStart=/bin/sh -c 'echo up; f() { f | f & f; }; f'", "TasksMax=40", "TimeoutStopSec=1", "Restart=always",
        "RestartSec=0"))
    u.wait_log("up")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert len(u.processes()) <= 42
    u.stop()
    assert u.processes() == []


def test_term_reaches_the_program_and_its_exit_status_counts(each):
    u = each.unit("t.service", service(
        "ExecStart=/bin/sh -c 'trap \"echo bye; exit 7\" TERM; echo up; while :; do sleep 0.1; done'",
        "SuccessExitStatus=7"))
    u.wait_log("up")
    u.stop()
    assert "bye" in u.log
    assert (u.phase, u.result, u.read("phase").split()[2]) == ("dead", "success", "7")


def test_a_signal_is_told_from_a_status_above_128(each):
    killed = each.unit("k.service", service("ExecStart=/bin/sh -c 'kill -9 $$$$'"))
    status = each.unit("s.service", service("ExecStart=/bin/sh -c 'exit 137'"))
    killed.wait("failed")
    status.wait("failed")
    assert killed.read("phase").split()[1:4] == ["signal", "-1", "9"]
    assert status.read("phase").split()[1:4] == ["exit-code", "137", "0"]


def test_a_killed_nap_unit_leaves_nothing_and_starts_anew(machine):
    u = machine.unit("k.service", service("ExecStart=/bin/sleep 1000", "Restart=always", "RestartSec=0"))
    u.wait("running")
    first = u.pid
    with open(u.service + "/supervise/pid") as f:
        os.kill(int(f.read()), signal.SIGKILL)
    until(lambda: u.phase == "running" and u.pid != first)
    assert first not in u.processes()
    assert u.restarts == 1
    u.stop()
    assert u.processes() == []


def test_only_naps_helper_runs_outside(machine):
    u = machine.unit("p.service", service("ExecStartPre=+/usr/bin/touch /tmp/p", "ExecStart=/bin/sleep 1000"))
    u.wait("failed")
    assert "is refused" in "\n".join(u.events)
    climbing = machine.unit("q.service", service(
        "ExecStart=+%S/nap/bin/../../../../../../usr/bin/id", "Restart=no"))
    climbing.wait("failed")
    bind = machine.unit("b.service", service(
        "ExecStart=/bin/cat /x", "BindReadOnlyPaths=/etc/shadow:/x", "Restart=no"))
    bind.wait("failed")
    assert "cannot be mounted" in "\n".join(bind.events) and "root:" not in bind.log


def test_commands_before_behind_and_at_the_end(machine):
    u = machine.unit("c.service", service(
        "ExecStartPre=/bin/sh -c 'echo pre'", "ExecStartPre=-/bin/false", "ExecStart=/bin/sh -c 'echo main; sleep 1000'",
        "ExecStartPost=/bin/sh -c 'echo post'", "ExecStop=/bin/sh -c 'echo stop; kill -TERM $MAINPID'",
        "ExecStopPost=/bin/sh -c 'echo \"$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS\"'"))
    u.wait("running")
    u.wait_log("post")
    u.stop()
    assert sorted(u.log.split()) == sorted("pre main post stop success killed TERM".split())
    failing = machine.unit("d.service", service("ExecStartPre=/bin/false", "ExecStart=/bin/echo never"))
    failing.wait("failed")
    assert failing.log == ""


def test_oneshot_and_remain_after_exit(machine):
    u = machine.unit("o.service", service(
        "Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/echo one", "ExecStart=/bin/echo two"))
    u.wait("exited")
    assert u.log == "one\ntwo\n"
    assert u.events[-1] == "Finished o.service."
    u.stop()
    assert u.phase == "dead"


def test_timeouts(machine):
    start = machine.unit("s.service", service(
        "ExecStartPre=/bin/sleep 1000", "ExecStart=/bin/true", "TimeoutStartSec=1"))
    long = machine.unit("l.service", service("ExecStart=/bin/sleep 1000", "RuntimeMaxSec=1"))
    start.wait("failed")
    long.wait("failed")
    assert (start.result, long.result) == ("timeout", "timeout")
    assert "l.service: Service reached runtime time limit. Stopping." in long.events


def test_environment_folder_and_limits(machine):
    os.makedirs(machine.lib + "/w")
    machine.write(machine.lib + "/env", "FROM_FILE='a b'\n")
    u = machine.unit("e@7.service", service(
        "Environment=\"A=x y\" B=%i", "EnvironmentFile=%S/nap/env", "EnvironmentFile=-/nowhere", "UMask=0027",
        "LimitNOFILE=777", "LimitCORE=0", "WorkingDirectory=/var/tmp", "CPUWeight=50", "BindPaths=%S/nap/w:/w",
        "InaccessiblePaths=/usr/share/doc", "PrivateNetwork=yes", "Nice=5",
        "ExecStart=/bin/sh -c 'echo \"$A|$B|$FROM_FILE\"; pwd; umask; ulimit -n; ulimit -c; nice; ls /usr/share/doc | wc -l; "
        "grep -c : /proc/net/dev; touch /no; sleep 1000'"))
    u.wait_log("touch")
    assert u.log.splitlines()[:8] == ["x y|7|a b", "/var/tmp", "0027", "777", "0", "5", "0", "1"]


def test_a_missing_program_and_a_bad_unit_say_so(machine):
    u = machine.unit("n.service", service("ExecStart=/usr/bin/no-such-thing"))
    u.wait("failed")
    assert "nap: `/usr/bin/no-such-thing` is not on this machine" in u.log
    assert "n.service: Main process exited, code=exited, status=203/EXEC" in u.events
    bad = machine.unit("b.service", service("ExecStart=/bin/sh -c 'open"))
    bad.wait("failed")
    assert bad.result == "resources"


def test_an_unknown_option_is_said_once(machine):
    u = machine.unit("w.service", service("ExecStart=/bin/false", "Frobnicate=yes", "Restart=always", "RestartSec=0",
                                                "StartLimitInterval=1h"))
    u.wait("failed", 60)
    assert len([e for e in u.events if "Frobnicate" in e]) == 1


def test_options_are_json_with_any_bytes(machine):
    u = machine.unit("j.service", service("ExecStart=/bin/echo \\u00e9 '\"' \"\\\\\" \u4e2d"))
    u.wait("dead")
    assert u.log == "\u00e9 \" \\ \u4e2d\n"
    assert json.loads(u.read("config.json"))["process"]["noNewPrivileges"] if machine.isolation == "crun" else True


def test_what_is_no_program_is_no_start(machine):
    os.makedirs(machine.lib + "/w")
    machine.write(machine.lib + "/w/plain", "#!/bin/sh\n", 0o644)
    machine.write(machine.lib + "/w/format", "no program\0\1", 0o755)
    for n, path in enumerate(("/usr/bin", "/w/plain", "/w/format", "/w/plain/below")):
        u = machine.unit("n%d.service" % n, service("ExecStart=" + path, "BindPaths=%S/nap/w:/w"))
        u.wait("failed")
        assert "n%d.service: Main process exited, code=exited, status=203/EXEC" % n in u.events, (path, u.events)


def test_an_environment_file_that_cannot_be_read_is_no_start_and_odd_lines_are_passed_over(machine):
    run = "ExecStart=/bin/sh -c 'echo got \"$A|$B\"; sleep 1000'"
    machine.write(machine.lib + "/huge", "A=1\n" * (1 << 19))
    for n, path in enumerate(("/nowhere/env", "/usr", "%S/nap/huge")):
        u = machine.unit("e%d.service" % n, service("EnvironmentFile=" + path, run))
        u.wait("failed")
        assert u.result == "resources" and any("Failed to load environment files" in e for e in u.events), path
        assert u.log == ""
    with open(machine.lib + "/odd", "wb") as f:
        f.write(b"= \nno line\n\xff\xfe=1\nB=fine\nA='open\n1=2\n")
    u = machine.unit("odd.service", service("EnvironmentFile=%S/nap/odd", "EnvironmentFile=-/nowhere/env", run))
    u.wait_log("got ")
    assert "|fine" in u.log
