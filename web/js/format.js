// Numbers, sizes and times in the reader's language.

import { lang, t } from "./i18n.js";

export function number(n) {
	return new Intl.NumberFormat(lang()).format(n);
}

const MIB = 1024 * 1024;

export function bytes(n) {
	if (n === null || n === undefined) return "–";
	const digits = (v, max) =>
		new Intl.NumberFormat(lang(), { maximumFractionDigits: max }).format(v);
	if (n === 0) return "0 MiB";
	if (n < 1024) return `${n} B`;
	if (n < MIB / 10) return `${digits(n / 1024, 0)} KiB`;
	if (n < 10 * MIB) return `${digits(n / MIB, 1)} MiB`;
	if (n < 10 * 1024 * MIB) return `${digits(n / MIB, 0)} MiB`;
	return `${digits(n / (1024 * MIB), 1)} GiB`;
}

export function exact(time) {
	return new Intl.DateTimeFormat(lang(), {
		dateStyle: "medium",
		timeStyle: "medium",
	}).format(new Date(time));
}

export function clock(time) {
	const d = new Date(time);
	const two = (n) => String(n).padStart(2, "0");
	return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function ago(time) {
	const seconds = Math.round((Date.now() - new Date(time).getTime()) / 1000);
	if (Math.abs(seconds) < 5) return t("time.now");
	const f = new Intl.RelativeTimeFormat(lang(), { numeric: "always", style: "short" });
	const abs = Math.abs(seconds);
	if (abs < 60) return f.format(-seconds, "second");
	if (abs < 3600) return f.format(-Math.round(seconds / 60), "minute");
	if (abs < 86400) return f.format(-Math.round(seconds / 3600), "hour");
	return f.format(-Math.round(seconds / 86400), "day");
}

export function duration(ms) {
	if (!(ms >= 0)) return "";
	if (ms < 9950) return t("time.seconds", { s: (Math.round(ms / 100) / 10).toFixed(1) });
	const all = Math.round(ms / 1000);
	if (all < 60) return t("time.seconds", { s: String(all) });
	if (all < 3600) return t("time.minutes", { m: Math.floor(all / 60), s: String(all % 60) });
	return t("time.hours", { h: Math.floor(all / 3600), m: String(Math.floor((all % 3600) / 60)) });
}

export function between(start, end) {
	if (!start) return "";
	return duration((end ? new Date(end).getTime() : Date.now()) - new Date(start).getTime());
}

/** The end of a name often tells more than its middle. */
export function middle(text, max = 32) {
	if (text.length <= max) return text;
	const tail = Math.floor(max / 3);
	return text.slice(0, max - tail - 1) + "…" + text.slice(-tail);
}
