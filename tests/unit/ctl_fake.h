/*
 * ctl_fake - an engine for the control server to talk to: slots that are
 * what the test says, orders that do what the test says.
 *
 * Defines the functions of engine.h and event.h, so that the linker takes
 * these and not the archive's.  Included by one file of a program.
 */
#ifndef UNIT_CTL_FAKE_H
#define UNIT_CTL_FAKE_H

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/channel.h"
#include "engine/engine.h"
#include "engine/named.h"
#include "engine/queued.h"
#include "engine/run.h"
#include "engine/upgrade.h"
#include "engine/watching.h"
#include "logs/pump.h"

#define FAKE_RING 64

struct event_log {
	struct event ring[FAKE_RING];
	uint64_t last;
	struct event_watcher *watchers;
};

struct op {
	struct op_request req;
	struct op *next;
};

struct pump_tap {
	pump_tap_cb *cb;
	void *arg;
	struct engine *en;
};

struct engine {
	struct slot_info *slots;
	size_t nslots;
	struct event_log events;
	struct op *ops;
	struct pump_tap *tap;
	struct config *cf;
	const char *log;      /* path of every log */
	const char *op_error; /* op_start fails */
	int op_code;
	unsigned detached;
	unsigned started;
	struct engine_who who; /* of the last order */
	int number;
	char names[256]; /* of the last order */
	enum op_kind kind;
	struct msglog *messages;
	unsigned moved;
	char *sent; /* the last message */
	uint64_t sent_key;
};

static inline void
fake_engine_init(struct engine *en, struct slot_info *slots, size_t n)
{
	static const char text[] = "[reeve]\nstate_dir = /tmp\n"
				   "[program:web]\ncommand = /bin/true\n"
				   "workers = 2\n";
	struct config_errors errs;

	memset(en, 0, sizeof *en);
	en->slots = slots;
	en->nslots = n;
	config_errors_init(&errs);
	en->cf =
	    config_load_text("/etc/reeve.conf", text, sizeof text - 1, &errs);
	BUG_ON(en->cf == NULL);
	config_errors_fini(&errs);
}

static inline void
fake_engine_fini(struct engine *en)
{
	struct op *op;

	while ((op = en->ops) != NULL) {
		en->ops = op->next;
		free(op);
	}
	config_free(en->cf);
	msglog_free(en->messages);
	free(en->sent);
}

static inline void
fake_event(
    struct engine *en, const char *name, const char *kind, const char *text)
{
	struct event_watcher *w, *next;
	struct event *ev = &en->events.ring[++en->events.last % FAKE_RING];

	memset(ev, 0, sizeof *ev);
	ev->seq = en->events.last;
	ev->at_ms = 1700000000000 + (wall_ms)ev->seq;
	snprintf(ev->name, sizeof ev->name, "%s", name);
	snprintf(ev->kind, sizeof ev->kind, "%s", kind);
	snprintf(ev->text, sizeof ev->text, "%s", text);
	for (w = en->events.watchers; w != NULL; w = next) {
		next = w->next;
		w->cb(w->arg, ev);
	}
}

static inline void
fake_op_note(struct engine *en, const struct op_note *note)
{
	if (en->ops != NULL && en->ops->req.note != NULL)
		en->ops->req.note(en->ops->req.arg, note);
}

static inline void
fake_op_done(struct engine *en, int code)
{
	struct op *op = en->ops;

	if (op == NULL)
		return;
	en->ops = op->next;
	if (op->req.done != NULL)
		op->req.done(op->req.arg, code);
	free(op);
}

static inline void
fake_tap_data(struct engine *en, const char *data, size_t len, uint64_t lost)
{
	if (en->tap != NULL)
		en->tap->cb(en->tap->arg, data, len, lost);
}

/* --- engine.h --------------------------------------------------------------
 */

const char *
slot_state_name(enum slot_state s)
{
	switch (s) {
#define STATE(name, code)                                                      \
	case PS_##name:                                                        \
		return #name;
#include "engine/program.def"
	case PS__N:
		break;
	}
	return "?";
}

static bool
fake_matches(const struct slot_info *si, const char *name)
{
	return strcmp(name, "all") == 0 || strcmp(name, si->program) == 0 ||
	       fnmatch(name, si->name, 0) == 0;
}

int
engine_each(struct engine *en, char *const *names, size_t n, engine_slot_cb *cb,
    void *arg, struct err *err)
{
	size_t i, j;

	for (j = 0; j < n; j++) {
		for (i = 0; i < en->nslots; i++)
			if (fake_matches(&en->slots[i], names[j]))
				break;
		if (i == en->nslots)
			return err_set(err, "no slot \"%s\"", names[j]);
	}
	for (i = 0; i < en->nslots; i++) {
		for (j = 0; j < n; j++)
			if (fake_matches(&en->slots[i], names[j]))
				break;
		if (n == 0 || j < n)
			cb(arg, &en->slots[i]);
	}
	return 0;
}

int
engine_analyze(struct engine *en, const char *name, struct start_sum *sum,
    engine_start_cb *cb, void *arg, struct err *err)
{
	struct start_info si = { .name = "web.0",
		.program = "web",
		.waited_ms = 200,
		.start_ms = 4,
		.took_ms = 1000,
		.end_ms = 1200,
		.waited_for = "db.0:ready" };

	(void)en;
	if (name != NULL && strcmp(name, "web") != 0)
		return err_set(err, "no program '%s'", name);
	*sum =
	    (struct start_sum){ .known = true, .total_ms = 1200, .slots = 2 };
	cb(arg, &si);
	return 0;
}

void
engine_starts(struct engine *en, engine_start_cb *cb, void *arg)
{
	struct start_info si = { .name = "db.0",
		.program = "db",
		.waited_ms = -1,
		.start_ms = -1,
		.took_ms = -1,
		.end_ms = -1 };

	(void)en;
	cb(arg, &si);
}

int
engine_why(struct engine *en, const char *slot, engine_slot_cb *slot_cb,
    engine_death_cb *cb, void *arg, struct err *err)
{
	struct death_info di = {
		.at_ms = 1700000000000,
		.cause = DEATH_EXIT,
		.generation = 3,
		.pid = 4711,
		.ran_ms = 1234,
		.exit_code = 3,
		.max_rss_kb = 2048,
		.text = "",
		.tail = "first\nlast words \xff\n",
	};

	for (size_t i = 0; i < en->nslots; i++) {
		if (strcmp(slot, en->slots[i].name) != 0)
			continue;
		slot_cb(arg, &en->slots[i]);
		cb(arg, &en->slots[i], &di);
		di.cause = DEATH_ROLL;
		di.exit_code = -1;
		di.exit_signal = 15;
		di.by_person = true;
		di.tail = "";
		cb(arg, &en->slots[i], &di);
		return 0;
	}
	return err_set(err, "no slot \"%s\"", slot);
}

struct pump_stream *
engine_stream(struct engine *en, const char *slot, bool is_stderr, char **path)
{
	(void)slot;
	*path = is_stderr || en->log == NULL ? NULL : xstrdup(en->log);
	return is_stderr ? NULL : (struct pump_stream *)(void *)en;
}

struct event_log *
engine_events(struct engine *en)
{
	return &en->events;
}

const struct config_program *
engine_in_force(const struct engine *en, const struct config_program *p)
{
	(void)en;
	return p;
}

const struct config *
engine_config(const struct engine *en)
{
	return en->cf;
}

pid_t
engine_reeved_pid(const struct engine *en)
{
	(void)en;
	return 77;
}

unsigned
engine_incarnation(const struct engine *en)
{
	(void)en;
	return 1;
}

int64_t
engine_uptime_ms(const struct engine *en)
{
	(void)en;
	return 5000;
}

mono_ms
engine_now(const struct engine *en)
{
	(void)en;
	return 0;
}

uint64_t
engine_last_message(struct engine *en)
{
	return en->messages != NULL ? msglog_last(en->messages) : 0;
}

struct msglog *
engine_messages(struct engine *en, struct err *err)
{
	if (en->messages == NULL)
		en->messages = msglog_open(-1, err);
	return en->messages;
}

void
engine_messages_moved(struct engine *en)
{
	en->moved++;
}

/* web.0 takes it, web.1 does not. */
int
engine_send(struct engine *en, char *const *names, size_t n, const char *text,
    size_t len, uint64_t key, engine_sent_cb *cb, void *arg, struct err *err)
{
	if (strcmp(names[0], "nobody") == 0)
		return err_set(err, "no such name '%s'", names[0]);
	free(en->sent);
	en->sent = text != NULL ? xstrndup(text, len) : NULL;
	en->sent_key = key;
	for (size_t i = 0; i < n; i++)
		cb(arg, names[i],
		    strcmp(names[i], "web.1") == 0 ? "it does not read" : NULL);
	return 0;
}

int
engine_usable_cpus(const struct engine *en)
{
	(void)en;
	return 2;
}

struct op *
op_start(
    struct engine *en, const struct op_request *req, struct err *err, int *code)
{
	struct op *op;

	en->who = req->who;
	en->number = req->number;
	en->kind = req->kind;
	snprintf(
	    en->names, sizeof en->names, "%s", req->n > 0 ? req->names[0] : "");
	if (en->op_error != NULL) {
		*code = en->op_code;
		err_set(err, "%s", en->op_error);
		return NULL;
	}
	en->started++;
	op = xcalloc(1, sizeof *op);
	op->req = *req;
	op->next = en->ops;
	en->ops = op;
	return op;
}

/* There is one engine in a test: the op's own list is enough to forget it. */
static struct engine *fake_the_engine;

void
op_detach(struct op *op)
{
	op->req.note = NULL;
	op->req.done = NULL;
	if (fake_the_engine != NULL)
		fake_the_engine->detached++;
}

static upgrade_cb *fake_upgrade_cb; /* NULL: none is under way */
static void *fake_upgrade_arg;

int
upgrade_begin(struct engine *en, const struct engine_who *who, upgrade_cb *cb,
    void *arg, struct upgrade **upp, struct err *err)
{
	en->who = *who;
	*upp = NULL;
	if (en->op_error != NULL)
		return err_set(err, "%s", en->op_error);
	fake_upgrade_cb = cb;
	fake_upgrade_arg = arg;
	return 0;
}

void
upgrade_detach(struct upgrade *up)
{
	(void)up;
	fake_upgrade_cb = NULL;
}

int
engine_plan(
    struct engine *en, struct config_plan *plan, struct config_errors *errs)
{
	(void)plan;
	if (en->op_error == NULL)
		return 0;
	strv_add(&errs->errors, "reeve.conf:1: one");
	strv_add(&errs->errors, "reeve.conf:2: two");
	return -1;
}

/* --- event.h ---------------------------------------------------------------
 */

uint64_t
event_last(const struct event_log *el)
{
	return el->last;
}

uint64_t
event_first(const struct event_log *el)
{
	return el->last < FAKE_RING ? 1 : el->last - FAKE_RING + 1;
}

const struct event *
event_get(const struct event_log *el, uint64_t seq)
{
	if (seq < event_first(el) || seq > el->last)
		return NULL;
	return &el->ring[seq % FAKE_RING];
}

void
event_watch(
    struct event_log *el, struct event_watcher *w, event_cb *cb, void *arg)
{
	w->cb = cb;
	w->arg = arg;
	w->next = el->watchers;
	el->watchers = w;
}

void
event_unwatch(struct event_log *el, struct event_watcher *w)
{
	struct event_watcher **pp;

	for (pp = &el->watchers; *pp != NULL; pp = &(*pp)->next) {
		if (*pp == w) {
			*pp = w->next;
			return;
		}
	}
}

/* --- pump.h ----------------------------------------------------------------
 */

struct pump_tap *
pump_tap(struct pump_stream *st, pump_tap_cb *cb, void *arg)
{
	struct engine *en = (struct engine *)(void *)st;
	struct pump_tap *tap = xcalloc(1, sizeof *tap);

	tap->cb = cb;
	tap->arg = arg;
	tap->en = en;
	en->tap = tap;
	return tap;
}

void
pump_untap(struct pump_tap **tp)
{
	if (*tp == NULL)
		return;
	if ((*tp)->en->tap == *tp)
		(*tp)->en->tap = NULL;
	free(*tp);
	*tp = NULL;
}

/* --- run.h -----------------------------------------------------------------
 */

struct run {
	char key[RUN_KEY_MAX + 1];
	int argc;
	char first[64], folder[64];
	bool has_fd[3];
	const struct run_ops *ops;
	void *arg;
	int signo;
	bool left;
};

static struct run fake_run;

struct run *
run_start(struct engine *en, uid_t owner, const struct run_request *req,
    const struct run_ops *ops, void *arg, struct err *err)
{
	(void)en, (void)owner, (void)err;
	memset(&fake_run, 0, sizeof fake_run);
	snprintf(fake_run.key, sizeof fake_run.key, "%s", req->key);
	while (req->argv[fake_run.argc] != NULL)
		fake_run.argc++;
	snprintf(fake_run.first, sizeof fake_run.first, "%s", req->argv[0]);
	snprintf(fake_run.folder, sizeof fake_run.folder, "%s", req->directory);
	for (int i = 0; i < 3; i++)
		fake_run.has_fd[i] = req->fds[i] != -1;
	fake_run.ops = ops;
	fake_run.arg = arg;
	return &fake_run;
}

struct run *
run_find(struct engine *en, uid_t owner, const char *key)
{
	(void)en, (void)owner;
	return strcmp(fake_run.key, key) == 0 && !fake_run.left ? &fake_run
								: NULL;
}

bool
run_is_taken(struct engine *en, uid_t owner, const char *key)
{
	return run_find(en, owner, key) != NULL && fake_run.ops != NULL;
}

struct run *
run_resume(struct engine *en, uid_t owner, const char *key,
    const struct run_request *req, const struct run_ops *ops, void *arg)
{
	struct run *r = run_find(en, owner, key);

	if (r != NULL) {
		r->ops = ops;
		r->arg = arg;
		if (req != NULL)
			snprintf(r->first, sizeof r->first, "%s", req->argv[0]);
	}
	return r;
}

const char *
run_failed_path(const struct run *r)
{
	return r->first;
}

void
run_leave(struct run *r)
{
	r->left = true;
	r->ops = NULL;
}

void
run_signal(struct run *r, int signo)
{
	r->signo = signo;
}

/* --- the queue ------------------------------------------------------------ */

void
queued_send(struct engine *en, struct queue_req *req)
{
	(void)en;
	(void)req;
}

void
queued_cancel(struct engine *en, uint64_t id)
{
	(void)en;
	(void)id;
}

char *
queued_waits(struct engine *en, const struct queue_task *t)
{
	(void)en;
	(void)t;
	return NULL;
}

pid_t
queued_pid(struct engine *en, uint64_t id)
{
	(void)en;
	(void)id;
	return 0;
}

char *
queued_log_path(const struct engine *en, uint64_t id)
{
	(void)en;
	(void)id;
	return xstrdup("/nonexistent");
}

void
queued_pack(struct queue_task *t, const struct run_request *req,
    const char *strings, size_t len, size_t argc)
{
	(void)t;
	(void)req;
	(void)strings;
	(void)len;
	(void)argc;
}

void
queued_watch(struct engine *en, struct queued_watch *w)
{
	(void)en;
	(void)w;
}

void
queued_unwatch(struct engine *en, struct queued_watch *w)
{
	(void)en;
	(void)w;
}

/* --- named tasks: there are none -------------------------------------------
 */

int
named_begin(struct engine *en, const char *name, enum named_why why,
    const char *what, wall_ms not_before, named_begun_cb *cb, void *arg,
    struct err *err)
{
	(void)en;
	(void)why;
	(void)what;
	(void)not_before;
	(void)cb;
	(void)arg;
	return err_set(err, "there is no [task:%s] in the config", name);
}

const char *
named_of_key(const char *key)
{
	(void)key;
	return NULL;
}

const char *
named_why_word(const char *key)
{
	(void)key;
	return NULL;
}

wall_ms
named_due_of(const char *key)
{
	(void)key;
	return 0;
}

bool
watching_get(const struct engine *en, const char *name, bool program,
    struct watching_info *out)
{
	(void)en;
	(void)name;
	(void)program;
	(void)out;
	return false;
}

wall_ms
named_next(const struct engine *en, const char *name)
{
	(void)en;
	(void)name;
	return 0;
}

size_t
named_live(const struct engine *en, const char *name)
{
	(void)en;
	(void)name;
	return 0;
}

#endif
