"""Units that really run: what is killed comes back, what is stopped is gone, and the agent may die at any moment."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from agent_stack import SLEEP, Agent, Unix, found, free_port, main_pid, open_way, processes, program, start_of, until


def test_a_unit_runs_and_is_gone_after_delete(walled):
    walled.run("a@1.service", SLEEP)
    pid = main_pid(walled, "a@1.service")
    assert start_of(pid)
    assert walled.delete("a@1.service").status == 204
    assert walled.get("/units").json() == {}
    walled.wait("a@1.service", None)
    assert start_of(pid) is None and not processes(walled.path("service"))
    for part in ("unit", "service"):
        assert os.listdir(walled.path(part)) == []
    for hierarchy in ("memory", "pids", "unified", "."):
        assert not os.path.exists("/sys/fs/cgroup/%s/nap-%d/a@1.service" % (hierarchy, walled.block))


def test_the_agent_is_killed_and_takes_its_units_back(walled):
    for i in (1, 2, 3):
        walled.run("a@%d.service" % i, SLEEP)
    walled.run("crash.service", ("ExecStart", "/bin/sh -c 'sleep 0.3; exit 3'"), ("Restart", "always"),
               ("RestartSec", "50ms"), ("Unit", "StartLimitIntervalSec", "0"), wait=None)
    until(lambda: os.path.exists(walled.path("unit", "crash.service", "phase"))
          and walled.phase("crash.service")["restarts"] >= 2)
    before = [(main_pid(walled, "a@%d.service" % i), walled.phase("a@%d.service" % i)) for i in (1, 2, 3)]
    starts = [start_of(pid) for pid, _ in before]
    assert all(starts)
    walled.stop(signal.SIGKILL)
    restarts = walled.phase("crash.service")["restarts"]
    walled.start()
    for i in (1, 2, 3):
        assert walled.state_of("a@%d.service" % i) == ("loaded", "active", "running")
        assert walled.unit_json("a@%d.service" % i)["currentState"] == "launched"
    assert [(main_pid(walled, "a@%d.service" % i), walled.phase("a@%d.service" % i)) for i in (1, 2, 3)] == before
    assert [start_of(pid) for pid, _ in before] == starts
    assert walled.phase("crash.service")["restarts"] >= restarts
    assert walled.delete("a@1.service").status == 204  # it is in charge again
    walled.wait("a@1.service", None)
    assert start_of(before[0][0]) is None and start_of(before[1][0]) == starts[1]


def test_a_unit_deleted_while_no_agent_looked_is_removed(walled):
    walled.run("a.service", SLEEP)
    pid = main_pid(walled, "a.service")
    walled.stop(signal.SIGKILL)
    os.unlink(walled.path("store", "a.service.json"))
    walled.start()
    walled.wait("a.service", None)
    assert start_of(pid) is None


def test_runsv_killed_runs_the_unit_again_and_once(walled):
    walled.run("a.service", SLEEP)
    old, runsv = main_pid(walled, "a.service"), walled.runsv("a.service")
    os.kill(runsv, signal.SIGKILL)
    until(lambda: walled.runsv("a.service") not in (None, runsv))
    until(lambda: start_of(main_pid(walled, "a.service")) and main_pid(walled, "a.service") != old,
          why=lambda: str(walled.phase("a.service")))
    walled.wait("a.service", "active")
    until(lambda: start_of(old) is None)


def test_svlogd_killed_loses_no_line_that_comes_after(walled):
    walled.run("a.service", ("ExecStart", "/bin/sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done'"))
    until(lambda: "3" in walled.messages("a.service"))
    for p in processes(walled.path("log", "a.service")):
        os.kill(p, signal.SIGKILL)
    n = int(walled.messages("a.service")[-1])
    got = until(lambda: [m for m in walled.messages("a.service") if int(m) > n + 20])
    assert got
    seen = [int(m) for m in walled.messages("a.service")]
    assert seen == sorted(set(seen))


def test_a_restart_counts_and_is_said(walled):
    walled.run("a.service", SLEEP, ("Restart", "always"), ("RestartSec", "100ms"))
    pid = main_pid(walled, "a.service")
    os.kill(pid, signal.SIGKILL)
    until(lambda: walled.phase("a.service")["restarts"] == 1 and walled.phase("a.service")["phase"] == "running")
    walled.wait("a.service", "active/running")
    assert main_pid(walled, "a.service") != pid
    said = "\n".join(walled.messages("a.service", "UNIT"))
    assert "Scheduled restart job, restart counter is at 1." in said


def test_what_fails_stays_failed_until_it_is_loaded_and_launched(walled):
    walled.run("a.service", ("ExecStart", "/bin/sh -c 'exit 7'"), wait="failed/failed")
    assert walled.put("a.service", "launched").status == 204
    assert walled.phase("a.service")["code"] == 7
    assert "a.service: Failed with result 'exit-code'." in walled.messages("a.service", "UNIT")
    since = walled.phase("a.service")["since"]
    assert walled.put("a.service", "loaded").status == 204
    until(lambda: walled.unit_json("a.service")["currentState"] == "loaded")
    assert walled.state_of("a.service") == ("loaded", "failed", "failed")
    assert walled.put("a.service", "launched").status == 204
    until(lambda: walled.phase("a.service")["since"] > since and walled.phase("a.service")["phase"] == "failed")


def test_nothing_survives_its_stop(walled):
    """TERM is ignored, daemons are made by double fork in sessions of their own."""
    mark = "hostile-%d" % os.getpid()
    script = "trap \"\" TERM; (setsid sh -c \"trap '' TERM HUP; sleep 98765 & exec sleep 98765\" &) ; " \
             "sleep 98765 & while :; do sleep 1; done"
    walled.run("a.service", ("ExecStart", "/bin/sh -c '%s' %s" % (script.replace("'", "\\'"), mark)),
               ("TimeoutStopSec", "1"))
    uid = int(open(walled.path("unit", "a.service", "uid")).read())
    until(lambda: len(processes("98765")) >= 3)
    assert walled.delete("a.service").status == 204
    walled.wait("a.service", None, 30)
    assert processes("98765") == [] and processes(mark) == []
    if os.geteuid() == 0:
        assert not [p for p in os.listdir("/proc") if p.isdigit() and owner(p) == uid and start_of(int(p))]


def owner(pid):
    with contextlib.suppress(OSError):
        return os.stat("/proc/" + pid).st_uid


def test_nap_unit_killed_leaves_nothing_and_the_unit_comes_back(walled):
    """It stands between runsv and the unit: its container or its session must not live on."""
    walled.run("a.service", SLEEP, ("Restart", "always"), ("RestartSec", "100ms"))
    main = main_pid(walled, "a.service")
    helpers = [p for p in processes(walled.path("unit", "a.service")) if comm(p) == "nap-unit"]
    assert helpers
    for p in helpers:
        os.kill(p, signal.SIGKILL)
    until(lambda: main_pid(walled, "a.service") not in (0, main) and walled.phase("a.service")["phase"] == "running")
    until(lambda: start_of(main) is None)


def comm(pid):
    with contextlib.suppress(OSError):
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()


def test_a_unit_has_a_uid_of_its_own_and_another_next_time(walled):
    if os.geteuid():
        pytest.skip("root only")
    uids = []
    for i in (1, 2):
        walled.run("a@%d.service" % i, SLEEP)
        uids.append(int(open(walled.path("unit", "a@%d.service" % i, "uid")).read()))
        assert walled.uids + 1000 <= uids[-1] < walled.uids + 65536
    assert walled.delete("a@1.service").status == 204
    walled.wait("a@1.service", None)
    walled.run("a@1.service", SLEEP)
    uids.append(int(open(walled.path("unit", "a@1.service", "uid")).read()))
    assert len(set(uids)) == 3


# What does not depend on the walls


def test_a_second_agent_on_one_folder_refuses(agent):
    r = subprocess.run(agent.command(), capture_output=True, text=True)
    assert r.returncode == 1 and "another agent runs on" in r.stderr


def test_the_blocks_first_port_is_held(tmp_path):
    port = free_port()
    a, b = Agent(tmp_path / "a", block=port), Agent(tmp_path / "b", block=port)
    a.start()
    try:
        r = subprocess.run(b.command(), capture_output=True, text=True)
        assert r.returncode == 1 and "could not hold port %d" % port in r.stderr
    finally:
        a.end()


def test_stop_all_keeps_what_is_asked_and_the_next_start_runs_it(agent):
    agent.run("a.service", SLEEP)
    assert agent.put("b.service", "loaded", [("Service", "ExecStart", "/bin/true")]).status == 201
    for alone in (False, True):
        if alone:
            agent.stop()
        subprocess.run([program("nap-agent"), "--stop-all", "--state", agent.state], check=True, timeout=60)
        assert not processes(agent.path("service"))
        if not alone:
            assert agent.get("/state").json() == {}
            assert agent.unit_json("a.service")["desiredState"] == "launched"
            agent.stop()
        agent.start()
        agent.wait("a.service", "active")
        agent.wait("b.service", "inactive/dead")


def test_a_machine_that_was_started_runs_what_was_launched(agent):
    agent.run("done.service", ("ExecStart", "/bin/true"), wait="inactive/dead")
    agent.stop()
    agent.start()  # the agent alone: what has ended is left alone
    since = agent.phase("done.service")["since"]
    assert agent.state_of("done.service") == ("loaded", "inactive", "dead")
    until(lambda: agent.runsv("done.service") is None)  # no supervisor outlives a machine
    agent.stop()
    with open(agent.path("boot-id"), "w") as f:
        f.write("0" * 32)
    agent.start()
    until(lambda: os.path.exists(agent.path("unit", "done.service", "phase"))
          and agent.phase("done.service")["since"] > since)


def test_a_replacement_runs_the_new_content(agent):
    agent.run("a.service", ("ExecStart", "/bin/sh -c 'echo one; exec sleep 1000'"))
    old = agent.get("/state/a.service").json()["hash"]
    agent.run("a.service", ("ExecStart", "/bin/sh -c 'echo two; exec sleep 1000'"), wait=None)
    until(lambda: agent.get("/state").json().get("states", [{}])[0].get("hash") not in (None, old))
    agent.wait("a.service", "active")
    until(lambda: agent.messages("a.service") == ["one", "two"])
    agent.run("a.service", ("ExecStart", "/bin/sh -c 'echo three; exec sleep 1000'"), wait=None)
    assert agent.put("a.service", None, [("Service", "ExecStart", "/bin/true")]).status == 201
    assert agent.unit_json("a.service")["desiredState"] == "inactive"  # a replacement without a state
    agent.wait("a.service", None)


def test_delete_and_put_again_at_once_is_a_new_unit(agent):
    agent.run("a.service", SLEEP)
    old = main_pid(agent, "a.service")
    assert agent.delete("a.service").status == 204
    assert agent.put("a.service", "launched", [("Service", *SLEEP)]).status == 201
    until(lambda: os.path.exists(agent.path("unit", "a.service", "phase"))
          and agent.phase("a.service")["phase"] == "running" and main_pid(agent, "a.service") != old)
    assert start_of(old) is None


def test_names_at_their_limits(agent):
    name = "n" * 247 + ".service"
    agent.run(name, SLEEP)
    assert agent.get("/units/" + name).status == 200
    longest = "n" * 248 + ".service"  # systemd loads no such unit, fleet stores it
    assert agent.put(longest, "launched", [("Service", *SLEEP)]).status == 201
    assert agent.state_of(longest) is None
    odd = "a:b-c_d.e\\f@g@h.service"
    agent.run(odd, SLEEP)
    agent.stop()
    agent.start()
    assert agent.state_of(name) == agent.state_of(odd) == ("loaded", "active", "running")
    assert agent.unit_json(longest)["name"] == longest
    for n in (name, longest, odd):
        assert agent.delete(n).status == 204


def test_requests_of_all_shapes(agent):
    path = os.path.join(agent.state, "run/agent/agent.sock")
    halves = []
    for _ in range(100):  # half a request each, left open
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.sendall(b"PUT /fleet/v1/units/half.service HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 100\r\n\r\n{\"desiredState\":")
        halves.append(s)
    many = [Unix(path) for _ in range(200)]
    for c in many:
        c.request("GET", "/fleet/v1/machines")
    assert [c.getresponse().status for c in many] == [200] * 200
    big = json.dumps({"desiredState": "inactive", "options": [
        {"section": "Service", "name": "Environment", "value": "K%d=%s" % (i, "v" * 150)} for i in range(20000)]})
    assert len(big) > 4e6
    r = agent.request("PUT", "/fleet/v1/units/big.service", big.encode(), {"Host": "x", "Content-Type": "application/json"})
    assert r.status == 201, r.raw
    assert len(agent.unit_json("big.service")["options"]) == 20000
    assert agent.request("PUT", "/fleet/v1/units/b.service", b"x" * (17 << 20),
                         {"Host": "x", "Content-Type": "application/json"}).status == 413
    for raw, status in (("/fleet/v1/units/a%2Fb.service", 404), ("/fleet/v1//units", 301), ("/fleet/v1/../units", 301),
                        ("/fleet/v1/units/%00.service", 400), ("/fleet/v1/units/a%4", 400), ("/", 405),
                        ("/fleet/v1", 405), ("/v1-alpha/units", 200)):
        assert agent.request("GET", raw).status == status, raw
    for c in many + halves:
        c.close()


def test_slow_readers_hold_nobody_up(agent):
    """Each asks for 4 MB and reads nothing of it, or a byte now and then."""
    path = os.path.join(agent.state, "run/agent/agent.sock")
    big = [("Service", "Environment", "K%d=%s" % (i, "v" * 1900)) for i in range(2000)]
    assert agent.put("big.service", "inactive", big).status == 201
    slow = []
    for _ in range(30):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.sendall(b"GET /fleet/v1/units/big.service HTTP/1.1\r\nHost: x\r\n\r\n")
        slow.append(s)
    for s in slow[:10]:
        assert s.recv(1) == b"H"
    agent.run("a.service", SLEEP)
    agent.wait("a.service", "active")
    with open("/proc/%d/status" % agent.process.pid) as f:
        assert "State:\tZ" not in f.read()
    got = b""
    while len(got) < 3 << 20:  # and who goes on reading gets it whole
        got += slow[0].recv(1 << 20)
    for s in slow:
        s.close()
    assert agent.get("/units").status == 200


def test_each_helper_is_killed_at_any_moment_and_the_unit_comes_back(walled):
    """crun or bwrap, svlogd, runsv, nap-unit and the program, in the middle of starts too."""
    walled.run("a.service", SLEEP, ("Restart", "always"), ("RestartSec", "50ms"), ("Unit", "StartLimitIntervalSec", "0"))
    mine = walled.state + "/"
    for round_ in range(6):
        for word in ("crun", "bwrap", "nap-unit", "runsv", "svlogd", "sleep"):
            for p in processes(mine if word != "sleep" else "100000"):
                if comm(p) == word and p != walled.process.pid:
                    with contextlib.suppress(OSError):
                        os.kill(p, signal.SIGKILL)
            time.sleep(0.02 * round_)
    until(lambda: walled.phase("a.service")["phase"] == "running" and start_of(main_pid(walled, "a.service"))
          and walled.state_of("a.service") == ("loaded", "active", "running"), 60, why=lambda: (walled.phase("a.service"), walled.said()))
    uid = int(open(walled.path("unit", "a.service", "uid")).read())
    if os.geteuid() == 0:  # one program, and what stands around it
        until(lambda: len([p for p in os.listdir("/proc") if p.isdigit() and owner(p) == uid and comm(int(p)) == "sleep"]) == 1)
    assert walled.delete("a.service").status == 204
    walled.wait("a.service", None, 60)
    assert not processes(walled.path("service"))


def test_a_state_folder_that_is_deleted_under_the_agent(tmp_path):
    """What cannot be kept is refused, what runs runs on, and with its folders back the agent takes units again."""
    a = Agent(tmp_path / "s").start()
    try:
        a.run("a.service", SLEEP)
        shutil.rmtree(a.path("store"))
        assert a.put("b.service", "launched", [("Service", *SLEEP)]).status == 500
        assert a.state_of("a.service")[1] == "active"
        shutil.rmtree(a.path("unit"))
        assert a.get("/machines").status == 200
        a.delete("a.service")
        os.makedirs(a.path("store"))
        os.makedirs(a.path("unit"))
        a.stop()
        a.start()
        a.run("c.service", SLEEP)
    finally:
        a.end()


@pytest.mark.parametrize("value, kept", [
    ("  x  ", "x"), ("a\\\nb", "a\\\nb"), ("", None)])
def test_values_are_read_back_as_a_unit_file_says_them(agent, value, kept):
    assert agent.put("a.service", "inactive", [("Service", "Environment", value)]).status == 201
    assert agent.unit_json("a.service")["options"][0].get("value") == kept


def test_a_newline_in_a_value_is_another_line(agent):
    assert agent.put("a.service", "inactive", [("Service", "ExecStart", "/a\nRestart=always")]).status == 201
    assert [o["name"] for o in agent.unit_json("a.service")["options"]] == ["ExecStart", "Restart"]
    r = agent.put("b.service", "inactive", [("Service", "ExecStart", "/a\nno option")])
    assert (r.status, r.message) == (400, "unexpected newline encountered while parsing option name")
    assert agent.put("b.service", "inactive", [("Service", "ExecStart", "x" * 2037)]).status == 201
    r = agent.put("c.service", "inactive", [("Service", "ExecStart", "x" * 2038)])
    assert (r.status, r.message) == (400, "line too long (max 2048 bytes)")


def test_the_socket_is_for_root_and_the_allowed_user(tmp_path):
    if os.geteuid():
        pytest.skip("root only")
    a = Agent(tmp_path)
    allowed = a.uids + 3
    command = a.command() + ["--allow-uid", str(allowed)]
    a.command = lambda: command
    a.start()
    try:
        for name in ("agent.sock", "read.sock"):
            st = os.stat(os.path.join(a.state, "run/agent", name))
            assert st.st_mode & 0o777 == 0o600 and st.st_uid == allowed
            os.chmod(os.path.join(a.state, "run/agent", name), 0o666)
        open_way(tmp_path)
        path = os.path.join(a.state, "run/agent/agent.sock")
        for uid, status in ((allowed, "200"), (allowed + 1, "403")):
            r = subprocess.run(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "curl", "-s",
                                "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path,
                                "http://x/fleet/v1/machines"], capture_output=True, text=True, check=True)
            assert r.stdout == status
    finally:
        a.end()


def test_the_guard_lets_a_unit_reach_its_own_port_and_no_other(tmp_path):
    """What nap's helper writes about a unit's port, a test writes here."""
    if not found("crun"):
        pytest.skip("no crun on this machine")
    open_way(tmp_path)
    a = Agent(tmp_path, "crun").start()
    try:
        if a.get("/machines").json()["machines"][0]["metadata"]["port_guard"] == "no":
            pytest.skip("no nftables on this machine")
        serve = "/usr/bin/python3 -c 'import http.server as h; h.HTTPServer((\"127.0.0.1\", %d), " \
                "h.BaseHTTPRequestHandler).serve_forever()'"
        for name, port, own in (("own.service", a.block + 1, True), ("thief.service", a.block + 2, False)):
            if own:
                os.makedirs(a.path("run/nap", name))
                with open(a.path("run/nap", name, "policy"), "w") as f:
                    f.write("restart=auto\nport=%d\n" % port)
            a.run(name, ("ExecStart", serve % port))
        until(lambda: all(listens(a.block + i) for i in (1, 2)) and reach(a.block + 1) == "answers")
        uid = {n: int(open(a.path("unit", n, "uid")).read()) for n in ("own.service", "thief.service")}
        assert reach(a.block + 1) == "answers" and reach(a.block + 2) == "nothing"
        assert reach(a.block + 1, uid["own.service"]) == "answers"
        assert reach(a.block + 1, uid["thief.service"]) == "refused"
    finally:
        a.end()
    assert "nap_%d" % a.block not in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout


def listens(port):
    with open("/proc/net/tcp") as f:
        return any(line.split()[1].endswith(":%04X" % port) and line.split()[3] == "0A" for line in f)


def reach(port, uid=0):
    program_ = "import socket\ns = socket.socket()\ns.settimeout(2)\ntry:\n s.connect(('127.0.0.1', %d))\n print('answers')\n" \
               "except ConnectionRefusedError:\n print('refused')\nexcept OSError:\n print('nothing')" % port
    return subprocess.run(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "/usr/bin/python3", "-c",
                           program_], capture_output=True, text=True, check=True).stdout.strip()


def test_a_state_folder_that_takes_nothing_costs_no_unit(agent):
    """Its store is gone: what cannot be kept is refused, and what runs runs on."""
    agent.run("a.service", SLEEP)
    pid = main_pid(agent, "a.service")
    store = agent.path("store")
    os.rename(store, store + ".away")
    assert agent.put("b.service", "launched", [("Service", *SLEEP)]).status == 500
    assert agent.unit_json("a.service")["currentState"] == "launched" and "b.service" not in agent.get("/units").raw.decode()
    os.rename(store + ".away", store)
    agent.run("b.service", SLEEP)
    assert main_pid(agent, "a.service") == pid and start_of(pid)


def test_a_full_disk_refuses_what_cannot_be_kept(tmp_path):
    state = tmp_path / "s"
    state.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(state)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        a = Agent(state).start()
        try:
            a.run("a.service", SLEEP)
            pid = main_pid(a, "a.service")
            with contextlib.suppress(OSError), open(str(state / "filler"), "wb", buffering=0) as f:
                while True:
                    f.write(b"x" * 4096)
            assert a.put("b.service", "launched", [("Service", *SLEEP), ("Unit", "Description", "y" * 2000)]).status == 500
            assert "b.service" not in a.get("/units").raw.decode()
            assert start_of(pid) and a.state_of("a.service")[1] == "active"
            os.unlink(str(state / "filler"))
            a.run("b.service", SLEEP)
            assert main_pid(a, "a.service") == pid
        finally:
            a.end()
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)
