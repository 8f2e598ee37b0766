// The key by which nap itself fetches from git hosts, and the hosts' own keys as they were first seen.

import { call, get, segment } from "../../api.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { resource } from "../../resource.js";
import { confirmDialog } from "../../ui/dialog.js";
import { notice } from "../../ui/notices.js";
import { button, card, copyable, pending, stale, table, when } from "../../ui/parts.js";

/** One row a host: it may have a key of each type. */
function byHost(keys) {
	const hosts = new Map();
	for (const k of keys) {
		if (!hosts.has(k.host)) hosts.set(k.host, { host: k.host, since: k.first_seen_at, keys: [] });
		hosts.get(k.host).keys.push(k);
	}
	return [...hosts.values()];
}

export function hostsCard(scope) {
	const key = resource(scope, (signal) => get("/deploy-key", null, signal), {
		every: 60000,
		when: (e) => e.kind.startsWith("host_key."),
	});
	let asking = null;

	function forget({ host }) {
		asking = confirmDialog({
			title: () => t("hosts.forget.title", { host }),
			text: () => t("hosts.forget.text"),
			doText: () => t("hosts.forget.do"),
			run: async () => {
				await call("DELETE", "/deploy-key/hosts/" + segment(host));
				notice("info", t("hosts.forgotten", { host }));
				key.reload();
			},
		});
		asking.open();
	}

	const fingerprints = (r) => r.keys.map((k) => h("div", { class: "mono fingerprint", key: k.type }, k.fingerprint));
	const columns = () => [
		{ key: "host", name: t("hosts.host"), cell: (r) => [h("span", { class: "name" }, r.host), h("div", { class: "under" }, fingerprints(r))] },
		{ key: "fingerprint", name: t("ssh.fingerprint"), wide: true, cell: fingerprints },
		{ key: "since", name: t("hosts.since"), n: true, wide: true, cell: (r) => when(r.since) },
		{ key: "act", name: t("actions"), act: true, cell: (r) => button(t("hosts.forget"), { small: true, "aria-label": t("hosts.forget.of", { host: r.host }), onClick: () => forget(r) }) },
	];

	return {
		view() {
			if (!key.data) return card(t("hosts"), pending(key, 2));
			const hosts = byHost(key.data.hosts);
			return [
				card(t("hosts"), [
					stale(key),
					h(
						"div",
						{ class: "card-body stack" },
						h("p", { class: "muted" }, t("hosts.text")),
						key.data.public_key ? copyable(key.data.public_key, t("hosts")) : h("p", { class: "muted" }, t("hosts.making")),
					),
					hosts.length > 0 && table(t("hosts.seen"), columns(), hosts, (r) => r.host),
				]),
				asking?.view(),
			];
		},
	};
}
