/*
 * policy - decisions about restarts, as pure functions.
 */
#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

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

#endif
