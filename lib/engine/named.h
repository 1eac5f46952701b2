/*
 * named - tasks that have a name: [task:x].
 *
 * Every run of one is a task of the queue (queued.h), which keeps it, starts
 * it, retries it and remembers it; here is what a name adds: the graph of
 * depends_on, times at which it is due, what follows its end.
 *
 * A run is known by "NAME@WHY", and each task in it by the key "RUN/NAME":
 * begun twice, by whoever was not answered or by an engine after this one, it
 * is one run.  The tasks it depends on are written down before it is; when it
 * is written down the run is begun.  A time that was due is dealt with only
 * after that, and what follows an end is done before the end is forgotten.
 */
#ifndef ENGINE_NAMED_H
#define ENGINE_NAMED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "queue/queue.h"

struct changes;
struct config_program;
struct engine;

/* The letter behind the @ of a run. */
enum named_why {
	NAMED_ORDER = 'o',
	NAMED_DUE = 's',     /* then the time, in ms */
	NAMED_THEN = 't',    /* the id of the task that it follows */
	NAMED_FAILURE = 'f', /* the same */
	NAMED_HOOK = 'h',
	NAMED_CHANGE = 'c',
};

#define NAMED_WHAT_MAX 160

/* Does an instance or a roll wait for the run that this task belongs to? */
bool named_is_hook(const char *key);

struct named_node {
	const char *name;
	uint64_t id;
	const uint64_t *after; /* tasks of the run that it waits for */
	size_t nafter;
};

/* The tasks of a run, in an order in which they may run: its own is last. */
struct named_begun {
	const char *run;
	const struct named_node *v;
	size_t n;
	const struct err *err; /* NULL: it is begun, and kept */
};

typedef void named_begun_cb(void *arg, const struct named_begun *nb);

/*
 * Begins a run, or finds it.  what: letters, digits and ._#-; unique with why
 * and name.  not_before: 0, at once.  cb comes from the loop, once.  -1: there
 * is no such task.
 */
int named_begin(struct engine *en, const char *name, enum named_why why,
    const char *what, wall_ms not_before, named_begun_cb *cb, void *arg,
    struct err *err);

/* The same, of more. */
struct named_order {
	const char *name;
	enum named_why why;
	const char *what;
	wall_ms not_before;
	const struct changes *changed; /* files; NULL: it is not because of */
	named_begun_cb *cb;
	void *arg;
};

int named_begin_order(
    struct engine *en, const struct named_order *no, struct err *err);

/* --- for the control server ------------------------------------------------
 */

/* NAME of "NAME@WHY/NODE" is run's; NULL: key has none. */
const char *named_of_key(const char *key);
/* "order", "schedule", "then", "failure", "hook", "change"; NULL: no name. */
const char *named_why_word(const char *key);
/* When a run by schedule was due; 0: it is none. */
wall_ms named_due_of(const char *key);
/* Tasks of that name that have not ended, in whichever runs. */
size_t named_live(const struct engine *en, const char *name);
/* When it is due next; 0: never, or nobody knows yet. */
wall_ms named_next(const struct engine *en, const char *name);

/* --- for the engine --------------------------------------------------------
 */

/* Does a task come to run by itself, so that the queue must be loaded? */
bool named_needs_queue(const struct engine *en);
/* The queue is loaded: its answer. */
void named_loaded(struct engine *en, const struct queue_req *req);
/* All tasks of a run, "NAME@WHY". */
void named_cancel(struct engine *en, const char *run);
void named_reload(struct engine *en);
void named_free(struct engine *en);
/* Of a task that ends so: does something follow? */
bool named_acts(
    const struct engine *en, const char *key, enum queue_state state);
void named_started(struct engine *en, const char *key, uint64_t id);
/* What a program's watch= ends with: it is rolled, or restarted. */
/* cause: id of the task that it follows; 0: none. */
void named_watch_order(
    struct engine *en, const struct config_program *p, uint64_t cause);
/* It is written down. */
void named_ended(
    struct engine *en, const char *key, const struct queue_task *t);

#endif
