// How source and scripts reach the app: git over HTTP and SSH, and REST.

import { h } from "../../h.js";
import { t, tx } from "../../i18n.js";
import { card, copyable } from "../../ui/parts.js";
import { sshKeys } from "../account/keys.js";
import { hookCard } from "./hook.js";

export function accessTab({ name, scope }) {
	const hook = hookCard(scope, name);
	const keys = sshKeys(scope);

	const keyless = () => keys.data?.length === 0 && tx("access.ssh.none", { add: h("a", { href: "#/account" }, t("access.ssh.add")) });

	return {
		view(a) {
			const rest = `${location.origin}/api/v1/apps/${name}`;
			const head = '  -H "Authorization: Bearer $NAP_TOKEN"';
			const part = (title, hint, ...lines) =>
				h(
					"div",
					{ class: "field", key: title },
					h("h3", null, title),
					hint && h("div", { class: "hint" }, hint),
					lines.map((line) => copyable(line, title)),
				);
			return [
				card(
					t("access"),
					h(
						"div",
						{ class: "card-body stack" },
						h("p", { class: "muted" }, tx("access.text", { tokens: h("a", { href: "#/account" }, t("access.tokens")) })),
						a.git_http && part(t("access.http"), null, "git clone " + a.git_http),
						a.git_ssh && part(t("access.ssh"), keyless(), "git clone " + a.git_ssh, `git remote add nap ${a.git_ssh}`, "git push nap main"),
						a.git_http && part(t("access.push"), t("access.push.hint"), `git remote add nap ${a.git_http}`, "git push nap main"),
					),
				),
				card(
					t("access.rest"),
					h(
						"div",
						{ class: "card-body stack" },
						h("p", { class: "muted" }, t("access.rest.text")),
						part(t("access.rest.state"), null, `curl -f ${rest} \\\n${head}`),
						a.url && part(t("access.rest.deploy"), null, `curl -f -X POST ${rest}/releases \\\n${head} \\\n  -H "Prefer: wait=60"`),
						part(t("access.rest.scale"), null, `curl -f -X PUT ${rest}/scale \\\n${head} \\\n  -H "Content-Type: application/json" -d '{"instances":3}'`),
					),
				),
				a.url && hook.view(),
			];
		},
	};
}
