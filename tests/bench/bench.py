#!/usr/bin/python3
"""make bench: what nap costs, as ratios against floors measured in the same run.

Runs against a copy of nap that ./up started: NAP_STATE (default ./var). Each pair of measurements is alternated
ROUNDS times; the median of the ratios, their spread, the goal and whether it is met are printed. Requests are judged
by CPU microseconds per request, summed over nginx, the worker and PostgreSQL's backends from /proc/PID/task/*/
schedstat: requests per second depend far more on what else the machine does. Needs root where ./up ran as root.

    tests/bench/bench.py [requests] [pickup] [deploy] [similar] [jobs] [siblings] [start] [memory]      default: all
"""
import atexit
import hashlib
import http.client
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROUNDS = 5
SECONDS = 1                     # a worker of the pool leaves after 10,000 requests: within longer ones one always does
HERE = os.path.dirname(os.path.abspath(__file__))
STATE = os.path.realpath(os.environ.get("NAP_STATE") or os.path.join(HERE, "..", "..", "var"))
TENANT = "bench" + secrets.token_hex(3)
rows = []


def settings():
    conf = {}
    with open(STATE + "/nap.conf") as f:
        for line in f:
            if "=" in line and not line.startswith("#"):
                k, v = line.split("=", 1)
                conf[k.strip()] = v.strip()
    return conf


CONF = settings()
PORT = int(CONF.get("port", 8080))
BLOCK = int(CONF.get("block_uid", 0))


def as_nap(*argv):
    """as nap-worker's user, who may be nap_worker and nap_owner"""
    return ["setpriv", "--reuid=%d" % (BLOCK + 3), "--regid=%d" % (BLOCK + 3),
            "--groups=%d" % os.stat(STATE + "/run/db").st_gid, *argv] if BLOCK and os.getuid() == 0 else list(argv)


def sql(text):
    r = subprocess.run(as_nap("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", STATE + "/run/db", "-U",
                              "nap_owner", "nap", "-c", text), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if r.returncode:
        sys.exit("bench: " + r.stderr)
    return r.stdout.strip()


def call(method, path, body=None, **headers):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=700)
    h = {"Authorization": "Bearer " + TOKEN, "Host": "127.0.0.1:%d" % PORT, **{k.replace("_", "-"): v for k, v in headers.items()}}
    if body is not None:
        body = json.dumps(body)
        h["Content-Type"] = "application/json"
    c.request(method, "/api/v1" + path, body, h)
    r = c.getresponse()
    text = r.read()
    c.close()
    return r.status, json.loads(text) if text else None


def wait(operation):
    """the operation, when it has ended"""
    return call("GET", "/operations/%s?wait=600" % operation["id"])[1]


def row(what, ratios, goal, better="<=", unit="x"):
    """ratios may be plain figures where the goal is one"""
    m = statistics.median(ratios)
    met = m <= goal if better == "<=" else m >= goal
    rows.append((what, m, min(ratios), max(ratios), "%s %g%s" % (better, goal, unit), "met" if met else "NOT MET", unit))
    print("%-58s %8.2f%-3s %7.2f - %-8.2f %-12s %s" % (what, m, unit, min(ratios), max(ratios), rows[-1][4], rows[-1][5]),
          flush=True)


def figure(what, text):
    print("%-58s %s" % (what, text), flush=True)


# Processes -------------------------------------------------------------------------------------------------------

def processes():
    """{pid: (parent, command line)}"""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                found[int(pid)] = (parent, f.read().replace(b"\0", b" ").decode("utf-8", "replace"))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def nap_processes(name, listener=None):
    """pids of a program of this copy; listener: only those whose descriptor 0 is that socket"""
    out = []
    for pid in processes():
        try:
            if os.readlink("/proc/%d/exe" % pid).split(" ")[0] != STATE + "/bin/" + name:
                continue
            if listener and inode_of(listener) != os.readlink("/proc/%d/fd/0" % pid):
                continue
            out.append(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return out


def inode_of(path):
    with open("/proc/net/unix") as f:
        for line in f:
            if line.rstrip().endswith(" " + path) and line.split()[5] == "01":
                return "socket:[%s]" % line.split()[6]
    return None


def postgres_backends():
    with open(STATE + "/db/postmaster.pid") as f:
        postmaster = int(f.readline())
    return [pid for pid, (parent, _) in processes().items() if parent == postmaster]


def cpu_ns(pids):
    total = 0
    for pid in pids:
        try:
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                    total += int(f.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            return None
    return total


def rss_mb(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


# Requests --------------------------------------------------------------------------------------------------------

class Floor:
    """the bare worker and the nginx that both it and nap-api are measured behind"""

    def __init__(self, tenant_id, workers):
        self.dir = tempfile.mkdtemp(prefix="nap-bench-")
        os.chmod(self.dir, 0o755)
        program = self.dir + "/floor"
        include = subprocess.run(["pg_config", "--includedir"], stdout=subprocess.PIPE, text=True).stdout.strip()
        subprocess.run(["cc", "-O2", "-Wall", "-o", program, HERE + "/floor.c", "-I", include or "/usr/include/postgresql",
                        "-I/usr/include/postgresql", "-lfcgi", "-ljansson", "-lpq"], check=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.dir + "/floor.sock")
        os.chmod(self.dir + "/floor.sock", 0o666)
        listener.listen(1024)
        env = {"PATH": os.environ["PATH"], "FLOOR_DB": STATE + "/run/db", "FLOOR_TENANT": str(tenant_id), "FLOOR_APP": "a0500"}
        self.workers = [subprocess.Popen(as_nap(program), stdin=listener, env=env) for _ in range(workers)]
        self.port = free_port()
        with open(self.dir + "/nginx.conf", "w") as f:
            f.write(NGINX.replace("DIR", self.dir).replace("STATE", STATE).replace("PORT", str(self.port))
                    .replace("USER", "user root root;" if os.getuid() == 0 else ""))
        self.nginx = subprocess.Popen(["nginx", "-p", self.dir, "-c", self.dir + "/nginx.conf", "-g", "daemon off;"])
        atexit.register(self.close)
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            time.sleep(0.05)

    def nginx_pids(self):
        return [pid for pid, (parent, _) in processes().items() if parent == self.nginx.pid]

    def close(self):
        for p in (self.nginx, *self.workers):
            if p.poll() is None:
                p.terminate()
                p.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


NGINX = """
USER
worker_processes 1;
pid DIR/nginx.pid;
error_log DIR/error.log warn;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path DIR/body;
	fastcgi_temp_path DIR/fastcgi;
	proxy_temp_path DIR/proxy;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	fastcgi_param REQUEST_METHOD $request_method;
	fastcgi_param REQUEST_URI $request_uri;
	fastcgi_param QUERY_STRING $query_string;
	fastcgi_param CONTENT_TYPE $content_type;
	fastcgi_param CONTENT_LENGTH $content_length;
	fastcgi_param SERVER_PROTOCOL $server_protocol;
	fastcgi_param REMOTE_ADDR $remote_addr;
	fastcgi_param HTTP_HOST $http_host;
	fastcgi_param REQUEST_ID $request_id;
	fastcgi_param NAP_DOOR public;
	fastcgi_buffer_size 16k;
	fastcgi_buffers 16 16k;
	fastcgi_max_temp_file_size 0;
	server {
		listen 127.0.0.1:PORT;
		location /api/ { fastcgi_pass unix:STATE/run/web/api.sock; }
		location /floor/ { fastcgi_pass unix:DIR/floor.sock; }
	}
}
"""


def load(floor, path, workers):
    """(CPU microseconds a request, requests per second)"""
    for _ in range(30):
        pids = floor.nginx_pids() + workers() + postgres_backends()
        before = cpu_ns(pids)
        out = subprocess.run(["wrk", "-t1", "-c8", "-d%ds" % SECONDS, "-H", "Authorization: Bearer " + TOKEN,
                              "http://127.0.0.1:%d%s" % (floor.port, path)], stdout=subprocess.PIPE, text=True).stdout
        after = cpu_ns(pids)
        n = int(re.search(r"(\d+) requests in", out).group(1))
        if "Non-2xx" in out or not n:
            sys.exit("bench: %s failed:\n%s" % (path, out))
        # a worker that left after its 10,000 requests took its account with it
        if before is not None and after is not None and sorted(pids) == sorted(
                floor.nginx_pids() + workers() + postgres_backends()):
            return (after - before) / 1000 / n, n / SECONDS
    sys.exit("bench: processes come and go; no round was whole")


def bench_requests():
    sql("INSERT INTO app (tenant_id, name, group_name, memory_bytes, command, url, ref) SELECT %s, 'a' || lpad(n::text, 4, '0'), "
        "'a' || lpad(n::text, 4, '0'), 268435456, './solve --seed ' || n, 'https://git.example/team/solve.git', 'main' "
        "FROM generate_series(1, 1000) n" % TENANT_ID)
    sql("ANALYZE app")
    api_sock = STATE + "/run/web/api.sock"
    floor = Floor(TENANT_ID, max(len(nap_processes("nap-api", api_sock)), 1))
    ours = lambda: nap_processes("nap-api", api_sock)
    bare = lambda: [p.pid for p in floor.workers]
    cases = [
        ("GET one app / bare query", "/api/v1/apps/a0500", "/floor/one", 1.35, 0.8),
        ("list of 20 / bare list", "/api/v1/apps?limit=20", "/floor/list?20", 1.15, 0.9),
        ("list of 1000 / by jansson", "/api/v1/apps?limit=1000", "/floor/jansson?1000", 0.6, 1.6),
    ]
    for path in [c[i] for c in cases for i in (1, 2)]:      # each statement is prepared and each cache warm
        load(floor, path, ours if path.startswith("/api") else bare)
    got = {c[0]: [] for c in cases}
    for n in range(ROUNDS):
        for what, mine, base, _, _ in cases:
            pair = [(mine, ours), (base, bare)]
            if n % 2:
                pair.reverse()
            result = {path: load(floor, path, who) for path, who in pair}
            got[what].append((result[mine], result[base]))
    for what, _, _, cpu, rate in cases:
        row(what + ", CPU", [a[0] / b[0] for a, b in got[what]], cpu)
        row(what + ", requests/s", [a[1] / b[1] for a, b in got[what]], rate, ">=")
        figure("    CPU us a request, nap and floor", "%.0f  %.0f" % tuple(
            statistics.median(r[i][0] for r in got[what]) for i in (0, 1)))
    floor.close()
    sql("DELETE FROM app WHERE tenant_id = %s" % TENANT_ID)


# Jobs ------------------------------------------------------------------------------------------------------------

class Poller:
    """what a worker that looks every 100 ms would see: one open session, a row, the delay until it is noticed"""

    def __init__(self):
        self.p = subprocess.Popen(as_nap("psql", "-X", "-q", "-A", "-t", "-h", STATE + "/run/db", "-U", "nap_owner", "nap"),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask("CREATE TEMP TABLE seen (at timestamptz)")

    def ask(self, text):
        self.p.stdin.write(text + ";\n\\echo .\n")
        self.p.stdin.flush()
        out = []
        while (line := self.p.stdout.readline().strip()) != ".":
            out.append(line)
        return out

    def delay(self):
        began = time.monotonic()
        looks = began - random.random() * 0.1       # when it last looked
        self.ask("INSERT INTO seen VALUES (now())")
        while True:
            looks += 0.1
            time.sleep(max(0, looks - time.monotonic()))
            if looks >= began and self.ask("DELETE FROM seen RETURNING 1")[:1] == ["1"]:
                return (time.monotonic() - began) * 1000

    def close(self):
        self.p.stdin.close()
        self.p.wait(10)


def bench_pickup(app):
    poller = Poller()
    mine, floor, worst = [], [], []
    for _ in range(ROUNDS):
        some = []
        for _ in range(8):
            # the row is put in as the floor's is, by an open session; created_at is when its statement began
            job = poller.ask("INSERT INTO operation (tenant_id, app_id, app, kind, lane, state) SELECT tenant_id, id, name, "
                             "'start', 'normal', 'queued' FROM app WHERE tenant_id = %s AND name = '%s' RETURNING id"
                             % (TENANT_ID, app))[0]
            wait(call("GET", "/operations/" + job)[1])
            some.append(float(sql("SELECT extract(epoch from started_at - created_at) * 1000 FROM operation WHERE id = %s"
                                  % job)))
        polled = [poller.delay() for _ in range(8)]
        mine.append(statistics.median(some))
        worst.append(max(some))
        floor.append(statistics.median(polled))
    poller.close()
    row("job pick-up / polling every 100 ms", [a / b for a, b in zip(mine, floor)], 0.1)
    row("job pick-up, the slowest of a round", worst, 50, unit="ms")
    figure("    median ms, nap and polling", "%.1f  %.1f" % (statistics.median(mine), statistics.median(floor)))


# Deploys ---------------------------------------------------------------------------------------------------------

def git(*argv, cwd):
    """without the packing that git begins behind a commit: it goes on while the folder is removed"""
    env = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
    for who in ("AUTHOR", "COMMITTER"):
        env["GIT_%s_NAME" % who] = "bench"
        env["GIT_%s_EMAIL" % who] = "bench@example.org"
    r = subprocess.run(["git", "-c", "gc.auto=0", *argv], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        sys.exit("bench: git %s: %s" % (" ".join(argv), r.stdout))
    return r.stdout


def source(folder, files, more=""):
    os.makedirs(folder)
    git("init", "-q", "-b", "main", cwd=folder)
    with open(folder + "/profile", "w") as f:
        f.write("command: exec python3 -m http.server $PORT --bind $HOST\nmemory: 64m\n" + more)
    for n in range(files):
        os.makedirs("%s/d%03d" % (folder, n % 100), exist_ok=True)
        with open("%s/d%03d/f%05d" % (folder, n % 100, n), "wb") as f:
            f.write(random.randbytes(2000))
    git("add", "-A", cwd=folder)
    git("commit", "-q", "-m", "all", cwd=folder)


def seconds_of(step):
    def at(text):
        return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float("0." + text[20:].rstrip("Z") or 0)
    return at(step["ended_at"]) - at(step["started_at"]) if step.get("ended_at") else 0


def push(folder, app):
    """the deploy's operation"""
    git("push", "-q", "http://%s:%s@127.0.0.1:%d/git/%s/%s.git" % (TENANT, TOKEN, PORT, TENANT, app), "HEAD:main", cwd=folder)
    return call("GET", "/operations?app=%s&limit=1" % app)[1]["items"][0]


def bench_deploy(folder):
    steps, ratios = {}, []
    src = folder + "/heavy"
    source(src, 20000)
    first = push(src, "heavy")
    for s in first["steps"]:
        figure("    first deploy of 20,000 files, step " + s["name"], "%.2f s" % seconds_of(s))
    for n in range(ROUNDS):
        out = "%s/export%d" % (folder, n)
        os.makedirs(out)
        began = time.monotonic()
        archive = subprocess.Popen(["git", "archive", "HEAD"], cwd=src, stdout=subprocess.PIPE)
        subprocess.run(["tar", "x", "-C", out], stdin=archive.stdout, check=True)
        archive.wait()
        subprocess.run(["sync", "-f", out], check=True)     # a tree is on the disk before anything runs from it
        export = time.monotonic() - began
        shutil.rmtree(out)
        with open(src + "/d000/f00000", "w") as f:
            f.write("change %d\n" % n)
        git("commit", "-q", "-a", "-m", "one", cwd=src)
        operation = push(src, "heavy")
        for s in operation["steps"]:
            steps.setdefault(s["name"], []).append(seconds_of(s))
        tree = sum(seconds_of(s) for s in operation["steps"] if s["name"] in ("tree", "prepare", "unpack"))
        ratios.append(tree / export)
    row("tree of a one-file change / full export of 20,000 files", ratios, 0.1)
    for name, all_ in steps.items():
        figure("    deploy of a one-file change, step " + name, "%.2f s (%.2f - %.2f)" % (
            statistics.median(all_), min(all_), max(all_)))
    wait(call("DELETE", "/apps/heavy?confirm=heavy")[1]["operation"])


def bench_start(app):
    for n in (1, 10, 50):
        took = []
        for _ in range(ROUNDS if n < 50 else 1):
            wait(call("PUT", "/apps/%s/scale" % app, {"instances": 0})[1]["operation"])
            began = time.monotonic()
            o = wait(call("PUT", "/apps/%s/scale" % app, {"instances": n})[1]["operation"])
            took.append(time.monotonic() - began)
            if o["state"] != "succeeded":
                figure("start of %d instances" % n, "failed: %s" % (o.get("error") or {}).get("detail"))
                return
        figure("start of %d instances, all ready" % n, "%.2f s (%.2f - %.2f)" % (statistics.median(took), min(took), max(took)))


def original_way(src, folder):
    """a similar app as it was made by hand: copy, edit, init, add, commit, push; seconds"""
    began = time.monotonic()
    shutil.copytree(src, folder + "/copy", ignore=shutil.ignore_patterns(".git"))
    with open(folder + "/copy/profile", "a") as f:
        f.write("command: ./other\n")
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "copy"], ["init", "-q", "--bare", folder + "/copy.git"],
                 ["push", "-q", folder + "/copy.git", "HEAD:main"]):
        git(*argv, cwd=folder + "/copy")
    took = time.monotonic() - began
    shutil.rmtree(folder + "/copy")
    shutil.rmtree(folder + "/copy.git")
    return took


def made(app, command):
    """seconds from the request until the apps have their releases, and the apps"""
    status, body = call("POST", "/apps/%s/similar" % app, {"command": command})
    if status != 202:
        sys.exit("bench: similar: %s %s" % (status, body))
    o = wait(body["operation"])
    if o["state"] != "succeeded":
        sys.exit("bench: similar: %s" % o["error"])
    return sum(seconds_of(s) for s in o["steps"] if s["name"] in ("source", "tree", "release")), body["apps"]


def ticks(pids):
    """CPU seconds of processes and of their children that have ended"""
    total = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid) as f:
            total += sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def bytes_of(app):
    id = sql("SELECT id FROM app WHERE name = '%s' AND tenant_id = %s" % (app["name"], TENANT_ID))
    return sum(os.lstat(os.path.join(top, n)).st_blocks * 512 for top, _, names in os.walk("%s/git/%s.git" % (STATE, id))
               for n in [".", *names])


def bench_thousand(folder):
    """before anything else: for minutes after files were deleted ext4 looks for inodes elsewhere, which costs more than all else"""
    source(folder + "/thousand", 20, "scale: 0\n")
    push(folder + "/thousand", "thousand")
    made("thousand", "./first")                     # the family's pool is made once
    workers = nap_processes("nap-worker")
    before = ticks(workers)
    took, apps = made("thousand", "./y {1..1000}")
    row("1,000 similar apps, CPU of each", [(ticks(workers) - before)], 2, unit="ms")
    row("1,000 similar apps, repository of each", [statistics.median(bytes_of(a) for a in apps[::50]) / 1000], 50, unit="KB")
    figure("1,000 similar apps", "%.2f s" % took)
    wait(call("DELETE", "/groups/thousand?confirm=thousand")[1]["operation"])


def bench_similar(folder):
    sizes, goals, one = (("small", 20), ("medium", 2000), ("large", 20000)), {"small": 0.15, "medium": 0.01, "large": 0.001}, {}
    for name, files in sizes:
        source("%s/s-%s" % (folder, name), files, "scale: 0\n")
        push("%s/s-%s" % (folder, name), name)
        made(name, "./first")                       # the family's pool is made once
        ratios, all_ = [], []
        for n in range(ROUNDS if files < 10000 else 2):
            hand = original_way("%s/s-%s" % (folder, name), folder)
            took, apps = made(name, "./x %d" % n)
            all_.append(took)
            ratios.append(took / hand)
        one[name] = statistics.median(all_)
        figure("similar app of %d files" % files, "%.1f ms, by hand %.1f ms" % (one[name] * 1e3, one[name] / statistics.median(ratios) * 1e3))
        row("similar app of %d files / by hand" % files, ratios, goals[name])
        row("    its repository", [bytes_of(a) / 1000 for a in apps], 100, unit="KB")
        took, apps = made(name, "./x {1..20}")
        figure("20 similar apps of %d files" % files, "%.1f ms" % (took * 1e3))
    row("similar app of 20,000 files / of 20", [one["large"] / one["small"]], 1.25)
    bench_naming()
    for name, _ in sizes:
        wait(call("DELETE", "/groups/%s?confirm=%s" % (name, name))[1]["operation"])


def finished(app):
    """waits until the job has ended well"""
    while True:
        status, a = call("GET", "/apps/" + app)
        if status == 200 and a["state"] in ("finished", "failed"):
            if a["state"] == "failed":
                sys.exit("bench: %s has failed" % app)
            return
        time.sleep(0.02)


def bench_jobs(folder):
    """similar jobs from the request until they have run, beside the way by hand: a copy of the source, pushed as an app"""
    for files in (20, 20000):
        for build in ("", "build: sleep 0.1; echo built >built\n"):
            name = "j%d%s" % (files, "b" if build else "")
            src = "%s/%s" % (folder, name)
            source(src, files, build)
            with open(src + "/profile", "w") as f:
                f.write("command: echo nap: score=1\nmemory: 64m\n" + build)
            git("commit", "-q", "-a", "-m", "a job", cwd=src)
            push(src, name)
            finished(name)
            made(name, "echo nap: score=2")          # the family's pool is made once
            ratios, all_ = [], []
            for n in range(3):
                began = time.monotonic()
                copy = "%s/copy%d" % (folder, n)
                shutil.copytree(src, copy, ignore=shutil.ignore_patterns(".git"))
                with open(copy + "/profile", "w") as f:
                    f.write("command: echo nap: score=%d\nmemory: 64m\n%s" % (n, build))
                for argv in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "copy"]):
                    git(*argv, cwd=copy)
                push(copy, "%s-hand%d" % (name, n))
                finished("%s-hand%d" % (name, n))
                hand = time.monotonic() - began
                shutil.rmtree(copy)
                began = time.monotonic()
                _, apps = made(name, "echo nap: score=%d" % (n + 3))
                finished(apps[0]["name"])
                all_.append(time.monotonic() - began)
                ratios.append(all_[-1] / hand)
                wait(call("DELETE", "/apps/%s-hand%d?confirm=%s-hand%d" % (name, n, name, n))[1]["operation"])
            figure("similar job of %d files%s, from request to finished" % (files, ", with build:" if build else ""),
                   "%.2f s, %.2fx of by hand (%.2f - %.2f)" % (statistics.median(all_), statistics.median(ratios), min(ratios), max(ratios)))
            wait(call("DELETE", "/groups/%s?confirm=%s" % (name, name))[1]["operation"])


def bench_siblings(folder):
    """a push to a member among 5,000, and to an app that is alone"""
    source(folder + "/family", 20, "scale: 0\n")
    source(folder + "/alone", 20, "scale: 0\n")
    push(folder + "/family", "family")
    push(folder + "/alone", "alone")
    apps = []
    for _ in range(5):
        apps += made("family", "./z {1..1000}")[1]
    git("clone", "-q", "http://%s:%s@127.0.0.1:%d/git/%s/%s.git" % (TENANT, TOKEN, PORT, TENANT, apps[2500]["name"]), "member", cwd=folder)
    took = {"member": [], "alone": []}
    for n in range(ROUNDS):
        for where, app in (("alone", "alone"), ("member", apps[2500]["name"])):
            with open("%s/%s/d000/f00000" % (folder, where), "w") as f:
                f.write("change %d\n" % n)
            git("commit", "-q", "-a", "-m", "one", cwd=folder + "/" + where)
            began = time.monotonic()
            push(folder + "/" + where, app)
            took[where].append(time.monotonic() - began)
    row("push among 5,000 siblings / alone", [a / b for a, b in zip(took["member"], took["alone"])], 1.5)
    wait(call("DELETE", "/groups/family?confirm=family")[1]["operation"])


def bench_naming():
    """64 clients on one name: numbers a second against one client, none twice, none left out"""
    source_app = "small"
    base = int(sql("SELECT similar_no FROM app_counter WHERE tenant = '%s' AND app = '%s'" % (TENANT, source_app)))
    given, lock = [], threading.Lock()

    def client(n):
        for _ in range(n):
            status, body = call("POST", "/apps/%s/similar" % source_app, {"command": "./n {1..3}"})
            with lock:
                given.extend([a["name"] for a in body["apps"]] if status == 202 else [None])

    rates = []
    for clients, each in ((1, 64), (64, 2)):
        threads = [threading.Thread(target=client, args=(each,)) for _ in range(clients)]
        began = time.monotonic()
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        rates.append(clients * each * 3 / (time.monotonic() - began))
    row("naming, 64 clients / one client, numbers a second", [rates[1] / rates[0]], 0.4, better=">=")
    numbers = sorted(int(n.rsplit("_", 1)[1]) for n in given if n)
    row("    refused, doubled or left out", [len(given) - len(numbers) + len(numbers) - len(set(numbers)) +
                                            sum(b != a + 1 for a, b in zip([base, *numbers], numbers))], 0, unit="")


def bench_memory():
    for name in ("nap-api", "nap-worker", "nap-stream"):
        all_ = [rss_mb(pid) for pid in nap_processes(name)]
        if all_:
            row("RSS of a process of %s" % name, all_, 20, unit="MB")


def main():
    global TOKEN, TENANT_ID
    wanted = sys.argv[1:] or ["requests", "pickup", "deploy", "similar", "jobs", "siblings", "start", "memory"]
    TOKEN = "nap_" + secrets.token_urlsafe(32)
    TENANT_ID = sql("INSERT INTO tenant (name, quota_memory, quota_instances, quota_apps, quota_disk) VALUES "
                    "('%s', 1::bigint << 40, 10000, 10000, 1::bigint << 40) RETURNING id" % TENANT)
    sql("INSERT INTO token (tenant_id, name, hash, scopes) VALUES (%s, 'bench', '\\x%s', '{manage}')" % (
        TENANT_ID, hashlib.sha256(TOKEN.encode()).hexdigest()))
    folder = tempfile.mkdtemp(prefix="nap-bench-src-")
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")
    print("machine: %d x %s, load %s; %d rounds, medians (lowest - highest)" % (os.cpu_count(), cpu, os.getloadavg()[0], ROUNDS))
    try:
        if "requests" in wanted:
            bench_requests()
        if "similar" in wanted:
            bench_thousand(folder)
        if "deploy" in wanted:
            bench_deploy(folder)
        if "similar" in wanted:
            bench_similar(folder)
        if "jobs" in wanted:
            bench_jobs(folder)
        if "siblings" in wanted:
            bench_siblings(folder)
        if "pickup" in wanted or "start" in wanted:
            source(folder + "/one", 20)
            push(folder + "/one", "one")
            if "pickup" in wanted:
                bench_pickup("one")
            if "start" in wanted:
                bench_start("one")
            wait(call("DELETE", "/apps/one?confirm=one")[1]["operation"])
        if "memory" in wanted:
            bench_memory()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        # what an interrupted run leaves is taken away by the operator's `DELETE /tenants`; all else is gone here
        sql("UPDATE tenant SET disabled_at = now() WHERE id = %s" % TENANT_ID)
    missed = [r for r in rows if r[5] != "met"]
    print("%d goals, %d met, %d not met" % (len(rows), len(rows) - len(missed), len(missed)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
