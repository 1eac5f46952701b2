/*
 * tree - everything that an instance started, and how to end it.
 *
 * Where a cgroup (v2) can be made each instance has one: cgroup.kill ends it
 * all at once, cgroup.procs tells who is left.  Else the instance's session
 * (it has its own, so its pid is the session's number), processes that carry
 * its mark in their environment (REEVE_TREE=ID), and all descendants of
 * these; orphans among them have the keeper as parent.  Nobody is signalled
 * but through a pidfd that was opened first and checked afterwards, so that a
 * number that was reused in between is never hit.
 */
#ifndef TREE_TREE_H
#define TREE_TREE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct config_program;

enum { /* controllers */
	TREE_MEMORY = 1,
	TREE_CPU = 2,
	TREE_PIDS = 4
};

struct tree {
	char *cgroup; /* folder; NULL: none */
	char *mark;   /* value of REEVE_TREE; NULL: it has, or had, a cgroup */
	uint64_t id;  /* of the keeper's child */
	pid_t leader; /* 0: not known */
	bool leader_gone; /* its end was told: the number may be another's */
	bool killed;      /* tree_kill was, or may have been, called */
};

/*
 * A folder below this process's own cgroup for the cgroups of instances, made
 * and tried; "" when cgroups v2 can't be used here.  name: "reeve-PID" of the
 * origin.  A folder that is there already (an engine before) is fine.
 */
void tree_base(char *out, size_t size);
void tree_base_remove(const char *base, pid_t keeper);

/*
 * Prepares t; base "": without a cgroup.  name: "web.0"; parity: two
 * instances of a slot have different ones (generation & 1), and the folder is
 * kept for the slot's next one.  Returns the folder's descriptor for clone3, -1
 * when there is none.
 */
int tree_prepare(struct tree *t, const char *base, const char *name,
    unsigned parity, uint64_t id);
/* The same without touching anything: after a restart of the engine. */
void tree_adopt(struct tree *t, const char *base, const char *name,
    unsigned parity, uint64_t id, pid_t leader);
/*
 * SIGKILL to all of it but the leader's zombie; number of processes hit.
 * Linux (6.14 to 6.18 at least) counts the writes to cgroup.kill and ends at
 * birth whatever clone3 puts into a folder that had one: it must be removed,
 * never used again.
 */
int tree_kill(struct tree *t, pid_t keeper);
/* What is left of a tree whose leader is gone. */
#define TREE_LEFT 8 /* of them are named */
struct tree_left {
	const struct tree *tree;
	int hit; /* that were killed by this look */
	int n;
	bool unsure; /* one more may be: it can't be told yet, look again */
	pid_t pids[TREE_LEFT];
};
/*
 * Both at once, of many: SIGKILL to all that is left of them, and who still is.
 * Those without a cgroup cost one look at /proc together.
 */
void tree_sweep(struct tree_left *const *v, size_t n, pid_t keeper);
/* Pids that are left (up to max of them in pids); their number. */
int tree_survivors(const struct tree *t, pid_t keeper, pid_t *pids, int max);
/* The one that made its session; 0: there is none. */
pid_t tree_find_leader(const struct tree *t, pid_t keeper);
/* Removes the folder, when nobody is left in it. */
void tree_remove(struct tree *t);
/* Is anything beyond the leader possible?  Cheap: cgroup.events, no scan. */
bool tree_is_empty(const struct tree *t, pid_t keeper);

/* --- spare.c: cgroups of commands, used again -------------------------
 */

#define TREE_SPARE  "command." /* their names begin so, a number follows */
#define TREE_SPARES 16         /* so many are kept */

struct tree_spare;

struct tree_spares {
	struct tree_spare *v[TREE_SPARES];
	size_t n;
};

/* One that nobody is in; number: of a new one, that no other ever had.  NULL:
 * there are no cgroups here. */
struct tree_spare *tree_spare_take(
    struct tree_spares *all, const char *base, uint64_t number);
uint64_t tree_spare_number(const struct tree_spare *s);
/* For tree_adopt, of an engine after this one; parity 0. */
void tree_spare_name(char *out, size_t size, uint64_t number);
/* Prepares t; returns the folder's descriptor, which stays s's. */
int tree_spare_enter(const struct tree_spare *s, struct tree *t, uint64_t id);
bool tree_spare_is_empty(const struct tree_spare *s);
/* Takes s; is_clean: its command ended by itself, and was alone then. */
void tree_spare_give(
    struct tree_spares *all, struct tree_spare *s, bool is_clean);
/* Removes those that an engine before had kept, and nobody says to need. */
typedef bool tree_in_use(void *arg, const char *folder);
void tree_spares_tidy(const char *base, tree_in_use *in_use, void *arg);

/*
 * Bytes of memory that it has; how they are counted: memory.c.  limit:
 * up to where a quick estimate that is never too small will do.
 */
int64_t tree_memory(const struct tree *t, pid_t keeper, int64_t limit);

/*
 * Has that controller ("memory") in the cgroups below base.  may_move: keeper
 * and engine go to a leaf below it when that is needed; tree_base_remove
 * takes them back.  -1: it can't be had, err tells why.
 */
/* Could they be had?  Of the cgroup that this process is in. */
int tree_offers(const char *controller, struct err *err);
int tree_enable(const char *base, const char *controller, pid_t keeper,
    bool may_move, struct err *err);
/* Sets what p says of those controllers, also of a tree that runs. */
int tree_limit(const struct tree *t, unsigned controllers,
    const struct config_program *p, struct err *err);
/* By the OOM killer, in the folder, ever; -1: no memory controller. */
int64_t tree_oom_kills(const struct tree *t);
/* Asks inotify to say once when that may have grown: number of the watch; -1:
 * it can't. */
int tree_watch_oom(const struct tree *t, int inotify);
int64_t tree_oom_kills_anywhere(void); /* of the machine; -1: not told */

/* A task of the queue that ran under a keeper that is no more. */
struct tree_lost {
	pid_t keeper;
	uint64_t start;  /* of the keeper, as tree_start_of has it */
	uint64_t task;   /* its number in the queue */
	uint64_t holder; /* out: start of who has that pid now, 0: nobody */
	int left;        /* out: processes of it that are there */
	int killed;      /* in and out: one more for each that is killed */
};

/* pidfd_open(2). */
int tree_pidfd(pid_t pid);
/* Ticks since boot: with the pid, a process for ever (of that boot).  0: gone.
 */
uint64_t tree_start_of(pid_t pid);
/*
 * The first keeper (keeper_welcome's origin), before anything else here: its
 * number names folders and marks.  is_gone: it was killed, and what it had
 * started has another parent now.
 */
void tree_set_origin(pid_t pid, uint64_t start, bool is_gone);
/* SIGKILL to all that is left of them.  keeper: ours. */
void tree_lost_kill(struct tree_lost *v, size_t n, pid_t keeper);
/* Removes the folders of keepers that are gone, when nobody is in them. */
void tree_base_tidy(void);

/* Frees what t holds; touches no process and no folder. */
void tree_fini(struct tree *t);

#endif
