// Deploy by URL: three fields, the address it will get, and the server's errors at their fields.

import { all, call, get, segment } from "../api.js";
import { bytes } from "../format.js";
import { h } from "../h.js";
import { t, tx } from "../i18n.js";
import { LONGEST, fault as nameFault, fromUrl, label } from "../names.js";
import { quotaResource } from "../quota.js";
import { go, href } from "../router.js";
import { invalidate } from "../scope.js";
import { session } from "../session.js";
import { icon } from "../ui/icons.js";
import { button, faultText, field, pageHead, problemMessage } from "../ui/parts.js";

const fields = ["url", "ref", "name", "command", "memory", "scale", "profile"];

// Kept beside the page: what was typed is there again after a look at another page.
let typed = {};

export function deployPage(scope, { query }) {
	const state = { busy: false, faults: {}, problem: null, taken: {}, pattern: null, suggestion: null };
	if (query.get("url")) typed.url = query.get("url");
	const quota = quotaResource(scope);
	let timer = null;
	scope.onStop(() => clearTimeout(timer));
	learnAddress();

	const name = () => (typed.name || "").trim() || fromUrl(typed.url || "");

	/** How addresses look is told by the server, or by an app that is there already. */
	async function learnAddress() {
		state.pattern = session.info?.app_address || null;
		if (state.pattern) return;
		try {
			const apps = (await all("/apps", null, scope.signal)).items;
			for (const a of apps) {
				const host = `${label(a.name)}-${session.tenant}`;
				if (a.address?.includes(`//${host}.`)) {
					state.pattern = a.address.replace(`//${host}.`, "//{label}.");
					break;
				}
			}
		} catch {
			// Only the preview is poorer.
		}
		invalidate();
	}

	function set(part) {
		return (e) => {
			typed[part] = e.target.value;
			delete state.faults[part];
			if (part === "url") delete state.faults.name;
			state.suggestion = null;
			clearTimeout(timer);
			timer = setTimeout(look, 300);
			invalidate();
		};
	}

	/** Is the name free? */
	async function look() {
		const n = name();
		if (!n || nameFault(n) || n in state.taken) return;
		try {
			await get("/apps/" + segment(n), null, scope.signal);
			state.taken[n] = true;
		} catch (e) {
			if (e.status === 404) state.taken[n] = false;
		}
		invalidate();
	}

	function faultOf(part) {
		if (state.faults[part]) return state.faults[part];
		if (part !== "name") return null;
		const n = name();
		if (typed.name && nameFault(n)) return t(nameFault(n), { max: LONGEST });
		if (state.taken[n]) return t("deploy.name.taken", { name: n });
		return null;
	}

	async function submit(e) {
		e.preventDefault();
		if (state.busy) return;
		state.faults = {};
		state.problem = null;
		if (!(typed.url || "").trim()) state.faults.url = t("deploy.url.missing");
		const scale = (typed.scale || "").trim();
		if (scale && !/^\d+$/.test(scale)) state.faults.scale = t("deploy.scale.form");
		if (fields.some(faultOf)) return toFirstFault();
		const body = { url: typed.url.trim() };
		for (const part of ["ref", "name", "command", "memory", "profile"])
			if ((typed[part] || "").trim()) body[part] = part === "profile" ? typed[part] : typed[part].trim();
		if (scale) body.scale = Number(scale);
		state.busy = true;
		invalidate();
		try {
			const { data } = await call("POST", "/apps", { body });
			typed = {};
			go(href("apps", data.app.name) + (data.operation ? "?operation=" + encodeURIComponent(data.operation.id) : ""));
		} catch (problem) {
			take(problem);
		}
		state.busy = false;
		invalidate();
	}

	function take(problem) {
		for (const f of problem.errors || []) {
			const part = fields.includes(f.field) ? f.field : null;
			if (!part) continue;
			state.faults[part] = faultText(f);
		}
		if (problem.status === 409 && problem.code === "name_taken") {
			state.faults.name = t("deploy.name.taken", { name: name() });
			state.suggestion = problem.body.suggestion || null;
		}
		if (Object.keys(state.faults).length === 0) state.problem = problem;
		toFirstFault();
	}

	function toFirstFault() {
		invalidate();
		const first = fields.find(faultOf);
		setTimeout(() => {
			const el = document.getElementById(first);
			if (el?.closest("details")) el.closest("details").open = true;
			el?.focus();
		}, 60);
	}

	function preview() {
		const n = name();
		const good = n && !nameFault(n);
		const host = `${label(n)}-${session.tenant}`;
		return h(
			"div",
			{ class: "preview", "aria-live": "polite", id: "preview" },
			good
				? [
						h("span", { class: "muted small" }, t("deploy.preview")),
						h("strong", { class: "mono", "data-name": n }, n),
						h(
							"span",
							null,
							state.pattern
								? tx("deploy.preview.address", {
										address: h("span", { class: "mono", id: "preview-address" }, state.pattern.replace("{label}", host)),
									})
								: tx("deploy.preview.host", { host: h("span", { class: "mono" }, host) }),
						),
					]
				: h("span", { class: "muted" }, t("deploy.preview.none")),
		);
	}

	function left() {
		const m = quota.data?.memory;
		if (!m || m.limit === null || m.limit === undefined) return t("deploy.memory.hint");
		return t("deploy.memory.left", { left: bytes(Math.max(0, m.limit - m.used)), limit: bytes(m.limit) });
	}

	return {
		title: () => t("deploy.title"),
		view() {
			const input = (part, props) => h("input", { class: "input", autocomplete: "off", spellcheck: "false", autocapitalize: "none", ...props, value: typed[part] || "", onInput: set(part) });
			return [
				pageHead(t("deploy.title")),
				h(
					"div",
					{ class: "deploy" },
					state.problem && problemMessage(state.problem),
					h(
						"form",
						{ onSubmit: submit, novalidate: true },
						field("url", t("deploy.url"), t("deploy.url.hint"), faultOf("url"), input("url", { inputmode: "url", required: true, class: "input mono", placeholder: "https://github.com/owner/repository" })),
						field("ref", t("deploy.ref"), t("deploy.ref.hint"), faultOf("ref"), input("ref", { class: "input mono" })),
						h(
							"div",
							{ class: "stack" },
							field("name", t("deploy.name"), t("deploy.name.hint"), faultOf("name"), input("name", { class: "input mono", placeholder: fromUrl(typed.url || "") })),
							state.suggestion &&
								h(
									"div",
									null,
									button(t("deploy.name.use", { name: state.suggestion }), {
										small: true,
										onClick: () => {
											typed.name = state.suggestion;
											state.faults = {};
											state.suggestion = null;
											invalidate();
										},
									}),
								),
							preview(),
						),
						h(
							"details",
							null,
							h("summary", null, icon("chevron"), t("deploy.more")),
							h(
								"div",
								{ class: "inside" },
								h("p", { class: "muted" }, t("deploy.more.text")),
								field("command", t("command"), t("deploy.command.hint"), faultOf("command"), input("command", { class: "input mono" })),
								h(
									"div",
									{ class: "pair" },
									field("memory", t("memory"), left(), faultOf("memory"), input("memory", { class: "input mono", placeholder: "256m" })),
									field("scale", t("instances"), t("deploy.scale.hint"), faultOf("scale"), input("scale", { inputmode: "numeric", placeholder: "1" })),
								),
								field(
									"profile",
									t("deploy.profile"),
									t("deploy.profile.hint"),
									faultOf("profile"),
									h("textarea", { class: "input", rows: 5, spellcheck: "false", placeholder: "command: python3 app.py\nmemory: 128m\nscale: 2", value: typed.profile || "", onInput: set("profile") }),
								),
							),
						),
						h(
							"div",
							{ class: "row" },
							button(state.busy ? t("deploy.busy") : t("deploy"), { type: "submit", primary: true, disabled: state.busy, id: "deploy" }),
							h("a", { class: "button plain", href: "#/apps" }, t("cancel")),
						),
					),
				),
			];
		},
	};
}
