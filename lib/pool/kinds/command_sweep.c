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
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/proc.h"
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

enum sweep_is {
	SWEEP_OTHER,
	SWEEP_OURS,
	SWEEP_SOON /* it is within execve: it can't be told yet */
};

static bool
sweep_has_mark(const struct buf *env, const char *mark)
{
	const char *s = env->data, *end = s + env->len;

	for (; s < end; s += strlen(s) + 1)
		if (strcmp(s, mark) == 0)
			return true;
	return false;
}

static enum sweep_is
sweep_whose(const struct command *c, pid_t pid, uint64_t since)
{
	enum sweep_is is = SWEEP_OTHER;
	struct proc p;
	struct buf env;

	if (!proc_read(&p, pid) || p.start < since || !p.is_alive)
		return SWEEP_OTHER;
	if (p.session == c->pid)
		return SWEEP_OURS;
	buf_init(&env);
	switch (proc_environ(&env, pid, SWEEP_ENV_MAX)) {
	case PROC_ENV_READ:
		if (sweep_has_mark(&env, c->mark))
			is = SWEEP_OURS;
		break;
	case PROC_ENV_SOON:
		/* A child of ours is another job's program. */
		if (p.parent != getpid())
			is = SWEEP_SOON;
		break;
	case PROC_ENV_HIDDEN:
		break;
	}
	buf_fini(&env);
	return is;
}

/* --- their end ------------------------------------------------------------ */

/*
 * By a descriptor: the number may be another's by now.  true: there was, or
 * may have been, one to kill.
 */
static bool
sweep_kill(const struct command *c, pid_t pid, uint64_t since)
{
	enum sweep_is is;
	int fd;

	if (pid == c->pid)
		return false;
	is = sweep_whose(c, pid, since);
	if (is != SWEEP_OURS)
		return is == SWEEP_SOON;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd == -1)
		return false;
	is = sweep_whose(c, pid, since);
	if (is == SWEEP_OURS &&
	    syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0) == 0)
		/* What is stopped keeps its number, and its children. */
		command_kill_below(pid, 0);
	close(fd);
	return is != SWEEP_OTHER;
}

/* How many there were that are to die, or may be. */
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
	struct proc own;

	if (!proc_read(&own, c->pid))
		return;
	for (int i = 0; i < SWEEP_PASSES && sweep_pass(c, own.start) > 0; i++)
		poll(NULL, 0, SWEEP_PAUSE);
}
