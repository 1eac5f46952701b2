/*
 * cmd_op - the orders: from a request to an op of the engine and back.
 *
 * What the engine tells while it carries an order out goes on as notes; its
 * verdicts about names are collected and are the result.  An order whose
 * client is gone is carried out all the same.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"

struct order {
	struct ctl_req *r;
	struct op *op;
	struct buf verdicts; /* JSON: what stands in the result's array */
	struct jw vw;
};

static void
order_free(struct order *o)
{
	buf_fini(&o->verdicts);
	free(o);
}

static void
order_close(struct ctl_req *r)
{
	struct order *o = r->priv;

	op_detach(o->op);
	order_free(o);
}

static void
order_put(struct jw *w, const struct op_note *note)
{
	jw_str(w, "name", note->name);
	if (note->final)
		jw_bool(w, "ok", note->ok);
	jw_str(w, "text", note->text);
	if (*note->tail != '\0')
		jw_str(w, "tail", note->tail);
}

static void
order_note(void *arg, const struct op_note *note)
{
	struct order *o = arg;
	struct jw *w = ctl_note_begin(o->r);

	order_put(w, note);
	ctl_note_end(o->r);
	if (!note->final)
		return;
	jw_obj(&o->vw, NULL);
	order_put(&o->vw, note);
	jw_end_obj(&o->vw);
}

static void
order_answer(struct ctl_req *r, int code, const char *verdicts)
{
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_int(w, "code", code);
	jw_arr(w, "names");
	buf_adds(w->b, verdicts);
	jw_end_arr(w);
	jw_end_obj(w);
	ctl_result_end(r);
}

static void
order_done(void *arg, int code)
{
	struct order *o = arg;
	struct ctl_req *r = o->r;

	order_answer(r, code, buf_str(&o->verdicts));
	order_free(o);
}

static enum ctl_code
order_error(int code)
{
	switch (code) {
	case 2:
		return CTL_E_PARAMS;
	case 3:
		return CTL_E_NAME;
	case 5:
		return CTL_E_DENIED;
	default:
		return CTL_E_FAILED;
	}
}

void
ctl_order_start(struct ctl_req *r, enum op_kind kind, const struct strv *names,
    int number, bool wait)
{
	struct order *o = xcalloc(1, sizeof *o);
	struct op_request req = {
		.kind = kind,
		.names = names->v,
		.n = names->n,
		.number = number,
		.who = r->s->who,
		.note = order_note,
		.done = order_done,
		.arg = o,
	};
	struct err err = { 0 };
	int code = 1;

	o->r = r;
	buf_init(&o->verdicts);
	jw_init(&o->vw, &o->verdicts);
	o->op = op_start(r->s->srv->en, &req, &err, &code);
	if (o->op == NULL) {
		order_free(o);
		ctl_fail(r, order_error(code), "%s", err.text);
		return;
	}
	if (!wait) {
		op_detach(o->op);
		order_free(o);
		order_answer(r, 0, "");
		return;
	}
	r->priv = o;
	r->close = order_close;
}

/* An order with names and nothing else of its own. */
static void
order_plain(struct ctl_req *r, struct args *a, enum op_kind kind)
{
	bool resumes =
	    kind == OP_ROLL || kind == OP_RESTART || kind == OP_RESTART_HARD;
	int64_t since = -1;
	struct strv names;
	bool wait;

	strv_init(&names);
	args_strv(a, "names", true, &names);
	wait = args_bool(a, "wait", true);
	if (resumes)
		since = args_int(a, "since", 0, INT64_MAX, -1);
	if (args_end(a, r) == -1)
		;
	else if (since >= 0)
		ctl_order_resume(r, kind, &names, wait, (uint64_t)since);
	else
		ctl_order_start(r, kind, &names, 0, wait);
	strv_fini(&names);
}

void
cmd_start(struct ctl_req *r, struct args *a)
{
	order_plain(r, a, OP_START);
}

void
cmd_stop(struct ctl_req *r, struct args *a)
{
	order_plain(r, a, OP_STOP);
}

void
cmd_restart(struct ctl_req *r, struct args *a)
{
	bool hard = args_bool(a, "hard", false);

	order_plain(r, a, hard ? OP_RESTART_HARD : OP_RESTART);
}

void
cmd_roll(struct ctl_req *r, struct args *a)
{
	order_plain(r, a, OP_ROLL);
}

void
cmd_scale(struct ctl_req *r, struct args *a)
{
	const char *name = args_str(a, "name", true);
	int64_t number = args_int(a, "number", 0, CONFIG_WORKERS_MAX, -1);
	bool wait = args_bool(a, "wait", true);
	struct strv names;

	if (number == -1)
		args_error(a, "parameter \"number\" is missing");
	if (args_end(a, r) == -1)
		return;
	strv_init(&names);
	strv_add(&names, name);
	ctl_order_start(r, OP_SCALE, &names, (int)number, wait);
	strv_fini(&names);
}

/* "HUP", "SIGHUP", "hup" or a number; 0: no such signal. */
int
ctl_signal_number(const char *name)
{
	const char *abbrev;
	int64_t n;

	if (str_to_i64(name, 1, SIGRTMAX, &n))
		return (int)n;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < NSIG; i++) {
		abbrev = sigabbrev_np(i);
		if (abbrev != NULL && strcasecmp(abbrev, name) == 0)
			return i;
	}
	return 0;
}

void
cmd_signal(struct ctl_req *r, struct args *a)
{
	struct strv names;
	const char *text;
	int signo = 0;

	strv_init(&names);
	args_strv(a, "names", true, &names);
	text = args_str(a, "signal", true);
	if (!a->bad) {
		signo = ctl_signal_number(text);
		if (signo == 0)
			args_error(a, "no signal \"%.32s\"", text);
	}
	if (args_end(a, r) == 0)
		ctl_order_start(r, OP_SIGNAL, &names, signo, true);
	strv_fini(&names);
}

void
cmd_shutdown(struct ctl_req *r, struct args *a)
{
	struct strv none;
	bool wait = args_bool(a, "wait", true);

	strv_init(&none);
	if (args_end(a, r) == 0)
		ctl_order_start(r, OP_SHUTDOWN, &none, 0, wait);
}

/* --- reload --------------------------------------------------------------- */

static void
plan_put_strv(struct jw *w, const char *key, const struct strv *sv)
{
	jw_arr(w, key);
	for (size_t i = 0; i < sv->n; i++)
		jw_str(w, NULL, sv->v[i]);
	jw_end_arr(w);
}

/* The file is bad: every error of it, and nothing was changed. */
static void
plan_refuse(struct ctl_req *r, const struct config_errors *errs)
{
	struct buf more;
	struct jw w;

	buf_init(&more);
	jw_init(&w, &more);
	plan_put_strv(&w, "errors", &errs->errors);
	plan_put_strv(&w, "warnings", &errs->warnings);
	ctl_fail_data(r, CTL_E_FAILED, buf_str(&more),
	    "the configuration has %zu error%s, nothing was changed",
	    errs->errors.n, errs->errors.n == 1 ? "" : "s");
	buf_fini(&more);
}

/* A key a word, in the order of keys: what it alone would need. */
static void
plan_put_needs(struct jw *w, const struct config_change *ch)
{
	jw_arr(w, "needs");
	for (size_t i = 0; i < ch->keys.n; i++)
		jw_str(w, NULL, config_change_name(ch->key_kinds[i]));
	jw_end_arr(w);
}

static void
plan_answer(struct ctl_req *r, const struct config_plan *plan,
    const struct config_errors *errs)
{
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_str(w, "file", engine_config(r->s->srv->en)->file);
	jw_arr(w, "changes");
	for (size_t i = 0; i < plan->n; i++) {
		jw_obj(w, NULL);
		jw_str(w, "kind", config_change_name(plan->v[i].kind));
		jw_str(w, "program", plan->v[i].program);
		plan_put_strv(w, "keys", &plan->v[i].keys);
		plan_put_needs(w, &plan->v[i]);
		jw_end_obj(w);
	}
	jw_end_arr(w);
	plan_put_strv(w, "warnings", &errs->warnings);
	jw_end_obj(w);
	ctl_result_end(r);
}

void
cmd_plan(struct ctl_req *r, struct args *a)
{
	struct config_plan plan = { 0 };
	struct config_errors errs;

	if (args_end(a, r) == -1)
		return;
	config_errors_init(&errs);
	if (engine_plan(r->s->srv->en, &plan, &errs) == -1)
		plan_refuse(r, &errs);
	else
		plan_answer(r, &plan, &errs);
	config_plan_fini(&plan);
	config_errors_fini(&errs);
}

/* Planned first, because that tells every error of a bad file. */
void
cmd_reload(struct ctl_req *r, struct args *a)
{
	bool wait = args_bool(a, "wait", true);
	struct config_plan plan = { 0 };
	struct config_errors errs;
	struct strv none;

	if (args_end(a, r) == -1)
		return;
	strv_init(&none);
	config_errors_init(&errs);
	if (engine_plan(r->s->srv->en, &plan, &errs) == -1)
		plan_refuse(r, &errs);
	else
		ctl_order_start(r, OP_RELOAD, &none, 0, wait);
	config_plan_fini(&plan);
	config_errors_fini(&errs);
}
