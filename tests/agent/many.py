"""Many units with their sidekicks on one agent: tests/agent/test_many.py and tests/bench/engine.py."""
import os
import shutil
import signal
import statistics
import sys
import time

from agent_stack import FLEET, program, start_of, until

sys.path.insert(0, os.path.join(FLEET, "..", "node"))
from node_stack import FakeNap  # noqa: E402

PAGE = 100


class Many:
    """n pairs on the agent: a program that sleeps, within its walls, and beside it what announces it to nap, as nap puts them."""

    def __init__(self, agent, n):
        self.agent, self.n = agent, n
        self.mains = ["t.app%d.v1@1.service" % i for i in range(n)]
        self.sides = ["t.app%d.v1_discovery@1.service" % i for i in range(n)]
        lib, run = agent.path("lib", "nap"), agent.path("run", "nap")
        os.makedirs(lib + "/bin")
        for name in ("nap-node", "nap-run"):
            shutil.copy(program(name), lib + "/bin/" + name)
        with open(lib + "/node.conf", "w") as f:
            f.write("socket = %s/n\ntrees = %s/none\nrun = %s\n" % (agent.state, agent.state, run))
        self.nap = FakeNap(agent.state + "/n")
        self.nap.interval = 3600
        self.nap.units = dict.fromkeys(self.mains, {})

    def launch(self):
        for main, side in zip(self.mains, self.sides):
            assert self.agent.put(side, "launched", [
                ("Unit", "Description", "nap discovery %p %i"), ("Service", "ExecStart", "+%S/nap/bin/nap-node announce %n"),
                ("Service", "Restart", "always"), ("Service", "RestartSec", "1")]).status == 201
            assert self.agent.put(main, "launched", [
                ("Unit", "Wants", "%p_discovery@%i.service"), ("X-Fleet", "MachineOf", "%p_discovery@%i.service"),
                ("Service", "ExecStart", "/run/nap-run /bin/sleep 100000"), ("Service", "BindReadOnlyPaths", "%S/nap/bin/nap-run:/run/nap-run"),
                ("Service", "MemoryMax", "64M"), ("Service", "TasksMax", "64"), ("Service", "Restart", "always")]).status == 201

    def states(self):
        """{name: (load, active, sub)}, all pages of the listing, and how long that took"""
        found, token, at = {}, "", time.monotonic()
        while token is not None:
            r = self.agent.get("/state" + token).json()
            found.update({s["name"]: (s["systemdLoadState"], s["systemdActiveState"], s["systemdSubState"]) for s in r.get("states", [])})
            token = "?nextPageToken=" + r["nextPageToken"] if "nextPageToken" in r else None
        return found, time.monotonic() - at

    def wait(self, seconds):
        def all_run():
            found = self.states()[0]
            return len(found) == 2 * self.n and all(s[1:] == ("active", "running") for s in found.values())
        until(all_run, seconds, why=lambda: {n: (s, self.agent.phase(n)) for n, s in self.states()[0].items() if s[1] != "active"})

    def processes(self):
        """All that belongs to the copy but the agent itself: {(pid, when it was started): name}"""
        found = {}
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % p, "rb") as f:
                    line = f.read().decode(errors="replace")
                uid = os.stat("/proc/" + p).st_uid
            except OSError:
                continue
            mine = self.agent.uids <= uid < self.agent.uids + 65536 or self.agent.state + "/" in line
            passing = "nap-node\0sweep" in line or "nap-node\0watch" in line or int(p) in (os.getpid(), self.agent.process.pid)
            if mine and not passing and start_of(int(p)):
                found[int(p), start_of(int(p))] = line
        return found

    def phases(self):
        return {n: self.agent.phase(n) for n in self.mains + self.sides}

    def restart(self, times):
        """Killed and told to end in turn; all is as it was each time, and nothing is beside it."""
        # a unit counts as active from its helper's start on
        until(lambda: sum(line.startswith("/bin/sleep") for line in self.processes().values()) == self.n)
        before, phases = self.processes(), self.phases()
        # each a runsv, an svlogd and its program; the first within crun, nap-unit and nap-run
        assert len(before) >= 2 * self.n * 3
        for i in range(times):
            self.agent.stop(signal.SIGKILL if i % 2 else signal.SIGTERM)
            self.agent.start()
            self.wait(60)
            until(lambda: self.processes() == before, why=lambda: (set(before.items()) ^ set(self.processes().items())))
        assert self.phases() == phases
        return len(before)

    def listing_ms(self):
        return statistics.median(self.states()[1] for _ in range(9)) * 1000

    def agent_cpu(self, seconds):
        """How much of a core the agent takes while nothing happens, in percent"""
        def ticks():
            with open("/proc/%d/stat" % self.agent.process.pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before, at = ticks(), time.monotonic()
        time.sleep(seconds)
        return (ticks() - before) / (time.monotonic() - at) * 100

    def agent_mb(self):
        with open("/proc/%d/status" % self.agent.process.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024

    def beside_mb(self):
        """Memory (PSS) of what stands beside the program itself, an instance with its sidekick"""
        total = 0
        for (pid, _), line in self.processes().items():
            if line.startswith("/bin/sleep"):
                continue
            try:
                with open("/proc/%d/smaps_rollup" % pid) as f:
                    total += next(int(row.split()[1]) for row in f if row.startswith("Pss:"))
            except OSError:
                pass
        return total / 1024 / self.n

    def stop(self):
        """All at once, as ./up --stop does it; asked again when it gives up."""
        until(lambda: not self.agent.stop_all(600).returncode, 1200)
        until(lambda: not self.processes(), 60, why=self.processes)

    def end(self):
        self.agent.end()
        self.nap.shutdown()
        self.nap.server_close()
