/*
 * listener - addresses bound once, locked, and passed to instances.
 *
 * The first socket of an address is bound without SO_REUSEPORT: so bind fails
 * when anybody else listens there, with or without SO_REUSEPORT of his own.
 * It gets the option afterwards, before it listens, which is when the kernel
 * makes it a member of a group (inet_csk_listen_start).
 */
#include "cluster/listener.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "cluster/owner.h"

#define LISTENER_SYSCTL "/proc/sys/net/ipv4/tcp_migrate_req"

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

struct listener_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
	socklen_t len;
};

void
listener_name(const struct config_socket *s, char *out, size_t size)
{
	const char *host = s->host != NULL ? s->host : "*";

	switch (s->family) {
	case FAMILY_TCP:
		snprintf(out, size, "tcp %s:%u", host, s->port);
		return;
	case FAMILY_TCP6:
		snprintf(out, size, "tcp6 [%s]:%u", host, s->port);
		return;
	case FAMILY_UNIX:
		snprintf(out, size, "unix %s", s->path);
		return;
	}
}

static int
listener_addr_unix(
    const struct config_socket *s, struct listener_addr *a, struct err *err)
{
	size_t n = strlen(s->path);

	if (n >= sizeof a->u.un.sun_path)
		return err_set(err, "bind unix %s: longer than %zu bytes",
		    s->path, sizeof a->u.un.sun_path - 1);
	a->u.un.sun_family = AF_UNIX;
	memcpy(a->u.un.sun_path, s->path, n + 1);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

/* Numbers only: nothing is asked of a name server. */
static int
listener_addr_inet(
    const struct config_socket *s, struct listener_addr *a, struct err *err)
{
	struct addrinfo hints = {
		.ai_family = s->family == FAMILY_TCP ? AF_INET : AF_INET6,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *ai;
	char port[8], name[160];
	int rc;

	snprintf(port, sizeof port, "%u", s->port);
	rc = getaddrinfo(s->host, port, &hints, &ai);
	if (rc != 0) {
		listener_name(s, name, sizeof name);
		return err_set(err, "bind %s: %s", name, gai_strerror(rc));
	}
	memcpy(&a->u, ai->ai_addr, ai->ai_addrlen);
	a->len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static int
listener_addr(
    const struct config_socket *s, struct listener_addr *a, struct err *err)
{
	memset(a, 0, sizeof *a);
	return s->family == FAMILY_UNIX ? listener_addr_unix(s, a, err)
					: listener_addr_inet(s, a, err);
}

/* --- the lock ------------------------------------------------------------ */

/* A path may be as long as the lock's own name: then its hash stands in. */
static void
listener_lock_addr(const struct config_socket *s, struct listener_addr *a)
{
	char name[160], *to = a->u.un.sun_path;
	int n;

	memset(a, 0, sizeof *a);
	a->u.un.sun_family = AF_UNIX;
	listener_name(s, name, sizeof name);
	n = snprintf(to + 1, sizeof a->u.un.sun_path - 1, "reeve %s", name);
	if ((size_t)n >= sizeof a->u.un.sun_path - 1)
		n = snprintf(to + 1, sizeof a->u.un.sun_path - 1,
		    "reeve unix %016" PRIx64, str_hash(s->path));
	a->len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int
listener_lock(const struct config_socket *s, struct err *err)
{
	char name[160], who[64];
	struct listener_addr a;
	int fd;

	listener_name(s, name, sizeof name);
	listener_lock_addr(s, &a);
	fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(err, "lock %s", name);
	if (sys_bind(fd, &a.u.sa, a.len) == 0)
		return fd;
	if (errno != EADDRINUSE) {
		err_sys(err, "lock %s", name);
	} else {
		bool known = owner_find(&a.u.sa, a.len, who, sizeof who);

		err_set(err, "%s is served by another reeved%s%s", name,
		    known ? ", held by " : "", known ? who : "");
		if (err != NULL)
			err->errnum = EADDRINUSE;
	}
	fd_closep(&fd);
	return -1;
}

/* --- binding ------------------------------------------------------------- */

/* Of the error in errno. */
static int
listener_fail(const struct config_socket *s, const char *verb, struct err *err)
{
	char name[160], who[64];
	struct listener_addr a;
	int errnum = errno;

	listener_name(s, name, sizeof name);
	if (err != NULL && errnum == EADDRINUSE &&
	    listener_addr(s, &a, NULL) == 0 &&
	    owner_find(&a.u.sa, a.len, who, sizeof who)) {
		err_set(err, "%s %s: in use by %s", verb, name, who);
		err->errnum = errnum;
		return -1;
	}
	errno = errnum;
	return err_sys(err, "%s %s", verb, name);
}

static int
listener_option(int fd, int level, int option)
{
	int on = 1;

	return sys_setsockopt(fd, level, option, &on, sizeof on);
}

static int
listener_bind_inet(int fd, const struct config_socket *s,
    const struct listener_addr *a, bool group, bool first)
{
	if (listener_option(fd, SOL_SOCKET, SO_REUSEADDR) == -1)
		return -1;
	if (s->family == FAMILY_TCP6 &&
	    listener_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == -1)
		return -1;
	if (group && !first &&
	    listener_option(fd, SOL_SOCKET, SO_REUSEPORT) == -1)
		return -1;
	if (sys_bind(fd, &a->u.sa, a->len) == -1)
		return -1;
	if (group && first)
		return listener_option(fd, SOL_SOCKET, SO_REUSEPORT);
	return 0;
}

/* Does anybody answer there?  EAGAIN: his queue is full. */
static bool
listener_is_served(const struct listener_addr *a)
{
	int fd =
	    sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	if (fd == -1)
		return true;
	served = connect(fd, &a->u.sa, a->len) == 0 || errno != ECONNREFUSED;
	fd_closep(&fd);
	return served;
}

/* A socket file without a listener; anything else at that path stays. */
static int
listener_remove_stale(
    const struct config_socket *s, const struct listener_addr *a)
{
	struct stat st;

	if (lstat(s->path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if (listener_is_served(a)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(s->path);
}

/*
 * Nobody can connect yet: the socket does not listen.  Through O_PATH, so
 * that what is changed is the socket and not what a link put there points to.
 */
static int
listener_protect(const struct config_socket *s)
{
	int fd = open(s->path, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc = -1;
	char path[64];
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		goto out;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		goto out;
	}
	if (s->owner.set &&
	    fchownat(fd, "", s->owner.uid, s->owner.gid, AT_EMPTY_PATH) == -1)
		goto out;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	rc = chmod(path, s->mode);
out:
	fd_closep(&fd);
	return rc;
}

static int
listener_bind_unix(int fd, const struct config_socket *s,
    const struct listener_addr *a, bool first)
{
	int saved;

	if (first && listener_remove_stale(s, a) == -1)
		return -1;
	if (sys_bind(fd, &a->u.sa, a->len) == -1)
		return -1;
	if (listener_protect(s) == 0)
		return 0;
	saved = errno;
	unlink(s->path);
	errno = saved;
	return -1;
}

int
listener_bind(
    const struct config_socket *s, bool group, bool first, struct err *err)
{
	struct listener_addr a;
	char name[160];
	int fd, rc;

	listener_name(s, name, sizeof name);
	if (group && s->family == FAMILY_UNIX)
		return err_set(
		    err, "bind %s: a Unix socket has no group", name);
	if (listener_addr(s, &a, err) == -1)
		return -1;
	/* Blocking, as socket(2) makes them and sd_listen_fds(3) hands them on:
	 * a worker that just calls accept() works. */
	fd = sys_socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(err, "socket for %s", name);
	rc = s->family == FAMILY_UNIX
		 ? listener_bind_unix(fd, s, &a, first)
		 : listener_bind_inet(fd, s, &a, group, first);
	if (rc == -1) {
		listener_fail(s, "bind", err);
		fd_closep(&fd);
	}
	return fd;
}

bool
listener_is_free(const struct config_socket *s, struct err *err)
{
	struct listener_addr a;
	bool is_free = true;
	int fd;

	if (listener_addr(s, &a, NULL) == -1)
		return true;
	fd = sys_socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && listener_bind_inet(fd, s, &a, false, true) == -1 &&
	    errno == EADDRINUSE) {
		listener_fail(s, "bind", err);
		is_free = false;
	}
	fd_closep(&fd);
	return is_free;
}

/* Whoever was bound there as well, but not listening, is found out here. */
int
listener_listen(int fd, const struct config_socket *s, struct err *err)
{
	if (sys_listen(fd, s->backlog) == -1)
		return listener_fail(s, "listen on", err);
	return 0;
}

/* --- queues -------------------------------------------------------------- */

struct listener_diag {
	struct nlmsghdr nlh;
	struct unix_diag_req req;
};

/* The kernel answers before sendto returns; the rest is one attribute. */
static int
listener_diag_queued(int netlink, ino_t inode)
{
	struct listener_diag q = {
		.nlh = { .nlmsg_len = sizeof q,
		    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST },
		.req = { .sdiag_family = AF_UNIX,
		    .udiag_states = ~0U,
		    .udiag_ino = (uint32_t)inode,
		    .udiag_show = UDIAG_SHOW_RQLEN,
		    .udiag_cookie = { ~0U, ~0U } },
	};
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct unix_diag_rqlen rq;
	char buf[1024];
	size_t at = NLMSG_SPACE(sizeof(struct unix_diag_msg));
	struct nlattr nla;
	struct nlmsghdr nlh;
	ssize_t n;

	if (sendto(netlink, &q, sizeof q, 0, (void *)&to, sizeof to) == -1)
		return -1;
	n = recv(netlink, buf, sizeof buf, MSG_DONTWAIT);
	if (n < (ssize_t)(at + sizeof nla + sizeof rq))
		return -1;
	memcpy(&nlh, buf, sizeof nlh);
	memcpy(&nla, buf + at, sizeof nla);
	if (nlh.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    nla.nla_type != UNIX_DIAG_RQLEN)
		return -1;
	memcpy(&rq, buf + at + sizeof nla, sizeof rq);
	return (int)rq.udiag_rqueue;
}

static int
listener_queued_unix(int fd)
{
	struct stat st;
	int netlink, n;

	if (fstat(fd, &st) == -1)
		return -1;
	netlink =
	    sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (netlink == -1)
		return -1;
	n = listener_diag_queued(netlink, st.st_ino);
	fd_closep(&netlink);
	return n;
}

/* Of a TCP socket that listens, tcpi_unacked is the length of its queue. */
int
listener_queued(int fd)
{
	struct tcp_info ti;
	int domain = -1;
	socklen_t len = sizeof domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == -1)
		return -1;
	if (domain == AF_UNIX)
		return listener_queued_unix(fd);
	len = sizeof ti;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) == -1 ||
	    ti.tcpi_state != TCP_LISTEN)
		return -1;
	return (int)ti.tcpi_unacked;
}

/* --- a group that shrinks ------------------------------------------------ */

int
listener_steer(int fd, int keep, int n, struct err *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)keep),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { sizeof code / sizeof code[0], code };
	int none = 0, rc;

	BUG_ON(keep < 1 || keep > n);
	if (keep < n)
		rc = sys_setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
		    &prog, sizeof prog);
	else
		rc = sys_setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF,
		    &none, sizeof none);
	/* ENOENT: there was no program. */
	if (rc == -1 && (keep < n || errno != ENOENT))
		return err_sys(
		    err, "steer connections to %d of %d sockets", keep, n);
	return 0;
}

static bool
listener_sysctl_put(int fd, char c)
{
	return pwrite(fd, &c, 1, 0) == 1;
}

static bool
listener_is_in_group(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &len) == 0 &&
	       on != 0;
}

/* shutdown of a listener is what close would do to it, but at once. */
bool
listener_migrate(int fd)
{
	bool was_on, is_on, done;
	int ctl;
	char c;

	if (!listener_is_in_group(fd))
		return false;
	ctl = open(LISTENER_SYSCTL, O_RDWR | O_CLOEXEC);
	if (ctl == -1)
		ctl = open(LISTENER_SYSCTL, O_RDONLY | O_CLOEXEC);
	if (ctl == -1)
		return false;
	was_on = pread(ctl, &c, 1, 0) == 1 && c == '1';
	is_on = was_on || listener_sysctl_put(ctl, '1');
	done = is_on && shutdown(fd, SHUT_RDWR) == 0;
	if (is_on && !was_on)
		listener_sysctl_put(ctl, '0');
	fd_closep(&ctl);
	return done;
}
