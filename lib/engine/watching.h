/*
 * watching - files whose changes run a task (on_change=) or roll a program,
 * perhaps with a task before it (watch=).
 *
 * No change is lost with an engine.  inotify's descriptor is in the keeper's
 * store: what happens while there is no engine waits in it.  Beside it is a
 * memfd whose byte says that a change was read which no run in the queue
 * stands for yet.  Both are named after all that the watch is made from: a
 * reload that changes it makes new ones.
 *
 * While a run lasts, changes are collected; one run follows it for all of
 * them.  With overlap = kill it is ended, and one begun instead.
 */
#ifndef ENGINE_WATCHING_H
#define ENGINE_WATCHING_H

#include <stdbool.h>
#include <stddef.h>

struct engine;

/* At the start, and after a reload: as the config in force has it. */
void watching_setup(struct engine *en);
/* Does some watch need the queue? */
bool watching_needs_queue(const struct engine *en);
/* The queue is loaded, or a task that has a name has ended. */
void watching_progress(struct engine *en);
/* A run of it has: what is found to have changed by then may be its doing. */
void watching_run_ended(struct engine *en, const char *task);
void watching_free(struct engine *en);

struct watching_info {
	size_t dirs;
	bool complete;
	bool waiting;        /* a change waits for a run to end */
	const char *trouble; /* NULL: none */
};

/* Of a task's on_change, or a program's watch; false: there is none. */
bool watching_get(const struct engine *en, const char *name, bool program,
    struct watching_info *out);

#endif
