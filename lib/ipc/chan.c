/* chan - messages with descriptors over a SOCK_SEQPACKET socket pair. */
#include "ipc/chan.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"

#define CHAN_MAGIC 0x6e616863u
#define HEAD_SIZE  4
#define F_MEMFD    1 /* the last descriptor holds the payload */

struct chan {
	unsigned magic;
	int fd;
	struct loop_io io;
	const struct chan_ops *ops;
	void *arg;
	bool closed;
	bool in_callback;
	bool free_later;
	uint8_t in[HEAD_SIZE + CHAN_INLINE_MAX];
};

union chan_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
};

static void chan_on_io(struct loop_io *io, int events, void *arg);

const char *
msg_name(enum msg_type type)
{
	switch (type) {
#define MSG(name, number, payload)                                             \
	case MSG_##name:                                                       \
		return #name;
#include "ipc/msg.def"
#undef MSG
	}
	return "unknown";
}

static bool
msg_known(unsigned type)
{
	switch ((enum msg_type)type) {
#define MSG(name, number, payload) case MSG_##name:
#include "ipc/msg.def"
#undef MSG
		return true;
	}
	return false;
}

struct chan *
chan_new(struct loop *lp, int fd, const struct chan_ops *ops, void *arg)
{
	struct chan *ch = calloc(1, sizeof *ch);

	if (ch == NULL) {
		fd_closep(&fd);
		return NULL;
	}
	ch->magic = CHAN_MAGIC;
	ch->fd = fd;
	ch->ops = ops;
	ch->arg = arg;
	loop_io_init(&ch->io, lp, fd, LOOP_READ, chan_on_io, ch);
	loop_io_start(&ch->io);
	return ch;
}

static void
chan_shut(struct chan *ch)
{
	ch->closed = true;
	loop_io_stop(&ch->io);
	fd_closep(&ch->fd);
}

void
chan_free(struct chan *ch)
{
	if (ch == NULL)
		return;
	chan_shut(ch);
	if (ch->in_callback) {
		ch->free_later = true;
		return;
	}
	ch->magic = 0;
	free(ch);
}

int
chan_fd(const struct chan *ch)
{
	return ch->fd;
}

/* Puts a large payload into a memfd; -1 when that fails. */
static int
chan_to_memfd(const struct mw *w)
{
	int fd = sys_memfd_create("reeve-msg", MFD_CLOEXEC);

	if (fd != -1 && fd_write_all(fd, w->data, w->len) == -1)
		fd_closep(&fd);
	return fd;
}

static enum chan_result
chan_put(struct chan *ch, uint8_t head[HEAD_SIZE], const struct mw *w,
    const int *fds, size_t nfds)
{
	union chan_control ctl;
	struct iovec iov[2] = { { head, HEAD_SIZE }, { NULL, 0 } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (w != NULL && w->len != 0) {
		iov[1].iov_base = w->data;
		iov[1].iov_len = w->len;
		mh.msg_iovlen = 2;
	}
	if (nfds != 0) {
		mh.msg_control = ctl.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = &ctl.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do {
		n = sys_sendmsg(ch->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n == -1 && errno == EINTR);
	if (n != -1)
		return CHAN_SENT;
	/* ETOOMANYREFS: too many descriptors under way, they will be read. */
	if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM &&
	    errno != ETOOMANYREFS)
		return CHAN_BROKEN;
	loop_io_set(&ch->io, LOOP_READ | LOOP_WRITE);
	return CHAN_FULL;
}

enum chan_result
chan_send(struct chan *ch, enum msg_type type, const struct mw *w,
    const int *fds, size_t nfds)
{
	uint8_t head[HEAD_SIZE] = { (uint8_t)type, (uint8_t)(type >> 8), 0, 0 };
	int all[CHAN_FDS_MAX], memfd;
	enum chan_result rc;

	if (ch->closed || (w != NULL && w->failed) || nfds >= CHAN_FDS_MAX)
		return CHAN_BROKEN;
	if (w == NULL || w->len <= CHAN_INLINE_MAX)
		return chan_put(ch, head, w, fds, nfds);
	memfd = chan_to_memfd(w);
	if (memfd == -1) {
		/* No descriptor, no memory: somebody has to try again. */
		loop_io_set(&ch->io, LOOP_READ | LOOP_WRITE);
		return CHAN_FULL;
	}
	if (nfds != 0)
		memcpy(all, fds, sizeof *fds * nfds);
	all[nfds] = memfd;
	head[2] = F_MEMFD;
	rc = chan_put(ch, head, NULL, all, nfds + 1);
	fd_closep(&memfd);
	return rc;
}

static size_t
chan_take_fds(struct msghdr *mh, int fds[CHAN_FDS_MAX])
{
	struct cmsghdr *c;
	size_t n = 0, m;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		m = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (m > CHAN_FDS_MAX - n)
			m = CHAN_FDS_MAX - n;
		memcpy(fds + n, CMSG_DATA(c), m * sizeof(int));
		n += m;
	}
	return n;
}

/* Calls back with a payload that came in a memfd, copied out of reach. */
static int
chan_deliver_memfd(struct chan *ch, enum msg_type type, int *fds, size_t nfds)
{
	int memfd = fds[nfds - 1], rc = -1;
	struct stat st;
	struct mr r;
	void *copy;

	if (fstat(memfd, &st) == -1 || st.st_size <= 0 || st.st_size > CHAN_MAX)
		return -1;
	copy = malloc((size_t)st.st_size);
	if (copy == NULL)
		return -1;
	if (pread(memfd, copy, (size_t)st.st_size, 0) == st.st_size) {
		mr_init(&r, copy, (size_t)st.st_size);
		rc = ch->ops->msg(ch->arg, type, &r, fds, nfds - 1);
	}
	free(copy);
	return rc;
}

static int
chan_deliver(struct chan *ch, size_t n, int *fds, size_t nfds)
{
	unsigned type = ch->in[0] | (unsigned)ch->in[1] << 8;
	struct mr r;

	if (n < HEAD_SIZE || !msg_known(type))
		return -1;
	log_debug("got %s, %zu bytes, %zu descriptors", msg_name(type),
	    n - HEAD_SIZE, nfds);
	if (ch->in[2] == F_MEMFD)
		return nfds == 0 ? -1 : chan_deliver_memfd(ch, type, fds, nfds);
	mr_init(&r, ch->in + HEAD_SIZE, n - HEAD_SIZE);
	return ch->ops->msg(ch->arg, type, &r, fds, nfds);
}

/* true: there may be more to read. */
static bool
chan_read(struct chan *ch, const char **why)
{
	union chan_control ctl;
	struct iovec iov = { ch->in, sizeof ch->in };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl.bytes,
		.msg_controllen = sizeof ctl.bytes };
	int fds[CHAN_FDS_MAX];
	size_t nfds;
	ssize_t n;
	int rc;

	n = sys_recvmsg(ch->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1 && errno == EAGAIN)
		return false;
	/*
	 * ECONNRESET: the peer died with something unread.  It is told once,
	 * and before what the peer has sent, which is there still.
	 */
	if (n == -1 && (errno == EINTR || errno == ECONNRESET))
		return true;
	if (n <= 0) {
		*why = n == 0 ? "closed" : strerror(errno);
		return false;
	}
	nfds = chan_take_fds(&mh, fds);
	/* Cut descriptors (EMFILE): the message can't be what it says. */
	rc = (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
		 ? -1
		 : chan_deliver(ch, (size_t)n, fds, nfds);
	for (size_t i = 0; i < nfds; i++)
		fd_closep(&fds[i]);
	if (rc == -1) {
		*why = (mh.msg_flags & MSG_CTRUNC) != 0
			   ? "descriptors were lost: too many open files"
			   : "malformed message";
		log_errorx("%s: type %u, %zd bytes", *why,
		    ch->in[0] | (unsigned)ch->in[1] << 8, n);
		return false;
	}
	return true;
}

/* At most that many messages a turn: other work comes in between. */
static void
chan_read_some(struct chan *ch, int max)
{
	const char *why = NULL;

	ch->in_callback = true;
	while (max-- > 0 && !ch->closed && chan_read(ch, &why))
		;
	if (why != NULL && !ch->closed) {
		chan_shut(ch);
		ch->ops->closed(ch->arg, why);
	}
	ch->in_callback = false;
	if (ch->free_later)
		chan_free(ch);
}

static void
chan_on_io(struct loop_io *io, int events, void *arg)
{
	struct chan *ch = arg;

	(void)io;
	BUG_ON(ch->magic != CHAN_MAGIC);
	if ((events & LOOP_WRITE) != 0) {
		loop_io_set(&ch->io, LOOP_READ);
		ch->in_callback = true;
		ch->ops->room(ch->arg);
		ch->in_callback = false;
		if (ch->free_later || ch->closed) {
			if (ch->free_later)
				chan_free(ch);
			return;
		}
	}
	if ((events & LOOP_READ) != 0)
		chan_read_some(ch, 64);
}

void
chan_drain(struct chan *ch)
{
	chan_read_some(ch, 1 << 20);
}
