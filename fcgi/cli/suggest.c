#include "cli/suggest.h"

#define LONGEST 64

size_t suggest_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), row[3][LONGEST + 1];

	if (n > LONGEST || m > LONGEST)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		const size_t *above = row[(i - 1) % 3], *two_above = row[(i + 1) % 3];
		size_t *now = row[i % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t changed = above[j - 1] + (a[i - 1] != b[j - 1]);

			now[j] = MIN(MIN(above[j], now[j - 1]) + 1, changed);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], two_above[j - 2] + 1);
		}
	}
	return row[n % 3][m];
}

const char *suggest(const char *word, const char *const *known, size_t n)
{
	size_t best = MAX(strlen(word) / 3, (size_t)1) + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = suggest_distance(word, known[i]);

		if (d > 1 && strlen(word) > 1 && starts_with(known[i], word))
			d = 1;
		if (d < best) {
			best = d;
			nearest = known[i];
		}
	}
	return nearest;
}
