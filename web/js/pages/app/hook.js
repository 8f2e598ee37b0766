// The webhook by which a git host has the app deployed: made, shown once with its secret, renewed, removed.

import { call, segment } from "../../api.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { resource } from "../../resource.js";
import { invalidate } from "../../scope.js";
import { confirmDialog } from "../../ui/dialog.js";
import { notice } from "../../ui/notices.js";
import { button, card, copyable, message, pending, refused, stale, when } from "../../ui/parts.js";

export function hookCard(scope, name) {
	const path = `/apps/${segment(name)}/hook`;
	const hook = resource(
		scope,
		async (signal) => {
			try {
				return (await call("GET", path, { signal })).data;
			} catch (e) {
				if (e.status === 404) return { id: null };
				throw e;
			}
		},
		{ when: (e) => e.kind.startsWith("hook.") && e.app === name },
	);
	const state = { busy: false, secret: null };

	async function make() {
		Object.assign(state, { busy: true, secret: null });
		invalidate();
		try {
			const { data } = await call("POST", path);
			hook.data = data;
			state.secret = data.secret;
		} catch (e) {
			refused(e);
		}
		state.busy = false;
		invalidate();
	}

	const renew = confirmDialog({
		title: () => t("hook.renew.title"),
		text: () => t("hook.renew.text"),
		doText: () => t("hook.renew"),
		run: make,
	});
	const remove = confirmDialog({
		title: () => t("hook.remove.title"),
		text: () => t("hook.remove.text"),
		doText: () => t("hook.remove"),
		run: async () => {
			await call("DELETE", path);
			state.secret = null;
			notice("info", t("hook.removed"));
			hook.reload();
		},
	});
	const part = (title, ...body) => h("div", { class: "field", key: title }, h("h3", null, title), body);

	function shown() {
		return [
			part(t("hook.url"), copyable(hook.data.url, t("hook.url"))),
			state.secret && message("warn", h("p", null, t("hook.once"))),
			state.secret && part(t("hook.secret"), copyable(state.secret, t("hook.secret"))),
			h("p", { class: "muted" }, t("hook.github")),
			h("p", { class: "muted" }, t("hook.gitlab")),
			h("p", { class: "muted" }, t("hook.used"), " ", hook.data.last_used_at ? when(hook.data.last_used_at) : t("hook.used.never")),
			h(
				"div",
				{ class: "buttons" },
				button(t("hook.renew"), { id: "hook-renew", disabled: state.busy, onClick: renew.open }),
				button(t("hook.remove"), { id: "hook-remove", disabled: state.busy, onClick: remove.open }),
			),
		];
	}

	return {
		view() {
			if (!hook.data) return card(t("hook"), pending(hook, 2));
			return [
				card(
					t("hook"),
					h(
						"div",
						{ class: "card-body stack" },
						stale(hook),
						h("p", { class: "muted" }, t("hook.text")),
						hook.data.id ? shown() : h("div", { class: "buttons" }, button(t("hook.make"), { id: "hook-make", disabled: state.busy, onClick: make })),
					),
				),
				renew.view(),
				remove.view(),
			];
		},
	};
}
