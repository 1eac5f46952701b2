/*
 * limits - what cgroups hold instances to: memory_max, cpu_weight, cpu_max,
 * pids_max; and which deaths were the doing of the kernel's OOM killer.
 *
 * A key whose controller is not to be had is a warning with its line, at the
 * start and at each reload.  The controllers are asked for when a key is
 * there; memory also without one where that costs nothing, to tell OOM kills.
 */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "engine/engine_main.h"
#include "engine/engine_priv.h"

static const struct {
	const char *key;
	const char *controller;
	unsigned bit;
} limits_keys[] = {
	{ "memory_max", "memory", TREE_MEMORY },
	{ "pids_max", "pids", TREE_PIDS },
	{ "cpu_weight", "cpu", TREE_CPU },
	{ "cpu_max", "cpu", TREE_CPU },
};

#define LIMITS_KEYS (sizeof limits_keys / sizeof limits_keys[0])

static bool
limits_is_set(const struct config_program *p, size_t key)
{
	const bool set[LIMITS_KEYS] = { p->rare->memory_max > 0,
		p->rare->pids_max > 0, p->rare->cpu_weight > 0,
		p->rare->cpu_max.quota_us > 0 };

	return set[key];
}

/* has: "has" or what it would have. */
static void
limits_warn(const struct config_program *p, size_t key, const char *has,
    const struct err *err, struct strv *warnings)
{
	const char *name = limits_keys[key].key;
	char text[1024];
	int line;
	const char *file = config_program_origin(p, name, &line);

	snprintf(text, sizeof text, "%s:%d: [program:%s] %s %s no effect: %s",
	    file, line, p->name, name, has, err->text);
	strv_add(warnings, text);
}

static void
limits_program(
    struct engine *en, const struct config_program *p, struct strv *warnings)
{
	pid_t keeper = keeperlink_welcome(en->kl)->pid;

	for (size_t i = 0; i < LIMITS_KEYS; i++) {
		struct err err = { .text = "" };

		if (!limits_is_set(p, i))
			continue;
		if (tree_enable(en->cgroup, limits_keys[i].controller, keeper,
			true, &err) == 0)
			en->controllers |= limits_keys[i].bit;
		else
			limits_warn(p, i, "has", &err, warnings);
	}
}

void
limits_setup(struct engine *en, const struct config *cf, struct strv *warnings)
{
	pid_t keeper = keeperlink_welcome(en->kl)->pid;
	struct err err = { .text = "" };

	slots_check_fds(en, cf, warnings);
	for (size_t i = 0; i < cf->nprograms; i++)
		limits_program(en, cf->programs[i], warnings);
	if (tree_enable(en->cgroup, "memory", keeper, false, &err) == 0)
		en->controllers |= TREE_MEMORY;
}

static void
limits_check(const struct config_program *p, struct strv *warnings)
{
	struct err err = { .text = "" };

	for (size_t i = 0; i < LIMITS_KEYS; i++)
		if (limits_is_set(p, i) &&
		    tree_offers(limits_keys[i].controller, &err) == -1)
			limits_warn(p, i,
			    "would, in a reeved started here, have", &err,
			    warnings);
}

void
engine_check(const struct config *cf, struct strv *warnings)
{
	for (size_t i = 0; i < cf->nprograms; i++)
		limits_check(cf->programs[i], warnings);
}

static void
limits_write(struct inst *in, const struct config_program *conf)
{
	struct engine *en = in->slot->prog->en;
	struct err err = { .text = "" };

	if (en->controllers == 0 ||
	    tree_limit(&in->tree, en->controllers, conf, &err) == 0)
		return;
	log_warnx("%s: %s", in->slot->name, err.text);
	engine_event(en, in->slot->name, "limit", "%s", err.text);
}

void
limits_start(struct inst *in)
{
	limits_write(in, in->conf);
	if ((in->slot->prog->en->controllers & TREE_MEMORY) != 0)
		in->oom_kills = tree_oom_kills(&in->tree);
}

void
limits_changed(struct program *pg)
{
	for (int i = 0; i < pg->nslots; i++) {
		if (pg->slots[i]->cur != NULL)
			limits_write(pg->slots[i]->cur, pg->conf);
		if (pg->slots[i]->next != NULL)
			limits_write(pg->slots[i]->next, pg->conf);
	}
}

/* --- out of memory -------------------------------------------------------- */

void
limits_look(struct engine *en)
{
	en->oom_kills = tree_oom_kills_anywhere();
	en->oom_since_ms = loop_now(en->lp);
}

/* All who die in one turn of the loop share one look: it is a long file. */
static int64_t
limits_kills_now(struct engine *en)
{
	if (en->oom_now_ms != loop_now(en->lp)) {
		en->oom_now = tree_oom_kills_anywhere();
		en->oom_now_ms = loop_now(en->lp);
	}
	return en->oom_now;
}

/*
 * Without a memory controller the machine's count tells: when it has not
 * grown since an engine looked, no OOM killer was at work.
 */
static enum death_oom
limits_guess(struct engine *en, mono_ms died_ms)
{
	int64_t now = limits_kills_now(en);

	if (now == -1 || en->oom_kills == -1 || died_ms < en->oom_since_ms)
		return OOM_UNKNOWN;
	if (now <= en->oom_kills)
		return OOM_NO;
	en->oom_kills++; /* that one is accounted for */
	return OOM_PERHAPS;
}

enum death_oom
limits_oom(const struct inst *in, const struct keeper_exit *ex)
{
	int64_t now = -1, told;

	if (in->oom_kills != -1)
		now = tree_oom_kills(&in->tree);
	if (ex->signo != SIGKILL || in->killed)
		return now > in->oom_kills && !in->stopping ? OOM_PART : OOM_NO;
	if (now == -1)
		return limits_guess(in->slot->prog->en, ex->died_ms);
	/* Not for those who went before it, and were told of. */
	told = oomwatch_told(in, ex->died_ms);
	if (now <= told)
		return now > in->oom_kills ? OOM_PART : OOM_NO;
	return OOM_YES;
}

const char *
limits_oom_text(enum death_oom oom)
{
	switch (oom) {
	case OOM_NO:
		break;
	case OOM_YES:
		return "out of memory: the kernel's OOM killer";
	case OOM_PERHAPS:
		return "perhaps by the kernel's OOM killer, which was at "
		       "work (no memory controller to tell)";
	case OOM_UNKNOWN:
		return "no memory controller: an OOM kill can't be told";
	case OOM_PART:
		return "out of memory: the kernel's OOM killer was among its "
		       "other processes";
	}
	return "";
}
