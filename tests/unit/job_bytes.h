/*
 * job_bytes - bytes through one of the kinds that are built in.
 */
#ifndef UNIT_JOB_BYTES_H
#define UNIT_JOB_BYTES_H

#include <signal.h>

#include "job_try.h"
#include "pool/kinds/kinds.h"

static struct try t;

static inline void
setup(void)
{
	struct err err;

	signal(SIGPIPE, SIG_IGN); /* as job_fault_install does */
	ck_assert_int_eq(job_kinds_load(&err), 0);
	try_init(&t, "test");
}

static inline void
teardown(void)
{
	try_fini(&t);
	job_kinds_unload();
}

/* Neither all equal nor all random: runs, and a stretch of noise. */
static inline unsigned char *
material(size_t n)
{
	unsigned char *p = xmalloc(n + 1);
	uint32_t r = (uint32_t)n * 2654435761u + 1;
	size_t i;

	for (i = 0; i < n; i++) {
		r = r * 1664525 + 1013904223;
		p[i] = (unsigned char)((i / 10000) % 2 ? r >> 24 : i / 777);
	}
	return p;
}

/* Runs it on the bytes; the output becomes the next one's input. */
static inline unsigned char *
through(const struct reeve_job_plugin *p, const void *bytes, size_t *n)
{
	try_bytes(&t, bytes, *n);
	TRY_OK(&t, p);
	ck_assert_uint_eq(t.run.bytes_in, *n);
	return (unsigned char *)try_output(&t, n);
}

static inline void
damaged(const struct reeve_job_plugin *p, const void *bytes, size_t n,
    const char *what)
{
	try_bytes(&t, bytes, n);
	TRY_FAILS(&t, p, what);
}

static const size_t sizes[] = { 0, 1, 2, 15, 16, 17, 1000, 4096, 65519, 65520,
	65535, 65536, 65537, 131071, 131072, 131073, 200000, 262144, 1000003 };

#define SIZES_N (sizeof sizes / sizeof *sizes)

#endif
