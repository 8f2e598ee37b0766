/*
 * nap-stream: all text/event-stream. Descriptor 0 is the FastCGI socket.
 */
#include "base/log.h"
#include "stream/serve.h"

int main(int argc, char **argv)
{
	struct config cfg;
	struct err e = { 0 };

	(void)argv;
	if (argc != 1) {
		(void)fputs("usage: nap-stream\n", stderr);
		return 2;
	}
	if (!config_load(&cfg, &e))
		return die(&e);
	log_start("nap-stream", LOG_INFO);
	return stream_run(&cfg);
}
