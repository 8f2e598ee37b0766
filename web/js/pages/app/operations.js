// What was done to the app, with steps and times.

import { between } from "../../format.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { faultView, kindText, operationBadge, operationWhen, stepsView } from "../../ui/operation.js";
import { card, empty, pending, stale } from "../../ui/parts.js";
import { icon } from "../../ui/icons.js";

export function operationsTab({ operations }) {
	return {
		view() {
			if (!operations.data) return card(t("tab.operations"), pending(operations, 3));
			if (operations.data.length === 0) return card(null, empty(t("operations.none"), t("operations.none.text")));
			return [
				stale(operations),
				operations.data.map((o) =>
					h(
						"details",
						{ class: "card", key: o.id, "data-operation": o.id },
						h(
							"summary",
							{ class: "card-head" },
							icon("chevron"),
							h("span", null, kindText(o)),
							operationBadge(o),
							h("span", { class: "actions muted small num" }, between(o.started_at, o.ended_at), operationWhen(o)),
						),
						h("div", { class: "card-body stack" }, stepsView(o), faultView(o), h("p", { class: "muted small mono" }, t("operation.id", { id: o.id }))),
					),
				),
			];
		},
	};
}
