/*
 * settle - when a burst of changes is over.
 *
 * Pure.  A burst is over when nothing has changed for quiet_ms, and at the
 * latest max_ms after it began, so that what is written to without end does
 * not put it off for ever.  A file that was only just made, and is probably
 * still being written, begins a burst and does not end one: its writer's
 * close does, or max_ms.
 */
#ifndef WATCH_SETTLE_H
#define WATCH_SETTLE_H

#include <stdbool.h>

#include "base/clock.h"

struct settle {
	bool pending, whole;
	mono_ms first, last; /* last: of those that are whole */
};

void settle_mark(struct settle *s, mono_ms now, bool whole);
/* When it is over, as far as is known now; pending is set. */
mono_ms settle_due(const struct settle *s, int64_t quiet_ms, int64_t max_ms);

#endif
