/*
 * peer - what the kernel knows of a client, and what comes with its bytes.
 *
 * A descriptor that a client passes may be the last of its file, and the end
 * of a file may be waited for: that of a socket with SO_LINGER, for as long
 * as the client likes.  So every one of them is received, whoever sends it,
 * wanted or not, and closed by fd_close_given; the kernel must be left none
 * to close for us.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"

#define PEER_FDS_MAX 253 /* SCM_MAX_FD: more can't come with a message */
#define PEER_DRAIN   4096

/* --- who --------------------------------------------------------------------
 */

static void
peer_groups(int fd, gid_t **groups, size_t *n)
{
	socklen_t len = 0;

	*groups = NULL;
	*n = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 ||
	    errno != ERANGE)
		return;
	*groups = xmalloc(len);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, *groups, &len) == 0)
		*n = len / sizeof **groups;
	else
		log_warn("read the groups of a client");
}

static bool
peer_is_ours(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

void
ctl_peer_init(struct ctl_session *s)
{
	struct ucred uc;
	socklen_t len = sizeof uc;
	const char *program = NULL;

	s->who.uid = (uid_t)-1;
	s->who.gid = (gid_t)-1;
	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) == -1) {
		log_warn("read the credentials of a client");
		return;
	}
	s->who.uid = uc.uid;
	s->who.gid = uc.gid;
	s->who.pid = uc.pid;
	peer_groups(s->fd, &s->groups, &s->ngroups);
	/* Now: later its pid may be another's. */
	if (!peer_is_ours(uc.uid) && engine_config(s->srv->en)->jobs != NULL)
		program = engine_whose(s->srv->en, uc.pid);
	if (program != NULL)
		snprintf(s->worker, sizeof s->worker, "%s", program);
}

/* Root and reeved's own user are heard whatever others do. */
bool
ctl_peer_has_room(const struct ctl_server *srv, int fd, char why[CTL_NO_ROOM])
{
	const struct ctl_session *s;
	struct ucred uc = { .uid = (uid_t)-1 };
	socklen_t len = sizeof uc;
	unsigned same = 0, others = 0;

	if (srv->nsessions >= CTL_CLIENTS_MAX) {
		snprintf(why, CTL_NO_ROOM, "%d clients are connected",
		    CTL_CLIENTS_MAX);
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) == 0 &&
	    peer_is_ours(uc.uid))
		return true;
	TAILQ_FOREACH(s, &srv->sessions, link) {
		same += s->who.uid == uc.uid;
		others += !peer_is_ours(s->who.uid);
	}
	if (same < CTL_CLIENTS_UID && others < CTL_CLIENTS_OTHERS)
		return true;
	if (same >= CTL_CLIENTS_UID)
		snprintf(why, CTL_NO_ROOM, "%u clients of uid %u are connected",
		    same, (unsigned)uc.uid);
	else
		snprintf(why, CTL_NO_ROOM, "%u clients are connected", others);
	return false;
}

/* --- descriptors ------------------------------------------------------------
 */

struct peer_control {
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * PEER_FDS_MAX)];
	} u;
};

static ssize_t
peer_recv(int fd, void *data, size_t n, struct msghdr *mh, struct iovec *iov,
    struct peer_control *pc)
{
	*iov = (struct iovec){ data, n };
	*mh = (struct msghdr){ .msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = pc,
		.msg_controllen = sizeof *pc };
	return recvmsg(fd, mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

/* Those that fit into fds; the others are closed, and so it is not whole. */
static bool
peer_take(struct msghdr *mh, int *fds, size_t *nfds, size_t max)
{
	bool whole = (mh->msg_flags & MSG_CTRUNC) == 0;
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof fd, sizeof fd);
			if (*nfds < max) {
				fds[(*nfds)++] = fd;
				continue;
			}
			fd_close_given(&fd);
			whole = false;
		}
	}
	return whole;
}

/* Descriptors come with the first bytes of their request. */
ssize_t
ctl_peer_recv(struct ctl_session *s, void *data, size_t n, bool *whole)
{
	struct peer_control pc;
	struct iovec iov;
	struct msghdr mh;
	ssize_t got = peer_recv(s->fd, data, n, &mh, &iov, &pc);

	*whole = got == -1 || peer_take(&mh, s->fds, &s->nfds, CTL_FDS_MAX);
	return got;
}

int
ctl_take_fd(struct ctl_req *r, size_t i)
{
	struct ctl_session *s = r->s;
	int fd = -1;

	if (i < s->nfds) {
		fd = s->fds[i];
		s->fds[i] = -1;
	}
	return fd;
}

void
ctl_peer_close_fds(struct ctl_session *s)
{
	for (size_t i = 0; i < s->nfds; i++)
		fd_close_given(&s->fds[i]);
	s->nfds = 0;
}

void
ctl_peer_close(int *fdp)
{
	char data[PEER_DRAIN];
	struct peer_control pc;
	struct iovec iov;
	struct msghdr mh;
	size_t none = 0;

	/* From here on it can send no more: what is there has an end. */
	if (shutdown(*fdp, SHUT_RD) == 0)
		while (peer_recv(*fdp, data, sizeof data, &mh, &iov, &pc) > 0)
			peer_take(&mh, NULL, &none, 0);
	fd_closep(fdp);
}
