/* near - "did you mean".  See near.h. */
#include "base/near.h"

#include <string.h>

#include "base/str.h"

#define NEAR_MAX 64 /* letters; longer ones are no slips of anything */

static size_t
near_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment; three rows, as a swap looks two back. */
static size_t
near_slips(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), rows[3][NEAR_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	if (n > NEAR_MAX || m > NEAR_MAX)
		return NEAR_MAX;
	for (size_t j = 0; j <= m; j++)
		above[j] = before[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = near_least(row[j], above[j] + 1);
			row[j] = near_least(row[j], row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = near_least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[m];
}

static size_t
near_allowed(size_t longer)
{
	return longer < 5 ? 1 : longer < 9 ? 2 : longer / 3;
}

void
near_init(struct near *nr, const char *word)
{
	nr->word = word;
	nr->best = NULL;
	nr->slips = nr->apart = 0;
}

void
near_try(struct near *nr, const char *candidate)
{
	size_t n = strlen(nr->word), m = strlen(candidate);
	size_t longer = n > m ? n : m, apart = longer - near_least(n, m);
	size_t slips = near_slips(nr->word, candidate);

	if (n > 0 && str_starts(candidate, nr->word) && slips > 1)
		slips = 1;
	/* Of one letter nothing is left. */
	if (slips > near_allowed(longer) || slips == longer)
		return;
	if (nr->best == NULL || slips < nr->slips ||
	    (slips == nr->slips && apart < nr->apart) ||
	    (slips == nr->slips && apart == nr->apart &&
		m > strlen(nr->best))) {
		nr->best = candidate;
		nr->slips = slips;
		nr->apart = apart;
	}
}
