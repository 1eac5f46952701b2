/*
 * ipc_test - what a line of a message channel says, and what Node is told.
 */
#include "cluster/ipc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define C(cmd, more) "{\"cmd\":\"" cmd "\"" more "}"

static const struct {
	const char *line;
	const char *text; /* the message; NULL: none */
	const char *answer;
	bool ready;
} rows[] = {
	{ "\"ready\"", "\"ready\"", "", true },
	{ " \"ready\" \r", "\"ready\"", "", true },
	{ "\"Ready\"", "\"Ready\"", "", false },
	{ "[\"ready\"]", "[\"ready\"]", "", false },
	{ "{\"ready\":true}", "{\"ready\":true}", "", false },
	{ "", NULL, "", false },
	{ " \t\r", NULL, "", false },
	{ "1e400", "1e400", "", false },
	{ "{\"a\" : 1}", "{\"a\" : 1}", "", false },
	/* what is Node's own, and what only looks so */
	{ C("NODE_CLUSTER", ",\"act\":\"listening\""), NULL, "", true },
	{ "{\"act\":\"listening\",\"cmd\":\"NODE_x\"}", NULL, "", true },
	{ C("NODE_CLUSTER", ",\"act\":\"online\""), NULL, "", false },
	{ C("NODE_", ""), C("NODE_", ""), "", false },
	{ "{\"cmd\":\"NODE_\" ,\"a\":1}", "{\"cmd\":\"NODE_\" ,\"a\":1}", "",
	    false },
	{ C("node_x", ""), C("node_x", ""), "", false },
	{ C("other", ",\"act\":\"listening\""),
	    C("other", ",\"act\":\"listening\""), "", false },
	{ "{\"cmd\":1}", "{\"cmd\":1}", "", false },
	/* descriptors: the message stays, Node is told that it arrived */
	{ C("NODE_HANDLE", ",\"type\":\"net.Socket\",\"msg\":{\"x\":[1]}"),
	    "{\"x\":[1]}", C("NODE_HANDLE_ACK", ""), false },
	{ C("NODE_HANDLE", ",\"msg\":" C("NODE_x", "")), NULL,
	    C("NODE_HANDLE_ACK", ""), false },
	{ C("NODE_HANDLE", ""), NULL, C("NODE_HANDLE_ACK", ""), false },
	{ C("NODE_HANDLE_ACK", ""), NULL, "", false },
	{ C("NODE_SOCKET_NOTIFY_CLOSE", ",\"key\":\"4:null:8\""), NULL,
	    C("NODE_SOCKET_ALL_CLOSED", ",\"key\":\"4:null:8\""), false },
	{ C("NODE_SOCKET_GET_COUNT", ",\"key\":\"k\""), NULL,
	    C("NODE_SOCKET_COUNT", ",\"key\":\"k\",\"count\":0"), false },
	{ C("NODE_SOCKET_GET_COUNT", ""), NULL, "", false },
};

START_TEST(lines_are_understood)
{
	const char *line = rows[_i].line, *text = rows[_i].text;
	struct ipc_news news;
	struct buf b;

	ck_assert(ipc_understand(&news, line, strlen(line)));
	ck_assert_int_eq(news.ready, rows[_i].ready);
	ck_assert_int_eq(news.text != NULL, text != NULL);
	if (text != NULL) {
		ck_assert_uint_eq(news.len, strlen(text));
		ck_assert(memcmp(news.text, text, news.len) == 0);
	}
	buf_init(&b);
	ipc_answer(&b, &news);
	ck_assert_str_eq(buf_str(&b), rows[_i].answer);
	buf_fini(&b);
}
END_TEST

static const char *const bad[] = { "ready", "\"ready", "{\"a\":1", "\xff\xfe",
	"{} {}", "x{}" };

START_TEST(others_are_refused)
{
	struct ipc_news news;

	ck_assert(!ipc_understand(&news, bad[_i], strlen(bad[_i])));
	ck_assert_uint_le(news.wrong_at, strlen(bad[_i]));
}
END_TEST

START_TEST(a_long_key_is_no_key)
{
	struct ipc_news news;
	char line[2000];
	struct buf b;

	snprintf(line, sizeof line,
	    C("NODE_SOCKET_GET_COUNT", ",\"key\":\"%01200d\""), 0);
	buf_init(&b);
	ck_assert(ipc_understand(&news, line, strlen(line)));
	ipc_answer(&b, &news);
	ck_assert_uint_eq(b.len, 0);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ipc");
	TCase *tc = tcase_create("ipc");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, lines_are_understood, 0, sizeof rows / sizeof *rows);
	tcase_add_loop_test(
	    tc, others_are_refused, 0, sizeof bad / sizeof *bad);
	tcase_add_test(tc, a_long_key_is_no_key);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
