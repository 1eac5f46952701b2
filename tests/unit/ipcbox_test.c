/*
 * ipcbox_test - lines in, lines out, and what a successor finds.
 *
 * A successor is the same memfd opened once more: what it sees is what an
 * engine would see after this one had been killed there and then.
 */
#include "cluster/ipcbox.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "cluster/ipc.h"

#define MAX 1024

static int fds[2];
static struct ipcbox *box;
static struct err err;

static void
set_up(void)
{
	ck_assert_int_eq(ipc_open(fds, &err), 0);
	box = ipcbox_new(MAX, &err);
	ck_assert_ptr_nonnull(box);
}

static void
tear_down(void)
{
	ipcbox_free(box);
	fd_closep(&fds[0]);
	fd_closep(&fds[1]);
}

static void
say(const char *text)
{
	ck_assert_int_eq(fd_write_all(fds[1], text, strlen(text)), 0);
}

static enum ipcbox_result
hear(struct ipcbox *b)
{
	size_t moved;

	return ipcbox_read(b, fds[0], &moved);
}

/* The next line is that; it stays. */
static struct ipcbox_line
expect(struct ipcbox *b, const char *text)
{
	struct ipcbox_line line = { .text = "" };

	ck_assert(ipcbox_line(b, &line));
	ck_assert_uint_eq(line.len, strlen(text));
	ck_assert(memcmp(line.text, text, line.len) == 0);
	return line;
}

static void
take(struct ipcbox *b, const char *text)
{
	struct ipcbox_line line = expect(b, text);

	ipcbox_done(b, &line);
}

static struct ipcbox *
successor(void)
{
	struct ipcbox *b = ipcbox_open(ipcbox_fd(box), &err);

	ck_assert_ptr_nonnull(b);
	return b;
}

static void
written(const char *text)
{
	char got[4096];
	ssize_t n = recv(fds[1], got, sizeof got, MSG_DONTWAIT);

	ck_assert_int_eq(n, (ssize_t)strlen(text));
	ck_assert(memcmp(got, text, strlen(text)) == 0);
}

START_TEST(lines_come_whole)
{
	struct ipcbox_line line;

	ck_assert_int_eq(hear(box), IPCBOX_AGAIN);
	ck_assert(!ipcbox_line(box, &line));
	say("1\n\n[2");
	ck_assert_int_eq(hear(box), IPCBOX_OK);
	take(box, "1");
	take(box, "");
	ck_assert(!ipcbox_line(box, &line));
	say(",3]\n4");
	hear(box);
	take(box, "[2,3]");
	ck_assert(!ipcbox_line(box, &line));
	fd_closep(&fds[1]);
	ck_assert_int_eq(hear(box), IPCBOX_CLOSED);
}
END_TEST

START_TEST(a_successor_goes_on)
{
	struct ipcbox_line line, again;
	struct ipcbox *b;

	say("1\n2\n3");
	hear(box);
	take(box, "1");
	line = expect(box, "2");
	b = successor(); /* it had not been dealt with */
	again = expect(b, "2");
	ck_assert_uint_eq(line.at, again.at);
	ipcbox_done(b, &again);
	ck_assert(!ipcbox_line(b, &line));
	say("33\n");
	hear(b);
	take(b, "333");
	ipcbox_free(b);
}
END_TEST

START_TEST(places_are_not_used_again)
{
	struct ipcbox_line line;
	uint64_t last = 0;

	for (int i = 0; i < 300; i++) {
		char text[MAX + 2];

		memset(text, 'x', MAX);
		memcpy(text + MAX, "\n", 2);
		say(text);
		hear(box);
		text[MAX] = '\0';
		line = expect(box, text);
		ck_assert(i == 0 || line.at > last);
		last = line.at;
		ipcbox_done(box, &line);
		ck_assert(!ipcbox_too_long(box));
	}
}
END_TEST

START_TEST(too_long_is_seen)
{
	struct ipcbox_line line;
	char text[MAX + 1] = "";

	memset(text, 'x', MAX);
	say(text);
	hear(box);
	ck_assert(!ipcbox_line(box, &line));
	ck_assert(!ipcbox_too_long(box));
	say("x");
	hear(box);
	ck_assert(!ipcbox_line(box, &line));
	ck_assert(ipcbox_too_long(box));
}
END_TEST

START_TEST(what_is_not_dealt_with_stops_the_reading)
{
	enum ipcbox_result rc = IPCBOX_OK;
	char text[4096];
	size_t lines = 0;

	memset(text, '\n', sizeof text);
	for (int i = 0; i < 1000 && rc == IPCBOX_OK; i++) {
		send(fds[1], text, sizeof text, MSG_DONTWAIT);
		rc = hear(box);
	}
	ck_assert_int_eq(rc, IPCBOX_FULL);
	for (struct ipcbox_line line; ipcbox_line(box, &line); lines++)
		ipcbox_done(box, &line);
	ck_assert_uint_gt(lines, 64 * 1024);
	ck_assert_int_eq(hear(box), IPCBOX_OK);
}
END_TEST

START_TEST(descriptors_are_closed)
{
	int before = dup(0), after;
	char byte = '1';
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &fds[1], sizeof(int));
	close(before);
	ck_assert_int_eq(sendmsg(fds[1], &mh, 0), 1);
	say("\n");
	hear(box);
	hear(box);
	take(box, "1");
	after = dup(0);
	ck_assert_int_eq(after, before);
	close(after);
}
END_TEST

START_TEST(what_it_wrote_before_it_left_is_heard)
{
	ck_assert_int_eq(fd_write_all(fds[0], "not read", 8), 0);
	say("last\n");
	fd_closep(&fds[1]);
	while (hear(box) == IPCBOX_OK)
		;
	take(box, "last");
}
END_TEST

START_TEST(lines_go_once)
{
	struct ipcbox *b;

	ck_assert_int_eq(ipcbox_write(box, fds[0]), IPCBOX_AGAIN);
	ck_assert(ipcbox_put(box, "{\"a\":\n1}", 8, 7));
	ck_assert(ipcbox_put(box, "2", 1, 0));
	ck_assert_uint_eq(ipcbox_messages(box), 2);
	ck_assert_uint_eq(ipcbox_bytes(box), 11);
	b = successor();
	ck_assert_uint_eq(ipcbox_messages(b), 2);
	ck_assert(ipcbox_has_key(b, 7));
	ck_assert(!ipcbox_has_key(b, 8));
	ck_assert(!ipcbox_has_key(b, 0));
	ck_assert_int_eq(ipcbox_write(b, fds[0]), IPCBOX_OK);
	written("{\"a\": 1}\n2\n");
	ck_assert_uint_eq(ipcbox_messages(b), 0);
	ipcbox_free(b);
	b = successor();
	ck_assert_uint_eq(ipcbox_bytes(b), 0);
	ck_assert_int_eq(ipcbox_write(b, fds[0]), IPCBOX_AGAIN);
	ck_assert(ipcbox_has_key(b, 7));
	ipcbox_free(b);
}
END_TEST

START_TEST(keys_are_kept_for_a_while)
{
	for (uint64_t k = 1; k <= IPCBOX_KEYS + 1; k++)
		ck_assert(ipcbox_put(box, "1", 1, k));
	ck_assert(!ipcbox_has_key(box, 1));
	for (uint64_t k = 2; k <= IPCBOX_KEYS + 1; k++)
		ck_assert(ipcbox_has_key(box, k));
}
END_TEST

START_TEST(there_is_a_bound)
{
	char text[MAX], got[4096];
	size_t n = 0, m = 0;
	ssize_t k;

	memset(text, '1', sizeof text);
	while (ipcbox_put(box, text, sizeof text, 0))
		n++;
	ck_assert_uint_ge(n, 2);
	ck_assert_uint_le(n * (MAX + 1), 2 * MAX + 16384);
	ck_assert_uint_eq(ipcbox_messages(box), n);
	/* Answers have a reserve. */
	say("q\n");
	hear(box);
	struct ipcbox_line line = expect(box, "q");
	ck_assert(ipcbox_answer(box, &line, "{}", 2));
	while (ipcbox_write(box, fds[0]) == IPCBOX_OK)
		while ((k = recv(fds[1], got, sizeof got, MSG_DONTWAIT)) > 0)
			m += (size_t)k;
	ck_assert_uint_eq(m, n * (MAX + 1) + 3);
	ck_assert(ipcbox_put(box, text, sizeof text, 0));
}
END_TEST

START_TEST(an_answer_is_given_once)
{
	struct ipcbox_line line;
	struct ipcbox *b;

	say("q\nr\n");
	hear(box);
	line = expect(box, "q");
	ck_assert(ipcbox_answer(box, &line, "1", 1));
	b = successor();
	line = expect(b, "q");
	ck_assert(ipcbox_answer(b, &line, "1", 1));
	ipcbox_done(b, &line);
	line = expect(b, "r");
	ck_assert(ipcbox_answer(b, &line, "2", 1));
	ipcbox_write(b, fds[0]);
	written("1\n2\n");
	ipcbox_free(b);
}
END_TEST

START_TEST(who_reads_no_more)
{
	fd_closep(&fds[1]);
	ck_assert(ipcbox_put(box, "1", 1, 0));
	ck_assert_int_eq(ipcbox_write(box, fds[0]), IPCBOX_CLOSED);
	ck_assert_uint_eq(ipcbox_messages(box), 1);
}
END_TEST

START_TEST(after_the_end_nothing_goes_in)
{
	struct ipcbox *b;

	ck_assert(ipcbox_put(box, "1", 1, 0));
	ipcbox_end(box);
	b = successor();
	ck_assert(ipcbox_is_ended(b));
	ck_assert(!ipcbox_put(b, "2", 1, 0));
	ck_assert_int_eq(ipcbox_write(b, fds[0]), IPCBOX_OK);
	written("1\n");
	ipcbox_free(b);
}
END_TEST

/* Bytes of memory that the memfd takes. */
static int64_t
memory(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(ipcbox_fd(box), &st), 0);
	return (int64_t)st.st_blocks * 512;
}

START_TEST(memory_is_given_back)
{
	char text[4096], *big;
	size_t max = IPCBOX_MAX_MOST, n = 0;
	struct ipcbox_line line;

	ck_assert_int_le(memory(), 16384); /* nothing was ever sent */
	ipcbox_free(box);
	box = ipcbox_new(max, &err);
	ck_assert_ptr_nonnull(box);
	big = xmalloc(max);
	memset(big, '1', max);
	ck_assert(ipcbox_put(box, big, max, 0));
	free(big);
	memset(text, '1', sizeof text);
	while (n < max) {
		ssize_t k = send(fds[1], text,
		    max - n < sizeof text ? max - n : sizeof text,
		    MSG_DONTWAIT);

		n += k > 0 ? (size_t)k : 0;
		hear(box);
	}
	say("\n");
	while (hear(box) == IPCBOX_OK)
		;
	ck_assert(ipcbox_line(box, &line));
	ck_assert_uint_eq(line.len, max);
	ck_assert_int_gt(memory(), (int64_t)(2 * max));
	ipcbox_done(box, &line);
	while (ipcbox_bytes(box) > 0) {
		ipcbox_write(box, fds[0]);
		while (recv(fds[1], text, sizeof text, MSG_DONTWAIT) > 0)
			;
	}
	ck_assert_int_le(memory(), 512 * 1024);
}
END_TEST

START_TEST(rubbish_is_refused)
{
	int fd = memfd_create("rubbish", MFD_CLOEXEC);

	ck_assert_ptr_null(ipcbox_open(fd, &err));
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	ck_assert_ptr_null(ipcbox_open(fd, &err));
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ipcbox");
	TCase *tc = tcase_create("ipcbox");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, lines_come_whole);
	tcase_add_test(tc, a_successor_goes_on);
	tcase_add_test(tc, places_are_not_used_again);
	tcase_add_test(tc, too_long_is_seen);
	tcase_add_test(tc, what_is_not_dealt_with_stops_the_reading);
	tcase_add_test(tc, descriptors_are_closed);
	tcase_add_test(tc, what_it_wrote_before_it_left_is_heard);
	tcase_add_test(tc, lines_go_once);
	tcase_add_test(tc, keys_are_kept_for_a_while);
	tcase_add_test(tc, there_is_a_bound);
	tcase_add_test(tc, an_answer_is_given_once);
	tcase_add_test(tc, who_reads_no_more);
	tcase_add_test(tc, after_the_end_nothing_goes_in);
	tcase_add_test(tc, memory_is_given_back);
	tcase_add_test(tc, rubbish_is_refused);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
