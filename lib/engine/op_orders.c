/*
 * op_orders - how each kind of order begins.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/op_priv.h"

/* --- start, stop, restart ----------------------------------------------------
 */

/* true: the verdict is given, a slot that goes takes no order to be up. */
static bool
op_refuse_leaving(struct item *it)
{
	if (!it->slot->leaving && !it->slot->prog->removed)
		return false;
	op_verdict(it, false, "", "is being removed");
	return true;
}

/* What it needs is started as well, and named. */
static void
op_pull(struct item *it)
{
	struct op *op = it->op;
	struct buf names;

	buf_init(&names);
	wait_pull(it->slot->prog, &op->who, &names);
	if (names.len != 0) {
		op_tell(op, it->name, "it needs %s: ordered to start",
		    buf_str(&names));
		snprintf(it->aside, sizeof it->aside, "with it: %s",
		    buf_str(&names));
	}
	buf_fini(&names);
}

static void
op_start_slot(struct op *op, struct slot *sl)
{
	struct item *it = op_add(op, GOAL_UP, sl);

	if (op_refuse_leaving(it))
		return;
	if (sl->state == PS_RUNNING && sl->wanted && sl->cur != NULL) {
		op_verdict(
		    it, true, "", "already running, pid %d", (int)sl->cur->pid);
		return;
	}
	/* One that is on its way down is not what was asked for, but one that
	 * could not be told to go is. */
	if (!sl->wanted && sl->state != PS_UNKNOWN)
		it->since = sl->generation;
	op_supersede(op, sl, "a start");
	sl->prog->started = true;
	slot_want(sl, true, &op->who);
	op_pull(it);
}

static void
op_begin_stop(struct item *it)
{
	struct slot *sl = it->slot;

	it->begun = true;
	it->begun_ms = loop_now(it->op->en->lp);
	if (!sl->wanted && !sl->start_again && slot_is_down(sl)) {
		op_verdict(it, true, "", "not running");
		return;
	}
	wait_users_text(sl->prog, it->aside, sizeof it->aside);
	if (it->aside[0] != '\0')
		op_tell(it->op, it->name, "%s", it->aside);
	op_supersede(it->op, sl, "a stop");
	slot_want(sl, false, &it->op->who);
}

static bool
op_same_level(const struct item *a, const struct item *b)
{
	return a->group_priority == b->group_priority &&
	       a->priority == b->priority;
}

/* Of each program: does one that is still to go depend on it?  The caller's. */
static bool *
op_blocked(struct op *op)
{
	struct engine *en = op->en;
	bool *up = xcalloc(en->nprograms + 1, sizeof *up);
	bool *blocked = xcalloc(en->nprograms + 1, sizeof *blocked);
	struct item *it;

	wait_below(en, up, blocked); /* the numbers of programs are right */
	if (en->deps.nedges != 0) {
		TAILQ_FOREACH(it, &op->items, entry)
			if (it->goal == GOAL_DOWN)
				up[it->slot->prog->node] = true;
		wait_below(en, up, blocked);
	}
	free(up);
	return blocked;
}

static bool
op_is_blocked(const struct item *it, const bool *blocked)
{
	return it->op->en->deps.nedges != 0 && blocked[it->slot->prog->node];
}

/*
 * Those of a level stop together, when the level above is down.  What others
 * of them depend on has no level before those are down.
 */
void
op_next_stops(struct op *op)
{
	struct item *it, *first = NULL;
	bool *blocked;

	TAILQ_FOREACH(it, &op->items, entry)
		if (it->goal == GOAL_DOWN && !it->begun)
			break;
	if (it == NULL)
		return;
	blocked = op_blocked(op);
	TAILQ_FOREACH(it, &op->items, entry) {
		if (it->goal != GOAL_DOWN || op_is_blocked(it, blocked))
			continue;
		if (first == NULL)
			first = it;
		if (it->begun) {
			first = it;
			break;
		}
	}
	for (it = first; it != NULL; it = TAILQ_NEXT(it, entry))
		if (it->goal == GOAL_DOWN && !it->begun &&
		    op_same_level(it, first) && !op_is_blocked(it, blocked))
			op_begin_stop(it);
	free(blocked);
}

/* v is in start order; it stops in the reverse one. */
static void
op_stop_slots(struct op *op, struct slot *const *v, size_t n)
{
	while (n-- > 0)
		op_add(op, GOAL_DOWN, v[n])->begun = false;
	op_next_stops(op);
}

static void
op_restart_slot(struct op *op, struct slot *sl)
{
	struct item *it = op_add(op, GOAL_UP, sl);

	if (op_refuse_leaving(it))
		return;
	it->since = sl->generation;
	op_supersede(op, sl, "a restart");
	sl->prog->started = true;
	op_pull(it);
	if (sl->cur == NULL && sl->state != PS_STOPPING) {
		slot_want(sl, true, &op->who);
		return;
	}
	slot_want(sl, false, &op->who);
	sl->start_again = true;
	slot_save(sl);
}

/* --- roll ----------------------------------------------------------- */

static bool
op_has_running(const struct program *pg)
{
	for (int i = 0; i < pg->nslots; i++)
		if (pg->slots[i]->cur != NULL && pg->slots[i]->wanted)
			return true;
	return false;
}

/* Is every slot of v[at]'s program among them?  They stand together. */
static bool
op_is_whole(struct slot *const *v, size_t n, size_t at)
{
	const struct program *pg = v[at]->prog;
	size_t first = at, count = 0;

	while (first > 0 && v[first - 1]->prog == pg)
		first--;
	while (first + count < n && v[first + count]->prog == pg)
		count++;
	return count == (size_t)pg->nslots;
}

static void
op_roll_program(struct op *op, struct program *pg)
{
	struct item *it;

	it = op_add_program(op, GOAL_ROLL, pg->conf->name, pg);
	if (!op_has_running(pg)) {
		op_verdict(it, false, "",
		    "aborted: nothing of it is running; start it");
		return;
	}
	if (op->cause != 0 && pg->roll != NULL &&
	    (pg->roll_cause == op->cause || pg->again_cause == op->cause)) {
		op_verdict(it, true, "", "begun by an engine before");
		return;
	}
	*(pg->roll != NULL ? &pg->again_cause : &pg->roll_cause) = op->cause;
	/* One under way: what is waited for is the one after it. */
	it->skip = pg->roll != NULL ? 1 : 0;
	rolling_start(pg, &op->who);
}

static void
op_roll_slot(struct op *op, struct slot *sl)
{
	struct item *it = op_add(op, GOAL_ALONE, sl);
	char who[64], why[96];

	if (op_refuse_leaving(it))
		return;
	if (sl->cur == NULL || !sl->wanted) {
		op_verdict(it, false, "", "aborted: not running; start it");
		return;
	}
	engine_who_text(who, sizeof who, &op->who);
	snprintf(why, sizeof why, "ordered %s", who);
	rolling_start_slot(sl, why);
}

/* Programs that were named as a whole; of others the slots, one by one. */
static void
op_roll(struct op *op, struct slot *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!op_is_whole(v, n, i))
			op_roll_slot(op, v[i]);
		else if (i == 0 || v[i]->prog != v[i - 1]->prog)
			op_roll_program(op, v[i]->prog);
	}
}

/* Programs of several workers that were named as a whole are rolled. */
static void
op_restart(struct op *op, struct slot *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct program *pg = v[i]->prog;
		bool roll = pg->nslots > 1 && op_is_whole(v, n, i) &&
			    op_has_running(pg);

		if (!roll)
			op_restart_slot(op, v[i]);
		else if (v[i]->cur == NULL && !v[i]->wanted)
			op_start_slot(op, v[i]);
		if (roll && (i + 1 == n || v[i + 1]->prog != pg))
			op_roll_program(op, pg);
	}
}

/* --- signal --------------------------------------------------------- */

static void
op_signal_slot(struct op *op, struct slot *sl, int signo)
{
	struct item *it = op_add(op, GOAL_UP, sl);
	const char *abbrev = sigabbrev_np(signo);
	char name[16];

	if (abbrev != NULL)
		snprintf(name, sizeof name, "SIG%s", abbrev);
	else
		snprintf(name, sizeof name, "signal %d", signo);
	if (sl->cur == NULL || sl->cur->pid == 0) {
		op_verdict(it, false, "", "not running");
		return;
	}
	keeperlink_signal(op->en->kl, sl->cur->id, signo, false);
	engine_event(op->en, sl->name, "order", "%s by uid %u (pid %d)", name,
	    (unsigned)op->who.uid, (int)op->who.pid);
	op_verdict(it, true, "", "%s sent to pid %d", name, (int)sl->cur->pid);
}

/* --- scale ---------------------------------------------------------- */

/* Slots that are new or about to go, after a change of their number. */
static bool
op_wait_resized(struct op *op, struct program *pg)
{
	bool any = false;

	for (int i = 0; i < pg->nslots; i++) {
		struct slot *sl = pg->slots[i];

		if (sl->leaving)
			op_add(op, GOAL_DOWN, sl);
		else if (sl->wanted &&
			 (sl->state == PS_STARTING ||
			     (sl->state == PS_STOPPED && sl->queued != 0)))
			op_add(op, GOAL_UP, sl);
		else
			continue;
		any = true;
	}
	return any;
}

static int
op_scale_program(struct op *op, struct program *pg, struct err *err)
{
	int n = op->number, old = 0;

	for (int i = 0; i < pg->nslots; i++)
		old += !pg->slots[i]->leaving;
	if (sockets_open(pg, n > pg->nslots ? n : pg->nslots, err) == -1)
		return err_prefix(err, "scale %s: ", pg->conf->name);
	log_info("scale %s from %d to %d", pg->conf->name, old, n);
	engine_event(op->en, pg->conf->name, "scale", "%d -> %d", old, n);
	pg->started = true;
	program_resize(pg, n, &op->who);
	for (int i = 0; i < pg->nslots; i++)
		if (pg->slots[i]->leaving)
			op_supersede(op, pg->slots[i], "a scale");
	if (!op_wait_resized(op, pg))
		op_verdict(op_add_program(op, GOAL_ROLL, pg->conf->name, pg),
		    true, "", "has %d workers already", n);
	return 0;
}

static int
op_scale(
    struct op *op, const struct op_request *req, struct err *err, int *code)
{
	*code = 2;
	if (op->number < 0 || op->number > CONFIG_WORKERS_MAX)
		return err_set(err,
		    "scale to %d: a number of workers is 0 to "
		    "%d",
		    op->number, CONFIG_WORKERS_MAX);
	for (size_t i = 0; i < req->n; i++) {
		struct program *pg = program_find(op->en, req->names[i]);

		if (pg == NULL)
			return err_set(err,
			    "scale takes the name of a "
			    "program, '%s' is none",
			    req->names[i]);
		if (pg->removed)
			return err_set(
			    err, "%s is being removed", req->names[i]);
	}
	*code = 1;
	for (size_t i = 0; i < req->n; i++)
		if (op_scale_program(
			op, program_find(op->en, req->names[i]), err) == -1)
			return -1;
	return 0;
}

/* --- reload --------------------------------------------------------- */

static void
op_reload_tell(struct op *op, const struct config_change *ch)
{
	struct buf b;

	buf_init(&b);
	buf_adds(&b, config_change_name(ch->kind));
	for (size_t i = 0; i < ch->keys.n; i++) {
		buf_addf(&b, "%s%s", i == 0 ? ": " : "; ", ch->keys.v[i]);
		if (ch->key_kinds[i] != ch->kind)
			buf_addf(
			    &b, " (%s)", config_change_name(ch->key_kinds[i]));
	}
	op_tell(op, ch->program != NULL ? ch->program : "", "%s", buf_str(&b));
	buf_fini(&b);
}

static void
op_reload_program(struct op *op, const struct config_change *ch)
{
	struct program *pg = program_find(op->en, ch->program);
	const char *what = config_change_name(ch->kind);
	enum goal goal = ch->kind == CHANGE_REMOVED   ? GOAL_GONE
			 : ch->kind == CHANGE_RESTART ? GOAL_REMADE
						      : GOAL_ROLL;
	struct item *it = op_add_program(op, goal, ch->program, pg);

	if (goal == GOAL_GONE && pg == NULL)
		op_verdict(it, true, "", "removed");
	if (goal != GOAL_ROLL || pg == NULL)
		return;
	op_wait_resized(op, pg);
	/* One was under way: what is waited for is the one after it. */
	it->skip = pg->roll_again ? 1 : 0;
	if (ch->kind != CHANGE_ROLL || pg->roll == NULL)
		op_verdict(it, true, "", "%s", what);
}

static void
op_reload_change(struct op *op, const struct config_change *ch)
{
	op_reload_tell(op, ch);
	if (ch->program != NULL) {
		op_reload_program(op, ch);
		return;
	}
	for (size_t i = 0; i < ch->keys.n; i++)
		if (ch->key_kinds[i] == CHANGE_RESTART)
			op_tell(op, "",
			    "%.*s takes effect when reeved is restarted",
			    (int)strcspn(ch->keys.v[i], ":"), ch->keys.v[i]);
}

void
op_remade(struct item *it)
{
	struct program *pg = program_find(it->op->en, it->name);

	if (pg == NULL && reload_is_remaking(it->op->en))
		return;
	if (pg == NULL || pg->removed) {
		op_verdict(
		    it, false, "", "could not be made again, see reeved's log");
		return;
	}
	op_wait_resized(it->op, pg);
	op_verdict(it, true, "", "restarted");
}

static void
op_reload_errors(const struct config_errors *errs, struct err *err)
{
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < errs->errors.n; i++)
		buf_addf(&b, "%s%s", i != 0 ? "\n" : "", errs->errors.v[i]);
	err_set(err, "%s", buf_str(&b));
	buf_fini(&b);
}

static int
op_reload(struct op *op, struct err *err)
{
	struct config_errors errs;
	struct config_plan plan = { NULL, 0 };
	int rc;

	config_errors_init(&errs);
	rc = reload_apply(op->en, &op->who, &plan, &errs);
	if (rc == -1)
		op_reload_errors(&errs, err);
	config_errors_fini(&errs);
	if (rc == -1)
		return -1;
	if (plan.n == 0)
		op_tell(op, "", "nothing has changed");
	for (size_t i = 0; i < plan.n; i++)
		op_reload_change(op, &plan.v[i]);
	config_plan_fini(&plan);
	return 0;
}

/* --- all of them ---------------------------------------------------- */

static void
op_shutdown(struct op *op)
{
	/* Told at once: at the end there may be nobody left to tell it. */
	op_verdict(
	    op_add_program(op, GOAL_GONE, "", NULL), true, "", "stopping");
	order_stop_all(op->en, &op->who);
}

static bool
op_is_named(const struct op_request *req, const struct slot *sl)
{
	for (size_t i = 0; i < req->n; i++)
		if (strcmp(req->names[i], sl->name) == 0)
			return true;
	return false;
}

/* Who is being removed is not among those that are to be up, unless it is
 * named itself, or all are. */
static size_t
op_without_leaving(const struct op *op, const struct op_request *req,
    struct slot **v, size_t n)
{
	size_t left = 0;

	if (op->kind != OP_START && op->kind != OP_RESTART &&
	    op->kind != OP_RESTART_HARD)
		return n;
	for (size_t i = 0; i < n; i++)
		if (!v[i]->leaving || op_is_named(req, v[i]))
			v[left++] = v[i];
	return left > 0 ? left : n;
}

static void
op_each_slot(struct op *op, struct slot *const *v, size_t n)
{
	switch (op->kind) {
	case OP_START:
		for (size_t i = 0; i < n; i++)
			op_start_slot(op, v[i]);
		break;
	case OP_STOP:
		op_stop_slots(op, v, n);
		break;
	case OP_RESTART:
		op_restart(op, v, n);
		break;
	case OP_RESTART_HARD:
		for (size_t i = 0; i < n; i++)
			op_restart_slot(op, v[i]);
		break;
	case OP_ROLL:
		op_roll(op, v, n);
		break;
	case OP_SIGNAL:
		for (size_t i = 0; i < n; i++)
			op_signal_slot(op, v[i], op->number);
		break;
	case OP_SCALE:
	case OP_RELOAD:
	case OP_SHUTDOWN:
		break;
	}
}

int
op_begin(
    struct op *op, const struct op_request *req, struct err *err, int *code)
{
	struct slot **v = NULL;
	size_t n = 0;
	int rc = 0;

	*code = 1;
	if (op->kind == OP_SHUTDOWN) {
		op_shutdown(op);
		return 0;
	}
	if (op->en->stopping && op->kind != OP_SIGNAL && op->kind != OP_STOP)
		return err_set(err, "reeved is stopping");
	if (op->kind == OP_RELOAD)
		return op_reload(op, err);
	*code = 2;
	if (req->n == 0)
		return err_set(err, "no name was given");
	*code = 3;
	if (names_match(op->en, req->names, req->n, &v, &n, err) == -1)
		return -1;
	if (op->kind == OP_SCALE)
		rc = op_scale(op, req, err, code);
	else
		op_each_slot(op, v, op_without_leaving(op, req, v, n));
	free(v);
	return rc;
}
