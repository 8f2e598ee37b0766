// "Deploy similar": another command, or a template of many, and below it what the server would make of it.

import { call } from "../api.js";
import { bytes, middle, number } from "../format.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { go, href } from "../router.js";
import { invalidate } from "../scope.js";
import { closeFrom, dialog } from "./dialog.js";
import { notice } from "./notices.js";
import { button, faultText, field, meter, problemMessage, table } from "./parts.js";

const FIRST = 5;
const LAST = 2;

/** path: where the request goes. Answers {open(command), view()}. */
export function similarDialog({ path, name, group }) {
	const state = { open: false, command: "", parallel: "", literal: false, busy: false, plan: null, problem: null, looking: 0 };
	let timer = null;
	let asked = 0;

	function close() {
		clearTimeout(timer);
		state.open = false;
		invalidate();
	}

	function body() {
		const wanted = { command: state.command };
		if (state.literal) wanted.literal = true;
		if (/^\d+$/.test(state.parallel.trim())) wanted.parallel = Number(state.parallel);
		return wanted;
	}

	function change(part, value) {
		state[part] = value;
		clearTimeout(timer);
		timer = setTimeout(look, 250);
		invalidate();
	}

	async function look() {
		const mine = ++asked;
		if (!state.command.trim()) {
			state.plan = null;
			state.problem = null;
			return invalidate();
		}
		try {
			const { data } = await call("POST", path, { body: body(), query: { dry_run: "true" }, once: true });
			if (mine !== asked) return;
			state.plan = data;
			state.problem = null;
		} catch (problem) {
			if (mine !== asked) return;
			state.problem = problem;
		}
		invalidate();
	}

	async function submit(e) {
		e.preventDefault();
		if (state.busy || !state.command.trim()) return;
		const form = e.target;
		state.busy = true;
		state.problem = null;
		invalidate();
		try {
			const { data } = await call("POST", path, { body: body() });
			notice("info", t("queued.similar", { n: data.apps.length }));
			closeFrom({ target: form });
			go(href("groups", data.apps[0].group));
		} catch (problem) {
			state.problem = problem;
		}
		state.busy = false;
		invalidate();
	}

	const fault = () => {
		const own = state.problem?.errors?.find((f) => f.field === "command");
		return own ? faultText(own) : null;
	};

	return {
		open(command) {
			Object.assign(state, { open: true, command, plan: null, problem: null, busy: false });
			look();
			invalidate();
		},
		view() {
			if (!state.open) return null;
			const n = state.plan?.apps.length || 0;
			return dialog(
				{ title: t("similar.title", { name: group || name }), onClose: close, name: "similar" },
				h("p", { class: "muted" }, t("similar.text")),
				h(
					"form",
					{ onSubmit: submit, novalidate: true, class: "similar" },
					field(
						"similar-command",
						t("command"),
						t("similar.command.hint"),
						fault(),
						h("textarea", { class: "input mono", rows: 2, spellcheck: "false", autocapitalize: "none", value: state.command, onInput: (e) => change("command", e.target.value) }),
					),
					h(
						"div",
						{ class: "row" },
						h("span", { class: "muted small" }, t("similar.examples")),
						["{seed:1..20}", "{rate:0.1,0.01}", "{01..10}"].map((text) =>
							button(text, { key: text, small: true, class: "mono", onClick: () => change("command", example(state.command, text)) }),
						),
					),
					h(
						"div",
						{ class: "pair" },
						field("similar-parallel", t("similar.parallel"), t("similar.parallel.hint"), null, h("input", { class: "input", inputmode: "numeric", value: state.parallel, onInput: (e) => change("parallel", e.target.value) })),
						h(
							"label",
							{ class: "check" },
							h("input", { type: "checkbox", checked: state.literal, onChange: (e) => change("literal", e.target.checked) }),
							" ",
							t("similar.literal"),
						),
					),
					state.problem && !fault() && problemMessage(state.problem),
					state.plan && planView(state.plan),
					h(
						"div",
						{ class: "buttons" },
						button(t("cancel"), { onClick: closeFrom }),
						button(state.busy ? t("similar.busy") : t("similar.do", { n: n || 1 }), {
							type: "submit",
							id: "similar-do",
							primary: true,
							"aria-disabled": state.busy || !n || state.problem ? "true" : null,
						}),
					),
				),
			);
		},
	};
}

/** The last word of the command is what an example takes the place of. */
function example(command, text) {
	const words = command.trimEnd().split(" ");
	const last = words.length > 1 && /^[\w.+-]+$|^\{.*\}$/.test(words.at(-1)) && !words.at(-1).startsWith("-");
	return [...(last ? words.slice(0, -1) : words), text].join(" ");
}

function planView(plan) {
	const n = plan.apps.length;
	const short = n > FIRST + LAST + 1;
	const rows = short ? [...plan.apps.slice(0, FIRST), { more: n - FIRST - LAST }, ...plan.apps.slice(-LAST)] : plan.apps;
	const names = Object.keys(plan.apps[0]?.params || {});
	const { needed, left } = plan;
	return h(
		"div",
		{ class: "stack", "aria-live": "polite", id: "similar-plan" },
		h(
			"div",
			{ class: "plan-rows", role: "region", tabindex: 0, "aria-label": t("similar.plan") },
			table(
				t("similar.plan"),
				[
					{ key: "name", name: t("col.name"), cell: (a) => (a.more ? h("span", { class: "muted" }, t("similar.more", { n: a.more })) : h("span", { class: "mono" }, middle(a.name, 28))) },
					{ key: "command", name: t("command"), cell: (a) => (a.more ? "" : h("span", { class: "mono", title: a.command }, middle(a.command, 48))) },
					...names.map((p) => ({ key: "p-" + p, name: p, n: true, cell: (a) => (a.more ? "" : a.params[p]) })),
				],
				rows,
				(a) => a.name || "more",
			),
		),
		meter(t("quota.memory"), t("similar.needs", { a: bytes(needed.memory), b: bytes(left.memory) }), left.memory > 0 ? needed.memory / left.memory : needed.memory > 0 ? 1 : 0),
		meter(t("quota.instances"), t("similar.needs", { a: number(needed.instances), b: number(left.instances) }), left.instances > 0 ? needed.instances / left.instances : needed.instances > 0 ? 1 : 0),
		plan.possible < n && h("p", { class: "fault-text" }, t("similar.full", { a: plan.possible, b: n })),
	);
}
