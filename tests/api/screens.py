"""A look at a screen as a careful reader takes it: what has no name or label, what cannot be read for want of contrast,
which headings and landmarks are missing, what sticks out of the window, and which words are of the wrong language."""

# Words of four Latin letters and more that stand in a Chinese page rightly: names of things, and what people type.
ALLOWED = set("""GitHub GitLab Webhook webhook profile HEAD English localhost http https HTTP REST PORT HOST NAP_TOKEN TOKEN
    curl clone tree Makefile domain main Escape Ctrl test operator""".split())

# Commands, names and what a server or a browser said in its own words are data, in whatever language.
DATA = "code, pre, kbd, svg, time, .mono, .name, .brand, .me, .log-view, .lines-beside td, [lang=en]"

SETTLED = """
const done = arguments[arguments.length - 1];
const go = arguments[0];
// behind a sign-in nothing can arrive
const coming = () => !document.querySelector('dialog[open] #password') && document.querySelector('.busy-line, [aria-busy=true], .card-body:empty');
const look = () => coming() || !document.querySelector('h1')
    ? setTimeout(look, 40) : requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
if (go === null || location.hash === go) look();
else {
    addEventListener('hashchange', () => setTimeout(look, 30), { once: true });
    location.hash = go;
}
"""

LATIN = """
const data = arguments[0];
const shown = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let n = walk.nextNode(); n; n = walk.nextNode())
    if (!n.parentElement.closest(data) && shown(n.parentElement)) found.push(n.data);
for (const e of document.querySelectorAll('[placeholder], [aria-label], [title]'))
    if (!e.closest(data) && shown(e))
        for (const a of ['placeholder', 'aria-label', 'title']) if (e.hasAttribute(a)) found.push(e.getAttribute(a));
found.push(document.title);
return found;
"""

AUDIT = r"""
const faults = [];
const shown = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
const open = document.querySelector('dialog[open]');
const root = open || document.body;
const all = (css) => [...root.querySelectorAll(css)].filter(shown);
const where = (e) => `<${e.tagName.toLowerCase()}${e.id && ' id=' + e.id}${e.className && typeof e.className === 'string' ? ' class="' + e.className + '"' : ''}> ${(e.textContent || '').trim().slice(0, 40)}`;
const say = (what, e) => faults.push(what + ': ' + where(e));

function nameOf(e) {
    const by = e.getAttribute('aria-labelledby');
    if (by) return by.split(' ').map((id) => document.getElementById(id)?.textContent || '').join(' ').trim();
    if (e.getAttribute('aria-label')) return e.getAttribute('aria-label').trim();
    if (e.labels?.length) return [...e.labels].map((l) => l.textContent).join(' ').trim();
    const text = [...e.childNodes].map((c) => c.nodeType === 3 ? c.data : c.nodeType !== 1 || c.getAttribute('aria-hidden') === 'true' ? ''
        : c.tagName === 'IMG' ? c.alt : nameOf(c)).join(' ').trim();
    return text || (e.title || '').trim();
}

// Names of what can be worked with
for (const e of all('button, a[href], [role=menuitem], summary')) if (!nameOf(e)) say('no name', e);
for (const e of all('input, select, textarea')) if (!e.labels?.length && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')) say('no label', e);
for (const e of all('img')) if (!e.hasAttribute('alt')) say('no alt', e);
for (const e of all('dialog, nav, [role=log], [role=meter], [role=group], svg[role=img]')) if (!nameOf(e)) say('no name', e);

// Identity and references
const ids = new Map();
for (const e of document.querySelectorAll('[id]')) ids.has(e.id) ? say('id twice', e) : ids.set(e.id, e);
for (const a of ['aria-describedby', 'aria-labelledby', 'aria-controls', 'popovertarget', 'for'])
    for (const e of root.querySelectorAll(`[${a}]`)) for (const id of e.getAttribute(a).split(' ')) if (!ids.has(id)) say(`${a} leads nowhere`, e);

// Headings and landmarks
if (!document.documentElement.lang) faults.push('no lang');
if (!open) {
    if (all('h1').length !== 1) faults.push(`${all('h1').length} h1`);
    if (all('main').length !== 1) faults.push(`${all('main').length} main`);
    let level = 0;
    for (const e of all('main h1, main h2, main h3, main h4')) {
        const n = Number(e.tagName[1]);
        if (n > level + 1) say(`h${n} after h${level}`, e);
        level = n;
    }
}
for (const e of all('table')) {
    if (!e.caption) say('no caption', e);
    for (const th of e.querySelectorAll('thead th')) if (!th.scope) say('no scope', th);
}
for (const e of all('ul, ol')) if ([...e.children].some((c) => c.tagName !== 'LI')) say('list of other things', e);
for (const e of all('dl')) if ([...e.children].some((c) => !['DT', 'DD', 'DIV'].includes(c.tagName))) say('dl of other things', e);

// A link within a sentence is seen without its colour; what scrolls can be reached by keys
for (const e of all('p > a')) if (e.parentElement.textContent.trim() !== e.textContent.trim() && !getComputedStyle(e).textDecorationLine.includes('underline')) say('link only by colour', e);
for (const e of all('*')) {
    const { overflowX, overflowY } = getComputedStyle(e);
    const scrolls = (/auto|scroll/.test(overflowX) && e.scrollWidth > e.clientWidth + 1) || (/auto|scroll/.test(overflowY) && e.scrollHeight > e.clientHeight + 1);
    if (scrolls && e.tabIndex < 0 && !e.querySelector('a[href], button, input, select, textarea, [tabindex="0"]')) say('scrolls without keys', e);
}

// Contrast, of what is not disabled
const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
const kept = new Map();
function rgba(text) {
    if (!kept.has(text)) {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = text;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        kept.set(text, [r, g, b, a / 255]);
    }
    return kept.get(text);
}
const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3])).concat(1);
function behind(e) {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
        const c = rgba(getComputedStyle(at).backgroundColor);
        if (c[3] > 0) layers.push(c);
        if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
}
const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((s, c, i) => s + c * [0.2126, 0.7152, 0.0722][i], 0);
function ratio(a, b) {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
}
const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
const seen = new Set();
for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || seen.has(e) || !shown(e) || e.closest(':disabled, [aria-disabled=true], .sr, svg, option')) continue;
    seen.add(e);
    const style = getComputedStyle(e);
    const back = behind(e);
    const need = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const got = ratio(over(rgba(style.color), back), back);
    if (got < need) say(`contrast ${got.toFixed(2)}`, e);
}

// Nothing sticks out, and what is pressed is large enough to be met
if (document.documentElement.scrollWidth > innerWidth) faults.push(`${document.documentElement.scrollWidth} px wide`);
for (const e of all('button, .button, select, input:not([type=checkbox])')) {
    const box = e.getBoundingClientRect();
    if (box.height < 31.5 || box.width < 24) say(`${Math.round(box.width)} x ${Math.round(box.height)} px`, e);
}
return faults;
"""

# Where a key has gone: the element, and whether one sees it.
FOCUS = """
const e = document.activeElement;
const style = getComputedStyle(e);
const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')].filter((x) =>
    x.checkVisibility({ checkVisibilityCSS: true }) && !x.disabled && x.tabIndex >= 0 && !x.inert);
return [all.indexOf(e), all.length, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, e.outerHTML.slice(0, 120)];
"""
