/*
 * queued - tasks of the queue: kept by a backend (queue/queue.h), chosen by
 * queue/sched.h, run here.
 *
 * What an engine's death must not change is in the backend before it happens:
 * "runs, for the nth time, under this reeved" before the keeper is asked for
 * the process, its end before the keeper forgets it.  So an engine that finds
 * a task running either finds its process with the keeper, by its label
 * "!Q:ID.TRY", dead or alive, or knows that it never was; and one that runs
 * under another reeved is lost.
 *
 * The queue is opened when it is first used, or when there is one, after the
 * programs were started: nobody waits for its disk.
 */
#ifndef ENGINE_QUEUED_H
#define ENGINE_QUEUED_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"
#include "spawn/spawn.h"

struct engine;
struct orphan;
struct queued;

#define QUEUED_GROUP   "default"

#define QUEUED_CHANNEL "task:" /* names of channels begin so */

/* After the programs; opens nothing if there is no queue yet. */
void queued_begin(struct engine *en);
void queued_free(struct engine *en);
/* The same, whether there is a queue yet or not. */
void queued_load_now(struct engine *en);
/* The config has changed. */
void queued_configure(struct engine *en);
struct slots;
struct slots *queued_slots(struct engine *en);
bool queued_adopt(struct engine *en, const struct orphan *o);
/* reeved ends: nothing is started any more.  true: something is still to be
 * written; order_progress is called when it has been. */
bool queued_end_all(struct engine *en);

/*
 * What is to be run, as kept: strings as the run request has them (folder,
 * argc words, environment, each ended by a NUL).
 */
struct run_request;
void queued_pack(struct queue_task *t, const struct run_request *req,
    const char *strings, size_t len, size_t argc);

/*
 * Takes the request: QR_ADD, QR_LIST, QR_GET, QR_REMOVE or QR_GROUP; done is
 * called by the loop with its answer.
 */
void queued_send(struct engine *en, struct queue_req *req);
/* Whatever it does: it ends as cancelled, if it has not ended. */
void queued_cancel(struct engine *en, uint64_t id);
/* A start that failed before it was asked for; path NULL: about no file. */
void queued_refused(struct queue_task *end, enum spawn_stage stage,
    const char *path, const struct err *err);
/* The same of a command that was not found, as run tells it. */
void queued_not_found(struct queue_task *end, const char *chroot,
    const char *command, const char *directory, struct err *err);
/* What it waits for; the caller frees.  NULL: it does not. */
char *queued_waits(struct engine *en, const struct queue_task *t);
/* 0: it does not run. */
pid_t queued_pid(struct engine *en, uint64_t id);
/* Of its output; the caller frees. */
char *queued_log_path(const struct engine *en, uint64_t id);

/*
 * The channel of "task:ID" or "task:NAME", which runs; "" when *out has it,
 * else why there is none; NULL: no such task runs.
 */
struct channel;
const char *queued_ipc_find(
    struct engine *en, const char *text, struct channel **out);
/* What an engine before this one had not yet copied into logs. */
void queued_log_leftovers(struct engine *en);

/* Told of every task that has ended (or was put back), with its id. */
struct queued_watch {
	struct queued_watch *next;
	bool all; /* and of those that were started, or are tried again */
	void (*ended)(void *arg, uint64_t id);
	void *arg;
};

void queued_watch(struct engine *en, struct queued_watch *w);
void queued_unwatch(struct engine *en, struct queued_watch *w);

#endif
