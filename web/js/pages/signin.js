// Sign in: a page of its own at first, a dialog over the page when a session has ended.

import { h } from "../h.js";
import { t } from "../i18n.js";
import { invalidate } from "../scope.js";
import { lastTenant, session, signIn, signOut } from "../session.js";
import { dialog } from "../ui/dialog.js";
import { brand, switches } from "../ui/frame.js";
import { button, explain, field } from "../ui/parts.js";

const state = { tenant: null, password: "", busy: false, problem: null, until: 0 };

async function submit(e) {
	e.preventDefault();
	if (state.busy || left() > 0) return;
	state.busy = true;
	state.problem = null;
	invalidate();
	try {
		await signIn(state.tenant.trim(), state.password);
		Object.assign(state, { password: "", problem: null });
	} catch (problem) {
		state.problem = problem;
		if (problem.status === 429) wait(problem.retryAfter || 5);
		else document.getElementById("password")?.select();
	}
	state.busy = false;
	invalidate();
}

function wait(seconds) {
	state.until = Date.now() + seconds * 1000;
	const tick = () => {
		invalidate();
		if (left() > 0) setTimeout(tick, 1000);
		else state.problem = null;
	};
	tick();
}

const left = () => Math.max(0, Math.ceil((state.until - Date.now()) / 1000));

function fault() {
	if (left() > 0) return t("signin.wait", { n: left() });
	if (!state.problem) return null;
	return state.problem.status === 401 ? t("signin.wrong") : explain(state.problem).text;
}

function form(fixed) {
	if (state.tenant === null || fixed) state.tenant = fixed || lastTenant();
	const set = (name) => (e) => {
		state[name] = e.target.value;
		invalidate();
	};
	return h(
		"form",
		{ class: fixed ? null : "card", onSubmit: submit, novalidate: true },
		field(
			"tenant",
			t("signin.tenant"),
			null,
			null,
			h("input", {
				class: "input",
				value: state.tenant,
				onInput: set("tenant"),
				readonly: Boolean(fixed),
				autocomplete: "username",
				autocapitalize: "none",
				spellcheck: "false",
				required: true,
			}),
		),
		field(
			"password",
			t("signin.password"),
			null,
			fault(),
			h("input", {
				class: "input",
				type: "password",
				autofocus: Boolean(state.tenant) || null,
				value: state.password,
				onInput: set("password"),
				autocomplete: "current-password",
				required: true,
			}),
		),
		h(
			"div",
			{ class: fixed ? "buttons" : "stack", "aria-live": "polite" },
			fixed && button(t("signout"), { onClick: () => signOut().catch(() => location.reload()) }),
			button(state.busy ? t("signin.busy") : t("signin"), {
				type: "submit",
				primary: true,
				disabled: state.busy || left() > 0,
			}),
		),
	);
}

export function signInPage() {
	return h(
		"main",
		{ class: "signin", key: "signin" },
		h(
			"div",
			{ class: "box" },
			h("h1", { tabindex: -1, class: "sr" }, t("signin.title")),
			brand(),
			form(null),
			h("p", { class: "muted small" }, t("signin.hint")),
			switches(),
		),
	);
}

export function signInAgain() {
	if (!session.asking) return null;
	return dialog({ title: t("signin.again"), locked: true, name: "signin" }, h("p", { class: "muted" }, t("signin.again.why")), form(session.tenant));
}
