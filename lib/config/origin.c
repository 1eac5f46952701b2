/*
 * origin - where each key of a section stands.
 *
 * A key is a line and the number of a file, because there may be hundreds of
 * programs and nearly all of their keys stand in one file.
 */
#include <stdlib.h>

#include "base/xalloc.h"
#include "config/config_priv.h"

void
origins_init(struct config_origins *og, enum schema_section section)
{
	size_t n;

	schema_first(section, &n);
	og->v = xcalloc(n, sizeof *og->v);
	strv_init(&og->files);
}

void
origins_fini(struct config_origins *og)
{
	freep(&og->v);
	strv_fini(&og->files);
}

static struct config_origin *
origins_at(const struct config_origins *og, enum schema_id id)
{
	size_t n;

	return &og->v[id - schema_first(schema_rows[id].section, &n)];
}

void
origins_set(
    struct config_origins *og, enum schema_id id, const char *file, int line)
{
	struct config_origin *o = origins_at(og, id);
	size_t i = 0;

	while (i < og->files.n && !str_equal(og->files.v[i], file))
		i++;
	if (i == og->files.n)
		strv_add(&og->files, file);
	o->file = (int)i;
	o->line = line;
}

const char *
origins_file(const struct config_origins *og, enum schema_id id)
{
	const struct config_origin *o = origins_at(og, id);

	return o->line == 0 ? NULL : og->files.v[o->file];
}

int
origins_line(const struct config_origins *og, enum schema_id id)
{
	return origins_at(og, id)->line;
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
