/*
 * slots - [reeve] cpu_slots: one budget of CPUs for what the queue runs.
 *
 * It is GNU make's jobserver: a fifo with a byte for every slot that nobody
 * has.  A task of the queue is started with a byte of its own; a make, ninja
 * or cargo in it takes more bytes while it has use for them, and puts them
 * back.  So builds and tasks together never have more than cpu_slots, and one
 * task alone may have them all.
 *
 * Who took a byte the kernel does not tell.  A byte that a command took and
 * did not put back, because it was killed, is lost while anything runs that
 * may have it: it can't be told from one in use.  When nothing runs that
 * knows of the fifo, it is filled anew.  Until then a task still runs, since
 * the byte that it is started with is known to be its own and comes back with
 * its end; so fewer run at once for a while, and never too many.
 *
 * The keeper holds the fifo and, in a memfd, how many bytes there are in all
 * and how many running tasks have.  A byte is taken before it is noted, and
 * noted before it is put back: an engine that dies between the two loses it
 * (until the fifo is filled anew), and never makes one.
 */
#ifndef ENGINE_SLOTS_H
#define ENGINE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "config/config.h"

struct engine;
struct slots;

/* Opens nothing yet, unless an engine before this one did. */
struct slots *slots_new(
    struct engine *en, void (*free_cb)(void *arg), void *arg);
void slots_free(struct slots *s);
/* As the config has it; live. */
void slots_configure(struct slots *s);

/* One byte for a task that is to be started.  false: none is free, and
 * free_cb is called when that may have changed. */
bool slots_take(struct slots *s);
void slots_give(struct slots *s);
/* Tasks that are started already, by an engine before: n of them have one. */
void slots_taken(struct slots *s, unsigned n);
/* A process that may know of the fifo begins, and has ended with its tree. */
void slots_enter(struct slots *s);
void slots_leave(struct slots *s);

int slots_total(const struct slots *s);
/* Bytes that are free, right now. */
int slots_unused(const struct slots *s);

/* How a command is told. */
struct slots_told {
	bool fds; /* by number: these, to be passed as SLOTS_FD and the next */
	int rd, wr;
	char *makeflags; /* NULL: it is not told */
};

#define SLOTS_FD 30 /* above what scripts use by hand */

/* env: the command's, for its PATH and MAKEFLAGS; may_open: it may open what
 * reeved may.  Fill t; slots_told_fini closes and frees. */
void slots_tell(
    struct slots *s, char *const *env, bool may_open, struct slots_told *t);
void slots_told_fini(struct slots_told *t);

/* --- pure, for tests -------------------------------------------------------
 */

/* MAKEFLAGS: what was there without its -j and jobserver, and ours; the caller
 * frees.  was: NULL: there was none. */
char *slots_makeflags(const char *was, int total, const char *auth);
/* "make -j": without a number it would start all at once and leave the
 * jobserver, but as many as are good is what was meant: the word goes. */
void slots_drop_bare_j(char **argv);

#endif
