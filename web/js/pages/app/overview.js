// Overview: the scale, the instances, where the app came from.

import { gone, post } from "../../actions.js";
import { get, save, segment } from "../../api.js";
import { bytes } from "../../format.js";
import { h } from "../../h.js";
import { t } from "../../i18n.js";
import { room } from "../../quota.js";
import { resource } from "../../resource.js";
import { invalidate } from "../../scope.js";
import { href } from "../../router.js";
import { badge } from "../../ui/badge.js";
import { menu } from "../../ui/menu.js";
import { operationCard } from "../../ui/operation.js";
import { button, card, empty, message, pending, problemMessage, stale, table, when } from "../../ui/parts.js";
import { reasonText } from "../../ui/reason.js";
import { MOST, stepper } from "../../ui/stepper.js";
import { compareHref } from "../compare.js";

export function overviewTab({ scope, name, app, scale, quota, mine, follow }) {
	const instances = resource(scope, (signal) => get(`/apps/${segment(name)}/instances`, { limit: 1000 }, signal), {
		every: 5000,
		when: mine,
	});
	const wanted = () => scale.data?.instances ?? scale.data?.desired_instances ?? app.data?.desired_instances;
	const more = () => room(quota.data, app.data?.memory);
	const step = stepper({
		app: name,
		seen: {
			instances: wanted,
			etag: () => scale.data?.etag,
			reload: async () => {
				await Promise.all([scale.reload(), app.reload(), quota.reload()]);
				instances.soon();
			},
		},
		onChange: (data) => follow(data?.operation),
	});

	// Do equal instances say the same? Asked for by a button: of running ones the server reads their logs.
	const same = { busy: false, data: null, diff: null, problem: null };
	async function compare() {
		Object.assign(same, { busy: true, problem: null, diff: null });
		invalidate();
		const path = `/apps/${segment(name)}/outputs`;
		try {
			same.data = await get(path, null, scope.signal);
			if (same.data.agree === false) {
				const [first, ...rest] = same.data.items;
				for (const other of rest) {
					same.diff = await get(path + "/diff", { a: first.instance, b: other.instance }, scope.signal);
					if (!same.diff.same) break;
				}
			}
		} catch (e) {
			if (e.name !== "AbortError") same.problem = e;
		}
		same.busy = false;
		invalidate();
	}

	function sameView() {
		if (same.problem) return problemMessage(same.problem, compare);
		if (!same.data) return null;
		const { agree, items } = same.data;
		if (agree === null) return message("info", h("p", null, t("outputs.none")));
		if (agree) return message("ok", h("p", null, t("outputs.agree", { n: items.length })), h("p", { class: "mono muted small" }, items[0].sha256));
		const d = same.diff;
		const line = (text) => h("code", null, text ?? t("outputs.end"));
		return message(
			"warn",
			h("p", null, t("outputs.differ")),
			d && d.line && h("p", null, t("outputs.line", { n: d.line })),
			d && d.line && h("dl", { class: "facts" }, [d.a, d.b].map((i, k) => [h("dt", null, t("outputs.instance", { n: String(i) })), h("dd", null, line(k ? d.line_b : d.line_a))])),
		);
	}

	return {
		view(a, operation) {
			return h(
				"div",
				{ class: "overview" },
				scaleCard(a),
				sourceCard(a),
				operation
					? operationCard(operation)
					: card(t("operation"), h("p", { class: "card-body muted" }, t("operations.none"))),
				instancesCard(a),
			);
		},
	};

	function scaleCard(a) {
		const left = more();
		const byHand = typeof a.scale_override === "number";
		return card(
			t("scale"),
			h(
				"div",
				{ class: "card-body row" },
				step.view(gone(a) || a.state === "empty"),
				h(
					"div",
					{ class: "grow" },
					h(
						"div",
						{ "aria-live": "polite" },
						step.state.wanted !== null
							? t("scale.busy", { n: step.state.wanted })
							: t("scale.now", { a: a.running_instances, b: a.desired_instances }),
					),
					h(
						"div",
						{ class: "muted small" },
						t("scale.each", { memory: bytes(a.memory) }),
						left === undefined || left === Infinity ? null : " · " + (left > 0 ? t("scale.room", { n: Math.min(left, MOST) }) : t("scale.full")),
						byHand ? " · " + t("scale.byhand") : null,
					),
				),
			),
		);
	}

	/** Every number that is wanted has its row at once, even before the engine knows of it. */
	function rowsOf(a) {
		const rows = [...instances.data.items];
		const known = new Set(rows.map((i) => i.number));
		if (!["stopped", "finished", "failed", "empty", "deleting"].includes(a.state))
			for (let n = 1; n <= a.desired_instances; n++)
				if (!known.has(n)) rows.push({ number: n, state: "waiting" });
		return rows.sort((x, y) => x.number - y.number || (x.release || 0) - (y.release || 0));
	}

	function instancesCard(a) {
		if (!instances.data) return card(t("instances"), pending(instances, 3));
		const rows = rowsOf(a);
		return h(
			"div",
			{ class: "stack instances" },
			stale(instances),
			sameView(),
			card(
				t("instances"),
				rows.length === 0 ? empty(t("instances.none"), t(a.state === "stopped" ? "instances.stopped" : a.desired_instances > 0 ? "instances.later" : "instances.zero")) : table(t("instances"), columns(a), rows, (i) => `${i.number}-${i.release || ""}`),
				rows.length > 1 && button(t("outputs.compare"), { small: true, id: "compare", disabled: same.busy, onClick: compare }),
				rows.length > 1 && h("a", { class: "button small", href: compareHref([name, rows[0].number], [name, rows[1].number]) }, t("compare.beside")),
				a.release && button(t("files.download"), { small: true, id: "files", onClick: () => save(`/apps/${segment(name)}/files.tar`, name + "-files.tar") }),
			),
		);
	}

	function columns(a) {
		return [
			{ key: "n", name: t("col.number"), n: true, cell: (i) => h("span", { class: "name" }, i.number) },
			{
				key: "state",
				name: t("col.state"),
				cell: (i) => [badge(i.state, exitText(i)), i.reason && h("div", { class: "muted small" }, reasonText(i.reason))],
			},
			{ key: "release", name: t("release"), n: true, wide: true, cell: (i) => (i.release ? "v" + i.release : "–") },
			{ key: "machine", name: t("machine"), wide: true, cell: (i) => (i.machine ? h("span", { class: "mono", title: i.machine }, i.machine.slice(0, 8)) : "–") },
			{ key: "address", name: t("address"), wide: true, cell: (i) => (i.address ? h("span", { class: "mono" }, i.address) : "–") },
			{ key: "memory", name: t("memory"), n: true, cell: (i) => bytes(i.memory_bytes) },
			{ key: "cpu", name: t("col.cpu"), n: true, wide: true, cell: (i) => cpu(i) },
			{ key: "restarts", name: t("col.restarts"), n: true, wide: true, cell: (i) => i.restarts ?? "–" },
			{ key: "since", name: t("col.since"), n: true, wide: true, cell: (i) => when(i.since) },
			{
				key: "act",
				name: t("actions"),
				act: true,
				cell: (i) =>
					menu(`instance-${name}-${i.number}-${i.release || ""}`, t("actions.instance", { n: i.number }), [
						{ text: t("tab.logs"), href: href("apps", name, "logs") + "?instance=" + i.number },
						{
							text: t("restart"),
							disabled: gone(a) || i.state === "waiting",
							run: async () => follow(await post(`/apps/${segment(name)}/instances/${i.number}/restart`, {}, t("queued.instance", { n: i.number }))),
						},
					]),
			},
		];
	}

	function exitText(i) {
		if (i.state !== "failed" || i.exit_code === null || i.exit_code === undefined) return undefined;
		return t("state.failed.exit", { code: String(i.exit_code) });
	}

	/** CPU since the last look, so the first look has none. */
	function cpu(i) {
		const now = { at: instances.at, usec: i.cpu_usec };
		const key = `${name}/${i.release}/${i.number}/${i.since}`;
		const before = seen.get(key);
		if (typeof i.cpu_usec !== "number") return "–";
		if (!before) seen.set(key, { now, share: null });
		else if (before.now.at !== now.at) {
			const share = (now.usec - before.now.usec) / ((now.at - before.now.at) * 1000);
			seen.set(key, { now, share: Math.max(0, share) });
		}
		const { share } = seen.get(key);
		return share === null ? "–" : t("percent", { n: (share * 100).toFixed(1) });
	}

	function sourceCard(a) {
		const fact = (label, value) => value && [h("dt", null, label), h("dd", null, value)];
		return card(
			t("source"),
			h(
				"div",
				{ class: "card-body" },
				h(
					"dl",
					{ class: "facts" },
					fact(t("deploy.url"), a.url && h("span", { class: "mono" }, a.url)),
					fact(t("deploy.ref"), a.ref && h("span", { class: "mono" }, a.ref)),
					fact(t("commit"), a.commit && h("span", { class: "mono", title: a.commit }, a.commit.slice(0, 16))),
					fact(t("command"), a.command && h("span", { class: "mono" }, a.command)),
					fact(t("memory"), a.memory && t("memory.each", { memory: bytes(a.memory) })),
					fact(t("app.created"), when(a.created_at)),
				),
			),
		);
	}
}

const seen = new Map();
