/*
 * schema_priv - schema.def and types.def as tables.
 *
 * Nothing here but constants: a row of the schema is known by its number,
 * and the numbers of one section's keys follow each other.
 */
#ifndef CONFIG_SCHEMA_PRIV_H
#define CONFIG_SCHEMA_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum schema_section {
	SECTION_REEVE,
	SECTION_CTL,
	SECTION_PROGRAM,
	SECTION_GROUP,
	SECTION_INCLUDE,
	SECTION_TASK,
	SECTION_POOL,
	SECTION_JOB,
	SECTION__N
};

enum schema_type {
#define TYPE(NAME, stem, owner, people) TYPE_##NAME,
#include "config/types.def"
	TYPE__N
};

/* SCHEMA_PROGRAM_command and so on. */
enum schema_id {
#define KEY(SECTION, name, TYPE, field, dflt, needs, help)                     \
	SCHEMA_##SECTION##_##name,
#include "config/schema.def"
	SCHEMA__N
};

struct schema_row {
	enum schema_section section;
	enum schema_type type;
	size_t offset; /* of the field in the struct of its section, or */
	bool rare;     /* in struct config_rare */
};

extern const struct config_key schema_keys[SCHEMA__N];
extern const struct schema_row schema_rows[SCHEMA__N];

void schema_range(enum schema_id id, int64_t *min, int64_t *max);

/* "program" -> SECTION_PROGRAM; SECTION__N: no such kind. */
enum schema_section schema_section_parse(const char *kind);
const char *schema_section_name(enum schema_section section);
/* "[program:NAME]": how a section of that kind is written. */
const char *schema_section_form(enum schema_section section);
bool schema_section_named(enum schema_section section);
/* ... but may be without one: [pool]. */
bool schema_section_bare(enum schema_section section);
/* The section's keys are first to first + n - 1. */
enum schema_id schema_first(enum schema_section section, size_t *n);
/* SCHEMA__N: the section has no such key. */
enum schema_id schema_find(enum schema_section section, const char *name);
/* A section that does have it, or SECTION__N. */
enum schema_section schema_find_elsewhere(const char *name);
/* Expanded for each slot, when that slot starts, and not at load. */
bool schema_per_slot(enum schema_id id);

#endif
