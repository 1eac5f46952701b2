/*
 * recover - a new engine in the place of one that died.
 *
 * Rebuilt from (a) the config, (b) what the keeper has: children (their
 * labels name slot and generation), descriptors, unacknowledged exits, (c)
 * the state table.  A record that is lost or corrupt costs counters and
 * wishes, never a process: a child without a record is adopted as the
 * running instance of its slot.  Exits that happened meanwhile come as
 * ordinary messages afterwards, once.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/queued.h"

#define STRAY_KILL_MS 10000

void
recover_child(struct engine *en, uint64_t id, pid_t pid, mono_ms started_ms,
    const char *label)
{
	struct orphan *o;

	en->orphans =
	    xreallocarray(en->orphans, en->norphans + 1, sizeof *en->orphans);
	o = &en->orphans[en->norphans++];
	o->id = id;
	o->pid = pid;
	o->started_ms = started_ms;
	snprintf(o->label, sizeof o->label, "%s", label);
}

/* "web.0#3.1": name of the slot, generation, cgroup index. */
static bool
recover_label(const char *label, char *name, size_t size, uint32_t *generation,
    unsigned *tree_index)
{
	const char *hash = strrchr(label, '#');

	if (hash == NULL || (size_t)(hash - label) >= size ||
	    sscanf(hash + 1, "%u.%u", generation, tree_index) != 2)
		return false;
	memcpy(name, label, (size_t)(hash - label));
	name[hash - label] = '\0';
	return true;
}

struct slot *
recover_slot(struct engine *en, const char *name)
{
	const char *dot = strrchr(name, '.');
	char program[SLOT_NAME_MAX];
	struct program *pg;
	int index;

	if (dot == NULL || (size_t)(dot - name) >= sizeof program)
		return NULL;
	memcpy(program, name, (size_t)(dot - name));
	program[dot - name] = '\0';
	index = atoi(dot + 1);
	pg = program_find(en, program);
	return pg != NULL && index >= 0 && index < pg->nslots ? pg->slots[index]
							      : NULL;
}

/*
 * Slots that were there: a scale may have changed what the config says.  The
 * engine that died while it ordered the first starts had not come to all.
 * gone: it is not in the config any more, and some may have ended.
 */
static int
recover_nslots(struct engine *en, const struct config_program *conf, bool gone)
{
	char name[SLOT_NAME_MAX];
	int n = 0;

	if (!en->started)
		return config_program_workers(conf, en->usable_cpus);

	for (;; n++) {
		snprintf(name, sizeof name, "%.63s.%d", conf->name, n);
		if (table_find_slot(en->table, name, false) == TABLE_NONE)
			break;
	}
	if (n != 0 || gone || table_is_empty(en->table, conf->name))
		return n;
	return config_program_workers(conf, en->usable_cpus);
}

static void
recover_record(struct slot *sl, struct table_slot *ts)
{
	struct slot_history *sh;

	if (!table_get_slot(sl->prog->en->table, sl->record, ts)) {
		memset(ts, 0, sizeof *ts);
		sl->wanted = sl->prog->conf->autostart;
		return;
	}
	sl->state = ts->state < PS__N ? (enum slot_state)ts->state : PS_STOPPED;
	sl->wanted =
	    sl->prog->en->started ? ts->wanted : sl->prog->conf->autostart;
	sl->leaving = ts->leaving;
	sl->start_again = ts->start_again;
	sl->generation = ts->generation;
	sl->failures = ts->failures;
	sl->restarts = ts->restarts;
	sl->health_losses = ts->health_losses;
	sl->times = ts->times;
	sl->budgeted = ts->budgeted;
	/* An ill one that waits; of those that are down: recover_empty. */
	if (sl->state == PS_RUNNING)
		sl->retry_at_ms = ts->retry_at_ms;
	slot_note(sl, "%.*s", (int)sizeof ts->note - 1, ts->note);
	sl->alone_generation = ts->alone_generation;
	str_set(&sl->reason, ts->reason);
	sl->roll_id = ts->roll_id;
	sl->roll_phase = (enum roll_phase)ts->roll_phase;
	if (ts->deaths[0].at_ms == 0 && ts->past.n == 0)
		return;
	sh = slot_history_make(sl);
	sh->past = ts->past;
	memcpy(sh->deaths, ts->deaths, sizeof sh->deaths);
	if (death_has_reason((enum death_cause)slot_last_death(sl)->cause) &&
	    sl->reason != NULL)
		sh->text[0] = xstrdup(sl->reason);
}

void
recover_end_strays(struct engine *en)
{
	loop_timer_stop(&en->stray_kill);
	for (size_t i = 0; i < en->nstrays; i++)
		keeperlink_signal(en->kl, en->strays[i], SIGKILL, true);
}

static void
recover_on_progress(void *arg)
{
	order_progress(arg);
}

void
recover_stray_gone(struct engine *en, uint64_t id)
{
	for (size_t i = 0; i < en->nstrays; i++)
		if (en->strays[i] == id) {
			en->strays[i] = en->strays[--en->nstrays];
			break;
		}
	if (en->nstrays == 0)
		loop_timer_stop(&en->stray_kill);
	if (!en->stopping)
		return;
	if (en->progress.cb == NULL)
		loop_task_init(&en->progress, recover_on_progress, en);
	loop_task_queue(en->lp, &en->progress);
}

static void
recover_on_stray_kill(struct loop_timer *t, void *arg)
{
	(void)t;
	recover_end_strays(arg);
}

/* Not even what its program was is left to tell. */
static void
recover_stray_child(struct engine *en, uint64_t id)
{
	en->strays =
	    xreallocarray(en->strays, en->nstrays + 1, sizeof *en->strays);
	en->strays[en->nstrays++] = id;
	keeperlink_signal(en->kl, id, SIGTERM, false);
	if (en->nstrays != 1)
		return;
	loop_timer_init(&en->stray_kill, en->lp, recover_on_stray_kill, en);
	loop_timer_start(&en->stray_kill, STRAY_KILL_MS);
}

/*
 * What an instance was started from.  In the middle of a roll to another
 * config those that it has not come to, and the replaced, are of the one
 * before.
 */
static struct config_program *
recover_conf(const struct slot *sl, const struct table_slot *ts, uint64_t id)
{
	struct program *pg = sl->prog;
	struct table_roll tr;
	enum roll_phase was;

	if (pg->before == NULL || ts->next.id == id)
		return pg->conf;
	if (ts->cur.id != id ||
	    !table_get_roll(pg->en->table, pg->conf->name, &tr) ||
	    tr.alone != 0 || (uint32_t)sl->index >= tr.nslots)
		return pg->before;
	was = rolling_was(sl, &tr);
	return was == ROLL_NEW || (was == ROLL_RETIRING && ts->next.id == 0)
		   ? pg->conf
		   : pg->before;
}

/*
 * A task of the engine before: a hook of an instance goes on, whatever else
 * will be ordered again.
 */
static void
recover_task(struct engine *en, const struct orphan *o)
{
	struct task *t;

	if (o->label[0] != '!' || hook_adopt(en, o) || run_adopt(en, o) ||
	    queued_adopt(en, o))
		return;
	log_debug("%s is nobody's any more, it is killed", o->label);
	t = task_adopt(en, "", 0, o->id, o->pid, o->started_ms, NULL, NULL);
	task_kill(t);
}

/* One child of the keeper's into the place that it had. */
static void
recover_instance(struct engine *en, const struct orphan *o)
{
	struct table_slot ts;
	char name[SLOT_NAME_MAX];
	uint32_t generation;
	unsigned tree_index;
	struct inst *in;
	struct slot *sl;
	bool known;

	if (o->label[0] == '!' || !recover_label(o->label, name, sizeof name,
				      &generation, &tree_index))
		return;
	sl = recover_slot(en, name);
	if (sl == NULL) {
		log_warnx("%s %d belongs to no program any more, it is stopped",
		    name, (int)o->pid);
		recover_stray_child(en, o->id);
		return;
	}
	known = table_get_slot(en->table, sl->record, &ts);
	if (!known)
		memset(&ts, 0, sizeof ts);
	in = inst_adopt(sl, recover_conf(sl, &ts, o->id), o->id, generation,
	    tree_index, o->pid, o->started_ms);
	if (generation > sl->generation)
		sl->generation = generation;
	if (known && ts.next.id == o->id) {
		in->role = INST_NEXT;
		sl->next = in;
		*inst_restore(in) = ts.next;
	} else if (known && ts.cur.id == o->id) {
		sl->cur = in;
		*inst_restore(in) = ts.cur;
	} else if (!known && sl->cur == NULL) {
		sl->cur = in;
		inst_restore(in)->ready = true;
		sl->state = PS_RUNNING;
		sl->wanted = true;
	} else {
		/* Replaced, discarded, or dead and not yet swept up. */
		in->role = INST_DRAINING;
		inst_restore(in)->stopping = known;
		inst_restore(in)->cause = DEATH_ROLL;
		if (known && ts.drain.id == o->id)
			*inst_restore(in) = ts.drain;
		in->discarded = inst_restore(in)->cause == DEATH_DISCARD;
		TAILQ_INSERT_TAIL(&sl->draining, in, entry);
	}
}

/* A slot with a process; what was wanted may not have been acted on yet. */
static void
recover_filled(struct slot *sl)
{
	if (sl->state == PS_STOPPED || sl->state == PS_BACKOFF ||
	    sl->state == PS_EXITED || sl->state == PS_FATAL)
		sl->state = sl->cur->ready ? PS_RUNNING : PS_STARTING;
	sl->cur->lost = sl->state == PS_UNKNOWN;
	if (sl->state == PS_STARTING && sl->cur->ready)
		slot_event(sl, PE_UP);
	if (!sl->wanted)
		slot_event(sl, PE_STOP);
}

/* Is a roll about to put an instance into this empty place? */
static bool
recover_is_rolled(const struct slot *sl)
{
	const struct program *pg = sl->prog;
	struct table_roll tr;
	enum roll_phase was;

	if (sl->next != NULL)
		return true;
	if (pg->conf->roll_surge != 0 ||
	    !table_get_roll(pg->en->table, pg->conf->name, &tr))
		return false;
	was = rolling_was(sl, &tr);
	return was != ROLL_OLD && was != ROLL_NEW;
}

/* Its end was acted on but for the last step: is that to give up? */
static bool
recover_is_over(const struct slot *sl, bool failed_start)
{
	struct policy_end end = { failed_start, slot_last_death(sl)->code,
		slot_last_death(sl)->signo };
	enum policy_next next = policy_next(
	    sl->prog->conf, &slot_history(sl)->past, sl->failures, &end);

	return next == POLICY_TRIES || next == POLICY_LIMIT;
}

static enum slot_event
recover_exited(struct slot *sl, const struct table_slot *ts)
{
	if (sl->state == PS_STOPPED)
		return PE_START;
	sl->retry_at_ms = ts->retry_at_ms;
	if (sl->retry_at_ms != 0)
		return PE_DEFER;
	return recover_is_over(sl, false) ? PE_GIVE_UP : PE_START;
}

/* A slot whose process is gone, and perhaps its death was not acted on. */
static void
recover_empty(struct slot *sl, const struct table_slot *ts)
{
	bool died = slot_last_death(sl)->at_ms != 0 &&
		    slot_last_death(sl)->generation == sl->generation;

	switch (sl->state) {
	case PS_STARTING:
	case PS_RUNNING:
		if (recover_is_rolled(sl))
			return;
		if (died) {
			slot_event(sl, slot_death_event(sl));
			return;
		}
		/* The order was noted down but never reached the keeper. */
		sl->state = PS_STOPPED;
		__attribute__((fallthrough));
	case PS_STOPPED:
	case PS_EXITED:
		if (sl->wanted)
			slot_event(sl, recover_exited(sl, ts));
		return;
	case PS_STOPPING:
	case PS_UNKNOWN:
		if (TAILQ_EMPTY(&sl->draining))
			slot_event(sl, PE_GONE);
		return;
	case PS_BACKOFF:
		sl->retry_at_ms = ts->retry_at_ms;
		if (!sl->wanted)
			slot_event(sl, PE_STOP);
		else if (sl->retry_at_ms == 0 && recover_is_over(sl, true))
			slot_event(sl, PE_GIVE_UP);
		else
			slot_arm_retry(sl);
		return;
	case PS_FATAL:
		sl->retry_at_ms = ts->retry_at_ms;
		if (sl->retry_at_ms != 0)
			slot_arm_retry(sl);
		return;
	case PS__N:
		return;
	}
}

static void
recover_resume_inst(struct inst *in)
{
	inst_resume(in, inst_restore(in));
	freep(&in->restore);
}

/* The machine goes on: timers again, and what the state can no longer be. */
static void
recover_resume_slot(struct slot *sl, const struct table_slot *ts)
{
	struct inst *in;

	slot_streams(sl);
	TAILQ_FOREACH(in, &sl->draining, entry) {
		recover_resume_inst(in);
		if (!in->stopping)
			inst_stop(
			    in, in->conf->drain_timeout_ms, DEATH_ROLL, NULL);
	}
	if (sl->next != NULL)
		recover_resume_inst(sl->next);
	if (sl->cur != NULL)
		recover_resume_inst(sl->cur);
	if (sl->cur != NULL)
		recover_filled(sl);
	else
		recover_empty(sl, ts);
	if (sl->leaving)
		slot_want(sl, false, NULL);
}

/* A new instance whose roll is over, or was never noted down. */
static void
recover_stray(struct slot *sl)
{
	struct inst *in = sl->next;

	if (in == NULL || rolling_owns(sl))
		return;
	sl->next = NULL;
	if (sl->cur == NULL && sl->wanted && sl->state != PS_STOPPING) {
		in->role = INST_CUR;
		sl->cur = in;
		recover_filled(sl);
	} else {
		in->role = INST_DRAINING;
		in->discarded = true;
		TAILQ_INSERT_TAIL(&sl->draining, in, entry);
		inst_stop(in, in->conf->stopwaitsecs_ms, DEATH_DISCARD, NULL);
	}
	slot_save(sl);
}

/* --- what is left in the keeper's store
 * ---------------------------------------- */

static bool
recover_has_channel(const struct inst *in, unsigned slot)
{
	return in->ready_slot == slot || vitals_slot(in) == slot;
}

static bool
recover_claims_ready(const struct slot *sl, unsigned slot)
{
	const struct inst *in;

	if ((sl->cur != NULL && recover_has_channel(sl->cur, slot)) ||
	    (sl->next != NULL && recover_has_channel(sl->next, slot)))
		return true;
	TAILQ_FOREACH(in, &sl->draining, entry)
		if (recover_has_channel(in, slot))
			return true;
	return false;
}

static bool
recover_claims_listener(const struct program *pg, unsigned slot)
{
	for (size_t i = 0; i < pg->nlisteners; i++) {
		const struct listener *l = &pg->listeners[i];

		if (l->lock_slot == slot)
			return true;
		for (int k = 0; k < l->n; k++)
			if (l->slots[k] == slot)
				return true;
	}
	return false;
}

/* "log:web.0:out": is that slot still there? */
static bool
recover_claims_log(struct engine *en, const char *name)
{
	const char *from = strchr(name, ':') + 1, *to = strrchr(name, ':');
	char slot[SLOT_NAME_MAX];

	if (to < from)
		return true; /* reeved's own */
	snprintf(slot, sizeof slot, "%.*s", (int)(to - from), from);
	return recover_slot(en, slot) != NULL;
}

static bool
recover_claims(struct engine *en, const char *name, unsigned slot)
{
	bool ready = str_starts(name, "ready:") || str_starts(name, "watch:");

	if (str_starts(name, "ipc:") || str_starts(name, "box:"))
		return channel_owns(en, slot);
	if (str_starts(name, "log:") || str_starts(name, "logw:"))
		return recover_claims_log(en, name);
	if (!ready && !str_starts(name, "listen:") &&
	    (!str_starts(name, "lock:") || strcmp(name, "lock:control") == 0))
		return true;
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		if (!ready && recover_claims_listener(pg, slot))
			return true;
		for (int k = 0; ready && k < pg->nslots; k++)
			if (recover_claims_ready(pg->slots[k], slot))
				return true;
	}
	return false;
}

/* The engine before may have died before it dropped what it was done with. */
static void
recover_store(struct engine *en)
{
	for (unsigned i = 1; i < keeperlink_top(en->kl); i++) {
		const char *name = keeperlink_name(en->kl, i);
		unsigned slot = i;

		if (name == NULL || recover_claims(en, name, i))
			continue;
		log_debug("%s is nobody's any more", name);
		keeperlink_drop(en->kl, &slot);
	}
}

static void
recover_program(struct engine *en, struct program *pg)
{
	struct err err = { .text = "" };
	bool gone = config_program_find(en->cf, pg->conf->name) == NULL;
	int n = recover_nslots(en, pg->conf, gone);

	before_recover(pg);
	pg->removed = gone;
	if ((n != 0 || !gone) && sockets_open(pg, n, &err) == -1)
		log_errorx("%s: %s", pg->conf->name, err.text);
	pg->slots = xcalloc((size_t)n, sizeof *pg->slots);
	pg->started = pg->conf->autostart;
	for (int i = 0; i < n; i++) {
		struct table_slot ts;

		pg->slots[i] = slot_new(pg, i);
		pg->nslots = i + 1;
		recover_record(pg->slots[i], &ts);
		pg->started = pg->started || pg->slots[i]->wanted;
		if (gone)
			pg->slots[i]->leaving = true;
		/* A reload was to make it again: that goes on. */
		pg->removed = pg->removed || ts.leaving == 2;
	}
	pg->remake = pg->removed && !gone;
	pg->pull = !en->started && pg->started;
}

/*
 * Programs that a reload removed and that had not ended yet: each ends as its
 * own config says.  What comes of it that has ended meanwhile is put away.
 */
static void
recover_removed(struct engine *en)
{
	const char *name;

	for (unsigned i = 1; i < keeperlink_top(en->kl); i++) {
		struct config_program *conf;
		struct program *pg;

		name = keeperlink_name(en->kl, i);
		if (name == NULL || !str_starts(name, "removed:"))
			continue;
		name += strlen("removed:");
		if (config_program_find(en->cf, name) != NULL)
			continue;
		conf = before_read(en, name, i);
		if (conf == NULL) {
			log_errorx("%s: what it was before it was removed "
				   "can't be read",
			    name);
			continue;
		}
		pg = program_new(en, conf);
		config_program_unref(conf);
		recover_program(en, pg);
		program_progress(pg);
	}
}

static void
recover_roll(struct program *pg)
{
	struct table_roll tr;

	if (pg->removed && !pg->remake) {
		table_drop_roll(pg->en->table, pg->conf->name);
		hook_cancel_roll(pg);
		return;
	}
	if (table_get_roll(pg->en->table, pg->conf->name, &tr))
		rolling_resume(pg, &tr);
	else if (pg->before != NULL)
		rolling_start(pg, NULL); /* a reload that had just begun */
	else
		hook_cancel_roll(pg);
	rolling_next_slot(pg);
}

/*
 * What the engine before noted down; when that makes no sense, nothing: what
 * runs is still known, and what the config says of it.
 */
static void
recover_notes(struct engine *en)
{
	int state = keeperlink_fd(en->kl, keeperlink_find(en->kl, "state"));
	int events = keeperlink_fd(en->kl, keeperlink_find(en->kl, "events"));
	struct err err = { .text = "" };

	en->table = table_open(state, &err);
	if (en->table == NULL) {
		log_errorx("%s: what is in it is forgotten", err.text);
		en->table = table_open(-1, &err);
		if (en->table == NULL)
			fatalx("%s", err.text);
		keeperlink_replace(en->kl, "state",
		    fcntl(table_fd(en->table), F_DUPFD_CLOEXEC, 3));
	}
	en->events = event_open(events, &err);
	if (en->events != NULL)
		return;
	log_errorx("%s: what is in it is forgotten", err.text);
	en->events = event_open(-1, &err);
	if (en->events == NULL)
		fatalx("%s", err.text);
	keeperlink_replace(
	    en->kl, "events", fcntl(event_fd(en->events), F_DUPFD_CLOEXEC, 3));
}

void
recover(struct engine *en)
{
	struct table_self self;
	struct strv warnings;

	recover_notes(en);
	tree_base(en->cgroup, sizeof en->cgroup);
	strv_init(&warnings);
	limits_setup(en, en->cf, &warnings);
	strv_fini(&warnings); /* said by the first one */
	if (!table_get_self(en->table, &self))
		memset(&self, 0, sizeof self);
	en->started = self.started;
	en->exit_code = self.exit_code;
	en->kill_now = self.kill_now;
	en->stop_serial = self.stop_serial;
	memcpy(en->budget_us, self.budget_us, sizeof en->budget_us);
	memcpy(en->acted, self.acted, sizeof en->acted);
	/* Who waits for a line must say so before the pipes are read. */
	pump_hold(en->pump);
	en->startup_ms = en->started ? self.startup_ms : 0;
	for (size_t i = 0; i < en->cf->nprograms; i++)
		recover_program(en, program_new(en, en->cf->programs[i]));
	recover_removed(en);
	program_sort(en);
	for (size_t i = 0; i < en->norphans; i++)
		recover_instance(en, &en->orphans[i]);
	for (size_t i = 0; i < en->norphans; i++)
		recover_task(en, &en->orphans[i]);
	task_tidy_shared(en);
	freep(&en->orphans);
	en->norphans = 0;
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		for (int k = 0; k < pg->nslots; k++) {
			struct table_slot ts;

			if (!table_get_slot(
				en->table, pg->slots[k]->record, &ts))
				memset(&ts, 0, sizeof ts);
			recover_resume_slot(pg->slots[k], &ts);
		}
		recover_roll(pg);
		recycle_recover(pg);
		for (int k = 0; k < pg->nslots; k++)
			recover_stray(pg->slots[k]);
	}
	pump_go_on(en->pump);
	recover_store(en);
	wait_pull_all(en);
	if (self.stopping)
		order_stop_on(en, &self);
}
