/*
 * pump_end_test - the pump at the end of a pipe, its taps, what it costs.
 */
#include "pump_try.h"
#include "try_main.h"

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

static void
add_tests(TCase *tc)
{
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
}

int
main(void)
{
	return try_main("pump", add_tests, set_up, tear_down);
}
