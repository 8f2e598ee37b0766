"""The manager in a real browser (headless Chromium) against the real stack: the main job by hand.

Of conftest.py it uses `nap` (.url, .admin_token) and `git_server` (.repo(name, {path: text}) gives the URL
of a repository that nap may fetch).
"""

import json
import shutil
import tempfile
import time
import urllib.request
import uuid

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

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

    def sign_in(self, tenant, password):
        self.d.get(self.url)
        self.write("#tenant", tenant)
        self.write("#password", password + Keys.ENTER)

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
    name, password = "b" + uuid.uuid4().hex[:10], uuid.uuid4().hex
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
    browser.get(p.url + "#/groups")
    p.one("tr[data-row=sweep]")
    assert p.faults() == []


def test_chinese_on_a_phone_in_the_dark(nap, tenant, browser):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    p = Page(browser, nap.url)
    browser.get(p.url)
    p.click(".language")
    p.says("登录")
    p.sign_in(*tenant)
    p.says("部署第一个应用")
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert sum(int(n) for n in dark[4:-1].split(",")) < 120
    for place in ("#/", "#/apps", "#/deploy", "#/groups", "#/machines", "#/activity", "#/apps/none"):
        browser.get(p.url + place)
        p.one("main h1")
        time.sleep(0.6)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 360, f"{place} is {wide} px wide"
    assert p.faults() == []
