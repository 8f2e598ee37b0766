// Small parts that every page uses.

import { ago, exact } from "../format.js";
import { h } from "../h.js";
import { has, lang, t, tx } from "../i18n.js";
import { icon } from "./icons.js";
import { notice } from "./notices.js";

export function button(text, props = {}, iconName) {
	const { primary, danger, plain, small, class: more, ...rest } = props;
	const names = ["button", primary && "primary", danger && "danger", plain && "plain", small && "small", more];
	return h(
		"button",
		{ type: "button", ...rest, class: names.filter(Boolean).join(" ") },
		iconName && icon(iconName),
		text,
	);
}

export function iconButton(name, label, props = {}) {
	return h(
		"button",
		{ type: "button", title: label, "aria-label": label, ...props, class: "button icon " + (props.class || "plain") },
		icon(name),
	);
}

export function when(time) {
	if (!time) return h("span", { class: "muted" }, "–");
	return h("time", { datetime: time, title: exact(time), class: "nowrap" }, ago(time));
}

/** What the server said, in the reader's language where its code is known. */
export function explain(problem) {
	const key = "error." + problem.code;
	const detail = problem.detail && problem.detail !== problem.code ? problem.detail : "";
	if (has(key)) {
		// The server writes English, with the numbers and names of the case: it is never withheld.
		if (detail && lang() === "en") return { text: detail, detail: "" };
		return { text: t(key, { s: problem.retryAfter || 1 }), detail };
	}
	return { text: detail || t("error.other", { status: problem.status || "?" }), detail: "" };
}

/** What the server said in English, where the reader's language has only a sentence for its kind. */
export function more(detail) {
	if (!detail) return null;
	return h("details", { class: "more" }, h("summary", null, icon("chevron", 12), t("error.detail")), h("p", { class: "muted small", lang: "en" }, detail));
}

/** The text of a fault at a field: {field, code, detail} of a 422. */
export function faultText(f) {
	const { text, detail } = explain(f);
	return detail ? [text, more(detail)] : text;
}

/** A request that failed, where there is no place for it on the page. */
export function refused(e, text = explain(e).text) {
	notice("bad", text, { detail: explain(e).detail, id: e.requestId });
}

export function requestId(id) {
	return id ? h("p", { class: "muted small" }, tx("error.request", { id: h("span", { class: "mono" }, id) })) : null;
}

export function problemMessage(problem, retry) {
	const { text, detail } = explain(problem);
	return h(
		"div",
		{ class: "message", "data-look": "bad", role: "alert" },
		icon("alert"),
		h(
			"div",
			{ class: "body" },
			h("p", null, text),
			more(detail),
			requestId(problem.requestId),
		),
		retry && button(t("retry"), { small: true, onClick: retry }),
	);
}

export function message(look, ...body) {
	return h(
		"div",
		{ class: "message", "data-look": look },
		icon(look === "ok" ? "check" : look === "info" ? "info" : "alert"),
		h("div", { class: "body" }, body),
	);
}

/** Where data stands that is not there yet: nothing at first, then grey bars, or the error. */
export function pending(resource, rows = 3) {
	if (resource.error) return h("div", { class: "card-body" }, problemMessage(resource.error, resource.reload));
	if (Date.now() - resource.born < 300) return h("div", { class: "card-body" });
	return h(
		"div",
		{ class: "card-body stack", "aria-busy": "true" },
		h("span", { class: "sr" }, t("loading")),
		Array.from({ length: rows }, () => h("div", { class: "skeleton" })),
	);
}

/** Data is there, but the last look for news failed. */
export function stale(resource) {
	if (!resource.error || resource.data === undefined) return null;
	const { text } = explain(resource.error);
	return h(
		"div",
		{ class: "message", "data-look": "warn" },
		icon("alert"),
		h("div", { class: "body" }, h("p", null, t("stale", { when: ago(resource.at) })), h("p", { class: "muted small" }, text)),
		button(t("retry"), { small: true, onClick: resource.reload }),
	);
}

export function card(title, body, ...actions) {
	return h(
		"section",
		{ class: "card" },
		title && h("div", { class: "card-head" }, h("h2", null, title), actions.length > 0 && h("div", { class: "actions" }, actions)),
		body,
	);
}

/** columns: {key, name, n?, wide?, cell(row), act?, pick?}; n: numbers, act: the menu at the end, pick: boxes to tick. */
export function table(caption, columns, rows, keyOf) {
	const cls = (c) => [c.n && "n", c.wide && "wide", c.act && "act", c.pick && "picks"].filter(Boolean).join(" ") || null;
	return h(
		"div",
		{ class: "table-wrap" },
		h(
			"table",
			null,
			h("caption", { class: "sr" }, caption),
			h(
				"thead",
				null,
				h(
					"tr",
					null,
					columns.map((c) =>
						h("th", { key: c.key, scope: "col", class: cls(c) }, c.act ? h("span", { class: "sr" }, c.name) : c.name),
					),
				),
			),
			h(
				"tbody",
				null,
				rows.map((row) =>
					h(
						"tr",
						{ key: keyOf(row), "data-row": keyOf(row) },
						columns.map((c) => h("td", { key: c.key, class: cls(c) }, c.cell(row))),
					),
				),
			),
		),
	);
}

/** Label above, hint under it, the error under the input and tied to it. */
export function field(name, label, hint, fault, input) {
	const ids = [hint && `${name}-hint`, fault && `${name}-fault`].filter(Boolean).join(" ");
	const props = { id: name, name, ...input.props };
	if (ids) props["aria-describedby"] = ids;
	if (fault) props["aria-invalid"] = "true";
	return h(
		"div",
		{ class: "field", key: name },
		h("label", { for: name }, label),
		hint && h("div", { class: "hint", id: `${name}-hint` }, hint),
		h(input.tag, props, input.children),
		fault && h("div", { class: "fault", id: `${name}-fault` }, icon("alert"), h("span", null, fault)),
	);
}

export function copyable(text, label) {
	return h(
		"div",
		{ class: "copy" },
		h("code", { tabindex: 0, "aria-label": label }, text),
		h(
			"button",
			{
				type: "button",
				class: "button plain",
				"aria-label": t("copy.what", { what: label }),
				title: t("copy"),
				onClick: () => copy(text),
			},
			icon("copy"),
		),
	);
}

export async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		// Over plain http the clipboard is closed to scripts, selecting still works.
		const area = document.createElement("textarea");
		area.value = text;
		area.className = "sr";
		document.body.append(area);
		area.select();
		document.execCommand("copy");
		area.remove();
	}
	notice("ok", t("copied"));
}

export function meter(label, words, share) {
	const full = share >= 0.9;
	return h(
		"div",
		{ class: "meter", "data-look": full ? "warn" : null },
		h("div", { class: "words" }, h("span", null, label), h("span", { class: "num muted" }, words)),
		h(
			"div",
			{
				class: "track",
				role: "meter",
				"aria-label": label,
				"aria-valuemin": 0,
				"aria-valuemax": 100,
				"aria-valuenow": Math.round(Math.min(1, share) * 100),
				"aria-valuetext": words,
			},
			h("div", { class: "fill", style: { width: `${Math.min(1, share) * 100}%` } }),
		),
	);
}

export function empty(title, text, ...more) {
	return h("div", { class: "empty" }, h("h2", null, title), h("p", null, text), more);
}

export function pageHead(title, beside, ...actions) {
	return h(
		"div",
		{ class: beside ? "page-head with" : "page-head" },
		h("h1", { tabindex: -1 }, title),
		beside,
		actions.length > 0 && h("div", { class: "actions" }, actions),
	);
}
