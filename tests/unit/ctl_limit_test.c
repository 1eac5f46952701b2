/*
 * ctl_limit_test - what a client may cost; tails, the listening socket, runs.
 */
#include "ctl_try.h"
#include "try_main.h"

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

/* Which the next engine needs to say what could not be started. */
START_TEST(run_is_resumed_with_its_words)
{
	struct task_end end = { .how = TASK_NO_START,
		.code = -1,
		.stage = STAGE_EXEC,
		.errnum = ENOENT,
		.text = "execute it" };
	json_t *v;

	memset(&fake_run, 0, sizeof fake_run);
	memcpy(fake_run.key, "k6", 3);
	put_run("{\"key\":\"k6\",\"argc\":2,\"resume\":true}", run_words,
	    sizeof run_words, 4);
	ck_assert_ptr_nonnull(fake_run.ops);
	ck_assert_str_eq(fake_run.first, run_words + strlen(run_words) + 1);
	fake_run.ops->done(fake_run.arg, &end);
	turns();
	v = next();
	expect_str(v, "result.path", fake_run.first);
	json_decref(v);
}
END_TEST

static void
add_tests(TCase *tc)
{
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
	tcase_add_test(tc, run_has_the_client_s_descriptors);
	tcase_add_test(tc, run_that_cannot_be_found_is_an_end);
	tcase_add_loop_test(tc, bad_runs_are_told, 0,
	    (int)(sizeof bad_runs / sizeof *bad_runs));
	tcase_add_test(tc, strings_that_are_no_memfd);
	tcase_add_test(tc, more_descriptors_than_are_taken);
	tcase_add_test(tc, run_of_a_client_that_vanishes);
	tcase_add_test(tc, run_gets_signals);
	tcase_add_test(tc, run_is_resumed);
	tcase_add_test(tc, run_is_resumed_with_its_words);
}

int
main(void)
{
	return try_main("ctl", add_tests, setup, teardown);
}
