// One's own account: language and colours, password, the browsers that are signed in, tokens, keys.

import { h } from "../h.js";
import { lang, languages, t } from "../i18n.js";
import { setLanguage, setTheme, theme, themes } from "../preferences.js";
import { session } from "../session.js";
import { card, field, pageHead } from "../ui/parts.js";
import { hostsCard } from "./account/hosts.js";
import { keysCard } from "./account/keys.js";
import { passwordCard } from "./account/password.js";
import { sessionsCard } from "./account/sessions.js";
import { tokensCard } from "./account/tokens.js";

export function accountPage(scope) {
	const password = passwordCard();
	const sessions = sessionsCard(scope);
	const tokens = tokensCard(scope);
	const keys = keysCard(scope);
	const hosts = hostsCard(scope);
	password.changed = sessions.reload;

	return {
		title: () => t("nav.account"),
		view: () => [
			pageHead(session.tenant, session.role === "admin" ? h("span", { class: "muted" }, t("role.admin")) : null),
			card(
				t("account.look"),
				h(
					"div",
					{ class: "card-body pair" },
					field(
						"account-language",
						t("account.language"),
						null,
						null,
						h(
							"select",
							{ class: "input", value: lang(), onChange: (e) => setLanguage(e.target.value) },
							languages.map(([code, name]) => h("option", { key: code, value: code, lang: code }, name)),
						),
					),
					field(
						"account-theme",
						t("account.theme"),
						null,
						null,
						h("select", { class: "input", value: theme(), onChange: (e) => setTheme(e.target.value) }, themes.map((id) => h("option", { key: id, value: id }, t("account.theme." + id)))),
					),
				),
			),
			tokens.view(),
			keys.view(),
			hosts.view(),
			sessions.view(),
			password.view(),
		],
	};
}
