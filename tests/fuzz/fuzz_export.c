/* The journal's export format and what becomes of it: any bytes, in any pieces. The first byte is the piece's size.
 * clang -fsanitize=fuzzer,address,undefined -Ifcgi tests/fuzz/fuzz_export.c libnap.a … */
#include "collect/export.h"
#include "collect/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool look(void *ctx, const struct log_line *line)
{
	(void)ctx;
	assert(line->text.p && strlen(line->unit) < UNIT_NAME_SIZE);
	return true;
}

static bool take(void *lines, const struct export_entry *entry)
{
	return lines_take(lines, entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct lines *l = lines_new(look, NULL);
	struct export x;
	struct err e;
	size_t piece = n ? (size_t)data[0] + 1 : 1;

	export_init(&x, take, l);
	for (size_t i = 1; i < n; i += piece)
		if (!export_feed(&x, (const char *)data + i, MIN(piece, n - i), &e))
			export_restart(&x);
	(void)lines_flush(l, 0);
	export_release(&x);
	lines_free(l);
	return 0;
}
