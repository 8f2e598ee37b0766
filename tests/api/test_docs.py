"""What README.md says is what the programs say."""
import os
import re
import subprocess

import pytest

from push_server import program
from stack import TOP


def readme():
    with open(os.path.join(TOP, "README.md")) as f:
        return f.read()


def test_every_setting_is_in_the_readme():
    path = program("nap-api")
    if not path:
        pytest.skip("nap-api is not built")
    printed = subprocess.run([path, "--settings"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert [line for line in readme().splitlines() if re.match(r"\| `[a-z_]+` \| ", line)] == printed


def test_every_folder_of_the_source_is_in_the_tour():
    text = readme()
    for name in os.listdir(os.path.join(TOP, "fcgi")):
        if os.path.isdir(os.path.join(TOP, "fcgi", name)):
            assert f"`fcgi/{name}/`" in text, name


def test_every_document_that_is_named_is_there():
    for name in re.findall(r"docs/[a-z]+\.md", readme()):
        assert os.path.exists(os.path.join(TOP, name)), name


def check(**settings):
    r = subprocess.run([program("nap-worker"), "--check"], env={"NAP_STATE": "/nowhere", **settings}, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return r.returncode, r.stdout


@pytest.mark.parametrize("engine,url,fine", [
    ("", "", True),
    ("unix:///run/fleet.sock", "", True),                       # where it is, its machines tell
    ("http://127.0.0.1:49153", "", True),
    ("http://127.0.1.1:49153, http://localhost:49153,http://[::1]:49153", "", True),
    ("http://10.0.0.1:49153", "http://10.0.0.9:8080", True),
    ("http://10.0.0.1:49153", "https://nap.example.org", True),
    ("http://10.0.0.1:49153", "", False),
    ("unix:///run/fleet.sock,http://core-1:49153", "", False),
    ("http://10.0.0.1:49153", "http://localhost:8080", False),
    ("http://10.0.0.1:49153", "http://127.0.0.9", False),
])
def test_a_cluster_elsewhere_needs_an_address_of_nap_that_it_can_reach(engine, url, fine):
    if not program("nap-worker"):
        pytest.skip("nap-worker is not built")
    code, said = check(NAP_ENGINE=engine, NAP_URL=url)
    assert (code == 0) == fine, said
    assert fine or ("cannot reach nap at \"%s\"" % (url or "http://127.0.0.1:8080") in said and "NAP_URL" in said)
