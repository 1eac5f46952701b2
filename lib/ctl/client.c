/* client - the other end of the control socket. */
#include "ctl/client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"

#define CLIENT_DIAL_MS  5000 /* a full accept queue is waited for that long */
#define CLIENT_PAUSE_MS 10
#define CLIENT_CHUNK    (64 * 1024)
#define CLIENT_LOSSES   8
#define CLIENT_FDS_MAX  8
#define CLIENT_LINE_MAX (256 * 1024 * 1024)

struct client {
	char *socket;
	int64_t timeout_ms;
	int fd;
	int last_id;
	struct buf in;
	size_t scanned; /* bytes of in without a newline */
	client_lost_cb *lost;
	void *lost_arg;
	int fds[CLIENT_FDS_MAX]; /* for the next request */
	size_t nfds;
	int text_id; /* the answer wanted as text; 0: none */
	char *text;  /* its result */
};

/* One call, over as many connections as it takes. */
struct call {
	struct client *c;
	enum client_kind kind;
	const char *method;
	json_t *params;
	client_note_cb *cb;
	void *arg;
	mono_ms deadline;        /* -1: none */
	int fds[CLIENT_FDS_MAX]; /* go with each try */
	size_t nfds;
	json_int_t reeved_pid;
	bool text;  /* the result is wanted as text */
	int losses; /* since the server last said something */
	json_t *result;
};

/* What became of one try of a call. */
enum try {
	TRY_DONE,
	TRY_FAILED,
	TRY_LOST
};

static int client_fail(struct client_error *ce, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
client_fail(struct client_error *ce, int code, const char *fmt, ...)
{
	va_list ap;

	ce->exit = code;
	ce->data = NULL;
	va_start(ap, fmt);
	vsnprintf(ce->text, sizeof ce->text, fmt, ap);
	va_end(ap);
	return -1;
}

struct client *
client_new(const char *socket, int64_t timeout_ms)
{
	struct client *c = xcalloc(1, sizeof *c);

	c->socket = xstrdup(socket);
	c->timeout_ms = timeout_ms;
	c->fd = -1;
	buf_init(&c->in);
	return c;
}

void
client_on_lost(struct client *c, client_lost_cb *cb, void *arg)
{
	c->lost = cb;
	c->lost_arg = arg;
}

void
client_disconnect(struct client *c)
{
	fd_closep(&c->fd);
	buf_clear(&c->in);
	c->scanned = 0;
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	client_disconnect(c);
	buf_fini(&c->in);
	free(c->text);
	free(c->socket);
	free(c);
}

int
client_fd(const struct client *c)
{
	return c->fd;
}

/* --- connecting ----------------------------------------------------------- */

/*
 * sun_path holds 107 bytes.  A longer path is reached through a descriptor
 * of its folder, which /proc gives a short name.
 */
static int
client_address(struct sockaddr_un *sa, const char *path, int *dirfd)
{
	const char *slash = strrchr(path, '/');
	char *dir;

	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	if (strlen(path) < sizeof sa->sun_path) {
		memcpy(sa->sun_path, path, strlen(path));
		return 0;
	}
	if (slash == NULL || strlen(slash) > 64) {
		errno = ENAMETOOLONG;
		return -1;
	}
	dir = xstrndup(path, (size_t)(slash - path) + 1);
	*dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (*dirfd == -1)
		return -1;
	snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d%s",
	    *dirfd, slash);
	return 0;
}

/* EAGAIN: the accept queue is full, as when the engine is just restarting. */
int
client_dial(const char *path, int64_t deadline_ms)
{
	struct sockaddr_un sa;
	int fd = -1, dirfd = -1, rc = -1;

	if (client_address(&sa, path, &dirfd) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (fd != -1 && rc == -1) {
		rc = connect(fd, (struct sockaddr *)&sa, sizeof sa);
		if (rc == 0 || errno == EINTR)
			continue;
		if (errno != EAGAIN || clock_mono_ms() >= deadline_ms)
			break;
		poll(NULL, 0, CLIENT_PAUSE_MS);
	}
	if (rc == -1)
		fd_closep(&fd);
	fd_closep(&dirfd);
	return fd;
}

static int
client_no_daemon(struct client *c, struct client_error *ce)
{
	int code = errno == EACCES || errno == EPERM ? 5 : 4;

	if (code == 5)
		return client_fail(ce, code,
		    "connect to %s: %s; the socket's mode decides who may "
		    "([reeve] socket_chmod, socket_chown)",
		    c->socket, strerror(errno));
	return client_fail(ce, code,
	    "connect to %s: %s; is reeved running? -s SOCKET or -c FILE name "
	    "another",
	    c->socket, strerror(errno));
}

int
client_connect(struct client *c, struct client_error *ce)
{
	if (c->fd != -1)
		return 0;
	client_disconnect(c);
	c->fd = client_dial(c->socket, clock_mono_ms() + CLIENT_DIAL_MS);
	return c->fd != -1 ? 0 : client_no_daemon(c, ce);
}

/* After a loss: the socket itself is gone for a moment when reeved upgrades. */
static int
client_reconnect(struct client *c, mono_ms deadline, struct client_error *ce)
{
	mono_ms until = clock_mono_ms() + CLIENT_AGAIN_MS;

	client_disconnect(c);
	if (deadline != -1 && deadline < until)
		until = deadline;
	for (;;) {
		if (client_connect(c, ce) == 0)
			return 0;
		if (clock_mono_ms() >= until)
			return -1;
		poll(NULL, 0, CLIENT_PAUSE_MS);
	}
}

/* --- messages ------------------------------------------------------------- */

static int
client_lost(struct client *c, struct client_error *ce)
{
	client_disconnect(c);
	return client_fail(ce, 4, "the connection to reeved was lost");
}

void
client_pass(struct client *c, const int *fds, size_t nfds)
{
	BUG_ON(nfds > CLIENT_FDS_MAX);
	memcpy(c->fds, fds, nfds * sizeof *fds);
	c->nfds = nfds;
}

static ssize_t
client_put(struct client *c, const char *p, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof c->fds)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (c->nfds != 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(c->nfds * sizeof(int));
		cm = &control.align;
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(c->nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), c->fds, c->nfds * sizeof(int));
	}
	return sendmsg(c->fd, &mh, MSG_NOSIGNAL);
}

/* The request is small: the kernel takes it, or the server does not read. */
static int
client_write(struct client *c, const char *p, size_t n, struct client_error *ce)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLOUT };
	ssize_t put;

	while (n > 0) {
		put = client_put(c, p, n);
		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1 && errno == EAGAIN) {
			if (poll(&pfd, 1, CLIENT_DIAL_MS) > 0)
				continue;
			return client_fail(
			    ce, 4, "reeved does not read its control socket");
		}
		/* A server that refuses says why before it goes: that is read.
		 */
		if (put == -1 && (errno == EPIPE || errno == ECONNRESET)) {
			c->nfds = 0;
			return 0;
		}
		if (put == -1)
			return client_lost(c, ce);
		c->nfds = 0; /* they went with the first bytes */
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

int
client_send(struct client *c, const char *method, json_t *params,
    struct client_error *ce)
{
	json_t *msg = json_pack("{s:s,s:i,s:s}", "jsonrpc", "2.0", "id",
	    c->last_id + 1, "method", method);
	int rc = -1;
	size_t len;
	char *text;

	BUG_ON(msg == NULL);
	if (params != NULL)
		json_object_set_new(msg, "params", params);
	text = json_dumps(msg, JSON_COMPACT);
	json_decref(msg);
	if (text == NULL)
		return client_fail(ce, 2, "an argument is not UTF-8");
	if (client_connect(c, ce) == 0) {
		len = strlen(text);
		text[len] = '\n';
		rc = client_write(c, text, len + 1, ce);
	}
	free(text);
	if (rc == -1)
		return -1;
	return ++c->last_id;
}

/* Is it the answer that is wanted as text, in the form in which reeved writes
 * it?  Any other form is parsed. */
static bool
client_take_text(struct client *c, size_t len, json_t **msg)
{
	char head[64];
	size_t n;

	if (c->text_id == 0)
		return false;
	n = (size_t)snprintf(head, sizeof head,
	    "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":", c->text_id);
	if (len <= n || memcmp(c->in.data, head, n) != 0 ||
	    c->in.data[len - 1] != '}')
		return false;
	free(c->text);
	if (c->in.len > len + 1) {
		c->text = xstrndup(c->in.data + n, len - n - 1);
	} else {
		/* It may be large, and is all there is: no copy of it. */
		c->text = buf_steal(&c->in);
		memmove(c->text, c->text + n, len - n - 1);
		c->text[len - n - 1] = '\0';
	}
	*msg = json_pack("{s:i,s:n}", "id", c->text_id, "result");
	return true;
}

/* 1: a line was taken; 0: there is none yet. */
static int
client_take_line(struct client *c, json_t **msg, struct client_error *ce)
{
	json_error_t jerr;
	char *nl = NULL;
	size_t len;

	if (c->in.len > c->scanned)
		nl = memchr(
		    c->in.data + c->scanned, '\n', c->in.len - c->scanned);
	if (nl == NULL) {
		c->scanned = c->in.len;
		if (c->in.len > CLIENT_LINE_MAX)
			return client_fail(ce, 4, "an endless answer");
		return 0;
	}
	len = (size_t)(nl - c->in.data);
	if (!client_take_text(c, len, msg))
		*msg = json_loadb(c->in.data, len, 0, &jerr);
	buf_consume(&c->in, c->in.len > len ? len + 1 : 0);
	c->scanned = 0;
	if (*msg == NULL)
		return client_fail(ce, 4,
		    "what answers at %s does not speak reeve's protocol: %s",
		    c->socket, jerr.text);
	return 1;
}

int
client_recv(
    struct client *c, int64_t wait_ms, json_t **msg, struct client_error *ce)
{
	mono_ms until = wait_ms >= 0 ? clock_mono_ms() + wait_ms : -1;
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
	int64_t left = -1;
	ssize_t n;
	int rc;

	*msg = NULL;
	while ((rc = client_take_line(c, msg, ce)) == 0) {
		n = recv(c->fd, buf_reserve(&c->in, CLIENT_CHUNK), CLIENT_CHUNK,
		    MSG_DONTWAIT);
		if (n > 0) {
			c->in.len += (size_t)n;
			c->in.data[c->in.len] = '\0';
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return client_lost(c, ce);
		if (until != -1)
			left = until - clock_mono_ms();
		if (until != -1 && left <= 0)
			return 0;
		poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	}
	return rc == 1 ? 0 : -1;
}

/* --- a call --------------------------------------------------------------- */

/* The server's own words and exit code. */
static int
client_refused(json_t *error, struct client_error *ce)
{
	json_t *data = json_object_get(error, "data");
	const char *text = json_string_value(json_object_get(error, "message"));
	json_t *code = json_object_get(data, "exit");

	client_fail(ce,
	    json_is_integer(code) ? (int)json_integer_value(code) : 1, "%s",
	    text != NULL ? text : "refused, without a reason");
	ce->data = json_incref(data);
	return -1;
}

static bool
client_is_id(const json_t *v, int id)
{
	return json_is_integer(v) && json_integer_value(v) == id;
}

/* true: it was the answer, or the connection's death sentence. */
static bool
call_message(struct call *call, int id, json_t *msg, enum try *out,
    struct client_error *ce)
{
	json_t *error = json_object_get(msg, "error");
	json_t *params = json_object_get(msg, "params");
	json_t *idv = json_object_get(msg, "id");

	call->losses = 0;
	if (params != NULL) {
		if (call->cb != NULL &&
		    client_is_id(json_object_get(params, "id"), id))
			call->cb(call->arg, params);
		return false;
	}
	if (!client_is_id(idv, id) && !(error != NULL && json_is_null(idv)))
		return false;
	*out = TRY_DONE;
	if (error != NULL) {
		client_refused(error, ce);
		*out = TRY_FAILED;
	} else {
		call->result = json_incref(json_object_get(msg, "result"));
		if (call->result == NULL)
			call->result = json_null();
	}
	return true;
}

static enum try
call_timeout(struct call *call, struct client_error *ce)
{
	char limit[64];

	str_duration(limit, sizeof limit, call->c->timeout_ms);
	client_fail(ce, 1, "no answer to \"%s\" within %s%s", call->method,
	    limit, call->kind == CLIENT_QUERY ? "" : "; the order goes on");
	client_disconnect(call->c);
	return TRY_FAILED;
}

static enum try
call_once(struct call *call, struct client_error *ce)
{
	struct client *c = call->c;
	enum try out = TRY_DONE;
	int64_t left = -1;
	json_t *msg;
	bool ended;
	int id;

	client_pass(c, call->fds, call->nfds);
	id = client_send(c, call->method, json_incref(call->params), ce);
	if (id == -1)
		return c->fd == -1 ? TRY_LOST : TRY_FAILED;
	c->text_id = call->text ? id : 0;
	do {
		if (call->deadline != -1) {
			left = call->deadline - clock_mono_ms();
			left = left > 0 ? left : 0;
		}
		if (client_recv(c, left, &msg, ce) == -1)
			return c->fd == -1 ? TRY_LOST : TRY_FAILED;
		if (msg == NULL)
			return call_timeout(call, ce);
		ended = call_message(call, id, msg, &out, ce);
		json_decref(msg);
	} while (!ended);
	return out;
}

/* Asks who is there, for an order that may have to be taken up again. */
static enum try
call_hello(struct call *call, json_int_t *last, struct client_error *ce)
{
	struct call hello = {
		.c = call->c,
		.kind = CLIENT_QUERY,
		.method = "hello",
		.deadline = call->deadline,
	};
	enum try rc = call_once(&hello, ce);

	if (rc != TRY_DONE)
		return rc;
	call->reeved_pid =
	    json_integer_value(json_object_get(hello.result, "reeved_pid"));
	*last = json_integer_value(json_object_get(hello.result, "last_event"));
	json_decref(hello.result);
	return TRY_DONE;
}

/*
 * The engine died under the request.  0: ask again, on a new connection.
 * A signal that was sent must not be sent twice, and an order given to a
 * reeved that is gone is not for its successor.
 */
static int
call_again(struct call *call, struct client_error *ce)
{
	json_int_t before = call->reeved_pid, last;
	struct client *c = call->c;

	if (call->kind == CLIENT_ONCE)
		return client_fail(ce, 1,
		    "the connection was lost; whether \"%s\" was carried out "
		    "is not known",
		    call->method);
	if (++call->losses > CLIENT_LOSSES)
		return client_fail(ce, 4,
		    "reeved's engine ended %d times before it answered",
		    call->losses);
	if (client_reconnect(c, call->deadline, ce) == -1)
		return -1;
	if (call->kind == CLIENT_QUERY)
		return 0;
	if (call_hello(call, &last, ce) != TRY_DONE)
		return c->fd == -1 ? 0 : -1;
	if (before != 0 && before != call->reeved_pid)
		return client_fail(ce, 1,
		    "reeved itself ended and was started again (pid %lld, now "
		    "%lld); whether \"%s\" was carried out is not known",
		    (long long)before, (long long)call->reeved_pid,
		    call->method);
	if (c->lost != NULL)
		c->lost(c->lost_arg,
		    "connection lost, reeved's engine was restarted; the "
		    "order goes on");
	return 0;
}

static enum try
call_first(struct call *call, struct client_error *ce)
{
	json_int_t last = 0;
	enum try rc;

	if (client_connect(call->c, ce) == -1)
		return TRY_FAILED;
	if (call->kind == CLIENT_QUERY || call->kind == CLIENT_ONCE)
		return call_once(call, ce);
	rc = call_hello(call, &last, ce);
	if (rc != TRY_DONE)
		return rc;
	rc = call_once(call, ce);
	/* From now on every try is a later one. */
	if (rc == TRY_LOST && call->kind == CLIENT_RESUME)
		json_object_set_new(call->params, "since", json_integer(last));
	return rc;
}

static int
call_run(struct call *call, struct client_error *ce)
{
	enum try rc = call_first(call, ce);

	while (rc == TRY_LOST) {
		if (call->kind == CLIENT_LAST) {
			call->result = json_null();
			break;
		}
		if (call_again(call, ce) == -1)
			break;
		rc = call_once(call, ce);
	}
	json_decref(call->params);
	call->c->text_id = 0;
	return call->result != NULL ? 0 : -1;
}

json_t *
client_call(struct client *c, enum client_kind kind, const char *method,
    json_t *params, client_note_cb *cb, void *arg, struct client_error *ce)
{
	struct call call = {
		.c = c,
		.kind = kind,
		.method = method,
		.params = params != NULL ? params : json_object(),
		.cb = cb,
		.arg = arg,
		.deadline =
		    c->timeout_ms >= 0 ? clock_mono_ms() + c->timeout_ms : -1,
	};

	memcpy(call.fds, c->fds, sizeof call.fds);
	call.nfds = c->nfds;
	c->nfds = 0;
	call_run(&call, ce);
	return call.result;
}

char *
client_query_text(struct client *c, const char *method, json_t *params,
    struct client_error *ce)
{
	struct call call = {
		.c = c,
		.kind = CLIENT_QUERY,
		.method = method,
		.params = params,
		.text = true,
		.deadline =
		    c->timeout_ms >= 0 ? clock_mono_ms() + c->timeout_ms : -1,
	};
	char *text = NULL;

	if (call_run(&call, ce) == -1)
		return NULL;
	text = c->text;
	c->text = NULL;
	if (text == NULL)
		text = json_dumps(call.result, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(call.result);
	return text;
}
