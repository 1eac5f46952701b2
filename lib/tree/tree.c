/*
 * tree - everything that an instance started, and how to end it.
 *
 * Marks are the keeper's pid and start time and the child's id, in hex, so
 * that no two reeveds, one after or within the other, have the same.
 */
#include "tree/tree.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "tree/tree_priv.h"

/* --- reading /proc -------------------------------------------------------- */

bool
tree_read_some(char *out, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd != -1)
		n = read(fd, out, size - 1);
	fd_closep(&fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

int
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

bool
tree_stat(struct tree_proc *p, pid_t pid)
{
	struct proc is;

	memset(p, 0, sizeof *p);
	if (!proc_read(&is, pid))
		return false;
	p->pid = is.pid;
	p->parent = is.parent;
	p->session = is.session;
	p->is_alive = is.is_alive;
	p->start = is.start;
	return true;
}

int
tree_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* --- the face ------------------------------------------------------------- */

static struct {
	pid_t pid;
	uint64_t start;
	bool is_gone;
} origin;

void
tree_set_origin(pid_t pid, uint64_t start, bool is_gone)
{
	origin.pid = pid;
	origin.start = start;
	origin.is_gone = is_gone;
}

bool
tree_origin_is_gone(void)
{
	return origin.is_gone;
}

/* What a reeved left that was killed: its folders, when nobody is in them. */
static void
tree_base_clean(const char *own)
{
	DIR *d = opendir(own);
	struct dirent *e;
	int64_t pid;
	char *path;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!str_starts(e->d_name, "reeve-") ||
		    !str_to_i64(
			e->d_name + strlen("reeve-"), 1, INT32_MAX, &pid) ||
		    pid == origin.pid || kill((pid_t)pid, 0) == 0 ||
		    errno != ESRCH)
			continue;
		path = xasprintf("%s/%s", own, e->d_name);
		/* Somebody in it: perhaps that reeved has an heir, who makes
		 * folders there that are empty for a moment. */
		if (!tree_cgroup_is_populated(path))
			tree_cgroup_remove(path);
		free(path);
	}
	if (d != NULL)
		closedir(d);
}

/* An engine before this one may have moved to the leaf below the base. */
static void
tree_base_above(char own[PATH_MAX])
{
	char leaf[64];

	snprintf(
	    leaf, sizeof leaf, "/reeve-%d/" TREE_SUPERVISOR, (int)origin.pid);
	if (str_ends(own, leaf))
		own[strlen(own) - strlen(leaf)] = '\0';
}

/* In a folder below: one that hands controllers down can't be joined. */
static int
tree_base_try(const char *base)
{
	char path[PATH_MAX];
	int rc;

	if (!tree_cgroup_path(path, base, "try") ||
	    (mkdir(path, 0755) == -1 && errno != EEXIST))
		return -1;
	rc = tree_cgroup_try(path);
	rmdir(path);
	return rc;
}

void
tree_base(char *out, size_t size)
{
	char own[PATH_MAX];
	int n;

	BUG_ON(size == 0);
	out[0] = '\0';
	if (!tree_cgroup_own(own))
		return;
	tree_base_above(own);
	tree_base_clean(own);
	n = snprintf(out, size, "%s/reeve-%d", own, (int)origin.pid);
	if (n < 0 || (size_t)n >= size ||
	    (mkdir(out, 0755) == -1 && errno != EEXIST)) {
		out[0] = '\0';
		return;
	}
	if (tree_base_try(out) == -1) {
		log_debug("cgroup %s can't be joined", out);
		rmdir(out);
		out[0] = '\0';
	}
}

void
tree_base_tidy(void)
{
	char own[PATH_MAX];

	if (!tree_cgroup_own(own))
		return;
	tree_base_above(own);
	tree_base_clean(own);
}

void
tree_base_remove(const char *base, pid_t keeper)
{
	if (base[0] == '\0')
		return;
	tree_limits_undo(base, keeper);
	tree_cgroup_remove(base);
}

void
tree_fini(struct tree *t)
{
	freep(&t->cgroup);
	freep(&t->mark);
}

/* Nobody else has it: origin, its start time, the id that it never gives twice.
 */
static void
tree_mark(struct tree *t)
{
	t->mark = xasprintf("%x.%" PRIx64 ".%" PRIx64, (unsigned)origin.pid,
	    origin.start, t->id);
}

static void
tree_init(struct tree *t, const char *base, const char *name, unsigned parity,
    uint64_t id, pid_t leader)
{
	memset(t, 0, sizeof *t);
	t->leader = leader;
	t->id = id;
	if (base[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
		return;
	t->cgroup = xasprintf("%s/%s.%u", base, name, parity);
}

int
tree_prepare(struct tree *t, const char *base, const char *name,
    unsigned parity, uint64_t id)
{
	int fd = -1;

	tree_init(t, base, name, parity, id, 0);
	if (t->cgroup == NULL) {
		tree_mark(t);
		return -1;
	}
	if (mkdir(t->cgroup, 0755) == 0 || errno == EEXIST)
		fd = open(t->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1) {
		log_warn("make cgroup %s", t->cgroup);
		freep(&t->cgroup);
		tree_mark(t);
	}
	return fd;
}

void
tree_adopt(struct tree *t, const char *base, const char *name, unsigned parity,
    uint64_t id, pid_t leader)
{
	tree_init(t, base, name, parity, id, leader);
	t->killed = true;
	if (t->cgroup != NULL && access(t->cgroup, F_OK) == -1)
		freep(&t->cgroup);
	if (t->cgroup == NULL)
		tree_mark(t);
}

int
tree_kill(struct tree *t, pid_t keeper)
{
	t->killed = true;
	return t->cgroup != NULL ? tree_cgroup_kill(t, keeper)
				 : tree_scan_kill(t, keeper);
}

void
tree_sweep(struct tree_left *const *v, size_t n, pid_t keeper)
{
	struct tree_left **scan = xreallocarray(NULL, n + 1, sizeof *scan);
	size_t nscan = 0;

	for (size_t i = 0; i < n; i++) {
		const struct tree *t = v[i]->tree;

		if (t->cgroup == NULL) {
			scan[nscan++] = v[i];
			continue;
		}
		v[i]->hit = tree_cgroup_kill(t, keeper);
		v[i]->n =
		    tree_cgroup_survivors(t, keeper, v[i]->pids, TREE_LEFT);
	}
	if (nscan > 0)
		tree_scan_sweep(scan, nscan, keeper);
	free(scan);
}

int
tree_survivors(const struct tree *t, pid_t keeper, pid_t *pids, int max)
{
	return t->cgroup != NULL ? tree_cgroup_survivors(t, keeper, pids, max)
				 : tree_scan_survivors(t, keeper, pids, max);
}

pid_t
tree_find_leader(const struct tree *t, pid_t keeper)
{
	pid_t pids[256];
	int n = tree_survivors(t, keeper, pids, 256);
	struct tree_proc p, first = { .pid = 0 };

	for (int i = 0; i < n && i < 256; i++)
		if (tree_stat(&p, pids[i]) && p.session == p.pid &&
		    (first.pid == 0 || p.start < first.start))
			first = p;
	return first.pid;
}

void
tree_remove(struct tree *t)
{
	if (t->cgroup == NULL)
		return;
	/* Mostly that is all; else it has folders below it, or members. */
	if (rmdir(t->cgroup) == -1 && errno != ENOENT) {
		if (tree_cgroup_is_populated(t->cgroup))
			return;
		tree_cgroup_remove(t->cgroup);
	}
	freep(&t->cgroup);
}

bool
tree_is_empty(const struct tree *t, pid_t keeper)
{
	(void)keeper;
	return t->cgroup != NULL && !tree_cgroup_is_populated(t->cgroup);
}
