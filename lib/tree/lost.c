/*
 * lost - what a keeper that was killed left of its tasks.
 *
 * Its children are nobody's by now.  They are known by what cannot be chance:
 * a cgroup below that keeper's folder that has the task's name, or, without
 * cgroups, an environment with that keeper's mark (pid and start time) and the
 * task's number; then those in the session of one of them, and whom they
 * started.  The pid of a keeper may be another's since, who makes a folder of
 * the same name: none that is younger than that process is touched.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "tree/tree_priv.h"

#define LOST_PASSES  64
#define LOST_UNSURE  16 /* of them, for who is within execve */
#define LOST_ENV_MAX (8 << 20)

uint64_t
tree_start_of(pid_t pid)
{
	struct tree_proc p;

	return tree_stat(&p, pid) ? p.start : 0;
}

/* "0::/a/reeve-77/queue.17.2/below": is reeve-77/queue.17.N a part of it? */
static bool
lost_has_cgroup(const struct tree_lost *tl, const char *cgroups)
{
	char want[80];
	const char *s = cgroups;
	size_t digits;

	snprintf(want, sizeof want, "/reeve-%d/queue.%" PRIu64 ".",
	    (int)tl->keeper, tl->task);
	while ((s = strstr(s, want)) != NULL) {
		s += strlen(want);
		digits = strspn(s, "0123456789");
		if (digits > 0 && strchr("/\n", s[digits]) != NULL)
			return true;
	}
	return false;
}

static bool
lost_has_env(const struct tree_lost *tl, const struct buf *env)
{
	const char *s = buf_str(env), *end = s + env->len;
	char mark[64], task[40];
	bool of_keeper = false, of_task = false;

	snprintf(mark, sizeof mark, TREE_MARK "=%x.%" PRIx64 ".",
	    (unsigned)tl->keeper, tl->start);
	snprintf(task, sizeof task, TREE_TASK "=%" PRIu64, tl->task);
	for (; s < end; s += strlen(s) + 1) {
		of_keeper = of_keeper || str_starts(s, mark);
		of_task = of_task || strcmp(s, task) == 0;
	}
	return of_keeper && of_task;
}

bool
tree_lost_is(const struct tree_lost *tl, uint64_t start, const char *cgroups,
    const struct buf *env)
{
	uint64_t holder = tl->holder;

	if (start < tl->start || tl->start == 0 || holder == tl->start)
		return false;
	if (lost_has_env(tl, env))
		return true;
	return (holder == 0 || start < holder) && lost_has_cgroup(tl, cgroups);
}

/* --- one look at all processes ----------------------------------------------
 */

struct lost_look {
	struct tree_procs ps;
	struct tree_lost *v;
	size_t n;
	pid_t keeper; /* ours */
	bool unsure;  /* one whose environment can't be read yet */
};

static void
lost_find_one(struct lost_look *lk, struct tree_proc *p)
{
	struct buf cgroups, env;
	char path[64];

	buf_init(&cgroups);
	buf_init(&env);
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)p->pid);
	tree_read(&cgroups, path, LOST_ENV_MAX);
	if (proc_environ(&env, p->pid, LOST_ENV_MAX) == PROC_ENV_SOON)
		lk->unsure = true;
	for (size_t i = 0; i < lk->n && p->lost == NULL; i++)
		if (tree_lost_is(&lk->v[i], p->start, buf_str(&cgroups), &env))
			p->lost = &lk->v[i];
	buf_fini(&cgroups);
	buf_fini(&env);
}

static bool
lost_may_be(const struct lost_look *lk, const struct tree_proc *p)
{
	return p->is_alive && p->lost == NULL && p->pid != lk->keeper &&
	       p->pid != getpid();
}

/* Of p's session, or its parent, somebody who is known. */
static struct tree_lost *
lost_related(const struct lost_look *lk, const struct tree_proc *p)
{
	const struct tree_proc *up = tree_procs_find(&lk->ps, p->parent);

	if (up != NULL && up->lost != NULL && up->start <= p->start)
		return up->lost;
	if (p->session == 0 || p->session == getsid(0))
		return NULL;
	for (size_t i = 0; i < lk->ps.n; i++)
		if (lk->ps.v[i].lost != NULL &&
		    lk->ps.v[i].session == p->session)
			return lk->ps.v[i].lost;
	return NULL;
}

static void
lost_find(struct lost_look *lk)
{
	bool more = true;

	for (size_t i = 0; i < lk->ps.n; i++)
		if (lost_may_be(lk, &lk->ps.v[i]))
			lost_find_one(lk, &lk->ps.v[i]);
	while (more) {
		more = false;
		for (size_t i = 0; i < lk->ps.n; i++) {
			struct tree_proc *p = &lk->ps.v[i];

			if (!lost_may_be(lk, p))
				continue;
			p->lost = lost_related(lk, p);
			more = more || p->lost != NULL;
		}
	}
}

/* Number of those that were killed and not before. */
static int
lost_pass(struct lost_look *lk, struct tree_procs *done)
{
	int hit = 0;

	lk->unsure = false;
	tree_procs_read(&lk->ps);
	for (size_t i = 0; i < lk->n; i++) {
		lk->v[i].left = 0;
		lk->v[i].holder = tree_start_of(lk->v[i].keeper);
	}
	lost_find(lk);
	for (size_t i = 0; i < lk->ps.n; i++) {
		const struct tree_proc *p = &lk->ps.v[i];

		if (p->lost == NULL)
			continue;
		p->lost->left++;
		if (tree_procs_has(done, p) || !tree_proc_kill(p))
			continue;
		tree_procs_add(done, p);
		p->lost->killed++;
		hit++;
	}
	tree_procs_fini(&lk->ps);
	return hit;
}

void
tree_lost_kill(struct tree_lost *v, size_t n, pid_t keeper)
{
	struct lost_look lk = { .v = v, .n = n, .keeper = keeper };
	struct tree_procs done = { 0 };

	/* Until a pass finds nobody new: they may have forked meanwhile. */
	for (int i = 0; i < LOST_PASSES; i++)
		if (lost_pass(&lk, &done) == 0 &&
		    (!lk.unsure || i >= LOST_UNSURE))
			break;
	tree_procs_fini(&done);
}
