/*
 * program - the state machine of a slot.
 *
 *	STOPPED   no process: none is wanted, or it waits for what it depends on
 *	STARTING  a process is being made, or is not yet known to be up
 *	RUNNING   up: it said so, or it lived for startsecs
 *	BACKOFF   a start failed, or too much died at once (restart_rate=);
 *		  the next try is due after a pause
 *	STOPPING  told to stop; its tree is not gone yet
 *	EXITED    went by itself and autorestart= says to leave it
 *	FATAL     startretries used up, or more deaths than restart_limit=:
 *		  waits for a person, or for fatal_retry=
 *	UNKNOWN   a signal could not be sent: not ours to steer, until an
 *		  order to start takes the stop back, or to stop tries again
 *
 * slot_step is the only writer of the state.  Actions start things and decide
 * nothing; they never step the machine themselves but queue an event.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

typedef void slot_action(struct slot *sl);

struct edge {
	bool legal;
	enum slot_state to;
	slot_action *act;
};

static slot_action act_spawn, act_up, act_backoff, act_exited, act_stop,
    act_rest, act_fatal, act_defer, act_wait, act_take_back;

/* An empty cell is illegal: logged, counted, refused. */
static const struct edge edges[PS__N][PE__N] = {
	[PS_STOPPED][PE_START] = { true, PS_STARTING, act_spawn },
	[PS_STOPPED][PE_WAIT] = { true, PS_STOPPED, act_wait },
	[PS_STOPPED][PE_GIVE_UP] = { true, PS_FATAL, act_fatal }, /* health */

	[PS_STARTING][PE_UP] = { true, PS_RUNNING, act_up },
	[PS_STARTING][PE_SPAWN_FAIL] = { true, PS_BACKOFF, act_backoff },
	[PS_STARTING][PE_DIE_YOUNG] = { true, PS_BACKOFF, act_backoff },
	[PS_STARTING][PE_DIE] = { true, PS_EXITED, act_exited },
	[PS_STARTING][PE_STOP] = { true, PS_STOPPING, act_stop },
	[PS_STARTING][PE_LOST] = { true, PS_UNKNOWN, NULL },

	[PS_RUNNING][PE_DIE] = { true, PS_EXITED, act_exited },
	[PS_RUNNING][PE_DIE_YOUNG] = { true, PS_BACKOFF, act_backoff },
	[PS_RUNNING][PE_STOP] = { true, PS_STOPPING, act_stop },
	[PS_RUNNING][PE_LOST] = { true, PS_UNKNOWN, NULL },

	[PS_BACKOFF][PE_RETRY] = { true, PS_STARTING, act_spawn },
	[PS_BACKOFF][PE_START] = { true, PS_STARTING, act_spawn },
	[PS_BACKOFF][PE_WAIT] = { true, PS_STOPPED, act_wait },
	[PS_BACKOFF][PE_GIVE_UP] = { true, PS_FATAL, act_fatal },
	[PS_BACKOFF][PE_STOP] = { true, PS_STOPPED, act_rest },
	[PS_BACKOFF][PE_UP] = { true, PS_RUNNING, act_up }, /* by a roll */

	[PS_STOPPING][PE_GONE] = { true, PS_STOPPED, act_rest },
	[PS_STOPPING][PE_SPAWN_FAIL] = { true, PS_STOPPED, act_rest },
	[PS_STOPPING][PE_LOST] = { true, PS_UNKNOWN, NULL },

	[PS_EXITED][PE_START] = { true, PS_STARTING, act_spawn },
	[PS_EXITED][PE_DEFER] = { true, PS_BACKOFF, act_defer },
	[PS_EXITED][PE_GIVE_UP] = { true, PS_FATAL, act_fatal },
	[PS_EXITED][PE_WAIT] = { true, PS_STOPPED, act_wait },
	[PS_EXITED][PE_STOP] = { true, PS_STOPPED, act_rest },
	[PS_EXITED][PE_UP] = { true, PS_RUNNING, act_up },

	[PS_FATAL][PE_START] = { true, PS_STARTING, act_spawn },
	[PS_FATAL][PE_RETRY] = { true, PS_STARTING, act_spawn },
	[PS_FATAL][PE_WAIT] = { true, PS_STOPPED, act_wait },
	[PS_FATAL][PE_STOP] = { true, PS_STOPPED, act_rest },
	[PS_FATAL][PE_UP] = { true, PS_RUNNING, act_up },

	[PS_UNKNOWN][PE_START] = { true, PS_STARTING, act_take_back },
	[PS_UNKNOWN][PE_STOP] = { true, PS_STOPPING, act_stop },
	[PS_UNKNOWN][PE_DIE] = { true, PS_EXITED, act_exited },
	[PS_UNKNOWN][PE_DIE_YOUNG] = { true, PS_EXITED, act_exited },
	[PS_UNKNOWN][PE_GONE] = { true, PS_STOPPED, act_rest },
};

const char *
slot_state_name(enum slot_state s)
{
	switch (s) {
#define STATE(name, code)                                                      \
	case PS_##name:                                                        \
		return #name;
#include "engine/program.def"
	case PS__N:
		break;
	}
	return "?";
}

const char *
slot_event_name(enum slot_event e)
{
	switch (e) {
#define EVENT(name)                                                            \
	case PE_##name:                                                        \
		return #name;
#include "engine/program.def"
	case PE__N:
		break;
	}
	return "?";
}

bool
slot_edge(enum slot_state from, enum slot_event e, enum slot_state *to)
{
	*to = edges[from][e].to;
	return edges[from][e].legal;
}

/*
 * Has a roll put a new instance into the place, while the death of the one
 * before was still to be acted on?  Never a second one over it.
 */
static bool
slot_is_filled(struct slot *sl)
{
	if (sl->cur == NULL || sl->cur->dead)
		return false;
	if (sl->cur->ready)
		slot_event(sl, PE_UP);
	return true;
}

/*
 * The pause that a slot is in has another length now.  Both begin with its
 * last death: the failed start, or the one that was one too many.
 */
void
slot_conf_changed(struct slot *sl, const struct config_program *old)
{
	const struct config_program *conf = sl->prog->conf;
	mono_ms since = slot_history(sl)->past.at_ms;

	if (sl->queued != 0)
		return;
	if (sl->state == PS_FATAL &&
	    old->rare->fatal_retry_ms != conf->rare->fatal_retry_ms) {
		slot_drop_retry(sl);
		sl->retry_at_ms = 0;
		if (conf->rare->fatal_retry_ms != 0)
			sl->retry_at_ms = since + conf->rare->fatal_retry_ms;
	} else if (sl->state == PS_BACKOFF && sl->failures != 0 &&
		   !sl->budgeted &&
		   (old->backoff_min_ms != conf->backoff_min_ms ||
		       old->backoff_max_ms != conf->backoff_max_ms)) {
		sl->retry_at_ms = since + policy_delay_ms(conf, sl->failures,
					      (uint32_t)random());
	} else {
		return;
	}
	if (sl->retry_at_ms != 0)
		slot_arm_retry(sl);
	slot_save(sl);
}

/* Of the first time only: what came later is not the start. */
static void
slot_stamp(const struct slot *sl, mono_ms *at)
{
	if (*at == 0)
		*at = loop_now(sl->prog->en->lp);
}

static void
act_spawn(struct slot *sl)
{
	sl->retry_at_ms = 0;
	slot_drop_retry(sl);
	if (slot_is_filled(sl))
		return;
	slot_stamp(sl, &sl->times.free_ms);
	sl->cur = inst_start(sl, INST_CUR);
	if (sl->cur == NULL)
		slot_event(sl, PE_SPAWN_FAIL);
}

/* It was told to stop, but nothing has reached it: it goes on. */
static void
act_take_back(struct slot *sl)
{
	if (sl->cur != NULL)
		inst_take_back(sl->cur);
	act_spawn(sl);
}

/* failures stay: they are forgotten when it has been up for a while. */
static void
act_up(struct slot *sl)
{
	slot_stamp(sl, &sl->times.up_ms);
	/* It may be gone by now: then the note is how, of an event to come. */
	if (sl->cur != NULL)
		slot_note(sl, "%s", "");
	sl->retry_at_ms = 0;
	slot_drop_retry(sl);
}

/* From what is remembered alone, so that it can be asked again. */
static enum policy_next
slot_next(const struct slot *sl, bool failed_start)
{
	struct policy_end end = { failed_start, slot_last_death(sl)->code,
		slot_last_death(sl)->signo };

	return policy_next(
	    sl->prog->conf, &slot_history(sl)->past, sl->failures, &end);
}

enum slot_event
slot_death_event(const struct slot *sl)
{
	const struct table_death *d = slot_last_death(sl);

	return policy_failed_start(sl->prog->conf, d->ran_ms,
		   sl->state == PS_RUNNING, d->code, d->signo)
		   ? PE_DIE_YOUNG
		   : PE_DIE;
}

static void
act_backoff(struct slot *sl)
{
	const struct config_program *conf = sl->prog->conf;
	mono_ms now = loop_now(sl->prog->en->lp);
	enum policy_next next;

	if (slot_is_filled(sl))
		return;
	sl->failures++;
	sl->budgeted = 0;
	policy_note_death(&slot_history_make(sl)->past, now);
	if (!sl->wanted) {
		slot_event(sl, PE_STOP);
		return;
	}
	next = slot_next(sl, true);
	if (conf->essential == ESSENTIAL_YES ||
	    conf->essential == ESSENTIAL_MAIN)
		order_stop_essential(sl);
	if (next != POLICY_LATER) {
		slot_event(sl, PE_GIVE_UP);
		return;
	}
	sl->retry_at_ms =
	    now + policy_delay_ms(conf, sl->failures, (uint32_t)random());
	slot_arm_retry(sl);
}

/* The successor of what was up waits, too, when too many died at once. */
static void
act_defer(struct slot *sl)
{
	slot_arm_retry(sl);
}

static void
act_fatal(struct slot *sl)
{
	const struct config_program *conf = sl->prog->conf;
	bool tries = policy_give_up(conf, sl->failures);
	char why[160], span[32], limit[48];
	const char *colon = sl->note != NULL ? ": " : "";

	snprintf(why, sizeof why, "%s", str_text(sl->note));
	str_duration(
	    span, sizeof span, policy_span_ms(conf, &slot_history(sl)->past));
	config_rate_text(limit, sizeof limit, &conf->rare->restart_limit);
	if (tries)
		slot_note(sl, "gave up after %u %s%s%s", sl->failures,
		    sl->failures == 1 ? "try" : "tries", colon, why);
	else
		slot_note(sl, "%lld deaths in %s (restart_limit %s)%s%s",
		    (long long)conf->rare->restart_limit.count + 1, span, limit,
		    colon, why);
	if (policy_essential(conf, tries ? POLICY_TRIES : POLICY_LIMIT))
		order_stop_essential(sl);
	sl->failures = 0;
	if (sl->history != NULL)
		sl->history->past.n = 0;
	sl->budgeted = 0;
	sl->retry_at_ms = 0;
	if (conf->rare->fatal_retry_ms == 0 || sl->prog->en->stopping)
		return;
	sl->retry_at_ms =
	    loop_now(sl->prog->en->lp) + conf->rare->fatal_retry_ms;
	slot_arm_retry(sl);
}

/* A start that is due now, or when restart_rate= has room for it. */
static void
slot_start_again(struct slot *sl)
{
	int64_t ms = budget_take(sl);

	if (ms > 0) {
		sl->retry_at_ms = loop_now(sl->prog->en->lp) + ms;
		slot_event(sl, PE_DEFER);
		return;
	}
	sl->restarts++;
	slot_event(sl, PE_START);
}

/* "now", without a timer: the start is the next event of this turn. */
static void
act_exited(struct slot *sl)
{
	enum policy_next next;

	sl->failures = 0;
	sl->budgeted = 0;
	policy_note_death(
	    &slot_history_make(sl)->past, loop_now(sl->prog->en->lp));
	if (slot_is_filled(sl) || !sl->wanted || sl->prog->en->stopping)
		return;
	next = slot_next(sl, false);
	if (policy_essential(sl->prog->conf, next) &&
	    (next == POLICY_REST || next == POLICY_NOW))
		order_stop_essential(sl);
	if (next == POLICY_REST)
		sl->wanted = false;
	if (next == POLICY_REST &&
	    policy_done(sl->prog->conf, slot_last_death(sl)->code,
		slot_last_death(sl)->signo))
		slot_stamp(sl, &sl->times.done_ms);
	if (next == POLICY_LIMIT)
		slot_event(sl, PE_GIVE_UP);
	else if (next == POLICY_NOW && !sl->prog->en->stopping)
		slot_start_again(sl);
}

static void
act_stop(struct slot *sl)
{
	if (sl->cur != NULL && sl->cur->lost)
		inst_take_back(sl->cur);
	if (sl->cur != NULL)
		inst_stop(sl->cur, sl->cur->conf->stopwaitsecs_ms,
		    sl->start_again ? DEATH_RESTART
		    : sl->let_go    ? DEATH_BOUND
				    : DEATH_STOP,
		    sl->stop_by_person ? &sl->stop_who : NULL);
	else
		slot_event(sl, PE_GONE);
}

/* Its health was lost, and health_action= is restart: that is a death, too. */
static void
slot_was_ill(struct slot *sl)
{
	struct table_past *past = &slot_history_make(sl)->past;

	sl->start_again = false;
	sl->failures = 0;
	sl->budgeted = 0;
	policy_note_death(past, loop_now(sl->prog->en->lp));
	if (policy_over_limit(sl->prog->conf, past)) {
		slot_event(sl, PE_GIVE_UP);
		return;
	}
	sl->restarts++;
	slot_event(sl, PE_START);
}

static void
act_rest(struct slot *sl)
{
	sl->retry_at_ms = 0;
	slot_drop_retry(sl);
	if (sl->wanted && sl->start_again &&
	    slot_last_death(sl)->cause == DEATH_UNHEALTHY) {
		slot_was_ill(sl);
	} else if (sl->wanted || sl->start_again) {
		if (sl->start_again)
			slot_ordered(sl);
		sl->wanted = true;
		sl->start_again = false;
		slot_event(sl, PE_START);
	}
}

/* It is started when what it depends on is as it should be: see wait.c. */
static void
act_wait(struct slot *sl)
{
	sl->retry_at_ms = 0;
	slot_drop_retry(sl);
	sl->parked = sl->prog->en->parked = true;
}

/* What comes of an event where others have a say; PE__N: nothing yet. */
static enum slot_event
slot_gate(struct slot *sl, enum slot_event e)
{
	const struct edge *ed = &edges[sl->state][e];
	struct engine *en = sl->prog->en;

	if (ed->act == act_spawn && !wait_may_start(sl))
		return PE_WAIT;
	if (ed->act != act_stop || wait_may_stop(sl))
		return e;
	sl->stop_held = en->stop_held = true;
	log_info("%s: its stop waits for those that depend on it", sl->name);
	return PE__N;
}

static void
slot_step(struct slot *sl, enum slot_event e)
{
	const struct edge *ed = &edges[sl->state][e];
	enum slot_state from = sl->state;
	struct engine *en = sl->prog->en;
	char waits[160] = "";
	const char *note;

	if (!ed->legal) {
		log_debug("%s: %s is nothing for %s", sl->name,
		    slot_event_name(e), slot_state_name(from));
		return;
	}
	sl->state = ed->to;
	if (ed->act != NULL)
		ed->act(sl);
	slot_save(sl);
	note = e == PE_WAIT && wait_text(sl, waits, sizeof waits)
		   ? waits
		   : str_text(sl->note);
	log_info("%s %s --%s-> %s%s%s", sl->name, slot_state_name(from),
	    slot_event_name(e), slot_state_name(sl->state),
	    *note != '\0' ? ": " : "", note);
	engine_event(en, sl->name, "state", "%s --%s-> %s%s%s",
	    slot_state_name(from), slot_event_name(e),
	    slot_state_name(sl->state), *note != '\0' ? ": " : "", note);
	op_slot_changed(sl);
}

/* Carries out what is queued, also what comes meanwhile, then tells who waits.
 */
void
slot_run_events(void *arg)
{
	struct slot *sl = arg;
	struct program *pg = sl->prog;

	while (sl->queued != 0) {
		enum slot_event e = (enum slot_event)sl->queue[0];

		sl->queued--;
		memmove(sl->queue, sl->queue + 1, sl->queued);
		e = slot_gate(sl, e);
		if (e != PE__N)
			slot_step(sl, e);
	}
	freep(&sl->queue);
	sl->queue_cap = 0;
	program_progress(pg);
}

/* It grows: clients may change their mind any number of times in one turn. */
void
slot_event(struct slot *sl, enum slot_event e)
{
	if (sl->queued == sl->queue_cap) {
		sl->queue_cap = sl->queue_cap != 0 ? 2 * sl->queue_cap : 8;
		sl->queue = xreallocarray(sl->queue, sl->queue_cap, 1);
	}
	sl->queue[sl->queued++] = (uint8_t)e;
	loop_task_queue(sl->prog->en->lp, &sl->step_task);
}
