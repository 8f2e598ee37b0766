// Logs: what the instances print, as they print it. Lines stand in chunks that the browser lays
// out only when they are seen; the oldest go when there are too many.

import { get, segment } from "../../api.js";
import { clock, exact } from "../../format.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { saveText } from "../../save.js";
import { invalidate } from "../../scope.js";
import { follow as followStream } from "../../stream.js";
import { button } from "../../ui/parts.js";

const CHUNK = 100;
const MOST = 20000;
const FIRST = 500;

export function logsTab({ scope, name }) {
	const asked = new URLSearchParams(location.hash.split("?")[1] || "");
	const state = {
		instance: asked.get("instance") || "",
		q: "",
		wrap: localStorage.getItem("nap.wrap") !== "no",
		follow: true,
		link: "connecting",
		count: 0,
		fresh: 0,
		hits: 0,
		numbers: new Set(),
	};
	let box = null;
	let stop = null;
	let batch = [];
	let planned = false;
	let last = null;

	scope.onStop(() => stop?.abort());

	function start() {
		stop?.abort();
		stop = new AbortController();
		Object.assign(state, { count: 0, fresh: 0, hits: 0, link: "connecting" });
		batch = [];
		last = null;
		box?.replaceChildren();
		const path = `/apps/${segment(name)}/logs`;
		const instance = state.instance || undefined;
		const mine = stop;
		followStream(path, {
			signal: stop.signal,
			// A first connection brings the last lines, a later one goes on after the last seen.
			query: (lastId) => (lastId ? { instance, after: lastId } : { instance, lines: FIRST }),
			idOf: (line) => line.seq,
			onItem: (line) => {
				if (mine !== stop || line?.message === undefined) return;
				batch.push(line);
				if (!planned) {
					planned = true;
					setTimeout(flush, 60);
				}
			},
			onState: (link) => {
				if (mine !== stop) return;
				state.link = link;
				invalidate();
			},
			poll: (lastId, signal) => get(path, lastId ? { instance, after: lastId, wait: 25 } : { instance, lines: FIRST }, signal),
		});
	}

	function flush() {
		planned = false;
		if (!box) return;
		let chunk = box.lastElementChild;
		for (const line of batch) {
			// A resumed stream may begin with what we have.
			if (last !== null && line.seq <= last) continue;
			last = line.seq;
			if (!chunk || chunk.childElementCount >= CHUNK) {
				chunk = document.createElement("div");
				chunk.className = "chunk";
				box.append(chunk);
			}
			chunk.append(lineElement(line));
			state.count++;
			if (!state.follow) state.fresh++;
			if (line.instance && !state.numbers.has(line.instance)) state.numbers.add(line.instance);
		}
		batch = [];
		while (state.count > MOST && box.firstElementChild !== chunk) {
			state.count -= box.firstElementChild.childElementCount;
			box.firstElementChild.remove();
		}
		if (state.follow) toEnd();
		invalidate();
	}

	function lineElement(line) {
		const el = document.createElement("div");
		el.className = "line";
		const part = (cls, text, title) => {
			const span = document.createElement("span");
			span.className = cls;
			span.textContent = text;
			if (title) span.title = title;
			el.append(span);
		};
		part("at", clock(line.time), exact(line.time));
		part("who", line.instance ?? "", t("logs.instance", { n: String(line.instance ?? "–") }));
		part("what", line.message);
		const level = /\b(error|fatal|panic|traceback)\b/i.test(line.message) ? "error" : /\bwarn(ing)?\b/i.test(line.message) ? "warn" : "";
		if (level) el.dataset.level = level;
		if (!matches(el)) el.classList.add("hidden");
		else if (state.q) state.hits++;
		return el;
	}

	const matches = (el) => !state.q || el.lastElementChild.textContent.toLowerCase().includes(state.q);

	function search(text) {
		state.q = text.trim().toLowerCase();
		state.hits = 0;
		for (const el of box?.querySelectorAll(".line") || []) {
			const hit = matches(el);
			el.classList.toggle("hidden", !hit);
			if (hit && state.q) state.hits++;
		}
		if (state.follow) toEnd();
		invalidate();
	}

	function toEnd() {
		if (box) box.scrollTop = box.scrollHeight;
	}

	function scrolled() {
		const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
		if (atEnd === state.follow) return;
		state.follow = atEnd;
		if (atEnd) state.fresh = 0;
		invalidate();
	}

	function followNow() {
		state.follow = true;
		state.fresh = 0;
		toEnd();
		invalidate();
	}

	async function download() {
		const page = await get(`/apps/${segment(name)}/logs`, { instance: state.instance, lines: 1000 }, scope.signal);
		const text = page.items.map((l) => `${l.time} ${l.instance ?? "-"} ${l.message}\n`).join("");
		saveText(text, `${name}.log`);
	}

	const take = (el) => {
		box = el;
		if (el) start();
	};

	return {
		keys: { "/": () => document.getElementById("log-q")?.focus() },
		view(a) {
			const numbers = new Set(state.numbers);
			for (let n = 1; n <= Math.min(a.desired_instances || 0, 500); n++) numbers.add(n);
			return h(
				"section",
				{ class: "card logs", "aria-label": t("tab.logs") },
				h(
					"div",
					{ class: "card-head" },
					h(
						"select",
						{
							class: "input",
							"aria-label": t("logs.which"),
							value: state.instance,
							onChange: (e) => {
								state.instance = e.target.value;
								start();
							},
						},
						h("option", { value: "" }, t("logs.all")),
						[...numbers].sort((x, y) => x - y).map((n) => h("option", { key: n, value: String(n) }, t("logs.instance", { n: String(n) }))),
					),
					h("input", { id: "log-q", class: "input short grow", type: "search", placeholder: t("logs.search"), "aria-label": t("logs.search"), onInput: (e) => search(e.target.value) }),
					h(
						"div",
						{ class: "actions" },
						h(
							"label",
							{ class: "check" },
							h("input", {
								type: "checkbox",
								checked: state.wrap,
								onChange: (e) => {
									state.wrap = e.target.checked;
									localStorage.setItem("nap.wrap", state.wrap ? "yes" : "no");
									invalidate();
								},
							}),
							t("logs.wrap"),
						),
						button(t("logs.download"), { small: true, onClick: download }),
					),
				),
				h("div", {
					class: "log-view" + (state.wrap ? "" : " nowrap"),
					key: "view",
					id: "log",
					role: "log",
					"aria-live": "off",
					"aria-label": t("tab.logs"),
					tabindex: 0,
					ref: take,
					onScroll: scrolled,
				}),
				h(
					"div",
					{ class: "log-foot" },
					h("span", { class: "link-state", "data-state": state.link }, h("span", { class: "dot", "aria-hidden": "true" }), status()),
					h("span", { class: "num" }, state.q ? t("logs.hits", { n: state.hits }) : t("logs.lines", { n: state.count })),
					h("span", { class: "end" }, !state.follow && button(state.fresh ? t("logs.new", { n: state.fresh }) : t("logs.end"), { small: true, onClick: followNow }, "down")),
				),
			);
		},
	};

	function status() {
		if (state.link === "reconnecting") return t("logs.reconnecting");
		if (state.count === 0 && state.link !== "connecting") return t("logs.none");
		return state.follow ? t("logs.following") : t("logs.paused");
	}
}
