/*
 * cmd_run - commands of clients.
 *
 * With the request come four descriptors: a memfd of strings, each ended by a
 * NUL (folder, argc words, the environment), then what become 0, 1 and 2 of
 * the command.  So no byte is changed by JSON, no length is limited by a
 * line, and what the command writes goes where the client said, whatever
 * becomes of us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "ctl/running.h"
#include "spawn/spawn.h"

#define RUN_AGAIN_MS 100 /* no process could be made */

/* --- the answer -------------------------------------------------------------
 */

/* A run as its client has it. */
struct client_run {
	struct ctl_req *r;
	struct run *run; /* NULL: it is begun again soon */
	bool kept;       /* rn is valid: it has not started yet */
	struct running rn;
	char key[RUN_KEY_MAX + 1], ipc[RUN_KEY_MAX + 1];
	struct loop_timer again;
};

static void
client_run_drop(struct client_run *cr)
{
	if (cr->kept)
		running_fini(&cr->rn);
	cr->kept = false;
}

static void
client_run_free(struct client_run *cr)
{
	loop_timer_stop(&cr->again);
	client_run_drop(cr);
	free(cr);
}

static void
run_put_started(void *arg, pid_t pid)
{
	struct client_run *cr = arg;
	struct ctl_req *r = cr->r;
	struct jw *w = ctl_note_begin(r);

	/* Its descriptors are the command's alone now. */
	client_run_drop(cr);
	jw_str(w, "event", "started");
	jw_int(w, "pid", pid);
	ctl_note_end(r);
}

static void
run_put_exit(void *arg, const struct task_end *end)
{
	struct client_run *cr = arg;
	struct jw *w = ctl_note_begin(cr->r);

	client_run_drop(cr);
	jw_str(w, "event", "exit");
	jw_int_or(w, "exit_code", end->code, -1);
	jw_int_or(w, "exit_signal", end->signo, 0);
	jw_int(w, "duration_ms", end->ran_ms);
	ctl_note_end(cr->r);
}

static void
run_put_end(struct ctl_req *r, const struct task_end *end, const char *path)
{
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_int_or(w, "exit_code", end->code, -1);
	jw_int_or(w, "exit_signal", end->signo, 0);
	jw_bool(w, "timed_out", end->how == TASK_TIMED_OUT);
	jw_bool(w, "started", end->how != TASK_NO_START);
	jw_int_or(w, "errno", end->errnum, 0);
	jw_int(w, "duration_ms", end->ran_ms);
	jw_int(w, "close_ms", end->close_ms);
	jw_int_or(w, "max_rss_kb", end->max_rss_kb, -1);
	jw_str(w, "text", end->text);
	if (end->how == TASK_NO_START)
		running_put_no_start(w, end, path);
	jw_end_obj(w);
	ctl_result_end(r);
}

static void
run_on_end(void *arg, const struct task_end *end)
{
	struct client_run *cr = arg;
	struct run *run = cr->run;

	/* Not its fault: it waits for a process to be had. */
	if (cr->kept && task_end_is_later(end)) {
		cr->run = NULL;
		loop_timer_start(&cr->again, RUN_AGAIN_MS);
	} else {
		run_put_end(cr->r, end, run_failed_path(run));
		client_run_free(cr);
	}
	run_leave(run);
}

static const struct run_ops run_ops = {
	.started = run_put_started,
	.gone = run_put_exit,
	.done = run_on_end,
};

static void
run_on_close(struct ctl_req *r)
{
	struct client_run *cr = r->priv;

	if (cr->run != NULL)
		run_leave(cr->run);
	client_run_free(cr);
}

static void
client_run_start(struct client_run *cr)
{
	struct ctl_req *r = cr->r;
	struct err err = { .text = "" };

	cr->run = run_start(
	    r->s->srv->en, r->s->who.uid, &cr->rn.req, &run_ops, cr, &err);
	if (cr->run != NULL)
		return;
	r->close = NULL;
	client_run_free(cr);
	ctl_fail(r, CTL_E_FAILED, "%s", err.text);
}

static void
client_run_on_again(struct loop_timer *t, void *arg)
{
	(void)t;
	client_run_start(arg);
}

/* It is r's priv from now on. */
static struct client_run *
client_run_new(struct ctl_req *r)
{
	struct client_run *cr = xcalloc(1, sizeof *cr);

	cr->r = r;
	loop_timer_init(&cr->again, r->s->srv->lp, client_run_on_again, cr);
	r->priv = cr;
	r->close = run_on_close;
	return cr;
}

/* A command that can't be found is an end like others: it tells why. */
static void
run_not_found(struct ctl_req *r, struct err *err, const char *command,
    const char *directory)
{
	bool lacks = config_find_lacks_directory(NULL, command, directory, err);
	struct task_end end = { .how = TASK_NO_START,
		.code = -1,
		.max_rss_kb = -1,
		.stage = lacks ? STAGE_DIRECTORY : STAGE_EXEC,
		.errnum = err->errnum };

	snprintf(end.text, sizeof end.text, "%.150s", err->text);
	run_put_end(r, &end, lacks ? directory : command);
}

/* So is a user or group that is not there; to ask for one that the client may
 * not be is an error. */
static void
run_not_as(struct ctl_req *r, const struct running *rn, const struct err *err)
{
	struct task_end end;

	if (rn->unknown == 0) {
		ctl_fail(r, CTL_E_DENIED, "%s", err->text);
		return;
	}
	running_not_as(rn, err, &end);
	run_put_end(r, &end, NULL);
}

static int
run_find_path(struct running *rn, struct err *err)
{
	const char *path = strv_env_get(&rn->envp, "PATH");

	if (config_find_command(
		&rn->path, rn->req.argv[0], rn->req.directory, path, err) == -1)
		return -1;
	rn->req.path = rn->path;
	return 0;
}

static void
client_run_keep(struct client_run *cr, struct running *rn)
{
	cr->rn = *rn;
	cr->kept = true;
	running_init(rn);
	/* The request's own words are gone when it is begun again. */
	snprintf(cr->key, sizeof cr->key, "%s", cr->rn.req.key);
	cr->rn.req.key = cr->key;
	if (cr->rn.req.ipc != NULL) {
		snprintf(cr->ipc, sizeof cr->ipc, "%s", cr->rn.req.ipc);
		cr->rn.req.ipc = cr->ipc;
	}
}

static void
run_begin(struct ctl_req *r, struct running *rn)
{
	struct client_run *cr;
	struct err err;

	if (run_find_path(rn, &err) == -1) {
		run_not_found(r, &err, rn->req.argv[0], rn->req.directory);
		return;
	}
	cr = client_run_new(r);
	client_run_keep(cr, rn);
	client_run_start(cr);
}

/* rn: what it was asked for with, for one that did not start, or that waits
 * for a process to be had; NULL: the client does not say. */
static void
run_resumes(struct ctl_req *r, const char *key, struct running *rn)
{
	struct engine *en = r->s->srv->en;
	struct client_run *cr = client_run_new(r);
	struct err err;

	if (rn != NULL && run_find_path(rn, &err) == 0)
		client_run_keep(cr, rn);
	cr->run = run_resume(en, r->s->who.uid, key,
	    cr->kept ? &cr->rn.req : NULL, &run_ops, cr);
	if (cr->run != NULL)
		return;
	r->close = NULL;
	client_run_free(cr);
	/* A keeper knows all that it was asked for; this one was not there. */
	ctl_fail_data(r, CTL_E_FAILED,
	    engine_incarnation(en) == 1 ? "\"may_have_run\":true" : NULL,
	    "what became of the command is not known any more");
}

void
cmd_run(struct ctl_req *r, struct args *a)
{
	struct running rn;
	const char *key = args_str(a, "key", true);
	struct task_end end;
	struct err err;
	int64_t argc;
	bool resume;
	int fd;

	argc = args_int(a, "argc", 1, RUN_STRINGS_MAX, 0);
	resume = args_bool(a, "resume", false);
	running_init(&rn);
	rn.req.tty = args_bool(a, "tty", false);
	rn.req.ipc = args_str(a, "ipc", false);
	rn.req.jobserver = args_bool(a, "jobserver", false);
	rn.req.timeout_ms = args_int(a, "timeout_ms", 1, INT32_MAX, 0);
	running_args(&rn, a);
	if (!a->bad && !run_key_ok(key))
		args_error(a,
		    "parameter \"key\" must be 1 to %d letters and "
		    "digits",
		    RUN_KEY_MAX);
	else if (!a->bad && rn.req.ipc != NULL && !run_key_ok(rn.req.ipc))
		args_error(a,
		    "parameter \"ipc\" must be 1 to %d letters and digits",
		    RUN_KEY_MAX);
	else if (!a->bad && !resume && argc == 0)
		args_error(a, "parameter \"argc\" is missing");
	else if (!a->bad && run_is_taken(r->s->srv->en, r->s->who.uid, key))
		args_error(a, "there is a run with that key");
	if (args_end(a, r) == -1)
		return;
	if (resume && argc == 0) {
		run_resumes(r, key, NULL);
		return;
	}
	rn.req.key = key;
	fd = ctl_take_fd(r, 0);
	for (size_t i = 0; i < 3; i++)
		rn.req.fds[i] = ctl_take_fd(r, i + 1);
	if (running_read(&rn, fd, argc, &err) == -1)
		ctl_fail(r, CTL_E_PARAMS, "%s", err.text);
	else if (running_identity(&rn, r->s, &err) == -1)
		run_not_as(r, &rn, &err);
	else if (running_refused(&rn, r->s, &end))
		run_put_end(r, &end, NULL);
	else if (resume)
		run_resumes(r, key, &rn);
	else
		run_begin(r, &rn);
	fd_close_given(&fd);
	running_fini(&rn);
}

void
cmd_run_signal(struct ctl_req *r, struct args *a)
{
	const char *key = args_str(a, "key", true);
	const char *name = args_str(a, "signal", true);
	int signo = a->bad ? 0 : ctl_signal_number(name);
	struct run *run;

	if (!a->bad && signo == 0)
		args_error(a, "no signal \"%.32s\"", name);
	if (args_end(a, r) == -1)
		return;
	run = run_find(r->s->srv->en, r->s->who.uid, key);
	if (run == NULL) {
		ctl_fail(r, CTL_E_NAME, "there is no run with that key");
		return;
	}
	run_signal(run, signo);
	jw_bool(ctl_result_begin(r), NULL, true);
	ctl_result_end(r);
}
