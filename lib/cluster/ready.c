/*
 * ready - how an instance says that it is ready.
 */
#include "cluster/ready.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

#define READY_DATAGRAM_MAX 4096 /* as systemd has it */
#define READY_FDS_MAX      253  /* SCM_MAX_FD */
#define READY_READS_MAX    16
#define READY_END_MAX      8192 /* above net.unix.max_dgram_qlen */
#define READY_USEC_MAX     UINT64_C(86400000000)

/* Abstract names are bytes after a NUL; the kernel's own are hex digits. */
int
ready_notify_name(int fd, char name[64])
{
	struct sockaddr_un sun;
	socklen_t len = sizeof sun;
	size_t n;

	if (getsockname(fd, (struct sockaddr *)&sun, &len) == -1)
		return -1;
	n = len - offsetof(struct sockaddr_un, sun_path);
	if (sun.sun_family != AF_UNIX || n < 2 || n >= 64 ||
	    sun.sun_path[0] != '\0') {
		errno = EINVAL;
		return -1;
	}
	memcpy(name, sun.sun_path, n);
	name[0] = '@';
	name[n] = '\0';
	return 0;
}

int
ready_notify_open(char name[64], struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, on = 1;

	fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(err, "socket for NOTIFY_SOCKET");
	/* The family alone: the kernel finds a name (unix(7), autobind). */
	if (sys_setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1 ||
	    sys_bind(fd, (struct sockaddr *)&sun, sizeof sun.sun_family) ==
		-1 ||
	    ready_notify_name(fd, name) == -1) {
		err_sys(err, "bind NOTIFY_SOCKET");
		fd_closep(&fd);
	}
	return fd;
}

/* --- text from outside --------------------------------------------------- */

/* Length of the UTF-8 sequence that p begins with, 0: it is none. */
static size_t
ready_utf8(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = p[0];
	size_t len;

	if (c < 0x80)
		return 1;
	len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || len > n)
		return 0;
	c &= 0x7fU >> len;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

/* C0, DEL, and C1, which a terminal obeys as well. */
static bool
ready_is_control(const unsigned char *p, size_t len)
{
	return (len == 1 && (p[0] < 0x20 || p[0] == 0x7f)) ||
	       (len == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

/* It is shown on terminals and put into JSON: clean UTF-8, or "?". */
static void
ready_copy_status(const char *data, size_t n, char *out, size_t size)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t to = 0, len;

	while (n > 0) {
		len = ready_utf8(p, n);
		if (to + (len != 0 ? len : 1) >= size)
			break;
		if (len == 0 || ready_is_control(p, len)) {
			out[to++] = '?';
		} else {
			memcpy(out + to, p, len);
			to += len;
		}
		len = len != 0 ? len : 1;
		p += len;
		n -= len;
	}
	out[to] = '\0';
}

static bool
ready_is(const char *line, size_t n, const char *want)
{
	return n == strlen(want) && memcmp(line, want, n) == 0;
}

/* 0 when it is none, or not within 1 ms and a day. */
static uint64_t
ready_number(const char *p, size_t n)
{
	uint64_t v = 0;

	for (; n > 0; p++, n--) {
		if (*p < '0' || *p > '9' || v > READY_USEC_MAX)
			return 0;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	return v >= 1000 && v <= READY_USEC_MAX ? v : 0;
}

static void
ready_parse_line(const char *line, size_t n, struct ready_news *news)
{
	static const char status[] = "STATUS=";
	static const char watchdog_usec[] = "WATCHDOG_USEC=";
	size_t skip = sizeof status - 1, usec = sizeof watchdog_usec - 1;

	if (ready_is(line, n, "READY=1")) {
		news->ready = true;
	} else if (ready_is(line, n, "STOPPING=1")) {
		news->stopping = true;
	} else if (ready_is(line, n, "RELOADING=1")) {
		news->reloading = true;
	} else if (ready_is(line, n, "WATCHDOG=1")) {
		news->watchdog = true;
	} else if (ready_is(line, n, "X_REEVE_RECYCLE=1")) {
		news->recycle = true;
	} else if (ready_is(line, n, "WATCHDOG=trigger")) {
		news->watchdog_trigger = true;
	} else if (n > usec && memcmp(line, watchdog_usec, usec) == 0) {
		news->watchdog_usec = ready_number(line + usec, n - usec);
	} else if (n >= skip && memcmp(line, status, skip) == 0) {
		news->has_status = true;
		ready_copy_status(
		    line + skip, n - skip, news->status, sizeof news->status);
	}
}

void
ready_parse(const char *data, size_t len, struct ready_news *news)
{
	const char *nl;
	size_t n;

	memset(news, 0, sizeof *news);
	while (len > 0) {
		nl = memchr(data, '\n', len);
		n = nl != NULL ? (size_t)(nl - data) : len;
		ready_parse_line(data, n, news);
		n += nl != NULL;
		data += n;
		len -= n;
	}
}

/* --- reading ------------------------------------------------------------- */

static void
ready_close_fds(struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
		fd_close_given(&fd);
	}
}

/* Is the sender one who may speak?  Closes what else came along. */
static bool
ready_check_sender(struct msghdr *m, uid_t uid)
{
	struct ucred cred;
	bool may = false;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	     c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS)
			ready_close_fds(c);
		if (c->cmsg_type != SCM_CREDENTIALS ||
		    c->cmsg_len != CMSG_LEN(sizeof cred))
			continue;
		memcpy(&cred, CMSG_DATA(c), sizeof cred);
		may = cred.uid == 0 || cred.uid == uid;
	}
	return may;
}

static int
ready_notify_get(int fd, uid_t uid, struct ready_news *news, int flags)
{
	char data[READY_DATAGRAM_MAX];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred)) +
			  CMSG_SPACE(READY_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { data, sizeof data };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	bool may;

	memset(news, 0, sizeof *news);
	do {
		m.msg_control = control.room;
		m.msg_controllen = sizeof control.room;
		n = sys_recvmsg(
		    fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? 0 : -1;
	may = ready_check_sender(&m, uid);
	/* Half a message may say what the whole one does not. */
	if (may && (m.msg_flags & MSG_TRUNC) == 0)
		ready_parse(data, (size_t)n, news);
	return 1;
}

int
ready_notify_read(int fd, uid_t uid, struct ready_news *news)
{
	return ready_notify_get(fd, uid, news, 0);
}

int
ready_notify_peek(int fd, uid_t uid, struct ready_news *news)
{
	return ready_notify_get(fd, uid, news, MSG_PEEK);
}

void
ready_notify_end(int fd)
{
	struct ready_news news;

	/* From here on nothing more comes: what is there has an end. */
	if (fd == -1 || shutdown(fd, SHUT_RD) == -1)
		return;
	for (int i = 0; i < READY_END_MAX; i++)
		if (ready_notify_get(fd, (uid_t)-1, &news, 0) != 1)
			return;
}

/* Bounded: who writes without end and without a newline comes next time. */
int
ready_fd_read(int fd)
{
	char data[256];
	ssize_t n;

	for (int i = 0; i < READY_READS_MAX; i++) {
		n = read(fd, data, sizeof data);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return -1;
		if (memchr(data, '\n', (size_t)n) != NULL)
			return 1;
	}
	return 0;
}

bool
ready_event_is_set(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

bool
ready_fd_peek(int fd)
{
	char data[256];
	bool found = false;
	ssize_t n;
	int p[2];

	if (sys_pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1)
		return false;
	n = tee(fd, p[1], sizeof data, SPLICE_F_NONBLOCK);
	if (n > 0)
		n = read(p[0], data, sizeof data);
	if (n > 0)
		found = memchr(data, '\n', (size_t)n) != NULL;
	fd_closep(&p[0]);
	fd_closep(&p[1]);
	return found;
}
