/*
 * ipc_test - lines on a child's message channel: whole, in parts, too long.
 */
#include "cluster/ipc.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static int fds[2];
static struct ipc ipc;

static void
set_up(void)
{
	struct err err;

	ck_assert_int_eq(ipc_open(fds, &err), 0);
}

static void
tear_down(void)
{
	ipc_fini(&ipc);
	fd_closep(&fds[0]);
	fd_closep(&fds[1]);
}

static void
say(const char *text)
{
	ck_assert_int_eq(fd_write_all(fds[1], text, strlen(text)), 0);
}

/* Until there is nothing more; true: it said that it is ready. */
static bool
hear(void)
{
	enum ipc_result rc;
	bool ready = false;

	while ((rc = ipc_look(&ipc, fds[0])) == IPC_MORE || rc == IPC_READY) {
		ready = ready || rc == IPC_READY;
		ipc_take(&ipc, fds[0]);
	}
	ck_assert_int_eq(rc, IPC_NOTHING);
	return ready;
}

static const struct {
	const char *text;
	bool ready;
} rows[] = {
	{ "\"ready\"", true },
	{ " \"ready\" ", true },
	{ "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"listening\",\"addressType\":4}",
	    true },
	{ "{\"act\":\"listening\",\"cmd\":\"NODE_x\"}", true },
	{ "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"}", false },
	{ "{\"cmd\":\"other\",\"act\":\"listening\"}", false },
	{ "{\"act\":\"listening\"}", false },
	{ "{\"cmd\":1,\"act\":\"listening\"}", false },
	{ "[\"ready\"]", false },
	{ "{\"ready\":true}", false },
	{ "\"Ready\"", false },
	{ "ready", false },
	{ "\"ready", false },
	{ "null", false },
	{ "", false },
	{ "\xff\xfe", false },
};

START_TEST(ipc_knows_ready)
{
	ck_assert_int_eq(
	    ipc_is_ready(rows[_i].text, strlen(rows[_i].text)), rows[_i].ready);
}
END_TEST

START_TEST(ipc_reads_lines)
{
	ck_assert(!hear());
	say("\"hello\"\n{\"a\":1}\n\"rea");
	ck_assert(!hear());
	say("dy\"");
	ck_assert(!hear());
	say("\n\"x");
	ck_assert(hear());
	say("\"\n\"ready\"\n\"y\"\n");
	ck_assert(hear());
	ck_assert(!hear());
	ck_assert_uint_eq(ipc.len, 0);
}
END_TEST

/* An engine that dies before it took it leaves it to the next one. */
START_TEST(ipc_leaves_what_was_not_taken)
{
	struct ipc other = { NULL, 0, 0 };

	say("\"a\"\n");
	ck_assert_int_eq(ipc_look(&ipc, fds[0]), IPC_MORE);
	say("\"ready\"\n");
	ipc_take(&ipc, fds[0]);
	ck_assert_int_eq(ipc_look(&ipc, fds[0]), IPC_READY);
	ck_assert_int_eq(ipc_look(&other, fds[0]), IPC_READY);
	ipc_take(&other, fds[0]);
	ck_assert_int_eq(ipc_look(&ipc, fds[0]), IPC_NOTHING);
}
END_TEST

START_TEST(ipc_bounds_a_line)
{
	enum ipc_result rc = IPC_NOTHING;
	char part[8193];
	size_t sent = 0;

	memset(part, 'x', 8192);
	part[8192] = '\0';
	while (rc != IPC_TOO_LONG && sent < 2 * IPC_LINE_MAX) {
		say(part);
		sent += 8192;
		while ((rc = ipc_look(&ipc, fds[0])) == IPC_MORE)
			ipc_take(&ipc, fds[0]);
		ck_assert_uint_le(ipc.len, IPC_LINE_MAX);
	}
	ck_assert_int_eq(rc, IPC_TOO_LONG);
	ck_assert_uint_gt(sent, IPC_LINE_MAX);
}
END_TEST

START_TEST(ipc_tells_the_end)
{
	say("\"ready\"\n");
	fd_closep(&fds[1]);
	ck_assert_int_eq(ipc_look(&ipc, fds[0]), IPC_READY);
	ipc_take(&ipc, fds[0]);
	ck_assert_int_eq(ipc_look(&ipc, fds[0]), IPC_CLOSED);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ipc");
	TCase *tc = tcase_create("ipc");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(
	    tc, ipc_knows_ready, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, ipc_reads_lines);
	tcase_add_test(tc, ipc_leaves_what_was_not_taken);
	tcase_add_test(tc, ipc_bounds_a_line);
	tcase_add_test(tc, ipc_tells_the_end);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
