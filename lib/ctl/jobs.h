/*
 * jobs - CPU jobs for clients of the control socket: the way to the pool.
 *
 * The client of lib/pool waits where this must not, so this is one of its own:
 * non-blocking, on the engine's loop.  A job is kept here with its descriptors
 * until its end, and is sent again when the pool has died or moved; the pool
 * keeps it, and its end, when the engine has died (PS_KEEP, PM_WAIT).  So a
 * job is lost only if both die at once.
 */
#ifndef CTL_JOBS_H
#define CTL_JOBS_H

#include <sys/queue.h>

#include "base/buf.h"
#include "ctl/ctl_priv.h"
#include "pool/proto.h"

#define JOBS_LIVE_MAX                                                          \
	1024           /* that have not ended; each may hold descriptors       \
			*/
#define JOBS_ENDS 1024 /* that have, and can be asked for */

struct jobs;

struct jobs_job {
	TAILQ_ENTRY(jobs_job) link;
	uint64_t id;
	bool ended;
	struct pool_result result;
	char *text; /* of it */
	int percent;
	char *doing; /* of the progress; or NULL */
};

/* What is submitted; the descriptors (-1: none) are taken. */
struct jobs_request {
	const char *kind, *in_name, *out_name;
	const struct strv *args;
	int in_fd, out_fd;
	unsigned priority; /* 0, the highest, to 7 */
	bool retry, progress;
	uint32_t run_timeout_ms, queue_timeout_ms;
};

/* Who is told of jobs: each step, and each end. */
struct jobs_watch {
	TAILQ_ENTRY(jobs_watch) link;
	void (*step)(struct jobs_watch *w, const struct jobs_job *j);
};

/* The pool has it: from here on it has an end. */
typedef void jobs_sent(void *arg, uint64_t id);
/* json NULL: the pool has gone. */
typedef void jobs_answer(void *arg, const char *json);

/* Made when it is first used. */
struct jobs *jobs_of(struct ctl_server *srv);
void jobs_free(struct jobs *js);
/* The config has a pool? */
bool jobs_possible(const struct ctl_server *srv);
/* -1: too many.  sent may be called before it returns. */
int jobs_submit(
    struct jobs *js, const struct jobs_request *rq, jobs_sent *sent, void *arg);
/* Who has asked has gone. */
void jobs_forget(struct jobs *js, const void *arg);
/* One of an engine before this one is asked for at the pool. */
const struct jobs_job *jobs_get(struct jobs *js, uint64_t id);
void jobs_cancel(struct jobs *js, uint64_t id);
void jobs_query(
    struct jobs *js, const char *what, jobs_answer *answer, void *arg);
void jobs_watch(struct jobs *js, struct jobs_watch *w);
void jobs_unwatch(struct jobs *js, struct jobs_watch *w);

#endif
