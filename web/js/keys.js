// The keyboard: / search, g then a letter to go, n deploy, ? shows all.

import { h } from "./h.js";
import { t } from "./i18n.js";
import { go } from "./router.js";
import { invalidate } from "./scope.js";
import { button } from "./ui/parts.js";
import { closeFrom, dialog } from "./ui/dialog.js";

const places = { h: "#/", a: "#/apps", g: "#/groups", m: "#/machines", o: "#/audit", c: "#/account" };
let open = false;
let after = 0; // until when the second key of "g x" counts

export function listen(page) {
	document.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
		if (e.target.closest?.("input, textarea, select, dialog, [role=menu]")) return;
		const mine = page()?.keys?.[e.key];
		if (Date.now() < after && places[e.key]) go(places[e.key]);
		else if (mine) mine();
		else if (e.key === "n") go("#/deploy");
		else if (e.key === "?") {
			open = true;
			invalidate();
		} else {
			after = e.key === "g" ? Date.now() + 1500 : 0;
			return;
		}
		after = 0;
		e.preventDefault();
	});
}

const rows = [
	[["/"], "keys.search"],
	[["g", "h"], "nav.home"],
	[["g", "a"], "nav.apps"],
	[["g", "g"], "nav.groups"],
	[["g", "m"], "nav.machines"],
	[["g", "o"], "nav.audit"],
	[["g", "c"], "nav.account"],
	[["n"], "deploy"],
	[["?"], "keys.help"],
];

export function keysView() {
	if (!open) return null;
	return dialog(
		{
			title: t("keys.title"),
			name: "keys",
			onClose: () => {
				open = false;
				invalidate();
			},
		},
		h(
			"dl",
			{ class: "facts" },
			rows.map(([keys, text]) => [h("dt", null, keys.map((k) => [h("kbd", null, k), " "])), h("dd", null, t(text))]),
		),
		h("div", { class: "buttons" }, button(t("close"), { onClick: closeFrom })),
	);
}
