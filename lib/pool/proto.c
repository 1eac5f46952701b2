/*
 * proto - see proto.h.  libc alone: the client is made of this as well.
 */
#include "pool/proto.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *
pool_status_name(enum pool_status s)
{
	static const char *const names[PR_N] = { "ok", "failed", "cancelled",
		"queue-timeout", "run-timeout", "stuck", "full", "refused",
		"crashed", "lost", "poisoned", "moved" };

	return s < PR_N ? names[s] : "unknown";
}

static size_t
body_size(uint16_t type)
{
	switch (type) {
	case PM_HELLO:
		return sizeof(struct pool_hello);
	case PM_SUBMIT:
		return sizeof(struct pool_submit);
	case PM_BUFFER:
		return sizeof(struct pool_buffer);
	case PM_WELCOME:
		return sizeof(struct pool_welcome);
	case PM_RESULT:
		return sizeof(struct pool_result);
	case PM_PROGRESS:
		return sizeof(struct pool_progress);
	default:
		return 0;
	}
}

/* count strings are there, each with its NUL. */
static int
has_strings(const char *p, size_t n, size_t count)
{
	const char *nul;

	for (; count > 0; count--) {
		nul = n == 0 ? NULL : memchr(p, '\0', n);
		if (nul == NULL)
			return 0;
		n -= (size_t)(nul + 1 - p);
		p = nul + 1;
	}
	return 1;
}

static int
submit_fds(const struct pool_submit *s)
{
	return ((s->flags & PS_IN) != 0) + ((s->flags & PS_OUT) != 0);
}

static int
is_bytes(int64_t off, int64_t len)
{
	return off >= 0 && len >= -1 && (len < 0 || off <= INT64_MAX - len);
}

static const char *
submit_fault(const struct pool_msg *m, const struct pool_submit *s)
{
	size_t n = m->len - sizeof *m - sizeof *s;

	if (s->priority > 7)
		return "a priority is 0 to 7";
	if (submit_fds(s) != m->nfds)
		return "the flags and the descriptors differ";
	if (((s->flags & PS_IN) != 0 && s->in_buffer != 0) ||
	    ((s->flags & PS_OUT) != 0 && s->out_buffer != 0))
		return "a descriptor and a buffer for the same";
	if (s->in_buffer > POOL_BUFFERS || s->out_buffer > POOL_BUFFERS)
		return "no such buffer";
	if (!is_bytes(s->in_off, s->in_len) ||
	    !is_bytes(s->out_off, s->out_len))
		return "a range that cannot be";
	if (!has_strings((const char *)(s + 1), n, 3 + (size_t)s->nargs))
		return "a string is missing";
	return NULL;
}

static const char *
body_fault(const struct pool_msg *m)
{
	const char *body = (const char *)(m + 1);
	size_t fixed = body_size(m->type), n = m->len - sizeof *m;

	switch (m->type) {
	case PM_SUBMIT:
		return submit_fault(m, (const struct pool_submit *)body);
	case PM_RESULT:
	case PM_PROGRESS:
	case PM_QUERY:
	case PM_ANSWER:
	case PM_BYE:
		if (!has_strings(body + fixed, n - fixed, 1))
			return "a text without its end";
		break;
	default:
		break;
	}
	if (m->nfds != (m->type == PM_BUFFER))
		return "descriptors that do not belong there";
	if (m->type == PM_BUFFER && m->id >= POOL_BUFFERS)
		return "a buffer's number is 0 to 63";
	return NULL;
}

int
pool_msg_check(const void *p, size_t n, const char **why)
{
	const struct pool_msg *m = p;

	if (n < sizeof *m)
		return 0;
	*why = NULL;
	if (m->len < sizeof *m || m->len > POOL_MSG_MAX || m->len % 8 != 0)
		*why = "a length that cannot be";
	else if (m->type == 0 || (m->type > PM_WAIT && m->type < PM_WELCOME) ||
		 m->type > PM_BYE)
		*why = "no such message";
	else if (m->len < sizeof *m + body_size(m->type))
		*why = "a message that is too short";
	if (*why != NULL)
		return -1;
	if (n < m->len)
		return 0;
	*why = body_fault(m);
	return *why == NULL ? 1 : -1;
}

const char *
pool_submit_string(const struct pool_msg *m, unsigned nth)
{
	const char *p = (const char *)(m + 1) + sizeof(struct pool_submit);

	for (; nth > 0; nth--)
		p += strlen(p) + 1;
	return p;
}

/* --- the socket ----------------------------------------------------------- */

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * 64)];
};

ssize_t
pool_send(int fd, const void *p, size_t n, const int *fds, size_t nfds)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control ctl;
	struct cmsghdr *c;
	ssize_t got;

	if (nfds > 0) {
		memset(&ctl, 0, sizeof ctl);
		c = &ctl.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
		mh.msg_control = ctl.room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
	}
	do
		got = sendmsg(fd, &mh, MSG_NOSIGNAL);
	while (got == -1 && errno == EINTR);
	return got;
}

static void
take_fds(struct msghdr *mh, int *fds, size_t *nfds)
{
	size_t room = *nfds, n;
	int got[64];

	*nfds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL;
	     c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(got, CMSG_DATA(c), n * sizeof(int));
		for (size_t i = 0; i < n; i++)
			if (*nfds < room)
				fds[(*nfds)++] = got[i];
			else
				close(got[i]);
	}
}

ssize_t
pool_recv(int fd, void *p, size_t n, int *fds, size_t *nfds)
{
	struct iovec iov = { p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control ctl;
	ssize_t got;

	do {
		mh.msg_control = ctl.room;
		mh.msg_controllen = sizeof ctl.room;
		got = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	} while (got == -1 && errno == EINTR);
	if (got == -1)
		*nfds = 0;
	else
		take_fds(&mh, fds, nfds);
	return got;
}

bool
pool_kind_acts(const char *kind)
{
	return strcmp(kind, "command") == 0 || strcmp(kind, "encrypt") == 0 ||
	       strcmp(kind, "decrypt") == 0;
}
