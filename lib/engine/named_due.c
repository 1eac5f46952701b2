/*
 * named_due - runs by schedule.
 *
 * last is in the queue's file, and moves on after the runs of the times up to
 * it are there: an engine that finds the old one begins the same runs, by the
 * same names, which does nothing.  With last stands the schedule that it is
 * of: with another one, or with none in between, nothing was missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "base/zone.h"
#include "engine/due.h"
#include "engine/named_priv.h"
#include "engine/queued_priv.h"

#define WAITING_MAX 100 /* runs of one task, with overlap = queue */

static struct timed *
timed_find(const struct named *nm, const char *name)
{
	struct timed *td;

	LIST_FOREACH(td, &nm->timed, entry)
		if (strcmp(td->name, name) == 0)
			return td;
	return NULL;
}

static struct timed *
timed_new(struct named *nm, const char *name, const char *spec, wall_ms last)
{
	struct timed *td = xcalloc(1, sizeof *td);

	td->nm = nm;
	td->name = xstrdup(name);
	td->spec = xstrdup(spec != NULL ? spec : "");
	td->last = last;
	LIST_INSERT_HEAD(&nm->timed, td, entry);
	return td;
}

void
timed_free(struct timed *td)
{
	LIST_REMOVE(td, entry);
	free(td->name);
	free(td->spec);
	free(td);
}

static void
timed_text(wall_ms at, char out[32])
{
	time_t t = (time_t)(at / 1000);
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

static void timed_event(const struct timed *td, const char *kind,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
timed_event(const struct timed *td, const char *kind, const char *fmt, ...)
{
	char subject[72];
	struct buf b;
	va_list ap;

	buf_init(&b);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	snprintf(subject, sizeof subject, "task:%s", td->name);
	engine_event(td->nm->en, subject, kind, "%s", buf_str(&b));
	buf_fini(&b);
}

static void
timed_on_kept(void *arg, struct queue_req *req)
{
	(void)arg;
	(void)req;
}

static void
timed_save(const struct timed *td)
{
	struct queue_req *req = queue_req_new(QR_DUE, timed_on_kept, NULL);

	req->due.name = xstrdup(td->name);
	req->due.spec = xstrdup(td->spec);
	req->due.due = td->last;
	queued_send(td->nm->en, req);
}

/* --- runs -------------------------------------------------------------------
 */

/* All runs of a look are written down, or one cannot be. */
static void
timed_settle(struct timed *td)
{
	if (td->adding > 0)
		return;
	if (td->failed) {
		named_retry(td->nm);
		return;
	}
	if (td->then != td->last) {
		td->last = td->then;
		timed_save(td);
	}
}

static void
timed_on_begun(void *arg, const struct named_begun *nb)
{
	struct timed *td = arg;

	td->adding--;
	if (nb->err != NULL) {
		td->failed = true;
		log_errorx("%s can't be begun: %s", nb->run, nb->err->text);
	}
	timed_settle(td);
	/* What was due meanwhile. */
	if (td->adding == 0 && !td->failed)
		timed_look(td->nm);
}

static void
timed_skip(const struct timed *td, wall_ms due, const char *why)
{
	char text[32];

	timed_text(due, text);
	log_info("task %s, due %s, is left out: %s", td->name, text, why);
	timed_event(td, "task_skipped", "due %s: %s", text, why);
}

/* Is it to run at all, with what waits or runs already? */
static bool
timed_overlap(
    struct timed *td, const struct config_task *t, wall_ms due, const char *run)
{
	size_t others = queued_named_count(td->nm->en, td->name, run);

	if (others == 0 || queued_named_has(td->nm->en, td->name, run))
		return true;
	switch (t->overlap) {
	case OVERLAP_SKIP:
		timed_skip(td, due, "the run before has not ended");
		return false;
	case OVERLAP_QUEUE:
		if (others < WAITING_MAX)
			return true;
		timed_skip(td, due, "too many runs of it wait");
		return false;
	case OVERLAP_KILL:
		break;
	}
	queued_named_cancel(td->nm->en, td->name, run);
	return true;
}

static void
timed_run(struct timed *td, const struct config_task *t, wall_ms due)
{
	char what[32], text[32], *run;
	struct err err;

	snprintf(what, sizeof what, "%lld", (long long)due);
	run = xasprintf("%s@%c%s", td->name, NAMED_DUE, what);
	timed_text(due, text);
	if (timed_overlap(td, t, due, run)) {
		timed_event(td, "task_due", "%s", text);
		td->adding++;
		if (named_begin(td->nm->en, td->name, NAMED_DUE, what,
			due + due_jitter(td->name, due, t->jitter_ms),
			timed_on_begun, td, &err) == -1)
			td->adding--;
	}
	free(run);
}

/* --- looking ----------------------------------------------------------------
 */

static void
timed_local(void *arg, time_t t, struct tm *out)
{
	zone_local(arg, t, out);
}

static void
timed_look_one(struct timed *td, wall_ms now)
{
	const struct config_task *t =
	    config_task_find(td->nm->en->cf, td->name);
	struct due_rule rule;
	struct due_look look;
	struct cron_zone zone;

	td->next = 0;
	if (t == NULL || t->schedule.text == NULL || td->adding > 0)
		return;
	zone = (struct cron_zone){ timed_local, t->timezone.zone };
	rule = (struct due_rule){ .cron = &t->schedule.cron,
		.zone = t->timezone.zone != NULL ? &zone : NULL,
		.catch_up = t->catch_up };
	due_look(&look, &rule, td->last, now);
	td->next = look.next;
	td->then = look.last;
	td->failed = false;
	if (look.anew) {
		log_warnx("task %s: the clock was set back, its schedule "
			  "begins anew",
		    td->name);
	}
	if (look.missed && look.nruns == 0)
		timed_skip(td, look.last, "missed");
	for (size_t i = 0; i < look.nruns; i++)
		timed_run(td, t, look.runs[i]);
	timed_settle(td);
}

void
timed_look(struct named *nm)
{
	wall_ms now = clock_wall_ms(), next = 0;
	struct timed *td;

	loop_wall_stop(&nm->wall);
	if (!nm->loaded || nm->en->stopping)
		return;
	LIST_FOREACH(td, &nm->timed, entry) {
		timed_look_one(td, now);
		if (td->next != 0 && (next == 0 || td->next < next))
			next = td->next;
	}
	if (next != 0)
		loop_wall_start(&nm->wall, next);
}

wall_ms
named_next(const struct engine *en, const char *name)
{
	const struct timed *td =
	    en->named != NULL ? timed_find(en->named, name) : NULL;

	return td != NULL ? td->next : 0;
}

/* --- as the config has it ---------------------------------------------------
 */

static void
timed_set(struct named *nm, const struct config_task *t, wall_ms now)
{
	struct timed *td = timed_find(nm, t->run.name);
	const char *text = t->schedule.text, *zone = t->timezone.name;
	char *spec = xasprintf("%s%s%s", text != NULL ? text : "",
	    zone != NULL ? " " : "", zone != NULL ? zone : "");

	if (td == NULL && *spec != '\0')
		td = timed_new(nm, t->run.name, "", 0);
	if (td == NULL || strcmp(td->spec, spec) == 0) {
		free(spec);
		return;
	}
	free(td->spec);
	td->spec = spec;
	td->last = td->then = now;
	timed_save(td);
}

void
timed_setup(struct named *nm, const struct queue_req *loaded)
{
	wall_ms now = clock_wall_ms();
	struct timed *td;

	for (size_t i = 0; loaded != NULL && i < loaded->ndues; i++) {
		const struct queue_due *d = &loaded->dues[i];

		if (timed_find(nm, d->name) == NULL)
			timed_new(nm, d->name, d->spec, d->due);
	}
	for (size_t i = 0; i < nm->en->cf->ntasks; i++)
		timed_set(nm, nm->en->cf->tasks[i], now);
	LIST_FOREACH(td, &nm->timed, entry)
		if (config_task_find(nm->en->cf, td->name) == NULL &&
		    td->spec[0] != '\0') {
			td->spec[0] = '\0';
			timed_save(td);
		}
	timed_look(nm);
}
