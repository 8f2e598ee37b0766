// Language and colours: the account's where it has said so, else the browser's own choice.

import { call } from "./api.js";
import { keepLang, lang, languages } from "./i18n.js";
import { invalidate } from "./scope.js";
import { session } from "./session.js";
import { refused } from "./ui/parts.js";

export const themes = ["system", "light", "dark"];

export function theme() {
	return document.documentElement.dataset.theme || "system";
}

export function setTheme(to) {
	if (to === "system") {
		delete document.documentElement.dataset.theme;
		localStorage.removeItem("nap.theme");
	} else {
		document.documentElement.dataset.theme = to;
		localStorage.setItem("nap.theme", to);
	}
	invalidate();
}

export function setLanguage(to) {
	keepLang(to);
	invalidate();
	if (session.tenant)
		call("PATCH", "/account", { body: { language: to } }).catch((e) => refused(e));
}

/** After a sign-in: the language that was chosen at another browser. Without an answer this one's stays. */
export async function followAccount() {
	try {
		const { language } = (await call("GET", "/account")).data;
		if (!language || language === lang() || !languages.some(([code]) => code === language)) return;
		keepLang(language);
		invalidate();
	} catch {
		// The page itself says what does not answer.
	}
}
