/*
 * pool - see pool.h.  One lock; thread.c is the other side of it.
 */
#include "pool/pool.h"

#include <sys/eventfd.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "pool/pool_priv.h"

#define FEW      8
#define RETRY_NS INT64_C(100000000) /* a thread could not be made */

enum {
	OWNER_AWAKE,
	OWNER_ASLEEP
};

const char *
pool_end_name(enum pool_end e)
{
	static const char *const names[POOL_ENDS] = { "ran", "cancelled",
		"queue-timeout", "run-timeout", "stuck", "back" };

	BUG_ON(e >= POOL_ENDS);
	return names[e];
}

static int64_t
pool_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
pool_now(const struct pool *p)
{
	return p->opts.now_ns != NULL ? p->opts.now_ns(p->opts.arg)
				      : pool_monotonic();
}

/* --- between the owner and the threads -------------------------------------
 */

/* A stack as a list, the oldest first. */
static struct pool_job *
pool_turned(struct pool_job *top)
{
	struct pool_job *list = NULL, *next;

	for (; top != NULL; top = next) {
		next = top->next;
		top->next = list;
		list = top;
	}
	return list;
}

void
pool_chain_add(struct pool_chain *c, struct pool_job *job)
{
	job->next = c->top;
	c->top = job;
	if (c->n++ == 0)
		c->bottom = job;
}

void
pool_chain_push(_Atomic(struct pool_job *) *stack, struct pool_chain *c)
{
	struct pool_job *old = atomic_load(stack);

	if (c->n == 0)
		return;
	do
		c->bottom->next = old;
	while (!atomic_compare_exchange_weak(stack, &old, c->top));
	*c = (struct pool_chain){ 0 };
}

/* The lock is held. */
static void
pool_give(struct pool *p, struct pool_job *job)
{
	struct pool_chain c = { 0 };

	pool_chain_add(&c, job);
	pool_chain_push(&p->done, &c);
}

/* Threads see what was submitted.  One is awake then. */
static void
pool_show(struct pool *p)
{
	if (p->submitted_now.n == 0)
		return;
	pool_chain_push(&p->inbox, &p->submitted_now);
	/* Either this sees that nobody is awake, or they see the jobs. */
	if (atomic_load(&p->awake) == 0) {
		pthread_mutex_lock(&p->lock);
		pool_wake_idle(p);
		pthread_mutex_unlock(&p->lock);
	}
}

/* --- telling the owner ---------------------------------------------------- */

void
pool_tell_owner(struct pool *p)
{
	uint64_t one = 1;

	if (atomic_load(&p->owner) == OWNER_ASLEEP &&
	    atomic_exchange(&p->owner, OWNER_AWAKE) == OWNER_ASLEEP)
		pool_futex_wake(&p->owner);
	if (atomic_load(&p->armed) && atomic_exchange(&p->armed, false) &&
	    write(p->fd, &one, sizeof one) == -1)
		BUG_ON(errno != EAGAIN);
}

bool
pool_hurry(const struct pool *p)
{
	const struct pool_job *first = pool_deadline_first(p);

	return first != NULL &&
	       (p->told_ns < 0 || first->deadline_ns < p->told_ns);
}

static bool
pool_has_done(struct pool *p)
{
	return p->taken != NULL || atomic_load(&p->done) != NULL ||
	       atomic_load(&p->nback) != 0;
}

/*
 * The owner is about to wait: it is now that threads are woken, beyond the
 * first.  As long as it goes on submitting, one thread that is awake does
 * short jobs faster than another one wakes.
 */
static void
pool_kick(struct pool *p)
{
	unsigned waiting = atomic_load(&p->queued), looking;

	looking = atomic_load(&p->awake) - p->busy;
	for (; waiting > looking && p->idle != NULL; looking++)
		pool_wake_idle(p);
}

bool
pool_owner_waits(struct pool *p)
{
	return atomic_load(&p->owner) == OWNER_ASLEEP || atomic_load(&p->armed);
}

/*
 * True: there is nothing to be done, and what comes will be told.  Threads
 * see that the owner waits before they keep an end back; those kept back
 * before are taken here.
 */
static bool
pool_prepare(struct pool *p)
{
	bool quiet;

	pool_show(p);
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < p->top; i++)
		if (p->threads[i] != NULL)
			pool_chain_push(&p->done, &p->threads[i]->ended);
	quiet = !pool_hurry(p);
	pool_kick(p);
	pthread_mutex_unlock(&p->lock);
	return quiet && !pool_has_done(p);
}

/*
 * Whoever takes `armed` away writes, once: so many are owed to the descriptor
 * and it is only read while one is, which saves most of the reads.
 */
static void
pool_disarm(struct pool *p)
{
	uint64_t n;

	if (p->arming && !atomic_exchange(&p->armed, false))
		p->owed++;
	p->arming = false;
	if (p->owed == 0)
		return;
	if (read(p->fd, &n, sizeof n) == sizeof n)
		p->owed -= n;
	else
		BUG_ON(errno != EAGAIN);
}

bool
pool_arm(struct pool *p)
{
	pool_disarm(p);
	p->arming = true;
	atomic_store(&p->armed, true);
	if (pool_prepare(p))
		return true;
	pool_disarm(p);
	return false;
}

void
pool_wait(struct pool *p, int64_t timeout_ns)
{
	pool_show(p);
	if (pool_spin(p, &p->owner_spin, pool_has_done))
		return;
	atomic_store(&p->owner, OWNER_ASLEEP);
	if (pool_prepare(p))
		pool_futex_wait(&p->owner, OWNER_ASLEEP, timeout_ns);
	atomic_store(&p->owner, OWNER_AWAKE);
}

int
pool_fd(const struct pool *p)
{
	return p->fd;
}

/* --- the queue ------------------------------------------------------------ */

/* What was submitted goes to its queues.  The lock is held. */
static void
pool_sort(struct pool *p)
{
	struct pool_job *job, *next;

	if (atomic_load(&p->inbox) == NULL)
		return;
	job = pool_turned(atomic_exchange(&p->inbox, NULL));
	for (; job != NULL; job = next) {
		next = job->next;
		pool_list_append(&p->queue[job->priority], job);
		atomic_fetch_add(&p->ready, 1);
	}
}

/* Any thread, with or without the lock. */
bool
pool_has_work(struct pool *p)
{
	return atomic_load(&p->inbox) != NULL || atomic_load(&p->ready) != 0;
}

/* In the order of its class: it may have been let in before, and in vain. */
static void
pool_park(struct pool *p, struct pool_class *c, struct pool_job *job)
{
	struct pool_list *l = &c->parked[job->priority];

	job->state = JOB_PARKED;
	c->nparked++;
	if (job->parked_at != 0) {
		pool_list_insert(l, job);
		return;
	}
	job->parked_at = ++p->parkings;
	pool_list_append(l, job);
}

/* The next to run.  Jobs of a class that is at its limit step aside. */
struct pool_job *
pool_take(struct pool *p)
{
	struct pool_class *c;
	struct pool_job *job;

	pool_sort(p);
	for (unsigned i = 0; i < POOL_PRIORITIES; i++) {
		while ((job = p->queue[i].first) != NULL) {
			pool_list_remove(&p->queue[i], job);
			atomic_fetch_sub(&p->ready, 1);
			c = job->cls;
			if (c == NULL || c->limit == 0 ||
			    c->running < c->limit) {
				atomic_fetch_sub(&p->queued, 1);
				if (c != NULL)
					c->running++;
				return job;
			}
			pool_park(p, c, job);
		}
	}
	return NULL;
}

static void
pool_let_in(struct pool *p, struct pool_class *c, struct pool_job *job)
{
	pool_list_remove(&c->parked[job->priority], job);
	c->nparked--;
	job->state = JOB_QUEUED;
	pool_list_insert(&p->queue[job->priority], job);
	atomic_fetch_add(&p->ready, 1);
}

/* One of the class may run: its first goes back to where it came from. */
static void
pool_unpark(struct pool *p, struct pool_class *c)
{
	if (c->nparked == 0)
		return;
	for (unsigned i = 0; i < POOL_PRIORITIES; i++)
		if (c->parked[i].first != NULL) {
			pool_let_in(p, c, c->parked[i].first);
			return;
		}
}

/* The last one first: each then finds its place at once. */
static void
pool_unpark_all(struct pool *p, struct pool_class *c)
{
	for (unsigned i = 0; i < POOL_PRIORITIES; i++)
		while (c->parked[i].last != NULL)
			pool_let_in(p, c, c->parked[i].last);
}

/* The one that slept last: its cache is the warmest.  The lock is held. */
void
pool_wake_idle(struct pool *p)
{
	struct pool_thread *t = p->idle;

	if (t == NULL)
		return;
	p->idle = t->next_idle;
	atomic_fetch_add(&p->awake, 1);
	pool_thread_wake(t);
}

static bool
pool_is_waiting(const struct pool_job *job)
{
	return job->state == JOB_QUEUED || job->state == JOB_PARKED;
}

static void
pool_queue_remove(struct pool *p, struct pool_job *job)
{
	pool_sort(p);
	if (job->state == JOB_PARKED) {
		pool_list_remove(&job->cls->parked[job->priority], job);
		job->cls->nparked--;
	} else {
		pool_list_remove(&p->queue[job->priority], job);
		atomic_fetch_sub(&p->ready, 1);
		/* It may have been the one that was let in. */
		if (job->cls != NULL)
			pool_unpark(p, job->cls);
	}
	pool_deadline_clear(p, job);
	atomic_fetch_sub(&p->queued, 1);
	job->state = JOB_IDLE;
}

static int
pool_refuse(struct pool *p, int e)
{
	p->refused++;
	errno = e;
	return -1;
}

int
pool_submit(struct pool *p, struct pool_job *job)
{
	BUG_ON(job->priority >= POOL_PRIORITIES);
	if (p->closed)
		return pool_refuse(p, ESHUTDOWN);
	if (atomic_load(&p->queued) >= p->bound)
		return pool_refuse(p, EAGAIN);
	atomic_store_explicit(&job->stop, POOL_GO_ON, memory_order_relaxed);
	job->started_ns = job->ended_ns = 0;
	/* Written only if it must: threads read this line. */
	if (job->parked_at != 0)
		job->parked_at = 0;
	job->queued_ns = pool_now(p);
	job->state = JOB_QUEUED;
	if (job->queue_timeout_ns > 0) {
		pthread_mutex_lock(&p->lock);
		pool_deadline_set(
		    p, job, job->queued_ns + job->queue_timeout_ns);
		pthread_mutex_unlock(&p->lock);
	}
	p->submitted++;
	atomic_fetch_add(&p->queued, 1);
	pool_chain_add(&p->submitted_now, job);
	if (p->submitted_now.n >= POOL_CHAIN_MAX)
		pool_show(p);
	return 0;
}

void
pool_close(struct pool *p)
{
	p->closed = true;
}

/* --- the end of a job ----------------------------------------------------- */

void
pool_ended(struct pool *p, struct pool_job *job, enum pool_end end)
{
	struct pool_class *c = job->cls;

	pool_deadline_clear(p, job);
	if (job->state == JOB_RUNNING && c != NULL) {
		c->running--;
		pool_unpark(p, c);
	}
	job->state = JOB_IDLE;
	job->end = end;
	p->ended[end]++;
}

static struct pool_job *
pool_fetch_back(struct pool *p)
{
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	job = p->back;
	if (job != NULL) {
		p->back = job->next_back;
		atomic_fetch_sub(&p->nback, 1);
		job->end = POOL_BACK;
		p->ended[POOL_BACK]++;
	}
	pthread_mutex_unlock(&p->lock);
	return job;
}

struct pool_job *
pool_done(struct pool *p)
{
	struct pool_job *job;

	if (p->taken == NULL)
		pool_show(p);
	if (p->taken == NULL && atomic_load(&p->done) != NULL)
		p->taken = pool_turned(atomic_exchange(&p->done, NULL));
	job = p->taken;
	if (job != NULL)
		p->taken = job->next;
	else if (atomic_load(&p->nback) != 0)
		/* Only once its first end has been told. */
		job = pool_fetch_back(p);
	return job;
}

void
pool_cancel(struct pool *p, struct pool_job *job)
{
	pool_show(p);
	pthread_mutex_lock(&p->lock);
	if (pool_is_waiting(job)) {
		pool_queue_remove(p, job);
		pool_ended(p, job, POOL_CANCELLED);
		pool_give(p, job);
	} else if (job->state == JOB_RUNNING &&
		   atomic_load(&job->stop) == POOL_GO_ON) {
		atomic_store(&job->stop, POOL_STOP_CANCEL);
		pool_deadline_set(p, job, pool_now(p) + p->opts.grace_ns);
	}
	pthread_mutex_unlock(&p->lock);
}

bool
pool_withdraw(struct pool *p, struct pool_job *job)
{
	bool queued;

	pool_show(p);
	pthread_mutex_lock(&p->lock);
	queued = pool_is_waiting(job);
	if (queued)
		pool_queue_remove(p, job);
	pthread_mutex_unlock(&p->lock);
	return queued;
}

/* --- time ----------------------------------------------------------------- */

static void
pool_abandon(struct pool *p, struct pool_job *job, int64_t now)
{
	unsigned i = 0;

	while (p->threads[i] == NULL || p->threads[i]->job != job)
		BUG_ON(++i == POOL_THREADS_MAX);
	p->threads[i]->abandoned = true;
	p->nabandoned++;
	p->nthreads--;
	atomic_fetch_sub(&p->awake, 1);
	p->busy--;
	p->stuck++;
	job->ended_ns = now;
	pool_ended(p, job, POOL_STUCK);
	pool_give(p, job);
}

static void
pool_expire(struct pool *p, struct pool_job *job, int64_t now)
{
	if (pool_is_waiting(job)) {
		pool_queue_remove(p, job);
		pool_ended(p, job, POOL_QUEUE_TIMEOUT);
		pool_give(p, job);
	} else if (atomic_load(&job->stop) == POOL_GO_ON) {
		atomic_store(&job->stop, POOL_STOP_TIMEOUT);
		pool_deadline_set(p, job, now + p->opts.grace_ns);
	} else {
		pool_abandon(p, job, now);
	}
}

/* Threads that have left are joined; true: as many run as are wanted. */
static bool
pool_mend(struct pool *p)
{
	struct pool_thread *t;

	for (unsigned i = 0; i < POOL_THREADS_MAX && p->nleft > 0; i++) {
		t = p->threads[i];
		if (t == NULL || !t->left)
			continue;
		p->nleft--;
		/* It has released the lock for the last time, or will now. */
		pthread_mutex_unlock(&p->lock);
		pthread_join(t->id, NULL);
		pthread_mutex_lock(&p->lock);
		p->threads[i] = NULL;
		while (p->top > 0 && p->threads[p->top - 1] == NULL)
			p->top--;
		free(t);
	}
	while (p->nthreads < p->wanted)
		if (pool_thread_start(p) != 0)
			return false;
	return true;
}

int64_t
pool_tick(struct pool *p)
{
	int64_t now = pool_now(p);
	struct pool_job *first;

	pool_show(p);
	pthread_mutex_lock(&p->lock);
	while ((first = pool_deadline_first(p)) != NULL &&
	       first->deadline_ns <= now)
		pool_expire(p, first, now);
	p->told_ns = first == NULL ? -1 : first->deadline_ns;
	if (!pool_mend(p) && (p->told_ns < 0 || p->told_ns > now + RETRY_NS))
		p->told_ns = now + RETRY_NS;
	now = p->told_ns;
	pthread_mutex_unlock(&p->lock);
	return now;
}

/* --- settings ------------------------------------------------------------- */

/* Room for the deadline of every job there can be. */
static void
pool_heap_grow(struct pool *p)
{
	unsigned room = p->bound + POOL_THREADS_MAX;

	if (room <= p->heap_room)
		return;
	p->heap = xreallocarray(p->heap, room, sizeof(struct pool_job *));
	p->heap_room = room;
}

void
pool_set_bound(struct pool *p, unsigned bound)
{
	BUG_ON(bound == 0 || bound > POOL_BOUND_MAX);
	pthread_mutex_lock(&p->lock);
	p->bound = bound;
	pool_heap_grow(p);
	pthread_mutex_unlock(&p->lock);
}

/* All that sleep look again. */
static void
pool_wake_all(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->idle != NULL)
		pool_wake_idle(p);
	pthread_mutex_unlock(&p->lock);
}

void
pool_resize(struct pool *p, unsigned threads)
{
	BUG_ON(threads == 0 || threads > POOL_THREADS_MAX);
	pthread_mutex_lock(&p->lock);
	p->wanted = threads;
	pthread_mutex_unlock(&p->lock);
	pool_wake_all(p);
	pool_tick(p);
}

void
pool_class_limit(struct pool *p, struct pool_class *cls, unsigned limit)
{
	pthread_mutex_lock(&p->lock);
	cls->limit = limit;
	pool_unpark_all(p, cls);
	pthread_mutex_unlock(&p->lock);
	pool_wake_all(p);
}

void
pool_get_stats(struct pool *p, struct pool_stats *out)
{
	pthread_mutex_lock(&p->lock);
	*out = (struct pool_stats){
		.threads = p->nthreads,
		.wanted = p->wanted,
		.busy = p->busy,
		.abandoned = p->nabandoned,
		.queued = atomic_load(&p->queued),
		.bound = p->bound,
		.submitted = p->submitted,
		.refused = p->refused,
		.stuck = p->stuck,
	};
	memcpy(out->ended, p->ended, sizeof out->ended);
	pthread_mutex_unlock(&p->lock);
}

/* --- begin and end -------------------------------------------------------- */

static void
pool_release(struct pool *p)
{
	if (p->fd != -1)
		close(p->fd);
	pthread_mutex_destroy(&p->lock);
	free(p->heap);
	free(p);
}

struct pool *
pool_new(const struct pool_options *opts)
{
	struct pool *p = aligned_alloc(_Alignof(struct pool), sizeof *p);
	pthread_mutexattr_t attr;
	int e;

	BUG_ON(opts->threads == 0 || opts->threads > POOL_THREADS_MAX);
	BUG_ON(opts->bound == 0 || opts->bound > POOL_BOUND_MAX);
	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof *p);
	p->opts = *opts;
	p->told_ns = -1;
	p->bound = opts->bound;
	/* It is held for less than a sleep and a wake take. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&p->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->fd == -1) {
		e = errno;
		pool_release(p);
		errno = e;
		return NULL;
	}
	pool_heap_grow(p);
	p->wanted = opts->threads;
	pool_tick(p);
	if (p->nthreads == 0) {
		pool_release(p);
		errno = EAGAIN;
		return NULL;
	}
	return p;
}

int
pool_free(struct pool *p)
{
	struct pool_thread *t;
	unsigned stuck;

	pthread_mutex_lock(&p->lock);
	BUG_ON(atomic_load(&p->queued) != 0 || p->busy != 0);
	stuck = p->nabandoned;
	p->wanted = stuck != 0 ? p->wanted : 0;
	pthread_mutex_unlock(&p->lock);
	if (stuck != 0)
		return -1;
	pool_wake_all(p);
	for (unsigned i = 0; i < POOL_THREADS_MAX; i++) {
		if ((t = p->threads[i]) == NULL)
			continue;
		pthread_join(t->id, NULL);
		free(t);
	}
	pool_release(p);
	return 0;
}
