#include "agent/machine.h"

#include "base/file.h"
#include "base/text.h"

#include <sys/random.h>
#include <sys/sysinfo.h>

static const char *const OWN[] = { "isolation", "memory", "port_guard" };

static bool is_own(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(OWN); i++) {
		if (streq(OWN[i], key))
			return true;
	}
	return false;
}

/* 32 hex digits of a file, dashes left out */
static bool read_id(const char *path, char ret[MACHINE_ID_SIZE])
{
	auto_arena struct arena a = { 0 };
	struct err e = { 0 };
	unsigned char raw[16];
	char *text;
	size_t len, n = 0;

	if (!file_read(path, 4096, &a, &text, &len, &e))
		return false;
	for (size_t i = 0; i < len && text[i] != '\n'; i++) {
		if (text[i] == '-')
			continue;
		if (n == MACHINE_ID_SIZE - 1)
			return false;
		ret[n++] = text[i];
	}
	ret[n] = '\0';
	return hex_decode(raw, sizeof raw, ret);
}

static bool make_id(const char *path, char ret[MACHINE_ID_SIZE], struct err *e)
{
	unsigned char raw[16];

	if (getrandom(raw, sizeof raw, 0) != sizeof raw)
		return err_errno(e, "could not make a machine id");
	hex_encode(ret, raw, sizeof raw);
	return file_replace(path, ret, MACHINE_ID_SIZE - 1, 0644, e);
}

static json_t *load_metadata(const char *path)
{
	json_t *o = json_load_file(path, 0, NULL);

	if (!json_is_object(o)) {
		json_decref(o);
		o = json_object();
	}
	return o;
}

bool machine_open(struct machine *m, const char *dir, struct err *e)
{
	auto_free char *own = xasprintf("%s/machine-id", dir);
	struct sysinfo si = { 0 };
	char memory[32];

	*m = (struct machine){ 0 };
	if (!read_id("/etc/machine-id", m->id) && !read_id(own, m->id) && !make_id(own, m->id, e))
		return false;
	if (!read_id("/proc/sys/kernel/random/boot_id", m->boot_id))
		memset(m->boot_id, '0', MACHINE_ID_SIZE - 1);
	if (gethostname(m->hostname, sizeof m->hostname - 1) < 0)
		(void)snprintf(m->hostname, sizeof m->hostname, "localhost");
	if (sysinfo(&si) == 0)
		m->memory = (int64_t)si.totalram * si.mem_unit;
	m->path = xasprintf("%s/metadata.json", dir);
	m->metadata = load_metadata(m->path);
	(void)snprintf(memory, sizeof memory, "%lld", (long long)m->memory);
	machine_own(m, "memory", memory);
	return true;
}

void machine_close(struct machine *m)
{
	json_decref(m->metadata);
	free(m->path);
	*m = (struct machine){ 0 };
}

void machine_own(struct machine *m, const char *key, const char *value)
{
	(void)json_object_set_new(m->metadata, key, json_string(value));
}

const char *machine_get(const struct machine *m, const char *key)
{
	return json_string_value(json_object_get(m->metadata, key));
}

bool machine_patch(struct machine *m, const char *key, const char *value, struct err *e)
{
	auto_free char *text = NULL;
	json_auto_t *kept = NULL;
	const char *k;
	json_t *v;

	if (is_own(key))
		return true;
	if (value)
		(void)json_object_set_new(m->metadata, key, json_string(value));
	else
		(void)json_object_del(m->metadata, key);
	kept = json_object();
	json_object_foreach (m->metadata, k, v) {
		if (!is_own(k))
			(void)json_object_set(kept, k, v);
	}
	text = json_dumps(kept, JSON_SORT_KEYS | JSON_COMPACT);
	return file_replace(m->path, text, strlen(text), 0644, e);
}
