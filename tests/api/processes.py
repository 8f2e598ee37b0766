"""The processes of a copy of nap, by kind, read from /proc."""
import os
import re


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


def parent(pid):
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and fields[0] != "Z" else 0


def kind_of(pid, state, service):
    """What it is; None: one that lives for a moment only (a shell between fork and exec, a child of a tick)."""
    words = read(f"/proc/{pid}/cmdline").split("\0")
    line = " ".join(words).strip()
    name = os.path.basename(words[0])
    if name == "runsv":
        return f"runsv of {service}"
    if name == "svlogd":
        return f"svlogd of {service}"
    if line.startswith("nginx: "):
        return f"nginx {line.split()[1]} of {service}"
    if line.startswith("sshd: "):
        return f"sshd of {service}" if "[listener]" in line else f"a session of {service}"
    if line.startswith("postgres: "):
        words = line.split()
        if words[1].startswith("nap_"):
            return f"postgres backend of {words[1]}"
        return "postgres " + re.sub(r" *\d*$", "", " ".join(words[1:3]))
    if name == "postgres":
        return "postmaster"
    if name in ("multiwatch", "nap-api", "nap-stream", "fcgiwrap", "nap-worker", "nap-agent", "nap-shell"):
        return f"{name} of {re.sub('-[0-9]+$', '', service)}"
    if service in ("unit", "sidekick"):
        if name in ("nap-unit", "nap-node", "crun", "bwrap", "nap-run", "nap-init"):
            return f"{name} of a {service}"
        return "an app" if name.startswith("python") else None
    if name == "nap-node":                             # the agent's sweep, every ten minutes
        return None
    if service == "supervisor" and line.endswith("./run"):
        return "supervisor"
    if name in ("sleep", "sv", "setpriv", "env", "sh", "spawn-fcgi", "setsid", "ps") or not line:
        return None
    return f"unknown: {line}"


def processes(state):
    """{pid: kind} of all of nap's processes, those of the units too"""
    found = {}
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    service = {}
    for pid in pids:
        m = re.match(re.escape(f"runsv\0{state}/service/") + r"([^/\0]+)", read(f"/proc/{pid}/cmdline"))
        if m:
            service[pid] = m[1]
            continue
        m = re.match(re.escape(f"runsv\0{state}/agent/service/") + r"([^/\0]+)", read(f"/proc/{pid}/cmdline"))
        if m:
            service[pid] = "sidekick" if "_discovery@" in m[1] else "unit"
    for pid in pids:
        p, chain = pid, 0
        while p > 1 and p not in service and chain < 12:
            p, chain = parent(p), chain + 1
        if p in service:
            kind = kind_of(pid, state, service[p])
            if kind:
                found[pid] = kind
    return found


def left(state):
    """processes that show that they are of this copy: by a path below its state, or by a user of its block"""
    with open(f"{state}/block") as f:
        uid = int(f.read().split()[1])
    rows = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        line = read(f"/proc/{pid}/cmdline").replace("\0", " ")
        try:
            owner = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue
        if (uid and uid <= owner < uid + 65536) or (state + "/" in line and int(pid) != os.getpid() and parent(pid)):
            rows.append(f"{pid} {owner} {line}")
    return rows
