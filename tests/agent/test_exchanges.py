"""What was recorded of real fleet (tests/fleet/exchanges) is asked of the agent, and of the fake fleet that other tests
run against; each is answered the same, or says why not."""
import json
import os

import pytest

from agent_stack import Agent
from fake_fleet import Fleet
from fleet_exchanges import STEPS, FleetClient, Replay

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


class FakeClient(FleetClient):
    def __init__(self, folder):
        self.fleet = Fleet(os.path.join(folder, "fleet.sock"), scale=0.03).start()

    def request(self, *args):
        return self.request_at(self.fleet.path, *args)

    def said(self):
        return repr(self.fleet.requests[-5:])


class FakeReplay(Replay):
    """Whoever tests the leader with it makes processes fail and etcd go away: so does this."""

    def process_fails(self, name):
        self.client.fleet.settings(exits={name: (0.5, "failed")})

    def machines_were_mended(self):
        self.client.fleet.mend()

    def etcd(self, status):
        self.client.fleet.settings(status=status)


@pytest.fixture(scope="module", params=["nap-agent", "the fake fleet"])
def replay(request, tmp_path_factory):
    if request.param == "nap-agent":
        agent = request.getfixturevalue("one_agent")
        yield Replay(agent, OTHER, machine=agent.get("/machines").json()["machines"][0]["id"])
        return
    client = FakeClient(str(tmp_path_factory.mktemp("fake")))
    yield FakeReplay(client, {})
    client.fleet.close()


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.__name__)
def test_recorded(replay, step):
    step(replay)


def test_each_recorded_exchange_was_replayed_or_says_why_not(replay, record_property):
    who = "nap-agent" if isinstance(replay.client, Agent) else "the fake fleet"
    record_property("counted", replay.summary(who))


def test_it_differs_from_fleet_as_docs_say(one_agent):
    """docs/agent.md has the table; the rows that no recorded exchange shows."""
    a, true = one_agent, [("Service", "ExecStart", "/bin/true")]
    assert a.put("d.service", "inactive", true).status == 201
    got = a.put("d.service", "running")
    assert (got.status, got.message) == (400, 'invalid unit state "running"')
    assert a.unit_json("d.service")["desiredState"] == "inactive"
    # templates
    assert a.put("t@.service", "launched", true).status == 201
    got = a.put("t@.service", "launched", [("Service", "ExecStart", "/bin/false")])
    assert (got.status, got.message) == (400, 'cannot activate template "t@.service"')
    # names that systemd does not take
    long = "l" * 248 + ".service"
    assert len(long) == 256 and a.put(long, "launched", true).status == 201
    assert a.put(".service", "launched", [("Service", "ExecStart", "/bin/sleep 1000")]).status == 201
    a.wait(".service", "active")
    assert "machineID" not in a.unit_json(long) and "machineID" not in a.unit_json("t@.service")
    # bodies
    for body, status in ((b'{"options":[null]}', 400), (b'{"desiredState":"inactive","x":"\xff"}', 400),
                         (b'{"desiredState":"inactive","x":"\\u0000"}', 400), (b" " * ((16 << 20) + 1), 413)):
        got = a.request("PUT", "/fleet/v1/units/e.service", body, {"Host": "fleet", "Content-Type": "application/json"})
        assert (got.status, body[:40]) == (status, body[:40])
    # the machine
    (machine,) = a.get("/machines").json()["machines"]
    assert machine["primaryIP"] == "127.0.0.1" and {"isolation", "memory", "port_guard"} <= set(machine["metadata"])
    op = [{"op": "add", "path": "/%s/metadata/isolation" % machine["id"], "value": {"value": "none at all"}}]
    a.request("PATCH", "/fleet/v1/machines", json.dumps(op).encode(), {"Host": "fleet", "Content-Type": "application/json"})
    assert a.get("/machines").json()["machines"][0]["metadata"]["isolation"] == machine["metadata"]["isolation"]
    for unit in ("d.service", "t@.service", long, ".service"):
        assert a.delete(unit).status == 204
