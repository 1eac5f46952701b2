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
