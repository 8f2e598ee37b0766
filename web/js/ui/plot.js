// Points on two axes, in SVG: no fill, names under the pointer, the table beside it is its text.

import { h } from "../h.js";
import { t } from "../i18n.js";

const WIDE = 640;
const H = 260;
const EDGE = { left: 56, right: 12, top: 28, bottom: 34 };

function span(values) {
	const lo = Math.min(...values);
	const hi = Math.max(...values);
	return lo === hi ? [lo - 1, hi + 1] : [lo, hi];
}

/** Five round numbers from lo to hi. */
function ticks([lo, hi]) {
	const rough = (hi - lo) / 4;
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
	const list = [];
	for (let v = Math.ceil(lo / step) * step; v <= hi + step / 1e6; v += step) list.push(Number(v.toPrecision(12)));
	return list;
}

const short = (v) => (Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(1) : String(v));

export function plot(points, xName, yName) {
	if (points.length === 0) return h("p", { class: "muted" }, t("plot.none"));
	// As wide as there is room for, so that its letters keep their size on a phone.
	const W = Math.max(280, Math.min(WIDE, innerWidth - 60));
	const xs = span(points.map((p) => p.x));
	const ys = span(points.map((p) => p.y));
	const px = (v) => EDGE.left + ((v - xs[0]) / (xs[1] - xs[0])) * (W - EDGE.left - EDGE.right);
	const py = (v) => H - EDGE.bottom - ((v - ys[0]) / (ys[1] - ys[0])) * (H - EDGE.top - EDGE.bottom);
	return h(
		"svg",
		{ class: "plot", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": t("plot.label", { x: xName, y: yName, n: points.length }) },
		ticks(ys).map((v) => h("line", { key: "gy" + v, class: "grid", x1: EDGE.left, x2: W - EDGE.right, y1: py(v), y2: py(v) })),
		ticks(ys).map((v) => h("text", { key: "ty" + v, x: EDGE.left - 6, y: py(v) + 4, "text-anchor": "end" }, short(v))),
		ticks(xs).map((v) => h("text", { key: "tx" + v, x: px(v), y: H - EDGE.bottom + 15, "text-anchor": "middle" }, short(v))),
		h("line", { class: "axis", x1: EDGE.left, x2: W - EDGE.right, y1: H - EDGE.bottom, y2: H - EDGE.bottom }),
		h("text", { x: W - EDGE.right, y: H - 4, "text-anchor": "end", class: "name" }, xName),
		h("text", { x: 4, y: 12, class: "name" }, yName),
		points.map((p) => h("circle", { key: p.name, cx: px(p.x), cy: py(p.y), r: 3.5 }, h("title", null, `${p.name}: ${xName} ${p.x}, ${yName} ${p.y}`))),
	);
}
