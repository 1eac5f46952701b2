/*
 * glob - one pattern for paths, compiled.
 *
 *	*	any run of characters, none of them '/'
 *	?	one character (of UTF-8, too) but '/'
 *	[a-z]	one of these; [!a-z], [^a-z] none of these; [[:digit:]]
 *	**	as a whole component: any number of components, also none; at
 *the end: everything below {a,b}	either; may hold '/', and braces \x
 *x itself
 *
 * Pure.  A pattern becomes a list of states, and a path is read once, with
 * the set of states that it may be in: the time is at most the one's length
 * times the other's, whatever is in them.
 */
#ifndef WATCH_GLOB_H
#define WATCH_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define GLOB_LEN_MAX 512 /* bytes of a pattern */

enum glob_reach {
	GLOB_EXACT,     /* what it says */
	GLOB_AND_BELOW, /* and everything below that */
	GLOB_BELOW      /* what is below that alone */
};

struct glob;

/* NULL and err, when it is no pattern. */
struct glob *glob_new(
    const char *pattern, enum glob_reach reach, struct err *err);
void glob_free(struct glob *g);
/* path: without a '/' at its ends, relative to where the pattern begins. */
bool glob_match(const struct glob *g, const char *path);
/* Could something below this directory match?  "": where patterns begin. */
bool glob_reaches(const struct glob *g, const char *dir);

#endif
