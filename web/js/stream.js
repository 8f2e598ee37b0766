// Server-sent events read with fetch, because EventSource cannot send the CSRF header; and the
// hub of /events: one stream for all tabs of the browser, polling where streams do not pass.

import { get, headers, url } from "./api.js";

const SILENCE = 40000; // the server sends a comment at least every 15 s
const POLL_FOR = 60000; // how long polling goes on before a stream is tried again

const sleep = (ms, signal) =>
	new Promise((resolve) => {
		const t = setTimeout(resolve, ms);
		signal?.addEventListener("abort", () => {
			clearTimeout(t);
			resolve();
		});
	});

/** Feeds lines of text/event-stream to onMessage({id, event, data}). */
export function parser(onMessage) {
	let rest = "";
	let message = { id: undefined, event: "message", data: [] };
	const line = (text) => {
		if (text === "") {
			// A message without data only says where the stream is.
			if (message.data.length || message.id !== undefined) onMessage({ ...message, data: message.data.join("\n") });
			message = { id: undefined, event: "message", data: [] };
			return;
		}
		if (text.startsWith(":")) return;
		const colon = text.indexOf(":");
		const field = colon < 0 ? text : text.slice(0, colon);
		const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
		if (field === "data") message.data.push(value);
		else if (field === "id") message.id = value;
		else if (field === "event") message.event = value;
	};
	return (text) => {
		const parts = (rest + text).split(/\r\n|\n|\r(?!$)/);
		rest = parts.pop();
		for (const p of parts) line(p);
	};
}

/** One connection. Resolves at its end, throws when it cannot be had. */
async function connect(path, { query, lastId, signal, onOpen, onMessage }) {
	const stop = new AbortController();
	const abort = () => stop.abort();
	signal.addEventListener("abort", abort);
	let watch = setTimeout(abort, SILENCE);
	try {
		const head = { Accept: "text/event-stream" };
		if (lastId) head["Last-Event-ID"] = lastId;
		const answer = await fetch(url(path, query), {
			headers: headers(head),
			signal: stop.signal,
			cache: "no-store",
			credentials: "same-origin",
		});
		const type = answer.headers.get("Content-Type") || "";
		if (!answer.ok || !type.startsWith("text/event-stream")) {
			stop.abort();
			throw Object.assign(new Error("no stream"), { status: answer.status });
		}
		onOpen?.();
		const feed = parser(onMessage);
		const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
		for (;;) {
			const { value, done } = await reader.read();
			if (done) return;
			clearTimeout(watch);
			watch = setTimeout(abort, SILENCE);
			feed(value);
		}
	} finally {
		clearTimeout(watch);
		signal.removeEventListener("abort", abort);
	}
}

/**
 * Follows path until signal. onItem(object, id); onState("live" | "polling" | "reconnecting").
 * poll(lastId, signal) → {items, next} takes over while streams do not pass.
 */
export async function follow(path, { query, lastId, signal, onItem, onState, poll, idOf }) {
	let failures = 0;
	while (!signal.aborted) {
		let opened = 0;
		try {
			await connect(path, {
				query: typeof query === "function" ? query(lastId) : query,
				lastId,
				signal,
				onOpen: () => {
					opened = Date.now();
					onState("live");
				},
				onMessage: (m) => {
					if (m.id !== undefined) lastId = m.id;
					if (m.data === "") return;
					let item;
					try {
						item = JSON.parse(m.data);
					} catch {
						return;
					}
					failures = 0;
					onItem(item, m.id, m.event);
				},
			});
		} catch (e) {
			if (signal.aborted) return;
			if (e.status === 401 || e.status === 403) await get("/session", null, signal).catch(() => {});
			if (e.status === 404) return onState("gone");
		}
		if (signal.aborted) return;
		if (opened && Date.now() - opened > 10000) failures = 0;
		else failures++;
		if (failures >= 3 && poll) {
			lastId = await pollFor(POLL_FOR, { poll, lastId, signal, onItem, onState, idOf });
			failures = 2;
			continue;
		}
		onState("reconnecting");
		await sleep(Math.min(500 * 2 ** Math.min(failures, 4), 8000) * (0.75 + Math.random() / 2), signal);
	}
}

async function pollFor(ms, { poll, lastId, signal, onItem, onState, idOf }) {
	const end = Date.now() + ms;
	while (!signal.aborted && Date.now() < end) {
		const began = Date.now();
		try {
			const page = await poll(lastId, signal);
			onState("polling");
			for (const item of page.items) onItem(item, idOf(item), "message");
			if (page.next) lastId = page.next;
			else if (page.items.length) lastId = String(idOf(page.items[page.items.length - 1]));
			if (page.items.length) continue;
		} catch (e) {
			if (signal.aborted) break;
			onState("reconnecting");
		}
		// A server that answers an empty poll at once must not be asked in a tight loop.
		await sleep(Math.max(0, 2500 - (Date.now() - began)), signal);
	}
	return lastId;
}

/** What changed, for every tab. State: live, polling or reconnecting, and since when. */
export const hub = { state: "connecting", since: Date.now(), heard: Date.now() };
const listeners = new Set();
let changed = () => {};

export function subscribe(fn) {
	listeners.add(fn);
	return () => listeners.delete(fn);
}

function tell(event) {
	hub.heard = Date.now();
	for (const fn of [...listeners]) fn(event);
}

function setState(state) {
	if (hub.state === state) return;
	const before = hub.state;
	hub.state = state;
	hub.since = Date.now();
	// What happened while we were away may not be told again.
	if (state === "live" && before !== "connecting") tell({ kind: "resync" });
	changed();
}

export function startHub(onChange) {
	changed = onChange;
	const channel = "BroadcastChannel" in window ? new BroadcastChannel("nap.events") : null;
	const run = (signal) =>
		follow("/events", {
			signal,
			idOf: (e) => e.id,
			onItem: (event) => {
				tell(event);
				channel?.postMessage({ event });
			},
			onState: (state) => {
				setState(state);
				channel?.postMessage({ state });
			},
			poll: async (lastId, stop) => {
				if (lastId) return get("/events", { after: lastId, wait: 25 }, stop);
				// Nothing heard yet, so no place to go on from: look again every few seconds.
				tell({ kind: "resync" });
				return { items: [] };
			},
		});

	const never = new AbortController().signal;
	if (channel && navigator.locks) {
		// The tab that holds the lock reads the stream, the others listen to it.
		let leading = false;
		channel.onmessage = ({ data }) => {
			if (data.ask && leading) channel.postMessage({ state: hub.state });
			if (leading) return;
			if (data.event) tell(data.event);
			if (data.state) setState(data.state);
		};
		channel.postMessage({ ask: true });
		navigator.locks.request("nap.events", () => {
			leading = true;
			return run(never);
		});
	} else {
		run(never);
	}

	let hiddenAt = 0;
	document.addEventListener("visibilitychange", () => {
		if (document.hidden) hiddenAt = Date.now();
		else if (Date.now() - hiddenAt > 30000) tell({ kind: "resync" });
	});
}
