/*
 * cmd_task - the queue, for clients.
 *
 * One sees and steers the tasks of one's own uid, root those of all.  An
 * answer comes when what it says is durable; a request for something that has
 * to happen first waits, and is asked again by a client that finds another
 * engine: every request here may be given twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "ctl/running.h"
#include "ctl/task_priv.h"
#include "spawn/spawn.h"

#define TASK_PRIORITY_MAX 1000000
#define TASK_RETRIES_MAX  1000000
#define TASK_SECONDS_MAX  (INT64_C(10) * 365 * 86400)
#define TASK_COMMAND_MAX  200 /* of the words that lists show */

/* --- requests under way -----------------------------------------------------
 */

static void
asked_free(struct asked *a)
{
	if (a->watching)
		queued_unwatch(a->en, &a->watch);
	if (a->poll.lp != NULL)
		loop_timer_stop(&a->poll);
	free(a->ids);
	strv_fini(&a->states);
	free(a);
}

/* The client is gone; an answer that is on its way finds that out. */
static void
asked_on_close(struct ctl_req *r)
{
	struct asked *a = r->priv;

	a->r = NULL;
	if (!a->asking)
		asked_free(a);
}

struct asked *
asked_new(struct ctl_req *r)
{
	struct asked *a = xcalloc(1, sizeof *a);

	a->r = r;
	a->en = r->s->srv->en;
	a->uid = r->s->who.uid == 0 ? QUEUE_ANY_UID : r->s->who.uid;
	r->priv = a;
	r->close = asked_on_close;
	return a;
}

static void
asked_on_answer(void *arg, struct queue_req *req)
{
	struct asked *a = arg;

	a->asking = false;
	if (a->r == NULL) {
		asked_free(a);
	} else if (req->rc == -1) {
		ctl_fail(asked_end(a),
		    req->no_such_id ? CTL_E_NAME : CTL_E_FAILED, "%s",
		    req->err.text);
	} else {
		a->answer(a, req);
	}
}

struct queue_req *
asked_req(struct asked *a, enum queue_kind kind,
    void (*answer)(struct asked *a, struct queue_req *req))
{
	struct queue_req *req = queue_req_new(kind, asked_on_answer, a);

	req->uid = a->uid;
	req->named = ctl_may_verb(a->r, VERB_task_run);
	req->nids = a->nids;
	req->ids = xreallocarray(NULL, a->nids + 1, sizeof *req->ids);
	if (a->nids > 0)
		memcpy(req->ids, a->ids, a->nids * sizeof *req->ids);
	a->answer = answer;
	a->asking = true;
	return req;
}

struct ctl_req *
asked_end(struct asked *a)
{
	struct ctl_req *r = a->r;

	r->close = NULL;
	r->priv = NULL;
	asked_free(a);
	return r;
}

void
asked_watch(struct asked *a, void (*ended)(void *arg, uint64_t id))
{
	a->watching = true;
	a->watch.ended = ended;
	a->watch.arg = a;
	queued_watch(a->en, &a->watch);
}

/* "ids": strings or numbers would do; strings keep every bit everywhere. */
void
task_ids(
    struct args *a, const char *name, bool required, uint64_t **ids, size_t *n)
{
	struct strv words;
	int64_t id;

	strv_init(&words);
	args_strv(a, name, required, &words);
	if (words.n > QUEUE_AFTER_MAX)
		args_error(a, "parameter \"%s\" has more than %d ids", name,
		    QUEUE_AFTER_MAX);
	*ids = xcalloc(words.n + 1, sizeof **ids);
	for (*n = 0; !a->bad && *n < words.n; (*n)++) {
		if (!str_to_i64(words.v[*n], 1, INT64_MAX, &id)) {
			args_error(
			    a, "\"%.40s\" is no id of a task", words.v[*n]);
			break;
		}
		(*ids)[*n] = (uint64_t)id;
	}
	strv_fini(&words);
}

/* --- what is told of a task -------------------------------------------------
 */

enum task_member {
#define TASK(name, put) TASK_##name,
#include "ctl/task.def"
#undef TASK
	TASK__N
};

static const char *const task_members[TASK__N] = {
#define TASK(name, put) #name,
#include "ctl/task.def"
#undef TASK
};

static pid_t
task_pid_of(struct engine *en, const struct queue_task *t)
{
	return t->state == QS_RUNNING ? queued_pid(en, t->id) : 0;
}

static void
task_put_after(struct jw *w, const char *key, const struct queue_task *t)
{
	jw_arr(w, key);
	for (size_t i = 0; i < t->nafter; i++)
		jw_int(w, NULL, (int64_t)t->after[i]);
	jw_end_arr(w);
}

static void
task_put_stage(struct jw *w, const char *key, const struct queue_task *t)
{
	char stage[32];

	spawn_stage_name(stage, sizeof stage, (enum spawn_stage)t->stage);
	jw_str(w, key, t->stage != 0 ? stage : NULL);
}

static void
task_put(struct jw *w, enum task_member m, const char *key, struct engine *en,
    const struct queue_task *t)
{
	switch (m) {
#define TASK(name, put)                                                        \
	case TASK_##name:                                                      \
		put;                                                           \
		return;
#include "ctl/task.def"
#undef TASK
	case TASK__N:
		return;
	}
}

static void
tasks_put_one(struct jw *w, struct engine *en, const struct queue_task *t)
{
	jw_obj(w, NULL);
	for (enum task_member m = 0; m < TASK__N; m++)
		task_put(w, m, task_members[m], en, t);
	jw_end_obj(w);
}

void
tasks_put(struct jw *w, struct engine *en, const struct queue_req *req)
{
	jw_arr(w, "tasks");
	for (size_t i = 0; i < req->ntasks; i++)
		tasks_put_one(w, en, &req->tasks[i]);
	jw_end_arr(w);
}

/* The members that were asked for, as an array: a fraction of the work. */
static void
tasks_put_fields(
    struct jw *w, const struct asked *a, const struct queue_task *t)
{
	jw_arr(w, NULL);
	for (size_t k = 0; k < a->nfields; k++)
		task_put(w, (enum task_member)a->fields[k], NULL, a->en, t);
	jw_end_arr(w);
}

static void
task_fields(struct args *args, uint8_t *fields, size_t *n)
{
	struct strv names;
	uint8_t m;

	strv_init(&names);
	args_strv(args, "fields", false, &names);
	if (names.n > TASK_FIELDS_MAX)
		args_error(args, "a field is named twice");
	for (*n = 0; *n < names.n && !args->bad; (*n)++) {
		for (m = 0; m < TASK__N; m++)
			if (strcmp(task_members[m], names.v[*n]) == 0)
				break;
		if (m == TASK__N)
			args_error(
			    args, "a task has no \"%.32s\"", names.v[*n]);
		else
			fields[*n] = m;
	}
	strv_fini(&names);
}

/* --- task_add ---------------------------------------------------------------
 */

static void
add_answer(struct asked *a, struct queue_req *req)
{
	struct ctl_req *r = asked_end(a);
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_int(w, "id", (int64_t)req->task.id);
	jw_end_obj(w);
	ctl_result_end(r);
}

/* The words in a line, for people. */
static char *
add_command(const struct running *rn)
{
	char **v = rn->req.argv;
	struct buf b;

	buf_init(&b);
	/* Of a shell's line, the line. */
	if (strcmp(v[0], "/bin/sh") == 0 && v[1] != NULL &&
	    strcmp(v[1], "-c") == 0 && v[2] != NULL && v[3] == NULL)
		v += 2;
	for (; *v != NULL && b.len < TASK_COMMAND_MAX; v++)
		buf_addf(
		    &b, "%s%.*s", b.len > 0 ? " " : "", TASK_COMMAND_MAX, *v);
	return buf_steal(&b);
}

/* What the client says of the task, but not of the command. */
static void
add_args(struct args *a, struct queue_task *t, int64_t *delay_ms)
{
	const char *key = args_str(a, "key", true);
	const char *group = args_str(a, "group", false);
	const char *crash = args_str(a, "on_crash", false);

	t->priority = (int32_t)args_int(
	    a, "priority", -TASK_PRIORITY_MAX, TASK_PRIORITY_MAX, 0);
	t->retries = (int32_t)args_int(a, "retries", 0, TASK_RETRIES_MAX, 0);
	t->timeout_ms = args_int(a, "timeout_ms", 1, INT32_MAX, 0);
	*delay_ms = args_int(a, "delay_ms", 0, TASK_SECONDS_MAX * 1000, 0);
	task_ids(a, "after", false, &t->after, &t->nafter);
	if (!a->bad && !run_key_ok(key))
		args_error(a, "parameter \"key\" must be letters and digits");
	if (crash != NULL)
		t->on_crash = queue_crash_of(crash);
	if (!a->bad && t->on_crash == QC__N)
		args_error(a, "on_crash is adopt, retry or fail, not \"%.20s\"",
		    crash);
	if (group == NULL)
		group = QUEUED_GROUP;
	if (!a->bad && !task_group_ok(group))
		args_error(a, "a group is 1 to %d letters, digits, - _ .",
		    QUEUE_GROUP_MAX);
	if (a->bad)
		return;
	t->key = xstrdup(key);
	t->group = xstrdup(group);
}

static void
add_begin(struct ctl_req *r, const struct running *rn, struct queue_task *t,
    size_t argc, int64_t delay_ms)
{
	struct asked *a = asked_new(r);
	struct queue_req *req = asked_req(a, QR_ADD, add_answer);

	t->uid = r->s->who.uid;
	t->added = clock_wall_ms();
	t->not_before = delay_ms != 0 ? t->added + delay_ms : 0;
	t->command = add_command(rn);
	queued_pack(t, &rn->req, rn->strings, rn->len, argc);
	req->task = *t;
	queue_task_init(t);
	queued_send(a->en, req);
}

/* It could never start: it is not kept, and told as a run would tell it. */
static void
add_refused(struct ctl_req *r, enum ctl_code code, const struct task_end *end)
{
	struct buf more;
	struct jw w;

	buf_init(&more);
	jw_init(&w, &more);
	running_put_no_start(&w, end, NULL);
	ctl_fail_data(r, code, buf_str(&more), "%s", end->text);
	buf_fini(&more);
}

static void
add_not_as(struct ctl_req *r, const struct running *rn, const struct err *err)
{
	struct task_end end;

	if (rn->unknown == 0) {
		ctl_fail(r, CTL_E_DENIED, "%s", err->text);
		return;
	}
	running_not_as(rn, err, &end);
	add_refused(r, CTL_E_FAILED, &end);
}

void
cmd_task_add(struct ctl_req *r, struct args *a)
{
	struct queue_task t;
	struct running rn;
	struct err err;
	struct task_end end;
	int64_t argc, delay_ms;
	int fd;

	running_init(&rn);
	queue_task_init(&t);
	argc = args_int(a, "argc", 1, RUN_STRINGS_MAX, 0);
	rn.req.jobserver = args_bool(a, "jobserver", true);
	rn.req.ipc = args_bool(a, "ipc", false) ? "" : NULL;
	running_args(&rn, a);
	add_args(a, &t, &delay_ms);
	if (!a->bad && argc == 0)
		args_error(a, "parameter \"argc\" is missing");
	if (args_end(a, r) == -1) {
		queue_task_fini(&t);
		return;
	}
	fd = ctl_take_fd(r, 0);
	if (running_read(&rn, fd, argc, &err) == -1)
		ctl_fail(r, CTL_E_PARAMS, "%s", err.text);
	else if (running_identity(&rn, r->s, &err) == -1)
		add_not_as(r, &rn, &err);
	else if (running_refused(&rn, r->s, &end))
		add_refused(r, CTL_E_DENIED, &end);
	else
		add_begin(r, &rn, &t, (size_t)argc, delay_ms);
	fd_close_given(&fd);
	running_fini(&rn);
	queue_task_fini(&t);
}

/* --- task_list --------------------------------------------------------------
 */

static void
list_groups(struct jw *w, const struct asked *a, const struct queue_req *req)
{
	jw_arr(w, "groups");
	for (size_t i = 0; i < req->ngroups; i++) {
		const struct queue_group *g = &req->groups[i];

		if (a->uid != QUEUE_ANY_UID && a->uid != g->uid)
			continue;
		if (a->group[0] != '\0' && strcmp(a->group, g->name) != 0)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "group", g->name);
		jw_int(w, "uid", (int64_t)g->uid);
		jw_int_or(w, "parallel", g->parallel, 0);
		jw_bool(w, "paused", g->paused);
		jw_end_obj(w);
	}
	jw_end_arr(w);
}

static void
list_answer(struct asked *a, struct queue_req *req)
{
	struct jw *w = ctl_result_begin(a->r);

	jw_obj(w, NULL);
	jw_arr(w, "tasks");
	for (size_t i = 0; i < req->ntasks; i++) {
		const struct queue_task *t = &req->tasks[i];

		if (a->group[0] != '\0' && strcmp(a->group, t->group) != 0)
			continue;
		if (a->nfields > 0)
			tasks_put_fields(w, a, t);
		else
			tasks_put_one(w, a->en, t);
	}
	jw_end_arr(w);
	if (a->groups)
		list_groups(w, a, req);
	jw_end_obj(w);
	ctl_result_end(asked_end(a));
}

void
cmd_task_list(struct ctl_req *r, struct args *args)
{
	bool all = args_bool(args, "all", false);
	bool groups = args_bool(args, "groups", true);
	const char *group = args_str(args, "group", false);
	uint8_t fields[TASK_FIELDS_MAX];
	struct queue_req *req;
	struct asked *a;
	size_t n;

	task_fields(args, fields, &n);
	/* "task:NAME" is that of a named task. */
	if (!args->bad && group != NULL &&
	    (*group == '\0' || strlen(group) >= sizeof a->group))
		args_error(args, "\"%.64s\" is no name of a group", group);
	if (args_end(args, r) == -1)
		return;
	a = asked_new(r);
	snprintf(a->group, sizeof a->group, "%s", group != NULL ? group : "");
	memcpy(a->fields, fields, n);
	a->nfields = n;
	a->groups = groups;
	req = asked_req(a, QR_LIST, list_answer);
	req->all = all;
	queued_send(a->en, req);
}

/* --- task_wait, task_cancel, task_rm ----------------------------------------
 */

static void wait_answer(struct asked *a, struct queue_req *req);

static void
wait_ask(struct asked *a)
{
	queued_send(a->en, asked_req(a, QR_GET, wait_answer));
}

static void
wait_ended(void *arg, uint64_t id)
{
	struct asked *a = arg;

	for (size_t i = 0; i < a->nids && a->r != NULL; i++) {
		if (a->ids[i] != id)
			continue;
		a->again = a->asking;
		if (!a->asking)
			wait_ask(a);
		return;
	}
}

static void
wait_answer(struct asked *a, struct queue_req *req)
{
	size_t left = 0;
	struct jw *w;

	for (size_t i = 0; i < req->ntasks; i++) {
		const struct queue_task *t = &req->tasks[i];

		if (queue_state_is_end(t->state))
			continue;
		left++;
		if (a->cancel)
			queued_cancel(a->en, t->id);
	}
	a->cancel = false;
	if (left == 0) {
		w = ctl_result_begin(a->r);
		jw_obj(w, NULL);
		tasks_put(w, a->en, req);
		jw_end_obj(w);
		ctl_result_end(asked_end(a));
	} else if (a->again) {
		a->again = false;
		wait_ask(a);
	}
}

static struct asked *
task_named(struct ctl_req *r, struct args *args)
{
	struct asked *a;
	uint64_t *ids;
	size_t n;

	task_ids(args, "ids", true, &ids, &n);
	if (args_end(args, r) == -1) {
		free(ids);
		return NULL;
	}
	a = asked_new(r);
	a->ids = ids;
	a->nids = n;
	return a;
}

static void
task_wait(struct ctl_req *r, struct args *args, bool cancel)
{
	struct asked *a = task_named(r, args);

	if (a == NULL)
		return;
	r->lost = ctl_lost_verb;
	a->cancel = cancel;
	asked_watch(a, wait_ended);
	wait_ask(a);
}

void
cmd_task_wait(struct ctl_req *r, struct args *args)
{
	task_wait(r, args, false);
}

void
cmd_task_cancel(struct ctl_req *r, struct args *args)
{
	task_wait(r, args, true);
}

static void
true_answer(struct asked *a, struct queue_req *req)
{
	(void)req;
	jw_bool(ctl_result_begin(a->r), NULL, true);
	ctl_result_end(asked_end(a));
}

static void rm_ask(struct asked *a);

static void
rm_on_removed(struct asked *a, struct queue_req *req)
{
	(void)req;
	rm_ask(a);
}

/* Those that have ended, some hundred at a time, until there are no more. */
static void
rm_on_old(struct asked *a, struct queue_req *req)
{
	struct queue_req *remove;

	if (req->nids == 0) {
		true_answer(a, req);
		return;
	}
	remove = asked_req(a, QR_REMOVE, rm_on_removed);
	free(remove->ids);
	remove->ids = req->ids;
	remove->nids = req->nids;
	req->ids = NULL;
	req->nids = 0;
	queued_send(a->en, remove);
}

static void
rm_ask(struct asked *a)
{
	struct queue_req *req = asked_req(a, QR_OLD, rm_on_old);

	req->keep = -1;
	req->before = INT64_MAX;
	req->only_done = a->only_done;
	queued_send(a->en, req);
}

void
cmd_task_rm(struct ctl_req *r, struct args *args)
{
	const char *ended = args_str(args, "ended", false);
	struct asked *a;

	if (!args->bad && ended != NULL && strcmp(ended, "all") != 0 &&
	    strcmp(ended, "done") != 0)
		args_error(args, "parameter \"ended\" must be all or done");
	if (args->bad || ended == NULL) {
		a = task_named(r, args);
		if (a != NULL)
			queued_send(
			    a->en, asked_req(a, QR_REMOVE, true_answer));
		return;
	}
	if (args_end(args, r) == -1)
		return;
	a = asked_new(r);
	a->only_done = strcmp(ended, "done") == 0;
	rm_ask(a);
}

/* --- task_why ---------------------------------------------------------------
 */

static void
why_answer(struct asked *a, struct queue_req *req)
{
	struct jw *w = ctl_result_begin(a->r);
	char *waits;

	jw_arr(w, NULL);
	for (size_t i = 0; i < req->ntasks; i++) {
		const struct queue_task *t = &req->tasks[i];

		waits = queued_waits(a->en, t);
		jw_obj(w, NULL);
		for (enum task_member m = 0; m < TASK__N; m++)
			task_put(w, m, task_members[m], a->en, t);
		jw_str(w, "waits_for", waits);
		jw_end_obj(w);
		free(waits);
	}
	jw_end_arr(w);
	ctl_result_end(asked_end(a));
}

void
cmd_task_why(struct ctl_req *r, struct args *args)
{
	struct asked *a = task_named(r, args);

	if (a != NULL)
		queued_send(a->en, asked_req(a, QR_GET, why_answer));
}

/* --- task_group -------------------------------------------------------------
 */

bool
task_group_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= QUEUE_GROUP_MAX &&
	       strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == n;
}

void
cmd_task_group(struct ctl_req *r, struct args *args)
{
	const char *group = args_str(args, "group", true);
	int64_t uid, parallel;
	struct queue_req *req;
	struct asked *a;
	bool paused;

	parallel = args_int(args, "parallel", 0, 1000000, -1);
	paused = args_bool(args, "paused", false);
	uid = args_int(args, "uid", 0, UINT32_MAX - 1, r->s->who.uid);
	if (!args->bad && !task_group_ok(group))
		args_error(args, "\"%.64s\" is no name of a group", group);
	if (args_end(args, r) == -1)
		return;
	if (uid != (int64_t)r->s->who.uid && r->s->who.uid != 0) {
		ctl_fail(r, CTL_E_DENIED,
		    "only root may change another user's groups");
		return;
	}
	a = asked_new(r);
	req = asked_req(a, QR_GROUP, true_answer);
	req->group.uid = (uid_t)uid;
	req->group.name = xstrdup(group);
	req->group.parallel = (int32_t)parallel;
	req->group.paused = paused;
	queued_send(a->en, req);
}
