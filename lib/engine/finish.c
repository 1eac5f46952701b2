/*
 * finish - the end of an engine, when everything is stopped.
 *
 * It waits for a disk only so long: output that can't be written is given up
 * (inst.c), the log's last lines are then tried from here, and when that
 * hangs as well the keeper has a limit of its own.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_main.h"
#include "engine/engine_priv.h"
#include "engine/named.h"
#include "engine/queued.h"
#include "engine/watching.h"
#include "logs/rotate.h"

#define PUMP_END_MS 3000

/* reeved's own log, for when the pump does not move it any more. */
struct words {
	int fd; /* the pipe's read end */
	char *path;
	bool copy_stderr;
};

/* The end of the newest instance of a slot; NULL: it has had none. */
static const struct table_death *
engine_last_death(const struct slot *sl)
{
	const struct table_death *last = NULL;

	for (int i = 0; i < TABLE_DEATHS; i++) {
		const struct table_death *d = &slot_history(sl)->deaths[i];

		if (d->at_ms != 0 &&
		    (last == NULL || d->generation > last->generation))
			last = d;
	}
	return last;
}

static int
engine_exit_code(const struct engine *en)
{
	for (size_t i = 0; en->exit_code == 0 && i < en->nprograms; i++) {
		const struct program *pg = en->programs[i];
		const struct table_death *d;

		if (pg->conf->essential != ESSENTIAL_MAIN || pg->nslots == 0)
			continue;
		d = engine_last_death(pg->slots[0]);
		if (d != NULL)
			return policy_exit_code(d);
		/* Told to stop before it was started. */
		if (en->stop_signo != 0)
			return 128 + en->stop_signo;
	}
	return en->exit_code;
}

/* Everything is stopped: leave nothing behind, and tell the keeper. */
void
engine_finish(struct engine *en)
{
	int code = engine_exit_code(en);

	log_info("reeved is stopped");
	if (en->cf->socket != NULL)
		unlink(en->cf->socket);
	if (en->cf->pidfile != NULL)
		unlink(en->cf->pidfile);
	while (en->nprograms != 0)
		program_free(en->programs[en->nprograms - 1]);
	tree_base_remove(en->cgroup, keeperlink_welcome(en->kl)->pid);
	engine_unlink_lock(en);
	log_release();
	keeperlink_shutdown(en->kl, code);
	loop_stop(en->lp);
}

static void
engine_keep_log(struct engine *en, struct words *log)
{
	int fd = keeperlink_fd(en->kl, keeperlink_find(en->kl, "log:reeved"));

	if (fd != -1)
		log->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (en->cf != NULL && en->cf->logfile != NULL)
		log->path = xstrdup(en->cf->logfile);
}

/* What is in the pipe, past the pump; it may be the same disk that hangs. */
static void
engine_last_words(const struct words *log)
{
	struct rotate_file file, err;
	char data[8192];
	ssize_t n;

	rotate_init(&err, "/dev/stderr", 0, 0);
	if (log->path != NULL)
		rotate_init(&file, log->path, 0, 0);
	while (log->fd != -1 && (n = read(log->fd, data, sizeof data)) > 0) {
		if (log->copy_stderr)
			rotate_write(&err, data, (size_t)n, clock_mono_ms());
		if (log->path != NULL)
			rotate_write(&file, data, (size_t)n, clock_mono_ms());
	}
}

void
engine_free(struct engine *en)
{
	struct words log = { -1, NULL, en->nodaemon };

	op_free_all(en);
	engine_keep_log(en, &log);
	watching_free(en);
	named_free(en);
	queued_free(en);
	oomwatch_free(en);
	while (en->nprograms != 0)
		program_free(en->programs[en->nprograms - 1]);
	free(en->programs);
	free(en->strays);
	loop_timer_stop(&en->stray_kill);
	loop_timer_stop(&en->remake);
	sweeps_fini(en);
	log_set_fd(-1);
	pump_remove(&en->log_stream);
	/* A thread of it is still there, which may look at all the rest. */
	if (pump_end(en->pump, en->log_hung ? 0 : PUMP_END_MS) == -1) {
		engine_last_words(&log);
		_exit(0);
	}
	free(log.path);
	fd_closep(&log.fd);
	/* Who closes it is killed, with whatever is left to do. */
	keeperlink_free(en->kl);
	event_close(en->events);
	msglog_free(en->messages);
	table_close(en->table);
	config_free(en->cf);
	strv_fini(&en->base_env);
	deps_fini(&en->deps);
	free(en->config_file);
	free(en);
}
