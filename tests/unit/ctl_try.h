/*
 * ctl_try - the control server against a fake engine, over socketpairs.
 */
#ifndef UNIT_CTL_TRY_H
#define UNIT_CTL_TRY_H

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

static inline int
connect_client(void)
{
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv),
	    0);
	ctl_server_adopt(srv, sv[0]);
	return sv[1];
}

static inline void
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

static inline void
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

static inline void
turns(void)
{
	while (fake_loop_poll(lp, 0) > 0)
		;
	fake_loop_turn(lp);
}

static inline void
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

static inline void
put(const char *s)
{
	put_bytes(s, strlen(s));
}

/* Everything that has come; true: and then the end. */
static inline bool
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
static inline json_t *
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
static inline const json_t *
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

static inline void
expect_int(const json_t *v, const char *path, json_int_t want)
{
	const json_t *n = at(v, path);

	if (n == NULL || !json_is_integer(n))
		ck_abort_msg("%s is no number", path);
	ck_assert_int_eq(json_integer_value(n), want);
}

static inline void
expect_str(const json_t *v, const char *path, const char *want)
{
	const json_t *text = at(v, path);

	if (text == NULL || !json_is_string(text))
		ck_abort_msg("%s is no string", path);
	ck_assert_str_eq(json_string_value(text), want);
}

#define REQ(id, method, params)                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"" method             \
	"\",\"params\":" params "}\n"

static inline void
expect_error(int code, int exit_code)
{
	json_t *v = next();

	ck_assert_ptr_nonnull(v);
	expect_int(v, "error.code", code);
	expect_int(v, "error.data.exit", exit_code);
	json_decref(v);
}

/* A request with descriptors, in one piece. */
static inline void
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

#endif
