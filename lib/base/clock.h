/*
 * clock - two clocks, two types.
 *
 * mono_ms for every delay and deadline (CLOCK_MONOTONIC: a step of the wall
 * clock changes nothing); wall_ms for stamps that people read and for cron.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

typedef int64_t mono_ms; /* since boot */
typedef int64_t wall_ms; /* since 1970-01-01 UTC */

mono_ms clock_mono_ms(void);
wall_ms clock_wall_ms(void);
/* As start times in /proc count: through a suspend, too. */
int64_t clock_boot_ms(void);

#endif
