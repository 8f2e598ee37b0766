// Rows that are ticked, and the bar of what can be done to all of them.

import { h } from "../h.js";
import { t } from "../i18n.js";
import { invalidate } from "../scope.js";
import { button } from "./parts.js";

/** keyOf(row): its name. What is no longer among the rows is not picked any more. */
export function selection(keyOf) {
	const picked = new Set();
	const change = (fn) => () => {
		fn();
		invalidate();
	};
	const box = (label, checked, partly, toggle) =>
		h("label", { class: "pick" }, h("input", { type: "checkbox", "aria-label": label, checked, indeterminate: partly, onChange: change(toggle) }));

	return {
		of: (rows) => rows.filter((r) => picked.has(keyOf(r))),
		clear: change(() => picked.clear()),

		/** The first column of a table of rows. */
		column(rows) {
			const n = rows.filter((r) => picked.has(keyOf(r))).length;
			const all = n > 0 && n === rows.length;
			return {
				key: "pick",
				pick: true,
				name: box(t("select.all"), all, n > 0 && !all, () => rows.forEach((r) => (all ? picked.delete(keyOf(r)) : picked.add(keyOf(r))))),
				cell: (r) => {
					const key = keyOf(r);
					return box(t("select.one", { name: key }), picked.has(key), false, () => (picked.has(key) ? picked.delete(key) : picked.add(key)));
				},
			};
		},

		bar(rows, ...actions) {
			const n = rows.filter((r) => picked.has(keyOf(r))).length;
			if (n === 0) return null;
			return h(
				"div",
				{ class: "card-body row selected", key: "selected", role: "group", "aria-label": t("select.actions") },
				h("strong", { "aria-live": "polite" }, t("select.count", { n })),
				actions,
				h("span", { class: "end" }, button(t("select.none"), { plain: true, small: true, onClick: change(() => picked.clear()) })),
			);
		},
	};
}
