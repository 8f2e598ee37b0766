// One app: its head, what goes on with it, and the tabs.

import { act, canStart, canStop, gone, post } from "../actions.js";
import { call, get, segment } from "../api.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { quotaResource } from "../quota.js";
import { resource } from "../resource.js";
import { go, href } from "../router.js";
import { invalidate } from "../scope.js";
import { appBadge } from "../ui/badge.js";
import { menu } from "../ui/menu.js";
import { going, operationChip, operationsOf, watch } from "../ui/operation.js";
import { button, card, empty, pageHead, pending, stale, when } from "../ui/parts.js";
import { similarDialog } from "../ui/similar.js";
import { tabs } from "../ui/tabs.js";
import { address } from "./apps.js";
import { accessTab } from "./app/access.js";
import { envTab } from "./app/env.js";
import { logsTab } from "./app/logs.js";
import { operationsTab } from "./app/operations.js";
import { overviewTab } from "./app/overview.js";
import { releasesTab } from "./app/releases.js";
import { settingsTab } from "./app/settings.js";

const parts = [
	["", "tab.overview", overviewTab],
	["logs", "tab.logs", logsTab],
	["releases", "tab.releases", releasesTab],
	["operations", "tab.operations", operationsTab],
	["env", "tab.env", envTab],
	["access", "tab.access", accessTab],
	["settings", "tab.settings", settingsTab],
];

export function appPage(scope, { params, query }) {
	const name = params.app;
	const mine = (e) => e.app === name;
	const app = resource(scope, (signal) => get("/apps/" + segment(name), null, signal), { every: 10000, when: mine });
	const context = {
		scope,
		name,
		app,
		mine,
		operations: operationsOf(scope, name),
		quota: quotaResource(scope),
		scale: resource(
			scope,
			async (signal) => {
				const { data, etag } = await call("GET", `/apps/${segment(name)}/scale`, { signal });
				return { ...data, etag };
			},
			{ when: mine },
		),
		follow,
	};

	// The operation that is shown: one that goes on, else the one just asked for or the latest.
	let shown = null;
	function follow(operation) {
		if (!operation?.id) return;
		if (shown?.id !== operation.id) shown = { id: operation.id, r: watch(scope, operation.id), first: operation };
		context.operations.soon();
		app.soon();
		invalidate();
	}
	if (query.get("operation")) follow({ id: query.get("operation"), kind: "deploy", state: "queued", steps: [] });

	const wanted = params.tab || "";
	const [, , make] = parts.find(([id]) => id === wanted) || parts[0];
	const tab = make(context);

	function operation() {
		const list = context.operations.data || [];
		const now = shown && (shown.r.data || shown.first);
		const next = list.find((o) => o.state === "running") || list.find(going) || list[0];
		if (next && next.id !== now?.id && (!now || !going(now))) {
			const newer = !now || going(next) || new Date(next.created_at) > new Date(now.created_at || 0);
			if (newer) follow(next);
		}
		return shown ? shown.r.data || shown.first : null;
	}

	const similar = similarDialog({ path: `/apps/${segment(name)}/similar`, name });

	async function run(verb) {
		follow(await act(name, verb));
	}

	return {
		title: () => name,
		keys: tab.keys,
		view() {
			const a = app.data;
			if (app.error?.status === 404) {
				return [
					pageHead(name),
					card(null, empty(t(a ? "app.gone" : "app.missing"), t("app.missing.text", { name }), h("a", { class: "button", href: "#/apps" }, t("app.missing.back")))),
				];
			}
			if (!a) return [pageHead(name), card(null, pending(app, 4))];
			const stopped = canStart(a);
			const now = operation();
			return [
				pageHead(
					name,
					appBadge(a),
					stopped
						? button(t("start"), { onClick: () => run("start"), disabled: gone(a) })
						: button(t("restart"), { onClick: () => run("restart"), disabled: gone(a) || !canStop(a) }),
					button(t("similar"), { id: "similar", onClick: () => similar.open(a.command || ""), disabled: gone(a) || !a.release }),
					button(t("deploy.again"), { onClick: deployAgain, disabled: gone(a) || !a.url }),
					menu("app", t("actions"), [
						...(stopped && canStop(a) ? [{ text: t("restart"), run: () => run("restart") }] : []),
						{ text: t("stop"), run: () => run("stop"), disabled: !canStop(a) },
						null,
						{ text: t("destroy.menu"), run: () => go(href("apps", name, "settings")), disabled: gone(a) },
					], "outlined"),
				),
				h(
					"div",
					{ class: "sub" },
					a.address && address(a),
					h("span", null, a.release ? t("app.release", { n: String(a.release) }) : t("app.norelease")),
					a.commit && h("span", { class: "mono", title: a.commit }, a.commit.slice(0, 10)),
					(a.group !== name || a.parent) && h("a", { href: href("groups", a.group) }, t("app.group", { name: a.group })),
					h("span", null, t("app.changed"), " ", when(a.updated_at)),
				),
				stale(app),
				tabs(
					t("tabs"),
					parts.map(([id, key]) => ({ id, text: t(key), href: id ? href("apps", name, id) : href("apps", name) })),
					wanted,
					wanted !== "" && now && going(now) && operationChip(now, href("apps", name)),
				),
				h("div", { class: "stack", key: "tab-" + wanted }, tab.view(a, now)),
				similar.view(),
			];
		},
	};

	async function deployAgain() {
		follow(await post(`/apps/${segment(name)}/releases`, {}, t("queued.deploy", { name })));
	}
}
