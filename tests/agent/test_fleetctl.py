"""fleetctl 1.0 on nap-agent: what it asked of a real fleetd is asked of the agent, in the same order, with the same effect
and the same answers; and where fleetctl is at hand (in PATH, or named by FLEETCTL) it asks itself, and says the same."""
import json
import re

import pytest

import fleetctl_tape
from agent_stack import Agent, until

TAPES = fleetctl_tape.load()
NAMES = ["%02d-%s" % (n, t["command"][0]) for n, t in enumerate(TAPES, 1)]
EFFECTS = {  # what is so after a command: of the unit (desired state, systemd's active state or None: no state)
    "submit hello.service": ("hello.service", "inactive", None),
    "load hello.service": ("hello.service", "loaded", "inactive"),
    "start hello.service": ("hello.service", "launched", "active"),
    "start app@2.service": ("app@2.service", "launched", "active"),
    "stop app@1.service": ("app@1.service", "loaded", "inactive"),
    "unload app@1.service": ("app@1.service", "inactive", None),
    "destroy app@1.service app@2.service": ("app@2.service", None, None),
    "stop hello.service": ("hello.service", "loaded", "inactive"),
    "unload hello.service": ("hello.service", "inactive", None),
    "destroy hello.service": ("hello.service", None, None),
}


@pytest.fixture(scope="module")
def played(one_agent):
    """An agent that is asked by the tapes."""
    return one_agent


def without_machines(value):
    """What one machine cannot say as three did: which one, and what is known of it."""
    if isinstance(value, dict):
        if "primaryIP" in value:
            return "a machine"
        value = {k: "a machine" if k == "machineID" else without_machines(v) for k, v in value.items()}
        if value.get("machines"):
            value["machines"] = value["machines"][:1]
    if isinstance(value, list):
        value = [without_machines(v) for v in value]
    return value


def comparable(text):
    return without_machines(json.loads(text)) if text else None


def ask(agent, e):
    headers = {"Host": "fleet"}
    if e["body"] is not None:
        headers["Content-Type"] = "application/json"
    return agent.request(e["method"], e["path"], e["body"].encode() if e["body"] is not None else None, headers)


def check_effect(agent, tape):
    effect = EFFECTS.get(" ".join(tape["command"]))
    if not effect:
        return
    unit, desired, active = effect
    assert agent.unit_json(unit).get("desiredState") == desired
    agent.wait(unit, active)


@pytest.mark.parametrize("tape", TAPES, ids=NAMES)
def test_what_fleetctl_asks_is_answered_as_by_fleetd(played, tape):
    for e in tape["exchanges"]:
        got = ask(played, e)
        if e["method"] == "GET" and comparable(got.text) != comparable(e["answer"]):
            # fleetctl asked until it was so
            until(lambda: comparable(ask(played, e).text) == comparable(e["answer"]), 20,
                  lambda: "%s %s: %s, not %s" % (e["method"], e["path"], ask(played, e).text, e["answer"]))
            got = ask(played, e)
        assert (got.status, got.headers.get("content-type")) == (e["status"], e["type"]), (e, got.raw)
        assert comparable(got.text) == comparable(e["answer"])
    check_effect(played, tape)


def words(text):
    """What is printed, without machines, and without widths that depend on their names."""
    text = re.sub(r"[0-9a-f]{8}\.\.\./[0-9.]+|[0-9a-f]{32}\t[0-9.]+\t\S*|[0-9a-f]{8}\.\.\.\t[0-9.]+\t\S*", "MACHINE", text)
    lines = [re.sub(r"\s+", " ", line).strip().replace(" on MACHINE", "") for line in text.splitlines()]
    return [line for n, line in enumerate(lines) if line != "MACHINE" or line not in lines[:n]]


def asked(tape):
    """The requests, without those that wait: how often those come is a matter of time."""
    return {(e["method"], e["path"], e["body"]) for e in tape["exchanges"]}


@pytest.mark.skipif(not fleetctl_tape.fleetctl(), reason="no fleetctl in PATH, and FLEETCTL names none")
def test_fleetctl_itself_says_the_same_words(tmp_path):
    agent = Agent(tmp_path).start()
    try:
        for tape in TAPES:
            got = fleetctl_tape.run(tape["command"], agent.path("../run/agent/agent.sock"))
            if tape["command"][0] != "status":  # that asks the unit's machine, by ssh or, where it is this one, its systemd
                assert (got["exit"], words(got["stdout"]), words(got["stderr"])) == (
                    tape["exit"], words(tape["stdout"]), words(tape["stderr"])), tape["command"]
                assert asked(got) == asked(tape), tape["command"]
            assert asked(got) <= asked(tape), tape["command"]
            check_effect(agent, tape)
    finally:
        agent.end()
