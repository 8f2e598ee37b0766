// The browsers that are signed in.

import { all, call, segment } from "../../api.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { resource } from "../../resource.js";
import { notice } from "../../ui/notices.js";
import { button, card, pending, refused, stale, table, when } from "../../ui/parts.js";

const browsers = [
	["Edge", /\bEdgA?\/(\d+)/],
	["Firefox", /\bFirefox\/(\d+)/],
	["Chrome", /\b(?:Headless)?Chrom(?:e|ium)\/(\d+)/],
	["Safari", /\bVersion\/(\d+).*\bSafari\//],
];
const systems = [
	["Android", /Android/],
	["iOS", /iPhone|iPad/],
	["Windows", /Windows/],
	["macOS", /Mac OS X/],
	["Linux", /Linux/],
];

/** "Firefox 140 · Linux"; what is no browser is shown as it named itself. */
function agentText(agent) {
	const system = systems.find(([, re]) => re.test(agent))?.[0];
	for (const [name, re] of browsers) {
		const m = re.exec(agent);
		if (m) return [`${name} ${m[1]}`, system].filter(Boolean).join(" · ");
	}
	return agent || t("sessions.unknown");
}

export function sessionsCard(scope) {
	const sessions = resource(scope, async (signal) => (await all("/sessions", null, signal)).items, {
		every: 60000,
		when: (e) => e.kind.startsWith("session."),
	});

	async function end(s) {
		try {
			await call("DELETE", "/sessions/" + segment(s.id));
			notice("info", t("sessions.ended"));
		} catch (e) {
			refused(e);
		}
		sessions.reload();
	}

	return {
		reload: sessions.soon,
		view() {
			if (!sessions.data) return card(t("sessions"), pending(sessions, 2));
			return card(t("sessions"), [
				stale(sessions),
				table(
					t("sessions"),
					[
						{
							key: "agent",
							name: t("sessions.browser"),
							cell: (s) => [
								h("span", { title: s.user_agent, lang: "en" }, agentText(s.user_agent)),
								s.current && h("span", { class: "chip here" }, t("sessions.current")),
								h("span", { class: "under mono" }, s.address),
							],
						},
						{ key: "address", name: t("address"), wide: true, cell: (s) => h("span", { class: "mono" }, s.address) },
						{ key: "since", name: t("sessions.since"), n: true, wide: true, cell: (s) => when(s.created_at) },
						{ key: "seen", name: t("sessions.seen"), n: true, wide: true, cell: (s) => when(s.last_seen_at) },
						{ key: "act", name: t("actions"), act: true, cell: (s) => (s.current ? null : button(t("sessions.end"), { small: true, onClick: () => end(s) })) },
					],
					sessions.data,
					(s) => s.id,
				),
			]);
		},
	};
}
