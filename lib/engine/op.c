/*
 * op - orders under way: who waits for what, and what clients are told.
 *
 * Changes of slots, rolls and programs come in by hooks, which only set
 * verdicts; clients are told by the order's own task at the end of the turn,
 * never from inside op_start or in the middle of a change.  An order whose
 * client went away is carried out all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/op_priv.h"

/* --- items and what is told of them --------------------------------- */

static struct item *
op_item_new(struct op *op, enum goal goal, const char *name)
{
	struct item *it = xcalloc(1, sizeof *it);

	it->op = op;
	it->goal = goal;
	it->begun = true;
	it->begun_ms = loop_now(op->en->lp);
	snprintf(it->name, sizeof it->name, "%s", name);
	TAILQ_INSERT_TAIL(&op->items, it, entry);
	return it;
}

struct item *
op_add(struct op *op, enum goal goal, struct slot *sl)
{
	struct item *it = op_item_new(op, goal, sl->name);

	it->slot = sl;
	it->group_priority = sl->prog->conf->group_priority;
	it->priority = sl->prog->conf->priority;
	return it;
}

struct item *
op_add_program(
    struct op *op, enum goal goal, const char *name, struct program *pg)
{
	struct item *it = op_item_new(op, goal, name);

	it->program = pg;
	return it;
}

/* Takes text. */
static void
op_put(struct op *op, const char *name, bool final, bool ok, char *text,
    const char *tail)
{
	struct tell *t;

	loop_task_queue(op->en->lp, &op->task);
	if (op->note == NULL) {
		free(text);
		return;
	}
	t = xcalloc(1, sizeof *t);
	snprintf(t->name, sizeof t->name, "%s", name);
	t->final = final;
	t->ok = ok;
	t->text = text;
	t->tail = xstrdup(tail);
	TAILQ_INSERT_TAIL(&op->tells, t, entry);
}

static char *op_text(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0)));

static char *
op_text(const char *fmt, va_list ap)
{
	struct buf b;

	buf_init(&b);
	buf_addv(&b, fmt, ap);
	return b.data != NULL ? buf_steal(&b) : xstrdup("");
}

void
op_tell(struct op *op, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	op_put(op, name, false, true, op_text(fmt, ap), "");
	va_end(ap);
}

void
op_verdict(struct item *it, bool ok, const char *tail, const char *fmt, ...)
{
	struct op *op = it->op;
	char *text;
	va_list ap;

	if (it->goal == GOAL_NONE)
		return;
	it->goal = GOAL_NONE;
	it->slot = NULL;
	it->program = NULL;
	op->failed = op->failed || !ok;
	va_start(ap, fmt);
	text = op_text(fmt, ap);
	va_end(ap);
	if (ok && it->aside[0] != '\0') {
		char *more = xasprintf("%s; %s", text, it->aside);

		free(text);
		text = more;
	}
	op_put(op, it->name, true, ok, text, tail);
}

/* --- the order as a whole ------------------------------------------- */

static void
op_tell_free(struct op *op, struct tell *t)
{
	TAILQ_REMOVE(&op->tells, t, entry);
	free(t->text);
	free(t->tail);
	free(t);
}

static void
op_free(struct op *op)
{
	struct item *it;

	TAILQ_REMOVE(&op->en->ops, op, entry);
	loop_task_cancel(op->en->lp, &op->task);
	while ((it = TAILQ_FIRST(&op->items)) != NULL) {
		TAILQ_REMOVE(&op->items, it, entry);
		free(it->tail);
		free(it);
	}
	while (!TAILQ_EMPTY(&op->tells))
		op_tell_free(op, TAILQ_FIRST(&op->tells));
	free(op);
}

static bool
op_is_open(const struct op *op)
{
	const struct item *it;

	TAILQ_FOREACH(it, &op->items, entry)
		if (it->goal != GOAL_NONE)
			return true;
	return false;
}

static void
op_look_remade(struct op *op)
{
	struct item *it;

	/* Items that this adds come at the end and are not of that kind. */
	TAILQ_FOREACH(it, &op->items, entry)
		if (it->goal == GOAL_REMADE && it->program == NULL)
			op_remade(it);
}

/* A callback may detach the order, not free it. */
static void
op_run(void *arg)
{
	struct op *op = arg;
	struct tell *t;

	op_look_remade(op);
	op_next_stops(op);
	while ((t = TAILQ_FIRST(&op->tells)) != NULL) {
		struct op_note note = { t->name, t->final, t->ok, t->text,
			t->tail };

		if (op->note != NULL)
			op->note(op->arg, &note);
		op_tell_free(op, t);
	}
	if (op_is_open(op))
		return;
	if (op->done != NULL)
		op->done(op->arg, op->failed ? 1 : 0);
	op_free(op);
}

static struct op *
op_new(struct engine *en, const struct op_request *req)
{
	struct op *op = xcalloc(1, sizeof *op);

	op->en = en;
	op->kind = req->kind;
	op->number = req->number;
	op->note = req->note;
	op->done = req->done;
	op->arg = req->arg;
	op->who = req->who;
	op->cause = req->cause;
	TAILQ_INIT(&op->items);
	TAILQ_INIT(&op->tells);
	loop_task_init(&op->task, op_run, op);
	TAILQ_INSERT_TAIL(&en->ops, op, entry);
	return op;
}

struct op *
op_start(
    struct engine *en, const struct op_request *req, struct err *err, int *code)
{
	struct op *op = op_new(en, req);

	if (op_begin(op, req, err, code) == -1) {
		op_free(op);
		return NULL;
	}
	loop_task_queue(en->lp, &op->task);
	return op;
}

void
op_detach(struct op *op)
{
	op->note = NULL;
	op->done = NULL;
}

void
op_free_all(struct engine *en)
{
	while (!TAILQ_EMPTY(&en->ops))
		op_free(TAILQ_FIRST(&en->ops));
}

/* --- what happens to slots ------------------------------------------ */

static void
op_next_try(const struct slot *sl, char *out, size_t size)
{
	char ms[32];

	out[0] = '\0';
	if (sl->state == PS_FATAL && sl->retry_at_ms == 0)
		snprintf(out, size, "; no more tries");
	if ((sl->state != PS_BACKOFF && sl->state != PS_FATAL) ||
	    sl->retry_at_ms == 0)
		return;
	str_duration(
	    ms, sizeof ms, sl->retry_at_ms - loop_now(sl->prog->en->lp));
	snprintf(out, size, ", next try in %s", ms);
}

/* It waits for others: told once; when that leads nowhere it is the end. */
static void
op_check_waiting(struct item *it)
{
	const struct slot *sl = it->slot;
	wall_ms since = it->waits != 0 ? it->waits : clock_wall_ms();
	char text[160];

	if (sl->queued != 0 || !wait_text(sl, text, sizeof text))
		return;
	if (wait_in_vain(sl, since)) {
		op_verdict(it, false, "",
		    "waits for %s, and starts when that is so", text);
		return;
	}
	if (it->waits == 0)
		op_tell(it->op, it->name, "waits for %s", text);
	it->waits = since;
}

/* One that was to end has ended; its last words come with the next event. */
static bool
op_check_done(struct item *it)
{
	const struct table_death *d = slot_last_death(it->slot);
	char ms[32];

	if (it->slot->state != PS_EXITED || d->generation <= it->since ||
	    !policy_done(it->slot->prog->conf, d->code, d->signo))
		return false;
	str_duration(ms, sizeof ms, d->ran_ms);
	op_verdict(it, true, "", "done: exited with %d after %s", d->code, ms);
	return true;
}

static void
op_check_up(struct item *it)
{
	const struct slot *sl = it->slot;
	char next[64];

	switch (sl->state) {
	case PS_RUNNING:
		if (sl->cur != NULL && sl->cur->generation > it->since)
			op_verdict(
			    it, true, "", "started, pid %d", (int)sl->cur->pid);
		return;
	case PS_EXITED:
		if (!it->failed && sl->queued == 0 && !sl->wanted &&
		    slot_last_death(sl)->generation > it->since &&
		    !op_check_done(it))
			op_verdict(it, false, "", "%s", str_text(sl->note));
		if (it->slot == NULL || !it->failed)
			return;
		__attribute__((fallthrough));
	case PS_BACKOFF:
	case PS_FATAL:
		/* Why comes with the instance's last lines, or came before. */
		if (sl->queued != 0 || op_check_done(it) || !it->failed)
			return;
		op_next_try(sl, next, sizeof next);
		op_verdict(it, false, it->tail, "%s%s", it->why, next);
		return;
	case PS_STOPPED:
		if (!sl->wanted && !sl->start_again && sl->queued == 0)
			op_verdict(it, false, "", "superseded by a stop");
		else
			op_check_waiting(it);
		return;
	case PS_UNKNOWN:
		if (sl->queued == 0)
			op_verdict(it, false, "", "%s", str_text(sl->note));
		return;
	case PS_STARTING:
	case PS_STOPPING:
	case PS__N:
		return;
	}
}

static void
op_check_down(struct item *it)
{
	const struct slot *sl = it->slot;
	char ms[32], text[64];

	if (sl->wanted && !sl->leaving) {
		op_verdict(it, false, "", "superseded by a start");
		return;
	}
	if (sl->state == PS_UNKNOWN && sl->queued == 0) {
		op_verdict(it, false, "", "%s", str_text(sl->note));
		return;
	}
	if (!slot_is_down(sl) || sl->leaving)
		return; /* a leaving one is down when it is gone */
	snprintf(text, sizeof text, "stopped");
	if (slot_last_death(sl)->killed) {
		str_duration(
		    ms, sizeof ms, loop_now(sl->prog->en->lp) - it->begun_ms);
		snprintf(text, sizeof text, "killed after %s", ms);
	}
	op_verdict(it, true, "", "%s%s%s", text, sl->note != NULL ? "; " : "",
	    str_text(sl->note));
}

static void
op_check(struct item *it)
{
	if (it->slot == NULL || !it->begun)
		return;
	if (it->goal == GOAL_UP)
		op_check_up(it);
	else if (it->goal == GOAL_DOWN)
		op_check_down(it);
}

void
op_slot_changed(struct slot *sl)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &sl->prog->en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry)
			if (it->slot == sl)
				op_check(it);
}

/* What was left of some tree is gone, which no state tells. */
void
op_progress(struct engine *en)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry)
			op_check(it);
}

void
op_look_again(struct engine *en)
{
	struct op *op;

	TAILQ_FOREACH(op, &en->ops, entry)
		loop_task_queue(en->lp, &op->task);
}

/* A start failed; its state may have told so already, or will this turn. */
void
op_slot_failed(struct slot *sl, const char *text, const char *tail)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &sl->prog->en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry) {
			if (it->slot != sl || it->goal != GOAL_UP)
				continue;
			it->failed = true;
			snprintf(it->why, sizeof it->why, "%s", text);
			free(it->tail);
			it->tail = xstrdup(tail);
			op_check(it);
		}
}

/* A slot that is about to be freed. */
void
op_slot_gone(struct slot *sl)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &sl->prog->en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry) {
			if (it->slot != sl)
				continue;
			if (it->goal == GOAL_DOWN)
				op_verdict(it, true, "", "stopped, removed");
			else
				op_verdict(it, false, "",
				    "superseded: the slot was removed");
		}
}

void
op_supersede(struct op *op, struct slot *sl, const char *by)
{
	struct item *it;
	struct op *o;

	TAILQ_FOREACH(o, &op->en->ops, entry)
		TAILQ_FOREACH(it, &o->items, entry)
			if (o != op && it->slot == sl)
				op_verdict(
				    it, false, "", "superseded by %s", by);
}

/* --- what happens to programs --------------------------------------- */

void
op_roll_step(struct program *pg, const char *name, const char *text)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &pg->en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry)
			if ((it->program == pg && it->goal == GOAL_ROLL &&
				it->skip == 0) ||
			    (it->goal == GOAL_ALONE &&
				strcmp(it->name, name) == 0))
				op_tell(op, name, "%s", text);
}

void
op_roll_end(struct program *pg, bool ok, const char *text, const char *tail)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &pg->en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry) {
			if (it->program != pg || it->goal != GOAL_ROLL)
				continue;
			if (it->skip != 0)
				it->skip--;
			else
				op_verdict(it, ok, tail, "%s", text);
		}
}

void
op_alone_end(struct slot *sl, bool ok, const char *text, const char *tail)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &sl->prog->en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry)
			if (it->slot == sl && it->goal == GOAL_ALONE)
				op_verdict(it, ok, tail, "%s", text);
}

void
op_program_gone(struct program *pg)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH(op, &pg->en->ops, entry)
		TAILQ_FOREACH(it, &op->items, entry) {
			if (it->program != pg)
				continue;
			if (it->goal == GOAL_GONE) {
				op_verdict(it, true, "", "removed");
			} else if (it->goal == GOAL_REMADE) {
				it->program = NULL;
				loop_task_queue(op->en->lp, &op->task);
			} else {
				op_verdict(it, false, "",
				    "superseded: the program was removed");
			}
		}
}
