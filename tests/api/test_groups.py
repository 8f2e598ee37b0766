"""Groups of similar apps from outside: made, run, compared, destroyed."""
import io
import os
import tarfile

import pytest

from stack import git, run_git, wait_until, write_files

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


def results(owner, group="solver", query=""):
    r = owner.api("GET", f"/groups/{group}/results{query}")
    assert r.status == 200, r
    return r.json()


def test_each_member_has_its_exit_code_and_its_row_of_results(owner, solver):
    rows = {m["name"]: m for m in results(owner)["items"]}
    for n in range(1, 21):
        m = rows[f"solver_{n}"]
        assert (m["exit_code"], m["values"]) == (n % 3, {"seed": str(n), "score": str(n * n), "word": f"w{n}"}), m
    best = results(owner, query="?sort=score&order=desc")["items"][0]["name"]
    assert best == "solver_20"
    table = owner.api("GET", "/groups/solver/results", None, {"Accept": "text/csv"}).text.splitlines()
    assert table[0].endswith("seed,result.seed,score,word") and len(table) == 22


def test_a_clone_shows_the_one_changed_line_with_its_commit(owner, solver, tmp_path):
    work = str(tmp_path / "w")
    git("clone", "-q", owner.git_url("solver_7"), work)
    changed = git("-C", work, "show", "--format=%an|%s", "--unified=0", "HEAD").splitlines()
    assert changed[0] == f"{owner.name}|solver_7: sh solve --seed 7"
    assert [x for x in changed if x[:1] in ("+", "-") and x[:3] not in ("+++", "---")] == \
        ["-command: sh solve --seed 0", "+command: sh solve --seed 7"]
    assert git("-C", work, "diff", "--name-only", "HEAD~1") == "profile"


def test_a_member_is_pushed_to_like_any_app(owner, solver, tmp_path):
    work = str(tmp_path / "w")
    git("clone", "-q", owner.git_url("solver_3"), work)
    write_files(work, {"solve": "echo pushed\n"})
    git("-C", work, "commit", "-qam", "own")
    r = run_git("-C", work, "push", owner.git_url("solver_3"), "HEAD")
    assert r.returncode == 0, r.stdout
    assert owner.app("solver_3")["release"] == 2
    wait_until(lambda: "pushed" in owner.api("GET", "/apps/solver_3/logs").text)


def test_repositories_cost_nothing_and_survive_their_parent_and_repacks(nap, owner, solver, tmp_path):
    repositories = f"{nap.state}/git"
    ids = [d for d in os.listdir(repositories) if os.path.exists(f"{repositories}/{d}/objects/info/alternates")]
    size = {d: sum(s.st_blocks * 512 for top, _, names in os.walk(f"{repositories}/{d}") for s in
                   [os.lstat(top)] + [os.lstat(os.path.join(top, n)) for n in names]) for d in ids}
    assert len(ids) >= 20 and sorted(size.values())[len(size) // 2] <= 50000, size
    for folder in [f"{repositories}/{d}" for d in ids] + [f"{repositories}/pool/{d}" for d in os.listdir(f"{repositories}/pool")]:
        for args in (("gc", "-q", "--prune=now"), ("repack", "-q", "-a", "-d"), ("prune",)):
            run_git("-c", "safe.directory=*", "--git-dir", folder, *args)
    r = owner.api("DELETE", "/apps/solver?confirm=solver", None, {"Prefer": "wait=60"})
    assert r.status == 200, r
    for n in (1, 7, 20):
        git("clone", "-q", owner.git_url(f"solver_{n}"), str(tmp_path / str(n)))
        git("-C", str(tmp_path / str(n)), "fsck", "--full")
    r = owner.api("POST", "/apps/solver_6/restart", None, {"Prefer": "wait=60"})
    assert r.status == 200, r
    assert owner.api("POST", "/apps", {"name": "solver"}).status == 409


def test_failed_ones_run_again_and_the_whole_is_destroyed(nap, owner, solver):
    before = {m["name"]: m["runs"] for m in results(owner)["items"]}
    r = owner.api("POST", "/groups/solver/rerun", {})
    assert r.status == 202, r
    owner.outcome(r.json()["operation"]["id"])
    after = {m["name"]: m["runs"] for m in results(owner)["items"]}
    assert after["solver_1"] == before["solver_1"] + 1 and after["solver_9"] == before["solver_9"]
    merged = owner.api("GET", "/groups/solver/logs?lines=1000", None, {"Accept": "text/plain"}).text
    assert {line.split()[1] for line in merged.splitlines()} >= {"solver_1", "solver_20"}
    r = owner.api("DELETE", "/groups/solver?confirm=solver", None, {"Prefer": "wait=60"})
    if r.status == 202:
        assert owner.outcome(r.json()["operation"]["id"])["state"] == "succeeded"
    assert owner.api("GET", "/groups/solver").status == 404
    assert [u for u in owner.api("GET", "/units").json()["items"] if ".solver" in u["name"]] == []
    assert owner.api("POST", "/apps", {"name": "solver"}).status == 201


def test_members_take_turns_in_order(owner, git_server):
    url = git_server.repo("turns", {"profile": "memory: 32m\ncommand: sleep 0\nhealth: none\n"})
    r = owner.api("POST", "/apps", {"url": url, "name": "turns"}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    begin = owner.api("GET", "/events?limit=1000").json()["items"][-1]["id"]
    r = owner.api("POST", "/apps/turns/similar", {"command": "sleep 1; echo {1..9}", "parallel": 3}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    wait_until(lambda: all(m["wave"] in (None, "over") for m in results(owner, "turns")["items"]), 120)
    assert {m["exit_code"] for m in results(owner, "turns")["items"]} == {0}
    going, order, most = set(), [], 0
    for e in owner.api("GET", f"/events?limit=1000&after={begin}").json()["items"]:
        wave = e.get("data", {}).get("wave")
        if wave == "going" and e["app"] not in going:
            going.add(e["app"])
            order.append(e["app"])
        elif wave == "over":
            going.discard(e["app"])
        most = max(most, len(going))
    assert most == 3 and order == [f"turns_{n}" for n in range(1, 10)], (most, order)


def test_one_build_serves_the_group_and_each_member_has_its_files(nap, owner, git_server):
    build = 'echo built >> "$XDG_CACHE_HOME/builds"; date +%N > stamp'
    url = git_server.repo("built", {"profile": f"memory: 32m\nbuild: {build}\ncommand: cat stamp\nhealth: none\n"})
    r = owner.api("POST", "/apps", {"url": url, "name": "built"}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    command = 'cat stamp; echo seed is $NAP_PARAM_SEED at {seed:1..20} | tee "$NAP_OUT/seed"'
    r = owner.api("POST", "/apps/built/similar", {"command": command})
    assert owner.outcome(r.json()["operation"]["id"])["state"] == "succeeded"
    stamps = {n: wait_until(lambda: [x["message"] for x in owner.api("GET", f"/apps/{n}/logs").json()["items"]
                                     if x["message"].isdigit() and x["instance"]]) for n in ("built", "built_1", "built_2")}
    assert len({s[-1] for s in stamps.values()}) == 1, stamps
    assert "seed is 6 at 6" in owner.api("GET", "/apps/built_6/logs").text
    # each run of a build left its line in the tenant's cache
    with open(f"{nap.state}/agent/lib/nap/cache/{owner.name}/builds") as f:
        assert f.read() == "built\n"
    r = owner.api("GET", "/groups/built/files.tar")
    assert r.headers["Content-Disposition"] == 'attachment; filename="built-files.tar"'
    with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
        files = {m.name: t.extractfile(m).read().decode() for m in t.getmembers()}
    assert files == {f"built_{n}/1/seed": f"seed is {n} at {n}\n" for n in range(1, 21)}
    f, = owner.api("GET", "/apps/built_7/files").json()["items"]
    assert (f["path"], f["size"], f["release"]) == ("1/seed", len("seed is 7 at 7\n"), 1)
    assert owner.api("GET", "/apps/built_7/files/1/seed").text == "seed is 7 at 7\n"
    assert owner.api("GET", "/apps/built_7/files/1/none").status == 404


def test_instances_that_disagree_are_shown_with_the_first_differing_line(owner, git_server):
    url = git_server.repo("dice", {"profile": "memory: 32m\nscale: 2\nhealth: none\n"
                                              "command: echo same; echo instance $NAP_INSTANCE; echo same again\n"})
    r = owner.api("POST", "/apps", {"url": url, "name": "dice"}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    wait_until(lambda: all(i["complete"] for i in owner.api("GET", "/apps/dice/outputs").json()["items"]))
    o = owner.api("GET", "/apps/dice/outputs").json()
    assert o["agree"] is False and {i["exit_code"] for i in o["items"]} == {0} and {i["bytes"] for i in o["items"]} == {27}
    wait_until(lambda: owner.api("GET", "/apps/dice/outputs/diff?a=1&b=2").json()["line"] == 2)
    d = owner.api("GET", "/apps/dice/outputs/diff?a=1&b=2").json()
    assert (d["line_a"], d["line_b"], d["same"]) == ("instance 1", "instance 2", False)


def redeploy(owner, group, **body):
    r = owner.api("POST", f"/groups/{group}/releases", body)
    assert r.status == 202, r
    return owner.outcome(r.json()["operation"]["id"])


def test_the_roots_source_goes_through_the_members_and_back(owner, git_server, tmp_path):
    profile = "memory: 32m\nhealth: none\nrestart: no\ncommand: sh say x\n"
    url = git_server.repo("swarm", {"profile": profile, "say": "echo one $1\n"})
    assert owner.api("POST", "/apps", {"url": url, "name": "swarm"}, {"Prefer": "wait=60"}).status == 200
    r = owner.api("POST", "/apps/swarm/similar", {"command": "sh say {a,b,c}"})
    assert owner.outcome(r.json()["operation"]["id"])["state"] == "succeeded"
    work = str(tmp_path / "b")
    git("clone", "-q", owner.git_url("swarm_2"), work)
    write_files(work, {"own": "mine\n"})
    git("-C", work, "add", "-A")
    git("-C", work, "commit", "-qm", "own")
    git("-C", work, "push", "-q", owner.git_url("swarm_2"), "HEAD")

    def next_source(say):
        git_server.repo("swarm", {"profile": "# new\n" + profile, "say": say, "more": say}, "next")
        assert owner.api("POST", "/apps/swarm/releases", {}, {"Prefer": "wait=60"}).status == 200

    next_source("echo two $1\n")
    o = redeploy(owner, "swarm")
    assert o["state"] == "succeeded", o
    assert "swarm_2 has commits of its own" in owner.api("GET", f"/operations/{o['id']}/log").text
    assert [owner.app(f"swarm_{n}")["release"] for n in (1, 2, 3)] == [2, 2, 2]
    wait_until(lambda: "two a" in owner.api("GET", "/apps/swarm_1/logs").text)
    git("clone", "-q", owner.git_url("swarm_1"), str(tmp_path / "a"))
    assert (tmp_path / "a" / "profile").read_text() == "# new\n" + profile.replace("sh say x", "sh say a")
    assert (tmp_path / "a" / "more").exists() and len(git("-C", str(tmp_path / "a"), "log", "--format=%h").split()) == 3
    # sent again there is nothing to do
    assert redeploy(owner, "swarm")["state"] == "succeeded" and owner.app("swarm_1")["release"] == 2
    # at the first that fails it stops, and can go back
    next_source("echo three $1; test $1 != c\n")
    o = redeploy(owner, "swarm")
    assert (o["state"], o["error"]["code"]) == ("failed", "members_failed") and "swarm_3" in o["error"]["detail"], o
    assert [owner.app(f"swarm_{n}")["release"] for n in (1, 3)] == [3, 2]
    assert redeploy(owner, "swarm", back=True)["state"] == "succeeded"
    assert owner.app("swarm_1")["commit"] == git("-C", str(tmp_path / "a"), "rev-parse", "HEAD")


EVIL = """\
import mmap, os, sys
for top, folders, names in os.walk("/app", topdown=False):
    for name in names + folders:
        path = os.path.join(top, name)
        for attempt in (lambda: os.chmod(path, 0o777), lambda: open(path, "r+b").write(b"evil"), lambda: os.truncate(path, 0),
                        lambda: mmap.mmap(os.open(path, os.O_RDWR), 1).__setitem__(0, 1), lambda: os.unlink(path),
                        lambda: os.rmdir(path), lambda: open(path, "w").write("new")):
            try:
                attempt()
            except (OSError, ValueError):
                pass
print("done")
"""


def test_a_member_that_writes_everywhere_changes_nothing_of_the_others(nap, owner, git_server):
    url = git_server.repo("prey", {"profile": "memory: 32m\nhealth: none\ncommand: cat a/b\n", "a/b": "kept\n" * 1000,
                                   "evil.py": EVIL, "run": "set -e\n"})
    assert owner.api("POST", "/apps", {"url": url, "name": "prey"}, {"Prefer": "wait=60"}).status == 200
    trees = {top: sorted((n, open(os.path.join(top, n), "rb").read(), os.lstat(os.path.join(top, n)).st_mode) for n in names)
             for top, _, names in os.walk(f"{nap.state}/tree")}
    r = owner.api("POST", "/apps/prey/similar", {"commands": ["python3 evil.py", "cat a/b"]})
    assert owner.outcome(r.json()["operation"]["id"])["state"] == "succeeded"
    wait_until(lambda: "done" in owner.api("GET", "/apps/prey_1/logs").text)
    assert owner.api("POST", "/apps/prey_2/start", None, {"Prefer": "wait=60"}).status == 200
    after = {top: sorted((n, open(os.path.join(top, n), "rb").read(), os.lstat(os.path.join(top, n)).st_mode) for n in names)
             for top, _, names in os.walk(f"{nap.state}/tree")}
    assert after == trees
    outputs = [i["sha256"] for n in ("prey", "prey_2") for i in owner.api("GET", f"/apps/{n}/outputs").json()["items"]]
    assert len(outputs) == 2 and len(set(outputs)) == 1
