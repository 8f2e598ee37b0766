// Addresses of pages live behind the #, so that any static server serves them, and nothing of them
// is ever sent to a server.

const routes = [];

/** pattern: "/apps/:app/:tab?" */
export function route(pattern, page) {
	const names = [];
	const parts = pattern.split("/").slice(1).map((part) => {
		if (!part.startsWith(":")) return part ? "/" + part : "";
		const optional = part.endsWith("?");
		names.push(part.slice(1).replace("?", ""));
		return optional ? "(?:/([^/]+))?" : "/([^/]+)";
	});
	routes.push({ regex: new RegExp("^" + parts.join("") + "/?$"), names, page });
}

export function current() {
	const raw = location.hash.replace(/^#/, "") || "/";
	const [path, query = ""] = raw.split("?");
	for (const { regex, names, page } of routes) {
		const m = regex.exec(path);
		if (!m) continue;
		const params = {};
		try {
			names.forEach((n, i) => (params[n] = m[i + 1] && decodeURIComponent(m[i + 1])));
		} catch {
			break;
		}
		return { page, params, path, query: new URLSearchParams(query) };
	}
	return { page: null, params: {}, path, query: new URLSearchParams(query) };
}

export function href(...parts) {
	return "#/" + parts.map(encodeURIComponent).join("/");
}

export function go(to) {
	location.hash = to;
}

/** Changes the address without a step in the history. */
export function rewrite(to) {
	history.replaceState(null, "", to);
}
