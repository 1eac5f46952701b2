/*
 * upgrade - reeved is replaced by the one that is installed by now.
 *
 * First that one is asked, in a process of its own, whether it could go on
 * with what there is: the keeper's tables, the engine's records, the config
 * in force.  Then the keeper executes it, and tells how that went; on success
 * this engine leaves, and the next one is of the new release.  Up to then
 * nothing has happened, whatever goes wrong.
 */
#include "engine/upgrade.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "engine/engine_main.h"
#include "engine/engine_priv.h"
#include "state/region.h"

#define ASK_MS    30000
#define LEAVE_MS  50 /* for the answer to go out */
#define PUMP_MS   3000
#define CONFIG_FD 3

extern char **environ;

struct upgrade {
	struct engine *en;
	upgrade_cb *cb; /* NULL: the client is gone */
	void *arg;
	pid_t pid; /* of who is asked; 0: the keeper is */
	int out;   /* what it says */
	char said[400];
	size_t len;
	struct loop_io io;
	struct loop_timer limit; /* of who is asked; then: to leave */
};

static void
upgrade_end(struct upgrade *up, bool ok, const char *text)
{
	struct engine *en = up->en;

	if (ok)
		log_info("upgrade: %s", text);
	else
		log_errorx("upgrade: %s; everything goes on as before", text);
	engine_event(en, "", "upgrade", "%s%s", ok ? "" : "failed: ", text);
	if (up->cb != NULL)
		up->cb(up->arg, ok, text);
	up->cb = NULL;
	loop_timer_stop(&up->limit);
	if (ok)
		return;
	en->upgrade = NULL;
	free(up);
}

/* --- who would come is asked -----------------------------------------------
 */

/* It has closed its output: it has ended, or is ended. */
static void
upgrade_on_answer(struct upgrade *up)
{
	char text[600], *nl;
	int status = 0;

	loop_io_stop(&up->io);
	fd_closep(&up->out);
	loop_timer_stop(&up->limit);
	kill(up->pid, SIGKILL);
	while (waitpid(up->pid, &status, 0) == -1 && errno == EINTR)
		continue;
	up->pid = 0;
	up->said[up->len] = '\0';
	nl = strchr(up->said, '\n');
	if (nl != NULL)
		*nl = '\0';
	if (strncmp(up->said, "ok ", 3) == 0) {
		log_info("upgrade: to reeved %s", up->said + 3);
		keeperlink_upgrade(up->en->kl);
		return;
	}
	snprintf(text, sizeof text, "%s is no reeved that could go on: %s",
	    keeperlink_welcome(up->en->kl)->program,
	    up->len != 0 ? up->said : "it says nothing");
	upgrade_end(up, false, text);
}

static void
upgrade_on_output(struct loop_io *io, int events, void *arg)
{
	struct upgrade *up = arg;
	ssize_t n;

	(void)io;
	(void)events;
	n = read(up->out, up->said + up->len, sizeof up->said - 1 - up->len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		up->len += (size_t)n;
	/* The answer is its last word, of which it need not die at once. */
	if (n <= 0 || up->len == sizeof up->said - 1 ||
	    memchr(up->said, '\n', up->len) != NULL)
		upgrade_on_answer(up);
}

static void
upgrade_on_limit(struct loop_timer *t, void *arg)
{
	(void)t;
	upgrade_on_answer(arg);
}

uint32_t
upgrade_layout(void)
{
	uint32_t layouts[] = { table_layout(), event_layout() };

	return region_sum(0, layouts, sizeof layouts);
}

static int
upgrade_spawn(struct upgrade *up, int config, int out, const char *program)
{
	char version[16], layout[16];
	char self[4096], word[] = "--upgrade-check";
	char *argv[] = { self, word, version, layout, up->en->config_file,
		NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	int rc;

	snprintf(self, sizeof self, "%s", program);
	snprintf(version, sizeof version, "%d",
	    keeperlink_welcome(up->en->kl)->tables);
	snprintf(layout, sizeof layout, "%u", (unsigned)upgrade_layout());
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&fa, out, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&fa, config, CONFIG_FD);
	posix_spawnattr_init(&at);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setsigdefault(&at, &all);
	posix_spawnattr_setflags(
	    &at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn(&up->pid, self, &fa, &at, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
	return rc;
}

static int
upgrade_ask(struct upgrade *up, struct err *err)
{
	const struct engine *en = up->en;
	const char *program = keeperlink_welcome(en->kl)->program;
	int config = keeperlink_fd(en->kl, keeperlink_find(en->kl, "config"));
	int p[2] = { -1, -1 }, high = -1, rc;

	if (pipe2(p, O_CLOEXEC) == -1 ||
	    (high = fcntl(config, F_DUPFD_CLOEXEC, 10)) == -1) {
		err_sys(err, "ask %s", program);
	} else {
		rc = upgrade_spawn(up, high, p[1], program);
		if (rc != 0) {
			errno = rc;
			err_sys(err, "execute %s", program);
		} else {
			up->out = p[0];
			p[0] = -1;
			fcntl(up->out, F_SETFL, O_NONBLOCK);
		}
	}
	fd_closep(&high);
	fd_closep(&p[0]);
	fd_closep(&p[1]);
	return up->out == -1 ? -1 : 0;
}

int
upgrade_begin(struct engine *en, const struct engine_who *who, upgrade_cb *cb,
    void *arg, struct upgrade **upp, struct err *err)
{
	struct upgrade *up;
	char by[64];

	if (en->stopping)
		return err_set(err, "reeved is stopping");
	if (en->upgrade != NULL)
		return err_set(err, "an upgrade is under way");
	up = xcalloc(1, sizeof *up);
	up->en = en;
	up->out = -1;
	if (upgrade_ask(up, err) == -1) {
		engine_event(en, "", "upgrade", "failed: %s", err->text);
		free(up);
		return -1;
	}
	engine_who_text(by, sizeof by, who);
	log_info("upgrade, ordered %s", by);
	up->cb = cb;
	up->arg = arg;
	loop_io_init(
	    &up->io, en->lp, up->out, LOOP_READ, upgrade_on_output, up);
	loop_io_start(&up->io);
	loop_timer_init(&up->limit, en->lp, upgrade_on_limit, up);
	loop_timer_start(&up->limit, ASK_MS);
	en->upgrade = *upp = up;
	return 0;
}

void
upgrade_detach(struct upgrade *up)
{
	up->cb = NULL;
}

/* --- the keeper tells ------------------------------------------------------
 */

/* As if killed, but that nothing is left half written. */
static void
upgrade_on_leave(struct loop_timer *t, void *arg)
{
	struct upgrade *up = arg;

	(void)t;
	log_release();
	pump_end(up->en->pump, PUMP_MS);
	_exit(0);
}

void
upgrade_told(struct engine *en, int code, const char *text)
{
	struct upgrade *up = en->upgrade;
	char done[200];

	/* By the engine before, which died of something else meanwhile. */
	if (up == NULL) {
		engine_event(en, "", "upgrade", "%s%s",
		    code == 0 ? "done" : "failed: ", text);
		return;
	}
	if (code != 0) {
		upgrade_end(up, false, text);
		return;
	}
	snprintf(done, sizeof done, "reeved %s is there, pid %d as before",
	    up->said + 3, (int)keeperlink_welcome(en->kl)->pid);
	upgrade_end(up, true, done);
	loop_timer_init(&up->limit, en->lp, upgrade_on_leave, up);
	loop_timer_start(&up->limit, LEAVE_MS);
}

/* --- asked by another one ----------------------------------------------------
 */

int
upgrade_check(const char *layout, const char *file)
{
	struct config_errors errs;
	struct config *cf = NULL;
	struct stat st;
	char *data;

	if (strtoul(layout, NULL, 10) != upgrade_layout()) {
		puts("reeved " REEVE_VERSION " keeps its records in another "
		     "way: stop the one that runs, and start this one");
		return 1;
	}
	config_errors_init(&errs);
	if (fstat(CONFIG_FD, &st) == 0) {
		data = xmalloc((size_t)st.st_size + 1);
		if (pread(CONFIG_FD, data, (size_t)st.st_size, 0) == st.st_size)
			cf = config_load_snapshot(
			    file, data, (size_t)st.st_size, &errs);
		free(data);
	}
	if (cf == NULL)
		printf("the config in force: %s\n",
		    errs.errors.n != 0 ? errs.errors.v[0] : "can't be read");
	else
		puts("ok " REEVE_VERSION);
	config_errors_fini(&errs);
	config_free(cf);
	return cf == NULL;
}
