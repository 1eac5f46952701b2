/*
 * scan - trees without a cgroup, found in /proc.
 *
 * /proc is read as a whole, and a process is a member when it descends from
 * the keeper and
 *
 *	its session is the leader's,
 *	or its environment has the mark,
 *	or its parent is a member.
 *
 * One look is for any number of trees: with a thousand programs a look for
 * each that died would cost more than all that they do.
 *
 * The leader's number may be another's once it is reaped and its session is
 * empty: of a leader that is known to be gone whoever has the number is not
 * ours, nor is one with a foreign mark, nor a child that the keeper has made
 * a moment ago and that has executed nothing yet; nor is then its session.
 * When the first keeper was killed its children have another parent, and so
 * have their orphans: everybody counts as a descendant then, and of the leader
 * the mark is asked for.
 *
 * Nothing crosses from one instance to the next: leaders are children of the
 * keeper, and the keeper is never a member.  A descendant that made its own
 * session, changed its environment and lost its parents is not found; that
 * is what cgroups are for.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "tree/tree_priv.h"

#define TREE_PASSES  64 /* of a kill, until the next sweep */
#define TREE_UNSURE  4  /* of them, for who may be a member */
#define TREE_ENV_MAX (8 << 20)

/* Trees that are looked for at once. */
struct scan {
	struct tree_left **by_mark;
	struct tree_left **by_leader; /* those that have their session */
	size_t n, nleaders;
	pid_t keeper;
	struct tree_procs ps;
	bool unsure; /* an orphan is within execve: nobody's, or a member */
};

/* --- marks ---------------------------------------------------------------- */

/* Of one whose cgroup is gone: nobody's. */
static const char *
tree_mark_of(const struct tree *t)
{
	return t->mark != NULL ? t->mark : "";
}

static int
tree_order_mark(const void *a, const void *b)
{
	const struct tree_left *const *t = a, *const *u = b;

	return strcmp(tree_mark_of((*t)->tree), tree_mark_of((*u)->tree));
}

static int
tree_order_leader(const void *a, const void *b)
{
	const struct tree_left *const *t = a, *const *u = b;
	pid_t p = (*t)->tree->leader, q = (*u)->tree->leader;

	return (p > q) - (p < q);
}

static struct tree_left *
scan_by_mark(const struct scan *sc, char *mark)
{
	struct tree like = { .mark = mark };
	struct tree_left key = { .tree = &like }, *kp = &key, **found;

	found = bsearch(
	    &kp, sc->by_mark, sc->n, sizeof *sc->by_mark, tree_order_mark);
	return found != NULL ? *found : NULL;
}

/* Whose mark is in there; *other: there is one of nobody that is asked for. */
static struct tree_left *
scan_env_mark(const struct scan *sc, struct buf *env, bool *other)
{
	char *s = env->data, *end = s + env->len;
	struct tree_left *t;

	*other = false;
	for (; s < end; s += strlen(s) + 1) {
		if (!str_starts(s, TREE_MARK "="))
			continue;
		t = scan_by_mark(sc, s + sizeof TREE_MARK);
		if (t != NULL)
			return t;
		*other = true;
	}
	return NULL;
}

static struct tree_left *
scan_mark_of(struct scan *sc, const struct tree_proc *p, bool *other)
{
	struct tree_left *t = NULL;
	struct buf env;

	buf_init(&env);
	*other = false;
	if (proc_environ(&env, p->pid, TREE_ENV_MAX) != PROC_ENV_SOON)
		t = scan_env_mark(sc, &env, other);
	else if (p->parent == sc->keeper || p->up == NULL)
		sc->unsure = true;
	buf_fini(&env);
	return t;
}

/* Made by the keeper, and has executed nothing yet: it is the keeper still. */
static bool
scan_is_unborn(pid_t pid, pid_t keeper)
{
	struct stat mine, its;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	if (stat(path, &mine) == -1)
		return false;
	snprintf(path, sizeof path, "/proc/%d/exe", (int)keeper);
	return stat(path, &its) == 0 && mine.st_ino == its.st_ino &&
	       mine.st_dev == its.st_dev;
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
	if (ps->n > 0)
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
scan_has_session(struct scan *sc, const struct tree_left *l)
{
	const struct tree_proc *p = tree_procs_find(&sc->ps, l->tree->leader);
	const struct tree_left *marked;
	bool other;

	if (l->tree->leader == 0)
		return false;
	if (p == NULL) /* while the session is there nobody gets its number */
		return true;
	if (!p->is_near || p->parent != sc->keeper) {
		if (!tree_origin_is_gone())
			return false;
		return scan_mark_of(sc, p, &other) == l;
	}
	if (l->tree->leader_gone)
		return false;
	marked = scan_mark_of(sc, p, &other);
	if (marked != NULL)
		return marked == l;
	return !other && !scan_is_unborn(p->pid, sc->keeper);
}

static struct tree_left *
scan_by_leader(const struct scan *sc, pid_t leader)
{
	struct tree like = { .leader = leader };
	struct tree_left key = { .tree = &like }, *kp = &key, **found;

	found = bsearch(&kp, sc->by_leader, sc->nleaders, sizeof *sc->by_leader,
	    tree_order_leader);
	return found != NULL ? *found : NULL;
}

static struct tree_left *
scan_member_of(struct scan *sc, const struct tree_proc *p)
{
	struct tree_left *t = scan_by_leader(sc, p->session);
	bool other;

	if (t == NULL)
		t = scan_by_leader(sc, p->pid);
	return t != NULL ? t : scan_mark_of(sc, p, &other);
}

static void
scan_find_members(struct scan *sc)
{
	struct tree_procs *ps = &sc->ps;
	bool is_more = true;

	procs_link(ps, sc->keeper);
	sc->nleaders = 0;
	for (size_t i = 0; i < sc->n; i++)
		if (scan_has_session(sc, sc->by_mark[i]))
			sc->by_leader[sc->nleaders++] = sc->by_mark[i];
	qsort(sc->by_leader, sc->nleaders, sizeof *sc->by_leader,
	    tree_order_leader);
	for (size_t i = 0; i < ps->n; i++)
		if (ps->v[i].is_near && ps->v[i].is_alive)
			ps->v[i].of = scan_member_of(sc, &ps->v[i]);
	while (is_more) {
		is_more = false;
		for (size_t i = 0; i < ps->n; i++) {
			struct tree_proc *p = &ps->v[i];

			if (p->of != NULL || !p->is_near || !p->is_alive ||
			    p->up == NULL || p->up->of == NULL)
				continue;
			p->of = p->up->of;
			is_more = true;
		}
	}
}

static void
scan_init(struct scan *sc, pid_t keeper, size_t max)
{
	memset(sc, 0, sizeof *sc);
	sc->keeper = keeper;
	sc->by_mark = xreallocarray(NULL, max + 1, sizeof *sc->by_mark);
	sc->by_leader = xreallocarray(NULL, max + 1, sizeof *sc->by_leader);
}

static void
scan_add(struct scan *sc, struct tree_left *l)
{
	l->n = l->hit = 0;
	l->unsure = false;
	sc->by_mark[sc->n++] = l;
}

static void
scan_look(struct scan *sc)
{
	tree_procs_fini(&sc->ps);
	tree_procs_read(&sc->ps);
	sc->unsure = false;
	scan_find_members(sc);
}

static void
scan_fini(struct scan *sc)
{
	tree_procs_fini(&sc->ps);
	free(sc->by_mark);
	free(sc->by_leader);
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
scan_kill_pass(struct scan *sc, struct tree_procs *done)
{
	int n = 0;

	scan_look(sc);
	for (size_t i = 0; i < sc->ps.n; i++) {
		const struct tree_proc *p = &sc->ps.v[i];

		if (p->of == NULL || tree_procs_has(done, p) ||
		    !tree_proc_kill(p))
			continue;
		tree_procs_add(done, p);
		p->of->hit++;
		n++;
	}
	return n;
}

/*
 * Until a pass finds nobody new: they may have forked meanwhile.  least: who
 * forks and exits while /proc is read may be missed by one look.  Whose mark
 * can't be read yet is waited for a little, not long: that one may hang.
 */
static int
scan_kill(struct scan *sc, int least)
{
	struct tree_procs done = { 0 };
	int n = 0, hit, pass = 0;

	qsort(sc->by_mark, sc->n, sizeof *sc->by_mark, tree_order_mark);
	do {
		hit = scan_kill_pass(sc, &done);
		n += hit;
		pass++;
	} while (pass < least || (hit > 0 && pass < TREE_PASSES) ||
		 (sc->unsure && pass < TREE_UNSURE));
	tree_procs_fini(&done);
	return n;
}

/* Who is left, as the last look saw it. */
static void
scan_tell(const struct scan *sc)
{
	for (size_t i = 0; i < sc->n; i++)
		sc->by_mark[i]->unsure = sc->unsure;
	for (size_t i = 0; i < sc->ps.n; i++) {
		struct tree_left *l = sc->ps.v[i].of;

		if (l == NULL)
			continue;
		if (l->n < TREE_LEFT)
			l->pids[l->n] = sc->ps.v[i].pid;
		l->n++;
	}
}

int
tree_scan_kill(const struct tree *t, pid_t keeper)
{
	struct tree_left l = { .tree = t };
	struct scan sc;
	int n;

	scan_init(&sc, keeper, 1);
	scan_add(&sc, &l);
	n = scan_kill(&sc, 1);
	scan_fini(&sc);
	return n;
}

int
tree_scan_survivors(const struct tree *t, pid_t keeper, pid_t *pids, int max)
{
	struct tree_left l = { .tree = t };
	struct scan sc;
	int n = 0;

	scan_init(&sc, keeper, 1);
	scan_add(&sc, &l);
	scan_look(&sc);
	for (size_t i = 0; i < sc.ps.n; i++) {
		if (sc.ps.v[i].of == NULL)
			continue;
		if (n < max)
			pids[n] = sc.ps.v[i].pid;
		n++;
	}
	scan_fini(&sc);
	return n;
}

void
tree_scan_sweep(struct tree_left *const *v, size_t n, pid_t keeper)
{
	struct scan sc;

	scan_init(&sc, keeper, n);
	for (size_t i = 0; i < n; i++)
		scan_add(&sc, v[i]);
	scan_kill(&sc, 2);
	scan_tell(&sc);
	log_debug("%zu trees looked for among %zu processes", n, sc.ps.n);
	scan_fini(&sc);
}
