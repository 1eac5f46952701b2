/*
 * ctl_order_test - orders, and the events that are followed.
 */
#include "ctl_try.h"
#include "try_main.h"

/* --- orders ------------------------------------------------------------------
 */

START_TEST(order_notes_then_result)
{
	struct op_note step = {
		.name = "web.0", .text = "starting", .tail = ""
	};
	struct op_note bad = { .name = "web.1",
		.final = true,
		.text = "exited with 1",
		.tail = "boom\n" };
	json_t *v;

	put(REQ(1, "roll", "{\"names\":[\"web\"]}"));
	ck_assert_uint_eq(en.started, 1);
	ck_assert_int_eq(en.kind, OP_ROLL);
	ck_assert_str_eq(en.names, "web");
	ck_assert_uint_eq(en.who.uid, getuid());
	ck_assert_int_eq(en.who.pid, getpid());
	ck_assert_ptr_null(next());
	fake_op_note(&en, &step);
	fake_op_note(&en, &bad);
	turns();
	v = next();
	expect_str(v, "method", "note");
	expect_int(v, "params.id", 1);
	expect_str(v, "params.name", "web.0");
	ck_assert_ptr_null(at(v, "params.ok"));
	json_decref(v);
	v = next();
	ck_assert(json_is_false(at(v, "params.ok")));
	expect_str(v, "params.tail", "boom\n");
	json_decref(v);
	fake_op_done(&en, 1);
	turns();
	v = next();
	expect_int(v, "id", 1);
	expect_int(v, "result.code", 1);
	ck_assert_uint_eq(json_array_size(at(v, "result.names")), 1);
	expect_str(v, "result.names.0.name", "web.1");
	json_decref(v);
}
END_TEST

START_TEST(pipelined_requests_keep_their_ids)
{
	json_t *v;

	put(REQ(1, "stop", "{\"names\":[\"web\"]}") REQ(2, "pid", "{}")
		REQ(3, "start", "{\"names\":[\"web.0\"]}"));
	v = next();
	expect_int(v, "id", 2);
	json_decref(v);
	fake_op_done(&en, 0); /* the newest first */
	fake_op_done(&en, 1);
	turns();
	v = next();
	expect_int(v, "id", 3);
	expect_int(v, "result.code", 0);
	json_decref(v);
	v = next();
	expect_int(v, "id", 1);
	expect_int(v, "result.code", 1);
	json_decref(v);
}
END_TEST

START_TEST(order_that_cannot_begin)
{
	json_t *v;

	en.op_error = "no program \"wbe\", did you mean \"web\"?";
	en.op_code = 3;
	put(REQ(1, "stop", "{\"names\":[\"wbe\"]}"));
	expect_error(-32003, 3);
	put(REQ(2, "reload", "{}"));
	v = next();
	expect_int(v, "error.data.exit", 1);
	expect_str(v, "error.data.errors.1", "reeve.conf:2: two");
	json_decref(v);
}
END_TEST

START_TEST(vanished_client_is_detached)
{
	struct op_note n = { .name = "web.0", .text = "x", .tail = "" };

	put(REQ(1, "stop", "{\"names\":[\"web\"]}"));
	fd_closep(&fd);
	turns();
	ck_assert_uint_eq(en.detached, 1);
	fake_op_note(&en, &n);
	fake_op_done(&en, 0);
	turns();
}
END_TEST

START_TEST(no_wait_answers_at_once)
{
	json_t *v;

	put(REQ(1, "stop", "{\"names\":[\"web\"],\"wait\":false}"));
	v = next();
	expect_int(v, "result.code", 0);
	json_decref(v);
	ck_assert_uint_eq(en.detached, 1);
}
END_TEST

START_TEST(orders_read_their_parameters)
{
	put(REQ(1, "signal", "{\"names\":[\"web\"],\"signal\":\"sighup\"}"));
	ck_assert_int_eq(en.number, 1);
	put(REQ(2, "signal", "{\"names\":[\"web\"],\"signal\":\"12\"}"));
	ck_assert_int_eq(en.number, 12);
	put(REQ(3, "scale", "{\"name\":\"web\",\"number\":4}"));
	ck_assert_int_eq(en.number, 4);
	ck_assert_int_eq(en.kind, OP_SCALE);
	put(REQ(4, "restart", "{\"names\":[\"web\"],\"hard\":true}"));
	ck_assert_int_eq(en.kind, OP_RESTART_HARD);
	put(REQ(5, "restart", "{\"names\":[\"web\"]}"));
	ck_assert_int_eq(en.kind, OP_RESTART);
	put(REQ(6, "shutdown", "{}"));
	ck_assert_int_eq(en.kind, OP_SHUTDOWN);
}
END_TEST

START_TEST(upgrade_is_answered_when_it_is_over)
{
	json_t *v;

	put(REQ(1, "upgrade", "{}"));
	ck_assert_ptr_nonnull(fake_upgrade_cb);
	ck_assert_ptr_null(next());
	fake_upgrade_cb(fake_upgrade_arg, true, "a new one");
	turns();
	v = next();
	expect_str(v, "result.text", "a new one");
	json_decref(v);
	put(REQ(2, "upgrade", "{}"));
	fake_upgrade_cb(fake_upgrade_arg, false, "no such file");
	turns();
	v = next();
	expect_str(v, "error.message", "no such file");
	expect_int(v, "error.data.exit", 1);
	json_decref(v);
	en.op_error = "an upgrade is under way";
	put(REQ(3, "upgrade", "{}"));
	v = next();
	expect_str(v, "error.message", "an upgrade is under way");
	json_decref(v);
}
END_TEST

/* The engine died; the client gives its order again, with "since". */
START_TEST(roll_not_begun_is_begun)
{
	fake_event(&en, "web", "roll", "done: an older one");
	put(REQ(1, "roll", "{\"names\":[\"web\"],\"since\":1}"));
	ck_assert_uint_eq(en.started, 1);
	ck_assert_int_eq(en.kind, OP_ROLL);
}
END_TEST

START_TEST(roll_under_way_is_waited_for)
{
	json_t *v;

	fake_event(&en, "web", "roll", "begins, ordered by uid 0");
	put(REQ(1, "roll", "{\"names\":[\"web.1\"],\"since\":0}"));
	ck_assert_uint_eq(en.started, 0);
	ck_assert_ptr_null(next());
	/* A step, and not yet the end. */
	fake_event(&en, "web.1", "state", "STARTING --UP-> RUNNING");
	fake_event(&en, "web.1", "roll", "ready");
	turns();
	v = next();
	expect_str(v, "params.name", "web.1");
	expect_str(v, "params.text", "ready");
	json_decref(v);
	ck_assert_ptr_null(next());
	slots[1].program_note = "";
	fake_event(&en, "web", "roll", _i == 0 ? "done" : "aborted: it died");
	fake_event(&en, "web", "roll", "rolled back: 1 replaced");
	turns();
	slots[1].program_note = "rolling 1/2";
	v = next();
	expect_str(v, "params.name", "web");
	ck_assert_int_eq(json_is_true(at(v, "params.ok")), _i == 0);
	json_decref(v);
	v = next();
	expect_int(v, "result.code", _i);
	expect_str(
	    v, "result.names.0.text", _i == 0 ? "done" : "aborted: it died");
	json_decref(v);
	/* The server's own is left. */
	ck_assert_ptr_nonnull(en.events.watchers);
	ck_assert_ptr_null(en.events.watchers->next);
}
END_TEST

START_TEST(hard_restart_begun_becomes_a_start)
{
	fake_event(&en, "web.0", "order", "stop by uid 0");
	put(REQ(
	    1, "restart", "{\"names\":[\"web\"],\"hard\":true,\"since\":0}"));
	ck_assert_int_eq(en.kind, OP_START);
	fake_op_done(&en, 0);
	put(REQ(
	    2, "restart", "{\"names\":[\"web\"],\"hard\":true,\"since\":1}"));
	ck_assert_int_eq(en.kind, OP_RESTART_HARD);
}
END_TEST

START_TEST(too_many_requests)
{
	json_t *v;

	for (int i = 0; i < CTL_REQUESTS_MAX; i++)
		put(REQ(1, "stop", "{\"names\":[\"web\"]}"));
	ck_assert_ptr_null(next());
	put(REQ(2, "stop", "{\"names\":[\"web\"]}"));
	v = next();
	expect_int(v, "id", 2);
	expect_int(v, "error.code", -32006);
	json_decref(v);
	ck_assert_uint_eq(en.started, CTL_REQUESTS_MAX);
}
END_TEST

/* --- events ------------------------------------------------------------------
 */

static void
expect_event(json_int_t seq)
{
	json_t *v = next();

	ck_assert_ptr_nonnull(v);
	expect_int(v, "params.event.seq", seq);
	json_decref(v);
}

START_TEST(events_resume)
{
	json_t *v;

	for (int i = 0; i < 5; i++)
		fake_event(&en, "web.0", "state", "x");
	put(REQ(1, "events", "{\"since\":3}"));
	expect_event(4);
	expect_event(5);
	v = next();
	expect_int(v, "result.last", 5);
	json_decref(v);
	put(REQ(2, "events", "{\"since\":4,\"follow\":true}"));
	expect_event(5);
	ck_assert_ptr_null(next());
	fake_event(&en, "web.0", "state", "y");
	turns();
	expect_event(6);
}
END_TEST

static void
child_says(const char *name, const char *text)
{
	struct msglog_head h = { .len = (uint32_t)strlen(text), .pid = 5 };
	struct err err;

	h.at = msglog_last(engine_messages(&en, &err)) + 1;
	snprintf(h.name, sizeof h.name, "%s", name);
	msglog_add(en.messages, &h, text, 0);
}

static void
expect_message(int seq, const char *text)
{
	json_t *v = next();

	expect_int(v, "params.message.seq", seq);
	expect_str(v, "params.message.text", text);
	json_decref(v);
}

START_TEST(messages_of_names)
{
	json_t *v;

	child_says("web.0", "1e400");
	child_says("webs.0", "2");
	child_says("web.1", "\"\\u00e9\"");
	put(REQ(1, "messages", "{\"names\":[\"web\"]}"));
	expect_message(1, "1e400");
	expect_message(3, "\"\\u00e9\"");
	v = next();
	expect_int(v, "result.last", 3);
	json_decref(v);
	put(REQ(2, "messages", "{\"since\":2,\"follow\":true}"));
	expect_message(3, "\"\\u00e9\"");
	child_says("x.0", "4");
	turns();
	expect_message(4, "4");
	ck_assert_uint_gt(en.moved, 0);
}
END_TEST

START_TEST(messages_are_sent)
{
	json_t *v;

	put(REQ(1, "send",
	    "{\"names\":[\"web.0\"],\"text\":\" [1.50] \",\"key\":\"k\"}"));
	v = next();
	expect_str(v, "result.sent.0", "web.0");
	json_decref(v);
	ck_assert_str_eq(en.sent, "[1.50]");
	ck_assert_uint_eq(en.sent_key, str_hash("k"));
	put(REQ(2, "send", "{\"names\":[\"web.0\",\"web.1\"],\"text\":\"1\"}"));
	v = next();
	expect_int(v, "error.code", -32001);
	expect_str(v, "error.data.refused.0.name", "web.1");
	expect_str(v, "error.data.sent.0", "web.0");
	json_decref(v);
	put(REQ(3, "send", "{\"names\":[\"nobody\"],\"text\":\"1\"}"));
	v = next();
	expect_int(v, "error.code", -32003);
	json_decref(v);
	put(REQ(4, "send", "{\"names\":[\"web.0\"],\"disconnect\":true}"));
	v = next();
	expect_str(v, "result.sent.0", "web.0");
	json_decref(v);
	ck_assert_ptr_null(en.sent);
}
END_TEST

START_TEST(no_messages)
{
	static const char *const texts[] = { "", " ", "{", "1 2",
		"{\\\"cmd\\\":\\\"NODE_x\\\"}",
		"{\\\"cmd\\\":\\\"NODE_HANDLE\\\",\\\"msg\\\":1}" };
	char line[256];
	json_t *v;

	snprintf(line, sizeof line,
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"send\",\"params\":"
	    "{\"names\":[\"web.0\"],\"text\":\"%s\"}}\n",
	    texts[_i]);
	put(line);
	v = next();
	expect_int(v, "error.code", -32602);
	json_decref(v);
	put(REQ(2, "send", "{\"names\":[\"web.0\"]}"));
	v = next();
	expect_int(v, "error.code", -32602);
	json_decref(v);
}
END_TEST

START_TEST(events_of_names)
{
	fake_event(&en, "web.0", "state", "x");
	fake_event(&en, "webs.0", "state", "x");
	fake_event(&en, "web", "roll", "x");
	put(REQ(1, "events", "{\"names\":[\"web\"],\"since\":0}"));
	expect_event(1);
	expect_event(3);
}
END_TEST

START_TEST(events_tell_a_gap)
{
	json_t *v;

	for (int i = 0; i < FAKE_RING + 10; i++)
		fake_event(&en, "web.0", "state", "x");
	put(REQ(1, "events", "{\"since\":4}"));
	v = next();
	expect_int(v, "params.gap.after", 4);
	expect_int(v, "params.gap.next", 11);
	json_decref(v);
	expect_event(11);
	buf_clear(&got);
	/* Numbers of another daemon. */
	put(REQ(2, "events", "{\"since\":1000}"));
	v = next();
	expect_int(v, "params.gap.after", 1000);
	expect_int(v, "params.gap.next", 11);
	json_decref(v);
	expect_event(11);
}
END_TEST

/* It costs nothing but a number, and hears how much it missed. */
START_TEST(slow_follower_gets_a_gap)
{
	json_int_t next_seq = 1, gaps = 0, last = 0;
	json_t *v;

	put(REQ(1, "events", "{\"follow\":true}"));
	for (int i = 0; i < 20000; i++) {
		fake_event(&en, "web.0", "state",
		    "a text that is as long as such texts are at most, so "
		    "that the buffers of the socket are full before long");
		if (i % 16 == 0)
			fake_loop_poll(lp, 0);
	}
	while ((v = next()) != NULL) {
		if (at(v, "params.gap") != NULL) {
			gaps++;
			expect_int(v, "params.gap.after", next_seq - 1);
			next_seq = json_integer_value(at(v, "params.gap.next"));
		} else {
			expect_int(v, "params.event.seq", next_seq);
			last = next_seq++;
		}
		json_decref(v);
	}
	ck_assert_int_ge(gaps, 1);
	ck_assert_int_eq(last, 20000);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, order_notes_then_result);
	tcase_add_test(tc, pipelined_requests_keep_their_ids);
	tcase_add_test(tc, order_that_cannot_begin);
	tcase_add_test(tc, vanished_client_is_detached);
	tcase_add_test(tc, no_wait_answers_at_once);
	tcase_add_test(tc, orders_read_their_parameters);
	tcase_add_test(tc, upgrade_is_answered_when_it_is_over);
	tcase_add_test(tc, roll_not_begun_is_begun);
	tcase_add_loop_test(tc, roll_under_way_is_waited_for, 0, 2);
	tcase_add_test(tc, hard_restart_begun_becomes_a_start);
	tcase_add_test(tc, too_many_requests);
	tcase_add_test(tc, events_resume);
	tcase_add_test(tc, messages_of_names);
	tcase_add_test(tc, messages_are_sent);
	tcase_add_loop_test(tc, no_messages, 0, 6);
	tcase_add_test(tc, events_of_names);
	tcase_add_test(tc, events_tell_a_gap);
	tcase_add_test(tc, slow_follower_gets_a_gap);
}

int
main(void)
{
	return try_main("ctl", add_tests, setup, teardown);
}
