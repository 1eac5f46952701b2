/*
 * deps - who may start, who waits for what, who stops before whom.
 *
 * Pure: a graph of programs and what is known of each; no kernel, no clock,
 * nothing of its own that changes.  Nodes are numbers; the graph has no ring
 * (such a config is refused).
 */
#ifndef ENGINE_DEPS_H
#define ENGINE_DEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

#define DEPS_NOBODY SIZE_MAX /* named, and not there just now */

struct deps_edge {
	size_t to; /* what has to hold first; or DEPS_NOBODY */
	enum config_condition condition;
	bool bind;
};

struct deps_node {
	struct deps_edge *edges;
	size_t nedges;
	size_t *users; /* who has an edge to it; may be there twice */
	size_t nusers;
	/* What its slots come to; the caller keeps it up to date. */
	bool wanted; /* one of them is to be up, or is to be again */
	bool up;     /* there is a process of it, or what one left */
	bool over;   /* nothing of it will be started again by itself */
	bool started;
	bool ready;
	bool done;
};

struct deps {
	struct deps_node *v;
	size_t n;
	size_t nedges;
};

void deps_init(struct deps *d, size_t n);
void deps_fini(struct deps *d);
void deps_add(struct deps *d, size_t from, const struct deps_edge *e);
/* Does from depend on to, directly or through others? */
bool deps_reaches(const struct deps *d, size_t from, size_t to);

bool deps_holds(const struct deps *d, const struct deps_edge *e);
/* The first of its conditions that does not hold; NULL: it may start. */
const struct deps_edge *deps_waits(const struct deps *d, size_t i);
/*
 * The bond that asks for its stop, because that one is down for good, or bound
 * to one that is; NULL: none does.
 */
const struct deps_edge *deps_lost(const struct deps *d, size_t i);
/*
 * It is told to stop.  Who depends on it and has to go as well (told so too,
 * or bound to it) goes first; false: it waits for them.
 */
bool deps_may_stop(const struct deps *d, size_t i);
/*
 * below[i]: one of those marked in from depends on i, directly or through
 * others.  Both are arrays of n.
 */
void deps_below(const struct deps *d, const bool *from, bool *below);

#endif
