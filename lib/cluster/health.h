/*
 * health - what a row of good and bad answers means.  Pure.
 */
#ifndef CLUSTER_HEALTH_H
#define CLUSTER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct health {
	bool known;        /* there was an answer */
	bool lost;         /* failures in a row, no good answer since */
	unsigned failures; /* in a row; since it was acted on, when lost */
};

enum health_news {
	HEALTH_SAME,
	HEALTH_LOST,
	HEALTH_STILL_LOST, /* as many failures again: act once more */
	HEALTH_BACK,
};

/* One more answer; failures: so many in a row lose it, >= 1. */
enum health_news health_note(struct health *h, bool good, unsigned failures);
/*
 * Pause before the first question: grace, then somewhere within the first
 * interval, by the name of who is asked, so that many that came up together
 * are not asked together.
 */
int64_t health_first_ms(
    int64_t grace_ms, int64_t interval_ms, const char *name);

#endif
