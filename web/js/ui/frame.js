// What stands around every page: the bar, the state of the link, the switches.

import { ago } from "../format.js";
import { h } from "../h.js";
import { lang, languages, t } from "../i18n.js";
import { setLanguage, setTheme, theme, themes } from "../preferences.js";
import { loading } from "../resource.js";
import { session, signOut } from "../session.js";
import { hub } from "../stream.js";
import { icon } from "./icons.js";
import { button, iconButton, message, refused } from "./parts.js";
import { menu } from "./menu.js";

const places = [
	["#/", "home", "nav.home"],
	["#/apps", "apps", "nav.apps"],
	["#/groups", "groups", "nav.groups"],
	["#/machines", "machines", "nav.machines"],
	["#/audit", "activity", "nav.audit"],
	["#/tenants", "tenants", "nav.tenants", "admin"],
];

export function brand() {
	return h("a", { class: "brand", href: "#/" }, h("img", { src: "icon.svg", alt: "" }), "nap");
}

const themeIcons = { system: "system", light: "sun", dark: "moon" };

const nextTheme = () => setTheme(themes[(themes.indexOf(theme()) + 1) % themes.length]);
const nextLanguage = () => setLanguage(otherLanguage()[0]);
const otherLanguage = () => languages.find(([code]) => code !== lang());

async function leave() {
	try {
		await signOut();
	} catch (e) {
		refused(e);
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
					places.filter(([, , , role]) => !role || role === session.role).map(([to, ic, key]) =>
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
					h("a", { href: "#/account", title: t("nav.account"), "aria-current": path === "/account" ? "page" : null }, session.tenant),
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
					{ text: t("nav.account"), href: "#/account" },
					null,
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
