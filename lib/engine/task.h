/*
 * task - a command that ends: a hook, a probe by command, one that a client
 * runs.
 *
 * From the order to start it until the last process of its tree is gone.  The
 * caller fills the spec (start.c has one as a slot's instances get it) and is
 * told once, by done, what became of it.  The keeper keeps the task's end until
 * done has returned: an engine that is killed before that finds the task by its
 * label, and whoever it belongs to adopts it (recover.c); a task that nobody
 * adopts is killed.
 *
 * Labels of tasks begin with '!', those of instances never do.
 */
#ifndef ENGINE_TASK_H
#define ENGINE_TASK_H

#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "engine/keeperlink.h"
#include "spawn/spec.h"

struct engine;
struct task;
struct tree;

enum task_how {
	TASK_EXITED,    /* code */
	TASK_SIGNALLED, /* signo */
	TASK_NO_START,  /* stage, errnum */
	TASK_TIMED_OUT, /* killed for it; signo or code as well */
	TASK_CANCELLED, /* by task_kill; the same */
};

struct task_end {
	enum task_how how;
	int code;  /* -1: none */
	int signo; /* 0: none */
	int stage, errnum;
	bool core;
	int64_t ran_ms;
	int64_t close_ms;   /* as ran_ms, until all of its tree was gone */
	int64_t max_rss_kb; /* -1: not known */
	char text[320];     /* "exited with 3 after 20 ms" */
};

/* No process could be made just now (RLIMIT_NPROC, pids.max, memory, a cgroup
 * that somebody removed): nothing was begun, and later it may work. */
static inline bool
task_end_is_later(const struct task_end *end)
{
	return end->how == TASK_NO_START && end->stage == STAGE_CLONE &&
	       (end->errnum == EAGAIN || end->errnum == ENOMEM ||
		   end->errnum == ENOENT || end->errnum == ENODEV);
}

/* The task is freed when it returns. */
typedef void task_done(void *arg, const struct task_end *end);

/*
 * tree: name of its cgroup, with index one that no other has at this time.
 * done NULL: nobody wants to know.  A task that is not spawned yet is given
 * back with task_free.
 */
struct task *task_new(struct engine *en, const char *tree, unsigned index,
    task_done *done, void *arg);
void task_free(struct task *t);
/* It is one of many short ones: its cgroup is one that is used again.  Its
 * number, for the label; 0: none can be had. */
uint64_t task_share_tree(struct task *t);
/* Of one that was adopted, and shared that one. */
void task_adopt_shared(struct task *t, uint64_t number);
/* After all were adopted: what of these cgroups nobody has is removed. */
void task_tidy_shared(struct engine *en);
/* Descriptor of its cgroup's folder, for the message's last; -1: none, then
 * mark is to be the value of REEVE_TREE.  It stays the task's. */
int task_tree(struct task *t, const char **mark);
/* Asks the keeper; borrows everything.  label: sp's. */
void task_spawn(
    struct task *t, const struct spec *sp, const int *fds, size_t nfds);
/* It was asked for by an engine before this one, with sp: for its errors, also
 * one that has come already.  Its end, as it is now. */
const struct task_end *task_recall(struct task *t, const struct spec *sp);
/* One that an engine before this one started. */
struct task *task_adopt(struct engine *en, const char *tree, unsigned index,
    uint64_t id, pid_t pid, mono_ms started_ms, task_done *done, void *arg);
/*
 * One without a process of its own, that stands for something else: end_it is
 * called when it is killed or its time is up, and must see to it that
 * task_stand_end is called, later, from the loop.
 */
typedef void task_end_it(void *arg, enum task_how how);
void task_stand_in(struct task *t, task_end_it *end_it, void *arg);
void task_stand_end(struct task *t, const struct task_end *end);
/* ms from its start on, then TERM and, a little later, KILL; 0: none. */
void task_set_timeout(struct task *t, int64_t ms);
/* Its time has no TERM at the end, but KILL. */
void task_be_curt(struct task *t);
/* At once, with all of its tree; done comes when it is gone. */
void task_kill(struct task *t);
/* To its process group. */
void task_signal(struct task *t, int signo);
/* From inside done: it stays, and the keeper remembers its end, until
 * task_release. */
void task_hold(struct task *t);
void task_release(struct task *t);
/* Told when there is a pid. */
void task_on_start(struct task *t, void (*started)(void *arg));
/*
 * Told, from the loop, when its own process is gone, before what it left is
 * ended; end without close_ms.  done follows, perhaps at once.  Not for one
 * that never started.
 */
void task_on_gone(
    struct task *t, void (*gone)(void *arg, const struct task_end *end));
/* Nobody wants to know any more. */
void task_disown(struct task *t);
uint64_t task_id(const struct task *t); /* keeper's */
/* What the step was about at which it was not started; NULL: no file, or it
 * is not known (an engine before us asked for it). */
const char *task_failed_path(const struct task *t);
pid_t task_pid(const struct task *t); /* 0: not started yet */
/* Its process is dead; how it ended is told in this turn. */
bool task_is_over(const struct task *t);

/* News of the keeper's; false: no task's id. */
bool task_on_spawned(
    struct engine *en, uint64_t id, pid_t pid, mono_ms started_ms);
bool task_on_spawn_failed(
    struct engine *en, uint64_t id, int stage, int errnum);
bool task_on_exited(
    struct engine *en, uint64_t id, const struct keeper_exit *ex);
/* Of the keeper's child; NULL: no task's. */
const struct tree *task_tree_of(struct engine *en, uint64_t id);
/* Is any left?  A shutdown waits for them. */
bool task_any(const struct engine *en);
void task_kill_all(struct engine *en);

#endif
