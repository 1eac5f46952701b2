/*
 * reload - from the config in force to the file as it is now: the difference.
 *
 * All or nothing: sockets of added programs are bound first, and when one of
 * them can't be, nothing has changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/named.h"
#include "engine/queued.h"
#include "engine/watching.h"

#define REMAKE_MS    10
#define REMAKE_TRIES 100

static struct config *
reload_read(const struct engine *en, struct config_errors *errs)
{
	if (*en->config_file == '/')
		return config_load(en->config_file, errs);
	strv_add(&errs->errors,
	    "reeved was started with --exec: there is no config to read "
	    "again");
	return NULL;
}

int
engine_plan(
    struct engine *en, struct config_plan *plan, struct config_errors *errs)
{
	struct config *cf = reload_read(en, errs);

	if (cf == NULL)
		return -1;
	config_diff(plan, en->cf, cf);
	config_free(cf);
	return 0;
}

/* What it depends on is another: that is started with it, as in a start. */
static bool
reload_needs_other(
    const struct config_program *old, const struct config_program *new)
{
	struct config_dependency a, b;
	bool has_a, has_b;

	for (size_t n = 0;; n++) {
		has_a = config_program_dependency(old, n, &a);
		has_b = config_program_dependency(new, n, &b);
		if (!has_a || !has_b)
			return has_b;
		if (a.condition != b.condition || strcmp(a.name, b.name) != 0)
			return true;
	}
}

static void
reload_set_conf(struct program *pg, struct config_program *conf)
{
	struct config_program *old = pg->conf;

	pg->pull = pg->pull || (pg->started && reload_needs_other(old, conf));
	pg->conf = config_program_ref(conf);
	pg->reverted = false;
	pg->en->deps_stale = true;
	for (int i = 0; i < pg->nslots; i++) {
		slot_streams(pg->slots[i]);
		slot_conf_changed(pg->slots[i], old);
	}
	budget_program_changed(pg, old);
	if (old->roll_soak_ms != pg->conf->roll_soak_ms)
		rolling_soak_changed(pg);
	config_program_unref(old);
}

/* A number that the file did not change stays what a scale has made of it. */
static void
reload_resize(struct program *pg, const struct config_program *old)
{
	int was = config_program_workers(old, pg->en->usable_cpus);
	int now = config_program_workers(pg->conf, pg->en->usable_cpus);

	if (was != now)
		program_resize(pg, now, NULL);
}

/*
 * Those that were started from old differ from conf in live keys alone.  One
 * that a roll is about to replace is of an older config: it stays with that.
 */
static void
reload_inst(struct inst *in, const struct config_program *old,
    struct config_program *conf)
{
	if (in == NULL || in->conf != old)
		return;
	inst_set_conf(in, conf);
}

static void
reload_insts(struct program *pg, const struct config_program *old,
    struct config_program *conf)
{
	struct inst *in;

	for (int i = 0; i < pg->nslots; i++) {
		struct slot *sl = pg->slots[i];

		reload_inst(sl->cur, old, conf);
		reload_inst(sl->next, old, conf);
		TAILQ_FOREACH(in, &sl->draining, entry)
			reload_inst(in, old, conf);
	}
}

/* Live keys hold for running instances as well. */
static void
reload_live(struct program *pg, struct config_program *conf)
{
	struct config_program *old = config_program_ref(pg->conf);

	reload_set_conf(pg, conf);
	reload_insts(pg, old, conf);
	recycle_program(pg);
	limits_changed(pg);
	reload_resize(pg, old);
	config_program_unref(old);
}

static void
reload_roll(struct program *pg, struct config_program *conf,
    const struct engine_who *who)
{
	struct config_program *old = config_program_ref(pg->conf);

	if (pg->before == NULL)
		pg->before = config_program_ref(old);
	reload_set_conf(pg, conf);
	recycle_program(pg);
	reload_resize(pg, old);
	config_program_unref(old);
	rolling_start(pg, who);
}

/* Stopped, its sockets closed, and made again from the new config. */
static void
reload_restart(struct program *pg, const struct engine_who *who)
{
	pg->remake = true;
	if (pg->removed)
		return; /* it stops already */
	pg->removed = true;
	if (pg->roll != NULL)
		rolling_abort(pg, "restarted by a reload");
	for (int i = 0; i < pg->nslots; i++) {
		pg->slots[i]->leaving = true;
		slot_want(pg->slots[i], false, who);
	}
	program_progress(pg);
}

static int
reload_add(struct engine *en, struct config_program *conf, struct err *err)
{
	struct program *pg = program_find(en, conf->name);
	int n = config_program_workers(conf, en->usable_cpus);

	/* The one that was removed has not gone yet: it is made again then. */
	if (pg != NULL) {
		pg->remake = true;
		return 0;
	}
	pg = program_new(en, conf);
	if (sockets_open(pg, n, err) == -1) {
		err_prefix(err, "program %s: ", conf->name);
		program_free(pg);
		return -1;
	}
	return 0;
}

static void
reload_begin(struct engine *en, struct config_program *conf)
{
	struct program *pg = program_find(en, conf->name);

	if (pg->removed)
		return;
	pg->started = pg->pull = conf->autostart;
	recycle_program(pg);
	program_resize(pg, config_program_workers(conf, en->usable_cpus), NULL);
}

bool
reload_is_remaking(const struct engine *en)
{
	return loop_timer_active(&en->remake);
}

/* Programs that could not be made again: another try. */
static void
reload_missing(struct engine *en)
{
	for (size_t i = 0; i < en->cf->nprograms; i++)
		if (program_find(en, en->cf->programs[i]->name) == NULL)
			reload_remade(en, en->cf->programs[i]->name);
}

static void
reload_on_remake(struct loop_timer *t, void *arg)
{
	struct engine *en = arg;

	(void)t;
	reload_missing(en);
	if (!reload_is_remaking(en))
		op_look_again(en);
}

/* What was closed here may not be closed in the keeper yet. */
static bool
reload_remake_later(struct engine *en)
{
	if (en->remake.cb == NULL)
		loop_timer_init(&en->remake, en->lp, reload_on_remake, en);
	if (en->remake_tries >= REMAKE_TRIES)
		return false;
	en->remake_tries++;
	loop_timer_start(&en->remake, REMAKE_MS);
	return true;
}

/* A program whose restart was waited for: the new one takes its name. */
void
reload_remade(struct engine *en, const char *name)
{
	struct config_program *conf = config_program_find(en->cf, name);
	struct err err = { .text = "" };

	if (conf == NULL || en->stopping)
		return;
	if (reload_add(en, conf, &err) == -1) {
		if (err.errnum == EADDRINUSE && reload_remake_later(en))
			return;
		log_errorx("%s", err.text);
		engine_event(en, name, "reload", "%s", err.text);
		return;
	}
	reload_begin(en, conf);
	program_sort(en);
	wait_pull_all(en);
}

static void
reload_program(struct engine *en, const struct config_change *ch,
    const struct engine_who *who)
{
	struct program *pg = program_find(en, ch->program);
	struct config_program *conf = config_program_find(en->cf, ch->program);

	log_info("reload: %s %s", ch->program, config_change_name(ch->kind));
	engine_event(
	    en, ch->program, "reload", "%s", config_change_name(ch->kind));
	if (pg == NULL)
		return; /* it could not be made again: see reload_missing */
	if (pg->removed && ch->kind != CHANGE_REMOVED) {
		/* It stops; what comes after it is made from the new config. */
		pg->remake = true;
		return;
	}
	switch (ch->kind) {
	case CHANGE_ADDED:
		reload_begin(en, conf);
		break;
	case CHANGE_REMOVED:
		reload_restart(pg, who);
		pg->remake = false;
		break;
	case CHANGE_LIVE:
		/* Live from a config that it does not run: all of it is new. */
		if (pg->reverted)
			reload_roll(pg, conf, who);
		else
			reload_live(pg, conf);
		break;
	case CHANGE_ROLL:
		reload_roll(pg, conf, who);
		break;
	case CHANGE_RESTART:
		reload_restart(pg, who);
		break;
	}
}

/* Before the new config is the one in force: what rolls may have to go back. */
static void
reload_keep_before(struct engine *en, const struct config_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct config_change *ch = &plan->v[i];
		struct program *pg =
		    ch->program != NULL ? program_find(en, ch->program) : NULL;

		if (pg != NULL && !pg->removed &&
		    (ch->kind == CHANGE_ROLL ||
			(ch->kind == CHANGE_LIVE && pg->reverted)))
			before_keep(pg);
		if (pg != NULL && ch->kind == CHANGE_REMOVED)
			before_keep_removed(pg);
	}
}

/* Programs without a change take their part of the new config as it is. */
static void
reload_adopt_rest(struct engine *en)
{
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];
		struct config_program *conf =
		    config_program_find(en->cf, pg->conf->name);
		struct config_program *old;

		/* While a roll to it goes on, and after one that was aborted,
		 * what runs is not what the config says. */
		if (conf == NULL || pg->removed || pg->conf == conf ||
		    pg->before != NULL || pg->reverted)
			continue;
		old = config_program_ref(pg->conf);
		reload_set_conf(pg, conf);
		reload_insts(pg, old, conf);
		config_program_unref(old);
	}
}

/* An added program that must not be after all. */
static void
reload_undo_added(struct engine *en, const char *name)
{
	struct program *pg = program_find(en, name);

	if (pg->removed)
		pg->remake = false;
	else
		program_free(pg);
}

/* What can only be found out by binding is found out before anything stops. */
static int
reload_bind(struct engine *en, struct config *cf,
    const struct config_change *ch, struct err *err)
{
	const struct program *pg;
	struct config_program *to;

	if (ch->program == NULL)
		return 0;
	pg = program_find(en, ch->program);
	to = config_program_find(cf, ch->program);
	if (ch->kind == CHANGE_ADDED)
		return reload_add(en, to, err);
	if (ch->kind != CHANGE_RESTART || pg == NULL || pg->removed)
		return 0;
	if (sockets_probe(pg->conf, to, err) == 0)
		return 0;
	return err_prefix(err, "program %s: ", ch->program);
}

static int
reload_bind_all(struct engine *en, struct config *cf,
    const struct config_plan *plan, struct config_errors *errs)
{
	struct err err = { .text = "" };

	for (size_t i = 0; i < plan->n; i++) {
		if (reload_bind(en, cf, &plan->v[i], &err) == 0)
			continue;
		strv_add(&errs->errors, err.text);
		while (i-- > 0)
			if (plan->v[i].kind == CHANGE_ADDED &&
			    plan->v[i].program != NULL)
				reload_undo_added(en, plan->v[i].program);
		return -1;
	}
	return 0;
}

static void
reload_tell(struct engine *en, const struct config_errors *errs)
{
	for (size_t i = 0; i < errs->errors.n; i++)
		log_errorx("%s", errs->errors.v[i]);
	log_errorx("reload: the config has errors, nothing was changed");
	engine_event(en, "", "reload", "refused: %s",
	    errs->errors.n != 0 ? errs->errors.v[0] : "?");
}

static void
reload_limits(
    struct engine *en, const struct config *cf, struct config_errors *errs)
{
	limits_setup(en, cf, &errs->warnings);
	for (size_t i = 0; i < errs->warnings.n; i++)
		log_warnx("%s", errs->warnings.v[i]);
}

int
reload_apply(struct engine *en, const struct engine_who *who,
    struct config_plan *plan, struct config_errors *errs)
{
	struct config *cf, *old = en->cf;

	if (en->stopping) {
		strv_add(&errs->errors, "reeved is stopping");
		return -1;
	}
	engine_notify(en, "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)clock_mono_ms() * 1000);
	cf = reload_read(en, errs);
	if (cf != NULL) {
		config_diff(plan, old, cf);
		en->coming = cf;
		if (reload_bind_all(en, cf, plan, errs) == -1) {
			en->coming = NULL;
			config_plan_fini(plan);
			config_free(cf);
			cf = NULL;
		}
	}
	if (cf == NULL) {
		reload_tell(en, errs);
		engine_notify(en, "READY=1");
		return -1;
	}
	reload_limits(en, cf, errs);
	reload_keep_before(en, plan);
	engine_pin(en, cf);
	en->cf = cf;
	en->coming = NULL;
	engine_save_config(en);
	for (size_t i = 0; i < plan->n; i++)
		if (plan->v[i].program != NULL)
			reload_program(en, &plan->v[i], who);
	en->remake_tries = 0;
	reload_missing(en);
	reload_adopt_rest(en);
	program_sort(en);
	wait_pull_all(en);
	if (en->nprograms != 0)
		program_progress(en->programs[0]);
	watching_setup(en);
	named_reload(en);
	engine_log_sink(en);
	budget_changed(en, old);
	queued_configure(en);
	config_free(old);
	engine_notify(en, "READY=1");
	engine_status_line(en);
	engine_event(en, "", "reload", "%zu changes", plan->n);
	log_info("reload: %zu changes", plan->n);
	return 0;
}
