// A menu at the end of a row or a head: a native popover, so Escape and a click beside it close it.

import { h, render } from "../h.js";
import { icon } from "./icons.js";

let count = 0;
const ids = new Map();

/** items: {text, run} or {text, href}; null for a line between. */
export function menu(name, label, items, look = "plain") {
	if (!ids.has(name)) ids.set(name, "menu-" + ++count);
	const id = ids.get(name);
	return h(
		"span",
		{ class: "menu-holder" },
		h(
			"button",
			{
				type: "button",
				class: "button icon " + look,
				popovertarget: id,
				"aria-haspopup": "menu",
				"aria-label": label,
				title: label,
			},
			icon("more"),
		),
		h(
			"div",
			{ id, class: "menu", role: "menu", popover: "auto", onBeforetoggle: (e) => fill(e, items), onToggle: toggled, onKeydown: keys },
		),
	);
}

// The entries are made when they are asked for: a thousand rows have a thousand menus.
function fill(e, items) {
	if (e.newState !== "open") return;
	const entry = (item) =>
		h(
			item.href ? "a" : "button",
			{
				role: "menuitem",
				tabindex: -1,
				type: item.href ? null : "button",
				href: item.href,
				target: item.out ? "_blank" : null,
				rel: item.out ? "noopener noreferrer" : null,
				disabled: item.disabled || null,
				onClick: (click) => {
					click.target.closest(".menu").hidePopover();
					item.run?.();
				},
			},
			item.text,
		);
	render(
		items.map((item) => (item === null ? h("hr", null) : entry(item))),
		e.target,
	);
}

function toggled(e) {
	const el = e.target;
	if (e.newState !== "open") return;
	const from = el.previousElementSibling.getBoundingClientRect();
	const { offsetWidth: w, offsetHeight: tall } = el;
	const below = from.bottom + 4 + tall <= innerHeight;
	el.style.left = `${Math.max(8, Math.min(from.right - w, innerWidth - w - 8))}px`;
	el.style.top = `${below ? from.bottom + 4 : Math.max(8, from.top - tall - 4)}px`;
	el.querySelector("[role=menuitem]:not(:disabled)")?.focus();
}

function keys(e) {
	const items = [...e.currentTarget.querySelectorAll("[role=menuitem]:not(:disabled)")];
	const at = items.indexOf(document.activeElement);
	const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[e.key];
	if (to === undefined) return;
	e.preventDefault();
	items[(to + items.length) % items.length]?.focus();
}

window.addEventListener(
	"scroll",
	() => document.querySelectorAll(".menu:popover-open").forEach((m) => m.hidePopover()),
	{ passive: true, capture: true },
);
