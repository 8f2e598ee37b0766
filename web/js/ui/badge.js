// A state is told three times: by colour, by shape and by word.

import { h } from "../h.js";
import { has, t } from "../i18n.js";
import { shape } from "./icons.js";

const looks = {
	running: ["ok", "disc"],
	starting: ["busy", "half"],
	waiting: ["busy", "half"],
	degraded: ["warn", "triangle"],
	failed: ["bad", "cross"],
	stopped: ["idle", "square"],
	stopping: ["idle", "dots"],
	finished: ["done", "check"],
	empty: ["idle", "ring"],
	deleting: ["idle", "dots"],

	ready: ["ok", "disc"],
	unhealthy: ["warn", "triangle"],
	restarting: ["busy", "half"],

	pending: ["idle", "ring"],
	live: ["ok", "disc"],
	retired: ["idle", "square"],

	going: ["busy", "half"],
	queued: ["idle", "ring"],
	receiving: ["busy", "half"],
	succeeded: ["done", "check"],
	cancelled: ["idle", "square"],

	active: ["ok", "disc"],
	activating: ["busy", "half"],
	deactivating: ["idle", "dots"],
	inactive: ["idle", "square"],
};

export function badge(state, text) {
	const [look, form] = looks[state] || ["idle", "ring"];
	const key = "state." + state;
	return h(
		"span",
		{ class: "badge", "data-look": look, "data-state": state },
		shape(form),
		text || (has(key) ? t(key) : state),
	);
}

/** An app's badge says how many of its instances run where that is the point. */
export function appBadge(app) {
	if (app.state === "degraded")
		return badge("degraded", t("state.degraded.of", { a: app.running_instances, b: app.desired_instances }));
	return badge(app.state);
}
