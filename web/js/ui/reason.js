// Why something waits or has ended: the server says it in English, with the numbers of the case.

import { h } from "../h.js";
import { lang, t } from "../i18n.js";

const sentences = [
	[/^no port is free$/, "reason.port"],
	[/^the engine does not answer$/, "reason.engine"],
	[/^no machine has (?<n>\d+) MiB left$/, "reason.memory"],
	[/^no machine has taken it yet$/, "reason.untaken"],
	[/^moving: its machine was lost (?<n>\d+) s ago$/, "reason.moving"],
	[/^it does not answer$/, "reason.silent"],
	[/^nothing is heard of it$/, "reason.unheard"],
	[/^it needed more than its memory of (?<n>\d+) MiB$/, "reason.oom"],
	[/^disk: it used more than it may$/, "reason.disk"],
	[/^it was ended by signal (?<n>\d+)$/, "reason.signal"],
	[/^exit code 127: a command was not found on the machine$/, "reason.127"],
	[/^it ended with exit code (?<n>\d+)$/, "reason.exit"],
	[/^it ended again and again$/, "reason.again"],
	[/^the machine could not load its unit$/, "reason.unit"],
	[/^a unit of this name that is not nap's is in the engine$/, "reason.foreign"],
];

/** A sentence that is not known here is shown as it came. */
export function reasonText(text) {
	for (const [form, key] of lang() === "en" ? [] : sentences) {
		const m = form.exec(text);
		if (m) return t(key, m.groups);
	}
	return h("span", { lang: "en" }, text);
}
