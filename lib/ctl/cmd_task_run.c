/*
 * cmd_task_run - tasks that have a name, for clients.
 *
 * A run is begun under the client's key: asked for again, by one that was not
 * answered, it is the same run.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/config.h"
#include "ctl/running.h"
#include "ctl/task_priv.h"
#include "engine/watching.h"

/* --- task_run ---------------------------------------------------------------
 */

/* A run that is being written down, and who waits for it. */
struct beginning {
	struct ctl_req *r; /* NULL: the client is gone */
};

static void
run_on_close(struct ctl_req *r)
{
	struct beginning *bg = r->priv;

	bg->r = NULL;
}

static void
run_put(struct ctl_req *r, const struct named_begun *nb)
{
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_int(w, "id", (int64_t)nb->v[nb->n - 1].id);
	jw_arr(w, "tasks");
	for (size_t i = 0; i < nb->n; i++) {
		jw_obj(w, NULL);
		jw_str(w, "name", nb->v[i].name);
		jw_int(w, "id", (int64_t)nb->v[i].id);
		jw_arr(w, "after");
		for (size_t k = 0; k < nb->v[i].nafter; k++)
			jw_int(w, NULL, (int64_t)nb->v[i].after[k]);
		jw_end_arr(w);
		jw_end_obj(w);
	}
	jw_end_arr(w);
	jw_end_obj(w);
	ctl_result_end(r);
}

static void
run_on_begun(void *arg, const struct named_begun *nb)
{
	struct beginning *bg = arg;
	struct ctl_req *r = bg->r;

	free(bg);
	if (r == NULL)
		return;
	r->close = NULL;
	r->priv = NULL;
	if (nb->err != NULL)
		ctl_fail(r, CTL_E_FAILED, "%s", nb->err->text);
	else
		run_put(r, nb);
}

void
cmd_task_run(struct ctl_req *r, struct args *a)
{
	const char *name = args_str(a, "task", true);
	const char *key = args_str(a, "key", true);
	struct beginning *bg;
	struct err err;

	if (!a->bad && !run_key_ok(key))
		args_error(a, "parameter \"key\" must be letters and digits");
	if (args_end(a, r) == -1)
		return;
	bg = xcalloc(1, sizeof *bg);
	bg->r = r;
	r->priv = bg;
	r->close = run_on_close;
	if (named_begin(r->s->srv->en, name, NAMED_ORDER, key, 0, run_on_begun,
		bg, &err) == 0)
		return;
	free(bg);
	r->priv = NULL;
	r->close = NULL;
	ctl_fail(r, CTL_E_NAME, "%s", err.text);
}

/* --- task_watch -------------------------------------------------------------
 */

static void watch_answer(struct asked *a, struct queue_req *req);

static void
watch_ask(struct asked *a)
{
	queued_send(a->en, asked_req(a, QR_GET, watch_answer));
}

static void
watch_on_change(void *arg, uint64_t id)
{
	struct asked *a = arg;

	for (size_t i = 0; i < a->nids && a->r != NULL; i++) {
		if (a->ids[i] != id)
			continue;
		if (a->asking)
			a->again = true;
		else
			watch_ask(a);
		return;
	}
}

static void
watch_answer(struct asked *a, struct queue_req *req)
{
	bool changed = false;
	struct jw *w;

	for (size_t i = 0; i < req->ntasks && i < a->states.n; i++)
		if (strcmp(a->states.v[i],
			queue_state_name(req->tasks[i].state)) != 0)
			changed = true;
	if (changed) {
		w = ctl_result_begin(a->r);
		jw_obj(w, NULL);
		tasks_put(w, a->en, req);
		jw_end_obj(w);
		ctl_result_end(asked_end(a));
	} else if (a->again) {
		a->again = false;
		watch_ask(a);
	}
}

void
cmd_task_watch(struct ctl_req *r, struct args *args)
{
	struct strv states;
	struct asked *a;
	uint64_t *ids;
	size_t n;

	strv_init(&states);
	task_ids(args, "ids", true, &ids, &n);
	args_strv(args, "states", true, &states);
	if (!args->bad && states.n != n)
		args_error(args, "there must be as many states as ids");
	if (args_end(args, r) == -1) {
		free(ids);
		strv_fini(&states);
		return;
	}
	a = asked_new(r);
	a->ids = ids;
	a->nids = n;
	a->states = states;
	r->lost = ctl_lost_verb;
	a->watch.all = true;
	asked_watch(a, watch_on_change);
	watch_ask(a);
}

/* --- task_names -------------------------------------------------------------
 */

static void
names_last(struct jw *w, const struct queue_req *req, const char *name)
{
	const struct queue_task *t = NULL;

	for (size_t i = 0; i < req->ntasks; i++)
		if (str_equal(queue_key_name(req->tasks[i].key), name))
			t = &req->tasks[i];
	if (t == NULL) {
		jw_str(w, "last", NULL);
		return;
	}
	jw_obj(w, "last");
	jw_int(w, "id", (int64_t)t->id);
	jw_str(w, "state", queue_state_name(t->state));
	jw_int_or(w, "exit_code", t->exit_code, -1);
	jw_int_or(w, "exit_signal", t->exit_signal, 0);
	jw_bool(w, "timed_out", t->timed_out);
	jw_str(w, "reason", t->reason);
	jw_str(w, "begun_by", named_why_word(t->key));
	jw_int_or(w, "started", t->started, 0);
	jw_int_or(w, "ended", t->ended, 0);
	jw_int_or(w, "ran_ms", t->ran_ms, -1);
	jw_end_obj(w);
}

/* Of on_change=, where there is one. */
static void
names_watch(struct jw *w, const struct engine *en, const char *name)
{
	struct watching_info wi;

	if (!watching_get(en, name, false, &wi))
		return;
	jw_obj(w, "watch");
	jw_int(w, "directories", (int64_t)wi.dirs);
	jw_bool(w, "complete", wi.complete);
	jw_bool(w, "change_waits", wi.waiting);
	jw_str(w, "trouble", wi.trouble);
	jw_end_obj(w);
}

static void
names_put(struct jw *w, struct engine *en, const struct config_task *t,
    const struct queue_req *req)
{
	jw_obj(w, NULL);
	jw_str(w, "name", t->run.name);
	jw_str(w, "command", t->shell != NULL ? t->shell : t->run.command);
	jw_arr(w, "depends_on");
	for (size_t i = 0; i < t->depends_on.n; i++)
		jw_str(w, NULL, t->depends_on.v[i]);
	jw_end_arr(w);
	jw_str(w, "schedule", t->schedule.text);
	jw_int_or(w, "next", named_next(en, t->run.name), 0);
	jw_int(w, "runs", (int64_t)named_live(en, t->run.name));
	names_watch(w, en, t->run.name);
	names_last(w, req, t->run.name);
	jw_end_obj(w);
}

static void
names_answer(struct asked *a, struct queue_req *req)
{
	const struct config *cf = engine_config(a->en);
	struct jw *w = ctl_result_begin(a->r);

	jw_obj(w, NULL);
	jw_arr(w, "names");
	for (size_t i = 0; i < cf->ntasks; i++)
		names_put(w, a->en, cf->tasks[i], req);
	jw_end_arr(w);
	jw_end_obj(w);
	ctl_result_end(asked_end(a));
}

/* Without tasks in the config the queue is not opened for it. */
void
cmd_task_names(struct ctl_req *r, struct args *args)
{
	struct jw *w;
	struct asked *a;

	if (args_end(args, r) == -1)
		return;
	if (engine_config(r->s->srv->en)->ntasks == 0) {
		w = ctl_result_begin(r);
		jw_obj(w, NULL);
		jw_arr(w, "names");
		jw_end_arr(w);
		jw_end_obj(w);
		ctl_result_end(r);
		return;
	}
	a = asked_new(r);
	queued_send(a->en, asked_req(a, QR_NAMED, names_answer));
}
