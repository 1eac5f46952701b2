/*
 * queue - where tasks are kept: what a backend does.
 *
 * A backend stores tasks and answers requests; it decides nothing, sched.h
 * does.  Requests are carried out in the order in which they are given.  Each
 * is answered by the loop, never from inside queue_send, and only when what it
 * changed is durable.  local.c keeps them in a file of this host.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/loop.h"

#define QUEUE_GROUP_MAX 64
#define QUEUE_KEY_MAX   40
#define QUEUE_AFTER_MAX 1000
#define QUEUE_OLD_MAX   500

enum queue_state {
	QS_QUEUED, /* also one that is to be tried again */
	QS_RUNNING,
	QS_DONE,      /* exited with 0 */
	QS_FAILED,    /* anything else */
	QS_CANCELLED, /* by order */
	QS_SKIPPED,   /* one that it waited for did not become QS_DONE */
	QS_LOST,      /* reeved was killed while it ran */
	QS__N
};

/* What becomes of one that ran when reeved was killed; an engine's death loses
 * none. */
enum queue_crash {
	QC_ADOPT, /* as after any other end: its retries say */
	QC_RETRY, /* it is tried again, whatever they say */
	QC_FAIL,  /* it is not */
	QC__N
};

const char *queue_crash_name(enum queue_crash c);
/* QC__N: there is none of that name. */
enum queue_crash queue_crash_of(const char *name);

/* NAME of a key "RUN/NAME"; NULL: it has none. */
const char *queue_key_name(const char *key);
const char *queue_state_name(enum queue_state s);
bool queue_state_is_end(enum queue_state s);

/* Strings are the task's, NULL where there are none. */
struct queue_task {
	uint64_t id;
	enum queue_state state;
	uid_t uid;
	/* Unique for uid, so that an add is one, once: its client's, or, of a
	 * task that has a name, "RUN/NAME". */
	char *key;
	char *group;
	char *command; /* for people */
	char *reason;  /* why it failed, is skipped, is tried again */
	char *tail;    /* last lines of its output */
	char *host;    /* the reeved that runs it */
	void *spec;    /* what is run, opaque here */
	size_t spec_len;
	uint64_t *after;
	size_t nafter;
	int32_t priority;
	int32_t retries; /* tries beyond the first */
	enum queue_crash on_crash;
	int32_t tries;  /* that were begun */
	bool acts;      /* it has ended, and what is to follow has not come */
	bool cancelled; /* the order came while it ran */
	bool doomed;    /* of QR_LOAD: doomed_by has not become QS_DONE */
	uint64_t doomed_by;
	int64_t timeout_ms;
	wall_ms not_before; /* 0: at once */
	wall_ms added, started, ended;
	int64_t ran_ms; /* -1: did not run, as below */
	int32_t exit_code;
	int32_t exit_signal; /* 0: none */
	bool timed_out;
	int32_t errnum; /* why it could not be started; 0: none */
	int32_t stage;  /* at what step, spawn.h's number; 0: it was started */
	char *path;     /* what that step was about; NULL: no file */
	int64_t max_rss_kb;
};

struct queue_group {
	uid_t uid;
	char *name;
	int32_t parallel; /* 0: the default */
	bool paused;
};

/* When a named task was due the last time. */
struct queue_due {
	char *name;
	char *spec; /* of its schedule, opaque here */
	wall_ms due;
};

enum queue_kind {
	/* All that have not ended, and those that act, without spec; the
	 * groups; the dues. */
	QR_LOAD,
	/* Gives the id, or that of the task with this key; tasks: those that
	 * it waits for, as they are. */
	QR_ADD,
	/* RUNNING: tries, started, host; gives spec. */
	QR_START,
	QR_SPEC, /* task.id: gives spec, of one that has not ended */
	/* state, reason, times and figures; not_before of one tried again. */
	QR_END,
	QR_ACTED,  /* task.id: what was to follow has come */
	QR_DUE,    /* due: keeps it */
	QR_NAMED,  /* gives the last that has ended of each name */
	QR_CANCEL, /* notes the order */
	QR_LIST,   /* uid, all; gives tasks */
	QR_GET,    /* ids, uid; gives tasks in that order */
	QR_REMOVE, /* ids, uid: those that have ended; gives them */
	QR_GROUP,  /* group */
	/*
	 * uid, keep, before, only_done, spare_last: gives ids of those that
	 * have ended before that or are more than are to be kept, oldest
	 * first, QUEUE_OLD_MAX at most; oldest.
	 */
	QR_OLD,
};

#define QUEUE_ANY_UID ((uid_t)-1)

/* One request and its answer. */
struct queue_req {
	struct queue_req *next;
	enum queue_kind kind;
	struct queue_task task; /* of ADD, START, END, CANCEL */
	struct queue_group group;
	struct queue_due due;
	uid_t uid;      /* whose tasks are seen; QUEUE_ANY_UID: all */
	bool named;     /* and those that have a name, whose they are */
	bool all;       /* those that have ended as well */
	int64_t keep;   /* so many that have ended; -1: all */
	wall_ms before; /* 0: whenever */
	bool only_done;
	bool spare_last; /* the last of each name, and those that act */
	uint64_t *ids;   /* of OLD: its answer */
	size_t nids;
	/* the answer */
	wall_ms oldest;  /* end; 0: none has ended */
	int rc;          /* -1: err tells */
	bool world;      /* it may work later: the disk is full */
	bool no_such_id; /* err names one that is not there */
	bool known;      /* of ADD: there was one with its key */
	struct err err;
	struct queue_task *tasks;
	size_t ntasks, tasks_cap;
	struct queue_group *groups;
	size_t ngroups;
	struct queue_due *dues;
	size_t ndues;
	/* Called by the loop; the request is freed after it. */
	void (*done)(void *arg, struct queue_req *req);
	void *arg;
};

struct queue;

struct queue_backend {
	const char *name;
	/* where: its own business; a missing store is made. */
	struct queue *(*open)(
	    struct loop *lp, const char *where, struct err *err);
	/* Waits for what is under way; requests that wait are dropped. */
	void (*close)(struct queue *q);
	/* Takes the request.  One that must not fail (START, END, ACTED, DUE,
	 * CANCEL) is tried again until it works: a full disk delays, and loses
	 * nothing. */
	void (*send)(struct queue *q, struct queue_req *req);
};

extern const struct queue_backend queue_local;

struct queue_req *queue_req_new(enum queue_kind kind,
    void (*done)(void *arg, struct queue_req *req), void *arg);
void queue_req_free(struct queue_req *req);
/* Without an answer again. */
void queue_req_reset(struct queue_req *req);
void queue_task_init(struct queue_task *t);
void queue_task_fini(struct queue_task *t);
/* One more in the answer; initialised. */
struct queue_task *queue_req_task(struct queue_req *req);

#endif
