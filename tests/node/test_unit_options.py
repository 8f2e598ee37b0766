"""Each option that nap-unit says is done has its effect on a real process; its table, the page and systemd agree."""
import os
import re
import shutil
import subprocess

import pytest

from node_stack import program, until
from test_unit_run import service

HERE = os.path.dirname(os.path.abspath(__file__))
SEEN = {}  # option: the test that sees its effect

# effects that other files see
for file, tests in {
    "../agent/test_order.py": {
        "test_wants_starts_and_binds_to_stops": "Wants BindsTo",
        "test_conflicts_part_of_and_requisite": "Conflicts PartOf Requisite Requires",
        "test_units_start_in_the_order_of_before_and_after_also_when_the_agent_starts": "After Before",
        "test_machine_of_and_conflicts": "X-Fleet:MachineOf X-Fleet:Conflicts X-Fleet:MachineID X-Fleet:MachineMetadata X-Fleet:Global"},
    "test_unit_run.py": {
        "test_commands_before_behind_and_at_the_end": "ExecStartPre ExecStart ExecStartPost ExecStop ExecStopPost",
        "test_oneshot_and_remain_after_exit": "RemainAfterExit Type",
        "test_timeouts": "TimeoutStartSec RuntimeMaxSec",
        "test_what_ignores_term_daemonises_and_forks_is_gone_after_the_stop": "TimeoutStopSec",
        "test_term_reaches_the_program_and_its_exit_status_counts": "SuccessExitStatus",
        "test_restarts_follow_the_option": "RestartPreventExitStatus StartLimitInterval",
        "test_a_stop_cuts_the_wait_before_a_restart_short": "RestartSec",
        "test_memory_is_limited_and_only_the_eater_dies": "MemoryMax",
        "test_a_fork_bomb_is_bounded_and_gone": "TasksMax"}}.items():
    for test, names in tests.items():
        for name in names.split():
            SEEN[name] = (file, test)


def sees(names):
    def mark(test):
        SEEN.update({name: ("test_unit_options.py", test.__name__) for name in names.split()})
        return test
    return mark


def table():
    """[(section, name, done | partly | ignored)]"""
    text = subprocess.run([program("nap-unit"), "--options"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return text, re.findall(r"^\| `\[([\w-]+)\] (\w+)` \| (done|partly|ignored)", text, re.M)


def test_the_page_holds_the_table():
    with open(os.path.join(HERE, "../../docs/units.md")) as f:
        assert table()[0] in f.read()


def test_each_option_that_is_done_has_a_test_that_sees_its_effect():
    text, rows = table()
    assert len(rows) == len(text.splitlines()) > 100
    for section, name, state in rows:
        key = section + ":" + name if section == "X-Fleet" else name
        if state != "done":
            continue
        assert key in SEEN, name
        file, test = SEEN[key]
        with open(os.path.join(HERE, file)) as f:
            body = re.search(r"(?ms)^def %s\(.*?(?=^def |\Z)" % test, f.read())
        assert body and re.search(r"\b%s\b|\bLimit\b" % name, body.group()), (name, test)


LIMITS = {"CPU": ("cpu time", 1000), "FSIZE": ("file size", 1000000), "DATA": ("data size", 1 << 30), "STACK": ("stack size", 4 << 20),
          "CORE": ("core file size", 0), "RSS": ("resident set", 1 << 30), "NOFILE": ("open files", 777), "AS": ("address space", 1 << 32),
          "NPROC": ("processes", 500), "MEMLOCK": ("locked memory", 4096), "LOCKS": ("file locks", 99), "SIGPENDING": ("pending signals", 77),
          "MSGQUEUE": ("msgqueue size", 1000), "RTTIME": ("realtime timeout", 1000000)}


@sees(" ".join("Limit" + n for n in LIMITS))
def test_limits_are_those_of_the_process(machine):
    u = machine.unit("l.service", service("ExecStart=/bin/sh -c 'cat /proc/self/limits; exec sleep 1000'",
                                          *("Limit%s=%d" % (n, v) for n, (_, v) in LIMITS.items())))
    u.wait_log("realtime timeout")
    for name, (word, value) in LIMITS.items():
        assert re.search(r"Max %s +%d +%d " % (word, value, value), u.log), (name, u.log)


@sees("Description Environment EnvironmentFile UnsetEnvironment WorkingDirectory UMask Nice OOMScoreAdjust BindPaths BindReadOnlyPaths "
      "InaccessiblePaths TemporaryFileSystem PrivateNetwork ReadOnlyPaths")
def test_what_a_process_sees_of_its_options(machine):
    os.makedirs(machine.lib + "/w")
    os.chmod(machine.lib + "/w", 0o777)
    machine.write(machine.lib + "/env", "FROM_FILE='a b'\nGONE=1\n")
    script = ("echo \"$A|$B|$FROM_FILE|$GONE\"; pwd; umask; nice; cat /proc/self/oom_score_adj; touch /w/x && echo wrote; "
              "touch /r/y || echo refused; ls /usr/share/doc | wc -l; grep -c : /proc/net/dev; stat -f -c %%T /t; echo end; exec sleep 1000")
    u = machine.unit("e@7.service", [("Unit", "Description", "what it is")] + service(
        "Environment=\"A=x y\" B=%i", "EnvironmentFile=%S/nap/env", "UnsetEnvironment=GONE", "UMask=0027", "WorkingDirectory=/var/tmp",
        "Nice=5", "OOMScoreAdjust=700", "BindPaths=%S/nap/w:/w", "BindReadOnlyPaths=%S/nap/w:/r", "InaccessiblePaths=/usr/share/doc",
        "PrivateNetwork=yes", "TemporaryFileSystem=/t", "ExecStart=/bin/sh -c '%s'" % script.replace("$", "$$")))
    u.wait_log("end\n")
    lines = [x for x in u.log.splitlines() if not x.startswith("touch")]
    assert lines[:7] == ["x y|7|a b|", "/var/tmp", "0027", "5", "700", "wrote", "refused"]
    assert lines[8:10] == ["1", "tmpfs"] and (lines[7] == "0" or machine.isolation != "crun")
    assert "Started e@7.service - what it is." in u.events
    assert os.stat(machine.lib + "/w/x").st_mode & 0o777 == 0o640


@sees("Restart RestartForceExitStatus")
def test_each_word_of_restart(machine):
    """What each end comes to: another start, which RestartSec= puts off, or the end."""
    ends = {"clean": "exit 0", "code": "exit 3", "signal": "kill -9 $$$$"}
    again = {"no": "", "always": "clean code signal", "on-success": "clean", "on-failure": "code signal", "on-abnormal": "signal",
             "on-abort": "signal", "on-watchdog": ""}
    units = {(word, end): machine.unit("%s-%s.service" % (word, end), service(
        "ExecStart=/bin/sh -c '%s'" % ends[end], "RestartSec=1h", "Restart=" + word)) for word in again for end in ends}
    units["forced", "code"] = machine.unit("forced.service", service(
        "ExecStart=/bin/sh -c 'exit 3'", "RestartSec=1h", "Restart=no", "RestartForceExitStatus=3"))
    again["forced"] = "code"
    for (word, end), u in units.items():
        u.wait("auto-restart" if end in again[word] else "dead" if end == "clean" else "failed")


@sees("KillSignal TimeoutSec StartLimitIntervalSec StartLimitBurst")
def test_signals_timeouts_and_start_limits(machine):
    u = machine.unit("k.service", service(
        "ExecStart=/bin/sh -c 'trap \"echo got; exit 0\" USR1; trap \"\" TERM; echo up; while :; do sleep 0.1; done'", "KillSignal=SIGUSR1"))
    slow = machine.unit("t.service", service("ExecStartPre=/bin/sleep 1000", "ExecStart=/bin/true", "TimeoutSec=1"))
    often = machine.unit("s.service", [("Unit", "StartLimitIntervalSec", "1h"), ("Unit", "StartLimitBurst", "2")] + service(
        "ExecStart=/bin/false", "Restart=always", "RestartSec=0"))
    u.wait_log("up")
    u.stop()
    assert "got" in u.log and u.phase == "dead"
    slow.wait("failed")
    assert slow.result == "timeout"
    often.wait("failed")
    assert often.result == "start-limit-hit" and often.restarts == 2


@sees("CPUWeight CPUQuota")
def test_cpu_is_shared_by_the_units_cgroup(machine):
    if machine.isolation != "crun":
        pytest.skip("no cgroups without crun")
    u = machine.unit("c.service", service("ExecStart=/bin/sh -c 'while :; do :; done'", "CPUQuota=10%", "CPUWeight=50"))
    u.wait("running")
    with open("/proc/%d/cgroup" % u.pid) as f:
        path = next(line.split(":")[2].strip() for line in f if re.match(r"\d+:([^:]*,)?cpu(,[^:]*)?:|0::", line))

    def of_cgroup(name):
        for top in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup"):
            if os.path.exists(top + path + "/" + name):
                with open(top + path + "/" + name) as f:
                    return f.read()
        return ""
    until(lambda: int(re.search(r"nr_throttled (\d+)", of_cgroup("cpu.stat")).group(1)) > 2)
    assert of_cgroup("cpu.shares").strip() == "512" or of_cgroup("cpu.weight").strip()


def a_value(section, name):
    """One that both read, of any option."""
    values = {"Type": "simple", "Restart": "on-failure", "KillMode": "mixed", "KillSignal": "SIGUSR1", "Environment": "A=b",
              "EnvironmentFile": "-/none", "WorkingDirectory": "/", "UMask": "0022", "CPUQuota": "50%", "Description": "x", "Nice": "5",
              "SuccessExitStatus": "7 SIGTERM", "UnsetEnvironment": "B", "LimitNICE": "15", "PrivateNetwork": "yes", "RemainAfterExit": "yes", "Global": "yes"}
    if name in values:
        return values[name]
    if section == "Unit" and not name.startswith("StartLimit"):
        return name.lower() + ".service"
    if re.search("Paths|Directories|FileSystem", name):
        return "/tmp"
    return "/bin/true" if name.startswith("Exec") else "64"


def test_systemd_reads_the_same_text(machine, tmp_path):
    """A unit of all options that do something: neither warns of any of them, and both do of the same two lines."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    # former names are read by systemd too, but it says so
    former = ("MemoryLimit", "CPUShares", "StartLimitInterval", "ReadOnlyDirectories", "ReadWriteDirectories", "InaccessibleDirectories")
    options = [(section, name, a_value(section, name)) for section, name, state in table()[1]
               if state != "ignored" and name not in former and (section, name) != ("Service", "StartLimitBurst")]
    for wrong in ([], [("Service", "Frobnicate", "1"), ("Service", "UMask", "9")]):
        text = "".join("[%s]\n%s" % (part, "".join("%s=%s\n" % o[1:] for o in options + wrong if o[0] == part)) for part in ("Unit", "Service", "X-Fleet"))
        (tmp_path / "all.service").write_text(text)
        for name in ("wants", "requires", "requisite", "bindsto", "partof", "conflicts", "after", "before"):
            (tmp_path / (name + ".service")).write_text("[Service]\nExecStart=/bin/true\n")
        r = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "all.service")], stderr=subprocess.PIPE, text=True,
                           env=dict(os.environ, SYSTEMD_LOG_TARGET="console", SYSTEMD_LOG_COLOR="0"))
        systemd = [x for x in r.stderr.splitlines() if "all.service:" in x]
        u = machine.unit("all%d.service" % len(wrong), options + wrong)
        until(lambda: any(e.startswith("Starting ") for e in u.events))  # all was read before
        nap = [e for e in u.events if ("ignoring" in e or "cannot be" in e) and "Failed to run" not in e]
        for said in (systemd, nap):
            assert len(said) == len(wrong), (systemd, nap, u.events)
            for _, name, value in wrong:
                assert any(name in x or (name == "UMask" and "mode" in x.lower()) for x in said), said
