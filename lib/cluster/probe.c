/*
 * probe - one look whether somebody answers: connect, or GET and a status.
 */
#include "cluster/probe.h"

#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/xalloc.h"

#define PROBE_MAGIC 0x70726f62U
#define PROBE_HEAD  4096 /* the status line is within it */

struct probe {
	unsigned magic;
	struct loop *lp;
	const struct config_probe *target;
	probe_cb *cb;
	void *arg;
	int64_t timeout_ms;
	size_t at; /* of target's addresses */
	int fd;
	bool connected;
	struct loop_io io;
	struct loop_timer deadline;
	struct loop_task done;
	struct buf request;
	size_t sent;
	char *head; /* of the answer, PROBE_HEAD bytes; NULL: none yet */
	size_t len;
	bool failed;
	char error[PROBE_ERROR_MAX]; /* the first one counts */
};

static void probe_connect(struct probe *p);
static void probe_set_error(struct probe *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
probe_free(struct probe *p)
{
	loop_io_stop(&p->io);
	loop_timer_stop(&p->deadline);
	loop_task_cancel(p->lp, &p->done);
	fd_closep(&p->fd);
	buf_fini(&p->request);
	free(p->head);
	p->magic = 0;
	free(p);
}

static void
probe_on_done(void *arg)
{
	struct probe *p = arg;
	char error[PROBE_ERROR_MAX];
	probe_cb *cb = p->cb;
	void *cb_arg = p->arg;
	bool failed = p->failed;

	memcpy(error, p->error, sizeof error);
	probe_free(p);
	cb(cb_arg, failed ? error : NULL);
}

/* The callback comes at the end of the turn. */
static void
probe_end(struct probe *p, bool ok)
{
	p->failed = !ok;
	loop_io_stop(&p->io);
	loop_timer_stop(&p->deadline);
	loop_task_queue(p->lp, &p->done);
}

static void
probe_set_error(struct probe *p, const char *fmt, ...)
{
	va_list ap;

	if (p->error[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(p->error, sizeof p->error, fmt, ap);
	va_end(ap);
}

/* "GET http://127.0.0.1:80/health", or what is connected to. */
static void
probe_what(const struct probe *p, char *out, size_t size)
{
	const struct config_probe *t = p->target;
	bool is_unix = t->addr[0].ss_family == AF_UNIX;

	if (t->kind == PROBE_HTTP && p->connected)
		snprintf(out, size, "GET http%s%.60s%s%.40s",
		    is_unix ? "+unix:" : "://", t->text, is_unix ? ":" : "",
		    t->path);
	else
		snprintf(out, size, "connect %.100s", t->text);
}

static void
probe_fail(struct probe *p, const char *why)
{
	char what[128];

	probe_what(p, what, sizeof what);
	probe_set_error(p, "%s: %s", what, why);
	probe_end(p, false);
}

/* --- the answer ----------------------------------------------------- */

/* "HTTP/1.1 200 OK": its number, 0: it is no such line. */
static unsigned
probe_status_of(const char *line, size_t n)
{
	const char *sp = memchr(line, ' ', n);
	unsigned status = 0;
	size_t rest;

	if (n < 12 || memcmp(line, "HTTP/", 5) != 0 || sp == NULL)
		return 0;
	rest = n - (size_t)(sp + 1 - line);
	if (rest < 3 || (rest > 3 && sp[4] != ' ' && sp[4] != '\r'))
		return 0;
	for (int i = 1; i <= 3; i++) {
		if (sp[i] < '0' || sp[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(sp[i] - '0');
	}
	return status >= 100 ? status : 0;
}

static void
probe_judge(struct probe *p, size_t line)
{
	const struct config_probe *t = p->target;
	unsigned status = probe_status_of(p->head, line);
	char why[64];

	if (status == 0) {
		probe_fail(p, "the answer is not HTTP");
		return;
	}
	if (status >= t->status_min && status <= t->status_max) {
		probe_end(p, true);
		return;
	}
	if (t->status_min == t->status_max)
		snprintf(why, sizeof why, "status %u, not %u", status,
		    t->status_min);
	else
		snprintf(why, sizeof why, "status %u, not %u-%u", status,
		    t->status_min, t->status_max);
	probe_fail(p, why);
}

static void
probe_read(struct probe *p)
{
	const char *nl;
	ssize_t n;

	if (p->head == NULL)
		p->head = xmalloc(PROBE_HEAD);
	n = recv(p->fd, p->head + p->len, PROBE_HEAD - p->len, MSG_DONTWAIT);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n == -1) {
		probe_fail(p, strerror(errno));
		return;
	}
	p->len += (size_t)n;
	nl = memchr(p->head, '\n', p->len);
	if (nl != NULL)
		probe_judge(p, (size_t)(nl - p->head));
	else if (n == 0)
		probe_fail(p, "closed without an answer");
	else if (p->len == PROBE_HEAD)
		probe_fail(p, "the answer is not HTTP");
}

static void
probe_write(struct probe *p)
{
	ssize_t n;

	n = send(p->fd, p->request.data + p->sent, p->request.len - p->sent,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n == -1) {
		probe_fail(p, strerror(errno));
		return;
	}
	p->sent += (size_t)n;
	if (p->sent == p->request.len)
		loop_io_set(&p->io, LOOP_READ);
}

/* --- connect -------------------------------------------------------- */

/*
 * A connection to a port that nobody listens on may meet itself, when the
 * kernel happens to give it that port (tcp's simultaneous open).
 */
static bool
probe_met_itself(const struct probe *p)
{
	struct sockaddr_storage here, there;
	socklen_t n = sizeof here, m = sizeof there;

	memset(&here, 0, sizeof here);
	memset(&there, 0, sizeof there);
	return p->target->addr[p->at].ss_family != AF_UNIX &&
	       getsockname(p->fd, (struct sockaddr *)&here, &n) == 0 &&
	       getpeername(p->fd, (struct sockaddr *)&there, &m) == 0 &&
	       n == m && memcmp(&here, &there, n) == 0;
}

/* The next address, or the end with the first one's error. */
static void
probe_refused(struct probe *p, int errnum)
{
	char what[128];

	probe_what(p, what, sizeof what);
	probe_set_error(p, "%s: %s", what, strerror(errnum));
	loop_io_stop(&p->io);
	fd_closep(&p->fd);
	if (++p->at < p->target->naddrs)
		probe_connect(p);
	else
		probe_end(p, false);
}

static void
probe_connected(struct probe *p)
{
	if (probe_met_itself(p)) {
		probe_refused(p, ECONNREFUSED);
		return;
	}
	p->connected = true;
	p->error[0] = '\0'; /* of an address before this one */
	if (p->target->kind == PROBE_CONNECT)
		probe_end(p, true);
	else
		loop_io_set(&p->io, LOOP_WRITE);
}

static void
probe_on_io(struct loop_io *io, int events, void *arg)
{
	struct probe *p = arg;
	socklen_t n = sizeof(int);
	int errnum = 0;

	(void)io;
	BUG_ON(p->magic != PROBE_MAGIC);
	if (!p->connected) {
		if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &errnum, &n) == -1)
			errnum = errno;
		if (errnum != 0)
			probe_refused(p, errnum);
		else
			probe_connected(p);
	} else if (p->sent < p->request.len && (events & LOOP_WRITE) != 0) {
		probe_write(p);
	} else {
		probe_read(p);
	}
}

static void
probe_connect(struct probe *p)
{
	const struct config_probe *t = p->target;
	int family = t->addr[p->at].ss_family;

	p->fd =
	    sys_socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd == -1) {
		probe_refused(p, errno);
		return;
	}
	loop_io_init(&p->io, p->lp, p->fd, LOOP_WRITE, probe_on_io, p);
	if (connect(p->fd, (const struct sockaddr *)&t->addr[p->at],
		t->addr_len[p->at]) == -1 &&
	    errno != EINPROGRESS) {
		probe_refused(p, errno);
		return;
	}
	/* Connected at once is writable at once. */
	loop_io_start(&p->io);
}

static void
probe_on_deadline(struct loop_timer *t, void *arg)
{
	struct probe *p = arg;
	char ms[32], why[64];

	(void)t;
	str_duration(ms, sizeof ms, p->timeout_ms);
	snprintf(why, sizeof why, "no answer within %s", ms);
	probe_fail(p, why);
}

/* --- the face ------------------------------------------------------- */

struct probe *
probe_start(struct loop *lp, const struct config_probe *target,
    int64_t timeout_ms, probe_cb *cb, void *arg)
{
	struct probe *p = xcalloc(1, sizeof *p);

	BUG_ON(timeout_ms <= 0 || target->naddrs == 0);
	p->magic = PROBE_MAGIC;
	p->lp = lp;
	p->target = target;
	p->cb = cb;
	p->arg = arg;
	p->timeout_ms = timeout_ms;
	p->fd = -1;
	buf_init(&p->request);
	if (target->kind == PROBE_HTTP)
		buf_addf(&p->request,
		    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: reeve\r\n"
		    "Accept: */*\r\nConnection: close\r\n\r\n",
		    target->path, target->host);
	loop_io_init(&p->io, lp, -1, 0, probe_on_io, p);
	loop_task_init(&p->done, probe_on_done, p);
	loop_timer_init(&p->deadline, lp, probe_on_deadline, p);
	loop_timer_start(&p->deadline, timeout_ms);
	probe_connect(p);
	return p;
}

void
probe_cancel(struct probe **pp)
{
	struct probe *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	BUG_ON(p->magic != PROBE_MAGIC);
	probe_free(p);
}
