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
