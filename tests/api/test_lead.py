"""The leader against a fake fleet: after each fault, when all is quiet, the units are exactly those declared and the
routes are right."""
import os
import random
import socket
import subprocess

import pytest

from database import Template
from lead_stack import MIB, Lead, have_lead, until
from push_server import program

pytestmark = pytest.mark.skipif(not have_lead(), reason="nap-worker or PostgreSQL is missing")


@pytest.fixture(scope="module")
def database():
    d = Template()
    yield d
    d.close()


@pytest.fixture
def make(database, tmp_path):
    made = []

    def one(**settings):
        made.append(Lead(database, tmp_path / str(len(made)), **settings))
        return made[-1]
    yield one
    for lead in made:
        lead.close()


@pytest.fixture
def lead(make):
    one = make()
    one.lead()
    return one


def test_an_app_is_started_routed_scaled_and_stopped(lead):
    app = lead.app("web", 3)
    release = lead.deploy(app)
    lead.quiet(app)
    assert lead.fleet.names(templates=True) == [
        "acme.web.v1@.service", "acme.web.v1@1.service", "acme.web.v1@2.service", "acme.web.v1@3.service",
        "acme.web.v1_discovery@.service", "acme.web.v1_discovery@1.service", "acme.web.v1_discovery@2.service",
        "acme.web.v1_discovery@3.service"]
    assert len(lead.nginx.upstream(app)) == 3
    assert lead.state(app) == "running"
    lead.scale(app, 5)
    until(lambda: lead.count("state = 'ready'") == 5)
    lead.quiet(app)
    lead.scale(app, 2)
    until(lambda: len(lead.rows(app)) == 2)
    assert lead.rows(app) == [(1, 1, "ready"), (1, 2, "ready")]
    lead.quiet(app)
    lead.asked(app, "stop")
    lead.sql("UPDATE app SET stopped = true WHERE id = %d" % app)
    until(lambda: not lead.rows(app))
    until(lambda: lead.nginx.page(app) == "stopped")
    assert lead.nginx.upstream(app) == []
    until(lambda: lead.fleet.names(templates=True) == [])
    assert release


def test_a_cluster_that_takes_its_time_to_place_units_is_not_full(make):
    """Seen on real fleet: an operation ended with "3 of 5" before the first pass of its engine."""
    lead = make()
    lead.fleet.engine_pass = lambda now: None       # it has not come to it yet
    lead.lead()
    lead.app("web", 2)
    until(lambda: len(lead.fleet.names()) == 4)
    for what in ("/fleet/v1/units", "/fleet/v1/state", "/fleet/v1/state"):      # seen, judged, and written
        n = len(lead.fleet.requests)
        until(lambda: what in [path for _, path, _ in lead.fleet.requests[n:]])
    assert lead.count("reason IS NULL AND port IS NOT NULL") == 2
    del lead.fleet.engine_pass
    lead.ready(int(lead.value("SELECT id FROM app")), 2)


@pytest.fixture
def agent(make):
    one = make(agent=True)
    one.lead()
    return one


def test_on_one_machine_nothing_waits_for_a_cluster(agent):
    app = agent.web("web", 2)
    assert agent.nginx.upstream(app) == ["127.0.0.1:20001", "127.0.0.1:20002"]
    until(lambda: agent.count("memory_used = 1048576 AND cpu_usec = 1000") == 2, 30)
    agent.asked(app, "destroy")
    agent.sql("UPDATE app SET deleting = true WHERE id = %d" % app)
    until(lambda: not agent.rows(app), 10)
    assert agent.fleet.names() == []
    assert agent.nginx.page(app) in (None, "none")


def test_a_new_release_serves_before_the_old_one_goes(lead):
    app = lead.web("web", 2)
    old = lead.nginx.upstream(app)
    release = lead.release(app)
    until(lambda: lead.count("release_id = %d AND state = 'ready'" % release) == 2)
    assert lead.nginx.upstream(app) == old
    lead.nginx.deaf = True                          # nginx does not read the new routes
    lead.switch(app)
    until(lambda: lead.nginx.reloads > 1)
    assert lead.count("want = 'gone'") == 0
    assert len(lead.rows(app)) == 4
    lead.nginx.deaf = False
    until(lambda: lead.rows(app) == [(2, 1, "ready"), (2, 2, "ready")])
    lead.quiet(app)
    assert not set(lead.nginx.upstream(app)) & set(old)


def test_a_release_with_another_scale_brings_its_own_number(lead):
    app = lead.web("web", 1)
    release = lead.release(app)
    lead.sql("UPDATE release SET scale = 3 WHERE id = %d; NOTIFY nap_work" % release)
    until(lambda: lead.rows(app) == [(1, 1, "ready"), (2, 1, "ready"), (2, 2, "ready"), (2, 3, "ready")])
    lead.sql("UPDATE app SET scale_profile = 3")
    lead.deploy(app, release)
    until(lambda: len(lead.rows(app)) == 3)
    lead.quiet(app)


def free_block():
    """Ports that the test itself listens on: others of this machine do it at the same time."""
    while True:
        block = random.randrange(10000, 19000)
        try:
            for port in range(block + 1, block + 5):
                socket.create_server(("127.0.0.1", port)).close()
            return block
        except OSError:
            continue


def test_old_instances_that_still_answer_drain_after_the_switch(make):
    lead = make(agent=True, drain=3600, block_port=free_block())
    lead.lead()
    long, short = lead.web("long"), lead.web("short")
    port = int(lead.nginx.upstream(long)[0].split(":")[1])
    with socket.create_server(("127.0.0.1", port)) as listener, socket.create_connection(("127.0.0.1", port)) as visitor:
        served, _ = listener.accept()
        for app in (long, short):
            lead.deploy(app, lead.release(app))
        until(lambda: lead.rows(short) == [(2, 1, "ready")])        # nobody holds it
        until(lambda: lead.value("SELECT now() > leave_at + interval '3 seconds' FROM instance WHERE leave_at IS NOT NULL") == "t")
        assert lead.rows(long) == [(1, 1, "ready"), (2, 1, "ready")]
        served.close()
        visitor.close()
        until(lambda: lead.rows(long) == [(2, 1, "ready")])


def test_what_still_answers_goes_when_the_drain_is_over(make):
    lead = make(agent=True, drain=3, block_port=free_block())
    lead.lead()
    app = lead.web("web")
    port = int(lead.nginx.upstream(app)[0].split(":")[1])
    with socket.create_server(("127.0.0.1", port)) as listener, socket.create_connection(("127.0.0.1", port)):
        served, _ = listener.accept()
        lead.deploy(app, lead.release(app))
        until(lambda: lead.rows(app) == [(2, 1, "ready")])
        served.close()
    left = lead.value("SELECT extract(epoch FROM max(at) FILTER (WHERE kind = 'instance.stopping') - (SELECT switched_at FROM app)) "
                      "FROM event")
    assert float(left) >= 3


def test_an_abandoned_release_leaves_the_old_one_serving(lead):
    app = lead.web("web", 2)
    old = lead.nginx.upstream(app)
    lead.machines.silent.add(r"\.v2@")
    release = lead.release(app)
    until(lambda: lead.count("release_id = %d AND state = 'failed'" % release) == 2)
    assert "it does not listen on its port after 5 s" in lead.value("SELECT reason FROM instance WHERE state = 'failed'")
    lead.sql("UPDATE release SET state = 'failed' WHERE id = %d; UPDATE app SET next_release_id = NULL" % release)
    until(lambda: lead.rows(app) == [(1, 1, "ready"), (1, 2, "ready")])
    lead.quiet(app)
    assert lead.nginx.upstream(app) == old


def test_a_dead_process_leaves_the_routes_at_once_and_returns(lead):
    app = lead.web("web", 3)
    unit = lead.units(app)[0]
    lead.fleet.settings(restart_after=120)
    lead.fleet.end(unit)
    until(lambda: len(lead.nginx.upstream(app)) == 2)
    lead.quiet(app)
    assert len(lead.nginx.upstream(app)) == 3


def test_a_restart_starts_the_process_anew_and_takes_it_from_the_routes_meanwhile(lead):
    app = lead.web("web", 2)
    unit = lead.units(app)[0]
    seen = []
    lead.sql("UPDATE instance SET want = 'restart', want_at = now() WHERE unit = '%s'" % unit)

    def is_done():
        seen.append(len(lead.nginx.upstream(app)))
        return lead.count("want = 'run' AND state = 'ready'") == 2
    until(is_done)
    assert lead.fleet.starts[unit] == 2
    assert 1 in seen and 0 not in seen
    lead.quiet(app)


def test_a_restart_lets_what_is_being_answered_end(make):
    lead = make(agent=True, drain=3600, block_port=free_block())
    lead.lead()
    long, short = lead.web("long"), lead.web("short")
    units = [lead.units(app)[0] for app in (long, short)]
    port = int(lead.nginx.upstream(long)[0].split(":")[1])
    back = "app_id = %d AND want = 'run' AND state = 'ready'"
    with socket.create_server(("127.0.0.1", port)) as listener, socket.create_connection(("127.0.0.1", port)) as visitor:
        served, _ = listener.accept()
        lead.sql("UPDATE instance SET want = 'restart', want_at = now()")
        until(lambda: lead.fleet.starts[units[1]] == 2 and lead.count(back % short) == 1)      # nobody holds it
        until(lambda: lead.value("SELECT now() > want_at + interval '3 seconds' FROM instance WHERE want = 'restart'") == "t")
        assert lead.fleet.starts[units[0]] == 1 and not lead.nginx.upstream(long)
        served.close()
        visitor.close()
        until(lambda: lead.fleet.starts[units[0]] == 2 and lead.count(back % long) == 1)


def test_a_restart_cuts_off_what_is_answered_longer_than_the_drain(make):
    lead = make(agent=True, drain=3, block_port=free_block())
    lead.lead()
    app = lead.web("web")
    unit, port = lead.units(app)[0], int(lead.nginx.upstream(app)[0].split(":")[1])
    with socket.create_server(("127.0.0.1", port)) as listener, socket.create_connection(("127.0.0.1", port)):
        served, _ = listener.accept()
        lead.sql("UPDATE instance SET want = 'restart', want_at = now()")
        until(lambda: lead.fleet.starts[unit] == 2 and lead.count("want = 'run' AND state = 'ready'") == 1)
        served.close()


def test_a_job_that_ends_is_finished_and_starts_no_more(lead):
    app = lead.app("job", 2, sidekick=False)
    until(lambda: lead.count("state IN ('starting', 'ready')") == 2)
    for unit in lead.units(app):
        until(lambda: unit in lead.fleet.running())
        lead.fleet.end(unit, "dead")
        lead.ended(unit)
    until(lambda: lead.count("state = 'finished'") == 2)
    lead.switch(app)
    until(lambda: lead.state(app) == "finished")
    until(lambda: lead.nginx.page(app) == "finished")
    assert set(lead.fleet.starts.values()) == {1}


def test_an_app_that_gave_up_says_why(lead):
    app = lead.app("bad", 1)
    lead.machines.silent.add("bad")
    unit = until(lambda: lead.units(app))[0]
    until(lambda: unit in lead.fleet.running())
    lead.ended(unit, "gave-up", 3)
    lead.fleet.end(unit, "failed")
    until(lambda: lead.count("state = 'failed'") == 1)
    assert lead.value("SELECT reason FROM instance") == "it ended with exit code 3"


def test_an_app_that_never_listens_is_ready_when_it_has_run_for_five_seconds(lead):
    lead.machines.silent.add("worker")
    app = lead.app("worker")
    lead.deploy(app)
    until(lambda: lead.state(app) == "running")
    until(lambda: lead.nginx.page(app) == "silent")
    assert float(lead.value("SELECT extract(epoch FROM ready_at - active_at) FROM instance")) >= 5


@pytest.mark.parametrize("fault", [
    {"lose_every": 2}, {"refuse_puts": 0.5}, {"shift_pages": 60}])
def test_faults_of_single_requests_are_overcome(lead, fault):
    lead.fleet.settings(**fault)
    app = lead.app("web", 55)                       # 112 units: more than a page
    lead.deploy(app)
    lead.quiet(app)
    lead.scale(app, 20)
    until(lambda: len(lead.rows(app)) == 20, 60)
    lead.quiet(app)
    assert set(lead.fleet.starts.values()) == {1}


@pytest.mark.parametrize("status", [500, 503, "closed", "hang"])
def test_an_engine_that_is_away_is_waited_for(lead, status):
    app = lead.web("web", 2)
    routes = lead.nginx.upstream(app)
    lead.fleet.settings(status=status)
    lead.scale(app, 3)
    until(lambda: lead.value("SELECT reachable FROM engine") == "f", 40)
    assert lead.value("SELECT error FROM engine")
    until(lambda: lead.count("state = 'waiting'") == 1)
    assert lead.value("SELECT reason FROM instance WHERE state = 'waiting'") == "the engine does not answer"
    assert lead.nginx.upstream(app) == routes
    lead.fleet.settings(status=None)
    until(lambda: lead.count("state = 'ready'") == 3)
    lead.quiet(app)
    assert lead.value("SELECT reachable FROM engine") == "t"
    assert set(lead.fleet.starts.values()) == {1}


def test_a_missing_state_proves_nothing(lead):
    app = lead.web("web", 2)
    unit = lead.units(app)[0]
    sweeps = sum(r[1].startswith("/fleet/v1/state") for r in lead.fleet.requests)
    lead.fleet.hide_state(unit, 24)
    lead.sql("NOTIFY nap_work")
    until(lambda: sum(r[1].startswith("/fleet/v1/state") for r in lead.fleet.requests) > sweeps + 1)
    assert lead.count("state = 'ready'") == 2
    lead.quiet(app)
    assert lead.fleet.starts[unit] == 1


def test_of_two_states_the_one_of_the_units_machine_counts(lead):
    app = lead.web("web", 2)
    unit = lead.units(app)[0]
    other = next(m for m in lead.fleet.machines if m != lead.fleet.units[unit].machine)
    lead.fleet.ghost_state(unit, other, 90, "failed")
    until(lambda: int(lead.value("SELECT count(*) FROM unit_state WHERE unit = '%s'" % unit)) == 2)
    lead.sql("NOTIFY nap_work")
    until(lambda: int(lead.value("SELECT count(*) FROM unit_state WHERE unit = '%s'" % unit)) == 1)
    lead.quiet(app)
    assert lead.events("instance.failed") == 0
    assert lead.value("SELECT machine FROM instance WHERE unit = '%s'" % unit) == lead.fleet.units[unit].machine


def test_failed_before_active_is_not_believed(lead):
    lead.fleet.first_failed.add("acme.web.v1@1.service")
    app = lead.web("web", 2)
    assert lead.events("instance.failed") == 0
    assert lead.count("state = 'ready'") == 2
    assert app


def test_a_poisoned_unit_delays_no_other_and_says_what_the_engine_said(lead):
    bad = "acme.web.v1@2.service"
    lead.fleet.poison(bad)
    app = lead.app("web", 3)
    until(lambda: lead.count("state = 'ready'") == 2)
    until(lambda: "500" in (lead.value("SELECT reason FROM instance WHERE unit = '%s'" % bad) or ""))
    assert lead.count("state = 'waiting'") == 1
    lead.fleet.heal(bad)
    lead.deploy(app)
    lead.quiet(app)


def test_a_machine_that_is_gone_gives_its_instances_to_the_others(lead):
    app = lead.web("web", 6)
    gone = lead.fleet.units[lead.units(app)[0]].machine
    lead.fleet.machine_down(gone)
    until(lambda: gone not in {u.machine for u in lead.fleet.units.values()})
    lead.quiet(app)
    assert len(lead.nginx.upstream(app)) == 6
    until(lambda: lead.count("machine = '%s'" % gone) == 0)
    lead.quiet(app)


def test_all_machines_gone_and_back(lead):
    app = lead.web("web", 3)
    for m in list(lead.fleet.machines):
        lead.fleet.machine_down(m)
    until(lambda: lead.value("SELECT error FROM engine") == "the engine shows no machine")
    for m in list(lead.fleet.machines):
        lead.fleet.machine_up(m)
    until(lambda: lead.value("SELECT reachable FROM engine") == "t")
    lead.quiet(app)


def test_foreign_units_are_never_touched(lead):
    ours = [("Service", "ExecStart", "/bin/x"), ("X-Nap", "Installation", "0" * 32)]
    names = ["acme.web.v1@7.service", "acme.webb.v1@1.service", "acme.web.v1x@1.service", "other.service",
             "acme.web.v9@1.service", "acme.gone.v1_discovery@1.service"]
    for name in names:
        lead.put(name, *ours)
    app = lead.app("web", 7)
    until(lambda: lead.count("state = 'ready'") == 6)
    until(lambda: lead.value("SELECT reason FROM instance WHERE number = 7") ==
          "a unit of this name that is not nap's is in the engine")
    lead.scale(app, 2)
    until(lambda: len([u for u in lead.fleet.names() if u not in names]) == 4, 60)
    assert set(names) <= set(lead.fleet.names())
    assert int(lead.value("SELECT count(*) FROM unit WHERE NOT ours")) == len(names)
    assert lead.value("SELECT held FROM installation") == "f"


def test_what_a_hand_destroyed_stopped_or_edited_is_put_right(lead):
    app = lead.web("web", 4)
    one, two, three, four = lead.units(app)
    with lead.fleet.lock:
        lead.fleet.delete(one)
        lead.fleet.units[two].desired = "loaded"
        lead.fleet.units[three].options.append({"section": "Service", "name": "Nice", "value": "5"})
        lead.fleet.units[four.replace("@", "_discovery@")].desired = "inactive"
        lead.fleet.touch()
    lead.sql("NOTIFY nap_work")
    until(lambda: sorted(u for u in lead.fleet.names()) == lead.declared() and
          all(u.desired == "launched" for u in lead.fleet.units.values() if "@." not in u.name) and
          not any(o["name"] == "Nice" for o in lead.fleet.units[three].options), 60)
    lead.quiet(app)


def test_an_orphan_goes_after_its_grace(lead):
    lead.web("web")
    mine = [("Service", "ExecStart", "/bin/x"), ("X-Nap", "Installation", lead.installation)]
    lead.sql("INSERT INTO app_counter (tenant, app, release_no) VALUES ('acme', 'old', 3)")
    lead.put("acme.old.v3@1.service", *mine)
    lead.put("acme.old.v3@.service", *mine, desired="inactive")
    lead.put("acme.old.v3-build@1.service", *mine)
    until(lambda: not [n for n in lead.fleet.names(templates=True) if n.startswith("acme.old")], 60)


def test_a_killed_leader_is_followed_by_another(lead):
    app = lead.app("web", 20)
    until(lambda: lead.count("port IS NOT NULL") == 20)
    lead.lead()
    first = lead.leaders[0]
    first.kill()
    first.wait(10)
    lead.deploy(app)
    lead.quiet(app)
    assert set(lead.fleet.starts.values()) == {1}
    assert int(lead.value("SELECT epoch FROM installation")) == 2


def test_members_take_turns_in_order_and_a_killed_leader_keeps_the_count(lead):
    lead.kill_leader()
    family = lead.value("INSERT INTO family (tenant_id, name, parallel) VALUES (%d, 'sweep', 3) RETURNING id" % lead.tenant_id)
    apps = [lead.app("sweep_%d" % n, sidekick=False) for n in range(1, 8)]
    for n, app in enumerate(apps):
        lead.sql("UPDATE app SET family_id = %s, group_name = 'sweep', release_id = next_release_id, next_release_id = NULL, "
                 "wave = 'held', turn = %d WHERE id = %d" % (family, n, app))
    lead.sql("UPDATE release SET state = 'live'")
    lead.lead()
    for n, app in enumerate(apps):
        unit = until(lambda: lead.units(app))[0]
        until(lambda: unit in lead.fleet.running())
        going = lead.rows_of("SELECT name FROM app WHERE wave = 'going' ORDER BY turn")
        assert going == ["sweep_%d" % k for k in range(n + 1, min(n + 4, 8))], going
        lead.fleet.end(unit, "dead")
        lead.ended(unit)
        if n in (1, 4):
            lead.kill_leader()
            lead.lead()
        until(lambda: lead.value("SELECT wave FROM app WHERE id = %d" % app) == "over")
    assert lead.rows_of("SELECT DISTINCT state FROM app") == ["finished"]
    # the units of those that are over are gone, and their quota
    assert lead.count("want <> 'gone'") == 0
    assert lead.value("SELECT used_instances FROM tenant WHERE id = %d" % lead.tenant_id) == "0"
    now, most = set(), 0
    for app, wave in (x.split() for x in lead.rows_of(
            "SELECT app || ' ' || (data->>'wave') FROM event WHERE kind = 'app.changed' AND data ? 'wave' ORDER BY txid, id")):
        (now.add if wave == "going" else now.discard)(app)
        most = max(most, len(now))
    assert most == 3


def test_a_leader_that_lost_its_backend_begins_anew(lead):
    app = lead.web("web", 2)
    lead.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nap-worker lead'")
    lead.scale(app, 3)
    until(lambda: lead.count("state = 'ready'") == 3)
    lead.quiet(app)
    assert int(lead.value("SELECT epoch FROM installation")) == 2


def test_routes_of_a_later_leader_are_never_written_over(lead):
    app = lead.web("web", 1)
    with open(lead.nginx.routes, "w") as f:
        f.write("# nap routes, generation 5.1\n")
    lead.scale(app, 2)
    until(lambda: int(lead.value("SELECT epoch FROM installation")) >= 5, 30)
    until(lambda: lead.count("state = 'ready'") == 2)
    lead.quiet(app)


def test_instances_beyond_the_machines_memory_wait_visibly(make):
    lead = make(machines=2, memory_reserve=0)
    for m in lead.fleet.machines.values():
        m.metadata["memory"] = "512m"
    lead.lead()
    app = lead.app("big", 5, memory=256 * MIB)
    until(lambda: lead.count("state = 'ready'") == 4)
    assert lead.value("SELECT state || ': ' || reason FROM instance WHERE number = 5") == "waiting: no machine has 256 MiB left"
    lead.switch(app)
    lead.scale(app, 1)
    until(lambda: lead.rows(app) == [(1, 1, "ready")])
    other = lead.app("other", 3, memory=256 * MIB)
    until(lambda: lead.count("state = 'ready'") == 4)
    assert other


def answer(lead, *word):
    """nap-worker --engine, as ./up --engine runs it: exit status and what it says"""
    r = subprocess.run([program("nap-worker"), "--engine", *word], env={"NAP_STATE": lead.folder}, text=True, timeout=60,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return r.returncode, r.stdout


def orphan(lead, name):
    lead.put(name, ("Service", "ExecStart", "/bin/x"), ("X-Nap", "Installation", lead.installation))
    return name


def test_an_old_database_deletes_nothing_until_the_operator_says_so(make):
    lead = make()
    newer = orphan(lead, "acme.gone.v9@1.service")
    lead.lead()
    until(lambda: lead.value("SELECT held FROM installation") == "t")
    assert lead.value("SELECT release_no FROM app_counter WHERE app = 'gone'") == "9"
    app = lead.app("web", 2)                        # what is asked for is done
    until(lambda: lead.count("state = 'ready'") == 2)
    lead.deploy(app)
    code, said = answer(lead)
    assert code == 1 and "the leader stopped: the engine runs releases that this database does not know" in said
    assert "adopt keeps" in said and newer in lead.fleet.names()
    # adopted, it outlives its grace, and the next leader knows of it
    code, said = answer(lead, "adopt")
    assert code == 0 and "1 units stay that nobody has declared" in said
    assert lead.value("SELECT held FROM installation") == "f"
    lead.kill_leader()
    other = orphan(lead, "acme.gone.v8@1.service")
    lead.lead()
    until(lambda: other not in lead.fleet.names())
    assert newer in lead.fleet.names() and lead.value("SELECT held FROM installation") == "f"
    # pruned, it goes
    assert answer(lead, "prune")[0] == 0
    until(lambda: newer not in lead.fleet.names())
    lead.quiet(app)
    assert answer(lead) == (0, "the engine answers\nnothing waits for the operator\n")


def test_an_answer_waits_until_the_engine_is_there(make):
    lead = make()
    newer = orphan(lead, "acme.gone.v9@1.service")
    lead.lead()
    until(lambda: lead.value("SELECT held FROM installation") == "t")
    lead.fleet.settings(status=503)
    until(lambda: lead.value("SELECT reachable FROM engine") == "f")
    lead.sql("SELECT nap_engine_answer('prune')")
    until(lambda: lead.log().count("lead.engine") > 3, 30)
    assert lead.value("SELECT held_answer FROM installation") == "prune"
    lead.fleet.settings(status=None)
    until(lambda: newer not in lead.fleet.names())
    assert lead.value("SELECT held FROM installation") == "f"


def test_a_machine_that_cannot_reach_nap_is_no_engine(make):
    lead = make()
    lead.fleet.machines["3" * 32].ip = "10.0.0.3"
    lead.lead()
    until(lambda: lead.value("SELECT error FROM engine") ==
          'the cluster\'s machine at 10.0.0.3 cannot reach nap on loopback: set "url" (NAP_URL)')
    assert lead.fleet.names() == []


def test_a_restored_database_is_told_by_the_count_of_starts(make):
    lead = make()
    lead.lead()
    app = lead.web("web", 1)
    lead.kill_leader()
    lead.sql("UPDATE installation SET generation = 0")
    lead.lead()
    until(lambda: lead.value("SELECT held FROM installation") == "t")
    assert "restored" in lead.value("SELECT held_reason FROM installation")
    assert app


def test_a_tick_that_would_make_everything_anew_stops(lead):
    app = lead.web("web", 12)
    lead.sql("UPDATE operation SET ended_at = now() - interval '1 hour'")
    with lead.fleet.lock:
        for name in lead.fleet.names():
            lead.fleet.delete(name)
    until(lambda: lead.value("SELECT held FROM installation") == "t", 60)
    assert lead.fleet.names() == []
    lead.sql("SELECT nap_engine_answer('adopt')")
    until(lambda: lead.fleet.names() == lead.declared())
    lead.quiet(app)


def test_silence_never_takes_the_last_route(lead):
    app = lead.web("web", 2)
    one, two = lead.units(app)
    lead.machines.mute.add(one)
    until(lambda: len(lead.nginx.upstream(app)) == 1, 40)
    assert lead.value("SELECT state FROM instance WHERE unit = '%s'" % one) == "unhealthy"
    lead.machines.mute.add(two)
    until(lambda: lead.count("reason = 'nothing is heard of it'") == 2, 40)
    until(lambda: len(lead.nginx.upstream(app)) == 2)
    lead.machines.mute.clear()
    lead.quiet(app)


def test_an_instance_announced_as_unhealthy_gets_no_requests(lead):
    app = lead.web("web", 2)
    unit = lead.units(app)[0]
    lead.machines.sick.add(unit)
    until(lambda: len(lead.nginx.upstream(app)) == 1)
    assert lead.state(app) == "degraded"
    lead.machines.sick.clear()
    lead.quiet(app)


def build(lead, app):
    unit = "acme.web.v1-build@1.service"
    lead.sql("INSERT INTO build (tenant_id, app_id, release_id, operation_id, unit, unit_options, source_tree, result_tree, script, "
             "memory_bytes, seconds) SELECT tenant_id, app_id, id, 1, '%s', main_unit, 'a', 'b', '', 1, 60 FROM release "
             "WHERE app_id = %d" % (unit, app))
    return unit


def test_a_build_runs_once_and_its_unit_goes(lead):
    app = lead.app("web", 0, sidekick=False)
    unit = build(lead, app)
    until(lambda: lead.value("SELECT state FROM build") == "running")
    lead.fleet.end(unit, "dead")
    lead.ended(unit)
    until(lambda: lead.value("SELECT state FROM build") == "gone")
    assert unit not in lead.fleet.names()
    assert lead.fleet.starts[unit] == 1


def test_a_build_whose_end_is_never_told_is_lost(lead):
    app = lead.app("web", 0, sidekick=False)
    unit = build(lead, app)
    until(lambda: lead.value("SELECT state FROM build") == "running")
    lead.fleet.end(unit, "dead")
    until(lambda: lead.value("SELECT result FROM build") == "lost", 40)
    until(lambda: unit not in lead.fleet.names())


def test_apps_without_a_domain_have_ports_of_their_own(make):
    lead = make(domain="", app_ports="30000-30001")
    lead.lead()
    one, two, three = lead.app("one"), lead.app("two"), lead.app("three")
    lead.deploy(one)
    lead.quiet(one)
    until(lambda: "\tlisten 127.0.0.1:30001;" in lead.nginx.text)
    assert "\tlisten 127.0.0.1:30000;" in lead.nginx.text
    assert "\t30000 %d;" % one in lead.nginx.text and "\t30001 %d;" % two in lead.nginx.text
    assert lead.value("SELECT port IS NULL FROM app WHERE id = %d" % three) == "t"


def test_the_files_that_sshd_reads_follow_the_keys(make):
    """exact, from the first look on, and after a leader was killed while they changed; deploy keys are made for all"""
    lead = make()

    def key(tenant, n):
        lead.sql("INSERT INTO ssh_key (tenant_id, name, type, base64, fingerprint) SELECT id, 'k', 'ssh-ed25519', 'KEY%d', 'F%d' "
                 "FROM tenant WHERE name = '%s'" % (n, n, tenant))

    def files():
        found = {}
        for name in ["passwd", *("keys/" + f for f in os.listdir(lead.folder + "/ssh/keys"))]:
            try:
                with open(os.path.join(lead.folder, "ssh", name)) as f:
                    found[name] = f.read()
            except FileNotFoundError:       # removed meanwhile
                pass
        return found

    def are(**keys):
        """tenant=numbers of its keys"""
        want = {"passwd": "".join("%s:x:%d:%d::/:/bin/sh\n" % (t, *owner) for t in sorted(keys))}
        for tenant, numbers in keys.items():
            want["keys/" + tenant] = "".join('restrict,environment="NAP_KEY=%d" ssh-ed25519 KEY%d\n' % (n, n) for n in numbers)
        until(lambda: files() == want, why=files)

    os.makedirs(lead.folder + "/ssh/host")
    os.makedirs(lead.folder + "/ssh/keys")
    if os.getuid() == 0:
        os.chown(lead.folder + "/ssh/host", 4321, 4322)     # whom sshd runs as
    owner = (lambda st: (st.st_uid, st.st_gid))(os.stat(lead.folder + "/ssh/host"))
    for name in ("passwd", "keys/acme", "keys/gone", "keys/acme.77.tmp"):
        with open(os.path.join(lead.folder, "ssh", name), "w") as f:
            f.write("what a leader that was killed has left\n")
    for name in ("bob", "eve"):
        lead.sql("INSERT INTO tenant (name, quota_memory, quota_instances, quota_apps, quota_disk) VALUES ('%s', 1, 1, 1, 1)" % name)
    key("acme", 1)
    key("bob", 2)
    key("acme", 3)
    lead.lead()
    are(acme=[1, 3], bob=[2])
    assert {os.stat(lead.folder + "/ssh/" + f).st_mode & 0o777 for f in files()} == {0o640}
    until(lambda: lead.value("SELECT count(*) FROM deploy_key") == "3")
    lead.sql("DELETE FROM ssh_key WHERE base64 = 'KEY1'")
    key("eve", 4)
    are(acme=[3], bob=[2], eve=[4])
    lead.sql("UPDATE tenant SET disabled_at = now() WHERE name = 'bob'")
    are(acme=[3], eve=[4])
    lead.kill_leader()
    lead.sql("UPDATE tenant SET disabled_at = NULL WHERE name = 'bob'")
    lead.sql("DELETE FROM ssh_key WHERE base64 = 'KEY3'")
    lead.lead()
    are(bob=[2], eve=[4])
    made = lead.sql("SELECT tenant_id, public_key FROM deploy_key ORDER BY 1")
    lead.sql("DELETE FROM tenant WHERE name = 'eve'")
    are(bob=[2])
    # an sshd that is not there gets nothing, and nobody waits for it
    os.rename(lead.folder + "/ssh", lead.folder + "/away")
    lead.sql("INSERT INTO tenant (name, quota_memory, quota_instances, quota_apps, quota_disk) VALUES ('zoe', 1, 1, 1, 1)")
    until(lambda: len(lead.sql("SELECT 1 FROM deploy_key")) == 3)
    assert lead.sql("SELECT tenant_id, public_key FROM deploy_key ORDER BY 1")[:2] == made[:2]
    assert not os.path.exists(lead.folder + "/ssh")
    assert oct(os.stat(lead.folder + "/secret/keys").st_mode) == "0o100600"
