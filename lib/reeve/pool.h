/*
 * reeve/pool.h - CPU jobs from C: a client of reeve-pool.
 *
 *	struct reeve_pool *p = reeve_pool_open(NULL);
 *	struct reeve_pool_request rq = REEVE_POOL_REQUEST("digest");
 *
 *	rq.in_fd = open("big.iso", O_RDONLY | O_CLOEXEC);
 *	reeve_pool_submit(p, &rq, &id);
 *	while (reeve_pool_next(p, -1, &ev) == 1)
 *		...
 *
 * No byte of an input or output goes through the socket: the pool gets the
 * descriptors, or a buffer that it shares with the client.
 *
 * The pool may die and be started again, or be replaced, at any moment; this
 * then connects and submits anew what was not answered, for as long as
 * REEVE_POOL_AGAIN_MS.  A job that ran when the pool died is answered, as
 * crashed or lost; with `retry` it runs once more unless it has killed the
 * pool twice.
 *
 * One connection belongs to one thread at a time.  Functions that return int
 * return -1 with errno and a reason, reeve_pool_error(), unless told
 * otherwise.  See reeve-job(3) and reeve-protocol(7).
 */
#ifndef REEVE_POOL_H
#define REEVE_POOL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REEVE_POOL_AGAIN_MS    10000
#define REEVE_POOL_IN_FLIGHT   65536 /* jobs of one connection at a time */
#define REEVE_POOL_BUFFERS_MAX 64

struct reeve_pool;

/* The path of the pool's socket; NULL: $REEVE_POOL.  NULL with errno: there
 * is none, it does not speak this, or (EACCES) this user may not submit jobs,
 * which any later call may tell as well. */
struct reeve_pool *reeve_pool_open(const char *path);
void reeve_pool_close(struct reeve_pool *p);
const char *reeve_pool_error(const struct reeve_pool *p);

/* A job; all of it is copied, descriptors are duplicated. */
struct reeve_pool_request {
	const char *kind;
	const char *const *args;   /* name=value, NULL at the end; or NULL */
	int in_fd, out_fd;         /* -1: none */
	int in_buffer, out_buffer; /* of reeve_pool_buffer; -1: none */
	int64_t in_off, in_len;    /* len -1: to its end */
	int64_t out_off, out_len;
	const char *in_name, *out_name; /* for messages; or NULL */
	int priority;                   /* 0, the highest, to 7 */
	uint32_t queue_timeout_ms;      /* 0: the kind's own */
	uint32_t run_timeout_ms;
	/* Run once more if it dies with the pool.  The output may hold what
	 * the first run has written: bytes_out of it are the second's. */
	int retry;
	int progress; /* REEVE_POOL_PROGRESS is wanted */
};

#define REEVE_POOL_REQUEST(kind)                                               \
	{                                                                      \
		(kind), NULL, -1, -1, -1, -1, 0, -1, 0, -1, NULL, NULL, 3, 0,  \
		    0, 0, 0                                                    \
	}

/*
 * 0: it will be answered, once.  It may still be in this process: what was
 * submitted is sent by the next reeve_pool_next or reeve_pool_flush.
 */
int reeve_pool_submit(
    struct reeve_pool *p, const struct reeve_pool_request *rq, uint64_t *id);
int reeve_pool_flush(struct reeve_pool *p);
/* It is answered all the same.  One that is not known is no error. */
int reeve_pool_cancel(struct reeve_pool *p, uint64_t id);

enum reeve_pool_event_type {
	REEVE_POOL_RESULT,
	REEVE_POOL_PROGRESS,
	REEVE_POOL_ANSWER /* to reeve_pool_query: text */
};

/* As enum pool_status of reeve-protocol(7). */
enum reeve_pool_status {
	REEVE_POOL_OK,
	REEVE_POOL_FAILED,
	REEVE_POOL_CANCELLED,
	REEVE_POOL_QUEUE_TIMEOUT,
	REEVE_POOL_RUN_TIMEOUT,
	REEVE_POOL_STUCK,
	REEVE_POOL_FULL,
	REEVE_POOL_REFUSED,
	REEVE_POOL_CRASHED,
	REEVE_POOL_LOST,
	REEVE_POOL_POISONED
};

struct reeve_pool_event {
	enum reeve_pool_event_type type;
	uint64_t id;
	enum reeve_pool_status status;
	int signal;      /* crashed: by which; 0: not known */
	int percent;     /* of progress */
	uint32_t queued; /* full: how many wait */
	uint64_t bytes_in, bytes_out, wait_us, run_us;
	const char *text; /* valid until the next call */
};

const char *reeve_pool_status_name(enum reeve_pool_status s);

/* 1: *ev; 0: nothing within timeout_ms (-1: waits).  Only of jobs that were
 * submitted: without any, 0 at once. */
int reeve_pool_next(
    struct reeve_pool *p, int timeout_ms, struct reeve_pool_event *ev);
/*
 * Readable: reeve_pool_next has something.  It may change after a call; and one
 * that sends may have found what had come before a pool died: call
 * reeve_pool_next with a timeout of 0 until it says 0, then wait for this.
 */
int reeve_pool_fd(const struct reeve_pool *p);
size_t reeve_pool_in_flight(const struct reeve_pool *p);

/* what: "stats", "kinds" or "jobs"; the answer is an event, JSON. */
int reeve_pool_query(struct reeve_pool *p, const char *what, uint64_t *id);

/*
 * A buffer that jobs read and write where it is: size bytes, zeroed, mapped
 * at *addr.  Its number, for in_buffer and out_buffer.
 */
int reeve_pool_buffer(struct reeve_pool *p, size_t size, void **addr);
/* From now on nobody can write to it, neither the client nor the pool. */
int reeve_pool_buffer_seal(struct reeve_pool *p, int buffer);
void reeve_pool_buffer_free(struct reeve_pool *p, int buffer);

#ifdef __cplusplus
}
#endif

#endif
