/* proc - what /proc/PID tells of a process; see proc.h. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define PROC_TRIES 3
#define PROC_PIECE 4096

static int
proc_open(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool
proc_read(struct proc *p, pid_t pid)
{
	int fd = proc_open(pid, "stat");
	char text[1024], state;
	const char *s;
	long threads;
	ssize_t n;

	memset(p, 0, sizeof *p);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof text - 1);
	fd_closep(&fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name may hold blanks and brackets: begin behind the last. */
	s = strrchr(text, ')');
	/* Fields 3, 4, 6, 20, 22, 23, 50 and 51. */
	if (s == NULL ||
	    sscanf(s + 1,
		" %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d"
		" %*d %*d %ld %*d %" SCNu64 " %" SCNu64
		" %*d %*u %*u %*u %*u %*u %*u"
		" %*u %*u %*u %*u %*u %*u %*u %*d %*d %*u %*u %*u %*u %*d"
		" %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		&state, &p->parent, &p->session, &threads, &p->start,
		&p->memory, &p->env_begin, &p->env_end) != 8)
		return false;
	p->pid = pid;
	p->is_alive = state != 'X' && (state != 'Z' || threads > 1);
	return true;
}

static bool
environ_read(struct buf *b, pid_t pid, size_t max)
{
	int fd = proc_open(pid, "environ");
	ssize_t n;

	b->len = 0;
	if (fd == -1)
		return false;
	do {
		n = read(fd, buf_reserve(b, PROC_PIECE), PROC_PIECE);
		if (n > 0)
			b->len += (size_t)n;
	} while ((n > 0 && b->len < max) || (n == -1 && errno == EINTR));
	fd_closep(&fd);
	buf_reserve(b, 1)[0] = '\0';
	return n >= 0;
}

/* Memory has a place for it, the same all the while, and nothing is there. */
static bool
environ_is_empty(const struct proc *before, const struct proc *after)
{
	return before->env_end != 0 && before->env_end == after->env_end &&
	       before->env_begin == after->env_end;
}

enum proc_env
proc_environ(struct buf *b, pid_t pid, size_t max)
{
	struct proc before, after;

	b->len = 0;
	for (int i = 0; i < PROC_TRIES; i++) {
		if (i > 0)
			sched_yield();
		if (!proc_read(&before, pid) || !before.is_alive ||
		    !environ_read(b, pid, max))
			return PROC_ENV_HIDDEN;
		if (b->len > 0)
			return PROC_ENV_READ;
		/* Without memory: the kernel's own, or it has just ended. */
		if (!proc_read(&after, pid) || after.memory == 0)
			return PROC_ENV_HIDDEN;
		if (environ_is_empty(&before, &after))
			return PROC_ENV_READ;
	}
	return PROC_ENV_SOON;
}
