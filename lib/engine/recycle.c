/* recycle - see recycle.h. */
#include "engine/recycle.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

/* A roll that failed leaves the old instance: that long it is left alone. */
#define RECYCLE_RETRY_MS (60 * 1000)
#define RECYCLE_WANTED   "it asked for it: X_REEVE_RECYCLE=1"
/* An engine that died is back by then; see also its keeper's back-off. */
#define RECYCLE_LOST_MS (10 * 60 * 1000)

/* --- one instance --------------------------------------------------------- */

static void
recycle_ask(struct inst *in, const char *why)
{
	struct recycle *rc = in->recycle;
	mono_ms now = loop_now(in->slot->prog->en->lp);

	if (in->role != INST_CUR || in->stopping || in->dead ||
	    (rc->asked_ms != 0 && now - rc->asked_ms < RECYCLE_RETRY_MS))
		return;
	rc->asked_ms = now;
	rolling_start_slot(in->slot, why);
}

bool
recycle_is_soon(struct inst *in, const char *why)
{
	struct slot *sl = in->slot;
	mono_ms ran = loop_now(sl->prog->en->lp) - in->started_ms;
	int64_t age =
	    policy_replace_age_ms(slot_history(sl)->deaths, TABLE_DEATHS);
	char ms[32];

	if (ran >= age)
		return false;
	if (in->told_soon)
		return true;
	in->told_soon = true;
	str_duration(ms, sizeof ms, age - ran);
	log_warnx("%s: %s, as before: replaced in %s if that stays so",
	    sl->name, why, ms);
	engine_event(sl->prog->en, sl->name, "recycle",
	    "%s, as before: replaced in %s if that stays so", why, ms);
	return true;
}

static void
recycle_look(struct inst *in, mono_ms now)
{
	const struct config_program *conf = in->conf;
	char used[32], limit[32], why[TABLE_REASON_MAX];
	struct recycle *rc = in->recycle;
	uint32_t chance = policy_chance(in->id ^ (uint64_t)now);

	rc->look_at_ms = now + policy_interval_ms(conf, chance);
	rc->memory = tree_memory(&in->tree,
	    keeperlink_welcome(in->slot->prog->en->kl)->pid,
	    conf->rare->memory_limit);
	if (rc->memory <= conf->rare->memory_limit)
		return;
	str_bytes(used, sizeof used, rc->memory);
	str_bytes(limit, sizeof limit, conf->rare->memory_limit);
	snprintf(
	    why, sizeof why, "memory %s is over memory_limit %s", used, limit);
	if (in->role == INST_CUR && !recycle_is_soon(in, why))
		recycle_ask(in, why);
}

static void
recycle_start_timer(struct inst *in)
{
	struct recycle *rc = in->recycle;
	mono_ms now = loop_now(in->slot->prog->en->lp), at = INT64_MAX, old;

	loop_timer_stop(&rc->timer);
	if (rc->look_at_ms != 0)
		at = rc->look_at_ms;
	old = rc->wanted ? now : rc->old_at_ms;
	/* Asked for already: once more when that came to nothing. */
	if (old != 0 && old <= now)
		old = rc->asked_ms != 0 ? rc->asked_ms + RECYCLE_RETRY_MS
					: now + RECYCLE_RETRY_MS;
	if (old != 0 && old < at)
		at = old;
	if (at != INT64_MAX)
		loop_timer_start(&rc->timer, at - now);
}

static void
recycle_on_timer(struct loop_timer *t, void *arg)
{
	struct inst *in = arg;
	struct recycle *rc = in->recycle;
	mono_ms now = loop_now(in->slot->prog->en->lp);
	char age[32], why[TABLE_REASON_MAX];

	(void)t;
	if (in->stopping || in->dead)
		return;
	if (rc->look_at_ms != 0 && rc->look_at_ms <= now)
		recycle_look(in, now);
	if (rc->wanted)
		recycle_ask(in, RECYCLE_WANTED);
	if (rc->old_at_ms != 0 && rc->old_at_ms <= now) {
		str_duration(age, sizeof age, in->conf->rare->max_lifetime_ms);
		snprintf(
		    why, sizeof why, "its max_lifetime of %s is over", age);
		recycle_ask(in, why);
	}
	recycle_start_timer(in);
}

static struct recycle *
recycle_make(struct inst *in)
{
	if (in->recycle == NULL) {
		in->recycle = xcalloc(1, sizeof *in->recycle);
		in->recycle->memory = -1;
		loop_timer_init(&in->recycle->timer, in->slot->prog->en->lp,
		    recycle_on_timer, in);
	}
	return in->recycle;
}

void
recycle_free(struct inst *in)
{
	recycle_stop(in);
	freep(&in->recycle);
}

void
recycle_arm(struct inst *in)
{
	const struct config_program *conf = in->conf;
	mono_ms now = loop_now(in->slot->prog->en->lp);
	uint32_t chance = policy_chance(in->id);
	struct recycle *rc;

	if (in->pid == 0 || in->stopping || in->dead ||
	    (in->recycle == NULL && conf->rare->memory_limit == 0 &&
		conf->rare->max_lifetime_ms == 0))
		return;
	rc = recycle_make(in);
	rc->look_at_ms = conf->rare->memory_limit > 0
			     ? now + policy_interval_ms(conf, chance)
			     : 0;
	if (conf->rare->memory_limit == 0)
		rc->memory = -1;
	rc->old_at_ms = conf->rare->max_lifetime_ms > 0
			    ? in->started_ms + policy_lifetime_ms(conf, chance)
			    : 0;
	/* It is over already: not within whoever calls. */
	if (rc->old_at_ms != 0 && rc->old_at_ms <= now)
		rc->old_at_ms = now + 1;
	recycle_start_timer(in);
}

void
recycle_stop(struct inst *in)
{
	if (in->recycle != NULL)
		loop_timer_stop(&in->recycle->timer);
}

int64_t
recycle_memory(const struct inst *in)
{
	return in->recycle == NULL ? -1 : in->recycle->memory;
}

void
recycle_wanted(struct inst *in)
{
	struct recycle *rc;

	if (in->stopping || in->dead)
		return;
	rc = recycle_make(in);
	if (rc->wanted)
		return;
	rc->wanted = true;
	recycle_ask(in, RECYCLE_WANTED);
	recycle_start_timer(in);
}

/* --- a time of day -------------------------------------------------------- */

/* All that were started before it. */
static void
recycle_all(struct program *pg, wall_ms due)
{
	mono_ms at = loop_now(pg->en->lp) - (clock_wall_ms() - due);
	char why[TABLE_REASON_MAX];

	snprintf(why, sizeof why, "restart_at = %s",
	    pg->conf->rare->restart_at.text);
	log_info("%s: %s", pg->conf->name, why);
	for (int i = 0; i < pg->nslots; i++) {
		struct slot *sl = pg->slots[i];

		if (sl->cur != NULL && sl->cur->started_ms < at)
			rolling_start_slot(sl, why);
	}
}

/* restart_at of a program. */
struct restarting {
	struct program *pg;
	struct policy_wall at;
	struct loop_wall wall;
};

static void
recycle_on_wall(struct loop_wall *w, void *arg)
{
	struct restarting *rs = arg;
	struct program *pg = rs->pg;
	wall_ms now = clock_wall_ms(), due = rs->at.due;

	if (policy_wall_due(&pg->conf->rare->restart_at.cron, &rs->at, now) &&
	    !pg->removed && !pg->en->stopping)
		recycle_all(pg, due);
	if (rs->at.due != 0)
		loop_wall_start(w, rs->at.due);
}

/* Sets when that is next. */
static void
recycle_restart_at(struct program *pg, const struct cron *cron)
{
	struct restarting *rs = pg->restarting;

	if (rs == NULL) {
		rs = pg->restarting = xcalloc(1, sizeof *rs);
		rs->pg = pg;
		loop_wall_init(&rs->wall, pg->en->lp, recycle_on_wall, rs);
	}
	policy_wall_due(cron, &rs->at, clock_wall_ms());
	if (rs->at.due != 0)
		loop_wall_start(&rs->wall, rs->at.due);
}

void
recycle_program(struct program *pg)
{
	const struct config_cron *cc = &pg->conf->rare->restart_at;

	if (pg->restarting != NULL) {
		loop_wall_stop(&pg->restarting->wall);
		pg->restarting->at.due = 0;
	}
	if (cc->text != NULL)
		recycle_restart_at(pg, &cc->cron);
	for (int i = 0; i < pg->nslots; i++)
		if (pg->slots[i]->cur != NULL)
			recycle_arm(pg->slots[i]->cur);
}

void
recycle_recover(struct program *pg)
{
	struct policy_wall then = { 0 };
	wall_ms now = clock_wall_ms();

	recycle_program(pg);
	if (pg->restarting == NULL || pg->restarting->at.due == 0 ||
	    pg->removed || pg->en->stopping)
		return;
	policy_wall_due(
	    &pg->conf->rare->restart_at.cron, &then, now - RECYCLE_LOST_MS);
	if (then.due != 0 && then.due <= now)
		recycle_all(pg, then.due);
}

void
recycle_program_free(struct program *pg)
{
	if (pg->restarting != NULL)
		loop_wall_stop(&pg->restarting->wall);
	freep(&pg->restarting);
}

wall_ms
recycle_next_ms(const struct inst *in)
{
	const struct restarting *rs = in->slot->prog->restarting;
	wall_ms at = rs != NULL ? rs->at.due : 0, old;

	if (in->recycle != NULL && in->recycle->old_at_ms != 0) {
		old =
		    clock_wall_ms() + in->recycle->old_at_ms - clock_mono_ms();
		if (at == 0 || old < at)
			at = old;
	}
	return at;
}
