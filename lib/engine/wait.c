/*
 * wait - programs that depend on programs: deps.c with what really is.
 *
 * A slot that may not start yet is STOPPED and wanted: that it waits, and for
 * what, is derived anew whenever it matters and kept nowhere, so that an
 * engine after this one cannot forget it.  Who waits is looked at whenever
 * some slot has changed (order_progress); without dependencies that is nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

/* --- the graph ---------------------------------------------------------------
 */

static bool
wait_is_done(const struct slot *sl)
{
	const struct table_death *d = slot_last_death(sl);

	return sl->state == PS_EXITED && !sl->wanted && d->at_ms != 0 &&
	       policy_done(sl->prog->conf, d->code, d->signo);
}

static bool
wait_has_process(const struct slot *sl)
{
	return sl->cur != NULL && sl->cur->pid != 0 && !sl->cur->dead &&
	       sl->state != PS_STOPPING;
}

/* What the slots of a program come to. */
static struct deps_node *
wait_look(struct program *pg)
{
	struct deps_node *nd = &pg->en->deps.v[pg->node];
	bool any = false;

	nd->wanted = nd->up = false;
	nd->over = nd->started = nd->ready = true;
	nd->done = pg->nslots != 0;
	for (int i = 0; i < pg->nslots; i++) {
		const struct slot *sl = pg->slots[i];
		bool wanted = sl->wanted || sl->start_again;

		nd->up =
		    nd->up || (!slot_is_down(sl) && sl->state != PS_UNKNOWN);
		nd->done = nd->done && wait_is_done(sl);
		nd->over =
		    nd->over &&
		    (!wanted || (sl->state == PS_FATAL && sl->queued == 0));
		if (!wanted || sl->leaving)
			continue;
		any = nd->wanted = true;
		nd->ready = nd->ready && sl->state == PS_RUNNING;
		nd->started = nd->started &&
			      (wait_has_process(sl) || sl->state == PS_RUNNING);
	}
	nd->ready = nd->ready && any;
	nd->started = nd->started && any;
	return nd;
}

/* A config that a program went back to may name what is gone for good. */
static void
wait_add(struct program *pg, const struct config_dependency *cd, bool doubtful)
{
	struct engine *en = pg->en;
	struct program *to = program_find(en, cd->name);
	struct deps_edge e = { to != NULL ? to->node : DEPS_NOBODY,
		cd->condition, cd->bind };

	if (to == NULL && config_program_find(en->cf, cd->name) == NULL)
		return;
	if (to == pg || (to != NULL && doubtful &&
			    deps_reaches(&en->deps, to->node, pg->node)))
		return;
	deps_add(&en->deps, pg->node, &e);
}

static void
wait_build(struct engine *en)
{
	struct config_dependency cd;
	bool doubtful = false;

	deps_fini(&en->deps);
	deps_init(&en->deps, en->nprograms);
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		pg->node = i;
		doubtful = doubtful || pg->reverted || pg->before != NULL ||
			   pg->removed;
	}
	for (size_t i = 0; i < en->nprograms; i++)
		for (size_t n = 0;
		     config_program_dependency(en->programs[i]->conf, n, &cd);
		     n++)
			wait_add(en->programs[i], &cd, doubtful);
	en->deps_stale = false;
}

/* Is there any dependency?  Then the graph is as the programs are. */
bool
wait_graph(struct engine *en)
{
	if (en->deps_stale)
		wait_build(en);
	return en->deps.nedges != 0;
}

static void
wait_look_around(struct engine *en)
{
	for (size_t i = 0; i < en->nprograms; i++)
		wait_look(en->programs[i]);
}

static const struct deps_node *
wait_look_below(struct program *pg)
{
	struct engine *en = pg->en;
	const struct deps_node *nd = &en->deps.v[pg->node];

	for (size_t k = 0; k < nd->nedges; k++)
		if (nd->edges[k].to != DEPS_NOBODY)
			wait_look(en->programs[nd->edges[k].to]);
	return nd;
}

/* --- what is told ------------------------------------------------------------
 */

static void
wait_state_text(struct program *to, char *out, size_t size)
{
	const struct slot *sl = to->nslots != 0 ? to->slots[0] : NULL;
	const struct deps_node *nd = &to->en->deps.v[to->node];
	int n = 0, up = 0;

	for (int i = 0; i < to->nslots; i++) {
		n += !to->slots[i]->leaving;
		up += to->slots[i]->state == PS_RUNNING;
	}
	if (n > 1)
		snprintf(out, size, "%d of %d RUNNING", up, n);
	else if (sl == NULL)
		snprintf(out, size, "no workers");
	else if (sl->state == PS_EXITED && slot_last_death(sl)->signo != 0)
		snprintf(out, size, "EXITED by signal %u",
		    slot_last_death(sl)->signo);
	else if (sl->state == PS_EXITED)
		snprintf(
		    out, size, "EXITED with %d", slot_last_death(sl)->code);
	else if (sl->state == PS_STOPPED && nd->wanted)
		snprintf(out, size, sl->queued != 0 ? "STARTING" : "WAITING");
	else
		snprintf(out, size, "%s", slot_state_name(sl->state));
}

bool
wait_text(const struct slot *sl, char *out, size_t size)
{
	struct program *pg = sl->prog;
	struct engine *en = pg->en;
	const struct deps_node *nd;
	struct config_dependency cd;
	size_t len = 0;
	char state[40];

	out[0] = '\0';
	if (sl->state != PS_STOPPED || !sl->wanted || en->stopping ||
	    !wait_graph(en))
		return false;
	nd = wait_look_below(pg);
	for (size_t k = 0; k < nd->nedges && len < size; k++) {
		const struct deps_edge *e = &nd->edges[k];
		struct program *to;

		if (deps_holds(&en->deps, e))
			continue;
		to = e->to != DEPS_NOBODY ? en->programs[e->to] : NULL;
		snprintf(state, sizeof state, "not there yet");
		if (to != NULL)
			wait_state_text(to, state, sizeof state);
		/* A name without a node is told by the config. */
		for (size_t n = 0;
		     to == NULL && config_program_dependency(pg->conf, n, &cd);
		     n++)
			if (program_find(en, cd.name) == NULL)
				break;
		len += (size_t)snprintf(out + len, size - len, "%s%s:%s (%s)",
		    len != 0 ? ", " : "", to != NULL ? to->conf->name : cd.name,
		    config_condition_name(e->condition), state);
	}
	return len != 0;
}

/* One that is to be done has failed while somebody waited for that. */
static bool
wait_has_failed(const struct program *to, wall_ms since)
{
	for (int i = 0; i < to->nslots; i++) {
		const struct table_death *d = slot_last_death(to->slots[i]);

		if (d->at_ms != 0 && d->at_ms >= since &&
		    !policy_done(to->conf, d->code, d->signo))
			return true;
	}
	return false;
}

/* Does nothing that is under way lead to its start?  since: it has waited. */
static bool
wait_is_stuck(struct program *pg, size_t depth, wall_ms since)
{
	struct engine *en = pg->en;
	const struct deps_edge *e;
	struct program *to;

	wait_look_below(pg);
	e = deps_waits(&en->deps, pg->node);
	if (e == NULL || depth > en->nprograms)
		return false;
	if (e->to == DEPS_NOBODY)
		return false;
	to = en->programs[e->to];
	if (to->nslots == 0)
		return true; /* until somebody scales it */
	if (e->condition == CONDITION_DONE && wait_has_failed(to, since))
		return true; /* it may be done the next time, or never */
	for (int i = 0; i < to->nslots; i++) {
		const struct slot *sl = to->slots[i];

		if (sl->queued == 0 &&
		    (!sl->wanted || sl->state == PS_BACKOFF ||
			sl->state == PS_FATAL))
			return !sl->start_again;
	}
	return wait_is_stuck(to, depth + 1, since);
}

bool
wait_in_vain(const struct slot *sl, wall_ms since)
{
	return sl->queued == 0 && sl->state == PS_STOPPED && sl->wanted &&
	       wait_graph(sl->prog->en) && wait_is_stuck(sl->prog, 0, since);
}

void
wait_users_text(struct program *pg, char *out, size_t size)
{
	struct engine *en = pg->en;
	const struct deps_node *nd;
	size_t len = 0;

	out[0] = '\0';
	if (!wait_graph(en))
		return;
	wait_look_around(en);
	nd = &en->deps.v[pg->node];
	for (size_t k = 0; k < nd->nusers && len < size; k++) {
		struct program *u = en->programs[nd->users[k]];
		const struct deps_node *un = &en->deps.v[u->node];
		bool bound = false, told = false;

		for (size_t i = 0; i < k; i++)
			told = told || nd->users[i] == nd->users[k];
		for (size_t i = 0; i < un->nedges; i++)
			bound = bound || (un->edges[i].to == pg->node &&
					     un->edges[i].bind);
		if (told || !un->up || !un->wanted)
			continue;
		len += (size_t)snprintf(out + len, size - len, "%s%s %s",
		    len != 0 ? "; " : "", u->conf->name,
		    bound ? "is bound to it and stops first"
			  : "depends on it and goes on");
	}
}

/* --- start -------------------------------------------------------------------
 */

bool
wait_may_start(struct slot *sl)
{
	struct program *pg = sl->prog;

	/* A roll has filled it already. */
	if (sl->cur != NULL && !sl->cur->dead)
		return true;
	if (!wait_graph(pg->en) || pg->en->deps.v[pg->node].nedges == 0)
		return true;
	if (pg->en->stopping)
		return false;
	wait_look_below(pg);
	return deps_waits(&pg->en->deps, pg->node) == NULL &&
	       deps_lost(&pg->en->deps, pg->node) == NULL;
}

/* What it needs and nobody has ordered, or has given up. */
static void
wait_order(struct program *to, const struct engine_who *who, struct buf *names)
{
	bool any = false;

	if (to->removed)
		return;
	for (int i = 0; i < to->nslots; i++) {
		struct slot *sl = to->slots[i];

		if (sl->leaving || sl->queued != 0 ||
		    (sl->wanted && sl->state != PS_FATAL))
			continue;
		slot_want(sl, true, who);
		any = true;
	}
	to->started = true;
	if (any && names != NULL)
		buf_addf(
		    names, "%s%s", names->len != 0 ? ", " : "", to->conf->name);
}

static void
wait_pull_node(struct program *pg, const struct engine_who *who,
    struct buf *names, bool *seen)
{
	struct engine *en = pg->en;
	const struct deps_node *nd = &en->deps.v[pg->node];

	seen[pg->node] = true;
	wait_look_below(pg);
	for (size_t k = 0; k < nd->nedges; k++) {
		const struct deps_edge *e = &nd->edges[k];

		if (e->to == DEPS_NOBODY || deps_holds(&en->deps, e))
			continue;
		wait_order(en->programs[e->to], who, names);
		if (!seen[e->to])
			wait_pull_node(en->programs[e->to], who, names, seen);
	}
}

void
wait_pull(struct program *pg, const struct engine_who *who, struct buf *names)
{
	bool *seen;

	if (!wait_graph(pg->en) || pg->en->stopping)
		return;
	seen = xcalloc(pg->en->nprograms, sizeof *seen);
	wait_pull_node(pg, who, names, seen);
	free(seen);
}

/* A process of it is there, which no state tells. */
void
wait_started(struct program *pg)
{
	if (wait_graph(pg->en) && pg->en->deps.v[pg->node].nusers != 0)
		program_progress(pg);
}

void
wait_pull_all(struct engine *en)
{
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		if (pg->pull)
			wait_pull(pg, NULL, NULL);
		pg->pull = false;
	}
}

/* --- stop --------------------------------------------------------------------
 */

bool
wait_may_stop(struct slot *sl)
{
	struct program *pg = sl->prog;

	if (pg->en->stopping || !wait_graph(pg->en) ||
	    pg->en->deps.v[pg->node].nusers == 0)
		return true;
	wait_look_around(pg->en);
	return deps_may_stop(&pg->en->deps, pg->node);
}

void
wait_below(struct engine *en, const bool *from, bool *below)
{
	if (wait_graph(en))
		deps_below(&en->deps, from, below);
	else
		memset(below, 0, en->nprograms * sizeof *below);
}

/* Bound to one that is down for good: to be stopped, and to wait for it. */
static void
wait_let_go(struct slot *sl, const struct deps_edge *lost)
{
	struct engine *en = sl->prog->en;
	const char *name = lost->to != DEPS_NOBODY
			       ? en->programs[lost->to]->conf->name
			       : "what it is bound to";

	if (sl->state != PS_RUNNING && sl->state != PS_STARTING &&
	    sl->state != PS_BACKOFF)
		return;
	log_info(
	    "%s is bound to %s, which is down: it is stopped", sl->name, name);
	engine_event(
	    en, sl->name, "order", "stop: bound to %s, which is down", name);
	if (sl->prog->roll != NULL)
		rolling_abort(sl->prog, "what it is bound to is down");
	sl->stop_by_person = false;
	sl->let_go = true;
	sl->parked = en->parked = true;
	slot_event(sl, PE_STOP);
	slot_note(sl, "bound to %s, which is down", name);
}

static void
wait_step(struct slot *sl, const struct deps_edge *lost, bool may_start)
{
	bool may_stop = deps_may_stop(&sl->prog->en->deps, sl->prog->node);

	if (sl->queued != 0 || (sl->leaving && !sl->stop_held))
		return;
	if (sl->stop_held) {
		sl->stop_held = !may_stop;
		if (may_stop)
			slot_event(sl, PE_STOP);
		else
			sl->prog->en->stop_held = true;
	} else if (sl->wanted && lost != NULL) {
		if (may_stop || sl->state == PS_BACKOFF)
			wait_let_go(sl, lost);
	} else if (sl->wanted && may_start && sl->state == PS_STOPPED) {
		sl->parked = false;
		slot_event(sl, PE_START);
	}
}

void
wait_progress(struct engine *en)
{
	bool any = wait_graph(en);

	/* The last dependency may have gone while a stop waited for its end, or
	 * a start for what it asked for. */
	if ((!any && !en->stop_held && !en->parked) || en->stopping)
		return;
	en->stop_held = false;
	en->parked = any && en->parked;
	wait_look_around(en);
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];
		const struct deps_edge *lost = deps_lost(&en->deps, i);
		bool depends = en->deps.v[i].nedges != 0;
		bool may = lost == NULL && deps_waits(&en->deps, i) == NULL;

		for (int k = 0; k < pg->nslots; k++)
			wait_step(pg->slots[k], lost,
			    may && (depends || pg->slots[k]->parked));
	}
}
