// Activity: who did what, with the result.

import { get } from "../api.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { between } from "../format.js";
import { resource } from "../resource.js";
import { kindText, operationBadge, operationWhen } from "../ui/operation.js";
import { card, empty, pageHead, pending, stale, table } from "../ui/parts.js";
import { appLink } from "./home.js";

export function activityPage(scope) {
	const operations = resource(scope, (signal) => get("/operations", { limit: 200 }, signal), {
		every: 10000,
		when: (e) => Boolean(e.app),
	});
	return {
		title: () => t("nav.activity"),
		view() {
			const head = pageHead(t("nav.activity"));
			if (!operations.data) return [head, card(null, pending(operations, 6))];
			const rows = operations.data.items;
			return [
				head,
				stale(operations),
				card(
					null,
					rows.length === 0
						? empty(t("operations.none"), t("operations.none.text"))
						: table(
								t("nav.activity"),
								[
									{ key: "kind", name: t("col.what"), cell: (o) => h("span", { class: "nowrap" }, kindText(o)) },
									{ key: "app", name: t("app"), cell: (o) => appLink(o.app) },
									{ key: "state", name: t("col.state"), cell: (o) => operationBadge(o) },
									{ key: "error", name: t("col.result"), wide: true, cell: (o) => (o.error ? h("span", { class: "cut", title: o.error.detail || "" }, o.error.detail || o.error.code) : "–") },
									{ key: "took", name: t("col.took"), n: true, wide: true, cell: (o) => between(o.started_at, o.ended_at) },
									{ key: "when", name: t("col.when"), n: true, wide: true, cell: operationWhen },
								],
								rows,
								(o) => o.id,
							),
				),
			];
		},
	};
}
