/*
 * spawn - start one child process from a checked spec.
 *
 * Runs in the keeper, and on the pool's threads for jobs that are programs.
 * Never blocks: the child shares the keeper's memory
 * until it executes (CLONE_VM, so that a start costs the same whatever the
 * size), but the keeper goes on meanwhile (where it has many descriptors, after
 * the child's first system call: room.c); a program on a dead NFS mount
 * holds up nobody but itself.  The outcome comes through an error pipe that
 * exec closes.  Why the child does its steps in that order: childside.c.
 */
#ifndef SPAWN_SPAWN_H
#define SPAWN_SPAWN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "spawn/spec.h"

enum spawn_stage {
#define STAGE(name, number, text) STAGE_##name = number,
#include "spawn/stage.def"
#undef STAGE
};

struct spawn_err {
	enum spawn_stage stage;
	int errnum;
};

/* "exec", "rlimit": the name in stage.def, in small letters. */
void spawn_stage_name(char *out, size_t size, enum spawn_stage stage);

/*
 * "no such file" for people; program is what was to be executed, place the
 * folder or paths that the stage is about, where it is about any.
 */
void spawn_err_text(char *out, size_t size, const struct spawn_err *se,
    const char *program, const char *place);

struct spawn; /* one start under way */

/*
 * err is NULL when exec succeeded; a failure is told when the child has been
 * reaped and spawn_settle called.  The spawn is gone after the call.
 */
typedef void spawn_cb(void *arg, const struct spawn_err *err);

/*
 * Of a spec with SPEC_LATE success is told after that time, or with the
 * child's end.  Most commands end first, and each then is three wake-ups less:
 * ours, of whom we tell, and of whom that tells.
 */
#define SPAWN_LATE_MS  2

#define SPAWN_ROOM_FDS 16
#define SPAWN_ROOM_LOW 64 /* other descriptors that stay are better above */

/*
 * What a process that starts many keeps for its starts: low descriptor numbers
 * (room.c says what for) and the memory of some starts.  To be made before
 * there are many descriptors; not for two threads at once.
 */
struct spawn_room {
	int fd[SPAWN_ROOM_FDS]; /* reserved, open on /dev/null */
	int n;
	int top; /* above the highest of them */
	int null_fd;
	bool is_off;
	struct spawn *spare; /* the first of them; NULL: none */
	int nspare;
};

/* Without descriptors to reserve it is a room of nothing, which is fine. */
void spawn_room_init(struct spawn_room *room);
/* Gives back what many starts at once have left. */
void spawn_room_trim(struct spawn_room *room);
/* After the last spawn is over. */
void spawn_room_fini(struct spawn_room *room);

/* What the child gets, resolved to descriptors of this process. */
struct spawn_fds {
	const int *from;         /* one for each of spec->fds */
	int cgroup;              /* folder; -1: none */
	struct spawn_room *room; /* NULL: none; lives as long as the spawn */
};

/*
 * Takes spec; borrows the descriptors until return.  Returns the pid, with
 * *pidfd open (NULL: none is made), or -1 with se filled.  The callback comes
 * from the loop, or from spawn_settle, exactly once.  *spp: the start under
 * way.
 *
 * lp NULL, on a thread that has no loop: from spawn_settle alone.
 */
pid_t spawn_start(struct loop *lp, struct spec *spec,
    const struct spawn_fds *fds, int *pidfd, struct spawn **spp, spawn_cb *cb,
    void *arg, struct spawn_err *se);
/* The child is known to be dead: read the outcome now and call back. */
void spawn_settle(struct spawn *sp);

#endif
