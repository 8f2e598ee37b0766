"""A deploy that waits in its build until it is let go on: what is done meanwhile is done in the middle of it."""
import http.client
import os

from processes import parent, processes, read
from stack import wait_until, web_app


def of_app(tenant, name):
    """{pid: command line} of the processes that have the app's environment, as root sees them"""
    found = {}
    for p in map(int, filter(str.isdigit, os.listdir("/proc"))):
        env = read(f"/proc/{p}/environ").split("\0")
        if f"NAP_APP={name}" in env and f"NAP_TENANT={tenant.name}" in env and parent(p):
            found[p] = read(f"/proc/{p}/cmdline").replace("\0", " ").strip()
    return found


def patient(nap, tenant, method, path, *args, **kw):
    """An answer that is none of a part which is just coming back"""
    def answer():
        try:
            r = tenant.api(method, path, *args, **kw)
        except (OSError, http.client.HTTPException):
            return None
        return r if r.status < 500 else None

    return wait_until(answer)


class Held:
    """The app "held", whose deploys wait in their build for the file `go`."""

    def __init__(self, nap, git_server):
        self.nap, self.git, self.tenant, self.n = nap, git_server, nap.tenant(), 0

    def deploy(self):
        """begins one; gives its operation and the shell of its build, which waits"""
        self.n += 1
        self.word = f"word{self.n}"
        more = "build: until [ -e go ]; do sleep 0.25; done\n"
        url = self.git.repo(f"held-{self.tenant.name}", web_app(self.word, more=more))
        if self.n == 1:
            r = self.tenant.api("POST", "/apps", {"url": url, "name": "held"})
        else:
            r = patient(self.nap, self.tenant, "POST", "/apps/held/releases", {})
        assert r.status == 202, r
        return r.json()["operation"]["id"], wait_until(self.shell, why="the build did not begin")

    def shell(self):
        """the shell that waits in the build: its child is what the build's line runs"""
        return next((parent(p) for p, line in of_app(self.tenant, "held").items() if line == "sleep 0.25"), None)

    def let_go(self):
        """the file appears where the build's shell is; False: there is none now"""
        try:
            open(f"/proc/{self.shell()}/cwd/go", "w").close()
        except OSError:
            return False
        return True

    def go_on(self):
        wait_until(self.let_go)

    def ended(self, operation):
        o = patient(self.nap, self.tenant, "GET", f"/operations/{operation}").json()
        return o if o["state"] not in ("receiving", "queued", "running") else None

    def outcome(self, operation):
        return wait_until(lambda: self.ended(operation), 180, "the operation is stuck")

    def serves(self):
        """the word that visitors get"""
        def word():
            try:
                r = self.tenant.visit(patient(self.nap, self.tenant, "GET", "/apps/held").json())
            except (OSError, http.client.HTTPException):
                return None
            return r.json()["word"] if r.status == 200 else None

        return wait_until(word)

    def nothing_left(self):
        """no process, file or unit of the build"""
        def units():
            return [u["name"] for u in patient(self.nap, self.tenant, "GET", "/units").json()["items"] if "-build@" in u["name"]]

        wait_until(lambda: self.shell() is None, why="a process of the build is left")
        wait_until(lambda: units() == [], why="the build's unit is left")
        wait_until(lambda: set(os.listdir(f"{self.nap.state}/work")) <= {"ssh"}, why="a work file is left")
