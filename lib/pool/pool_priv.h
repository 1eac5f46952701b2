/*
 * What pool.c and its neighbours share: all of it under the pool's lock,
 * except where told.
 */
#ifndef POOL_POOL_PRIV_H
#define POOL_POOL_PRIV_H

#include <pthread.h>

#include "pool/pool.h"

enum job_state {
	JOB_IDLE,   /* not the pool's, or in a list of what has ended */
	JOB_QUEUED, /* in the inbox or a queue */
	JOB_PARKED, /* its class is at its limit */
	JOB_RUNNING
};

/*
 * Jobs on their way to a stack, the latest first.  They go over in one piece:
 * a line of the cache that goes to and fro for each costs more than the job.
 */
struct pool_chain {
	struct pool_job *top, *bottom;
	unsigned n;
};

#define POOL_CHAIN_MAX 32

/* Whether to look on for a while before one sleeps has paid lately. */
struct pool_spin {
	unsigned misses; /* in a row */
	unsigned skip;   /* so many sleeps are gone to at once */
};

struct pool_thread {
	struct pool *pool;
	pthread_t id;
	unsigned index;
	bool abandoned; /* it is in a stuck job, and goes when that returns */
	bool left;      /* to be joined */
	struct pool_job *job;
	struct pool_chain ended; /* that the owner cannot see yet */
	struct pool_thread *next_idle;
	atomic_uint wake; /* a futex: 1 when it is to look again */
};

/*
 * The owner and the threads pass jobs to each other over two stacks that need
 * no lock: `inbox` and `done`, both turned round by who takes them.  All else
 * is under the lock.
 */
struct pool {
	struct pool_options opts;
	pthread_mutex_t lock;
	struct pool_list queue[POOL_PRIORITIES];
	struct pool_thread *threads[POOL_THREADS_MAX]; /* or NULL */
	unsigned wanted, nthreads, busy, nabandoned;
	unsigned top;             /* threads[] is empty from there on */
	unsigned nleft;           /* to be joined */
	struct pool_thread *idle; /* asleep, the latest first */
	struct pool_job **heap;   /* by deadline; room for all there can be */
	unsigned nheap, heap_room;
	int64_t told_ns;       /* what pool_tick last answered; -1 */
	struct pool_job *back; /* by next_back */
	uint64_t stuck, ended[POOL_ENDS];
	uint64_t parkings;
	bool spinning;              /* one looks for work, the others sleep */
	struct pool_spin work_spin; /* that one's */

	/* Written on one side, read on the other. */
	_Alignas(64) _Atomic(struct pool_job *) inbox;
	atomic_uint queued; /* all that wait, wherever */
	atomic_uint awake;  /* threads that will look before they sleep */
	atomic_uint ready;  /* in queue[] */
	_Alignas(64) _Atomic(struct pool_job *) done;
	atomic_uint nback;
	atomic_uint owner; /* a futex: OWNER_* */
	atomic_bool armed; /* the descriptor is wanted */

	/* The owner's. */
	_Alignas(64) struct pool_job *taken; /* from done, in order */
	struct pool_chain submitted_now;     /* that no thread can see yet */
	unsigned bound;
	bool closed;
	struct pool_spin owner_spin;
	bool arming; /* `armed` is as the threads have left it */
	int fd;
	uint64_t owed; /* writes to fd that were not read */
	uint64_t submitted, refused;
};

/* heap.c */
void pool_deadline_set(struct pool *p, struct pool_job *job, int64_t at_ns);
void pool_deadline_clear(struct pool *p, struct pool_job *job);
struct pool_job *pool_deadline_first(const struct pool *p);

/* heap.c, too */
void pool_list_append(struct pool_list *l, struct pool_job *job);
/* Before all that came later: those that were never parked, or were after it.
 */
void pool_list_insert(struct pool_list *l, struct pool_job *job);
void pool_list_remove(struct pool_list *l, struct pool_job *job);

/* futex.c */
void pool_futex_wait(atomic_uint *word, unsigned seen, int64_t timeout_ns);
void pool_futex_wake(atomic_uint *word);
/* spin.c: true: there is something */
bool pool_spin(
    struct pool *p, struct pool_spin *s, bool (*there)(struct pool *));

/* thread.c */
int pool_thread_start(struct pool *p);
void pool_thread_wake(struct pool_thread *t);

/* pool.c */
struct pool_job *pool_take(struct pool *p); /* the next to run, or NULL */
/* What is to be done at its end, but that the owner is given it. */
void pool_ended(struct pool *p, struct pool_job *job, enum pool_end end);
void pool_chain_add(struct pool_chain *c, struct pool_job *job);
/* The chain is empty after that. */
void pool_chain_push(_Atomic(struct pool_job *) *stack, struct pool_chain *c);
/* The owner waits, or is about to look at what threads keep back. */
bool pool_owner_waits(struct pool *p);
void pool_tell_owner(struct pool *p);
void pool_wake_idle(struct pool *p);
bool pool_has_work(struct pool *p);
/* The earliest deadline is before the one that the owner knows of. */
bool pool_hurry(const struct pool *p);
int64_t pool_now(const struct pool *p);

#endif
