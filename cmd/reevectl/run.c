/*
 * run - a command through the daemon, as if it had been typed here.
 *
 * The command gets our own descriptors: what it reads and writes does not
 * pass through anybody.  We wait for its end, hand signals on, and have its
 * exit code.  An engine that dies meanwhile is asked again, with the key that
 * names the command.
 *
 * With --json its output comes through pipes of ours and is kept, head and
 * tail; with --pty it comes through a terminal of ours.
 */
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "run.h"
#include "task.h"

#define RUN_AGAIN_MS     10000 /* as long as the command waits for us */
#define RUN_PAUSE_MAX_MS 1000
#define RUN_LEAVE_MS     5000 /* a signal that nobody answers */
#define RUN_NOBODY_HEARS                                                       \
	"reeved does not answer; it will stop the command when it sees that "  \
	"nobody waits for it"

extern char **environ;

/* --- what is asked for ------------------------------------------------------
 */

static int
run_env(struct run *r)
{
	const struct command *cmd = r->cmd;
	struct err err;

	strv_init(&r->env);
	for (char **e = environ; !cmd->on[OPTION_CLEAR_ENV] && *e != NULL; e++)
		strv_add(&r->env, *e);
	if (cmd->on[OPTION_ENV_FILE] &&
	    config_read_env_file(&r->env, cmd->value[OPTION_ENV_FILE], &err) ==
		-1) {
		warn_user("%s", err.text);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < cmd->env.n; i++) {
		char *key = xstrdup(cmd->env.v[i]);

		/* opts.c has seen to the = */
		key[strcspn(key, "=")] = '\0';
		strv_env_set(&r->env, key, key + strlen(key) + 1);
		free(key);
	}
	return -1;
}

static char *
run_directory(const struct command *cmd)
{
	const char *to = cmd->value[OPTION_CWD];
	char *here, *dir;

	if (to != NULL && *to == '/')
		return xstrdup(to);
	here = getcwd(NULL, 0);
	if (here == NULL)
		return NULL;
	dir = to != NULL ? xasprintf("%s/%s", here, to) : xstrdup(here);
	free(here);
	return dir;
}

static void
run_add(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s) + 1);
}

/* Folder, words, environment: in a memfd, whatever their bytes and length. */
int
run_strings(struct run *r)
{
	const struct command *cmd = r->cmd;
	char *dir = run_directory(cmd);
	struct buf b;
	int fd = -1, code = run_env(r);

	if (code != -1 || dir == NULL) {
		if (dir == NULL)
			warn_user("the current folder: %s", strerror(errno));
		free(dir);
		return code != -1 ? code : EXIT_FAIL;
	}
	buf_init(&b);
	run_add(&b, dir);
	r->argc = cmd->on[OPTION_SHELL] ? 3 : (int)cmd->nargs;
	if (cmd->on[OPTION_SHELL]) {
		run_add(&b, "/bin/sh");
		run_add(&b, "-c");
		for (size_t i = 0; i < cmd->nargs; i++) {
			buf_adds(&b, i > 0 ? " " : "");
			buf_adds(&b, cmd->args[i]);
		}
		buf_add(&b, "", 1);
	}
	for (int i = 0; !cmd->on[OPTION_SHELL] && i < r->argc; i++)
		run_add(&b, cmd->args[i]);
	for (size_t i = 0; i < r->env.n; i++)
		run_add(&b, r->env.v[i]);
	fd = memfd_create("reeve-run", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1 || fd_write_all(fd, b.data, b.len) == -1) {
		warn_user("keep the command: %s", strerror(errno));
		code = EXIT_FAIL;
	}
	buf_fini(&b);
	free(dir);
	r->pass[0] = fd;
	return code;
}

void
run_params_how(const struct command *cmd, json_t *p)
{
	enum option_id group =
	    cmd->verb == VERB_RUN ? OPTION_RUN_GROUP : OPTION_TASK_GROUP;
	mode_t ours = umask(0);
	json_t *limits;

	umask(ours);
	json_object_set_new(p, "umask",
	    json_integer(
		cmd->on[OPTION_UMASK] ? cmd->number[OPTION_UMASK] : ours));
	if (cmd->on[OPTION_NICE])
		json_object_set_new(
		    p, "nice", json_integer(cmd->number[OPTION_NICE]));
	if (cmd->on[OPTION_USER])
		json_object_set_new(
		    p, "user", json_string(cmd->value[OPTION_USER]));
	if (cmd->on[group])
		json_object_set_new(
		    p, "as_group", json_string(cmd->value[group]));
	if (cmd->rlimits.n == 0)
		return;
	limits = json_array();
	for (size_t i = 0; i < cmd->rlimits.n; i++)
		json_array_append_new(limits, json_string(cmd->rlimits.v[i]));
	json_object_set_new(p, "rlimits", limits);
}

static json_t *
run_params(const struct run *r, bool resume)
{
	const struct command *cmd = r->cmd;
	json_t *p = json_pack("{s:s}", "key", r->key);

	if (resume)
		json_object_set_new(p, "resume", json_true());
	if (resume && r->started)
		return p;
	json_object_set_new(p, "argc", json_integer(r->argc));
	if (cmd->on[OPTION_PTY])
		json_object_set_new(p, "tty", json_true());
	if (cmd->on[OPTION_IPC])
		json_object_set_new(
		    p, "ipc", json_string(cmd->value[OPTION_IPC]));
	if (cmd->on[OPTION_TIMEOUT])
		json_object_set_new(
		    p, "timeout_ms", json_integer(cmd->number[OPTION_TIMEOUT]));
	if (cmd->on[OPTION_JOBSERVER])
		json_object_set_new(p, "jobserver", json_true());
	run_params_how(cmd, p);
	return p;
}

static int
run_ask(struct run *r, bool resume, struct client_error *ce)
{
	int id;

	/* Of one that had not started yet, all that it needs to. */
	if (!resume || !r->started)
		client_pass(r->cmd->client, r->pass, 4);
	id = client_send(r->cmd->client, "run", run_params(r, resume), ce);
	r->anew = !resume;
	if (id != -1)
		r->reached = true;
	return id;
}

/* --- while it runs ----------------------------------------------------------
 */

static bool
run_ends(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGQUIT ||
	       signo == SIGHUP;
}

/* Who is refused because there are many clients waits for a turn. */
static void
run_pause(struct run *r)
{
	r->pause_ms = r->pause_ms * 2 + 10 + (int)getpid() % 10;
	if (r->pause_ms > RUN_PAUSE_MAX_MS)
		r->pause_ms = RUN_PAUSE_MAX_MS;
	poll(NULL, 0, r->pause_ms);
}

/* Was told to end, while there is nobody to hand that on to? */
static bool
run_is_ended(struct run *r, struct client_error *ce)
{
	struct signalfd_siginfo si;

	while (read(r->signals, &si, sizeof si) == (ssize_t)sizeof si)
		if (run_ends((int)si.ssi_signo))
			r->unheard = (int)si.ssi_signo;
	if (r->unheard == 0)
		return false;
	ce->exit = 128 + r->unheard;
	snprintf(ce->text, sizeof ce->text, RUN_NOBODY_HEARS);
	return true;
}

static int
run_reconnect(struct run *r, struct client_error *ce)
{
	mono_ms until = clock_mono_ms() + RUN_AGAIN_MS;

	do {
		client_disconnect(r->cmd->client);
		run_pause(r);
		if (run_is_ended(r, ce))
			return -1;
		if (client_connect(r->cmd->client, ce) == -1)
			continue;
		r->resumed = r->reached;
		r->id = run_ask(r, r->reached, ce);
		if (r->id != -1)
			return 0;
	} while (clock_mono_ms() < until);
	return -1;
}

static int
run_error(struct run *r, json_t *error, struct client_error *ce)
{
	json_t *data = json_object_get(error, "data");

	/* It never came to the engine before: that is safe to say again.  Not
	 * so when reeved is another one: that before may have run it. */
	if (r->resumed && !r->started &&
	    !json_is_true(json_object_get(data, "may_have_run"))) {
		r->resumed = false;
		r->id = run_ask(r, false, ce);
		return r->id == -1 ? run_reconnect(r, ce) : 0;
	}
	ce->exit = (int)jint(data, "exit", EXIT_FAIL);
	snprintf(ce->text, sizeof ce->text, "%s",
	    jstr(error, "message", "it failed"));
	return -1;
}

static int
run_first(struct run *r, struct client_error *ce)
{
	if (client_connect(r->cmd->client, ce) == -1)
		return -1;
	r->id = run_ask(r, false, ce);
	return r->id == -1 ? run_reconnect(r, ce) : 0;
}

/* 0: go on; 1: r->result is there; -1: ce tells. */
static int
run_message(struct run *r, json_t *msg, struct client_error *ce)
{
	json_t *params = json_object_get(msg, "params");
	json_t *result = json_object_get(msg, "result");
	json_t *error = json_object_get(msg, "error");

	if (params != NULL) {
		/* "exit" is another one: its end is told with the result. */
		r->started = true;
		r->pause_ms = 0;
		return 0;
	}
	/* There is no room for us: nothing that we said is read. */
	if (error != NULL && json_is_null(json_object_get(msg, "id")) &&
	    r->anew)
		r->reached = false;
	/* Answers to signals that were handed on come in between. */
	if (jint(msg, "id", -1) != r->id)
		return 0;
	if (error != NULL)
		return run_error(r, error, ce);
	r->result = json_incref(result);
	return 1;
}

static int
run_hear(struct run *r, struct client_error *ce)
{
	json_t *msg;
	int rc = 0;

	while (rc == 0) {
		if (client_recv(r->cmd->client, 0, &msg, ce) == -1)
			return run_reconnect(r, ce);
		if (msg == NULL)
			return 0;
		r->unheard = 0;
		rc = run_message(r, msg, ce);
		json_decref(msg);
	}
	return rc;
}

static int
run_hand_on(struct run *r, int signo, struct client_error *ce)
{
	const char *name = sigabbrev_np(signo);
	json_t *p = json_pack(
	    "{s:s,s:s}", "key", r->key, "signal", name != NULL ? name : "TERM");

	if (client_send(r->cmd->client, "run_signal", p, ce) != -1)
		return 0;
	return run_reconnect(r, ce);
}

/*
 * Who wants to end us is not to wait for a reeved that hangs, or has no room
 * to hear us: it stops the command when it sees that we are gone.  A second
 * time: at once.
 */
static void
run_unheard(struct run *r, int signo)
{
	if (!run_ends(signo))
		return;
	r->leave_at = clock_mono_ms() + (r->unheard != 0 ? 0 : RUN_LEAVE_MS);
	r->unheard = signo;
}

/* ^Z: the command stands still while we do.  It is not told so, but stopped:
 * of a session of its own the kernel lets nobody be stopped by SIGTSTP. */
static int
run_stand_still(struct run *r, struct client_error *ce)
{
	if (run_hand_on(r, SIGSTOP, ce) == -1)
		return -1;
	pty_leave(r);
	raise(SIGSTOP);
	pty_return(r);
	return run_hand_on(r, SIGCONT, ce);
}

static int
run_on_signal(struct run *r, int signo, struct client_error *ce)
{
	if (signo == SIGWINCH) {
		pty_resize(r);
		return 0;
	}
	if (signo == SIGTSTP)
		return run_stand_still(r, ce);
	if (run_hand_on(r, signo, ce) == -1)
		return -1;
	run_unheard(r, signo);
	return 0;
}

static int
run_signals(struct run *r, struct client_error *ce)
{
	struct signalfd_siginfo si;

	while (read(r->signals, &si, sizeof si) == (ssize_t)sizeof si)
		if (run_on_signal(r, (int)si.ssi_signo, ce) == -1)
			return -1;
	return 0;
}

static int
run_wait_ms(const struct run *r)
{
	mono_ms now = clock_mono_ms();

	if (r->unheard == 0)
		return -1;
	return r->leave_at > now ? (int)(r->leave_at - now) : 0;
}

/* Until the result is there; -1: ce tells why there is none. */
static int
run_wait(struct run *r, struct client_error *ce)
{
	struct pollfd pfd[2 + RUN_IO_MAX];
	int rc = 0;

	while (rc == 0) {
		nfds_t n = 2 + run_io_poll(r, pfd + 2);

		pfd[0] =
		    (struct pollfd){ client_fd(r->cmd->client), POLLIN, 0 };
		pfd[1] = (struct pollfd){ r->signals, POLLIN, 0 };
		if (poll(pfd, n, run_wait_ms(r)) == -1 && errno != EINTR)
			break;
		run_io_turn(r, pfd + 2);
		if (pfd[1].revents != 0)
			rc = run_signals(r, ce);
		if (rc == 0 && pfd[0].revents != 0)
			rc = run_hear(r, ce);
		if (rc == 0 && run_wait_ms(r) == 0) {
			ce->exit = 128 + r->unheard;
			snprintf(ce->text, sizeof ce->text, RUN_NOBODY_HEARS);
			return -1;
		}
	}
	return rc;
}

/* --- the end ----------------------------------------------------------------
 */

static int
run_exit_code(const struct run *r)
{
	int64_t code = jint(r->result, "exit_code", -1);

	if (!json_is_true(json_object_get(r->result, "started")))
		return no_start_code(r->result);
	if (json_is_true(json_object_get(r->result, "timed_out")))
		return EXIT_TIMED_OUT;
	if (code != -1)
		return (int)code;
	return 128 + (int)jint(r->result, "exit_signal", SIGKILL);
}

static int
run_tell(struct run *r)
{
	int code = run_exit_code(r);

	if (r->cmd->on[OPTION_JSON])
		capture_print(r);
	else if (code == EXIT_TIMED_OUT || !r->started ||
		 !json_is_true(json_object_get(r->result, "started")))
		if (code >= EXIT_TIMED_OUT && code <= EXIT_NO_FILE &&
		    jint(r->result, "exit_code", -1) != code)
			warn_user("%s", jstr(r->result, "text", "it failed"));
	return code;
}

void
run_key(struct run *r)
{
	unsigned char random[16];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		memset(random, (int)getpid(), sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(r->key + 2 * i, 3, "%02x", random[i]);
}

static int
run_catch(struct run *r)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1,
		SIGUSR2, SIGWINCH, SIGTSTP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals == -1 ? -1 : 0;
}

static int
run_begin(struct run *r)
{
	int code = run_strings(r);

	if (code != -1)
		return code;
	for (int i = 0; i < 3; i++)
		r->pass[1 + i] = i;
	if (run_catch(r) == -1 || run_io_open(r) == -1) {
		warn_user("prepare the command: %s", strerror(errno));
		return EXIT_FAIL;
	}
	return -1;
}

int
verb_run(struct command *cmd)
{
	struct run r = { .cmd = cmd,
		.pass = { -1, -1, -1, -1 },
		.signals = -1,
		.master = -1,
		.slave = -1,
		.out = { { .fd = -1 }, { .fd = -1 } } };
	struct client_error ce = { 0 };
	int code;

	if (cmd->on[OPTION_DETACH] && cmd->on[OPTION_IPC]) {
		warn_user("--ipc is for a command that is waited for");
		return EXIT_USAGE;
	}
	if (cmd->on[OPTION_DETACH])
		return task_detach(cmd);
	run_key(&r);
	code = run_begin(&r);
	if (code == -1) {
		if (run_first(&r, &ce) == -1 || run_wait(&r, &ce) != 1)
			code = command_failed(cmd, &ce);
		run_io_end(&r);
		if (code == -1)
			code = run_tell(&r);
	}
	run_io_fini(&r);
	fd_closep(&r.pass[0]);
	fd_closep(&r.signals);
	strv_fini(&r.env);
	json_decref(r.result);
	return code;
}
