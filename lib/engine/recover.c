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

void
recover_child(struct engine *en, uint64_t id, pid_t pid, mono_ms started_ms,
    const char *label)
{
	struct orphan *o;

	en->orphans = xreallocarray(en->orphans, en->norphans + 1,
	    sizeof *en->orphans);
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

static struct slot *
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
	return pg != NULL && index >= 0 && index < pg->nslots ?
	    pg->slots[index] :
	    NULL;
}

/* Slots that were there: a scale may have changed what the config says. */
static int
recover_nslots(struct engine *en, const struct config_program *conf)
{
	char name[SLOT_NAME_MAX];
	int n = 0;

	for (;; n++) {
		snprintf(name, sizeof name, "%.60s.%d", conf->name, n);
		if (table_find_slot(en->table, name, false) == TABLE_NONE)
			break;
	}
	return n != 0 ? n : config_program_workers(conf, en->usable_cpus);
}

static void
recover_record(struct slot *sl, struct table_slot *ts)
{
	if (!table_get_slot(sl->prog->en->table, sl->record, ts)) {
		memset(ts, 0, sizeof *ts);
		ts->wanted = sl->prog->conf->autostart;
		return;
	}
	sl->state = ts->state < PS__N ? (enum slot_state)ts->state :
					PS_STOPPED;
	sl->wanted = ts->wanted;
	sl->leaving = ts->leaving;
	sl->start_again = ts->start_again;
	sl->generation = ts->generation;
	sl->failures = ts->failures;
	sl->restarts = ts->restarts;
	memcpy(sl->deaths, ts->deaths, sizeof sl->deaths);
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

	if (!recover_label(o->label, name, sizeof name, &generation,
		&tree_index))
		return;
	sl = recover_slot(en, name);
	if (sl == NULL) {
		log_warnx("%s %d belongs to no program any more, it is stopped",
		    name, (int)o->pid);
		keeperlink_signal(en->kl, o->id, SIGTERM, false);
		return;
	}
	if (!table_get_slot(en->table, sl->record, &ts))
		memset(&ts, 0, sizeof ts);
	in = inst_adopt(sl, INST_CUR, o->id, generation, tree_index, o->pid,
	    o->started_ms);
	if (generation > sl->generation)
		sl->generation = generation;
	if (ts.next.id == o->id) {
		in->role = INST_NEXT;
		sl->next = in;
		in->restore = ts.next;
	} else if (sl->cur == NULL && (ts.cur.id == o->id || ts.cur.id == 0)) {
		sl->cur = in;
		in->restore = ts.cur;
		if (ts.cur.id == 0) {
			in->restore.ready = true;
			sl->state = PS_RUNNING;
			sl->wanted = true;
		}
	} else {
		in->role = INST_DRAINING;
		in->restore.stopping = true;
		in->restore.cause = DEATH_ROLL;
		TAILQ_INSERT_TAIL(&sl->draining, in, entry);
	}
}

/* The machine goes on: timers again, and what the state can no longer be. */
static void
recover_resume_slot(struct slot *sl, const struct table_slot *ts)
{
	struct engine *en = sl->prog->en;
	struct inst *in;

	slot_streams(sl);
	TAILQ_FOREACH (in, &sl->draining, entry)
		inst_resume(in, &in->restore);
	if (sl->next != NULL)
		inst_resume(sl->next, &sl->next->restore);
	if (sl->cur != NULL) {
		inst_resume(sl->cur, &sl->cur->restore);
		if (sl->state == PS_STOPPED || sl->state == PS_BACKOFF ||
		    sl->state == PS_EXITED || sl->state == PS_FATAL)
			sl->state = sl->cur->ready ? PS_RUNNING : PS_STARTING;
		if (sl->state == PS_STARTING && sl->cur->ready)
			slot_event(sl, PE_UP);
	} else if (sl->state == PS_STARTING) {
		/* The order was noted down but never reached the keeper. */
		sl->state = PS_STOPPED;
		slot_event(sl, PE_START);
	} else if (sl->state == PS_RUNNING) {
		sl->state = PS_EXITED;
		slot_event(sl, PE_START);
	} else if (sl->state == PS_STOPPING && TAILQ_EMPTY(&sl->draining)) {
		slot_event(sl, PE_GONE);
	} else if (sl->state == PS_BACKOFF) {
		sl->retry_at_ms = ts->retry_at_ms;
		loop_timer_start(&sl->retry,
		    sl->retry_at_ms - loop_now(en->lp));
	} else if (sl->state == PS_EXITED && sl->wanted) {
		slot_event(sl, PE_START);
	}
	if (sl->leaving) {
		slot_want(sl, false, NULL);
	}
}

static void
recover_program(struct engine *en, struct program *pg)
{
	struct err err = { .text = "" };
	int n = recover_nslots(en, pg->conf);

	if (sockets_open(pg, n, &err) == -1)
		log_errorx("%s: %s", pg->conf->name, err.text);
	pg->slots = xcalloc((size_t)n, sizeof *pg->slots);
	pg->started = true;
	for (int i = 0; i < n; i++) {
		struct table_slot ts;

		pg->slots[i] = slot_new(pg, i);
		pg->nslots = i + 1;
		recover_record(pg->slots[i], &ts);
	}
}

static void
recover_roll(struct program *pg)
{
	struct table_roll tr;

	if (table_get_roll(pg->en->table, pg->conf->name, &tr))
		rolling_resume(pg, &tr);
}

void
recover(struct engine *en)
{
	struct err err = { .text = "" };
	struct table_self self;

	en->table = table_open(
	    keeperlink_fd(en->kl, keeperlink_find(en->kl, "state")), &err);
	if (en->table == NULL)
		fatalx("%s", err.text);
	en->events = event_open(
	    keeperlink_fd(en->kl, keeperlink_find(en->kl, "events")), &err);
	if (en->events == NULL)
		fatalx("%s", err.text);
	tree_base(en->cgroup, sizeof en->cgroup,
	    keeperlink_welcome(en->kl)->pid);
	for (size_t i = 0; i < en->cf->nprograms; i++)
		recover_program(en, program_new(en, en->cf->programs[i]));
	program_sort(en);
	for (size_t i = 0; i < en->norphans; i++)
		recover_instance(en, &en->orphans[i]);
	freep(&en->orphans);
	en->norphans = 0;
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		for (int k = 0; k < pg->nslots; k++) {
			struct table_slot ts;

			if (!table_get_slot(en->table, pg->slots[k]->record,
				&ts))
				memset(&ts, 0, sizeof ts);
			recover_resume_slot(pg->slots[k], &ts);
		}
		recover_roll(pg);
	}
	if (table_get_self(en->table, &self) && self.stopping)
		order_stop_all(en, NULL);
}
