/*
 * pump_test - the pump: files, flushes, tails, and lines that are looked for.
 */
#include "pump_try.h"
#include "try_main.h"

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

static void
add_tests(TCase *tc)
{
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
}

int
main(void)
{
	return try_main("pump", add_tests, set_up, tear_down);
}
