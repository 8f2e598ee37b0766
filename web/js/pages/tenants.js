// Tenants, for the operator: who there is, what each uses and may use.

import { all, call, segment } from "../api.js";
import { bytes, number } from "../format.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { quotaParts, sized } from "../quota.js";
import { resource } from "../resource.js";
import { invalidate } from "../scope.js";
import { session } from "../session.js";
import { badge } from "../ui/badge.js";
import { closeFrom, confirmDialog, destroyDialog, dialog } from "../ui/dialog.js";
import { menu } from "../ui/menu.js";
import { notice } from "../ui/notices.js";
import { button, card, copyable, empty, explain, faultText, field, message, pageHead, pending, problemMessage, refused, stale, table, when } from "../ui/parts.js";
import { SHORTEST } from "./account/password.js";

const NAME = /^[a-z][a-z0-9]{0,23}$/;
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"; // none that is taken for another

/** 16 of 32 letters: 80 bits. */
function makePassword() {
	return Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => LETTERS[n % LETTERS.length]).join("");
}

/** A number of bytes as it is typed: "2g", "512m". */
function typedSize(n) {
	for (const [unit, size] of [["g", 1024 ** 3], ["m", 1024 ** 2], ["k", 1024]]) if (n > 0 && n % size === 0) return n / size + unit;
	return String(n);
}

const path = (name) => "/tenants/" + segment(name);

export function tenantsPage(scope) {
	if (session.role !== "admin") return { title: () => t("nav.tenants"), view: () => [pageHead(t("nav.tenants")), card(null, empty(t("tenants.closed"), t("error.admin_only")))] };

	const tenants = resource(scope, async (signal) => (await all("/tenants", null, signal)).items, { every: 15000, when: (e) => e.kind.startsWith("tenant.") });
	// The one form, for a new tenant, a quota, or a password; of: the tenant's name, null for a new one.
	const form = { kind: null, of: null, values: {}, faults: {}, problem: null, busy: false, told: null };
	let asking = null;

	function open(kind, tenant) {
		const values = { name: "", password: kind === "quota" ? "" : makePassword() };
		for (const p of quotaParts) values[p] = tenant && kind === "quota" ? (sized[p] ? typedSize(tenant.quota[p].limit) : String(tenant.quota[p].limit)) : "";
		Object.assign(form, { kind, of: tenant?.name || null, values, faults: {}, problem: null, told: null });
		invalidate();
	}

	function quotaOf(values) {
		const quota = {};
		for (const p of quotaParts) {
			const text = values[p].trim();
			if (text !== "") quota[p] = /^\d+$/.test(text) ? Number(text) : text;
		}
		return quota;
	}

	function check() {
		const { kind, values } = form;
		const faults = {};
		if (kind === "new" && !NAME.test(values.name.trim())) faults.name = t("tenants.name.form");
		if (kind !== "quota" && values.password.length < SHORTEST) faults.password = t("password.short", { n: SHORTEST });
		return faults;
	}

	async function send() {
		const { kind, of, values } = form;
		const quota = quotaOf(values);
		if (kind === "new") await call("POST", "/tenants", { body: { name: values.name.trim(), password: values.password, ...(Object.keys(quota).length ? { quota } : {}) } });
		else await call("PATCH", path(of), { body: kind === "quota" ? { quota } : { password: values.password } });
	}

	async function submit(e) {
		e.preventDefault();
		if (form.busy) return;
		Object.assign(form, { faults: check(), problem: null });
		if (Object.keys(form.faults).length === 0) {
			const dialogForm = e.target;
			form.busy = true;
			invalidate();
			try {
				await send();
				tenants.reload();
				if (form.kind === "quota") {
					notice("ok", t("tenants.saved", { name: form.of }));
					closeFrom({ target: dialogForm });
				} else form.told = { name: form.of || form.values.name.trim(), password: form.values.password };
			} catch (problem) {
				for (const f of problem.errors) form.faults[f.field.replace("quota.", "")] = faultText(f);
				if (problem.code === "name_taken" || problem.code === "name_reserved") form.faults.name = explain(problem).text;
				if (Object.keys(form.faults).length === 0) form.problem = problem;
			}
			form.busy = false;
		}
		invalidate();
		const first = ["name", "password", ...quotaParts].find((p) => form.faults[p]);
		if (first) document.getElementById("tenant-" + first)?.focus();
	}

	async function change(tenant, body, said) {
		await call("PATCH", path(tenant.name), { body });
		notice("ok", said);
		tenants.reload();
	}

	function disable(tenant) {
		asking = confirmDialog({
			title: () => t("tenants.disable.title", { name: tenant.name }),
			text: () => t("tenants.disable.text"),
			doText: () => t("tenants.disable"),
			run: () => change(tenant, { disabled: true }, t("tenants.disabled", { name: tenant.name })),
		});
		asking.open();
	}

	async function enable(tenant) {
		try {
			await change(tenant, { disabled: false }, t("tenants.enabled", { name: tenant.name }));
		} catch (e) {
			refused(e);
		}
	}

	function remove(tenant) {
		asking = destroyDialog({
			name: tenant.name,
			title: () => t("tenants.remove.title", { name: tenant.name }),
			lost: () => [t("tenants.lost.tokens"), t("tenants.lost.operations")],
			kept: () => t("tenants.kept"),
			doText: () => t("tenants.remove.do", { name: tenant.name }),
			run: async () => {
				await call("DELETE", path(tenant.name), { query: { confirm: tenant.name } });
				notice("info", t("tenants.removed", { name: tenant.name }));
				tenants.reload();
			},
		});
		asking.open();
	}

	return {
		title: () => t("nav.tenants"),
		view() {
			const head = pageHead(t("nav.tenants"), null, button(t("tenants.add"), { primary: true, id: "tenant-add", onClick: () => open("new", null) }));
			if (!tenants.data) return [head, card(null, pending(tenants, 4))];
			return [head, stale(tenants), card(null, table(t("nav.tenants"), columns(), tenants.data, (x) => x.name)), form.kind && formDialog(), asking?.view()];
		},
	};

	function columns() {
		const share = (x, p) => {
			const { used, limit } = x.quota[p];
			const show = sized[p] ? bytes : number;
			return h("span", { class: limit > 0 && used / limit >= 0.9 ? "near" : null }, t("of", { a: show(used), b: show(limit) }));
		};
		return [
			{
				key: "name",
				name: t("col.name"),
				cell: (x) => [h("span", { class: "name" }, x.name), x.role === "admin" && h("span", { class: "muted" }, " · ", t("role.admin")), h("span", { class: "under num" }, t("quota.memory"), " ", share(x, "memory"))],
			},
			{ key: "state", name: t("col.state"), cell: (x) => (x.disabled ? badge("stopped", t("tenants.state.disabled")) : badge("active", t("tenants.state.active"))) },
			...quotaParts.map((p) => ({ key: p, name: t("quota." + p), n: true, wide: true, cell: (x) => share(x, p) })),
			{ key: "created", name: t("app.created"), n: true, wide: true, cell: (x) => when(x.created_at) },
			{
				key: "act",
				name: t("actions"),
				act: true,
				cell: (x) => {
					const own = x.name === session.tenant;
					return menu("tenant-" + x.name, t("actions.of", { name: x.name }), [
						{ text: t("tenants.quota"), run: () => open("quota", x) },
						...(own ? [{ text: t("tenants.own"), href: "#/account" }] : [{ text: t("tenants.password"), run: () => open("password", x) }, x.disabled ? { text: t("tenants.enable"), run: () => enable(x) } : { text: t("tenants.disable.menu"), run: () => disable(x) }, null, { text: t("tenants.remove.menu"), run: () => remove(x) }]),
					]);
				},
			},
		];
	}

	function formDialog() {
		const { kind, of, values, faults } = form;
		const close = () => {
			Object.assign(form, { kind: null, told: null, values: {} });
			invalidate();
		};
		const title = kind === "new" ? t("tenants.add") : t(kind === "quota" ? "tenants.quota.title" : "tenants.password.title", { name: of });
		if (form.told)
			return dialog(
				{ title: t("tenants.told", { name: form.told.name }), onClose: close, name: "tenant" },
				message("warn", h("p", null, t("tenants.told.text"))),
				copyable(form.told.password, t("signin.password")),
				h("div", { class: "buttons" }, button(t("close"), { primary: true, onClick: closeFrom })),
			);
		const line = (part, label, hint, props) =>
			field(
				"tenant-" + part,
				label,
				hint,
				faults[part],
				h("input", {
					class: "input",
					autocomplete: "off",
					autocapitalize: "none",
					spellcheck: "false",
					...props,
					value: values[part],
					onInput: (e) => {
						values[part] = e.target.value;
						delete faults[part];
						invalidate();
					},
				}),
			);
		return dialog(
			{ title, onClose: close, name: "tenant" },
			kind === "password" && h("p", { class: "muted" }, t("tenants.password.text")),
			h(
				"form",
				{ onSubmit: submit, novalidate: true },
				kind === "new" && line("name", t("col.name"), t("tenants.name.hint")),
				kind !== "quota" && line("password", t("signin.password"), t("tenants.password.hint"), { class: "input mono", autocomplete: "new-password" }),
				kind === "new" && h("p", { class: "muted", key: "hint" }, t("tenants.quota.default")),
				kind !== "password" &&
					h(
						"div",
						{ class: "pair" },
						quotaParts.map((p) => line(p, t("quota." + p), sized[p] ? t("tenants.size.hint") : null, sized[p] ? {} : { inputmode: "numeric" })),
					),
				form.problem && problemMessage(form.problem),
				h(
					"div",
					{ class: "buttons" },
					button(t("cancel"), { onClick: closeFrom }),
					button(form.busy ? t("tenants.busy") : t(kind === "new" ? "tenants.do" : "tenants.save"), { type: "submit", id: "tenant-do", primary: true, disabled: form.busy }),
				),
			),
		);
	}
}
