// The server's rules for names, so that a form can answer while one types. The server decides.

export const APP = /^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/;
export const LONGEST = 32;

/** The name an app gets from its URL when none is given. */
export function fromUrl(url) {
	let path = url.trim().replace(/[?#].*$/, "").replace(/\/+$/, "");
	path = path.replace(/\/(-\/)?(tree|src\/branch|src)\/.*$/, "");
	let name = path.split(/[/:]/).pop() || "";
	name = name
		.replace(/\.git$/i, "")
		.toLowerCase()
		.replace(/[^a-z0-9]+/g, "-")
		.replace(/^-+|-+$/g, "");
	if (/^[0-9]/.test(name)) name = "app-" + name;
	return name.slice(0, LONGEST).replace(/-+$/, "");
}

/** null when the name is good, else the key of what is wrong. */
export function fault(name) {
	if (name.length > LONGEST) return "deploy.name.long";
	if (!APP.test(name)) return "deploy.name.form";
	return null;
}

export function label(name) {
	return name.replaceAll("_", "-");
}
