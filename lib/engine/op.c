/*
 * op - orders: begun by a client, done when every name has its verdict.
 *
 * An item is one slot (or one program, for a roll) and what it is waited to
 * become.  Changes of slots are looked at here, verdicts are told from the
 * loop, never from inside op_start.  An order whose client went away is
 * carried out all the same.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

enum goal {
	GOAL_UP,   /* RUNNING */
	GOAL_DOWN, /* no process left */
	GOAL_ROLL, /* the program's roll has ended */
	GOAL_NONE, /* has its verdict already */
};

struct item {
	TAILQ_ENTRY(item) entry;
	enum goal goal;
	struct slot *slot;	 /* NULL: of a program, or gone */
	struct program *program; /* of GOAL_ROLL */
	unsigned skip;		 /* rolls to end before the one waited for */
	bool told;
	bool ok;
	char name[SLOT_NAME_MAX];
	char text[240];
	char *tail;
};

struct op {
	TAILQ_ENTRY(op) entry;
	struct engine *en;
	enum op_kind kind;
	op_note_cb *note;
	op_done_cb *done;
	void *arg;
	TAILQ_HEAD(, item) items;
	struct loop_task task;
	struct engine_who who;
	bool failed;
};

static void op_run(void *arg);

static struct item *
op_add(struct op *op, enum goal goal, struct slot *sl, struct program *pg)
{
	struct item *it = xcalloc(1, sizeof *it);

	it->goal = goal;
	it->slot = sl;
	it->program = pg;
	if (sl != NULL || pg != NULL)
		snprintf(it->name, sizeof it->name, "%s",
		    sl != NULL ? sl->name : pg->conf->name);
	TAILQ_INSERT_TAIL(&op->items, it, entry);
	return it;
}

static void op_verdict(struct op *op, struct item *it, bool ok,
    const char *tail, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void
op_verdict(struct op *op, struct item *it, bool ok, const char *tail,
    const char *fmt, ...)
{
	va_list ap;

	if (it->goal == GOAL_NONE)
		return;
	it->goal = GOAL_NONE;
	it->ok = ok;
	it->tail = xstrdup(tail);
	va_start(ap, fmt);
	vsnprintf(it->text, sizeof it->text, fmt, ap);
	va_end(ap);
	it->slot = NULL;
	it->program = NULL;
	loop_task_queue(op->en->lp, &op->task);
}

static void
op_tell(struct op *op, const char *name, bool final, bool ok, const char *text,
    const char *tail)
{
	struct op_note note = { name, final, ok, text, tail };

	if (op->note != NULL)
		op->note(op->arg, &note);
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
	free(op);
}

/* Tells new verdicts; ends the order when none is missing. */
static void
op_run(void *arg)
{
	struct op *op = arg;
	struct item *it;
	bool open = false;

	TAILQ_FOREACH (it, &op->items, entry) {
		if (it->goal != GOAL_NONE) {
			open = true;
			continue;
		}
		if (it->told)
			continue;
		it->told = true;
		op->failed = op->failed || !it->ok;
		op_tell(op, it->name, true, it->ok, it->text, it->tail);
	}
	if (open)
		return;
	if (op->done != NULL)
		op->done(op->arg, op->failed ? 1 : 0);
	op_free(op);
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
	struct op *op;

	while ((op = TAILQ_FIRST(&en->ops)) != NULL)
		op_free(op);
}

/* --- what happens to slots ---------------------------------------------------- */

static void
op_check(struct op *op, struct item *it)
{
	struct slot *sl = it->slot;

	if (it->goal == GOAL_UP && sl->state == PS_RUNNING)
		op_verdict(op, it, true, "", "started, pid %d",
		    sl->cur != NULL ? (int)sl->cur->pid : 0);
	else if (it->goal == GOAL_UP && !sl->wanted && !sl->start_again &&
	    (sl->state == PS_STOPPING || sl->state == PS_STOPPED))
		op_verdict(op, it, false, "", "superseded by a stop");
	else if (it->goal == GOAL_DOWN && sl->wanted)
		op_verdict(op, it, false, "", "superseded by a start");
	else if (it->goal == GOAL_DOWN && slot_is_down(sl))
		op_verdict(op, it, true, "", "stopped%s%s",
		    sl->note[0] != '\0' ? ", " : "", sl->note);
}

void
op_slot_changed(struct slot *sl)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH (op, &sl->prog->en->ops, entry)
		TAILQ_FOREACH (it, &op->items, entry)
			if (it->slot == sl && it->goal != GOAL_ROLL)
				op_check(op, it);
}

/* With the dead instance's last lines: a start that is waited for failed. */
void
op_slot_failed(struct slot *sl, const char *text, const char *tail)
{
	struct item *it;
	struct op *op;
	char next[64] = "", ms[32];

	if (sl->state == PS_RUNNING || sl->state == PS_STARTING)
		return;
	if (sl->retry_at_ms != 0) {
		str_duration(ms, sizeof ms,
		    sl->retry_at_ms - loop_now(sl->prog->en->lp));
		snprintf(next, sizeof next, ", next try in %s", ms);
	}
	TAILQ_FOREACH (op, &sl->prog->en->ops, entry)
		TAILQ_FOREACH (it, &op->items, entry)
			if (it->slot == sl && it->goal == GOAL_UP)
				op_verdict(op, it, false, tail, "%s%s", text,
				    next);
}

/* A slot that is about to be freed. */
void
op_slot_gone(struct slot *sl)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH (op, &sl->prog->en->ops, entry)
		TAILQ_FOREACH (it, &op->items, entry)
			if (it->slot == sl)
				op_verdict(op, it, it->goal == GOAL_DOWN, "",
				    "%s", it->goal == GOAL_DOWN ? "stopped" :
					"the slot was taken away");
}

void
op_roll_step(struct program *pg, const char *name, const char *text)
{
	struct item *it;
	struct op *op, *next;

	for (op = TAILQ_FIRST(&pg->en->ops); op != NULL; op = next) {
		next = TAILQ_NEXT(op, entry);
		TAILQ_FOREACH (it, &op->items, entry) {
			if (it->program != pg || it->skip != 0)
				continue;
			op_tell(op, name, false, true, text, "");
			break;
		}
	}
}

void
op_roll_end(struct program *pg, bool ok, const char *text, const char *tail)
{
	struct item *it;
	struct op *op;

	TAILQ_FOREACH (op, &pg->en->ops, entry)
		TAILQ_FOREACH (it, &op->items, entry) {
			if (it->program != pg)
				continue;
			if (it->skip != 0)
				it->skip--;
			else
				op_verdict(op, it, ok, tail, "%s", text);
		}
}

/* --- the orders ------------------------------------------------------------------ */

static void
op_start_slot(struct op *op, struct slot *sl)
{
	struct item *it = op_add(op, GOAL_UP, sl, NULL);

	if (sl->state == PS_RUNNING && sl->wanted) {
		op_verdict(op, it, true, "", "already running, pid %d",
		    sl->cur != NULL ? (int)sl->cur->pid : 0);
		return;
	}
	sl->prog->started = true;
	slot_want(sl, true, &op->who);
}

static void
op_stop_slot(struct op *op, struct slot *sl)
{
	struct item *it = op_add(op, GOAL_DOWN, sl, NULL);

	if (!sl->wanted && slot_is_down(sl) && sl->state != PS_BACKOFF) {
		op_verdict(op, it, true, "", "not running");
		return;
	}
	slot_want(sl, false, &op->who);
}

static void
op_restart_slot(struct op *op, struct slot *sl)
{
	op_add(op, GOAL_UP, sl, NULL);
	if (sl->cur == NULL) {
		slot_want(sl, true, &op->who);
		return;
	}
	slot_want(sl, false, &op->who);
	sl->start_again = true;
	slot_save(sl);
}

static bool
op_has_running(const struct program *pg)
{
	for (int i = 0; i < pg->nslots; i++)
		if (pg->slots[i]->cur != NULL && pg->slots[i]->wanted)
			return true;
	return false;
}

static void
op_roll_program(struct op *op, struct program *pg)
{
	struct item *it;

	TAILQ_FOREACH (it, &op->items, entry)
		if (it->program == pg)
			return; /* another of its slots was named */
	it = op_add(op, GOAL_ROLL, NULL, pg);
	if (!op_has_running(pg)) {
		op_verdict(op, it, false, "", "nothing of it is running");
		return;
	}
	/* One under way: what is waited for is the one after it. */
	it->skip = pg->roll != NULL ? 1 : 0;
	rolling_start(pg, &op->who);
}

static void
op_signal_slot(struct op *op, struct slot *sl, int signo)
{
	struct item *it = op_add(op, GOAL_UP, sl, NULL);

	if (sl->cur == NULL || sl->cur->pid == 0) {
		op_verdict(op, it, false, "", "not running");
		return;
	}
	keeperlink_signal(op->en->kl, sl->cur->id, signo, false);
	engine_event(op->en, sl->name, "order", "SIG%s by uid %u (pid %d)",
	    sigabbrev_np(signo) != NULL ? sigabbrev_np(signo) : "?",
	    (unsigned)op->who.uid, (int)op->who.pid);
	op_verdict(op, it, true, "", "SIG%s sent to %d",
	    sigabbrev_np(signo) != NULL ? sigabbrev_np(signo) : "?",
	    (int)sl->cur->pid);
}

/* Every slot of its program is among them, and there is more than one. */
static bool
op_whole_program(struct slot *const *v, size_t n, const struct program *pg)
{
	int count = 0;

	for (size_t i = 0; i < n; i++)
		count += v[i]->prog == pg;
	return pg->nslots > 1 && count == pg->nslots && op_has_running(pg);
}

static void
op_each_slot(struct op *op, struct slot *const *v, size_t n, int number)
{
	for (size_t i = 0; i < n; i++) {
		switch (op->kind) {
		case OP_START:
			op_start_slot(op, v[i]);
			break;
		case OP_STOP:
			op_stop_slot(op, v[i]);
			break;
		case OP_RESTART:
			if (op_whole_program(v, n, v[i]->prog))
				op_roll_program(op, v[i]->prog);
			else
				op_restart_slot(op, v[i]);
			break;
		case OP_RESTART_HARD:
			op_restart_slot(op, v[i]);
			break;
		case OP_ROLL:
			op_roll_program(op, v[i]->prog);
			break;
		case OP_SIGNAL:
			op_signal_slot(op, v[i], number);
			break;
		case OP_SCALE:
		case OP_RELOAD:
		case OP_SHUTDOWN:
			break;
		}
	}
}

static int
op_scale(struct op *op, const struct op_request *req, struct err *err)
{
	struct program *pg;
	int old;

	if (req->number < 0 || req->number > CONFIG_WORKERS_MAX)
		return err_set(err, "scale to %d: 0 to %d", req->number,
		    CONFIG_WORKERS_MAX);
	for (size_t i = 0; i < req->n; i++)
		if (program_find(op->en, req->names[i]) == NULL)
			return err_set(err, "scale takes programs: '%s' is none",
			    req->names[i]);
	for (size_t i = 0; i < req->n; i++) {
		pg = program_find(op->en, req->names[i]);
		old = pg->nslots;
		engine_event(op->en, pg->conf->name, "scale", "%d -> %d", old,
		    req->number);
		pg->started = true;
		program_resize(pg, req->number, &op->who);
		for (int k = 0; k < pg->nslots; k++)
			if (k >= old || k >= req->number)
				op_add(op, k >= req->number ? GOAL_DOWN :
							      GOAL_UP,
				    pg->slots[k], NULL);
		if (old == req->number)
			op_verdict(op, op_add(op, GOAL_ROLL, NULL, pg), true,
			    "", "has %d workers already", old);
	}
	return 0;
}

static int
op_reload(struct op *op, struct err *err)
{
	struct config_errors errs;
	struct config_plan plan = { NULL, 0 };
	struct buf b;
	int rc;

	config_errors_init(&errs);
	rc = reload_apply(op->en, &op->who, &plan, &errs);
	buf_init(&b);
	for (size_t i = 0; i < errs.errors.n; i++)
		buf_addf(&b, "%s%s", i != 0 ? "\n" : "", errs.errors.v[i]);
	if (rc == -1)
		err_set(err, "%s", buf_str(&b));
	buf_fini(&b);
	config_errors_fini(&errs);
	for (size_t i = 0; rc == 0 && i < plan.n; i++) {
		const struct config_change *ch = &plan.v[i];
		struct program *pg = ch->program != NULL ?
		    program_find(op->en, ch->program) : NULL;
		struct item *it = op_add(op, GOAL_ROLL, NULL, pg);

		snprintf(it->name, sizeof it->name, "%s",
		    ch->program != NULL ? ch->program : "reeve");
		if (ch->kind == CHANGE_ROLL && pg != NULL && pg->roll != NULL)
			continue;
		op_verdict(op, it, true, "", "%s%s",
		    config_change_name(ch->kind),
		    ch->program == NULL && ch->kind == CHANGE_RESTART ?
			": takes effect when reeved is restarted" : "");
	}
	if (rc == 0)
		config_plan_fini(&plan);
	return rc;
}

static struct op *
op_new(struct engine *en, const struct op_request *req)
{
	struct op *op = xcalloc(1, sizeof *op);

	op->en = en;
	op->kind = req->kind;
	op->note = req->note;
	op->done = req->done;
	op->arg = req->arg;
	op->who = req->who;
	TAILQ_INIT(&op->items);
	loop_task_init(&op->task, op_run, op);
	TAILQ_INSERT_TAIL(&en->ops, op, entry);
	return op;
}

static int
op_begin(struct op *op, const struct op_request *req, struct err *err,
    int *code)
{
	struct slot **v = NULL;
	size_t n = 0;

	*code = 1;
	if (op->en->stopping && op->kind != OP_SHUTDOWN &&
	    op->kind != OP_SIGNAL && op->kind != OP_STOP)
		return err_set(err, "reeved is stopping");
	switch (op->kind) {
	case OP_RELOAD:
		return op_reload(op, err);
	case OP_SHUTDOWN:
		order_stop_all(op->en, &op->who);
		op_verdict(op, op_add(op, GOAL_DOWN, NULL, NULL), true, "",
		    "stopping");
		return 0;
	case OP_SCALE:
	case OP_START:
	case OP_STOP:
	case OP_RESTART:
	case OP_RESTART_HARD:
	case OP_ROLL:
	case OP_SIGNAL:
		break;
	}
	*code = 3;
	if (names_match(op->en, req->names, req->n, &v, &n, err) == -1)
		return -1;
	*code = 2;
	if (op->kind == OP_SCALE) {
		free(v);
		return op_scale(op, req, err);
	}
	op_each_slot(op, v, n, req->number);
	free(v);
	return 0;
}

struct op *
op_start(struct engine *en, const struct op_request *req, struct err *err,
    int *code)
{
	struct op *op = op_new(en, req);

	if (op_begin(op, req, err, code) == -1) {
		op_free(op);
		return NULL;
	}
	loop_task_queue(en->lp, &op->task);
	return op;
}
