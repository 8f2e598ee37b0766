// Parts of a page, each with an address of its own.

import { h } from "../h.js";

const show = (el) => el?.scrollIntoView({ block: "nearest", inline: "nearest" });

/** items: [{id, text, href}]; more: what stands at the end of the row. */
export function tabs(label, items, wanted, ...more) {
	return h(
		"nav",
		{ class: "tabs", "aria-label": label },
		items.map(({ id, text, href }) => h("a", { key: id, href, "aria-current": id === wanted ? "page" : null, ref: (el) => id === wanted && show(el) }, text)),
		more,
	);
}

/** After a step to another one: on a phone the later ones stand beyond the edge. */
export function showCurrentTab() {
	show(document.querySelector(".tabs [aria-current=page]"));
}
