// The list of apps.

import { act, bulkActions, canStart, canStop, destroy, destroyAll, gone } from "../actions.js";
import { appList } from "../apps.js";
import { middle } from "../format.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { href, rewrite } from "../router.js";
import { invalidate } from "../scope.js";
import { session } from "../session.js";
import { appBadge } from "../ui/badge.js";
import { destroyDialog } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import { menu } from "../ui/menu.js";
import { button, card, empty, pageHead, pending, stale, table, when } from "../ui/parts.js";
import { selection } from "../ui/selection.js";
import { firstDeploy } from "./first.js";

const states = ["running", "starting", "degraded", "failed", "stopped", "finished", "empty", "deleting"];

export function appsPage(scope, { query }) {
	const apps = appList(scope);
	const filter = { q: query.get("q") || "", state: query.get("state") || "", group: query.get("group") || "" };
	const chosen = selection((a) => a.name);
	let asking = null;

	function set(part, value) {
		filter[part] = value;
		const q = new URLSearchParams(Object.entries(filter).filter(([, v]) => v));
		rewrite("#/apps" + (q.size ? "?" + q : ""));
		invalidate();
	}

	function ask(app) {
		asking = destroyDialog({
			name: app.name,
			lost: () => lost(app),
			run: () => destroy(app.name),
		});
		asking.open();
	}

	/** Of several: what is typed is the tenant's own name. */
	function askAll(list) {
		const names = list.map((a) => a.name);
		asking = destroyManyDialog(names, session.tenant);
		asking.open();
	}

	return {
		title: () => t("nav.apps"),
		keys: { "/": () => document.getElementById("q")?.focus() },
		view() {
			const head = pageHead(t("nav.apps"), null, h("a", { class: "button primary", href: "#/deploy" }, t("deploy")));
			if (!apps.data) return [head, card(null, pending(apps, 6))];
			if (apps.data.length === 0) return [head, firstDeploy()];
			const q = filter.q.trim().toLowerCase();
			const rows = apps.data.filter(
				(a) =>
					(!filter.state || a.state === filter.state) &&
					(!filter.group || a.group === filter.group) &&
					(!q || a.name.includes(q) || (a.url || "").toLowerCase().includes(q) || (a.group || "").includes(q)),
			);
			const groups = [...new Set(apps.data.map((a) => a.group))].sort();
			const picked = chosen.of(rows);
			return [
				head,
				stale(apps),
				h(
					"div",
					{ class: "filters", role: "search" },
					h("input", {
						id: "q",
						class: "input search",
						type: "search",
						placeholder: t("apps.search"),
						"aria-label": t("apps.search"),
						value: filter.q,
						onInput: (e) => set("q", e.target.value),
					}),
					h(
						"select",
						{ class: "input", "aria-label": t("apps.filter"), value: filter.state, onChange: (e) => set("state", e.target.value) },
						h("option", { value: "" }, t("apps.all")),
						states.map((s) => h("option", { key: s, value: s }, t("state." + s))),
					),
					groups.length > 1 &&
						h(
							"select",
							{ class: "input", key: "group", "aria-label": t("apps.group"), value: filter.group, onChange: (e) => set("group", e.target.value) },
							h("option", { value: "" }, t("apps.group.all")),
							groups.map((g) => h("option", { key: g, value: g }, g)),
						),
				),
				card(
					null,
					rows.length
						? [
								chosen.bar(rows, bulkActions(picked, () => askAll(picked))),
								table(t("nav.apps"), [chosen.column(rows), ...columns()], rows, (a) => a.name),
							]
						: empty(
								t("apps.none"),
								t("apps.none.text"),
								button(t("apps.clear"), {
									onClick: () => {
										set("q", "");
										set("state", "");
										set("group", "");
									},
								}),
							),
				),
				asking?.view(),
			];
		},
	};

	function columns() {
		return [
			{
				key: "name",
				name: t("col.name"),
				cell: (a) => [
					h("a", { class: "name", href: href("apps", a.name), title: a.name }, middle(a.name, 32)),
					h("span", { class: "under" }, t("instances.of", { a: a.running_instances, b: a.desired_instances })),
				],
			},
			{ key: "state", name: t("col.state"), cell: appBadge },
			{
				key: "instances",
				name: t("instances"),
				n: true,
				wide: true,
				cell: (a) => h("span", { class: "of" }, t("of", { a: a.running_instances, b: a.desired_instances })),
			},
			{ key: "release", name: t("release"), n: true, wide: true, cell: (a) => (a.release ? "v" + a.release : "–") },
			{ key: "address", name: t("address"), wide: true, cell: (a) => address(a) },
			{ key: "updated", name: t("col.changed"), n: true, wide: true, cell: (a) => when(a.updated_at) },
			{ key: "act", name: t("actions"), act: true, cell: (a) => actions(a) },
		];
	}

	function actions(a) {
		return menu("app-" + a.name, t("actions.of", { name: a.name }), [
			{ text: t("tab.logs"), href: href("apps", a.name, "logs") },
			a.address && { text: t("open"), href: a.address, out: true },
			null,
			{ text: t("start"), run: () => act(a.name, "start"), disabled: !canStart(a) },
			{ text: t("restart"), run: () => act(a.name, "restart"), disabled: !canStop(a) },
			{ text: t("stop"), run: () => act(a.name, "stop"), disabled: !canStop(a) },
			null,
			{ text: t("destroy.menu"), run: () => ask(a), disabled: gone(a) },
		].filter((i) => i !== "" && i !== undefined));
	}
}

export function lost(app) {
	return [
		t("destroy.lost.instances", { n: app.desired_instances || 0 }),
		t("destroy.lost.source"),
		...(app.address ? [t("destroy.lost.address", { address: app.address })] : []),
	];
}

const NAMED = 8;

/** word: what is typed to confirm it. */
export function destroyManyDialog(names, word) {
	return destroyDialog({
		name: word,
		title: () => t("bulk.destroy.title", { n: names.length }),
		lost: () => [...names.slice(0, NAMED), ...(names.length > NAMED ? [t("similar.more", { n: names.length - NAMED })] : []), t("bulk.destroy.lost")],
		doText: () => t("bulk.destroy.do", { n: names.length }),
		run: () => destroyAll(names),
	});
}

export function address(a) {
	if (!a.address) return h("span", { class: "muted" }, "–");
	const short = a.address.replace(/^https?:\/\//, "").replace(/\/$/, "");
	return h(
		"a",
		{ href: a.address, target: "_blank", rel: "noopener noreferrer", title: a.address, class: "nowrap" },
		middle(short, 30),
		" ",
		icon("out", 12),
		h("span", { class: "sr" }, t("newtab")),
	);
}
