/*
 * queued_load - the queue as it was left: by an engine or by a reeved before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/queued_priv.h"

#define LOAD_AGAIN_MS 5000
#define DELAY_MAX_MS  INT64_C(60000)

static char *
queued_path(const struct engine *en)
{
	return xasprintf("%s/queue.db", en->cf->state_dir);
}

/* "!Q:ID.TRY" */
bool
queued_adopt(struct engine *en, const struct orphan *o)
{
	struct queued *q;
	char tree[SLOT_NAME_MAX];
	struct work *w;
	uint64_t id;
	int tries;

	if (sscanf(o->label, "!Q:%" SCNu64 ".%d", &id, &tries) != 2)
		return false;
	q = queued_get(en);
	w = work_new(q, id, tries);
	queued_tree_name(tree, sizeof tree, id);
	w->task = task_adopt(en, tree, (unsigned)tries, o->id, o->pid,
	    o->started_ms, work_on_done, w);
	task_on_start(w->task, queued_ipc_on_start);
	queued_ipc_adopt(w);
	queued_log_adopt(q, w);
	return true;
}

static struct work *
load_work(struct queued *q, const struct queue_task *t)
{
	struct work *w;

	LIST_FOREACH(w, &q->works, entry)
		if (w->id == t->id && w->tries == t->tries)
			return w;
	return NULL;
}

/* Its process is there, dead or alive. */
static void
load_running(struct queued *q, struct live *l, struct work *w)
{
	l->work = w;
	l->phase = LP_RUNNING;
	if (w->over) {
		live_over(q, l);
		return;
	}
	task_set_timeout(w->task, l->timeout_ms);
	if (l->cancel)
		live_signal(l);
	log_info("task %llu still runs", (unsigned long long)l->id);
}

/* A time of the wall clock, which may have been set since, into ours. */
static mono_ms
load_not_before(const struct queued *q, const struct queue_task *t)
{
	int64_t left = t->not_before - clock_wall_ms();
	int64_t most = t->not_before - t->added;

	if (t->not_before == 0 || left <= 0)
		return 0;
	if (t->tries > 0 || most < 0)
		most = DELAY_MAX_MS;
	return loop_now(q->en->lp) + (left < most ? left : most);
}

/* It was started with a CPU, and its process is there, dead or alive. */
static bool
load_has_slot(struct queued *q, const struct queue_task *t)
{
	return t->state == QS_RUNNING && !str_equal(t->group, SCHED_DETACHED) &&
	       load_work(q, t) != NULL;
}

/* Before the first of them gives its own back. */
static void
load_slots(struct queued *q, const struct queue_req *req)
{
	unsigned n = 0;

	for (size_t i = 0; i < req->ntasks; i++)
		n += load_has_slot(q, &req->tasks[i]);
	slots_taken(q->slots, n);
}

static void
load_task(struct queued *q, struct queue_task *t)
{
	struct sched_task st = { t->id, t->uid, t->group, t->priority, 0,
		t->after, t->nafter };
	struct work *w = t->state == QS_RUNNING ? load_work(q, t) : NULL;
	struct live *l;

	/* It was to be run under us, and the keeper knows nothing of it. */
	if (t->state == QS_RUNNING && w == NULL &&
	    str_equal(t->host, q->host)) {
		t->state = QS_QUEUED;
		t->not_before = 0;
		t->tries--;
	}
	l = live_new(q, t);
	if (t->state == QS_RUNNING) {
		sched_add_running(q->sched, &st);
		l->slot = load_has_slot(q, t);
		if (w != NULL)
			load_running(q, l, w);
		else
			lost_begin(q, l, t);
		return;
	}
	st.not_before = load_not_before(q, t);
	sched_add(q->sched, &st);
	if (l->cancel)
		queued_cancel(q->en, t->id);
	else if (t->doomed)
		live_skip(q, l, t->doomed_by, NULL, "not done");
}

/* Of tasks whose end is known already; one that runs is nobody's. */
static void
load_leftovers(struct queued *q)
{
	struct work *w, *next;
	struct live *l;

	for (w = LIST_FIRST(&q->works); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		l = live_find(q, w->id);
		if (l != NULL && l->work == w)
			continue;
		if (w->over) {
			work_free(w);
			continue;
		}
		log_warnx("the queue does not know task %llu, which runs: it "
			  "is killed",
		    (unsigned long long)w->id);
		task_kill(w->task);
	}
}

static void
load_on_answer(void *arg, struct queue_req *req)
{
	struct queued *q = arg;
	size_t live = 0;

	q->loading = false;
	if (req->rc == -1) {
		if (q->en->stopping)
			loop_task_queue(q->en->lp, &q->progress);
		else
			loop_timer_start(&q->due, LOAD_AGAIN_MS);
		return;
	}
	q->loaded = true;
	for (size_t i = 0; i < req->ngroups; i++) {
		const struct queue_group *g = &req->groups[i];

		sched_parallel(q->sched, g->uid, g->name, g->parallel);
		sched_pause(q->sched, g->uid, g->name, g->paused);
	}
	load_slots(q, req);
	for (size_t i = 0; i < req->ntasks; i++)
		if (!queue_state_is_end(req->tasks[i].state)) {
			load_task(q, &req->tasks[i]);
			live++;
		}
	load_leftovers(q);
	if (live > 0)
		log_info("the queue has %zu tasks that have not ended", live);
	named_loaded(q->en, req);
	lost_look(q);
	queued_step(q);
	queued_prune(q);
	if (q->en->stopping)
		loop_task_queue(q->en->lp, &q->progress);
}

void
queued_load(struct queued *q)
{
	struct err err = { .text = "" };
	char *path;

	if (q->loaded || q->loading || q->en->cf->state_dir == NULL)
		return;
	if (q->queue == NULL) {
		path = queued_path(q->en);
		engine_make_dirs(path, 0755);
		q->queue = q->backend->open(q->en->lp, path, &err);
		free(path);
	}
	if (q->queue == NULL) {
		log_errorx("%s", err.text);
		return;
	}
	q->loading = true;
	q->backend->send(q->queue, queue_req_new(QR_LOAD, load_on_answer, q));
}

void
queued_begin(struct engine *en)
{
	char *path;

	if (en->cf->state_dir == NULL)
		return;
	queued_log_leftovers(en);
	path = queued_path(en);
	if (en->queued != NULL || named_needs_queue(en) ||
	    access(path, F_OK) == 0)
		queued_load(queued_get(en));
	free(path);
}

void
queued_load_now(struct engine *en)
{
	queued_load(queued_get(en));
}
