// The only place that talks to /api/v1. Every request carries the CSRF token: the cookie alone
// proves nothing to the server.

import { saveBlob } from "./save.js";

const BASE = new URL("api/v1", document.baseURI).pathname;
const CSRF = "nap.csrf";

/** An answer that is no success, or none at all (code "network"). */
export class Problem extends Error {
	constructor(status, body, requestId, retryAfter) {
		super(body.detail || body.title || body.code || String(status));
		this.status = status;
		this.code = body.code || "http_" + status;
		this.detail = body.detail || body.title || "";
		this.errors = Array.isArray(body.errors) ? body.errors : [];
		this.body = body;
		this.requestId = requestId || body.instance || "";
		this.retryAfter = retryAfter;
	}
}

export const csrf = {
	get: () => localStorage.getItem(CSRF) || "",
	set: (token) => localStorage.setItem(CSRF, token),
	clear: () => localStorage.removeItem(CSRF),
};

// Set by session.js: asks the person to sign in again and resolves when that is done.
let signInAgain = null;
export function onExpired(fn) {
	signInAgain = fn;
}

export function url(path, query) {
	const q = new URLSearchParams();
	for (const [k, v] of Object.entries(query || {}))
		if (v !== undefined && v !== null && v !== "") q.set(k, v);
	const tail = q.toString();
	return BASE + path + (tail ? "?" + tail : "");
}

export function segment(name) {
	return encodeURIComponent(name);
}

// crypto.randomUUID exists only over https and on localhost; this exists everywhere.
export function randomId() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

export function headers(extra) {
	return { "X-CSRF-Token": csrf.get(), ...extra };
}

// The session is gone, or another one was begun in another tab and our CSRF token is not its own.
async function isExpired(answer) {
	if (answer.status === 401) return true;
	if (answer.status !== 403) return false;
	const said = await answer.clone().json().catch(() => ({}));
	return isSignInProblem({ status: 403, code: said.code });
}

export function isSignInProblem({ status, code }) {
	return status === 401 || (status === 403 && (code === "csrf_missing" || code === "csrf_invalid"));
}

/** Answers {status, data, etag}; throws Problem. */
export async function call(method, path, { body, query, signal, ifMatch, once, quiet401, blob } = {}) {
	const head = { Accept: "application/json" };
	if (body !== undefined) head["Content-Type"] = "application/json";
	if (ifMatch) head["If-Match"] = ifMatch;
	if (method === "POST" && !once) head["Idempotency-Key"] = randomId();
	const send = () =>
		fetch(url(path, query), {
			method,
			headers: headers(head),
			body: body === undefined ? undefined : JSON.stringify(body),
			signal,
			cache: "no-store",
			credentials: "same-origin",
		});

	let answer;
	for (let attempt = 1; ; attempt++) {
		try {
			answer = await send();
		} catch (e) {
			if (e.name === "AbortError") throw e;
			// The same key makes the second attempt safe when the first one did arrive.
			if (attempt < 2 && head["Idempotency-Key"]) {
				await new Promise((resolve) => setTimeout(resolve, 800));
				continue;
			}
			throw new Problem(0, { code: "network" }, "");
		}
		if (!quiet401 && signInAgain && attempt < 3 && (await isExpired(answer))) {
			await signInAgain();
			if (signal?.aborted) throw new DOMException("aborted", "AbortError");
			continue;
		}
		break;
	}

	const type = answer.headers.get("Content-Type") || "";
	let data = null;
	if (answer.ok && blob) data = await answer.blob();
	else if (answer.status !== 204 && type.includes("json")) data = await answer.json().catch(() => null);
	else if (answer.status !== 204) data = await answer.text().catch(() => "");
	if (!answer.ok) {
		const wait = Number(answer.headers.get("Retry-After")) || 0;
		const said = data !== null && typeof data === "object" ? data : {};
		throw new Problem(answer.status, said, answer.headers.get("Request-Id"), wait);
	}
	return { status: answer.status, data, etag: answer.headers.get("ETag") };
}

export async function get(path, query, signal) {
	return (await call("GET", path, { query, signal })).data;
}

/** The cookie alone proves nothing: a file is fetched, and then saved. */
export async function save(path, name, query) {
	saveBlob((await call("GET", path, { query, blob: true })).data, name);
}

/** All pages of a list. */
export async function all(path, query, signal) {
	const items = [];
	let after;
	let page;
	do {
		page = await get(path, { limit: 1000, ...query, after }, signal);
		items.push(...(page.items || []));
		after = page.next;
	} while (after);
	return { ...page, items };
}
