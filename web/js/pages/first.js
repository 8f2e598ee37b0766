// The empty state: how a first app gets here, by hand, by git or by curl.

import { h } from "../h.js";
import { t } from "../i18n.js";
import { session } from "../session.js";
import { copyable, card, empty } from "../ui/parts.js";

export function firstDeploy() {
	const git = `${location.protocol}//${session.tenant}@${location.host}/git/${session.tenant}/web.git`;
	const curl = [
		`curl -f ${location.origin}/api/v1/apps \\`,
		`  -H "Authorization: Bearer $NAP_TOKEN" -H "Content-Type: application/json" \\`,
		`  -d '{"url":"https://github.com/OWNER/REPOSITORY"}'`,
	].join("\n");
	return card(
		null,
		h(
			"div",
			null,
			empty(
				t("first.title"),
				t("first.text"),
				h("a", { class: "button primary", href: "#/deploy" }, t("first.deploy")),
			),
			h(
				"div",
				{ class: "card-body stack" },
				h("div", { class: "stack" }, h("h3", null, t("first.push")), copyable(`git push ${git} main`, t("first.push"))),
				h("div", { class: "stack" }, h("h3", null, t("first.curl")), copyable(curl, t("first.curl"))),
			),
		),
	);
}
