/*
 * pump_test - the pump with its real thread, real pipes and real files.
 *
 * Run under tsan, too: what is checked there is that nothing but what the
 * comments in pump.c say is shared.
 */
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

static void
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

static void
on_flush(void *arg, const char *tail, size_t len)
{
	ck_assert_ptr_eq(arg, &flushes);
	flushes++;
	buf_clear(&flushed);
	buf_add(&flushed, tail, len);
	loop_stop(lp);
}

static void
on_tap(void *arg, const char *data, size_t len, uint64_t dropped)
{
	ck_assert_ptr_eq(arg, &taps);
	taps++;
	tap_dropped += dropped;
	buf_add(&tapped, data, len);
	loop_stop(lp);
}

/* --- driving ------------------------------------------------------------- */

static void
on_turn_over(struct loop_timer *t, void *arg)
{
	(void)t;
	(void)arg;
	loop_stop(lp);
}

/* Lets the loop run until a callback of the pump came, or ms are over. */
static void
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

static const char *
flush(struct pump_stream *s)
{
	int want = flushes + 1;

	pump_flush(s, on_flush, &flushes);
	WAIT_FOR(flushes >= want);
	ck_assert_int_eq(flushes, want);
	return buf_str(&flushed);
}

static void
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

static struct pump_stream *
add(const char *path, int64_t maxbytes, int64_t backups)
{
	struct pump_sink sink = { path, maxbytes, backups, false };
	struct pump_stream *s = pump_add(pm, "web.0", rd, &sink);

	ck_assert_ptr_nonnull(s);
	return s;
}

static char *
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

static void
check_file(const char *name, const char *want)
{
	char *got = file_get(name);

	ck_assert_str_eq(got, want);
	free(got);
}

static void
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

static void
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

/* --- files --------------------------------------------------------------- */

START_TEST(pump_writes_what_comes)
{
	st = add("log", 0, 0);
	ck_assert_str_eq(flush(st), "");
	check_file("log", "-"); /* opened with the first byte */
	put("one\n");
	put("two\n");
	ck_assert_str_eq(flush(st), "one\ntwo\n");
	check_file("log", "one\ntwo\n");
	ck_assert_uint_eq(stats().bytes, 8);
	ck_assert_uint_eq(stats().dropped, 0);
	ck_assert_int_eq(sinks, 0);
}
END_TEST

/* Without a flush: the bytes alone wake the pump. */
START_TEST(pump_is_woken_by_bytes)
{
	st = add("log", 0, 0);
	put("one\n");
	WAIT_FOR(stats().bytes == 4 && access("log", F_OK) == 0);
}
END_TEST

START_TEST(pump_keeps_a_flood_in_order)
{
	struct buf all;
	char *got;
	int size = fcntl(rd, F_GETPIPE_SZ);

	st = add("log", 0, 0);
	buf_init(&all);
	for (int i = 0; all.len < 8 * 1024 * 1024; i++)
		buf_addf(&all, "this is line %d\n", i);
	put(all.data);
	flush(st);
	got = file_get("log");
	ck_assert(strcmp(got, all.data) == 0);
	ck_assert_uint_eq(stats().bytes, all.len);
	/* A quiet stream keeps its small pipe, see the next test. */
	ck_assert_int_gt(fcntl(rd, F_GETPIPE_SZ), size);
	free(got);
	buf_fini(&all);
}
END_TEST

START_TEST(pump_leaves_a_quiet_pipe_small)
{
	int size = fcntl(rd, F_GETPIPE_SZ);

	st = add("log", 0, 0);
	for (int i = 0; i < 100; i++) {
		put("a line\n");
		flush(st);
	}
	ck_assert_int_eq(fcntl(rd, F_GETPIPE_SZ), size);
}
END_TEST

START_TEST(pump_rotates)
{
	st = add("log", 8, 2);
	put("aaa\nbbb\nccc\nddd\neee\n");
	flush(st);
	check_file("log.2", "aaa\nbbb\n");
	check_file("log.1", "ccc\nddd\n");
	check_file("log", "eee\n");
	ck_assert_uint_eq(stats().rotations, 2);
}
END_TEST

START_TEST(pump_changes_its_sink)
{
	struct pump_sink sink = { "log", 8, 1, false };

	st = add("log", 0, 0);
	put("aaa\nbbb\nccc\n");
	flush(st);
	pump_set_sink(st, &sink); /* same file, now with a limit */
	put("ddd\n");
	flush(st);
	check_file("log.1", "aaa\nbbb\nccc\n");
	check_file("log", "ddd\n");
	sink.path = "other";
	pump_set_sink(st, &sink);
	put("eee\n");
	flush(st);
	check_file("log", "ddd\n");
	check_file("other", "eee\n");
	sink.path = NULL;
	pump_set_sink(st, &sink);
	put("fff\n");
	ck_assert_str_eq(flush(st), "fff\n");
	ck_assert_uint_eq(stats().dropped, 0);
}
END_TEST

START_TEST(pump_reopens_by_name)
{
	st = add("log", 0, 0);
	put("a\n");
	flush(st);
	ck_assert_int_eq(rename("log", "moved"), 0);
	put("b\n");
	flush(st);
	check_file("moved", "a\nb\n");
	pump_reopen(pm);
	put("c\n");
	flush(st);
	check_file("moved", "a\nb\n");
	check_file("log", "c\n");
}
END_TEST

START_TEST(pump_drops_and_counts_while_the_sink_fails)
{
	char *got;

	st = add("sub/log", 0, 0);
	put("lost\n");
	WAIT_FOR(sinks == 1);
	ck_assert_int_eq(sink_errno, ENOENT);
	ck_assert_uint_eq(sink_dropped, 5);
	ck_assert_str_eq(sink_text, "web.0 sub/log");
	ck_assert_int_eq(stats().last_errno, ENOENT);
	put("lost, too\n");
	ck_assert_str_eq(flush(st), "lost\nlost, too\n");
	ck_assert_int_eq(sinks, 1); /* told once */
	ck_assert_int_eq(mkdir("sub", 0700), 0);
	for (int i = 0; sinks == 1; i++) {
		ck_assert_int_lt(i, 100);
		put("x\n");
		turn(50);
	}
	ck_assert_int_eq(sink_errno, 0);
	ck_assert_uint_ge(sink_dropped, 15);
	ck_assert_int_eq(stats().last_errno, 0);
	flush(st);
	got = file_get("sub/log");
	ck_assert_uint_eq(stats().bytes - stats().dropped, strlen(got));
	free(got);
	ck_assert_int_eq(sinks, 2);
	unlink("sub/log");
}
END_TEST

/* A worker must not block, whatever the reader of its log does. */
START_TEST(pump_drops_what_a_fifo_does_not_take)
{
	static char big[1024 * 1024 + 1];
	int fd;

	memset(big, 'x', sizeof big - 1);
	ck_assert_int_eq(mkfifo("log", 0600), 0);
	fd = open("log", O_RDONLY | O_NONBLOCK);
	st = add("log", 10, 5);
	put(big);
	flush(st);
	ck_assert_uint_eq(stats().bytes, sizeof big - 1);
	ck_assert_uint_gt(stats().dropped, 0);
	ck_assert_uint_lt(stats().dropped, sizeof big - 1);
	ck_assert_uint_eq(stats().rotations, 0);
	close(fd);
}
END_TEST

START_TEST(pump_copies_to_stderr)
{
	struct pump_sink sink = { "log", 0, 0, true };
	int saved = dup(STDERR_FILENO);
	int fd = open("err", O_WRONLY | O_CREAT | O_APPEND, 0600);

	dup2(fd, STDERR_FILENO);
	close(fd);
	st = pump_add(pm, "reeved", rd, &sink);
	put("both\n");
	flush(st);
	dup2(saved, STDERR_FILENO);
	close(saved);
	check_file("log", "both\n");
	check_file("err", "both\n");
	ck_assert_uint_eq(stats().dropped, 0);
}
END_TEST

/* --- flush and the tail -------------------------------------------------- */

START_TEST(pump_flush_gives_what_came_since)
{
	st = add(NULL, 0, 0);
	put("one\n");
	ck_assert_str_eq(flush(st), "one\n");
	ck_assert_str_eq(flush(st), "");
	put("two\nthr");
	ck_assert_str_eq(flush(st), "two\nthr");
	put("ee\n");
	ck_assert_str_eq(flush(st), "ee\n");
}
END_TEST

START_TEST(pump_tail_is_bounded_and_of_whole_lines)
{
	struct buf all;

	st = add(NULL, 0, 0);
	buf_init(&all);
	for (int i = 0; i < 1000; i++) {
		char line[48];

		snprintf(line, sizeof line, "line number %d of many\n", i);
		buf_adds(&all, line);
		put(line);
		/* in many small reads, so that the ring goes round */
		if (i % 10 == 0)
			WAIT_FOR(stats().bytes == all.len);
	}
	flush(st);
	ck_assert_uint_le(flushed.len, PUMP_TAIL_MAX);
	ck_assert_uint_gt(flushed.len, PUMP_TAIL_MAX - 30);
	ck_assert_str_eq(buf_str(&flushed), all.data + all.len - flushed.len);
	ck_assert_int_eq(strncmp(buf_str(&flushed), "line number ", 12), 0);
	buf_fini(&all);
}
END_TEST

START_TEST(pump_tail_of_one_long_line)
{
	char *big = xmalloc(100001);

	memset(big, 'x', 100000);
	big[100000] = '\0';
	st = add(NULL, 0, 0);
	put(big);
	flush(st);
	ck_assert_uint_eq(flushed.len, PUMP_TAIL_MAX);
	put("y\n");
	ck_assert_str_eq(flush(st), "y\n");
	free(big);
}
END_TEST

static atomic_bool writer_stop;

static void *
writer_main(void *arg)
{
	static const char page[4096] = { 'x' };

	(void)arg;
	while (!atomic_load(&writer_stop)) {
		if (write(wr, page, sizeof page) == -1)
			break;
	}
	return NULL;
}

/* A grandchild that goes on writing must not delay the news of a death. */
START_TEST(pump_flush_ends_under_a_flood)
{
	pthread_t writer;

	st = add(NULL, 0, 0);
	ck_assert_int_eq(pthread_create(&writer, NULL, writer_main, NULL), 0);
	WAIT_FOR(stats().bytes > 1000000);
	for (int i = 0; i < 5; i++)
		flush(st);
	atomic_store(&writer_stop, true);
	pthread_join(writer, NULL);
}
END_TEST

/* --- looking for a line --------------------------------------------------- */

static bool
found(void)
{
	struct pollfd p = { .fd = scan_fd, .events = POLLIN };
	uint64_t n;

	return poll(&p, 1, 0) == 1 &&
	       read(scan_fd, &n, sizeof n) == (ssize_t)sizeof n;
}

static void
scan(uint64_t id, const char *regex, bool all)
{
	if (scan_fd == -1)
		scan_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_eq(pump_scan(st, id, regex, scan_fd, all), 0);
}

static const struct {
	const char *regex;
	const char *puts[4];
	bool found;
} scan_rows[] = {
	{ "ready", { "not yet\n", "I am ready now\n" }, true },
	{ "^ready$", { "re", "ad", "y\n" }, true },
	{ "^ready$", { "ready\r\n" }, true },
	{ "^ready$", { "not ready\n", "ready?\n" }, false },
	{ "ready", { "ready, but the line has no end" }, false },
	{ "^$", { "x\n", "\n" }, true },
	{ "on port [0-9]+|bound", { "a\nb on port 80\nc\n" }, true },
};

START_TEST(pump_scan_finds_a_line)
{
	st = add(NULL, 0, 0);
	scan(1, scan_rows[_i].regex, false);
	for (int i = 0; i < 4 && scan_rows[_i].puts[i] != NULL; i++) {
		put(scan_rows[_i].puts[i]);
		flush(st);
	}
	ck_assert_int_eq(found(), scan_rows[_i].found);
}
END_TEST

/* What was there before is another's; "all" is of an engine before. */
START_TEST(pump_scan_looks_at_what_comes)
{
	put("ready\nrea");
	st = add(NULL, 0, 0);
	scan(1, "ready", false);
	put("dy\n");
	flush(st);
	ck_assert(!found());
	put("ready\n");
	flush(st);
	ck_assert(found());
	put("ready\n");
	flush(st);
	ck_assert(!found()); /* once */
	pump_remove(&st);
	WAIT_FOR(pm->streams == NULL);
	put("ready\n");
	pump_hold(pm); /* or it would have been read by now */
	st = add(NULL, 0, 0);
	turn(50);
	scan(1, "ready", true);
	pump_go_on(pm);
	flush(st);
	ck_assert(found());
}
END_TEST

START_TEST(pump_scan_stops)
{
	st = add(NULL, 0, 0);
	scan(1, "one", false);
	scan(2, "two", false);
	scan(3, "three", false);
	pump_scan_stop(st, 2);
	pump_scan_stop(st, 7);
	put("two\n");
	flush(st);
	ck_assert(!found());
	put("three\n");
	flush(st);
	ck_assert(found());
	put("one\n");
	flush(st);
	ck_assert(found());
	scan(4, "never", false);
	ck_assert_int_eq(pump_scan(st, 5, "a(", scan_fd, false), -1);
}
END_TEST

/* Long lines are cut, not kept. */
START_TEST(pump_scan_of_long_lines)
{
	char big[5001];

	memset(big, 'x', 5000);
	big[5000] = '\0';
	st = add(NULL, 0, 0);
	scan(1, "x$", false);
	scan(2, "END", false);
	put(big);
	put(big);
	flush(st);
	ck_assert(!found());
	put("END\n");
	flush(st);
	ck_assert(found());
	pump_scan_stop(st, 1);
	put("END\n");
	flush(st);
	ck_assert(found());
}
END_TEST

/* --- the end of a pipe --------------------------------------------------- */

static int64_t
cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Voluntary context switches of the pump's thread. */
static long
pumper_switches(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	long n = -1;
	char path[300], text[4096], *at;

	while ((e = readdir(d)) != NULL) {
		int fd;
		ssize_t got;

		snprintf(
		    path, sizeof path, "/proc/self/task/%s/status", e->d_name);
		fd = open(path, O_RDONLY);
		got = fd != -1 ? read(fd, text, sizeof text - 1) : 0;
		fd_closep(&fd);
		text[got > 0 ? got : 0] = '\0';
		at = strstr(text, "\nvoluntary_ctxt_switches:");
		if (strncmp(text, "Name:\treeve-pump\n", 17) == 0 && at != NULL)
			n = strtol(strchr(at, ':') + 1, NULL, 10);
	}
	closedir(d);
	return n;
}

START_TEST(pump_does_not_spin_at_the_end)
{
	int64_t cpu;

	st = add("log", 0, 0);
	put("last words");
	fd_closep(&wr);
	ck_assert_str_eq(flush(st), "last words");
	flush(st);
	cpu = cpu_ms();
	poll(NULL, 0, 300);
	ck_assert_int_lt(cpu_ms() - cpu, 100);
	/* and it goes on when somebody opens the pipe again */
	for (int i = 0; i < 3; i++) {
		char path[64];

		snprintf(path, sizeof path, "/proc/self/fd/%d", rd);
		wr = open(path, O_WRONLY);
		ck_assert_int_ne(wr, -1);
		put("more");
		WAIT_FOR(stats().bytes == 14 + 4 * (uint64_t)i);
		fd_closep(&wr);
	}
}
END_TEST

START_TEST(pump_idle_does_not_wake)
{
	long before;

	st = add("log", 0, 0);
	put("a\n");
	flush(st);
	poll(NULL, 0, 20); /* it goes back to sleep after the news */
	before = pumper_switches();
	poll(NULL, 0, 300);
	ck_assert_int_gt(before, 0);
	ck_assert_int_eq(pumper_switches(), before);
}
END_TEST

/* A file that others append to: from the descriptor's place on, as told. */
START_TEST(pump_reads_a_file_as_it_grows)
{
	struct pump_sink sink = { "log", 0, 0, false };
	int out = open("src", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int in = open("src", O_RDONLY | O_CLOEXEC);
	char *text;

	ck_assert_int_eq(write(out, "before", 6), 6);
	ck_assert_int_eq(lseek(in, 0, SEEK_END), 6);
	st = pump_add_file(pm, "task x", in, &sink);
	ck_assert_ptr_nonnull(st);
	ck_assert_int_eq(write(out, "one\n", 4), 4);
	pump_feed(st);
	flush(st);
	ck_assert_int_eq(pump_file_place(st), 10);
	ck_assert_int_eq(write(out, "two\n", 4), 4);
	/* The next one goes on where this one was, as after an engine. */
	pump_remove(&st);
	st = pump_add_file(pm, "task x", in, &sink);
	flush(st);
	text = file_get("log");
	ck_assert_str_eq(text, "one\ntwo\n");
	free(text);
	fd_closep(&in);
	fd_closep(&out);
}
END_TEST

/* More than a piece, and pipes are read meanwhile; what is left at the end is
 * read when the pump is freed. */
START_TEST(pump_reads_a_long_file)
{
	struct pump_sink sink = { "log", 0, 0, false };
	int out = open("src", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int in = open("src", O_RDONLY | O_CLOEXEC);
	static char piece[1 << 20];
	struct pump_stream *f;
	struct stat sb;

	memset(piece, 'x', sizeof piece);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(write(out, piece, sizeof piece), 1 << 20);
	f = pump_add_file(pm, "task x", in, &sink);
	st = add("pipe", 0, 0);
	pump_feed(f);
	put("x");
	flush(st);
	while (pump_file_place(f) < 5 << 20)
		poll(NULL, 0, 1);
	flush(f);
	ck_assert_int_eq(stat("log", &sb), 0);
	ck_assert_int_eq(sb.st_size, 5 << 20);
	ck_assert_int_eq(write(out, piece, sizeof piece), 1 << 20);
	pump_free(pm);
	pm = NULL;
	ck_assert_int_eq(stat("log", &sb), 0);
	ck_assert_int_eq(sb.st_size, 6 << 20);
	fd_closep(&in);
	fd_closep(&out);
}
END_TEST

START_TEST(pump_remove_drains)
{
	st = add("log", 0, 0);
	pump_flush(st, on_flush, &flushes);
	put("last words\n");
	pump_remove(&st);
	ck_assert_ptr_null(st);
	pump_remove(&st);
	turn(50);
	check_file("log", "last words\n");
	ck_assert_int_eq(flushes, 0); /* no callback after remove */
	/* the pipe itself is the keeper's, and still there */
	put("x");
	st = add("log", 0, 0);
	ck_assert_str_eq(flush(st), "x");
}
END_TEST

START_TEST(pump_free_drains)
{
	st = add("log", 0, 0);
	pump_flush(st, on_flush, &flushes);
	pump_tap(st, on_tap, &taps);
	put("last words\n");
	pump_free(pm);
	pm = NULL;
	check_file("log", "last words\n");
	ck_assert_int_eq(flushes, 0);
}
END_TEST

static void
on_flush_free(void *arg, const char *tail, size_t len)
{
	(void)arg;
	(void)tail;
	(void)len;
	flushes++;
	pump_free(pm);
	pm = NULL;
	loop_stop(lp);
}

START_TEST(pump_may_be_freed_by_its_callback)
{
	st = add("log", 0, 0);
	pump_flush(st, on_flush_free, NULL);
	pump_flush(st, on_flush, &flushes);
	WAIT_FOR(pm == NULL);
	turn(20);
	ck_assert_int_eq(flushes, 1);
}
END_TEST

/* --- taps ---------------------------------------------------------------- */

START_TEST(pump_tap_sees_new_bytes)
{
	struct pump_tap *one, *two;

	st = add("log", 0, 0);
	put("before\n");
	flush(st);
	one = pump_tap(st, on_tap, &taps);
	put("new\n");
	flush(st);
	ck_assert_str_eq(buf_str(&tapped), "new\n");
	two = pump_tap(st, on_tap, &taps);
	put("x");
	flush(st);
	ck_assert_str_eq(buf_str(&tapped), "new\nxx");
	pump_untap(&one);
	ck_assert_ptr_null(one);
	pump_untap(&one);
	put("y");
	flush(st);
	ck_assert_str_eq(buf_str(&tapped), "new\nxxy");
	pump_untap(&two);
	put("z");
	flush(st);
	ck_assert_str_eq(buf_str(&tapped), "new\nxxy");
	ck_assert_uint_eq(tap_dropped, 0);
	check_file("log", "before\nnew\nxyz");
}
END_TEST

/* The loop does not run, so the tap lags; the file must not. */
START_TEST(pump_tap_that_lags_is_told)
{
	char *big = xmalloc(1024 * 1024 + 1);
	struct pump_tap *tap;

	memset(big, 'x', 1024 * 1024);
	big[1024 * 1024] = '\0';
	st = add(NULL, 0, 0);
	tap = pump_tap(st, on_tap, &taps);
	put(big);
	while (stats().bytes < 1024 * 1024)
		poll(NULL, 0, 5);
	flush(st);
	ck_assert_uint_le(tapped.len, 256 * 1024);
	ck_assert_uint_gt(tapped.len, 0);
	ck_assert_uint_eq(tapped.len + tap_dropped, 1024 * 1024);
	put("on\n");
	flush(st);
	ck_assert_int_eq(strcmp(tapped.data + tapped.len - 3, "on\n"), 0);
	pump_untap(&tap);
	free(big);
}
END_TEST

START_TEST(pump_tap_outlives_its_stream)
{
	struct pump_tap *tap;

	st = add(NULL, 0, 0);
	tap = pump_tap(st, on_tap, &taps);
	put("end");
	pump_remove(&st);
	turn(50);
	ck_assert_str_eq(buf_str(&tapped), "end");
	pump_untap(&tap);
	turn(50);
}
END_TEST

static struct pump_tap *own_tap;

static void
on_tap_untap(void *arg, const char *data, size_t len, uint64_t dropped)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)dropped;
	taps++;
	pump_untap(&own_tap);
}

START_TEST(pump_tap_may_untap_itself)
{
	st = add(NULL, 0, 0);
	own_tap = pump_tap(st, on_tap_untap, NULL);
	put("one");
	flush(st);
	put("two");
	flush(st);
	ck_assert_int_eq(taps, 1);
}
END_TEST

/* --- cost and refusals --------------------------------------------------- */

#define MANY 1000

START_TEST(pump_silent_stream_costs_next_to_nothing)
{
	static struct pump_stream *many[MANY];
	struct pump_sink sink = { "/var/log/reeve/some-program.0.stdout.log",
		50 << 20, 10, false };
	size_t before;

	fd_raise_limit(NULL);
	st = add(NULL, 0, 0);
	put("x");
	flush(st); /* what the pump itself needs */
	before = mallinfo2().uordblks;
	for (int i = 0; i < MANY; i++) {
		many[i] = pump_add(pm, "some-program.0", rd, &sink);
		ck_assert_ptr_nonnull(many[i]);
	}
	ck_assert_uint_lt((mallinfo2().uordblks - before) / MANY, 300);
	for (int i = 0; i < MANY; i++)
		pump_remove(&many[i]);
	flush(st);
	flush(st);
	ck_assert_uint_lt(mallinfo2().uordblks, before + 10000);
}
END_TEST

START_TEST(pump_add_may_be_refused)
{
	struct pump_sink sink = { NULL, 0, 0, false };
	int fd = open("plain", O_RDWR | O_CREAT, 0600);

	errno = 0;
	ck_assert_ptr_null(pump_add(pm, "x", -1, &sink));
	ck_assert_int_eq(errno, EBADF);
	ck_assert_ptr_null(pump_add(pm, "x", fd, &sink));
	ck_assert_int_eq(errno, EPERM);
	close(fd);
}
END_TEST

START_TEST(pump_leaks_no_descriptor)
{
	int before = dup(0), after;

	close(before);
	for (int i = 0; i < 200; i++) {
		st = add("log", 0, 0);
		put("a line\n");
		pump_remove(&st);
	}
	st = add("log", 0, 0);
	flush(st);
	pump_remove(&st);
	turn(50);
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pump");
	TCase *tc = tcase_create("pump");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, pump_writes_what_comes);
	tcase_add_test(tc, pump_is_woken_by_bytes);
	tcase_add_test(tc, pump_keeps_a_flood_in_order);
	tcase_add_test(tc, pump_leaves_a_quiet_pipe_small);
	tcase_add_test(tc, pump_rotates);
	tcase_add_test(tc, pump_changes_its_sink);
	tcase_add_test(tc, pump_reopens_by_name);
	tcase_add_test(tc, pump_drops_and_counts_while_the_sink_fails);
	tcase_add_test(tc, pump_drops_what_a_fifo_does_not_take);
	tcase_add_test(tc, pump_copies_to_stderr);
	tcase_add_test(tc, pump_flush_gives_what_came_since);
	tcase_add_test(tc, pump_tail_is_bounded_and_of_whole_lines);
	tcase_add_test(tc, pump_tail_of_one_long_line);
	tcase_add_test(tc, pump_flush_ends_under_a_flood);
	tcase_add_loop_test(tc, pump_scan_finds_a_line, 0,
	    sizeof scan_rows / sizeof scan_rows[0]);
	tcase_add_test(tc, pump_scan_looks_at_what_comes);
	tcase_add_test(tc, pump_scan_stops);
	tcase_add_test(tc, pump_scan_of_long_lines);
	tcase_add_test(tc, pump_does_not_spin_at_the_end);
	tcase_add_test(tc, pump_idle_does_not_wake);
	tcase_add_test(tc, pump_reads_a_file_as_it_grows);
	tcase_add_test(tc, pump_reads_a_long_file);
	tcase_add_test(tc, pump_remove_drains);
	tcase_add_test(tc, pump_free_drains);
	tcase_add_test(tc, pump_may_be_freed_by_its_callback);
	tcase_add_test(tc, pump_tap_sees_new_bytes);
	tcase_add_test(tc, pump_tap_that_lags_is_told);
	tcase_add_test(tc, pump_tap_outlives_its_stream);
	tcase_add_test(tc, pump_tap_may_untap_itself);
	tcase_add_test(tc, pump_silent_stream_costs_next_to_nothing);
	tcase_add_test(tc, pump_add_may_be_refused);
	tcase_add_test(tc, pump_leaks_no_descriptor);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
