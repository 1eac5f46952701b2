/*
 * origin - where each key of a section stands.
 *
 * Only of those that stand in a file: there may be hundreds of programs, and
 * each has a few of the many keys.
 */
#include <stdlib.h>

#include "base/intern.h"
#include "base/xalloc.h"
#include "config/config_priv.h"

void
origins_init(struct config_origins *og)
{
	og->v = NULL;
	og->n = 0;
}

void
origins_fini(struct config_origins *og)
{
	freep(&og->v);
	og->n = 0;
}

/* NULL: it does not stand in a file. */
static struct config_origin *
origins_find(const struct config_origins *og, enum schema_id id)
{
	for (size_t i = 0; i < og->n; i++)
		if (og->v[i].key == (int)id)
			return &og->v[i];
	return NULL;
}

void
origins_set(
    struct config_origins *og, enum schema_id id, const char *file, int line)
{
	struct config_origin *o = origins_find(og, id);

	if (o == NULL) {
		og->v = xreallocarray(og->v, og->n + 1, sizeof *og->v);
		o = &og->v[og->n++];
	}
	o->key = (int)id;
	o->line = line;
	o->file = intern(file);
}

const char *
origins_file(const struct config_origins *og, enum schema_id id)
{
	const struct config_origin *o = origins_find(og, id);

	return o == NULL ? NULL : o->file;
}

int
origins_line(const struct config_origins *og, enum schema_id id)
{
	const struct config_origin *o = origins_find(og, id);

	return o == NULL ? 0 : o->line;
}

const char *
config_program_origin(
    const struct config_program *p, const char *key, int *line)
{
	enum schema_id id = schema_find(SECTION_PROGRAM, key);
	const char *file = NULL;

	if (id != SCHEMA__N)
		file = origins_file(&p->origins, id);
	*line = file != NULL ? origins_line(&p->origins, id) : p->line;
	return file != NULL ? file : p->file;
}
