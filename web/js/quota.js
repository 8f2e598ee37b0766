// Used and limit of what a tenant may have.

import { get } from "./api.js";
import { bytes, number } from "./format.js";
import { h } from "./h.js";
import { t } from "./i18n.js";
import { resource } from "./resource.js";
import { meter } from "./ui/parts.js";

export const quotaParts = ["memory", "instances", "apps", "disk"];
export const sized = { memory: true, disk: true };

export function quotaResource(scope) {
	return resource(scope, (signal) => get("/quota", null, signal), {
		every: 30000,
		when: (e) => Boolean(e.app),
	});
}

export function quotaMeters(quota) {
	return h(
		"div",
		{ class: "meters" },
		quotaParts
			.filter((p) => quota[p])
			.map((p) => {
				const { used = 0, limit } = quota[p];
				const show = sized[p] ? bytes : number;
				const none = limit === null || limit === undefined;
				const words = none ? t("quota.used", { a: show(used) }) : t("quota.of", { a: show(used), b: show(limit) });
				return h("div", { key: p, "data-quota": p }, meter(t("quota." + p), words, none || limit === 0 ? 0 : used / limit));
			}),
	);
}

/** How many more instances of this much memory fit; undefined while the quota is not known. */
export function room(quota, memory) {
	if (!quota) return undefined;
	const left = (p) => (quota[p]?.limit === null || quota[p]?.limit === undefined ? Infinity : quota[p].limit - (quota[p].used || 0));
	return Math.max(0, Math.floor(Math.min(left("instances"), memory > 0 ? left("memory") / memory : Infinity)));
}
