// Two instances beside each other, of one app or of two members of a group: do they say the same, and where not first?

import { all, get, segment } from "../api.js";
import { bytes, exact } from "../format.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { resource } from "../resource.js";
import { go, href } from "../router.js";
import { invalidate } from "../scope.js";
import { badge } from "../ui/badge.js";
import { button, card, empty, message, pageHead, pending, stale, when } from "../ui/parts.js";

const LINES = 1000; // of one log, as many as the API gives at once
const SHOWN = 300;

/** Each side: [app, instance]. */
export function compareHref(a, b) {
	return "#/compare?" + new URLSearchParams({ a: a.join("/"), b: b.join("/") });
}

function side(text) {
	const m = /^([a-z0-9_-]+)\/(\d+)$/.exec(text || "");
	return m && { app: m[1], instance: Number(m[2]) };
}

/** What the last run printed, and whether it is there from its first line on: as the server takes it. */
function lastRun(items) {
	let from = 0;
	let whole = items[0]?.seq === 1;
	items.forEach((line, i) => {
		if (line.stream !== "system" || !/Start(ed|ing)/.test(line.message)) return;
		from = i + 1;
		whole = true;
	});
	return { whole, lines: items.slice(from).filter((line) => line.stream === "output") };
}

export function comparePage(scope, { query }) {
	const a = side(query.get("a"));
	const b = side(query.get("b"));
	const view = { all: false, only: false };
	const family = { apps: [], group: null };

	async function look(one, signal) {
		const outputs = await get(`/apps/${segment(one.app)}/outputs`, null, signal);
		const output = outputs.items.find((i) => i.instance === one.instance) || null;
		const log = await get(`/apps/${segment(one.app)}/logs`, { instance: one.instance, release: output?.release, lines: LINES }, signal);
		return { ...one, output, instances: outputs.items.map((i) => i.instance), ...lastRun(log.items) };
	}

	async function load(signal) {
		const [left, right] = await Promise.all([look(a, signal), look(b, signal)]);
		const diff =
			a.app === b.app && left.output && right.output
				? await get(`/apps/${segment(a.app)}/outputs/diff`, { a: a.instance, b: b.instance }, signal)
				: null;
		return { left, right, diff };
	}

	const r = a && b && resource(scope, load, { every: 5000, when: (e) => e.app === a.app || e.app === b.app });
	if (r) learnFamily();

	async function learnFamily() {
		try {
			family.group = (await get("/apps/" + segment(a.app), null, scope.signal)).group;
			family.apps = (await all("/apps", { group: family.group }, scope.signal)).items.map((app) => app.name);
			invalidate();
		} catch {
			// The page itself says what is missing.
		}
	}

	return {
		title: () => t("compare"),
		view() {
			const head = pageHead(t("compare"));
			if (!r) return [head, card(null, empty(t("compare.none"), t("compare.none.text"), h("a", { class: "button", href: "#/groups" }, t("nav.groups"))))];
			if (r.error?.status === 404) return [head, card(null, empty(t("compare.gone"), t("compare.gone.text", { a: a.app, b: b.app }), h("a", { class: "button", href: "#/apps" }, t("nav.apps"))))];
			if (!r.data) return [head, card(null, pending(r, 5))];
			const { left, right, diff } = r.data;
			return [head, sub(), stale(r), verdict(left, right, diff), h("div", { class: "sides" }, sideCard(left, "a"), sideCard(right, "b")), linesCard(left, right)];
		},
	};

	function sub() {
		const names = a.app === b.app ? [a.app] : [a.app, b.app];
		return h(
			"div",
			{ class: "sub" },
			names.map((name) => h("a", { key: name, href: href("apps", name) }, name)),
			family.apps.length > 1 && h("a", { key: "group", href: href("groups", family.group) }, t("app.group", { name: family.group })),
		);
	}

	/** The first line in which both differ, from 0; -1: none among those that both have. Null: unknown. */
	function firstDifference(left, right) {
		if (!left.whole || !right.whole) return null;
		const n = Math.min(left.lines.length, right.lines.length);
		for (let i = 0; i < n; i++) if (left.lines[i].message !== right.lines[i].message) return i;
		const ended = (left.output?.complete && right.lines.length > n) || (right.output?.complete && left.lines.length > n);
		return ended ? n : -1;
	}

	function verdict(left, right, diff) {
		const said = (one) => one.output && (one.output.complete || one.lines.length > 0);
		if (!said(left) || !said(right)) return message("info", h("p", null, t("compare.silent")));
		const hashed = left.output.complete && right.output.complete;
		const first = firstDifference(left, right);
		const same = diff ? diff.same : hashed ? left.output.sha256 === right.output.sha256 && left.output.bytes === right.output.bytes : first === null ? null : first < 0;
		if (same === null) return message("info", h("p", null, t("compare.unknown", { n: LINES })));
		if (same) return message("ok", h("p", null, t(hashed ? "compare.same" : "compare.same.sofar")));
		const n = diff ? diff.line : first === null || first < 0 ? null : first + 1;
		return message("warn", h("p", null, n ? t("compare.differ.line", { n }) : t("outputs.differ")), diff?.cut && h("p", { class: "muted small" }, t("compare.cut")));
	}

	function sideCard(one, part) {
		const other = part === "a" ? [b.app, b.instance] : [a.app, a.instance];
		const to = (app, instance) => go(part === "a" ? compareHref([app, instance], other) : compareHref(other, [app, instance]));
		const apps = family.apps.length > 1 ? family.apps : [one.app];
		const numbers = one.instances.includes(one.instance) ? one.instances : [...one.instances, one.instance];
		const o = one.output;
		const fact = (label, value) => [h("dt", null, label), h("dd", null, value)];
		return h(
			"section",
			{ class: "card", key: part, "data-side": part },
			h(
				"div",
				{ class: "card-head" },
				h("h2", null, t("compare.side." + part)),
				h(
					"div",
					{ class: "actions" },
					apps.length > 1 && h("select", { class: "input", "aria-label": t("app"), value: one.app, onChange: (e) => to(e.target.value, 1) }, apps.map((name) => h("option", { key: name, value: name }, name))),
					h("select", { class: "input", "aria-label": t("logs.which"), value: String(one.instance), onChange: (e) => to(one.app, Number(e.target.value)) }, numbers.map((n) => h("option", { key: n, value: String(n) }, t("logs.instance", { n: String(n) })))),
				),
			),
			h(
				"dl",
				{ class: "card-body facts" },
				fact(t("app"), h("span", { class: "mono" }, one.app)),
				fact(t("col.state"), o?.state ? badge(o.state, o.state === "failed" && o.exit_code !== null ? t("state.failed.exit", { code: String(o.exit_code) }) : undefined) : "–"),
				fact(t("col.since"), when(o?.started_at)),
				fact(t("compare.size"), o ? bytes(o.bytes) : "–"),
				fact(t("compare.sha"), o ? h("span", { class: "mono", title: o.sha256 }, o.sha256.slice(0, 16), o.complete ? "" : " " + t("compare.sofar")) : "–"),
			),
		);
	}

	function linesCard(left, right) {
		const total = Math.max(left.lines.length, right.lines.length);
		if (total === 0) return card(t("tab.logs"), empty(t("compare.nolines"), t("logs.none")));
		const aligned = left.whole && right.whole;
		const first = firstDifference(left, right);
		const rows = [];
		for (let i = 0; i < total; i++) {
			const [x, y] = [left.lines[i], right.lines[i]];
			const differs = aligned && x?.message !== y?.message;
			if (!view.only || differs) rows.push({ i, x, y, differs });
		}
		const there = view.all ? rows : rows.slice(0, SHOWN);
		const cell = (line, name) => h("td", { class: line ? null : "absent", title: line ? exact(line.time) : null, "data-of": name }, line ? line.message : "");
		return card(
			t("tab.logs"),
			[
				!aligned && h("p", { class: "card-body muted" }, t("compare.unaligned", { n: LINES })),
				rows.length === 0 && h("p", { class: "card-body muted" }, t("compare.nodiffs")),
				h(
					"div",
					{ class: "table-wrap" },
					h(
						"table",
						{ class: "lines-beside" },
						h("caption", { class: "sr" }, t("tab.logs")),
						h("thead", null, h("tr", null, [t("compare.line"), heading(left), heading(right)].map((text, i) => h("th", { key: i, scope: "col" }, text)))),
						h(
							"tbody",
							null,
							there.map(({ i, x, y, differs }) =>
								h(
									"tr",
									{ key: i, "data-differs": differs ? "yes" : null, id: i === first ? "first-difference" : null },
									h("th", { scope: "row" }, String(i + 1)),
									cell(x, heading(left)),
									cell(y, heading(right)),
								),
							),
						),
					),
				),
				there.length < rows.length && h("div", { class: "card-body" }, button(t("compare.more", { n: rows.length - there.length }), { onClick: () => ((view.all = true), invalidate()) })),
			],
			aligned &&
				h("label", { class: "check" }, h("input", { type: "checkbox", id: "only", checked: view.only, onChange: (e) => ((view.only = e.target.checked), invalidate()) }), t("compare.only")),
			first !== null && first >= 0 && first < SHOWN && !view.only && button(t("compare.first"), { small: true, onClick: () => document.getElementById("first-difference")?.scrollIntoView({ block: "center" }) }, "down"),
		);
	}

	function heading(one) {
		if (a.app === b.app) return t("logs.instance", { n: String(one.instance) });
		return one.instance === 1 ? one.app : t("compare.of", { app: one.app, n: String(one.instance) });
	}
}
