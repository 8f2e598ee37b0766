// Texts by key in two languages. A text is a string with {places}, or the plural forms of one,
// chosen by {n}.

import en from "./text/en.js";
import zh from "./text/zh-CN.js";

const texts = { en, "zh-CN": zh };
const KEY = "nap.lang";
let language = "en";
let plural = new Intl.PluralRules("en");

export const languages = [
	["zh-CN", "中文"],
	["en", "English"],
];

export function lang() {
	return language;
}

function choose() {
	try {
		const kept = localStorage.getItem(KEY);
		if (kept in texts) return kept;
	} catch {
		// Storage is closed to us: the browser's language it is.
	}
	for (const l of navigator.languages || []) {
		if (/^zh\b/i.test(l)) return "zh-CN";
		if (/^en\b/i.test(l)) return "en";
	}
	return "en";
}

export function setLang(to) {
	language = to;
	plural = new Intl.PluralRules(to);
	document.documentElement.lang = to;
}

export function keepLang(to) {
	localStorage.setItem(KEY, to);
	setLang(to);
}

setLang(choose());

export function has(key) {
	return key in texts[language];
}

function form(key, params) {
	let text = texts[language][key];
	if (text === undefined) return key;
	if (typeof text !== "string") text = text[plural.select(Number(params?.n))] ?? text.other;
	return text;
}

const number = (v) => (typeof v === "number" ? new Intl.NumberFormat(language).format(v) : v);

export function t(key, params) {
	return form(key, params).replace(/\{(\w+)\}/g, (whole, name) =>
		params && name in params ? String(number(params[name])) : whole,
	);
}

/** Like t(), but places may hold elements; answers a list for h(). */
export function tx(key, params) {
	return form(key, params)
		.split(/(\{\w+\})/)
		.map((part) => {
			const m = /^\{(\w+)\}$/.exec(part);
			return m && m[1] in params ? number(params[m[1]]) : part;
		});
}
