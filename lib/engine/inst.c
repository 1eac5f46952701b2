/*
 * inst - one process of a slot, from the order to start it to the last
 * process of its tree.
 *
 * A dead instance stays (in its slot's draining list) until nothing of its
 * tree is left and the last lines of its output have been read; only then is
 * its slot told that it is gone.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cluster/ready.h"
#include "engine/engine_priv.h"
#include "engine/pooled.h"

#define FLUSH_GIVE_UP_MS 5000 /* while reeved stops */

static void inst_on_aftermath(void *arg);
static void inst_swept(void *arg, const struct tree_left *left);
static void inst_on_deadline(struct loop_timer *t, void *arg);
static void inst_give_up_flush(struct inst *in);

/* Asked of the pump; it outlives an instance that did not wait for it. */
struct inst_flush {
	struct inst *in; /* NULL: has given up */
	int which;
};

struct inst *
inst_find(struct engine *en, uint64_t id)
{
	struct inst *in;

	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		for (int k = 0; k < pg->nslots; k++) {
			struct slot *sl = pg->slots[k];

			if (sl->cur != NULL && sl->cur->id == id)
				return sl->cur;
			if (sl->next != NULL && sl->next->id == id)
				return sl->next;
			TAILQ_FOREACH(in, &sl->draining, entry)
				if (in->id == id)
					return in;
		}
	}
	return NULL;
}

/* --- stopping ---------------------------------------------------------------
 */

static struct inst_end *
inst_end(struct inst *in)
{
	struct loop *lp = in->slot->prog->en->lp;
	struct inst_end *e = in->end;

	if (e != NULL)
		return e;
	e = in->end = xcalloc(1, sizeof *e);
	loop_timer_init(&e->deadline, lp, inst_on_deadline, in);
	sweep_init(&e->sweep, in->slot->prog->en, in->slot->name, inst_swept);
	loop_task_init(&e->aftermath, inst_on_aftermath, in);
	return e;
}

static void
inst_end_free(struct inst *in)
{
	if (in->end == NULL)
		return;
	loop_timer_stop(&in->end->deadline);
	sweep_stop(&in->end->sweep);
	loop_task_cancel(in->slot->prog->en->lp, &in->end->aftermath);
	freep(&in->end);
}

static void
inst_stop_deadline(struct inst *in)
{
	if (in->end != NULL)
		loop_timer_stop(&in->end->deadline);
}

void
inst_kill(struct inst *in)
{
	if (in->dead)
		return;
	hook_cancel(in);
	portwait_cancel(in);
	if (in->preparing)
		return; /* there is nothing else of it */
	in->killed = true;
	inst_stop_deadline(in);
	if (in->conf->killasgroup)
		tree_kill(
		    &in->tree, keeperlink_welcome(in->slot->prog->en->kl)->pid);
	keeperlink_signal(
	    in->slot->prog->en->kl, in->id, SIGKILL, in->conf->killasgroup);
}

static void
inst_on_deadline(struct loop_timer *t, void *arg)
{
	struct inst *in = arg;

	(void)t;
	if (in->dead) {
		inst_give_up_flush(in);
		return;
	}
	log_warnx("%s %d did not stop in time, it is killed", in->slot->name,
	    (int)in->pid);
	inst_kill(in);
	slot_save(in->slot);
}

/* One that was set before is never put off. */
static void
inst_set_deadline(struct inst *in, mono_ms at)
{
	if (in->killed || (in->deadline_ms != 0 && in->deadline_ms <= at))
		return;
	in->deadline_ms = at;
	loop_timer_start(
	    &inst_end(in)->deadline, at - loop_now(in->slot->prog->en->lp));
}

void
inst_send_stop(struct inst *in)
{
	struct keeperlink *kl = in->slot->prog->en->kl;

	keeperlink_signal(
	    kl, in->id, in->conf->stopsignal, in->conf->stopasgroup);
	/* A stopped (SIGSTOP) process could not act on it. */
	keeperlink_signal(kl, in->id, SIGCONT, in->conf->stopasgroup);
	inst_set_deadline(in, loop_now(in->slot->prog->en->lp) + in->stop_ms);
	slot_save(in->slot);
}

void
inst_stop(struct inst *in, int64_t ms, enum death_cause cause,
    const struct engine_who *who)
{
	if (in->dead)
		return;
	if (!in->stopping) {
		in->cause = cause;
		in->by_person = who != NULL;
		if (who != NULL)
			in->who = *who;
	}
	inst_unwatch(in);
	vitals_stop(in);
	if (ms == 0 || in->preparing || in->slot->prog->en->kill_now) {
		in->stopping = true;
		inst_kill(in);
	} else if (in->stopping && in->hook == NULL) {
		inst_set_deadline(in, loop_now(in->slot->prog->en->lp) + ms);
	} else {
		if (!in->stopping || ms < in->stop_ms)
			in->stop_ms = ms;
		if (in->stopping)
			return; /* before_stop runs */
		in->stopping = hook_before_stop(in);
		if (in->stopping)
			return;
		in->stopping = true;
		inst_send_stop(in);
	}
}

void
inst_take_back(struct inst *in)
{
	in->lost = false;
	if (in->dead || !in->stopping)
		return;
	in->stopping = in->killed = false;
	in->cause = DEATH_EXIT;
	in->by_person = false;
	in->deadline_ms = 0;
	inst_stop_deadline(in);
	recycle_arm(in);
	if (in->ready)
		vitals_start(in);
	else
		inst_watch_ready(
		    in, loop_now(in->slot->prog->en->lp) - in->started_ms);
}

void
inst_signal_failed(struct inst *in, int signo, int errnum)
{
	/* The SIGCONT that goes with each stop signal has no news. */
	if (in->lost && signo == SIGCONT)
		return;
	slot_note(in->slot, "signal %d could not be sent: %s", signo,
	    strerror(errnum));
	log_errorx("%s %d: %s", in->slot->name, (int)in->pid, in->slot->note);
	in->lost = true;
	if (in->role == INST_CUR)
		slot_event(in->slot, PE_LOST);
}

/* --- dying ------------------------------------------------------------------
 */

/*
 * Was this the instance that a slot on its way down waits for?  After an
 * engine died it may have lost its role.
 */
static bool
slot_is_vacated(const struct slot *sl, enum inst_role role, bool stopping)
{
	const struct inst *in;

	if ((sl->state != PS_STOPPING && sl->state != PS_UNKNOWN) ||
	    sl->cur != NULL)
		return false;
	if (role == INST_CUR)
		return stopping;
	TAILQ_FOREACH(in, &sl->draining, entry)
		if (in->role == INST_CUR)
			return false;
	return true;
}

/* Everything that a death leads to is done: the slot learns that it is gone. */
static void
inst_gone(struct inst *in)
{
	struct slot *sl = in->slot;
	enum inst_role role = in->role;
	bool stopping = in->stopping;
	uint64_t id = in->id;

	if (role == INST_NEXT)
		rolling_inst_failed(in, str_text(in->why), in->tail);
	else if (role == INST_CUR && in->cause != DEATH_STOP &&
		 in->cause != DEATH_RESTART && in->cause != DEATH_BOUND)
		op_slot_failed(sl, str_text(in->why), str_text(in->tail));
	inst_free(in);
	if (role == INST_DRAINING)
		rolling_inst_gone(sl);
	if (slot_is_vacated(sl, role, stopping))
		slot_event(sl, PE_GONE);
	slot_save(sl);
	/* Last: an engine after this one would do all of it again. */
	keeperlink_forget(sl->prog->en->kl, id);
	program_progress(sl->prog);
}

static void
inst_report_survivors(struct inst *in, const struct tree_left *left)
{
	char list[96] = "";
	size_t len = 0;

	for (int i = 0; i < left->n && i < TREE_LEFT; i++)
		len += (size_t)snprintf(
		    list + len, sizeof list - len, " %d", (int)left->pids[i]);
	log_warnx("%s left %d processes behind that can't be ended:%s%s",
	    in->slot->name, left->n, list, left->n > TREE_LEFT ? " ..." : "");
	slot_note(in->slot, "%d processes left:%s%s", left->n, list,
	    left->n > TREE_LEFT ? " ..." : "");
}

static void
inst_swept(void *arg, const struct tree_left *left)
{
	struct inst *in = arg;

	if (left->n > 0)
		inst_report_survivors(in, left);
	in->swept = true;
	inst_settle(in);
}

void
inst_settle(struct inst *in)
{
	if (in->dead && in->swept && in->flush[0] == NULL &&
	    in->flush[1] == NULL && in->hook == NULL &&
	    in->after_ready == NULL && !hook_after_exit(in))
		inst_gone(in);
}

static void
inst_on_flush(void *arg, const char *tail, size_t len)
{
	struct inst_flush *fl = arg;
	struct inst *in = fl->in;
	int which = fl->which;

	free(fl);
	if (in == NULL)
		return;
	in->flush[which] = NULL;
	/* stderr is asked first; stdout speaks when it said nothing. */
	if (len != 0 && in->tail == NULL) {
		in->tail = xstrndup(tail, len);
		for (int i = 0; i < TABLE_DEATHS; i++) {
			struct slot *sl = in->slot;

			const struct table_death *d =
			    &slot_history(sl)->deaths[i];

			if (d->generation != in->generation || d->at_ms == 0)
				continue;
			free(sl->history->tail[i]);
			sl->history->tail[i] = xstrdup(in->tail);
			break;
		}
	}
	inst_settle(in);
}

static void
inst_flush_stream(struct inst *in, struct pump_stream *st, int which)
{
	struct inst_flush *fl;

	if (st == NULL)
		return;
	fl = in->flush[which] = xmalloc(sizeof *fl);
	fl->in = in;
	fl->which = which;
	pump_flush(st, inst_on_flush, fl);
}

static void
inst_flush(struct inst *in)
{
	inst_flush_stream(in, in->slot->err, 0);
	inst_flush_stream(in, in->slot->out, 1);
	if (in->slot->prog->en->stopping)
		inst_limit_flush(in);
}

void
inst_limit_flush(struct inst *in)
{
	if (in->dead && (in->flush[0] != NULL || in->flush[1] != NULL))
		loop_timer_start(&inst_end(in)->deadline, FLUSH_GIVE_UP_MS);
}

static void
inst_give_up_flush(struct inst *in)
{
	log_warnx("%s: its last output could not be written within %d s (a "
		  "disk that hangs?): reeved stops without it",
	    in->slot->name, FLUSH_GIVE_UP_MS / 1000);
	in->slot->prog->en->log_hung = true;
	for (int i = 0; i < 2; i++) {
		if (in->flush[i] != NULL)
			in->flush[i]->in = NULL;
		in->flush[i] = NULL;
	}
	inst_settle(in);
}

static void
inst_describe_end(struct inst *in, const struct keeper_exit *ex, int64_t ran)
{
	bool oom = in->end->death.oom == OOM_YES;
	char ms[32], text[160];

	if (in->cause == DEATH_NOT_READY)
		return; /* said already */
	str_duration(ms, sizeof ms, ran);
	if (ex->signo != 0)
		snprintf(text, sizeof text, "killed by SIG%s%s after %s%s",
		    sigabbrev_np(ex->signo) != NULL ? sigabbrev_np(ex->signo)
						    : "?",
		    ex->core ? " (core dumped)" : "", ms,
		    oom ? ": out of memory" : "");
	else
		snprintf(
		    text, sizeof text, "exited with %d after %s", ex->code, ms);
	str_set(&in->why, text);
}

static void
inst_note_death(struct inst *in, const struct keeper_exit *ex, int64_t ran)
{
	struct table_death *d = &in->end->death;

	d->at_ms = clock_wall_ms();
	d->ran_ms = ran;
	d->max_rss_kb = ex->max_rss_kb;
	d->generation = in->generation;
	d->pid = in->pid;
	d->code = (int16_t)(ex->signo != 0 ? -1 : ex->code);
	d->signo = (uint8_t)ex->signo;
	d->cause = (uint8_t)(in->stopping     ? in->cause
			     : ex->signo != 0 ? DEATH_SIGNAL
					      : DEATH_EXIT);
	d->core = ex->core;
	d->killed = in->killed;
	d->by_person = in->by_person;
	d->by_uid = in->who.uid;
	d->by_pid = in->who.pid;
	in->cause = (enum death_cause)d->cause;
	slot_death(in->slot, d);
	if (in->reason != NULL && in->slot->history->text[0] == NULL)
		in->slot->history->text[0] = xstrdup(in->reason);
}

/* The instance leaves its place in the slot; it is only waited for. */
static void
inst_leave(struct inst *in)
{
	struct slot *sl = in->slot;

	if (sl->cur == in)
		sl->cur = NULL;
	else if (sl->next == in)
		sl->next = NULL;
	else
		return;
	TAILQ_INSERT_TAIL(&sl->draining, in, entry);
}

/* A main program's exit is told by reeved's own. */
static bool
inst_end_is_odd(const struct inst *in, const struct keeper_exit *ex)
{
	if (in->cause == DEATH_NOT_READY)
		return true;
	return !in->stopping &&
	       (in->conf->essential != ESSENTIAL_MAIN || ex->signo != 0);
}

void
inst_exited(struct inst *in, const struct keeper_exit *ex)
{
	struct slot *sl = in->slot;
	struct engine *en = sl->prog->en;
	int64_t ran = ex->died_ms - in->started_ms;

	if (in->dead)
		return;
	if (in->ready_fd != -1 && !in->ready)
		inst_hear(in);
	if (in->channel != NULL)
		channel_finish(in->channel);
	log_hold();
	in->dead = true;
	inst_unwatch(in);
	vitals_stop(in);
	inst_stop_deadline(in);
	recycle_stop(in);
	if (in->after_ready != NULL)
		task_kill(in->after_ready);
	inst_end(in)->death.oom = (uint8_t)limits_oom(in, ex);
	oomwatch_stop(in);
	inst_describe_end(in, ex, ran);
	inst_note_death(in, ex, ran);
	pooled_died(in, ex);
	if (inst_end_is_odd(in, ex))
		log_warnx("%s %d %s", sl->name, (int)in->pid, in->why);
	else
		log_info("%s %d %s", sl->name, (int)in->pid, in->why);
	inst_leave(in);
	if (in->role == INST_CUR && in->cause == DEATH_UNHEALTHY &&
	    sl->start_again)
		slot_note(sl, "%s; %s", str_text(in->reason), in->why);
	else if (in->role == INST_CUR &&
		 (!in->stopping || in->cause == DEATH_NOT_READY)) {
		slot_note(sl, "%s", in->why);
		slot_event(sl, policy_failed_start(in->conf, ran, in->ready,
				   ex->code, ex->signo)
				   ? PE_DIE_YOUNG
				   : PE_DIE);
	}
	/* Members of the tree may hold the port: before any new start. */
	in->is_alone =
	    in->conf->killasgroup &&
	    tree_is_empty(&in->tree, keeperlink_welcome(en->kl)->pid);
	if (in->conf->killasgroup && in->tree.cgroup != NULL && !in->is_alone)
		tree_kill(&in->tree, keeperlink_welcome(en->kl)->pid);
	/* The rest after it: the successor is what people wait for. */
	loop_task_queue(en->lp, &in->end->aftermath);
}

static void
inst_on_aftermath(void *arg)
{
	struct inst *in = arg;

	log_release();
	inst_flush(in);
	if (in->conf->killasgroup && !in->is_alone) {
		sweep_start(&in->end->sweep, &in->tree, in);
		return;
	}
	in->swept = true;
	inst_settle(in);
}

/* Its death is in the slot's list. */
static void
inst_failed_start(struct inst *in)
{
	struct slot *sl = in->slot;

	in->dead = in->swept = true;
	in->cause = DEATH_NO_START;
	inst_leave(in);
	if (in->role == INST_CUR) {
		slot_note(sl, "%s", in->why);
		slot_event(sl, PE_SPAWN_FAIL);
	}
	inst_settle(in);
}

void
inst_not_started(struct inst *in, const char *why)
{
	struct table_death d = { .at_ms = clock_wall_ms(),
		.generation = in->generation,
		.code = -1,
		.cause = DEATH_NO_START,
		.max_rss_kb = -1 };

	in->preparing = false;
	str_set(&in->why, why);
	if (in->stopping) {
		/* As ordered: no failure. */
		log_info("%s %s", in->slot->name, in->why);
		in->dead = in->swept = true;
		inst_leave(in);
		inst_settle(in);
		return;
	}
	log_warnx("%s could not start: %s", in->slot->name, in->why);
	slot_death(in->slot, &d);
	in->slot->history->tail[0] = xstrdup(in->why);
	inst_failed_start(in);
}

void
inst_spawn_failed(struct inst *in, int stage, int errnum)
{
	struct spawn_err se = { (enum spawn_stage)stage, errnum };
	char text[160];
	struct slot *sl = in->slot;
	struct table_death d = { .at_ms = clock_wall_ms(),
		.generation = in->generation,
		.code = -1,
		.cause = DEATH_NO_START,
		.stage = (uint8_t)stage,
		.errnum = errnum,
		.max_rss_kb = -1 };

	start_err_text(text, sizeof text, &se, in->conf);
	str_set(&in->why, text);
	log_warnx("%s could not start: %s", sl->name, text);
	slot_death(sl, &d);
	inst_failed_start(in);
}

/*
 * One that was started a moment ago may have said that it is there before the
 * keeper's notice of it comes: the signal waits for that.
 */
void
inst_pass_signal(struct inst *in, int signo)
{
	if (in->dead || in->preparing)
		return;
	if (in->pid == 0)
		in->signals_early |= 1U << signo;
	else
		keeperlink_signal(in->slot->prog->en->kl, in->id, signo, false);
}

static void
inst_pass_early(struct inst *in)
{
	for (int signo = 1; in->signals_early >> signo != 0; signo++)
		if ((in->signals_early >> signo & 1) != 0)
			inst_pass_signal(in, signo);
	in->signals_early = 0;
}

void
inst_spawned(struct inst *in, pid_t pid, mono_ms started_ms)
{
	in->pid = pid;
	in->tree.leader = pid;
	in->started_ms = started_ms;
	if (in->slot->times.start_ms == 0)
		in->slot->times.start_ms = started_ms;
	slot_save(in->slot);
	wait_started(in->slot->prog);
	if (in->channel != NULL)
		channel_start(in->channel, pid);
	if (in->stopping)
		return;
	inst_pass_early(in);
	oomwatch_start(in, in->oom_kills);
	recycle_arm(in);
	if (in->up_early ||
	    (in->conf->ready == READY_DELAY && in->conf->startsecs_ms == 0))
		inst_is_up(in);
}

/* --- birth and end -----------------------------------------------------------
 */

/* Of the slot's cgroups, one that no instance of it uses. */
static unsigned
inst_free_tree(const struct slot *sl)
{
	const struct inst *in;
	unsigned k = 0, used;

	do {
		used = (k < 32 && (sl->spoilt >> k & 1) != 0) ||
		       (sl->cur != NULL && sl->cur->tree_index == k) ||
		       (sl->next != NULL && sl->next->tree_index == k);
		TAILQ_FOREACH(in, &sl->draining, entry)
			used = used || in->tree_index == k;
	} while (used && ++k);
	return k;
}

struct inst *
inst_new(struct slot *sl, enum inst_role role, struct config_program *conf)
{
	struct inst *in = xcalloc(1, sizeof *in);
	struct loop *lp = sl->prog->en->lp;

	in->slot = sl;
	in->role = role;
	in->conf = config_program_ref(conf);
	in->ready_fd = -1;
	in->oom_kills = -1;
	in->tree_index = inst_free_tree(sl);
	loop_timer_init(&in->up, lp, inst_on_up_timer, in);
	return in;
}

void
inst_free(struct inst *in)
{
	struct slot *sl = in->slot;

	BUG_ON(in->flush[0] != NULL || in->flush[1] != NULL);
	BUG_ON(in->hook != NULL || in->after_ready != NULL);
	if (sl->cur == in)
		sl->cur = NULL;
	else if (sl->next == in)
		sl->next = NULL;
	else
		TAILQ_REMOVE(&sl->draining, in, entry);
	loop_timer_stop(&in->up);
	inst_end_free(in);
	portwait_free(in);
	oomwatch_stop(in);
	recycle_free(in);
	log_release();
	if (in->ready_io != NULL)
		loop_io_stop(in->ready_io);
	channel_free(in->channel);
	probing_free(in);
	vitals_free(in);
	if (in->conf->ready == READY_NOTIFY)
		ready_notify_end(in->ready_fd);
	if (in->ready_slot != 0)
		keeperlink_drop(sl->prog->en->kl, &in->ready_slot);
	config_program_unref(in->conf);
	if (in->tree.killed)
		tree_remove(&in->tree);
	if (in->tree.killed && in->tree.cgroup != NULL && in->tree_index < 32)
		sl->spoilt |= UINT32_C(1) << in->tree_index;
	tree_fini(&in->tree);
	free(in->ready_io);
	free(in->restore);
	free(in->status);
	free(in->tail);
	free(in->reason);
	free(in->why);
	free(in);
}

struct inst *
inst_adopt(struct slot *sl, struct config_program *conf, uint64_t id,
    uint32_t generation, unsigned tree_index, pid_t pid, mono_ms started_ms)
{
	struct engine *en = sl->prog->en;
	struct inst *in = inst_new(sl, INST_CUR, conf);
	char name[FDNAME_MAX];

	in->id = id;
	in->generation = generation;
	in->tree_index = tree_index;
	in->pid = pid;
	in->started_ms = started_ms;
	tree_adopt(&in->tree, en->cgroup, sl->name, tree_index, id, pid);
	inst_ready_name(in, name, sizeof name);
	in->ready_slot = keeperlink_find(en->kl, name);
	in->ready_fd = keeperlink_fd(en->kl, in->ready_slot);
	inst_adopt_channel(in);
	return in;
}

struct table_inst *
inst_restore(struct inst *in)
{
	if (in->restore == NULL)
		in->restore = xcalloc(1, sizeof *in->restore);
	return in->restore;
}

void
inst_resume(struct inst *in, const struct table_inst *ti)
{
	struct engine *en = in->slot->prog->en;
	mono_ms now = loop_now(en->lp);
	struct err err;

	in->ready = ti->ready && in->pid != 0;
	in->up_early = ti->ready && in->pid == 0;
	in->stopping = ti->stopping;
	in->killed = ti->killed;
	in->watchdog_ms = ti->watchdog_ms;
	in->oom_kills = ti->oom_kills;
	in->cause = (enum death_cause)ti->cause;
	if (death_has_reason(in->cause))
		str_set(&in->reason, str_text(in->slot->reason));
	in->by_person = ti->by_person;
	in->who.uid = ti->by_uid;
	in->who.pid = ti->by_pid;
	if (in->preparing)
		return; /* its hook's end goes on with it */
	if (in->oom_kills != -1)
		oomwatch_start(in, tree_oom_kills(&in->tree));
	if (in->channel != NULL && in->pid != 0)
		channel_start(in->channel, in->pid);
	in->stop_ms = in->cause == DEATH_ROLL || in->cause == DEATH_RECYCLE ||
			      in->cause == DEATH_UNHEALTHY
			  ? in->conf->drain_timeout_ms
			  : in->conf->stopwaitsecs_ms;
	if (in->stopping && in->hook != NULL)
		return;
	/* A task goes on without us. */
	if (in->stopping && ti->deadline_ms == 0 &&
	    config_hook_task(in->conf->rare->hook[HOOK_BEFORE_STOP]) != NULL &&
	    hook_before_stop(in))
		return;
	if (in->stopping)
		inst_set_deadline(in,
		    ti->deadline_ms != 0 ? ti->deadline_ms : now + in->stop_ms);
	if (in->stopping)
		return;
	if (!in->ready &&
	    (probing_new(in, &err) == -1 || probing_scan(in, true, &err) == -1))
		log_errorx("%s: %s", in->slot->name, err.text);
	recycle_arm(in);
	pooled_adopted(in);
	vitals_adopt(in, ti);
	inst_watch_ready(in, in->pid != 0 ? now - in->started_ms : 0);
}

void
inst_began(struct inst *in)
{
	in->started_ms = loop_now(in->slot->prog->en->lp);
	inst_watch_ready(in, -1); /* the keeper's clone comes after this */
}
