/*
 * run - a command of a client's, with the client's own descriptors.
 *
 * The command reads and writes what the client passed: no byte of it goes
 * through the engine, and none is lost with one.  The client gives it a key;
 * after an engine has died it asks with the same key and gets what is there:
 * the running command, or its end, which is kept for a while.  A run whose
 * client is gone is ended: TERM, then KILL of its tree.
 */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/task.h"
#include "spawn/spec.h"

#define RUN_KEY_MAX 40
#define RUN_LABEL   "!q:" /* labels of their processes begin so */

struct run;

/* Of what clients run. */
struct channel_limits;
extern const struct channel_limits run_channel_limits;

struct run_request {
	const char *key; /* letters and digits, unique for its uid */
	const char *path;
	char **argv;
	char **envp;
	const char *directory; /* absolute */
	int fds[3];            /* 0, 1, 2; -1: /dev/null; borrowed */
	const char *ipc;       /* name of its message channel; NULL: none */
	int ipc_fd;            /* run_start sets it */
	bool tty;              /* fds[0] becomes the controlling terminal */
	int64_t timeout_ms;    /* 0: none */
	int32_t umask;         /* SPEC_KEEP: reeved's */
	int32_t nice;          /* SPEC_KEEP: reeved's */
	uint64_t task; /* REEVE_TASK_ID: its number in the queue; 0: none */
	bool set_ids;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t ngroups;
	struct spec_rlimit rlimits[RLIM_NLIMITS];
	size_t nrlimits;
	bool jobserver; /* it is told of the queue's: slots.h */
};

/* Asks for a task as the request says; borrows everything.  key: unused; of a
 * make with the jobserver, argv loses a bare -j. */
void run_spawn(struct engine *en, struct task *t, const struct run_request *req,
    const char *label);

/* Both from the loop, never from inside a call. */
struct run_ops {
	void (*started)(void *arg, pid_t pid);
	/* Its own process is gone; done follows.  Also after a resume. */
	void (*gone)(void *arg, const struct task_end *end);
	/* The last of it: nothing of its tree is left.  The run is freed by
	 * run_leave. */
	void (*done)(void *arg, const struct task_end *end);
};

/* owner: uid of the client; keys of others are not seen. */
/* NULL and err: its channel cannot be had. */
struct run *run_start(struct engine *en, uid_t owner,
    const struct run_request *req, const struct run_ops *ops, void *arg,
    struct err *err);
/* The run of that key, which has no client any more, gets one, which is told
 * again that it started; NULL: none.  req: what it was asked for with, NULL:
 * not known. */
struct run *run_resume(struct engine *en, uid_t owner, const char *key,
    const struct run_request *req, const struct run_ops *ops, void *arg);
/* What the step was about at which it was not started; NULL: no file, or it
 * is not known. */
const char *run_failed_path(const struct run *r);
/* Is there one with a client? */
bool run_is_taken(struct engine *en, uid_t owner, const char *key);
/* The client is gone, or has been told the end. */
void run_leave(struct run *r);
void run_signal(struct run *r, int signo);
/* Of a client's own, for its signals; NULL: none. */
struct run *run_find(struct engine *en, uid_t owner, const char *key);

#endif
