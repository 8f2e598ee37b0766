// Tokens: made with no more than they need, shown once, revoked.

import { all, call, segment } from "../../api.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { resource } from "../../resource.js";
import { invalidate } from "../../scope.js";
import { closeFrom, confirmDialog, dialog } from "../../ui/dialog.js";
import { notice } from "../../ui/notices.js";
import { button, card, copyable, empty, faultText, field, message, pending, problemMessage, stale, table, when } from "../../ui/parts.js";

const scopes = ["read", "deploy", "manage"];
const days = ["30", "90", "365", ""];
const DAY = 86400000;

export function tokensCard(scope) {
	const tokens = resource(scope, async (signal) => (await all("/tokens", null, signal)).items, {
		every: 60000,
		when: (e) => e.kind.startsWith("token."),
	});
	const state = { open: false, apps: [], name: "", scope: "deploy", app: "", days: "90", made: null, busy: false, problem: null, faults: {} };
	let asking = null;

	async function openMake() {
		Object.assign(state, { open: true, name: "", scope: "deploy", app: "", days: "90", made: null, problem: null, faults: {} });
		invalidate();
		try {
			state.apps = (await all("/apps", null, scope.signal)).items.map((a) => a.name);
		} catch {
			// Without the list a token for all apps can be made.
			state.apps = [];
		}
		invalidate();
	}

	async function submit(e) {
		e.preventDefault();
		if (state.busy) return;
		state.faults = state.name.trim() ? {} : { name: t("tokens.name.missing") };
		if (!state.faults.name) {
			const body = { name: state.name.trim(), scopes: [state.scope] };
			if (state.app) body.app = state.app;
			if (state.days) body.expires_at = new Date(Date.now() + Number(state.days) * DAY).toISOString();
			Object.assign(state, { busy: true, problem: null });
			invalidate();
			try {
				state.made = (await call("POST", "/tokens", { body })).data;
				tokens.reload();
			} catch (problem) {
				for (const f of problem.errors) state.faults[f.field] = faultText(f);
				if (problem.errors.length === 0) state.problem = problem;
			}
			state.busy = false;
		}
		invalidate();
		if (state.faults.name) document.getElementById("token-name").focus();
	}

	function revoke(k) {
		asking = confirmDialog({
			title: () => t("tokens.revoke.title", { name: k.name }),
			text: () => t("tokens.revoke.text"),
			doText: () => t("tokens.revoke.do"),
			run: async () => {
				await call("DELETE", "/tokens/" + segment(k.id));
				notice("info", t("tokens.revoked", { name: k.name }));
				tokens.reload();
			},
		});
		asking.open();
	}

	const scopesText = (k) => scopes.filter((s) => k.scopes.includes(s)).map((s) => t("tokens.scope." + s)).join(" · ");
	const expired = (k) => k.expires_at && new Date(k.expires_at) < new Date();

	return {
		view() {
			const add = button(t("tokens.add"), { small: true, id: "token-add", onClick: openMake }, "plus");
			return [
				!tokens.data
					? card(t("tokens"), pending(tokens, 2), add)
					: card(
							t("tokens"),
							[
								stale(tokens),
								tokens.data.length === 0
									? empty(t("tokens.none"), t("tokens.none.text"))
									: table(t("tokens"), columns(), tokens.data, (k) => k.id),
							],
							add,
						),
				state.open && makeDialog(),
				asking?.view(),
			];
		},
	};

	function columns() {
		return [
			{ key: "name", name: t("col.name"), cell: (k) => [h("span", { class: "name" }, k.name), h("span", { class: "under" }, scopesText(k))] },
			{ key: "scopes", name: t("tokens.may"), wide: true, cell: scopesText },
			{ key: "app", name: t("app"), cell: (k) => k.app || t("tokens.app.all") },
			{ key: "used", name: t("tokens.used"), n: true, wide: true, cell: (k) => (k.last_used_at ? when(k.last_used_at) : h("span", { class: "muted" }, t("tokens.used.never"))) },
			{
				key: "expires",
				name: t("tokens.expires"),
				n: true,
				wide: true,
				cell: (k) => (!k.expires_at ? h("span", { class: "muted" }, t("tokens.expires.never")) : expired(k) ? h("span", { class: "wrong" }, t("tokens.expired")) : when(k.expires_at)),
			},
			{ key: "act", name: t("actions"), act: true, cell: (k) => button(t("tokens.revoke"), { small: true, "aria-label": t("tokens.revoke.of", { name: k.name }), onClick: () => revoke(k) }) },
		];
	}

	function makeDialog() {
		const close = () => {
			// The secret leaves the page with the dialog.
			Object.assign(state, { open: false, made: null });
			invalidate();
		};
		if (state.made)
			return dialog(
				{ title: t("tokens.made"), onClose: close, name: "token" },
				message("warn", h("p", null, t("tokens.once"))),
				copyable(state.made.token, t("tokens.made")),
				h("div", { class: "buttons" }, button(t("close"), { primary: true, onClick: closeFrom })),
			);
		const set = (part) => (e) => {
			state[part] = e.target.value;
			delete state.faults[part];
			invalidate();
		};
		const choose = (part, label, options, hint, fault) =>
			field("token-" + part, label, hint, fault, h("select", { class: "input", value: state[part], onChange: set(part) }, options.map(([value, text]) => h("option", { key: value, value }, text))));
		return dialog(
			{ title: t("tokens.add"), onClose: close, name: "token" },
			h(
				"form",
				{ onSubmit: submit, novalidate: true },
				field("token-name", t("col.name"), t("tokens.name.hint"), state.faults.name, h("input", { class: "input", maxlength: 100, value: state.name, onInput: set("name"), autocomplete: "off" })),
				choose("scope", t("tokens.may"), scopes.map((s) => [s, t("tokens.scope.long." + s)]), null, state.faults.scopes),
				choose("app", t("app"), [["", t("tokens.app.all")], ...state.apps.map((a) => [a, a])], t("tokens.app.hint"), state.faults.app),
				choose("days", t("tokens.expires"), days.map((d) => [d, d ? t("tokens.days", { n: Number(d) }) : t("tokens.expires.never")]), null, state.faults.expires_at),
				state.problem && problemMessage(state.problem),
				h("div", { class: "buttons" }, button(t("cancel"), { onClick: closeFrom }), button(state.busy ? t("tokens.busy") : t("tokens.do"), { type: "submit", id: "token-do", primary: true, disabled: state.busy })),
			),
		);
	}
}
