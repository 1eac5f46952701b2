/*
 * run - one job on one thread: the host's side of struct reeve_job.
 *
 * Runs in the pool.  A thread calls job_thread_init once, then for each job
 * job_run_init and job_run_exec with the same struct job_run, which may be
 * used again and again; it allocates only what the job itself asks for.
 * What can be seen of a run from other threads is its progress slot and its
 * cancel flag, which are the caller's; the rest is of the thread alone.
 *
 * A fault of a mapping (the input is made shorter, the disk is full) fails
 * the job; any other SIGBUS, SIGSEGV, SIGILL, SIGFPE and SIGABRT ends the
 * process, after the crash hook was told which run it was: run_fault.c.
 */
#ifndef POOL_RUN_H
#define POOL_RUN_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "reeve/job.h"

#define JOB_ARGS_MAX    32   /* arguments of a job */
#define JOB_ARG_LEN_MAX 4096 /* bytes of one, name=value */
#define JOB_ANSWER_MAX  4096
#define JOB_TEXT_MAX    120 /* bytes of a progress text; more is cut */

/* --- progress ---------------------------------------------------------------
 */

/* Written by the thread that runs the job, read by any.  Zeroed is ready. */
struct job_progress {
	_Atomic uint32_t seq; /* odd: the text is being written */
	_Atomic uint32_t percent;
	_Atomic uint64_t text[JOB_TEXT_MAX / 8];
};

void job_progress_clear(struct job_progress *pr);
void job_progress_set(struct job_progress *pr, int percent, const char *text);
/* Returns the percentage; text gets at most size - 1 bytes and a NUL. */
int job_progress_get(const struct job_progress *pr, char *text, size_t size);

/* --- what a job is given
 * ------------------------------------------------------ */

/* Bytes that a job reads or writes: a file, a memfd, a part of one, a pipe. */
struct job_bytes {
	int fd;           /* borrowed; -1: none */
	int64_t off;      /* they begin there; 0 for a pipe */
	int64_t len;      /* how many (output: at most); -1: to the end */
	const char *name; /* for messages; NULL: "-" */
};

#define JOB_BYTES_NONE ((struct job_bytes){ -1, 0, -1, NULL })

typedef void job_log_cb(void *arg, const struct reeve_job *job,
    enum reeve_job_level level, const char *text);

/* All of it is borrowed until job_run_exec returns. */
struct job_spec {
	uint64_t id;
	uint32_t attempt; /* 1 or 2 */
	const char *kind;
	const char *const *args; /* name=value, nargs of them */
	size_t nargs;
	struct job_bytes in, out;
	size_t memory_max; /* bytes that alloc() gives out; 0: no limit */
	const _Atomic int *cancel;     /* not 0: give up; may be NULL */
	struct job_progress *progress; /* may be NULL */
	job_log_cb *log;               /* NULL: the log of the process */
	void *log_arg;
};

/* --- a run
 * ----------------------------------------------------------------------- */

enum job_result {
	JOB_OK,
	JOB_FAILED,    /* job_run.err says why */
	JOB_CANCELLED, /* it gave up because of the cancel flag; err: so */
};

/* A mapping in which a fault is the job's failure, not the pool's. */
struct job_map {
	char *addr;   /* NULL: none */
	size_t len;   /* with what page alignment added */
	size_t skip;  /* the job's bytes begin there */
	size_t fence; /* bytes behind it that are not to be touched */
	int prot;
};

struct job_block; /* what alloc() gave out */

struct job_run {
	struct reeve_job job; /* first: the plugin holds a pointer to it */
	unsigned magic;
	const struct job_spec *spec;

	/* The result; strings are valid until the next job_run_init. */
	struct err err;
	char answer[JOB_ANSWER_MAX + 1]; /* "": none */
	uint64_t bytes_in, bytes_out;
	uint64_t allocs; /* calls of alloc() */

	/* run_io.c */
	int64_t in_size; /* -1: a stream */
	bool in_ready, in_stream, in_all_read;
	bool out_ready, out_stream, out_socket;
	bool in_fd_taken, out_fd_taken;
	bool broken; /* what is read or written is not whole */
	bool own_progress;
	bool no_kernel_copy;
	int holes_fd; /* run_holes.c */
	int shown;    /* percent that was shown by itself */
	struct job_map in_map, out_map;
	int fault_prot; /* of the mapping that faulted; 0: none */

	/* run_mem.c */
	struct job_block *blocks;
	size_t memory;
};

/* -1: the spec is not acceptable (arguments).  Borrows spec. */
int job_run_init(
    struct job_run *run, const struct job_spec *spec, struct err *err);
/* Runs it to its end on this thread.  Nothing of it is left behind. */
enum job_result job_run_exec(
    struct job_run *run, const struct reeve_job_plugin *plugin);
/* Not NULL: what the plugin must mend.  For built-in and loaded ones. */
const char *job_plugin_fault(const struct reeve_job_plugin *plugin);

/* --- faults
 * ------------------------------------------------------------------------ */

/*
 * Called in a signal handler, on the stack of job_thread_init, by the thread
 * that crashed: async-signal-safe calls only.  run: NULL when the thread was
 * not running a job.
 */
typedef void job_crash_cb(int sig, const struct job_run *run);

/*
 * Once a process: takes SIGBUS SIGSEGV SIGILL SIGFPE SIGABRT, ignores SIGPIPE
 * and SIGXFSZ.  Threads that run jobs must not block the former.  hook: NULL
 * for none.
 */
int job_fault_install(job_crash_cb *hook, struct err *err);

/* A stack for those handlers; a thread has one while it runs jobs. */
struct job_thread {
	void *stack;
	size_t size;
	stack_t old;
};

int job_thread_init(struct job_thread *th, struct err *err);
/* On the same thread. */
void job_thread_fini(struct job_thread *th);

#endif
