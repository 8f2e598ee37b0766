#include "agent/store.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>

static char *path_of(const struct agent *ag, const struct agent_unit *u)
{
	auto_free char *file = xasprintf("%s.json", u->folder);

	return agent_path(ag, "store", file);
}

static bool remove_file(const struct agent *ag, const char *path, struct err *e)
{
	auto_free char *dir = agent_path(ag, "store", NULL);
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(e, "could not remove \"%s\"", path);
	if (fd >= 0)
		(void)fsync(fd);
	return true;
}

bool store_save(const struct agent *ag, const struct agent_unit *u, struct err *e)
{
	auto_free char *path = path_of(ag, u);
	auto_buf struct buf b = { 0 };

	if (!u->content)
		return remove_file(ag, path, e);
	buf_init(&b, 64 * 1024 * 1024);
	buf_printf(&b, "{\"desiredState\":\"%s\",\"name\":", fleet_state_word(u->desired));
	put_json(&b, u->name);
	buf_puts(&b, ",\"options\":");
	content_json(u->content, &b);
	buf_puts(&b, "}\n");
	if (b.failed)
		return err_set(e, ERR_TOO_LARGE, "too_large", "unit \"%s\" is too large", u->name);
	return file_replace(path, b.data, b.len, 0600, e);
}

static bool load_one(struct agent *ag, const char *path, struct err *e)
{
	json_error_t je;
	json_auto_t *o = json_load_file(path, 0, &je);
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *word = json_string_value(json_object_get(o, "desiredState"));
	enum fleet_state desired;
	struct content *c;
	struct agent_unit *u;

	if (!name || !word || !fleet_state_parse(word, &desired))
		return err_set(e, ERR_INVALID, "broken", "file \"%s\" is no unit", path);
	if (agent_find(ag, name))
		return err_set(e, ERR_INVALID, "broken", "file \"%s\" is a second one", path);
	if (!content_make(json_object_get(o, "options"), &c, e))
		return false;
	u = agent_add(ag, name);
	u->content = c;
	u->desired = desired;
	return true;
}

bool store_load(struct agent *ag, struct err *e)
{
	auto_free char *dir = agent_path(ag, "store", NULL);
	auto_dir DIR *d = NULL;
	struct dirent *de;

	if (!dir_make(dir, 0700, e))
		return false;
	d = opendir(dir);
	if (!d)
		return err_errno(e, "could not open folder \"%s\"", dir);
	while ((de = readdir(d))) {
		auto_free char *path = xasprintf("%s/%s", dir, de->d_name);
		auto_free char *aside = xasprintf("%s.bad", path);
		struct err one = { 0 };

		if (ends_with(de->d_name, ".tmp")) {
			(void)unlink(path);
		} else if (ends_with(de->d_name, ".json") && !load_one(ag, path, &one)) {
			LOG(ERROR, "agent.unit_unreadable", KV("file", path), KV("why", one.msg));
			(void)rename(path, aside);
		}
	}
	return true;
}
