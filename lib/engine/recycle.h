/*
 * recycle - instances that are replaced for what they have become: too large,
 * too old, or because they ask for it; and programs at a time of day.
 *
 * All of it through the roll of one slot (rolling_start_slot): the new one is
 * ready first, and never two at once in a program.  A program without the
 * keys has no timer here, and nothing is looked at.
 */
#ifndef ENGINE_RECYCLE_H
#define ENGINE_RECYCLE_H

#include <stdbool.h>

#include "base/clock.h"
#include "loop/loop.h"

struct inst;
struct program;

/* The part of an instance; made when it has something to wait for. */
struct recycle {
	struct loop_timer timer; /* the earliest of what follows */
	mono_ms look_at_ms;      /* at its memory; 0: never */
	mono_ms old_at_ms;       /* max_lifetime; 0: never */
	mono_ms asked_ms;        /* of the roll, the last time; 0: never */
	bool wanted;             /* by itself: X_REEVE_RECYCLE=1 */
	int64_t memory;          /* bytes, when last looked at; -1: never */
};

/* It has a pid, or its config was changed: timers by what the config says. */
void recycle_arm(struct inst *in);
void recycle_stop(struct inst *in);
void recycle_free(struct inst *in);
/* Bytes, when last looked at; -1: never. */
int64_t recycle_memory(const struct inst *in);
/*
 * It is to be replaced for what it is, and those before it were, soon after
 * their start: not yet, which is told once.
 */
bool recycle_is_soon(struct inst *in, const char *why);
/* It asks for it; noted down when this returns. */
void recycle_wanted(struct inst *in);

/* restart_at of the config in force, and recycle_arm of its instances. */
void recycle_program(struct program *pg);
/* After an engine before this one, which may have died right at the time. */
void recycle_recover(struct program *pg);
void recycle_program_free(struct program *pg);
/* When it is next replaced by time, as far as is known; 0: never. */
wall_ms recycle_next_ms(const struct inst *in);

#endif
