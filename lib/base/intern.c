/* intern - strings that many share. */
#include "base/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/xalloc.h"

/* Open addressing: a power of two, at most half full. */
static const char **table;
static size_t cap, used;

static size_t
intern_place(const char *s)
{
	size_t i = (size_t)str_hash(s) & (cap - 1);

	while (table[i] != NULL && strcmp(table[i], s) != 0)
		i = (i + 1) & (cap - 1);
	return i;
}

static void
intern_grow(void)
{
	const char **old = table;
	size_t n = cap;

	cap = n == 0 ? 16 : 2 * n;
	table = xcalloc(cap, sizeof *table);
	for (size_t i = 0; i < n; i++)
		if (old[i] != NULL)
			table[intern_place(old[i])] = old[i];
	free(old);
}

const char *
intern(const char *s)
{
	size_t i;

	if (s == NULL)
		return NULL;
	if (2 * used >= cap)
		intern_grow();
	i = intern_place(s);
	if (table[i] == NULL) {
		table[i] = xstrdup(s);
		used++;
	}
	return table[i];
}
