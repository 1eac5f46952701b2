/*
 * ctl_client_test - the client, against a server that follows a script.
 *
 * A thread plays the server: for each connection it is given what to answer
 * to each line, and then closes.  What it was asked is kept for the test.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "ctl/client.h"

#define MAX_LINES 4

/* Answers to the lines of one connection; %d is the request's id. */
struct conn {
	const char *answer[MAX_LINES]; /* "": none; NULL: close */
};

static const struct conn *script;
static int nscript;
static char dir[64];
static char path[400];
static int listener;
static pthread_t thread;
static struct strv asked;
static struct client_error ce;

static bool
read_line(int fd, struct buf *line)
{
	char c;

	buf_clear(line);
	while (read(fd, &c, 1) == 1) {
		if (c == '\n')
			return true;
		buf_addc(line, c);
	}
	return false;
}

static void
answer(int fd, const char *fmt, const struct buf *line)
{
	json_t *req = json_loads(buf_str(line), 0, NULL);
	int id = (int)json_integer_value(json_object_get(req, "id"));
	const char *p;
	struct buf out;

	buf_init(&out);
	for (p = fmt; *p != '\0'; p++) {
		if (p[0] == '%' && p[1] == 'd') {
			buf_addf(&out, "%d", id);
			p++;
		} else {
			buf_addc(&out, *p);
		}
	}
	json_decref(req);
	if (fd_write_all(fd, out.data, out.len) == -1)
		fprintf(stderr, "# the client is gone\n");
	buf_fini(&out);
}

static void *
serve(void *arg)
{
	struct buf line;

	(void)arg;
	buf_init(&line);
	for (int i = 0; i < nscript; i++) {
		int fd = accept(listener, NULL, NULL);

		for (int j = 0; j < MAX_LINES; j++) {
			if (script[i].answer[j] == NULL ||
			    !read_line(fd, &line))
				break;
			strv_add(&asked, buf_str(&line));
			if (*script[i].answer[j] != '\0')
				answer(fd, script[i].answer[j], &line);
			else
				read_line(fd, &line); /* until it leaves */
		}
		fd_closep(&fd);
	}
	buf_fini(&line);
	return NULL;
}

static void
serve_script(const struct conn *conns, int n)
{
	script = conns;
	nscript = n;
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

/* Every connection has ended: what was asked may be looked at. */
static void
served(void)
{
	pthread_join(thread, NULL);
	nscript = 0;
}

static void
setup(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	strcpy(dir, "/tmp/ctl_client.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	memcpy(sa.sun_path, path, strlen(path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	strv_init(&asked);
	memset(&ce, 0, sizeof ce);
	nscript = 0;
}

static void
teardown(void)
{
	if (nscript > 0)
		pthread_join(thread, NULL);
	fd_closep(&listener);
	snprintf(path, sizeof path, "%s/s", dir);
	unlink(path);
	rmdir(dir);
	strv_fini(&asked);
	json_decref(ce.data);
}

#define HELLO(pid, last)                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"reeved_pid\":" #pid      \
	",\"last_event\":" #last "}}\n"
#define RESULT(text) "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":" text "}\n"
#define NOTE(text)                                                             \
	"{\"jsonrpc\":\"2.0\",\"method\":\"note\",\"params\":{\"id\":%d,"      \
	"\"text\":" text "}}\n"

static json_t *
call(int64_t timeout_ms, enum client_kind kind, json_t *params,
    client_note_cb *cb, void *arg)
{
	struct client *c = client_new(path, timeout_ms);
	json_t *v = client_call(c, kind, "roll", params, cb, arg, &ce);

	client_free(c);
	return v;
}

static void
count_note(void *arg, json_t *note)
{
	ck_assert(json_is_object(note));
	++*(int *)arg;
}

START_TEST(answer_and_notes)
{
	static const struct conn conns[] = {
		{ { NOTE("1") NOTE("2") RESULT("{\"code\":0}") } }
	};
	int notes = 0;
	json_t *v;

	serve_script(conns, 1);
	v = call(5000, CLIENT_QUERY, NULL, count_note, &notes);
	ck_assert(json_is_object(v));
	ck_assert_int_eq(notes, 2);
	json_decref(v);
}
END_TEST

START_TEST(error_has_text_exit_and_data)
{
	static const struct conn conns[] = {
		{ { "{\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":{\"code\":-32003,"
		    "\"message\":\"no such\",\"data\":{\"exit\":3}}}\n" } }
	};

	serve_script(conns, 1);
	ck_assert_ptr_null(call(5000, CLIENT_QUERY, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 3);
	ck_assert_str_eq(ce.text, "no such");
	ck_assert(json_is_object(ce.data));
}
END_TEST

/* An error with id null is about the connection: too many clients. */
START_TEST(error_of_the_connection)
{
	static const struct conn conns[] = {
		{ { "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-"
		    "32006,"
		    "\"message\":\"too many\",\"data\":{\"exit\":4}}}\n" } }
	};

	serve_script(conns, 1);
	ck_assert_ptr_null(call(5000, CLIENT_QUERY, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 4);
}
END_TEST

/* One that has been refused and let go learns of it when it asks. */
START_TEST(refused_before_it_asks)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":"
				   "{\"code\":-32006,\"message\":\"full\"}}\n";
	struct client *c = client_new(path, 5000);
	json_t *msg = NULL;
	int fd;

	ck_assert_int_eq(client_connect(c, &ce), 0);
	fd = accept(listener, NULL, NULL);
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
	fd_closep(&fd);
	ck_assert_int_ne(client_send(c, "status", NULL, &ce), -1);
	ck_assert_int_ne(client_recv(c, 5000, &msg, &ce), -1);
	ck_assert_int_eq(json_integer_value(json_object_get(
			     json_object_get(msg, "error"), "code")),
	    -32006);
	json_decref(msg);
	client_free(c);
}
END_TEST

START_TEST(query_is_asked_again)
{
	static const struct conn conns[] = { { { "{\"half", NULL } },
		{ { RESULT("7") } } };
	json_t *v;

	serve_script(conns, 2);
	v = call(5000, CLIENT_QUERY, NULL, NULL, NULL);
	ck_assert_int_eq(json_integer_value(v), 7);
	served();
	ck_assert_uint_eq(asked.n, 2);
	json_decref(v);
}
END_TEST

START_TEST(order_is_resumed_with_since)
{
	static const struct conn conns[] = {
		{ { HELLO(5, 41), NOTE("1"), NULL } },
		{ { HELLO(5, 50), RESULT("{\"code\":0}") } },
	};
	int notes = 0;
	json_t *v;

	serve_script(conns, 2);
	v = call(5000, CLIENT_RESUME, NULL, count_note, &notes);
	ck_assert(json_is_object(v));
	json_decref(v);
	served();
	ck_assert_uint_eq(asked.n, 4);
	ck_assert_ptr_null(strstr(asked.v[1], "since"));
	ck_assert_ptr_nonnull(strstr(asked.v[3], "\"since\":41"));
}
END_TEST

START_TEST(harmless_order_is_given_again)
{
	static const struct conn conns[] = {
		{ { HELLO(5, 41), NOTE("1"), NULL } },
		{ { HELLO(5, 50), RESULT("{\"code\":0}") } },
	};
	json_t *v;

	serve_script(conns, 2);
	v = call(5000, CLIENT_TWICE, NULL, NULL, NULL);
	ck_assert(json_is_object(v));
	json_decref(v);
	served();
	ck_assert_ptr_null(strstr(asked.v[3], "since"));
}
END_TEST

START_TEST(another_reeved_is_not_told)
{
	static const struct conn conns[] = {
		{ { HELLO(5, 41), NOTE("1"), NULL } },
		{ { HELLO(6, 0), NULL } },
	};

	serve_script(conns, 2);
	ck_assert_ptr_null(call(5000, CLIENT_TWICE, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 1);
	ck_assert_ptr_nonnull(strstr(ce.text, "started again"));
}
END_TEST

START_TEST(signal_is_never_sent_twice)
{
	static const struct conn conns[] = { { { NOTE("1"), NULL } } };

	serve_script(conns, 1);
	ck_assert_ptr_null(call(5000, CLIENT_ONCE, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 1);
	ck_assert_ptr_nonnull(strstr(ce.text, "not known"));
}
END_TEST

START_TEST(end_of_the_daemon_is_the_answer)
{
	static const struct conn conns[] = {
		{ { HELLO(5, 1), NOTE("1"), NULL } }
	};
	json_t *v;

	serve_script(conns, 1);
	v = call(5000, CLIENT_LAST, NULL, NULL, NULL);
	ck_assert_ptr_nonnull(v);
	json_decref(v);
}
END_TEST

START_TEST(engine_that_always_dies)
{
	static struct conn conns[9];

	for (int i = 0; i < 9; i++)
		conns[i].answer[0] = "{";
	serve_script(conns, 9);
	ck_assert_ptr_null(call(20000, CLIENT_QUERY, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 4);
}
END_TEST

START_TEST(silence_is_not_for_ever)
{
	static const struct conn conns[] = { { { "" } } };
	mono_ms before = clock_mono_ms();

	serve_script(conns, 1);
	ck_assert_ptr_null(call(100, CLIENT_QUERY, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 1);
	ck_assert_int_ge(clock_mono_ms() - before, 90);
}
END_TEST

START_TEST(rubbish_is_not_spoken)
{
	static const struct conn conns[] = { { { "220 smtp\n" } } };

	serve_script(conns, 1);
	ck_assert_ptr_null(call(5000, CLIENT_QUERY, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 4);
	ck_assert_ptr_nonnull(strstr(ce.text, "protocol"));
}
END_TEST

START_TEST(nobody_is_there)
{
	snprintf(path, sizeof path, "%s/nobody", dir);
	ck_assert_ptr_null(call(5000, CLIENT_QUERY, NULL, NULL, NULL));
	ck_assert_int_eq(ce.exit, 4);
	ck_assert_ptr_nonnull(strstr(ce.text, "No such file"));
	ck_assert_ptr_nonnull(strstr(ce.text, "is reeved running?"));
}
END_TEST

/* A folder of 200 characters, which no sun_path holds. */
START_TEST(long_path)
{
	static const struct conn conns[] = { { { RESULT("1") } } };
	char deep[300], to[400];
	json_t *v;

	snprintf(deep, sizeof deep, "%s/%0200d", dir, 7);
	snprintf(to, sizeof to, "%s/s", deep);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	ck_assert_int_eq(rename(path, to), 0);
	serve_script(conns, 1);
	memcpy(path, to, sizeof to);
	v = call(5000, CLIENT_QUERY, NULL, NULL, NULL);
	ck_assert_int_eq(json_integer_value(v), 1);
	json_decref(v);
	unlink(to);
	rmdir(deep);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_client");
	TCase *tc = tcase_create("ctl_client");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, answer_and_notes);
	tcase_add_test(tc, error_has_text_exit_and_data);
	tcase_add_test(tc, error_of_the_connection);
	tcase_add_test(tc, refused_before_it_asks);
	tcase_add_test(tc, query_is_asked_again);
	tcase_add_test(tc, order_is_resumed_with_since);
	tcase_add_test(tc, harmless_order_is_given_again);
	tcase_add_test(tc, another_reeved_is_not_told);
	tcase_add_test(tc, signal_is_never_sent_twice);
	tcase_add_test(tc, end_of_the_daemon_is_the_answer);
	tcase_add_test(tc, engine_that_always_dies);
	tcase_add_test(tc, silence_is_not_for_ever);
	tcase_add_test(tc, rubbish_is_not_spoken);
	tcase_add_test(tc, nobody_is_there);
	tcase_add_test(tc, long_path);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
