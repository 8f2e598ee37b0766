"""What units name of each other: who starts first, who is pulled in, who stops whom; and what is no unit at all."""
import os
import signal
import subprocess

from agent_stack import SLEEP, main_pid, program, start_of, until


def test_a_unit_without_a_program_is_bad_setting(agent):
    assert agent.put("a.service", "launched", [("Unit", "Description", "x")]).status == 201
    until(lambda: agent.state_of("a.service") == ("bad-setting", "inactive", "dead"))
    assert agent.unit_json("a.service")["currentState"] == "launched"


def test_wants_starts_and_binds_to_stops(agent):
    """The pair of UNITS: the main unit wants its sidekick, which is bound to it."""
    main, side = "app@1.service", "app_discovery@1.service"
    assert agent.put(side, "loaded", [("Unit", "BindsTo", "app@%i.service"), ("Unit", "After", "app@%i.service"),
                                      ("Service", *SLEEP)]).status == 201
    agent.wait(side, "inactive")
    agent.run(main, ("Unit", "Wants", "%p_discovery@%i.service"), SLEEP, ("Restart", "always"),
              ("RestartSec", "300ms"))
    agent.wait(side, "active/running")
    old = main_pid(agent, side)
    os.kill(main_pid(agent, main), signal.SIGKILL)
    until(lambda: agent.phase(main)["restarts"] == 1 and agent.phase(main)["phase"] == "running")
    until(lambda: os.path.exists(agent.path("unit", side, "phase")) and agent.phase(side)["phase"] == "running"
          and main_pid(agent, side) != old)
    assert agent.put(main, "loaded").status == 204
    agent.wait(main, "inactive")
    agent.wait(side, "inactive")


def test_machine_of_and_conflicts(agent):
    assert agent.put("main.service", "launched", [("Service", *SLEEP), ("X-Fleet", "MachineOf", "side.service")]
                     ).status == 201
    assert "machineID" not in agent.unit_json("main.service")
    agent.run("side.service", SLEEP)
    agent.wait("main.service", "active")
    assert agent.delete("side.service").status == 204
    agent.wait("main.service", None)
    assert agent.unit_json("main.service")["desiredState"] == "launched"
    for i in (1, 2):
        assert agent.put("c@%d.service" % i, "launched", [
            ("Service", *SLEEP), ("X-Fleet", "Conflicts", "c@*.service")]).status == 201
    agent.wait("c@1.service", "active")
    assert agent.unit_json("c@2.service")["currentState"] == "inactive"
    assert agent.delete("c@1.service").status == 204
    agent.wait("c@2.service", "active")
    machine = agent.get("/machines").json()["machines"][0]["id"]
    for name, option, value in (("there", "MachineID", machine), ("away", "MachineID", "0" * 32), ("kind", "MachineMetadata", "isolation=none"),
                                ("unkind", "MachineMetadata", "isolation=moat"), ("all", "Global", "true")):
        assert agent.put(name + ".service", "launched", [("Service", *SLEEP), ("X-Fleet", option, value)]).status == 201
    for name in ("there", "kind", "all"):
        agent.wait(name + ".service", "active")
    assert agent.state_of("away.service") is None and agent.state_of("unkind.service") is None


def test_circles_of_after_and_binds_to_do_start(agent):
    for a, b in (("x", "y"), ("y", "x"), ("z", "z")):
        assert agent.put(a + ".service", "loaded", [("Unit", "After", b + ".service"), (
            "Unit", "BindsTo", b + ".service"), ("Service", *SLEEP)]).status == 201
    for u in "xyz":
        assert agent.put(u + ".service", "launched").status == 204
    for u in "xyz":
        agent.wait(u + ".service", "active")


def put_all(agent, desired, units):
    for name, options in units.items():
        assert agent.put(name, desired, [o if len(o) == 3 else ("Unit", *o) for o in options]).status == 201


def started(agent, n):
    """Which units were started, in order, of all times."""
    def said():
        return [m[8:9] for m in agent.messages("a.service&UNIT=b.service&UNIT=c.service", "UNIT") if m.startswith("Started ")]
    return "".join(until(lambda: len(said()) >= n and said(), why=said))


def test_units_start_in_the_order_of_before_and_after_also_when_the_agent_starts(agent):
    """The later one is quicker: without waiting it would be first."""
    put_all(agent, "loaded", {
        "c.service": [("Before", "b.service"), ("Service", "ExecStartPre", "/bin/sleep 1"), ("Service", *SLEEP)],
        "b.service": [("Service", "ExecStartPre", "/bin/sleep 0.5"), ("Service", *SLEEP)],
        "a.service": [("After", "b.service"), ("Service", *SLEEP)]})
    for name in ("c.service", "b.service", "a.service"):
        assert agent.put(name, "launched").status == 204
    assert started(agent, 3) == "cba"
    agent.stop()
    subprocess.run([program("nap-agent"), "--stop-all", "--state", agent.state], check=True, timeout=60)
    agent.start()
    assert started(agent, 6) == "cbacba"


def test_circles_among_many_units_do_start_at_once(agent):
    """Each of 14 is after all others, through Before= too: all ways through them are more than can be walked."""
    names = ["k%02d.service" % i for i in range(14)]
    put_all(agent, "loaded", {n: [("Service", *SLEEP), ("After", " ".join(m for m in names if m != n)), (
        "Before", names[0])] for n in names})
    for n in names:
        assert agent.put(n, "launched").status == 204
    for n in names:
        agent.wait(n, "active")


def test_conflicts_part_of_and_requisite(agent):
    put_all(agent, "loaded", {
        "base.service": [("Service", *SLEEP)],
        "part.service": [("Service", *SLEEP), ("PartOf", "base.service")],
        "needs.service": [("Service", *SLEEP), ("Requisite", "base.service")],
        "takes.service": [("Service", *SLEEP), ("Requires", "base.service")],
        "other.service": [("Service", *SLEEP), ("Conflicts", "base.service"), ("After", "base.service")]})
    assert agent.put("needs.service", "launched").status == 204  # nothing is pulled in, and it is not there
    until(lambda: any("Failed to start" in m for m in agent.messages("needs.service", "UNIT")))
    assert agent.put("takes.service", "launched").status == 204  # it pulls in base
    agent.wait("takes.service", "active")
    agent.wait("base.service", "active")
    assert agent.put("base.service", "launched").status == 204
    assert agent.put("part.service", "launched").status == 204
    assert agent.put("needs.service", "loaded").status == 204
    until(lambda: agent.unit_json("needs.service")["currentState"] == "loaded")
    assert agent.put("needs.service", "launched").status == 204
    agent.wait("part.service", "active")
    agent.wait("needs.service", "active")
    base, part, needs = (main_pid(agent, n) for n in ("base.service", "part.service", "needs.service"))
    assert agent.put("other.service", "launched").status == 204  # stops base, and what is part of it
    agent.wait("other.service", "active")
    assert start_of(base) is None  # ordered: the stop came first
    until(lambda: start_of(part) is None and agent.state_of("takes.service")[1] == "inactive")
    assert start_of(needs)
    agent.wait("base.service", "inactive")
    # the other way round: whichever of the two says so
    other = main_pid(agent, "other.service")
    assert agent.put("base.service", "loaded").status == 204
    until(lambda: agent.unit_json("base.service")["currentState"] == "loaded")
    assert agent.put("base.service", "launched").status == 204
    agent.wait("base.service", "active")
    until(lambda: start_of(other) is None)


def test_what_systemd_refuses_is_bad_setting_and_never_starts(agent):
    bad = {"quote": [("ExecStart", "/bin/sh -c 'open")], "two": [("ExecStart", "/bin/true"), ("ExecStart", "/bin/true")],
           "relative": [("ExecStart", "bin/true")], "oneshot": [("Type", "oneshot"), ("Restart", "always"), ("ExecStart", "/bin/true")]}
    good = {"stop": [("Type", "oneshot"), ("RemainAfterExit", "yes"), ("ExecStop", "/bin/true")]}
    for name, options in {**bad, **good}.items():
        assert agent.put(name + ".service", "launched", [("Service", *o) for o in options]).status == 201
    for name in bad:
        until(lambda n=name: agent.state_of(n + ".service") == ("bad-setting", "inactive", "dead"), why=lambda n=name: agent.state_of(n + ".service"))
        until(lambda n=name: any("Refusing" in m for m in agent.messages(n + ".service", "UNIT")))
        assert agent.runsv(name + ".service") is None
    agent.wait("stop.service", "active/exited")
    agent.stop()
    agent.start()
    assert agent.state_of("quote.service")[0] == "bad-setting" and agent.state_of("stop.service")[0] == "loaded"
