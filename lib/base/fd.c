/* fd - file descriptors: -1 when absent, close-on-exec from birth. */
#include "base/fd.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

void
fd_closep(int *fdp)
{
	int saved = errno;

	if (*fdp != -1)
		close(*fdp);
	*fdp = -1;
	errno = saved;
}

void
fd_close_given(int *fdp)
{
	static const struct linger off = { 0 };
	int saved = errno;

	/* What is no socket has none: that is all that can go wrong. */
	if (*fdp != -1 &&
	    setsockopt(*fdp, SOL_SOCKET, SO_LINGER, &off, sizeof off) == -1)
		errno = saved;
	fd_closep(fdp);
	errno = saved;
}

int
fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void
fd_lift(int *fdp, int least)
{
	int fd = *fdp >= 0 && *fdp < least ? fcntl(*fdp, F_DUPFD_CLOEXEC, least)
					   : -1;

	if (fd == -1)
		return;
	close(*fdp);
	*fdp = fd;
}

void
fd_make_room(size_t n)
{
	struct rlimit rl;
	int top;

	if (n == 0 || getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return;
	if (rl.rlim_cur < n)
		n = (size_t)rl.rlim_cur;
	top = n <= INT_MAX ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, (int)n - 1)
			   : -1;
	fd_closep(&top);
}

int
fd_read_all(int fd, void *buf, size_t n)
{
	char *p = buf;
	ssize_t got;

	while (n > 0) {
		got = read(fd, p, n);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

int
fd_write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;
	ssize_t put;

	while (n > 0) {
		put = write(fd, p, n);
		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -1;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

void
fd_raise_limit(unsigned long *old_soft)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return;
	if (old_soft != NULL)
		*old_soft = rl.rlim_cur;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}
