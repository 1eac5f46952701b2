/*
 * globs - which paths a watch is about.
 *
 * Two lists.  What is watched: patterns of glob.h, relative to a directory
 * (or absolute, or below ..), the last one that matches decides, one that
 * begins with ! takes out again.  One without a wildcard at its end that
 * turns out to be a directory means all that is in it.  What is not: rules as
 * in a .gitignore file, after a list of names that nobody wants to hear of
 * (globs_defaults); the rules may take those back with !.
 *
 * Pure.  A root is where patterns begin: number 0 is the directory itself.
 */
#ifndef WATCH_GLOBS_H
#define WATCH_GLOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct globs;

/* NULL and err: a pattern is none, or nothing would be watched. */
struct globs *globs_new(
    const struct strv *watched, const struct strv *excluded, struct err *err);
void globs_free(struct globs *gs);
/* Whether patterns can be read, whatever is excluded. */
int globs_check(const struct strv *watched, struct err *err);
/* Whether one rule alone can be. */
int globs_check_rule(const char *rule, struct err *err);

unsigned globs_nroots(const struct globs *gs);
/* "" (the directory itself), "../..", or an absolute path. */
const char *globs_root(const struct globs *gs, unsigned root);

/* Is a change of this path, relative to that root, a change? */
bool globs_match(const struct globs *gs, unsigned root, const char *path);
/* Could something below this directory be?  "": the root. */
bool globs_enter(const struct globs *gs, unsigned root, const char *dir);
/* Nothing that is directly in it can be; it is only on the way. */
bool globs_on_the_way(const struct globs *gs, unsigned root, const char *dir);
/* A pattern names it without wildcards: a symlink may be followed. */
bool globs_named(const struct globs *gs, unsigned root, const char *dir);
/* By the rules, as git has it: also when a directory above it is. */
bool globs_excluded(const struct globs *gs, const char *path, bool is_dir);

/* The rules that hold before all others; ends with NULL. */
const char *const *globs_defaults(void);

#endif
