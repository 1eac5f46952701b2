/*
 * cmd_resume - an order whose engine died, taken up by the next engine.
 *
 * The client gives restart and roll again with "since": the number of the
 * last event before it gave them the first time.  The event log outlives the
 * engine, so it tells whether the order had been begun: if not, it is begun
 * now.  A roll that was goes on by itself (the state table has it); here its
 * end is waited for, and its "roll" event is the verdict.  A hard restart
 * that was begun becomes a start: what is up already stays, what is down
 * comes up.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"

struct resume {
	struct ctl_req *r;
	struct engine *en;
	struct event_watcher watcher;
	struct loop_task look; /* events come in the middle of things */
	struct strv programs;
	uint64_t since;
	bool busy; /* of the look just now */
};

static void
resume_program(void *arg, const struct slot_info *si)
{
	struct strv *programs = arg;

	if (!strv_has(programs, si->program))
		strv_add(programs, si->program);
}

static bool
resume_is_about(const struct event *ev, const char *program)
{
	size_t len = strlen(program);

	return strncmp(ev->name, program, len) == 0 &&
	       (ev->name[len] == '\0' || ev->name[len] == '.');
}

/* The newest event of a kind about a program or one of its slots. */
static const struct event *
resume_event(
    struct event_log *el, const char *program, const char *kind, uint64_t since)
{
	for (uint64_t n = event_last(el); n > since; n--) {
		const struct event *ev = event_get(el, n);

		if (ev == NULL)
			return NULL;
		if (strcmp(ev->kind, kind) == 0 && resume_is_about(ev, program))
			return ev;
	}
	return NULL;
}

static bool
resume_any(struct engine *en, const struct strv *programs, const char *kind,
    uint64_t since)
{
	for (size_t i = 0; i < programs->n; i++) {
		if (resume_event(
			engine_events(en), programs->v[i], kind, since) != NULL)
			return true;
	}
	return false;
}

static void
resume_free(struct ctl_req *r)
{
	struct resume *re = r->priv;

	event_unwatch(engine_events(re->en), &re->watcher);
	loop_task_cancel(r->s->srv->lp, &re->look);
	strv_fini(&re->programs);
	free(re);
}

/* One aborted roll is a failure, whatever followed it (a roll back). */
static const struct event *
resume_roll_end(struct event_log *el, const char *program, uint64_t since)
{
	const struct event *done = NULL;

	for (uint64_t n = event_last(el); n > since; n--) {
		const struct event *ev = event_get(el, n);

		if (ev == NULL)
			break;
		if (strcmp(ev->kind, "roll") != 0 ||
		    strcmp(ev->name, program) != 0)
			continue;
		if (str_starts(ev->text, "aborted"))
			return ev;
		if (done == NULL && str_starts(ev->text, "done"))
			done = ev;
	}
	return done;
}

static bool
resume_verdict(struct resume *re, struct jw *w, const char *program)
{
	const struct event *ev =
	    resume_roll_end(engine_events(re->en), program, re->since);
	bool ok = ev != NULL && str_starts(ev->text, "done");

	jw_str(w, "name", program);
	jw_bool(w, "ok", ok);
	jw_str(w, "text",
	    ev != NULL ? ev->text
		       : "the engine was restarted; what came of the roll is "
			 "not known");
	return ok;
}

static void
resume_end(struct resume *re)
{
	struct ctl_req *r = re->r;
	int code = 0;
	struct jw *w;

	for (size_t i = 0; i < re->programs.n; i++) {
		w = ctl_note_begin(r);
		if (!resume_verdict(re, w, re->programs.v[i]))
			code = 1;
		ctl_note_end(r);
	}
	w = ctl_result_begin(r);
	jw_obj(w, NULL);
	jw_int(w, "code", code);
	jw_arr(w, "names");
	for (size_t i = 0; i < re->programs.n; i++) {
		jw_obj(w, NULL);
		resume_verdict(re, w, re->programs.v[i]);
		jw_end_obj(w);
	}
	jw_end_arr(w);
	jw_end_obj(w);
	resume_free(r);
	ctl_result_end(r);
}

static void
resume_slot(void *arg, const struct slot_info *si)
{
	struct resume *re = arg;

	if (si->draining > 0 || str_starts(si->program_note, "rolling") ||
	    str_starts(si->program_note, "before_roll"))
		re->busy = true;
}

/* Names may be gone meanwhile, by a reload: then there is nothing to wait for.
 */
static void
resume_look(void *arg)
{
	struct resume *re = arg;
	struct err err;

	re->busy = false;
	if (engine_each(re->en, re->programs.v, re->programs.n, resume_slot, re,
		&err) == -1)
		log_debug("resume: %s", err.text);
	if (!re->busy)
		resume_end(re);
}

/* A slot's step; the ends of rolls are told by resume_end. */
static bool
resume_is_step(const struct resume *re, const struct event *ev)
{
	for (size_t i = 0; i < re->programs.n; i++) {
		if (resume_is_about(ev, re->programs.v[i]))
			return strcmp(ev->name, re->programs.v[i]) != 0;
	}
	return false;
}

static void
resume_on_event(void *arg, const struct event *ev)
{
	struct resume *re = arg;
	struct jw *w;

	if (strcmp(ev->kind, "roll") == 0 && resume_is_step(re, ev)) {
		w = ctl_note_begin(re->r);
		jw_str(w, "name", ev->name);
		jw_str(w, "text", ev->text);
		ctl_note_end(re->r);
	}
	loop_task_queue(re->r->s->srv->lp, &re->look);
}

static void
resume_wait(struct ctl_req *r, const struct strv *programs, uint64_t since)
{
	struct resume *re = xcalloc(1, sizeof *re);

	re->r = r;
	re->en = r->s->srv->en;
	re->since = since;
	strv_copy(&re->programs, programs);
	loop_task_init(&re->look, resume_look, re);
	event_watch(engine_events(re->en), &re->watcher, resume_on_event, re);
	r->priv = re;
	r->close = resume_free;
	loop_task_queue(r->s->srv->lp, &re->look);
}

void
ctl_order_resume(struct ctl_req *r, enum op_kind kind, const struct strv *names,
    bool wait, uint64_t since)
{
	struct engine *en = r->s->srv->en;
	struct strv programs;
	struct err err;

	strv_init(&programs);
	if (engine_each(
		en, names->v, names->n, resume_program, &programs, &err) == -1)
		ctl_fail(r, CTL_E_NAME, "%s", err.text);
	else if (kind != OP_RESTART_HARD &&
		 resume_any(en, &programs, "roll", since))
		resume_wait(r, &programs, since);
	else if (kind != OP_ROLL && resume_any(en, &programs, "order", since))
		ctl_order_start(r, OP_START, names, 0, wait);
	else
		ctl_order_start(r, kind, names, 0, wait);
	strv_fini(&programs);
}
