/*
 * policy - decisions about restarts, as pure functions.
 */
#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"

/* Is this exit one that autorestart= answers with a new start? */
bool policy_restart(const struct config_program *p, int code, int signo);
/* startretries used up by that many failed starts in a row? */
/* It ended as it should, and is not started again. */
bool policy_done(const struct config_program *p, int code, int signo);
bool policy_give_up(const struct config_program *p, unsigned failures);
/*
 * Pause before the next try: backoff_min doubled with each failure, capped,
 * and then up to a quarter less by chance (random: any 32 bits), so that what
 * failed together does not come back together.  failures >= 1.
 */
int64_t policy_delay_ms(
    const struct config_program *p, unsigned failures, uint32_t random);
/* Died as a failed start: sooner than startsecs, or before it was ready. */
bool policy_young(const struct config_program *p, int64_t ran_ms, bool ready);

/* --- recycling ------------------------------------------------------------ */

/* As if by chance, but for ever the same for one seed. */
uint32_t policy_chance(uint64_t seed);
/* memory_interval, a tenth more or less; never 0. */
int64_t policy_interval_ms(const struct config_program *p, uint32_t chance);
/* max_lifetime, up to a tenth less; never 0. */
int64_t policy_lifetime_ms(const struct config_program *p, uint32_t chance);

/* Of a cron expression; zeroed at first. */
struct policy_wall {
	wall_ms due;  /* 0: never, or not known yet */
	wall_ms last; /* when it was due, and done; 0: never */
};

/*
 * Is it due at now?  Sets due to the next time.  Where the clock was set: of
 * times that a step forward left out one is made up for when it is no more
 * than three hours ago; what has been done is not done again after a step
 * back of up to three hours; after a larger one all begins anew.
 */
bool policy_wall_due(const struct cron *c, struct policy_wall *w, wall_ms now);

#endif
