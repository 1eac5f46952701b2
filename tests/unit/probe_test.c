/*
 * probe_test - the prober against a server that the test itself plays.
 */
#include "cluster/probe.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/loop_fake.h"
#include "../fake/sys_fake.h"
#include "base/fd.h"

static struct loop *lp;
static struct config_probe target;
static struct probe *pr;
static int listener = -1, conn = -1;
static unsigned port;
static bool told;
static bool good;
static char said[PROBE_ERROR_MAX];

static void
on_probe(void *arg, const char *error)
{
	ck_assert_ptr_eq(arg, &told);
	ck_assert(!told);
	told = true;
	pr = NULL;
	good = error == NULL;
	snprintf(said, sizeof said, "%s", error != NULL ? error : "");
}

/* Listens on a port of 127.0.0.1 that the kernel picks. */
static void
listen_tcp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t n = sizeof sin;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sin, n), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sin, &n), 0);
	port = ntohs(sin.sin_port);
}

static void
set_up(void)
{
	fake_reset();
	lp = loop_new();
	told = false;
	listen_tcp();
}

static void
tear_down(void)
{
	probe_cancel(&pr);
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	config_probe_fini(&target);
	fd_closep(&listener);
	fd_closep(&conn);
	loop_free(lp);
}

/* PORT in text is the listener's. */
static void
begin(const char *text, int64_t timeout_ms)
{
	const char *at = strstr(text, "PORT");
	char full[256];
	struct err err;

	if (at != NULL)
		snprintf(full, sizeof full, "%.*s%u%s", (int)(at - text), text,
		    port, at + 4);
	else
		snprintf(full, sizeof full, "%s", text);
	ck_assert_msg(
	    config_probe_parse(&target, full, "/", &err) == 0, "%s", err.text);
	pr = probe_start(lp, &target, timeout_ms, on_probe, &told);
	ck_assert(!told); /* never from inside */
}

/* Takes the connection and reads the request. */
static void
take(char *request, size_t size)
{
	size_t len = 0;
	ssize_t n;

	fake_loop_poll(lp, 1000); /* connected */
	conn = accept(listener, NULL, NULL);
	ck_assert_int_ge(conn, 0);
	fake_loop_poll(lp, 1000); /* written */
	do {
		n = read(conn, request + len, size - len - 1);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
		request[len] = '\0';
	} while (strstr(request, "\r\n\r\n") == NULL);
}

static void
answer(const char *text)
{
	ck_assert_int_eq(fd_write_all(conn, text, strlen(text)), 0);
}

static void
end(bool want, const char *error)
{
	ck_assert(fake_loop_until(lp, &told, 5000));
	ck_assert_msg(good == want, "%s", said);
	ck_assert_msg(
	    strstr(said, error) != NULL, "got '%s', want '%s'", said, error);
}

START_TEST(probe_connects)
{
	begin("tcp:127.0.0.1:PORT", 5000);
	end(true, "");
}
END_TEST

/* Nobody on 127.0.0.1, and nobody on ::1: the first is told. */
START_TEST(probe_is_refused)
{
	char want[64];

	fd_closep(&listener);
	begin("tcp:PORT", 5000);
	snprintf(want, sizeof want, "connect 127.0.0.1:%u: Connection refused",
	    port);
	end(false, want);
}
END_TEST

START_TEST(probe_tries_both_families)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	fd_closep(&listener);
	listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin6.sin6_addr = in6addr_loopback;
	sin6.sin6_port = htons((uint16_t)port);
	if (listener == -1 ||
	    bind(listener, (struct sockaddr *)&sin6, sizeof sin6) == -1)
		return; /* no IPv6 here */
	ck_assert_int_eq(listen(listener, 4), 0);
	begin("tcp:localhost:PORT", 5000);
	end(true, "");
}
END_TEST

START_TEST(probe_asks_a_unix_socket)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char text[128], request[512];

	fd_closep(&listener);
	snprintf(sun.sun_path, sizeof sun.sun_path, "/tmp/probe-test.%d",
	    (int)getpid());
	unlink(sun.sun_path);
	snprintf(text, sizeof text, "unix:%s", sun.sun_path);
	begin(text, 5000);
	end(false, "No such file");
	config_probe_fini(&target);
	told = false;
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
	    bind(listener, (struct sockaddr *)&sun, sizeof sun), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	begin(text, 5000);
	end(true, "");
	config_probe_fini(&target);
	told = false;
	close(accept(listener, NULL, NULL));
	snprintf(text, sizeof text, "http+unix:%s:/up", sun.sun_path);
	begin(text, 5000);
	take(request, sizeof request);
	ck_assert_ptr_nonnull(strstr(request, "GET /up HTTP/1.1\r\n"));
	answer("HTTP/1.1 204 No Content\r\n\r\n");
	end(true, "");
	unlink(sun.sun_path);
}
END_TEST

START_TEST(probe_asks_as_http_wants_it)
{
	char request[512], host[64];

	begin("http://127.0.0.1:PORT/health?a=b", 5000);
	take(request, sizeof request);
	snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%u\r\n", port);
	ck_assert_ptr_eq(
	    strstr(request, "GET /health?a=b HTTP/1.1\r\n"), request);
	ck_assert_ptr_nonnull(strstr(request, host));
	ck_assert_ptr_nonnull(strstr(request, "\r\nConnection: close\r\n"));
	answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	end(true, "");
}
END_TEST

static const struct {
	const char *text;
	const char *answer;
	const char *error; /* NULL: good */
} rows[] = {
	{ "http:PORT/", "HTTP/1.1 200 OK\r\n\r\n", NULL },
	{ "http:PORT/", "HTTP/1.0 399\r\n", NULL },
	{ "http:PORT/", "HTTP/1.1 301 Moved\r\n\r\n", NULL },
	{ "http:PORT/x", "HTTP/1.1 503 Busy\r\n\r\n",
	    "/x: status 503, not 200-399" },
	{ "http:PORT/", "HTTP/1.1 404 Not Found\r\n", "status 404" },
	{ "http:PORT/ 404", "HTTP/1.1 404 Not Found\r\n", NULL },
	{ "http:PORT/ 200-299", "HTTP/1.1 301 Moved\r\n",
	    "status 301, not 200-299" },
	{ "http:PORT/", "220 mail.example.org ESMTP\r\n", "not HTTP" },
	{ "http:PORT/", "\n", "not HTTP" },
	{ "http:PORT/", "HTTP/1.1 2000 OK\r\n", "not HTTP" },
	{ "http:PORT/", "HTTP/1.1 2x0 OK\r\n", "not HTTP" },
	{ "http:PORT/", "HTTP/1.1  200 OK\r\n", "not HTTP" },
	{ "http:PORT/", "HTTP/1.1 099 OK\r\n", "not HTTP" },
	{ "http:PORT/", "", "closed without an answer" },
	{ "http:PORT/", "HTTP/1.1 200 O", "closed without an answer" },
};

START_TEST(probe_judges)
{
	char request[512];

	begin(rows[_i].text, 5000);
	take(request, sizeof request);
	answer(rows[_i].answer);
	fd_closep(&conn);
	end(rows[_i].error == NULL,
	    rows[_i].error != NULL ? rows[_i].error : "");
}
END_TEST

START_TEST(probe_reads_byte_by_byte)
{
	static const char text[] = "HTTP/1.1 200 OK\r\n";
	char request[512], one[2] = "";

	begin("http:PORT/", 5000);
	take(request, sizeof request);
	for (const char *p = text; *p != '\0'; p++) {
		ck_assert(!told);
		one[0] = *p;
		answer(one);
		fake_loop_poll(lp, 1000);
	}
	end(true, "");
}
END_TEST

START_TEST(probe_reads_no_more_than_it_must)
{
	char request[512], junk[1001];

	memset(junk, 'x', 1000);
	junk[1000] = '\0';
	begin("http:PORT/", 5000);
	take(request, sizeof request);
	for (int i = 0; i < 6 && !told; i++) {
		answer(junk);
		fake_loop_poll(lp, 1000);
	}
	end(false, "not HTTP");
}
END_TEST

START_TEST(probe_waits_only_so_long)
{
	char request[512];

	begin("http:PORT/slow", 50);
	take(request, sizeof request);
	answer("HTTP/1.1");
	end(false, "/slow: no answer within 50 ms");
}
END_TEST

START_TEST(probe_is_cancelled)
{
	begin("http:PORT/", 5000);
	fake_loop_poll(lp, 1000);
	probe_cancel(&pr);
	ck_assert_ptr_null(pr);
	probe_cancel(&pr);
	fake_loop_turn(lp);
	ck_assert(!told);
}
END_TEST

START_TEST(probe_has_no_socket)
{
	fake_fail(FAKE_SOCKET, 1, EMFILE);
	begin("tcp:127.0.0.1:PORT", 5000);
	end(false, "Too many open files");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("probe");
	TCase *tc = tcase_create("probe");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, probe_connects);
	tcase_add_test(tc, probe_is_refused);
	tcase_add_test(tc, probe_tries_both_families);
	tcase_add_test(tc, probe_asks_a_unix_socket);
	tcase_add_test(tc, probe_asks_as_http_wants_it);
	tcase_add_loop_test(tc, probe_judges, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, probe_reads_byte_by_byte);
	tcase_add_test(tc, probe_reads_no_more_than_it_must);
	tcase_add_test(tc, probe_waits_only_so_long);
	tcase_add_test(tc, probe_is_cancelled);
	tcase_add_test(tc, probe_has_no_socket);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
