/*
 * spawn_priv - between spawn.c and childside.c.
 */
#ifndef SPAWN_SPAWN_PRIV_H
#define SPAWN_SPAWN_PRIV_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "spawn/spawn.h"

/* What rt_sigaction(2) takes, which is not libc's struct sigaction. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* All that the child reads; nobody else writes it until exec or exit. */
struct childside {
	const struct spec *spec;
	const int *from;   /* one descriptor a spec->fds */
	int *scratch;      /* as many again: where they are moved first */
	int cgroup_fd;     /* -1: none, or clone3 has done it */
	int report_fd;     /* error pipe, close-on-exec; -1: failed is it */
	uint64_t ignored;  /* signals to set back to default: bit signo - 1 */
	char *pid_text[2]; /* digits to fill behind LISTEN_PID=, or NULL */
	char oom_text[12]; /* "" : leave it */
	long rescue_fd;    /* lowest number above every target */
	long parent;       /* pid, of SPEC_DIE_WITH_PARENT */
	/* The table is the parent's until the child has a copy of what is
	 * below this; 0: it has its own from birth.  See room.c. */
	unsigned keep_below;
	volatile unsigned has_own; /* futex: 1 when it has */
	/* Without a pipe; to be read when is_here is 0. */
	volatile int32_t failed[2]; /* stage, errno; 0: it did not fail */
	_Atomic int is_here; /* the kernel sets 0: it has left our memory */
};

#define LISTEN_PID_DIGITS 10

/* What runs in the child: an instrumented function would write our memory. */
#define CHILD_CODE                                                             \
	__attribute__((no_sanitize("address", "thread", "undefined"),          \
	    no_stack_protector))

/* Sends {stage, errno} and exits; error is negative, as rawsys has it. */
void childside_fail(struct childside *cs, enum spawn_stage stage, long error);
/* --- childside_box.c: the steps that shut the child in; see childside.c ----
 */
void childside_root(struct childside *cs);
void childside_bounding(struct childside *cs);
void childside_caps(struct childside *cs);
void childside_no_new_privs(struct childside *cs);

/* --- room.c ----------------------------------------------------------------
 */

#define SPAWN_ROOM_PAYS 128 /* descriptors, beyond the reserved ones */

bool room_pays(const struct spawn_room *room, size_t nfds, int newest);
/*
 * Puts what the child needs into the reserved numbers, and writes these over
 * from and cs->report_fd.  false: nothing was changed.
 */
bool room_enter(struct spawn_room *room, struct childside *cs, int *from);
/* The child has its own table, or is dead. */
void room_wait(struct spawn_room *room, struct childside *cs, pid_t pid);
/* Reserves the numbers again. */
void room_leave(struct spawn_room *room, size_t nfds);

/* Runs in the child, on a stack of its own; does not return. */
int childside_main(void *arg);

#endif
