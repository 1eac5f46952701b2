/*
 * cmd_job - CPU jobs, for clients that speak JSON-RPC and nothing else.
 *
 * A job's bytes are files: descriptors that come with the request, or paths,
 * which are opened here only for who could open them anyway.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "ctl/jobs.h"

#define IDS_MAX          1024
#define ARGS_MAX         32
#define PRIORITY_DEFAULT 4
#define TEXT_MAX         (64 * 1024)

static bool
job_possible(struct ctl_req *r)
{
	if (jobs_possible(r->s->srv))
		return true;
	ctl_fail(r, CTL_E_FAILED,
	    "there is no pool for jobs: the config has neither [pool] nor "
	    "[job:KIND]");
	return false;
}

/* --- job_submit -------------------------------------------------------------
 */

/* To make it empty would leave nothing to read. */
static bool
job_is_input(const struct stat *st, int in_fd)
{
	struct stat in;

	return in_fd != -1 && fstat(in_fd, &in) == 0 &&
	       in.st_dev == st->st_dev && in.st_ino == st->st_ino;
}

/* in_fd: of an output, what it is made of; or -1. */
static int
job_open_path(const struct ctl_req *r, const char *path, bool out, int in_fd,
    struct err *err)
{
	int flags = out ? O_RDWR | O_CREAT : O_RDONLY, fd;
	struct stat st;

	if (r->s->who.uid != 0 && r->s->who.uid != geteuid())
		return err_set(err,
		    "reeved opens no file for another user: pass descriptors");
	if (*path != '/')
		return err_set(err, "%s: not an absolute path", path);
	/* Not one that lets us wait. */
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
	if (fd == -1)
		return err_sys(err, "%s", path);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, "%s: not a file", path);
	}
	if (out && job_is_input(&st, in_fd)) {
		close(fd);
		return err_set(err, "%s: it is the input as well", path);
	}
	if (out && ftruncate(fd, 0) == -1) {
		close(fd);
		return err_sys(err, "%s", path);
	}
	return fd;
}

/* A path, or the next descriptor that came along; *fd -1: neither. */
static int
job_open(struct ctl_req *r, const char *path, bool out, int in_fd, size_t *next,
    int *fd, struct err *err)
{
	*fd = path == NULL ? ctl_take_fd(r, (*next)++)
			   : job_open_path(r, path, out, in_fd, err);
	return path == NULL || *fd != -1 ? 0 : -1;
}

static void
job_on_sent(void *arg, uint64_t id)
{
	struct ctl_req *r = arg;
	struct jw *w;

	r->close = NULL;
	w = ctl_result_begin(r);
	jw_obj(w, NULL);
	jw_int(w, "id", (int64_t)id);
	jw_end_obj(w);
	ctl_result_end(r);
}

static void
job_on_close(struct ctl_req *r)
{
	jobs_forget(r->s->srv->jobs, r);
}

static void
job_close_fds(struct jobs_request *rq)
{
	if (rq->in_fd != -1)
		fd_close_given(&rq->in_fd);
	if (rq->out_fd != -1)
		fd_close_given(&rq->out_fd);
}

static void
job_begin(struct ctl_req *r, struct jobs_request *rq)
{
	struct err err = { .text = "" };
	size_t next = 0;

	if (job_open(r, rq->in_name, false, -1, &next, &rq->in_fd, &err) ==
		-1 ||
	    job_open(r, rq->out_name, true, rq->in_fd, &next, &rq->out_fd,
		&err) == -1) {
		job_close_fds(rq);
		ctl_fail(r, CTL_E_FAILED, "%s", err.text);
		return;
	}
	r->close = job_on_close;
	if (jobs_submit(jobs_of(r->s->srv), rq, job_on_sent, r) == 0)
		return;
	job_close_fds(rq);
	r->close = NULL;
	ctl_fail(r, CTL_E_BUSY, "%d jobs have not ended", JOBS_LIVE_MAX);
}

static void
job_check(struct args *a, const struct jobs_request *rq)
{
	size_t n = 0;

	for (size_t i = 0; i < rq->args->n; i++)
		n += strlen(rq->args->v[i]) + 1;
	if (!a->bad && rq->args->n > ARGS_MAX)
		args_error(a, "a job has at most %d arguments", ARGS_MAX);
	if (!a->bad && n + strlen(rq->kind) > TEXT_MAX)
		args_error(a, "the job's arguments are too long");
}

/* For a worker, the pool's rights are not. */
static bool
job_allowed(struct ctl_req *r, const char *kind)
{
	if (!ctl_is_guest(r) || !pool_kind_acts(kind))
		return true;
	ctl_fail(r, CTL_E_DENIED,
	    "%s acts with the rights of the pool: allow_jobs is not enough, "
	    "[reeve] needs 'allow = job_submit: uid %u'",
	    kind, (unsigned)r->s->who.uid);
	return false;
}

void
cmd_job_submit(struct ctl_req *r, struct args *a)
{
	struct jobs_request rq = { .in_fd = -1, .out_fd = -1 };
	struct strv args;

	strv_init(&args);
	rq.args = &args;
	rq.kind = args_str(a, "kind", true);
	rq.in_name = args_str(a, "input", false);
	rq.out_name = args_str(a, "output", false);
	args_strv(a, "args", false, &args);
	rq.priority =
	    7 - (unsigned)args_int(a, "priority", 0, 7, PRIORITY_DEFAULT);
	rq.retry = args_bool(a, "retry", false);
	rq.progress = args_bool(a, "progress", false);
	rq.run_timeout_ms =
	    (uint32_t)args_int(a, "run_timeout_ms", 0, INT32_MAX, 0);
	rq.queue_timeout_ms =
	    (uint32_t)args_int(a, "queue_timeout_ms", 0, INT32_MAX, 0);
	job_check(a, &rq);
	if (args_end(a, r) == 0 && job_possible(r) && job_allowed(r, rq.kind))
		job_begin(r, &rq);
	strv_fini(&args);
}

/* --- job_wait ---------------------------------------------------------------
 */

struct waited {
	uint64_t id;
	bool ended;
	struct pool_result result;
	char *text;
};

struct job_wait {
	struct jobs_watch watch; /* first */
	struct ctl_req *r;
	struct waited *v;
	size_t n, left;
};

static void
wait_free(struct job_wait *jw)
{
	jobs_unwatch(jw->r->s->srv->jobs, &jw->watch);
	for (size_t i = 0; i < jw->n; i++)
		free(jw->v[i].text);
	free(jw->v);
	free(jw);
}

static void
wait_on_close(struct ctl_req *r)
{
	wait_free(r->priv);
}

static void
wait_put_end(struct jw *w, const char *key, const struct waited *e)
{
	jw_obj(w, key);
	jw_int(w, "id", (int64_t)e->id);
	jw_str(
	    w, "status", pool_status_name((enum pool_status)e->result.status));
	jw_int_or(w, "signal", e->result.signal, 0);
	jw_str(w, "text", e->text);
	jw_int(w, "queued", e->result.queued);
	jw_int(w, "bytes_in", (int64_t)e->result.bytes_in);
	jw_int(w, "bytes_out", (int64_t)e->result.bytes_out);
	jw_int(w, "wait_us", (int64_t)e->result.wait_us);
	jw_int(w, "run_us", (int64_t)e->result.run_us);
	jw_end_obj(w);
}

static void
wait_answer(struct job_wait *jw)
{
	struct ctl_req *r = jw->r;
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_arr(w, "jobs");
	for (size_t i = 0; i < jw->n; i++)
		wait_put_end(w, NULL, &jw->v[i]);
	jw_end_arr(w);
	jw_end_obj(w);
	r->close = NULL;
	wait_free(jw);
	ctl_result_end(r);
}

static void
wait_take(struct job_wait *jw, const struct jobs_job *j)
{
	for (size_t i = 0; j->ended && i < jw->n; i++) {
		struct waited *e = &jw->v[i];

		if (e->id != j->id || e->ended)
			continue;
		e->ended = true;
		e->result = j->result;
		e->text = xstrdup(j->text);
		jw->left--;
	}
}

static bool
wait_has(const struct job_wait *jw, uint64_t id)
{
	for (size_t i = 0; i < jw->n; i++)
		if (jw->v[i].id == id)
			return true;
	return false;
}

static void
wait_note(struct job_wait *jw, const struct jobs_job *j)
{
	struct waited e = { j->id, true, j->result, j->text };
	struct jw *w;

	/* Who does not read is told of the end alone. */
	if (!ctl_session_room(jw->r->s))
		return;
	w = ctl_note_begin(jw->r);
	if (j->ended) {
		wait_put_end(w, "end", &e);
	} else {
		jw_obj(w, "progress");
		jw_int(w, "id", (int64_t)j->id);
		jw_int(w, "percent", j->percent);
		jw_str(w, "doing", j->doing);
		jw_end_obj(w);
	}
	ctl_note_end(jw->r);
}

static void
wait_step(struct jobs_watch *watch, const struct jobs_job *j)
{
	struct job_wait *jw = (struct job_wait *)watch;

	if (!wait_has(jw, j->id))
		return;
	wait_note(jw, j);
	wait_take(jw, j);
	if (jw->left == 0)
		wait_answer(jw);
}

/* NULL: a has the error. */
static struct waited *
job_ids(struct args *a, size_t *n)
{
	json_t *ids = args_json(a, "ids");
	struct waited *v;

	*n = json_array_size(ids);
	if (*n == 0 || *n > IDS_MAX) {
		args_error(
		    a, "parameter \"ids\" must be 1 to %d numbers", IDS_MAX);
		return NULL;
	}
	v = xcalloc(*n, sizeof *v);
	for (size_t i = 0; i < *n; i++) {
		json_t *id = json_array_get(ids, i);

		if (!json_is_integer(id) || json_integer_value(id) <= 0)
			args_error(a, "parameter \"ids\" must be numbers");
		v[i].id = (uint64_t)json_integer_value(id);
	}
	return v;
}

void
cmd_job_wait(struct ctl_req *r, struct args *a)
{
	struct jobs *js = jobs_of(r->s->srv);
	struct job_wait *jw;
	size_t n;
	struct waited *v = job_ids(a, &n);

	if (args_end(a, r) == -1 || !job_possible(r)) {
		free(v);
		return;
	}
	jw = xcalloc(1, sizeof *jw);
	*jw = (struct job_wait){ .r = r, .v = v, .n = n, .left = n };
	jw->watch.step = wait_step;
	jobs_watch(js, &jw->watch);
	r->priv = jw;
	r->close = wait_on_close;
	r->lost = ctl_lost_verb;
	for (size_t i = 0; i < n; i++) {
		const struct jobs_job *j = jobs_get(js, v[i].id);

		if (j != NULL) {
			if (!j->ended)
				wait_note(jw, j);
			wait_take(jw, j);
			continue;
		}
		r->close = NULL;
		wait_free(jw);
		ctl_fail(
		    r, CTL_E_BUSY, "%d jobs have not ended", JOBS_LIVE_MAX);
		return;
	}
	if (jw->left == 0)
		wait_answer(jw);
}

void
cmd_job_cancel(struct ctl_req *r, struct args *a)
{
	struct jobs *js = jobs_of(r->s->srv);
	size_t n;
	struct waited *v = job_ids(a, &n);
	struct jw *w;

	if (args_end(a, r) == 0 && job_possible(r)) {
		for (size_t i = 0; i < n; i++)
			jobs_cancel(js, v[i].id);
		w = ctl_result_begin(r);
		jw_obj(w, NULL);
		jw_end_obj(w);
		ctl_result_end(r);
	}
	free(v);
}

/* --- what the pool says ------------------------------------------------------
 */

static void
ask_on_answer(void *arg, const char *json)
{
	struct ctl_req *r = arg;
	json_t *parsed = json != NULL ? json_loads(json, 0, NULL) : NULL;
	struct jw *w;

	r->close = NULL;
	if (parsed == NULL) {
		/* Other people's code runs in it: it is not believed. */
		ctl_fail(r, CTL_E_FAILED,
		    json != NULL ? "the pool's answer is no JSON"
				 : "the pool does not answer; status pool");
		return;
	}
	json_decref(parsed);
	w = ctl_result_begin(r);
	jw_raw(w, NULL, json);
	ctl_result_end(r);
}

static void
job_ask(struct ctl_req *r, struct args *a, const char *what)
{
	if (args_end(a, r) == -1 || !job_possible(r))
		return;
	r->close = job_on_close;
	jobs_query(jobs_of(r->s->srv), what, ask_on_answer, r);
}

void
cmd_job_list(struct ctl_req *r, struct args *a)
{
	job_ask(r, a, "jobs");
}

void
cmd_job_stats(struct ctl_req *r, struct args *a)
{
	job_ask(r, a, "stats");
}

void
cmd_job_kinds(struct ctl_req *r, struct args *a)
{
	job_ask(r, a, "kinds");
}
