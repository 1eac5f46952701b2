/*
 * due - when a task with a schedule runs.
 *
 * Pure: a time up to which all has been dealt with, the time it is now, and
 * out comes what is to run and when to look again.
 *
 * A time that is found no more than DUE_LATE_MS after it was due is on time;
 * an older one was missed, because nobody looked (reeved was down) or because
 * the clock was set forward: catch_up says what is done about those.  Where
 * the clock was set back, what has been dealt with is not due again, until the
 * clock has come that far; if that would take longer than DUE_BACK_MS, the
 * clock was wrong before, and all begins anew.
 */
#ifndef ENGINE_DUE_H
#define ENGINE_DUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/cron.h"
#include "config/config.h"

#define DUE_LATE_MS INT64_C(60000)
#define DUE_BACK_MS INT64_C(86400000)
#define DUE_RUNS    10 /* for catch_up = all */

struct due_rule {
	const struct cron *cron;
	const struct cron_zone *zone; /* NULL: this process's */
	enum config_catch_up catch_up;
};

struct due_look {
	wall_ms last;           /* dealt with, once the runs are written down */
	wall_ms next;           /* when to look again; 0: never */
	wall_ms runs[DUE_RUNS]; /* oldest first */
	size_t nruns;
	bool missed; /* at least one time has no run of its own */
	bool anew;   /* the clock was set back too far */
};

void due_look(struct due_look *out, const struct due_rule *rule, wall_ms last,
    wall_ms now);

/* How much later the run of a time is: 0 to most; the same whenever asked. */
int64_t due_jitter(const char *name, wall_ms due, int64_t most);

#endif
