import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from node_stack import Machine, program  # noqa: E402


def works(isolation, folder):
    """Whether this machine allows it: the probe's own answer."""
    folder.mkdir()
    (folder / "agent").mkdir()
    if isolation == "setpriv":
        folder.chmod(0o755)
    r = subprocess.run([program("nap-unit"), "--probe", str(folder)], capture_output=True, text=True,
                       env=dict(os.environ, NAP_ISOLATION=isolation))
    return r.returncode == 0 and r.stdout == isolation + "\n"


@pytest.fixture(scope="session")
def possible(tmp_path_factory):
    """The isolations that this machine has."""
    if not program("nap-unit"):
        pytest.skip("nap-unit is not built")
    base = tmp_path_factory.mktemp("probe")
    return [i for i in ("crun", "bwrap", "setpriv") if works(i, base / i)]


@pytest.fixture
def machine(tmp_path, possible):
    if not possible:
        pytest.skip("no isolation works here")
    m = Machine(tmp_path / "s", possible[0])
    yield m
    m.end()


@pytest.fixture(params=["crun", "bwrap", "setpriv"])
def each(request, tmp_path, possible):
    """A machine of each isolation that can be had here."""
    if request.param not in possible:
        pytest.skip(request.param + " does not work here")
    m = Machine(tmp_path / "s", request.param)
    yield m
    m.end()
