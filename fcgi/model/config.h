/*
 * The settings of this copy of nap, filled once in main and passed on as const struct config *.
 *
 * Each is a row of one table in config.c: name, kind, default, help. To add a setting, add a member here, a row
 * there and a line in README.md; tests/api/test_docs.py compares them. They are read from the file that NAP_CONF
 * names (`key = value` lines, `#` opens a comment line), and an environment variable NAP_KEY (the key in upper
 * case) wins over the file. An unknown key in the file is an error that names file and line.
 *
 * Texts are never NULL and live until the process ends. Durations are seconds, sizes bytes.
 */
#ifndef NAP_MODEL_CONFIG_H
#define NAP_MODEL_CONFIG_H

#include "base/err.h"

struct config {
	const char *state;  /* absolute path of $NAP_STATE */
	const char *listen; /* address of nginx and sshd */
	int64_t port, ssh_port;
	const char *url;    /* how machines and visitors reach nap, without a slash at the end */
	const char *domain; /* of the apps' addresses; "": apps are reached by ports of their own */
	const char *app_ports; /* "30000-31999" */
	const char *engine;    /* endpoints, separated by commas; "": the agent of this machine */
	const char *isolation; /* auto, crun, bwrap, setpriv, none */
	int64_t block_port;    /* first of the block's 1,000 instance ports */
	int64_t block_uid;     /* first of the block's 65,536 uids; 0: an ordinary user's copy */
	const char *git_protocols;
	int64_t git_private, git_timeout;
	int64_t source_max_bytes, source_max_entries, source_upload_max;
	int64_t memory_default, memory_reserve;
	int64_t ready_timeout, drain, port_rest, orphan_grace, silence_grace;
	int64_t build_timeout, build_memory;
	int64_t log_max, log_keep_hours, journal_port;
	int64_t workers, api_pool, login_pool, wait_pool;
	int64_t session_hours;
	int64_t quota_memory, quota_instances, quota_apps, quota_disk;
	int64_t disk_max, disk_floor;
	const char *log_level;
};

/*
 * Errors: ERR_INVALID setting_invalid, setting_unknown, engine_cannot_reach_nap (a cluster beyond loopback, and a url
 * that only this machine reaches).
 */
NODISCARD bool config_load(struct config *ret, struct err *e);

/* KEY, default and help of every setting, a Markdown table row each */
void config_print(FILE *out);

/* where things are; paths are made from state and live until the process ends */
const char *config_path(const struct config *cfg, const char *below);

#endif
