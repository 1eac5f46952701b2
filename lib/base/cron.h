/*
 * cron - times that come again: "30 4 * * mon-fri".
 *
 * Pure: text to bits, bits and a time to the next one.  No clock, no timer.
 *
 * Five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12
 * or jan-dec), day of week (0-7 or sun-sat; 0 and 7 are Sunday); each a comma
 * list of *, N, A-B, with /STEP after * or A-B.  As in Vixie's cron a day
 * counts when either of the day fields has it, but when one of them begins
 * with * both must.  Or @hourly, @daily (@midnight), @weekly, @monthly,
 * @yearly (@annually); or @every and a duration of whole seconds ("10m",
 * "1h30m"), which runs at multiples of it since 1970, in UTC, so that a
 * restart of who asks does not move it.
 *
 * Where local time jumps: an expression that names hours runs once for each
 * time that it names; one that is skipped runs right after the gap, one that
 * comes twice runs at the first.  One that runs in every hour goes by the
 * clock on the wall: what is skipped is skipped, what comes twice runs twice.
 */
#ifndef BASE_CRON_H
#define BASE_CRON_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct cron {
	int64_t every_s; /* @every; 0: the fields count */
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;   /* bit 1 is the first */
	uint16_t months; /* bit 1 is January */
	uint8_t weekdays;
	bool any_day, any_weekday; /* the field begins with * */
};

/* Which local time it is at t. */
typedef void cron_local(void *arg, time_t t, struct tm *out);
struct cron_zone {
	cron_local *local;
	void *arg;
};

int cron_parse(struct cron *c, const char *text, struct err *err);
/*
 * The first time after that one; -1: there is none that a struct tm could
 * tell.  zone NULL: this process's (TZ).
 */
time_t cron_next(
    const struct cron *c, time_t after, const struct cron_zone *zone);

#endif
