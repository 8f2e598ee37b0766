// A scope is the life of a page: what it started ends with it.

let schedule = () => {};

/** Called once by main: what redraws the page. */
export function drawWith(draw) {
	let asked = false;
	schedule = () => {
		if (asked) return;
		asked = true;
		const run = () => {
			asked = false;
			draw();
		};
		if (document.hidden) setTimeout(run, 250);
		else requestAnimationFrame(run);
	};
}

export function invalidate() {
	schedule();
}

export function makeScope() {
	const controller = new AbortController();
	const ends = [];
	return {
		signal: controller.signal,
		get stopped() {
			return controller.signal.aborted;
		},
		onStop(fn) {
			ends.push(fn);
		},
		stop() {
			controller.abort();
			for (const fn of ends.splice(0)) fn();
		},
	};
}
