// h() describes DOM, render() makes it so: what is there already is kept and only what differs is
// changed, so that focus, selection and what was typed outlive every update. The same shape as
// preact's h and render, so that preact can take their place in one import.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props, ...children) {
	props = props || {};
	if (typeof tag === "function") return tag({ ...props, children: children.flat(Infinity) });
	return { tag, props, key: props.key, children: normal(children.flat(Infinity)), el: null };
}

// null and false keep their place as empty text, so that the siblings after them stay who they are.
function normal(list) {
	return list.map((c) =>
		c !== null && typeof c === "object"
			? c
			: { tag: "#", text: c === null || c === undefined || c === false || c === true ? "" : String(c) });
}

let mounted = [];

export function render(vnode, parent) {
	const next = normal([vnode].flat(Infinity));
	patchChildren(parent, parent.napTree || [], next, false);
	parent.napTree = next;
	const run = mounted;
	mounted = [];
	for (const [ref, el] of run) ref(el);
}

function create(v, svg) {
	if (v.tag === "#") return (v.el = document.createTextNode(v.text));
	svg = svg || v.tag === "svg";
	v.el = svg ? document.createElementNS(SVG, v.tag) : document.createElement(v.tag);
	patchChildren(v.el, [], v.children, svg);
	for (const name in v.props) setProp(v.el, name, v.props[name], undefined, svg);
	if (v.props.ref) mounted.push([v.props.ref, v.el]);
	return v.el;
}

function patch(old, v, svg) {
	const el = (v.el = old.el);
	if (v.tag === "#") {
		if (old.text !== v.text) el.data = v.text;
		return;
	}
	svg = svg || v.tag === "svg";
	patchChildren(el, old.children, v.children, svg);
	for (const name in old.props)
		if (!(name in v.props)) setProp(el, name, undefined, old.props[name], svg);
	for (const name in v.props) setProp(el, name, v.props[name], old.props[name], svg);
}

function patchChildren(el, olds, news, svg) {
	const keyed = new Map();
	const loose = [];
	for (const o of olds) {
		if (o.key !== undefined) keyed.set(o.key, o);
		else loose.push(o);
	}
	let at = 0;
	const found = news.map((n) => {
		const o = n.key !== undefined ? keyed.get(n.key) : loose[at++];
		if (!o || o.tag !== n.tag) return null;
		if (n.key !== undefined) keyed.delete(n.key);
		else loose[at - 1] = null;
		return o;
	});
	for (const o of [...keyed.values(), ...loose]) if (o) remove(o, el);
	let cursor = el.firstChild;
	news.forEach((n, i) => {
		if (found[i]) patch(found[i], n, svg);
		else create(n, svg);
		if (n.el === cursor) cursor = cursor.nextSibling;
		else el.insertBefore(n.el, cursor);
	});
}

function remove(v, parent) {
	gone(v);
	if (v.el.parentNode === parent) parent.removeChild(v.el);
}

function gone(v) {
	if (v.tag === "#") return;
	if (v.props.ref) v.props.ref(null, v.el);
	v.children.forEach(gone);
}

function setProp(el, name, value, old, svg) {
	if (name === "key" || name === "ref") return;
	if (name.startsWith("on")) {
		const type = name.slice(2).toLowerCase();
		el.napOn = el.napOn || {};
		if (value && !(type in el.napOn)) el.addEventListener(type, (e) => el.napOn[type]?.(e));
		el.napOn[type] = value || null;
	} else if (name === "value" || name === "checked" || name === "indeterminate") {
		const to = value === undefined || value === null ? "" : value;
		if (el[name] !== to) el[name] = to;
	} else if (value === old) {
		return;
	} else if (name === "style") {
		for (const part in { ...old, ...value }) el.style[part] = value?.[part] ?? "";
	} else if (name.startsWith("aria-") || name.startsWith("data-")) {
		if (value === undefined || value === null) el.removeAttribute(name);
		else el.setAttribute(name, String(value));
	} else if (value === false || value === undefined || value === null) {
		el.removeAttribute(name);
	} else if (name === "open" && el.tagName === "DETAILS") {
		el.open = true;
	} else {
		el.setAttribute(name, value === true ? "" : String(value));
	}
}
