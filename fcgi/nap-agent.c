/*
 * nap-agent: the engine of a single machine (agent/agent.h).
 *
 *	nap-agent --state S [--block-port N] [--block-uid N] [--allow-uid N] [--isolation auto|crun|bwrap|setpriv|none]
 *	nap-agent --stop-all --state S
 */
#include "agent/agent.h"
#include "base/log.h"
#include "base/text.h"

#include <getopt.h>

static int usage(void)
{
	(void)fprintf(stderr,
		"usage: nap-agent --state FOLDER [--block-port N] [--block-uid N] [--allow-uid N]\n"
		"                 [--isolation auto|crun|bwrap|setpriv|none]\n"
		"       nap-agent --stop-all --state FOLDER\n");
	return 2;
}

static bool is_isolation(const char *word)
{
	static const char *const words[] = { "auto", "crun", "bwrap", "setpriv", "none" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (streq(words[i], word))
			return true;
	}
	return false;
}

static bool take(struct agent_config *cfg, int option, const char *value, bool *ret_stop_all)
{
	int64_t n = 0;

	if (option == 's')
		cfg->state = value;
	else if (option == 'i')
		cfg->isolation = value;
	else if (option == 'x')
		*ret_stop_all = true;
	else if (option == '?' || !parse_i64(value, 0, option == 'p' ? 65535 : INT32_MAX, &n))
		return false;
	if (option == 'p')
		cfg->block_port = (int)n;
	if (option == 'u')
		cfg->block_uid = (uid_t)n;
	if (option == 'a') {
		cfg->allow_uid = (uid_t)n;
		cfg->has_allow_uid = true;
	}
	return option != 'i' || is_isolation(value);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "state", required_argument, NULL, 's' },
		{ "block-port", required_argument, NULL, 'p' },
		{ "block-uid", required_argument, NULL, 'u' },
		{ "allow-uid", required_argument, NULL, 'a' },
		{ "isolation", required_argument, NULL, 'i' },
		{ "stop-all", no_argument, NULL, 'x' },
		{ 0 },
	};
	struct agent_config cfg = { .isolation = "auto", .block_uid = 200000 };
	bool stop_all = false;
	struct err e = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!take(&cfg, option, optarg, &stop_all))
			return usage();
	}
	if (!cfg.state || cfg.state[0] != '/' || optind != argc)
		return usage();
	log_start("nap-agent", LOG_INFO);
	if (stop_all)
		cfg.isolation = NULL;
	if (stop_all)
		return agent_stop_all(&cfg, &e) ? 0 : die(&e);
	return agent_run(&cfg, &e) ? 0 : die(&e);
}
