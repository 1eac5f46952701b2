/*
 * named_act - what follows the end of a named task: then, on_failure.
 *
 * That something is to follow is written down with the end, and forgotten when
 * all of it has begun: an engine that dies in between does it again.  A task
 * that follows is begun under the id of the one that it follows, so it is the
 * same run.  That orders to programs were given is noted in the keeper's memory
 * when they all were, and a roll's record has the task that it follows: neither
 * is given twice.  A reeved after this one gives them again; its programs are
 * new then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/named_priv.h"
#include "engine/queued_priv.h"

struct act {
	LIST_ENTRY(act) entry;
	struct named *nm;
	char *name;
	char *program; /* whose watch= it was run for; NULL: none */
	uint64_t id;
	bool ok;
	unsigned asking;
	bool failed; /* to be tried again */
};

void
act_free(struct act *a)
{
	LIST_REMOVE(a, entry);
	free(a->name);
	free(a->program);
	free(a);
}

static void
act_on_forgotten(void *arg, struct queue_req *req)
{
	(void)arg;
	(void)req;
}

static void
act_settle(struct act *a)
{
	struct queue_req *req;

	if (a->asking > 0)
		return;
	if (a->failed) {
		named_retry(a->nm);
		return;
	}
	req = queue_req_new(QR_ACTED, act_on_forgotten, NULL);
	req->task.id = a->id;
	queued_send(a->nm->en, req);
	act_free(a);
}

static void
act_on_begun(void *arg, const struct named_begun *nb)
{
	struct act *a = arg;

	a->asking--;
	if (nb->err != NULL) {
		a->failed = true;
		log_errorx("%s can't be begun: %s", nb->run, nb->err->text);
	}
	act_settle(a);
}

static void act_event(const struct act *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
act_event(const struct act *a, const char *fmt, ...)
{
	char subject[72];
	struct buf b;
	va_list ap;

	buf_init(&b);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	snprintf(subject, sizeof subject, "task:%s", a->name);
	log_info("%s of task %s (%llu): %s", a->ok ? "then" : "on_failure",
	    a->name, (unsigned long long)a->id, buf_str(&b));
	engine_event(a->nm->en, subject, "task_then", "%s: %s",
	    a->ok ? "then" : "on_failure", buf_str(&b));
	buf_fini(&b);
}

static void
act_task(struct act *a, const char *name)
{
	char what[24];
	struct err err;

	snprintf(what, sizeof what, "%llu", (unsigned long long)a->id);
	act_event(a, "task:%s", name);
	a->asking++;
	if (named_begin(a->nm->en, name, a->ok ? NAMED_THEN : NAMED_FAILURE,
		what, 0, act_on_begun, a, &err) == 0)
		return;
	a->asking--;
	log_errorx("%s", err.text);
}

/* false: err tells. */
static bool
act_give_order(struct engine *en, enum op_kind kind, char *name, uint64_t cause,
    struct err *err)
{
	struct op_request req = { .kind = kind,
		.names = &name,
		.n = 1,
		.cause = cause,
		.who = { geteuid(), getegid(), getpid() } };
	int code;

	return op_start(en, &req, err, &code) != NULL;
}

static void
act_order(struct act *a, enum op_kind kind, const char *verb, char *name)
{
	struct err err = { .text = "" };

	if (act_give_order(a->nm->en, kind, name, a->id, &err))
		act_event(a, "%s %s", verb, name);
	else
		act_event(a, "%s %s: %s", verb, name, err.text);
}

void
named_watch_order(
    struct engine *en, const struct config_program *p, uint64_t cause)
{
	char *name =
	    p->rare->watch.name != NULL ? p->rare->watch.name : p->name;
	const char *verb = p->rare->watch.restart ? "restart" : "roll";
	struct err err = { .text = "" };

	if (act_give_order(en, p->rare->watch.restart ? OP_RESTART : OP_ROLL,
		name, cause, &err)) {
		log_info("watch of %s: %s %s", p->name, verb, name);
		engine_event(en, p->name, "watch", "%s %s", verb, name);
		return;
	}
	log_warnx("watch of %s: %s %s: %s", p->name, verb, name, err.text);
	engine_event(en, p->name, "watch", "%s %s: %s", verb, name, err.text);
}

static void
act_one(struct act *a, const struct config_action *ca)
{
	switch (ca->kind) {
	case ACTION_TASK:
		act_task(a, ca->name);
		return;
	case ACTION_ROLL:
		act_order(a, OP_ROLL, "roll", ca->name);
		return;
	case ACTION_RESTART:
		act_order(a, OP_RESTART, "restart", ca->name);
		return;
	case ACTION_START:
		act_order(a, OP_START, "start", ca->name);
		return;
	case ACTION_STOP:
		act_order(a, OP_STOP, "stop", ca->name);
		return;
	}
}

static void
act_watch(struct act *a)
{
	const struct config_program *p =
	    config_program_find(a->nm->en->cf, a->program);

	/* A reload may have taken it away meanwhile. */
	if (p != NULL && p->rare->watch.globs.n > 0)
		named_watch_order(a->nm->en, p, a->id);
}

static bool
act_was_ordered(const struct act *a)
{
	for (size_t i = 0; i < TABLE_ACTED; i++)
		if (a->nm->en->acted[i] == a->id)
			return true;
	return false;
}

/* In the place of the oldest: that one is in the queue by now. */
static void
act_note_ordered(const struct act *a)
{
	struct engine *en = a->nm->en;
	size_t at = 0;

	for (size_t i = 1; i < TABLE_ACTED; i++)
		if (en->acted[i] < en->acted[at])
			at = i;
	en->acted[at] = a->id;
	engine_save_self(en, en->stop_by_person ? &en->stop_who : NULL);
}

static void
act_run(struct act *a)
{
	const struct config_task *t = config_task_find(a->nm->en->cf, a->name);
	const struct config_actions *as;
	bool ordered = act_was_ordered(a);

	/* The next reeved does it. */
	if (a->nm->en->stopping)
		return;
	a->failed = false;
	a->asking++;
	if (a->ok && a->program != NULL && !ordered)
		act_watch(a);
	if (t != NULL) {
		as = a->ok ? &t->then : &t->on_failure;
		for (size_t i = 0; i < as->n; i++)
			if (as->v[i].kind == ACTION_TASK || !ordered)
				act_one(a, &as->v[i]);
	}
	if (!ordered)
		act_note_ordered(a);
	a->asking--;
	act_settle(a);
}

void
act_again(struct named *nm)
{
	struct act *a, *next;

	for (a = LIST_FIRST(&nm->acts); a != NULL; a = next) {
		next = LIST_NEXT(a, entry);
		if (a->failed && a->asking == 0)
			act_run(a);
	}
}

void
act_begin(struct named *nm, const char *key, uint64_t id, bool ok)
{
	struct act *a = xcalloc(1, sizeof *a);

	a->nm = nm;
	a->name = xstrdup(queue_key_name(key));
	a->program = named_program_of(key);
	a->id = id;
	a->ok = ok;
	LIST_INSERT_HEAD(&nm->acts, a, entry);
	act_run(a);
}
