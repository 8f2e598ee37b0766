"""The leader against a fake fleet: after each fault, when all is quiet, the units are exactly those declared and the
routes are right."""
import pytest

from lead_stack import MIB, Database, Lead, have_lead, until

pytestmark = pytest.mark.skipif(not have_lead(), reason="nap-worker or PostgreSQL is missing")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    d = Database(tmp_path_factory.mktemp("pg"))
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
