"""nap-git and nap-hook against real git, with a nap-api that answers what the test says (push_server.py)."""
import fcntl
import glob
import os
import signal
import stat
import subprocess
import threading
import time

import pytest

from push_server import ZERO, Git, Hooks, Work, program, wait_until

PROFILE = "command: echo hello\n"


@pytest.fixture(scope="module")
def bin_git():
    path = program("nap-git")
    if not path:
        pytest.skip("nap-git is not built")
    return path


@pytest.fixture
def hooks(tmp_path):
    os.makedirs(tmp_path / "state/run/git")
    os.makedirs(tmp_path / "state/git")
    server = Hooks(str(tmp_path / "state/run/git/hook.sock"))
    server.reset()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(tmp_path, hooks, bin_git):
    s = Git(tmp_path / "state", bin_git)
    yield s
    for child in s.children:
        child.wait(20)
    s.shutdown()
    s.server_close()


@pytest.fixture
def work(tmp_path, server):
    return Work(tmp_path / "work", server.url())


def refs(server, repo="12"):
    r = subprocess.run(["git", "-C", "%s/git/%s.git" % (server.state, repo), "for-each-ref",
                        "--format=%(refname) %(objectname)"], stdout=subprocess.PIPE, text=True, check=True)
    return dict(line.split() for line in r.stdout.splitlines())


def head(server, repo="12"):
    with open("%s/git/%s.git/HEAD" % (server.state, repo)) as f:
        return f.read().strip()


def test_first_push_makes_the_repository_and_streams(server, hooks, work):
    server.repos = {}

    def made():                                 # as nap-api does on the POST
        return server.repos.setdefault("shop", "12")

    assert work.run("ls-remote", "nap").returncode != 0          # reading what is not there: 404
    commit = work.commit(profile=PROFILE, run="true\n")
    hooks.answers["pre-receive"] = [(200, {"operation": "7", "lines": ["warning: memory is not given: 256m"]})]
    server.repos = type("Repos", (dict,), {"get": lambda self, k, d: dict.get(self, k, d)})()
    original = server.RequestHandlerClass.run

    def run(request):
        if request.command == "POST":
            made()
        return original(request)

    server.RequestHandlerClass = type("R", (server.RequestHandlerClass,), {"do_GET": run, "do_POST": run})
    r = work.push()
    assert r.returncode == 0, r.stdout
    lines = [line.rstrip() for line in r.stdout.splitlines() if line.startswith("remote: ")]
    assert lines == ["remote: warning: memory is not given: 256m", "remote: building", "remote: starting",
                     "remote: deployed as release 3: http://shop-iwanna.localhost/"]
    assert refs(server) == {"refs/heads/main": commit}
    assert head(server) == "ref: refs/heads/main"
    q = hooks.questions("pre-receive")[0]
    assert q["profile"] == PROFILE and q["run"] is True and q["entries"] == 2 and q["bytes"] == len(PROFILE) + 5
    assert (q["repo"], q["tenant"], q["app"], q["actor"], q["request_id"], q["options"]) == \
        ("12", "iwanna", "shop", "token:5", "r1", [])
    assert (q["ref"], q["branch"], q["old"], q["new"]) == ("refs/heads/main", "main", ZERO, commit)
    u = hooks.questions("update")[0]
    assert u == {"repo": "12", "push": q["push"], "ref": "refs/heads/main", "old": ZERO, "new": commit}
    assert not glob.glob(server.state + "/git/12.git/nap-push-*")


def test_repositories_are_made_for_two_users_of_one_group(server, hooks, work):
    work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    for folder, _, files in os.walk(server.state + "/git/12.git"):
        assert stat.S_IMODE(os.stat(folder).st_mode) & 0o2777 == 0o2770, folder
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) & 0o007 == 0, name


def test_looking_at_an_unknown_app_makes_nothing(server, hooks, work):
    server.repos = {}
    work.commit(profile=PROFILE)
    r = work.push()
    assert r.returncode != 0
    assert sorted(n for n in os.listdir(server.state + "/git") if n.endswith(".git")) == ["empty.git"]
    assert hooks.asked == []


def test_a_fault_of_the_profile_refuses_with_its_line(server, hooks, work):
    work.commit(profile="command: x\nmemory: lots\n")
    hooks.answers["pre-receive"] = [(422, {"code": "profile_invalid", "detail": "the profile has a fault", "errors": [
        {"field": "profile", "line": 2, "code": "memory", "detail": "memory is a size such as 256m"}]})]
    r = work.push()
    assert r.returncode == 1
    assert "remote: error: the profile has a fault" in r.stdout
    assert "remote:   profile:2: memory is a size such as 256m" in r.stdout
    assert "pre-receive hook declined" in r.stdout
    assert refs(server) == {} and hooks.questions("update") == []


@pytest.mark.parametrize("text,line,why", [(b"command: x\n# \xff\n", 2, "it is not UTF-8"),
                                           (b"command: x\n\n\0\n", 3, "it holds a NUL byte")])
def test_a_profile_that_is_no_text_is_refused(server, hooks, work, text, line, why):
    work.commit(profile=text)
    r = work.push()
    assert r.returncode == 1 and "profile:%d: %s" % (line, why) in r.stdout
    assert hooks.asked == []


def test_a_profile_over_a_mebibyte_is_refused(server, hooks, work):
    work.commit(profile="#" * (1024 * 1024 + 1))
    r = work.push()
    assert r.returncode == 1 and "profile: it is larger than 1048576 bytes" in r.stdout


def test_a_profile_of_a_mebibyte_is_asked_about(server, hooks, work):
    text = "command: x\n" + "\n" * (1024 * 1024 - 11)
    work.commit(profile=text)
    assert work.push().returncode == 0
    assert hooks.questions("pre-receive")[0]["profile"] == text


def test_a_profile_that_is_a_link_is_refused(server, hooks, work):
    os.symlink("/etc/passwd", os.path.join(work.folder, "profile"))
    work.commit()
    r = work.push()
    assert r.returncode == 1 and "profile: it is not a regular file" in r.stdout


def test_a_source_without_profile_is_nap_s_question(server, hooks, work):
    work.commit(readme="x")
    assert work.push().returncode == 0
    q = hooks.questions("pre-receive")[0]
    assert q["profile"] is None and q["run"] is False


def test_a_failed_deploy_leaves_the_branch_and_the_same_commit_can_be_pushed_again(server, hooks, work):
    first = work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    second = work.commit(profile="command: false\n")
    good = hooks.answers["operations"]
    hooks.answers["operations"] = [(200, {"state": "failed", "error_code": "release_not_ready", "lines": [],
                                          "error": "no instance became ready within 60 s",
                                          "error_lines": ["Traceback", "exit code 1"]})]
    r = work.push()
    assert r.returncode == 1
    for line in ("error: no instance became ready within 60 s", "  | Traceback", "  | exit code 1",
                 'branch "main" stays where it was; the same commit can be pushed again', "hook declined"):
        assert line in r.stdout
    assert refs(server) == {"refs/heads/main": first}
    hooks.answers["operations"] = good
    assert work.push().returncode == 0
    assert refs(server) == {"refs/heads/main": second}


def test_a_newer_push_takes_over(server, hooks, work):
    work.commit(profile=PROFILE)
    hooks.answers["operations"] = [(200, {"state": "cancelled", "error_code": "superseded", "lines": []})]
    r = work.push()
    assert r.returncode == 1 and "error: superseded: a newer push took its place" in r.stdout


def test_detach_returns_at_once(server, hooks, work):
    commit = work.commit(profile=PROFILE)
    hooks.answers["update"] = [(200, {"operation": "7", "detach": True})]
    r = work.push("-o", "detach", "nap", "main")
    assert r.returncode == 0 and "the deploy goes on as operation 7" in r.stdout
    assert hooks.questions("operations") == []
    assert hooks.questions("pre-receive")[0]["options"] == ["detach"]
    assert refs(server) == {"refs/heads/main": commit}


def test_unrelated_history_is_refused_but_by_option(server, hooks, work, tmp_path):
    first = work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    other = Work(tmp_path / "other", server.url())
    commit = other.commit(profile="command: other\n")
    r = other.push("-f", "nap", "main")
    assert r.returncode == 1 and "unrelated_history" in r.stdout and "git push -f -o replace" in r.stdout
    assert refs(server) == {"refs/heads/main": first}
    r = other.push("-f", "-o", "replace", "nap", "main")
    assert r.returncode == 0, r.stdout
    assert hooks.questions("pre-receive")[-1]["options"] == ["replace"]
    assert refs(server) == {"refs/heads/main": commit}


def test_rewritten_history_may_be_forced(server, hooks, work):
    work.commit(profile=PROFILE)
    work.commit(a="1")
    assert work.push().returncode == 0
    work.git("reset", "-q", "--hard", "HEAD~1")
    commit = work.commit(a="2")
    assert work.push().returncode == 1
    assert work.push("-f", "nap", "main").returncode == 0
    assert refs(server) == {"refs/heads/main": commit}


def test_a_shallow_clone_pushes(server, hooks, work, tmp_path):
    for n in range(5):
        work.commit(profile=PROFILE, n=str(n))
    shallow = Work(tmp_path / "shallow", server.url())
    shallow.git("fetch", "-q", "--depth", "1", "file://" + work.folder, "main")
    shallow.git("reset", "-q", "--hard", "FETCH_HEAD")
    r = shallow.push()
    assert r.returncode == 0, r.stdout
    commit = shallow.commit(n="more")
    r = shallow.push()
    assert r.returncode == 0, r.stdout
    assert refs(server) == {"refs/heads/main": commit}
    # and the one who has the whole history goes on
    work.git("pull", "-q", shallow.folder, "main")
    commit = work.commit(n="again")
    r = work.push()
    assert r.returncode == 0, r.stdout
    assert refs(server) == {"refs/heads/main": commit}


def test_a_shallow_clone_of_the_app_pushes(server, hooks, work, tmp_path):
    for n in range(5):
        work.commit(profile=PROFILE, n=str(n))
    assert work.push().returncode == 0
    work.git("clone", "-q", "--depth", "1", server.url(), str(tmp_path / "s"))
    shallow = Work.__new__(Work)
    shallow.folder = str(tmp_path / "s")
    commit = shallow.commit(n="s")
    r = shallow.push("origin", "main")
    assert r.returncode == 0, r.stdout
    assert refs(server) == {"refs/heads/main": commit}


def test_other_branches_and_tags_are_stored(server, hooks, work):
    commit = work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    hooks.asked.clear()
    work.git("tag", "v1")
    r = work.push("nap", "main:feature", "v1")
    assert r.returncode == 0 and 'branch "feature" is stored; only "main" is deployed' in r.stdout
    assert hooks.questions("update") == [] and hooks.questions("pre-receive")[0].get("new") is None
    assert refs(server) == {"refs/heads/main": commit, "refs/heads/feature": commit, "refs/tags/v1": commit}
    assert work.push("nap", ":feature").returncode == 0
    assert "refs/heads/feature" not in refs(server)


def test_a_branch_of_another_name_first_is_stored_and_master_becomes_the_default(server, hooks, work):
    work.commit(profile=PROFILE)
    assert work.push("nap", "main:topic").returncode == 0
    assert hooks.questions("update") == []
    assert work.push("nap", "main:master").returncode == 0
    assert head(server) == "ref: refs/heads/master"
    r = work.push("nap", "main")
    assert 'branch "main" is stored; only "master" is deployed' in r.stdout
    assert len(hooks.questions("update")) == 1


def test_the_default_branch_is_not_deleted(server, hooks, work):
    work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    r = work.push("nap", ":main")
    assert r.returncode == 1 and 'branch "main" is the one that is deployed and cannot be deleted' in r.stdout


def test_submodules_and_lfs_are_warned_of(server, hooks, work):
    work.write(profile=PROFILE, **{".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    work.git("add", "-A")
    work.git("update-index", "--add", "--cacheinfo", "160000,%s,vendor/lib" % ("1" * 40))
    work.git("commit", "-q", "-m", "x")
    r = work.push()
    assert r.returncode == 0, r.stdout
    assert 'warning: submodule "vendor/lib" is not fetched' in r.stdout
    assert "warning: files kept in git LFS are deployed as their pointers" in r.stdout


def make_bomb(work, leaf, levels=10):
    """Trees of ten times the one below: 10^levels entries in a few KB."""
    tree = leaf
    for _ in range(levels):
        text = "".join("040000 tree %s\td%d\n" % (tree, i) for i in range(10)) if _ or leaf != "blob" else ""
        r = subprocess.run(["git", "mktree"], cwd=work.folder, input=text, stdout=subprocess.PIPE, text=True, check=True)
        tree = r.stdout.strip()
    commit = work.git("commit-tree", "-m", "bomb", tree)
    work.git("update-ref", "refs/heads/main", commit)


@pytest.mark.parametrize("kind", ["files", "empty folders"])
def test_a_bomb_of_trees_is_refused(server, hooks, work, kind):
    if kind == "files":
        work.commit(a="1")
        leaf = work.git("rev-parse", "HEAD^{tree}")
    else:
        r = subprocess.run(["git", "mktree"], cwd=work.folder, input="", stdout=subprocess.PIPE, text=True, check=True)
        leaf = r.stdout.strip()
    make_bomb(work, leaf)
    r = work.push()
    assert r.returncode == 1 and "more than 200000 files and folders" in r.stdout
    assert hooks.asked == []


def test_hidden_refs_stay_hidden(server, hooks, work):
    commit = work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    subprocess.run(["git", "-C", server.state + "/git/12.git", "update-ref", "refs/nap/releases/1", commit], check=True)
    assert "refs/nap" not in work.git("ls-remote", "nap")
    r = work.push("nap", "main:refs/nap/releases/2")
    assert r.returncode == 1 and "hidden ref" in r.stdout
    assert "refs/nap/releases/2" not in refs(server)


def test_clone_gives_the_source_back(server, hooks, work, tmp_path):
    commit = work.commit(profile=PROFILE, **{"a__b": "c"})
    assert work.push().returncode == 0
    work.git("clone", "-q", server.url(), str(tmp_path / "clone"))
    assert (tmp_path / "clone/a/b").read_text() == "c"
    assert work.git("-C", str(tmp_path / "clone"), "rev-parse", "HEAD") == commit


def test_a_client_that_goes_away_does_not_end_the_deploy(server, hooks, work):
    commit = work.commit(profile=PROFILE)
    go = threading.Event()

    def slow(_):
        go.wait(20)
        return 200, {"state": "succeeded", "lines": []}

    hooks.answers["operations"] = [(200, {"state": "running", "lines": [{"seq": 1, "line": "building"}]}), slow]
    child = subprocess.Popen(["git", "push", "nap", "main"], cwd=work.folder, start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(hooks.questions("operations")) == 2)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    time.sleep(0.3)
    assert refs(server) == {}
    go.set()
    wait_until(lambda: refs(server) == {"refs/heads/main": commit})


def test_the_lock_is_held_while_the_hook_lives(server, hooks, work):
    work.commit(profile=PROFILE)
    seen = []

    def look(_):
        path, = glob.glob(server.state + "/git/12.git/nap-push-*")
        with open(path) as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                seen.append(os.path.basename(path))
        return 200, {"state": "succeeded", "lines": []}

    hooks.answers["operations"] = [look]
    assert work.push().returncode == 0
    assert seen[0] == "nap-push-" + hooks.questions("update")[0]["push"]


def test_the_pushed_commit_is_in_the_repository_when_update_asks(server, hooks, work):
    commit = work.commit(profile=PROFILE)
    kinds = []

    def look(kind):
        r = subprocess.run(["git", "-C", server.state + "/git/12.git", "cat-file", "-t", commit], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True)
        kinds.append((kind, r.stdout.strip()))

    hooks.answers["pre-receive"] = [lambda q: (look("pre-receive"), (200, {"operation": "7"}))[1]]
    hooks.answers["update"] = [lambda q: (look("update"), (200, {"operation": "7"}))[1]]
    assert work.push().returncode == 0
    assert kinds == [("pre-receive", ""), ("update", "commit")]


def test_an_earlier_push_that_moved_the_branch_meanwhile(server, hooks, work):
    first = work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    second, third = work.commit(a="2"), work.commit(a="3")
    repo = server.state + "/git/12.git"

    def overtaken(_):
        subprocess.run(["git", "-C", repo, "fetch", "-q", work.folder, "+%s:refs/heads/main" % second], check=True)
        return 200, {"state": "succeeded", "lines": []}

    hooks.answers["operations"] = [overtaken, (200, {"state": "succeeded", "lines": []})]
    r = work.push()
    assert r.returncode == 0, r.stdout
    assert refs(server) == {"refs/heads/main": third} and first != third


def test_nap_may_be_restarted_during_a_deploy(server, hooks, work):
    commit = work.commit(profile=PROFILE)
    hooks.answers["update"] = [(502, {}), (200, {"operation": "7"})]
    hooks.answers["operations"] = [(200, {"state": "running", "lines": [{"seq": 1, "line": "one"}]}), (503, {}),
                                   (200, {"state": "succeeded", "lines": []})]
    r = work.push()
    assert r.returncode == 0 and r.stdout.count("remote: one") == 1
    assert refs(server) == {"refs/heads/main": commit}
    assert hooks.questions("operations")[-1].endswith("/7?repo=12&after=1&wait=25")


def test_two_pushes_of_a_tenant_at_once_and_not_three(server, hooks, work, tmp_path):
    go = threading.Event()
    hooks.answers["operations"] = [lambda q: (go.wait(30), (200, {"state": "succeeded", "lines": []}))[1]]
    server.repos.update({"b": "13", "c": "14"})
    others = [Work(tmp_path / app, server.url(app)) for app in "bc"]
    for w in [work] + others:
        w.commit(profile=PROFILE)
    threads = [threading.Thread(target=w.push) for w in (work, others[0])]
    for t in threads:
        t.start()
    wait_until(lambda: len(hooks.questions("operations")) == 2)
    r = others[1].push()
    go.set()
    for t in threads:
        t.join()
    assert r.returncode != 0 and "429" in r.stdout
    assert others[1].push().returncode == 0


def test_two_first_pushes_at_once_make_one_repository(server, hooks, work, tmp_path):
    other = Work(tmp_path / "other", server.url())
    for w in (work, other):
        w.commit(profile=PROFILE)
    results = []
    threads = [threading.Thread(target=lambda w=w: results.append(w.push().returncode)) for w in (work, other)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert 0 in results
    assert sorted(n for n in os.listdir(server.state + "/git") if n.startswith(".new")) == []


def test_control_characters_do_not_reach_the_client(server, hooks, work):
    work.commit(profile=PROFILE)
    hooks.answers["operations"] = [(200, {"state": "running", "lines": [{"seq": 1, "line": "a\u001b[31mb"}]}),
                                   (200, {"state": "succeeded", "lines": []})]
    assert "a\ufffd[31mb" in work.push().stdout


def test_old_history_with_honest_faults_is_taken_and_broken_objects_are_not(server, hooks, work):
    tree = subprocess.run(["git", "mktree"], cwd=work.folder, input="", stdout=subprocess.PIPE, text=True).stdout.strip()

    def commit(text):
        r = subprocess.run(["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"], cwd=work.folder,
                           input=text, stdout=subprocess.PIPE, text=True, check=True)
        return r.stdout.strip()

    bad_zone = commit("tree %s\nauthor a <a@b> 1 +12345\ncommitter a <a@b> 1 +0000\n\nx\n" % tree)
    broken = commit("tree %s\nauthor a <a@b> x +0000\ncommitter a <a@b> 1 +0000\n\nx\n" % tree)
    r = work.push("nap", "%s:refs/heads/main" % bad_zone)
    assert r.returncode == 0, r.stdout
    r = work.push("nap", "%s:refs/heads/topic" % broken)
    assert r.returncode != 0


def test_what_is_larger_than_the_setting_is_refused(server, hooks, work):
    server.extra = {"NAP_GIT_MAX_BYTES": "100000"}
    work.commit(profile=PROFILE, big=os.urandom(200000))
    r = work.push()
    assert r.returncode != 0
    assert refs(server) == {}


def test_nothing_of_the_caller_s_environment_reaches_git(server, hooks, work):
    marker = server.state + "/marker"
    server.extra = {"GIT_CONFIG_PARAMETERS": "'core.hooksPath=/nonexistent'", "GIT_TRACE": marker, "GIT_DIR": "/nonexistent",
                    "GIT_PROJECT_ROOT": "/nonexistent", "PATH_INFO": "/../x"}
    work.commit(profile=PROFILE)
    assert work.push().returncode == 0
    assert len(hooks.questions("pre-receive")) == 1 and not os.path.exists(marker)


def test_nap_shell_asks_in_each_session_and_says_no_in_nap_s_words(tmp_path, hooks):
    state = str(tmp_path / "state")

    def run(command, state=state, **env):
        env = {"USER": "iwanna", "NAP_KEY": "7", "GIT_DIR": "/elsewhere", "PATH": os.environ["PATH"], **env}
        r = subprocess.run([program("nap-shell"), state], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, env=dict(env, SSH_ORIGINAL_COMMAND=command))
        return r.returncode, r.stdout, r.stderr

    hooks.answers["ssh"] = [(200, {"repo": "12", "actor": "key:7"})]
    code, out, err = run("git-upload-pack '/shop.git'", GIT_PROTOCOL="version=2")
    assert out[4:].startswith("version 2\n") and os.path.isdir(state + "/git/12.git"), (code, out, err)
    assert "version 2" not in run("git-upload-pack 'shop'", GIT_PROTOCOL="version=2;x")[1]
    assert "report-status" in run("git receive-pack 'shop'")[1]
    asked = hooks.questions("ssh")
    assert asked[0] == {"tenant": "iwanna", "key": "7", "app": "shop", "service": "git-upload-pack"}
    assert [q["service"] for q in asked] == ["git-upload-pack"] * 2 + ["git-receive-pack"]
    # what needs no answer asks for none
    assert run("sh")[0] == 1 and run("git-upload-pack '../shop'")[2] == "nap: not found: there is no such application\n"
    assert run("")[1].startswith("Hello iwanna") and len(hooks.questions("ssh")) == 3
    for no in ({"USER": "../x"}, {"USER": ""}, {"NAP_KEY": "7 8"}, {"NAP_KEY": ""}, {"state": "here"}):
        assert run("git-upload-pack 'shop'", **no) == (1, "", "nap: nap-shell is run by nap's sshd\n")
    away = "nap: cannot answer at the moment; try again in a moment\n"
    for status, answer, said in ((404, {"detail": "not found\nby nap"}, "nap: not found\nby nap\n"), (503, {"detail": "secret"}, away), (404, {}, away),
                                 (200, {"repo": "../12", "actor": "key:7"}, None), (200, {"repo": "12"}, None)):
        hooks.answers["ssh"] = [(status, answer)]
        code, out, err = run("git-upload-pack 'shop'")
        assert (code, out) == (1, "") and (err == said if said else "nap: could not open the repository" in err), (answer, err)
    os.unlink(state + "/run/git/hook.sock")
    assert run("git-upload-pack 'shop'") == (1, "", away)
