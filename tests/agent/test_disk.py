"""No unit fills the disk: what takes more than it may is ended, alone and for good; svlogd bounds what it prints."""
import os
import shutil
import signal
import subprocess

import pytest

from agent_stack import Agent, found, open_way, program, until

MIB = 1 << 20
QUIET = "while :; do sleep 100; done"
# each writes a bounded amount, so that nothing is filled where the test fails
FLOODS = {
    "file": "for i in $(seq 400); do head -c 1048576 /dev/zero >>/out/f; done; sleep 1000",
    "names": "for i in $(seq 80); do (for k in $(seq 100); do : >/out/$i.$k; done); done; sleep 1000",
    "unnamed": "exec 3>/out/x; rm /out/x; head -c 400000000 /dev/zero >&3; sleep 1000",
}

MOST = {"file": 64, "names": 16, "unnamed": 64}           # MiB


@pytest.fixture(params=("crun", "bwrap"))
def walled(tmp_path, request):
    if request.param not in found(request.param):
        pytest.skip("no %s on this machine" % request.param)
    open_way(tmp_path)
    a = Agent(tmp_path, request.param).start()
    lib = a.path("lib", "nap")
    os.makedirs(lib + "/bin")
    shutil.copy(program("nap-node"), lib + "/bin/nap-node")
    with open(lib + "/node.conf", "w") as f:
        f.write("socket = /nonexistent\ntrees = /nonexistent\nrun = %s\n" % a.path("run", "nap"))
    yield a
    a.end()


def run(agent, name, script, limit, floor=0):
    """A unit as nap-node prepares one, as far as the disk is concerned."""
    place = agent.path("lib", "nap", name)
    for part in ("out", "exit"):
        os.makedirs("%s/%s" % (place, part))
        os.chmod("%s/%s" % (place, part), 0o777)
    # nap-node says what it may take before it starts; here that is known after its start, so it waits
    script = "until [ -e /run/nap-exit/go ]; do sleep 0.1; done; " + script
    agent.run(name, ("ExecStart", "/bin/sh -c '%s'" % script.replace("$", "$$").replace("%", "%%")), ("Restart", "always"), ("RestartSec", "0"), ("TasksMax", "50"),
              ("BindPaths", "%S/nap/%n/out:/out %S/nap/%n/exit:/run/nap-exit"))
    for file, text in (("limit", "%d %d\n" % (limit, floor)), ("uid", of_unit(agent, name, "uid")),
                       ("alive", of_unit(agent, name, "invocation"))):
        with open("%s/%s" % (place, file), "w") as f:
            f.write(text)
    open("%s/exit/go" % place, "w").close()


def of_unit(agent, name, file):
    with open(agent.path("unit", name, file)) as f:
        return f.read()


def in_memory(path):
    return subprocess.run(["stat", "-f", "-c", "%T", path], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() == "tmpfs"


def ended(agent, name):
    until(lambda: agent.phase(name)["phase"] == "failed", 240, why=lambda: (agent.phase(name), agent.said()))
    assert agent.phase(name)["result"] == "disk" and agent.phase(name)["restarts"] == 0
    agent.wait(name, "failed")
    return next(m for m in agent.messages(name, "UNIT") if "disk: " in m)


def test_who_takes_more_than_it_may_is_ended_alone_and_stays_so(walled):
    run(walled, "quiet@1.service", QUIET, 64 * MIB)
    pid = walled.phase("quiet@1.service")["pid"]
    # what has no name and lies in memory is the unit's memory, not its disk
    kinds = [kind for kind in FLOODS if kind != "unnamed" or not in_memory(walled.state)]
    for kind in kinds:
        run(walled, kind + "@1.service", FLOODS[kind], MOST[kind] * MIB)
    for kind in kinds:
        said = ended(walled, kind + "@1.service")
        assert said.startswith(kind + "@1.service: disk: ") and said.endswith(" of %d MiB used" % MOST[kind]), said
    assert walled.phase("quiet@1.service")["pid"] == pid
    # a person may start it again: what it may take it then has anew
    shutil.rmtree(walled.path("lib", "nap", "file@1.service", "out"))
    os.mkdir(walled.path("lib", "nap", "file@1.service", "out"))
    os.chmod(walled.path("lib", "nap", "file@1.service", "out"), 0o777)
    walled.put("file@1.service", "loaded")
    until(lambda: walled.unit_json("file@1.service")["currentState"] == "loaded")
    walled.put("file@1.service", "launched")
    walled.wait("file@1.service", "active")


def test_what_an_agent_had_begun_to_end_the_next_one_ends(walled):
    """An agent that died between its word and the kill; what ended by itself meanwhile did not end by its disk."""
    run(walled, "quiet@1.service", QUIET, 64 * MIB)
    run(walled, "own@1.service", "until [ -e /run/nap-exit/end ]; do sleep 0.1; done; exit 3", 64 * MIB)
    for name in ("quiet@1.service", "own@1.service"):
        with open(walled.path("unit", name, "over"), "w") as f:
            f.write("disk: 65 MiB of 64 MiB used")
    open(walled.path("lib", "nap", "own@1.service", "exit", "end"), "w").close()
    until(lambda: walled.phase("own@1.service")["restarts"] > 0)
    assert not [m for m in walled.messages("own@1.service", "UNIT") if "disk" in m]
    walled.stop(signal.SIGKILL)
    walled.start()
    assert ended(walled, "quiet@1.service").endswith("disk: 65 MiB of 64 MiB used")


def test_where_little_is_left_who_grows_most_is_ended(walled):
    floor = shutil.disk_usage(walled.state).free + (1 << 40)
    run(walled, "quiet@1.service", "head -c 2097152 /dev/zero >/out/f; " + QUIET, 1 << 40, floor)
    run(walled, "grower@1.service", FLOODS["file"], 1 << 40, floor)
    assert "disk: the machine has " in ended(walled, "grower@1.service")
    assert walled.phase("quiet@1.service")["phase"] == "running"
    assert "it used" not in " ".join(walled.messages("quiet@1.service", "UNIT"))


def test_a_flood_of_lines_is_bounded_by_its_log(walled):
    if walled.isolation != found("crun", "bwrap")[0]:
        pytest.skip("the log is svlogd's, whatever the isolation")
    run(walled, "loud@1.service", "yes $(printf %01000d 0) | head -c 100000000; echo done; sleep 1000", 1 << 30)
    log = walled.path("log", "loud@1.service")

    def last():
        with open(log + "/current", "rb") as f:
            f.seek(max(0, os.path.getsize(log + "/current") - 200))
            return f.read()

    until(lambda: b"done" in last(), 120)
    assert sum(os.path.getsize(os.path.join(log, n)) for n in os.listdir(log)) <= 64 * MIB + 65536
    assert walled.phase("loud@1.service")["phase"] == "running"
