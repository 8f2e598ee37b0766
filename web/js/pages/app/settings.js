// The end of an app.

import { destroy, gone } from "../../actions.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { destroyDialog } from "../../ui/dialog.js";
import { button } from "../../ui/parts.js";
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
