/*
 * keeper - signals in, and the end of everything.
 *
 * A signal is passed on to the engine and kept until the engine has noted it
 * down: none is lost to an engine that dies.  The second TERM or INT is a
 * person who has lost patience: the engine has two seconds, then the keeper
 * kills all that is left by itself.
 */
#include "keeper/keeper.h"

#include <sys/prctl.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "keeper/keeper_priv.h"

#define FORCE_AFTER_MS 2000
#define END_WITHIN_MS  10000 /* an engine that has nothing left to do */

static const int keeper_signals[KEEPER_SIGNALS] = { SIGTERM, SIGINT, SIGQUIT,
	SIGHUP, SIGUSR1, SIGUSR2 };

static void
keeper_on_child(struct loop_signal *s, int signo, void *arg)
{
	struct keeper *kp = arg;
	struct child *c;

	(void)s;
	(void)signo;
	child_reap(&kp->children, loop_now(kp->lp));
	/* The engine is nobody's news but ours. */
	c = kp->engine;
	if (c != NULL && !c->has_process) {
		keeper_engine_exited(kp, c);
		return;
	}
	handoff_flush(kp);
}

static void
keeper_on_signal(struct loop_signal *s, int signo, void *arg)
{
	struct keeper *kp = arg;
	size_t i = (size_t)(s - kp->signals);

	if (signo == SIGTERM || signo == SIGINT || signo == SIGQUIT) {
		kp->terms++;
		if (kp->terms == 2)
			loop_timer_start(&kp->force, FORCE_AFTER_MS);
		if (kp->terms > 2) {
			keeper_force_exit(kp, 1);
			return;
		}
		/* Nothing has been made yet that an engine would clear away. */
		if (!kp->was_ready && !kp->synced) {
			keeper_force_exit(
			    kp, kp->cfg->config_fd != -1 ? 128 + signo : 0);
			return;
		}
	}
	/* One that came before and is not yet noted down covers this one,
	 * except that a second TERM means more than the first: which of them
	 * an engine has noted it tells by their serials. */
	if (kp->pending[i].serial != 0 && !kp->pending[i].told && kp->terms < 2)
		return;
	kp->pending[i].serial = ++kp->serial;
	kp->pending[i].told = false;
	handoff_flush(kp);
}

static void
keeper_on_force(struct loop_timer *t, void *arg)
{
	struct keeper *kp = arg;

	(void)t;
	if (!kp->shutting_down) {
		log_warnx("stopping by force: %zu processes left",
		    kp->children.alive);
		keeper_force_exit(kp, 1);
		return;
	}
	/* Who would write it into the log is what hangs. */
	log_set_fd(-1);
	log_warnx("everything is stopped, but the engine does not end (a disk "
		  "that hangs?): it is killed, its last log lines are lost");
	keeper_force_exit(kp, kp->exit_code);
}

void
keeper_await_end(struct keeper *kp, int code)
{
	kp->exit_code = code;
	kp->shutting_down = true;
	if (!loop_timer_active(&kp->force))
		loop_timer_start(&kp->force, END_WITHIN_MS);
}

static void
keeper_on_restart(struct loop_timer *t, void *arg)
{
	(void)t;
	keeper_engine_start(arg);
}

void
keeper_force_exit(struct keeper *kp, int code)
{
	struct child *c;

	TAILQ_FOREACH(c, &kp->children.all, all)
		if (c->has_process)
			child_signal(c, SIGKILL, true);
	kp->exit_code = code;
	loop_stop(kp->lp);
}

static void
keeper_watch_signals(struct keeper *kp)
{
	/* Who starts us may ignore it, which exec hands on: the kernel would
	 * reap then, tell nobody, and give the pids of ours to others. */
	signal(SIGCHLD, SIG_DFL);
	loop_signal_init(&kp->sigchld, kp->lp, SIGCHLD, keeper_on_child, kp);
	loop_signal_start(&kp->sigchld);
	for (int i = 0; i < KEEPER_SIGNALS; i++) {
		kp->pending[i].signo = keeper_signals[i];
		loop_signal_init(&kp->signals[i], kp->lp, keeper_signals[i],
		    keeper_on_signal, kp);
		loop_signal_start(&kp->signals[i]);
	}
}

/* As if an engine before the first one had left it. */
static int
keeper_store_config(struct keeper *kp, struct err *err)
{
	int fd = fcntl(kp->cfg->config_fd, F_DUPFD_CLOEXEC, 3);

	if (fd == -1 || fdstore_put(&kp->store, 1, "config", &fd) == -1) {
		err_sys(err, "keep the config");
		fd_closep(&fd);
		return -1;
	}
	return 0;
}

struct keeper *
keeper_new(struct loop *lp, const struct keeper_config *cfg, struct err *err)
{
	struct keeper *kp = calloc(1, sizeof *kp);

	if (kp == NULL) {
		err_sys(err, "start the keeper");
		return NULL;
	}
	kp->lp = lp;
	kp->cfg = cfg;
	kp->started_ms = loop_now(lp);
	child_table_init(&kp->children);
	/* Low numbers: first of all, or when those from before are out of the
	 * way. */
	kp->room.null_fd = kp->program = -1;
	if (cfg->tables == NULL)
		spawn_room_init(&kp->room);
	kp->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (kp->null_fd == -1) {
		err_sys(err, "open /dev/null");
		spawn_room_fini(&kp->room);
		free(kp);
		return NULL;
	}
	if (cfg->config_fd != -1 && keeper_store_config(kp, err) == -1) {
		fd_closep(&kp->null_fd);
		spawn_room_fini(&kp->room);
		free(kp);
		return NULL;
	}
	/* Orphans of our children come to us, not to init. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		log_warn("become a subreaper");
	loop_timer_init(&kp->force, lp, keeper_on_force, kp);
	loop_timer_init(&kp->restart, lp, keeper_on_restart, kp);
	loop_timer_init(&kp->trim, lp, message_on_trim, kp);
	keeper_watch_signals(kp);
	keeper_notify_open(kp);
	if (cfg->tables == NULL) {
		keeper_engine_program(kp, -1);
		keeper_engine_start(kp);
		return kp;
	}
	if (upgrade_resume(kp, cfg->tables) == 0)
		return kp;
	err_set(err, "the keeper's tables make no sense");
	keeper_free(kp);
	return NULL;
}

int
keeper_exit_code(const struct keeper *kp)
{
	return kp->exit_code;
}

void
keeper_free(struct keeper *kp)
{
	struct child *c;

	if (kp == NULL)
		return;
	while ((c = TAILQ_FIRST(&kp->children.all)) != NULL) {
		if (c->spawn != NULL)
			spawn_settle(c->spawn);
		child_free(&kp->children, c);
	}
	spawn_room_fini(&kp->room);
	chan_free(kp->ch);
	fdstore_fini(&kp->store);
	loop_timer_stop(&kp->force);
	loop_timer_stop(&kp->restart);
	loop_timer_stop(&kp->trim);
	loop_timer_stop(&kp->watchdog);
	loop_signal_stop(&kp->sigchld);
	for (int i = 0; i < KEEPER_SIGNALS; i++)
		loop_signal_stop(&kp->signals[i]);
	fd_closep(&kp->program);
	fd_closep(&kp->notify_fd);
	fd_closep(&kp->null_fd);
	free(kp);
}
