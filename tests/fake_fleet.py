#!/usr/bin/env python3
"""A fleet cluster in one process: fleet's HTTP API v1 on a unix socket, with its delays and its faults.

docs/engine.md is what it imitates: an engine that assigns units to machines, an agent on each that starts and stops
them a while later, states that are published once a second and live for 30. All times are fleet's own, multiplied by
`scale`, so that a test of 30 s takes one.

    fleet = Fleet(path, scale=0.03); fleet.start(); ... fleet.close()
    fake_fleet.py SOCKET [SCALE]            the same as a program; POST /control {"do": "METHOD", ...} calls a method

What processes do is said by the test: end(unit, ...), and `exits` for those that end by themselves.

Faults, all at the test's hand: lose_every, refuse_puts, status (500, 503, "closed", "hang"), shift_pages, hide_state,
ghost_state, fail_first, poison, machine_down, machine_up, freeze. What harms real fleet harms this one too: a GET of
/state/NAME of an unknown unit closes the connection, an unknown desiredState or a line too long poisons a known unit, a
template put as launched wedges the machine it lands on (mend).

tests/agent/test_exchanges.py asks it every recorded exchange of real fleet.
"""
import base64
import fnmatch
import hashlib
import http.server
import json
import os
import random
import re
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse

PAGE = 100
WORDS = ("inactive", "loaded", "launched")
TYPES = "automount busname device mount path scope service slice snapshot socket swap target timer".split()
MACHINES = ("11111111111111111111111111111111", "22222222222222222222222222222222", "33333333333333333333333333333333")
SYSTEMD = {                             # a process's phase: load, active, sub
    "dead": ("loaded", "inactive", "dead"),
    "start-pre": ("loaded", "activating", "start-pre"),
    "running": ("loaded", "active", "running"),
    "auto-restart": ("loaded", "activating", "auto-restart"),
    "stop": ("loaded", "deactivating", "stop-sigterm"),
    "failed": ("loaded", "failed", "failed"),
    "bad": ("bad-setting", "inactive", "dead"),
}


def encode(value):
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()


def unit_file(options):
    """As fleet writes it: sections in the order in which they are seen first."""
    sections = {}
    for o in options:
        sections.setdefault(o.get("section", ""), []).append("%s=%s\n" % (o.get("name", ""), o.get("value", "")))
    return "\n".join("[%s]\n%s" % (name, "".join(lines)) for name, lines in sections.items())


def without_empty(d):
    return {k: v for k, v in d.items() if v not in (None, "", {}, [])}


class Error(Exception):
    def __init__(self, status, message=""):
        super().__init__(message)
        self.status, self.message = status, message


class Unit:
    def __init__(self, name, options, desired):
        self.name, self.options, self.desired = name, options, desired
        self.machine = None
        self.marked = False             # the agent has called "start"

    @property
    def hash(self):
        return hashlib.sha1(unit_file(self.options).encode()).hexdigest()

    def option(self, section, name):
        values = [o.get("value", "") for o in self.options if o.get("section") == section and o.get("name") == name]
        prefix, _, rest = self.name.rpartition(".")[0].partition("@")
        if section != "X-Fleet":
            return values
        return [v.replace("%p", prefix).replace("%i", rest).replace("%n", self.name) for v in values]


    @property
    def is_global(self):
        return self.option("X-Fleet", "Global")[-1:] == ["true"]

    def fits(self, machine):
        wanted = [v.partition("=")[::2] for v in self.option("X-Fleet", "MachineMetadata")]
        return all(machine.metadata.get(k) == v for k, v in wanted)


class Machine:
    def __init__(self, ident, ip, metadata):
        self.id, self.ip, self.metadata = ident, ip, metadata
        self.alive, self.frozen, self.listed = True, False, True
        self.died_at = 0
        self.wedged = False             # a template was launched here: the agent does nothing any more
        self.processes = {}             # unit -> Process
        self.pass_at = 0


class Process:
    def __init__(self, unit, now):
        self.hash, self.phase, self.since = unit.hash, "dead", now
        self.marked = False
        self.starts = 0


class Fleet:
    def __init__(self, path, scale=0.03, machines=3, seed=1, agent=False):
        self.path, self.scale = str(path), scale
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.agent = agent              # one machine that acts at once, as nap-agent does
        self.units = {}
        self.machines = {m: Machine(m, "127.0.1.%d" % (i + 1), {"name": "m%d" % (i + 1), "role": "worker"})
                         for i, m in enumerate(MACHINES[:machines])}
        self.states = {}                # (unit, machine) -> [load, active, sub, hash, until]
        self.changed = True
        self.engine_at = 0
        # faults
        self.status = None              # 500, 503, "closed", "hang": to every request
        self.lose_every = 0             # the connection of every n-th request closes after it took effect
        self.refuse_puts = 0.0          # part of the PUTs that are 500
        self.shift_pages = 0            # so many of the next lists miss an entry on a border
        self.hidden = {}                # unit -> until when its state is not published
        self.ghosts = {}                # (unit, machine) -> until
        self.first_failed = set()       # units that show `failed` before `active`
        self.poisoned = set()
        self.restart_after = 1          # RestartSec=
        self.exits = {}                 # pattern -> (seconds after its start, phase that it ends in)
        # what happened
        self.requests = []              # (method, path, status)
        self.count = 0
        self.starts = {}                # unit -> how often a process of it was started
        self.closing = False
        self.server = None

    # time -------------------------------------------------------------------------------------------------------

    def now(self):
        return time.monotonic() / self.scale

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = Server(self.path, self)
        os.chmod(self.path, 0o666)
        self.threads = [threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True),
                        threading.Thread(target=self.run, daemon=True)]
        for t in self.threads:
            t.start()
        return self

    def close(self):
        self.closing = True
        self.server.shutdown()
        self.server.server_close()
        self.threads[1].join()

    def run(self):
        while not self.closing:
            with self.lock:
                self.step()
            time.sleep(0.02 if self.agent else max(0.01, self.scale / 4))

    # the engine and its agents ----------------------------------------------------------------------------------

    def step(self):
        now = self.now()
        if now >= self.engine_at:
            self.engine_pass(now)
        for m in self.machines.values():
            if m.alive:
                self.processes_step(m, now)
            if m.alive and not m.frozen and not m.wedged and now >= m.pass_at:
                self.agent_pass(m, now)
        self.publish(now)

    def touch(self):
        """Something was written: engine and agents look a second later."""
        self.changed = True
        self.engine_at = min(self.engine_at, self.now() + (0 if self.agent else 1))

    def live(self, now):
        for m in self.machines.values():
            m.listed = m.alive and not m.frozen or now - m.died_at < 27 and m.died_at > 0
        return {m.id: len([u for u in self.units.values() if u.machine == m.id]) for m in self.machines.values() if m.listed}

    def engine_pass(self, now):
        self.engine_at = now + (0.02 if self.agent else 2)
        load = self.live(now)
        moved = False
        names = list(self.units)
        self.random.shuffle(names)
        for name in names:
            u = self.units[name]
            before = u.machine
            if u.desired not in ("loaded", "launched") or u.is_global:
                u.machine = None
            elif u.machine not in load:
                u.machine = self.place(u, load)
            follow = [self.units[p].machine for p in u.option("X-Fleet", "MachineOf") if p in self.units]
            if u.machine and u.option("X-Fleet", "MachineOf") and follow != [u.machine]:
                u.machine = follow[0] if follow and follow[0] in load else None
            if u.machine != before:
                moved = True
                if u.machine:
                    load[u.machine] += 1
        if moved or self.changed:
            for m in self.machines.values():
                m.pass_at = min(m.pass_at, now + (0 if self.agent else 1))
        self.changed = False

    def place(self, u, load):
        peers = u.option("X-Fleet", "MachineOf")
        if peers:
            at = self.units[peers[0]].machine if peers[0] in self.units else None
            return at if at in load else None
        fits = [m for m in load if u.fits(self.machines[m])]
        return min(fits, key=lambda m: (load[m], m)) if fits else None

    def agent_pass(self, m, now):
        m.pass_at = now + (0.02 if self.agent else 5)
        here = {n: u for n, u in self.units.items() if u.machine == m.id or u.is_global and u.desired in WORDS[1:] and u.fits(m)}
        m.wedged = m.wedged or any("@." in n for n in here)
        if m.wedged:
            return
        for name in sorted(set(m.processes) - set(here)):
            p = m.processes[name]
            if p.phase in ("running", "start-pre", "auto-restart"):
                self.enter(p, "stop", now)
                p.gone = True
            elif p.phase != "stop":
                self.unload(m, name)
        for name, u in sorted(here.items()):
            p = m.processes.get(name)
            if p and p.hash != u.hash:
                if p.phase in ("running", "start-pre", "auto-restart"):
                    self.enter(p, "stop", now)
                    p.gone = True
                elif p.phase != "stop":
                    self.unload(m, name)
                continue
            if not p:
                p = m.processes[name] = Process(u, now)
            if u.desired == "launched" and not p.marked and p.phase != "stop":
                p.marked = u.marked = True
                p.phase = "bad" if not u.option("Service", "ExecStart") else "start-pre"
                p.since = now
                if name in self.first_failed:
                    p.phase = "failed"
                    p.retry = True
            elif u.desired != "launched" and p.marked:
                p.marked = u.marked = False
                if p.phase in ("running", "start-pre", "auto-restart"):
                    self.enter(p, "stop", now)

    @staticmethod
    def enter(p, phase, now):
        p.phase, p.since = phase, now

    def unload(self, m, name):
        del m.processes[name]
        self.states.pop((name, m.id), None)

    def processes_step(self, m, now):
        quick = 0.1 if self.agent else 0.5
        for name, p in list(m.processes.items()):
            age = now - p.since
            if p.phase == "failed" and getattr(p, "retry", False) and age > 2:
                p.retry = False
                self.enter(p, "start-pre", now)
            elif p.phase == "start-pre" and age >= quick:
                self.enter(p, "running", now)
                p.starts += 1
                self.starts[name] = self.starts.get(name, 0) + 1
            elif p.phase == "auto-restart" and age >= self.restart_after:
                self.enter(p, "start-pre", now)
            elif p.phase == "stop" and age >= quick:
                self.enter(p, "dead", now)
                if getattr(p, "gone", False):
                    self.unload(m, name)
            elif p.phase == "running":
                for pattern, (after, phase) in self.exits.items():
                    if re.search(pattern, name) and age >= after:
                        self.enter(p, phase, now)

    def publish(self, now):
        for m in self.machines.values():
            if not m.alive or m.frozen:
                continue
            for name, p in m.processes.items():
                old = self.states.get((name, m.id))
                new = [*SYSTEMD[p.phase], p.hash]
                if not old or old[:4] != new or old[4] - now < 6:
                    if not old or self.agent or old[4] - now < 29:          # once a second
                        self.states[(name, m.id)] = new + [now + 30]
        for key in [k for k, s in self.states.items() if s[4] <= now]:
            del self.states[key]

    # what a test does -------------------------------------------------------------------------------------------

    def process(self, unit):
        with self.lock:
            for m in self.machines.values():
                if m.alive and unit in m.processes:
                    return m.processes[unit]
        return None

    def running(self):
        """Units whose process runs, of machines that live."""
        with self.lock:
            return sorted(n for m in self.machines.values() if m.alive for n, p in m.processes.items() if p.phase == "running")

    def names(self, templates=False):
        with self.lock:
            return sorted(n for n in self.units if templates or "@." not in n)

    def end(self, unit, phase="auto-restart"):
        """Its process ends: auto-restart, dead (exit 0), failed."""
        with self.lock:
            p = self.process(unit)
            self.enter(p, phase, self.now())

    def hide_state(self, unit, seconds=24):
        with self.lock:
            self.hidden[unit] = self.now() + seconds

    def ghost_state(self, unit, machine, seconds=30, phase="running"):
        with self.lock:
            self.ghosts[(unit, machine)] = self.now() + seconds
            self.ghost_phase = phase

    def poison(self, unit):
        with self.lock:
            self.poisoned.add(unit)
            self.touch()

    def heal(self, unit):
        with self.lock:
            self.poisoned.discard(unit)

    def machine_down(self, ident):
        with self.lock:
            m = self.machines[ident]
            m.alive, m.died_at = False, self.now()
            m.processes.clear()

    def machine_up(self, ident):
        with self.lock:
            m = self.machines[ident]
            m.alive, m.died_at = True, 0

    def mend(self):
        """Files of launched templates are removed by hand, and fleetd is started again."""
        with self.lock:
            for m in self.machines.values():
                m.wedged = False

    def freeze(self, ident, frozen=True):
        with self.lock:
            m = self.machines[ident]
            m.frozen, m.died_at = frozen, self.now() if frozen else 0

    def settings(self, **values):
        with self.lock:
            for k, v in values.items():
                assert hasattr(self, k), k
                setattr(self, k, v)

    # the API ----------------------------------------------------------------------------------------------------

    def unit_json(self, u, with_current=True):
        state = any(k[0] == u.name for k in self.shown_states())
        with_current = with_current or not u.is_global
        current = "inactive" if not u.machine or not state else "launched" if u.marked else "loaded"
        return without_empty({"name": u.name, "options": [without_empty(o) for o in u.options], "desiredState": u.desired,
                              "currentState": current if with_current else None, "machineID": u.machine})

    def shown_states(self):
        now = self.now()
        shown = {k: s for k, s in self.states.items() if self.hidden.get(k[0], 0) <= now}
        for (unit, machine), until in self.ghosts.items():
            if until > now and unit in self.units:
                shown[(unit, machine)] = [*SYSTEMD[self.ghost_phase], self.units[unit].hash, until]
        return shown

    def page(self, member, entries, query):
        tokens = query.get("nextPageToken", [])
        page = 1
        if len(tokens) > 1:
            raise Error(400, "too many values for page token")
        if tokens:
            page = self.page_number(tokens[0])
        start = (page - 1) * PAGE
        if page > 1 and self.shift_pages:
            self.shift_pages -= 1
            start += 1                  # an entry before the border has gone meanwhile
        part = entries[start:start + PAGE]
        answer = {member: part}
        if len(part) == PAGE:
            answer["nextPageToken"] = base64.b64encode(struct.pack("<HH", PAGE, page + 1)).decode()
        return 200, without_empty(answer)

    @staticmethod
    def page_number(token):
        if token == "":
            raise Error(400, "EOF")
        try:
            size, page = struct.unpack("<HH", base64.b64decode(token, validate=True))
        except (ValueError, struct.error) as e:
            raise Error(400, "illegal base64 data at input byte 0") from e
        if size != PAGE:
            raise Error(400, "token limit must be 100")
        if page == 0:
            raise Error(400, "token page must be greater than zero")
        return page

    def get_state(self, query):
        name, machine = (query.get(k, [None])[0] for k in ("unitName", "machineID"))
        return self.page("states", [
            {"name": u, "machineID": m, "hash": s[3], "systemdLoadState": s[0], "systemdActiveState": s[1],
             "systemdSubState": s[2]} for (u, m), s in sorted(self.shown_states().items())
            if name in (None, u) and machine in (None, m)], query)

    def get(self, path, query):
        if path == "/discovery":
            return 200, {"kind": "discovery#restDescription", "id": "fleet:v1", "basePath": "/fleet/v1/", "resources": {
                n: {"methods": {"List": {"httpMethod": "GET", "path": p}}}
                for n, p in (("Machines", "machines"), ("Units", "units"), ("UnitState", "state"))}}
        if path == "/machines":
            self.live(self.now())
            return self.page("machines", [without_empty({"id": m.id, "primaryIP": m.ip, "metadata": m.metadata})
                                          for m in sorted(self.machines.values(), key=lambda m: m.id) if m.listed], query)
        if path == "/units":
            return self.page("units", [self.unit_json(u) for n, u in sorted(self.units.items()) if n not in self.poisoned],
                             query)
        if path == "/state":
            return self.get_state(query)
        kind, name = self.split(path)
        if kind == "state":
            found = [s for s in self.shown_states() if s[0] == name]
            if not found:
                raise ConnectionAbortedError
            return 200, self.get_state({"unitName": [name]})[1]["states"][0]
        if name in self.poisoned:
            raise Error(500)
        if name not in self.units:
            raise Error(404, "unit does not exist")
        return 200, self.unit_json(self.units[name], with_current=False)

    @staticmethod
    def split(path):
        parts = path.split("/")
        if len(parts) != 3 or parts[1] not in ("units", "state") or not parts[2]:
            raise Error(404)
        return parts[1], parts[2]

    @staticmethod
    def check_name(name):
        base, dot, kind = name.rpartition(".")
        if len(name) > 256:
            raise Error(400, "unit name exceeds maximum length (256)")
        if not dot or not kind:
            raise Error(400, 'unit name must contain "."')
        if kind not in TYPES:
            raise Error(400, 'invalid unit type: "%s"' % kind)
        for c in re.sub(r"[A-Za-z0-9:\-_.\\@]", "", base) or ("@" if base.startswith("@") else ""):
            raise Error(400, "invalid character '%s' in unit name" % c)

    @staticmethod
    def decode(body):
        text = body.decode().lstrip()
        try:
            wanted = json.JSONDecoder().raw_decode(text)[0]
        except ValueError as e:
            end = e.pos >= len(text.rstrip()) or e.msg.startswith("Unterminated") or text[e.pos - 1:].strip() == ","
            raise Error(400, "unable to decode body: " + ("EOF" if not text else "unexpected EOF" if end else str(e))) from e
        if not isinstance(wanted, dict) or not isinstance(wanted.get("options") or [], list):
            raise Error(400, "unable to decode body: json: cannot unmarshal into Go value")
        for key in ("desiredState", "name"):
            if not isinstance(wanted.get(key, ""), (str, type(None))):
                raise Error(400, "unable to decode body: json: cannot unmarshal %s into Go struct field Unit.%s of type string" % (
                    {bool: "bool", list: "array", dict: "object"}.get(type(wanted[key]), "number"), key))
        return wanted

    @staticmethod
    def check_options(unit):
        values = {k: unit.option("X-Fleet", k) for k in ("MachineID", "MachineOf", "Conflicts", "Replaces")}
        values["Global"] = unit.is_global
        for one, two in (("MachineID", "MachineOf"), ("MachineID", "Conflicts"), ("MachineID", "Global"), ("MachineID", "Replaces"),
                         ("Global", "MachineOf"), ("Global", "Replaces"), ("Conflicts", "Replaces")):
            if values[one] and values[two]:
                raise Error(400, "%s cannot be used with %s" % (one, two.replace("MachineOf", "Peers")))
        for peer in values["MachineOf"]:
            for word, patterns in (("conflict", values["Conflicts"]), ("replace", values["Replaces"])):
                for p in patterns:
                    if fnmatch.fnmatchcase(peer, p):
                        raise Error(400, 'unresolvable requirements: peer "%s" matches %s "%s"' % (peer, word, p))

    def put(self, name, headers, body):
        types = headers.get_all("Content-Type") or []
        if len(types) != 1:
            raise Error(415, "expected 1 Content-Type, got %d" % len(types))
        if types[0].partition(";")[0] != "application/json":
            raise Error(415, "only acceptable Content-Type is application/json")
        wanted = self.decode(body)
        options, desired = wanted.get("options") or [], wanted.get("desiredState") or ""
        if wanted.get("name", name) not in ("", name):
            raise Error(400, 'name in URL "%s" differs from unit name in request body "%s"' % (name, wanted["name"]))
        self.check_name(name)
        if name in self.poisoned or self.random.random() < self.refuse_puts:
            raise Error(500)
        return self.put_known(name, options, desired) if name in self.units else self.put_new(name, options, desired)

    def put_new(self, name, options, desired):
        if not options:
            raise Error(409, "unit does not exist and options field empty")
        if self.too_long(options):
            raise Error(400, "line too long (max 2048 bytes)")
        self.check_options(Unit(name, options, desired))
        if desired not in ("", *WORDS):
            raise Error(500)
        self.units[name] = Unit(name, options, desired or "inactive")
        self.touch()
        return 201, None

    @staticmethod
    def too_long(options):
        return any(len("%s=%s" % (o.get("name", ""), o.get("value", ""))) > 2048 for o in options)

    def put_known(self, name, options, desired):
        u = self.units[name]
        plain = [(o.get("section"), o.get("name"), o.get("value", "")) for o in options]
        if options and plain != [(o.get("section"), o.get("name"), o.get("value", "")) for o in u.options]:
            u.options, u.desired, u.marked = options, desired or "inactive", False
            if self.too_long(options):
                self.poisoned.add(name)
            self.touch()
            return 201, None
        if not desired:
            raise Error(409, "must provide DesiredState to update existing unit")
        if "@." in name and desired != "inactive":
            raise Error(400, 'cannot activate template "%s"' % name)
        if desired not in WORDS:
            self.poisoned.add(name)     # as fleet does: readable no more
        u.desired = desired
        self.touch()
        return 204, None

    def delete(self, name):
        if name in self.poisoned:
            raise Error(500)
        if name not in self.units:
            raise Error(404, "unit does not exist")
        del self.units[name]
        self.touch()
        return 204, None

    def patch(self, method, body):
        if method != "PATCH":
            raise Error(405, "only GET and PATCH supported against this resource")
        for op in json.loads(body):
            if op["op"] != "remove" and not isinstance(op["value"], dict):
                raise Error(400, "json: cannot unmarshal string into Go struct field machineMetadataOp.Value of type "
                                 'struct { Value string "json:\\"value\\"" }')
            _, machine, _, key = op["path"].split("/")
            if machine in self.machines:
                self.machines[machine].metadata.pop(key, None)
                if op["op"] != "remove":
                    self.machines[machine].metadata[key] = op["value"]["value"]
        self.touch()
        return 204, None

    def answer(self, method, target, headers, body):
        path, _, query = target.partition("?")
        query = urllib.parse.parse_qs(query, keep_blank_values=True)
        if path == "/control":
            asked = json.loads(body)
            result = getattr(self, asked.pop("do"))(**asked)
            return 200, {"result": result if isinstance(result, (list, dict, str, int)) else None}
        if self.status in (500, 503):
            raise Error(self.status, "fleet server unable to communicate with etcd" if self.status == 503 else "")
        if self.status == "closed":
            raise ConnectionAbortedError
        path = urllib.parse.unquote(path)
        if path == "/nap/v1/usage" and self.agent:
            return 200, {"units": [{"name": n, "memory_bytes": 1 << 20, "cpu_usec": 1000} for n in self.running()]}
        if not path.startswith("/fleet/v1/"):
            raise Error(404)
        path = path[len("/fleet/v1"):]
        if method == "GET":
            return self.get(path, query)
        if path in ("/units", "/state"):
            raise Error(405, "only GET supported against this resource")
        if path == "/machines":
            return self.patch(method, body)
        kind, name = self.split(path)
        if kind != "units" or method not in ("PUT", "DELETE"):
            raise Error(405, "only GET, PUT and DELETE supported against this resource" if kind == "units" else
                        "only GET supported against this resource")
        return self.put(name, headers, body) if method == "PUT" else self.delete(name)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fleetd/v1.0.0-15-g45224983"
    sys_version = ""

    def version_string(self):
        return self.server_version

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def do(self):
        fleet = self.server.fleet
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        while fleet.status == "hang" and not fleet.closing:
            time.sleep(0.02)
        with fleet.lock:
            try:
                status, answer = fleet.answer(self.command, self.path, self.headers, body)
            except Error as e:
                status, answer = e.status, {"error": {"code": e.status, "message": e.message}}
            except ConnectionAbortedError:
                status, answer = 0, None
            fleet.count += 1
            fleet.requests.append((self.command, self.path, status))
            if fleet.lose_every and fleet.count % fleet.lose_every == 0 and self.path != "/control":
                status = 0
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        text = encode(answer) if answer is not None else b""
        if answer is not None or self.command == "PATCH":
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_PUT = do_DELETE = do_POST = do_HEAD = do_PATCH = do


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 200

    def __init__(self, path, fleet):
        self.fleet = fleet
        super().__init__(path, Handler)

    def get_request(self):
        request, _ = super().get_request()
        return request, ("unix", 0)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, BrokenPipeError)):
            super().handle_error(request, client_address)


if __name__ == "__main__":
    Fleet(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0).start()
    threading.Event().wait()
