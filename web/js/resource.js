// Something the API tells, kept fresh: loaded at once, again when an event concerns it, and every
// so often. Old data stays while new data is on its way, and after an error.

import { invalidate } from "./scope.js";
import { subscribe } from "./stream.js";

const GAP = 400; // at most one load in this time, however many events arrive

export const loading = { count: 0 };

export function resource(scope, load, { every = 0, when = null } = {}) {
	let timer = null;
	let started = 0;
	let again = false;
	const r = { data: undefined, error: null, busy: false, at: 0, born: Date.now(), reload, soon };

	function plan(ms) {
		clearTimeout(timer);
		timer = scope.stopped ? null : setTimeout(reload, ms);
	}

	function soon() {
		if (r.busy) again = true;
		else plan(Math.max(0, started + GAP - Date.now()));
	}

	async function reload() {
		if (scope.stopped) return;
		if (r.busy) {
			again = true;
			return;
		}
		if (document.hidden && r.data !== undefined && every) {
			plan(every);
			return;
		}
		clearTimeout(timer);
		r.busy = true;
		started = Date.now();
		const first = r.data === undefined;
		if (first) loading.count++;
		try {
			r.data = await load(scope.signal);
			r.error = null;
			r.at = Date.now();
		} catch (e) {
			if (e.name !== "AbortError") r.error = e;
		}
		if (first) loading.count--;
		r.busy = false;
		if (scope.stopped) return;
		invalidate();
		if (again) {
			again = false;
			plan(GAP);
		} else if (r.error && r.data === undefined && r.error.status !== 404) {
			plan(5000);
		} else if (every) {
			plan(every);
		}
	}

	if (when)
		scope.onStop(
			subscribe((event) => {
				if (event.kind === "resync" || when(event)) soon();
			}),
		);
	scope.onStop(() => clearTimeout(timer));
	setTimeout(invalidate, 320); // skeletons appear only after a while
	reload();
	return r;
}
