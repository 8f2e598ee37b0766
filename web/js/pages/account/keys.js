// SSH keys: the public halves by which git push comes in.

import { all, call, segment } from "../../api.js";
import { h } from "../../h.js";
import { t, tx } from "../../i18n.js";
import { resource } from "../../resource.js";
import { invalidate } from "../../scope.js";
import { closeFrom, confirmDialog, dialog } from "../../ui/dialog.js";
import { notice } from "../../ui/notices.js";
import { button, card, empty, explain, faultText, field, pending, problemMessage, stale, table, when } from "../../ui/parts.js";

/** The tenant's keys, newest first. */
export function sshKeys(scope) {
	return resource(scope, async (signal) => (await all("/keys", null, signal)).items, {
		every: 60000,
		when: (e) => e.kind.startsWith("key."),
	});
}

export function keysCard(scope) {
	const keys = sshKeys(scope);
	const state = { open: false, name: "", key: "", busy: false, problem: null, faults: {} };
	let asking = null;

	function openAdd() {
		Object.assign(state, { open: true, name: "", key: "", problem: null, faults: {} });
		invalidate();
	}

	function check() {
		const faults = {};
		if (!state.name.trim()) faults.name = t("tokens.name.missing");
		if (!state.key.trim()) faults.key = t("ssh.key.missing");
		// It stays on the person's machine: it is not even sent.
		else if (state.key.includes("PRIVATE KEY")) faults.key = t("ssh.key.private");
		return faults;
	}

	async function submit(e) {
		e.preventDefault();
		if (state.busy) return;
		Object.assign(state, { faults: check(), problem: null });
		if (Object.keys(state.faults).length === 0) {
			const name = state.name.trim();
			state.busy = true;
			invalidate();
			try {
				await call("POST", "/keys", { body: { name, key: state.key.trim() } });
				state.open = false;
				notice("ok", t("ssh.added", { name }));
				keys.reload();
			} catch (problem) {
				for (const f of problem.errors) state.faults[f.field] = faultText(f);
				if (problem.code === "key_taken") state.faults.key = explain(problem).text;
				if (Object.keys(state.faults).length === 0) state.problem = problem;
			}
			state.busy = false;
		}
		invalidate();
		const first = ["name", "key"].find((f) => state.faults[f]);
		if (first) document.getElementById("ssh-" + first).focus();
	}

	function remove(k) {
		asking = confirmDialog({
			title: () => t("ssh.remove.title", { name: k.name }),
			text: () => t("ssh.remove.text"),
			doText: () => t("ssh.remove.do"),
			run: async () => {
				await call("DELETE", "/keys/" + segment(k.id));
				notice("info", t("ssh.removed", { name: k.name }));
				keys.reload();
			},
		});
		asking.open();
	}

	return {
		view() {
			const add = button(t("ssh.add"), { small: true, id: "ssh-add", onClick: openAdd }, "plus");
			return [
				!keys.data
					? card(t("ssh"), pending(keys, 2), add)
					: card(
							t("ssh"),
							[stale(keys), keys.data.length === 0 ? empty(t("ssh.none"), t("ssh.none.text")) : table(t("ssh"), columns(), keys.data, (k) => k.id)],
							add,
						),
				state.open && addDialog(),
				asking?.view(),
			];
		},
	};

	function columns() {
		return [
			{ key: "name", name: t("col.name"), cell: (k) => [h("span", { class: "name" }, k.name), h("span", { class: "under mono fingerprint" }, k.fingerprint)] },
			{ key: "fingerprint", name: t("ssh.fingerprint"), wide: true, cell: (k) => h("span", { class: "mono" }, k.fingerprint) },
			{ key: "used", name: t("tokens.used"), n: true, wide: true, cell: (k) => (k.last_used_at ? when(k.last_used_at) : h("span", { class: "muted" }, t("tokens.used.never"))) },
			{ key: "added", name: t("ssh.since"), n: true, wide: true, cell: (k) => when(k.created_at) },
			{ key: "act", name: t("actions"), act: true, cell: (k) => button(t("ssh.remove"), { small: true, "aria-label": t("ssh.remove.of", { name: k.name }), onClick: () => remove(k) }) },
		];
	}

	function addDialog() {
		const close = () => {
			state.open = false;
			invalidate();
		};
		const set = (part) => (e) => {
			state[part] = e.target.value;
			delete state.faults[part];
			invalidate();
		};
		const hint = tx("ssh.key.hint", { file: h("code", null, "~/.ssh/id_ed25519.pub"), make: h("code", null, "ssh-keygen -t ed25519") });
		return dialog(
			{ title: t("ssh.add"), onClose: close, name: "ssh" },
			h(
				"form",
				{ onSubmit: submit, novalidate: true },
				field("ssh-name", t("col.name"), t("tokens.name.hint"), state.faults.name, h("input", { class: "input", maxlength: 100, value: state.name, onInput: set("name"), autocomplete: "off" })),
				field(
					"ssh-key",
					t("ssh.key"),
					hint,
					state.faults.key,
					h("textarea", { class: "input mono", rows: 4, value: state.key, onInput: set("key"), autocomplete: "off", autocapitalize: "none", spellcheck: "false" }),
				),
				state.problem && problemMessage(state.problem),
				h("div", { class: "buttons" }, button(t("cancel"), { onClick: closeFrom }), button(state.busy ? t("ssh.busy") : t("ssh.do"), { type: "submit", id: "ssh-do", primary: true, disabled: state.busy })),
			),
		);
	}
}
