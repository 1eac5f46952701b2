/*
 * zone - a time zone by its name, beside this process's own (TZ).
 *
 * Read once, from the system's files (tzfile(5), in TZDIR or
 * /usr/share/zoneinfo); after that pure.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <time.h>

#include "base/err.h"

struct zone;

/* "Europe/Berlin", "UTC".  NULL: there is none, or its file is no good. */
struct zone *zone_open(const char *name, struct err *err);
void zone_free(struct zone *z);
/* As localtime_r(3), but for tm_zone, which is NULL. */
void zone_local(const struct zone *z, time_t t, struct tm *out);

#endif
