/*
 * job_file - the files of `reevectl job`: what a job reads, and what it writes.
 *
 * An output is written beside its place and put there when it is whole: what
 * was there before is there until then, and half of one never is.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "job.h"

#define PARTIAL_HEAD 32 /* at most so much before the name */

int
job_file_input(const char *path, struct err *err)
{
	/* A pipe that nobody writes to is waited for by its job, which can be
	 * cancelled, and delays no other. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int flags = fd == -1 ? -1 : fcntl(fd, F_GETFL);

	if (fd == -1)
		return err_sys(err, "%s", path);
	if (flags != -1)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return fd;
}

/* Where it really is; NULL: there is nothing yet, or *err. */
static char *
file_place(const char *path, struct stat *st, struct err *err)
{
	char *place = realpath(path, NULL);

	err->text[0] = '\0';
	if (place == NULL) {
		if (errno != ENOENT)
			err_sys(err, "%s", path);
		else if (lstat(path, st) == 0)
			err_set(err, "%s: it is a link to nothing", path);
		return NULL;
	}
	if (stat(place, st) == -1)
		err_sys(err, "%s", path);
	else if (S_ISDIR(st->st_mode))
		err_set(err, "%s: %s", path, strerror(EISDIR));
	if (err->text[0] != '\0')
		freep(&place);
	return place;
}

static int
file_open_beside(struct job_file *f, mode_t mode, struct err *err)
{
	static unsigned number; /* of this process */
	const char *slash = strrchr(f->place, '/');
	int dir = slash == NULL ? 0 : (int)(slash - f->place) + 1;
	const char *name = f->place + dir;
	size_t n = strlen(name);

	/* The ending stays: programs go by it.  There is room for all of a
	 * long name in its place, but not for more. */
	if (n <= NAME_MAX && n > NAME_MAX - PARTIAL_HEAD)
		name += n - (NAME_MAX - PARTIAL_HEAD);
	f->partial = xasprintf("%.*s.partial.%d.%u.%s", dir, f->place,
	    (int)getpid(), number++, name);
	f->fd = open(f->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (f->fd != -1)
		return 0;
	err_sys(err, "%s", f->path);
	freep(&f->partial);
	return -1;
}

int
job_file_open(struct job_file *f, const char *path, struct err *err)
{
	struct stat st = { 0 };
	int rc = -1;

	*f = (struct job_file){ .fd = -1, .path = xstrdup(path) };
	f->place = file_place(path, &st, err);
	if (err->text[0] != '\0') {
		job_file_drop(f);
		return -1;
	}
	f->replaces = f->place != NULL;
	if (f->place == NULL)
		f->place = xstrdup(path);
	if (!f->replaces || S_ISREG(st.st_mode)) {
		rc = file_open_beside(
		    f, f->replaces ? st.st_mode & 0777 : 0666, err);
	} else {
		/* A device, a pipe: never another file in its place. */
		f->fd = open(f->place, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		rc = f->fd == -1 ? err_sys(err, "%s", path) : 0;
	}
	if (rc == -1)
		job_file_drop(f);
	return rc;
}

/* As if it had been written over: whose it is, and who may read it. */
static void
file_take_over(const struct job_file *f)
{
	struct stat st, now;

	if (!f->replaces || stat(f->place, &st) == -1 ||
	    fstat(f->fd, &now) == -1)
		return;
	if ((st.st_uid != now.st_uid || st.st_gid != now.st_gid) &&
	    fchown(f->fd, st.st_uid, st.st_gid) == -1)
		/* Another's, and we may not: then for us alone at most. */
		st.st_mode &= ~(mode_t)(S_IRWXG | S_IRWXO);
	(void)fchmod(f->fd, st.st_mode & 0777);
}

/* A run that ended with its pool may have written more than the one after. */
static int
file_cut(const struct job_file *f, uint64_t size)
{
	struct stat st;

	if (fstat(f->fd, &st) == -1)
		return -1;
	return (uint64_t)st.st_size <= size ? 0 : ftruncate(f->fd, (off_t)size);
}

int
job_file_keep(struct job_file *f, uint64_t size, struct err *err)
{
	int r = 0;

	if (f->partial != NULL && file_cut(f, size) == -1) {
		r = err_sys(err, "%s", f->path);
	} else if (f->partial != NULL) {
		file_take_over(f);
		if (rename(f->partial, f->place) == -1)
			r = err_sys(err, "%s", f->path);
		else
			freep(&f->partial);
	}
	job_file_drop(f);
	return r;
}

void
job_file_drop(struct job_file *f)
{
	fd_closep(&f->fd);
	if (f->partial != NULL)
		(void)unlink(f->partial);
	freep(&f->partial);
	freep(&f->place);
	freep(&f->path);
}
