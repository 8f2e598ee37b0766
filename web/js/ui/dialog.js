// Modal dialogs on <dialog>: Escape closes, the page behind is inert, focus goes back.

import { h } from "../h.js";
import { t } from "../i18n.js";
import { invalidate } from "../scope.js";
import { button, field, problemMessage } from "./parts.js";

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
 * A question before something is done. run() does it and may throw a Problem, which is shown in the dialog.
 * ready(): may it be done now? Answers {open(), view()}.
 */
function question({ name, title, text, body = () => null, doText, busyText, ready = () => true, reset = () => {}, run }) {
	const state = { open: false, busy: false, problem: null };
	const close = () => {
		Object.assign(state, { open: false, busy: false, problem: null });
		reset();
		invalidate();
	};
	const submit = async (e) => {
		e.preventDefault();
		if (state.busy || !ready()) return;
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
				{ title: title(), onClose: close, name },
				text(),
				h(
					"form",
					{ onSubmit: submit, novalidate: true },
					body(),
					state.problem && problemMessage(state.problem),
					h(
						"div",
						{ class: "buttons" },
						button(t("cancel"), { onClick: closeFrom }),
						button(state.busy ? busyText() : doText(), {
							type: "submit",
							danger: true,
							// Not disabled: Enter right after the last letter must find it willing.
							"aria-disabled": state.busy || !ready() ? "true" : null,
						}),
					),
				),
			);
		},
	};
}

/** A plain question: what will happen, and the button that says it. All texts are functions. */
export function confirmDialog({ title, text, doText, run }) {
	return question({ name: "confirm", title, text: () => h("p", null, text()), doText, busyText: doText, run });
}

/**
 * The one question that asks for typing: to destroy, the thing's own name. title, kept and
 * doText where it is not one app.
 */
export function destroyDialog({ name, title, lost, kept = () => t("destroy.kept"), doText, run }) {
	let typed = "";
	return question({
		name: "destroy",
		title: title || (() => t("destroy.title", { name })),
		text: () => [
			h("p", null, t("destroy.lost")),
			h("ul", { class: "plain" }, lost().map((l) => h("li", null, l))),
			h("p", { class: "muted" }, kept()),
		],
		body: () =>
			field(
				"destroy-name",
				t("destroy.type"),
				h("code", null, name),
				null,
				h("input", {
					class: "input mono",
					autocomplete: "off",
					autocapitalize: "none",
					spellcheck: "false",
					value: typed,
					onInput: (e) => {
						typed = e.target.value;
						invalidate();
					},
				}),
			),
		doText: doText || (() => t("destroy.do", { name })),
		busyText: () => t("destroy.busy"),
		ready: () => typed.trim() === name,
		reset: () => (typed = ""),
		run,
	});
}
