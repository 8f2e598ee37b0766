// Home: how the apps are, what goes on, what is left of the quota.

import { get } from "../api.js";
import { appList } from "../apps.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { quotaMeters, quotaResource } from "../quota.js";
import { resource } from "../resource.js";
import { href } from "../router.js";
import { badge } from "../ui/badge.js";
import { going, kindText, operationBadge, operationWhen } from "../ui/operation.js";
import { card, pageHead, pending, stale, table } from "../ui/parts.js";
import { firstDeploy } from "./first.js";

const order = ["running", "starting", "degraded", "failed", "stopped", "finished", "empty", "deleting"];

export function homePage(scope) {
	const apps = appList(scope);
	const quota = quotaResource(scope);
	const operations = resource(scope, async (signal) => (await get("/operations", { limit: 50 }, signal)).items, {
		every: 10000,
		when: (e) => Boolean(e.app),
	});

	return {
		title: () => t("nav.home"),
		view() {
			if (apps.data && apps.data.length === 0) return [pageHead(t("nav.home")), firstDeploy(), quotaCard()];
			return [
				pageHead(t("nav.home"), null, h("a", { class: "button primary", href: "#/deploy" }, t("deploy"))),
				stale(apps),
				apps.data ? tiles(apps.data) : card(null, pending(apps, 2)),
				h("div", { class: "columns" }, running(), quotaCard()),
			];
		},
	};

	function tiles(list) {
		const count = {};
		for (const a of list) count[a.state] = (count[a.state] || 0) + 1;
		return h(
			"div",
			{ class: "tiles" },
			order
				.filter((s) => count[s])
				.map((s) =>
					h(
						"a",
						{ class: "card tile", key: s, href: "#/apps?state=" + s },
						h("span", { class: "count" }, count[s]),
						badge(s),
						h("span", { class: "sr" }, t("apps.count", { n: count[s] })),
					),
				),
		);
	}

	function running() {
		if (!operations.data) return card(t("home.operations"), pending(operations, 2));
		const now = operations.data.filter(going);
		const list = now.length ? now : operations.data.slice(0, 8);
		return card(
			now.length ? t("home.operations") : t("home.latest"),
			list.length === 0
				? h("p", { class: "card-body muted" }, t("home.quiet"))
				: table(
						t("home.operations"),
						[
							{ key: "kind", name: t("col.what"), cell: (o) => h("span", { class: "nowrap" }, kindText(o)) },
							{ key: "app", name: t("app"), cell: (o) => appLink(o.app) },
							{ key: "state", name: t("col.state"), cell: (o) => operationBadge(o) },
							{ key: "time", name: t("col.when"), n: true, wide: true, cell: operationWhen },
						],
						list,
						(o) => o.id,
					),
		);
	}

	function quotaCard() {
		return card(
			t("quota"),
			quota.data ? h("div", { class: "card-body" }, quotaMeters(quota.data)) : pending(quota, 3),
		);
	}
}

export function appLink(app) {
	const name = typeof app === "string" ? app : app?.name;
	return name ? h("a", { href: href("apps", name) }, name) : "–";
}
