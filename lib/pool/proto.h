/*
 * proto - what a client and reeve-pool say to each other.
 *
 * A Unix stream socket.  Messages follow each other, each a header and a
 * body; numbers are in the byte order of the host, which both are on.
 * Descriptors travel beside the bytes (SCM_RIGHTS): a message says how many
 * are its own, and they come in the order of the messages, not later than
 * the last byte of theirs.
 *
 * The client begins with PM_HELLO.  Its session is 16 random bytes that it
 * keeps when it connects again: the pool may have died, and then every job
 * that was not answered is to be submitted again, with PS_AGAIN, under the
 * number it had.  What ran when the pool died is known by session and number,
 * and is answered instead of run again.
 *
 * Whoever breaks these rules is disconnected, after a PM_BYE that says why.
 * reeve-protocol(7) is this for people.
 */
#ifndef POOL_PROTO_H
#define POOL_PROTO_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_PROTO    1
#define POOL_MSG_MAX  (1024 * 1024) /* header included */
#define POOL_MSG_FDS  2
#define POOL_TEXT_MAX 4096
#define POOL_SESSION  16
#define POOL_BUFFERS  64 /* that one client may have at a time */

enum pool_msg_type {
	PM_HELLO = 1,   /* struct pool_hello */
	PM_SUBMIT,      /* struct pool_submit, strings; id is the job's */
	PM_CANCEL,      /* no body; id is the job's */
	PM_BUFFER,      /* struct pool_buffer, one descriptor; id: its number */
	PM_BUFFER_DROP, /* no body */
	PM_QUERY,       /* a word: stats, kinds, jobs; id is for the answer */
	PM_WAIT,        /* no body; id is of a job with PS_KEEP */
	PM_WELCOME = 65, /* struct pool_welcome */
	PM_RESULT,       /* struct pool_result, text */
	PM_PROGRESS,     /* struct pool_progress, text */
	PM_ANSWER,       /* JSON, to PM_QUERY */
	/* Text; then the connection is closed.  id: EACCES for who may not
	 * submit, who need not try again; or 0. */
	PM_BYE
};

struct pool_msg {
	uint32_t len;  /* of all of it, a multiple of 8 */
	uint16_t type; /* enum pool_msg_type */
	uint16_t nfds;
	uint64_t id;
};

struct pool_hello {
	uint32_t version; /* POOL_PROTO */
	uint32_t pad;
	uint8_t session[POOL_SESSION];
};

struct pool_welcome {
	uint32_t version;
	int32_t pid;
};

enum pool_submit_flags {
	PS_IN = 1,    /* the first descriptor is the input */
	PS_OUT = 2,   /* the next is the output */
	PS_AGAIN = 4, /* it was submitted before, to a pool that died */
	PS_RETRY = 8, /* if it dies with the pool, it may be run once more */
	PS_PROGRESS = 16, /* PM_PROGRESS is wanted */
	/* It goes on without its client, which asks for its end (PM_WAIT): the
	 * last 1024 are kept.  The id is never used again. */
	PS_KEEP = 32
};

/*
 * After it the strings, each with its NUL: kind, name of the input, name of
 * the output, then nargs arguments (name=value).
 */
struct pool_submit {
	uint16_t flags;
	uint8_t priority; /* 0, the highest, to 7 */
	uint8_t nargs;
	uint32_t queue_timeout_ms; /* 0: that of the kind */
	uint32_t run_timeout_ms;   /* the same */
	uint32_t in_buffer;        /* number + 1 of a PM_BUFFER; 0: none */
	uint32_t out_buffer;       /* the same */
	uint32_t pad;
	/* Parts of a file or a buffer; len -1: to its end. */
	int64_t in_off, in_len, out_off, out_len;
};

struct pool_buffer {
	uint32_t flags; /* 0 */
	uint32_t pad;
};

enum pool_status {
	PR_OK,
	PR_FAILED, /* text: why */
	PR_CANCELLED,
	PR_QUEUE_TIMEOUT,
	PR_RUN_TIMEOUT,
	PR_STUCK,    /* it ran on although told to stop */
	PR_FULL,     /* refused: `queued` wait already */
	PR_REFUSED,  /* no such kind, bad argument; text: why */
	PR_CRASHED,  /* the pool died of it: `signal` (0: not known) */
	PR_LOST,     /* the pool died while it ran, of another one */
	PR_POISONED, /* it killed the pool twice: never again */
	PR_MOVED,    /* the pool is being replaced: connect again */
	PR_N
};

/* Then text: why, or the answer of the job; with its NUL. */
struct pool_result {
	uint16_t status; /* enum pool_status */
	uint16_t signal;
	uint32_t queued;
	uint64_t bytes_in, bytes_out;
	uint64_t wait_us, run_us;
};

struct pool_progress {
	uint32_t percent;
	uint32_t pad;
};

/*
 * Kinds that act with the pool's rights: they run programs, or open files by
 * name.  Who has less than the pool's user may not submit them.
 */
bool pool_kind_acts(const char *kind);
const char *pool_status_name(enum pool_status s);

/*
 * One message at the begin of n bytes.  1: it is whole and its body is as it
 * has to be (sizes, NULs); 0: not yet whole; -1: it is wrong, *why.
 */
int pool_msg_check(const void *p, size_t n, const char **why);
/* The nth string behind the fixed body of a PM_SUBMIT that was checked. */
const char *pool_submit_string(const struct pool_msg *m, unsigned nth);

/* sendmsg(2) and recvmsg(2) with descriptors; -1 with errno, EAGAIN as well.
 * recv: 0 is the end; *nfds: in room for, out what came; they are CLOEXEC. */
ssize_t pool_send(int fd, const void *p, size_t n, const int *fds, size_t nfds);
ssize_t pool_recv(int fd, void *p, size_t n, int *fds, size_t *nfds);

#endif
