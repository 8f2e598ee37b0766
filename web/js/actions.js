// What can be done to an app from more than one page.

import { call, segment } from "./api.js";
import { t } from "./i18n.js";
import { menu } from "./ui/menu.js";
import { notice } from "./ui/notices.js";
import { button, explain, refused } from "./ui/parts.js";

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
		refused(e);
		return null;
	}
}

export async function destroy(app) {
	const { data } = await call("DELETE", "/apps/" + segment(app), { query: { confirm: app } });
	notice("info", t("queued.destroy", { name: app }));
	return data?.operation || null;
}

const AT_ONCE = 6;

/** ask(name) for each; says how many were taken, and who was refused first and why. */
async function askAll(names, ask) {
	const queue = [...names];
	const left = [];
	const one = async () => {
		for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
			try {
				await ask(name);
			} catch (e) {
				left.push({ name, e });
			}
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, one));
	const taken = names.length - left.length;
	if (taken > 0) notice("info", t("bulk.queued", { n: taken }));
	if (left.length > 0) {
		const [{ name, e }] = left;
		refused(e, t("bulk.refused", { n: left.length, name, why: explain(e).text }));
	}
}

export const actAll = (names, verb) => askAll(names, (name) => call("POST", `/apps/${segment(name)}/${verb}`, { body: {} }));
export const destroyAll = (names) => askAll(names, (name) => call("DELETE", "/apps/" + segment(name), { query: { confirm: name } }));

/** The buttons of a selection of apps; ask: opens the dialog that destroys them. */
export function bulkActions(apps, ask, ...more) {
	const make = (verb, fits) => {
		const names = apps.filter(fits).map((a) => a.name);
		return button(t(verb), { key: verb, small: true, id: "bulk-" + verb, disabled: names.length === 0, onClick: () => actAll(names, verb) });
	};
	return [
		make("start", canStart),
		make("restart", canStop),
		make("stop", canStop),
		...more,
		menu("bulk", t("select.more"), [{ text: t("destroy.menu"), run: ask }], "outlined"),
	];
}

export const canStart = (app) => app.state === "stopped" || app.state === "failed" || app.state === "finished";
export const canStop = (app) => ["running", "starting", "degraded", "failed"].includes(app.state);
export const gone = (app) => app.state === "deleting";
