/*
 * board - what the pool's threads do, where the next pool can read it.
 *
 * A file in a folder on tmpfs, mapped and locked by the pool that writes it:
 * one that nobody holds the lock of is of a pool that has died, and tells
 * which jobs ran then, which had ended without their client knowing, and
 * which thread crashed, by which signal.
 *
 * Its parent may add how it ended, in a file of its own.
 *
 * Beside it a file `poison`, which all pools share: how often jobs (by what
 * they are: kind, arguments, input) have killed a pool.
 *
 * board_begin to board_crash are for any thread; the rest is for one.
 */
#ifndef POOL_BOARD_H
#define POOL_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "pool/proto.h"

#define BOARD_JOBS 1024
#define BOARD_TEXT 200
#define BOARD_WHY  120 /* fewer than BOARD_TEXT */

enum board_state {
	BOARD_FREE,
	BOARD_CLAIMED,
	BOARD_RUNNING,
	BOARD_ENDED /* its client has not been told */
};

/* What a job is, for the board. */
struct board_job {
	uint8_t session[POOL_SESSION];
	uint64_t id;
	uint64_t print; /* of what it is, the same each time */
	char kind[32];  /* for the log; cut when they are longer */
	char input[96];
};

struct board_entry {
	_Atomic uint32_t state;  /* enum board_state */
	_Atomic uint32_t signal; /* its thread crashed */
	struct board_job job;
	struct pool_result result; /* of BOARD_ENDED */
	char text[BOARD_TEXT];     /* longer ones are not kept: run again */
};

struct board;

/* Makes one in that folder, which is made as well. */
struct board *board_open(const char *dir, struct err *err);
void board_close(struct board *b);
/* The same for the next pool, while a thread may still write to it. */
void board_leave(struct board *b);

/* NULL: all are in use, which costs no more than the knowledge. */
struct board_entry *board_begin(struct board *b, const struct board_job *job);
void board_end(
    struct board_entry *e, const struct pool_result *result, const char *text);
void board_free(struct board_entry *e);
/* Async-signal-safe. */
void board_crash(struct board_entry *e, int sig);
/* From now on a death is by order: no job is to blame. */
void board_draining(struct board *b);

/* --- the dead --------------------------------------------------------------*/

/*
 * For the parent of the pools whose folder this is, when it has seen one end:
 * a process that is killed cannot note by what.  signal 0: it exited.  One
 * that has left no board has left nothing to explain.
 */
void board_note_end(const char *dir, pid_t pid, int signal, const char *why);

/*
 * Reads the boards of pools that have died since, and counts what is to
 * blame.  What ran has ended by that: as PR_CRASHED, who may be to blame, with
 * what more is known of it as text, or PR_LOST.  Returns how many jobs were
 * found whose clients have not been told.
 *
 * A board stays where it is until they have: this pool may be the next to die.
 */
size_t board_collect(struct board *b);
/* The end of that job, to be freed once it has been told; NULL: it has none.
 * It is found once. */
struct board_entry *board_take_end(
    struct board *b, const uint8_t *session, uint64_t id);
/* Some of these were freed: boards of which nothing is left go. */
void board_tidy(struct board *b);
/* Killed the pool twice: not to be run again. */
bool board_is_poison(const struct board *b, uint64_t print);

#endif
