/*
 * expand - %(name)s in values.
 *
 * The subset of Python's "text" % names that supervisord's files use:
 * %(NAME)[-+ #0][width][.precision]CONV with s d i u o x X, and %%.  A % that
 * stands alone is an error, so that a forgotten %% is noticed at load.
 */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

struct expand_var {
	const char *name;
	const char *text; /* NULL: it is a number */
	int64_t number;
};

#define EXPAND_VARS_MAX 8

/* What names stand for; all of it is borrowed. */
struct expand_scope {
	struct expand_var v[EXPAND_VARS_MAX];
	size_t n;
	const struct strv *env[2]; /* %(ENV_X)s: the first that has X */
	bool any_env;              /* an X that none has is empty */
	/* %(fd:NAME)s; fds NULL: the numbers that instances mostly see */
	const struct config_sockets *sockets;
	const int *fds;
	/* Leave what depends on the slot as it is written, for comparing. */
	bool keep_slot;
};

void expand_scope_init(struct expand_scope *sc);
void expand_scope_text(
    struct expand_scope *sc, const char *name, const char *text);
void expand_scope_number(
    struct expand_scope *sc, const char *name, int64_t number);

/* Sets *out, the caller's, or fails with what is wrong with the value. */
int expand(char **out, const char *value, const struct expand_scope *sc,
    struct err *err);

/* Name of this host, the same for as long as the process lives. */
const char *expand_host(void);
/* environ as a strv, borrowed: never free or change it. */
struct strv expand_environ(void);

#endif
