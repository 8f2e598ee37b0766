"""Groups of similar apps from outside: made, run, compared, destroyed."""
import json
import os
import threading

import pytest

from stack import git, run_git, wait_until, web_app, write_files

SOLVE = {"profile": "# solver\nmemory: 32m\ncommand: sh solve --seed 0\nrestart: no\n",
         "solve": 'echo "seed $2"; echo "nap: seed=$2 score=$(($2 * $2)) word=w$2"; exit $(($2 % 3))\n'}


@pytest.fixture(scope="module")
def owner(nap):
    return nap.tenant(quota={"memory": 8 << 30, "instances": 400, "apps": 3000, "disk": 10 << 30})


@pytest.fixture(scope="module")
def solver(owner, git_server):
    """an app and twenty similar ones, each with its seed"""
    r = owner.api("POST", "/apps", {"url": git_server.repo("solver", SOLVE), "name": "solver"}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    r = owner.api("POST", "/apps/solver/similar", {"command": "sh solve --seed {seed:1..20}"})
    assert r.status == 202, r
    operation = owner.outcome(r.json()["operation"]["id"])
    return r.json()["apps"], operation


def test_twenty_similar_apps_have_their_names_and_commands(owner, solver):
    apps, operation = solver
    assert [a["name"] for a in apps] == [f"solver_{n}" for n in range(1, 21)]
    assert [a["params"] for a in apps] == [{"seed": str(n)} for n in range(1, 21)]
    assert {a["group"] for a in apps} == {"solver"}
    assert [s["name"] for s in operation["steps"]] == ["source", "release", "start"]
    app = owner.app("solver_7")
    assert (app["command"], app["parent"], app["release"]) == ("sh solve --seed 7", "solver", 1)
