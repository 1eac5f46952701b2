/*
 * upgrade - the keeper executes the reeved that is installed by now.
 *
 * The same process: its children stay its children, and every descriptor
 * stays open.  What they are is in the tables (tables.c), beside which goes the
 * program that runs until then: a successor that does not trust the tables goes
 * back to it.  Signals are blocked all the
 * time, and what comes meanwhile waits (a mask outlives exec).
 *
 * What an engine has not been told yet is in the tables as it is here: marked.
 * The engine itself goes on through it, by the same channel, and leaves when
 * it is told how it went.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "keeper/keeper_priv.h"

/* --- the tables -------------------------------------------------------------
 */

static void
upgrade_put_store(struct mw *w, const struct fdstore *st)
{
	size_t n = 0;

	for (size_t i = 0; i < st->n; i++)
		n += st->slots[i].fd != -1;
	tables_put_number(w, n);
	for (size_t i = 0; i < st->n; i++) {
		struct tables_fd f = { (uint32_t)i, st->slots[i].fd,
			st->slots[i].name };

		if (f.fd != -1)
			tables_put_fd(w, &f);
	}
}

static void
upgrade_put_children(struct mw *w, const struct child_table *ct)
{
	const struct child *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &ct->all, all)
		n++;
	tables_put_number(w, n);
	TAILQ_FOREACH(c, &ct->all, all) {
		struct tables_child t = { .id = c->id,
			.label = c->label,
			.pid = c->pid,
			.is_alive = c->has_process,
			.pidfd = c->pidfd,
			.state = c->state,
			.is_dirty = c->is_dirty,
			.told_spawned = c->told_spawned,
			.kill_group = c->kill_group,
			.is_foreign = c->is_foreign,
			.lost_signo = c->lost_signo,
			.lost_errno = c->lost_errno,
			.started_ms = c->started_ms,
			.died_ms = c->died_ms,
			.code = c->code,
			.signo = c->signo,
			.core = c->core,
			.max_rss_kb = c->max_rss_kb,
			.stage = (int)c->err.stage,
			.errnum = c->err.errnum };

		tables_put_child(w, &t);
	}
}

/* The memfd, or -1 and errno. */
static int
upgrade_tables(const struct keeper *kp)
{
	char *args[TABLES_ARGS + 1];
	struct tables_head h = { .args = args,
		.soft_nofile = kp->cfg->soft_nofile,
		.incarnation = kp->incarnation,
		.serial = kp->serial,
		.started_ms = kp->started_ms,
		.log_slot = kp->log_slot,
		.log_level = kp->log_level,
		.origin = kp->origin,
		.channel = chan_fd(kp->ch),
		.program = kp->program };
	struct mw w;
	int n = 0;

	for (; n < TABLES_ARGS && kp->cfg->engine_argv[n + 1] != NULL; n++)
		args[n] = kp->cfg->engine_argv[n + 1];
	args[n] = NULL;
	for (int i = 0; i < KEEPER_SIGNALS; i++) {
		h.signals[i].serial = kp->pending[i].serial;
		h.signals[i].told = kp->pending[i].told;
	}
	mw_init(&w, NULL, 0);
	tables_put_head(&w, &h);
	upgrade_put_store(&w, &kp->store);
	upgrade_put_children(&w, &kp->children);
	return tables_make(&w);
}

/* --- executing -------------------------------------------------------------
 */

static void
upgrade_keep_all(struct keeper *kp, bool on)
{
	const struct child *c;

	for (size_t i = 0; i < kp->store.n; i++)
		tables_keep(kp->store.slots[i].fd, on);
	TAILQ_FOREACH(c, &kp->children.all, all)
		tables_keep(c->pidfd, on);
	tables_keep(chan_fd(kp->ch), on);
	tables_keep(kp->program, on);
}

static void
upgrade_exec(struct keeper *kp, int fd, int exe)
{
	int saved;

	upgrade_keep_all(kp, true);
	tables_exec(kp->cfg->self, kp->cfg->argv, fd, exe);
	saved = errno;
	upgrade_keep_all(kp, false);
	errno = saved;
}

static void
upgrade_failed(struct keeper *kp, const char *what, const char *why)
{
	snprintf(
	    kp->upgrade_text, sizeof kp->upgrade_text, "%s: %s", what, why);
	log_errorx("upgrade: %s", kp->upgrade_text);
	kp->upgrade_code = 1;
	kp->upgrade_news = true;
	handoff_flush(kp);
}

/* Starts under way share our memory: they are waited for. */
static void
upgrade_try(void *arg)
{
	struct keeper *kp = arg;
	char text[160];
	int fd, exe;

	if (!kp->upgrading || kp->starting != 0)
		return;
	kp->upgrading = false;
	if (kp->terms != 0 || kp->shutting_down || kp->ch == NULL) {
		upgrade_failed(kp, kp->cfg->self, "reeved is stopping");
		return;
	}
	exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fd = upgrade_tables(kp);
	if (fd == -1) {
		upgrade_failed(kp, "write the tables", strerror(errno));
	} else {
		log_info("upgrade: executing %s", kp->cfg->self);
		upgrade_exec(kp, fd, exe);
		snprintf(text, sizeof text, "execute %s", kp->cfg->self);
		upgrade_failed(kp, text, strerror(errno));
	}
	fd_closep(&fd);
	fd_closep(&exe);
}

/* From the end of the turn: a message is being handled. */
void
upgrade_go_on(struct keeper *kp)
{
	if (kp->upgrade_task.cb == NULL)
		loop_task_init(&kp->upgrade_task, upgrade_try, kp);
	loop_task_queue(kp->lp, &kp->upgrade_task);
}

/* --- going on ---------------------------------------------------------------
 */

/* The engine of the keeper before is there, and goes on until it is told. */
static void
upgrade_done(struct keeper *kp, const char *refused, bool same)
{
	if (kp->ch == NULL || !same)
		keeper_engine_kill(kp, "it speaks another version");
	kp->upgrade_news = true;
	if (refused != NULL)
		upgrade_failed(kp, "the new reeved refuses", refused);
	else
		kp->engine_leaves = true;
	log_info("upgrade: this is reeved %s, pid %d as before, %zu children",
	    REEVE_VERSION, (int)getpid(), kp->children.alive);
}

/* The keeper before was killed, and this process was its engine. */
static void
upgrade_inherited(struct keeper *kp)
{
	char text[64];

	log_warnx("pid %d goes on as reeved, with %zu children", (int)getpid(),
	    kp->children.alive);
	snprintf(text, sizeof text, "MAINPID=%d", (int)getpid());
	keeper_notify(kp, text);
	keeper_engine_start(kp);
}

static int
upgrade_get_child(struct keeper *kp, struct tables *t)
{
	struct child_table *ct = &kp->children;
	struct tables_child tc;
	struct child *c;

	if (tables_get_child(t, &tc) == -1)
		return -1;
	c = child_new(ct, tc.id, tc.label);
	if (c == NULL)
		return -1;
	c->kp = kp;
	c->pid = tc.pid;
	c->state = tc.state;
	c->told_spawned = tc.told_spawned;
	c->kill_group = tc.kill_group;
	c->is_foreign = tc.is_foreign;
	c->lost_signo = tc.lost_signo;
	c->lost_errno = tc.lost_errno;
	c->started_ms = tc.started_ms;
	c->died_ms = tc.died_ms;
	c->code = tc.code;
	c->signo = tc.signo;
	c->core = tc.core;
	c->max_rss_kb = tc.max_rss_kb;
	c->err.stage = (enum spawn_stage)tc.stage;
	c->err.errnum = tc.errnum;
	fd_lift(&tc.pidfd, SPAWN_ROOM_LOW);
	c->pidfd = tc.pidfd;
	if (tc.is_alive)
		child_started(ct, c, tc.pid, tc.started_ms);
	if (tc.is_dirty)
		child_mark(ct, c);
	if (c->id == ENGINE_ID)
		kp->engine = c;
	return c->pidfd != -1 ? foreign_watch(kp, c) : 0;
}

/* An engine had them where it liked: the low numbers are for starts. */
static int
upgrade_get_fd(struct keeper *kp, struct tables *t)
{
	struct tables_fd f;

	if (tables_get_fd(t, &f) == -1)
		return -1;
	fd_lift(&f.fd, SPAWN_ROOM_LOW);
	return fdstore_put(&kp->store, f.slot, f.name, &f.fd);
}

static int
upgrade_fill(struct keeper *kp, struct tables *t)
{
	const struct tables_head *h = tables_head(t);

	kp->incarnation = h->incarnation;
	kp->serial = h->serial;
	kp->started_ms = h->started_ms;
	kp->log_slot = h->log_slot;
	kp->log_level = h->log_level;
	kp->origin = h->origin;
	for (int i = 0; i < KEEPER_SIGNALS; i++) {
		kp->pending[i].serial = h->signals[i].serial;
		kp->pending[i].told = h->signals[i].told;
	}
	for (size_t n = tables_get_number(t); n > 0; n--)
		if (upgrade_get_fd(kp, t) == -1)
			return -1;
	for (size_t n = tables_get_number(t); n > 0; n--)
		if (upgrade_get_child(kp, t) == -1)
			return -1;
	return tables_end(t);
}

int
upgrade_resume(struct keeper *kp, struct tables *t)
{
	int ch = tables_head(t)->channel;

	int program = tables_head(t)->program;

	/* What is installed is for the engine after an upgrade alone. */
	if (ch != -1 && tables_refused(t) == NULL)
		fd_closep(&program);
	keeper_engine_program(kp, program);
	fd_lift(&ch, SPAWN_ROOM_LOW);
	if (upgrade_fill(kp, t) == -1 || (kp->engine == NULL) != (ch == -1))
		return -1;
	spawn_room_init(&kp->room);
	log_set_fd(fdstore_get(&kp->store, kp->log_slot));
	log_set_level((enum log_level)kp->log_level);
	kp->was_ready = true;
	if (ch == -1) {
		upgrade_inherited(kp);
		return 0;
	}
	kp->synced = true;
	kp->handoff.phase = HANDOFF_DONE;
	kp->ch = chan_new(kp->lp, ch, &keeper_chan_ops, kp);
	upgrade_done(kp, tables_refused(t), tables_head(t)->same_messages);
	child_reap(&kp->children, loop_now(kp->lp));
	if (!kp->engine->has_process)
		keeper_engine_exited(kp, kp->engine);
	else
		handoff_flush(kp);
	return 0;
}
