/* cmd_status - the questions that are answered at once. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/near.h"
#include "base/xalloc.h"
#include "config/jobs.h"
#include "ctl/ctl_priv.h"
#include "engine/channel.h"

void
cmd_hello(struct ctl_req *r, struct args *a)
{
	struct engine *en = r->s->srv->en;
	struct jw *w;

	if (args_end(a, r) == -1)
		return;
	w = ctl_result_begin(r);
	jw_obj(w, NULL);
	jw_int(w, "protocol", CTL_PROTOCOL);
	jw_str(w, "version", REEVE_VERSION);
	jw_str(w, "identifier", engine_config(en)->identifier);
	jw_str(w, "config", engine_config(en)->file);
	jw_int(w, "reeved_pid", engine_reeved_pid(en));
	jw_int(w, "engine_pid", getpid());
	jw_int(w, "incarnation", engine_incarnation(en));
	jw_int(w, "uptime_ms", engine_uptime_ms(en));
	jw_int(w, "usable_cpus", engine_usable_cpus(en));
	jw_int(w, "last_event", (int64_t)event_last(engine_events(en)));
	jw_int(w, "last_message", (int64_t)engine_last_message(en));
	jw_end_obj(w);
	ctl_result_end(r);
}

/* --- status, pid ---------------------------------------------------------- */

enum slot_member {
#define SLOT(name, put) SLOT_##name,
#include "ctl/slot.def"
#undef SLOT
	SLOT__N
};

static const char *const slot_members[SLOT__N] = {
#define SLOT(name, put) #name,
#include "ctl/slot.def"
#undef SLOT
};

static void
slot_put_list(struct jw *w, const char *key, const struct strv *list)
{
	jw_arr(w, key);
	for (size_t i = 0; list != NULL && i < list->n; i++)
		jw_str(w, NULL, list->v[i]);
	jw_end_arr(w);
}

static void
slot_put(struct jw *w, enum slot_member m, const char *key,
    const struct slot_info *si)
{
	switch (m) {
#define SLOT(name, put)                                                        \
	case SLOT_##name:                                                      \
		put;                                                           \
		return;
#include "ctl/slot.def"
#undef SLOT
	case SLOT__N:
		return;
	}
}

void
ctl_put_slot(struct jw *w, const char *key, const struct slot_info *si)
{
	jw_obj(w, key);
	for (enum slot_member m = 0; m < SLOT__N; m++)
		slot_put(w, m, slot_members[m], si);
	jw_end_obj(w);
}

static void
status_slot(void *arg, const struct slot_info *si)
{
	ctl_put_slot(arg, NULL, si);
}

/*
 * The members that were asked for, as rows of text: for a table of many, a
 * fraction of the work on both sides.
 */
struct status_fields {
	struct jw w;
	enum slot_member v[SLOT__N];
	size_t n;
};

static void
status_row(void *arg, const struct slot_info *si)
{
	struct status_fields *sf = arg;

	for (size_t i = 0; i < sf->n; i++)
		slot_put(&sf->w, sf->v[i], NULL, si);
	jw_plain_end(&sf->w);
}

static void
status_fields(
    struct args *a, const struct strv *fields, struct status_fields *sf)
{
	enum slot_member m;

	sf->n = 0;
	for (size_t i = 0; i < fields->n && !a->bad; i++) {
		for (m = 0; m < SLOT__N; m++) {
			if (strcmp(slot_members[m], fields->v[i]) == 0)
				break;
		}
		if (m == SLOT_depends_on || m == SLOT_bind_to)
			args_error(
			    a, "\"%s\" is a list and no field", fields->v[i]);
		else if (m == SLOT__N)
			args_error(a, "a slot has no \"%.32s\"", fields->v[i]);
		else if (sf->n == SLOT__N)
			args_error(a, "a field is named twice");
		else
			sf->v[sf->n++] = m;
	}
}

static void
status_pid(void *arg, const struct slot_info *si)
{
	struct jw *w = arg;

	jw_obj(w, NULL);
	jw_str(w, "name", si->name);
	jw_int_or(w, "pid", si->pid, 0);
	jw_end_obj(w);
}

/* What the client may see goes on to cb. */
struct status_seen {
	const struct ctl_req *r;
	engine_slot_cb *cb;
	void *arg;
};

static void
status_seen(void *arg, const struct slot_info *si)
{
	struct status_seen *ss = arg;

	if (ctl_may(ss->r, si->program, si->name))
		ss->cb(ss->arg, si);
}

static void
status_answer(struct ctl_req *r, const struct strv *names, engine_slot_cb *cb)
{
	struct jw *w = ctl_result_begin(r);
	struct status_seen ss = { .r = r, .cb = cb, .arg = w };
	struct err err;

	jw_arr(w, NULL);
	if (engine_each(r->s->srv->en, names->v, names->n, status_seen, &ss,
		&err) == -1) {
		ctl_fail(r, CTL_E_NAME, "%s", err.text);
		return;
	}
	jw_end_arr(w);
	ctl_result_end(r);
}

static void
status_rows(
    struct ctl_req *r, const struct strv *names, struct status_fields *sf)
{
	struct status_seen ss = { .r = r, .cb = status_row, .arg = sf };
	struct buf text;
	struct err err;

	buf_init(&text);
	jw_plain_init(&sf->w, &text);
	if (engine_each(r->s->srv->en, names->v, names->n, status_seen, &ss,
		&err) == -1) {
		ctl_fail(r, CTL_E_NAME, "%s", err.text);
	} else {
		jw_strn(ctl_result_begin(r), NULL, buf_str(&text), text.len);
		ctl_result_end(r);
	}
	buf_fini(&text);
}

void
cmd_status(struct ctl_req *r, struct args *a)
{
	struct strv names, fields;
	struct status_fields sf;

	strv_init(&names);
	strv_init(&fields);
	args_strv(a, "names", false, &names);
	args_strv(a, "fields", false, &fields);
	status_fields(a, &fields, &sf);
	if (args_end(a, r) == -1)
		;
	else if (sf.n > 0)
		status_rows(r, &names, &sf);
	else
		status_answer(r, &names, status_slot);
	strv_fini(&names);
	strv_fini(&fields);
}

void
cmd_pid(struct ctl_req *r, struct args *a)
{
	struct strv names;

	strv_init(&names);
	args_strv(a, "names", false, &names);
	if (args_end(a, r) == 0) {
		if (names.n > 0) {
			status_answer(r, &names, status_pid);
		} else {
			jw_int(ctl_result_begin(r), NULL,
			    engine_reeved_pid(r->s->srv->en));
			ctl_result_end(r);
		}
	}
	strv_fini(&names);
}

/* --- why ------------------------------------------------------------------ */

static const char *
why_cause(enum death_cause cause)
{
	switch (cause) {
	case DEATH_EXIT:
		return "exit";
	case DEATH_SIGNAL:
		return "signal";
	case DEATH_STOP:
		return "stop";
	case DEATH_RESTART:
		return "restart";
	case DEATH_ROLL:
		return "roll";
	case DEATH_NOT_READY:
		return "not-ready";
	case DEATH_DISCARD:
		return "discard";
	case DEATH_NO_START:
		return "no-start";
	case DEATH_BOUND:
		return "bound";
	case DEATH_RECYCLE:
		return "recycle";
	case DEATH_UNHEALTHY:
		return "unhealthy";
	}
	return "unknown";
}

static void
why_slot(void *arg, const struct slot_info *si)
{
	struct jw *w = arg;

	ctl_put_slot(w, "slot", si);
	jw_arr(w, "deaths");
}

static void
why_death(void *arg, const struct slot_info *si, const struct death_info *di)
{
	struct jw *w = arg;

	(void)si;
	jw_obj(w, NULL);
	jw_int(w, "at_ms", di->at_ms);
	jw_str(w, "cause", why_cause(di->cause));
	jw_int(w, "generation", di->generation);
	jw_int_or(w, "pid", di->pid, 0);
	jw_int(w, "ran_ms", di->ran_ms);
	jw_int_or(w, "exit_code", di->exit_code, -1);
	jw_int_or(w, "exit_signal", di->exit_signal, 0);
	jw_bool(w, "core", di->core);
	jw_bool(w, "killed", di->killed);
	jw_bool(w, "oom", di->oom == OOM_YES || di->oom == OOM_PART);
	jw_int_or(w, "by_uid", di->by_person ? (int64_t)di->by_uid : -1, -1);
	jw_int_or(w, "by_pid", di->by_person ? di->by_pid : -1, -1);
	jw_int_or(w, "max_rss_kb", di->max_rss_kb, -1);
	jw_str(w, "text", di->text);
	jw_str(w, "tail", di->tail);
	jw_end_obj(w);
}

static void
why_collect(void *arg, const struct slot_info *si)
{
	strv_add(arg, si->name);
}

static void
why_answer(struct ctl_req *r, const struct strv *slots)
{
	struct engine *en = r->s->srv->en;
	struct jw *w = ctl_result_begin(r);
	struct err err;

	jw_arr(w, NULL);
	for (size_t i = 0; i < slots->n; i++) {
		jw_obj(w, NULL);
		if (engine_why(en, slots->v[i], why_slot, why_death, w, &err) ==
		    -1) {
			ctl_fail(r, CTL_E_NAME, "%s", err.text);
			return;
		}
		jw_end_arr(w);
		jw_end_obj(w);
	}
	jw_end_arr(w);
	ctl_result_end(r);
}

void
cmd_why(struct ctl_req *r, struct args *a)
{
	struct strv names, slots;
	struct status_seen ss = { r, why_collect, &slots };
	struct err err;

	strv_init(&names);
	strv_init(&slots);
	args_strv(a, "names", true, &names);
	if (args_end(a, r) == -1)
		goto out;
	if (engine_each(
		r->s->srv->en, names.v, names.n, status_seen, &ss, &err) == -1)
		ctl_fail(r, CTL_E_NAME, "%s", err.text);
	else
		why_answer(r, &slots);
out:
	strv_fini(&names);
	strv_fini(&slots);
}

/* --- config --------------------------------------------------------------- */

static void
config_value(void *arg, const struct config_key *key, const char *value,
    const char *origin)
{
	struct jw *w = arg;

	jw_obj(w, NULL);
	jw_str(w, "key", key->name);
	jw_str(w, "value", value);
	jw_str(w, "origin", origin);
	jw_end_obj(w);
}

static void
config_section(
    struct jw *w, const struct config *cf, const struct config_program *prog)
{
	char name[CONFIG_NAME_MAX + 16] = "reeve";

	if (prog != NULL)
		snprintf(name, sizeof name, "program:%s", prog->name);
	jw_obj(w, NULL);
	jw_str(w, "section", name);
	jw_arr(w, "values");
	config_each_value(cf, prog, config_value, w);
	jw_end_arr(w);
	jw_end_obj(w);
}

static void
config_task_section(struct jw *w, const struct config_task *t)
{
	char *title = xasprintf("task:%s", t->run.name);

	jw_obj(w, NULL);
	jw_str(w, "section", title);
	jw_arr(w, "values");
	config_each_task_value(t, config_value, w);
	jw_end_arr(w);
	jw_end_obj(w);
	free(title);
}

static void
config_jobs(struct jw *w, const struct config_jobs *jobs)
{
	char title[CONFIG_NAME_MAX + 16];

	for (size_t i = 0; jobs != NULL && i < jobs->npools; i++) {
		const struct config_pool *p = jobs->pools[i];

		snprintf(title, sizeof title, "pool%s%s",
		    *p->name != '\0' ? ":" : "", p->name);
		jw_obj(w, NULL);
		jw_str(w, "section", title);
		jw_arr(w, "values");
		config_each_pool_value(p, config_value, w);
		jw_end_arr(w);
		jw_end_obj(w);
	}
	for (size_t i = 0; jobs != NULL && i < jobs->njobs; i++) {
		snprintf(title, sizeof title, "job:%s", jobs->jobs[i]->kind);
		jw_obj(w, NULL);
		jw_str(w, "section", title);
		jw_arr(w, "values");
		config_each_job_value(jobs->jobs[i], config_value, w);
		jw_end_arr(w);
		jw_end_obj(w);
	}
}

static void
config_group(struct jw *w, const struct config_group *g)
{
	char name[CONFIG_NAME_MAX + 16];

	snprintf(name, sizeof name, "group:%s", g->name);
	jw_obj(w, NULL);
	jw_str(w, "section", name);
	jw_arr(w, "values");
	config_each_group_value(g, config_value, w);
	jw_end_arr(w);
	jw_end_obj(w);
}

static const char *
config_nearest(const struct config *cf, const char *name)
{
	struct near nr;

	near_init(&nr, name);
	for (size_t i = 0; i < cf->nprograms; i++)
		near_try(&nr, cf->programs[i]->name);
	return nr.best;
}

static void
config_answer(struct ctl_req *r, const char *name)
{
	const struct config *cf = engine_config(r->s->srv->en);
	const struct config_program *prog = NULL;
	const struct config_task *task =
	    config_hook_task(name) != NULL
		? config_task_find(cf, config_hook_task(name))
		: NULL;
	const char *near;
	struct jw *w;

	if (task != NULL && ctl_may_all(r)) {
		w = ctl_result_begin(r);
		jw_obj(w, NULL);
		jw_str(w, "file", cf->file);
		jw_arr(w, "sections");
		config_task_section(w, task);
		jw_end_arr(w);
		jw_end_obj(w);
		ctl_result_end(r);
		return;
	}
	if (name != NULL && strcmp(name, "reeve") != 0) {
		prog = config_program_find(cf, name);
		near = prog == NULL ? config_nearest(cf, name) : NULL;
		if (prog == NULL) {
			ctl_fail(r, CTL_E_NAME, "no program \"%.64s\"%s%s%s",
			    name, near != NULL ? ", did you mean \"" : "",
			    near != NULL ? near : "",
			    near != NULL ? "\"?" : "");
			return;
		}
		prog = engine_in_force(r->s->srv->en, prog);
	}
	w = ctl_result_begin(r);
	jw_obj(w, NULL);
	jw_str(w, "file", cf->file);
	jw_arr(w, "sections");
	if (name != NULL || ctl_may_all(r))
		config_section(w, cf, prog);
	for (size_t i = 0; name == NULL && ctl_may_all(r) && i < cf->ngroups;
	     i++)
		config_group(w, &cf->groups[i]);
	for (size_t i = 0; name == NULL && i < cf->nprograms; i++)
		if (ctl_may(r, cf->programs[i]->name, NULL))
			config_section(w, cf,
			    engine_in_force(r->s->srv->en, cf->programs[i]));
	for (size_t i = 0; name == NULL && ctl_may_all(r) && i < cf->ntasks;
	     i++)
		config_task_section(w, cf->tasks[i]);
	if (name == NULL && ctl_may_all(r))
		config_jobs(w, cf->jobs);
	jw_end_arr(w);
	jw_end_obj(w);
	ctl_result_end(r);
}

void
cmd_config(struct ctl_req *r, struct args *a)
{
	const char *name = args_str(a, "program", false);

	if (args_end(a, r) == 0)
		config_answer(r, name);
}
