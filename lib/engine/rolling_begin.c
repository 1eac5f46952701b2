/*
 * rolling_begin - how a roll begins: by order, after another one, again after
 * an engine before this one; and its record in the state table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/rolling_priv.h"

static bool
rolling_takes_part(const struct slot *sl)
{
	return sl->wanted && !sl->leaving && sl->cur != NULL &&
	       (sl->state == PS_RUNNING || sl->state == PS_STARTING);
}

struct rolling *
rolling_new(struct program *pg, const struct engine_who *who,
    const enum roll_phase *phases, bool back)
{
	struct rolling *r = xcalloc(1, sizeof *r);
	struct roll_params params = {
		.nslots = pg->nslots,
		.batch = (int)pg->conf->roll_batch,
		.surge = (int)pg->conf->roll_surge,
		.soak_ms = back ? 0 : pg->conf->roll_soak_ms,
	};

	r->pg = pg;
	r->id = pg->en->next_id++;
	r->conf = config_program_ref(pg->conf);
	r->nslots = pg->nslots;
	r->surge = params.surge;
	r->back = back;
	r->alone = -1;
	r->by_person = who != NULL;
	if (who != NULL)
		r->who = *who;
	r->places = xcalloc((size_t)pg->nslots + 1, sizeof *r->places);
	for (int i = 0; i < r->nslots; i++) {
		r->places[i].since = pg->slots[i]->generation;
		r->parts += phases[i] != ROLL_NEW;
		pg->slots[i]->roll_id = r->id;
		pg->slots[i]->roll_phase = phases[i];
	}
	loop_timer_init(&r->soak, pg->en->lp, rolling_on_soak, r);
	loop_task_init(&r->work, rolling_on_work, r);
	r->roll = roll_new(&params, phases, &rolling_ops, r);
	pg->roll = r;
	return r;
}

void
rolling_prepared(struct program *pg, const char *why)
{
	struct rolling *r = pg->roll;
	char reason[200];

	if (r == NULL || !r->preparing)
		return;
	r->preparing = false;
	if (why != NULL) {
		snprintf(reason, sizeof reason, "before_roll failed: %s", why);
		/* The first thing that it sees. */
		roll_abort(r->roll, reason);
	} else {
		rolling_update_note(r);
		rolling_save(pg);
	}
	roll_start(r->roll);
}

/* The hook first, if there is one: nothing is touched before it succeeded. */
static void
rolling_prepare(struct rolling *r)
{
	struct program *pg = r->pg;
	struct err err;

	if (r->begun_ms == 0)
		r->begun_ms = clock_wall_ms();
	/* Before the roll has its record: those that it has nothing to do in.
	 */
	for (int i = 0; i < r->nslots; i++)
		if (pg->slots[i]->roll_phase != ROLL_OLD)
			slot_save(pg->slots[i]);
	r->preparing =
	    !r->back && pg->conf->rare->hook[HOOK_BEFORE_ROLL] != NULL;
	rolling_save(pg);
	if (!r->preparing) {
		roll_start(r->roll);
		return;
	}
	program_note(pg, "before_roll runs");
	if (pg->roll_hook == NULL &&
	    hook_before_roll(pg, r->begun_ms, &err) == -1)
		rolling_prepared(pg, err.text);
}

void
rolling_begin(struct rolling *r)
{
	struct program *pg = r->pg;
	char by[64];

	engine_who_text(by, sizeof by, rolling_who(r));
	log_info("roll %s: begins, ordered %s", pg->conf->name,
	    r->back ? "by the abort" : by);
	engine_event(pg->en, pg->conf->name, "roll", "begins, ordered %s",
	    r->back ? "by the abort" : by);
	rolling_update_note(r);
	rolling_prepare(r);
}

/* --- of one slot ---------------------------------------------------- */

static void
rolling_begin_slot(struct slot *sl)
{
	struct program *pg = sl->prog;
	enum roll_phase *phases;
	struct rolling *r;

	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++)
		phases[i] = i == sl->index ? ROLL_OLD : ROLL_NEW;
	r = rolling_new(pg, NULL, phases, false);
	free(phases);
	r->alone = sl->index;
	snprintf(r->why, sizeof r->why, "%s", str_text(sl->reason));
	log_info(
	    "roll %s: begins, %s alone: %s", pg->conf->name, sl->name, r->why);
	rolling_event(
	    r, pg->conf->name, "begins, %s alone: %s", sl->name, r->why);
	rolling_update_note(r);
	rolling_save(pg);
	/* The roll has its record: from here on that is what goes on. */
	sl->alone_generation = 0;
	slot_save(sl);
	roll_start(r->roll);
}

/* The instance that was to be replaced is not there any more. */
static void
rolling_need_not(struct slot *sl)
{
	const struct inst *in = sl->cur;
	char text[64] = "aborted: it is not running any more";
	bool newer = in != NULL && in->generation > sl->alone_generation;

	if (newer)
		snprintf(text, sizeof text, "replaced meanwhile, pid %d",
		    (int)in->pid);
	sl->alone_generation = 0;
	slot_save(sl);
	op_alone_end(sl, newer, text, "");
}

void
rolling_next_slot(struct program *pg)
{
	for (int i = 0; pg->roll == NULL && i < pg->nslots; i++) {
		struct slot *sl = pg->slots[i];

		if (sl->alone_generation == 0)
			continue;
		if (rolling_takes_part(sl) && !pg->removed &&
		    !pg->en->stopping &&
		    sl->cur->generation == sl->alone_generation)
			rolling_begin_slot(sl);
		else
			rolling_need_not(sl);
	}
}

void
rolling_forget_slot(struct slot *sl)
{
	if (sl->alone_generation != 0)
		rolling_need_not(sl);
}

void
rolling_start_slot(struct slot *sl, const char *why)
{
	struct rolling *r = sl->prog->roll;

	if (!rolling_takes_part(sl) || sl->prog->removed ||
	    sl->prog->en->stopping) {
		op_alone_end(sl, false, "aborted: it is not running", "");
		return;
	}
	/* One that is at it does what is asked for. */
	if (r != NULL && !r->ended && r->alone == sl->index)
		return;
	if (sl->alone_generation == sl->cur->generation)
		return;
	str_set(&sl->reason, why);
	sl->alone_generation = sl->cur->generation;
	slot_save(sl);
	if (r != NULL)
		engine_event(sl->prog->en, sl->name, "recycle",
		    "waits for the roll under way: %s", str_text(sl->reason));
	rolling_next_slot(sl->prog);
}

/* --- by order ------------------------------------------------------- */

/* One more, however often it is asked for. */
static void
rolling_again(struct program *pg, const struct engine_who *who)
{
	pg->roll_again = true;
	pg->roll_again_by_person = who != NULL;
	if (who != NULL)
		pg->roll_again_who = *who;
	rolling_save(pg);
}

void
rolling_start(struct program *pg, const struct engine_who *who)
{
	enum roll_phase *phases;
	bool any = false;

	if (pg->removed || pg->en->stopping) {
		op_roll_end(pg, false, "aborted: it is being stopped", "");
		return;
	}
	if (pg->roll != NULL) {
		rolling_again(pg, who);
		return;
	}
	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++) {
		struct slot *sl = pg->slots[i];
		bool part = rolling_takes_part(sl);

		phases[i] = part ? ROLL_OLD : ROLL_NEW;
		any = any || part;
		/* What is new may be what it waits for. */
		if (sl->wanted && !sl->leaving &&
		    (sl->state == PS_BACKOFF || sl->state == PS_FATAL))
			slot_event(sl, PE_START);
	}
	if (any) {
		rolling_begin(rolling_new(pg, who, phases, false));
	} else {
		rolling_drop_before(pg);
		op_roll_end(pg, true, "done: nothing to replace", "");
	}
	free(phases);
}

/* Where a slot of a roll stands, by what is there of it. */
static enum roll_phase
rolling_resume_phase(const struct slot *sl, enum roll_phase was)
{
	switch (was) {
	case ROLL_OLD:
	case ROLL_NEW:
		return was;
	case ROLL_STARTING:
	case ROLL_SOAKING:
		/* Without a new one it was never asked for. */
		return sl->next != NULL ? ROLL_STARTING : ROLL_OLD;
	case ROLL_RETIRING:
		break;
	}
	/* The record is written before the change: it may not have come. */
	if (sl->next != NULL)
		return ROLL_STARTING;
	if (sl->prog->conf->roll_surge == 0 &&
	    (sl->cur != NULL || TAILQ_EMPTY(&sl->draining)))
		return ROLL_OLD;
	return TAILQ_EMPTY(&sl->draining) ? ROLL_NEW : ROLL_RETIRING;
}

/* What has no record is still to be done: rather twice than never. */
enum roll_phase
rolling_was(const struct slot *sl, const struct table_roll *tr)
{
	uint32_t i = (uint32_t)sl->index;

	if (i >= tr->nslots)
		return ROLL_NEW;
	if (sl->roll_id == tr->id && sl->roll_phase <= ROLL_NEW)
		return sl->roll_phase;
	return tr->alone == 0 || tr->alone == i + 1 ? ROLL_OLD : ROLL_NEW;
}

void
rolling_resume(struct program *pg, const struct table_roll *tr)
{
	struct engine_who who = { .uid = tr->by_uid, .pid = tr->by_pid };
	enum roll_phase *phases;
	struct rolling *r;

	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++) {
		const struct slot *sl = pg->slots[i];

		phases[i] = !sl->wanted
				? ROLL_NEW
				: rolling_resume_phase(sl, rolling_was(sl, tr));
	}
	pg->roll_again = tr->again;
	pg->roll_cause = tr->cause;
	pg->again_cause = tr->cause_again;
	r = rolling_new(pg, tr->by_person ? &who : NULL, phases, false);
	free(phases);
	r->id = tr->id;
	for (int i = 0; i < r->nslots; i++)
		pg->slots[i]->roll_id = r->id;
	if (tr->alone != 0 && tr->alone <= (uint32_t)r->nslots) {
		r->alone = (int)tr->alone - 1;
		snprintf(r->why, sizeof r->why, "%s", tr->why);
	}
	r->begun_ms = tr->begun_ms;
	r->parts = r->alone != -1 ? 1 : r->nslots;
	for (int i = 0; i < r->nslots; i++) {
		r->replaced += roll_phase_of(r->roll, i) == ROLL_NEW &&
			       (r->alone == -1 || r->alone == i);
		if (pg->slots[i]->next != NULL)
			r->places[i].next_gen = pg->slots[i]->next->generation;
	}
	log_info("roll %s: goes on, the engine was restarted", pg->conf->name);
	rolling_update_note(r);
	if (tr->preparing) {
		rolling_prepare(r);
		return;
	}
	hook_cancel_roll(pg); /* its end had been acted on */
	roll_start(r->roll);
	for (int i = 0; i < r->nslots && !r->ended; i++)
		if (pg->slots[i]->next != NULL && pg->slots[i]->next->ready)
			roll_ready(r->roll, i);
}

void
rolling_save(struct program *pg)
{
	const struct rolling *r = pg->roll;
	struct table_roll tr;

	if (r == NULL || r->ended)
		return;
	memset(&tr, 0, sizeof tr);
	snprintf(tr.program, sizeof tr.program, "%s", pg->conf->name);
	tr.again = pg->roll_again;
	tr.preparing = r->preparing;
	tr.begun_ms = r->begun_ms;
	tr.by_person = r->by_person;
	tr.by_uid = r->who.uid;
	tr.by_pid = r->who.pid;
	tr.alone = (uint32_t)(r->alone + 1);
	memcpy(tr.why, r->why, sizeof tr.why);
	tr.nslots = (uint32_t)r->nslots;
	tr.id = r->id;
	tr.cause = pg->roll_cause;
	tr.cause_again = pg->again_cause;
	table_put_roll(pg->en->table, &tr);
}
