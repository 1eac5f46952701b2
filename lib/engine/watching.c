/*
 * watching - see watching.h.
 */
#include "engine/watching.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/named_priv.h"
#include "engine/op_priv.h"
#include "engine/queued_priv.h"
#include "state/region.h"
#include "watch/watch.h"

#define FD_PREFIX     "inotify:"
#define NOTE_PREFIX   "inotified:"
#define NOTE_LAYOUT   1
#define AGAIN_MS      30000
#define MAX_FACTOR    10  /* of the delay: the longest that a burst may last */
#define LOOP_AFTER    5   /* runs that change what they are run for */
#define LOOP_SLACK_MS 100 /* after a run's end: its own doing as well */
#define SUBJECT_SIZE  (CONFIG_NAME_MAX + 16)

struct watching {
	LIST_ENTRY(watching) entry;
	struct engine *en;
	char *key; /* hash, and whose it is */
	bool program;
	char name[CONFIG_NAME_MAX + 1];
	char *task; /* that is run; NULL: none */
	char *dir;
	struct globs *globs;
	int64_t delay_ms;
	struct watch *watch; /* NULL: there is no descriptor to be had */
	unsigned fd_slot, note_slot;
	struct region note;
	struct changes got; /* not begun with yet */
	bool pending;       /* got is something */
	bool beginning;     /* a run is being written down */
	bool after_run;     /* it came while one ran */
	bool in_run;        /* or so it seems, by the time */
	mono_ms ended_ms;   /* of the last run; 0: none */
	unsigned in_a_row;
	char *trouble;
	struct loop_timer again;
	bool seen; /* of a setup */
	bool gone; /* ended; waits for the answer of its last run */
};

LIST_HEAD(watching_list, watching);

struct watchings {
	struct watching_list list;
	struct watching_list leaving; /* gone */
	uint64_t runs;
};

static void watching_step(struct watching *wt);
static void watching_unlink(struct watching *wt);

static void
watching_subject(const struct watching *wt, char out[SUBJECT_SIZE])
{
	snprintf(out, SUBJECT_SIZE, "%s%s",
	    wt->program ? "" : CONFIG_TASK_PREFIX, wt->name);
}

static void
watching_on_trouble(void *arg, const char *why)
{
	struct watching *wt = arg;
	char subject[SUBJECT_SIZE];

	watching_subject(wt, subject);
	freep(&wt->trouble);
	if (why == NULL) {
		log_info("%s: all files are watched again", subject);
		engine_event(wt->en, subject, "watch_ok", "all is watched");
		return;
	}
	wt->trouble = xstrdup(why);
	log_warnx("%s: %s", subject, why);
	engine_event(wt->en, subject, "watch_trouble", "%s", why);
}

/* --- runs
 * --------------------------------------------------------------------- */

/* "src/a.c, src/b.c and 3 more" */
static void
watching_text(const struct changes *ch, char *out, size_t size)
{
	size_t n = ch->paths.n < 3 ? ch->paths.n : 3;
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i > 0 ? ", " : "", ch->paths.v[i]);
	if (ch->count > n)
		buf_addf(&b, " and %zu more", ch->count - n);
	if (ch->unknown)
		buf_addf(&b, "%sfiles that are not known",
		    ch->count > 0 ? ", and " : "");
	snprintf(out, size, "%s", buf_str(&b));
	buf_fini(&b);
}

static void
watching_taken(struct watching *wt)
{
	changes_clear(&wt->got);
	wt->pending = false;
	wt->after_run = false;
	wt->in_run = false;
}

static void
watching_on_begun(void *arg, const struct named_begun *nb)
{
	struct watching *wt = arg;

	wt->beginning = false;
	if (wt->gone) {
		watching_unlink(wt);
		return;
	}
	if (nb->err != NULL) {
		log_errorx("%s can't be begun: %s", nb->run, nb->err->text);
		wt->pending = wt->got.unknown = true;
		loop_timer_start(&wt->again, AGAIN_MS);
		return;
	}
	if (!wt->pending)
		watch_done(wt->watch);
	else
		watching_step(wt);
}

/* The change came while a run of it lasted: is that the run's own doing? */
static void
watching_note_loop(struct watching *wt, const char *text)
{
	char subject[SUBJECT_SIZE];

	wt->in_a_row = wt->after_run || wt->in_run ? wt->in_a_row + 1 : 0;
	if (wt->in_a_row != LOOP_AFTER)
		return;
	watching_subject(wt, subject);
	log_warnx("%s: each of the last %d runs was followed by the next, "
		  "because files changed while it ran: if it writes them "
		  "itself, exclude them (%s)",
	    subject, LOOP_AFTER, text);
	engine_event(wt->en, subject, "watch_loop",
	    "files change while it runs, each time: %s", text);
}

static void
watching_begin(struct watching *wt, const char *text)
{
	struct watchings *ws = wt->en->watchings;
	struct named_order no = { .name = wt->task,
		.why = NAMED_CHANGE,
		.changed = &wt->got,
		.cb = watching_on_begun,
		.arg = wt };
	char what[CONFIG_NAME_MAX + 48];
	struct err err;

	snprintf(what, sizeof what, "%" PRId64 ".%" PRIu64 "%s%s",
	    clock_wall_ms(), ++ws->runs, wt->program ? "#" : "",
	    wt->program ? wt->name : "");
	no.what = what;
	watching_note_loop(wt, text);
	wt->beginning = true;
	if (named_begin_order(wt->en, &no, &err) == -1) {
		/* It was in the config when this was set up. */
		log_errorx("%s", err.text);
		wt->beginning = false;
	}
	watching_taken(wt);
}

static void
watching_order(struct watching *wt)
{
	const struct program *pg = program_find(wt->en, wt->name);

	if (pg != NULL)
		named_watch_order(wt->en, pg->conf, 0);
	watching_taken(wt);
	watch_done(wt->watch);
}

/* One run follows the one that lasts, for all that changes meanwhile. */
static void
watching_wait(struct watching *wt)
{
	char subject[SUBJECT_SIZE], text[256];

	watching_subject(wt, subject);
	watching_text(&wt->got, text, sizeof text);
	engine_event(wt->en, subject, "change_waits",
	    "for the run of task %s that lasts: %s", wt->task, text);
}

static bool
watching_may_begin(struct watching *wt)
{
	const struct config_task *t;

	if (!wt->pending || wt->beginning || wt->en->stopping)
		return false;
	if (wt->task == NULL)
		return true;
	t = config_task_find(wt->en->cf, wt->task);
	if (t == NULL || wt->en->named == NULL || !wt->en->named->loaded)
		return false;
	if (!queued_named_busy(wt->en, wt->task))
		return true;
	if (t->overlap != OVERLAP_KILL) {
		wt->after_run = true;
		return false;
	}
	queued_named_cancel(wt->en, wt->task, NULL);
	return true;
}

static void
watching_step(struct watching *wt)
{
	char subject[SUBJECT_SIZE], text[256];

	if (!watching_may_begin(wt))
		return;
	watching_subject(wt, subject);
	watching_text(&wt->got, text, sizeof text);
	log_info("%s: changed: %s", subject, text);
	engine_event(wt->en, subject, "changed", "%s", text);
	if (wt->task != NULL)
		watching_begin(wt, text);
	else
		watching_order(wt);
}

static void
watching_on_change(void *arg, const struct changes *ch)
{
	struct watching *wt = arg;

	for (size_t i = 0; i < ch->paths.n; i++)
		changes_add(&wt->got, ch->paths.v[i]);
	wt->got.count += ch->count - ch->paths.n;
	wt->got.unknown = wt->got.unknown || ch->unknown;
	wt->pending = true;
	/* A short run is over before its own changes have settled. */
	if (wt->ended_ms != 0 &&
	    loop_now(wt->en->lp) - wt->delay_ms <= wt->ended_ms + LOOP_SLACK_MS)
		wt->in_run = true;
	watching_step(wt);
	if (wt->pending && wt->after_run)
		watching_wait(wt);
}

void
watching_run_ended(struct engine *en, const char *task)
{
	struct watching *wt;

	if (en->watchings == NULL)
		return;
	LIST_FOREACH(wt, &en->watchings->list, entry)
		if (str_equal(wt->task, task))
			wt->ended_ms = loop_now(en->lp);
}

void
watching_progress(struct engine *en)
{
	struct watching *wt;

	if (en->watchings == NULL)
		return;
	LIST_FOREACH(wt, &en->watchings->list, entry)
		watching_step(wt);
}

/* --- what outlasts the engine
 * -------------------------------------------------- */

static void
watching_name(const struct watching *wt, const char *prefix, char *out)
{
	snprintf(out, FDNAME_MAX, "%s%s", prefix, wt->key);
}

/* Its descriptor, of an engine before this one, or a new one. */
static int
watching_open(struct watching *wt, struct err *err)
{
	struct keeperlink *kl = wt->en->kl;
	char name[FDNAME_MAX];
	int fd;

	watching_name(wt, FD_PREFIX, name);
	wt->fd_slot = keeperlink_find(kl, name);
	if (wt->fd_slot == 0) {
		fd = watch_open(err);
		if (fd == -1)
			return -1;
		wt->fd_slot = keeperlink_put(kl, name, fd);
	}
	return keeperlink_fd(kl, wt->fd_slot);
}

/* -1: there is none; a change may be lost with this engine, not more. */
static int
watching_open_note(struct watching *wt)
{
	struct keeperlink *kl = wt->en->kl;
	char name[FDNAME_MAX];
	struct err err;
	int fd;

	watching_name(wt, NOTE_PREFIX, name);
	wt->note_slot = keeperlink_find(kl, name);
	fd = wt->note_slot != 0 ? keeperlink_fd(kl, wt->note_slot) : -1;
	if (region_init(&wt->note, fd, "reeve-watch", NOTE_LAYOUT, 1, &err) ==
	    -1) {
		log_errorx("%s", err.text);
		return -1;
	}
	if (wt->note_slot == 0) {
		fd = fcntl(wt->note.fd, F_DUPFD_CLOEXEC, 0);
		if (fd != -1)
			wt->note_slot = keeperlink_put(kl, name, fd);
	}
	return 0;
}

static void
watching_start(struct watching *wt)
{
	struct watch_spec spec = { .dir = wt->dir,
		.globs = wt->globs,
		.quiet_ms = wt->delay_ms,
		.max_ms = MAX_FACTOR * wt->delay_ms,
		.cb = watching_on_change,
		.trouble = watching_on_trouble,
		.arg = wt };
	struct err err;

	spec.fd = watching_open(wt, &err);
	if (spec.fd == -1) {
		if (!str_equal(wt->trouble, err.text))
			watching_on_trouble(wt, err.text);
		loop_timer_start(&wt->again, AGAIN_MS);
		return;
	}
	if (wt->trouble != NULL)
		watching_on_trouble(wt, NULL);
	if (watching_open_note(wt) == 0) {
		spec.note = wt->note.map + REGION_HEAD;
		spec.changed = *spec.note != 0;
	}
	wt->watch = watch_new(wt->en->lp, &spec);
}

static void
watching_on_again(struct loop_timer *t, void *arg)
{
	struct watching *wt = arg;

	(void)t;
	if (wt->watch == NULL)
		watching_start(wt);
	else
		watching_step(wt);
}

static void
watching_unlink(struct watching *wt)
{
	LIST_REMOVE(wt, entry);
	free(wt);
}

/* forget: nobody wants to hear of it after this engine either. */
static void
watching_end(struct watching *wt, bool forget)
{
	loop_timer_stop(&wt->again);
	watch_free(wt->watch);
	if (wt->note.map != NULL)
		region_fini(&wt->note);
	if (forget && wt->fd_slot != 0)
		keeperlink_drop(wt->en->kl, &wt->fd_slot);
	if (forget && wt->note_slot != 0)
		keeperlink_drop(wt->en->kl, &wt->note_slot);
	globs_free(wt->globs);
	changes_fini(&wt->got);
	freep(&wt->trouble);
	freep(&wt->task);
	freep(&wt->dir);
	freep(&wt->key);
	wt->gone = true;
	if (!wt->beginning) {
		watching_unlink(wt);
		return;
	}
	LIST_REMOVE(wt, entry);
	LIST_INSERT_HEAD(&wt->en->watchings->leaving, wt, entry);
}

/* --- by the config
 * -------------------------------------------------------------- */

/* All that a watch is made from. */
struct wanted {
	const char *name;
	bool program;
	const char *task;
	const struct strv *globs, *rules;
	int64_t delay_ms;
	char *dir;
};

static char *
wanted_key(const struct wanted *wd)
{
	uint64_t h;
	struct buf b;

	buf_init(&b);
	buf_addf(&b, "%s\n%s\n%" PRId64 "\n", wd->dir,
	    wd->task != NULL ? wd->task : "", wd->delay_ms);
	for (size_t i = 0; i < wd->globs->n; i++)
		buf_addf(&b, "%s\n", wd->globs->v[i]);
	for (size_t i = 0; i < wd->rules->n; i++)
		buf_addf(&b, "\n%s", wd->rules->v[i]);
	h = str_hash(buf_str(&b));
	buf_fini(&b);
	return xasprintf("%016" PRIx64 ":%s%s", h,
	    wd->program ? "" : CONFIG_TASK_PREFIX, wd->name);
}

static void
watching_want(struct engine *en, const struct wanted *wd)
{
	char *key = wanted_key(wd);
	struct watching *wt;
	struct globs *gs;
	struct err err;

	LIST_FOREACH(wt, &en->watchings->list, entry)
		if (strcmp(wt->key, key) == 0) {
			wt->seen = true;
			free(key);
			return;
		}
	gs = globs_new(wd->globs, wd->rules, &err);
	if (gs == NULL) { /* checked when it was loaded */
		log_errorx("%s: %s", key, err.text);
		free(key);
		return;
	}
	wt = xcalloc(1, sizeof *wt);
	wt->en = en;
	wt->key = key;
	wt->program = wd->program;
	snprintf(wt->name, sizeof wt->name, "%s", wd->name);
	wt->task = wd->task != NULL ? xstrdup(wd->task) : NULL;
	wt->dir = xstrdup(wd->dir);
	wt->globs = gs;
	wt->delay_ms = wd->delay_ms;
	wt->seen = true;
	changes_init(&wt->got);
	loop_timer_init(&wt->again, en->lp, watching_on_again, wt);
	LIST_INSERT_HEAD(&en->watchings->list, wt, entry);
	watching_start(wt);
}

static void
watching_want_task(struct engine *en, const struct config_task *t)
{
	struct wanted wd = { .name = t->run.name,
		.task = t->run.name,
		.globs = &t->on_change,
		.rules = &t->on_change_exclude,
		.delay_ms = t->on_change_delay_ms };

	if (t->on_change.n == 0)
		return;
	wd.dir = config_watch_dir(&t->run, t->shell);
	watching_want(en, &wd);
	free(wd.dir);
}

static void
watching_want_program(struct engine *en, const struct config_program *p)
{
	struct wanted wd = { .name = p->name,
		.program = true,
		.task = p->rare->watch.task,
		.globs = &p->rare->watch.globs,
		.rules = &p->rare->watch_exclude,
		.delay_ms = p->rare->watch_delay_ms };

	if (p->rare->watch.globs.n == 0)
		return;
	wd.dir = config_watch_dir(p, NULL);
	watching_want(en, &wd);
	free(wd.dir);
}

/* Of a watch that a reload before an engine's death took away. */
static void
watching_drop_stale(struct engine *en)
{
	const struct watching *wt;
	const char *name, *key;
	unsigned slot;

	for (unsigned i = 1; i < keeperlink_top(en->kl); i++) {
		name = keeperlink_name(en->kl, i);
		if (name == NULL || (!str_starts(name, FD_PREFIX) &&
					!str_starts(name, NOTE_PREFIX)))
			continue;
		key = strchr(name, ':') + 1;
		LIST_FOREACH(wt, &en->watchings->list, entry)
			if (strcmp(wt->key, key) == 0)
				break;
		slot = i;
		if (wt == NULL)
			keeperlink_drop(en->kl, &slot);
	}
}

void
watching_setup(struct engine *en)
{
	struct watching *wt, *next;

	if (en->watchings == NULL) {
		en->watchings = xcalloc(1, sizeof *en->watchings);
		LIST_INIT(&en->watchings->list);
		LIST_INIT(&en->watchings->leaving);
	}
	LIST_FOREACH(wt, &en->watchings->list, entry)
		wt->seen = false;
	for (size_t i = 0; i < en->cf->ntasks; i++)
		watching_want_task(en, en->cf->tasks[i]);
	for (size_t i = 0; i < en->cf->nprograms; i++)
		watching_want_program(en, en->cf->programs[i]);
	for (wt = LIST_FIRST(&en->watchings->list); wt != NULL; wt = next) {
		next = LIST_NEXT(wt, entry);
		if (!wt->seen)
			watching_end(wt, true);
	}
	watching_drop_stale(en);
}

bool
watching_needs_queue(const struct engine *en)
{
	for (size_t i = 0; i < en->cf->ntasks; i++)
		if (en->cf->tasks[i]->on_change.n > 0)
			return true;
	for (size_t i = 0; i < en->cf->nprograms; i++)
		if (en->cf->programs[i]->rare->watch.task != NULL)
			return true;
	return false;
}

void
watching_free(struct engine *en)
{
	struct watchings *ws = en->watchings;

	if (ws == NULL)
		return;
	while (!LIST_EMPTY(&ws->list))
		watching_end(LIST_FIRST(&ws->list), false);
	while (!LIST_EMPTY(&ws->leaving))
		watching_unlink(LIST_FIRST(&ws->leaving));
	free(ws);
	en->watchings = NULL;
}

bool
watching_get(const struct engine *en, const char *name, bool program,
    struct watching_info *out)
{
	const struct watching *wt;

	if (en->watchings == NULL)
		return false;
	LIST_FOREACH(wt, &en->watchings->list, entry) {
		if (wt->program != program || strcmp(wt->name, name) != 0)
			continue;
		*out = (struct watching_info){
			.dirs = wt->watch != NULL ? watch_ndirs(wt->watch) : 0,
			.complete =
			    wt->watch != NULL && watch_is_complete(wt->watch),
			.waiting = wt->pending,
			.trouble = wt->trouble,
		};
		return true;
	}
	return false;
}
