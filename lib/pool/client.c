/*
 * client - see reeve/pool.h.  libc and proto.c alone.
 *
 * A job that was not answered is kept as the message that submitted it, with
 * duplicates of its descriptors: connecting again is sending them again.
 */
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool/client_priv.h"

int
client_fail(struct reeve_pool *p, int e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p->error, sizeof p->error, fmt, ap);
	va_end(ap);
	errno = e;
	return -1;
}

const char *
reeve_pool_error(const struct reeve_pool *p)
{
	return p->error;
}

const char *
reeve_pool_status_name(enum reeve_pool_status s)
{
	return pool_status_name((enum pool_status)s);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
conn_dial(struct reeve_pool *p, struct conn *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct pool_hello h = { .version = POOL_PROTO };

	memcpy(sun.sun_path, p->path, sizeof sun.sun_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return -1;
	if (connect(c->fd, (struct sockaddr *)&sun, sizeof sun) == -1 ||
	    fcntl(c->fd, F_SETFL, O_NONBLOCK) == -1)
		return -1;
	memcpy(h.session, p->session, sizeof h.session);
	return client_conn_add_bare(c, PM_HELLO, 0, &h, sizeof h);
}

static int
on_bye(struct reeve_pool *p, const struct pool_msg *m)
{
	return client_fail(p, m->id == EACCES ? EACCES : EPROTO, "the pool: %s",
	    (const char *)(m + 1));
}

static struct slot *slot_of(struct reeve_pool *p, uint64_t id);

/* A job whose pool has answered is not known to the next one. */
static void
late_keep(struct reeve_pool *p, const struct pool_msg *m)
{
	const struct pool_result *r = (const struct pool_result *)(m + 1);
	struct slot *s = slot_of(p, m->id);

	if (s == NULL || s->answered || r->status == PR_MOVED ||
	    client_bytes_add(&p->late, m, m->len) == -1)
		return;
	if (s->conn != NULL)
		s->conn->jobs--;
	else if (p->resend > 0)
		p->resend--;
	s->conn = NULL;
	s->answered = true;
}

/*
 * It broke.  What came before counts: answers, and why the pool has ended it,
 * which is final.
 */
static bool
conn_said_bye(struct reeve_pool *p, struct conn *c)
{
	const struct pool_msg *m;
	const char *bad = NULL;
	int e = errno;

	if (c->fd == -1)
		return false;
	while (client_conn_fill(c) == 1)
		;
	while ((m = client_conn_next(c, &bad)) != NULL) {
		if (m->type == PM_RESULT)
			late_keep(p, m);
		if (m->type == PM_BYE) {
			(void)on_bye(p, m);
			return true;
		}
	}
	errno = e;
	return false;
}

/* --- connecting again ----------------------------------------------------- */

struct conn *
client_conn(struct reeve_pool *p)
{
	return &p->conn[p->now];
}

static int
send_slot(struct reeve_pool *p, struct slot *s, bool again)
{
	struct conn *c = client_conn(p);
	struct pool_submit *sub = (struct pool_submit *)(s->msg + 1);

	if (again)
		sub->flags |= PS_AGAIN;
	if (client_conn_add(c, s->msg, s->fds) == -1)
		return -1;
	s->conn = c;
	c->jobs++;
	return 0;
}

/* All that was not answered, in the order in which it was submitted. */
static int
by_count(const void *a, const void *b)
{
	const struct slot *const *x = a, *const *y = b;
	uint64_t i = (*x)->id >> SLOT_BITS, j = (*y)->id >> SLOT_BITS;

	return i < j ? -1 : i > j;
}

static int
resend_all(struct reeve_pool *p)
{
	struct slot **list = calloc(p->nslots + 1, sizeof(struct slot *));
	size_t n = 0;
	int r = 0;

	if (list == NULL)
		return -1;
	for (uint32_t i = 0; i < p->nslots; i++)
		if (p->slots[i].id != 0 && p->slots[i].conn == NULL &&
		    !p->slots[i].answered)
			list[n++] = &p->slots[i];
	qsort(list, n, sizeof(struct slot *), by_count);
	for (size_t i = 0; i < n && r == 0; i++)
		r = send_slot(p, list[i], true);
	free(list);
	p->resend = 0;
	return r;
}

static void
forget_sent(struct reeve_pool *p, const struct conn *c)
{
	for (uint32_t i = 0; i < p->nslots; i++)
		if (p->slots[i].id != 0 && p->slots[i].conn == c) {
			p->slots[i].conn = NULL;
			p->resend++;
		}
}

static int
connect_once(struct reeve_pool *p)
{
	struct conn *c = client_conn(p);

	client_conn_close(c);
	if (conn_dial(p, c) == -1)
		return -1;
	for (unsigned i = 0; i < REEVE_POOL_BUFFERS_MAX; i++)
		if (p->buffers[i].fd != -1 && client_send_buffer(p, c, i) == -1)
			return -1;
	if (resend_all(p) == -1 || client_conn_flush(c) == -1) {
		forget_sent(p, c);
		return -1;
	}
	return 0;
}

static int
connect_again(struct reeve_pool *p)
{
	int pause_ms = 5;
	int64_t until = now_ms() + REEVE_POOL_AGAIN_MS;
	int e;

	p->queries = 0;
	while (connect_once(p) == -1) {
		if (conn_said_bye(p, client_conn(p))) {
			client_conn_close(client_conn(p));
			return -1;
		}
		e = errno;
		client_conn_close(client_conn(p));
		if (now_ms() >= until)
			return client_fail(
			    p, e, "the pool at %s: %s", p->path, strerror(e));
		(void)poll(NULL, 0, pause_ms);
		pause_ms = pause_ms < 100 ? pause_ms * 2 : 100;
	}
	return 0;
}

/* It broke; what was sent there is not lost. */
int
client_conn_lost(struct reeve_pool *p, struct conn *c)
{
	bool final = conn_said_bye(p, c);

	forget_sent(p, c);
	client_conn_close(c);
	if (final)
		return -1;
	return c == client_conn(p) || p->resend > 0 ? connect_again(p) : 0;
}

/* What was sent but not begun there comes back: the pool is being replaced. */
static int
moved(struct reeve_pool *p, struct slot *s)
{
	s->conn->jobs--;
	if (s->conn == client_conn(p)) {
		p->now = 1 - p->now;
		/* Two replacements within one job: rare enough to run again
		 * what is left there. */
		(void)conn_said_bye(p, client_conn(p));
		if (client_conn(p)->fd != -1)
			forget_sent(p, client_conn(p));
		client_conn_close(client_conn(p));
	}
	s->conn = NULL;
	p->resend++;
	return 0;
}

/* --- jobs ----------------------------------------------------------------- */

static int
slots_grow(struct reeve_pool *p)
{
	uint32_t n = p->nslots == 0 ? 64 : p->nslots * 2;
	struct slot *s;

	if (p->nslots >= REEVE_POOL_IN_FLIGHT)
		return client_fail(
		    p, EAGAIN, "%d jobs are in flight", REEVE_POOL_IN_FLIGHT);
	s = realloc(p->slots, n * sizeof *s);
	if (s == NULL)
		return client_fail(p, ENOMEM, "out of memory");
	memset(s + p->nslots, 0, (n - p->nslots) * sizeof *s);
	for (uint32_t i = p->nslots; i < n; i++)
		s[i].next_free = i + 1;
	p->slots = s;
	p->free_slot = p->nslots;
	p->nslots = n;
	return 0;
}

static struct slot *
slot_of(struct reeve_pool *p, uint64_t id)
{
	uint32_t i = id & ((1u << SLOT_BITS) - 1);

	return i < p->nslots && id != 0 && p->slots[i].id == id ? &p->slots[i]
								: NULL;
}

static void
slot_release(struct reeve_pool *p, struct slot *s)
{
	for (unsigned i = 0; i < s->msg->nfds; i++)
		client_close_fd(&s->fds[i]);
	if (s->conn != NULL)
		s->conn->jobs--;
	s->id = 0;
	s->conn = NULL;
	s->next_free = p->free_slot;
	p->free_slot = (uint32_t)(s - p->slots);
	p->in_flight--;
}

static struct slot *
slot_new(struct reeve_pool *p, const struct reeve_pool_request *rq)
{
	unsigned nargs;
	size_t size = client_request_size(rq, &nargs);
	struct slot *s;
	void *room;

	if (size > POOL_MSG_MAX || nargs > 255) {
		client_fail(p, E2BIG, "the job's arguments are too long");
		return NULL;
	}
	if (p->free_slot == p->nslots && slots_grow(p) == -1)
		return NULL;
	s = &p->slots[p->free_slot];
	if (s->room < size) {
		room = realloc(s->msg, size);
		if (room == NULL) {
			client_fail(p, ENOMEM, "out of memory");
			return NULL;
		}
		s->msg = room;
		s->room = size;
	}
	*s->msg = (struct pool_msg){ (uint32_t)size, PM_SUBMIT, 0,
		++p->count << SLOT_BITS | p->free_slot };
	if (client_slot_fds(s, rq) == -1) {
		client_fail(
		    p, errno, "a descriptor of the job: %s", strerror(errno));
		return NULL;
	}
	client_request_write(rq, s->msg, nargs);
	p->free_slot = s->next_free;
	s->id = s->msg->id;
	s->conn = NULL;
	s->answered = false;
	p->in_flight++;
	return s;
}

static bool
buffer_ok(const struct reeve_pool *p, int b, int fd)
{
	return b == -1 || (b >= 0 && b < REEVE_POOL_BUFFERS_MAX &&
			      p->buffers[b].fd != -1 && fd == -1);
}

int
reeve_pool_submit(
    struct reeve_pool *p, const struct reeve_pool_request *rq, uint64_t *id)
{
	struct slot *s;

	if (rq->priority < 0 || rq->priority > 7)
		return client_fail(p, EINVAL, "a priority is 0 to 7");
	if (!buffer_ok(p, rq->in_buffer, rq->in_fd) ||
	    !buffer_ok(p, rq->out_buffer, rq->out_fd))
		return client_fail(p, EINVAL, "no such buffer");
	s = slot_new(p, rq);
	if (s == NULL)
		return -1;
	*id = s->id;
	if (client_conn(p)->fd == -1 || p->resend > 0) {
		p->resend++; /* behind the others */
		return 0;
	}
	if (send_slot(p, s, false) == -1)
		return client_conn_lost(p, client_conn(p));
	return 0;
}

int
reeve_pool_flush(struct reeve_pool *p)
{
	struct conn *c = client_conn(p);

	if (c->fd == -1 || p->resend > 0) {
		if (c->fd == -1)
			return connect_again(p);
		if (resend_all(p) == -1)
			return client_conn_lost(p, c);
	}
	return client_conn_flush(c) == -1 ? client_conn_lost(p, c) : 0;
}

int
reeve_pool_cancel(struct reeve_pool *p, uint64_t id)
{
	struct slot *s = slot_of(p, id);

	if (s == NULL || s->conn == NULL)
		return 0;
	if (client_conn_add_bare(s->conn, PM_CANCEL, id, NULL, 0) == -1 ||
	    client_conn_flush(s->conn) == -1)
		return client_conn_lost(p, s->conn);
	return 0;
}

int
reeve_pool_query(struct reeve_pool *p, const char *what, uint64_t *id)
{
	struct conn *c = client_conn(p);

	*id = ++p->count << SLOT_BITS | ((1u << SLOT_BITS) - 1);
	if (strlen(what) > 63)
		return client_fail(p, EINVAL, "no such query");
	if (reeve_pool_flush(p) == -1)
		return -1;
	p->queries++;
	if (client_conn_add_bare(c, PM_QUERY, *id, what, strlen(what) + 1) ==
		-1 ||
	    client_conn_flush(c) == -1)
		return client_fail(
		    p, errno, "the pool at %s: %s", p->path, strerror(errno));
	return 0;
}

/* --- what comes back ------------------------------------------------------ */

static int
keep_text(struct reeve_pool *p, const char *text, struct reeve_pool_event *ev)
{
	p->text.len = 0;
	if (client_bytes_add(&p->text, text, strlen(text) + 1) == -1)
		return client_fail(p, ENOMEM, "out of memory");
	ev->text = p->text.p;
	return 1;
}

static int
on_result(
    struct reeve_pool *p, const struct pool_msg *m, struct reeve_pool_event *ev)
{
	const struct pool_result *r = (const struct pool_result *)(m + 1);
	struct slot *s = slot_of(p, m->id);

	if (s == NULL)
		return 0;
	if (r->status == PR_MOVED)
		return moved(p, s);
	*ev = (struct reeve_pool_event){ .type = REEVE_POOL_RESULT,
		.id = m->id,
		.status = (enum reeve_pool_status)r->status,
		.signal = r->signal,
		.queued = r->queued,
		.bytes_in = r->bytes_in,
		.bytes_out = r->bytes_out,
		.wait_us = r->wait_us,
		.run_us = r->run_us };
	slot_release(p, s);
	return keep_text(p, (const char *)(r + 1), ev);
}

static int
on_message(
    struct reeve_pool *p, const struct pool_msg *m, struct reeve_pool_event *ev)
{
	const struct pool_progress *pr = (const struct pool_progress *)(m + 1);

	switch (m->type) {
	case PM_RESULT:
		return on_result(p, m, ev);
	case PM_PROGRESS:
		if (slot_of(p, m->id) == NULL)
			return 0;
		*ev = (struct reeve_pool_event){ .type = REEVE_POOL_PROGRESS,
			.id = m->id,
			.percent = (int)pr->percent };
		return keep_text(p, (const char *)(pr + 1), ev);
	case PM_ANSWER:
		p->queries -= p->queries > 0;
		*ev = (struct reeve_pool_event){ .type = REEVE_POOL_ANSWER,
			.id = m->id };
		return keep_text(p, (const char *)(m + 1), ev);
	case PM_BYE:
		return on_bye(p, m);
	default:
		return 0;
	}
}

/* 1: *ev; 0: there is nothing whole; -1 */
static int
conn_event(struct reeve_pool *p, struct conn *c, struct reeve_pool_event *ev)
{
	const struct pool_msg *m;
	const char *bad = NULL;
	int r;

	while ((m = client_conn_next(c, &bad)) != NULL) {
		r = on_message(p, m, ev);
		if (r != 0)
			return r;
	}
	if (bad != NULL)
		return client_fail(
		    p, EPROTO, "the pool talks rubbish: %s", bad);
	return 0;
}

static int
late_event(struct reeve_pool *p, struct reeve_pool_event *ev)
{
	const struct pool_msg *m;

	if (p->late_at == p->late.len)
		return 0;
	m = (const struct pool_msg *)(void *)(p->late.p + p->late_at);
	p->late_at += m->len;
	if (p->late_at == p->late.len)
		p->late_at = p->late.len = 0; /* what m is stays */
	return on_result(p, m, ev);
}

static int
read_events(struct reeve_pool *p, struct reeve_pool_event *ev)
{
	struct conn *c;
	int r = late_event(p, ev);

	for (unsigned i = 0; i < 2 && r == 0; i++) {
		c = &p->conn[i];
		if (c->fd == -1)
			continue;
		if ((r = conn_event(p, c, ev)) != 0)
			return r;
		r = client_conn_fill(c);
		if (r == -1)
			r = client_conn_lost(p, c);
		else if (r == 1)
			r = conn_event(p, c, ev);
		if (c != client_conn(p) && c->jobs == 0)
			client_conn_close(c);
	}
	return r;
}

static int
wait_readable(struct reeve_pool *p, int64_t until)
{
	struct pollfd pfd[2] = { { p->conn[0].fd, POLLIN, 0 },
		{ p->conn[1].fd, POLLIN, 0 } };
	int64_t left = until < 0 ? -1 : until - now_ms();

	if (until >= 0 && left <= 0)
		return 0;
	if (poll(pfd, 2, left < 0 ? -1 : (int)left) == -1 && errno != EINTR)
		return client_fail(p, errno, "poll: %s", strerror(errno));
	/* A signal is the caller's: it may want to cancel. */
	return 1;
}

int
reeve_pool_next(
    struct reeve_pool *p, int timeout_ms, struct reeve_pool_event *ev)
{
	int64_t until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	int r;

	for (;;) {
		if (p->in_flight == 0 && p->queries == 0)
			return 0;
		if (reeve_pool_flush(p) == -1)
			return -1;
		r = read_events(p, ev);
		if (r != 0)
			return r;
		if (p->resend > 0)
			continue;
		errno = 0;
		r = wait_readable(p, until);
		if (r <= 0)
			return r;
		if (errno == EINTR)
			return 0;
	}
}

int
reeve_pool_fd(const struct reeve_pool *p)
{
	return p->conn[p->now].fd;
}

size_t
reeve_pool_in_flight(const struct reeve_pool *p)
{
	return p->in_flight;
}

/* --- begin and end -------------------------------------------------------- */

struct reeve_pool *
reeve_pool_open(const char *path)
{
	struct reeve_pool *p = calloc(1, sizeof *p);
	int e;

	if (p == NULL)
		return NULL;
	p->conn[0].fd = p->conn[1].fd = -1;
	for (unsigned i = 0; i < REEVE_POOL_BUFFERS_MAX; i++)
		p->buffers[i].fd = -1;
	if (path == NULL)
		path = getenv("REEVE_POOL");
	e = path == NULL                     ? ENOENT
	    : strlen(path) >= sizeof p->path ? ENAMETOOLONG
					     : 0;
	if (e == 0) {
		(void)snprintf(p->path, sizeof p->path, "%s", path);
		if (getrandom(p->session, sizeof p->session, 0) == -1)
			e = errno;
		else if (connect_once(p) == -1) {
			(void)conn_said_bye(p, client_conn(p));
			e = errno;
		}
	}
	if (e != 0) {
		reeve_pool_close(p);
		errno = e;
		return NULL;
	}
	return p;
}

void
reeve_pool_close(struct reeve_pool *p)
{
	for (unsigned i = 0; i < 2; i++) {
		client_conn_close(&p->conn[i]);
		client_bytes_fini(&p->conn[i].out);
		client_bytes_fini(&p->conn[i].in);
	}
	for (uint32_t i = 0; i < p->nslots; i++) {
		if (p->slots[i].id != 0)
			slot_release(p, &p->slots[i]);
		free(p->slots[i].msg);
	}
	for (unsigned i = 0; i < REEVE_POOL_BUFFERS_MAX; i++) {
		if (p->buffers[i].fd == -1)
			continue;
		if (p->buffers[i].addr != MAP_FAILED)
			(void)munmap(p->buffers[i].addr, p->buffers[i].size);
		client_close_fd(&p->buffers[i].fd);
	}
	free(p->slots);
	client_bytes_fini(&p->late);
	client_bytes_fini(&p->text);
	free(p);
}
