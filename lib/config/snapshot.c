/*
 * snapshot - the entries of a config that was loaded, as bytes.
 *
 * An engine that takes over from one that died must go on with the config in
 * force, not with what the file says by now: it may be half edited, or gone.
 * Each entry is file, line, section, key, value, each ended by a NUL; an entry
 * without a key (here the section begins) has "\001" in its place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/snapshot.h"

#define NO_KEY "\001"

static void
snapshot_put(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s) + 1);
}

void
snapshot_add(struct buf *b, const char *file, int line, const char *section,
    const char *key, const char *value)
{
	char number[16];

	snprintf(number, sizeof number, "%d", line);
	snapshot_put(b, file);
	snapshot_put(b, number);
	snapshot_put(b, section);
	snapshot_put(b, key != NULL ? key : NO_KEY);
	snapshot_put(b, value != NULL ? value : "");
}

void
snapshot_write(struct buf *b, const struct ini *ini)
{
	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_entry *e = &ini->v[i];

		snapshot_add(b, e->file, e->line, e->section, e->key, e->value);
	}
}

static const char *
snapshot_file(struct ini *ini, const char *name)
{
	for (size_t i = 0; i < ini->files.n; i++)
		if (strcmp(ini->files.v[i], name) == 0)
			return ini->files.v[i];
	strv_add(&ini->files, name);
	return ini->files.v[ini->files.n - 1];
}

/* NULL at the end, and when the last string is not ended. */
static const char *
snapshot_get(const char **p, const char *end)
{
	const char *s = *p, *nul;

	if (s == NULL || s >= end)
		return NULL;
	nul = memchr(s, '\0', (size_t)(end - s));
	*p = nul != NULL ? nul + 1 : NULL;
	return nul != NULL ? s : NULL;
}

int
snapshot_read(struct ini *ini, const char *data, size_t len)
{
	const char *end = data + len, *f[5];

	while (data != NULL && data < end) {
		struct ini_entry *e;

		for (int i = 0; i < 5; i++)
			if ((f[i] = snapshot_get(&data, end)) == NULL)
				return -1;
		ini->v = xreallocarray(ini->v, ini->n + 1, sizeof *ini->v);
		e = &ini->v[ini->n++];
		e->file = snapshot_file(ini, f[0]);
		e->line = atoi(f[1]);
		e->section = xstrdup(f[2]);
		e->key = strcmp(f[3], NO_KEY) == 0 ? NULL : xstrdup(f[3]);
		e->value = xstrdup(f[4]);
	}
	return ini->n != 0 ? 0 : -1;
}
