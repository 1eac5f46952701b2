/*
 * reeve/job.h - a job plugin: code that reeve-pool runs on a thread.
 *
 * A plugin is a shared object (cc -shared -fPIC) that exports one object,
 * reeve_job_plugin.  It is loaded by reeve-pool alone: a crash of it costs
 * the jobs that run in that process at that moment, nothing else.  The file
 * and the folder it is in must belong to root or to the user reeve runs as,
 * and must not be writable by others.  See reeve-job(3).
 *
 *	#include <reeve/job.h>
 *
 *	static int
 *	upper(struct reeve_job *job)
 *	{
 *		...
 *	}
 *	REEVE_JOB_PLUGIN("upper", "letters made large", upper);
 *
 * run() is called on many threads at once, each with a job of its own: what
 * it shares it must lock.  The job and all that is reached through it are
 * valid until run() returns, and on that thread alone.  It must not exit,
 * fork without exec, change signal handlers, or end its thread.
 *
 * This header is C11 and C++; it needs no library.  The ABI is the layout of
 * the structures below: members are only ever added, at the end, and `size`
 * tells what the other side knows of.  REEVE_JOB_ABI changes when something
 * that was there means something else; a plugin of another ABI is refused.
 */
#ifndef REEVE_JOB_H
#define REEVE_JOB_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REEVE_JOB_ABI 1

enum reeve_job_level {
	REEVE_JOB_DEBUG = 0,
	REEVE_JOB_INFO = 1,
	REEVE_JOB_WARN = 2
};

struct reeve_job;

/* What the pool does for a job.  All of it may be called from run() only. */
struct reeve_job_api {
	uint32_t size; /* of this structure, in bytes */
	uint32_t abi;  /* REEVE_JOB_ABI of the pool */

	/* The value of an argument (name=value); NULL: it was not given. */
	const char *(*arg)(struct reeve_job *job, const char *name);

	/* Fails when an argument was given that is not one of these; NULL
	 * ends them.  0, or -1: the error is set. */
	int (*known_args)(struct reeve_job *job, const char *const *names);

	/*
	 * The next bytes of the input: how many, 0 at its end, -1: it cannot
	 * be read, or there is none; the job's error is set, run() returns
	 * -1.  How far the input is read is shown as the job's progress,
	 * until progress() is called.
	 */
	ptrdiff_t (*read)(struct reeve_job *job, void *buf, size_t n);

	/*
	 * The whole input in memory, from its begin whatever was read; *len:
	 * its length.  NULL: as for read.  An input of no bytes is a pointer
	 * to no bytes.  Not to be written to.  Where the file is made shorter
	 * meanwhile, zeros are seen and the job fails when it returns.
	 */
	const void *(*map)(struct reeve_job *job, size_t *len);

	/* Appends to the output.  0, or -1 as for read: disk full, or more
	 * than the output may hold. */
	int (*write)(struct reeve_job *job, const void *buf, size_t n);

	/*
	 * The first n bytes of the output in memory, instead of write(): for
	 * a file or shared memory, which is made that long.  NULL: as for
	 * read.  Where the disk turns out to be full, what is stored is lost
	 * and the job fails when it returns.
	 */
	void *(*map_output)(struct reeve_job *job, size_t n);

	/* read() of at most n bytes and write() of them, in the kernel where
	 * it can do that.  Returns what read() returns. */
	ptrdiff_t (*pass)(struct reeve_job *job, size_t n);

	/*
	 * Descriptors of the input and the output, for code that wants one;
	 * -1: there is none.  Not to be closed, and its position is nobody's:
	 * pread, pwrite.  *off: the job's part begins there, -1: a pipe, it
	 * has no positions; *len: and is that long, -1: up to the end, for an
	 * output without limit.  Each may be NULL.
	 */
	int (*input_fd)(struct reeve_job *job, int64_t *off, int64_t *len);
	int (*output_fd)(struct reeve_job *job, int64_t *off, int64_t *len);

	/* Bytes of the input; 0: there is none; -1: not known (a pipe). */
	int64_t (*input_size)(struct reeve_job *job);

	/* How far it is, 0 to 100, and what it does (one line of UTF-8, NULL:
	 * nothing to say).  Cheap: may be called often, is told on seldom. */
	void (*progress)(struct reeve_job *job, int percent, const char *text);

	/* Not 0: nobody wants the result any more, or its time is up.  A job
	 * that takes long asks every few milliseconds and returns -1. */
	int (*cancelled)(struct reeve_job *job);

	/* Memory, zeroed, given back when run() returns; NULL: there is none
	 * (the error is set).  release() gives it back earlier. */
	void *(*alloc)(struct reeve_job *job, size_t n);
	void (*release)(struct reeve_job *job, void *p);

	/* A line for the pool's log, with the job's id and kind. */
	void (*log)(struct reeve_job *job, enum reeve_job_level level,
	    const char *text);

	/*
	 * Why it fails, for its client.  The first reason stands: after a
	 * failed read or write nothing needs to be said.  Always -1, for
	 * `return fail(...)`.
	 */
	__attribute__((format(printf, 2, 0))) int (*vfail)(
	    struct reeve_job *job, const char *fmt, va_list ap);

	/* A short answer beside the output (digest: the sum): one line of
	 * UTF-8, at most 4096 bytes.  0, or -1: it is not (the error is
	 * set). */
	int (*answer)(struct reeve_job *job, const char *text);
};

/* One run.  Read-only for the plugin but for `user`. */
struct reeve_job {
	uint32_t size;    /* of this structure as the pool knows it */
	uint32_t attempt; /* 1, or 2: a run before it died with the pool */
	uint64_t id;
	const char *kind;        /* as the client called it */
	const char *input_name;  /* for messages: a path, or "-" */
	const char *output_name; /* the same */
	const struct reeve_job_api *api;
	void *user; /* the plugin's own, NULL at first */
};

struct reeve_job_plugin {
	uint32_t abi;        /* REEVE_JOB_ABI */
	uint32_t size;       /* sizeof(struct reeve_job_plugin) */
	const char *name;    /* [a-z0-9_-]{1,32} */
	const char *summary; /* one line, for `reevectl job kinds` */
	/*
	 * Does the job.  0: done, the output stands; -1: it failed, and what
	 * there is of the output is thrown away.
	 */
	int (*run)(struct reeve_job *job);
	/* NULL, or called once before the first run and after the last.
	 * load: not 0 refuses the plugin, with this text in *why. */
	int (*load)(const char **why);
	void (*unload)(void);
};

#define REEVE_JOB_EXPORT __attribute__((visibility("default")))

extern REEVE_JOB_EXPORT const struct reeve_job_plugin reeve_job_plugin;

#define REEVE_JOB_PLUGIN(name, summary, run)                                   \
	const struct reeve_job_plugin reeve_job_plugin = { REEVE_JOB_ABI,      \
		sizeof(struct reeve_job_plugin), (name), (summary), (run), 0,  \
		0 }

/* return reeve_job_fail(job, "line %d: ...", n); */
__attribute__((format(printf, 2, 3))) static inline int
reeve_job_fail(struct reeve_job *job, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	job->api->vfail(job, fmt, ap);
	va_end(ap);
	return -1;
}

#ifdef __cplusplus
}
#endif

#endif
