// What an event tells a person: who, what, and how it came out.

import { h } from "../h.js";
import { has, t } from "../i18n.js";
import { badge } from "./badge.js";
import { kindText, operationBadge } from "./operation.js";

/** Who did it; a sign-in comes from nobody yet, but is one's own. */
export function eventActor(e) {
	return e.kind === "session.started" ? "session:" + e.data.id : e.actor;
}

/** "session:3", "token:7": what acted. tokens: their names by id. */
export function actorText(actor, tokens) {
	const [kind, id] = (actor || "").split(":");
	if (!actor) return t("actor.nap");
	if (kind === "token") return tokens?.get(id) ? t("actor.token.named", { name: tokens.get(id) }) : t("actor.token", { id });
	if (kind === "session" || kind === "key") return t("actor." + kind, { id });
	return has("actor." + kind) ? t("actor." + kind) : actor;
}

export function eventText(e) {
	const [of] = e.kind.split(".");
	if (of === "operation") return kindText(e.data);
	if (of === "instance") return t("logs.instance", { n: String(e.data.number) });
	const key = "event." + e.kind;
	if (!has(key)) return e.kind;
	const changed = (e.data.changed || []).map((c) => (has("event.change." + c) ? t("event.change." + c) : c));
	return t(key, { name: e.data.name || e.data.host || "", changed: new Intl.ListFormat(document.documentElement.lang, { type: "unit" }).format(changed) });
}

/** A badge where the event has a result. */
export function eventResult(e) {
	const [of, word] = e.kind.split(".");
	if (of === "operation") {
		const some = e.data.total > 0 && word === "running";
		return operationBadge({ state: word }, some ? t("operation.of", { a: e.data.done, b: e.data.total }) : undefined);
	}
	if (of === "instance") return badge(word === "gone" ? "retired" : word, word === "gone" ? t("state.gone") : undefined);
	if (e.kind === "app.changed") return badge(e.data.state, t("audit.app.state", { state: t("state." + e.data.state), a: e.data.running_instances, b: e.data.desired_instances }));
	return h("span", { class: "muted" }, "–");
}
