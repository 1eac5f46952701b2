/*
 * queued - tasks of the queue.  See queued.h.
 *
 * A task waits (sched.h says for what), is being started (the backend writes
 * that it runs), runs, and ends (the backend writes its end) or waits again.
 * Each step begins with the answer to the one before.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/queued_priv.h"
#include "engine/watching.h"

#define AGAIN_MS   200  /* no process could be made */
#define TERM_MS    2000 /* cancelled: TERM to KILL */
#define GIVE_UP_MS 3000 /* reeved ends and the disk does not answer */

struct live *
live_find(struct queued *q, uint64_t id)
{
	struct live *l;

	HASH_FIND(hh, q->lives, &id, sizeof id, l);
	return l;
}

struct live *
live_new(struct queued *q, const struct queue_task *t)
{
	struct live *l = xcalloc(1, sizeof *l);

	l->id = t->id;
	l->uid = t->uid;
	l->tries = t->tries;
	l->retries = t->retries;
	l->on_crash = t->on_crash;
	l->timeout_ms = t->timeout_ms;
	l->cancel = t->cancelled;
	/* One run of a named task at a time. */
	if (queue_key_name(t->key) != NULL) {
		l->key = xstrdup(t->key);
		sched_parallel(q->sched, t->uid, t->group, 1);
	}
	HASH_ADD(hh, q->lives, id, sizeof l->id, l);
	return l;
}

static void
live_free(struct queued *q, struct live *l)
{
	HASH_DEL(q->lives, l);
	free(l->path);
	free(l->key);
	free(l);
}

void
live_stopped(struct queued *q, struct live *l)
{
	sched_stopped(q->sched, l->id);
	if (l->slot) {
		l->slot = false;
		slots_give(q->slots);
	}
}

/* --- its process ------------------------------------------------------------
 */

static void
work_on_term(struct loop_timer *t, void *arg)
{
	struct work *w = arg;

	(void)t;
	task_kill(w->task);
}

struct work *
work_new(struct queued *q, uint64_t id, int32_t tries)
{
	struct work *w = xcalloc(1, sizeof *w);

	w->q = q;
	w->id = id;
	w->tries = tries;
	loop_timer_init(&w->term, q->en->lp, work_on_term, w);
	LIST_INSERT_HEAD(&q->works, w, entry);
	slots_enter(q->slots);
	queued_trim_soon(q);
	return w;
}

void
work_free(struct work *w)
{
	struct live *l = live_find(w->q, w->id);

	if (l != NULL && l->work == w)
		l->work = NULL;
	loop_timer_stop(&w->term);
	queued_ipc_end(w);
	queued_log_end(w);
	LIST_REMOVE(w, entry);
	w->gone = true;
	if (w->telling)
		return; /* inside done: work_on_done sees to it */
	if (w->over) {
		task_release(w->task);
	} else {
		task_disown(w->task);
		slots_leave(w->q->slots);
	}
	free(w);
}

/* It was never asked for. */
void
work_unused(struct work *w)
{
	struct live *l = live_find(w->q, w->id);

	l->work = NULL;
	queued_ipc_end(w);
	queued_log_end(w);
	LIST_REMOVE(w, entry);
	slots_leave(w->q->slots);
	task_free(w->task);
	free(w);
}

void
work_on_done(void *arg, const struct task_end *end)
{
	struct work *w = arg;
	struct live *l = live_find(w->q, w->id);

	loop_timer_stop(&w->term);
	w->over = true;
	w->end = *end;
	queued_ipc_end(w);
	queued_log_end(w);
	slots_leave(w->q->slots);
	w->telling = true;
	/* Before the queue is loaded nobody knows what it was. */
	if (l != NULL && l->work == w)
		live_over(w->q, l);
	else if (w->q->loaded || w->q->gave_up)
		work_free(w);
	w->telling = false;
	if (w->gone)
		free(w);
	else
		task_hold(w->task);
}

/* Cancelled while it runs. */
void
live_signal(struct live *l)
{
	task_signal(l->work->task, SIGTERM);
	task_signal(l->work->task, SIGCONT);
	loop_timer_start(&l->work->term, TERM_MS);
}

/* --- its end ----------------------------------------------------------------
 */

static void
queued_tell(struct queued *q, uint64_t id, bool end)
{
	struct queued_watch *w, *next;

	for (w = q->watches; w != NULL; w = next) {
		next = w->next;
		if (end || w->all)
			w->ended(w->arg, id);
	}
}

static void
queued_written(struct queued *q)
{
	q->writing--;
	if (q->en->stopping && q->writing == 0)
		loop_task_queue(q->en->lp, &q->progress);
}

struct failing {
	struct queued *q;
	uint64_t by;
	const char *name; /* NULL: it has none */
	const char *why;
};

static void
queued_skip(void *arg, uint64_t id)
{
	struct failing *f = arg;
	struct live *l = live_find(f->q, id);

	if (l != NULL && l->phase == LP_WAITING)
		live_skip(f->q, l, f->by, f->name, f->why);
}

static void
live_on_ended(void *arg, struct queue_req *req)
{
	struct queued *q = arg;
	const struct queue_task *t = &req->task;
	struct live *l = live_find(q, t->id);
	struct failing f = { q, t->id,
		l != NULL ? queue_key_name(l->key) : NULL,
		queue_state_name(t->state) };
	mono_ms now = loop_now(q->en->lp);
	bool named;

	queued_written(q);
	if (l == NULL)
		return;
	if (l->work != NULL)
		work_free(l->work);
	if (t->state == QS_QUEUED) {
		l->phase = LP_WAITING;
		sched_again(q->sched, t->id,
		    t->not_before != 0 ? now + (t->not_before - t->ended) : 0);
		if (l->cancel)
			queued_cancel(q->en, l->id);
		queued_tell(q, t->id, false);
	} else {
		sched_end(
		    q->sched, t->id, t->state == QS_DONE, queued_skip, &f);
		if (l->key != NULL)
			named_ended(q->en, l->key, t);
		named = l->key != NULL;
		live_free(q, l);
		if (named)
			watching_progress(q->en);
		queued_tell(q, t->id, true);
		queued_ended_one(q);
	}
	queued_step(q);
}

/* " (build)", or nothing. */
static const char *
live_name(const struct live *l, char out[CONFIG_NAME_MAX + 4])
{
	const char *name = queue_key_name(l->key);

	out[0] = '\0';
	if (name != NULL)
		snprintf(out, CONFIG_NAME_MAX + 4, " (%s)", name);
	return out;
}

void
live_end(struct queued *q, struct live *l, struct queue_task *end)
{
	char name[CONFIG_NAME_MAX + 4];
	struct queue_req *req = queue_req_new(QR_END, live_on_ended, q);
	bool failed = end->state == QS_FAILED || end->state == QS_LOST;

	end->id = l->id;
	end->tries = l->tries;
	if (end->ended == 0)
		end->ended = clock_wall_ms();
	if (end->state != QS_SKIPPED)
		log_info("task %llu%s is %s%s%s", (unsigned long long)l->id,
		    live_name(l, name), queue_state_name(end->state),
		    end->reason != NULL ? ": " : "",
		    end->reason != NULL ? end->reason : "");
	if (failed && l->key == NULL)
		engine_event(q->en, "", "task", "task %llu %s: %s",
		    (unsigned long long)l->id, queue_state_name(end->state),
		    end->reason != NULL ? end->reason : "");
	l->phase = LP_ENDING;
	end->acts = queue_state_is_end(end->state) &&
		    named_acts(q->en, l->key, end->state);
	req->task = *end;
	q->writing++;
	q->backend->send(q->queue, req);
}

static bool
live_is_tried_again(const struct live *l, enum queue_state end)
{
	if (end == QS_LOST && l->on_crash != QC_ADOPT)
		return l->on_crash == QC_RETRY;
	return l->tries <= l->retries;
}

/* Tried again, when there are tries left. */
void
live_fail(struct queued *q, struct live *l, enum queue_state otherwise,
    struct queue_task *end)
{
	end->state = otherwise;
	if (l->cancel) {
		end->state = QS_CANCELLED;
	} else if (live_is_tried_again(l, otherwise)) {
		end->state = QS_QUEUED;
		end->ended = clock_wall_ms();
		end->not_before = end->ended + queued_backoff(q, l);
	}
	live_end(q, l, end);
}

void
live_skip(struct queued *q, struct live *l, uint64_t by, const char *name,
    const char *why)
{
	struct queue_task end;

	live_stopped(q, l);
	queue_task_init(&end);
	end.state = QS_SKIPPED;
	end.reason = xasprintf("task %llu%s%s%s is %s", (unsigned long long)by,
	    name != NULL ? " (" : "", name != NULL ? name : "",
	    name != NULL ? ")" : "", why);
	live_end(q, l, &end);
}

static void
live_on_spec(void *arg, struct queue_req *req)
{
	struct queued *q = arg;
	struct live *l = live_find(q, req->task.id);

	if (l == NULL || l->work == NULL || !l->work->over)
		return;
	if (req->rc == 0)
		queued_recall(q, l, &req->task);
	live_over(q, l);
}

/* An engine before this one knew what it was that could not be started, and
 * the queue does: live_over follows when that is read. */
static bool
live_recalls(struct queued *q, struct live *l)
{
	const struct task_end *e = &l->work->end;
	struct queue_req *req;

	if (l->recalled || e->how != TASK_NO_START ||
	    (e->stage != STAGE_EXEC && e->stage != STAGE_DIRECTORY) ||
	    task_failed_path(l->work->task) != NULL)
		return false;
	l->recalled = true;
	req = queue_req_new(QR_SPEC, live_on_spec, q);
	req->task.id = l->id;
	q->backend->send(q->queue, req);
	return true;
}

void
live_over(struct queued *q, struct live *l)
{
	const struct task_end *e = &l->work->end;
	struct queue_task end;

	if (live_recalls(q, l))
		return;
	/* A shutdown's doing, no end of its own: the next reeved sees to it. */
	if (q->en->stopping && e->how == TASK_CANCELLED && !l->cancel) {
		work_free(l->work);
		return;
	}
	live_stopped(q, l);
	queue_task_init(&end);
	/* It waits as if it had not been chosen, and no try is used up. */
	if (task_end_is_later(e) && !l->cancel) {
		l->tries--;
		end.state = QS_QUEUED;
		end.reason = xstrdup(e->text);
		end.ended = clock_wall_ms();
		end.not_before = end.ended + AGAIN_MS;
		live_end(q, l, &end);
		return;
	}
	end.exit_code = e->code;
	end.exit_signal = e->signo;
	if (e->how == TASK_NO_START) {
		const char *path = task_failed_path(l->work->task);

		end.errnum = e->errnum;
		end.stage = e->stage;
		end.path = path != NULL ? xstrdup(path) : l->path;
		if (path == NULL)
			l->path = NULL; /* end has it */
	}
	end.timed_out = e->how == TASK_TIMED_OUT;
	end.ran_ms = e->how == TASK_NO_START ? -1 : e->ran_ms;
	end.max_rss_kb = e->max_rss_kb;
	if (e->how != TASK_EXITED || e->code != 0)
		end.reason = xstrdup(e->text);
	queued_trim(q, l->id);
	end.tail = queued_tail(q->en, l->id);
	if (e->how == TASK_EXITED && e->code == 0) {
		end.state = QS_DONE;
		live_end(q, l, &end);
	} else {
		live_fail(q, l, QS_FAILED, &end);
	}
	queued_step(q);
}

/* --- its start --------------------------------------------------------------
 */

/* reeved ends: as if it had not been chosen. */
static void
live_put_back(struct queued *q, struct live *l)
{
	struct queue_task end;

	queue_task_init(&end);
	live_stopped(q, l);
	l->tries--;
	end.state = QS_QUEUED;
	live_end(q, l, &end);
}

static void
live_on_started(void *arg, struct queue_req *req)
{
	struct queued *q = arg;
	struct live *l = live_find(q, req->task.id);
	char name[CONFIG_NAME_MAX + 4];
	struct queue_task end;

	queued_written(q);
	if (l == NULL)
		return;
	if (q->en->stopping && !l->cancel && !named_is_hook(l->key)) {
		live_put_back(q, l);
		return;
	}
	l->phase = LP_RUNNING;
	queue_task_init(&end);
	if (!l->cancel && req->rc == 0 &&
	    queued_spawn(q, l, &req->task, &end) == 0) {
		log_info("task %llu%s is started%s", (unsigned long long)l->id,
		    live_name(l, name), l->tries > 1 ? " again" : "");
		if (l->key != NULL)
			named_started(q->en, l->key, l->id);
		queued_tell(q, l->id, false);
		return;
	}
	if (req->rc == -1)
		queued_refused(&end, STAGE_PREPARE, NULL, &req->err);
	live_stopped(q, l);
	live_fail(q, l, QS_FAILED, &end);
	queued_step(q);
}

static void
live_start(struct queued *q, struct live *l)
{
	struct queue_req *req = queue_req_new(QR_START, live_on_started, q);

	l->phase = LP_STARTING;
	l->tries++;
	req->task.id = l->id;
	req->task.tries = l->tries;
	req->task.started = clock_wall_ms();
	req->task.host = xstrdup(q->host);
	q->writing++;
	q->backend->send(q->queue, req);
}

static void
queued_arm(struct queued *q)
{
	int64_t due = sched_due(q->sched);

	loop_timer_stop(&q->due);
	if (due != INT64_MAX)
		loop_timer_start(&q->due, due - loop_now(q->en->lp));
}

/* reeved ends, and instances that stop wait for what their hooks name: no
 * other task is begun, and who has the CPUs is killed later than they are. */
static void
queued_step_hooks(struct queued *q)
{
	struct live *l, *next;

	HASH_ITER(hh, q->lives, l, next)
		if (l->phase == LP_WAITING && named_is_hook(l->key) &&
		    sched_take(q->sched, l->id, loop_now(q->en->lp)))
			live_start(q, l);
	queued_arm(q);
}

void
queued_step(struct queued *q)
{
	mono_ms now = loop_now(q->en->lp);
	struct live *l;
	uint64_t id;

	if (!q->loaded)
		return;
	if (q->en->stopping) {
		queued_step_hooks(q);
		return;
	}
	while ((id = sched_next(q->sched, now, false)) != 0)
		live_start(q, live_find(q, id));
	while (sched_wants_slot(q->sched, now) && slots_take(q->slots)) {
		l = live_find(q, sched_next(q->sched, now, true));
		l->slot = true;
		live_start(q, l);
	}
	queued_arm(q);
}

/* --- orders -----------------------------------------------------------------
 */

static void
live_on_cancel(void *arg, struct queue_req *req)
{
	struct queued *q = arg;
	struct live *l = live_find(q, req->task.id);

	if (l != NULL && l->phase == LP_RUNNING && l->work != NULL)
		live_signal(l);
}

void
queued_cancel(struct engine *en, uint64_t id)
{
	struct queued *q = queued_get(en);
	struct live *l = live_find(q, id);
	struct queue_req *req;
	struct queue_task end;

	if (l == NULL)
		return;
	l->cancel = true;
	if (l->phase == LP_WAITING) {
		queue_task_init(&end);
		end.state = QS_CANCELLED;
		live_stopped(q, l);
		live_end(q, l, &end);
	} else if (l->phase == LP_RUNNING || l->phase == LP_LOST) {
		/* An engine after us must know it, too. */
		req = queue_req_new(QR_CANCEL, live_on_cancel, q);
		req->task.id = id;
		q->backend->send(q->queue, req);
	}
}

/* A request on its way, and who asked. */
struct passing {
	struct queued *q;
	void (*done)(void *arg, struct queue_req *req);
	void *arg;
};

/* It is kept: now it may run. */
static void
queued_added(struct queued *q, struct queue_req *req)
{
	const struct queue_task *t = &req->task;
	mono_ms now = loop_now(q->en->lp);
	struct sched_task st = { t->id, t->uid, t->group, t->priority, 0,
		t->after, t->nafter };
	struct live *l;

	if (req->known || !q->loaded)
		return;
	if (t->not_before != 0)
		st.not_before = now + (t->not_before - t->added);
	l = live_new(q, t);
	sched_add(q->sched, &st);
	for (size_t i = 0; i < req->ntasks; i++) {
		const struct queue_task *by = &req->tasks[i];

		if (queue_state_is_end(by->state) && by->state != QS_DONE) {
			live_skip(q, l, by->id, queue_key_name(by->key),
			    queue_state_name(by->state));
			break;
		}
	}
	queued_step(q);
}

void
queued_unlink_logs(struct queued *q, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *path = queued_log_path(q->en, ids[i]);

		unlink(path);
		free(path);
	}
}

static void
queued_grouped(struct queued *q, const struct queue_group *g)
{
	if (g->parallel >= 0)
		sched_parallel(q->sched, g->uid, g->name, g->parallel);
	else
		sched_pause(q->sched, g->uid, g->name, g->paused);
	queued_step(q);
}

static void
queued_on_answer(void *arg, struct queue_req *req)
{
	struct passing *p = arg;
	struct queued *q = p->q;

	if (req->rc == 0 && req->kind == QR_ADD)
		queued_added(q, req);
	else if (req->rc == 0 && req->kind == QR_REMOVE)
		queued_unlink_logs(q, req->ids, req->nids);
	else if (req->rc == 0 && req->kind == QR_GROUP && q->loaded)
		queued_grouped(q, &req->group);
	/* It was stored, and we do not know what else is. */
	if (req->rc == 0 && !q->loaded)
		queued_load(q);
	p->done(p->arg, req);
	free(p);
}

void
queued_send(struct engine *en, struct queue_req *req)
{
	struct queued *q = queued_get(en);
	struct passing *p = xcalloc(1, sizeof *p);

	p->q = q;
	p->done = req->done;
	p->arg = req->arg;
	req->done = queued_on_answer;
	req->arg = p;
	queued_load(q);
	if (q->queue != NULL) {
		q->backend->send(q->queue, req);
		return;
	}
	req->rc = -1;
	if (en->cf->state_dir == NULL)
		err_set(&req->err, "there is no queue: state_dir is none");
	else
		err_set(
		    &req->err, "the queue can't be opened: see reeved's log");
	queued_on_answer(p, req);
	queue_req_free(req);
}

/* --- life -------------------------------------------------------------------
 */

static void
queued_on_due(struct loop_timer *t, void *arg)
{
	struct queued *q = arg;

	(void)t;
	if (q->loaded)
		queued_step(q);
	else
		queued_load(q);
}

static void
queued_on_give_up(struct loop_timer *t, void *arg)
{
	struct queued *q = arg;

	(void)t;
	if (q->writing > 0 || q->loading)
		log_warnx("the queue's disk does not answer: %u changes are "
			  "given up",
		    q->writing);
	q->gave_up = true;
	while (!LIST_EMPTY(&q->works))
		work_free(LIST_FIRST(&q->works));
	order_progress(q->en);
}

static void
queued_on_progress(void *arg)
{
	struct queued *q = arg;

	order_progress(q->en);
}

static void
queued_on_slot(void *arg)
{
	queued_step(arg);
}

struct queued *
queued_get(struct engine *en)
{
	struct queued *q = en->queued;

	if (q != NULL)
		return q;
	q = en->queued = xcalloc(1, sizeof *q);
	q->en = en;
	q->backend = &queue_local;
	q->slots = slots_new(en, queued_on_slot, q);
	q->sched = sched_new(slots_total(q->slots));
	LIST_INIT(&q->works);
	loop_timer_init(&q->due, en->lp, queued_on_due, q);
	loop_timer_init(&q->lost, en->lp, lost_on_timer, q);
	queued_keep_init(q);
	queued_log_init(q);
	loop_timer_init(&q->give_up, en->lp, queued_on_give_up, q);
	loop_task_init(&q->progress, queued_on_progress, q);
	queued_host(q);
	return q;
}

struct slots *
queued_slots(struct engine *en)
{
	return queued_get(en)->slots;
}

void
queued_configure(struct engine *en)
{
	struct queued *q = en->queued;

	if (q == NULL)
		return;
	slots_configure(q->slots);
	sched_standard(q->sched, slots_total(q->slots));
	queued_log_configure(q);
	queued_ipc_configure(q);
	queued_prune(q);
	queued_step(q);
}

bool
queued_end_all(struct engine *en)
{
	struct queued *q = en->queued;

	if (q == NULL || q->gave_up)
		return false;
	if (q->writing == 0 && !q->loading && LIST_EMPTY(&q->works))
		return false;
	if (!loop_timer_active(&q->give_up))
		loop_timer_start(&q->give_up, GIVE_UP_MS);
	return true;
}

void
queued_free(struct engine *en)
{
	struct queued *q = en->queued;
	struct live *l, *next;

	if (q == NULL)
		return;
	q->backend->close(q->queue);
	loop_timer_stop(&q->due);
	loop_timer_stop(&q->lost);
	loop_timer_stop(&q->give_up);
	queued_keep_fini(q);
	queued_log_fini(q);
	loop_task_cancel(en->lp, &q->progress);
	HASH_ITER(hh, q->lives, l, next)
		live_free(q, l);
	sched_free(q->sched);
	slots_free(q->slots);
	free(q);
	en->queued = NULL;
}
