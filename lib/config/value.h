/*
 * value - the types of types.def: text to field and back.
 *
 * A field is always valid: zeroed (unset) or parsed.  parse takes a field
 * that owns nothing; when it fails the field owns nothing either.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config_priv.h"

/* What a value is read for; all borrowed. */
struct value_ctx {
	void *object;        /* struct of the section that the field is in */
	const char *here;    /* relative paths start there */
	const char *program; /* default name of a socket */
	int64_t min;         /* RANGE of the key */
	int64_t max;
};

typedef int value_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err);
/* Appends the value as it would stand in a file; nothing: it is unset. */
typedef void value_print(
    struct buf *out, const void *object, const void *field);
typedef void value_fini(void *field);

/* The field of a key in its section's struct. */
void *value_field(void *object, enum schema_id id);
const void *value_cfield(const void *object, enum schema_id id);

/* As value_parse and so on, for the type of the key. */
int value_set(const struct value_ctx *vc, enum schema_id id, const char *text,
    struct err *err);
void value_add(struct buf *out, const void *object, enum schema_id id);
void value_clear(void *object, enum schema_id id);
/* Whether two structs mean the same with a key, however it is written. */
bool value_equal(const void *a, const void *b, enum schema_id id);

/* 0 when text is a decimal integer within the range of the key. */
int value_integer(const struct value_ctx *vc, int64_t *out, const char *text,
    struct err *err);
/* The next of a list that commas and line breaks divide, trimmed; or NULL. */
char *value_item(const char **text);

/* "2" or "2-5": adds each number as a string; -1: it is neither. */
int value_cpus_add(struct strv *list, const char *item);

/* "=" "v" of environment= for one variable: quoted as the file wants it. */
void value_env_quote(struct buf *out, const char *value);
/* Sets out to "user" or "user:group" of passwd(5) and group(5). */
int value_owner_lookup(
    struct config_owner *out, const char *text, struct err *err);
/* Fills in its groups, which a lookup leaves out. */
void value_owner_groups(struct config_owner *out);

/* Addresses as of socket=, without what is for listeners and for unix. */
int value_ports_parse(
    struct config_sockets *out, const char *text, struct err *err);

/* "nofile=1024:4096": the name of an rlimit_ key, and what that takes. */
int value_limit_word(const char *word, int *resource, struct config_rlimit *out,
    struct err *err);

/* Who a program's instances are, from all of its keys that say so. */
void value_identity(struct config_program *p);

#define TYPE(NAME, stem, owner, people)                                        \
	value_parse value_##stem##_parse;                                      \
	value_print value_##stem##_print;
#include "config/types.def"
value_fini value_watch_fini, value_zone_fini, value_actions_fini,
    value_allow_fini, value_none_fini, value_str_fini, value_logfile_fini,
    value_list_fini, value_owner_fini, value_sockets_fini, value_affinity_fini,
    value_ready_fini, value_health_fini, value_cron_fini, value_group_fini,
    value_groups_fini;

#endif
