// Access by git, and the end of an app.

import { destroy, gone } from "../../actions.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { destroyDialog } from "../../ui/dialog.js";
import { button, card, copyable } from "../../ui/parts.js";
import { lost } from "../apps.js";

export function settingsTab({ name, follow, app }) {
	const dialog = destroyDialog({
		name,
		lost: () => lost(app.data),
		run: async () => follow(await destroy(name)),
	});

	return {
		view(a) {
			return [
				card(
					t("access"),
					h(
						"div",
						{ class: "card-body stack" },
						h("p", { class: "muted" }, t("access.text")),
						a.git_http && h("div", { class: "field" }, h("h3", null, t("access.http")), copyable("git clone " + a.git_http, t("access.http"))),
						a.git_ssh && h("div", { class: "field" }, h("h3", null, t("access.ssh")), copyable("git clone " + a.git_ssh, t("access.ssh"))),
					),
				),
				h(
					"section",
					{ class: "card danger-zone" },
					h("div", { class: "card-head" }, h("h2", null, t("danger"))),
					h(
						"div",
						{ class: "card-body row" },
						h("div", { class: "grow" }, h("h3", null, t("destroy.menu")), h("p", { class: "muted" }, t("destroy.text"))),
						button(gone(a) ? t("destroy.busy") : t("destroy.menu"), { class: "warns", id: "destroy", disabled: gone(a), onClick: dialog.open }),
					),
				),
				dialog.view(),
			];
		},
	};
}
