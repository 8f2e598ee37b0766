// An operation while it goes on: where it waits, its steps with their times, how far it is.

import { call, get, segment } from "../api.js";
import { between } from "../format.js";
import { h } from "../h.js";
import { has, t } from "../i18n.js";
import { resource } from "../resource.js";
import { badge } from "./badge.js";
import { shape } from "./icons.js";
import { notice } from "./notices.js";
import { button, explain, more, refused, when } from "./parts.js";
import { reasonText } from "./reason.js";

export const going = (o) => o.state === "queued" || o.state === "running" || o.state === "receiving";

export function kindText(o) {
	const key = "kind." + o.kind;
	return has(key) ? t(key) : o.kind;
}

function stepText(s) {
	const key = "step." + s.name;
	return has(key) ? t(key) : s.name;
}

const forms = { running: "half", succeeded: "check", failed: "cross", cancelled: "square", skipped: "dots" };

/** The operations of an app, newest first. */
export function operationsOf(scope, app) {
	return resource(scope, async (signal) => {
		const page = await get("/operations", { app, limit: 50 }, signal);
		return page.items
			.filter((o) => o.app === app || o.app?.name === app)
			.sort((a, b) => new Date(b.created_at || 0) - new Date(a.created_at || 0) || Number(b.id) - Number(a.id) || 0);
	}, { every: 15000, when: (e) => e.app === app });
}

/** One operation, looked at until it has ended. */
export function watch(scope, id) {
	const r = resource(
		scope,
		async (signal) => {
			const o = await get("/operations/" + segment(id), null, signal);
			if (going(o)) setTimeout(r.soon, 1500);
			return o;
		},
		{ when: (e) => !r.data || (going(r.data) && (!e.app || e.app === r.data.app)) },
	);
	return r;
}

async function cancel(o) {
	try {
		await call("POST", `/operations/${segment(o.id)}/cancel`, { body: {} });
		notice("info", t("operation.cancelling"));
	} catch (e) {
		refused(e);
	}
}

export function stepsView(o) {
	return h(
		"ol",
		{ class: "steps" },
		(o.steps || []).map((s) => {
			const state = s.state || (s.ended_at ? "succeeded" : s.started_at ? "running" : "queued");
			return h(
				"li",
				{ key: s.name, "data-state": state },
				shape(forms[state] || "ring"),
				h("span", null, stepText(s), h("span", { class: "sr" }, has("state." + state) ? " " + t("state." + state) : "")),
				h("span", { class: "time" }, s.started_at ? between(s.started_at, s.ended_at) : ""),
			);
		}),
	);
}

export function faultView(o) {
	if (!o.error) return null;
	const { text, detail } = explain(o.error);
	const lines = o.error.lines;
	return h(
		"div",
		{ class: "fault-text" },
		h("p", null, text),
		more(detail),
		lines && lines.length > 0 && h("pre", { class: "lines", tabindex: 0, "aria-label": t("operation.lines") }, lines.map((l) => (typeof l === "string" ? l : l.message)).join("\n")),
	);
}

/** A word about what goes on, where the card itself is not. */
export function operationChip(o, to) {
	return h(
		"a",
		{ class: "chip", key: "chip", href: to, "data-operation": o.id },
		operationBadge(o, o.total > 0 ? t("operation.kind.of", { kind: kindText(o), a: o.done || 0, b: o.total }) : kindText(o)),
	);
}

/** An operation that runs is no app that runs: another look and another word. */
export function operationBadge(o, text) {
	return o.state === "running" ? badge("going", text) : badge(o.state, text);
}

export function operationCard(o) {
	const share = o.total > 0 ? o.done / o.total : null;
	return h(
		"section",
		{ class: "card operation", key: "op-" + o.id, "data-operation": o.id, "data-state": o.state },
		h(
			"div",
			{ class: "card-head", "aria-live": "polite" },
			h("h2", null, kindText(o)),
			operationBadge(o),
			o.state === "queued" && o.position > 1 && h("span", { class: "muted" }, t("operation.position", { n: o.position })),
			going(o) && o.waiting && h("span", { class: "muted" }, reasonText(o.waiting)),
			going(o) && o.total > 0 && h("span", { class: "muted num" }, t("operation.of", { a: o.done || 0, b: o.total })),
			h(
				"div",
				{ class: "actions" },
				!going(o) && h("span", { class: "muted small" }, operationWhen(o)),
				h("span", { class: "muted small num" }, between(o.started_at || o.created_at, o.ended_at)),
				going(o) && button(o.cancel ? t("operation.cancelling") : t("cancel"), { disabled: Boolean(o.cancel), small: true, onClick: () => cancel(o) }),
			),
		),
		h(
			"div",
			{ class: "card-body" },
			h("div", { class: "progress", "aria-hidden": "true" }, h("div", { style: { width: `${(o.state === "succeeded" ? 1 : share || 0) * 100}%` } })),
			stepsView(o),
			faultView(o),
		),
	);
}

export function operationWhen(o) {
	return when(o.created_at || o.started_at || o.queued_at);
}
