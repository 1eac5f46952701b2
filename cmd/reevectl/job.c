/*
 * job - CPU jobs, straight to the pool: no byte of them goes through reeved.
 */
#include "job.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

volatile sig_atomic_t job_stopped;

static void
on_stop(int signo)
{
	job_stopped = signo;
}

void
job_catch_stop(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	/* Not restarted: who waits looks. */
	struct sigaction sa = { .sa_handler = on_stop }, old;

	for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
		/* Of nohup(1), say. */
		if (i < 2 || (sigaction(stops[i], NULL, &old) == 0 &&
				 old.sa_handler != SIG_IGN))
			(void)sigaction(stops[i], &sa, NULL);
}

/* Half outputs are gone by now: it ends as if that had not been caught. */
static void
job_end_stopped(void)
{
	out_flush();
	if (job_stopped != SIGHUP && job_stopped != SIGPIPE)
		return;
	(void)signal(job_stopped, SIG_DFL);
	(void)raise(job_stopped);
}

/* --- the pool ------------------------------------------------------------- */

static char *
job_socket(const struct command *cmd)
{
	const char *env = getenv("REEVE_POOL"), *slash;

	if (cmd->on[OPTION_POOL])
		return xstrdup(cmd->value[OPTION_POOL]);
	if (env != NULL && *env != '\0')
		return xstrdup(env);
	slash = strrchr(cmd->socket, '/');
	return xasprintf("%.*s/pool.sock",
	    slash == NULL ? 1 : (int)(slash - cmd->socket),
	    slash == NULL ? "." : cmd->socket);
}

struct reeve_pool *
job_connect(const struct command *cmd)
{
	char *path = job_socket(cmd);
	struct reeve_pool *p = reeve_pool_open(path);

	if (p == NULL)
		warn_user("no pool at %s: %s; does a program run reeve-pool "
			  "there? --pool names another socket",
		    path, strerror(errno));
	free(path);
	return p;
}

/* Files that the pool opens by name: it is in another folder than we. */
static void
job_absolute(struct command *cmd, const char *kind)
{
	bool command = strcmp(kind, "command") == 0;
	const char *name = command ? "program=" : "key_file=", *value;
	char *cwd, *whole, **arg;

	if (!command && strcmp(kind, "encrypt") != 0 &&
	    strcmp(kind, "decrypt") != 0)
		return;
	for (size_t i = 0; i < cmd->job_args.n; i++) {
		arg = &cmd->job_args.v[i];
		value = *arg + strlen(name);
		/* A program without a slash is looked for in PATH. */
		if (!str_starts(*arg, name) || *value == '/' ||
		    *value == '\0' || (command && strchr(value, '/') == NULL))
			continue;
		cwd = getcwd(NULL, 0);
		if (cwd == NULL)
			continue;
		whole = xasprintf("%s%s/%s", name, cwd, value);
		free(cwd);
		free(*arg);
		*arg = whole;
	}
}

void
job_request(const struct command *cmd, const char *kind, const char ***args,
    struct reeve_pool_request *rq)
{
	const struct strv *v = &cmd->job_args;
	int64_t priority = cmd->on[OPTION_PRIORITY]
			       ? cmd->number[OPTION_PRIORITY]
			       : JOB_PRIORITY_DEFAULT;

	*args = xcalloc(v->n + 1, sizeof **args);
	for (size_t i = 0; i < v->n; i++)
		(*args)[i] = v->v[i];
	*rq = (struct reeve_pool_request)REEVE_POOL_REQUEST(kind);
	rq->args = *args;
	/* Here more is sooner, as for tasks. */
	rq->priority = 7 - (int)priority;
	if (cmd->on[OPTION_TIMEOUT])
		rq->run_timeout_ms = cmd->number[OPTION_TIMEOUT] < UINT32_MAX
					 ? (uint32_t)cmd->number[OPTION_TIMEOUT]
					 : UINT32_MAX;
	rq->retry = cmd->on[OPTION_RETRY];
}

static void
job_why_crashed(struct buf *b, const struct reeve_pool_event *ev)
{
	bool told = *ev->text != '\0';
	char sig[32];

	render_signal(sig, sizeof sig, ev->signal);
	if (!told && (ev->signal == 0 || ev->signal == SIGKILL))
		/* Any other would have been caught; who sent it is not known.
		 */
		buf_addf(b, "the pool died while it ran (SIGKILL%s)",
		    ev->signal == 0 ? ", as it seems" : "");
	else
		buf_addf(b, "the pool died of it (%s%s%s)",
		    ev->signal != 0 ? sig : "",
		    ev->signal != 0 && told ? ", " : "", ev->text);
}

void
job_why(struct buf *b, const struct reeve_pool_event *ev)
{
	switch (ev->status) {
	case REEVE_POOL_CRASHED:
		job_why_crashed(b, ev);
		break;
	case REEVE_POOL_LOST:
		buf_adds(b, "the pool died while it ran; try --retry");
		break;
	case REEVE_POOL_FULL:
		buf_addf(b, "the queue is full: %u wait", ev->queued);
		break;
	case REEVE_POOL_QUEUE_TIMEOUT:
		buf_adds(b, "it waited too long");
		break;
	case REEVE_POOL_RUN_TIMEOUT:
		buf_adds(b, "its time was up");
		break;
	case REEVE_POOL_STUCK:
		buf_adds(b, "it did not stop when its time was up");
		break;
	case REEVE_POOL_OK:
	case REEVE_POOL_FAILED:
	case REEVE_POOL_CANCELLED:
	case REEVE_POOL_REFUSED:
	case REEVE_POOL_POISONED:
	default:
		buf_adds(b, *ev->text != '\0'
				? ev->text
				: reeve_pool_status_name(ev->status));
	}
}

/* --- run ------------------------------------------------------------------ */

static void
job_print_json(const char *kind, const struct reeve_pool_event *ev)
{
	json_t *o = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I}", "kind", kind,
	    "status", reeve_pool_status_name(ev->status), "bytes_in",
	    (json_int_t)ev->bytes_in, "bytes_out", (json_int_t)ev->bytes_out,
	    "wait_us", (json_int_t)ev->wait_us, "run_us",
	    (json_int_t)ev->run_us);

	if (ev->signal != 0)
		json_object_set_new(o, "signal", json_integer(ev->signal));
	if (*ev->text != '\0')
		json_object_set_new(o,
		    ev->status == REEVE_POOL_OK ? "answer" : "error",
		    json_string(ev->text));
	out_json(o);
	json_decref(o);
}

void
job_print_answer(const char *answer, const char *name)
{
	struct buf b;
	bool odd = strpbrk(name, "\\\n\r") != NULL;

	buf_init(&b);
	for (const char *p = name; *p != '\0'; p++)
		if (*p == '\n')
			buf_adds(&b, "\\n");
		else if (*p == '\r')
			buf_adds(&b, "\\r");
		else if (*p == '\\')
			buf_adds(&b, "\\\\");
		else
			buf_addc(&b, *p);
	out_printf("%s%s  %s\n", odd ? "\\" : "", answer, buf_str(&b));
	buf_fini(&b);
}

static void
job_print(const struct command *cmd, const struct reeve_pool_request *rq,
    const struct reeve_pool_event *ev)
{
	struct buf b;

	if (cmd->on[OPTION_JSON]) {
		job_print_json(rq->kind, ev);
	} else if (ev->status != REEVE_POOL_OK) {
		buf_init(&b);
		job_why(&b, ev);
		warn_user("%s: %s", rq->kind, buf_str(&b));
		buf_fini(&b);
	} else if (*ev->text != '\0') {
		job_print_answer(
		    ev->text, rq->in_name != NULL ? rq->in_name : "-");
	}
}

void
job_show_line(const char *text)
{
	size_t cols, rows;
	struct buf b;

	render_screen(STDERR_FILENO, &cols, &rows);
	buf_init(&b);
	/* The last column stays free: some terminals go on from there. */
	render_cut(&b, text, cols - 1);
	(void)fprintf(stderr, "\r\033[K%s", buf_str(&b));
	buf_fini(&b);
}

static void
job_show_progress(const struct reeve_pool_event *ev, const char *kind)
{
	static bool drawn;
	char *line;

	if (ev->type == REEVE_POOL_PROGRESS) {
		line = xasprintf("%s %d%% %s", kind, ev->percent, ev->text);
		job_show_line(line);
		free(line);
		drawn = true;
	} else if (drawn) {
		job_show_line("");
	}
}

/* Its result; -1: the pool is gone. */
static int
job_await(struct reeve_pool *p, const char *kind, uint64_t id,
    struct reeve_pool_event *ev)
{
	bool cancelled = false;
	int r;

	for (;;) {
		r = reeve_pool_next(p, -1, ev);
		if (r == -1) {
			warn_user("%s", reeve_pool_error(p));
			return -1;
		}
		if (job_stopped != 0 && !cancelled) {
			cancelled = true;
			(void)reeve_pool_cancel(p, id);
		}
		if (r == 1)
			job_show_progress(ev, kind);
		if (r == 1 && ev->type == REEVE_POOL_RESULT)
			return 0;
	}
}

/*
 * The pool goes by positions of its own: stdin and stdout may be files that
 * others of the same shell line have read or written a part of, and go on with.
 */
static int64_t
job_position(int fd)
{
	struct stat st;
	off_t at;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return 0;
	at = lseek(fd, 0, SEEK_CUR);
	return at > 0 ? at : 0;
}

static void
job_advance(int fd, int64_t from, uint64_t done)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || flags == -1)
		return;
	if ((flags & O_APPEND) != 0)
		(void)lseek(fd, 0, SEEK_END);
	else
		(void)lseek(fd, from + (off_t)done, SEEK_SET);
}

/* "-i f >>f": what is there now, not what the job adds, for ever. */
static void
job_bound_input(struct reeve_pool_request *rq)
{
	struct stat in, out;

	if (rq->in_fd != -1 && fstat(rq->in_fd, &in) == 0 &&
	    fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(in.st_mode) &&
	    in.st_dev == out.st_dev && in.st_ino == out.st_ino &&
	    in.st_size >= rq->in_off)
		rq->in_len = in.st_size - rq->in_off;
}

static int
job_input(const struct command *cmd, struct reeve_pool_request *rq)
{
	const char *name = cmd->value[OPTION_INPUT];
	struct err err;

	if (name == NULL || strcmp(name, "-") == 0) {
		if (name != NULL || !isatty(STDIN_FILENO)) {
			rq->in_fd = STDIN_FILENO;
			rq->in_off = job_position(STDIN_FILENO);
		}
		return 0;
	}
	rq->in_name = name;
	rq->in_fd = job_file_input(name, &err);
	if (rq->in_fd != -1)
		return 0;
	warn_user("%s", err.text);
	return -1;
}

static int
job_output(const struct command *cmd, struct reeve_pool_request *rq,
    struct job_file *out)
{
	const char *name = cmd->value[OPTION_OUTPUT];
	struct err err;

	if (name == NULL || strcmp(name, "-") == 0) {
		if (name != NULL || !isatty(STDOUT_FILENO)) {
			rq->out_fd = STDOUT_FILENO;
			rq->out_off = job_position(STDOUT_FILENO);
			job_bound_input(rq);
		}
		return 0;
	}
	if (job_file_open(out, name, &err) == -1) {
		warn_user("%s", err.text);
		return -1;
	}
	rq->out_name = name;
	rq->out_fd = out->fd;
	return 0;
}

static int
job_run_with(struct command *cmd, struct reeve_pool *p,
    struct reeve_pool_request *rq, struct job_file *out)
{
	struct reeve_pool_event ev;
	struct err err;
	uint64_t id;

	rq->progress = isatty(STDERR_FILENO) && !cmd->on[OPTION_JSON];
	if (reeve_pool_submit(p, rq, &id) == -1) {
		warn_user("%s", reeve_pool_error(p));
		return EXIT_FAIL;
	}
	if (job_await(p, rq->kind, id, &ev) == -1)
		return EXIT_DAEMON;
	if (rq->in_fd == STDIN_FILENO)
		job_advance(STDIN_FILENO, rq->in_off, ev.bytes_in);
	if (rq->out_fd == STDOUT_FILENO)
		job_advance(STDOUT_FILENO, rq->out_off, ev.bytes_out);
	job_print(cmd, rq, &ev);
	if (job_stopped != 0 && ev.status != REEVE_POOL_OK)
		return 128 + job_stopped;
	if (ev.status != REEVE_POOL_OK)
		return EXIT_FAIL;
	if (job_file_keep(out, ev.bytes_out, &err) == 0)
		return EXIT_OK;
	warn_user("%s", err.text);
	return EXIT_FAIL;
}

static int
job_run(struct command *cmd)
{
	struct job_file out = { .fd = -1 };
	struct reeve_pool_request rq;
	const char **args;
	struct reeve_pool *p;
	int code = EXIT_FAIL;

	if (cmd->nargs != 1) {
		warn_user("job run needs a kind; see `reevectl job kinds`");
		return EXIT_USAGE;
	}
	p = job_connect(cmd);
	if (p == NULL)
		return EXIT_DAEMON;
	job_catch_stop();
	job_request(cmd, cmd->args[0], &args, &rq);
	if (job_input(cmd, &rq) == 0 && job_output(cmd, &rq, &out) == 0)
		code = job_run_with(cmd, p, &rq, &out);
	job_file_drop(&out);
	if (rq.in_fd > STDERR_FILENO)
		close(rq.in_fd);
	free(args);
	reeve_pool_close(p);
	return code;
}

/* --- what the pool tells -------------------------------------------------- */

/* NULL after telling why; the exit code. */
static json_t *
job_query(const struct command *cmd, const char *what, int *code)
{
	struct reeve_pool *p = job_connect(cmd);
	struct reeve_pool_event ev;
	json_t *v = NULL;
	uint64_t id;

	*code = EXIT_DAEMON;
	if (p == NULL)
		return NULL;
	if (reeve_pool_query(p, what, &id) == 0 &&
	    reeve_pool_next(p, 10000, &ev) == 1)
		v = json_loads(ev.text, 0, NULL);
	else
		warn_user("%s", reeve_pool_error(p));
	reeve_pool_close(p);
	*code = v == NULL ? EXIT_DAEMON : EXIT_OK;
	return v;
}

static const char *
job_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static long long
job_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
job_table(const char *const *heads, const int *width, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out_printf("%s%-*s%s%s", render_tint(TINT_BOLD),
		    i + 1 < n ? width[i] : 0, heads[i],
		    render_untint(TINT_BOLD), i + 1 < n ? " " : "\n");
}

static int
job_kinds_print(struct command *cmd)
{
	static const char *const heads[] = { "KIND", "POOL", "WHAT" };
	static const int width[] = { 14, 10, 0 };
	int code;
	size_t i;
	json_t *k, *v = job_query(cmd, "kinds", &code);

	if (v == NULL || cmd->on[OPTION_JSON]) {
		if (v != NULL)
			out_json(v);
		json_decref(v);
		return code;
	}
	job_table(heads, width, 3);
	json_array_foreach(json_object_get(v, "kinds"), i, k)
	    out_printf("%-14s %-10s %s\n", job_str(k, "kind"),
		*job_str(k, "pool") != '\0' ? job_str(k, "pool") : "-",
		job_str(k, "summary"));
	json_decref(v);
	return code;
}

static int
job_list(struct command *cmd)
{
	static const char *const heads[] = { "ID", "STATE", "KIND", "DONE",
		"INPUT" };
	static const int width[] = { 16, 8, 14, 5, 0 };
	struct buf b;
	int code;
	size_t i;
	json_t *j, *v = job_query(cmd, "jobs", &code);

	if (v == NULL || cmd->on[OPTION_JSON]) {
		if (v != NULL)
			out_json(v);
		json_decref(v);
		return code;
	}
	job_table(heads, width, 5);
	buf_init(&b);
	json_array_foreach(json_object_get(v, "jobs"), i, j)
	{
		/* Another client named it. */
		buf_clear(&b);
		render_safe(&b, job_str(j, "input"));
		out_printf("%-16lld %-8s %-14s %4lld%% %s\n", job_int(j, "id"),
		    job_str(j, "state"), job_str(j, "kind"),
		    job_int(j, "percent"), buf_str(&b));
	}
	buf_fini(&b);
	if (job_int(v, "not_listed") > 0)
		out_printf("and %lld more\n", job_int(v, "not_listed"));
	json_decref(v);
	return code;
}

static void
job_stats_pools(const json_t *v)
{
	static const char *const heads[] = { "POOL", "THREADS", "BUSY",
		"QUEUED", "OF", "REFUSED", "STUCK" };
	static const int width[] = { 10, 7, 5, 7, 8, 8, 0 };
	const json_t *p;
	size_t i;

	job_table(heads, width, 7);
	json_array_foreach(json_object_get(v, "pools"), i, p) out_printf(
	    "%-10s %-7lld %-5lld %-7lld %-8lld %-8lld %lld\n",
	    *job_str(p, "name") != '\0' ? job_str(p, "name") : "-",
	    job_int(p, "threads"), job_int(p, "busy"), job_int(p, "queued"),
	    job_int(p, "queue"), job_int(p, "refused"), job_int(p, "stuck"));
}

/* What became of those that did not end well: "3 failed, 1 stuck, 12 full". */
static void
job_stats_others(json_t *results)
{
	const char *key, *between = "  ";
	json_t *n;

	json_object_foreach(results, key, n)
	{
		if (strcmp(key, "ok") == 0)
			continue;
		out_printf("%s%lld %s", between,
		    (long long)json_integer_value(n), key);
		between = ", ";
	}
	out_puts("\n");
}

static void
job_stats_kind(const json_t *k)
{
	const json_t *w = json_object_get(k, "wait_us");
	const json_t *r = json_object_get(k, "run_us");
	json_t *res = json_object_get(k, "results"), *n;
	long long ok = job_int(res, "ok"), other = -ok;
	const char *key;

	json_object_foreach(res, key, n) other += json_integer_value(n);
	out_printf("%-14s %-8lld %-8lld %-9lld %-9lld %-9lld %-9lld %lld\n",
	    job_str(k, "kind"), ok, other, job_int(w, "p50"), job_int(w, "p99"),
	    job_int(r, "p50"), job_int(r, "p99"), job_int(r, "max"));
	if (other > 0)
		job_stats_others(res);
}

static int
job_stats(struct command *cmd)
{
	static const char *const heads[] = { "KIND", "OK", "NOT OK", "WAIT p50",
		"p99 us", "RUN p50", "p99 us", "max us" };
	static const int width[] = { 14, 8, 8, 9, 9, 9, 9, 0 };
	int code;
	size_t i;
	json_t *k, *v = job_query(cmd, "stats", &code);

	if (v == NULL || cmd->on[OPTION_JSON]) {
		if (v != NULL)
			out_json(v);
		json_decref(v);
		return code;
	}
	job_stats_pools(v);
	out_puts("\n");
	job_table(heads, width, 8);
	json_array_foreach(json_object_get(v, "kinds"), i, k) job_stats_kind(k);
	json_decref(v);
	return code;
}

static int
job_cancel(struct command *cmd)
{
	char what[40];
	int code = EXIT_OK, one;
	int64_t id;
	json_t *v;

	if (cmd->nargs == 0) {
		warn_user("job cancel needs ids, of `reevectl job list`");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < cmd->nargs; i++) {
		if (!str_to_i64(cmd->args[i], 1, INT64_MAX, &id)) {
			warn_user("not an id: %s", cmd->args[i]);
			return EXIT_USAGE;
		}
		(void)snprintf(what, sizeof what, "cancel %lld", (long long)id);
		v = job_query(cmd, what, &one);
		if (v == NULL)
			return one;
		if (!json_is_true(json_object_get(v, "cancelled"))) {
			warn_user("there is no job %lld", (long long)id);
			code = EXIT_NAME;
		}
		json_decref(v);
	}
	return code;
}

/* --- the verb ------------------------------------------------------------- */

static const struct {
	const char *name;
	verb_fn *run;
} orders[] = {
	{ "run", job_run },
	{ "map", job_map },
	{ "list", job_list },
	{ "cancel", job_cancel },
	{ "kinds", job_kinds_print },
	{ "stats", job_stats },
};

int
verb_job(struct command *cmd)
{
	const char *name = cmd->args[0];
	int code;

	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		if (strcmp(orders[i].name, name) != 0)
			continue;
		cmd->args++;
		cmd->nargs--;
		if (cmd->nargs > 0)
			job_absolute(cmd, cmd->args[0]);
		code = orders[i].run(cmd);
		job_end_stopped();
		cmd->args--;
		cmd->nargs++;
		return code;
	}
	warn_user(
	    "job has no \"%s\": run, map, list, cancel, kinds, stats", name);
	return EXIT_USAGE;
}
