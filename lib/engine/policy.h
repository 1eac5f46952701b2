/*
 * policy - decisions about restarts, as pure functions.
 *
 * No clock and no kernel: who calls says what time it is.  What a decision
 * stands on besides the config is in the slot's record of the state table, so
 * that the engine after one that was killed comes to the same.
 */
#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"
#include "state/table.h"

/* How one process of a slot ended, by itself. */
struct policy_end {
	bool failed_start; /* policy_failed_start, or there was none */
	int code;          /* -1: by signal, or never ran */
	int signo;
};

enum policy_next {
	POLICY_REST,  /* it stays down */
	POLICY_NOW,   /* it is started again */
	POLICY_LATER, /* after policy_delay_ms */
	POLICY_TRIES, /* FATAL: startretries are used up */
	POLICY_LIMIT, /* FATAL: restart_limit */
};

/* One of exitcodes=? */
bool policy_expected(const struct config_program *p, int code, int signo);
/* Is this exit one that autorestart= answers with a new start? */
bool policy_restart(const struct config_program *p, int code, int signo);
/* It ended as it should, and is not started again. */
bool policy_done(const struct config_program *p, int code, int signo);
/* startretries used up by that many failed starts in a row? */
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
/* The same, where autorestart= does not say that its exit is its end. */
bool policy_failed_start(const struct config_program *p, int64_t ran_ms,
    bool ready, int code, int signo);

/* A death goes into what is remembered of those before it. */
void policy_note_death(struct table_past *past, mono_ms now);
/* More deaths than restart_limit= allows, the last one included? */
bool policy_over_limit(
    const struct config_program *p, const struct table_past *past);
/* From the oldest to the last of the deaths that were too many. */
int64_t policy_span_ms(
    const struct config_program *p, const struct table_past *past);

/*
 * What follows from an end that past and failures tell of already.  It may be
 * asked again: an engine that died before it acted is followed by one that
 * does.
 */
enum policy_next policy_next(const struct config_program *p,
    const struct table_past *past, unsigned failures,
    const struct policy_end *end);

/* Does essential= say that reeved ends with this program? */
bool policy_essential(const struct config_program *p, enum policy_next next);
/* The exit code that reeved then has. */
int policy_exit_code(const struct table_death *d);

/*
 * Takes one start out of a budget; *full_us is its state, 0 at first.
 * Returns the ms to wait before it; 0: none.
 */
int64_t policy_budget(
    const struct config_rate *rate, int64_t *full_us, mono_ms now);

/* --- recycling ------------------------------------------------------------ */

/* As if by chance, but for ever the same for one seed. */
uint32_t policy_chance(uint64_t seed);
/* memory_interval, a tenth more or less; never 0. */
int64_t policy_interval_ms(const struct config_program *p, uint32_t chance);
/*
 * So old an instance must be before it is replaced for what it is, by the n
 * last deaths of its slot, newest first: 0, unless those before it were
 * replaced soon, for the same.  A limit that is too low keeps nobody busy.
 */
int64_t policy_replace_age_ms(const struct table_death *deaths, size_t n);
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
