/*
 * command_sweep - what a command left behind when it has ended, or is killed.
 *
 * As reeved finds the tree of a task without a cgroup: who is in the
 * command's session, and whose environment has its mark (REEVE_JOB=ID), with
 * all descendants of these.  Who made a session of its own, changed its
 * environment and lost its parents is not found; it ends with the pool.
 *
 * The command itself has ended and is not reaped meanwhile, so that its
 * number, and that of its session, are nobody else's.
 */
#include <sys/syscall.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "pool/kinds/command.h"

#define SWEEP_PASSES  200 /* until those that were killed are dead */
#define SWEEP_PAUSE   5   /* ms between two of them */
#define SWEEP_ENV_MAX (1 << 20)

void
command_mark(struct command *c)
{
	static _Atomic uint64_t last;
	struct timespec ts;

	/* The time keeps two pools apart that had the same number. */
	clock_gettime(CLOCK_BOOTTIME, &ts);
	snprintf(c->mark, sizeof c->mark, COMMAND_MARK "%x-%llx-%" PRIx64,
	    (unsigned)getpid(), (unsigned long long)ts.tv_sec,
	    atomic_fetch_add(&last, 1));
}

/* --- who is one of it ----------------------------------------------------- */

struct sweep_proc {
	char state;
	int session;
	uint64_t start; /* clock ticks since the machine's start */
};

static bool
sweep_stat(struct sweep_proc *p, pid_t pid)
{
	char path[40], text[1024];
	const char *s;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name may hold blanks and brackets: begin behind the last. */
	s = strrchr(text, ')');
	return s != NULL &&
	       sscanf(s + 1,
		   " %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d"
		   " %*d %*d %*d %*d %*d %" SCNu64,
		   &p->state, &p->session, &p->start) == 3;
}

/* Has it that string?  In pieces, as it is read; -1: it has none at all. */
static int
sweep_fd_has(int fd, const char *mark)
{
	size_t len = strlen(mark) + 1, kept = 1, total = 0;
	char text[4096 + 128] = "";
	ssize_t n;

	/* A string begins behind the end of another one: text[0]. */
	while (total < SWEEP_ENV_MAX && (n = read(fd, text + kept, 4096)) > 0) {
		total += (size_t)n;
		kept += (size_t)n;
		for (size_t at = 0; at + 1 + len <= kept; at++)
			if (text[at] == '\0' &&
			    memcmp(text + at + 1, mark, len) == 0)
				return 1;
		if (kept > len) {
			memmove(text, text + kept - len, len);
			kept = len;
		}
	}
	return total == 0 ? -1 : 0;
}

static bool
sweep_has_mark(const struct command *c, pid_t pid)
{
	char path[40];
	int fd, has = -1;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	/* Empty for a moment during exec: look again. */
	for (int i = 0; i < 3 && has == -1; i++) {
		if (i > 0)
			sched_yield();
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			return false;
		has = sweep_fd_has(fd, c->mark);
		close(fd);
	}
	return has == 1;
}

static bool
sweep_is_ours(const struct command *c, pid_t pid, uint64_t since)
{
	struct sweep_proc p;

	return sweep_stat(&p, pid) && p.start >= since && p.state != 'Z' &&
	       p.state != 'X' &&
	       (p.session == c->pid || sweep_has_mark(c, pid));
}

/* --- their end ------------------------------------------------------------ */

/* By a descriptor: the number may be another's by now. */
static bool
sweep_kill(const struct command *c, pid_t pid, uint64_t since)
{
	int fd;
	bool is_ours;

	if (pid == c->pid || !sweep_is_ours(c, pid, since))
		return false;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd == -1)
		return false;
	is_ours = sweep_is_ours(c, pid, since) &&
		  syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0) == 0;
	/* What is stopped keeps its number, and its children. */
	if (is_ours)
		command_kill_below(pid, 0);
	close(fd);
	return is_ours;
}

static int
sweep_pass(const struct command *c, uint64_t since)
{
	DIR *d = opendir("/proc");
	const struct dirent *de;
	int64_t pid;
	int n = 0;

	if (d == NULL)
		return 0;
	while ((de = readdir(d)) != NULL)
		if (str_to_i64(de->d_name, 1, INT_MAX, &pid))
			n += sweep_kill(c, (pid_t)pid, since);
	closedir(d);
	return n;
}

void
command_sweep(const struct command *c)
{
	struct sweep_proc own;

	if (!sweep_stat(&own, c->pid))
		return;
	for (int i = 0; i < SWEEP_PASSES && sweep_pass(c, own.start) > 0; i++)
		poll(NULL, 0, SWEEP_PAUSE);
}
