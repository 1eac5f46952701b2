/*
 * pump_try - the pump with its real thread, real pipes and real files.
 *
 * Run under tsan, too: what is checked there is that nothing but what the
 * comments in pump.c say is shared.
 */
#ifndef UNIT_PUMP_TRY_H
#define UNIT_PUMP_TRY_H

#include "logs/pump.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "logs/pump_priv.h"

static char dir[64];
static struct loop *lp;
static struct pump *pm;
static int rd, wr; /* a pipe */
static int scan_fd = -1;
static struct pump_stream *st;

/* --- what came back ------------------------------------------------------ */

static int flushes;
static struct buf flushed;
static int sinks;
static int sink_errno;
static uint64_t sink_dropped;
static char sink_text[256];
static struct buf tapped;
static uint64_t tap_dropped;
static int taps;

static inline void
on_sink(
    void *arg, const char *name, const char *path, int errnum, uint64_t dropped)
{
	ck_assert_ptr_eq(arg, &sinks);
	sinks++;
	sink_errno = errnum;
	sink_dropped = dropped;
	snprintf(sink_text, sizeof sink_text, "%s %s", name, path);
	loop_stop(lp);
}

static inline void
on_flush(void *arg, const char *tail, size_t len)
{
	ck_assert_ptr_eq(arg, &flushes);
	flushes++;
	buf_clear(&flushed);
	buf_add(&flushed, tail, len);
	loop_stop(lp);
}

static inline void
on_tap(void *arg, const char *data, size_t len, uint64_t dropped)
{
	ck_assert_ptr_eq(arg, &taps);
	taps++;
	tap_dropped += dropped;
	buf_add(&tapped, data, len);
	loop_stop(lp);
}

/* --- driving ------------------------------------------------------------- */

static inline void
on_turn_over(struct loop_timer *t, void *arg)
{
	(void)t;
	(void)arg;
	loop_stop(lp);
}

/* Lets the loop run until a callback of the pump came, or ms are over. */
static inline void
turn(int ms)
{
	struct loop_timer t;

	loop_timer_init(&t, lp, on_turn_over, NULL);
	loop_timer_start(&t, ms);
	loop_run(lp);
	loop_timer_stop(&t);
}

#define WAIT_FOR(cond)                                                         \
	do {                                                                   \
		mono_ms until = clock_mono_ms() + 20000;                       \
		while (!(cond)) {                                              \
			ck_assert_msg(clock_mono_ms() < until, #cond);         \
			turn(20);                                              \
		}                                                              \
	} while (0)

static inline const char *
flush(struct pump_stream *s)
{
	int want = flushes + 1;

	pump_flush(s, on_flush, &flushes);
	WAIT_FOR(flushes >= want);
	ck_assert_int_eq(flushes, want);
	return buf_str(&flushed);
}

static inline void
put(const char *text)
{
	ck_assert_int_eq(fd_write_all(wr, text, strlen(text)), 0);
}

static struct pump_stats
stats(void)
{
	struct pump_stats s;

	pump_stats(st, &s);
	return s;
}

static inline struct pump_stream *
add(const char *path, int64_t maxbytes, int64_t backups)
{
	struct pump_sink sink = { path, maxbytes, backups, false };
	struct pump_stream *s = pump_add(pm, "web.0", rd, &sink);

	ck_assert_ptr_nonnull(s);
	return s;
}

static inline char *
file_get(const char *name)
{
	int fd = open(name, O_RDONLY);
	struct buf b;
	ssize_t n;

	buf_init(&b);
	if (fd == -1)
		return xstrdup("-");
	do {
		n = read(fd, buf_reserve(&b, 65536), 65536);
		if (n > 0)
			b.len += (size_t)n;
	} while (n > 0);
	close(fd);
	buf_addc(&b, '\0');
	return buf_steal(&b);
}

static inline void
check_file(const char *name, const char *want)
{
	char *got = file_get(name);

	ck_assert_str_eq(got, want);
	free(got);
}

static inline void
set_up(void)
{
	int fds[2];
	struct err err = { 0 };

	strcpy(dir, "/tmp/reeve-pump-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	rd = fds[0];
	wr = fds[1];
	lp = loop_new();
	pm = pump_new(lp, on_sink, &sinks, &err);
	ck_assert_msg(pm != NULL, "%s", err.text);
}

static inline void
tear_down(void)
{
	DIR *d = opendir(".");
	struct dirent *e;

	pump_free(pm);
	loop_free(lp);
	fd_closep(&rd);
	fd_closep(&scan_fd);
	fd_closep(&wr);
	buf_fini(&flushed);
	buf_fini(&tapped);
	while ((e = readdir(d)) != NULL)
		remove(e->d_name);
	closedir(d);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

#endif
