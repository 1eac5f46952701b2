/*
 * childside - what a child does between clone and exec.
 *
 * It runs in the parent's memory (CLONE_VM) beside the parent, on a stack of
 * its own: it may read what was prepared, write its stack and the spec that
 * is its alone, and make raw system calls.  No libc function that writes
 * anything (errno included), no allocation, no logging: what fails is sent
 * through the error pipe as {stage, errno}, or left in the parent's memory.
 *
 * The order, and why:
 *  0 a descriptor table of its own, where it shares the parent's, which
 *    waits for that: room.c
 *  1 dispositions first: an ignored SIGPIPE would be inherited by exec;
 *    blocked signals stay blocked until the last step, so that none of them
 *    finds a half-made process
 *  2 session: a process group of its own before anybody can signal a group
 *  3 cgroup, unless clone3 has put it there: limits hold from here on
 *  4 oom_score_adj, nice, ioprio, affinity: while still privileged
 *  5 descriptors: the sources are moved above every target first, for a
 *    target may be another one's source; the error pipe moves as well
 *    and the terminal, when there is one, is taken: the session has none yet
 *  6 rlimits, still privileged, but after the descriptors: the keeper has
 *    more of them than a child's RLIMIT_NOFILE may allow
 *  7 what it sees of the files, still privileged: the mount namespace, the
 *    root, then read-only paths and a private /tmp, whose paths are those
 *    that the program sees; read-only first, so that a private /tmp stays
 *    writable below a read-only /
 *  8 groups before gid, the bounding set and the right to keep capabilities
 *    before uid: each step needs the right that a later one gives away
 *  9 capabilities after uid, which has taken away the effective ones
 * 10 directory after uid: with the rights of the user, as supervisord does
 * 11 umask, no_new_privs, the parent's death, which a change of user would
 *    have made it forget, signal mask, exec
 *
 * What 7 to 9 do is in childside_box.c.  None of it reaches the keeper: mounts,
 * root and credentials are a process's own, only memory is shared.
 */
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>

#include "spawn/rawsys.h"
#include "spawn/spawn_priv.h"

/* Of ioprio_set(2), which has no header everywhere. */
#define IOPRIO_OF_PROCESS 1

CHILD_CODE void
childside_fail(struct childside *cs, enum spawn_stage stage, long error)
{
	int32_t report[2] = { (int32_t)stage, (int32_t)-error };

	if (cs->report_fd != -1) {
		rawsys(
		    SYS_write, cs->report_fd, (long)report, sizeof report, 0);
	} else {
		cs->failed[0] = report[0];
		cs->failed[1] = report[1];
	}
	for (;;)
		rawsys(SYS_exit, 127, 0, 0, 0);
}

static CHILD_CODE void
childside_table(struct childside *cs)
{
	long rc;

	if (cs->keep_below == 0)
		return;
	rc = rawsys(
	    SYS_close_range, cs->keep_below, ~0U, CLOSE_RANGE_UNSHARE, 0);
	/* Before the parent goes on: the error pipe is there that long. */
	if (rc < 0)
		childside_fail(cs, STAGE_FDS, rc);
	cs->has_own = 1;
	rawsys(SYS_futex, (long)&cs->has_own, FUTEX_WAKE_PRIVATE, 1, 0);
}

static CHILD_CODE void
childside_signals(struct childside *cs)
{
	struct kernel_sigaction dfl = { .handler = SIG_DFL };
	long rc;

	for (int sig = 1; sig <= 64; sig++) {
		if ((cs->ignored >> (sig - 1) & 1) == 0)
			continue;
		rc = rawsys(SYS_rt_sigaction, sig, (long)&dfl, 0, 8);
		if (rc < 0)
			childside_fail(cs, STAGE_SIGNALS, rc);
	}
}

/* Writes text into a file below dirfd; "" is nothing to do. */
static CHILD_CODE long
childside_write(long dirfd, const char *path, const char *text)
{
	long fd, rc, n = 0;

	while (text[n] != '\0')
		n++;
	if (n == 0)
		return 0;
	fd = rawsys(SYS_openat, dirfd, (long)path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	rc = rawsys(SYS_write, fd, (long)text, n, 0);
	rawsys(SYS_close, fd, 0, 0, 0);
	return rc;
}

static CHILD_CODE void
childside_priority(struct childside *cs)
{
	const struct spec *sp = cs->spec;
	long rc;

	rc =
	    childside_write(AT_FDCWD, "/proc/self/oom_score_adj", cs->oom_text);
	/* No /proc: nothing was raised that would have to be lowered. */
	if (rc < 0 && rc != -ENOENT)
		childside_fail(cs, STAGE_OOM, rc);
	if (sp->nice != SPEC_KEEP &&
	    (rc = rawsys(SYS_setpriority, 0, 0, sp->nice, 0)) < 0)
		childside_fail(cs, STAGE_NICE, rc);
	if (sp->ioprio != SPEC_KEEP &&
	    (rc = rawsys(SYS_ioprio_set, IOPRIO_OF_PROCESS, 0, sp->ioprio, 0)) <
		0)
		childside_fail(cs, STAGE_IOPRIO, rc);
	if (sp->affinity != NULL &&
	    (rc = rawsys(SYS_sched_setaffinity, 0, (long)sp->affinity_len,
		 (long)sp->affinity, 0)) < 0)
		childside_fail(cs, STAGE_AFFINITY, rc);
}

/* Moves a descriptor out of the targets' way, if it is in it. */
static CHILD_CODE long
childside_lift(struct childside *cs, long fd)
{
	long rc;

	if (fd >= cs->rescue_fd)
		return fd;
	rc = rawsys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, cs->rescue_fd, 0);

	if (rc < 0)
		childside_fail(cs, STAGE_FDS, rc);
	return rc;
}

static CHILD_CODE void
childside_fds(struct childside *cs)
{
	const struct spec *sp = cs->spec;
	long rc;

	if (cs->report_fd != -1)
		cs->report_fd = (int)childside_lift(cs, cs->report_fd);
	for (size_t i = 0; i < sp->nfds; i++)
		cs->scratch[i] = (int)childside_lift(cs, cs->from[i]);
	for (size_t i = 0; i < sp->nfds; i++) {
		rc = rawsys(SYS_dup3, cs->scratch[i], sp->fds[i].target, 0, 0);
		if (rc < 0)
			childside_fail(cs, STAGE_FDS, rc);
	}
	/* All of ours are close-on-exec; this is for what a library forgot
	 * and for what reeved itself was started with. */
	for (long fd = 0; fd < cs->rescue_fd; fd++) {
		bool placed = false;

		for (size_t i = 0; i < sp->nfds; i++)
			placed = placed || sp->fds[i].target == fd;
		if (!placed)
			rawsys(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0);
	}
	rawsys(SYS_close_range, cs->rescue_fd, ~0U, CLOSE_RANGE_CLOEXEC, 0);
}

static CHILD_CODE void
childside_limits(struct childside *cs)
{
	const struct spec *sp = cs->spec;
	long rc;

	for (size_t i = 0; i < sp->nrlimits; i++) {
		rc = rawsys(SYS_prlimit64, 0, sp->rlimits[i].resource,
		    (long)&sp->rlimits[i].limit, 0);
		if (rc < 0)
			childside_fail(cs, STAGE_RLIMIT, rc);
	}
}

static CHILD_CODE void
childside_ids(struct childside *cs)
{
	const struct spec *sp = cs->spec;
	long rc;

	if (!sp->set_ids) {
		childside_bounding(cs);
		return;
	}
	rc = rawsys(SYS_setgroups, (long)sp->ngroups, (long)sp->groups, 0, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_GROUPS, rc);
	rc = rawsys(SYS_setresgid, sp->gid, sp->gid, sp->gid, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_GID, rc);
	childside_bounding(cs);
	rc = rawsys(SYS_setresuid, sp->uid, sp->uid, sp->uid, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_UID, rc);
}

/* sd_listen_fds(3), sd_watchdog_enabled(3) want the pid of the process itself.
 */
static CHILD_CODE void
childside_pid_text(struct childside *cs)
{
	char digits[LISTEN_PID_DIGITS];
	long pid = rawsys(SYS_getpid, 0, 0, 0, 0);
	int n = 0;

	do {
		digits[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid != 0 && n < LISTEN_PID_DIGITS);
	for (int k = 0; k < 2; k++) {
		if (cs->pid_text[k] == NULL)
			continue;
		for (int i = 0; i < n; i++)
			cs->pid_text[k][i] = digits[n - 1 - i];
		cs->pid_text[k][n] = '\0';
	}
}

static CHILD_CODE void
childside_die_with_parent(struct childside *cs)
{
	if ((cs->spec->flags & SPEC_DIE_WITH_PARENT) == 0)
		return;
	rawsys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	/* It may have died before that. */
	if (rawsys(SYS_getppid, 0, 0, 0, 0) != cs->parent)
		for (;;)
			rawsys(SYS_exit, 127, 0, 0, 0);
}

CHILD_CODE int
childside_main(void *arg)
{
	struct childside *cs = arg;
	const struct spec *sp = cs->spec;
	uint64_t none = 0;
	long rc;

	childside_table(cs);
	childside_signals(cs);
	rc = rawsys(SYS_setsid, 0, 0, 0, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_SESSION, rc);
	if (cs->cgroup_fd != -1 &&
	    (rc = childside_write(cs->cgroup_fd, "cgroup.procs", "0")) < 0)
		childside_fail(cs, STAGE_CGROUP, rc);
	childside_priority(cs);
	childside_fds(cs);
	if ((sp->flags & SPEC_TTY) != 0 &&
	    (rc = rawsys(SYS_ioctl, 0, TIOCSCTTY, 0, 0)) < 0)
		childside_fail(cs, STAGE_TTY, rc);
	childside_limits(cs);
	childside_root(cs);
	childside_ids(cs);
	childside_caps(cs);
	if (sp->directory[0] != '\0' &&
	    (rc = rawsys(SYS_chdir, (long)sp->directory, 0, 0, 0)) < 0)
		childside_fail(cs, STAGE_DIRECTORY, rc);
	if (sp->umask != SPEC_KEEP)
		rawsys(SYS_umask, sp->umask, 0, 0, 0);
	childside_pid_text(cs);
	childside_no_new_privs(cs);
	childside_die_with_parent(cs);
	rawsys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8);
	rc = rawsys(
	    SYS_execve, (long)sp->path, (long)sp->argv, (long)sp->envp, 0);
	childside_fail(cs, STAGE_EXEC, rc);
	return 127;
}
