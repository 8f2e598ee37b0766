/*
 * nap-stream: all text/event-stream. Descriptor 0 is the FastCGI socket.
 */
#include "base/log.h"
#include "stream/serve.h"

int main(int argc, char **argv)
{
	static struct config cfg; /* its texts live as long as the process */
	struct err e = { 0 };

	(void)argv;
	if (argc != 1) {
		(void)fputs("usage: nap-stream\n", stderr);
		return 2;
	}
	if (!config_load(&cfg, &e))
		return die(&e);
	log_start("nap-stream", log_level_named(cfg.log_level));
	return stream_run(&cfg);
}
