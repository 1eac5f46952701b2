/* near - "did you mean". */
#include <string.h>

#include "config/config_priv.h"

void
near_init(struct near *nr, const char *word)
{
	size_t len = strlen(word);

	nr->word = word;
	nr->best = NULL;
	/* One slip in a short word, one in three letters of a long one. */
	nr->distance = len < 6 ? 3 : len / 3 + 1;
	if (len < 4)
		nr->distance = 2;
}

void
near_try(struct near *nr, const char *candidate)
{
	size_t d = str_distance(nr->word, candidate);

	if (d < nr->distance) {
		nr->distance = d;
		nr->best = candidate;
	}
}
