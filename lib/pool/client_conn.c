/*
 * client_conn - bytes and descriptors of one connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/client_priv.h"

#define OUT_ENOUGH 32768
#define IN_ROOM    65536

void
client_close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* --- bytes ---------------------------------------------------------------- */

char *
client_bytes_room(struct bytes *b, size_t n)
{
	size_t cap = b->cap == 0 ? 4096 : b->cap;
	char *p;

	while (cap - b->len < n)
		cap *= 2;
	if (cap != b->cap) {
		p = realloc(b->p, cap);
		if (p == NULL)
			return NULL;
		b->p = p;
		b->cap = cap;
	}
	return b->p + b->len;
}

int
client_bytes_add(struct bytes *b, const void *p, size_t n)
{
	char *to = client_bytes_room(b, n);

	if (to == NULL)
		return -1;
	memcpy(to, p, n);
	b->len += n;
	return 0;
}

void
client_bytes_fini(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){ 0 };
}

/* --- one connection ------------------------------------------------------- */

void
client_conn_close(struct conn *c)
{
	client_close_fd(&c->fd);
	c->out.len = c->in.len = c->in_at = c->nfds = 0;
	c->jobs = 0;
}

int
client_conn_flush(struct conn *c)
{
	struct pollfd pfd = { c->fd, POLLOUT, 0 };
	size_t at = 0;
	ssize_t n;

	while (at < c->out.len) {
		n = pool_send(
		    c->fd, c->out.p + at, c->out.len - at, c->fds, c->nfds);
		if (n == -1 && errno != EAGAIN)
			return -1;
		if (n == -1) {
			(void)poll(&pfd, 1, -1);
			continue;
		}
		at += (size_t)n;
		c->nfds = 0; /* they went with the first byte */
	}
	c->out.len = 0;
	return 0;
}

int
client_conn_add(struct conn *c, const struct pool_msg *m, const int *fds)
{
	if (c->out.len + m->len > OUT_ENOUGH || c->nfds >= FDS_ENOUGH)
		if (client_conn_flush(c) == -1)
			return -1;
	if (client_bytes_add(&c->out, m, m->len) == -1)
		return -1;
	for (unsigned i = 0; i < m->nfds; i++)
		c->fds[c->nfds++] = fds[i];
	return 0;
}

int
client_conn_add_bare(
    struct conn *c, uint16_t type, uint64_t id, const void *body, size_t n)
{
	char room[128] = { 0 };
	struct pool_msg m = { (uint32_t)(sizeof m + (n + 7) / 8 * 8), type, 0,
		id };

	memcpy(room, &m, sizeof m);
	if (n > 0)
		memcpy(room + sizeof m, body, n);
	return client_conn_add(c, (const struct pool_msg *)(void *)room, NULL);
}

int
client_conn_fill(struct conn *c)
{
	size_t nfds = 0;
	ssize_t n;

	if (c->in_at > 0) {
		memmove(c->in.p, c->in.p + c->in_at, c->in.len - c->in_at);
		c->in.len -= c->in_at;
		c->in_at = 0;
	}
	if (client_bytes_room(&c->in, IN_ROOM) == NULL)
		return -1;
	n = pool_recv(c->fd, c->in.p + c->in.len, IN_ROOM, NULL, &nfds);
	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	c->in.len += (size_t)n;
	return 1;
}

const struct pool_msg *
client_conn_next(struct conn *c, const char **bad)
{
	const struct pool_msg *m;
	int r;

	m = (const struct pool_msg *)(void *)(c->in.p + c->in_at);
	r = pool_msg_check(m, c->in.len - c->in_at, bad);
	if (r != 1)
		return NULL;
	*bad = NULL;
	c->in_at += m->len;
	return m;
}
