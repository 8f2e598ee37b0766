// Groups: apps that others were made similar to.

import { all } from "../api.js";
import { middle } from "../format.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { resource } from "../resource.js";
import { href } from "../router.js";
import { badge } from "../ui/badge.js";
import { card, empty, pageHead, pending, stale, table, when } from "../ui/parts.js";

const counts = ["running", "starting", "degraded", "failed", "finished", "stopped", "waiting"];

/** "12 running, 3 failed" as badges. */
export function groupBadges(g) {
	const there = counts.filter((c) => g[c] > 0);
	return h("span", { class: "row" }, there.map((c) => h("span", { key: c }, badge(c, t("group.count", { n: String(g[c]), state: t("state." + c) })))));
}

export function groupsPage(scope) {
	const groups = resource(scope, async (signal) => (await all("/groups", null, signal)).items, {
		every: 15000,
		when: (e) => Boolean(e.app),
	});
	return {
		title: () => t("nav.groups"),
		view() {
			const head = pageHead(t("nav.groups"));
			if (!groups.data) return [head, card(null, pending(groups, 4))];
			if (groups.data.length === 0)
				return [head, card(null, empty(t("groups.none"), t("groups.none.text"), h("a", { class: "button", href: "#/apps" }, t("nav.apps"))))];
			return [
				head,
				stale(groups),
				card(
					null,
					table(
						t("nav.groups"),
						[
							{ key: "name", name: t("col.name"), cell: (g) => h("a", { class: "name", href: href("groups", g.name), title: g.name }, middle(g.name, 32)) },
							{ key: "members", name: t("group.members"), n: true, cell: (g) => String(g.members) },
							{ key: "state", name: t("col.state"), cell: groupBadges },
							{ key: "parallel", name: t("similar.parallel"), n: true, wide: true, cell: (g) => (g.parallel ? String(g.parallel) : "–") },
							{ key: "created", name: t("app.created"), n: true, wide: true, cell: (g) => when(g.created_at) },
						],
						groups.data,
						(g) => g.name,
					),
				),
			];
		},
	};
}
