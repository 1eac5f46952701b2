/*
 * sched - which task of the queue is next.
 *
 * Pure: no kernel, no clock, no storage.  It knows the tasks that have not
 * ended: groups with their own number of tasks at a time, priorities, first in
 * first out within one, tasks that wait for others or for a time.  Time is
 * given in ms of one clock; the caller asks sched_due when to look again.
 *
 * A group belongs to a uid: nobody's tasks wait for another's place, only for a
 * CPU, when all have them.  Then groups take turns.
 */
#ifndef QUEUE_SCHED_H
#define QUEUE_SCHED_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHED_UNLIMITED INT32_MAX
#define SCHED_DETACHED  "detached" /* group whose tasks wait for no place */

struct sched;

/* What a task waits for. */
enum sched_wait {
	SCHED_WAIT_NOTHING, /* it does not */
	SCHED_WAIT_OTHERS,  /* tasks that it comes after */
	SCHED_WAIT_TIME,
	SCHED_WAIT_PAUSED, /* its group is */
	SCHED_WAIT_PLACE,  /* its group runs as many as it may */
	SCHED_WAIT_SLOT,   /* a CPU */
};

struct sched_task {
	uint64_t id; /* never used twice */
	uid_t uid;
	const char *group;  /* borrowed until return */
	int32_t priority;   /* higher is sooner */
	int64_t not_before; /* ms; 0: at once */
	/* Tasks it waits for; those that are not in here count as done. */
	const uint64_t *after;
	size_t nafter;
};

/* parallel: of groups that nobody has set. */
struct sched *sched_new(int parallel);
void sched_free(struct sched *s);

/* parallel 0: as new groups. */
void sched_parallel(struct sched *s, uid_t uid, const char *group, int n);
void sched_pause(struct sched *s, uid_t uid, const char *group, bool paused);

void sched_add(struct sched *s, const struct sched_task *t);
/* It runs already: started by an engine before this one. */
void sched_add_running(struct sched *s, const struct sched_task *t);
/*
 * Takes a place in its group for the task that is next; 0: none is.  slot: of
 * those that take one of the machine's CPUs, else of the group "detached",
 * which does not.
 */
uint64_t sched_next(struct sched *s, int64_t now, bool slot);
/* That one, out of its turn and without a CPU; false: it still waits for
 * others, its time or a place in its group. */
bool sched_take(struct sched *s, uint64_t id, int64_t now);
/* Would sched_next with slot have an answer? */
bool sched_wants_slot(struct sched *s, int64_t now);
/* Places of groups that nobody has set, from now on. */
void sched_standard(struct sched *s, int parallel);
/* Its place is free; it is neither waiting nor gone. */
void sched_stopped(struct sched *s, uint64_t id);
/* It waits again: a retry. */
void sched_again(struct sched *s, uint64_t id, int64_t not_before);
/*
 * It has ended.  ok: those that wait for it wait no longer.  Else they are
 * given to failed, one after the other, and the caller ends them, later.
 */
void sched_end(struct sched *s, uint64_t id, bool ok,
    void (*failed)(void *arg, uint64_t id), void *arg);
/* When sched_next may have another answer by time alone; INT64_MAX: never. */
int64_t sched_due(const struct sched *s);

enum sched_wait sched_waits(const struct sched *s, uint64_t id);
bool sched_has(const struct sched *s, uint64_t id);
size_t sched_running(const struct sched *s);
size_t sched_count(const struct sched *s);

/* Pause before the next try after tries of them: 1 s, doubled, at most 60 s. */
int64_t sched_backoff_ms(unsigned tries);

#endif
