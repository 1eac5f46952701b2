/*
 * slot - one stable place of a program: its log pipes, its record, its wish.
 */
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

static void
slot_on_retry(struct loop_timer *t, void *arg)
{
	struct slot *sl = arg;
	int64_t ms;

	(void)t;
	ms = budget_take(sl);
	if (ms > 0) {
		sl->retry_at_ms = loop_now(sl->prog->en->lp) + ms;
		slot_arm_retry(sl);
		slot_save(sl);
		return;
	}
	sl->retry_at_ms = 0;
	sl->restarts++;
	slot_event(sl, PE_RETRY);
}

void
slot_arm_retry(struct slot *sl)
{
	mono_ms now = loop_now(sl->prog->en->lp);

	if (sl->retry == NULL) {
		sl->retry = xcalloc(1, sizeof *sl->retry);
		loop_timer_init(sl->retry, sl->prog->en->lp, slot_on_retry, sl);
	}
	loop_timer_start(
	    sl->retry, sl->retry_at_ms > now ? sl->retry_at_ms - now : 0);
}

void
slot_drop_retry(struct slot *sl)
{
	if (sl->retry != NULL)
		loop_timer_stop(sl->retry);
}

struct slot *
slot_new(struct program *pg, int index)
{
	struct slot *sl = xcalloc(1, sizeof *sl);
	struct engine *en = pg->en;

	sl->prog = pg;
	sl->index = index;
	sl->name = xasprintf("%.63s.%d", pg->conf->name, index);
	sl->state = PS_STOPPED;
	TAILQ_INIT(&sl->draining);
	loop_task_init(&sl->step_task, slot_run_events, sl);
	sl->record = table_find_slot(en->table, sl->name, true);
	return sl;
}

static void
slot_streams_close(struct slot *sl)
{
	struct engine *en = sl->prog->en;
	char name[FDNAME_MAX];
	unsigned r;

	en->nstreams -= (size_t)(sl->out != NULL) + (sl->err != NULL);
	pump_remove(&sl->out);
	pump_remove(&sl->err);
	keeperlink_drop(en->kl, &sl->out_slot);
	keeperlink_drop(en->kl, &sl->err_slot);
	snprintf(name, sizeof name, "log:%s:out", sl->name);
	r = keeperlink_find(en->kl, name);
	keeperlink_drop(en->kl, &r);
	snprintf(name, sizeof name, "log:%s:err", sl->name);
	r = keeperlink_find(en->kl, name);
	keeperlink_drop(en->kl, &r);
}

static void
slot_history_free(struct slot_history *sh)
{
	if (sh == NULL)
		return;
	for (int i = 0; i < TABLE_DEATHS; i++) {
		free(sh->tail[i]);
		free(sh->text[i]);
	}
	free(sh);
}

void
slot_free(struct slot *sl)
{
	struct engine *en = sl->prog->en;
	struct tree t;

	BUG_ON(
	    sl->cur != NULL || sl->next != NULL || !TAILQ_EMPTY(&sl->draining));
	op_slot_gone(sl);
	slot_drop_retry(sl);
	loop_task_cancel(en->lp, &sl->step_task);
	slot_streams_close(sl);
	for (unsigned k = 0; k < 4; k++) {
		tree_adopt(&t, en->cgroup, sl->name, k, 0, 0);
		tree_remove(&t);
		tree_fini(&t);
	}
	slot_history_free(sl->history);
	table_drop_slot(en->table, sl->record);
	free(sl->queue);
	free((char *)(uintptr_t)sl->name);
	free(sl->note);
	free(sl->reason);
	free(sl->vacate);
	free(sl->retry);
	free(sl);
}

static void
slot_save_inst(struct table_inst *ti, const struct inst *in)
{
	memset(ti, 0, sizeof *ti);
	if (in == NULL)
		return;
	ti->id = in->id;
	ti->generation = in->generation;
	ti->ready = in->ready || in->up_early;
	ti->stopping = in->stopping;
	ti->killed = in->killed;
	ti->cause = (uint8_t)in->cause;
	ti->by_person = in->by_person;
	ti->by_uid = in->who.uid;
	ti->by_pid = in->who.pid;
	ti->deadline_ms = in->stopping ? in->deadline_ms : vitals_since(in);
	ti->unhealthy = vitals_are_lost(in);
	ti->watchdog_ms = in->watchdog_ms;
	ti->oom_kills = in->oom_kills;
}

void
slot_save(struct slot *sl)
{
	struct table_slot ts;

	memset(&ts, 0, sizeof ts);
	snprintf(ts.name, sizeof ts.name, "%s", sl->name);
	ts.state = (uint8_t)sl->state;
	ts.wanted = sl->wanted;
	ts.leaving = !sl->leaving ? 0 : sl->prog->removed ? 2 : 1;
	ts.start_again = sl->start_again;
	ts.generation = sl->generation;
	ts.failures = sl->failures;
	ts.restarts = sl->restarts;
	ts.health_losses = sl->health_losses;
	ts.retry_at_ms = sl->retry_at_ms;
	ts.past = slot_history(sl)->past;
	ts.budgeted = sl->budgeted;
	snprintf(ts.note, sizeof ts.note, "%.*s", (int)sizeof ts.note - 1,
	    str_text(sl->note));
	ts.alone_generation = sl->alone_generation;
	snprintf(ts.reason, sizeof ts.reason, "%.*s", (int)sizeof ts.reason - 1,
	    str_text(sl->reason));
	ts.roll_id = sl->roll_id;
	ts.roll_phase = (uint8_t)sl->roll_phase;
	slot_save_inst(&ts.cur, sl->cur);
	slot_save_inst(&ts.next, sl->next);
	slot_save_inst(&ts.drain, TAILQ_LAST(&sl->draining, inst_list));
	ts.times = sl->times;
	memcpy(ts.deaths, slot_history(sl)->deaths, sizeof ts.deaths);
	table_put_slot(sl->prog->en->table, sl->record, &ts);
}

void
slot_note(struct slot *sl, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	str_set(&sl->note, text);
}

bool
death_has_reason(enum death_cause cause)
{
	return cause == DEATH_RECYCLE || cause == DEATH_NOT_READY ||
	       cause == DEATH_UNHEALTHY;
}

const struct slot_history *
slot_history(const struct slot *sl)
{
	static const struct slot_history none;

	return sl->history == NULL ? &none : sl->history;
}

struct slot_history *
slot_history_make(struct slot *sl)
{
	if (sl->history == NULL)
		sl->history = xcalloc(1, sizeof *sl->history);
	return sl->history;
}

const struct table_death *
slot_last_death(const struct slot *sl)
{
	return &slot_history(sl)->deaths[0];
}

void
slot_death(struct slot *sl, const struct table_death *d)
{
	struct slot_history *sh = slot_history_make(sl);

	/* Noted by the engine before this one, which then died as well? */
	if (sh->deaths[0].at_ms != 0 && d->pid != 0 &&
	    sh->deaths[0].generation == d->generation &&
	    sh->deaths[0].pid == d->pid)
		return;
	free(sh->tail[TABLE_DEATHS - 1]);
	free(sh->text[TABLE_DEATHS - 1]);
	memmove(sh->deaths + 1, sh->deaths,
	    (TABLE_DEATHS - 1) * sizeof sh->deaths[0]);
	memmove(
	    sh->tail + 1, sh->tail, (TABLE_DEATHS - 1) * sizeof sh->tail[0]);
	memmove(
	    sh->text + 1, sh->text, (TABLE_DEATHS - 1) * sizeof sh->text[0]);
	sh->deaths[0] = *d;
	sh->tail[0] = NULL;
	sh->text[0] = NULL;
	slot_save(sl);
}

void
slot_ordered(struct slot *sl)
{
	const struct engine *en = sl->prog->en;

	/* All of a start-up have its moment, though the clock goes on. */
	sl->times =
	    (struct table_times){ .ordered_ms = en->starting_all
						    ? en->startup_ms
						    : loop_now(en->lp) };
}

void
slot_want(struct slot *sl, bool up, const struct engine_who *who)
{
	struct inst *in;
	char by[64];

	if (up && sl->cur == NULL)
		slot_ordered(sl);
	sl->wanted = up;
	sl->stop_held = sl->let_go = false;
	sl->stop_by_person = !up && who != NULL;
	if (who != NULL)
		sl->stop_who = *who;
	if (who != NULL) {
		engine_who_text(by, sizeof by, who);
		engine_event(sl->prog->en, sl->name, "order", "%s %s",
		    up ? "start" : "stop", by);
	}
	slot_save(sl);
	if (up) {
		slot_note(sl, "%s", "");
		slot_event(sl, PE_START);
		return;
	}
	sl->start_again = false;
	rolling_forget_slot(sl);
	if (sl->prog->roll != NULL)
		rolling_slot_left(sl);
	/* To drain is one thing, to be told to stop another. */
	TAILQ_FOREACH(in, &sl->draining, entry)
		inst_stop(in, in->conf->stopwaitsecs_ms, DEATH_STOP, who);
	slot_note(sl, "%s", "");
	slot_event(sl, PE_STOP);
}

bool
slot_is_down(const struct slot *sl)
{
	return sl->cur == NULL && sl->next == NULL &&
	       TAILQ_EMPTY(&sl->draining) && sl->queued == 0 &&
	       sl->state != PS_STOPPING;
}

/* --- output ------------------------------------------------------------------
 */

/*
 * Descriptors that are none of a program's: the engine's own, and what clients,
 * commands and probes need.  Whoever looks why nothing starts must get in.
 */
#define FDS_OTHERS 64

/*
 * Each stream is two of the store and a file, which another thread opens; and
 * each slot one more, of a cgroup, while the order to start it waits: all of
 * them may wait at once.
 */
static bool
slot_has_room(const struct engine *en)
{
	struct rlimit rl;

	return getrlimit(RLIMIT_NOFILE, &rl) == -1 ||
	       rl.rlim_cur == RLIM_INFINITY ||
	       keeperlink_fds(en->kl) + en->nstreams + en->nstreams / 2 +
		       FDS_OTHERS <=
		   rl.rlim_cur;
}

static size_t
slot_fds_of(const struct config_program *p, size_t n)
{
	size_t each = p->redirect_stderr ? 4 : 7, fds = 0;

	if (p->output == OUTPUT_INHERIT)
		each = 1;
	if (p->ready == READY_NOTIFY || p->ready == READY_FD)
		each++;
	if (config_program_has_channel(p))
		each += 2;
	for (size_t i = 0; i < p->sockets.n; i++)
		fds += p->socket_mode == SOCKMODE_REUSEPORT ? n + 1 : 2;
	return fds + n * each;
}

size_t
slots_need_fds(const struct engine *en, const struct config *cf)
{
	size_t need = FDS_OTHERS;

	for (size_t i = 0; i < cf->nprograms; i++) {
		const struct config_program *p = cf->programs[i];

		need += slot_fds_of(
		    p, (size_t)config_program_workers(p, en->usable_cpus));
	}
	return need;
}

void
slots_check_fds(
    const struct engine *en, const struct config *cf, struct strv *warnings)
{
	size_t need = slots_need_fds(en, cf);
	struct rlimit rl;
	char text[256];

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 || need <= rl.rlim_cur)
		return;
	snprintf(text, sizeof text,
	    "%s: its programs need %zu open files, and reeved may have %llu "
	    "(LimitNOFILE= of its service, ulimit -n): some can't be started",
	    cf->file, need, (unsigned long long)rl.rlim_cur);
	strv_add(warnings, text);
}

/* The pipe of a stream: from the store, or new; *write_slot its write end. */
static int
slot_pipe(struct slot *sl, const char *what, unsigned *write_slot)
{
	struct keeperlink *kl = sl->prog->en->kl;
	char rd[FDNAME_MAX], wr[FDNAME_MAX];
	const char *const names[2] = { rd, wr };
	unsigned slots[2];
	int p[2];

	snprintf(rd, sizeof rd, "log:%s:%s", sl->name, what);
	snprintf(wr, sizeof wr, "logw:%s:%s", sl->name, what);
	*write_slot = keeperlink_find(kl, wr);
	if (*write_slot != 0)
		return keeperlink_fd(kl, keeperlink_find(kl, rd));
	/* The read end alone is non-blocking: it is ours. */
	errno = EMFILE;
	if (!slot_has_room(sl->prog->en) || sys_pipe2(p, O_CLOEXEC) == -1) {
		log_error("pipe for the output of %s", sl->name);
		return -1;
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	keeperlink_put_pipe(kl, names, p, slots);
	*write_slot = slots[1];
	return p[0];
}

static void
slot_stream(struct slot *sl, const char *what, struct pump_stream **st,
    unsigned *write_slot, const char *path, const struct config_log *cl)
{
	struct pump_sink sink = { path, cl->maxbytes, cl->backups, false };
	char name[FDNAME_MAX];
	int fd;

	if (*st != NULL) {
		pump_set_sink(*st, &sink);
		return;
	}
	fd = slot_pipe(sl, what, write_slot);
	if (fd == -1)
		return;
	snprintf(name, sizeof name, "%s %s", sl->name, what);
	*st = pump_add(sl->prog->en->pump, name, fd, &sink);
	sl->prog->en->nstreams++;
}

/* -1: some path can't be made.  What else is wrong is found by the start. */
static int
slot_paths(const struct slot *sl, struct config_slot *cs)
{
	const struct program *pg = sl->prog;
	struct err err;

	if (config_slot(cs, pg->conf, sl->index, pg->nslots, NULL,
		&pg->en->base_env, &err) == -1 &&
	    cs->process_name == NULL)
		return -1;
	if (pg->conf->redirect_stderr)
		freep(&cs->err_path);
	return 0;
}

void
slot_streams(struct slot *sl)
{
	struct config_program *conf = sl->prog->conf;
	struct config_slot cs;

	if (sl->streams_conf == conf && sl->out != NULL)
		return;
	if (slot_paths(sl, &cs) == -1)
		return;
	slot_stream(
	    sl, "out", &sl->out, &sl->out_slot, cs.out_path, &conf->out);
	if (!conf->redirect_stderr)
		slot_stream(sl, "err", &sl->err, &sl->err_slot, cs.err_path,
		    &conf->err);
	config_slot_fini(&cs);
	/* Else the next start tries again. */
	if (sl->out != NULL && (conf->redirect_stderr || sl->err != NULL))
		sl->streams_conf = conf;
}

char *
slot_log_path(const struct slot *sl, bool is_stderr)
{
	struct config_slot cs;
	const char *path;
	char *copy;

	if (slot_paths(sl, &cs) == -1)
		return NULL;
	path = is_stderr ? cs.err_path : cs.out_path;
	copy = path != NULL ? xstrdup(path) : NULL;
	config_slot_fini(&cs);
	return copy;
}
