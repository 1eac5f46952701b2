/*
 * rolling - rolls of programs: what cluster/roll decides, done to instances.
 *
 * The transaction (cluster/roll.h) says which slot to replace, retire or
 * discard; here that becomes starts and stops, a record in the state table,
 * lines for people, and the way back when one to a new config is aborted.
 *
 * An old instance is retired at the end of the turn, when the machine of its
 * slot has settled: it may have died in the same turn, and the machine would
 * fill the place that the new one takes.  The same task tells of starts that
 * failed inside an op, and does what follows the end.
 *
 * How a roll begins, and goes on after an engine before this one:
 * rolling_begin.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/rolling_priv.h"

const struct engine_who *
rolling_who(const struct rolling *r)
{
	return r->by_person ? &r->who : NULL;
}

/*
 * What comes by itself is no "roll" event: a client whose engine died looks
 * for those to learn what became of its order.
 */
void
rolling_event(const struct rolling *r, const char *name, const char *fmt, ...)
{
	const char *kind = r->alone == -1 || str_starts(r->why, "ordered ")
			       ? "roll"
			       : "recycle";
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	engine_event(r->pg->en, name, kind, "%s", text);
}

static void
rolling_queue(struct rolling *r)
{
	loop_task_queue(r->pg->en->lp, &r->work);
}

/* Of those that take part, that many are through. */
static int
rolling_through(const struct rolling *r)
{
	return roll_progress(r->roll) - (r->nslots - r->parts);
}

void
rolling_update_note(struct rolling *r)
{
	if (r->alone != -1) {
		program_note(
		    r->pg, "rolling %.80s", r->pg->slots[r->alone]->name);
		return;
	}
	program_note(r->pg, "%s %d/%d", r->back ? "rolling back" : "rolling",
	    rolling_through(r), r->parts);
}

/* The roll that a slot takes part in, while it goes on; NULL: none. */
static struct rolling *
rolling_of(const struct slot *sl)
{
	struct rolling *r = sl->prog->roll;

	return r != NULL && !r->ended && sl->index < r->nslots ? r : NULL;
}

/* --- what the transaction orders ---------------------------------------------
 */

static void
rolling_op_replace(void *arg, int slot)
{
	struct rolling *r = arg;
	struct slot *sl = r->pg->slots[slot];
	struct place *p = &r->places[slot];
	char *note = xstrdup(str_text(sl->note));
	struct inst *in = inst_start(sl, INST_NEXT);

	if (in != NULL) {
		free(note);
		p->next_gen = in->generation;
		return;
	}
	free(p->why);
	p->why = xstrdup(str_text(sl->note));
	p->todo = TODO_REFUSED;
	/* The old one is as well as before. */
	str_set(&sl->note, note);
	free(note);
	rolling_queue(r);
}

static void
rolling_op_retire(void *arg, int slot)
{
	struct rolling *r = arg;

	r->places[slot].todo = TODO_RETIRE;
	rolling_queue(r);
}

static void
rolling_op_discard(void *arg, int slot)
{
	struct rolling *r = arg;
	struct slot *sl = r->pg->slots[slot];
	struct inst *in = sl->next;

	r->places[slot].todo = TODO_NONE;
	if (in == NULL)
		return;
	sl->next = NULL;
	in->role = INST_DRAINING;
	in->discarded = true;
	TAILQ_INSERT_TAIL(&sl->draining, in, entry);
	inst_stop(in, in->conf->stopwaitsecs_ms, DEATH_DISCARD, rolling_who(r));
	slot_save(sl);
}

void
rolling_on_soak(struct loop_timer *t, void *arg)
{
	struct rolling *r = arg;

	(void)t;
	roll_soaked(r->roll);
}

static void
rolling_op_soak(void *arg, int64_t ms)
{
	struct rolling *r = arg;

	loop_timer_stop(&r->soak);
	if (ms == 0)
		return;
	r->soak_since_ms = loop_now(r->pg->en->lp);
	loop_timer_start(&r->soak, r->pg->conf->roll_soak_ms);
}

void
rolling_soak_changed(struct program *pg)
{
	struct rolling *r = pg->roll;
	mono_ms left;

	if (r == NULL || !loop_timer_active(&r->soak))
		return;
	left = r->soak_since_ms + pg->conf->roll_soak_ms - loop_now(pg->en->lp);
	loop_timer_start(&r->soak, left > 0 ? left : 0);
}

/* The new instance fills the slot from here on. */
static void
rolling_promote(struct slot *sl)
{
	sl->cur = sl->next;
	sl->next = NULL;
	sl->cur->role = INST_CUR;
	if (sl->state != PS_RUNNING)
		slot_event(sl, PE_UP);
	slot_save(sl);
}

static const char *const rolling_words[] = {
	[ROLL_OLD] = "goes on as before",
	[ROLL_STARTING] = "new instance starting",
	[ROLL_SOAKING] = "new instance ready, on trial",
	[ROLL_RETIRING] = "new instance ready, the old one drains",
	[ROLL_NEW] = "replaced",
};

static void
rolling_op_moved(void *arg, int slot, enum roll_phase phase)
{
	const char *words = rolling_words[phase];
	struct rolling *r = arg;
	struct slot *sl = r->pg->slots[slot];
	char text[160], pid[32] = "";

	sl->roll_phase = phase;
	if (phase == ROLL_OLD) /* surge 0, and the abort came in between */
		r->places[slot].todo = TODO_NONE;
	if (phase == ROLL_NEW) {
		r->replaced++;
		/* surge 0: the old one went first, the place was empty. */
		if (sl->cur == NULL && sl->next != NULL)
			rolling_promote(sl);
		if (sl->cur != NULL)
			snprintf(
			    pid, sizeof pid, ", pid %d", (int)sl->cur->pid);
	}
	if (phase == ROLL_RETIRING && r->surge == 0)
		words = "the old one stops";
	snprintf(text, sizeof text, "%s%s (%d of %d)", words, pid,
	    rolling_through(r), r->parts);
	rolling_update_note(r);
	slot_save(sl);
	log_info("roll %s %s: %s", r->pg->conf->name, sl->name, text);
	rolling_event(r, sl->name, "%s", text);
	op_roll_step(r->pg, sl->name, text);
}

static void
rolling_op_end(void *arg, enum roll_end end, const char *reason)
{
	struct rolling *r = arg;

	r->ended = true;
	r->how = end;
	if (!r->back)
		snprintf(r->reason, sizeof r->reason, "%s", reason);
	else if (end == ROLL_ABORTED)
		log_errorx(
		    "roll %s: not rolled back: %s", r->pg->conf->name, reason);
	loop_timer_stop(&r->soak);
	rolling_queue(r);
}

const struct roll_ops rolling_ops = {
	.replace = rolling_op_replace,
	.retire = rolling_op_retire,
	.discard = rolling_op_discard,
	.soak = rolling_op_soak,
	.moved = rolling_op_moved,
	.end = rolling_op_end,
};

/* --- at the end of the turn ----------------------------------------- */

/* Can an instance be put into, or taken from, this place? */
static bool
rolling_is_open(const struct rolling *r, const struct slot *sl)
{
	if (!sl->wanted)
		return false;
	switch (sl->state) {
	case PS_RUNNING:
	case PS_STARTING:
		return true;
	case PS_BACKOFF:
	case PS_FATAL:
		/* Its old one died meanwhile; a ready one ends the misery. */
		return r->surge > 0;
	case PS_STOPPED:
	case PS_STOPPING:
	case PS_EXITED:
	case PS_UNKNOWN:
	case PS__N:
		break;
	}
	return false;
}

static void
rolling_drop(struct rolling *r, struct slot *sl)
{
	sl->roll_phase = ROLL_NEW;
	slot_save(sl);
	roll_drop(r->roll, sl->index);
}

static void
rolling_retire(struct rolling *r, struct slot *sl)
{
	struct inst *old = sl->cur;

	/* Ready, and dead since: that it failed is told when it is gone. */
	if (r->surge > 0 && sl->next == NULL)
		return;
	if (!rolling_is_open(r, sl)) {
		rolling_op_discard(r, sl->index);
		rolling_drop(r, sl);
		return;
	}
	sl->cur = NULL;
	if (old != NULL) {
		old->role = INST_DRAINING;
		TAILQ_INSERT_TAIL(&sl->draining, old, entry);
	}
	if (sl->next != NULL)
		rolling_promote(sl);
	if (old != NULL) {
		str_set(&old->reason, r->why);
		inst_stop(old, r->pg->conf->drain_timeout_ms,
		    r->alone == -1         ? DEATH_ROLL
		    : vitals_are_lost(old) ? DEATH_UNHEALTHY
					   : DEATH_RECYCLE,
		    rolling_who(r));
	}
	slot_save(sl);
	rolling_inst_gone(sl); /* it may have died meanwhile */
}

static void
rolling_refused(struct rolling *r, struct slot *sl)
{
	struct place *p = &r->places[sl->index];
	char *reason =
	    xasprintf("the new %s could not start: %s", sl->name, p->why);

	roll_failed(r->roll, sl->index, reason);
	free(reason);
}

/* false: the machine of a slot has not settled. */
static bool
rolling_do_places(struct rolling *r)
{
	bool settled = true;

	for (int i = 0; i < r->nslots && i < r->pg->nslots; i++) {
		struct slot *sl = r->pg->slots[i];
		enum todo todo = r->places[i].todo;

		if (todo == TODO_NONE)
			continue;
		if (sl->queued != 0) {
			settled = false;
			continue;
		}
		r->places[i].todo = TODO_NONE;
		if (todo == TODO_RETIRE)
			rolling_retire(r, sl);
		else
			rolling_refused(r, sl);
	}
	return settled;
}

/*
 * With surge 0 an abort leaves a slot without an instance; it gets one when
 * nothing of the ones before is left.
 */
static void
rolling_fill(struct slot *sl)
{
	const struct inst *in;

	if (!sl->wanted || sl->cur != NULL || sl->next != NULL ||
	    sl->queued != 0 || sl->prog->en->stopping ||
	    (sl->state != PS_RUNNING && sl->state != PS_STARTING))
		return;
	TAILQ_FOREACH(in, &sl->draining, entry)
		if (!in->dead || !in->swept)
			return;
	slot_note(sl, "left empty by an aborted roll");
	slot_event(sl, PE_DIE_YOUNG);
	slot_event(sl, PE_RETRY); /* at once */
}

/* --- the end -------------------------------------------------------- */

static void
rolling_destroy(struct rolling *r)
{
	loop_timer_stop(&r->soak);
	if (r->preparing)
		hook_cancel_roll(r->pg);
	loop_task_cancel(r->pg->en->lp, &r->work);
	roll_free(r->roll);
	for (int i = 0; i < r->nslots; i++)
		free(r->places[i].why);
	free(r->places);
	free(r->tail);
	config_program_unref(r->conf);
	free(r);
}

void
rolling_free(struct program *pg)
{
	if (pg->roll != NULL)
		rolling_destroy(pg->roll);
	pg->roll = NULL;
	op_program_gone(pg);
}

void
rolling_drop_before(struct program *pg)
{
	if (pg->before == NULL)
		return;
	config_program_unref(pg->before);
	pg->before = NULL;
	before_drop(pg);
}

/* New instances come from the config before again. */
static void
rolling_take_back(struct program *pg)
{
	config_program_unref(pg->conf);
	pg->conf = pg->before;
	pg->en->deps_stale = true;
	pg->before = NULL;
	pg->reverted = true;
	before_reverted(pg);
	for (int i = 0; i < pg->nslots; i++)
		slot_streams(pg->slots[i]);
}

/* Slots that run the config of the aborted roll go back as well. */
static bool
rolling_go_back(struct rolling *r)
{
	struct program *pg = r->pg;
	struct rolling *back;
	enum roll_phase *phases;
	bool any = false;

	rolling_take_back(pg);
	log_warnx("%s goes back to the config before", pg->conf->name);
	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++) {
		const struct inst *in = pg->slots[i]->cur;
		uint32_t since = i < r->nslots ? r->places[i].since : 0;
		/* Of its config: also who was started before it began. */
		bool newer = in != NULL && pg->slots[i]->wanted &&
			     (in->conf == r->conf || in->generation > since) &&
			     in->conf != pg->conf;

		phases[i] = newer ? ROLL_OLD : ROLL_NEW;
		any = any || newer;
	}
	if (any) {
		back = rolling_new(pg, NULL, phases, true);
		memcpy(back->reason, r->reason, sizeof back->reason);
		back->tail = r->tail;
		r->tail = NULL;
		rolling_begin(back);
	}
	free(phases);
	return any;
}

static void
rolling_tell_end(struct rolling *r, bool ok, const char *text)
{
	const char *tail = r->tail != NULL ? r->tail : "";

	op_roll_end(r->pg, ok, text, tail);
	if (r->alone != -1 && r->alone < r->pg->nslots)
		op_alone_end(r->pg->slots[r->alone], ok, text, tail);
	if (!r->final || !r->pg->roll_again)
		return;
	/* The one that was to follow does not. */
	r->pg->roll_again = false;
	op_roll_end(r->pg, false, text, "");
}

static void
rolling_done(struct rolling *r)
{
	struct program *pg = r->pg;
	bool ok = r->replaced > 0;
	char text[128];

	if (ok)
		snprintf(text, sizeof text, "done: %d replaced", r->replaced);
	else
		snprintf(text, sizeof text, "aborted: its slots were stopped");
	log_info("roll %s: %s", pg->conf->name, text);
	rolling_event(r, pg->conf->name, "%s", text);
	if (!pg->roll_again)
		rolling_drop_before(pg);
	rolling_tell_end(r, ok, text);
}

static void
rolling_aborted(struct rolling *r)
{
	struct program *pg = r->pg;
	/* Another config is what the next roll is about. */
	bool next = pg->roll_again && pg->conf != r->conf;
	char text[256];

	snprintf(text, sizeof text, "aborted: %s", r->reason);
	log_errorx("roll %s: %s", pg->conf->name, text);
	rolling_event(r, pg->conf->name, "%s", text);
	if (pg->before != NULL && !r->final && !next) {
		if (rolling_go_back(r))
			return; /* told when it is back */
		program_note(pg, "on the config before: %.70s", r->reason);
	}
	rolling_tell_end(r, false, text);
}

static void
rolling_was_back(struct rolling *r)
{
	struct program *pg = r->pg;
	const char *how =
	    r->how == ROLL_DONE ? "rolled back" : "not all of it rolled back";
	char text[256];

	rolling_event(r, pg->conf->name, "%s", how);
	log_info("roll %s: %s", pg->conf->name, how);
	program_note(pg, "on the config before: %.70s", r->reason);
	snprintf(text, sizeof text, "aborted: %s; %s", r->reason, how);
	rolling_tell_end(r, false, text);
}

static void
rolling_finish(struct rolling *r)
{
	struct program *pg = r->pg;
	struct engine_who who = pg->roll_again_who;
	bool final = r->final;

	pg->roll = NULL;
	str_set(&pg->note, "");
	table_drop_roll(pg->en->table, pg->conf->name);
	if (r->back)
		rolling_was_back(r);
	else if (r->how == ROLL_DONE)
		rolling_done(r);
	else
		rolling_aborted(r);
	rolling_destroy(r);
	for (int i = 0; pg->roll == NULL && !final && i < pg->nslots; i++)
		rolling_fill(pg->slots[i]);
	if (pg->roll == NULL && pg->roll_again) {
		pg->roll_again = false;
		rolling_start(pg, pg->roll_again_by_person ? &who : NULL);
	}
	if (!final)
		rolling_next_slot(pg);
	program_progress(pg);
}

void
rolling_on_work(void *arg)
{
	struct rolling *r = arg;

	if (!rolling_do_places(r)) {
		rolling_queue(r); /* after the machine's own task */
		return;
	}
	if (r->ended && !r->work.queued)
		rolling_finish(r);
}

/* --- what happened -------------------------------------------------- */

void
rolling_inst_ready(struct inst *in)
{
	struct rolling *r = rolling_of(in->slot);

	if (r != NULL)
		roll_ready(r->roll, in->slot->index);
}

void
rolling_inst_failed(struct inst *in, const char *why, const char *tail)
{
	struct rolling *r = rolling_of(in->slot);
	char reason[240];

	/* A late one may be of the roll before. */
	if (r == NULL || r->places[in->slot->index].next_gen != in->generation)
		return;
	if (r->tail == NULL && tail != NULL)
		r->tail = xstrdup(tail);
	snprintf(reason, sizeof reason, "the new %s %s", in->slot->name, why);
	roll_failed(r->roll, in->slot->index, reason);
}

void
rolling_inst_gone(struct slot *sl)
{
	struct rolling *r = rolling_of(sl);
	const struct inst *in;

	if (sl->prog->roll == NULL)
		rolling_fill(sl);
	if (r == NULL || r->places[sl->index].todo == TODO_RETIRE)
		return;
	TAILQ_FOREACH(in, &sl->draining, entry)
		if (in->role == INST_DRAINING && !in->discarded)
			return;
	roll_gone(r->roll, sl->index);
}

void
rolling_slot_left(struct slot *sl)
{
	struct rolling *r = rolling_of(sl);

	if (r == NULL) {
		/* It has ended, what follows has not been done yet. */
		r = sl->prog->roll;
		if (r != NULL && sl->index < r->nslots)
			rolling_op_discard(r, sl->index);
		return;
	}
	rolling_op_discard(r, sl->index);
	rolling_drop(r, sl);
}

bool
rolling_owns(const struct slot *sl)
{
	const struct rolling *r = rolling_of(sl);
	enum roll_phase phase =
	    r != NULL ? roll_phase_of(r->roll, sl->index) : ROLL_NEW;

	return phase != ROLL_OLD && phase != ROLL_NEW;
}

void
rolling_abort(struct program *pg, const char *why)
{
	if (pg->roll == NULL)
		return;
	pg->roll->final = true;
	if (!pg->roll->ended)
		roll_abort(pg->roll->roll, why);
	if (!pg->roll->preparing)
		return;
	hook_cancel_roll(pg);
	pg->roll->preparing = false;
	roll_start(pg->roll->roll); /* sees the abort first */
}
