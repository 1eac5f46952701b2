/*
 * hook_task - a hook that names a task.
 *
 * For who waits for it the run is a struct task like that of a command.  What
 * is waited for is the run's own task; when it is given up, the whole run is
 * cancelled.  An engine after this one begins the run again, by the same name,
 * and so finds it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/named.h"
#include "engine/queued.h"

#define STAND_STOP_MS 60000 /* the default of hook_timeout= */

struct stand {
	struct engine *en;
	struct task *task;
	char *run;
	uint64_t id;      /* 0: it is not begun yet */
	unsigned waiting; /* answers that come with this */
	bool again;       /* it has ended meanwhile */
	bool over;        /* end is valid, finish is queued or done */
	bool finished;
	struct task_end end;
	struct queued_watch watch;
	struct loop_task finish;
};

static void
stand_free(struct stand *sd)
{
	if (!sd->finished || sd->waiting > 0)
		return;
	free(sd->run);
	free(sd);
}

static void
stand_on_finish(void *arg)
{
	struct stand *sd = arg;

	queued_unwatch(sd->en, &sd->watch);
	sd->finished = true;
	task_stand_end(sd->task, &sd->end);
	stand_free(sd);
}

static void stand_over(struct stand *sd, enum task_how how, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

static void
stand_over(struct stand *sd, enum task_how how, const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	if (sd->over)
		return;
	buf_init(&b);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	sd->over = true;
	sd->end.how = how;
	snprintf(sd->end.text, sizeof sd->end.text, "%s", buf_str(&b));
	buf_fini(&b);
	loop_task_queue(sd->en->lp, &sd->finish);
}

static void
stand_end_it(void *arg, enum task_how how)
{
	struct stand *sd = arg;

	if (sd->over)
		return;
	if (how == TASK_TIMED_OUT)
		stand_over(sd, how, "%s was not done in time", sd->run);
	else
		stand_over(sd, how, "%s was cancelled", sd->run);
	named_cancel(sd->en, sd->run);
}

static void stand_on_state(void *arg, struct queue_req *req);

static void
stand_ask(struct stand *sd)
{
	struct queue_req *req = queue_req_new(QR_GET, stand_on_state, sd);

	req->ids = xcalloc(1, sizeof *req->ids);
	req->ids[0] = sd->id;
	req->nids = 1;
	sd->waiting++;
	sd->again = false;
	queued_send(sd->en, req);
}

static void
stand_take(struct stand *sd, const struct queue_task *t)
{
	sd->end.code = t->exit_code;
	sd->end.signo = t->exit_signal;
	sd->end.ran_ms = t->ran_ms;
	if (t->state == QS_DONE) {
		sd->end.code = 0;
		stand_over(sd, TASK_EXITED, "task %llu is done",
		    (unsigned long long)t->id);
		return;
	}
	/* No code says that it went well. */
	stand_over(sd,
	    t->exit_signal != 0 ? TASK_SIGNALLED
	    : t->exit_code > 0  ? TASK_EXITED
				: TASK_NO_START,
	    "task:%s (%llu) is %s%s%s", queue_key_name(t->key),
	    (unsigned long long)t->id, queue_state_name(t->state),
	    t->reason != NULL ? ": " : "", t->reason != NULL ? t->reason : "");
}

static void
stand_on_state(void *arg, struct queue_req *req)
{
	struct stand *sd = arg;

	sd->waiting--;
	if (req->rc == -1)
		stand_over(sd, TASK_NO_START, "%s", req->err.text);
	else if (queue_state_is_end(req->tasks[0].state))
		stand_take(sd, &req->tasks[0]);
	else if (sd->again && !sd->over)
		stand_ask(sd);
	stand_free(sd);
}

static void
stand_on_ended(void *arg, uint64_t id)
{
	struct stand *sd = arg;

	if (id != sd->id || sd->over)
		return;
	if (sd->waiting > 0)
		sd->again = true;
	else
		stand_ask(sd);
}

static void
stand_on_begun(void *arg, const struct named_begun *nb)
{
	struct stand *sd = arg;

	sd->waiting--;
	if (nb->err != NULL) {
		stand_over(sd, TASK_NO_START, "%s", nb->err->text);
	} else if (sd->over) {
		named_cancel(sd->en, sd->run); /* given up meanwhile */
	} else {
		sd->id = nb->v[nb->n - 1].id;
		stand_ask(sd);
	}
	stand_free(sd);
}

/* The end of reeved waits for it: not for ever, whatever the task says. */
static void
stand_bound(struct stand *sd, const char *name)
{
	const struct config_task *t = config_task_find(sd->en->cf, name);

	if (sd->en->stopping && (t == NULL || t->timeout_ms == 0))
		task_set_timeout(sd->task, STAND_STOP_MS);
}

struct task *
hook_task(struct engine *en, const char *name, const char *what,
    task_done *done, void *arg, struct err *err)
{
	struct stand *sd;

	if (en->kill_now) {
		err_set(err, "task:%s is not begun, reeved kills all", name);
		return NULL;
	}
	sd = xcalloc(1, sizeof *sd);
	sd->en = en;
	sd->run = xasprintf("%s@%c%s", name, NAMED_HOOK, what);
	sd->watch.ended = stand_on_ended;
	sd->watch.arg = sd;
	sd->end.max_rss_kb = -1;
	loop_task_init(&sd->finish, stand_on_finish, sd);
	sd->waiting++;
	if (named_begin(
		en, name, NAMED_HOOK, what, 0, stand_on_begun, sd, err) == -1) {
		free(sd->run);
		free(sd);
		return NULL;
	}
	queued_watch(en, &sd->watch);
	sd->task = task_new(en, "", 0, done, arg);
	task_stand_in(sd->task, stand_end_it, sd);
	stand_bound(sd, name);
	return sd->task;
}
