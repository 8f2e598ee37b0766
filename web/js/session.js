// Who is signed in. An expired session asks again over the page, so that nothing typed is lost.

import { Problem, call, csrf, isSignInProblem, onExpired } from "./api.js";
import { invalidate } from "./scope.js";

export const session = { known: false, tenant: null, role: null, info: null, asking: null };

const TENANT = "nap.tenant";

export function lastTenant() {
	return localStorage.getItem(TENANT) || "";
}

/** At the start: is the kept token still good? Throws when the server cannot be asked. */
export async function resume() {
	if (csrf.get()) {
		try {
			const { data } = await call("GET", "/session", { quiet401: true });
			take(data);
		} catch (e) {
			if (!(e instanceof Problem) || !isSignInProblem(e)) throw e;
			csrf.clear();
		}
	}
	session.known = true;
}

export async function signIn(tenant, password) {
	const { data } = await call("POST", "/session", {
		body: { tenant, password },
		once: true,
		quiet401: true,
	});
	csrf.set(data.csrf);
	localStorage.setItem(TENANT, data.tenant);
	const before = session.tenant;
	const waiting = session.asking;
	take(data);
	session.asking = null;
	if (waiting && before && before !== data.tenant) {
		// Somebody else: nothing of the old page is theirs.
		location.hash = "#/";
		location.reload();
		return;
	}
	waiting?.done();
	invalidate();
}

export async function signOut() {
	await call("DELETE", "/session", { quiet401: true }).catch((e) => {
		if (!(e instanceof Problem) || !isSignInProblem(e)) throw e;
	});
	csrf.clear();
	location.hash = "#/";
	location.reload();
}

function take(data) {
	session.tenant = data.tenant;
	session.role = data.role;
	session.info = data;
}

onExpired(() => {
	if (!session.asking) {
		let done;
		const promise = new Promise((resolve) => (done = resolve));
		session.asking = { promise, done };
		invalidate();
	}
	return session.asking.promise;
});

// Another tab signed in anew: its token is ours as well.
window.addEventListener("storage", (e) => {
	if (e.key !== "nap.csrf") return;
	if (!e.newValue) location.reload();
	else if (session.asking && lastTenant() === session.tenant) {
		const waiting = session.asking;
		session.asking = null;
		waiting.done();
		invalidate();
	} else if (session.tenant && lastTenant() !== session.tenant) location.reload();
});
