"""The manager in a real browser (headless Chromium) against the real stack: the main job by hand.

Of conftest.py it uses `nap` (.url, .admin_token, .password, .tenant()) and `git_server` (.repo(name, {path: text}) gives
the URL of a repository that nap may fetch).
"""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
import uuid

import pytest

from screens import ALLOWED, AUDIT, DATA, FOCUS, LATIN, SETTLED
from stack import ask

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
	--disable-background-networking --disable-component-update --disable-dev-shm-usage --lang=en""".split()

# Prints a line a second, so that following the logs has something to follow, and serves $PORT.
APP = """\
import http.server, os, threading, time
def tick():
    n = 0
    while True:
        n += 1
        print("tick", n, "of instance", os.environ["NAP_INSTANCE"], flush=True)
        time.sleep(1)
threading.Thread(target=tick, daemon=True).start()
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from nap")
    def log_message(self, *a):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""
FILES = {"profile": "command: exec python3 app.py\nmemory: 64m\nscale: 1\n", "app.py": APP}


class Page:
    """What a person does and sees, with patience."""

    def __init__(self, driver, url):
        self.d = driver
        self.url = url.rstrip("/") + "/"

    def all(self, css):
        return self.d.find_elements(By.CSS_SELECTOR, css)

    def wait(self, what, seconds=20, why=""):
        def look(_):
            try:
                return what()
            except Exception:  # what was found is redrawn: look again
                return False

        return WebDriverWait(self.d, seconds, 0.1).until(look, why or self.text())

    def one(self, css, seconds=20):
        return self.wait(lambda: next(e for e in self.all(css) if e.is_displayed()), seconds, css)

    def text(self):
        return self.d.execute_script("return document.body.innerText")

    def says(self, text, seconds=20):
        self.wait(lambda: text in self.text(), seconds, f"no {text!r}")

    def click(self, css, seconds=20):
        def press():
            next(e for e in self.all(css) if e.is_displayed() and e.is_enabled()).click()
            return True

        self.wait(press, seconds, f"cannot click {css}")

    def write(self, css, text):
        e = self.one(css)
        e.send_keys(Keys.CONTROL, "a")
        e.send_keys(text)

    def choose(self, css, value):
        self.wait(lambda: Select(self.one(css)).select_by_value(value) or True, why=f"cannot choose {value!r}")

    def sign_in(self, tenant, password):
        self.d.get(self.url)
        self.write("#tenant", tenant)
        self.write("#password", password + Keys.ENTER)

    def downloads(self):
        """From now on files are kept; gives what there are."""
        folder = tempfile.mkdtemp(dir=self.d.capabilities["chrome"]["userDataDir"])
        self.d.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": folder})
        return lambda: [os.path.join(folder, f) for f in os.listdir(folder)]

    def faults(self):
        """What the browser itself complains about: broken rules of the CSP, scripts that threw."""
        lines = [entry["message"] for entry in self.d.get_log("browser")]
        return [m for m in lines if "Failed to load resource" not in m]


@pytest.fixture
def browser():
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed")
    profile = tempfile.mkdtemp(prefix="nap-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def tenant(nap):
    """A fresh tenant with a password, made by the operator."""
    name, password = "b" + str(uuid.uuid4().int)[:10], uuid.uuid4().hex
    request = urllib.request.Request(
        nap.url.rstrip("/") + "/api/v1/tenants",
        data=json.dumps({"name": name, "password": password}).encode(),
        headers={"Authorization": f"Bearer {nap.admin_token}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201
    return name, password


def test_the_main_job_by_hand(nap, git_server, tenant, browser):
    url = git_server.repo("board", FILES)
    p = Page(browser, nap.url)

    p.sign_in(tenant[0], "not the password")
    p.says("Tenant or password is not right.")
    p.write("#password", tenant[1] + Keys.ENTER)
    p.says("Deploy your first app")
    p.one(".link-state[data-state=live]", 30)

    # A URL that cannot be: said at the field, and what was typed stays.
    p.click("a[href='#/deploy']")
    p.write("#url", "ext::sh -c true")
    p.click("#deploy")
    p.one("#url-fault")
    assert p.one("#url").get_attribute("value") == "ext::sh -c true"

    p.write("#url", url)
    p.write("#name", "board")
    assert p.one("#preview [data-name]").get_attribute("data-name") == "board"
    p.click("#deploy")
    p.one(".operation")
    p.one(".page-head .badge[data-state=running]", 120)
    p.one(".operation[data-state=succeeded]")
    address = p.one(".sub a").get_attribute("href")
    assert f"board-{tenant[0]}" in address or address.count(":") == 2

    # Scale by the button: each instance is there at once, then runs.
    p.click("#scale-more")
    p.one("tr[data-row^='2']", 5)
    running = "tr .badge[data-state=ready], tr .badge[data-state=running]"
    p.wait(lambda: len(p.all(running)) == 2, 90)
    p.says("2 of 2 running")

    # Logs come as they are printed.
    p.click(".tabs a[href$='/logs']")
    p.says("tick", 30)
    before = len(p.all(".log-view .line"))
    p.wait(lambda: len(p.all(".log-view .line")) > before + 2, 30)
    p.wait(lambda: {e.text for e in p.all(".log-view .who")} >= {"1", "2"}, 30)

    # Machines and units, as the engine tells them.
    p.click("a[href='#/machines']")
    p.says(f"{tenant[0]}.board.v1@2.service")

    # Both instances beside each other: each says its number, so the first line differs.
    browser.get(p.url + "#/apps/board")
    p.click("a[href^='#/compare']")
    p.says("line 1 is the first that differs", 30)
    assert "tick 1 of instance 1" in p.one("#first-difference").text and "tick 1 of instance 2" in p.one("#first-difference").text

    # Two changes of the environment are one release.
    browser.get(p.url + "#/apps/board/env")
    for name, value, secret in (("GREETING", "good day", False), ("KEY", "s3cr3t", True)):
        p.click("#env-add")
        p.write("#env-name", name)
        p.write("#env-value", value)
        if secret:
            p.click("#env-secret")
        p.click("#env-take")
        p.wait(lambda: not p.all("dialog[open]"))
    p.says("2 changes are not saved yet")
    p.click(".tabs a[href$='/access']")
    p.says("git remote add nap")
    p.click("#hook-make")
    p.says("The secret is shown this once")
    assert "/api/v1/hooks/" in p.text() and p.one("#hook-renew") and p.one("#hook-remove")
    p.click(".tabs a[href$='/env']")
    p.click("#env-save")
    p.wait(lambda: "not saved yet" not in p.text() and p.one("tr[data-row=GREETING]"))
    assert "good day" in p.text() and "s3cr3t" not in browser.page_source
    p.wait(lambda: "Release v2" in p.text(), 90, "no v2")

    # The audit has it, with who it was, and as a file.
    browser.get(p.url + "#/audit")
    p.wait(lambda: [e.text for e in p.all("tbody tr td:first-child")][:1] == ["Environment"])
    assert "browser, sign-in" in p.text()
    p.click(".tabs a[href$='/events']")
    p.wait(lambda: "Signed in" in p.text() and "App made" in p.text())
    p.choose("#audit-kind", "operation.failed")
    p.says("Nothing matches")
    files = p.downloads()
    p.choose("#audit-kind", "")
    p.click("#csv:enabled")
    rows = p.wait(lambda: next(open(f).read() for f in files() if f.endswith(".csv"))).splitlines()
    assert rows[0] == "\ufeffid,at,tenant,actor,kind,app,data"
    assert any(re.search(rf",{tenant[0]},session:\d+,app.created,board,", r) for r in rows)

    # The address of the page is enough to come back to it, signed in.
    browser.get(p.url + "#/apps/board/releases")
    browser.refresh()
    p.says("v1")

    # Destroy asks for the name, and a wrong one does nothing.
    p.click(".tabs a[href$='/settings']")
    p.click("#destroy")
    p.write("#destroy-name", "bored" + Keys.ENTER)
    time.sleep(0.5)
    assert p.all("dialog[open]")
    p.write("#destroy-name", "board" + Keys.ENTER)
    p.says("This app is gone", 90)

    browser.get(p.url + "#/apps")
    p.says("Deploy your first app")
    p.click("#signout")
    p.one("#password")
    assert p.faults() == []


def test_similar_apps_from_the_dialog_to_the_table(nap, git_server, tenant, browser):
    url = git_server.repo("sweep", {"profile": "memory: 32m\nhealth: none\ncommand: sh try 0\n",
                                    "try": "echo nap: score=$(($1 * 10))\n"})
    p = Page(browser, nap.url)
    p.sign_in(*tenant)
    p.says("Deploy your first app")
    browser.get(p.url + "#/deploy")
    p.write("#url", url)
    p.click("#deploy")
    p.one(".operation[data-state=succeeded]", 120)

    # The dialog shows what would be made, and takes nothing until it is told to.
    p.click("#similar")
    p.write("#similar-command", "sh try {n:1..b}")
    p.one("#similar-command-fault")
    p.write("#similar-command", "sh try {n:1..12}")
    p.one("#similar-plan tr[data-row=sweep_1]")
    p.says("5 more")
    p.wait(lambda: p.one("#similar-do").text == "Deploy 12 similar apps")
    p.click("#similar-do")

    # The group's page: a row each, sorted by a click, with the best marked, and a plot.
    p.one("tr[data-row=sweep_12]", 30)
    p.wait(lambda: len(p.all("tr .badge[data-state=finished]")) == 13, 120)
    sort = "//th//button[starts-with(normalize-space(.), 'score')]"
    p.wait(lambda: browser.find_element(By.XPATH, sort).click() or True)
    p.wait(lambda: p.all("tbody tr")[0].get_attribute("data-row") == "sweep")
    p.wait(lambda: browser.find_element(By.XPATH, sort).click() or True)
    p.wait(lambda: p.all("tbody tr")[0].get_attribute("data-row") == "sweep_12")
    assert "best" in p.all("tbody tr")[0].text
    assert len(p.all("svg.plot circle")) == 12

    # Two that are ticked, beside each other: their one line differs.
    def tick(name):
        p.click(f"tr[data-row={name}] .pick")

    tick("sweep_12")
    tick("sweep_11")
    p.says("2 selected")
    p.click("#bulk-compare")
    p.says("line 1 is the first that differs", 30)
    assert "score=120" in p.text() and "score=110" in p.text()
    browser.back()

    # All the worse ones go at once, for the group's name.
    p.one("tr[data-row=sweep_12]")
    for name in ("sweep_1", "sweep_2"):
        tick(name)
    p.click(".selected .menu-holder button")
    p.click(".menu [role=menuitem]")
    p.says("Destroy 2 apps?")
    p.write("#destroy-name", "sweep" + Keys.ENTER)
    p.wait(lambda: not p.all("tr[data-row=sweep_1], tr[data-row=sweep_2]") and p.all("tr[data-row=sweep_3]"), 60)
    browser.get(p.url + "#/groups")
    p.one("tr[data-row=sweep]")
    assert p.faults() == []


def test_one_s_own_account(nap, tenant, browser, tmp_path):
    p = Page(browser, nap.url)
    p.sign_in(*tenant)
    p.click(".me a")

    # A token is shown once, works, and is revoked after a question.
    p.says("No tokens yet")
    p.click("#token-add")
    p.click("#token-do")
    p.one("#token-name-fault")
    p.write("#token-name", "laptop")
    p.choose("#token-scope", "read")
    p.click("#token-do")
    token = p.wait(lambda: re.search(r"nap_[\w-]{43}", p.one("dialog code").text))[0]
    assert nap.api("GET", "/quota", token=token).status == 200
    assert nap.api("POST", "/apps", {"name": "x"}, token=token).status == 403
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    p.wait(lambda: not p.all("dialog[open]"))
    assert token not in browser.page_source
    p.click("tr [aria-label='Revoke laptop']")
    p.click("dialog .danger")
    p.says("No tokens yet")
    assert nap.api("GET", "/quota", token=token).status == 401

    # A key for pushes by SSH: what is none is said at its field, and a private one is not even sent.
    key = str(tmp_path / "laptop")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f", key], check=True)
    public = (tmp_path / "laptop.pub").read_text().strip()
    fingerprint = subprocess.run(["ssh-keygen", "-lf", key + ".pub"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[1]
    p.says("No SSH keys yet")
    p.click("#ssh-add")
    p.click("#ssh-do")
    p.one("#ssh-name-fault")
    p.one("#ssh-key-fault")
    p.write("#ssh-name", "laptop")
    p.write("#ssh-key", (tmp_path / "laptop").read_text())
    p.click("#ssh-do")
    p.wait(lambda: "is a private key" in p.one("#ssh-key-fault").text)
    p.write("#ssh-key", public[:60])
    p.wait(lambda: not p.all("#ssh-key-fault"))
    p.click("#ssh-do")
    p.one("#ssh-key-fault")
    assert browser.switch_to.active_element.get_attribute("id") == "ssh-key"
    p.write("#ssh-key", public)
    p.click("#ssh-do")
    p.says(fingerprint)
    p.click("#ssh-add")
    p.write("#ssh-name", "again")
    p.write("#ssh-key", public + Keys.TAB)
    p.click("#ssh-do")
    p.one("#ssh-key-fault")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    p.wait(lambda: not p.all("dialog[open]"))
    p.click("tr [aria-label='Remove laptop']")
    p.click("dialog .danger")
    p.says("No SSH keys yet")
    # nap's own public key, made by its leader, is there to be copied
    p.wait(lambda: next(c.text for c in p.all(".copy code") if c.text.startswith("ssh-ed25519 ")).endswith(" nap-" + tenant[0]), 90)

    # Another browser is seen, and signed out from here; and again by a new password.
    def elsewhere(password=tenant[1]):
        r = ask(nap.port, "POST", "/api/v1/session", {"tenant": tenant[0], "password": password}, {"User-Agent": "Elsewhere/1"})
        assert r.status == 201, r
        return {"Cookie": r.headers["Set-Cookie"].split(";")[0], "X-CSRF-Token": r.json()["csrf"]}

    def status(headers):
        return ask(nap.port, "GET", "/api/v1/quota", headers=headers).status

    other = elsewhere()
    p.wait(lambda: next(r for r in p.all("tr") if "Elsewhere/1" in r.text).find_element(By.TAG_NAME, "button").click() or True)
    p.wait(lambda: status(other) == 401)
    p.wait(lambda: "Elsewhere/1" not in p.text())
    other = elsewhere()
    for part, text in (("current", "not the password"), ("password", "battery staple"), ("repeat", "battery stable")):
        p.write("#password-" + part, text)
    p.click("#password-do")
    p.says("The two are not the same.")
    p.write("#password-repeat", "battery staple")
    p.click("#password-do")
    p.says("This is not the password.")
    assert status(other) == 200
    p.write("#password-current", tenant[1] + Keys.ENTER)
    p.says("The password is changed.")
    assert status(other) == 401

    # The language is the account's: another browser, an emptied one, gets it after signing in.
    p.choose("#account-language", "zh-CN")
    p.says("语言和配色")
    here = elsewhere("battery staple")
    p.wait(lambda: ask(nap.port, "GET", "/api/v1/account", headers=here).json()["language"] == "zh-CN")
    p.click("#signout")
    p.one("#password")
    browser.execute_script("localStorage.clear()")
    p.sign_in(tenant[0], "battery staple")
    p.says("部署第一个应用")
    assert p.faults() == []


class Screens:
    """Opens screens in Chinese and tells what is wrong with each; NAP_SCREENS=folder keeps pictures of all forms."""

    def __init__(self, page):
        self.page, self.d, self.found = page, page.d, {}
        self.names = ""     # of tenants, apps and tokens: in whatever language
        self.folder = os.environ.get("NAP_SCREENS") or ""

    def form(self, width, theme):
        self.d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                               {"width": width, "height": 900 if width > 720 else 740, "deviceScaleFactor": 1, "mobile": width < 720})
        self.d.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})

    def picture(self, name, width, theme):
        path = os.path.join(self.folder, f"{name}-{width}-{theme}.png")
        with open(path, "wb") as f:
            whole = self.d.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            f.write(base64.b64decode(whole["data"]))

    def look(self, name):
        """What is open now, wide and light, then narrow and dark; words once."""
        faults = set()
        allowed = ALLOWED | set(re.findall(r"[A-Za-z]+", self.names))
        for width, theme in ((1280, "light"), (360, "dark")):
            self.form(width, theme)
            self.d.execute_async_script(SETTLED, None)
            faults |= {f"{f} ({width} px)" for f in self.d.execute_script(AUDIT)}
            if self.folder:
                self.picture(name, width, theme)
        if self.folder:
            for width, theme in ((1280, "dark"), (360, "light")):
                self.form(width, theme)
                self.d.execute_async_script(SETTLED, None)
                self.picture(name, width, theme)
        texts = self.d.execute_script(LATIN, DATA)
        faults |= {f"word {w!r} in {t.strip()[:80]!r}" for t in texts for w in re.findall(r"[A-Za-z]{4,}", t) if w not in allowed}
        if faults:
            self.found[name] = sorted(faults)

    def at(self, name, place):
        self.d.execute_async_script(SETTLED, place)
        self.look(name)

    def dialog(self, name, *clicks):
        """What the last of the clicks opens; Escape closes it and the focus comes back to the page."""
        self.form(1280, "light")
        for css in clicks:
            self.page.click(css)
        self.page.one("dialog[open]")
        self.look(name)
        self.close()

    def close(self):
        self.page.d.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.page.wait(lambda: not self.page.all("dialog[open]"))
        assert self.d.execute_script("return document.activeElement !== null && !document.activeElement.closest('dialog')")

    def tab_through(self, name, place):
        """Tab comes by every element that can be worked with, in one round, and each shows that it is there."""
        self.form(1280, "light")
        self.d.execute_async_script(SETTLED, place)
        self.d.execute_script("document.activeElement.blur(); getSelection().removeAllRanges()")
        met, n = set(), 1
        for _ in range(200):
            self.d.switch_to.active_element.send_keys(Keys.TAB)
            at, n, visible, html = self.d.execute_script(FOCUS)
            if at in met:
                break
            if at >= 0:
                met.add(at)
                if not visible:
                    self.found.setdefault(name, []).append("focus is not seen: " + html)
        if len(met) != n:
            self.found.setdefault(name, []).append(f"Tab meets {len(met)} of {n}")


def test_every_screen_in_chinese(nap, git_server, browser):
    """Screens, dialogs, empty and error states, of a tenant and of the operator: wide and narrow, light and dark."""
    me = nap.tenant()
    job = git_server.repo("job", {"profile": "memory: 16m\nhealth: none\nscale: 2\ncommand: sh try 0\n",
                                  "try": "echo nap: pts=$(($1 * 10))\necho $NAP_INSTANCE\n"})
    p = Page(browser, nap.url)
    s = Screens(p)
    browser.get(p.url)
    browser.execute_script("localStorage.setItem('nap.lang', 'zh-CN')")
    browser.refresh()
    p.one("#tenant")
    s.look("signin")
    p.sign_in(me.name, "wrong horse")
    p.one("#password-fault")
    s.look("signin-wrong")

    # Nothing there yet
    s.form(1280, "light")
    p.write("#password", me.password + Keys.ENTER)
    p.one(".link-state[data-state=live]", 30)
    for name in ("", "apps", "groups", "deploy", "machines", "audit", "audit/events", "account", "compare", "nowhere", "apps/no",
                 "groups/no", "tenants"):
        s.at("empty-" + (name.replace("/", "-") or "home"), "#/" + name)
    s.at("compare-gone", "#/compare?a=no/1&b=no/2")
    browser.execute_async_script(SETTLED, "#/deploy")
    p.click("#deploy")
    p.one("#url-fault")
    p.write("#name", "No")
    p.one("#name-fault")
    s.look("deploy-name")
    p.write("#name", "no")
    p.write("#url", "ext::sh -c true")
    p.click("#deploy")
    p.one("#url-fault .more")
    s.look("deploy-wrong")

    # One app, a group, an operation that failed
    me.deploy(job, "job")
    r = me.api("POST", "/apps/job/similar", {"command": "sh try {n:1..3}"}, {"Prefer": "wait=60"})
    assert r.status == 200, r
    r = me.api("POST", "/apps", {"name": "bad", "url": job + "x"}, {"Prefer": "wait=60"})
    assert r.status == 409, r
    assert me.api("PATCH", "/apps/bad/env", {"A": "1", "B": {"value": "x", "secret": True}}).status == 200
    for name in ("", "apps", "groups", "groups/job", "machines", "audit", "audit/events", "apps/job", "apps/bad", "deploy"):
        s.at(name.replace("/", "-") or "home", "#/" + name)
    for tab in ("logs", "releases", "operations", "env", "access", "settings"):
        s.at("job-" + tab, "#/apps/job/" + tab)
    s.at("bad-env", "#/apps/bad/env")
    s.at("compare", "#/compare?a=job/1&b=job/2")
    s.at("compare-members", "#/compare?a=job_1/1&b=job_2/1")

    # Dialogs
    browser.execute_async_script(SETTLED, "#/apps")
    s.dialog("destroy", "tr[data-row=job] .menu-holder button", "tr[data-row=job] [role=menuitem]:last-child")
    p.click("th .pick")
    s.look("apps-selected")
    s.form(1280, "light")
    s.dialog("destroy-many", ".selected .menu-holder button", ".selected [role=menuitem]")
    browser.execute_async_script(SETTLED, "#/apps/job")
    p.click("#compare")
    p.one(".message[data-look=warn]")
    s.look("job-compared")
    p.one("#similar")
    s.form(1280, "light")
    p.click("#similar")
    p.write("#similar-command", "sh try {n:1..12}")
    p.one("#similar-plan tr[data-row=more]")
    s.look("similar")
    s.form(1280, "light")
    p.write("#similar-command", "sh try {n:1..b}")
    p.one("#similar-command-fault")
    s.look("similar-wrong")
    s.close()
    browser.find_element(By.TAG_NAME, "h1").send_keys("?")
    p.one("dialog[open]")
    s.look("keys")
    s.close()
    browser.execute_async_script(SETTLED, "#/apps/bad/env")
    s.dialog("env-add", "#env-add")
    p.click("tr[data-row=A] .menu-holder button")
    p.click("tr[data-row=A] [role=menuitem]:last-child")
    p.one(".unsaved")
    s.look("env-unsaved")
    browser.execute_async_script(SETTLED, "#/account")
    s.form(1280, "light")
    p.click("#token-add")
    s.look("token-new")
    s.form(1280, "light")
    p.write("#token-name", "ci")
    p.click("#token-do")
    p.one("dialog .copy")
    s.look("token-made")
    s.close()
    s.look("account")
    s.form(1280, "light")
    p.click("#ssh-add")
    p.write("#ssh-name", "test")
    p.click("#ssh-do")
    p.one("#ssh-key-fault")
    s.look("ssh-new")
    s.form(1280, "light")
    p.write("#ssh-key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPMWKFn8qosGjngTuQ+4eI3I+6vMM0++GlQ0v/cgqCGn ada@laptop")
    p.click("#ssh-do")
    p.click(".notices button")
    p.wait(lambda: not p.all("dialog[open], .notices button") and p.all("[aria-label='移除 test']"))
    s.look("account-keys")
    s.form(1280, "light")
    p.click("#password-do")
    p.one("#password-current-fault")
    s.look("password-wrong")
    s.form(1280, "light")
    for name, place in (("tab apps", "#/apps"), ("tab env", "#/apps/bad/env"), ("tab group", "#/groups/job"), ("tab account", "#/account")):
        s.tab_through(name, place)

    # What does not answer is said, with what was known before; a session that has ended asks again over the page.
    browser.execute_async_script(SETTLED, "#/compare?a=job/1&b=job/2")
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/outputs*", "*/api/v1/groups*"]})
    p.wait(lambda: len(p.all(".message[data-look=warn]")) == 2, 30)
    s.look("stale")
    browser.execute_async_script(SETTLED, "#/groups")
    p.one(".message[data-look=bad]")
    s.look("unreachable")
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    items = me.api("GET", "/sessions").json()["items"]
    assert {me.api("DELETE", "/sessions/" + i["id"]).status for i in items} == {204}
    browser.execute_async_script(SETTLED, "#/audit")
    p.one("dialog[open] #password")
    s.look("session-ended")

    # The operator's
    s.form(1280, "light")
    browser.execute_script("localStorage.clear(); localStorage.setItem('nap.lang', 'zh-CN')")
    browser.refresh()
    s.names = " ".join(f"{e['tenant']} {e['app']} {e['data'].get('name')}" for e in nap.api("GET", "/events?order=desc&limit=1000").json()["items"])
    s.names += " ".join(t["name"] for t in nap.api("GET", "/tenants?limit=1000").json()["items"])
    p.sign_in("admin", nap.password)
    p.one(".link-state[data-state=live]", 30)
    s.at("tenants", "#/tenants")
    s.at("admin-events", "#/audit/events")
    browser.execute_async_script(SETTLED, "#/tenants")
    s.form(1280, "light")
    p.click("#tenant-add")
    p.click("#tenant-do")
    p.one("#tenant-name-fault")
    s.look("tenant-new")
    s.form(1280, "light")
    name = "t" + str(uuid.uuid4().int)[:12]
    p.write("#tenant-name", name)
    p.write("#tenant-memory", "lots")
    p.click("#tenant-do")
    p.one("#tenant-memory-fault")
    p.write("#tenant-memory", "256m")
    p.click("#tenant-do")
    p.one("dialog .copy")
    s.look("tenant-told")
    s.close()

    def menu(n):
        s.form(1280, "light")
        p.click(f"tr[data-row={name}] .menu-holder button")
        p.click(f"tr[data-row={name}] [role=menuitem]:nth-of-type({n})")

    menu(1)
    s.look("tenant-quota")
    s.form(1280, "light")
    p.write("#tenant-apps", "3" + Keys.ENTER)
    p.wait(lambda: not p.all("dialog[open]"))
    quota = nap.api("GET", "/tenants/" + name).json()["quota"]
    assert (quota["apps"]["limit"], quota["memory"]["limit"]) == (3, 256 << 20)
    menu(2)
    s.look("tenant-password")
    s.close()
    menu(3)
    s.look("tenant-disable")
    s.form(1280, "light")
    p.click("dialog .danger")
    p.one(f"tr[data-row={name}] .badge[data-state=stopped]")
    menu(3)
    p.one(f"tr[data-row={name}] .badge[data-state=active]")
    menu(4)
    s.look("tenant-remove")
    s.form(1280, "light")
    p.write("#destroy-name", name + Keys.ENTER)
    p.wait(lambda: not p.all("dialog[open]") and not p.all(f"tr[data-row={name}]"))
    assert nap.api("GET", "/tenants/" + name).status == 404
    assert p.faults() == []
    assert s.found == {}, json.dumps(s.found, indent=1, ensure_ascii=False)
