/*
 * queued_keep - how much is kept of tasks: history and output.
 *
 * What has ended goes after task_history_time= or when there are more than
 * task_history=, oldest first, a few hundred at a time.  A task's output goes
 * into its file without passing through us, so it can't be held back: while
 * tasks run, files that have grown beyond task_output= lose their middle (a
 * hole: the length stays, the disk's blocks are free), and nobody waits for
 * that or is killed for it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/queued_priv.h"

#define KEEP_EACH     100 /* ends after which it is looked */
#define KEEP_AGAIN_MS 60000
#define TRIM_MS       1000
#define TRIM_BLOCK    INT64_C(4096)

/* --- history ----------------------------------------------------------------
 */

static void
keep_next(struct queued *q, bool more, wall_ms oldest)
{
	int64_t most = q->en->cf->task_history_ms, left;

	if (more) {
		queued_prune(q);
		return;
	}
	loop_timer_stop(&q->prune);
	if (most == 0 || oldest == 0)
		return;
	left = oldest + most - clock_wall_ms();
	loop_timer_start(
	    &q->prune, left > KEEP_AGAIN_MS ? left : KEEP_AGAIN_MS);
}

static void
keep_on_removed(void *arg, struct queue_req *req)
{
	struct queued *q = arg;

	q->pruning = false;
	if (req->rc == -1)
		log_warnx("forget tasks that have ended: %s", req->err.text);
	keep_next(q, req->rc == 0, 0);
}

/* Their output first: what dies between finds them again. */
static void
keep_on_old(void *arg, struct queue_req *req)
{
	struct queued *q = arg;
	struct queue_req *remove;

	if (req->rc == -1 || req->nids == 0 || q->en->stopping) {
		q->pruning = false;
		keep_next(q, false, req->rc == 0 ? req->oldest : 0);
		return;
	}
	queued_unlink_logs(q, req->ids, req->nids);
	log_info("%zu tasks that have ended are forgotten", req->nids);
	remove = queue_req_new(QR_REMOVE, keep_on_removed, q);
	remove->uid = QUEUE_ANY_UID;
	remove->ids = req->ids;
	remove->nids = req->nids;
	req->ids = NULL;
	req->nids = 0;
	q->backend->send(q->queue, remove);
}

void
queued_prune(struct queued *q)
{
	const struct config *cf = q->en->cf;
	struct queue_req *req;

	q->ended = 0;
	if (q->pruning || !q->loaded || q->en->stopping)
		return;
	q->pruning = true;
	req = queue_req_new(QR_OLD, keep_on_old, q);
	req->uid = QUEUE_ANY_UID;
	req->keep = cf->task_history;
	if (cf->task_history_ms != 0)
		req->before = clock_wall_ms() - cf->task_history_ms;
	req->spare_last = true;
	q->backend->send(q->queue, req);
}

void
queued_ended_one(struct queued *q)
{
	if (++q->ended >= KEEP_EACH)
		queued_prune(q);
	else if (!q->pruning && !loop_timer_active(&q->prune))
		keep_next(q, false, clock_wall_ms());
}

static void
keep_on_prune(struct loop_timer *t, void *arg)
{
	(void)t;
	queued_prune(arg);
}

/* --- output -----------------------------------------------------------------
 */

void
queued_trim(struct queued *q, uint64_t id)
{
	int64_t most = q->en->cf->task_output, from, to, place;
	char *path;
	struct stat st;
	int fd;

	if (most == 0)
		return;
	path = queued_log_path(q->en, id);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	free(path);
	if (fd == -1)
		return;
	place = queued_log_place(q, id);
	/* Its head and its tail, each half of it, in whole blocks. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > most &&
	    st.st_blocks * 512 > most) {
		from = (most / 2 + TRIM_BLOCK - 1) / TRIM_BLOCK * TRIM_BLOCK;
		to = (st.st_size - most / 2) / TRIM_BLOCK * TRIM_BLOCK;
		/* A log that is behind needs it first. */
		if (to > place)
			to = place / TRIM_BLOCK * TRIM_BLOCK;
		if (to > from &&
		    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			from, to - from) == -1 &&
		    !q->trim_failed) {
			q->trim_failed = true;
			log_warn("free the middle of a task's output: "
				 "task_output is not kept to");
		}
	}
	fd_closep(&fd);
}

static void
keep_on_trim(struct loop_timer *t, void *arg)
{
	struct queued *q = arg;
	struct work *w;
	bool any = false;

	LIST_FOREACH(w, &q->works, entry) {
		if (w->over)
			continue;
		any = true;
		queued_trim(q, w->id);
	}
	if (any && q->en->cf->task_output != 0)
		loop_timer_start(t, TRIM_MS);
}

void
queued_trim_soon(struct queued *q)
{
	if (!loop_timer_active(&q->trim))
		loop_timer_start(&q->trim, TRIM_MS);
}

/* --- life -------------------------------------------------------------------
 */

void
queued_keep_init(struct queued *q)
{
	loop_timer_init(&q->prune, q->en->lp, keep_on_prune, q);
	loop_timer_init(&q->trim, q->en->lp, keep_on_trim, q);
}

void
queued_keep_fini(struct queued *q)
{
	loop_timer_stop(&q->prune);
	loop_timer_stop(&q->trim);
}
