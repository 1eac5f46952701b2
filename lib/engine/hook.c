/*
 * hook - commands around an instance's life.
 *
 * Each is a task (task.h) with the label "!K:web.0#7.1": kind, slot,
 * generation and cgroup index of the instance.  What a hook's end leads to is
 * done before the keeper forgets the task, so that an engine that is killed in
 * between is told of it again; the order to run one is sent before the
 * instance's record says so, and the label keeps it from being run twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine_priv.h"

static const struct hook_kind {
	const char *name;
	char letter;
} hook_kinds[] = {
	[HOOK_BEFORE_START] = { "before_start", 's' },
	[HOOK_AFTER_READY] = { "after_ready", 'r' },
	[HOOK_BEFORE_STOP] = { "before_stop", 't' },
	[HOOK_AFTER_EXIT] = { "after_exit", 'x' },
	[HOOK_BEFORE_ROLL] = { "before_roll", 'R' },
};

/* --- running them -----------------------------------------------------------
 */

static void
hook_tree_name(
    char *out, size_t size, const struct slot *sl, enum config_hook kind)
{
	snprintf(out, size, "%s.%s", sl->name, hook_kinds[kind].name);
}

/* What it is to know of the instance. */
static size_t
hook_env(const struct inst *in, enum config_hook kind, struct slot_env env[4],
    char text[2][24])
{
	size_t n = 0;

	env[n++] = (struct slot_env){ "REEVE_HOOK", hook_kinds[kind].name };
	if (in->pid != 0) {
		snprintf(text[0], sizeof text[0], "%d", (int)in->pid);
		env[n++] = (struct slot_env){ "REEVE_PID", text[0] };
	}
	if (kind != HOOK_AFTER_EXIT)
		return n;
	snprintf(text[1], sizeof text[1], "%d",
	    in->end->death.signo != 0 ? in->end->death.signo
				      : in->end->death.code);
	env[n++] =
	    (struct slot_env){ in->end->death.signo != 0 ? "REEVE_EXIT_SIGNAL"
							 : "REEVE_EXIT_CODE",
		    text[1] };
	return n;
}

static struct task *
hook_run(
    struct inst *in, enum config_hook kind, task_done *done, struct err *err)
{
	char label[SPEC_LABEL_MAX + 1], tree[SLOT_NAME_MAX + 16], text[2][24];
	struct slot_env env[4];
	struct slot_command c = { .conf = in->conf,
		.command = in->conf->rare->hook[kind],
		.label = label,
		.tree = tree,
		.index = in->tree_index,
		.env = env,
		.timeout_ms = in->conf->rare->hook_timeout_ms };
	const struct keeper_welcome *w =
	    keeperlink_welcome(in->slot->prog->en->kl);
	char what[SPEC_LABEL_MAX + 64];

	/* Generations begin again with each reeved. */
	snprintf(what, sizeof what, "%c.%s#%u.%u.%d.%lld",
	    hook_kinds[kind].letter, in->slot->name, in->generation,
	    in->tree_index, (int)w->origin, (long long)w->started_ms);
	if (config_hook_task(c.command) != NULL)
		return hook_task(in->slot->prog->en,
		    config_hook_task(c.command), what, done, in, err);
	snprintf(label, sizeof label, "!%c:%s#%u.%u", hook_kinds[kind].letter,
	    in->slot->name, in->generation, in->tree_index);
	hook_tree_name(tree, sizeof tree, in->slot, kind);
	c.nenv = hook_env(in, kind, env, text);
	return slot_command(in->slot, &c, done, in, err);
}

static bool
hook_went_well(const struct task_end *end)
{
	return end->how == TASK_EXITED && end->code == 0;
}

/* Of those whose failure changes nothing. */
static void
hook_tell(const struct inst *in, enum config_hook kind, const char *why)
{
	const char *name = hook_kinds[kind].name;

	log_warnx("%s: %s failed: %s", in->slot->name, name, why);
	engine_event(in->slot->prog->en, in->slot->name, "hook",
	    "%s failed: %s", name, why);
}

static void
hook_report(
    const struct inst *in, enum config_hook kind, const struct task_end *end)
{
	if (end->how != TASK_CANCELLED && !hook_went_well(end))
		hook_tell(in, kind, end->text);
}

/* --- each of them -----------------------------------------------------------
 */

static void
hook_started(void *arg, const struct task_end *end)
{
	struct inst *in = arg;
	struct err err;
	char why[sizeof end->text + 32];

	in->hook = NULL;
	if (!in->stopping && hook_went_well(end) &&
	    inst_launch(in, &err) == 0) {
		slot_note(in->slot, "%s", "");
		return;
	}
	if (in->stopping)
		snprintf(why, sizeof why, "stopped while before_start ran");
	else if (hook_went_well(end))
		snprintf(why, sizeof why, "%.150s", err.text);
	else
		snprintf(why, sizeof why, "before_start failed: %s", end->text);
	inst_not_started(in, why);
}

int
hook_before_start(struct inst *in, struct err *err)
{
	in->hook = hook_run(in, HOOK_BEFORE_START, hook_started, err);
	if (in->hook == NULL)
		return err_prefix(err, "before_start: ");
	slot_note(in->slot, "before_start runs");
	return 0;
}

static void
hook_stopped(void *arg, const struct task_end *end)
{
	struct inst *in = arg;

	in->hook = NULL;
	hook_report(in, HOOK_BEFORE_STOP, end);
	if (in->dead)
		inst_settle(in);
	else if (in->stopping && !in->killed)
		inst_send_stop(in);
}

bool
hook_before_stop(struct inst *in)
{
	struct err err;

	if (in->hook != NULL)
		return true; /* an engine before this one began it */
	if (!in->ready || in->conf->rare->hook[HOOK_BEFORE_STOP] == NULL)
		return false;
	in->hook = hook_run(in, HOOK_BEFORE_STOP, hook_stopped, &err);
	if (in->hook == NULL)
		hook_tell(in, HOOK_BEFORE_STOP, err.text);
	return in->hook != NULL;
}

static void
hook_readied(void *arg, const struct task_end *end)
{
	struct inst *in = arg;

	in->after_ready = NULL;
	hook_report(in, HOOK_AFTER_READY, end);
	inst_settle(in);
}

void
hook_after_ready(struct inst *in)
{
	struct err err;

	if (in->after_ready != NULL ||
	    in->conf->rare->hook[HOOK_AFTER_READY] == NULL)
		return;
	in->after_ready = hook_run(in, HOOK_AFTER_READY, hook_readied, &err);
	if (in->after_ready == NULL)
		hook_tell(in, HOOK_AFTER_READY, err.text);
}

static void
hook_exited(void *arg, const struct task_end *end)
{
	struct inst *in = arg;

	in->hook = NULL;
	hook_report(in, HOOK_AFTER_EXIT, end);
	inst_settle(in);
}

bool
hook_after_exit(struct inst *in)
{
	struct err err;

	if (in->exit_told || in->pid == 0 || in->slot->prog->en->kill_now ||
	    in->conf->rare->hook[HOOK_AFTER_EXIT] == NULL)
		return false;
	in->exit_told = true;
	in->hook = hook_run(in, HOOK_AFTER_EXIT, hook_exited, &err);
	if (in->hook == NULL)
		hook_tell(in, HOOK_AFTER_EXIT, err.text);
	return in->hook != NULL;
}

/* --- of a program -----------------------------------------------------------
 */

static void
hook_rolled(void *arg, const struct task_end *end)
{
	struct program *pg = arg;

	pg->roll_hook = NULL;
	rolling_prepared(pg, hook_went_well(end) ? NULL : end->text);
}

static void
hook_roll_tree(const struct program *pg, char *out, size_t size)
{
	snprintf(out, size, "%.63s.%s", pg->conf->name,
	    hook_kinds[HOOK_BEFORE_ROLL].name);
}

int
hook_before_roll(struct program *pg, wall_ms begun_ms, struct err *err)
{
	static const struct slot_env env[] = { { "REEVE_HOOK",
	    "before_roll" } };
	char label[SPEC_LABEL_MAX + 1], tree[SLOT_NAME_MAX + 16];
	struct slot_command c = { .conf = pg->conf,
		.command = pg->conf->rare->hook[HOOK_BEFORE_ROLL],
		.label = label,
		.tree = tree,
		.env = env,
		.nenv = 1,
		.timeout_ms = pg->conf->rare->hook_timeout_ms };

	if (config_hook_task(c.command) != NULL) {
		snprintf(label, sizeof label, "R.%.63s.%lld", pg->conf->name,
		    (long long)begun_ms);
		pg->roll_hook = hook_task(pg->en, config_hook_task(c.command),
		    label, hook_rolled, pg, err);
		return pg->roll_hook != NULL ? 0 : -1;
	}
	snprintf(label, sizeof label, "!R:%.63s", pg->conf->name);
	hook_roll_tree(pg, tree, sizeof tree);
	pg->roll_hook = slot_command(pg->slots[0], &c, hook_rolled, pg, err);
	return pg->roll_hook != NULL ? 0 : -1;
}

void
hook_cancel_roll(struct program *pg)
{
	if (pg->roll_hook == NULL)
		return;
	task_disown(pg->roll_hook);
	task_kill(pg->roll_hook);
	pg->roll_hook = NULL;
}

static bool
hook_adopt_roll(struct engine *en, const struct orphan *o)
{
	char tree[SLOT_NAME_MAX + 16];
	struct program *pg;

	if (!str_starts(o->label, "!R:") ||
	    (pg = program_find(en, o->label + 3)) == NULL)
		return false;
	hook_roll_tree(pg, tree, sizeof tree);
	pg->roll_hook = task_adopt(
	    en, tree, 0, o->id, o->pid, o->started_ms, hook_rolled, pg);
	task_set_timeout(pg->roll_hook, pg->conf->rare->hook_timeout_ms);
	return true;
}

void
hook_cancel(struct inst *in)
{
	if (in->hook != NULL && !in->dead)
		task_kill(in->hook);
}

const char *
hook_running(const struct inst *in)
{
	if (in->hook == NULL)
		return NULL;
	if (in->preparing)
		return hook_kinds[HOOK_BEFORE_START].name;
	return hook_kinds[in->dead ? HOOK_AFTER_EXIT : HOOK_BEFORE_STOP].name;
}

/* --- after an engine before this one ----------------------------------------
 */

static struct inst *
hook_find_inst(struct slot *sl, uint32_t generation)
{
	struct inst *in;

	if (sl->cur != NULL && sl->cur->generation == generation)
		return sl->cur;
	if (sl->next != NULL && sl->next->generation == generation)
		return sl->next;
	TAILQ_FOREACH(in, &sl->draining, entry)
		if (in->generation == generation)
			return in;
	return NULL;
}

/* The instance that a before_start is for: the keeper does not know it. */
static struct inst *
hook_remake_inst(struct slot *sl, uint32_t generation, unsigned tree_index)
{
	struct table_slot ts;
	struct inst *in;

	if (hook_find_inst(sl, generation) != NULL ||
	    !table_get_slot(sl->prog->en->table, sl->record, &ts))
		return NULL;
	if (ts.cur.id != 0 && ts.cur.generation == generation &&
	    sl->cur == NULL) {
		in = inst_new(sl, INST_CUR, sl->prog->conf);
		*inst_restore(in) = ts.cur;
		sl->cur = in;
	} else if (ts.next.id != 0 && ts.next.generation == generation &&
		   sl->next == NULL) {
		in = inst_new(sl, INST_NEXT, sl->prog->conf);
		*inst_restore(in) = ts.next;
		sl->next = in;
	} else {
		return NULL;
	}
	in->id = inst_restore(in)->id;
	in->generation = generation;
	in->tree_index = tree_index;
	in->preparing = true;
	return in;
}

static bool
hook_parse(const char *label, enum config_hook *kind, char *slot, size_t size,
    uint32_t *generation, unsigned *tree_index)
{
	const char *hash = strrchr(label, '#');

	if (label[0] != '!' || label[1] == '\0' || label[2] != ':' ||
	    hash == NULL || (size_t)(hash - label - 3) >= size ||
	    sscanf(hash + 1, "%u.%u", generation, tree_index) != 2)
		return false;
	memcpy(slot, label + 3, (size_t)(hash - label - 3));
	slot[hash - label - 3] = '\0';
	for (int k = 0; k < HOOK__N; k++)
		if (hook_kinds[k].letter == label[1]) {
			*kind = (enum config_hook)k;
			return true;
		}
	return false;
}

bool
hook_adopt(struct engine *en, const struct orphan *o)
{
	static task_done *const dones[HOOK__N] = {
		[HOOK_BEFORE_START] = hook_started,
		[HOOK_AFTER_READY] = hook_readied,
		[HOOK_BEFORE_STOP] = hook_stopped,
		[HOOK_AFTER_EXIT] = hook_exited,
	};
	char name[SLOT_NAME_MAX], tree[SLOT_NAME_MAX + 16];
	enum config_hook kind;
	uint32_t generation;
	unsigned tree_index;
	struct inst *in;
	struct slot *sl;
	struct task *t;

	if (hook_adopt_roll(en, o))
		return true;
	if (!hook_parse(
		o->label, &kind, name, sizeof name, &generation, &tree_index) ||
	    dones[kind] == NULL || (sl = recover_slot(en, name)) == NULL)
		return false;
	in = kind == HOOK_BEFORE_START
		 ? hook_remake_inst(sl, generation, tree_index)
		 : hook_find_inst(sl, generation);
	if (in == NULL)
		return false;
	hook_tree_name(tree, sizeof tree, sl, kind);
	t = task_adopt(en, tree, in->tree_index, o->id, o->pid, o->started_ms,
	    dones[kind], in);
	task_set_timeout(t, in->conf->rare->hook_timeout_ms);
	if (kind == HOOK_AFTER_READY)
		in->after_ready = t;
	else
		in->hook = t;
	in->exit_told = in->exit_told || kind == HOOK_AFTER_EXIT;
	return true;
}
