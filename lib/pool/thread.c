/*
 * thread - one thread of the pool.
 *
 * Between two jobs the lock is taken once: the one is handed back and the
 * next is taken in the same turn.  A thread with nothing to do looks for some
 * microseconds more, since to be woken costs more than that, and then sleeps;
 * spin.c.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "pool/pool_priv.h"

void
pool_thread_wake(struct pool_thread *t)
{
	atomic_store(&t->wake, 1);
	pool_futex_wake(&t->wake);
}

/* Too many, after a resize. */
static bool
thread_surplus(const struct pool_thread *t)
{
	return t->pool->nthreads > t->pool->wanted;
}

/* The lock is held, and is again when it returns. */
static void
thread_sleep(struct pool_thread *t)
{
	struct pool *p = t->pool;

	/* One that looks is enough. */
	if (!p->spinning) {
		p->spinning = true;
		pthread_mutex_unlock(&p->lock);
		(void)pool_spin(p, &p->work_spin, pool_has_work);
		pthread_mutex_lock(&p->lock);
		p->spinning = false;
	}
	/* Either the submit sees that nobody is awake, or this sees it. */
	atomic_fetch_sub(&p->awake, 1);
	if (pool_has_work(p) || thread_surplus(t)) {
		atomic_fetch_add(&p->awake, 1);
		return;
	}
	atomic_store(&t->wake, 0);
	t->next_idle = p->idle;
	p->idle = t;
	pthread_mutex_unlock(&p->lock);
	while (atomic_load(&t->wake) == 0)
		pool_futex_wait(&t->wake, 0, -1);
	pthread_mutex_lock(&p->lock);
}

static void
thread_begin_job(struct pool_thread *t, struct pool_job *job, int64_t now)
{
	struct pool *p = t->pool;

	pool_deadline_clear(p, job);
	job->state = JOB_RUNNING;
	job->started_ns = now;
	t->job = job;
	p->busy++;
	if (job->run_timeout_ns > 0)
		pool_deadline_set(p, job, now + job->run_timeout_ns);
}

static enum pool_end
thread_job_end(const struct pool_job *job)
{
	switch (atomic_load(&job->stop)) {
	case POOL_STOP_CANCEL:
		return POOL_CANCELLED;
	case POOL_STOP_TIMEOUT:
		return POOL_RUN_TIMEOUT;
	default:
		return POOL_RAN;
	}
}

static void
thread_end_job(struct pool_thread *t, int64_t now)
{
	struct pool *p = t->pool;
	struct pool_job *job = t->job;

	t->job = NULL;
	if (t->abandoned) {
		job->next_back = p->back;
		p->back = job;
		atomic_fetch_add(&p->nback, 1);
		return;
	}
	p->busy--;
	job->ended_ns = now;
	pool_ended(p, job, thread_job_end(job));
	pool_chain_add(&t->ended, job);
}

/* Runs one job.  The lock is held, and is again when it returns. */
static int64_t
thread_run(struct pool_thread *t, bool tell)
{
	struct pool *p = t->pool;
	bool hurry = pool_hurry(p);
	int64_t now;

	pthread_mutex_unlock(&p->lock);
	if (tell || hurry)
		pool_tell_owner(p);
	t->job->run(t->job);
	now = pool_now(p);
	pthread_mutex_lock(&p->lock);
	return now;
}

static void
thread_leave(struct pool_thread *t)
{
	struct pool *p = t->pool;

	pool_chain_push(&p->done, &t->ended);
	if (t->abandoned) {
		p->nabandoned--;
	} else {
		p->nthreads--;
		/* Nobody else may be awake for what is there. */
		if (atomic_fetch_sub(&p->awake, 1) == 1 && pool_has_work(p))
			pool_wake_idle(p);
	}
	t->left = true;
	p->nleft++;
	pthread_mutex_unlock(&p->lock);
	pool_tell_owner(p);
}

static void
thread_loop(struct pool_thread *t)
{
	struct pool *p = t->pool;
	struct pool_job *job;
	int64_t now = 0;
	bool tell = false;

	pthread_mutex_lock(&p->lock);
	while (!t->abandoned && !thread_surplus(t)) {
		job = pool_take(p);
		/* The owner takes what is kept back before it sleeps. */
		tell = job == NULL || t->ended.n >= POOL_CHAIN_MAX ||
		       pool_owner_waits(p);
		tell = tell && t->ended.n > 0;
		if (tell)
			pool_chain_push(&p->done, &t->ended);
		if (job != NULL) {
			/* The end of one is the begin of the next. */
			thread_begin_job(t, job, now != 0 ? now : pool_now(p));
			now = thread_run(t, tell);
			thread_end_job(t, now);
			continue;
		}
		if (tell) {
			pthread_mutex_unlock(&p->lock);
			pool_tell_owner(p);
			pthread_mutex_lock(&p->lock);
			continue;
		}
		thread_sleep(t);
		now = 0;
	}
	thread_leave(t);
}

static void *
thread_main(void *arg)
{
	struct pool_thread *t = arg;
	struct pool *p = t->pool;

	if (p->opts.thread_begin != NULL)
		p->opts.thread_begin(p->opts.arg, t->index);
	thread_loop(t);
	if (p->opts.thread_end != NULL)
		p->opts.thread_end(p->opts.arg, t->index);
	return NULL;
}

/* Signals go to the owner; those of a fault come to whoever caused them. */
static void
thread_sigmask(sigset_t *old)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
		SIGTRAP, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		sigdelset(&set, faults[i]);
	pthread_sigmask(SIG_SETMASK, &set, old);
}

/* The lock is held.  0, or the errno of pthread_create. */
int
pool_thread_start(struct pool *p)
{
	struct pool_thread *t = xcalloc(1, sizeof *t);
	unsigned i = 0;
	sigset_t old;
	int e;

	while (p->threads[i] != NULL)
		if (++i == POOL_THREADS_MAX) {
			free(t);
			return EAGAIN;
		}
	t->pool = p;
	t->index = i;
	thread_sigmask(&old);
	e = pthread_create(&t->id, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e != 0) {
		free(t);
		return e;
	}
	p->threads[i] = t;
	if (p->top <= i)
		p->top = i + 1;
	p->nthreads++;
	atomic_fetch_add(&p->awake, 1);
	return 0;
}
