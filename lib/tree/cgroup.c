/*
 * cgroup - a tree that is a cgroup (v2).
 *
 * The kernel knows who belongs to it, in folders that members made below it
 * too.  cgroup.kill (Linux 5.14) ends them all at once.
 */
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "tree/tree_priv.h"

#define TREE_PASSES 64 /* of a kill, until the next sweep */
#define TREE_BATCH  64 /* pidfds at a time */
#define TREE_DEPTH  16 /* of folders below an instance's */

/* --- members -------------------------------------------------------------- */

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

bool
tree_cgroup_path(char out[PATH_MAX], const char *folder, const char *name)
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
		    tree_cgroup_path(path, folder, de->d_name))
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
	struct tree_proc p;
	struct buf b;

	buf_init(&b);
	if (tree_cgroup_path(path, folder, "cgroup.procs") &&
	    tree_read(&b, path, SIZE_MAX) == 0 && b.len > 0) {
		for (s = b.data; *s != '\0';) {
			pid_t pid = (pid_t)strtol(s, &s, 10);

			if (pid > 0 && (!tree_stat(&p, pid) || p.is_alive))
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
		pidfds[i] = tree_pidfd(v[i]);
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

int
tree_cgroup_write(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX];
	int fd, rc;

	if (!tree_cgroup_path(path, folder, name))
		return -1;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	rc = fd_write_all(fd, text, strlen(text));
	fd_closep(&fd);
	return rc;
}

int
tree_cgroup_kill(const struct tree *t, pid_t keeper)
{
	struct pids all = { 0 };
	bool is_all_ours;
	int n;

	cgroup_walk(t->cgroup, TREE_DEPTH, cgroup_add_pids, &all);
	is_all_ours = !pids_has(&all, keeper) && !pids_has(&all, getpid());
	n = (int)all.n;
	free(all.v);
	/* Also when nobody was seen: one call, and nobody slips through. */
	if (is_all_ours &&
	    tree_cgroup_write(t->cgroup, "cgroup.kill", "1") == 0)
		return n;
	return cgroup_kill_each(t, keeper);
}

int
tree_cgroup_survivors(const struct tree *t, pid_t keeper, pid_t *pids, int max)
{
	struct pids ps;
	int n;

	cgroup_pids(t, keeper, &ps);
	n = (int)ps.n;
	for (int i = 0; i < n && i < max; i++)
		pids[i] = ps.v[i];
	free(ps.v);
	return n;
}

bool
tree_cgroup_is_populated(const char *folder)
{
	char path[PATH_MAX], text[256];

	if (!tree_cgroup_path(path, folder, "cgroup.events"))
		return true;
	if (!tree_read_some(text, sizeof text, path))
		return errno != ENOENT && errno != ENODEV;
	return strstr(text, "populated 0") == NULL;
}

static void
cgroup_rmdir(void *arg, const char *folder)
{
	(void)arg;
	rmdir(folder);
}

void
tree_cgroup_remove(const char *folder)
{
	cgroup_walk(folder, TREE_DEPTH, cgroup_rmdir, NULL);
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

bool
tree_cgroup_own(char out[PATH_MAX])
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

static int
cgroup_try_wait(pid_t pid)
{
	int status;

	if (pid == -1)
		return -1;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Born in it, as instances are. */
static pid_t
cgroup_try_birth(const char *folder)
{
	struct clone_args ca = { .flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD };
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;

	if (dir == -1)
		return -1;
	ca.cgroup = (uint64_t)dir;
	pid = (pid_t)syscall(SYS_clone3, &ca, sizeof ca);
	if (pid == 0)
		_exit(0);
	fd_closep(&dir);
	return pid;
}

/* It goes there itself, where clone3 is refused: the kernel takes 10 ms. */
static pid_t
cgroup_try_move(const char *folder)
{
	char path[PATH_MAX];
	pid_t pid;
	int fd;

	if (!tree_cgroup_path(path, folder, "cgroup.procs"))
		return -1;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		_exit(write(fd, "0", 1) == 1 ? 0 : 1);
	fd_closep(&fd);
	return pid;
}

int
tree_cgroup_try(const char *folder)
{
	if (cgroup_try_wait(cgroup_try_birth(folder)) == 0)
		return 0;
	return cgroup_try_wait(cgroup_try_move(folder));
}
