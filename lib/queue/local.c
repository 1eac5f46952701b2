/*
 * local - tasks of this host, in a file; a thread of its own writes it.
 *
 * Two threads.  The loop's gives requests over at the end of its turn, all
 * that have come in it, and the other makes one transaction of all it finds:
 * so many wait for one fsync.  Answers come back as a list and an eventfd.  A
 * request belongs to one thread at a time.
 *
 * What must not fail stays with the thread and is tried again; what has come
 * after it waits behind it only if it must not fail either.
 */
#include <sys/eventfd.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "queue/local_priv.h"

#define LOCAL_MAGIC   0x6c6f6361U
#define LOCAL_AGAIN_S 1
#define LOCAL_AT_ONCE 500 /* requests in one transaction */

struct req_list {
	struct queue_req *first;
	struct queue_req **last;
};

struct queue {
	unsigned magic;
	/* the loop's */
	struct loop *lp;
	struct loop_io io;
	struct loop_task hand_over;
	struct req_list given; /* in this turn */
	struct queue_req *telling;
	pthread_t thread;
	/* the thread's */
	char *path;
	struct local_db *db;
	struct req_list kept; /* to be tried again */

	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct req_list todo;
	struct req_list answers;
	bool stop;
	int efd;
};

/* --- lists ------------------------------------------------------------------
 */

static void
list_init(struct req_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void
list_add(struct req_list *l, struct queue_req *r)
{
	r->next = NULL;
	*l->last = r;
	l->last = &r->next;
}

/* All of from at the end of l. */
static void
list_move(struct req_list *l, struct req_list *from)
{
	if (from->first == NULL)
		return;
	*l->last = from->first;
	l->last = from->last;
	list_init(from);
}

/* The first n of from. */
static void
list_cut(struct req_list *l, struct req_list *from, size_t n)
{
	struct queue_req *r;

	for (; n > 0 && (r = from->first) != NULL; n--) {
		from->first = r->next;
		if (from->first == NULL)
			list_init(from);
		list_add(l, r);
	}
}

static void
list_free(struct req_list *l)
{
	struct queue_req *r;

	while ((r = l->first) != NULL) {
		l->first = r->next;
		queue_req_free(r);
	}
	list_init(l);
}

/* --- the thread -------------------------------------------------------------
 */

static bool
local_must(const struct queue_req *r)
{
	switch (r->kind) {
	case QR_START:
	case QR_END:
	case QR_ACTED:
	case QR_DUE:
	case QR_CANCEL:
		return true;
	case QR_LOAD:
	case QR_ADD:
	case QR_LIST:
	case QR_GET:
	case QR_REMOVE:
	case QR_GROUP:
	case QR_OLD:
	case QR_NAMED:
	case QR_SPEC:
		break;
	}
	return false;
}

static void
local_answer(struct queue *q, struct req_list *batch)
{
	uint64_t one = 1;
	struct req_list answers;
	struct queue_req *r;

	list_init(&answers);
	while ((r = batch->first) != NULL) {
		batch->first = r->next;
		list_add(r->rc == -1 && r->world && local_must(r) ? &q->kept
								  : &answers,
		    r);
	}
	if (answers.first == NULL)
		return;
	pthread_mutex_lock(&q->mutex);
	list_move(&q->answers, &answers);
	pthread_mutex_unlock(&q->mutex);
	if (write(q->efd, &one, sizeof one) != sizeof one)
		BUG_ON(errno != EAGAIN);
}

/* Waits until there is something to do; false: stop. */
static bool
local_wait(struct queue *q, struct req_list *batch)
{
	struct timespec until;
	bool stop;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOCAL_AGAIN_S;
	pthread_mutex_lock(&q->mutex);
	while (!q->stop && q->todo.first == NULL && rc == 0) {
		if (q->kept.first != NULL)
			rc =
			    pthread_cond_timedwait(&q->wake, &q->mutex, &until);
		else
			pthread_cond_wait(&q->wake, &q->mutex);
	}
	stop = q->stop;
	list_move(batch, &q->kept);
	list_cut(batch, &q->todo, LOCAL_AT_ONCE);
	pthread_mutex_unlock(&q->mutex);
	return !stop;
}

static void *
local_main(void *arg)
{
	struct queue *q = arg;
	struct req_list batch;

	list_init(&batch);
	while (local_wait(q, &batch)) {
		local_db_run(q->db, batch.first);
		local_answer(q, &batch);
		list_init(&batch);
	}
	list_free(&batch);
	return NULL;
}

/* --- the loop ---------------------------------------------------------------
 */

static void
local_hand_over(void *arg)
{
	struct queue *q = arg;

	pthread_mutex_lock(&q->mutex);
	list_move(&q->todo, &q->given);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->mutex);
}

static void
local_send(struct queue *q, struct queue_req *req)
{
	BUG_ON(q->magic != LOCAL_MAGIC);
	list_add(&q->given, req);
	loop_task_queue(q->lp, &q->hand_over);
}

static void
local_on_answers(struct loop_io *io, int events, void *arg)
{
	struct queue *q = arg;
	struct queue_req *r;
	uint64_t n;

	(void)io;
	(void)events;
	BUG_ON(q->magic != LOCAL_MAGIC);
	if (read(q->efd, &n, sizeof n) == -1)
		BUG_ON(errno != EAGAIN);
	pthread_mutex_lock(&q->mutex);
	q->telling = q->answers.first;
	list_init(&q->answers);
	pthread_mutex_unlock(&q->mutex);
	while ((r = q->telling) != NULL) {
		q->telling = r->next;
		r->done(r->arg, r);
		queue_req_free(r);
	}
}

static int
local_start(struct queue *q)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&q->mutex, NULL);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&q->thread, NULL, local_main, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

static void
local_release(struct queue *q)
{
	local_db_free(q->db);
	fd_closep(&q->efd);
	list_free(&q->given);
	list_free(&q->todo);
	list_free(&q->kept);
	list_free(&q->answers);
	free(q->path);
	free(q);
}

static struct queue *
local_open(struct loop *lp, const char *where, struct err *err)
{
	struct queue *q = xcalloc(1, sizeof *q);

	q->magic = LOCAL_MAGIC;
	q->lp = lp;
	q->path = xstrdup(where);
	q->db = local_db_new(q->path);
	list_init(&q->given);
	list_init(&q->kept);
	list_init(&q->todo);
	list_init(&q->answers);
	q->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->efd == -1 || local_start(q) == -1) {
		err_sys(err, "start the queue's thread");
		local_release(q);
		return NULL;
	}
	loop_task_init(&q->hand_over, local_hand_over, q);
	loop_io_init(&q->io, lp, q->efd, LOOP_READ, local_on_answers, q);
	loop_io_start(&q->io);
	return q;
}

static void
local_close(struct queue *q)
{
	if (q == NULL)
		return;
	BUG_ON(q->magic != LOCAL_MAGIC || q->telling != NULL);
	loop_io_stop(&q->io);
	loop_task_cancel(q->lp, &q->hand_over);
	pthread_mutex_lock(&q->mutex);
	q->stop = true;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->mutex);
	pthread_join(q->thread, NULL);
	pthread_mutex_destroy(&q->mutex);
	pthread_cond_destroy(&q->wake);
	local_release(q);
}

const struct queue_backend queue_local = {
	.name = "local",
	.open = local_open,
	.close = local_close,
	.send = local_send,
};
