// − number +. Always absolute: it sends the number it means, with the ETag of the number it saw.

import { call, segment } from "../api.js";
import { h } from "../h.js";
import { t } from "../i18n.js";
import { invalidate } from "../scope.js";
import { icon } from "./icons.js";
import { notice } from "./notices.js";
import { refused } from "./parts.js";

export const MOST = 500;

/** seen: {instances(), etag(), reload()}; onChange(body of the 202) after each accepted change. */
export function stepper({ app, seen, max, onChange }) {
	const state = { wanted: null, typed: null, busy: false };

	async function put(instances) {
		const path = `/apps/${segment(app)}/scale`;
		return (await call("PUT", path, { body: { instances }, ifMatch: seen.etag() })).data;
	}

	async function send() {
		if (state.busy) return;
		let again = false;
		state.busy = true;
		invalidate();
		while (state.wanted !== null) {
			const goal = state.wanted;
			const before = seen.instances();
			try {
				onChange(await put(goal));
				await seen.reload();
			} catch (e) {
				await seen.reload();
				// The tag also changes when something else of the app does: the number is what counts.
				if (e.status === 412 && seen.instances() === before && !again) {
					again = true;
					continue;
				}
				state.wanted = null;
				if (e.status === 412) notice("warn", t("scale.changed", { n: seen.instances() ?? "?" }));
				else refused(e);
				break;
			}
			again = false;
			if (state.wanted === goal) state.wanted = null;
		}
		state.busy = false;
		invalidate();
	}

	function to(n) {
		if (!Number.isInteger(n) || n < 0 || n > MOST) {
			notice("bad", t("scale.range", { max: MOST }));
			return;
		}
		state.typed = null;
		if (n === (state.wanted ?? seen.instances())) return invalidate();
		state.wanted = n;
		invalidate();
		send();
	}

	return {
		state,
		view(disabled) {
			const now = state.wanted ?? seen.instances();
			const most = Math.min(MOST, max?.() ?? MOST);
			const commit = () => {
				if (state.typed === null) return;
				const text = state.typed.trim();
				state.typed = null;
				if (text === "") return invalidate();
				to(Number(text));
			};
			return h(
				"div",
				{ class: "stepper", role: "group", "aria-label": t("instances") },
				h(
					"button",
					{
						type: "button",
						id: "scale-less",
						"aria-label": t("scale.less"),
						title: t("scale.less"),
						disabled: disabled || now === undefined || now <= 0,
						onClick: () => to(now - 1),
					},
					icon("minus"),
				),
				h("input", {
					id: "scale-number",
					type: "number",
					min: 0,
					max: MOST,
					step: 1,
					inputmode: "numeric",
					"aria-label": t("scale.number"),
					disabled: disabled || now === undefined,
					value: state.typed ?? String(now ?? ""),
					onInput: (e) => {
						state.typed = e.target.value;
					},
					onChange: commit,
					onKeydown: (e) => {
						if (e.key === "Enter") commit();
						if (e.key === "Escape") {
							state.typed = null;
							invalidate();
						}
					},
				}),
				h(
					"button",
					{
						type: "button",
						id: "scale-more",
						"aria-label": t("scale.more"),
						title: t("scale.more"),
						disabled: disabled || now === undefined || now >= most,
						onClick: () => to(now + 1),
					},
					icon("plus"),
				),
			);
		},
	};
}
