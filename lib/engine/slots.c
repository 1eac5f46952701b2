/*
 * slots - the budget of CPUs.  See slots.h.
 */
#include "engine/slots.h"

#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/slots_priv.h"
#include "state/region.h"

#define SLOTS_LAYOUT 1
#define SLOTS_PIPE   "slots" /* names in the keeper's store */
#define SLOTS_NOTE   "slots.state"

/* Outlives the engine. */
struct slots_note {
	uint32_t total; /* bytes in the fifo, with tasks and their commands */
	uint32_t held;  /* of these, with tasks */
	char path[256]; /* of the fifo; "": it has none */
};

struct slots {
	struct engine *en;
	void (*free_cb)(void *arg);
	void *arg;
	int fd; /* the fifo, for both ends, never waiting; -1: not opened */
	struct region region;
	struct slots_note *note;
	unsigned want;  /* what the config says */
	unsigned users; /* processes that may know of the fifo */
	/* Tasks whose byte an engine before us put back, and which we take for
	 * running still. */
	unsigned phantoms;
	bool waiting;
	struct loop_io io;
	struct slots_make make;
};

/* --- bytes ------------------------------------------------------------------
 */

static bool
slots_get_byte(struct slots *s)
{
	char c;
	ssize_t n;

	do
		n = read(s->fd, &c, 1);
	while (n == -1 && errno == EINTR);
	return n == 1;
}

static void
slots_put_byte(struct slots *s)
{
	ssize_t n;

	do
		n = write(s->fd, "+", 1);
	while (n == -1 && errno == EINTR);
	if (n != 1)
		log_error("put back a CPU slot");
}

int
slots_unused(const struct slots *s)
{
	int n = 0;

	if (s->fd == -1 || ioctl(s->fd, FIONREAD, &n) == -1)
		return s->fd == -1 ? (int)s->want : 0;
	return n;
}

int
slots_total(const struct slots *s)
{
	return (int)s->want;
}

/* More or fewer in all, as far as that can be had now. */
static void
slots_level(struct slots *s)
{
	while (s->note->total < s->want) {
		s->note->total++;
		slots_put_byte(s);
	}
	while (s->note->total > s->want && slots_get_byte(s))
		s->note->total--;
}

/* Nothing runs that has any: all that should be there are. */
static void
slots_refill(struct slots *s)
{
	if (s->fd == -1 || s->users != 0 || s->note->held != 0)
		return;
	if (s->note->total == s->want && slots_unused(s) == (int)s->want)
		return;
	while (slots_get_byte(s))
		continue;
	s->note->total = 0;
	slots_level(s);
}

/* --- opening ----------------------------------------------------------------
 */

/* What a reeved that was killed has left. */
static void
slots_sweep(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strlen(e->d_name) == 16)
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

/*
 * A task may run as any user, and whoever can open the fifo can empty it: the
 * folder can't be listed, and the name is told to tasks alone.
 */
static int
slots_make_fifo(struct slots *s)
{
	char *dir = xasprintf("%s/jobserver", s->en->cf->state_dir);
	char *path = NULL;
	uint64_t name;
	int fd = -1;

	engine_make_dirs(dir, 0755);
	mkdir(dir, 0711);
	slots_sweep(dir);
	if (getrandom(&name, sizeof name, 0) == sizeof name) {
		path = xasprintf("%s/%016llx", dir, (unsigned long long)name);
		if (strlen(path) < sizeof s->note->path &&
		    mkfifo(path, 0600) == 0 &&
		    (geteuid() != 0 || chmod(path, 0666) == 0))
			fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd != -1)
		snprintf(s->note->path, sizeof s->note->path, "%s", path);
	free(path);
	free(dir);
	return fd;
}

/* Without a name it can still be passed on. */
static int
slots_make_pipe(void)
{
	char self[40];
	int fds[2], fd;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	snprintf(self, sizeof self, "/proc/self/fd/%d", fds[0]);
	fd = open(self, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	fd_closep(&fds[0]);
	fd_closep(&fds[1]);
	return fd;
}

static int
slots_map(struct slots *s, int fd)
{
	struct err err;

	if (region_init(&s->region, fd, SLOTS_NOTE, SLOTS_LAYOUT,
		sizeof *s->note, &err) == -1) {
		log_errorx("%s", err.text);
		return -1;
	}
	s->note = (struct slots_note *)(void *)(s->region.map + REGION_HEAD);
	s->note->path[sizeof s->note->path - 1] = '\0';
	return 0;
}

static void
slots_hold(struct slots *s, const char *name, int fd)
{
	int dup = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (dup != -1)
		keeperlink_replace(s->en->kl, name, dup);
}

static bool
slots_open(struct slots *s)
{
	if (s->fd != -1)
		return true;
	if (s->note == NULL && slots_map(s, -1) == -1)
		return false;
	memset(s->note, 0, sizeof *s->note);
	s->fd = slots_make_fifo(s);
	if (s->fd == -1) {
		log_warn("make a fifo in %s/jobserver for the jobserver",
		    s->en->cf->state_dir);
		s->fd = slots_make_pipe();
	}
	if (s->fd == -1)
		return false;
	slots_level(s);
	slots_hold(s, SLOTS_NOTE, s->region.fd);
	slots_hold(s, SLOTS_PIPE, s->fd);
	return true;
}

static void
slots_adopt(struct slots *s)
{
	struct keeperlink *kl = s->en->kl;
	int fd = keeperlink_fd(kl, keeperlink_find(kl, SLOTS_PIPE));
	int note = keeperlink_fd(kl, keeperlink_find(kl, SLOTS_NOTE));

	if (fd == -1 || note == -1 || slots_map(s, note) == -1)
		return;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* --- waiting ----------------------------------------------------------------
 */

static void slots_wait(struct slots *s);

static void
slots_on_free(struct loop_io *io, int events, void *arg)
{
	struct slots *s = arg;

	(void)events;
	loop_io_stop(io);
	s->waiting = false;
	slots_level(s);
	if (s->note->total > s->want)
		slots_wait(s);
	s->free_cb(s->arg);
}

static void
slots_wait(struct slots *s)
{
	if (s->waiting || s->fd == -1)
		return;
	s->waiting = true;
	loop_io_init(&s->io, s->en->lp, s->fd, LOOP_READ, slots_on_free, s);
	loop_io_start(&s->io);
}

bool
slots_take(struct slots *s)
{
	/* Without a fifo nothing counts, and everything goes on. */
	if (!slots_open(s))
		return true;
	slots_level(s);
	if (s->note->total > s->want || !slots_get_byte(s)) {
		slots_wait(s);
		return false;
	}
	s->note->held++;
	return true;
}

void
slots_give(struct slots *s)
{
	if (s->fd == -1)
		return;
	if (s->phantoms > 0) {
		s->phantoms--;
		return;
	}
	if (s->note->held > 0)
		s->note->held--;
	if (s->note->total > s->want)
		s->note->total--;
	else
		slots_put_byte(s);
	slots_refill(s);
}

void
slots_taken(struct slots *s, unsigned n)
{
	if (s->fd == -1 && n == 0)
		return;
	if (s->fd == -1) {
		if (!slots_open(s))
			return;
		for (s->note->held = 0; s->note->held < n; s->note->held++)
			if (!slots_get_byte(s))
				break;
	}
	/* Of those that were never started, or ended unseen. */
	while (s->note->held > n)
		slots_give(s);
	s->phantoms = n - s->note->held;
	slots_level(s);
	slots_refill(s);
}

void
slots_enter(struct slots *s)
{
	s->users++;
}

void
slots_leave(struct slots *s)
{
	BUG_ON(s->users == 0);
	s->users--;
	slots_refill(s);
}

/* --- life -------------------------------------------------------------------
 */

void
slots_configure(struct slots *s)
{
	int64_t n = s->en->cf->cpu_slots;

	s->want = n == -1 ? (unsigned)s->en->usable_cpus : (unsigned)n;
	if (s->fd == -1)
		return;
	slots_level(s);
	if (s->note->total > s->want)
		slots_wait(s);
	slots_refill(s);
}

struct slots *
slots_new(struct engine *en, void (*free_cb)(void *arg), void *arg)
{
	struct slots *s = xcalloc(1, sizeof *s);

	s->en = en;
	s->free_cb = free_cb;
	s->arg = arg;
	s->fd = -1;
	s->region.fd = -1;
	slots_adopt(s);
	slots_configure(s);
	return s;
}

void
slots_free(struct slots *s)
{
	if (s == NULL)
		return;
	if (s->waiting)
		loop_io_stop(&s->io);
	if (s->en->stopping && s->note != NULL && s->note->path[0] != '\0')
		unlink(s->note->path);
	fd_closep(&s->fd);
	region_fini(&s->region);
	free(s);
}

/* --- telling ----------------------------------------------------------------
 */

/* Can any user open it, as far as its folders go? */
static bool
slots_reachable(const char *path)
{
	char *dir = xstrdup(path), *slash;
	struct stat st;
	bool ok = true;

	while (ok && (slash = strrchr(dir, '/')) != NULL && slash != dir) {
		*slash = '\0';
		ok = stat(dir, &st) == 0 && (st.st_mode & S_IXOTH) != 0;
	}
	free(dir);
	return ok;
}

static bool
slots_by_fifo(struct slots *s, char *const *env, bool may_open)
{
	const char *path = s->note->path;

	switch (s->en->cf->jobserver) {
	case CONFIG_JOBSERVER_FIFO:
		return path[0] != '\0';
	case CONFIG_JOBSERVER_FDS:
	case CONFIG_JOBSERVER_NO:
		return false;
	case CONFIG_JOBSERVER_AUTO:
		break;
	}
	/* MAKEFLAGS are words. */
	return path[0] != '\0' && strpbrk(path, " \t\\$\"'") == NULL &&
	       (may_open || slots_reachable(path)) &&
	       slots_make_knows_fifo(&s->make, env);
}

static int
slots_reopen(const struct slots *s, int flags)
{
	char self[40];

	/* A description of its own: what a make sets on it (O_NONBLOCK) is
	 * not for us, nor for other tasks. */
	snprintf(self, sizeof self, "/proc/self/fd/%d", s->fd);
	return open(self, flags | O_NONBLOCK | O_CLOEXEC);
}

static void
slots_blocking(int fd)
{
	if (fd != -1)
		fcntl(fd, F_SETFL, 0);
}

void
slots_tell(
    struct slots *s, char *const *env, bool may_open, struct slots_told *t)
{
	const char *was = NULL;
	char *auth;

	*t = (struct slots_told){ .rd = -1, .wr = -1 };
	if (s->en->cf->jobserver == CONFIG_JOBSERVER_NO || !slots_open(s))
		return;
	for (; *env != NULL; env++)
		if (str_starts(*env, "MAKEFLAGS="))
			was = *env + strlen("MAKEFLAGS=");
	if (slots_by_fifo(s, env, may_open)) {
		auth = xasprintf("fifo:%s", s->note->path);
	} else {
		t->rd = slots_reopen(s, O_RDONLY);
		t->wr = slots_reopen(s, O_WRONLY);
		if (t->rd == -1 || t->wr == -1) {
			log_warn("open the jobserver for a task");
			slots_told_fini(t);
			return;
		}
		slots_blocking(t->rd);
		slots_blocking(t->wr);
		t->fds = true;
		auth = xasprintf("%d,%d", SLOTS_FD, SLOTS_FD + 1);
	}
	t->makeflags = slots_makeflags(was, (int)s->want, auth);
	free(auth);
}

void
slots_told_fini(struct slots_told *t)
{
	fd_closep(&t->rd);
	fd_closep(&t->wr);
	freep(&t->makeflags);
}
