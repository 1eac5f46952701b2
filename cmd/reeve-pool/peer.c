/*
 * peer - the clients: what comes from them, and what goes to them.
 *
 * What is written is gathered and sent once a turn.  A peer that does not
 * read is dropped, never waited for; none is read while the process has few
 * descriptors left, so that a burst of files waits in the clients.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "reeve-pool.h"

#define OUT_MAX   (64 * 1024 * 1024)
#define OUT_GUEST (4 * 1024 * 1024) /* there may be hundreds of them */
#define IN_ROOM   65536
#define TURN_MAX  (256 * 1024) /* bytes of one peer in one turn */

void
buffer_unref(struct daemon *d, struct pd_buffer *b)
{
	if (b == NULL || --b->refs > 0)
		return;
	close(b->fd);
	d->fds--;
	free(b);
}

static void
peer_close(struct peer *p, const char *why)
{
	struct daemon *d = p->d;

	if (why != NULL && daemon_log_room(d))
		log_info("a client is dropped: %s", why);
	job_forget_all(p);
	loop_io_stop(&p->io);
	close(p->fd);
	for (size_t i = 0; i < p->nfds; i++)
		close(p->fds[i]);
	d->fds -= p->nfds;
	for (unsigned i = 0; i < POOL_BUFFERS; i++)
		buffer_unref(d, p->buffers[i]);
	*(p->prev != NULL ? &p->prev->next : &d->peers) = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	d->npeers--;
	d->nguests -= p->guest;
	buf_fini(&p->in);
	buf_fini(&p->out);
	free(p);
}

/* --- to them -------------------------------------------------------------- */

void
peer_message(struct peer *p, uint16_t type, uint64_t id, const void *body,
    size_t n, const char *text)
{
	size_t tlen = strlen(text) + 1,
	       len = sizeof(struct pool_msg) + n + tlen;
	struct pool_msg m = { (uint32_t)((len + 7) / 8 * 8), type, 0, id };
	static const char zeros[8];

	buf_add(&p->out, &m, sizeof m);
	if (n > 0)
		buf_add(&p->out, body, n);
	buf_add(&p->out, text, tlen);
	buf_add(&p->out, zeros, m.len - len);
}

/* -1: it has gone. */
static int
peer_flush(struct peer *p)
{
	ssize_t n;

	while (p->out_at < p->out.len) {
		n = pool_send(p->fd, p->out.data + p->out_at,
		    p->out.len - p->out_at, NULL, 0);
		if (n == -1 && errno != EAGAIN) {
			peer_close(p, NULL);
			return -1;
		}
		if (n == -1)
			break;
		p->out_at += (size_t)n;
	}
	if (p->out_at == p->out.len) {
		buf_clear(&p->out);
		p->out_at = 0;
	} else if (p->out.len - p->out_at > (p->guest ? OUT_GUEST : OUT_MAX)) {
		peer_close(p, "it does not read");
		return -1;
	}
	loop_io_set(&p->io,
	    (p->d->paused ? 0 : LOOP_READ) | (p->out.len > 0 ? LOOP_WRITE : 0));
	return 0;
}

void
peers_flush(struct daemon *d)
{
	struct peer *next;

	for (struct peer *p = d->peers; p != NULL; p = next) {
		next = p->next;
		if (p->out.len > 0 && peer_flush(p) == 0 && p->closing)
			peer_close(p, NULL);
	}
}

/* --- from them ------------------------------------------------------------ */

static const char *
on_hello(struct peer *p, const struct pool_msg *m)
{
	const struct pool_hello *h = (const struct pool_hello *)(m + 1);
	struct pool_welcome w = { POOL_PROTO, getpid() };

	if (h->version != POOL_PROTO)
		return "another version of the protocol";
	memcpy(p->session, h->session, sizeof p->session);
	p->hello = true;
	peer_message(p, PM_WELCOME, 0, &w, sizeof w, "");
	return NULL;
}

static const char *
on_buffer(struct peer *p, const struct pool_msg *m, int fd)
{
	struct pd_buffer *b = xmalloc(sizeof *b);

	*b = (struct pd_buffer){ fd, 1 };
	buffer_unref(p->d, p->buffers[m->id]);
	p->buffers[m->id] = b;
	return NULL;
}

static const char *
on_query(struct peer *p, const struct pool_msg *m)
{
	char *json = report_make(p->d, (const char *)(m + 1));

	if (json == NULL)
		return "a query is stats, kinds or jobs";
	if (strlen(json) < POOL_MSG_MAX - 64)
		peer_message(p, PM_ANSWER, m->id, NULL, 0, json);
	else
		peer_message(p, PM_ANSWER, m->id, NULL, 0,
		    "{\"error\":\"the answer is too long\"}");
	free(json);
	return NULL;
}

static const char *
on_message(struct peer *p, const struct pool_msg *m, const int *fds)
{
	const char *why = NULL;

	switch (m->type) {
	case PM_HELLO:
		return p->hello ? "a second hello" : on_hello(p, m);
	case PM_SUBMIT:
		(void)job_submit(p, m, fds, &why);
		return why;
	case PM_CANCEL:
		job_cancel(p, m->id);
		return NULL;
	case PM_BUFFER:
		return on_buffer(p, m, fds[0]);
	case PM_BUFFER_DROP:
		if (m->id >= POOL_BUFFERS)
			return "a buffer's number is 0 to 63";
		buffer_unref(p->d, p->buffers[m->id]);
		p->buffers[m->id] = NULL;
		return NULL;
	case PM_QUERY:
		return on_query(p, m);
	case PM_WAIT:
		kept_wait(p, m->id);
		return NULL;
	default:
		return "a message of the other side";
	}
}

/* Takes the message's descriptors from those that came. */
static const char *
peer_take(struct peer *p, const struct pool_msg *m)
{
	const char *why = guest_forbids(p, m);
	int fds[POOL_MSG_FDS];

	if (why != NULL)
		return why;
	/* Before the descriptors are anybody's. */
	if (!p->hello && m->type != PM_HELLO)
		return "the first message is a hello";
	if (m->nfds > p->nfds)
		return "a descriptor is missing";
	memcpy(fds, p->fds, m->nfds * sizeof(int));
	p->nfds -= m->nfds;
	memmove(p->fds, p->fds + m->nfds, p->nfds * sizeof(int));
	return on_message(p, m, fds);
}

static const char *
peer_parse(struct peer *p)
{
	const struct pool_msg *m;
	const char *why = NULL;
	size_t at = 0;
	int r = 1;

	while (why == NULL && !p->closing) {
		m = (const struct pool_msg *)(void *)(p->in.data + at);
		r = pool_msg_check(m, p->in.len - at, &why);
		if (r != 1)
			break;
		at += m->len;
		why = peer_take(p, m);
	}
	buf_consume(&p->in, at);
	return why;
}

void
peer_end(struct peer *p, int error, const char *why)
{
	peer_message(p, PM_BYE, (uint64_t)error, NULL, 0, why);
	p->closing = true;
	daemon_flush_soon(p->d);
}

void
peer_bye(struct peer *p, const char *why)
{
	if (daemon_log_room(p->d))
		log_warnx("a client breaks the protocol: %s", why);
	peer_end(p, 0, why);
}

/* Too few are left for what one read may bring. */
static bool
fds_are_short(const struct daemon *d)
{
	return d->fds + 256 > d->fds_max;
}

static void
peers_pause(struct daemon *d)
{
	d->paused = true;
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		loop_io_set(&p->io, p->out.len > 0 ? LOOP_WRITE : 0);
}

void
peers_resume(struct daemon *d)
{
	if (!d->paused || fds_are_short(d))
		return;
	d->paused = false;
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		loop_io_set(
		    &p->io, LOOP_READ | (p->out.len > 0 ? LOOP_WRITE : 0));
}

/* 1: there may be more; 0: not now; -1: the end. */
static int
peer_read(struct peer *p)
{
	size_t nfds = sizeof p->fds / sizeof p->fds[0] - p->nfds;
	char *to = buf_reserve(&p->in, IN_ROOM);
	ssize_t n = pool_recv(p->fd, to, IN_ROOM, p->fds + p->nfds, &nfds);

	if (n == -1)
		return errno == EAGAIN ? 0 : -1;
	p->nfds += nfds;
	p->d->fds += nfds;
	p->in.len += (size_t)n;
	return n == 0 ? -1 : n == IN_ROOM || nfds > 0;
}

static void
on_peer(struct loop_io *io, int events, void *arg)
{
	struct peer *p = arg;
	struct daemon *d = p->d;
	const char *why = NULL;
	size_t turn = 0;
	int more = 1;

	(void)io;
	if ((events & LOOP_WRITE) != 0 && peer_flush(p) == -1)
		return;
	if ((events & LOOP_READ) == 0 || p->closing)
		return;
	while (
	    more == 1 && why == NULL && turn < TURN_MAX && !fds_are_short(d)) {
		more = peer_read(p);
		turn += IN_ROOM;
		if (more != -1)
			why = peer_parse(p);
	}
	if (why != NULL)
		peer_bye(p, why);
	else if (more == -1)
		peer_close(p, NULL);
	daemon_flush_soon(d);
	if (fds_are_short(d))
		peers_pause(d);
	daemon_check_end(d);
}

static void
peer_add(struct daemon *d, int fd, bool guest, uid_t uid)
{
	struct peer *p = xcalloc(1, sizeof *p);

	p->d = d;
	p->fd = fd;
	p->guest = guest;
	p->uid = uid;
	buf_init(&p->in);
	buf_init(&p->out);
	p->next = d->peers;
	if (p->next != NULL)
		p->next->prev = p;
	d->peers = p;
	d->npeers++;
	d->nguests += guest;
	loop_io_init(&p->io, d->lp, fd, LOOP_READ, on_peer, p);
	loop_io_start(&p->io);
}

static void
on_listen(struct loop_io *io, int events, void *arg)
{
	struct daemon *d = arg;
	bool guest;
	uid_t uid = 0;
	int fd;

	(void)io;
	(void)events;
	while ((fd = accept4(d->listen_fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK)) != -1) {
		if (guest_look(d, fd, &guest, &uid) == -1)
			continue;
		peer_add(d, fd, guest, uid);
		/* Its hello may be here: it is one that says nothing only
		 * if not. */
		if (guest)
			on_peer(&d->peers->io, LOOP_READ, d->peers);
		if (guest)
			guests_mute(d);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		log_warn("accept");
}

int
peers_listen(struct daemon *d, int fd, struct err *err)
{
	if (fd_nonblock(fd) == -1)
		return err_sys(err, "the pool's socket");
	d->listen_fd = fd;
	loop_io_init(&d->listen_io, d->lp, fd, LOOP_READ, on_listen, d);
	loop_io_start(&d->listen_io);
	return 0;
}

void
peers_stop_listening(struct daemon *d)
{
	loop_io_stop(&d->listen_io);
	close(d->listen_fd);
}

void
peers_close_idle(struct daemon *d)
{
	struct peer *next;

	for (struct peer *p = d->peers; p != NULL; p = next) {
		next = p->next;
		if (p->njobs == 0 && p->out.len == 0)
			peer_close(p, NULL);
	}
}
