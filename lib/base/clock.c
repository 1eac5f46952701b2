/* clock - two clocks, two types. */
#include "base/clock.h"

#include <time.h>

static int64_t
clock_read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

mono_ms
clock_mono_ms(void)
{
	return clock_read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_boot_ms(void)
{
	return clock_read_ms(CLOCK_BOOTTIME);
}

wall_ms
clock_wall_ms(void)
{
	return clock_read_ms(CLOCK_REALTIME);
}
