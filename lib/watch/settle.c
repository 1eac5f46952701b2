/*
 * settle - see settle.h.
 */
#include "watch/settle.h"

void
settle_mark(struct settle *s, mono_ms now, bool whole)
{
	if (!s->pending)
		*s = (struct settle){ .pending = true, .first = now };
	if (whole) {
		s->whole = true;
		s->last = now;
	}
}

mono_ms
settle_due(const struct settle *s, int64_t quiet_ms, int64_t max_ms)
{
	mono_ms end = s->first + max_ms;

	if (!s->whole || s->last + quiet_ms > end)
		return end;
	return s->last + quiet_ms;
}
