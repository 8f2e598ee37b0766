// Releases, newest first, with the way back to an old one.

import { gone, post } from "../../actions.js";
import { all, segment } from "../../api.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { resource } from "../../resource.js";
import { badge } from "../../ui/badge.js";
import { actorText } from "../../ui/event.js";
import { button, card, empty, pending, stale, table, when } from "../../ui/parts.js";

export function releasesTab({ scope, name, mine, follow }) {
	const releases = resource(
		scope,
		async (signal) => (await all(`/apps/${segment(name)}/releases`, null, signal)).items.sort((a, b) => number(b) - number(a)),
		{ when: mine, every: 30000 },
	);
	const number = (r) => r.number ?? r.release ?? r.n;

	async function back(n) {
		follow(await post(`/apps/${segment(name)}/rollback`, { release: n }, t("queued.rollback", { n: String(n) })));
	}

	return {
		view(a) {
			if (!releases.data) return card(t("tab.releases"), pending(releases, 3));
			if (releases.data.length === 0) return card(null, empty(t("releases.none"), t("releases.none.text")));
			return [
				stale(releases),
				card(
					null,
					table(
						t("tab.releases"),
						[
							{ key: "n", name: t("release"), cell: (r) => [h("span", { class: "name" }, "v" + number(r)), h("span", { class: "under mono" }, r.commit?.slice(0, 7))] },
							{
								key: "state",
								name: t("col.state"),
								cell: (r) => (badge(number(r) === a.release ? "live" : r.state)),
							},
							{ key: "commit", name: t("commit"), wide: true, cell: (r) => (r.commit ? h("span", { class: "mono", title: r.commit }, r.commit.slice(0, 10)) : "–") },
							{ key: "by", name: t("col.who"), wide: true, cell: (r) => (r.created_by ? actorText(r.created_by) : "–") },
							{ key: "command", name: t("command"), wide: true, cell: (r) => (r.command ? h("span", { class: "mono cut", title: r.command }, r.command) : "–") },
							{ key: "when", name: t("col.when"), n: true, wide: true, cell: (r) => when(r.created_at) },
							{
								key: "act",
								name: t("actions"),
								act: true,
								cell: (r) =>
									number(r) === a.release
										? null
										: button(t("rollback", { n: String(number(r)) }), { small: true, disabled: gone(a), onClick: () => back(number(r)) }),
							},
						],
						releases.data,
						number,
					),
				),
			];
		},
	};
}
