/* health - what a row of good and bad answers means. */
#include "cluster/health.h"

#include "base/str.h"

#define PARTS 1024

enum health_news
health_note(struct health *h, bool good, unsigned failures)
{
	bool was = h->lost;

	h->known = true;
	if (good) {
		h->failures = 0;
		h->lost = false;
		return was ? HEALTH_BACK : HEALTH_SAME;
	}
	if (++h->failures < failures)
		return HEALTH_SAME;
	h->failures = 0;
	h->lost = true;
	return was ? HEALTH_STILL_LOST : HEALTH_LOST;
}

int64_t
health_first_ms(int64_t grace_ms, int64_t interval_ms, const char *name)
{
	int64_t part = (int64_t)(str_hash(name) % PARTS) + 1;

	/* In this order: an interval of years must not overflow. */
	return grace_ms + interval_ms / PARTS * part +
	       interval_ms % PARTS * part / PARTS;
}
