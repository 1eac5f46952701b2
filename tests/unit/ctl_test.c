/*
 * ctl_test - the control server against a fake engine, over socketpairs.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "ctl/server.h"

#include "../fake/loop_fake.h"
#include "ctl_fake.h"

static struct slot_info slots[] = {
	{ .name = "web.0",
	    .program = "web",
	    .slot = 0,
	    .state = PS_RUNNING,
	    .ready = true,
	    .pid = 100,
	    .generation = 1,
	    .uptime_ms = 1000,
	    .exit_code = -1,
	    .next_retry_ms = -1,
	    .description = "ready",
	    .program_note = "" },
	{ .name = "web.1",
	    .program = "web",
	    .slot = 1,
	    .state = PS_BACKOFF,
	    .generation = 4,
	    .uptime_ms = -1,
	    .restarts = 3,
	    .exit_code = 1,
	    .next_retry_ms = 2000,
	    .description = "exited with 1",
	    .program_note = "rolling 1/2" },
};

static struct loop *lp;
static struct engine en;
static struct ctl_server *srv;
static int fd; /* the client's end */
static struct buf got;

static int
connect_client(void)
{
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv),
	    0);
	ctl_server_adopt(srv, sv[0]);
	return sv[1];
}

static void
setup(void)
{
	log_set_level(LOG_ERROR);
	lp = loop_new();
	fake_engine_init(&en, slots, 2);
	fake_the_engine = &en;
	srv = ctl_server_new(lp, &en, NULL);
	buf_init(&got);
	fd = connect_client();
}

static void
teardown(void)
{
	fd_closep(&fd);
	ctl_server_free(srv);
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	loop_free(lp);
	fake_engine_fini(&en);
	buf_fini(&got);
	fake_clock_real();
}

static void
turns(void)
{
	while (fake_loop_poll(lp, 0) > 0)
		;
	fake_loop_turn(lp);
}

static void
put_bytes(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = send(fd, p, n, MSG_NOSIGNAL);

		if (put == -1 && errno == EAGAIN) {
			turns();
			continue;
		}
		if (put == -1)
			return;
		p += put;
		n -= (size_t)put;
	}
	turns();
}

static void
put(const char *s)
{
	put_bytes(s, strlen(s));
}

/* Everything that has come; true: and then the end. */
static bool
take(void)
{
	ssize_t n;

	do {
		n = recv(fd, buf_reserve(&got, 65536), 65536, 0);
		if (n > 0)
			got.len += (size_t)n;
		got.data[got.len] = '\0';
		turns();
	} while (n > 0);
	return n == 0 || (n == -1 && errno == ECONNRESET);
}

/* The next line as JSON; NULL: there is none. */
static json_t *
next(void)
{
	char *nl;
	json_t *v;

	take();
	nl = got.len > 0 ? memchr(got.data, '\n', got.len) : NULL;
	if (nl == NULL)
		return NULL;
	v = json_loadb(got.data, (size_t)(nl - got.data), 0, NULL);
	ck_assert_ptr_nonnull(v);
	buf_consume(&got, (size_t)(nl - got.data) + 1);
	return v;
}

/* Takes back the value at a path such as "error.data.exit". */
static const json_t *
at(const json_t *v, const char *path)
{
	char key[64];

	while (v != NULL && *path != '\0') {
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof key, "%.*s", (int)n, path);
		if (json_is_array(v))
			v = json_array_get(v, (size_t)atoi(key));
		else
			v = json_object_get(v, key);
		path += n + (path[n] == '.');
	}
	return v;
}

static void
expect_int(const json_t *v, const char *path, json_int_t want)
{
	ck_assert_msg(json_is_integer(at(v, path)), "%s is no number", path);
	ck_assert_int_eq(json_integer_value(at(v, path)), want);
}

static void
expect_str(const json_t *v, const char *path, const char *want)
{
	ck_assert_msg(json_is_string(at(v, path)), "%s is no string", path);
	ck_assert_str_eq(json_string_value(at(v, path)), want);
}

#define REQ(id, method, params)                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"" method             \
	"\",\"params\":" params "}\n"

static void
expect_error(int code, int exit_code)
{
	json_t *v = next();

	ck_assert_ptr_nonnull(v);
	expect_int(v, "error.code", code);
	expect_int(v, "error.data.exit", exit_code);
	json_decref(v);
}

/* A request with descriptors, in one piece. */
static void
put_with(const char *text, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(&control.align), fds, nfds * sizeof(int));
	ck_assert_int_eq(sendmsg(fd, &mh, MSG_NOSIGNAL), strlen(text));
	turns();
}

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

/* --- limits ------------------------------------------------------------------
 */

START_TEST(client_that_asks_and_never_reads)
{
	const char *req = REQ(1, "status", "{}");
	size_t sent = 0;

	fake_clock_set(1000);
	for (int i = 0; i < 100000; i++) {
		if (send(fd, req, strlen(req), MSG_NOSIGNAL) == -1)
			break;
		sent++;
		while (fake_loop_poll(lp, 0) > 0)
			;
		fake_loop_advance(lp, 0);
	}
	/* It is not read any more, so its own socket is full. */
	ck_assert_uint_lt(sent, 100000);
	ck_assert_uint_gt(sent, 100);
	fake_loop_advance(lp, 11000);
	turns();
	ck_assert_int_eq(send(fd, req, strlen(req), MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(notes_nobody_reads_end_the_client)
{
	struct op_note n = { .name = "web.0", .text = "step", .tail = NULL };
	char *tail = xmalloc(100001);

	memset(tail, 'x', 100000);
	tail[100000] = '\0';
	n.tail = tail;
	put(REQ(1, "roll", "{\"names\":[\"web\"]}"));
	for (int i = 0; i < 60 && en.detached == 0; i++) {
		fake_op_note(&en, &n);
		turns();
	}
	ck_assert_uint_eq(en.detached, 1);
	free(tail);
}
END_TEST

START_TEST(slow_reader_gets_all_of_a_large_answer)
{
	static char names[20000][16];
	struct slot_info *many = xcalloc(20000, sizeof *many);
	json_t *v;

	for (int i = 0; i < 20000; i++) {
		snprintf(names[i], sizeof names[i], "web.%d", i);
		many[i] = slots[0];
		many[i].name = names[i];
	}
	en.slots = many;
	en.nslots = 20000;
	put(REQ(1, "status", "{}"));
	v = next();
	ck_assert_uint_eq(json_array_size(at(v, "result")), 20000);
	json_decref(v);
	free(many);
}
END_TEST

START_TEST(too_many_clients)
{
	int fds[CTL_CLIENTS_MAX], one = fd;
	json_t *v;

	for (int i = 1; i < CTL_CLIENTS_MAX; i++)
		fds[i] = connect_client();
	fd = connect_client();
	v = next();
	expect_int(v, "error.code", -32006);
	expect_int(v, "error.data.exit", 4);
	json_decref(v);
	ck_assert(take());
	fd_closep(&fd);
	fd_closep(&fds[1]);
	turns();
	fd = connect_client();
	put(REQ(1, "pid", "{}"));
	v = next();
	expect_int(v, "result", 77);
	json_decref(v);
	for (int i = 2; i < CTL_CLIENTS_MAX; i++)
		fd_closep(&fds[i]);
	fd_closep(&one);
}
END_TEST

/* --- tail --------------------------------------------------------------------
 */

START_TEST(tail_of_a_file)
{
	char path[] = "/tmp/ctl_test.XXXXXX";
	int file = mkstemp(path);
	json_t *v;

	ck_assert_int_ne(file, -1);
	ck_assert_int_eq(fd_write_all(file, "one\ntwo\nthree\n", 14), 0);
	en.log = path;
	put(REQ(1, "tail", "{\"names\":[\"web.0\"],\"lines\":2}"));
	v = next();
	expect_str(v, "params.text", "two\nthree\n");
	expect_str(v, "params.name", "web.0");
	expect_str(v, "params.stream", "stdout");
	json_decref(v);
	v = next();
	ck_assert(json_is_object(at(v, "result")));
	json_decref(v);
	ck_assert_int_eq(fd_write_all(file, "\xff\0\n", 3), 0);
	put(REQ(2, "tail", "{\"names\":[\"web.0\"],\"lines\":1}"));
	v = next();
	expect_str(v, "params.base64", "/wAK");
	json_decref(v);
	unlink(path);
	fd_closep(&file);
}
END_TEST

START_TEST(tail_follows)
{
	static char big[700000];
	json_t *v;
	size_t n = 0;

	en.log = "/nonexistent/log";
	put(REQ(1, "tail", "{\"names\":[\"web.0\"],\"follow\":true}"));
	ck_assert_ptr_null(next());
	ck_assert_ptr_nonnull(en.tap);
	fake_tap_data(&en, "hello\n", 6, 0);
	turns();
	v = next();
	expect_str(v, "params.text", "hello\n");
	json_decref(v);
	fake_tap_data(&en, "", 0, 42);
	turns();
	v = next();
	expect_int(v, "params.dropped", 42);
	json_decref(v);
	/* Nobody reads: what waits is bounded, what is lost is counted. */
	memset(big, 'x', sizeof big);
	for (int i = 0; i < 10; i++) {
		fake_tap_data(&en, big, sizeof big, 0);
		turns();
	}
	while ((v = next()) != NULL) {
		n += json_string_length(at(v, "params.text"));
		n += (size_t)json_integer_value(at(v, "params.dropped"));
		json_decref(v);
	}
	ck_assert_uint_eq(n, 10 * sizeof big);
	fd_closep(&fd);
	turns();
	ck_assert_ptr_null(en.tap);
}
END_TEST

START_TEST(tail_without_a_log)
{
	put(REQ(1, "tail", "{\"names\":[\"web.0\"],\"stream\":\"stderr\"}"));
	expect_error(-32001, 1);
	put(REQ(1, "tail", "{\"names\":[\"web.0\"],\"stream\":\"x\"}"));
	expect_error(-32602, 2);
	put(REQ(1, "tail", "{\"names\":[\"nope\"]}"));
	expect_error(-32003, 3);
}
END_TEST

/* --- the listening socket
 * ----------------------------------------------------- */

START_TEST(accepts_and_waits_when_descriptors_are_out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = sizeof sa.sun_family;
	struct rlimit saved, none;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	json_t *v;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	len = sizeof sa;
	getsockname(listener, (struct sockaddr *)&sa, &len);
	fake_clock_set(1000);
	ck_assert_int_eq(ctl_server_listen(srv, listener, NULL), 0);
	fd_closep(&fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
	getrlimit(RLIMIT_NOFILE, &saved);
	none = saved;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	fake_loop_io(lp, listener, LOOP_READ);
	setrlimit(RLIMIT_NOFILE, &saved);
	ck_assert_int_eq(fake_loop_watched(lp, listener), 0);
	fake_loop_advance(lp, 999);
	ck_assert_int_eq(fake_loop_watched(lp, listener), 0);
	fake_loop_advance(lp, 2);
	ck_assert_int_eq(fake_loop_watched(lp, listener), LOOP_READ);
	put(REQ(1, "pid", "{}"));
	v = next();
	expect_int(v, "result", 77);
	json_decref(v);
	ctl_server_free(srv);
	srv = ctl_server_new(lp, &en, NULL);
	/* The next engine goes on with it. */
	ck_assert_int_eq(ctl_server_listen(srv, listener, NULL), 0);
	fd_closep(&fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
	put(REQ(2, "pid", "{}"));
	v = next();
	expect_int(v, "id", 2);
	json_decref(v);
	ctl_server_free(srv);
	srv = NULL;
	fd_closep(&listener);
}
END_TEST

START_TEST(somebody_is_heard_when_descriptors_are_out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = sizeof sa.sun_family;
	struct rlimit saved, none;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), top;
	json_t *v;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	len = sizeof sa;
	getsockname(listener, (struct sockaddr *)&sa, &len);
	fake_clock_set(1000);
	ck_assert_int_eq(ctl_server_listen(srv, listener, NULL), 0);
	fd_closep(&fd);
	fake_loop_turn(lp);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
	getrlimit(RLIMIT_NOFILE, &saved);
	none = saved;
	top = open("/dev/null", O_RDONLY | O_CLOEXEC);
	none.rlim_cur = (rlim_t)top; /* the lowest that is free is too high */
	close(top);
	setrlimit(RLIMIT_NOFILE, &none);
	ck_assert_int_eq(open("/dev/null", O_RDONLY), -1);
	fake_loop_io(lp, listener, LOOP_READ);
	put(REQ(1, "pid", "{}"));
	v = next();
	setrlimit(RLIMIT_NOFILE, &saved);
	ck_assert_ptr_nonnull(v);
	expect_int(v, "result", 77);
	json_decref(v);
	ctl_server_free(srv);
	srv = NULL;
	fd_closep(&listener);
}
END_TEST

START_TEST(free_sends_what_waits)
{
	json_t *v;

	put(REQ(1, "shutdown", "{}"));
	fake_op_done(&en, 0);
	ctl_server_free(srv);
	srv = NULL;
	v = next();
	expect_int(v, "result.code", 0);
	json_decref(v);
}
END_TEST

/* --- runs -------------------------------------------------------------------
 */

static const char run_words[] = "/tmp\0true\0two words\0PATH=/bin:/usr/bin";

static void
put_run(const char *params, const char *strings, size_t len, size_t nfds)
{
	int fds[10], mem = memfd_create("test", MFD_CLOEXEC);
	char *text = xasprintf("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
			       "\"run\",\"params\":%s}\n",
	    params);

	ck_assert_int_eq(write(mem, strings, len), len);
	for (size_t i = 0; i < nfds; i++)
		fds[i] = i == 0 ? mem : STDERR_FILENO;
	put_with(text, fds, nfds);
	close(mem);
	free(text);
}

START_TEST(run_has_the_client_s_descriptors)
{
	struct task_end end = { .how = TASK_EXITED, .code = 3, .ran_ms = 5 };
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;
	json_t *v;

	close(before);
	put_run("{\"key\":\"k1\",\"argc\":2}", run_words, sizeof run_words, 4);
	ck_assert_str_eq(fake_run.key, "k1");
	ck_assert_int_eq(fake_run.argc, 2);
	ck_assert_str_eq(fake_run.folder, "/tmp");
	for (int i = 0; i < 3; i++)
		ck_assert(fake_run.has_fd[i]);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	ck_assert_int_eq(after, before); /* none of them is kept here */
	fake_run.ops->started(fake_run.arg, 77);
	turns();
	v = next();
	expect_str(v, "params.event", "started");
	expect_int(v, "params.pid", 77);
	json_decref(v);
	fake_run.ops->done(fake_run.arg, &end);
	turns();
	v = next();
	expect_int(v, "result.exit_code", 3);
	expect_int(v, "result.duration_ms", 5);
	ck_assert(json_is_true(at(v, "result.started")));
	json_decref(v);
	ck_assert(fake_run.left);
}
END_TEST

START_TEST(run_that_cannot_be_found_is_an_end)
{
	static const char words[] = "/tmp\0no-such\0PATH=/bin";
	json_t *v;

	put_run("{\"key\":\"k2\",\"argc\":1}", words, sizeof words, 4);
	v = next();
	expect_int(v, "result.errno", ENOENT);
	ck_assert(json_is_false(at(v, "result.started")));
	json_decref(v);
}
END_TEST

static const struct {
	const char *params, *strings;
	size_t len, nfds;
} bad_runs[] = {
	{ "{\"key\":\"k\",\"argc\":1}", "/\0a", 4, 0 },
	{ "{\"key\":\"k\",\"argc\":1}", "/\0a", 3, 4 }, /* no last NUL */
	{ "{\"key\":\"k\",\"argc\":9}", "/\0a", 4, 4 },
	{ "{\"key\":\"k\",\"argc\":1}", "x\0a", 4, 4 },
	{ "{\"key\":\"k\",\"argc\":1}", "", 0, 4 },
	{ "{\"key\":\"../x\",\"argc\":1}", "/\0a", 4, 4 },
	{ "{\"key\":\"k\"}", "/\0a", 4, 4 },
	{ "{\"argc\":1}", "/\0a", 4, 4 },
};

START_TEST(bad_runs_are_told)
{
	memset(&fake_run, 0, sizeof fake_run);
	if (bad_runs[_i].nfds == 0)
		put(REQ(1, "run", "{\"key\":\"k\",\"argc\":1}"));
	else
		put_run(bad_runs[_i].params, bad_runs[_i].strings,
		    bad_runs[_i].len, bad_runs[_i].nfds);
	expect_error(-32602, 2);
	ck_assert_str_eq(fake_run.key, "");
}
END_TEST

START_TEST(strings_that_are_no_memfd)
{
	int fds[4] = { STDERR_FILENO, 0, 1, 2 };

	put_with(REQ(1, "run", "{\"key\":\"k\",\"argc\":1}"), fds, 4);
	expect_error(-32602, 2);
}
END_TEST

START_TEST(more_descriptors_than_are_taken)
{
	put_run("{\"key\":\"k\",\"argc\":2}", run_words, sizeof run_words, 9);
	expect_error(-32700, 2);
	ck_assert(take());
}
END_TEST

START_TEST(run_of_a_client_that_vanishes)
{
	put_run("{\"key\":\"k3\",\"argc\":2}", run_words, sizeof run_words, 4);
	ck_assert(!fake_run.left);
	fd_closep(&fd);
	turns();
	ck_assert(fake_run.left);
}
END_TEST

START_TEST(run_gets_signals)
{
	json_t *v;

	put_run("{\"key\":\"k4\",\"argc\":2}", run_words, sizeof run_words, 4);
	put(REQ(2, "run_signal", "{\"key\":\"k4\",\"signal\":\"INT\"}"));
	v = next();
	expect_int(v, "id", 2);
	json_decref(v);
	ck_assert_int_eq(fake_run.signo, SIGINT);
	put(REQ(3, "run_signal", "{\"key\":\"other\",\"signal\":\"INT\"}"));
	expect_error(-32003, 3);
}
END_TEST

START_TEST(run_is_resumed)
{
	put(REQ(1, "run", "{\"key\":\"none\",\"resume\":true}"));
	expect_error(-32001, 1);
	memset(&fake_run, 0, sizeof fake_run);
	memcpy(fake_run.key, "k5", 3);
	put(REQ(2, "run", "{\"key\":\"k5\",\"resume\":true}"));
	ck_assert_ptr_nonnull(fake_run.ops);
	put(REQ(3, "run", "{\"key\":\"k5\",\"resume\":true}"));
	expect_error(-32602, 2); /* it has a client */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl");
	TCase *tc = tcase_create("ctl");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, status_has_every_member);
	tcase_add_test(tc, run_has_the_client_s_descriptors);
	tcase_add_test(tc, run_that_cannot_be_found_is_an_end);
	tcase_add_loop_test(tc, bad_runs_are_told, 0,
	    (int)(sizeof bad_runs / sizeof *bad_runs));
	tcase_add_test(tc, strings_that_are_no_memfd);
	tcase_add_test(tc, more_descriptors_than_are_taken);
	tcase_add_test(tc, run_of_a_client_that_vanishes);
	tcase_add_test(tc, run_gets_signals);
	tcase_add_test(tc, run_is_resumed);
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
	tcase_add_test(tc, client_that_asks_and_never_reads);
	tcase_add_test(tc, notes_nobody_reads_end_the_client);
	tcase_add_test(tc, slow_reader_gets_all_of_a_large_answer);
	tcase_add_test(tc, too_many_clients);
	tcase_add_test(tc, tail_of_a_file);
	tcase_add_test(tc, tail_follows);
	tcase_add_test(tc, tail_without_a_log);
	tcase_add_test(tc, accepts_and_waits_when_descriptors_are_out);
	tcase_add_test(tc, somebody_is_heard_when_descriptors_are_out);
	tcase_add_test(tc, free_sends_what_waits);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
