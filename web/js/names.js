// The server's rules for names, so that a form can answer while one types. The server decides.

export const APP = /^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/;
export const LONGEST = 32;

const RESERVED = new Set(
	(
		"admin api apps auth nap git www root localhost internal node static assets health events stream " +
		"system nobody daemon postgres discovery"
	).split(" "),
);

/** The name an app gets from its URL when none is given; empty without a URL. */
export function fromUrl(url) {
	if (!url.trim()) return "";
	const path = url.trim().replace(/[?#].*$/, "").replace(/\/tree\/.*$/, "").replace(/\/+$/, "");
	let name = path
		.replace(/\.git$/, "")
		.split(/[/:]/)
		.pop()
		.replace(/[A-Z]/g, (c) => c.toLowerCase())
		.replace(/[^a-z0-9]+/g, (run) => (run[0] === "_" ? "_" : "-"))
		.replace(/^[-_]+/, "");
	if (/^[0-9]/.test(name)) name = "app-" + name;
	name = name.slice(0, LONGEST).replace(/[-_]+$/, "");
	if (!name) return "app";
	return RESERVED.has(name) ? "app-" + name : name;
}

/** null when the name is good, else the key of what is wrong. */
export function fault(name) {
	if (name.length > LONGEST) return "deploy.name.long";
	if (!APP.test(name)) return "deploy.name.form";
	if (RESERVED.has(name)) return "deploy.name.reserved";
	return null;
}

export function label(name) {
	return name.replaceAll("_", "-");
}
