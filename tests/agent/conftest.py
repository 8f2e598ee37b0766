import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent_stack import Agent, found, open_way, program  # noqa: E402


@pytest.fixture
def agent(tmp_path):
    if not program("nap-agent"):
        pytest.skip("nap-agent is not built")
    a = Agent(tmp_path).start()
    yield a
    a.end()


@pytest.fixture(scope="module")
def one_agent(tmp_path_factory):
    """One for all tests of a module: for those that leave nothing behind."""
    if not program("nap-agent"):
        pytest.skip("nap-agent is not built")
    a = Agent(tmp_path_factory.mktemp("agent")).start()
    yield a
    a.end()


@pytest.fixture(params=("crun", "bwrap", "setpriv", "none"))
def walled(tmp_path, request):
    """An agent for each isolation; the folder is one that units' uids may pass through."""
    if request.param not in found(request.param):
        pytest.skip("no %s on this machine" % request.param)
    open_way(tmp_path)
    a = Agent(tmp_path, request.param).start()
    yield a
    a.end()
