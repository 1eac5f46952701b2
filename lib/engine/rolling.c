/*
 * rolling - rolls of programs: what cluster/roll decides, done to instances.
 *
 * The transaction (cluster/roll.h) says which slot to replace, retire or
 * discard; here that becomes starts and stops, a record in the state table,
 * lines for people, and the way back to the config before when a roll that
 * came with a new one is aborted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

struct rolling {
	struct program *pg;
	struct roll *roll;
	int nslots;
	bool back; /* this roll itself undoes an aborted one */
	bool ended;
	bool by_person;
	struct engine_who who;
	struct loop_timer soak;
	struct loop_task failed; /* a start that failed inside an op */
	struct loop_task end;	 /* what follows the end, outside of roll.c */
	bool *refused;
	enum roll_end how;
	char reason[200];
	char *tail;
};

static void rolling_begin(struct program *pg, const struct engine_who *who,
    const enum roll_phase *phases, bool back);

static const struct engine_who *
rolling_who(const struct rolling *r)
{
	return r->by_person ? &r->who : NULL;
}

static void
rolling_update_note(struct rolling *r)
{
	snprintf(r->pg->note, sizeof r->pg->note, "%s %d/%d",
	    r->back ? "rolling back" : "rolling", roll_progress(r->roll),
	    r->nslots);
}

/* --- what the transaction orders --------------------------------------------- */

static void
rolling_op_replace(void *arg, int slot)
{
	struct rolling *r = arg;
	struct slot *sl = r->pg->slots[slot];
	struct engine *en = r->pg->en;

	if (inst_start(sl, INST_NEXT) != NULL)
		return;
	r->refused[slot] = true;
	snprintf(r->reason, sizeof r->reason, "%s", sl->note);
	loop_task_queue(en->lp, &r->failed);
}

static void
rolling_on_refused(void *arg)
{
	struct rolling *r = arg;

	for (int i = 0; i < r->nslots && !r->ended; i++) {
		if (!r->refused[i])
			continue;
		r->refused[i] = false;
		roll_failed(r->roll, i, r->reason);
	}
}

/* The old one drains; the new one, where there is one already, counts. */
static void
rolling_op_retire(void *arg, int slot)
{
	struct rolling *r = arg;
	struct slot *sl = r->pg->slots[slot];
	struct inst *old = sl->cur;

	sl->cur = sl->next;
	sl->next = NULL;
	if (sl->cur != NULL)
		sl->cur->role = INST_CUR;
	if (sl->cur != NULL && sl->state != PS_RUNNING)
		slot_event(sl, PE_UP);
	if (old != NULL) {
		old->role = INST_DRAINING;
		TAILQ_INSERT_TAIL(&sl->draining, old, entry);
		inst_stop(old, old->conf->drain_timeout_ms, DEATH_ROLL,
		    rolling_who(r));
	}
	slot_save(sl);
	if (old == NULL)
		roll_gone(r->roll, slot); /* it died meanwhile */
}

static void
rolling_op_discard(void *arg, int slot)
{
	struct rolling *r = arg;
	struct slot *sl = r->pg->slots[slot];
	struct inst *in = sl->next;

	if (in == NULL)
		return;
	sl->next = NULL;
	in->role = INST_DRAINING;
	in->discarded = true;
	TAILQ_INSERT_TAIL(&sl->draining, in, entry);
	inst_stop(in, in->conf->stopwaitsecs_ms, DEATH_DISCARD,
	    rolling_who(r));
	slot_save(sl);
}

static void
rolling_on_soak(struct loop_timer *t, void *arg)
{
	(void)t;
	roll_soaked(((struct rolling *)arg)->roll);
}

static void
rolling_op_soak(void *arg, int64_t ms)
{
	struct rolling *r = arg;

	if (ms > 0)
		loop_timer_start(&r->soak, ms);
	else
		loop_timer_stop(&r->soak);
}

static const char *
rolling_words(enum roll_phase phase)
{
	switch (phase) {
	case ROLL_OLD:
		return "untouched";
	case ROLL_STARTING:
		return "new instance starting";
	case ROLL_SOAKING:
		return "new instance ready, on trial";
	case ROLL_RETIRING:
		return "new instance ready, the old one drains";
	case ROLL_NEW:
		return "replaced";
	}
	return "?";
}

static void
rolling_op_moved(void *arg, int slot, enum roll_phase phase)
{
	struct rolling *r = arg;
	struct slot *sl = r->pg->slots[slot];
	char text[160];
	const struct inst *in = phase == ROLL_STARTING ? sl->next : sl->cur;

	snprintf(text, sizeof text, "%s (%d of %d)", rolling_words(phase),
	    roll_progress(r->roll), r->nslots);
	if (phase == ROLL_NEW && in != NULL)
		snprintf(text, sizeof text, "replaced, pid %d (%d of %d)",
		    (int)in->pid, roll_progress(r->roll), r->nslots);
	rolling_update_note(r);
	rolling_save(r->pg);
	log_info("roll %s %s: %s", r->pg->conf->name, sl->name, text);
	engine_event(r->pg->en, sl->name, "roll", "%s", text);
	op_roll_step(r->pg, sl->name, text);
}

static void
rolling_op_end(void *arg, enum roll_end end, const char *reason)
{
	struct rolling *r = arg;

	r->ended = true;
	r->how = end;
	snprintf(r->reason, sizeof r->reason, "%s",
	    reason != NULL ? reason : "");
	loop_timer_stop(&r->soak);
	loop_task_queue(r->pg->en->lp, &r->end);
}

static const struct roll_ops rolling_ops = {
	.replace = rolling_op_replace,
	.retire = rolling_op_retire,
	.discard = rolling_op_discard,
	.soak = rolling_op_soak,
	.moved = rolling_op_moved,
	.end = rolling_op_end,
};

/* --- the end -------------------------------------------------------------------- */

void
rolling_free(struct program *pg)
{
	struct rolling *r = pg->roll;

	if (r == NULL)
		return;
	pg->roll = NULL;
	loop_timer_stop(&r->soak);
	loop_task_cancel(pg->en->lp, &r->failed);
	loop_task_cancel(pg->en->lp, &r->end);
	roll_free(r->roll);
	free(r->refused);
	free(r->tail);
	free(r);
}

/* Slots that run the config of an aborted roll go back as well. */
static bool
rolling_back(struct program *pg)
{
	enum roll_phase *phases;
	bool any = false;

	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++) {
		const struct inst *in = pg->slots[i]->cur;
		bool newer = in != NULL && in->conf == pg->before;

		phases[i] = newer ? ROLL_OLD : ROLL_NEW;
		any = any || newer;
	}
	config_program_unref(pg->before);
	pg->before = NULL;
	if (any)
		rolling_begin(pg, NULL, phases, true);
	free(phases);
	return any;
}

static void
rolling_aborted(struct program *pg, const char *reason)
{
	struct config_program *newer = pg->conf;

	log_errorx("roll %s: aborted: %s", pg->conf->name, reason);
	/* surge 0: places whose old instance went and whose new one failed */
	for (int i = 0; i < pg->nslots; i++)
		if (pg->slots[i]->cur == NULL && pg->slots[i]->wanted &&
		    pg->slots[i]->state == PS_RUNNING)
			slot_event(pg->slots[i], PE_DIE_YOUNG);
	if (pg->before == NULL)
		return;
	/* New instances come from the config before again. */
	pg->conf = pg->before;
	pg->before = newer;
	snprintf(pg->note, sizeof pg->note, "on the config before: %.60s",
	    reason);
	log_warnx("%s goes back to the config before", pg->conf->name);
	engine_event(pg->en, pg->conf->name, "roll",
	    "goes back to the config before");
	rolling_back(pg);
}

static void
rolling_on_end(void *arg)
{
	struct rolling *r = arg;
	struct program *pg = r->pg;
	struct engine *en = pg->en;
	bool ok = r->how == ROLL_DONE, again = pg->roll_again, back = r->back;
	struct engine_who who = pg->roll_again_who;
	bool by_person = pg->roll_again_by_person;
	char reason[200], text[260], *tail = r->tail;
	int n = roll_progress(r->roll);

	r->tail = NULL;
	snprintf(reason, sizeof reason, "%s", r->reason);
	rolling_free(pg);
	table_drop_roll(en->table, pg->conf->name);
	pg->note[0] = '\0';
	pg->roll_again = false;
	if (ok)
		snprintf(text, sizeof text, "%s: %d replaced",
		    back ? "rolled back" : "done", n);
	else
		snprintf(text, sizeof text, "aborted: %s", reason);
	engine_event(en, pg->conf->name, "roll", "%s", text);
	if (ok)
		log_info("roll %s: %s", pg->conf->name, text);
	else
		rolling_aborted(pg, reason);
	if (ok && !back && pg->before != NULL) {
		config_program_unref(pg->before);
		pg->before = NULL;
	}
	op_roll_end(pg, ok, text, tail != NULL ? tail : "");
	free(tail);
	if (again && pg->roll == NULL && !en->stopping)
		rolling_start(pg, by_person ? &who : NULL);
	program_progress(pg);
}

/* --- start ------------------------------------------------------------------------ */

static bool
rolling_takes_part(const struct slot *sl)
{
	return sl->wanted && !sl->leaving && sl->cur != NULL &&
	    (sl->state == PS_RUNNING || sl->state == PS_STARTING);
}

static struct rolling *
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
	r->nslots = pg->nslots;
	r->back = back;
	r->by_person = who != NULL;
	if (who != NULL)
		r->who = *who;
	r->refused = xcalloc((size_t)pg->nslots + 1, sizeof *r->refused);
	loop_timer_init(&r->soak, pg->en->lp, rolling_on_soak, r);
	loop_task_init(&r->failed, rolling_on_refused, r);
	loop_task_init(&r->end, rolling_on_end, r);
	r->roll = roll_new(&params, phases, &rolling_ops, r);
	pg->roll = r;
	return r;
}

static void
rolling_begin(struct program *pg, const struct engine_who *who,
    const enum roll_phase *phases, bool back)
{
	struct rolling *r = rolling_new(pg, who, phases, back);
	char by[64];

	engine_who_text(by, sizeof by, who);
	log_info("roll %s: begins, ordered %s", pg->conf->name,
	    back ? "by the abort" : by);
	engine_event(pg->en, pg->conf->name, "roll", "begins, ordered %s",
	    back ? "by the abort" : by);
	rolling_update_note(r);
	rolling_save(pg);
	roll_start(r->roll);
}

void
rolling_start(struct program *pg, const struct engine_who *who)
{
	enum roll_phase *phases;

	if (pg->removed)
		return;
	if (pg->roll != NULL) {
		/* One more, however often it is asked for. */
		pg->roll_again = true;
		pg->roll_again_by_person = who != NULL;
		if (who != NULL)
			pg->roll_again_who = *who;
		rolling_save(pg);
		return;
	}
	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++)
		phases[i] = rolling_takes_part(pg->slots[i]) ? ROLL_OLD :
							       ROLL_NEW;
	rolling_begin(pg, who, phases, false);
	free(phases);
}

void
rolling_resume(struct program *pg, const struct table_roll *tr)
{
	enum roll_phase *phases;
	struct engine_who who = { .uid = tr->by_uid, .pid = tr->by_pid };
	struct rolling *r;

	phases = xcalloc((size_t)pg->nslots + 1, sizeof *phases);
	for (int i = 0; i < pg->nslots; i++) {
		const struct slot *sl = pg->slots[i];

		phases[i] = (uint32_t)i < tr->nslots && i < TABLE_SLOTS_MAX ?
		    (enum roll_phase)tr->phase[i] : ROLL_NEW;
		/* What was under way begins again where it can't be found. */
		if (phases[i] == ROLL_STARTING || phases[i] == ROLL_SOAKING)
			phases[i] = sl->next != NULL ? ROLL_STARTING : ROLL_OLD;
		if (phases[i] == ROLL_RETIRING && TAILQ_EMPTY(&sl->draining))
			phases[i] = ROLL_NEW;
	}
	pg->roll_again = tr->again;
	r = rolling_new(pg, tr->by_person ? &who : NULL, phases, false);
	free(phases);
	log_info("roll %s: goes on, the engine was restarted", pg->conf->name);
	rolling_update_note(r);
	roll_start(r->roll);
	for (int i = 0; i < pg->nslots && !r->ended; i++)
		if (pg->slots[i]->next != NULL && pg->slots[i]->next->ready)
			roll_ready(r->roll, i);
}

/* --- what happened ------------------------------------------------------------------ */

void
rolling_inst_ready(struct inst *in)
{
	struct slot *sl = in->slot;
	struct rolling *r = sl->prog->roll;

	if (r == NULL || r->ended || sl->index >= r->nslots)
		return;
	/* surge 0: the old one went first, the place is empty. */
	if (sl->cur == NULL && sl->prog->conf->roll_surge == 0) {
		sl->cur = in;
		sl->next = NULL;
		in->role = INST_CUR;
		if (sl->state != PS_RUNNING)
			slot_event(sl, PE_UP);
		slot_save(sl);
	}
	roll_ready(r->roll, sl->index);
}

void
rolling_inst_failed(struct inst *in, const char *why, const char *tail)
{
	struct rolling *r = in->slot->prog->roll;
	char reason[200];

	if (r == NULL || r->ended)
		return;
	free(r->tail);
	r->tail = xstrdup(tail != NULL ? tail : "");
	snprintf(reason, sizeof reason, "the new %s %s", in->slot->name, why);
	roll_failed(r->roll, in->slot->index, reason);
}

void
rolling_inst_gone(struct slot *sl)
{
	struct rolling *r = sl->prog->roll;
	const struct inst *in;

	if (r == NULL || r->ended || sl->index >= r->nslots)
		return;
	TAILQ_FOREACH (in, &sl->draining, entry)
		if (in->role == INST_DRAINING && !in->discarded)
			return;
	roll_gone(r->roll, sl->index);
}

void
rolling_slot_left(struct slot *sl)
{
	struct rolling *r = sl->prog->roll;

	if (r == NULL || r->ended || sl->index >= r->nslots)
		return;
	if (sl->next != NULL)
		rolling_op_discard(r, sl->index);
	roll_drop(r->roll, sl->index);
}

void
rolling_abort(struct program *pg, const char *why)
{
	if (pg->roll != NULL && !pg->roll->ended)
		roll_abort(pg->roll->roll, why);
}

void
rolling_save(struct program *pg)
{
	struct rolling *r = pg->roll;
	struct table_roll tr;

	if (r == NULL || r->ended)
		return;
	memset(&tr, 0, sizeof tr);
	snprintf(tr.program, sizeof tr.program, "%s", pg->conf->name);
	tr.again = pg->roll_again;
	tr.by_person = r->by_person;
	tr.by_uid = r->who.uid;
	tr.by_pid = r->who.pid;
	tr.nslots = (uint32_t)r->nslots;
	for (int i = 0; i < r->nslots && i < TABLE_SLOTS_MAX; i++)
		tr.phase[i] = (uint8_t)roll_phase_of(r->roll, i);
	table_put_roll(pg->en->table, &tr);
}
