"""Many units stay up through 20 restarts of the agent."""
import pytest

from agent_stack import Agent, found, open_way, program
from many import Many


@pytest.mark.parametrize("n", [10, pytest.param(1000, marks=pytest.mark.long)])
def test_pairs_of_units_live_through_twenty_restarts_of_the_agent(tmp_path, n, record_property):
    isolation = found("crun", "setpriv", "none")
    if not program("nap-node") or not isolation:
        pytest.skip("nap is not built, or nothing runs units here")
    open_way(tmp_path)
    m = Many(Agent(tmp_path, isolation[0]).start(), n)
    try:
        m.launch()
        m.wait(60 + n)
        count = m.restart(20)
        record_property("counted", "%d units, %d processes of theirs: the same after 20 restarts of the agent" % (2 * n, count))
    finally:
        m.end()
