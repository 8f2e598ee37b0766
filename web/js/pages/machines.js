// Machines and units, as the engine tells them.

import { all } from "../api.js";
import { ago, bytes, middle } from "../format.js";
import { h } from "../h.js";
import { has, t } from "../i18n.js";
import { resource } from "../resource.js";
import { invalidate } from "../scope.js";
import { session } from "../session.js";
import { badge } from "../ui/badge.js";
import { card, empty, pageHead, pending, stale, table } from "../ui/parts.js";

const OLD = 30000;

/** A word of systemd or fleet in the reader's language, where it is known. */
const word = (w) => (!w ? "–" : has("unit." + w) ? t("unit." + w) : w);

const shown = (key, value) => `${key}=${key === "memory" && /^\d+$/.test(value) ? bytes(Number(value)) : value}`;

export function machinesPage(scope) {
	const machines = resource(scope, (signal) => all("/machines", null, signal), { every: 10000 });
	const units = resource(scope, (signal) => all("/units", null, signal), { every: 5000, when: (e) => Boolean(e.app) });
	let q = "";

	return {
		title: () => t("nav.machines"),
		keys: { "/": () => document.getElementById("q")?.focus() },
		view: () => [pageHead(t("nav.machines")), stale(machines), machineCard(), stale(units), unitCard()],
	};

	/** How old the engine's last word is. */
	function seen(r) {
		const at = r.data?.observed_at;
		if (!at) return null;
		if (Date.now() - new Date(at).getTime() > OLD) return badge("degraded", t("observed.old", { when: ago(at) }));
		return h("span", { class: "muted small" }, t("observed", { when: ago(at) }));
	}

	function machineCard() {
		if (!machines.data) return card(t("nav.machines"), pending(machines, 2));
		return h(
			"div",
			{ class: "stack", key: "machines" },
			card(
				t("nav.machines"),
				machines.data.items.length === 0
					? empty(t("machines.none"), t("machines.none.text"))
					: table(
							t("nav.machines"),
							[
								{ key: "id", name: t("machine"), cell: (m) => h("span", { class: "mono name", title: m.id }, m.id.slice(0, 8)) },
								{ key: "address", name: t("address"), cell: (m) => h("span", { class: "mono" }, m.address || "–") },
								{ key: "units", name: t("units"), n: true, cell: (m) => (units.data ? units.data.items.filter((u) => u.machine === m.id).length : "–") },
								{
									key: "meta",
									name: t("col.metadata"),
									wide: true,
									cell: (m) => h("span", { class: "mono small" }, Object.entries(m.metadata || {}).map(([k, v]) => shown(k, v)).join("  ") || "–"),
								},
							],
							machines.data.items,
							(m) => m.id,
						),
				seen(machines),
			),
		);
	}

	function unitCard() {
		const title = session.role === "admin" ? t("units.all") : t("units.own");
		if (!units.data) return card(title, pending(units, 4));
		const rows = units.data.items.filter((u) => !q || u.name.includes(q));
		return card(
			title,
			h(
				"div",
				null,
				h(
					"div",
					{ class: "card-body filters", role: "search" },
					h("input", {
						id: "q",
						class: "input search",
						type: "search",
						placeholder: t("units.search"),
						"aria-label": t("units.search"),
						value: q,
						onInput: (e) => {
							q = e.target.value.trim();
							invalidate();
						},
					}),
				),
				rows.length === 0
					? empty(t("units.none"), t("units.none.text"))
					: table(
							title,
							[
								{
									key: "name",
									name: t("unit"),
									cell: (u) => [h("span", { class: "mono unit", title: u.name }, middle(u.name, 72)), h("span", { class: "under" }, t("units.wanted", { state: word(u.desired_state) }))],
								},
								{ key: "desired", name: t("col.wanted"), wide: true, cell: (u) => h("span", { title: u.desired_state }, word(u.desired_state)) },
								{ key: "active", name: t("col.state"), cell: (u) => (u.active_state ? badge(u.active_state, word(u.active_state)) : h("span", { class: "muted" }, t("units.unknown"))) },
								{ key: "sub", name: t("col.sub"), wide: true, cell: (u) => h("span", { class: "mono" }, u.sub_state || "–") },
								{ key: "machine", name: t("machine"), wide: true, cell: (u) => (u.machine ? h("span", { class: "mono", title: u.machine }, u.machine.slice(0, 8)) : "–") },
							],
							rows,
							(u) => u.name,
						),
			),
			seen(units),
		);
	}
}
