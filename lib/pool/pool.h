/*
 * pool - threads that run jobs from a bounded queue.
 *
 * A job is a struct in its owner's, so that a submit allocates nothing.  It
 * is the pool's from pool_submit until pool_done gives it back; every job
 * that was taken is given back exactly once, with what became of it.  (A job
 * whose thread had to be abandoned is given back a second time, when that
 * thread has at last left it: until then its memory must stay.)
 *
 * All of it is for one thread, the owner, which is told through pool_fd or
 * waits in pool_wait, and must do one of both when it has nothing else to do:
 * it is then that threads see the last of what was submitted, that threads
 * beyond the first are woken, and that the last ends are seen here.  Jobs go
 * over in bundles; that is what makes short ones cheap.
 *
 * Jobs of a higher priority (a lower number) start first, those of one
 * priority in the order in which they came.  Times are nanoseconds of the
 * pool's clock, CLOCK_MONOTONIC unless a test brings another.  There is no
 * thread for time-outs: the owner calls pool_tick when pool_tick said.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_PRIORITIES  8
#define POOL_THREADS_MAX 1024
#define POOL_BOUND_MAX   1000000

struct pool;
struct pool_job;
struct pool_thread;

/* Why a running job should stop; it looks at job->stop. */
enum pool_stop {
	POOL_GO_ON,
	POOL_STOP_CANCEL,
	POOL_STOP_TIMEOUT
};

enum pool_end {
	POOL_RAN,           /* it returned, before anybody wanted it to stop */
	POOL_CANCELLED,     /* removed from the queue, or it returned then */
	POOL_QUEUE_TIMEOUT, /* it waited too long and never ran */
	POOL_RUN_TIMEOUT,   /* it returned, after its time was up */
	POOL_STUCK,         /* it did not stop: its thread is abandoned */
	POOL_BACK,          /* the second time: the thread has left it */
	POOL_ENDS
};

const char *pool_end_name(enum pool_end e);

struct pool_list {
	struct pool_job *first, *last;
};

/* Jobs of one kind, of which only some may run at once. */
struct pool_class {
	unsigned limit; /* 0: as many as there are threads */
	/* private */
	unsigned running;
	unsigned nparked;
	struct pool_list parked[POOL_PRIORITIES];
};

/*
 * Two cache lines: what changes as it goes from thread to thread is in the
 * first.  Aligned to 64 bytes, zeroed before its first submit.
 */
struct pool_job {
	/* private */
	_Alignas(64) struct pool_job *next;
	struct pool_job *prev;
	/* Its owner sets these. */
	void (*run)(struct pool_job *job); /* on a thread of the pool */
	struct pool_class *cls;            /* or NULL; outlives the job */
	/* What became of it; 0: it never came to that. */
	int64_t queued_ns, started_ns, ended_ns;
	atomic_int stop;  /* enum pool_stop, for run() */
	uint8_t state;    /* private */
	uint8_t priority; /* its owner's: below POOL_PRIORITIES */
	uint8_t end;      /* enum pool_end */

	/* Its owner's. */
	_Alignas(64) int64_t queue_timeout_ns; /* from the submit; 0: none */
	int64_t run_timeout_ns;                /* from the start; 0: none */
	/* private */
	int64_t deadline_ns;
	uint32_t heap_at; /* 1 + its place among the deadlines; 0: none */
	struct pool_job *next_back;
	uint64_t parked_at; /* its turn of those that had to; 0: it had not */
};

struct pool_options {
	unsigned threads; /* 1 to POOL_THREADS_MAX */
	unsigned bound;   /* jobs that may wait: 1 to POOL_BOUND_MAX */
	int64_t grace_ns; /* from `stop` to being abandoned */
	int64_t (*now_ns)(void *arg); /* NULL: CLOCK_MONOTONIC */
	/* Called by each thread at its begin and end, or NULL. */
	void (*thread_begin)(void *arg, unsigned index);
	void (*thread_end)(void *arg, unsigned index);
	void *arg;
};

/* A snapshot. */
struct pool_stats {
	unsigned threads;   /* that take jobs: what was asked for, or fewer
			     * for a moment */
	unsigned wanted;    /* what was asked for */
	unsigned busy;      /* of them */
	unsigned abandoned; /* threads beside them, in jobs that are stuck */
	unsigned queued;
	unsigned bound;
	uint64_t submitted, refused, stuck; /* since pool_new */
	uint64_t ended[POOL_ENDS];
};

/* NULL with errno: EAGAIN, EMFILE. */
struct pool *pool_new(const struct pool_options *opts);

/*
 * Joins the threads; no job may be with the pool but stuck ones.  -1: some
 * thread is still in a stuck job, all is left as it is (the process had
 * better end).
 */
int pool_free(struct pool *p);

/* 0; -1 with EAGAIN: `bound` jobs wait already, or ESHUTDOWN: pool_close. */
int pool_submit(struct pool *p, struct pool_job *job);

/* No job is taken any more; those that are there go on. */
void pool_close(struct pool *p);

/*
 * A queued job ends at once, a running one is told to stop and has the grace
 * to do so.  One that has ended is left alone.  All come through pool_done.
 */
void pool_cancel(struct pool *p, struct pool_job *job);

/* Takes a queued job out, which then is not given back by pool_done.  False:
 * it runs or has ended. */
bool pool_withdraw(struct pool *p, struct pool_job *job);

/* The next job that has ended; NULL: none for now. */
struct pool_job *pool_done(struct pool *p);

/*
 * Readable when pool_arm was called and there is something for pool_done, or
 * an earlier time for pool_tick.  pool_arm: false: there is something now.
 */
int pool_fd(const struct pool *p);
bool pool_arm(struct pool *p);

/* As pool_arm, waiting for at most timeout_ns (-1: for ever). */
void pool_wait(struct pool *p, int64_t timeout_ns);

/*
 * Does what is due: time-outs, threads that are missing.  When to be called
 * again, by the pool's clock; -1: not before pool_fd says so.
 */
int64_t pool_tick(struct pool *p);

/* Live: of too many, those that run a job leave after it. */
void pool_resize(struct pool *p, unsigned threads);
void pool_set_bound(struct pool *p, unsigned bound);
void pool_class_limit(struct pool *p, struct pool_class *cls, unsigned limit);

void pool_get_stats(struct pool *p, struct pool_stats *out);

#endif
