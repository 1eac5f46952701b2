/*
 * stats - how long, as a histogram with buckets of an eighth of a power of
 * two: percentiles to some 6 %.
 */
#include "reeve-pool.h"

static unsigned
hist_bucket(uint64_t us)
{
	unsigned top, i;

	if (us < 8)
		return (unsigned)us;
	top = 63 - (unsigned)__builtin_clzll(us);
	i = (top - 2) * 8 + (unsigned)(us >> (top - 3) & 7);
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

/* The greatest value that falls into it. */
static uint64_t
hist_upper(unsigned i)
{
	unsigned top = i / 8 + 2;

	if (i < 8)
		return i;
	return ((UINT64_C(8) + i % 8 + 1) << (top - 3)) - 1;
}

void
hist_add(struct hist *h, uint64_t us)
{
	h->n++;
	h->sum += us;
	h->max = us > h->max ? us : h->max;
	h->at[hist_bucket(us)]++;
}

uint64_t
hist_percentile(const struct hist *h, unsigned percent)
{
	uint64_t want = (h->n * percent + 99) / 100, n = 0, v;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		n += h->at[i];
		if (n >= want && n > 0) {
			v = hist_upper(i);
			return v < h->max ? v : h->max;
		}
	}
	return h->max;
}
