/*
 * engine - starting the engine, and starting it again.
 *
 * It is a child like any other, under an id of its own.  Before an engine has
 * been ready once, its exit is a failed start of reeved and ends it with the
 * same code; after that it is restarted for ever: at once when it had lived
 * for a while, else with a growing pause.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "keeper/keeper_priv.h"

#define ENGINE_STABLE_MS 2000
#define ENGINE_DELAY_MS  5 /* the first pause; doubles up to the last */
#define ENGINE_DELAY_MAX 5000
#define ENGINE_FD        3 /* its end of the channel */

extern char **environ;

static void keeper_engine_spawned(void *arg, const struct spawn_err *se);

/*
 * What is installed may be another version by the time an engine dies, and
 * not speak our protocol: the next one is executed from the same file.  One
 * that dies young may be broken, and mended by what is installed: then the two
 * take turns.
 */
void
keeper_engine_program(struct keeper *kp, int program)
{
	struct stat own, there;

	fd_closep(&kp->program);
	if (program == -1)
		program = open(
		    kp->cfg->engine_argv[0], O_PATH | O_CLOEXEC | O_NOCTTY);
	kp->program = program;
	fd_lift(&kp->program, SPAWN_ROOM_LOW);
	/* The child has it by our number: its own table is another.  A /proc
	 * may be missing, or be one in which that pid is somebody else. */
	snprintf(kp->engine_path, sizeof kp->engine_path, "/proc/%d/fd/%d",
	    (int)getpid(), kp->program);
	if (fstat(kp->program, &own) == -1 ||
	    stat(kp->engine_path, &there) == -1 || own.st_dev != there.st_dev ||
	    own.st_ino != there.st_ino)
		kp->engine_path[0] = '\0';
}

/* The spec goes through a message, as every other does: one way in. */
static struct spec *
keeper_engine_spec(struct keeper *kp, struct err *err)
{
	struct spec_fd fds[] = {
		{ 0, SPEC_FD_NULL, 0 },
		{ 1, SPEC_FD_INHERIT, STDOUT_FILENO },
		{ 2, SPEC_FD_INHERIT, STDERR_FILENO },
		{ ENGINE_FD, SPEC_FD_MESSAGE, 0 },
	};
	struct spec sp, *out = NULL;
	char *argv[64];
	size_t n = 0;
	struct mw w;
	struct mr r;

	for (; kp->cfg->engine_argv[n] != NULL && n < 63; n++)
		argv[n] = kp->cfg->engine_argv[n];
	argv[n] = NULL;
	spec_init(&sp);
	sp.label = "engine";
	sp.path = kp->by_path || kp->engine_path[0] == '\0' ? argv[0]
							    : kp->engine_path;
	sp.argv = argv;
	sp.envp = environ;
	sp.fds = fds;
	sp.nfds = sizeof fds / sizeof fds[0];
	mw_init(&w, NULL, 0);
	spec_write(&w, &sp);
	if (w.failed) {
		errno = ENOMEM;
		err_sys(err, "prepare the engine's start");
	} else {
		mr_init(&r, w.data, w.len);
		out = spec_read(&r, 1, err);
	}
	mw_fini(&w);
	return out;
}

static int
keeper_engine_spawn(struct keeper *kp, int fd, struct err *err)
{
	struct spec *sp = keeper_engine_spec(kp, err);
	int from[] = { kp->null_fd, STDOUT_FILENO, STDERR_FILENO, fd };
	struct spawn_fds fds = { from, -1, &kp->room };
	struct spawn_err se;
	struct child *c;
	pid_t pid;

	if (sp == NULL)
		return -1;
	c = child_new(&kp->children, ENGINE_ID, "engine");
	if (c == NULL) {
		spec_free(sp);
		return err_sys(err, "start the engine");
	}
	c->kp = kp;
	pid = spawn_start(
	    kp->lp, sp, &fds, NULL, &c->spawn, keeper_engine_spawned, c, &se);
	if (pid == -1) {
		child_free(&kp->children, c);
		errno = se.errnum;
		return err_sys(err, "start the engine");
	}
	child_started(&kp->children, c, pid, loop_now(kp->lp));
	kp->engine = c;
	return 0;
}

static void
keeper_engine_spawned(void *arg, const struct spawn_err *se)
{
	struct child *c = arg;
	char text[256];

	c->spawn = NULL;
	c->state = se == NULL ? CHILD_ALIVE : CHILD_FAILED;
	if (se == NULL)
		return;
	spawn_err_text(text, sizeof text, se, c->kp->cfg->engine_argv[0], "");
	log_errorx("engine: %s", text);
}

static void
keeper_engine_later(struct keeper *kp)
{
	int64_t delay = kp->delay_ms;

	kp->delay_ms = delay == 0 ? ENGINE_DELAY_MS : delay * 2;
	if (kp->delay_ms > ENGINE_DELAY_MAX)
		kp->delay_ms = ENGINE_DELAY_MAX;
	loop_timer_start(&kp->restart, delay);
}

void
keeper_engine_start(struct keeper *kp)
{
	struct err err = { .text = "" };
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sv) == -1) {
		log_error("socketpair for the engine");
		keeper_engine_later(kp);
		return;
	}
	kp->incarnation++;
	kp->synced = false;
	kp->handoff.phase = HANDOFF_NONE;
	if (keeper_engine_spawn(kp, sv[1], &err) == -1) {
		log_errorx("%s", err.text);
		fd_closep(&sv[0]);
	} else {
		kp->ch = chan_new(kp->lp, sv[0], &keeper_chan_ops, kp);
	}
	fd_closep(&sv[1]);
	if (kp->engine == NULL)
		keeper_engine_later(kp);
	else if (kp->ch == NULL)
		keeper_engine_kill(kp, "no memory for its channel");
}

void
keeper_engine_kill(struct keeper *kp, const char *why)
{
	if (kp->engine == NULL)
		return;
	log_errorx("engine %d is killed: %s", (int)kp->engine->pid, why);
	child_signal(kp->engine, SIGKILL, false);
}

void
keeper_report_ready(struct keeper *kp, int code)
{
	uint8_t byte = (uint8_t)code;
	int fd = kp->cfg->ready_fd;

	if (fd == -1 || kp->was_ready)
		return;
	fd_write_all(fd, &byte, 1);
	close(fd);
}

static void
keeper_engine_log_exit(const struct child *c)
{
	if (c->kp->engine_leaves && c->signo == 0 && c->code == 0)
		log_info(
		    "engine %d has left, the next one is started", (int)c->pid);
	else if (c->signo != 0)
		log_errorx("engine %d was killed by signal %d (%s)%s, it is "
			   "started again",
		    (int)c->pid, c->signo, strsignal(c->signo),
		    c->core ? ", core dumped" : "");
	else
		log_errorx("engine %d exited with %d, it is started again",
		    (int)c->pid, c->code);
}

void
keeper_engine_exited(struct keeper *kp, struct child *c)
{
	mono_ms lived = c->died_ms - c->started_ms;
	int code = c->state == CHILD_FAILED ? 1 : c->code;

	/* What it sent before it died still counts. */
	if (kp->ch != NULL)
		chan_drain(kp->ch);
	chan_free(kp->ch);
	kp->ch = NULL;
	kp->engine = NULL;
	if (kp->shutting_down || !kp->was_ready) {
		if (!kp->shutting_down)
			kp->exit_code = code != 0 ? code : 1;
		keeper_report_ready(kp, kp->exit_code);
		child_free(&kp->children, c);
		keeper_force_exit(kp, kp->exit_code);
		return;
	}
	keeper_engine_log_exit(c);
	child_free(&kp->children, c);
	if (lived >= ENGINE_STABLE_MS || kp->engine_leaves)
		kp->delay_ms = 0;
	else
		kp->by_path = !kp->by_path;
	kp->engine_leaves = false;
	keeper_engine_later(kp);
}
