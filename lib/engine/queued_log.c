/*
 * queued_log - log= of a [task:x]: the output of its runs in one file, too.
 *
 * A run writes into its own file of the history and nowhere else, so that
 * nothing that befalls a log can cost it a byte.  That file is read by the
 * pump, as a program's pipe is, and added to the log.  How far it has come is
 * the place of a descriptor that the keeper holds, "tasklog:ID.TRY:NAME": the
 * next engine goes on there.  inotify says when there is more; where no log is
 * set there is none.
 */
#include <sys/inotify.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/queued_priv.h"
#include "logs/pump.h"

#define LOG_PREFIX "tasklog:"

struct tasklog {
	LIST_ENTRY(tasklog) entry;
	struct queued *q;
	uint64_t id;
	int32_t tries;
	char name[CONFIG_NAME_MAX + 1];
	char *path; /* of the log */
	struct pump_stream *st;
	unsigned slot;
	int wd;      /* -1: none */
	bool ending; /* its run is over, the rest is being read */
};

static void
tasklog_free(struct tasklog *tl)
{
	LIST_REMOVE(tl, entry);
	free(tl->path);
	free(tl);
}

/* What the log takes, and how it is rotated; false: it is to have none. */
static bool
tasklog_sink(
    struct engine *en, const char *name, char **path, struct pump_sink *sink)
{
	const struct config_task *t = config_task_find(en->cf, name);
	struct err err = { .text = "" };

	*path = NULL;
	if (t != NULL && config_task_log(path, t, &en->base_env, &err) == -1)
		log_errorx("[task:%s] log: %s", name, err.text);
	if (*path == NULL)
		return false;
	*sink = (struct pump_sink){ *path, t->run.out.maxbytes,
		t->run.out.backups, false };
	return true;
}

/* --- news of the files ------------------------------------------------------
 */

static void
queued_on_inotify(struct loop_io *io, int events, void *arg)
{
	struct queued *q = arg;
	char data[4096]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	struct tasklog *tl;
	ssize_t n;

	(void)io;
	(void)events;
	/* Which ones it was is of no interest: there are few. */
	do {
		n = read(q->log_inotify, data, sizeof data);
	} while (n == (ssize_t)sizeof data);
	LIST_FOREACH(tl, &q->logs, entry)
		if (!tl->ending)
			pump_feed(tl->st);
}

static void
tasklog_watch(struct tasklog *tl)
{
	struct queued *q = tl->q;
	char *path = queued_log_path(q->en, tl->id);

	if (q->log_inotify == -1) {
		q->log_inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (q->log_inotify != -1) {
			loop_io_init(&q->log_io, q->en->lp, q->log_inotify,
			    LOOP_READ, queued_on_inotify, q);
			loop_io_start(&q->log_io);
		}
	}
	tl->wd = inotify_add_watch(q->log_inotify, path, IN_MODIFY);
	/* All of it comes with the end of the run, then. */
	if (tl->wd == -1)
		log_warn("watch %s: log of task %s comes late", path, tl->name);
	free(path);
}

static void
tasklog_unwatch(struct tasklog *tl)
{
	const struct tasklog *other;
	bool shared = false;

	/* A try that begins has the same file as the one that has ended. */
	LIST_FOREACH(other, &tl->q->logs, entry)
		shared |= other != tl && other->wd == tl->wd;
	if (tl->wd != -1 && !shared)
		inotify_rm_watch(tl->q->log_inotify, tl->wd);
	tl->wd = -1;
}

/* --- one run ----------------------------------------------------------------
 */

/* NULL: it has no log, or none can be written; that is told. */
static struct tasklog *
tasklog_new(struct queued *q, uint64_t id, int32_t tries, const char *name,
    unsigned slot)
{
	struct engine *en = q->en;
	struct pump_sink sink;
	struct tasklog *tl;
	char *path, what[CONFIG_NAME_MAX + 32];

	if (!tasklog_sink(en, name, &path, &sink))
		return NULL;
	tl = xcalloc(1, sizeof *tl);
	tl->q = q;
	tl->id = id;
	tl->tries = tries;
	snprintf(tl->name, sizeof tl->name, "%s", name);
	tl->path = path;
	tl->slot = slot;
	tl->wd = -1;
	snprintf(what, sizeof what, "task %s", name);
	LIST_INSERT_HEAD(&q->logs, tl, entry);
	tl->st =
	    pump_add_file(en->pump, what, keeperlink_fd(en->kl, slot), &sink);
	if (tl->st != NULL)
		return tl;
	log_warn("log of task %s", name);
	tasklog_free(tl);
	return NULL;
}

void
queued_log_begin(struct queued *q, struct work *w, const char *name)
{
	char *path, store[FDNAME_MAX];
	const struct config_task *t = config_task_find(q->en->cf, name);
	unsigned slot;
	int fd = -1;

	if (t == NULL || t->run.out.path == NULL)
		return;
	path = queued_log_path(q->en, w->id);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (fd == -1 || lseek(fd, 0, SEEK_END) == -1) {
		log_warn("log of task %s: open %s", name, path);
		fd_closep(&fd);
		free(path);
		return;
	}
	free(path);
	snprintf(store, sizeof store, LOG_PREFIX "%" PRIu64 ".%d:%s", w->id,
	    (int)w->tries, name);
	slot = keeperlink_put(q->en->kl, store, fd);
	w->log = tasklog_new(q, w->id, w->tries, name, slot);
	if (w->log != NULL)
		tasklog_watch(w->log);
	else
		keeperlink_drop(q->en->kl, &slot);
}

static void
tasklog_on_flushed(void *arg, const char *tail, size_t len)
{
	struct tasklog *tl = arg;
	struct queued *q = tl->q;
	struct engine *en = q->en;
	struct pump_stats stats;
	uint64_t id;

	(void)tail;
	(void)len;
	pump_stats(tl->st, &stats);
	if (stats.dropped > 0)
		engine_event(en, "", "task",
		    "task %" PRIu64 " (%s): %" PRIu64 " bytes of its output "
		    "are not in %s%s%s; task log %" PRIu64 " has them",
		    tl->id, tl->name, stats.dropped, tl->path,
		    stats.last_errno != 0 ? ": " : "",
		    stats.last_errno != 0 ? strerror(stats.last_errno) : "",
		    tl->id);
	pump_remove(&tl->st);
	keeperlink_drop(en->kl, &tl->slot);
	id = tl->id;
	tasklog_free(tl);
	/* What was to go of the history's copy had to wait for us. */
	queued_trim(q, id);
}

void
queued_log_end(struct work *w)
{
	struct tasklog *tl = w->log;

	w->log = NULL;
	if (tl == NULL)
		return;
	tl->ending = true;
	tasklog_unwatch(tl);
	pump_flush(tl->st, tasklog_on_flushed, tl);
}

void
queued_log_configure(struct queued *q)
{
	static const struct pump_sink nowhere = { NULL, 0, 0, false };
	struct pump_sink sink;
	struct tasklog *tl;
	char *path;

	LIST_FOREACH(tl, &q->logs, entry) {
		if (!tasklog_sink(q->en, tl->name, &path, &sink)) {
			pump_set_sink(tl->st, &nowhere);
			continue;
		}
		pump_set_sink(tl->st, &sink);
		free(tl->path);
		tl->path = path;
	}
}

/* --- after an engine before this one ----------------------------------------
 */

static bool
tasklog_parse(const char *store, uint64_t *id, int32_t *tries, char *name)
{
	int n = 0;

	if (store == NULL ||
	    sscanf(store, LOG_PREFIX "%" SCNu64 ".%" SCNd32 ":%n", id, tries,
		&n) != 2 ||
	    n == 0)
		return false;
	snprintf(name, CONFIG_NAME_MAX + 1, "%s", store + n);
	return true;
}

void
queued_log_adopt(struct queued *q, struct work *w)
{
	struct keeperlink *kl = q->en->kl;
	char name[CONFIG_NAME_MAX + 1];
	int32_t tries;
	uint64_t id;

	for (unsigned i = 1; i < keeperlink_top(kl); i++) {
		if (!tasklog_parse(keeperlink_name(kl, i), &id, &tries, name) ||
		    id != w->id || tries != w->tries)
			continue;
		w->log = tasklog_new(q, id, tries, name, i);
		if (w->log == NULL)
			return;
		tasklog_watch(w->log);
		pump_feed(w->log->st);
		return;
	}
}

/* The rest of runs that are over, and whose log was not written to its end. */
void
queued_log_leftovers(struct engine *en)
{
	struct keeperlink *kl = en->kl;
	char name[CONFIG_NAME_MAX + 1];
	struct work over;
	struct tasklog *tl;
	unsigned slot;

	for (unsigned i = 1; i < keeperlink_top(kl); i++) {
		memset(&over, 0, sizeof over);
		if (!tasklog_parse(
			keeperlink_name(kl, i), &over.id, &over.tries, name))
			continue;
		if (en->queued != NULL) {
			LIST_FOREACH(tl, &en->queued->logs, entry)
				if (tl->slot == i)
					break;
			if (tl != NULL)
				continue;
		}
		slot = i;
		over.log = tasklog_new(
		    queued_get(en), over.id, over.tries, name, slot);
		if (over.log != NULL)
			queued_log_end(&over);
		else
			keeperlink_drop(kl, &slot);
	}
}

int64_t
queued_log_place(const struct queued *q, uint64_t id)
{
	const struct tasklog *tl;
	int64_t at = INT64_MAX, place;

	LIST_FOREACH(tl, &q->logs, entry) {
		place = tl->id == id ? pump_file_place(tl->st) : INT64_MAX;
		if (place < at)
			at = place;
	}
	return at;
}

void
queued_log_init(struct queued *q)
{
	LIST_INIT(&q->logs);
	q->log_inotify = -1;
}

/* The pump reads the rest when it is freed. */
void
queued_log_fini(struct queued *q)
{
	while (!LIST_EMPTY(&q->logs))
		tasklog_free(LIST_FIRST(&q->logs));
	if (q->log_inotify != -1)
		loop_io_stop(&q->log_io);
	fd_closep(&q->log_inotify);
}
