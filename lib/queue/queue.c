/* queue - requests and tasks, whatever the backend. */
#include "queue/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

const char *
queue_key_name(const char *key)
{
	const char *slash = key != NULL ? strrchr(key, '/') : NULL;

	return slash != NULL ? slash + 1 : NULL;
}

const char *
queue_crash_name(enum queue_crash c)
{
	switch (c) {
	case QC_ADOPT:
		return "adopt";
	case QC_RETRY:
		return "retry";
	case QC_FAIL:
		return "fail";
	case QC__N:
		break;
	}
	return "?";
}

enum queue_crash
queue_crash_of(const char *name)
{
	int c = 0;

	while (c < QC__N &&
	       strcmp(name, queue_crash_name((enum queue_crash)c)) != 0)
		c++;
	return (enum queue_crash)c;
}

const char *
queue_state_name(enum queue_state s)
{
	switch (s) {
	case QS_QUEUED:
		return "queued";
	case QS_RUNNING:
		return "running";
	case QS_DONE:
		return "done";
	case QS_FAILED:
		return "failed";
	case QS_CANCELLED:
		return "cancelled";
	case QS_SKIPPED:
		return "skipped";
	case QS_LOST:
		return "lost";
	case QS__N:
		break;
	}
	return "?";
}

bool
queue_state_is_end(enum queue_state s)
{
	return s != QS_QUEUED && s != QS_RUNNING;
}

void
queue_task_init(struct queue_task *t)
{
	memset(t, 0, sizeof *t);
	t->ran_ms = t->max_rss_kb = -1;
	t->exit_code = -1;
}

void
queue_task_fini(struct queue_task *t)
{
	free(t->key);
	free(t->group);
	free(t->command);
	free(t->reason);
	free(t->tail);
	free(t->host);
	free(t->spec);
	free(t->after);
	free(t->path);
	queue_task_init(t);
}

struct queue_req *
queue_req_new(enum queue_kind kind,
    void (*done)(void *arg, struct queue_req *req), void *arg)
{
	struct queue_req *req = xcalloc(1, sizeof *req);

	req->kind = kind;
	req->uid = QUEUE_ANY_UID;
	req->done = done;
	req->arg = arg;
	queue_task_init(&req->task);
	return req;
}

void
queue_req_reset(struct queue_req *req)
{
	for (size_t i = 0; i < req->ntasks; i++)
		queue_task_fini(&req->tasks[i]);
	for (size_t i = 0; i < req->ngroups; i++)
		free(req->groups[i].name);
	for (size_t i = 0; i < req->ndues; i++) {
		free(req->dues[i].name);
		free(req->dues[i].spec);
	}
	freep(&req->tasks);
	freep(&req->groups);
	freep(&req->dues);
	req->ntasks = req->tasks_cap = req->ngroups = req->ndues = 0;
	req->rc = 0;
	req->world = req->no_such_id = req->known = false;
	req->err.text[0] = '\0';
}

void
queue_req_free(struct queue_req *req)
{
	queue_req_reset(req);
	queue_task_fini(&req->task);
	free(req->group.name);
	free(req->due.name);
	free(req->due.spec);
	free(req->ids);
	free(req);
}

struct queue_task *
queue_req_task(struct queue_req *req)
{
	if (req->ntasks == req->tasks_cap) {
		req->tasks_cap = req->tasks_cap * 2 + 16;
		req->tasks = xreallocarray(
		    req->tasks, req->tasks_cap, sizeof *req->tasks);
	}
	queue_task_init(&req->tasks[req->ntasks]);
	return &req->tasks[req->ntasks++];
}
