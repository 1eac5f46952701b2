/*
 * ctl_test - the control server: questions, and what a request may be.
 */
#include "ctl_try.h"
#include "try_main.h"

/* --- questions --------------------------------------------------------------
 */

START_TEST(status_has_every_member)
{
	static const char *const members[] = { "name", "program", "group",
		"slot", "state", "ready", "pid", "generation", "uptime_ms",
		"restarts", "exit_code", "exit_signal", "next_retry_ms",
		"description" };
	json_t *v;

	put(REQ(1, "status", "{}"));
	v = next();
	expect_int(v, "id", 1);
	ck_assert_uint_eq(json_array_size(at(v, "result")), 2);
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		ck_assert_ptr_nonnull(
		    json_object_get(at(v, "result.1"), members[i]));
	expect_int(v, "result.0.pid", 100);
	ck_assert(json_is_null(at(v, "result.0.exit_code")));
	ck_assert(json_is_null(at(v, "result.1.pid")));
	ck_assert(json_is_null(at(v, "result.1.uptime_ms")));
	expect_int(v, "result.1.next_retry_ms", 2000);
	expect_str(v, "result.1.state", "BACKOFF");
	expect_str(v, "result.1.note", "rolling 1/2");
	json_decref(v);
}
END_TEST

START_TEST(fields_make_rows)
{
	json_t *v;

	put(REQ(1, "status", "{\"fields\":[\"pid\",\"name\",\"note\"]}"));
	v = next();
	ck_assert_str_eq(json_string_value(at(v, "result")),
	    "100\tweb.0\t\n\tweb.1\trolling 1/2\n");
	json_decref(v);
	put(REQ(2, "status", "{\"fields\":[\"pdi\"]}"));
	expect_error(-32602, 2);
	put(REQ(3, "status", "{\"fields\":[\"depends_on\"]}"));
	expect_error(-32602, 2);
}
END_TEST

START_TEST(names_select_and_miss)
{
	json_t *v;

	put(REQ(1, "status", "{\"names\":[\"web.1\"]}"));
	v = next();
	ck_assert_uint_eq(json_array_size(at(v, "result")), 1);
	json_decref(v);
	put(REQ(2, "status", "{\"names\":[\"nope\"]}"));
	v = next();
	expect_int(v, "id", 2);
	expect_int(v, "error.data.exit", 3);
	ck_assert_ptr_null(json_object_get(v, "result"));
	json_decref(v);
	put(REQ(3, "pid", "{\"names\":\"web\"}") REQ(4, "pid", "{}"));
	v = next();
	expect_int(v, "result.0.pid", 100);
	ck_assert(json_is_null(at(v, "result.1.pid")));
	json_decref(v);
	v = next();
	expect_int(v, "result", 77);
	json_decref(v);
}
END_TEST

START_TEST(why_tells_deaths)
{
	json_t *v;

	put(REQ(1, "why", "{\"names\":[\"web\"]}"));
	v = next();
	ck_assert_uint_eq(json_array_size(at(v, "result")), 2);
	expect_str(v, "result.1.slot.name", "web.1");
	expect_str(v, "result.0.deaths.0.cause", "exit");
	expect_str(
	    v, "result.0.deaths.0.tail", "first\nlast words \xef\xbf\xbd\n");
	expect_str(v, "result.0.deaths.1.cause", "roll");
	expect_int(v, "result.0.deaths.1.exit_signal", 15);
	expect_int(v, "result.0.deaths.1.by_uid", 0);
	ck_assert(json_is_null(at(v, "result.0.deaths.0.by_uid")));
	json_decref(v);
}
END_TEST

START_TEST(hello_tells_who)
{
	json_t *v;

	fake_event(&en, "", "order", "x");
	put(REQ("a", "hello", "{}"));
	v = next();
	expect_str(v, "id", "a");
	expect_int(v, "result.protocol", CTL_PROTOCOL);
	expect_int(v, "result.reeved_pid", 77);
	expect_int(v, "result.last_event", 1);
	json_decref(v);
}
END_TEST

START_TEST(config_tells_values_and_origins)
{
	json_t *v, *value, *values;
	bool found = false;

	put(REQ(1, "config", "{\"program\":\"web\"}"));
	v = next();
	expect_str(v, "result.sections.0.section", "program:web");
	values = json_object_get(at(v, "result.sections.0"), "values");
	for (size_t i = 0; i < json_array_size(values); i++) {
		value = json_array_get(values, i);
		if (strcmp(json_string_value(json_object_get(value, "key")),
			"workers") != 0)
			continue;
		found = true;
		expect_str(value, "value", "2");
		expect_str(value, "origin", "/etc/reeve.conf:5");
	}
	ck_assert(found);
	json_decref(v);
	put(REQ(2, "config", "{}"));
	v = next();
	ck_assert_uint_eq(json_array_size(at(v, "result.sections")), 2);
	json_decref(v);
	put(REQ(3, "config", "{\"program\":\"wbe\"}"));
	v = next();
	expect_int(v, "error.data.exit", 3);
	expect_str(
	    v, "error.message", "no program \"wbe\", did you mean \"web\"?");
	json_decref(v);
}
END_TEST

START_TEST(analyze_tells_the_chain_and_all_slots)
{
	json_t *v;

	put(REQ(1, "analyze", "{\"program\":\"web\"}"));
	v = next();
	expect_int(v, "result.total_ms", 1200);
	expect_int(v, "result.up", 2);
	expect_str(v, "result.chain.0.name", "web.0");
	expect_str(v, "result.chain.0.waited_for", "db.0:ready");
	expect_int(v, "result.chain.0.took_ms", 1000);
	expect_str(v, "result.slots.0.name", "db.0");
	ck_assert(json_is_null(at(v, "result.slots.0.took_ms")));
	json_decref(v);
	put(REQ(2, "analyze", "{\"program\":\"wbe\"}"));
	v = next();
	expect_int(v, "error.data.exit", 3);
	json_decref(v);
}
END_TEST

/* --- what a request may be ---------------------------------------------------
 */

START_TEST(bad_requests_are_told)
{
	json_t *v;

	put(REQ(1, "statsu", "{}"));
	v = next();
	expect_int(v, "error.code", -32601);
	expect_str(v, "error.message",
	    "no method \"statsu\", did you mean \"status\"?");
	json_decref(v);
	put(REQ(2, "stop", "{}"));
	expect_error(-32602, 2);
	put(REQ(2, "stop", "{\"names\":[]}"));
	expect_error(-32602, 2);
	put(REQ(2, "stop", "{\"names\":[1]}"));
	expect_error(-32602, 2);
	put(REQ(2, "stop", "{\"names\":[\"web\"],\"nmae\":1}"));
	expect_error(-32602, 2);
	put(REQ(2, "scale", "{\"name\":\"web\",\"number\":-1}"));
	expect_error(-32602, 2);
	put(REQ(2, "scale", "{\"name\":\"web\",\"number\":1.5}"));
	expect_error(-32602, 2);
	put(REQ(2, "signal", "{\"names\":[\"web\"],\"signal\":\"NOPE\"}"));
	expect_error(-32602, 2);
	put(REQ(2, "status", "[]"));
	expect_error(-32600, 2);
	put("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"status\"}\n");
	expect_error(-32600, 2);
	put("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"status\"}\n");
	expect_error(-32600, 2);
	put("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}\n");
	expect_error(-32600, 2);
	put("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}]\n");
	expect_error(-32600, 2);
	ck_assert_uint_eq(en.started, 0);
	/* The connection has survived all of it. */
	put(" \r\n" REQ(9, "pid", "{}"));
	v = next();
	expect_int(v, "id", 9);
	json_decref(v);
}
END_TEST

START_TEST(dots_are_underscores)
{
	static const char *const none[] = { "job", "job.", "job.wait.",
		".job.wait", "job..wait", "sta.tus", "jobwait" };
	char text[128];

	/* Found, and then its parameters are wrong. */
	put(REQ(1, "job.wait", "{\"ids\":[]}"));
	expect_error(-32602, 2);
	put(REQ(1, "job_wait", "{\"ids\":[]}"));
	expect_error(-32602, 2);
	put(REQ(1, "job.submit", "{}"));
	expect_error(-32602, 2);
	put(REQ(1, "task.cancel", "{\"ids\":[]}"));
	expect_error(-32602, 2);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		snprintf(text, sizeof text,
		    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\n",
		    none[i]);
		put(text);
		expect_error(-32601, 2);
	}
}
END_TEST

START_TEST(notification_gets_no_answer)
{
	json_t *v;

	put("{\"jsonrpc\":\"2.0\",\"method\":\"status\"}\n"
	    "{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}\n" REQ(
		3, "pid", "{}"));
	v = next();
	expect_int(v, "id", 3);
	json_decref(v);
	ck_assert_ptr_null(next());
}
END_TEST

static const struct {
	const char *bytes;
	size_t len; /* 0: a string */
} garbage[] = {
	{ "GET / HTTP/1.1\r\n\r\n", 0 },
	{ "x", 0 },
	{ "{\"jsonrpc\":\"2.0\",\n", 0 },
	{ "{}}\n", 0 },
	{ "{\"a\":\0}\n", 9 },
	{ "\0\0\0\0\0\0\0\n", 8 },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}\n", 0 },
	{ "{\"id\":99999999999999999999999999,\"jsonrpc\":\"2.0\"}\n", 0 },
	{ "{\"id\":1e999,\"jsonrpc\":\"2.0\"}\n", 0 },
	{ "{\"id\":1,\"id\":2,\"jsonrpc\":\"2.0\",\"method\":\"pid\"}\n", 0 },
	{ "[[[[\n", 0 },
	{ "\"status\"\n", 0 },
};

START_TEST(garbage_closes)
{
	size_t len = garbage[_i].len;
	json_t *v;

	put_bytes(garbage[_i].bytes, len > 0 ? len : strlen(garbage[_i].bytes));
	v = next();
	ck_assert_ptr_nonnull(v);
	expect_int(v, "error.code", -32700);
	ck_assert(json_is_null(at(v, "id")));
	json_decref(v);
	ck_assert(take());
}
END_TEST

START_TEST(junk_and_depth_close)
{
	char *junk = xmalloc(200000);
	json_t *v;

	memset(junk, '[', 200000);
	put_bytes(junk, 200000);
	put("\n");
	v = next();
	expect_int(v, "error.code", -32700);
	json_decref(v);
	ck_assert(take());
	fd_closep(&fd);

	for (int i = 0; i < 10000; i++)
		junk[i] = (char)(i * 7919 >> 3);
	fd = connect_client();
	put_bytes(junk, 10000);
	v = next();
	expect_int(v, "error.code", -32700);
	json_decref(v);
	ck_assert(take());
	free(junk);
}
END_TEST

START_TEST(endless_line_closes)
{
	char *spaces = xmalloc(65536);
	json_t *v;

	memset(spaces, ' ', 65536);
	put("{");
	for (int i = 0; i < 17; i++)
		put_bytes(spaces, 65536);
	v = next();
	expect_int(v, "error.code", -32700);
	json_decref(v);
	ck_assert(take());
	free(spaces);
}
END_TEST

START_TEST(longest_line_is_served)
{
	struct buf b;
	json_t *v;

	buf_init(&b);
	buf_adds(&b, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"pid\"");
	while (b.len < CTL_LINE_MAX - 1)
		buf_addc(&b, ' ');
	buf_adds(&b, "}\n");
	put_bytes(b.data, b.len);
	buf_fini(&b);
	v = next();
	expect_int(v, "id", 5);
	json_decref(v);
}
END_TEST

START_TEST(half_a_message_and_the_end)
{
	json_t *v;

	put("{\"jsonrpc\":\"2.0\",\"id\":1");
	ck_assert_ptr_null(next());
	shutdown(fd, SHUT_WR);
	turns();
	v = next();
	expect_int(v, "error.code", -32700);
	json_decref(v);
	ck_assert(take());
}
END_TEST

START_TEST(half_a_message_and_nothing)
{
	json_t *v;

	put(REQ(1, "pid", "{}") "{\"jsonrpc\"");
	v = next();
	expect_int(v, "id", 1);
	json_decref(v);
	fake_loop_advance(lp, 9000);
	put(":\"2.0\",\"id\":2,");
	ck_assert_ptr_null(next());
	/* A byte now and then does not make it last longer. */
	fake_loop_advance(lp, 1500);
	v = next();
	expect_int(v, "error.code", -32700);
	json_decref(v);
	ck_assert(take());
}
END_TEST

START_TEST(a_client_that_only_waits)
{
	json_t *v;

	put(REQ(1, "pid", "{}"));
	json_decref(next());
	fake_loop_advance(lp, 3600000);
	put(REQ(2, "pid", "{}"));
	v = next();
	expect_int(v, "id", 2);
	json_decref(v);
}
END_TEST

START_TEST(one_byte_at_a_time)
{
	const char *s = REQ(1, "pid", "{}") REQ(2, "hello", "{}");
	json_t *v;

	for (; *s != '\0'; s++)
		put_bytes(s, 1);
	v = next();
	expect_int(v, "id", 1);
	json_decref(v);
	v = next();
	expect_int(v, "id", 2);
	json_decref(v);
}
END_TEST

/* Like printf ... | nc -N. */
START_TEST(half_closed_still_answered)
{
	json_t *v;

	put(REQ(1, "stop", "{\"names\":[\"web\"]}"));
	shutdown(fd, SHUT_WR);
	turns();
	ck_assert(!take());
	fake_op_done(&en, 0);
	turns();
	v = next();
	expect_int(v, "result.code", 0);
	json_decref(v);
	ck_assert(take());
	ck_assert_uint_eq(en.detached, 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, status_has_every_member);
	tcase_add_test(tc, fields_make_rows);
	tcase_add_test(tc, names_select_and_miss);
	tcase_add_test(tc, why_tells_deaths);
	tcase_add_test(tc, hello_tells_who);
	tcase_add_test(tc, config_tells_values_and_origins);
	tcase_add_test(tc, analyze_tells_the_chain_and_all_slots);
	tcase_add_test(tc, bad_requests_are_told);
	tcase_add_test(tc, dots_are_underscores);
	tcase_add_test(tc, notification_gets_no_answer);
	tcase_add_loop_test(
	    tc, garbage_closes, 0, (int)(sizeof garbage / sizeof garbage[0]));
	tcase_add_test(tc, junk_and_depth_close);
	tcase_add_test(tc, endless_line_closes);
	tcase_add_test(tc, longest_line_is_served);
	tcase_add_test(tc, half_a_message_and_the_end);
	tcase_add_test(tc, half_a_message_and_nothing);
	tcase_add_test(tc, a_client_that_only_waits);
	tcase_add_test(tc, one_byte_at_a_time);
	tcase_add_test(tc, half_closed_still_answered);
}

int
main(void)
{
	return try_main("ctl", add_tests, setup, teardown);
}
