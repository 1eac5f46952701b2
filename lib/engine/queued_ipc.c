/*
 * queued_ipc - message channels of tasks of the queue (channel.h).
 *
 * Each process has its own; it is called "task:NAME" for a [task:x], of which
 * one runs at a time, and "task:ID" for others.  In the keeper's store it is
 * known by the process's number, so the next engine finds the name there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/channel.h"
#include "engine/queued_priv.h"
#include "engine/run.h"

#define STORED "ipc:" QUEUED_CHANNEL

static void
ipc_limits(struct engine *en, const char *name, struct channel_limits *out)
{
	const struct config_task *t =
	    name != NULL ? config_task_find(en->cf, name) : NULL;

	if (t != NULL)
		channel_limits_of(out, &t->run);
	else
		*out = run_channel_limits;
}

static void
ipc_who(struct channel_who *who, const struct work *w, const char *name)
{
	who->name = name;
	who->id = task_id(w->task);
	who->generation = (uint32_t)who->id;
}

int
queued_ipc_begin(
    struct work *w, const char *task, int *child_fd, struct err *err)
{
	struct engine *en = w->q->en;
	struct channel_limits limits;
	struct channel_who who;
	const struct channel *other;
	char name[MSGLOG_NAME_MAX];

	if (task != NULL)
		snprintf(name, sizeof name, QUEUED_CHANNEL "%s", task);
	else
		snprintf(name, sizeof name, QUEUED_CHANNEL "%llu",
		    (unsigned long long)w->id);
	other = channel_find(en, name);
	if (other != NULL && channel_is_open(other))
		return err_set(err, "there is a channel %s", name);
	ipc_limits(en, task, &limits);
	ipc_who(&who, w, name);
	w->channel = channel_new(en, &who, &limits, child_fd, NULL, NULL, err);
	return w->channel != NULL ? 0 : -1;
}

void
queued_ipc_adopt(struct work *w)
{
	struct engine *en = w->q->en;
	struct channel_limits limits;
	struct channel_who who;
	char name[MSGLOG_NAME_MAX], end[32];
	int n;

	snprintf(end, sizeof end, "#%u", (uint32_t)task_id(w->task));
	for (unsigned i = 1; i < keeperlink_top(en->kl); i++) {
		const char *s = keeperlink_name(en->kl, i);

		if (s == NULL || !str_starts(s, STORED) || !str_ends(s, end))
			continue;
		n = (int)(strlen(s) - strlen(end) - strlen("ipc:"));
		snprintf(name, sizeof name, "%.*s", n, s + strlen("ipc:"));
		ipc_limits(en, name + strlen(QUEUED_CHANNEL), &limits);
		ipc_who(&who, w, name);
		w->channel = channel_adopt(en, &who, &limits, NULL, NULL);
		if (task_pid(w->task) != 0)
			channel_start(w->channel, task_pid(w->task));
		return;
	}
}

void
queued_ipc_on_start(void *arg)
{
	struct work *w = arg;

	if (w->channel != NULL)
		channel_start(w->channel, task_pid(w->task));
}

void
queued_ipc_end(struct work *w)
{
	if (w->channel != NULL)
		channel_finish(w->channel);
	channel_free(w->channel);
	w->channel = NULL;
}

void
queued_ipc_configure(struct queued *q)
{
	struct channel_limits limits;
	struct work *w;

	LIST_FOREACH(w, &q->works, entry) {
		const struct live *l = live_find(q, w->id);

		if (w->channel == NULL || l == NULL || l->key == NULL)
			continue;
		ipc_limits(q->en, queue_key_name(l->key), &limits);
		channel_limit(w->channel, &limits);
	}
}

/* Before the queue is read, right after an engine's death, a task is known by
 * its process alone, and its name by what its channel is called. */
static bool
ipc_is_called(const struct work *w, const char *whole)
{
	const struct live *l = live_find(w->q, w->id);
	const char *text = whole + strlen(QUEUED_CHANNEL);
	char id[24];

	snprintf(id, sizeof id, "%llu", (unsigned long long)w->id);
	if (str_equal(text, id))
		return true;
	if (l != NULL && l->key != NULL)
		return str_equal(text, queue_key_name(l->key));
	return l == NULL && w->channel != NULL &&
	       w->channel == channel_find(w->q->en, whole);
}

/* "task:17", "task:build": by number or by name, whatever it is called. */
const char *
queued_ipc_find(struct engine *en, const char *text, struct channel **out)
{
	struct work *w;

	*out = NULL;
	if (en->queued == NULL)
		return NULL;
	LIST_FOREACH(w, &en->queued->works, entry) {
		if (w->over || !ipc_is_called(w, text))
			continue;
		*out = w->channel;
		return w->channel == NULL
			   ? "it has no channel (ipc = on, task add --ipc)"
			   : "";
	}
	return NULL;
}
