"""Fixtures of all API tests. NAP_BUILD (a folder) lets several runs share one build."""
import os

import pytest

from stack import GitHost, Nap, remove_folder, temporary_folder


@pytest.fixture(scope="session", autouse=True)
def shared_build():
    """The programs are built once for all copies of nap that the tests start."""
    if os.environ.get("NAP_BUILD"):
        yield
        return
    folder = temporary_folder()
    os.environ["NAP_BUILD"] = folder + "/build"
    yield
    remove_folder(folder)


@pytest.fixture(scope="session")
def nap(shared_build):
    """A whole nap, for all tests of the session: .url .port .admin_token .state .api() .tenant()"""
    folder = temporary_folder()
    copy = Nap(folder)
    try:
        copy.start()
        yield copy
    finally:
        if os.environ.get("NAP_KEEP"):
            print("kept, and running:", folder)
        else:
            copy.up("--stop")
            remove_folder(folder)


@pytest.fixture
def tenant(nap):
    """A fresh tenant: .name .token .password .api() .deploy() .app() .visit() .git_url()"""
    return nap.tenant()


@pytest.fixture(scope="session")
def git_server():
    """.repo(name, {path: text}) makes a repository, or adds a commit to it, and gives its URL."""
    folder = temporary_folder()
    host = GitHost(folder)
    yield host
    host.close()
    remove_folder(folder)
