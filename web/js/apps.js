// The list of apps, kept by the whole manager: an event about one app loads that app alone.

import { all, get, segment } from "./api.js";
import { resource } from "./resource.js";
import { invalidate } from "./scope.js";
import { subscribe } from "./stream.js";

const FEW = 6;

/** Gives a resource whose data is the list by name. */
export function appList(scope) {
	const dirty = new Set();
	let timer = null;
	const list = resource(scope, async (signal) => (await all("/apps", null, signal)).items.sort(byName), {
		every: 30000,
		when: () => false,
	});

	async function flush() {
		timer = null;
		const names = [...dirty];
		dirty.clear();
		if (scope.stopped) return;
		if (names.length > FEW || !list.data) return list.soon();
		await Promise.all(
			names.map(async (name) => {
				try {
					put(list, await get("/apps/" + segment(name), null, scope.signal));
				} catch (e) {
					if (e.status === 404) list.data = list.data.filter((a) => a.name !== name);
					else list.soon();
				}
			}),
		);
		invalidate();
	}

	scope.onStop(() => clearTimeout(timer));
	scope.onStop(
		subscribe((event) => {
			if (!event.app) return;
			dirty.add(event.app);
			if (!timer) timer = setTimeout(flush, 300);
		}),
	);
	return list;
}

function put(list, app) {
	const at = list.data.findIndex((a) => a.name === app.name);
	list.data = at < 0 ? [...list.data, app].sort(byName) : list.data.with(at, app);
}

const order = new Intl.Collator("en", { numeric: true });
function byName(a, b) {
	return order.compare(a.name, b.name);
}
