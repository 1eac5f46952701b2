/*
 * cmd_run - commands of clients.
 *
 * With the request come four descriptors: a memfd of strings, each ended by a
 * NUL (folder, argc words, the environment), then what become 0, 1 and 2 of
 * the command.  So no byte is changed by JSON, no length is limited by a
 * line, and what the command writes goes where the client said, whatever
 * becomes of us.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "config/value.h"
#include "ctl/ctl_priv.h"
#include "engine/run.h"

#define RUN_STRINGS_MAX (8 << 20)

/* What a request is made of, until it is started. */
struct running {
	struct run_request req;
	struct strv argv, envp;
	char *strings;
	char *path;
	struct config_owner user;
	gid_t *groups;
};

static void
running_fini(struct running *rn)
{
	free(rn->strings);
	free(rn->path);
	free(rn->argv.v);
	free(rn->envp.v);
	free(rn->groups);
	value_owner_fini(&rn->user);
	for (int i = 0; i < 3; i++)
		fd_closep(&rn->req.fds[i]);
}

/* A memfd, so that no read of it can wait; copied, so that it can't change. */
static int
running_read(struct running *rn, int fd, size_t *len, struct err *err)
{
	struct stat st;

	if (fd == -1)
		return err_set(err, "no descriptors came with the request");
	if (fcntl(fd, F_GET_SEALS) == -1 || fstat(fd, &st) == -1)
		return err_set(err, "the first descriptor is no memfd");
	if (st.st_size < 1 || st.st_size > RUN_STRINGS_MAX)
		return err_set(err, "%lld bytes of strings: at most %d",
		    (long long)st.st_size, RUN_STRINGS_MAX);
	*len = (size_t)st.st_size;
	rn->strings = xmalloc(*len);
	if (pread(fd, rn->strings, *len, 0) != (ssize_t)*len ||
	    rn->strings[*len - 1] != '\0')
		return err_set(err, "the strings are not ended by a NUL");
	return 0;
}

/* Borrowed: the arrays are freed, not what is in them. */
static void
running_add(struct strv *to, char *s)
{
	to->v = xreallocarray(to->v, to->n + 2, sizeof *to->v);
	to->v[to->n++] = s;
	to->v[to->n] = NULL;
}

static int
running_split(struct running *rn, size_t len, int64_t argc, struct err *err)
{
	char *p = rn->strings, *end = p + len;

	rn->req.directory = p;
	for (p += strlen(p) + 1; p < end; p += strlen(p) + 1) {
		if ((int64_t)rn->argv.n < argc)
			running_add(&rn->argv, p);
		else
			running_add(&rn->envp, p);
	}
	if (rn->envp.v == NULL)
		rn->envp.v = xcalloc(1, sizeof *rn->envp.v);
	if ((int64_t)rn->argv.n < argc)
		return err_set(err, "%zu words came, not %lld", rn->argv.n,
		    (long long)argc);
	if (rn->req.directory[0] != '/')
		return err_set(err, "the folder must begin with /");
	rn->req.argv = rn->argv.v;
	rn->req.envp = rn->envp.v;
	return 0;
}

/* --- as whom ----------------------------------------------------------------
 */

static int
running_peer_groups(struct running *rn, int fd, struct err *err)
{
	socklen_t len = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == -1 &&
	    errno != ERANGE)
		return err_sys(err, "read the client's groups");
	rn->groups = xmalloc(len + sizeof(gid_t));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, rn->groups, &len) == -1)
		return err_sys(err, "read the client's groups");
	rn->req.groups = rn->groups;
	rn->req.ngroups = len / sizeof(gid_t);
	return 0;
}

static int
running_as_user(struct running *rn, const struct ctl_session *s,
    const char *user, struct err *err)
{
	if (s->who.uid != 0 || geteuid() != 0)
		return err_set(err, "only root may run as another user");
	if (value_owner_lookup(&rn->user, user, err) == -1)
		return -1;
	rn->req.set_ids = true;
	rn->req.uid = rn->user.uid;
	rn->req.gid = rn->user.gid;
	rn->req.groups = rn->user.groups;
	rn->req.ngroups = rn->user.ngroups;
	return 0;
}

/* Never as anyone but the client, unless root says so. */
static int
running_identity(struct running *rn, const struct ctl_session *s,
    const char *user, struct err *err)
{
	if (user != NULL)
		return running_as_user(rn, s, user, err);
	if (s->who.uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return err_set(err,
		    "reeved is not root: it can run nothing "
		    "for uid %u",
		    (unsigned)s->who.uid);
	rn->req.set_ids = true;
	rn->req.uid = s->who.uid;
	rn->req.gid = s->who.gid;
	return running_peer_groups(rn, s->fd, err);
}

/* --- the answer -------------------------------------------------------------
 */

static void
run_put_started(void *arg, pid_t pid)
{
	struct ctl_req *r = arg;
	struct jw *w = ctl_note_begin(r);

	jw_str(w, "event", "started");
	jw_int(w, "pid", pid);
	ctl_note_end(r);
}

static void
run_put_end(struct ctl_req *r, const struct task_end *end)
{
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_int_or(w, "exit_code", end->code, -1);
	jw_int_or(w, "exit_signal", end->signo, 0);
	jw_bool(w, "timed_out", end->how == TASK_TIMED_OUT);
	jw_bool(w, "started", end->how != TASK_NO_START);
	jw_int_or(w, "errno", end->errnum, 0);
	jw_int(w, "duration_ms", end->ran_ms);
	jw_int_or(w, "max_rss_kb", end->max_rss_kb, -1);
	jw_str(w, "text", end->text);
	jw_end_obj(w);
	ctl_result_end(r);
}

static void
run_on_end(void *arg, const struct task_end *end)
{
	struct ctl_req *r = arg;
	struct run *run = r->priv;

	run_put_end(r, end);
	run_leave(run);
}

static const struct run_ops run_ops = {
	.started = run_put_started,
	.done = run_on_end,
};

static void
run_on_close(struct ctl_req *r)
{
	run_leave(r->priv);
}

static bool
run_key_ok(const char *key)
{
	size_t n = strlen(key);

	return n > 0 && n <= RUN_KEY_MAX &&
	       strspn(key, "0123456789abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

static void
run_resumes(struct ctl_req *r)
{
	const char *key = r->priv;
	struct engine *en = r->s->srv->en;

	r->priv = run_resume(en, r->s->who.uid, key, &run_ops, r);
	if (r->priv != NULL)
		r->close = run_on_close;
	else
		ctl_fail(r, CTL_E_FAILED,
		    "what became of the command is not known any more");
}

/* A command that can't be found is an end like others: it tells why. */
static void
run_not_found(struct ctl_req *r, const struct err *err)
{
	struct task_end end = { .how = TASK_NO_START,
		.code = -1,
		.max_rss_kb = -1,
		.errnum = err->errnum };

	snprintf(end.text, sizeof end.text, "%.150s", err->text);
	run_put_end(r, &end);
}

static void
run_begin(struct ctl_req *r, struct running *rn)
{
	struct err err;
	const char *path = strv_env_get(&rn->envp, "PATH");

	if (config_find_command(&rn->path, rn->req.argv[0], rn->req.directory,
		path, &err) == -1) {
		run_not_found(r, &err);
		return;
	}
	rn->req.path = rn->path;
	r->close = run_on_close;
	r->priv =
	    run_start(r->s->srv->en, r->s->who.uid, &rn->req, &run_ops, r);
}

void
cmd_run(struct ctl_req *r, struct args *a)
{
	struct running rn = { .req = { .fds = { -1, -1, -1 } } };
	const char *key = args_str(a, "key", true), *user;
	struct err err;
	int64_t argc;
	size_t len = 0;
	bool resume;
	int fd;

	argc = args_int(a, "argc", 1, RUN_STRINGS_MAX, 0);
	resume = args_bool(a, "resume", false);
	rn.req.tty = args_bool(a, "tty", false);
	rn.req.timeout_ms = args_int(a, "timeout_ms", 1, INT32_MAX, 0);
	rn.req.umask = (int32_t)args_int(a, "umask", 0, 0777, SPEC_KEEP);
	rn.req.nice = (int32_t)args_int(a, "nice", -20, 19, SPEC_KEEP);
	user = args_str(a, "user", false);
	if (!a->bad && !run_key_ok(key))
		args_error(a,
		    "parameter \"key\" must be 1 to %d letters and "
		    "digits",
		    RUN_KEY_MAX);
	else if (!a->bad && !resume && argc == 0)
		args_error(a, "parameter \"argc\" is missing");
	else if (!a->bad && run_is_taken(r->s->srv->en, r->s->who.uid, key))
		args_error(a, "there is a run with that key");
	if (args_end(a, r) == -1)
		return;
	if (resume) {
		r->priv = (void *)(uintptr_t)key;
		run_resumes(r);
		return;
	}
	rn.req.key = key;
	fd = ctl_take_fd(r, 0);
	for (size_t i = 0; i < 3; i++)
		rn.req.fds[i] = ctl_take_fd(r, i + 1);
	if (running_read(&rn, fd, &len, &err) == -1 ||
	    running_split(&rn, len, argc, &err) == -1)
		ctl_fail(r, CTL_E_PARAMS, "%s", err.text);
	else if (running_identity(&rn, r->s, user, &err) == -1)
		ctl_fail(r, CTL_E_DENIED, "%s", err.text);
	else
		run_begin(r, &rn);
	fd_closep(&fd);
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
