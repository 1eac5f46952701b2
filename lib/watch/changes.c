/*
 * changes - see changes.h.
 */
#include "watch/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define SEEN_MAX 131072 /* half of it is used at most */

void
changes_init(struct changes *ch)
{
	*ch = (struct changes){ 0 };
	strv_init(&ch->paths);
}

void
changes_fini(struct changes *ch)
{
	strv_fini(&ch->paths);
	freep(&ch->seen);
}

void
changes_clear(struct changes *ch)
{
	changes_fini(ch);
	changes_init(ch);
}

static bool
changes_put(struct changes *ch, uint64_t hash)
{
	size_t i = hash & (ch->nseen - 1);

	for (; ch->seen[i] != 0; i = (i + 1) & (ch->nseen - 1))
		if (ch->seen[i] == hash)
			return false;
	ch->seen[i] = hash;
	return true;
}

static void
changes_grow(struct changes *ch)
{
	uint64_t *old = ch->seen;
	size_t n = ch->nseen;

	ch->nseen = n == 0 ? 64 : 2 * n;
	ch->seen = xcalloc(ch->nseen, sizeof *ch->seen);
	for (size_t i = 0; i < n; i++)
		if (old[i] != 0)
			changes_put(ch, old[i]);
	free(old);
}

void
changes_add(struct changes *ch, const char *path)
{
	size_t len = strlen(path) + 1;

	if (2 * ch->count >= ch->nseen && ch->nseen < SEEN_MAX)
		changes_grow(ch);
	if (2 * ch->count < ch->nseen && !changes_put(ch, str_hash(path) | 1))
		return;
	ch->count++;
	if (ch->paths.n == CHANGES_PATHS_MAX ||
	    ch->bytes + len > CHANGES_BYTES_MAX)
		return;
	strv_add(&ch->paths, path);
	ch->bytes += len;
}
