/*
 * tree_priv - the two ways to know a tree: by cgroup and by /proc.
 */
#ifndef TREE_TREE_PRIV_H
#define TREE_TREE_PRIV_H

#include <sys/types.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tree/tree.h"

/* --- tree.c --------------------------------------------------------------- */

struct tree_proc {
	pid_t pid, parent, session;
	bool is_alive;        /* no zombie, or one whose threads live on */
	uint64_t start;       /* with the pid: names a process for ever */
	struct tree_proc *up; /* of parent; NULL: not there */
	bool is_near;         /* descends from the keeper, as far as is seen */
	struct tree_left *of; /* of those that are looked for; NULL: none */
	struct tree_lost *lost; /* lost.c: whose it was */
};

/* The whole of a file (up to max) behind what is in b; -1 and errno. */
int tree_read(struct buf *b, const char *path, size_t max);
/* What one read gives of a file that is short; false, and errno: nothing. */
bool tree_read_some(char *out, size_t size, const char *path);
bool tree_origin_is_gone(void);
/* false: gone, or not ours to see. */
bool tree_stat(struct tree_proc *p, pid_t pid);

/* --- scan.c ---------------------------------------------------------- */

#define TREE_MARK "REEVE_TREE"
#define TREE_TASK "REEVE_TASK_ID"

struct tree_procs {
	struct tree_proc *v; /* by pid */
	size_t n, cap;
};

/* All there are. */
void tree_procs_read(struct tree_procs *ps);
void tree_procs_fini(struct tree_procs *ps);
void tree_procs_add(struct tree_procs *ps, const struct tree_proc *p);
struct tree_proc *tree_procs_find(const struct tree_procs *ps, pid_t pid);
/* That very process: pid and start. */
bool tree_procs_has(const struct tree_procs *ps, const struct tree_proc *p);
/* Kills exactly that process; false: it is gone. */
bool tree_proc_kill(const struct tree_proc *p);

int tree_scan_kill(const struct tree *t, pid_t keeper);
int tree_scan_survivors(
    const struct tree *t, pid_t keeper, pid_t *pids, int max);
void tree_scan_sweep(struct tree_left *const *v, size_t n, pid_t keeper);

/* --- lost.c ---------------------------------------------------------- */

/* start: of the process that has these. */
bool tree_lost_is(const struct tree_lost *tl, uint64_t start,
    const char *cgroups, const struct buf *env);

/* --- limits.c -------------------------------------------------------- */

#define TREE_SUPERVISOR                                                        \
	"supervisor" /* leaf of keeper and engine, below base                  \
		      */

/* Before the base is removed. */
void tree_limits_undo(const char *base, pid_t keeper);

/* --- cgroup.c -------------------------------------------------------- */

/* The folder of this process's cgroup; false: cgroup2 is not to be had. */
bool tree_cgroup_own(char out[PATH_MAX]);
/* Joins it with a child that does nothing else. */
int tree_cgroup_try(const char *folder);
bool tree_cgroup_path(char out[PATH_MAX], const char *folder, const char *name);
/* -1 and errno. */
int tree_cgroup_write(const char *folder, const char *name, const char *text);
int tree_cgroup_kill(const struct tree *t, pid_t keeper);
int tree_cgroup_survivors(
    const struct tree *t, pid_t keeper, pid_t *pids, int max);
/* A live process in it or below it; true when it can't tell. */
bool tree_cgroup_is_populated(const char *folder);
/* With the folders below, as far as they are empty. */
void tree_cgroup_remove(const char *folder);

#endif
