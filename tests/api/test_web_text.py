"""The manager's texts: every key in both languages, used, with the same places; nothing hard-coded."""

import pathlib
import re

JS = pathlib.Path(__file__).resolve().parents[2] / "web" / "js"
MADE = ("state.", "error.", "kind.", "step.", "theme.", "link.", "queued.", "quota.")


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


def test_no_text_stands_in_the_pages():
    # A child of h() that is a string of two words or more is a sentence for people.
    for path, text in sources().items():
        for found in re.findall(r'h\([^"\n]*"[^"\n]*", [^"\n]*, "([A-Z][a-z]+ [^"\n]*)"', text):
            raise AssertionError(f"{path.name}: {found}")


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
