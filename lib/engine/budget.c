/*
 * budget - restart_rate=, of [reeve] and of groups: what died of one cause
 * does not come back, and what is ill of one is not restarted, at one instant.
 *
 * A start asks its group first, and when that lets it go all of reeved; each
 * counts it once, and it waits out what either says.  What was given out is
 * in the state table: an engine that comes after goes on with it.
 */
#include <stdio.h>

#include "engine/engine_priv.h"

/* Successors of what was up, and retries of failed starts, apart. */
static bool
budget_was_up(const struct slot *sl)
{
	return sl->state == PS_EXITED || sl->state == PS_RUNNING ||
	       (sl->state == PS_BACKOFF && sl->failures == 0);
}

static int64_t
budget_of_group(const struct slot *sl)
{
	const struct config_program *conf = sl->prog->conf;
	struct engine *en = sl->prog->en;
	struct table_budget tb;
	int64_t ms;

	if (conf->group == NULL || conf->group_rate.count == 0)
		return 0;
	table_get_budget(en->table, conf->group, &tb);
	ms = policy_budget(
	    &conf->group_rate, &tb.us[budget_was_up(sl)], loop_now(en->lp));
	table_put_budget(en->table, &tb);
	return ms;
}

static int64_t
budget_of_all(const struct slot *sl)
{
	struct engine *en = sl->prog->en;
	int64_t ms = policy_budget(&en->cf->restart_rate,
	    &en->budget_us[budget_was_up(sl)], loop_now(en->lp));

	engine_save_self(en, en->stop_by_person ? &en->stop_who : NULL);
	return ms;
}

int64_t
budget_take(struct slot *sl)
{
	int64_t ms = 0;

	if ((sl->budgeted & BUDGET_GROUP) == 0)
		ms = budget_of_group(sl);
	sl->budgeted |= BUDGET_GROUP;
	if (ms > 0)
		return ms;
	if ((sl->budgeted & BUDGET_ALL) == 0)
		ms = budget_of_all(sl);
	sl->budgeted |= BUDGET_ALL;
	if (ms == 0)
		sl->budgeted = 0;
	return ms;
}

static void
budget_ask_again(struct slot *sl)
{
	if (sl->cur != NULL)
		vitals_ask_again(sl->cur);
	if (sl->state != PS_BACKOFF || sl->budgeted == 0 ||
	    sl->retry_at_ms == 0 || sl->queued != 0)
		return;
	sl->budgeted = 0;
	sl->retry_at_ms = loop_now(sl->prog->en->lp);
	slot_arm_retry(sl);
	slot_save(sl);
}

static void
budget_ask_all_again(struct program *pg)
{
	for (int i = 0; i < pg->nslots; i++)
		budget_ask_again(pg->slots[i]);
}

static bool
budget_differs(const struct config_rate *a, const struct config_rate *b)
{
	return a->count != b->count || a->period_ms != b->period_ms;
}

void
budget_program_changed(struct program *pg, const struct config_program *old)
{
	const struct config_program *conf = pg->conf;

	if (str_equal(old->group, conf->group) &&
	    !budget_differs(&old->group_rate, &conf->group_rate))
		return;
	if (conf->group != NULL)
		table_drop_budget(pg->en->table, conf->group);
	budget_ask_all_again(pg);
}

void
budget_changed(struct engine *en, const struct config *old)
{
	if (!budget_differs(&old->restart_rate, &en->cf->restart_rate))
		return;
	en->budget_us[0] = en->budget_us[1] = 0;
	engine_save_self(en, en->stop_by_person ? &en->stop_who : NULL);
	for (size_t i = 0; i < en->nprograms; i++)
		budget_ask_all_again(en->programs[i]);
}

void
budget_text(const struct slot *sl, char *out, size_t size)
{
	const char *group =
	    sl->budgeted == BUDGET_GROUP ? sl->prog->conf->group : NULL;

	snprintf(out, size, "restart_rate%s%s", group != NULL ? " of " : "",
	    group != NULL ? group : "");
}
