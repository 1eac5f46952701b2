/*
 * tail - the last lines of a log file, across its rotated parts.
 *
 * The parts are looked through backwards, newest first, until enough line
 * ends were seen; then they are read forwards.  A part that was renamed while
 * we look is met again under its next name, and skipped there.
 */
#include "logs/tail.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"

#define TAIL_BLOCK 8192

struct tail_part {
	int fd;
	dev_t dev;
	ino_t ino;
	off_t from;
	off_t to;
};

struct tail {
	struct tail_part *parts; /* newest first */
	size_t nparts;
	unsigned wanted; /* line ends still to be seen */
	size_t left;     /* bytes still allowed */
	bool at_end;     /* the byte before is the very last one */
	bool done;
	bool cut; /* inside a line, because no more bytes are allowed */
};

static void
tail_fini(struct tail *t)
{
	for (size_t i = 0; i < t->nparts; i++)
		fd_closep(&t->parts[i].fd);
	free(t->parts);
}

/* Looks backwards through n bytes; returns how many of them belong to it. */
static size_t
tail_scan(struct tail *t, const char *data, size_t n)
{
	for (size_t i = n; i > 0; i--) {
		if (data[i - 1] == '\n' && !t->at_end && --t->wanted == 0) {
			t->done = true;
			return n - i;
		}
		if (t->left == 0) {
			t->done = true;
			t->cut = data[i - 1] != '\n';
			return n - i;
		}
		t->at_end = false;
		t->left--;
	}
	return n;
}

/* Sets from of the part; -1 and errno when it cannot be read. */
static int
tail_scan_part(struct tail *t, struct tail_part *p)
{
	char block[TAIL_BLOCK];
	size_t want, took;
	ssize_t got;

	while (!t->done && p->from > 0) {
		want = p->from < TAIL_BLOCK ? (size_t)p->from : TAIL_BLOCK;
		got = pread(p->fd, block, want, p->from - (off_t)want);
		if (got == -1)
			return -1;
		/* Emptied under our hands: what we have is all there is. */
		if ((size_t)got != want) {
			t->done = true;
			p->from = p->to = 0;
			return 0;
		}
		took = tail_scan(t, block, want);
		p->from -= (off_t)took;
	}
	return 0;
}

static bool
tail_is_known(const struct tail *t, const struct stat *st)
{
	for (size_t i = 0; i < t->nparts; i++) {
		if (t->parts[i].dev == st->st_dev &&
		    t->parts[i].ino == st->st_ino)
			return true;
	}
	return false;
}

/*
 * 1: looked through; 0: there is none of that name; -1: errno.  Only a plain
 * file is opened: a FIFO's bytes are somebody else's.
 */
static int
tail_add_part(struct tail *t, const char *path)
{
	struct tail_part *p;
	struct stat st;
	int fd;

	if (stat(path, &st) == -1)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (!S_ISREG(st.st_mode)) {
		errno = ESPIPE;
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1) {
		fd_closep(&fd);
		return errno == ENOENT ? 0 : -1;
	}
	if (tail_is_known(t, &st)) {
		fd_closep(&fd);
		return 1;
	}
	t->parts = xreallocarray(t->parts, t->nparts + 1, sizeof *t->parts);
	p = &t->parts[t->nparts++];
	*p = (struct tail_part){ fd, st.st_dev, st.st_ino, st.st_size,
		st.st_size };
	return tail_scan_part(t, p) == -1 ? -1 : 1;
}

static int
tail_find(struct tail *t, const char *path, struct err *err)
{
	int rc = tail_add_part(t, path);

	for (unsigned i = 1; rc == 1 && !t->done; i++) {
		char *name = xasprintf("%s.%u", path, i);

		rc = tail_add_part(t, name);
		free(name);
	}
	if (rc == -1)
		return err_sys(err, "read the end of %s", path);
	return 0;
}

static void
tail_copy(const struct tail_part *p, struct buf *out)
{
	size_t want = (size_t)(p->to - p->from);
	ssize_t got;

	while (want > 0) {
		char *to = buf_reserve(out, want);

		got = pread(p->fd, to, want, p->to - (off_t)want);
		if (got <= 0)
			break;
		out->len += (size_t)got;
		want -= (size_t)got;
	}
	if (out->data != NULL)
		out->data[out->len] = '\0';
}

/* Takes away the half line that begins at from, unless it is all there is. */
static void
tail_trim(struct buf *out, size_t from)
{
	char *nl = out->len > from
		       ? memchr(out->data + from, '\n', out->len - from)
		       : NULL;
	char *rest = nl != NULL ? nl + 1 : NULL;

	if (rest == NULL || rest == out->data + out->len)
		return;
	out->len -= (size_t)(rest - (out->data + from));
	memmove(out->data + from, rest, out->len - from);
	out->data[out->len] = '\0';
}

int
tail_read(const char *path, unsigned nlines, size_t max, struct buf *out,
    struct err *err)
{
	struct tail t = { .wanted = nlines, .left = max, .at_end = true };
	size_t from = out->len;
	int rc;

	if (nlines == 0 || max == 0)
		return 0;
	rc = tail_find(&t, path, err);
	if (rc == 0) {
		for (size_t i = t.nparts; i > 0; i--)
			tail_copy(&t.parts[i - 1], out);
		if (t.cut)
			tail_trim(out, from);
	}
	tail_fini(&t);
	return rc;
}
