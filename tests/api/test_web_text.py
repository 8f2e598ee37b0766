"""The manager's texts: every key in both languages, used, with the same places; nothing hard-coded."""

import json
import pathlib
import re

JS = pathlib.Path(__file__).resolve().parents[2] / "web" / "js"
MADE = ("state.", "error.", "kind.", "step.", "theme.", "link.", "queued.", "quota.", "unit.", "account.theme.", "actor.", "audit.kind.",
        "compare.side.", "event.", "tokens.scope.")
# Capitalised words in the code that are no text: names of keys, headers, browsers, systems, and of a thing's own.
NAMES = set("""Accept Authorization Bearer Content Idempotency Prefer Request Retry Tenant Range Backspace Delete Enter Escape Home
    End ArrowDown ArrowUp Edge Firefox Chrome Safari Android Windows Linux English AbortError BroadcastChannel DETAILS""".split())


def texts(language):
    found = {}
    for line in (JS / "text" / f"{language}.js").read_text().splitlines():
        m = re.match(r'\t"([^"]+)": (.*),$', line)
        if m:
            assert m[1] not in found, f"{language}: {m[1]} stands twice"
            found[m[1]] = m[2]
    return found


def sources():
    return {p: p.read_text() for p in JS.rglob("*.js") if p.parent.name != "text"}


def test_both_languages_have_the_same_keys_and_places():
    en, zh = texts("en"), texts("zh-CN")
    assert len(en) > 100
    assert set(en) == set(zh)
    for key in en:
        places = [set(re.findall(r"\{(\w+)\}", t)) for t in (en[key], zh[key])]
        assert places[0] == places[1], key


def test_every_key_that_is_used_exists():
    en = texts("en")
    for path, text in sources().items():
        for key in re.findall(r'\btx?\(\s*"([^"]+)"\s*[,)]', text):
            assert key in en, f"{path.name} uses {key}"


def test_every_key_is_used():
    everything = "\n".join(sources().values())
    for key in texts("en"):
        if not key.startswith(MADE):
            assert f'"{key}"' in everything, key


def test_every_error_code_has_a_sentence():
    en = texts("en")
    document = json.loads((JS.parent / "openapi.json").read_text())
    codes = {c["code"] for c in document["x-error-codes"]}
    # and of operations; those of a worker that ends, or has lost its operation, are shown to nobody
    for path in (JS.parents[1] / "fcgi" / "job").glob("*.c"):
        codes |= {a or b for a, b in re.findall(r'\bERR_[A-Z_]+,\s*"([a-z_]+)"|", "([a-z_]+)", ERR_', path.read_text())}
    assert sorted(c for c in codes - {"stopping", "lost"} if "error." + c not in en) == []


def literals(text):
    """the strings of a source, without comments; of templates what stands between the places"""
    text = re.sub(r"^\s*//.*$|/\*.*?\*/|(?<=[;{},])\s+//.*$", "", text, flags=re.M | re.S)
    yield from re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
    for template in re.findall(r"`([^`]*)`", text):
        yield from re.split(r"\$\{[^}]*\}", template)


def test_no_text_stands_in_the_pages():
    for path, text in sources().items():
        for s in literals(text):
            assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", s) or s == "中文", f"{path.name}: {s}"
            word = re.match(r"([A-Z][a-z]{3,})\b", s)
            assert not word or word[1] in NAMES, f"{path.name}: {s}"
        # what is read out, or shown on hovering, comes from the texts too
        for s in re.findall(r'(?:"aria-label"|\b(?:title|placeholder|alt)): "([^"]+)"', text):
            assert re.match(r"https://|[0-9]|command:", s), f"{path.name}: {s}"


def test_the_page_needs_no_inline_script_and_no_other_host():
    web = JS.parent
    html = (web / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"\bstyle=|\bon\w+=", html)
    for path in web.rglob("*"):
        if path.suffix in (".js", ".css", ".html") and "text" not in path.parts:
            for address in re.findall(r"https?://[^\s\"'`]+", path.read_text()):
                assert address.startswith(("http://www.w3.org/", "https://github.com/")), (path.name, address)
            assert not re.search(r"\beval\(|new Function\(|innerHTML", path.read_text()), path.name
