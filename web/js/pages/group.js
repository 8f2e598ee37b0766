// One group: what its members were given and what they came to.

import { bulkActions, post } from "../actions.js";
import { call, get, save, segment } from "../api.js";
import { duration, middle } from "../format.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { resource } from "../resource.js";
import { go, href } from "../router.js";
import { invalidate } from "../scope.js";
import { badge } from "../ui/badge.js";
import { destroyDialog } from "../ui/dialog.js";
import { menu } from "../ui/menu.js";
import { notice } from "../ui/notices.js";
import { operationCard, watch } from "../ui/operation.js";
import { button, card, empty, pageHead, pending, stale, table } from "../ui/parts.js";
import { selection } from "../ui/selection.js";
import { similarDialog } from "../ui/similar.js";
import { plot } from "../ui/plot.js";
import { destroyManyDialog } from "./apps.js";
import { compareHref } from "./compare.js";
import { groupBadges } from "./groups.js";

const SHOWN = 200;

export function groupPage(scope, { params }) {
	const name = params.group;
	const path = "/groups/" + segment(name);
	const members = new Set();
	const mine = (e) => e.app === name || members.has(e.app);
	const group = resource(scope, (signal) => get(path, { limit: 1 }, signal), { every: 10000, when: mine });
	const results = resource(
		scope,
		async (signal) => {
			const data = await get(path + "/results", null, signal);
			data.items.forEach((m) => members.add(m.name));
			return data;
		},
		{ every: 10000, when: mine },
	);
	const extend = similarDialog({ path: path + "/extend", name, group: name });
	const ask = destroyDialog({ name, lost: () => [t("group.lost", { n: group.data?.members || 0 }), t("destroy.lost.source")], run: destroy });
	const view = { sort: null, down: false, filters: {}, x: null, y: null, all: false };
	const chosen = selection((m) => m.name);
	let asking = null;
	let shown = null;

	function follow(operation) {
		if (operation?.id) shown = { r: watch(scope, operation.id), first: operation };
		group.soon();
		results.soon();
		invalidate();
	}

	async function run(verb, body = {}) {
		follow(await post(`${path}/${verb}`, body, t("queued.group")));
	}

	async function destroy() {
		const { data } = await call("DELETE", path, { query: { confirm: name } });
		notice("info", t("queued.destroy", { name }));
		follow(data.operation);
	}

	const cell = (m, c) =>
		c.of === "params" ? m.params?.[c.key] : c.of === "values" ? m.values?.[c.key] : c.key === "command" ? m.command : m[c.key];

	function columnsOf(data) {
		return [
			...data.params.map((key) => ({ id: "p." + key, key, of: "params", name: key })),
			...data.values.map((key) => ({ id: "v." + key, key, of: "values", name: key })),
			{ id: "exit_code", key: "exit_code", name: t("col.exit") },
			{ id: "seconds", key: "seconds", name: t("col.duration") },
		];
	}

	const numeric = (v) => v !== null && v !== undefined && v !== "" && Number.isFinite(Number(v));

	/** Numbers by size, before texts; who has none comes last, whichever way. */
	function compare(a, b, c) {
		const [x, y] = [cell(a, c), cell(b, c)];
		const none = (v) => v === null || v === undefined;
		if (none(x) || none(y)) return none(x) - none(y);
		const sign = view.down ? -1 : 1;
		if (numeric(x) && numeric(y)) return sign * (Number(x) - Number(y));
		if (numeric(x) !== numeric(y)) return numeric(x) ? -1 : 1;
		return sign * String(x).localeCompare(String(y));
	}

	function sortBy(c) {
		view.down = view.sort === c.id ? !view.down : false;
		view.sort = c.id;
		invalidate();
	}

	function rowsOf(data, columns) {
		const rows = data.items.filter((m) => Object.entries(view.filters).every(([id, v]) => String(cell(m, columns.find((c) => c.id === id) || {})) === v));
		const by = columns.find((c) => c.id === view.sort);
		return by ? [...rows].sort((a, b) => compare(a, b, by)) : rows;
	}

	function filterBy(c, value) {
		view.filters[c.id] = String(value);
		invalidate();
	}

	function resultColumn(c, best) {
		return {
			key: c.id,
			n: true,
			name: button([c.name, view.sort === c.id ? (view.down ? " ↓" : " ↑") : ""], { plain: true, small: true, class: "sort", "aria-pressed": view.sort === c.id ? "true" : "false", onClick: () => sortBy(c) }),
			cell: (m) => {
				const v = cell(m, c);
				if (v === null || v === undefined) return h("span", { class: "muted" }, "–");
				if (c.key === "seconds") return duration(v * 1000);
				const text = m === best && c.id === view.sort ? h("strong", null, String(v)) : String(v);
				return c.of === "params" ? button(text, { plain: true, small: true, title: t("group.filter", { value: String(v) }), onClick: () => filterBy(c, v) }) : text;
			},
		};
	}

	function selected(rows) {
		const picked = chosen.of(rows);
		const destroyThem = () => {
			asking = destroyManyDialog(picked.map((m) => m.name), name);
			asking.open();
		};
		return chosen.bar(
			rows,
			bulkActions(
				picked,
				destroyThem,
				button(t("compare"), { key: "compare", small: true, id: "bulk-compare", disabled: picked.length !== 2, title: t("compare.two"), onClick: () => go(compareHref([picked[0].name, 1], [picked[1].name, 1])) }),
			),
		);
	}

	function tableCard(data) {
		const columns = columnsOf(data);
		const rows = rowsOf(data, columns);
		const there = view.all ? rows : rows.slice(0, SHOWN);
		const best = view.sort ? rows[0] : null;
		const filters = Object.entries(view.filters);
		return card(
			t("group.members"),
			[
				filters.length > 0 &&
					h(
						"div",
						{ class: "card-body row wrap" },
						filters.map(([id, v]) => button(t("group.filtered", { name: columns.find((c) => c.id === id)?.name || id, value: v }), { key: id, small: true, onClick: () => (delete view.filters[id], invalidate()) }, "close")),
					),
				selected(there),
				table(
					t("group.members"),
					[
						chosen.column(there),
						{ key: "name", name: t("col.name"), cell: (m) => [h("a", { class: "name nowrap", href: href("apps", m.name), title: m.name }, middle(m.name, 28)), best === m ? h("span", { class: "chip best" }, t("group.best")) : null] },
						{ key: "state", name: t("col.state"), cell: (m) => badge(m.wave === "held" ? "waiting" : m.state) },
						{ key: "command", name: t("command"), wide: true, cell: (m) => h("span", { class: "mono", title: m.command }, middle(m.command || "", 40)) },
						...columns.map((c) => resultColumn(c, best)),
					],
					there,
					(m) => m.name,
				),
				!view.all && rows.length > SHOWN && h("div", { class: "card-body" }, button(t("group.all", { n: rows.length }), { onClick: () => ((view.all = true), invalidate()) })),
			],
			[
				button(t("files.download"), { small: true, id: "files", onClick: () => save(path + "/files.tar", name + "-files.tar") }),
				button(t("group.csv"), { small: true, onClick: () => save(path + "/results", name + ".csv", { format: "csv" }) }),
			],
		);
	}

	function plotCard(data) {
		const columns = columnsOf(data).filter((c) => data.items.some((m) => numeric(cell(m, c))));
		if (columns.length < 2) return null;
		const x = columns.find((c) => c.id === view.x) || columns[0];
		const y = columns.find((c) => c.id === view.y) || columns.find((c) => c.of === "values") || columns[1];
		const points = rowsOf(data, columnsOf(data))
			.filter((m) => numeric(cell(m, x)) && numeric(cell(m, y)))
			.map((m) => ({ x: Number(cell(m, x)), y: Number(cell(m, y)), name: m.name }));
		const choose = (part, now, label) =>
			h(
				"select",
				{ class: "input", "aria-label": label, value: now.id, onChange: (e) => ((view[part] = e.target.value), invalidate()) },
				columns.map((c) => h("option", { key: c.id, value: c.id }, c.name)),
			);
		return card(t("group.plot"), h("div", { class: "card-body stack" }, h("div", { class: "row" }, choose("x", x, t("group.x")), choose("y", y, t("group.y"))), plot(points, x.name, y.name)));
	}

	return {
		title: () => name,
		view() {
			const g = group.data;
			if (group.error?.status === 404) return [pageHead(name), card(null, empty(t("group.missing"), t("group.missing.text", { name }), h("a", { class: "button", href: "#/groups" }, t("nav.groups"))))];
			if (!g || !results.data) return [pageHead(name), card(null, pending(g ? results : group, 5))];
			const first = results.data.items.at(-1) || results.data.items[0];
			return [
				pageHead(
					name,
					groupBadges(g),
					button(t("group.extend"), { primary: true, id: "extend", onClick: () => extend.open(first?.command || "") }),
					button(t("group.rerun"), { disabled: !g.failed, onClick: () => run("rerun", { which: "failed" }) }),
					menu("group", t("actions"), [
						{ text: t("start"), run: () => run("start") },
						{ text: t("restart"), run: () => run("restart") },
						{ text: t("stop"), run: () => run("stop") },
						{ text: t("group.rerun.all"), run: () => run("rerun", { which: "all" }) },
						null,
						{ text: t("group.deploy"), run: () => run("releases"), disabled: !g.root },
						{ text: t("group.back"), run: () => run("releases", { back: true }), disabled: !g.root },
						null,
						{ text: t("destroy.menu"), run: () => ask.open() },
					], "outlined"),
				),
				h(
					"div",
					{ class: "sub" },
					g.root ? h("a", { href: href("apps", g.root) }, t("group.root", { name: g.root })) : h("span", null, t("group.rootless")),
					g.parallel && h("span", null, t("group.parallel", { n: g.parallel })),
				),
				stale(results),
				shown && operationCard(shown.r.data || shown.first),
				tableCard(results.data),
				plotCard(results.data),
				extend.view(),
				ask.view(),
				asking?.view(),
			];
		},
	};
}
