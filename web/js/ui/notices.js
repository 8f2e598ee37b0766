// Short messages at the lower right, read out politely. Errors stay until they are closed.

import { h } from "../h.js";
import { t } from "../i18n.js";
import { invalidate } from "../scope.js";
import { icon } from "./icons.js";
import { more, requestId } from "./parts.js";

let items = [];
let count = 0;

/** problem: {detail, id}: what the server said, and which request it was. */
export function notice(look, text, problem = {}) {
	const item = { id: ++count, look, text, problem };
	items = [...items.filter((i) => i.text !== text), item].slice(-4);
	if (look !== "bad") setTimeout(() => drop(item), 6000);
	invalidate();
}

/** On the way to another page: what was told about the old one goes. */
export function dropNotices() {
	items = items.filter((i) => i.look !== "bad");
}

function drop(item) {
	items = items.filter((i) => i !== item);
	invalidate();
}

export function noticesView() {
	return h(
		"div",
		{ class: "notices", role: "status", "aria-live": "polite" },
		items.map((i) =>
			h(
				"div",
				{ class: "message", "data-look": i.look, key: i.id },
				icon(i.look === "ok" ? "check" : i.look === "info" ? "info" : "alert"),
				h("div", { class: "body" }, h("p", null, i.text), more(i.problem.detail), requestId(i.problem.id)),
				h(
					"button",
					{ type: "button", class: "button plain small", "aria-label": t("close"), title: t("close"), onClick: () => drop(i) },
					icon("close"),
				),
			),
		),
	);
}
