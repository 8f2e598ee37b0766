"""What units use, as the agent tells it, and what those that are gone have left on the disk."""
import contextlib
import os
import shutil
import time

from agent_stack import SLEEP, program, until


def usage_of(agent, name):
    r = agent.request("GET", "/nap/v1/usage", socket_name="read.sock").json()
    return next(u for u in r["units"] if u["name"] == name)


def history_of(agent, name):
    return agent.request("GET", "/nap/v1/history?unit=" + name, socket_name="read.sock").json()


def test_what_a_unit_uses_is_seen_over_kept_descriptors_and_remembered(walled):
    """Its children count too, one that left its session as well; another unit's do not."""
    burn = '/usr/bin/python3 -c "import time; x = bytearray(40000000); ' \
           'any(time.sleep(0.05) or sum(range(100000)) < 0 for i in iter(int, 1))"'
    walled.run("eater.service", ("ExecStart", "/bin/sh -c '(setsid %s &); exec %s'" % (burn, burn)))
    walled.run("idle.service", SLEEP)
    MIB = 1 << 20
    until(lambda: usage_of(walled, "eater.service").get("memory_bytes", 0) > 75 * MIB, why=lambda: usage_of(walled, "eater.service"))
    eater, idle = usage_of(walled, "eater.service"), usage_of(walled, "idle.service")
    assert eater["memory_bytes"] < 250 * MIB and idle["memory_bytes"] < 30 * MIB
    assert eater["pids"] >= 2 and idle["pids"] >= 1 and eater["restarts"] == 0
    until(lambda: usage_of(walled, "eater.service")["cpu_usec"] > eater["cpu_usec"] + 200000)
    assert usage_of(walled, "idle.service")["cpu_usec"] < 1000000
    seconds = until(lambda: [h for h in [history_of(walled, "eater.service")["seconds"]] if len(
        [v for v in h["memory_bytes"] if v and v > 75 * MIB]) >= 3])[0]
    assert seconds["step"] == 1 and len(seconds["memory_bytes"]) == len(seconds["cpu_usec"])
    assert any(v and v > 5000 for v in seconds["cpu_usec"]) and not any(v and v > 8000000 for v in seconds["cpu_usec"])
    assert abs(seconds["until"] - time.time()) < 60
    text = walled.request("GET", "/metrics", socket_name="read.sock").text
    assert 'nap_unit_cpu_microseconds_total{unit="eater.service"} ' in text
    if walled.isolation == "crun":
        def kept():
            fds = {}
            for fd in os.listdir("/proc/%d/fd" % walled.process.pid):
                with contextlib.suppress(OSError):
                    fds[fd] = os.readlink("/proc/%d/fd/%s" % (walled.process.pid, fd))
            return {fd: path for fd, path in fds.items() if "/nap-%d/" % walled.block in path}
        held = kept()
        assert len(held) == 6
        n = len(history_of(walled, "eater.service")["seconds"]["memory_bytes"])
        until(lambda: len(history_of(walled, "eater.service")["seconds"]["memory_bytes"]) > n)
        assert kept() == held
        # another run has another cgroup
        old = walled.phase("idle.service")["pid"]
        assert walled.put("idle.service", "loaded").status == 204
        walled.wait("idle.service", "inactive/dead")
        assert walled.put("idle.service", "launched").status == 204
        until(lambda: walled.phase("idle.service")["pid"] not in (0, old) and "memory_bytes" in usage_of(walled, "idle.service"))
        assert walled.delete("idle.service").status == 204
        walled.wait("idle.service", None)
        assert len(kept()) == 3
    assert walled.request("GET", "/nap/v1/history?unit=no.service", socket_name="read.sock").status == 404


def test_what_gone_units_left_goes_after_an_hour_and_what_apps_keep_is_measured(agent):
    lib = agent.path("lib", "nap")
    places = [lib, agent.path("run", "nap"), agent.path("root")]
    os.makedirs(lib + "/bin")
    shutil.copy(program("nap-node"), lib + "/bin/nap-node")
    with open(lib + "/node.conf", "w") as f:
        f.write("socket = /nonexistent\ntrees = /nonexistent\nrun = %s\n" % places[1])
    agent.run("a.service", SLEEP)
    for place in places:
        for name in ("a.service", "gone.service", "young.service"):
            os.makedirs(place + "/" + name + "/out")
            with open(place + "/" + name + "/out/o", "wb") as f:
                f.write(b"x" * 50000)
    os.makedirs(lib + "/data/12")
    with open(lib + "/data/12/d", "wb") as f:
        f.write(b"x" * 100000)
    os.link(lib + "/data/12/d", lib + "/a.service/out/d")       # a second name takes no room
    os.symlink("../data/12", lib + "/a.service/data")
    os.symlink("../data/12", lib + "/gone.service/data")
    old = time.time() - 2 * 3600
    for n in (1, 2, 3):                                          # release 3 left nothing, 2 more than an hour ago
        os.makedirs(lib + "/t.a.v%d@1.service/out" % n + ("/x" if n < 3 else ""))
        os.utime(lib + "/t.a.v%d@1.service" % n, (old, old))
    for place in places:
        for name in ("a.service", "gone.service"):
            os.utime(place + "/" + name, (old, old))
    os.makedirs(lib + "/u.a.v1@1.service/out/x")                 # another tenant's app of this name
    os.utime(lib + "/u.a.v1@1.service", (old, old))

    def left():
        return [sorted(n for n in os.listdir(place) if "service" in n) for place in places]

    remains = [["a.service", "t.a.v2@1.service", "u.a.v1@1.service", "young.service"]] + [["a.service", "young.service"]] * 2
    agent.stop()
    agent.start()
    until(lambda: left() == remains, why=left)
    disk = until(lambda: agent.request("GET", "/nap/v1/usage", socket_name="read.sock").json()["disk"])
    assert [d["app"] for d in disk] == [12] and 150000 <= disk[0]["bytes"] < 200000
    # its hour begins when it goes
    agent.delete("a.service")
    agent.wait("a.service", None)
    agent.stop()
    agent.start()
    assert agent.get("/units").status == agent.get("/units").status == 200
    assert left() == remains and os.path.exists(lib + "/data/12/d")
