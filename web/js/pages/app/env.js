// The app's variables. Changes are collected first: each time they are saved a new release runs with them.

import { gone } from "../../actions.js";
import { call, get, segment } from "../../api.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { resource } from "../../resource.js";
import { invalidate } from "../../scope.js";
import { closeFrom, dialog } from "../../ui/dialog.js";
import { menu } from "../../ui/menu.js";
import { notice } from "../../ui/notices.js";
import { going, operationCard } from "../../ui/operation.js";
import { icon } from "../../ui/icons.js";
import { button, card, empty, faultText, field, message, pending, problemMessage, stale, table } from "../../ui/parts.js";

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

const changes = { added: "env.added", changed: "env.changed", removed: "env.removed" };

// By app: what is not saved yet outlives a look at another page. NAME → {value?, secret}, or null: to be taken away.
const drafts = new Map();

export function envTab({ scope, name, mine, follow }) {
	const path = `/apps/${segment(name)}/env`;
	const env = resource(scope, (signal) => get(path, null, signal), { every: 30000, when: mine });
	if (!drafts.has(name)) drafts.set(name, new Map());
	const draft = drafts.get(name);
	const state = { busy: false, problem: null, faults: {} };
	const edit = { open: false, old: null, name: "", value: "", secret: false, faults: {} };

	const isSecret = (v) => v !== null && typeof v === "object";

	function rows() {
		const names = new Set([...Object.keys(env.data), ...draft.keys()]);
		return [...names].sort().map((key) => {
			const there = env.data[key];
			const to = draft.get(key);
			const secret = to ? to.secret : isSecret(there);
			const value = to?.value ?? (isSecret(there) ? undefined : there);
			return { key, secret, value, change: to === undefined ? null : to === null ? "removed" : there === undefined ? "added" : "changed" };
		});
	}

	function openEdit(row) {
		Object.assign(edit, { open: true, old: row ? row.key : null, name: row?.key || "", value: row?.value ?? "", secret: Boolean(row?.secret), faults: {} });
		invalidate();
	}

	function take(e) {
		e.preventDefault();
		const key = edit.name.trim();
		const there = env.data[key];
		const faults = {};
		if (!NAME.test(key)) faults.name = t("env.name.form");
		else if (key === "PORT" || key === "HOST" || key.startsWith("NAP_")) faults.name = t("env.name.own");
		else if (!edit.old && (key in env.data || draft.get(key))) faults.name = t("env.name.taken");
		// An empty field of a secret leaves it as it is; to show it again it needs a new value.
		const kept = isSecret(there) && edit.value === "";
		if (kept && !edit.secret) faults.value = t("env.value.needed");
		edit.faults = faults;
		invalidate();
		if (faults.name || faults.value) return document.getElementById(faults.name ? "env-name" : "env-value").focus();
		if (kept || there === edit.value) {
			if (isSecret(there) === edit.secret) draft.delete(key);
			else draft.set(key, { value: there, secret: edit.secret });
		} else {
			draft.set(key, { value: edit.value, secret: edit.secret });
		}
		delete state.faults[key];
		closeFrom(e);
	}

	function remove(key) {
		if (key in env.data) draft.set(key, null);
		else draft.delete(key);
		invalidate();
	}

	function undo(key) {
		draft.delete(key);
		delete state.faults[key];
		invalidate();
	}

	function discard() {
		draft.clear();
		Object.assign(state, { problem: null, faults: {} });
		invalidate();
	}

	async function save() {
		Object.assign(state, { busy: true, problem: null, faults: {} });
		invalidate();
		try {
			const { status, data } = await call("PATCH", path, { body: Object.fromEntries(draft) });
			draft.clear();
			if (status === 202) {
				notice("info", t("env.queued"));
				follow(data.operation);
			} else notice("ok", t("env.saved"));
			await env.reload();
		} catch (problem) {
			for (const f of problem.errors) state.faults[f.field.split(".")[0]] = faultText(f);
			if (!problem.errors.some((f) => draft.has(f.field.split(".")[0]))) state.problem = problem;
		}
		state.busy = false;
		invalidate();
	}

	return {
		view(a, operation) {
			if (!env.data) return card(t("tab.env"), pending(env, 3));
			const list = rows();
			return [
				stale(env),
				operation?.kind === "env" && going(operation) && operationCard(operation),
				draft.size > 0 &&
					h(
						"div",
						{ class: "message unsaved", key: "unsaved", "data-look": "info", role: "status" },
						icon("info"),
						h("div", { class: "body" }, h("p", null, t("env.unsaved", { n: draft.size })), h("p", { class: "muted small" }, t(a.release ? "env.unsaved.release" : "env.unsaved.first"))),
						h("div", { class: "row" }, button(t("env.discard"), { small: true, disabled: state.busy, onClick: discard }), button(state.busy ? t("env.busy") : t("env.save"), { id: "env-save", primary: true, small: true, disabled: state.busy || gone(a), onClick: save })),
					),
				state.problem && problemMessage(state.problem),
				card(
					t("tab.env"),
					list.length === 0 ? empty(t("env.none"), t("env.none.text"), h("code", { class: "mono" }, "GREETING=hello")) : table(t("tab.env"), columns(a), list, (r) => r.key),
					button(t("env.add"), { small: true, id: "env-add", disabled: gone(a), onClick: () => openEdit(null) }, "plus"),
				),
				message("info", h("p", null, t("env.about"))),
				edit.open && editDialog(),
			];
		},
	};

	function columns(a) {
		return [
			{
				key: "name",
				name: t("col.name"),
				cell: (r) => [
					h("span", { class: "mono name" + (r.change === "removed" ? " removed" : "") }, r.key),
					r.change && h("span", { class: "chip change", "data-change": r.change }, t(changes[r.change])),
					state.faults[r.key] && h("div", { class: "wrong small", role: "alert" }, state.faults[r.key]),
				],
			},
			{
				key: "value",
				name: t("env.value"),
				cell: (r) =>
					r.change === "removed"
						? h("span", { class: "muted" }, "–")
						: r.secret
							? h("span", { class: "muted" }, t("env.hidden"))
							: h("span", { class: "mono cut value", title: r.value }, r.value),
			},
			{
				key: "act",
				name: t("actions"),
				act: true,
				cell: (r) =>
					r.change === "removed"
						? button(t("undo"), { small: true, onClick: () => undo(r.key) })
						: menu(`env-${name}-${r.key}`, t("actions.of", { name: r.key }), [
								{ text: t("env.change"), run: () => openEdit(r), disabled: gone(a) },
								...(r.change ? [{ text: t("undo"), run: () => undo(r.key) }] : []),
								null,
								{ text: t("env.remove"), run: () => remove(r.key), disabled: gone(a) },
							]),
			},
		];
	}

	function editDialog() {
		const set = (part) => (e) => {
			edit[part] = e.target.type === "checkbox" ? e.target.checked : e.target.value;
			delete edit.faults[part];
			invalidate();
		};
		const close = () => {
			edit.open = false;
			invalidate();
		};
		const keeps = edit.old && isSecret(env.data[edit.old]);
		return dialog(
			{ title: edit.old ? t("env.change.title", { name: edit.old }) : t("env.add"), onClose: close, name: "env" },
			h(
				"form",
				{ onSubmit: take, novalidate: true },
				!edit.old &&
					field("env-name", t("col.name"), t("env.name.hint"), edit.faults.name, h("input", { class: "input mono", value: edit.name, onInput: set("name"), autocomplete: "off", autocapitalize: "none", spellcheck: "false" })),
				field("env-value", t("env.value"), keeps ? t("env.value.keep") : null, edit.faults.value, h("textarea", { class: "input mono", rows: 3, value: edit.value, onInput: set("value"), autocomplete: "off", autocapitalize: "none", spellcheck: "false" })),
				h("label", { class: "check" }, h("input", { type: "checkbox", id: "env-secret", checked: edit.secret, onChange: set("secret") }), t("env.secret")),
				h("div", { class: "buttons" }, button(t("cancel"), { onClick: closeFrom }), button(t("env.take"), { type: "submit", id: "env-take", primary: true })),
			),
		);
	}
}
