"""What was recorded of real fleet (tests/fleet/exchanges) is asked of the agent; each is answered the same, or says why not."""
import glob
import json
import os
import re

import pytest

from agent_stack import FLEET

OTHER = {  # what one machine, or an engine that does itself no harm, cannot answer; the second word: what it answers
    21: ("fleetd's handler crashes on the state of an unknown unit", 404),
    54: ("fleet takes any word for a known unit's state, and the unit is lost", 400),
    55: ("the unit was not lost", 200),
    56: ("the unit was not lost", 204),
    57: ("the unit was not lost", 204),
    71: ("there is no etcd that could be away", None),
    72: ("there is no etcd that could be away", None),
    73: ("fleet does not look at the lines of a unit that is replaced, and the unit is lost", 400),
    74: ("the unit was not lost", 200),
    75: ("the unit was not lost", 204),
}
MACHINES = {c * 32 for c in "123"}


def recorded():
    found = {}
    for path in sorted(glob.glob(os.path.join(FLEET, "exchanges", "*.json"))):
        with open(path) as f:
            found[int(os.path.basename(path)[:2])] = json.load(f)
    return found


EXCHANGES = recorded()


def local(text, agent):
    """The text with the recorded machines' ids become this machine's."""
    for m in MACHINES:
        text = text.replace(m, agent.machine)
    return text


def send(agent, n):
    r = EXCHANGES[n]["request"]
    body = r["body"].encode() if "Content-Length" in r["headers"] else None
    path = r["path"]
    if r["method"] == "PATCH":
        body = local(r["body"], agent).encode()
    return agent.request(r["method"], path, body, r["headers"])


def check_headers(n, got, want):
    assert got.headers.get("content-type") == want["headers"].get("Content-Type"), n
    length = want["headers"].get("Content-Length")
    if length == "0" or want["status"] == 204:
        assert got.headers.get("content-length") == length, n


# Where the recorded cluster had three machines, or was caught at a moment, the body is compared in part.

def shape_of_machines(got, want):
    for body in (got, want):
        for m in json.loads(body)["machines"]:
            assert re.fullmatch("[0-9a-f]{32}", m["id"]) and m["primaryIP"]
            assert all(isinstance(v, str) for v in m["metadata"].values())
            assert list(m) == sorted(m)


def patched(got, want):
    shape_of_machines(got, want)
    assert json.loads(got)["machines"][0]["metadata"]["region"] == "eu"


def but_where_it_is(got, want):
    """fleet takes a second to place a unit, the agent none"""
    got, want = json.loads(got), json.loads(want)
    for body in (got, want):
        body.pop("machineID", None)
        body.pop("currentState", None)
    assert got == want


def one_of_three(got, want):
    got, want = json.loads(got), json.loads(want)
    assert len(got["states"]) == 1 and got["states"][0] in want["states"]


def discovery(got, want):
    d = json.loads(got)
    assert (d["id"], d["basePath"]) == ("fleet:v1", "/fleet/v1/") and set(d["resources"]) == {
        "Machines", "Units", "UnitState"}


BODY = {1: discovery, 2: shape_of_machines, 14: but_where_it_is, 62: patched, 65: one_of_three}


def replay(agent, *numbers):
    for n in numbers:
        got, want = send(agent, n), EXCHANGES[n]["response"]
        if n in OTHER:
            assert got.status == OTHER[n][1], (n, got.raw)
            agent.other.add(n)
            continue
        assert got.status == want["status"], (n, got.status, got.raw, want)
        check_headers(n, got, want)
        if EXCHANGES[n]["request"]["method"] == "HEAD":
            assert got.headers["content-length"] == want["headers"]["Content-Length"]
        elif n in BODY:
            BODY[n](got.text, local(want["body"], agent))
        else:
            assert got.text == local(want["body"], agent), n
        agent.same.add(n)


def options(n):
    return [(o["section"], o["name"], o["value"]) for o in json.loads(EXCHANGES[n]["request"]["body"])["options"]]


@pytest.fixture(scope="module")
def fleet(one_agent):
    one_agent.machine = one_agent.get("/machines").json()["machines"][0]["id"]
    one_agent.same, one_agent.other = set(), set()
    return one_agent


def test_a_unit_from_its_first_put_to_its_state(fleet):
    replay(fleet, *range(1, 16))
    fleet.wait("myapp@1.service", "active")
    fleet.wait("myapp_discovery@1.service", "active")
    replay(fleet, *range(16, 24))


def test_changes_to_a_known_unit(fleet):
    replay(fleet, 24, 25)
    fleet.wait("myapp@1.service", "inactive")
    replay(fleet, 26)
    fleet.wait("myapp@1.service", "active")
    replay(fleet, 27)


def test_what_is_refused(fleet):
    replay(fleet, *range(28, 49))


def test_states_that_are_missing_or_wrong(fleet):
    replay(fleet, *range(49, 58))


def test_methods_paths_and_metadata(fleet):
    replay(fleet, *range(58, 63))


def test_global_and_failed_units(fleet):
    assert fleet.put("agent.service", "launched", [("Unit", "Description", "x"), (
        "Service", "ExecStart", "/bin/sleep 100000"), ("X-Fleet", "Global", "true")]).status == 201
    fleet.wait("agent.service", "active")
    for u in ("myapp@.service", "myapp_discovery@.service", "other@.service", "myapp@1.service"):
        assert fleet.delete(u).status == 204
    replay(fleet, 63, 64, 65)
    assert fleet.put("broken.service", "launched", [
        ("Unit", "Description", "x"), ("Service", "ExecStart", "/bin/false")]).status == 201
    fleet.wait("broken.service", "failed")
    replay(fleet, 66, 67)
    for u in ("agent.service", "broken.service"):
        assert fleet.delete(u).status == 204


def test_pages_of_a_hundred(fleet):
    assert fleet.get("/units").json() == {}
    for i in range(1, 102):
        assert fleet.put("page@%d.service" % i, "inactive", [("Service", "ExecStart", "/bin/true")]).status == 201
    replay(fleet, 68, 69)
    assert fleet.delete("page@99.service").status == 204
    replay(fleet, 70)


def test_lines_that_are_too_long_and_contradictions(fleet):
    assert fleet.put("w.service", "inactive", [("Service", "ExecStart", "/bin/true")]).status == 201
    replay(fleet, 73, 74, 75, 76)
    assert fleet.put("x.service", "inactive", [("Service", "ExecStart", "/bin/true")]).status == 201
    replay(fleet, 77)


def test_each_recorded_exchange_was_replayed_or_says_why_not(fleet, capsys):
    fleet.other |= {n for n, (_, status) in OTHER.items() if status is None}
    with capsys.disabled():
        print("\n%d exchanges of fleet answered the same, %d otherwise" % (len(fleet.same), len(fleet.other)))
    assert fleet.same | fleet.other == set(EXCHANGES) and not fleet.same & fleet.other
    assert fleet.other == set(OTHER)
