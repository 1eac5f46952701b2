/* near - "did you mean". */
#include <string.h>

#include "config/config_priv.h"

void
near_init(struct near *nr, const char *word)
{
	size_t len = strlen(word);

	nr->word = word;
	nr->best = NULL;
	/* Two slips, which is two letters swapped; more in long words. */
	nr->distance = len < 3 ? 2 : len < 9 ? 3 : len / 3 + 1;
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
