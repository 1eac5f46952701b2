/*
 * named - runs of tasks that have a name.  See named.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/named_priv.h"
#include "engine/queued_priv.h"
#include "engine/watching.h"
#include "watch/changes.h"

#define AGAIN_MS     5000
#define COMMAND_MAX  200
#define GROUP_PREFIX "task:"

/* --- keys -------------------------------------------------------------------
 */

const char *
named_of_key(const char *key)
{
	return queue_key_name(key);
}

/* What stands behind the @; NULL: it has none. */
static const char *
named_what(const char *key)
{
	const char *at = queue_key_name(key) != NULL ? strchr(key, '@') : NULL;

	return at != NULL ? at + 1 : NULL;
}

const char *
named_why_word(const char *key)
{
	const char *what = named_what(key);

	if (what == NULL)
		return NULL;
	switch (what[0]) {
	case NAMED_ORDER:
		return "order";
	case NAMED_DUE:
		return "schedule";
	case NAMED_THEN:
		return "then";
	case NAMED_FAILURE:
		return "on_failure";
	case NAMED_HOOK:
		return "hook";
	case NAMED_CHANGE:
		return "change";
	default:
		return NULL;
	}
}

bool
named_is_hook(const char *key)
{
	const char *what = key != NULL ? named_what(key) : NULL;

	return what != NULL && what[0] == NAMED_HOOK;
}

wall_ms
named_due_of(const char *key)
{
	const char *what = named_what(key);

	return what != NULL && what[0] == NAMED_DUE
		   ? strtoll(what + 1, NULL, 10)
		   : 0;
}

/* PROGRAM of "NAME@cWHAT#PROGRAM/NAME", its own task; NULL: no watch= began it.
 */
char *
named_program_of(const char *key)
{
	const char *what = named_what(key), *hash, *slash;
	size_t n = strcspn(key, "@");

	if (what == NULL || what[0] != NAMED_CHANGE ||
	    (hash = strchr(what, '#')) == NULL ||
	    (slash = strchr(hash, '/')) == NULL || strlen(slash + 1) != n ||
	    strncmp(key, slash + 1, n) != 0)
		return NULL;
	return xstrndup(hash + 1, (size_t)(slash - hash - 1));
}

/* --- a run that is being written down ---------------------------------------
 */

struct node {
	struct queue_req *req; /* NULL: sent */
	char name[CONFIG_NAME_MAX + 1];
	size_t *needs; /* nodes before it */
	size_t nneeds;
	uint64_t *after;
	uint64_t id; /* 0: not written down yet */
};

struct begin {
	LIST_ENTRY(begin) entry;
	struct named *nm;
	char *run;
	struct node *v;
	size_t n;
	size_t there;    /* of them, that have an id */
	unsigned asking; /* requests under way */
	bool failed;
	struct err err;
	const struct named_order *order; /* while it is put together */
	named_begun_cb *cb;
	void *arg;
};

static void
begin_free(struct begin *b)
{
	LIST_REMOVE(b, entry);
	for (size_t i = 0; i < b->n; i++) {
		if (b->v[i].req != NULL)
			queue_req_free(b->v[i].req);
		free(b->v[i].needs);
		free(b->v[i].after);
	}
	free(b->v);
	free(b->run);
	free(b);
}

static void
begin_tell(struct begin *b)
{
	struct named_node *v = xcalloc(b->n, sizeof *v);
	struct named_begun nb = { b->run, v, b->n, b->failed ? &b->err : NULL };

	for (size_t i = 0; i < b->n; i++) {
		struct node *nd = &b->v[i];

		for (size_t k = 0; k < nd->nneeds; k++)
			nd->after[k] = b->v[nd->needs[k]].id;
		v[i] = (struct named_node){ nd->name, nd->id, nd->after,
			nd->nneeds };
	}
	if (b->cb != NULL)
		b->cb(b->arg, &nb);
	free(v);
	begin_free(b);
}

static void begin_step(struct begin *b);

/* The one of b that the answer is of. */
static void
begin_on_added(void *arg, struct queue_req *req)
{
	struct begin *b = arg;
	const char *name = queue_key_name(req->task.key);

	b->asking--;
	if (req->rc == -1) {
		b->failed = true;
		b->err = req->err;
	}
	for (size_t i = 0; i < b->n && req->rc == 0; i++)
		if (strcmp(b->v[i].name, name) == 0 && b->v[i].id == 0) {
			b->v[i].id = req->task.id;
			b->there++;
		}
	begin_step(b);
}

static bool
begin_may_send(const struct begin *b, const struct node *nd)
{
	for (size_t i = 0; i < nd->nneeds; i++)
		if (b->v[nd->needs[i]].id == 0)
			return false;
	return nd->req != NULL;
}

/* Sends all that is known to have what it depends on in the queue. */
static void
begin_step(struct begin *b)
{
	struct queue_req *req;

	for (size_t i = 0; i < b->n && !b->failed; i++) {
		struct node *nd = &b->v[i];

		if (!begin_may_send(b, nd))
			continue;
		req = nd->req;
		nd->req = NULL;
		req->task.nafter = nd->nneeds;
		req->task.after = xcalloc(nd->nneeds + 1, sizeof(uint64_t));
		for (size_t k = 0; k < nd->nneeds; k++)
			req->task.after[k] = b->v[nd->needs[k]].id;
		b->asking++;
		queued_send(b->nm->en, req);
	}
	if (b->asking == 0)
		begin_tell(b);
}

/* The files that have changed, a line each: REEVE_CHANGED of the command. */
static void
begin_changed(struct queue_task *q, const struct changes *ch)
{
	struct buf b;

	buf_init(&b);
	if (!ch->unknown)
		buf_addf(&b, "%zu", ch->count);
	buf_addc(&b, '\n');
	for (size_t i = 0; i < ch->paths.n; i++)
		buf_addf(&b, "%s%s", i > 0 ? "\n" : "", ch->paths.v[i]);
	q->spec_len = b.len + 1;
	q->spec = buf_steal(&b);
}

static struct queue_req *
begin_request(struct begin *b, const struct config_task *t)
{
	wall_ms not_before = b->order->not_before;
	struct queue_req *req = queue_req_new(QR_ADD, begin_on_added, b);
	const char *command = t->shell != NULL ? t->shell : t->run.command;
	struct queue_task *q = &req->task;

	q->uid = geteuid();
	q->key = xasprintf("%s/%s", b->run, t->run.name);
	q->group = xasprintf(GROUP_PREFIX "%s", t->run.name);
	q->command = xasprintf("%s: %.*s", t->run.name, COMMAND_MAX, command);
	q->retries = (int32_t)t->retries;
	q->on_crash = (enum queue_crash)t->on_crash;
	q->timeout_ms = t->timeout_ms;
	q->added = clock_wall_ms();
	q->not_before = not_before > q->added ? not_before : 0;
	/* What it is to run is in the config, when it is started. */
	if (b->order->changed != NULL) {
		begin_changed(q, b->order->changed);
	} else {
		q->spec = xstrdup("");
		q->spec_len = 1;
	}
	return req;
}

static size_t
begin_find(const struct begin *b, const char *name)
{
	size_t i = 0;

	while (i < b->n && strcmp(b->v[i].name, name) != 0)
		i++;
	return i;
}

/* What it depends on first; its place in b.  There are no rings. */
static size_t
begin_add(struct begin *b, const struct config_task *t)
{
	size_t n = t->depends_on.n, *needs = xcalloc(n + 1, sizeof *needs);
	size_t nneeds = 0, i;
	struct node *nd;

	for (i = 0; i < n; i++) {
		const char *name = t->depends_on.v[i];
		size_t at = begin_find(b, name), k = 0;

		if (at == b->n)
			at =
			    begin_add(b, config_task_find(b->nm->en->cf, name));
		while (k < nneeds && needs[k] != at)
			k++;
		if (k == nneeds)
			needs[nneeds++] = at;
	}
	b->v = xreallocarray(b->v, b->n + 1, sizeof *b->v);
	nd = &b->v[b->n];
	*nd = (struct node){ .needs = needs, .nneeds = nneeds };
	nd->after = xcalloc(nneeds + 1, sizeof *nd->after);
	snprintf(nd->name, sizeof nd->name, "%s", t->run.name);
	nd->req = begin_request(b, t);
	return b->n++;
}

int
named_begin_order(
    struct engine *en, const struct named_order *no, struct err *err)
{
	const struct config_task *t = config_task_find(en->cf, no->name);
	struct named *nm = named_get(en);
	struct begin *b;

	if (t == NULL)
		return err_set(
		    err, "there is no [task:%s] in the config", no->name);
	b = xcalloc(1, sizeof *b);
	b->nm = nm;
	b->run = xasprintf("%s@%c%s", no->name, (char)no->why, no->what);
	b->order = no;
	b->cb = no->cb;
	b->arg = no->arg;
	LIST_INSERT_HEAD(&nm->begins, b, entry);
	begin_add(b, t);
	b->order = NULL;
	begin_step(b);
	return 0;
}

int
named_begin(struct engine *en, const char *name, enum named_why why,
    const char *what, wall_ms not_before, named_begun_cb *cb, void *arg,
    struct err *err)
{
	struct named_order no = { .name = name,
		.why = why,
		.what = what,
		.not_before = not_before,
		.cb = cb,
		.arg = arg };

	return named_begin_order(en, &no, err);
}

/* --- what becomes of them ---------------------------------------------------
 */

static void
named_subject(char out[72], const char *key)
{
	snprintf(out, 72, "task:%s", queue_key_name(key));
}

static bool
named_is_watched(const char *key)
{
	char *program = named_program_of(key);

	free(program);
	return program != NULL;
}

bool
named_acts(const struct engine *en, const char *key, enum queue_state state)
{
	const char *name = queue_key_name(key);
	const struct config_task *t =
	    name != NULL ? config_task_find(en->cf, name) : NULL;

	if (t == NULL)
		return false;
	if (state == QS_DONE)
		return t->then.n > 0 || named_is_watched(key);
	if (state == QS_FAILED || state == QS_LOST || state == QS_SKIPPED)
		return t->on_failure.n > 0;
	return false;
}

/* " for deploy, by schedule" */
static void
named_for(struct buf *b, const char *key)
{
	const char *name = queue_key_name(key);
	size_t n = strcspn(key, "@");

	if (strlen(name) != n || strncmp(key, name, n) != 0)
		buf_addf(b, " for %.*s", (int)n, key);
	buf_addf(b, " (%s)", named_why_word(key));
}

void
named_started(struct engine *en, const char *key, uint64_t id)
{
	char subject[72];
	struct buf b;

	buf_init(&b);
	named_for(&b, key);
	named_subject(subject, key);
	engine_event(en, subject, "task_started", "task %llu is started%s",
	    (unsigned long long)id, buf_str(&b));
	buf_fini(&b);
}

void
named_ended(struct engine *en, const char *key, const struct queue_task *t)
{
	char subject[72];

	named_subject(subject, key);
	engine_event(en, subject, "task_ended", "task %llu is %s%s%s",
	    (unsigned long long)t->id, queue_state_name(t->state),
	    t->reason != NULL ? ": " : "", t->reason != NULL ? t->reason : "");
	watching_run_ended(en, queue_key_name(key));
	if (t->acts)
		act_begin(named_get(en), key, t->id, t->state == QS_DONE);
}

/* --- life -------------------------------------------------------------------
 */

static void
named_on_wall(struct loop_wall *w, void *arg)
{
	(void)w;
	timed_look(arg);
}

static void
named_on_again(struct loop_timer *t, void *arg)
{
	struct named *nm = arg;

	(void)t;
	act_again(nm);
	timed_look(nm);
}

void
named_retry(struct named *nm)
{
	if (!loop_timer_active(&nm->again))
		loop_timer_start(&nm->again, AGAIN_MS);
}

struct named *
named_get(struct engine *en)
{
	struct named *nm = en->named;

	if (nm != NULL)
		return nm;
	nm = en->named = xcalloc(1, sizeof *nm);
	nm->en = en;
	LIST_INIT(&nm->begins);
	LIST_INIT(&nm->timed);
	LIST_INIT(&nm->acts);
	loop_wall_init(&nm->wall, en->lp, named_on_wall, nm);
	loop_timer_init(&nm->again, en->lp, named_on_again, nm);
	return nm;
}

void
named_free(struct engine *en)
{
	struct named *nm = en->named;

	if (nm == NULL)
		return;
	loop_wall_stop(&nm->wall);
	loop_timer_stop(&nm->again);
	while (!LIST_EMPTY(&nm->begins))
		begin_free(LIST_FIRST(&nm->begins));
	while (!LIST_EMPTY(&nm->timed))
		timed_free(LIST_FIRST(&nm->timed));
	while (!LIST_EMPTY(&nm->acts))
		act_free(LIST_FIRST(&nm->acts));
	free(nm);
	en->named = NULL;
}

bool
named_needs_queue(const struct engine *en)
{
	if (watching_needs_queue(en))
		return true;
	for (size_t i = 0; i < en->cf->ntasks; i++)
		if (en->cf->tasks[i]->schedule.text != NULL)
			return true;
	return false;
}

void
named_loaded(struct engine *en, const struct queue_req *req)
{
	struct named *nm = named_get(en);

	nm->loaded = true;
	timed_setup(nm, req);
	for (size_t i = 0; i < req->ntasks; i++) {
		const struct queue_task *t = &req->tasks[i];

		if (t->acts && queue_key_name(t->key) != NULL)
			act_begin(nm, t->key, t->id, t->state == QS_DONE);
	}
	watching_progress(en);
}

void
named_reload(struct engine *en)
{
	if (en->named != NULL && en->named->loaded)
		timed_setup(en->named, NULL);
	else if (en->queued != NULL || named_needs_queue(en))
		queued_load_now(en);
}
