// What an app may not set: a cookie of the manager's name. Its own host is often the manager's too, but for the port, and
// cookies know no ports. nginx itself cannot choose among several Set-Cookie headers, so this runs over each answer of
// an app (js_header_filter, app-locations.conf).

// A cookie without a name is sent as its value alone, which may look like one with a name.
const nap = /^[\s=]*nap_session/i;

function refuse(r) {
	const all = r.headersOut["Set-Cookie"];

	if (all && all.some((one) => nap.test(one)))
		r.headersOut["Set-Cookie"] = all.filter((one) => !nap.test(one));
}

export default { refuse };
