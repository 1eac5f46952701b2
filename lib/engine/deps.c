/* deps - see deps.h. */
#include "engine/deps.h"

#include <stdlib.h>

#include "base/xalloc.h"

void
deps_init(struct deps *d, size_t n)
{
	d->v = n != 0 ? xcalloc(n, sizeof *d->v) : NULL;
	d->n = n;
	d->nedges = 0;
}

void
deps_fini(struct deps *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].edges);
		free(d->v[i].users);
	}
	free(d->v);
	*d = (struct deps){ 0 };
}

void
deps_add(struct deps *d, size_t from, const struct deps_edge *e)
{
	struct deps_node *nd = &d->v[from], *to;

	nd->edges = xreallocarray(nd->edges, nd->nedges + 1, sizeof *nd->edges);
	nd->edges[nd->nedges++] = *e;
	d->nedges++;
	if (e->to == DEPS_NOBODY)
		return;
	to = &d->v[e->to];
	to->users = xreallocarray(to->users, to->nusers + 1, sizeof *to->users);
	to->users[to->nusers++] = from;
}

/* What is done has been started and was ready: no wait for that can hang. */
bool
deps_holds(const struct deps *d, const struct deps_edge *e)
{
	const struct deps_node *to;

	if (e->to == DEPS_NOBODY)
		return false;
	to = &d->v[e->to];
	switch (e->condition) {
	case CONDITION_STARTED:
		return to->started || to->ready || to->done;
	case CONDITION_READY:
		return to->ready || to->done;
	case CONDITION_DONE:
		return to->done;
	}
	return false;
}

const struct deps_edge *
deps_waits(const struct deps *d, size_t i)
{
	const struct deps_node *nd = &d->v[i];

	for (size_t k = 0; k < nd->nedges; k++)
		if (!deps_holds(d, &nd->edges[k]))
			return &nd->edges[k];
	return NULL;
}

static const struct deps_edge *deps_lost_bond(
    const struct deps *d, size_t i, bool *seen);

/* seen: it is not gone; else each way that leads to it would be gone again. */
static bool
deps_look_gone(const struct deps *d, size_t i, bool *seen)
{
	if (seen[i])
		return false;
	seen[i] = true;
	return (d->v[i].over && !d->v[i].done) ||
	       deps_lost_bond(d, i, seen) != NULL;
}

static const struct deps_edge *
deps_lost_bond(const struct deps *d, size_t i, bool *seen)
{
	const struct deps_node *nd = &d->v[i];

	for (size_t k = 0; k < nd->nedges; k++) {
		const struct deps_edge *e = &nd->edges[k];

		if (e->bind &&
		    (e->to == DEPS_NOBODY || deps_look_gone(d, e->to, seen)))
			return e;
	}
	return NULL;
}

const struct deps_edge *
deps_lost(const struct deps *d, size_t i)
{
	const struct deps_node *nd = &d->v[i];
	const struct deps_edge *lost = NULL;
	bool *seen, is_bound = false;

	for (size_t k = 0; k < nd->nedges; k++)
		is_bound = is_bound || nd->edges[k].bind;
	if (!is_bound)
		return NULL;
	seen = xcalloc(d->n, sizeof *seen);
	lost = deps_lost_bond(d, i, seen);
	free(seen);
	return lost;
}

bool
deps_may_stop(const struct deps *d, size_t i)
{
	const struct deps_node *nd = &d->v[i];

	for (size_t k = 0; k < nd->nusers; k++) {
		size_t u = nd->users[k];

		if (d->v[u].up && (!d->v[u].wanted || deps_lost(d, u) != NULL))
			return false;
	}
	return true;
}

static void
deps_walk(const struct deps *d, size_t i, bool *below)
{
	const struct deps_node *nd = &d->v[i];

	for (size_t k = 0; k < nd->nedges; k++) {
		size_t to = nd->edges[k].to;

		if (to == DEPS_NOBODY || below[to])
			continue;
		below[to] = true;
		deps_walk(d, to, below);
	}
}

bool
deps_reaches(const struct deps *d, size_t from, size_t to)
{
	bool *below = xcalloc(d->n + 1, sizeof *below), found;

	deps_walk(d, from, below);
	found = below[to];
	free(below);
	return found;
}

void
deps_below(const struct deps *d, const bool *from, bool *below)
{
	for (size_t i = 0; i < d->n; i++)
		below[i] = false;
	for (size_t i = 0; i < d->n; i++)
		if (from[i])
			deps_walk(d, i, below);
}
