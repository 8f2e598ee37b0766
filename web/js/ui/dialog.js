// Modal dialogs on <dialog>: Escape closes, the page behind is inert, focus goes back.

import { h } from "../h.js";
import { t } from "../i18n.js";
import { invalidate } from "../scope.js";
import { button, explain } from "./parts.js";

export function dialog({ title, onClose, locked, name }, ...body) {
	return h(
		"dialog",
		{
			key: "dialog-" + name,
			"aria-labelledby": "dialog-title",
			ref: (el, old) => {
				if (el) el.showModal();
				else if (old?.open) old.close();
			},
			onCancel: (e) => {
				if (locked) e.preventDefault();
			},
			onClose: () => onClose?.(),
		},
		h("div", { class: "stack" }, h("h2", { id: "dialog-title" }, title), body),
	);
}

export const closeFrom = (e) => e.target.closest("dialog").close();

/**
 * The one question that asks for typing: to destroy, the thing's own name.
 * Answers {open(), view()}; run() does it and may throw a Problem.
 */
export function destroyDialog({ name, lost, run }) {
	const state = { open: false, typed: "", busy: false, problem: null };
	const close = () => {
		Object.assign(state, { open: false, typed: "", busy: false, problem: null });
		invalidate();
	};
	const submit = async (e) => {
		e.preventDefault();
		if (state.busy || state.typed.trim() !== name) return;
		state.busy = true;
		state.problem = null;
		invalidate();
		try {
			await run();
			close();
		} catch (problem) {
			state.busy = false;
			state.problem = problem;
			invalidate();
		}
	};
	return {
		open() {
			state.open = true;
			invalidate();
		},
		view() {
			if (!state.open) return null;
			return dialog(
				{ title: t("destroy.title", { name }), onClose: close, name: "destroy" },
				h("p", null, t("destroy.lost")),
				h("ul", { class: "plain" }, lost().map((l) => h("li", null, l))),
				h("p", { class: "muted" }, t("destroy.kept")),
				h(
					"form",
					{ onSubmit: submit, novalidate: true },
					h(
						"div",
						{ class: "field" },
						h("label", { for: "destroy-name" }, t("destroy.type")),
						h("div", { class: "hint", id: "destroy-hint" }, h("code", null, name)),
						h("input", {
							id: "destroy-name",
							class: "input mono",
							"aria-describedby": "destroy-hint",
							autocomplete: "off",
							autocapitalize: "none",
							spellcheck: "false",
							value: state.typed,
							onInput: (e) => {
								state.typed = e.target.value;
								invalidate();
							},
						}),
						state.problem && h("div", { class: "fault", role: "alert" }, explain(state.problem).text),
					),
					h(
						"div",
						{ class: "buttons" },
						button(t("cancel"), { onClick: closeFrom }),
						button(state.busy ? t("destroy.busy") : t("destroy.do", { name }), {
							type: "submit",
							danger: true,
							// Not disabled: Enter right after the last letter must find it willing.
							"aria-disabled": state.busy || state.typed.trim() !== name ? "true" : null,
						}),
					),
				),
			);
		},
	};
}
