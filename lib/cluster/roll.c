/*
 * roll - the replacement of a program's instances, as one transaction.
 *
 * News are queued and handled one at a time by roll_run, which also takes one
 * step (begins one slot) whenever the queue is empty.  So an op that calls
 * back only adds to the queue, and every decision is made on a settled state.
 * The slots under way are those that are neither OLD nor NEW; while the first
 * one of a roll, the canary, is, no other begins.
 */
#include "cluster/roll.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"

#define ROLL_MAGIC 0x726f6c6cU

enum roll_kind {
	RK_READY,
	RK_FAILED,
	RK_GONE,
	RK_SOAKED,
	RK_ABORT
};

struct roll_event {
	struct roll_event *next;
	enum roll_kind kind;
	int slot;     /* -1: not about one */
	char *reason; /* NULL: none */
};

struct roll {
	unsigned magic;
	struct roll_params params;
	struct roll_ops ops;
	void *arg;
	bool started;
	bool busy;        /* inside roll_run */
	bool ended;       /* end() was called */
	bool canary_done; /* one slot is through: batches from here */
	bool soaking;     /* soak() is running */
	struct roll_event *queue;
	struct roll_event **queue_tail;
	enum roll_phase phase[];
};

static bool
roll_phase_under_way(enum roll_phase phase)
{
	return phase != ROLL_OLD && phase != ROLL_NEW;
}

static int
roll_count_under_way(const struct roll *r)
{
	int n = 0;

	for (int i = 0; i < r->params.nslots; i++)
		n += roll_phase_under_way(r->phase[i]);
	return n;
}

/* -1 when no slot is in that phase. */
static int
roll_first(const struct roll *r, enum roll_phase phase)
{
	for (int i = 0; i < r->params.nslots; i++) {
		if (r->phase[i] == phase)
			return i;
	}
	return -1;
}

/* False when the slot was dropped meanwhile: it is not to be named again. */
static bool
roll_move(struct roll *r, int slot, enum roll_phase phase)
{
	r->phase[slot] = phase;
	r->ops.moved(r->arg, slot, phase);
	return r->phase[slot] == phase;
}

static void
roll_replace(struct roll *r, int slot)
{
	if (roll_move(r, slot, ROLL_STARTING))
		r->ops.replace(r->arg, slot);
}

static void
roll_retire(struct roll *r, int slot)
{
	if (roll_move(r, slot, ROLL_RETIRING))
		r->ops.retire(r->arg, slot);
}

static void
roll_finish(struct roll *r, int slot)
{
	r->canary_done = true;
	roll_move(r, slot, ROLL_NEW);
}

/* The new instance is good. */
static void
roll_trust(struct roll *r, int slot)
{
	if (r->params.surge > 0)
		roll_retire(r, slot);
	else
		roll_finish(r, slot);
}

static void
roll_on_ready(struct roll *r, int slot)
{
	if (r->phase[slot] != ROLL_STARTING)
		return;
	if (r->canary_done || r->params.soak_ms == 0) {
		roll_trust(r, slot);
		return;
	}
	if (!roll_move(r, slot, ROLL_SOAKING))
		return;
	r->soaking = true;
	r->ops.soak(r->arg, r->params.soak_ms);
}

static void
roll_on_soaked(struct roll *r)
{
	if (!r->soaking)
		return;
	r->soaking = false;
	for (int i = 0; i < r->params.nslots; i++) {
		if (r->phase[i] == ROLL_SOAKING)
			roll_trust(r, i);
	}
}

static void
roll_on_gone(struct roll *r, int slot)
{
	if (r->phase[slot] != ROLL_RETIRING)
		return;
	if (r->params.surge > 0)
		roll_finish(r, slot);
	else
		roll_replace(r, slot);
}

static void
roll_stop_soak(struct roll *r)
{
	if (!r->soaking)
		return;
	r->soaking = false;
	r->ops.soak(r->arg, 0);
}

/* What an abort leaves a slot as; *discard: its new instance must go. */
static enum roll_phase
roll_undo(
    const struct roll *r, enum roll_phase phase, bool failed, bool *discard)
{
	*discard = false;
	switch (phase) {
	case ROLL_OLD:
	case ROLL_NEW:
		return phase;
	case ROLL_STARTING:
		*discard = true;
		return ROLL_OLD;
	case ROLL_SOAKING:
		/* With surge 0 a good canary is all that the slot has. */
		if (r->params.surge == 0 && !failed)
			return ROLL_NEW;
		*discard = true;
		return ROLL_OLD;
	case ROLL_RETIRING:
		return r->params.surge > 0 ? ROLL_NEW : ROLL_OLD;
	}
	return phase;
}

static void
roll_end(struct roll *r, enum roll_end end, const char *reason)
{
	r->ended = true;
	r->ops.end(r->arg, end, reason);
}

/* failed: the slot whose new instance failed, or -1. */
static void
roll_undo_all(struct roll *r, int failed, const char *reason)
{
	roll_stop_soak(r);
	for (int i = 0; i < r->params.nslots; i++) {
		enum roll_phase was = r->phase[i], to;
		bool discard;

		to = roll_undo(r, was, i == failed, &discard);
		if (discard)
			r->ops.discard(r->arg, i);
		if (to != was && r->phase[i] == was)
			roll_move(r, i, to);
	}
	roll_end(r, ROLL_ABORTED, reason);
}

static void
roll_on_failed(struct roll *r, int slot, const char *reason)
{
	enum roll_phase phase = r->phase[slot];

	/* Before retire is answered there is no new one with surge 0. */
	if (phase == ROLL_STARTING || phase == ROLL_SOAKING ||
	    (phase == ROLL_RETIRING && r->params.surge > 0))
		roll_undo_all(r, slot, reason);
}

static void
roll_handle(struct roll *r, const struct roll_event *e)
{
	const char *reason = e->reason != NULL ? e->reason : "";

	switch (e->kind) {
	case RK_READY:
		roll_on_ready(r, e->slot);
		return;
	case RK_FAILED:
		roll_on_failed(r, e->slot, reason);
		return;
	case RK_GONE:
		roll_on_gone(r, e->slot);
		return;
	case RK_SOAKED:
		roll_on_soaked(r);
		return;
	case RK_ABORT:
		roll_undo_all(r, -1, reason);
		return;
	}
}

/*
 * How many slots may be under way.  With surge each of them is one instance
 * too many until its old one is gone, without it one too few.
 */
static int
roll_limit(const struct roll *r)
{
	const struct roll_params *p = &r->params;

	if (!r->canary_done)
		return 1;
	return p->surge > 0 && p->surge < p->batch ? p->surge : p->batch;
}

/* Begins one slot or ends the roll; false: there is nothing to do now. */
static bool
roll_advance(struct roll *r)
{
	int under_way = roll_count_under_way(r);
	int slot = roll_first(r, ROLL_OLD);

	if (r->soaking && roll_first(r, ROLL_SOAKING) == -1) {
		roll_stop_soak(r); /* the canary was dropped */
		return true;
	}
	if (slot == -1 && under_way == 0) {
		roll_end(r, ROLL_DONE, "");
		return true;
	}
	if (slot == -1 || under_way >= roll_limit(r))
		return false;
	if (r->params.surge > 0)
		roll_replace(r, slot);
	else
		roll_retire(r, slot);
	return true;
}

static struct roll_event *
roll_pop(struct roll *r)
{
	struct roll_event *e = r->queue;

	if (e == NULL)
		return NULL;
	r->queue = e->next;
	if (r->queue == NULL)
		r->queue_tail = &r->queue;
	return e;
}

static void
roll_event_free(struct roll_event *e)
{
	free(e->reason);
	free(e);
}

static void
roll_run(struct roll *r)
{
	struct roll_event *e;

	if (!r->started || r->busy || r->ended)
		return;
	r->busy = true;
	while (!r->ended) {
		e = roll_pop(r);
		if (e != NULL) {
			roll_handle(r, e);
			roll_event_free(e);
		} else if (!roll_advance(r)) {
			break;
		}
	}
	r->busy = false;
}

static void
roll_post(struct roll *r, enum roll_kind kind, int slot, const char *reason)
{
	struct roll_event *e;

	BUG_ON(r->magic != ROLL_MAGIC);
	BUG_ON(slot < -1 || slot >= r->params.nslots);
	if (r->ended)
		return;
	e = xcalloc(1, sizeof *e);
	e->kind = kind;
	e->slot = slot;
	e->reason = reason != NULL ? xstrdup(reason) : NULL;
	*r->queue_tail = e;
	r->queue_tail = &e->next;
	roll_run(r);
}

/* Is somebody past the canary, to judge by the phases of a resumed roll? */
static bool
roll_resumed_past_canary(const struct roll *r)
{
	return roll_first(r, ROLL_NEW) != -1 || roll_count_under_way(r) > 1 ||
	       (r->params.surge > 0 && roll_first(r, ROLL_RETIRING) != -1);
}

struct roll *
roll_new(const struct roll_params *params, const enum roll_phase *phases,
    const struct roll_ops *ops, void *arg)
{
	struct roll *r;

	BUG_ON(params->nslots < 0 || params->batch < 1);
	BUG_ON(params->surge < 0 || params->soak_ms < 0);
	r = xcalloc(1, sizeof *r + (size_t)params->nslots * sizeof r->phase[0]);
	r->magic = ROLL_MAGIC;
	r->params = *params;
	r->ops = *ops;
	r->arg = arg;
	r->queue_tail = &r->queue;
	for (int i = 0; i < params->nslots; i++)
		r->phase[i] = phases != NULL ? phases[i] : ROLL_OLD;
	r->canary_done = roll_resumed_past_canary(r);
	return r;
}

void
roll_free(struct roll *r)
{
	struct roll_event *e;

	if (r == NULL)
		return;
	BUG_ON(r->magic != ROLL_MAGIC);
	BUG_ON(r->busy);
	while ((e = roll_pop(r)) != NULL)
		roll_event_free(e);
	r->magic = 0;
	free(r);
}

/* The canary of a resumed roll is on trial anew: when it began is lost. */
static void
roll_resume_soak(struct roll *r)
{
	if (roll_first(r, ROLL_SOAKING) == -1)
		return;
	r->soaking = true;
	if (r->params.soak_ms == 0)
		roll_post(r, RK_SOAKED, -1, NULL);
	else
		r->ops.soak(r->arg, r->params.soak_ms);
}

void
roll_start(struct roll *r)
{
	BUG_ON(r->magic != ROLL_MAGIC);
	if (r->started)
		return;
	roll_resume_soak(r);
	r->started = true;
	roll_run(r);
}

void
roll_ready(struct roll *r, int slot)
{
	BUG_ON(slot < 0);
	roll_post(r, RK_READY, slot, NULL);
}

void
roll_failed(struct roll *r, int slot, const char *reason)
{
	BUG_ON(slot < 0);
	roll_post(r, RK_FAILED, slot, reason);
}

void
roll_gone(struct roll *r, int slot)
{
	BUG_ON(slot < 0);
	roll_post(r, RK_GONE, slot, NULL);
}

void
roll_soaked(struct roll *r)
{
	roll_post(r, RK_SOAKED, -1, NULL);
}

/*
 * Not queued: the slot may be freed when we return.  News of it that wait in
 * the queue find it NEW and are ignored.
 */
void
roll_drop(struct roll *r, int slot)
{
	BUG_ON(r->magic != ROLL_MAGIC);
	BUG_ON(slot < 0 || slot >= r->params.nslots);
	if (r->ended)
		return;
	r->phase[slot] = ROLL_NEW;
	roll_run(r);
}

void
roll_abort(struct roll *r, const char *reason)
{
	roll_post(r, RK_ABORT, -1, reason);
}

enum roll_phase
roll_phase_of(const struct roll *r, int slot)
{
	BUG_ON(slot < 0 || slot >= r->params.nslots);
	return r->phase[slot];
}

int
roll_progress(const struct roll *r)
{
	int n = 0;

	for (int i = 0; i < r->params.nslots; i++)
		n += r->phase[i] == ROLL_NEW;
	return n;
}

const char *
roll_phase_name(enum roll_phase phase)
{
	switch (phase) {
	case ROLL_OLD:
		return "old";
	case ROLL_STARTING:
		return "starting";
	case ROLL_SOAKING:
		return "soaking";
	case ROLL_RETIRING:
		return "retiring";
	case ROLL_NEW:
		return "new";
	}
	return "?";
}
