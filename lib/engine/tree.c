/*
 * tree - everything that an instance started, and how to end it.
 *
 * With a cgroup the kernel knows who belongs to it, in folders that members
 * made below it too.  Without one /proc is read as a whole, and a process is
 * a member when it descends from the keeper and
 *
 *	its session is the leader's,
 *	or its environment has the mark,
 *	or its parent is a member.
 *
 * The leader's number may be another's once it is reaped and its session is
 * empty: a leader with a foreign mark is not ours, nor is then its session.
 * Nothing crosses from one instance to the next: leaders are children of the
 * keeper, and the keeper is never a member.  A descendant that made its own
 * session, changed its environment and lost its parents is not found; that
 * is what cgroups are for.
 *
 * Marks are the keeper's pid and start time and the child's id, in hex, so
 * that no two reeveds, one after or within the other, have the same.
 */
#include "engine/tree.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/xalloc.h"

#define TREE_MARK    "REEVE_TREE"
#define TREE_PASSES  64 /* of a kill, until the next sweep */
#define TREE_BATCH   64 /* pidfds at a time */
#define TREE_DEPTH   16 /* of folders below an instance's */
#define TREE_ENV_MAX (8 << 20)

/* --- reading files -------------------------------------------------------- */

/* The whole of a file (up to max) behind what is in b; -1 and errno. */
static int
tree_read(struct buf *b, const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return -1;
	do {
		n = read(fd, buf_reserve(b, 16384), 16384);
		if (n > 0)
			b->len += (size_t)n;
	} while ((n > 0 && b->len < max) || (n == -1 && errno == EINTR));
	fd_closep(&fd);
	buf_reserve(b, 1)[0] = '\0';
	return n == -1 ? -1 : 0;
}

/* --- one process ---------------------------------------------------------- */

struct proc {
	pid_t pid, parent, session;
	bool is_alive;   /* no zombie, or one whose threads live on */
	uint64_t start;  /* with the pid: names a process for ever */
	struct proc *up; /* of parent; NULL: not there */
	bool is_near;    /* descends from the keeper, as far as is seen */
	bool is_member;
};

/* false: gone, or not ours to see. */
static bool
proc_stat(struct proc *p, pid_t pid)
{
	char path[64], text[1024], state;
	const char *s;
	long threads;
	ssize_t n;
	int fd;

	memset(p, 0, sizeof *p);
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof text - 1);
	fd_closep(&fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name may hold blanks and brackets: begin behind the last. */
	s = strrchr(text, ')');
	if (s == NULL ||
	    sscanf(s + 1,
		" %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d"
		" %*d %*d %ld %*d %" SCNu64,
		&state, &p->parent, &p->session, &threads, &p->start) != 5)
		return false;
	p->pid = pid;
	p->is_alive = state != 'X' && (state != 'Z' || threads > 1);
	return true;
}

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

struct procs {
	struct proc *v; /* by pid */
	size_t n, cap;
};

static int
proc_order(const void *a, const void *b)
{
	const struct proc *p = a, *q = b;

	return (p->pid > q->pid) - (p->pid < q->pid);
}

static struct proc *
procs_find(const struct procs *ps, pid_t pid)
{
	struct proc key = { .pid = pid };

	if (ps->n == 0)
		return NULL;
	return bsearch(&key, ps->v, ps->n, sizeof *ps->v, proc_order);
}

static void
procs_add(struct procs *ps, const struct proc *p)
{
	if (ps->n == ps->cap) {
		ps->cap = ps->cap == 0 ? 256 : 2 * ps->cap;
		ps->v = xreallocarray(ps->v, ps->cap, sizeof *ps->v);
	}
	ps->v[ps->n++] = *p;
}

static void
procs_fini(struct procs *ps)
{
	freep(&ps->v);
	ps->n = ps->cap = 0;
}

static void
procs_read(struct procs *ps)
{
	DIR *dir = opendir("/proc");
	const struct dirent *de;
	struct proc p;
	int64_t pid;

	memset(ps, 0, sizeof *ps);
	if (dir == NULL) {
		log_warn("read /proc");
		return;
	}
	while ((de = readdir(dir)) != NULL)
		if (str_to_i64(de->d_name, 1, INT_MAX, &pid) &&
		    proc_stat(&p, (pid_t)pid))
			procs_add(ps, &p);
	closedir(dir);
	qsort(ps->v, ps->n, sizeof *ps->v, proc_order);
}

/*
 * A parent that is not there was gone before it was read, and its child may
 * be the keeper's by now: that counts as near.
 */
static bool
proc_is_near(const struct proc *p, pid_t keeper, size_t max)
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
procs_link(struct procs *ps, pid_t keeper)
{
	for (size_t i = 0; i < ps->n; i++)
		ps->v[i].up = procs_find(ps, ps->v[i].parent);
	for (size_t i = 0; i < ps->n; i++) {
		struct proc *p = &ps->v[i];

		p->is_near = p->pid != keeper && p->pid != getpid() &&
			     proc_is_near(p, keeper, ps->n);
	}
}

/* Is the session with the leader's number still the one it made? */
static bool
tree_has_session(const struct tree *t, const struct procs *ps, pid_t keeper)
{
	const struct proc *p = procs_find(ps, t->leader);

	if (t->leader == 0)
		return false;
	if (p == NULL) /* while the session is there nobody gets its number */
		return true;
	return p->is_near && p->parent == keeper &&
	       tree_mark_of(t, p->pid) != MARK_OTHER;
}

static void
tree_find_members(const struct tree *t, struct procs *ps, pid_t keeper)
{
	bool has_session, is_more = true;

	procs_link(ps, keeper);
	has_session = tree_has_session(t, ps, keeper);
	for (size_t i = 0; i < ps->n; i++) {
		struct proc *p = &ps->v[i];

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
			struct proc *p = &ps->v[i];

			if (p->is_member || !p->is_near || !p->is_alive ||
			    p->up == NULL || !p->up->is_member)
				continue;
			p->is_member = is_more = true;
		}
	}
}

static int
pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Kills exactly that process; false: it is gone. */
static bool
proc_kill(const struct proc *p)
{
	int pidfd = pidfd_of(p->pid), rc = -1;
	struct proc now;

	if (pidfd == -1) {
		if (errno != ESRCH)
			log_warn("open a pidfd of pid %d", (int)p->pid);
		return false;
	}
	if (proc_stat(&now, p->pid) && now.start == p->start)
		rc = sys_pidfd_send_signal(pidfd, SIGKILL);
	fd_closep(&pidfd);
	return rc == 0;
}

static bool
procs_has(const struct procs *ps, const struct proc *p)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->v[i].pid == p->pid && ps->v[i].start == p->start)
			return true;
	return false;
}

/* Kills the members that are not among done, and adds them. */
static int
tree_kill_pass(const struct tree *t, pid_t keeper, struct procs *done)
{
	struct procs ps;
	int n = 0;

	procs_read(&ps);
	tree_find_members(t, &ps, keeper);
	for (size_t i = 0; i < ps.n; i++) {
		const struct proc *p = &ps.v[i];

		if (!p->is_member || procs_has(done, p) || !proc_kill(p))
			continue;
		procs_add(done, p);
		n++;
	}
	procs_fini(&ps);
	return n;
}

/* Until a pass finds nobody new: they may have forked meanwhile. */
static int
tree_kill_scan(const struct tree *t, pid_t keeper)
{
	struct procs done = { 0 };
	int n = 0, hit, pass = 0;

	do {
		hit = tree_kill_pass(t, keeper, &done);
		n += hit;
	} while (hit > 0 && ++pass < TREE_PASSES);
	procs_fini(&done);
	return n;
}

static int
tree_survivors_scan(const struct tree *t, pid_t keeper, pid_t *pids, int max)
{
	struct procs ps;
	int n = 0;

	procs_read(&ps);
	tree_find_members(t, &ps, keeper);
	for (size_t i = 0; i < ps.n; i++) {
		if (!ps.v[i].is_member)
			continue;
		if (n < max)
			pids[n] = ps.v[i].pid;
		n++;
	}
	procs_fini(&ps);
	return n;
}

/* --- cgroups -------------------------------------------------------------- */

struct pids {
	pid_t *v;
	size_t n, cap;
};

static void
pids_add(struct pids *ps, pid_t pid)
{
	if (ps->n == ps->cap) {
		ps->cap = ps->cap == 0 ? 64 : 2 * ps->cap;
		ps->v = xreallocarray(ps->v, ps->cap, sizeof *ps->v);
	}
	ps->v[ps->n++] = pid;
}

static bool
pids_has(const struct pids *ps, pid_t pid)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->v[i] == pid)
			return true;
	return false;
}

static bool
cgroup_path(char out[PATH_MAX], const char *folder, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);

	return n > 0 && n < PATH_MAX;
}

typedef void cgroup_cb(void *arg, const char *folder);

/* Calls back for the folders below, then for this one. */
static void
cgroup_walk(const char *folder, int depth, cgroup_cb *cb, void *arg)
{
	DIR *dir = depth > 0 ? opendir(folder) : NULL;
	const struct dirent *de;
	char path[PATH_MAX];

	while (dir != NULL && (de = readdir(dir)) != NULL)
		if (de->d_type == DT_DIR && de->d_name[0] != '.' &&
		    cgroup_path(path, folder, de->d_name))
			cgroup_walk(path, depth - 1, cb, arg);
	if (dir != NULL)
		closedir(dir);
	cb(arg, folder);
}

/* cgroup.procs has no zombies since Linux 5.2. */
static void
cgroup_add_pids(void *arg, const char *folder)
{
	struct pids *ps = arg;
	char path[PATH_MAX], *s;
	struct proc p;
	struct buf b;

	buf_init(&b);
	if (cgroup_path(path, folder, "cgroup.procs") &&
	    tree_read(&b, path, SIZE_MAX) == 0 && b.len > 0) {
		for (s = b.data; *s != '\0';) {
			pid_t pid = (pid_t)strtol(s, &s, 10);

			if (pid > 0 && (!proc_stat(&p, pid) || p.is_alive))
				pids_add(ps, pid);
			s += strcspn(s, "0123456789");
		}
	}
	buf_fini(&b);
}

/* Without the keeper and this process, should somebody have moved them. */
static void
cgroup_pids(const struct tree *t, pid_t keeper, struct pids *ps)
{
	size_t n = 0;

	memset(ps, 0, sizeof *ps);
	cgroup_walk(t->cgroup, TREE_DEPTH, cgroup_add_pids, ps);
	for (size_t i = 0; i < ps->n; i++)
		if (ps->v[i] != keeper && ps->v[i] != getpid())
			ps->v[n++] = ps->v[i];
	ps->n = n;
}

/* The pidfd first, then: is the number still in the cgroup? */
static int
cgroup_kill_batch(const struct tree *t, pid_t keeper, const pid_t *v, size_t n)
{
	int pidfds[TREE_BATCH], hit = 0;
	struct pids now;

	for (size_t i = 0; i < n; i++)
		pidfds[i] = pidfd_of(v[i]);
	cgroup_pids(t, keeper, &now);
	for (size_t i = 0; i < n; i++) {
		if (pidfds[i] != -1 && pids_has(&now, v[i]) &&
		    sys_pidfd_send_signal(pidfds[i], SIGKILL) == 0)
			hit++;
		fd_closep(&pidfds[i]);
	}
	free(now.v);
	return hit;
}

static int
cgroup_kill_pass(const struct tree *t, pid_t keeper, struct pids *done)
{
	struct pids ps, todo = { 0 };
	int hit = 0;

	cgroup_pids(t, keeper, &ps);
	for (size_t i = 0; i < ps.n; i++)
		if (!pids_has(done, ps.v[i]))
			pids_add(&todo, ps.v[i]);
	for (size_t i = 0; i < todo.n; i += TREE_BATCH) {
		size_t n = todo.n - i < TREE_BATCH ? todo.n - i : TREE_BATCH;

		hit += cgroup_kill_batch(t, keeper, todo.v + i, n);
	}
	for (size_t i = 0; i < todo.n; i++)
		pids_add(done, todo.v[i]);
	free(todo.v);
	free(ps.v);
	return hit;
}

static int
cgroup_kill_each(const struct tree *t, pid_t keeper)
{
	struct pids done = { 0 };
	int n = 0, hit, pass = 0;

	do {
		hit = cgroup_kill_pass(t, keeper, &done);
		n += hit;
	} while (hit > 0 && ++pass < TREE_PASSES);
	free(done.v);
	return n;
}

static int
cgroup_write(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX];
	int fd, rc;

	if (!cgroup_path(path, folder, name))
		return -1;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	rc = fd_write_all(fd, text, strlen(text));
	fd_closep(&fd);
	return rc;
}

static int
tree_kill_cgroup(const struct tree *t, pid_t keeper)
{
	struct pids all = { 0 };
	bool is_all_ours;
	int n;

	cgroup_walk(t->cgroup, TREE_DEPTH, cgroup_add_pids, &all);
	is_all_ours = !pids_has(&all, keeper) && !pids_has(&all, getpid());
	n = (int)all.n;
	free(all.v);
	/* Also when nobody was seen: one call, and nobody slips through. */
	if (is_all_ours && cgroup_write(t->cgroup, "cgroup.kill", "1") == 0)
		return n;
	return cgroup_kill_each(t, keeper);
}

/* "populated": a live process in it or below it; true when it can't tell. */
static bool
cgroup_is_populated(const char *folder)
{
	char path[PATH_MAX];
	bool populated = true;
	struct buf b;

	buf_init(&b);
	if (cgroup_path(path, folder, "cgroup.events")) {
		if (tree_read(&b, path, 4096) == 0)
			populated = strstr(buf_str(&b), "populated 0") == NULL;
		else if (errno == ENOENT || errno == ENODEV)
			populated = false;
	}
	buf_fini(&b);
	return populated;
}

static void
cgroup_rmdir(void *arg, const char *folder)
{
	(void)arg;
	rmdir(folder);
}

/* --- where the folders are ------------------------------------------------ */

/* "\040" and the like, in place. */
static void
mount_unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Where cgroup2 is mounted, and which of its folders is its root there. */
static bool
mount_find(char root[PATH_MAX], char where[PATH_MAX])
{
	char *line, *save, *type;
	bool is_found = false;
	struct buf b;

	buf_init(&b);
	if (tree_read(&b, "/proc/self/mountinfo", SIZE_MAX) == -1)
		b.len = 0;
	line = b.len > 0 ? strtok_r(b.data, "\n", &save) : NULL;
	for (; line != NULL && !is_found; line = strtok_r(NULL, "\n", &save)) {
		type = strstr(line, " - ");
		if (type == NULL || !str_starts(type, " - cgroup2 "))
			continue;
		*type = '\0';
		is_found =
		    sscanf(line, "%*d %*d %*s %4095s %4095s", root, where) == 2;
	}
	buf_fini(&b);
	if (is_found) {
		mount_unescape(root);
		mount_unescape(where);
	}
	return is_found;
}

/* This process's cgroup, as the hierarchy names it. */
static bool
cgroup_own(char out[PATH_MAX])
{
	bool is_found = false;
	const char *s;
	struct buf b;

	buf_init(&b);
	if (tree_read(&b, "/proc/self/cgroup", SIZE_MAX) == 0) {
		s = str_starts(buf_str(&b), "0::/")
			? b.data
			: strstr(buf_str(&b), "\n0::/");
		if (s != NULL) {
			s = strchr(s, '/');
			snprintf(
			    out, PATH_MAX, "%.*s", (int)strcspn(s, "\n"), s);
			is_found = true;
		}
	}
	buf_fini(&b);
	return is_found;
}

/* The folder of this process's cgroup. */
static bool
cgroup_own_folder(char out[PATH_MAX])
{
	char root[PATH_MAX], where[PATH_MAX], own[PATH_MAX];
	const char *rest = own;
	size_t len;
	int n;

	if (!mount_find(root, where) || !cgroup_own(own))
		return false;
	len = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(own, root, len) != 0 ||
	    (len > 0 && own[len] != '/' && own[len] != '\0'))
		return false; /* outside of what is mounted */
	rest += len;
	if (str_starts(rest, "/.."))
		return false;
	if (strcmp(rest, "/") == 0)
		rest = "";
	n = snprintf(out, PATH_MAX, "%s%s", where, rest);
	return n > 0 && n < PATH_MAX;
}

/* Joins it with a child that does nothing else. */
static int
cgroup_try(const char *folder)
{
	char path[PATH_MAX];
	int fd, status;
	pid_t pid;

	if (!cgroup_path(path, folder, "cgroup.procs"))
		return -1;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		_exit(write(fd, "0", 1) == 1 ? 0 : 1);
	fd_closep(&fd);
	if (pid == -1)
		return -1;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* --- the face ------------------------------------------------------------- */

void
tree_base(char *out, size_t size, pid_t keeper)
{
	char own[PATH_MAX];
	int n;

	BUG_ON(size == 0);
	out[0] = '\0';
	if (!cgroup_own_folder(own))
		return;
	n = snprintf(out, size, "%s/reeve-%d", own, (int)keeper);
	if (n < 0 || (size_t)n >= size ||
	    (mkdir(out, 0755) == -1 && errno != EEXIST)) {
		out[0] = '\0';
		return;
	}
	if (cgroup_try(out) == -1) {
		log_debug("cgroup %s can't be joined", out);
		rmdir(out);
		out[0] = '\0';
	}
}

void
tree_base_remove(const char *base)
{
	if (base[0] != '\0')
		cgroup_walk(base, TREE_DEPTH, cgroup_rmdir, NULL);
}

static void
tree_init(struct tree *t, const char *base, const char *name, unsigned parity,
    uint64_t id, pid_t leader)
{
	struct proc keeper;
	int n;

	memset(t, 0, sizeof *t);
	t->leader = leader;
	/* The keeper stays the same process over its upgrades. */
	if (!proc_stat(&keeper, getppid()))
		memset(&keeper, 0, sizeof keeper);
	snprintf(t->mark, sizeof t->mark, "%x.%" PRIx64 ".%" PRIx64,
	    (unsigned)getppid(), keeper.start, id);
	if (base[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
		return;
	n = snprintf(
	    t->cgroup, sizeof t->cgroup, "%s/%s.%u", base, name, parity);
	if (n < 0 || (size_t)n >= sizeof t->cgroup)
		t->cgroup[0] = '\0';
}

int
tree_prepare(struct tree *t, const char *base, const char *name,
    unsigned parity, uint64_t id)
{
	int fd = -1;

	tree_init(t, base, name, parity, id, 0);
	if (t->cgroup[0] == '\0')
		return -1;
	if (mkdir(t->cgroup, 0755) == 0 || errno == EEXIST)
		fd = open(t->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1) {
		log_warn("make cgroup %s", t->cgroup);
		t->cgroup[0] = '\0';
	}
	return fd;
}

void
tree_adopt(struct tree *t, const char *base, const char *name, unsigned parity,
    uint64_t id, pid_t leader)
{
	tree_init(t, base, name, parity, id, leader);
	if (t->cgroup[0] != '\0' && access(t->cgroup, F_OK) == -1)
		t->cgroup[0] = '\0';
}

int
tree_kill(const struct tree *t, pid_t keeper)
{
	return t->cgroup[0] != '\0' ? tree_kill_cgroup(t, keeper)
				    : tree_kill_scan(t, keeper);
}

int
tree_survivors(const struct tree *t, pid_t keeper, pid_t *pids, int max)
{
	struct pids ps;
	int n;

	if (t->cgroup[0] == '\0')
		return tree_survivors_scan(t, keeper, pids, max);
	cgroup_pids(t, keeper, &ps);
	n = (int)ps.n;
	for (int i = 0; i < n && i < max; i++)
		pids[i] = ps.v[i];
	free(ps.v);
	return n;
}

void
tree_remove(struct tree *t)
{
	if (t->cgroup[0] == '\0' || cgroup_is_populated(t->cgroup))
		return;
	cgroup_walk(t->cgroup, TREE_DEPTH, cgroup_rmdir, NULL);
	t->cgroup[0] = '\0';
}

bool
tree_is_empty(const struct tree *t, pid_t keeper)
{
	(void)keeper;
	return t->cgroup[0] != '\0' && !cgroup_is_populated(t->cgroup);
}
