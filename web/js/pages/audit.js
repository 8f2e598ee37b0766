// Audit: who did what, when, with what result. Operations a row each, or every single event.

import { all, get } from "../api.js";
import { between } from "../format.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { resource } from "../resource.js";
import { rewrite } from "../router.js";
import { saveCsv } from "../save.js";
import { invalidate } from "../scope.js";
import { session } from "../session.js";
import { subscribe } from "../stream.js";
import { actorText, eventActor, eventResult, eventText } from "../ui/event.js";
import { kindText, operationBadge, operationWhen } from "../ui/operation.js";
import { button, card, empty, explain, pageHead, pending, problemMessage, refused, stale, table, when } from "../ui/parts.js";
import { tabs } from "../ui/tabs.js";
import { appLink } from "./home.js";

const parts = [
	["", "audit.operations"],
	["events", "audit.events"],
];
const kinds = ["operation", "operation.failed", "app", "instance", "session", "token", "key", "host_key", "tenant"];
const states = ["queued", "running", "succeeded", "failed", "cancelled"];
const PAGE = 100;

export function auditPage(scope, { params, query }) {
	const wanted = params.tab === "events" ? "events" : "";
	const tokens = resource(scope, async (signal) => new Map((await all("/tokens", null, signal)).items.map((k) => [k.id, k.name])));
	const who = (actor) => actorText(actor, tokens.data);
	const tab = wanted === "events" ? eventsTab(scope, query, who) : operationsTab(scope, query, who);
	return {
		title: () => t("nav.audit"),
		keys: { "/": () => document.getElementById("audit-app")?.focus() },
		view: () => [
			pageHead(t("nav.audit")),
			tabs(t("audit.tabs"), parts.map(([id, key]) => ({ id, text: t(key), href: "#/audit" + (id && "/" + id) })), wanted),
			h("div", { class: "stack", key: "tab-" + wanted }, tab()),
		],
	};
}

/** The fields above a list; what is chosen stands in the address. */
function filterBar(base, filter, choices, label, changed, ...more) {
	const set = (part) => (e) => {
		filter[part] = e.target.value.trim();
		const q = new URLSearchParams(Object.entries(filter).filter(([, v]) => v));
		rewrite(base + (q.size ? "?" + q : ""));
		changed();
	};
	return h(
		"div",
		{ class: "filters", role: "search" },
		h("input", { id: "audit-app", class: "input search", type: "search", placeholder: t("audit.app"), "aria-label": t("audit.app"), value: filter.app, onInput: set("app") }),
		h(
			"select",
			{ class: "input", "aria-label": label, id: "audit-kind", value: filter.kind, onChange: set("kind") },
			h("option", { value: "" }, t("audit.all")),
			choices.map(([value, text]) => h("option", { key: value, value }, text)),
		),
		more,
	);
}

const noneFound = () => empty(t("audit.none"), t("audit.none.text"));

function operationsTab(scope, query, who) {
	const filter = { app: query.get("app") || "", kind: query.get("kind") || "" };
	const operations = resource(scope, (signal) => get("/operations", { limit: 200 }, signal), { every: 10000, when: (e) => Boolean(e.app) });

	function csv(rows) {
		saveCsv(
			[["id", "created_at", "created_by", "kind", "app", "state", "error_code", "error", "started_at", "ended_at"], ...rows.map((o) => [o.id, o.created_at, o.created_by, o.kind, o.app, o.state, o.error?.code, o.error?.detail, o.started_at, o.ended_at])],
			"operations.csv",
		);
	}

	return () => {
		if (!operations.data) return card(null, pending(operations, 6));
		const rows = operations.data.items.filter((o) => (!filter.app || o.app.includes(filter.app)) && (!filter.kind || o.state === filter.kind));
		if (operations.data.items.length === 0) return card(null, empty(t("operations.none"), t("operations.none.text")));
		return [
			stale(operations),
			filterBar(
				"#/audit",
				filter,
				states.map((s) => [s, t("state." + s)]),
				t("col.state"),
				invalidate,
				h("span", { class: "end", key: "csv" }, button(t("group.csv"), { id: "csv", onClick: () => csv(rows) })),
			),
			card(
				null,
				rows.length === 0
					? noneFound()
					: table(
							t("audit.operations"),
							[
								{ key: "kind", name: t("col.what"), cell: (o) => [h("span", { class: "nowrap" }, kindText(o)), h("span", { class: "under" }, who(o.created_by))] },
								{ key: "app", name: t("app"), cell: (o) => appLink(o.app) },
								{ key: "who", name: t("col.who"), wide: true, cell: (o) => who(o.created_by) },
								{ key: "state", name: t("col.state"), cell: (o) => operationBadge(o) },
								{ key: "error", name: t("col.result"), wide: true, cell: (o) => (o.error ? h("span", { class: "cut", title: o.error.detail || "" }, explain(o.error).text) : "–") },
								{ key: "took", name: t("col.took"), n: true, wide: true, cell: (o) => between(o.started_at, o.ended_at) },
								{ key: "when", name: t("col.when"), n: true, wide: true, cell: operationWhen },
							],
							rows,
							(o) => o.id,
						),
			),
		];
	};
}

function eventsTab(scope, query, who) {
	const filter = { app: query.get("app") || "", kind: query.get("kind") || "" };
	// The newest page is looked at again and again; what was asked for below it stays under it.
	const list = { rows: null, next: null, error: null, busy: false, fresh: 0, saving: false, born: Date.now(), at: 0 };
	let timer = null;
	let asked = 0;

	const ask = () => ({ app: filter.app, kind: filter.kind });

	async function load() {
		const mine = ++asked;
		clearTimeout(timer);
		list.fresh = 0;
		try {
			const page = await get("/events", { ...ask(), order: "desc", limit: PAGE }, scope.signal);
			if (mine !== asked) return;
			const last = page.items.at(-1)?.id;
			const at = last && list.rows ? list.rows.findIndex((e) => e.id === last) : -1;
			if (at >= 0) list.rows = [...page.items, ...list.rows.slice(at + 1)];
			else Object.assign(list, { rows: page.items, next: page.next });
			Object.assign(list, { error: null, at: Date.now() });
		} catch (e) {
			if (mine !== asked || e.name === "AbortError") return;
			list.error = e;
		}
		invalidate();
	}

	async function older() {
		list.busy = true;
		invalidate();
		try {
			const page = await get("/events", { ...ask(), order: "desc", limit: PAGE, after: list.next }, scope.signal);
			Object.assign(list, { rows: [...list.rows, ...page.items], next: page.next });
		} catch (e) {
			if (e.name !== "AbortError") refused(e);
		}
		list.busy = false;
		invalidate();
	}

	function again() {
		Object.assign(list, { rows: null, next: null, born: Date.now() });
		clearTimeout(timer);
		timer = setTimeout(load, 250);
		invalidate();
	}

	/** Of all pages, oldest first: not only what is on the screen. */
	async function csv() {
		list.saving = true;
		invalidate();
		try {
			const { items } = await all("/events", ask(), scope.signal);
			saveCsv([["id", "at", "tenant", "actor", "kind", "app", "data"], ...items.map((e) => [e.id, e.at, e.tenant, e.actor, e.kind, e.app, JSON.stringify(e.data)])], "events.csv");
		} catch (e) {
			if (e.name !== "AbortError") refused(e);
		}
		list.saving = false;
		invalidate();
	}

	const fits = (e) => (!filter.app || e.app === filter.app) && (!filter.kind || e.kind === filter.kind || e.kind.startsWith(filter.kind + "."));
	scope.onStop(() => clearTimeout(timer));
	scope.onStop(
		subscribe((e) => {
			if (e.kind !== "resync" && !fits(e)) return;
			// Rows do not move away under the pointer.
			if (document.querySelector("#events:hover")) {
				list.fresh++;
				invalidate();
			} else {
				clearTimeout(timer);
				timer = setTimeout(load, 400);
			}
		}),
	);
	setTimeout(invalidate, 320);
	load();

	return () => [
		filterBar(
			"#/audit/events",
			filter,
			kinds.map((k) => [k, t("audit.kind." + k)]),
			t("audit.kind"),
			again,
			h("span", { class: "end", key: "csv" }, button(list.saving ? t("loading") : t("group.csv"), { id: "csv", disabled: list.saving || !list.rows?.length, onClick: csv })),
		),
		list.error && (list.rows ? stale({ error: list.error, data: list.rows, at: list.at, reload: load }) : problemMessage(list.error, load)),
		list.fresh > 0 && h("div", { key: "fresh" }, button(t("audit.fresh", { n: list.fresh }), { small: true, onClick: load })),
		!list.rows && !list.error && card(null, pending({ born: list.born }, 6)),
		list.rows &&
			h(
				"section",
				{ class: "card", id: "events", key: "events" },
				list.rows.length === 0
					? noneFound()
					: table(
							t("audit.events"),
							[
								{ key: "what", name: t("col.what"), cell: (e) => [h("span", null, eventText(e)), h("span", { class: "under" }, who(eventActor(e)))] },
								{ key: "app", name: t("app"), cell: (e) => (e.app && e.tenant !== session.tenant ? e.app : appLink(e.app)) },
								...(session.role === "admin" ? [{ key: "tenant", name: t("signin.tenant"), wide: true, cell: (e) => e.tenant || e.data.name || "–" }] : []),
								{ key: "who", name: t("col.who"), wide: true, cell: (e) => who(eventActor(e)) },
								{ key: "result", name: t("col.result"), cell: eventResult },
								{ key: "when", name: t("col.when"), n: true, wide: true, cell: (e) => when(e.at) },
							],
							list.rows,
							(e) => e.id,
						),
				list.next && h("div", { class: "card-body" }, button(t("audit.older"), { id: "older", disabled: list.busy, onClick: older })),
			),
	];
}
