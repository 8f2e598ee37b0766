"""What was recorded of real fleet (tests/fleet/exchanges), asked of something that speaks fleet's API, and compared.

A Replay sends the recorded requests in order; each is answered the same, or stands in `other` with the reason why not.
STEPS brings whatever is asked into the states in which they were recorded. FleetClient is what both need of it.
"""
import glob
import http.client
import json
import os
import re
import socket

from waiting import patience

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDED_MACHINES = [c * 32 for c in "123"]


def recorded():
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, "fleet", "exchanges", "*.json"))):
        with open(path) as f:
            found[int(os.path.basename(path)[:2])] = json.load(f)
    return found


EXCHANGES = recorded()


until = patience(20)


class Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("fleet", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, r):
        self.status = r.status
        self.headers = {k.lower(): v for k, v in r.getheaders()}
        self.raw = r.read()

    @property
    def text(self):
        return self.raw.decode()

    def json(self):
        return json.loads(self.raw)

    @property
    def message(self):
        return self.json()["error"]["message"]


class FleetClient:
    """Fleet's API behind a unix socket; said() is what a failed wait shows."""

    def request_at(self, path, method, target, body=None, headers=None, timeout=20):
        c = Unix(path, timeout)
        try:
            c.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for k, v in (headers or {"Host": "fleet"}).items():
                if k != "Content-Length":
                    c.putheader(k, v)
            if body is not None:
                c.putheader("Content-Length", str(len(body)))
            c.endheaders(body)
            return Answer(c.getresponse())
        finally:
            c.close()

    def said(self):
        return ""

    def get(self, path):
        return self.request("GET", "/fleet/v1" + path)

    def put(self, name, desired=None, options=None, **more):
        body = dict(more)
        if desired is not None:
            body["desiredState"] = desired
        if options is not None:
            body["options"] = [dict(zip(("section", "name", "value"), o)) for o in options]
        return self.request("PUT", "/fleet/v1/units/" + name, json.dumps(body).encode(),
                            {"Host": "fleet", "Content-Type": "application/json"})

    def delete(self, name):
        return self.request("DELETE", "/fleet/v1/units/" + name)

    def state_of(self, name):
        """(load, active, sub), or None"""
        s = self.get("/state?unitName=" + name).json().get("states")
        return s and (s[0]["systemdLoadState"], s[0]["systemdActiveState"], s[0]["systemdSubState"])

    def wait(self, name, active, seconds=20):
        """active: systemd's active state, or "active/sub"; None: the state is gone"""
        def there():
            s = self.state_of(name)
            if active is None:
                return s is None
            return s is not None and active in (s[1], "%s/%s" % s[1:])
        until(there, seconds, lambda: "%s is %s, not %s\n%s" % (name, self.state_of(name), active, self.said()))

    def unit_json(self, name):
        return self.get("/units/" + name).json()


# Where the recorded cluster was caught at a moment, or has machines that another has not, the body is compared in part.

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
    """fleet takes a second to place a unit; others less"""
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


ONE_MACHINE = {2: shape_of_machines, 62: patched, 65: one_of_three}


class Replay:
    """client: a FleetClient with request(); other: {number: (why, the status that it gives, or None: cannot be asked)};
    machine: the only one, in the place of the recorded three."""

    def __init__(self, client, other, machine=None):
        self.client, self.other, self.machine = client, other, machine
        self.same, self.differs = set(), {n for n, (_, status) in other.items() if status is None}
        self.compare = {1: discovery, 14: but_where_it_is, **(ONE_MACHINE if machine else {})}

    # what STEPS calls where an imitation must be told what real processes and machines do by themselves
    def process_fails(self, name):
        pass

    def machines_were_mended(self):
        pass

    def etcd(self, status):
        """status: what fleet answers while etcd is away; None: it is back. False: there is none that could be away."""
        return False

    def local(self, text):
        for m in RECORDED_MACHINES if self.machine else ():
            text = text.replace(m, self.machine)
        return text

    def send(self, n):
        r = EXCHANGES[n]["request"]
        body = self.local(r["body"]).encode() if "Content-Length" in r["headers"] else None
        try:
            return self.client.request(r["method"], r["path"], body, r["headers"])
        except (http.client.RemoteDisconnected, ConnectionError):
            return None

    def check(self, n, got):
        want = EXCHANGES[n]["response"]
        if want["status"] == 0:
            assert got is None, n
            return
        assert got is not None and got.status == want["status"], (n, got and (got.status, got.raw), want)
        assert got.headers.get("content-type") == want["headers"].get("Content-Type"), n
        length = want["headers"].get("Content-Length")
        if length == "0" or want["status"] == 204:
            assert got.headers.get("content-length") == length, n
        if EXCHANGES[n]["request"]["method"] == "HEAD":
            assert got.headers["content-length"] == length
        elif n in self.compare:
            self.compare[n](got.text, self.local(want["body"]))
        else:
            assert got.text == self.local(want["body"]), n

    def __call__(self, *numbers):
        for n in numbers:
            if n not in self.other:
                self.check(n, self.send(n))
                self.same.add(n)
            elif self.other[n][1] is not None:
                got = self.send(n)
                assert got is not None and got.status == self.other[n][1], (n, got and got.raw)
                self.differs.add(n)

    def summary(self, who):
        """All were asked, and the list of those that differ is true; the line with both counts."""
        assert self.same | self.differs == set(EXCHANGES) and not self.same & self.differs
        assert self.differs == set(self.other)
        return "%d exchanges of fleet answered the same by %s, %d otherwise" % (len(self.same), who, len(self.differs))


def a_unit_from_its_first_put_to_its_state(replay):
    replay(*range(1, 16))
    replay.client.wait("myapp@1.service", "active")
    replay.client.wait("myapp_discovery@1.service", "active")
    replay(*range(16, 24))


def changes_to_a_known_unit(replay):
    replay(24, 25)
    replay.client.wait("myapp@1.service", "inactive")
    replay(26)
    replay.client.wait("myapp@1.service", "active")
    replay(27)


def what_is_refused(replay):
    replay(*range(28, 49))


def states_that_are_missing_or_wrong(replay):
    replay(*range(49, 58))


def methods_paths_and_metadata(replay):
    replay(*range(58, 63))


def global_and_failed_units(replay):
    c = replay.client
    for u in [u["name"] for u in c.get("/units").json()["units"]]:
        assert c.delete(u).status == 204
    replay.machines_were_mended()
    assert c.put("agent.service", "launched", [("Unit", "Description", "x"), (
        "Service", "ExecStart", "/bin/sleep 100000"), ("X-Fleet", "Global", "true")]).status == 201
    machines = 1 if replay.machine else len(RECORDED_MACHINES)
    until(lambda: [s["systemdActiveState"] for s in c.get("/state?unitName=agent.service").json().get("states", [])] ==
          ["active"] * machines)
    replay(63, 64, 65)
    replay.process_fails("broken.service")
    assert c.put("broken.service", "launched", [
        ("Unit", "Description", "x"), ("Service", "ExecStart", "/bin/false")]).status == 201
    c.wait("broken.service", "failed")
    replay(66, 67)
    for u in ("agent.service", "broken.service"):
        assert c.delete(u).status == 204


def pages_of_a_hundred(replay):
    c = replay.client
    assert c.get("/units").json() == {}
    for i in range(1, 102):
        assert c.put("page@%d.service" % i, "inactive", [("Service", "ExecStart", "/bin/true")]).status == 201
    replay(68, 69)
    assert c.delete("page@99.service").status == 204
    replay(70)


def lines_that_are_too_long_and_contradictions(replay):
    assert replay.client.put("w.service", "inactive", [("Service", "ExecStart", "/bin/true")]).status == 201
    replay(73, 74, 75, 76)
    assert replay.client.put("x.service", "inactive", [("Service", "ExecStart", "/bin/true")]).status == 201
    replay(77)


def without_etcd(replay):
    for n, status in ((71, 500), (72, 503)):
        if replay.etcd(status) is not False:
            replay(n)
            replay.etcd(None)


STEPS = [a_unit_from_its_first_put_to_its_state, changes_to_a_known_unit, what_is_refused, states_that_are_missing_or_wrong,
         methods_paths_and_metadata, global_and_failed_units, pages_of_a_hundred, lines_that_are_too_long_and_contradictions,
         without_etcd]
