/* policy - decisions about restarts, as pure functions. */
#include "engine/policy.h"

#include <errno.h>
#include <string.h>

#include "engine/engine.h"
#include "spawn/spawn.h"

bool
policy_expected(const struct config_program *p, int code, int signo)
{
	int bit = signo != 0 ? CONFIG_EXIT_SIGNAL + signo : code;

	if (bit < 0 || bit >= CONFIG_EXITS || (signo == 0 && code > 255))
		return false;
	return (p->rare->exitcodes[bit / 8] >> (bit % 8) & 1) != 0;
}

bool
policy_done(const struct config_program *p, int code, int signo)
{
	return p->autorestart != AUTORESTART_TRUE &&
	       policy_expected(p, code, signo);
}

bool
policy_restart(const struct config_program *p, int code, int signo)
{
	switch (p->autorestart) {
	case AUTORESTART_FALSE:
	case AUTORESTART_NEVER:
		return false;
	case AUTORESTART_UNEXPECTED:
	case AUTORESTART_ON_FAILURE:
		return !policy_expected(p, code, signo);
	case AUTORESTART_TRUE:
		break;
	}
	return true;
}

bool
policy_give_up(const struct config_program *p, unsigned failures)
{
	return p->startretries >= 0 && failures > (uint64_t)p->startretries;
}

int64_t
policy_delay_ms(
    const struct config_program *p, unsigned failures, uint32_t random)
{
	int64_t ms = p->backoff_min_ms;

	while (failures > 1 && ms < p->backoff_max_ms) {
		ms *= 2;
		failures--;
	}
	if (ms > p->backoff_max_ms)
		ms = p->backoff_max_ms;
	return ms - ms / 4 * (int64_t)(random % 1000) / 1000;
}

bool
policy_young(const struct config_program *p, int64_t ran_ms, bool ready)
{
	return !ready || ran_ms < p->startsecs_ms;
}

bool
policy_failed_start(const struct config_program *p, int64_t ran_ms, bool ready,
    int code, int signo)
{
	if (!policy_young(p, ran_ms, ready))
		return false;
	/* What has done its work may be as quick as it likes. */
	if (p->ready == READY_DELAY && policy_done(p, code, signo))
		return false;
	switch (p->autorestart) {
	case AUTORESTART_NEVER:
		return false;
	case AUTORESTART_ON_FAILURE:
		return !policy_expected(p, code, signo);
	case AUTORESTART_FALSE:
	case AUTORESTART_UNEXPECTED:
	case AUTORESTART_TRUE:
		break;
	}
	return true;
}

void
policy_note_death(struct table_past *past, mono_ms now)
{
	int64_t gap = now - past->at_ms;

	if (past->n != 0) {
		memmove(past->gap_ms + 1, past->gap_ms,
		    sizeof past->gap_ms - sizeof past->gap_ms[0]);
		past->gap_ms[0] = gap < UINT32_MAX ? (uint32_t)gap : UINT32_MAX;
	}
	past->at_ms = now;
	if (past->n <= TABLE_PAST)
		past->n++;
}

int64_t
policy_span_ms(const struct config_program *p, const struct table_past *past)
{
	int64_t ms = 0;

	for (int64_t i = 0; i < p->rare->restart_limit.count && i < TABLE_PAST;
	     i++)
		ms += past->gap_ms[i];
	return ms;
}

bool
policy_over_limit(const struct config_program *p, const struct table_past *past)
{
	int64_t count = p->rare->restart_limit.count;

	return count != 0 && past->n > count &&
	       policy_span_ms(p, past) <= p->rare->restart_limit.period_ms;
}

enum policy_next
policy_next(const struct config_program *p, const struct table_past *past,
    unsigned failures, const struct policy_end *end)
{
	if (!end->failed_start && !policy_restart(p, end->code, end->signo))
		return POLICY_REST;
	if (end->failed_start && policy_give_up(p, failures))
		return POLICY_TRIES;
	if (policy_over_limit(p, past))
		return POLICY_LIMIT;
	return end->failed_start ? POLICY_LATER : POLICY_NOW;
}

bool
policy_essential(const struct config_program *p, enum policy_next next)
{
	bool fatal = next == POLICY_TRIES || next == POLICY_LIMIT;

	switch (p->essential) {
	case ESSENTIAL_NO:
		return false;
	case ESSENTIAL_ON_FATAL:
		return fatal;
	case ESSENTIAL_ON_EXIT:
		return next == POLICY_REST ||
		       (fatal && p->rare->fatal_retry_ms == 0);
	case ESSENTIAL_YES:
	case ESSENTIAL_MAIN:
		break;
	}
	return true;
}

/* As a shell has it. */
int
policy_exit_code(const struct table_death *d)
{
	if (d->code >= 0)
		return d->code;
	if (d->signo != 0)
		return 128 + d->signo;
	/* As of env(1): its program was not come to. */
	if (d->stage != 0 && d->stage != STAGE_EXEC)
		return 125;
	return d->errnum == 0 || d->errnum == ENOENT ? 127 : 126;
}

/*
 * full_us is the time at which the budget will be whole again.  A burst of
 * count is free; each start beyond it waits for its share of the period.
 */
int64_t
policy_budget(const struct config_rate *rate, int64_t *full_us, mono_ms now)
{
	int64_t period_us = rate->period_ms * 1000, now_us = now * 1000, wait;

	if (rate->count == 0)
		return 0;
	if (*full_us < now_us)
		*full_us = now_us;
	*full_us += period_us / rate->count;
	wait = *full_us - now_us - period_us;
	return wait > 0 ? (wait + 999) / 1000 : 0;
}

/* --- recycling ------------------------------------------------------------ */

#define POLICY_STEP_MS    (3 * 60 * 60 * 1000)
#define POLICY_REPLACE_MS ((int64_t)60 * 1000)

uint32_t
policy_chance(uint64_t seed)
{
	seed ^= seed >> 33;
	seed *= UINT64_C(0xff51afd7ed558ccd);
	seed ^= seed >> 33;
	seed *= UINT64_C(0xc4ceb9fe1a85ec53);
	return (uint32_t)(seed >> 32);
}

int64_t
policy_interval_ms(const struct config_program *p, uint32_t chance)
{
	int64_t ms = p->rare->memory_interval_ms, part = ms / 10;

	ms += part * (int64_t)(chance % 2001) / 1000 - part;
	return ms > 0 ? ms : 1;
}

int64_t
policy_replace_age_ms(const struct table_death *deaths, size_t n)
{
	int64_t age = 0;

	for (size_t i = n; i-- > 0;) {
		const struct table_death *d = &deaths[i];
		bool soon = d->at_ms != 0 &&
			    (d->cause == DEATH_RECYCLE ||
				d->cause == DEATH_UNHEALTHY) &&
			    d->ran_ms < 2 * age + 2 * POLICY_REPLACE_MS;

		age = !soon ? 0 : age == 0 ? POLICY_REPLACE_MS : 2 * age;
	}
	return age;
}

int64_t
policy_lifetime_ms(const struct config_program *p, uint32_t chance)
{
	int64_t ms = p->rare->max_lifetime_ms;

	ms -= ms / 10 * (int64_t)(chance % 1001) / 1000;
	return ms > 0 ? ms : 1;
}

bool
policy_wall_due(const struct cron *c, struct policy_wall *w, wall_ms now)
{
	bool is_due =
	    w->due != 0 && w->due <= now && now - w->due <= POLICY_STEP_MS;
	wall_ms from = now;
	time_t next;

	if (is_due)
		w->last = w->due;
	else if (w->last > now && w->last - now <= POLICY_STEP_MS)
		from = w->last;
	next = cron_next(c, (time_t)(from / 1000), NULL);
	w->due = next != -1 ? (wall_ms)next * 1000 : 0;
	return is_due;
}
