/*
 * child - the table of children, and the one place that waits for them.
 *
 * A pid is used for kill through this table only, and only until it is
 * reaped: up to then the kernel can not give it to anybody else, and nobody
 * but this file reaps.  So a child needs no pidfd, which would be a descriptor
 * and an inode each.  Reaping is in two steps for that reason: look (WNOWAIT),
 * kill what is left of the group while the zombie still holds the number, then
 * reap.  Of a child that is somebody else's to reap (foreign.c) only the pidfd
 * is used.
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "keeper/keeper_priv.h"

void
child_table_init(struct child_table *ct)
{
	memset(ct, 0, sizeof *ct);
	TAILQ_INIT(&ct->all);
	TAILQ_INIT(&ct->dirty);
}

struct child *
child_by_id(struct child_table *ct, uint64_t id)
{
	struct child *c;

	LIST_FOREACH(c, &ct->by_id[id % CHILD_BUCKETS], by_id)
		if (c->id == id)
			return c;
	return NULL;
}

struct child *
child_by_pid(struct child_table *ct, pid_t pid)
{
	struct child *c;

	LIST_FOREACH(c, &ct->by_pid[(unsigned)pid % CHILD_BUCKETS], by_pid)
		if (c->pid == pid)
			return c;
	return NULL;
}

struct child *
child_new(struct child_table *ct, uint64_t id, const char *label)
{
	size_t len = strnlen(label, SPEC_LABEL_MAX);
	struct child *c = calloc(1, sizeof *c + len + 1);

	if (c == NULL)
		return NULL;
	c->id = id;
	c->pidfd = -1;
	c->state = CHILD_SPAWNING;
	memcpy(c->label, label, len);
	LIST_INSERT_HEAD(&ct->by_id[id % CHILD_BUCKETS], c, by_id);
	TAILQ_INSERT_TAIL(&ct->all, c, all);
	return c;
}

void
child_started(struct child_table *ct, struct child *c, pid_t pid, mono_ms now)
{
	c->pid = pid;
	c->has_process = true;
	c->started_ms = now;
	LIST_INSERT_HEAD(&ct->by_pid[(unsigned)pid % CHILD_BUCKETS], c, by_pid);
	ct->alive++;
}

void
child_mark(struct child_table *ct, struct child *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	TAILQ_INSERT_TAIL(&ct->dirty, c, dirty);
}

static void
child_unlink_pid(struct child_table *ct, struct child *c)
{
	if (!c->has_process)
		return;
	c->has_process = false;
	LIST_REMOVE(c, by_pid);
	fd_closep(&c->pidfd);
	ct->alive--;
}

void
child_free(struct child_table *ct, struct child *c)
{
	BUG_ON(c->spawn != NULL);
	foreign_free(c);
	child_unlink_pid(ct, c);
	if (c->is_dirty)
		TAILQ_REMOVE(&ct->dirty, c, dirty);
	LIST_REMOVE(c, by_id);
	TAILQ_REMOVE(&ct->all, c, all);
	free(c);
}

int
child_signal(const struct child *c, int signo, bool to_group)
{
	if (!c->has_process) {
		errno = ESRCH;
		return -1;
	}
	if (c->is_foreign)
		return to_group && sys_pidfd_signal_group(c->pidfd, signo) == 0
			   ? 0
			   : sys_pidfd_send_signal(c->pidfd, signo);
	/* Not reaped: the number is still its own, and its group's. */
	if (to_group && sys_kill(-c->pid, signo) == 0)
		return 0;
	/* It may not have made its group yet. */
	return sys_kill(c->pid, signo);
}

void
child_ended(
    struct child_table *ct, struct child *c, const struct child_end *end)
{
	child_unlink_pid(ct, c);
	c->died_ms = end->at;
	c->max_rss_kb = end->max_rss_kb;
	c->code = end->code;
	c->signo = end->signo;
	c->core = end->core;
	if (c->spawn != NULL)
		spawn_settle(c->spawn); /* sets state to FAILED or ALIVE */
	if (c->state == CHILD_ALIVE)
		c->state = CHILD_EXITED;
	child_mark(ct, c);
}

/* The child is a zombie: note how it ended, clean up behind it, reap it. */
static void
child_bury(struct child_table *ct, struct child *c, mono_ms now)
{
	struct rusage ru = { .ru_maxrss = 0 };
	siginfo_t si = { .si_pid = 0 };
	struct child_end end = { .at = now };

	if (c->kill_group)
		sys_kill(-c->pid, SIGKILL);
	sys_waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG, &ru);
	end.max_rss_kb = ru.ru_maxrss;
	end.code = si.si_code == CLD_EXITED ? si.si_status : 0;
	end.signo = si.si_code == CLD_EXITED ? 0 : si.si_status;
	end.core = si.si_code == CLD_DUMPED;
	child_ended(ct, c, &end);
}

void
child_reap(struct child_table *ct, mono_ms now)
{
	siginfo_t si;
	struct child *c;

	for (;;) {
		si.si_pid = 0;
		if (sys_waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT,
			NULL) == -1 ||
		    si.si_pid == 0)
			break;
		c = child_by_pid(ct, si.si_pid);
		if (c != NULL && !c->is_foreign) {
			child_bury(ct, c, now);
			continue;
		}
		/* An orphan that came to us: reaped, never acted upon. */
		sys_waitid(
		    P_PID, (id_t)si.si_pid, &si, WEXITED | WNOHANG, NULL);
		ct->strangers++;
	}
}
