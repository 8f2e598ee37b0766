// The manager: who is signed in decides between the sign-in page and the frame with its pages.

import { Problem } from "./api.js";
import { h, render } from "./h.js";
import { t } from "./i18n.js";
import { keysView, listen } from "./keys.js";
import { accountPage } from "./pages/account.js";
import { appPage } from "./pages/app.js";
import { appsPage } from "./pages/apps.js";
import { auditPage } from "./pages/audit.js";
import { comparePage } from "./pages/compare.js";
import { deployPage } from "./pages/deploy.js";
import { groupPage } from "./pages/group.js";
import { groupsPage } from "./pages/groups.js";
import { homePage } from "./pages/home.js";
import { machinesPage } from "./pages/machines.js";
import { signInAgain, signInPage } from "./pages/signin.js";
import { tenantsPage } from "./pages/tenants.js";
import { followAccount } from "./preferences.js";
import { current, route } from "./router.js";
import { drawWith, invalidate, makeScope } from "./scope.js";
import { resume, session } from "./session.js";
import { startHub } from "./stream.js";
import { frame } from "./ui/frame.js";
import { dropNotices, noticesView } from "./ui/notices.js";
import { card, empty, pageHead, problemMessage } from "./ui/parts.js";
import { showCurrentTab } from "./ui/tabs.js";

route("/", homePage);
route("/apps", appsPage);
route("/apps/:app/:tab?", appPage);
route("/groups", groupsPage);
route("/groups/:group", groupPage);
route("/deploy", deployPage);
route("/machines", machinesPage);
route("/audit/:tab?", auditPage);
route("/compare", comparePage);
route("/account", accountPage);
route("/tenants", tenantsPage);

const root = document.getElementById("app");
let page = null;
let scope = null;
let here = null;
let trouble = null;
let streaming = false;

const missing = {
	title: () => t("missing"),
	view: () => [pageHead(t("missing")), card(null, empty(t("missing.title"), t("missing.text"), h("a", { class: "button", href: "#/" }, t("nav.home"))))],
};

function open() {
	if (!session.tenant) return;
	const to = current();
	const moved = here !== null && here !== to.path;
	scope?.stop();
	scope = makeScope();
	here = to.path;
	page = to.page ? to.page(scope, to) : missing;
	if (moved) dropNotices();
	draw();
	if (moved && !document.querySelector("dialog[open]")) {
		showCurrentTab();
		scrollTo(0, 0);
		document.getElementById("main")?.scrollTo(0, 0);
		// A change of tab keeps the focus on the tab.
		if (!document.activeElement?.closest("nav")) document.querySelector("main h1")?.focus({ preventScroll: true });
	}
}

function draw() {
	if (session.tenant && !page) {
		if (!streaming) {
			streaming = true;
			startHub(invalidate);
			followAccount();
		}
		return open();
	}
	render(view(), root);
	document.title = session.tenant && page ? t("title", { page: page.title() }) : t("signin.title");
}

function view() {
	if (trouble) return h("main", { class: "signin", key: "trouble" }, h("div", { class: "box" }, problemMessage(trouble, start)));
	if (!session.known) return null;
	if (!session.tenant) return [signInPage(), noticesView()];
	return [frame(here, page.view()), signInAgain(), keysView(), noticesView()];
}

async function start() {
	trouble = null;
	try {
		await resume();
	} catch (e) {
		trouble = e instanceof Problem ? e : new Problem(0, { code: "network" });
	}
	invalidate();
}

drawWith(draw);
listen(() => page);
addEventListener("hashchange", open);
addEventListener("resize", invalidate); // plots
setInterval(invalidate, 5000); // relative times
start();
