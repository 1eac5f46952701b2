/* queued_priv - what queued.c, queued_load.c and queued_spawn.c share. */
#ifndef ENGINE_QUEUED_PRIV_H
#define ENGINE_QUEUED_PRIV_H

#include "engine/engine_priv.h"
#include "engine/named.h"
#include "engine/queued.h"
#include "engine/slots.h"
#include "queue/sched.h"

/* uthash's own falls through its cases in a way that clang warns of. */
#define HASH_FUNCTION(key, len, hash)                                          \
	(hash) = (unsigned)((*(const uint64_t *)(key)*UINT64_C(                \
				0x9e3779b97f4a7c15)) >>                        \
			    32)
#include <uthash.h>

enum live_phase {
	LP_WAITING,  /* sched.h has it */
	LP_STARTING, /* that it runs is being written */
	LP_RUNNING,  /* work is its process */
	LP_LOST,     /* a reeved before ran it, what it left is killed */
	LP_ENDING,   /* its end is being written */
};

/* A process of a task, from its label on. */
struct work {
	LIST_ENTRY(work) entry;
	struct queued *q;
	uint64_t id;
	int32_t tries;
	struct task *task;
	bool over; /* end is valid, the keeper keeps it until released */
	struct task_end end;
	struct tasklog *log;     /* queued_log.c; NULL: none */
	struct channel *channel; /* NULL: none */
	bool telling, gone;      /* inside done; freed there */
	struct loop_timer term;  /* cancelled: TERM to KILL */
};

/* A task that has not ended. */
struct live {
	UT_hash_handle hh;
	uint64_t id;
	uid_t uid;
	enum live_phase phase;
	int32_t tries, retries;
	enum queue_crash on_crash;
	bool cancel; /* ordered */
	bool slot;   /* has one of cpu_slots */
	int64_t timeout_ms;
	char *key; /* of a named task; NULL: it has no name */
	struct work *work;
	struct tree_lost lost; /* in LP_LOST */
	bool recalled;         /* queued_recall, or its request is under way */
	char
	    *path; /* of it: what its failed start was about; NULL: not known */
};

LIST_HEAD(work_list, work);
LIST_HEAD(tasklog_list, tasklog);

struct queued {
	struct engine *en;
	const struct queue_backend *backend;
	struct queue *queue; /* NULL: not opened */
	struct sched *sched;
	struct slots *slots;
	struct live *lives;
	struct work_list works;
	struct queued_watch *watches;
	struct tasklog_list logs;
	int log_inotify; /* -1: no task has had a log */
	struct loop_io log_io;
	bool loaded, loading;
	unsigned writing;      /* START and END under way */
	struct loop_timer due; /* sched_due, or to load again */
	struct loop_timer lost;
	int lost_ms; /* until the next look at what was lost */
	struct loop_timer give_up;
	struct loop_timer prune, trim;
	bool pruning, trim_failed;
	unsigned ended; /* since the last look at the history */
	bool gave_up;   /* reeved ends without what could not be written */
	struct loop_task progress;
	char boot[40];
	char host[80]; /* this reeved: boot, pid, start */
};

/* queued.c */
struct queued *queued_get(struct engine *en);
struct live *live_find(struct queued *q, uint64_t id);
struct live *live_new(struct queued *q, const struct queue_task *t);
/* It runs no more, or will not: its place is free. */
void live_stopped(struct queued *q, struct live *l);
/* Its process is over. */
void live_over(struct queued *q, struct live *l);
/* It ends in that state, or with QS_QUEUED is tried again after delay. */
void live_end(struct queued *q, struct live *l, struct queue_task *end);
void live_fail(struct queued *q, struct live *l, enum queue_state otherwise,
    struct queue_task *end);
/* name: of that one; NULL: it has none. */
void live_skip(struct queued *q, struct live *l, uint64_t by, const char *name,
    const char *why);
void live_signal(struct live *l);
struct work *work_new(struct queued *q, uint64_t id, int32_t tries);
void work_unused(struct work *w);
void work_on_done(void *arg, const struct task_end *end);
/* The keeper forgets it. */
void work_free(struct work *w);
void queued_step(struct queued *q);

/* queued_named.c: of those that have not ended, by their name */
/* A run of it that is not run (NULL: whichever): how many there are. */
size_t queued_named_count(struct engine *en, const char *name, const char *run);
bool queued_named_has(struct engine *en, const char *name, const char *run);
/*
 * Does one run, or wait that was begun by a change?  One that has failed, and
 * waits for its next try, is given up for it.
 */
bool queued_named_busy(struct engine *en, const char *name);
/* All tasks of the runs of it but that one are cancelled. */
void queued_named_cancel(struct engine *en, const char *name, const char *run);
/* Pause before its next try. */
int64_t queued_backoff(const struct queued *q, const struct live *l);

/* queued_keep.c */
void queued_keep_init(struct queued *q);
void queued_keep_fini(struct queued *q);
/* Forgets what is too old or too much. */
void queued_prune(struct queued *q);
void queued_ended_one(struct queued *q);
/* Its output, as much of it as is kept; and, while tasks run, all of theirs. */
void queued_trim(struct queued *q, uint64_t id);
void queued_trim_soon(struct queued *q);
void queued_unlink_logs(struct queued *q, const uint64_t *ids, size_t n);

/* queued_log.c: log= of a named task; tries of one append to one file */
void queued_log_init(struct queued *q);
void queued_log_fini(struct queued *q);
void queued_log_configure(struct queued *q);
/* Of the run that is about to be started: what it has written is copied. */
void queued_log_begin(struct queued *q, struct work *w, const char *name);
void queued_log_adopt(struct queued *q, struct work *w);
/* Its process is gone: the rest is copied. */
void queued_log_end(struct work *w);
/* How far the output of that task has been copied; INT64_MAX: all of it. */
int64_t queued_log_place(const struct queued *q, uint64_t id);

/* queued_ipc.c: task NULL: it has no name */
int queued_ipc_begin(
    struct work *w, const char *task, int *child_fd, struct err *err);
void queued_ipc_adopt(struct work *w);
void queued_ipc_on_start(void *arg); /* arg: work */
void queued_ipc_end(struct work *w);
void queued_ipc_configure(struct queued *q);

/* queued_load.c */
void queued_load(struct queued *q);

/* queued_lost.c */
void queued_host(struct queued *q);
/* Another reeved began it: what is left of it is ended, then it fails. */
void lost_begin(struct queued *q, struct live *l, const struct queue_task *t);
/* Once all are known. */
void lost_look(struct queued *q);
void lost_on_timer(struct loop_timer *t, void *arg);

/* queued_spawn.c: -1: it could not be asked for: end has stage, path, errnum
 * and reason. */
int queued_spawn(struct queued *q, struct live *l, const struct queue_task *t,
    struct queue_task *end);
/* Its start failed, which an engine before this one had asked for: tells its
 * work's end about what, from t's spec or the config. */
void queued_recall(
    struct queued *q, struct live *l, const struct queue_task *t);
/* The last lines of its output; NULL: none. */
char *queued_tail(const struct engine *en, uint64_t id);
void queued_label(char *out, size_t size, uint64_t id, int32_t tries);
void queued_tree_name(char *out, size_t size, uint64_t id);

#endif
