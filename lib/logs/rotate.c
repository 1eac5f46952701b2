/*
 * rotate - one log file that is appended to and rotated by rename.
 *
 * Trouble with the path does not close a file that still has a name: bytes
 * in FILE.1 are better than no bytes.  It does close one without a name,
 * where they would be lost unseen.
 */
#include "logs/rotate.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"

void
rotate_init(
    struct rotate_file *f, const char *path, int64_t maxbytes, int64_t backups)
{
	*f = (struct rotate_file){
		.path = path,
		.maxbytes = maxbytes,
		.backups = backups,
		.fd = -1,
	};
}

void
rotate_fini(struct rotate_file *f)
{
	fd_closep(&f->fd);
}

void
rotate_reopen(struct rotate_file *f)
{
	fd_closep(&f->fd);
	f->retry_at = 0;
}

static void
rotate_fail(struct rotate_file *f, int errnum, mono_ms now)
{
	f->errnum = errnum;
	f->retry_at = now + ROTATE_RETRY_MS;
}

/* -1 when path is not one of ours. */
static int
rotate_std_fd(const char *path)
{
	if (strcmp(path, "/dev/stdout") == 0)
		return STDOUT_FILENO;
	return strcmp(path, "/dev/stderr") == 0 ? STDERR_FILENO : -1;
}

static bool
rotate_is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/*
 * O_NONBLOCK: a FIFO without a reader is an error, not a wait.  /dev/stdout
 * is opened like any other, so that ours does not block, but where that goes
 * wrong the descriptor itself is used: it cannot be opened when it is a
 * socket (ENXIO, as under systemd) or somebody else's (EACCES), and opened a
 * second time a plain file would have a second offset.
 */
static int
rotate_open_fd(const char *path, bool *inherited)
{
	int std = rotate_std_fd(path), fd = -1;

	*inherited = false;
	if (std == -1 || !rotate_is_regular(std))
		fd = open(path,
		    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
			O_NONBLOCK,
		    0640);
	if (fd != -1 || std == -1)
		return fd;
	*inherited = true;
	return fcntl(std, F_DUPFD_CLOEXEC, 0);
}

static bool
rotate_is_plain(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* On failure the file that was open stays so, if it still has a name. */
static int
rotate_open(struct rotate_file *f, mono_ms now)
{
	struct stat st;
	bool inherited;
	int fd;

	f->checked_at = now;
	fd = rotate_open_fd(f->path, &inherited);
	if (fd == -1 || fstat(fd, &st) == -1) {
		rotate_fail(f, errno, now);
		fd_closep(&fd);
		if (f->fd != -1 && fstat(f->fd, &st) == 0 && st.st_nlink == 0)
			fd_closep(&f->fd);
		return -1;
	}
	fd_closep(&f->fd);
	f->fd = fd;
	f->inherited = inherited;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = st.st_size;
	f->careful = inherited && !S_ISREG(st.st_mode);
	f->rotatable =
	    !inherited && S_ISREG(st.st_mode) && rotate_is_plain(f->path);
	return 0;
}

/* Does path still name the open file?  Then its size is read as well. */
static bool
rotate_is_current(struct rotate_file *f)
{
	struct stat st;

	if (f->inherited)
		return true;
	if (stat(f->path, &st) == -1 || st.st_dev != f->dev ||
	    st.st_ino != f->ino)
		return false;
	f->size = st.st_size;
	return true;
}

/* Makes sure that there is a file to write to. */
static bool
rotate_prepare(struct rotate_file *f, mono_ms now)
{
	if (f->fd == -1)
		return now >= f->retry_at && rotate_open(f, now) == 0;
	if (now - f->checked_at < ROTATE_RETRY_MS)
		return true;
	f->checked_at = now;
	if (!rotate_is_current(f))
		rotate_open(f, now);
	return f->fd != -1;
}

static char *
rotate_name(const struct rotate_file *f, int64_t i)
{
	if (i == 0)
		return xstrdup(f->path);
	return xasprintf("%s.%lld", f->path, (long long)i);
}

/* FILE.i becomes FILE.i+1; that it is not there is no error. */
static int
rotate_shift(const struct rotate_file *f, int64_t i)
{
	char *from = rotate_name(f, i), *to = rotate_name(f, i + 1);
	int rc = rename(from, to);

	if (rc == -1 && errno == ENOENT)
		rc = 0;
	free(from);
	free(to);
	return rc;
}

static bool
rotate_exists(const struct rotate_file *f, int64_t i)
{
	char *name = rotate_name(f, i);
	struct stat st;
	bool yes = lstat(name, &st) == 0;

	free(name);
	return yes;
}

/* Left over from when backups was larger. */
static void
rotate_unlink_excess(const struct rotate_file *f)
{
	bool more = true;

	for (int64_t i = f->backups + 1; more; i++) {
		char *name = rotate_name(f, i);

		more = unlink(name) == 0;
		free(name);
	}
}

/* A gap in the numbers ends the chain: what is above it stays. */
static int
rotate_rename(struct rotate_file *f)
{
	int64_t top = 1;

	while (top < f->backups && rotate_exists(f, top))
		top++;
	while (--top >= 0) {
		if (rotate_shift(f, top) == -1)
			return -1;
	}
	rotate_unlink_excess(f);
	return 0;
}

static int
rotate_truncate(struct rotate_file *f, mono_ms now)
{
	if (ftruncate(f->fd, 0) == -1) {
		rotate_fail(f, errno, now);
		return -1;
	}
	f->size = 0;
	f->rotations++;
	return 0;
}

/* -1: it was not possible, and the file grows on until retry_at. */
static int
rotate_rotate(struct rotate_file *f, mono_ms now)
{
	if (f->errnum != 0 && now < f->retry_at)
		return -1;
	if (!rotate_is_current(f))
		return rotate_open(f, now);
	if (f->backups <= 0)
		return rotate_truncate(f, now);
	if (rotate_rename(f) == -1) {
		rotate_fail(f, errno, now);
		return -1;
	}
	f->rotations++;
	return rotate_open(f, now);
}

/* How many of n bytes go into the file as it is; 0: it is full. */
static size_t
rotate_room(const struct rotate_file *f, const char *data, size_t n)
{
	int64_t left = f->maxbytes - f->size;
	const char *nl;

	if (left >= (int64_t)n)
		return n;
	if (left <= 0)
		return 0;
	nl = memrchr(data, '\n', (size_t)left);
	if (nl != NULL)
		return (size_t)(nl - data) + 1;
	return f->size == 0 ? (size_t)left : 0;
}

/* The same after a rotation, if one is due; 0: there is no file any more. */
static size_t
rotate_fit(struct rotate_file *f, const char *data, size_t n, mono_ms now)
{
	size_t room;

	if (f->maxbytes <= 0 || !f->rotatable)
		return n;
	room = rotate_room(f, data, n);
	if (room != 0)
		return room;
	if (rotate_rotate(f, now) == -1)
		return f->fd != -1 ? n : 0;
	room = rotate_room(f, data, n);
	/* Somebody else's file, longer than ours may be: the next time. */
	return room != 0 ? room : n;
}

/*
 * A descriptor that is shared with others cannot be made non-blocking; one
 * that poll calls writable takes a little without blocking.
 */
static ssize_t
rotate_put_careful(int fd, const char *data, size_t n)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	ssize_t put;

	put = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (put != -1 || errno != ENOTSOCK)
		return put;
	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, data, n < PIPE_BUF ? n : PIPE_BUF);
}

static ssize_t
rotate_put(const struct rotate_file *f, const char *data, size_t n)
{
	ssize_t put;

	do {
		put = f->careful ? rotate_put_careful(f->fd, data, n)
				 : write(f->fd, data, n);
	} while (put == -1 && errno == EINTR);
	return put;
}

/* A rotation that failed stays an error until it is tried again. */
static void
rotate_works(struct rotate_file *f, mono_ms now)
{
	if (f->errnum != 0 && now >= f->retry_at)
		f->errnum = 0;
}

size_t
rotate_write(struct rotate_file *f, const char *data, size_t n, mono_ms now)
{
	size_t done = 0, fit;
	ssize_t put;

	if (!rotate_prepare(f, now))
		return 0;
	while (done < n) {
		fit = rotate_fit(f, data + done, n - done, now);
		if (fit == 0)
			return done;
		put = rotate_put(f, data + done, fit);
		if (put == -1 && errno != EAGAIN) {
			rotate_fail(f, errno, now);
			fd_closep(&f->fd);
			return done;
		}
		rotate_works(f, now);
		if (put <= 0)
			return done;
		f->size += put;
		done += (size_t)put;
	}
	return done;
}
