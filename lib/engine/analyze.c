/*
 * analyze - what a start-up took, and what took it so long.
 *
 * Each slot has the times of its last start by order (struct table_times).
 * From a slot that came up late the way back leads through that one of its
 * dependencies that was the last to be as it should be, and so on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine_priv.h"

#define ANALYZE_DEPTH 10000

/* When it came to be as the condition wants it; 0: not, or not known. */
static mono_ms
analyze_at(const struct slot *sl, enum config_condition c)
{
	const struct table_times *t = &sl->times;

	switch (c) {
	case CONDITION_STARTED:
		return t->start_ms;
	case CONDITION_READY:
		return t->up_ms != 0 ? t->up_ms : t->done_ms;
	case CONDITION_DONE:
		return t->done_ms;
	}
	return 0;
}

/* Its start is over: up, or done for one that ends. */
static mono_ms
analyze_end(const struct slot *sl)
{
	return sl->times.done_ms != 0 ? sl->times.done_ms : sl->times.up_ms;
}

/* The slot of a program that was the last; NULL: one is not there yet. */
static const struct slot *
analyze_last(const struct program *pg, enum config_condition c, mono_ms *at)
{
	const struct slot *last = NULL;
	mono_ms t;

	*at = 0;
	for (int i = 0; i < pg->nslots; i++) {
		const struct slot *sl = pg->slots[i];

		if (!sl->wanted && sl->times.done_ms == 0)
			continue;
		t = analyze_at(sl, c);
		if (t == 0)
			return NULL;
		if (last != NULL && t <= *at)
			continue;
		*at = t;
		last = sl;
	}
	return last;
}

/* What it waited for last; NULL: for nothing, or that is not known any more. */
static const struct slot *
analyze_before(const struct slot *sl, enum config_condition *condition)
{
	struct program *pg = sl->prog;
	struct engine *en = pg->en;
	const struct slot *last = NULL, *of;
	const struct deps_node *nd;
	mono_ms at, latest = 0;

	if (!wait_graph(en) || sl->times.free_ms == 0)
		return NULL;
	nd = &en->deps.v[pg->node];
	for (size_t k = 0; k < nd->nedges; k++) {
		const struct deps_edge *e = &nd->edges[k];

		if (e->to == DEPS_NOBODY)
			continue;
		of = analyze_last(en->programs[e->to], e->condition, &at);
		/* It was started again since: its times are of that. */
		if (of == NULL || at > sl->times.free_ms || at <= latest ||
		    at <= sl->times.ordered_ms)
			continue;
		latest = at;
		last = of;
		*condition = e->condition;
	}
	return last;
}

static void
analyze_slot(
    const struct slot *sl, mono_ms base, engine_start_cb *cb, void *arg)
{
	const struct table_times *t = &sl->times;
	enum config_condition c = CONDITION_READY;
	const struct slot *before = analyze_before(sl, &c);
	mono_ms end = analyze_end(sl);
	char waited[SLOT_NAME_MAX + 16];
	struct start_info si = {
		.name = sl->name,
		.program = sl->prog->conf->name,
		.ordered_ms = t->ordered_ms - base,
		.waited_ms = -1,
		.start_ms = -1,
		.took_ms = -1,
		.end_ms = -1,
		.done = t->done_ms != 0,
	};

	if (t->free_ms != 0)
		si.waited_ms = t->free_ms - t->ordered_ms;
	if (t->free_ms != 0 && t->start_ms != 0)
		si.start_ms = t->start_ms - t->free_ms;
	if (t->free_ms != 0 && end != 0) {
		si.took_ms = end - t->free_ms;
		si.end_ms = end - base;
	}
	if (before != NULL) {
		snprintf(waited, sizeof waited, "%s:%s", before->name,
		    config_condition_name(c));
		si.waited_for = waited;
	}
	cb(arg, &si);
}

/* --- which slots -----------------------------------------------------------
 */

static bool
analyze_counts(const struct slot *sl, mono_ms startup)
{
	return startup == 0 || sl->times.ordered_ms == startup;
}

/* Of the start-up, or (0) of one program: the last one that came up. */
static const struct slot *
analyze_root(const struct program *pg, const struct slot *root, mono_ms startup)
{
	for (int i = 0; i < pg->nslots; i++) {
		const struct slot *sl = pg->slots[i];

		if (analyze_counts(sl, startup) && analyze_end(sl) != 0 &&
		    (root == NULL || analyze_end(sl) > analyze_end(root)))
			root = sl;
	}
	return root;
}

static void
analyze_count(struct engine *en, struct start_sum *sum)
{
	for (size_t i = 0; i < en->nprograms; i++)
		for (int k = 0; k < en->programs[i]->nslots; k++) {
			const struct slot *sl = en->programs[i]->slots[k];

			if (!sl->wanted && sl->times.done_ms == 0)
				continue;
			if (sl->times.ordered_ms == 0)
				sum->lost++;
			else if (sl->times.ordered_ms != en->startup_ms)
				sum->later++;
			else if (analyze_end(sl) == 0)
				sum->pending++;
			else
				sum->slots++;
		}
}

static void
analyze_chain(
    const struct slot *root, mono_ms base, engine_start_cb *cb, void *arg)
{
	enum config_condition c;

	for (int depth = 0; root != NULL && depth < ANALYZE_DEPTH; depth++) {
		analyze_slot(root, base, cb, arg);
		root = analyze_before(root, &c);
	}
}

/* The order that began it: of the first of the chain. */
static mono_ms
analyze_base(const struct slot *root)
{
	mono_ms base = root->times.ordered_ms;
	enum config_condition c;

	for (int depth = 0; root != NULL && depth < ANALYZE_DEPTH; depth++) {
		if (root->times.ordered_ms < base)
			base = root->times.ordered_ms;
		root = analyze_before(root, &c);
	}
	return base;
}

int
engine_analyze(struct engine *en, const char *name, struct start_sum *sum,
    engine_start_cb *cb, void *arg, struct err *err)
{
	const struct program *pg = name != NULL ? program_find(en, name) : NULL;
	const struct slot *root = NULL;
	mono_ms base;

	memset(sum, 0, sizeof *sum);
	sum->total_ms = -1;
	if (name != NULL && pg == NULL)
		return err_set(err, "no program '%s'", name);
	sum->known = en->startup_ms != 0;
	analyze_count(en, sum);
	if (pg != NULL)
		root = analyze_root(pg, NULL, 0);
	for (size_t i = 0; pg == NULL && sum->known && i < en->nprograms; i++)
		root = analyze_root(en->programs[i], root, en->startup_ms);
	if (root == NULL)
		return 0;
	base = pg != NULL ? analyze_base(root) : en->startup_ms;
	sum->total_ms = analyze_end(root) - base;
	analyze_chain(root, base, cb, arg);
	return 0;
}

void
engine_starts(struct engine *en, engine_start_cb *cb, void *arg)
{
	for (size_t i = 0; i < en->nprograms; i++)
		for (int k = 0; k < en->programs[i]->nslots; k++) {
			const struct slot *sl = en->programs[i]->slots[k];

			if (sl->times.ordered_ms != 0)
				analyze_slot(sl,
				    en->startup_ms != 0 ? en->startup_ms
							: sl->times.ordered_ms,
				    cb, arg);
		}
}
