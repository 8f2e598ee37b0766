// Another password: who knows the old one may set it, and every other browser is signed out.

import { call } from "../../api.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { invalidate } from "../../scope.js";
import { session } from "../../session.js";
import { notice } from "../../ui/notices.js";
import { button, card, faultText, field, problemMessage } from "../../ui/parts.js";

export const SHORTEST = 8;

export function passwordCard() {
	const empty = { current: "", password: "", repeat: "" };
	const state = { ...empty, faults: {}, problem: null, busy: false };
	const self = { view, changed: () => {} };

	function check() {
		const faults = {};
		if (!state.current) faults.current = t("password.current.missing");
		if (state.password.length < SHORTEST) faults.password = t("password.short", { n: SHORTEST });
		else if (state.password !== state.repeat) faults.repeat = t("password.other");
		return faults;
	}

	async function submit(e) {
		e.preventDefault();
		if (state.busy) return;
		Object.assign(state, { faults: check(), problem: null });
		if (Object.keys(state.faults).length === 0) {
			state.busy = true;
			invalidate();
			try {
				await call("PATCH", "/account", { body: { password: state.password, current_password: state.current } });
				Object.assign(state, empty);
				notice("ok", t("password.changed"));
				self.changed();
			} catch (problem) {
				const wrong = (f) => problem.errors.find((x) => x.field === f);
				if (wrong("current_password")) state.faults.current = t("password.current.wrong");
				if (wrong("password")) state.faults.password = faultText(wrong("password"));
				if (Object.keys(state.faults).length === 0) state.problem = problem;
			}
			state.busy = false;
		}
		invalidate();
		const first = ["current", "password", "repeat"].find((f) => state.faults[f]);
		if (first) document.getElementById("password-" + first).focus();
	}

	const line = (part, label, complete) =>
		field(
			"password-" + part,
			label,
			part === "password" ? t("password.hint", { n: SHORTEST }) : null,
			state.faults[part],
			h("input", {
				class: "input",
				type: "password",
				autocomplete: complete,
				value: state[part],
				onInput: (e) => {
					state[part] = e.target.value;
					delete state.faults[part];
					invalidate();
				},
			}),
		);

	function view() {
		return card(
			t("signin.password"),
			h(
				"form",
				{ class: "card-body stack narrow", onSubmit: submit, novalidate: true, id: "password-form" },
				// Password keepers want to know whose it is.
				h("input", { type: "text", hidden: true, autocomplete: "username", value: session.tenant, readonly: true, "aria-hidden": "true", tabindex: -1 }),
				line("current", t("password.current"), "current-password"),
				line("password", t("password.new"), "new-password"),
				line("repeat", t("password.repeat"), "new-password"),
				state.problem && problemMessage(state.problem),
				h("div", null, button(state.busy ? t("password.busy") : t("password.do"), { type: "submit", id: "password-do", disabled: state.busy })),
			),
		);
	}

	return self;
}
