// What can be done to an app from more than one page.

import { call, segment } from "./api.js";
import { t } from "./i18n.js";
import { notice } from "./ui/notices.js";
import { explain } from "./ui/parts.js";

/** verb: start, stop or restart. Answers the operation, or null when it was refused. */
export async function act(app, verb) {
	return post(`/apps/${segment(app)}/${verb}`, {}, t("queued." + verb, { name: app }));
}

export async function post(path, body, said) {
	try {
		const { data } = await call("POST", path, { body });
		if (said) notice("info", said);
		return data.operation || null;
	} catch (e) {
		const { text, detail } = explain(e);
		notice("bad", text, detail || e.requestId);
		return null;
	}
}

export async function destroy(app) {
	const { data } = await call("DELETE", "/apps/" + segment(app), { query: { confirm: app } });
	notice("info", t("queued.destroy", { name: app }));
	return data?.operation || null;
}

export const canStart = (app) => app.state === "stopped" || app.state === "failed" || app.state === "finished";
export const canStop = (app) => ["running", "starting", "degraded", "failed"].includes(app.state);
export const gone = (app) => app.state === "deleting";
