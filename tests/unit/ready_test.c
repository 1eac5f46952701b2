/*
 * ready_test - what is said on a notify socket or a pipe, and who says it.
 */
#include "cluster/ready.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/sys_fake.h"
#include "base/fd.h"

static char name[64];
static int notify;

static void
set_up(void)
{
	struct err err = { 0 };

	fake_reset();
	notify = ready_notify_open(name, &err);
	ck_assert_msg(notify != -1, "%s", err.text);
}

static void
tear_down(void)
{
	fd_closep(&notify);
}

/* As sd_notify does, with nfds copies of fd. */
static void
send_to(const char *to, const void *data, size_t len, int fd, int nfds)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct iovec iov = { NULL, len };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	char copy[65536];
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(copy, data, len);
	iov.iov_base = copy;
	memcpy(un.sun_path, to, strlen(to));
	un.sun_path[0] = '\0';
	m.msg_name = &un;
	m.msg_namelen =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(to));
	if (nfds > 0) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		for (int i = 0; i < nfds; i++)
			memcpy(
			    CMSG_DATA(&control.align) + (size_t)i * sizeof fd,
			    &fd, sizeof fd);
	}
	ck_assert_int_eq(sendmsg(s, &m, 0), (ssize_t)len);
	close(s);
}

static void
say(const char *text)
{
	send_to(name, text, strlen(text), -1, 0);
}

/* --- text ---------------------------------------------------------------- */

static const struct {
	const char *text;
	const char *
	    flags; /* r ready, s stopping, l reloading, w watchdog, c recycle */
	const char *status; /* NULL: none */
} rows[] = {
	{ "READY=1", "r", NULL }, { "READY=1\n", "r", NULL },
	{ "READY=1\nSTATUS=up\n", "r", "up" },
	{ "STATUS=going\nSTOPPING=1", "s", "going" },
	{ "RELOADING=1\nMONOTONIC_USEC=1\n", "l", NULL },
	{ "X_REEVE_RECYCLE=1", "c", NULL }, { "X_REEVE_RECYCLE=0", "", NULL },
	{ "WATCHDOG=1", "w", NULL }, { "WATCHDOG=trigger", "t", NULL },
	{ "WATCHDOG_USEC=5000", "5", NULL }, { "WATCHDOG_USEC=999", "", NULL },
	{ "WATCHDOG_USEC=", "", NULL }, { "WATCHDOG_USEC=-5000", "", NULL },
	{ "WATCHDOG_USEC=99999999999999999999999", "", NULL },
	{ "READY=1\nSTOPPING=1\nRELOADING=1\nWATCHDOG=1\n", "rslw", NULL },
	{ "", "", NULL }, { "\n\n\n", "", NULL },
	{ "MAINPID=1\nFDSTORE=1\nX=READY=1\n", "", NULL },
	{ "READY=0", "", NULL }, { "READY=11", "", NULL },
	{ "READY=", "", NULL }, { "READY", "", NULL }, { " READY=1", "", NULL },
	{ "READY=1\r\n", "", NULL }, { "ready=1", "", NULL },
	{ "READY=1STATUS=x", "", NULL }, { "STATUS=", "", "" },
	{ "STATUS", "", NULL }, { "STATUS=a=b", "", "a=b" },
	{ "STATUS=one\nSTATUS=two", "", "two" },
	/* what would reach a terminal or JSON */
	{ "STATUS=a\tb\033[31mc\177", "", "a?b?[31mc?" },
	{ "STATUS=gr\303\274n \342\202\254 \360\237\230\200", "",
	    "gr\303\274n \342\202\254 \360\237\230\200" },
	{ "STATUS=\302\233x", "", "?x" },     /* C1 control */
	{ "STATUS=\377\376x", "", "??x" },    /* never UTF-8 */
	{ "STATUS=\300\200x", "", "??x" },    /* overlong */
	{ "STATUS=\355\240\200", "", "???" }, /* half a surrogate pair */
	{ "STATUS=\364\220\200\200", "", "????" },
	{ "STATUS=\342\202", "", "??" }, /* cut */
};

START_TEST(ready_parses)
{
	struct ready_news news;
	char flags[8];

	memset(&news, 0xff, sizeof news);
	ready_parse(rows[_i].text, strlen(rows[_i].text), &news);
	snprintf(flags, sizeof flags, "%s%s%s%s%s%s%s", news.ready ? "r" : "",
	    news.stopping ? "s" : "", news.reloading ? "l" : "",
	    news.watchdog ? "w" : "", news.watchdog_trigger ? "t" : "",
	    news.watchdog_usec == 5000 ? "5"
	    : news.watchdog_usec       ? "?"
				       : "",
	    news.recycle ? "c" : "");
	ck_assert_str_eq(flags, rows[_i].flags);
	ck_assert_int_eq(news.has_status, rows[_i].status != NULL);
	if (rows[_i].status != NULL)
		ck_assert_str_eq(news.status, rows[_i].status);
}
END_TEST

START_TEST(ready_cuts_a_long_status)
{
	struct ready_news news;
	char text[600] = "STATUS=";

	/* 126 bytes, then two that do not fit into 127 together */
	memset(text + 7, 'x', 126);
	strcpy(text + 7 + 126, "\303\274\303\274");
	ready_parse(text, strlen(text), &news);
	ck_assert_uint_eq(strlen(news.status), 126);
	memset(text + 7, 'x', 500);
	ready_parse(text, 507, &news);
	ck_assert_uint_eq(strlen(news.status), sizeof news.status - 1);
	/* a NUL inside is just one more control character */
	ready_parse("STATUS=a\0b\nREADY=1", 18, &news);
	ck_assert_str_eq(news.status, "a?b");
	ck_assert(news.ready);
}
END_TEST

/* --- the notify socket --------------------------------------------------- */

START_TEST(ready_notify_is_found_by_its_name)
{
	struct ready_news news;
	char again[64], other[64];
	int second = ready_notify_open(other, NULL);

	ck_assert_int_eq(name[0], '@');
	ck_assert_uint_gt(strlen(name), 1);
	ck_assert_str_ne(name, other);
	ck_assert_int_eq(fcntl(notify, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(ready_notify_name(notify, again), 0);
	ck_assert_str_eq(again, name);
	ck_assert_int_eq(ready_notify_read(notify, geteuid(), &news), 0);
	say("READY=1\nSTATUS=up\n");
	say("STOPPING=1");
	ck_assert_int_eq(ready_notify_read(notify, geteuid(), &news), 1);
	ck_assert(news.ready && !news.stopping);
	ck_assert_str_eq(news.status, "up");
	ck_assert_int_eq(ready_notify_read(notify, geteuid(), &news), 1);
	ck_assert(!news.ready && news.stopping && !news.has_status);
	ck_assert_int_eq(ready_notify_read(notify, geteuid(), &news), 0);
	ck_assert_int_eq(ready_notify_read(second, geteuid(), &news), 0);
	fd_closep(&second);
}
END_TEST

START_TEST(ready_notify_name_of_something_else)
{
	char text[64];
	int fd = open("/dev/null", O_RDONLY);
	int un = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ready_notify_name(fd, text), -1);
	ck_assert_int_eq(ready_notify_name(un, text), -1); /* not bound */
	fd_closep(&fd);
	fd_closep(&un);
}
END_TEST

/* From a process of another user, as far as we may make one. */
START_TEST(ready_notify_ignores_strangers)
{
	struct ready_news news;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		printf("# skipped: needs root to be somebody else\n");
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (setuid(4321) == 0)
			say("READY=1");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(ready_notify_read(notify, 1234, &news), 1);
	ck_assert(!news.ready);
	pid = fork();
	if (pid == 0) {
		if (setuid(4321) == 0)
			say("READY=1");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(ready_notify_read(notify, 4321, &news), 1);
	ck_assert(news.ready);
	say("READY=1"); /* root may always */
	ck_assert_int_eq(ready_notify_read(notify, 4321, &news), 1);
	ck_assert(news.ready);
}
END_TEST

START_TEST(ready_notify_closes_descriptors)
{
	int before = fake_fd_count();
	struct ready_news news;

	send_to(name, "READY=1", 7, STDIN_FILENO, 1);
	send_to(name, "READY=1", 7, STDIN_FILENO, 253);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
		    ready_notify_read(notify, geteuid(), &news), 1);
		ck_assert(news.ready);
		ck_assert_int_eq(fake_fd_count(), before);
	}
}
END_TEST

START_TEST(ready_notify_ignores_what_is_too_long)
{
	static char big[5000];
	struct ready_news news;

	memset(big, 'x', sizeof big);
	memcpy(big, "READY=1\n", 8);
	send_to(name, big, sizeof big, -1, 0);
	ck_assert_int_eq(ready_notify_read(notify, geteuid(), &news), 1);
	ck_assert(!news.ready);
	send_to(name, big, 4096, -1, 0);
	ck_assert_int_eq(ready_notify_read(notify, geteuid(), &news), 1);
	ck_assert(news.ready);
	send_to(name, "", 0, -1, 0);
	ck_assert_int_eq(ready_notify_read(notify, geteuid(), &news), 1);
	ck_assert(!news.ready);
}
END_TEST

START_TEST(ready_notify_fails)
{
	int before = fake_fd_count();
	struct ready_news news;
	char text[64];
	struct err err;

	for (unsigned i = 1;; i++) {
		int fd;

		fake_reset();
		fake_fail_any(i, EMFILE);
		fd = ready_notify_open(text, &err);
		fd_closep(&fd);
		ck_assert_int_eq(fake_fd_count(), before);
		if (!fake_fail_hit())
			break;
		ck_assert_ptr_nonnull(strstr(err.text, "Too many open files"));
		ck_assert_ptr_nonnull(strstr(err.text, "NOTIFY_SOCKET"));
	}
	fake_reset();
	fake_fail(FAKE_RECVMSG, 1, EINTR);
	ck_assert_int_eq(ready_notify_read(notify, 0, &news), 0);
	fake_fail(FAKE_RECVMSG, 1, EIO);
	ck_assert_int_eq(ready_notify_read(notify, 0, &news), -1);
}
END_TEST

/* --- a pipe -------------------------------------------------------------- */

START_TEST(ready_fd_wants_a_newline)
{
	static const char junk[1000] = { 'x' };
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(ready_fd_read(p[0]), 0);
	ck_assert_int_eq(write(p[1], "almost", 6), 6);
	ck_assert_int_eq(ready_fd_read(p[0]), 0);
	ck_assert_int_eq(write(p[1], "there\n", 6), 6);
	ck_assert_int_eq(ready_fd_read(p[0]), 1);
	ck_assert_int_eq(ready_fd_read(p[0]), 0);
	/* without end, but what is read in one go is bounded */
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(write(p[1], junk, sizeof junk), 1000);
	ck_assert_int_eq(ready_fd_read(p[0]), 0);
	while (read(p[0], (char[4096]){ 0 }, 4096) > 0)
		;
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	close(p[1]);
	ck_assert_int_eq(ready_fd_read(p[0]), -1);
	close(p[0]);
	ck_assert_int_eq(ready_fd_read(p[0]), -1);
}
END_TEST

START_TEST(ready_fd_newline_then_closed)
{
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(write(p[1], "\n", 1), 1);
	close(p[1]);
	ck_assert_int_eq(ready_fd_read(p[0]), 1);
	ck_assert_int_eq(ready_fd_read(p[0]), -1);
	close(p[0]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ready");
	TCase *tc = tcase_create("ready");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, ready_parses, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, ready_cuts_a_long_status);
	tcase_add_test(tc, ready_notify_is_found_by_its_name);
	tcase_add_test(tc, ready_notify_name_of_something_else);
	tcase_add_test(tc, ready_notify_ignores_strangers);
	tcase_add_test(tc, ready_notify_closes_descriptors);
	tcase_add_test(tc, ready_notify_ignores_what_is_too_long);
	tcase_add_test(tc, ready_notify_fails);
	tcase_add_test(tc, ready_fd_wants_a_newline);
	tcase_add_test(tc, ready_fd_newline_then_closed);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
