/*
 * tree_scan - a tree without a cgroup, found in /proc.
 *
 * /proc is read as a whole, and a process is a member when it descends from
 * the keeper and
 *
 *	its session is the leader's,
 *	or its environment has the mark,
 *	or its parent is a member.
 *
 * The leader's number may be another's once it is reaped and its session is
 * empty: a leader with a foreign mark is not ours, nor is then its session.
 * When the first keeper was killed its children have another parent, and so
 * have their orphans: everybody counts as a descendant then, and of the leader
 * the mark is asked for.
 *
 * Nothing crosses from one instance to the next: leaders are children of the
 * keeper, and the keeper is never a member.  A descendant that made its own
 * session, changed its environment and lost its parents is not found; that
 * is what cgroups are for.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "engine/tree_priv.h"

#define TREE_PASSES  64 /* of a kill, until the next sweep */
#define TREE_ENV_MAX (8 << 20)

/* --- marks ---------------------------------------------------------------- */

enum proc_mark {
	MARK_NONE,
	MARK_OURS,
	MARK_OTHER
};

static enum proc_mark
tree_env_mark(const struct tree *t, const struct buf *env)
{
	const char *s = buf_str(env), *end = s + env->len;
	enum proc_mark mark = MARK_NONE;

	for (; s < end; s += strlen(s) + 1) {
		if (!str_starts(s, TREE_MARK "="))
			continue;
		if (strcmp(s + sizeof TREE_MARK, t->mark) == 0)
			return MARK_OURS;
		mark = MARK_OTHER;
	}
	return mark;
}

static enum proc_mark
tree_mark_of(const struct tree *t, pid_t pid)
{
	enum proc_mark mark;
	struct buf env;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	buf_init(&env);
	/* Empty for a moment during exec: look again. */
	for (int i = 0; i < 3 && env.len == 0; i++) {
		if (i > 0)
			sched_yield();
		if (tree_read(&env, path, TREE_ENV_MAX) == -1)
			break;
	}
	mark = tree_env_mark(t, &env);
	buf_fini(&env);
	return mark;
}

/* --- all processes -------------------------------------------------------- */

static int
proc_order(const void *a, const void *b)
{
	const struct tree_proc *p = a, *q = b;

	return (p->pid > q->pid) - (p->pid < q->pid);
}

struct tree_proc *
tree_procs_find(const struct tree_procs *ps, pid_t pid)
{
	struct tree_proc key = { .pid = pid };

	if (ps->n == 0)
		return NULL;
	return bsearch(&key, ps->v, ps->n, sizeof *ps->v, proc_order);
}

void
tree_procs_add(struct tree_procs *ps, const struct tree_proc *p)
{
	if (ps->n == ps->cap) {
		ps->cap = ps->cap == 0 ? 256 : 2 * ps->cap;
		ps->v = xreallocarray(ps->v, ps->cap, sizeof *ps->v);
	}
	ps->v[ps->n++] = *p;
}

void
tree_procs_fini(struct tree_procs *ps)
{
	freep(&ps->v);
	ps->n = ps->cap = 0;
}

void
tree_procs_read(struct tree_procs *ps)
{
	DIR *dir = opendir("/proc");
	const struct dirent *de;
	struct tree_proc p;
	int64_t pid;

	memset(ps, 0, sizeof *ps);
	if (dir == NULL) {
		log_warn("read /proc");
		return;
	}
	while ((de = readdir(dir)) != NULL)
		if (str_to_i64(de->d_name, 1, INT_MAX, &pid) &&
		    tree_stat(&p, (pid_t)pid))
			tree_procs_add(ps, &p);
	closedir(dir);
	qsort(ps->v, ps->n, sizeof *ps->v, proc_order);
}

/*
 * A parent that is not there was gone before it was read, and its child may
 * be the keeper's by now: that counts as near.
 */
static bool
proc_is_near(const struct tree_proc *p, pid_t keeper, size_t max)
{
	for (; max > 0; max--) {
		if (p->parent == keeper)
			return true;
		if (p->parent == 0)
			return false;
		if (p->up == NULL)
			return true;
		p = p->up;
	}
	return false;
}

static void
procs_link(struct tree_procs *ps, pid_t keeper)
{
	for (size_t i = 0; i < ps->n; i++)
		ps->v[i].up = tree_procs_find(ps, ps->v[i].parent);
	for (size_t i = 0; i < ps->n; i++) {
		struct tree_proc *p = &ps->v[i];

		p->is_near =
		    p->pid != keeper && p->pid != getpid() &&
		    (tree_origin_is_gone() || proc_is_near(p, keeper, ps->n));
	}
}

/* Is the session with the leader's number still the one it made? */
static bool
tree_has_session(
    const struct tree *t, const struct tree_procs *ps, pid_t keeper)
{
	const struct tree_proc *p = tree_procs_find(ps, t->leader);

	if (t->leader == 0)
		return false;
	if (p == NULL) /* while the session is there nobody gets its number */
		return true;
	if (p->is_near && p->parent == keeper)
		return tree_mark_of(t, p->pid) != MARK_OTHER;
	return tree_origin_is_gone() && tree_mark_of(t, p->pid) == MARK_OURS;
}

static void
tree_find_members(const struct tree *t, struct tree_procs *ps, pid_t keeper)
{
	bool has_session, is_more = true;

	procs_link(ps, keeper);
	has_session = tree_has_session(t, ps, keeper);
	for (size_t i = 0; i < ps->n; i++) {
		struct tree_proc *p = &ps->v[i];

		if (!p->is_near || !p->is_alive)
			continue;
		p->is_member = has_session &&
			       (p->session == t->leader || p->pid == t->leader);
		if (!p->is_member)
			p->is_member = tree_mark_of(t, p->pid) == MARK_OURS;
	}
	while (is_more) {
		is_more = false;
		for (size_t i = 0; i < ps->n; i++) {
			struct tree_proc *p = &ps->v[i];

			if (p->is_member || !p->is_near || !p->is_alive ||
			    p->up == NULL || !p->up->is_member)
				continue;
			p->is_member = is_more = true;
		}
	}
}

/* Kills exactly that process; false: it is gone. */
bool
tree_proc_kill(const struct tree_proc *p)
{
	int pidfd = tree_pidfd(p->pid), rc = -1;
	struct tree_proc now;

	if (pidfd == -1) {
		if (errno != ESRCH)
			log_warn("open a pidfd of pid %d", (int)p->pid);
		return false;
	}
	if (tree_stat(&now, p->pid) && now.start == p->start)
		rc = sys_pidfd_send_signal(pidfd, SIGKILL);
	fd_closep(&pidfd);
	return rc == 0;
}

bool
tree_procs_has(const struct tree_procs *ps, const struct tree_proc *p)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->v[i].pid == p->pid && ps->v[i].start == p->start)
			return true;
	return false;
}

/* Kills the members that are not among done, and adds them. */
static int
tree_kill_pass(const struct tree *t, pid_t keeper, struct tree_procs *done)
{
	struct tree_procs ps;
	int n = 0;

	tree_procs_read(&ps);
	tree_find_members(t, &ps, keeper);
	for (size_t i = 0; i < ps.n; i++) {
		const struct tree_proc *p = &ps.v[i];

		if (!p->is_member || tree_procs_has(done, p) ||
		    !tree_proc_kill(p))
			continue;
		tree_procs_add(done, p);
		n++;
	}
	tree_procs_fini(&ps);
	return n;
}

/* Until a pass finds nobody new: they may have forked meanwhile. */
int
tree_scan_kill(const struct tree *t, pid_t keeper)
{
	struct tree_procs done = { 0 };
	int n = 0, hit, pass = 0;

	do {
		hit = tree_kill_pass(t, keeper, &done);
		n += hit;
	} while (hit > 0 && ++pass < TREE_PASSES);
	tree_procs_fini(&done);
	return n;
}

int
tree_scan_survivors(const struct tree *t, pid_t keeper, pid_t *pids, int max)
{
	struct tree_procs ps;
	int n = 0;

	tree_procs_read(&ps);
	tree_find_members(t, &ps, keeper);
	for (size_t i = 0; i < ps.n; i++) {
		if (!ps.v[i].is_member)
			continue;
		if (n < max)
			pids[n] = ps.v[i].pid;
		n++;
	}
	tree_procs_fini(&ps);
	return n;
}
