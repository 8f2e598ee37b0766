// What stands around every page: the bar, the state of the link, the switches.

import { ago } from "../format.js";
import { h } from "../h.js";
import { keepLang, lang, languages, t } from "../i18n.js";
import { loading } from "../resource.js";
import { invalidate } from "../scope.js";
import { session, signOut } from "../session.js";
import { hub } from "../stream.js";
import { icon } from "./icons.js";
import { notice } from "./notices.js";
import { button, explain, iconButton, message } from "./parts.js";
import { menu } from "./menu.js";

const places = [
	["#/", "home", "nav.home"],
	["#/apps", "apps", "nav.apps"],
	["#/groups", "groups", "nav.groups"],
	["#/machines", "machines", "nav.machines"],
	["#/activity", "activity", "nav.activity"],
];

export function brand() {
	return h("a", { class: "brand", href: "#/" }, h("img", { src: "icon.svg", alt: "" }), "nap");
}

const themes = ["system", "light", "dark"];
const themeIcons = { system: "system", light: "sun", dark: "moon" };

function theme() {
	return document.documentElement.dataset.theme || "system";
}

function nextTheme() {
	const to = themes[(themes.indexOf(theme()) + 1) % themes.length];
	if (to === "system") {
		delete document.documentElement.dataset.theme;
		localStorage.removeItem("nap.theme");
	} else {
		document.documentElement.dataset.theme = to;
		localStorage.setItem("nap.theme", to);
	}
	invalidate();
}

function nextLanguage() {
	keepLang(otherLanguage()[0]);
	invalidate();
}

const otherLanguage = () => languages.find(([code]) => code !== lang());

async function leave() {
	try {
		await signOut();
	} catch (e) {
		notice("bad", explain(e).text, e.requestId);
	}
}

export function switches() {
	const [code, name] = otherLanguage();
	return h(
		"div",
		{ class: "switches" },
		button(name, { plain: true, small: true, lang: code, class: "language", onClick: nextLanguage }),
		iconButton(themeIcons[theme()], t("theme." + theme()), { onClick: nextTheme }),
	);
}

function linkState() {
	const text =
		hub.state === "reconnecting"
			? t("link.reconnecting", { when: ago(hub.heard) })
			: t("link." + hub.state);
	return h(
		"div",
		{ class: "link-state", "data-state": hub.state, role: "status" },
		h("span", { class: "dot", "aria-hidden": "true" }),
		h("span", null, text),
	);
}

export function frame(path, content) {
	const here = (to) => (to === "#/" ? path === "/" : ("#" + path).startsWith(to));
	const [, name] = otherLanguage();
	return h(
		"div",
		{ class: "frame", key: "frame" },
		loading.count > 0 && h("div", { class: "busy-line", key: "busy", "aria-hidden": "true" }),
		h(
			"header",
			{ class: "side", key: "side" },
			h("a", { class: "skip", href: location.hash || "#/", onClick: skip }, t("skip")),
			brand(),
			h(
				"nav",
				{ "aria-label": t("nav") },
				h(
					"ul",
					null,
					places.map(([to, ic, key]) =>
						h("li", { key: to }, h("a", { href: to, "aria-current": here(to) ? "page" : null }, icon(ic), h("span", null, t(key)))),
					),
				),
			),
			h(
				"div",
				{ class: "who" },
				linkState(),
				h(
					"div",
					{ class: "me" },
					h("strong", null, session.tenant),
					session.role === "admin" && h("span", { class: "muted" }, " · ", t("role.admin")),
				),
				h("div", { class: "row" }, switches(), iconButton("leave", t("signout"), { onClick: leave, id: "signout" })),
			),
		),
		h(
			"section",
			{ class: "top", key: "top", "aria-label": t("nav.account") },
			brand(),
			hub.state === "reconnecting" && linkState(),
			menu(
				"me",
				t("nav.account"),
				[
					{ text: name, run: nextLanguage },
					{ text: t("theme.next." + theme()), run: nextTheme },
					null,
					{ text: t("signout.who", { name: session.tenant }), run: leave },
				],
				"plain",
			),
		),
		h("main", { id: "main", key: "main" }, h("div", { class: "content" }, unisolated(), content)),
	);
}

/** Without isolation every page says so. */
function unisolated() {
	return session.info?.isolation === "none" ? message("warn", h("p", null, t("isolation.none"))) : null;
}

function skip(e) {
	e.preventDefault();
	document.querySelector("main h1")?.focus();
}
