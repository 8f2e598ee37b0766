// Line icons of 16 px, and the shapes that go with a state's colour and word.

import { h } from "../h.js";

const paths = {
	home: "M2.5 7.5 8 3l5.5 4.5V13a.5.5 0 0 1-.5.5H9.8V9.8H6.2v3.7H3a.5.5 0 0 1-.5-.5z",
	apps: "M2.8 2.8h4v4h-4zM9.2 2.8h4v4h-4zM2.8 9.2h4v4h-4zM9.2 9.2h4v4h-4z",
	groups: "M8 2.5a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6zM3.6 10a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6zM12.4 10a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6zM7 5.8 4.6 10M9 5.8l2.4 4.2",
	machines: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
	activity: "M1.8 8.5h3L7 3l2.5 10 2-4.5h2.7",
	tenants: "M6 7.6a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6zM1.8 13.2c0-2.4 1.8-3.8 4.2-3.8s4.2 1.4 4.2 3.8M10.6 3.2a2.2 2.2 0 0 1 0 4.2M11.8 9.6c1.5.4 2.4 1.6 2.4 3.6",
	plus: "M8 3v10M3 8h10",
	minus: "M3 8h10",
	more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
	copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
	check: "M3 8.5 6.5 12 13 4.5",
	alert: "M8 2.2 14.5 13.5h-13zM8 6.5v3M8 11.6h.01",
	info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5V11M8 5h.01",
	close: "M4 4l8 8M12 4l-8 8",
	chevron: "M6 3.5 10.5 8 6 12.5",
	down: "M8 3v10M4 9l4 4 4-4",
	out: "M6.5 3H3v10h10V9.5M9 2.8h4.2V7M13 3 7.5 8.5",
	search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.4 10.4 14 14",
	sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.2v1.6M8 13.2v1.6M1.2 8h1.6M13.2 8h1.6M3.2 3.2l1.1 1.1M11.7 11.7l1.1 1.1M12.8 3.2l-1.1 1.1M4.3 11.7l-1.1 1.1",
	moon: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z",
	system: "M2 3h12v8H2zM5.5 13.5h5",
	leave: "M6 3H3v10h3M10.5 5 13.5 8l-3 3M13 8H6.5",
};

export function icon(name, size = 16) {
	return h(
		"svg",
		{
			width: size,
			height: size,
			viewBox: "0 0 16 16",
			fill: "none",
			stroke: "currentColor",
			"stroke-width": name === "more" || name === "alert" ? 1.6 : 1.4,
			"stroke-linecap": "round",
			"stroke-linejoin": "round",
			"aria-hidden": "true",
			focusable: "false",
		},
		h("path", { d: paths[name] }),
	);
}

const shapes = {
	disc: [["circle", { cx: 6, cy: 6, r: 4.5, fill: "currentColor" }]],
	half: [
		["circle", { cx: 6, cy: 6, r: 4.2, fill: "none", stroke: "currentColor", "stroke-width": 1.5 }],
		["path", { d: "M6 1.5a4.5 4.5 0 0 1 0 9z", fill: "currentColor" }],
	],
	triangle: [["path", { d: "M6 1.2 11.3 10.6H.7z", fill: "currentColor" }]],
	cross: [
		["path", { d: "M2.2 2.2l7.6 7.6M9.8 2.2 2.2 9.8", stroke: "currentColor", "stroke-width": 2.2, "stroke-linecap": "round" }],
	],
	square: [["rect", { x: 2, y: 2, width: 8, height: 8, rx: 1, fill: "currentColor" }]],
	check: [
		["path", { d: "M1.8 6.4 4.8 9.4 10.4 2.8", fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round" }],
	],
	ring: [["circle", { cx: 6, cy: 6, r: 4.2, fill: "none", stroke: "currentColor", "stroke-width": 1.5 }]],
	dots: [
		["circle", { cx: 1.8, cy: 6, r: 1.3, fill: "currentColor" }],
		["circle", { cx: 6, cy: 6, r: 1.3, fill: "currentColor" }],
		["circle", { cx: 10.2, cy: 6, r: 1.3, fill: "currentColor" }],
	],
};

export function shape(name) {
	return h(
		"svg",
		{ width: 12, height: 12, viewBox: "0 0 12 12", "aria-hidden": "true", focusable: "false" },
		shapes[name].map(([tag, props]) => h(tag, props)),
	);
}
