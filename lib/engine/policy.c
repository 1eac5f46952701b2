/* policy - decisions about restarts, as pure functions. */
#include "engine/policy.h"

static bool
policy_expected(const struct config_program *p, int code, int signo)
{
	return signo == 0 && code >= 0 && code <= 255 &&
	       (p->exitcodes[code / 8] >> (code % 8) & 1) != 0;
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
		return false;
	case AUTORESTART_UNEXPECTED:
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

/* --- recycling ------------------------------------------------------------ */

#define POLICY_STEP_MS (3 * 60 * 60 * 1000)

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
	int64_t ms = p->memory_interval_ms, part = ms / 10;

	ms += part * (int64_t)(chance % 2001) / 1000 - part;
	return ms > 0 ? ms : 1;
}

int64_t
policy_lifetime_ms(const struct config_program *p, uint32_t chance)
{
	int64_t ms = p->max_lifetime_ms;

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
