/* schema - schema.def and types.def as tables. */
#include "config/schema_priv.h"

#include <string.h>

#include "config/jobs.h"

#define FIELD_REEVE(field)   offsetof(struct config, field)
#define FIELD_CTL(field)     offsetof(struct config, field)
#define FIELD_PROGRAM(field) offsetof(struct config_program, field)
#define FIELD_GROUP(field)   offsetof(struct config_group, field)
#define FIELD_TASK(field)    offsetof(struct config_task, field)
#define FIELD_POOL(field)    offsetof(struct config_pool, field)
#define FIELD_JOB(field)     offsetof(struct config_job, field)
/* [include] is gone when the files are read: it has no struct. */
#define FIELD_INCLUDE(field) 0

#define WORD_REEVE           "reeve"
#define WORD_CTL             "reevectl"
#define WORD_PROGRAM         "program"
#define WORD_GROUP           "group"
#define WORD_INCLUDE         "include"
#define WORD_TASK            "task"
#define WORD_POOL            "pool"
#define WORD_JOB             "job"

#define TYPE(NAME, stem, owner, people)                                        \
	static const char name_##NAME[] = people;
#include "config/types.def"

struct range {
	bool set;
	int64_t min, max;
};

static const struct range ranges[SCHEMA__N] = {
#define RANGE(SECTION, name, min, max)                                         \
	[SCHEMA_##SECTION##_##name] = { true, min, max },
#include "config/schema.def"
};

const struct config_key schema_keys[SCHEMA__N] = {
#define KEY(SECTION, name, TYPE, field, dflt, needs, help)                     \
	[SCHEMA_##SECTION##_##name] = { WORD_##SECTION, #name, name_##TYPE,    \
		dflt, CONFIG_##needs, help },
#include "config/schema.def"
};

const struct schema_row schema_rows[SCHEMA__N] = {
#define KEY(SECTION, name, TYPE, field, dflt, needs, help)                     \
	[SCHEMA_##SECTION##_##name] = { SECTION_##SECTION, TYPE_##TYPE,        \
		FIELD_##SECTION(field), false },
#define RARE(SECTION, name, TYPE, field, dflt, needs, help)                    \
	[SCHEMA_##SECTION##_##name] = { SECTION_##SECTION, TYPE_##TYPE,        \
		offsetof(struct config_rare, field), true },
#include "config/schema.def"
};

static const struct {
	const char *name;
	const char *form;
	bool named;
} sections[SECTION__N] = {
	[SECTION_REEVE] = { WORD_REEVE, "[reeve]", false },
	[SECTION_CTL] = { WORD_CTL, "[reevectl]", false },
	[SECTION_PROGRAM] = { WORD_PROGRAM, "[program:NAME]", true },
	[SECTION_GROUP] = { WORD_GROUP, "[group:NAME]", true },
	[SECTION_INCLUDE] = { WORD_INCLUDE, "[include]", false },
	[SECTION_TASK] = { WORD_TASK, "[task:NAME]", true },
	[SECTION_POOL] = { WORD_POOL, "[pool] or [pool:NAME]", true },
	[SECTION_JOB] = { WORD_JOB, "[job:KIND]", true },
};

void
schema_range(enum schema_id id, int64_t *min, int64_t *max)
{
	*min = ranges[id].set ? ranges[id].min : INT64_MIN + 1;
	*max = ranges[id].set ? ranges[id].max : INT64_MAX;
}

enum schema_section
schema_section_parse(const char *kind)
{
	int s = 0;

	while (s < SECTION__N && strcmp(sections[s].name, kind) != 0)
		s++;
	return (enum schema_section)s;
}

const char *
schema_section_name(enum schema_section section)
{
	return sections[section].name;
}

const char *
schema_section_form(enum schema_section section)
{
	return sections[section].form;
}

bool
schema_section_named(enum schema_section section)
{
	return sections[section].named;
}

bool
schema_section_bare(enum schema_section section)
{
	return section == SECTION_POOL;
}

enum schema_id
schema_first(enum schema_section section, size_t *n)
{
	int first = 0, end;

	while (first < SCHEMA__N && schema_rows[first].section != section)
		first++;
	for (end = first; end < SCHEMA__N; end++)
		if (schema_rows[end].section != section)
			break;
	*n = (size_t)(end - first);
	return (enum schema_id)first;
}

enum schema_id
schema_find(enum schema_section section, const char *name)
{
	int id;

	for (id = 0; id < SCHEMA__N; id++)
		if (schema_rows[id].section == section &&
		    strcmp(schema_keys[id].name, name) == 0)
			break;
	return (enum schema_id)id;
}

enum schema_section
schema_find_elsewhere(const char *name)
{
	for (int id = 0; id < SCHEMA__N; id++)
		if (strcmp(schema_keys[id].name, name) == 0)
			return schema_rows[id].section;
	return SECTION__N;
}

bool
schema_per_slot(enum schema_id id)
{
	const struct schema_row *row = &schema_rows[id];

	if (row->section != SECTION_PROGRAM && row->section != SECTION_TASK)
		return false;
	return row->type == TYPE_TEMPLATE || row->type == TYPE_DIRECTORY ||
	       row->type == TYPE_LOGFILE || row->type == TYPE_ENV ||
	       row->type == TYPE_READY || row->type == TYPE_HEALTH;
}

const struct config_key *
config_keys(size_t *n)
{
	*n = SCHEMA__N;
	return schema_keys;
}
