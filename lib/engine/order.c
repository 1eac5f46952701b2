/*
 * order - who starts first, who stops last.
 *
 * Programs start in the order of (group priority, priority), all at once:
 * nobody waits for a program to be up but for what it depends on (wait.c).
 * They stop in the reverse order, and there the next level waits until the
 * one before is down.  A program is stopped when nothing that depends on it
 * is up; among those of which that is so, the level counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/queued.h"

#define ORDER_REMIND_MS 3000

void
order_start_all(struct engine *en)
{
	en->startup_ms = loop_now(en->lp);
	en->starting_all = true;
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		pg->started = pg->conf->autostart;
		pg->pull = pg->started;
		for (int k = 0; pg->started && k < pg->nslots; k++)
			slot_want(pg->slots[k], true, NULL);
	}
	wait_pull_all(en);
	en->starting_all = false;
}

static bool
order_same_level(const struct program *a, const struct program *b)
{
	return a->conf->group_priority == b->conf->group_priority &&
	       a->conf->priority == b->conf->priority;
}

static void
order_stop_slot(struct slot *sl)
{
	struct inst *in;

	if (sl->wanted || sl->start_again || sl->state == PS_RUNNING ||
	    sl->state == PS_STARTING || sl->state == PS_BACKOFF)
		slot_want(sl, false,
		    sl->prog->en->stop_by_person ? &sl->prog->en->stop_who
						 : NULL);
	TAILQ_FOREACH(in, &sl->draining, entry)
		inst_limit_flush(in);
	if (!sl->prog->en->kill_now)
		return;
	if (sl->cur != NULL)
		inst_kill(sl->cur);
	if (sl->next != NULL)
		inst_kill(sl->next);
	TAILQ_FOREACH(in, &sl->draining, entry)
		inst_kill(in);
}

static void
order_stop_program(struct program *pg)
{
	if (pg->roll != NULL)
		rolling_abort(pg, "reeved is stopping");
	for (int k = 0; k < pg->nslots; k++)
		order_stop_slot(pg->slots[k]);
}

/* Those of a program that are not down yet, into the list. */
static void
order_list(const struct program *pg, struct buf *list)
{
	for (int k = 0; pg->stop_ordered && k < pg->nslots; k++) {
		if (slot_is_down(pg->slots[k]))
			continue;
		if (list->len > 100) {
			buf_adds(list, ", ...");
			return;
		}
		buf_addf(list, "%s%s", list->len != 0 ? ", " : "",
		    pg->slots[k]->name);
	}
}

static void
order_remind(struct loop_timer *t, void *arg)
{
	struct engine *en = arg;
	mono_ms now = loop_now(en->lp), kill = INT64_MAX, at;
	char when[48] = "", ms[32];
	struct buf list;

	order_progress(en);
	if (en->finished)
		return;
	buf_init(&list);
	for (size_t i = 0; i < en->nprograms; i++) {
		const struct program *pg = en->programs[i];

		order_list(pg, &list);
		at = pg->stop_ordered_ms + pg->conf->stopwaitsecs_ms;
		if (pg->stop_ordered && !program_is_down(pg) && at > now &&
		    at < kill)
			kill = at;
	}
	if (kill != INT64_MAX) {
		str_duration(ms, sizeof ms, kill - now);
		snprintf(when, sizeof when, " (KILL in %s)", ms);
	}
	log_info("stopping, waiting for %s%s", buf_str(&list), when);
	engine_notify(
	    en, "STATUS=stopping, waiting for %s%s", buf_str(&list), when);
	buf_fini(&list);
	loop_timer_start(t, ORDER_REMIND_MS);
}

/* Of each program: is something up that depends on it?  The caller's. */
static bool *
order_blocked(struct engine *en)
{
	bool *up = xcalloc(en->nprograms + 1, sizeof *up);
	bool *blocked = xcalloc(en->nprograms + 1, sizeof *blocked);

	for (size_t i = 0; i < en->nprograms; i++)
		up[i] = !program_is_down(en->programs[i]);
	wait_below(en, up, blocked);
	free(up);
	return blocked;
}

/*
 * Orders the last level that is not down yet to stop; all of them when
 * killing.  Returns whether something is not down.
 */
static bool
order_stop_level(struct engine *en)
{
	const struct program *last = NULL;
	bool *blocked = order_blocked(en);

	for (size_t i = en->nprograms; i-- > 0;) {
		struct program *pg = en->programs[i];

		if (blocked[i] && !en->kill_now)
			continue;
		if (last != NULL && !en->kill_now &&
		    !order_same_level(pg, last))
			break;
		if (!pg->stop_ordered || en->kill_now)
			order_stop_program(pg);
		if (!pg->stop_ordered)
			pg->stop_ordered_ms = loop_now(en->lp);
		pg->stop_ordered = true;
		if (!program_is_down(pg))
			last = pg;
	}
	free(blocked);
	return last != NULL;
}

void
order_progress(struct engine *en)
{
	op_progress(en);
	wait_progress(en);
	if (!en->stopping || en->finished || order_stop_level(en))
		return;
	/* What they were for is gone; the last one's end comes here. */
	run_end_all(en);
	task_kill_all(en);
	if (en->kill_now)
		recover_end_strays(en);
	if (queued_end_all(en) || task_any(en) || en->nstrays != 0)
		return;
	en->finished = true;
	loop_timer_stop(&en->remind);
	engine_finish(en);
}

static void
order_begin_stop(struct engine *en, const struct engine_who *who, int64_t ms)
{
	engine_notify(en, "STOPPING=1\nSTATUS=stopping");
	en->stopping = true;
	en->stop_by_person = who != NULL;
	if (who != NULL)
		en->stop_who = *who;
	engine_save_self(en, who);
	loop_timer_init(&en->remind, en->lp, order_remind, en);
	loop_timer_start(&en->remind, ms);
}

/* Its slot is in the middle of a step: the stop comes by the loop. */
void
order_stop_essential(struct slot *sl)
{
	struct engine *en = sl->prog->en;

	if (en->stopping)
		return;
	en->exit_code = policy_exit_code(slot_last_death(sl));
	snprintf(en->essential, sizeof en->essential, "%s", sl->name);
	/* Of a main program that is nothing odd. */
	if (sl->prog->conf->essential == ESSENTIAL_MAIN)
		log_info("%s has ended; exit code %d", sl->name, en->exit_code);
	else
		log_warnx("stopping everything: %s is essential; exit code %d",
		    sl->name, en->exit_code);
	engine_event(en, sl->name, "order",
	    "shutdown: it is essential; exit code %d", en->exit_code);
	order_begin_stop(en, NULL, 0);
}

void
order_stop_all(struct engine *en, const struct engine_who *who)
{
	char by[64];

	if (!en->stopping) {
		engine_who_text(by, sizeof by, who);
		log_info("stopping everything, ordered %s", by);
		engine_event(en, "", "order", "shutdown %s", by);
		/* Who ordered it is answered before the end. */
		order_begin_stop(
		    en, who, en->nprograms != 0 ? ORDER_REMIND_MS : 0);
	}
	if (en->nprograms != 0)
		program_progress(en->programs[0]);
}

void
order_stop_on(struct engine *en, const struct table_self *self)
{
	struct engine_who who = { .uid = self->by_uid, .pid = self->by_pid };
	const struct engine_who *by = self->by_person ? &who : NULL;
	char text[64];

	snprintf(en->essential, sizeof en->essential, "%.*s",
	    (int)sizeof en->essential - 1, self->essential);
	engine_who_text(text, sizeof text, by);
	if (en->essential[0] != '\0')
		log_warnx("stopping everything, still: %s is essential; exit "
			  "code %d",
		    en->essential, en->exit_code);
	else
		log_info("stopping everything, still, ordered %s", text);
	order_begin_stop(en, by, en->nprograms != 0 ? ORDER_REMIND_MS : 0);
	if (en->kill_now)
		task_kill_all(en);
	if (en->nprograms != 0)
		program_progress(en->programs[0]);
}
