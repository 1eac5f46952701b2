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
	r->conf = config_program_ref(pg->conf);
	r->nslots = pg->nslots;
	r->surge = params.surge;
	r->back = back;
	r->by_person = who != NULL;
	if (who != NULL)
		r->who = *who;
	r->places = xcalloc((size_t)pg->nslots + 1, sizeof *r->places);
	for (int i = 0; i < r->nslots; i++) {
		r->places[i].since = pg->slots[i]->generation;
		r->parts += phases[i] != ROLL_NEW;
	}
	loop_timer_init(&r->soak, pg->en->lp, rolling_on_soak, r);
	loop_task_init(&r->work, rolling_on_work, r);
	r->roll = roll_new(&params, phases, &rolling_ops, r);
	pg->roll = r;
	return r;
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
	rolling_save(pg);
	roll_start(r->roll);
}

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

void
rolling_resume(struct program *pg, const struct table_roll *tr)
{
	struct engine_who who = { .uid = tr->by_uid, .pid = tr->by_pid };
	enum roll_phase *phases;
	struct rolling *r;

	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++) {
		const struct slot *sl = pg->slots[i];

		phases[i] = ROLL_NEW;
		if ((uint32_t)i < tr->nslots && i < TABLE_SLOTS_MAX &&
		    sl->wanted && tr->phase[i] <= ROLL_NEW)
			phases[i] = rolling_resume_phase(
			    sl, (enum roll_phase)tr->phase[i]);
		/* There is no record of it: rather twice than never. */
		else if (i >= TABLE_SLOTS_MAX && sl->next != NULL)
			phases[i] = ROLL_STARTING;
		else if (i >= TABLE_SLOTS_MAX && rolling_takes_part(sl))
			phases[i] = ROLL_OLD;
	}
	pg->roll_again = tr->again;
	r = rolling_new(pg, tr->by_person ? &who : NULL, phases, false);
	free(phases);
	r->parts = r->nslots;
	for (int i = 0; i < r->nslots; i++) {
		r->replaced += roll_phase_of(r->roll, i) == ROLL_NEW;
		if (pg->slots[i]->next != NULL)
			r->places[i].next_gen = pg->slots[i]->next->generation;
	}
	log_info("roll %s: goes on, the engine was restarted", pg->conf->name);
	rolling_update_note(r);
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
	tr.by_person = r->by_person;
	tr.by_uid = r->who.uid;
	tr.by_pid = r->who.pid;
	tr.nslots =
	    r->nslots < TABLE_SLOTS_MAX ? (uint32_t)r->nslots : TABLE_SLOTS_MAX;
	for (int i = 0; i < r->nslots && i < TABLE_SLOTS_MAX; i++)
		tr.phase[i] = (uint8_t)roll_phase_of(r->roll, i);
	table_put_roll(pg->en->table, &tr);
}
