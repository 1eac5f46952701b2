/*
 * job_try - run one job without a pool: bytes in, bytes out, the result.
 *
 * For the unit tests of lib/pool.  Input and output are memfds, unless a
 * test puts descriptors of its own into spec.
 */
#ifndef UNIT_JOB_TRY_H
#define UNIT_JOB_TRY_H

#include <sys/mman.h>
#include <sys/stat.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "pool/run.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct
try {
	struct job_run run;
	struct job_spec spec;
	struct job_progress progress;
	_Atomic int cancel;
	const char *args[JOB_ARGS_MAX];
	enum job_result result;
};

static inline int
try_memfd(const void *bytes, size_t n)
{
	int fd = memfd_create("try", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fd_write_all(fd, bytes, n), 0);
	return fd;
}

static inline void
try_init(struct try *t, const char *kind)
{
	memset(t, 0, sizeof *t);
	t->spec.id = 7;
	t->spec.attempt = 1;
	t->spec.kind = kind;
	t->spec.args = t->args;
	t->spec.in = t->spec.out = JOB_BYTES_NONE;
	t->spec.in.name = "in.bin";
	t->spec.out.name = "out.bin";
	t->spec.cancel = &t->cancel;
	t->spec.progress = &t->progress;
}

static inline void
try_fini(struct try *t)
{
	fd_closep(&t->spec.in.fd);
	fd_closep(&t->spec.out.fd);
}

/* The input is these bytes, the output an empty file. */
static inline void
try_bytes(struct try *t, const void *bytes, size_t n)
{
	fd_closep(&t->spec.in.fd);
	fd_closep(&t->spec.out.fd);
	t->spec.in.fd = try_memfd(bytes, n);
	t->spec.out.fd = try_memfd("", 0);
}

static inline void
try_arg(struct try *t, const char *arg)
{
	t->args[t->spec.nargs++] = arg;
}

static inline enum job_result
try_run(struct try *t, const struct reeve_job_plugin *p)
{
	struct err err = { 0 };

	ck_assert_msg(
	    job_run_init(&t->run, &t->spec, &err) == 0, "%s", err.text);
	t->result = job_run_exec(&t->run, p);
	return t->result;
}

/* What is in the output; yours to free. */
static inline char *
try_output(const struct try *t, size_t *n)
{
	struct stat st;
	char *p;

	ck_assert_int_eq(fstat(t->spec.out.fd, &st), 0);
	*n = (size_t)st.st_size;
	p = xmalloc(*n + 1);
	ck_assert_int_eq(pread(t->spec.out.fd, p, *n, 0), (ssize_t)*n);
	p[*n] = '\0';
	return p;
}

#define TRY_OK(t, p)                                                           \
	ck_assert_msg(                                                         \
	    try_run((t), (p)) == JOB_OK, "it failed: %s", (t)->run.err.text)

/* It fails, and says all of that. */
#define TRY_FAILS(t, p, what)                                                  \
	do {                                                                   \
		ck_assert_int_eq(try_run((t), (p)), JOB_FAILED);               \
		ck_assert_msg(strstr((t)->run.err.text, (what)) != NULL,       \
		    "it says: %s", (t)->run.err.text);                         \
	} while (0)

#define PLUGIN(fn)                                                             \
	static const struct reeve_job_plugin fn##_plugin = {                   \
		.abi = REEVE_JOB_ABI,                                          \
		.size = sizeof(struct reeve_job_plugin),                       \
		.name = "test",                                                \
		.summary = "a test",                                           \
		.run = fn,                                                     \
	}

#endif
