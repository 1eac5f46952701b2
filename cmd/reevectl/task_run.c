/*
 * task_run - a run of a named task, with what it depends on.
 *
 * Several requests are under way on one connection: one that is answered when
 * a task changes its state, and one for the output of each task that has
 * begun.  When an engine died all of them are given again; nothing is lost,
 * since the queue has it all.  Output goes to stdout as it comes, how the graph
 * gets on to stderr: on a terminal as a block of lines that is kept up to date
 * below the output, else a line for each change; nothing for a task alone.
 */
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "run.h"
#include "task.h"

#define LOGS_AT_ONCE 20
#define TICK_MS      1000

struct node {
	char *name;
	int64_t id;
	int64_t started, ran_ms;
	char state[16];
	char *reason;
	int log;        /* id of the request; -1: none */
	int64_t offset; /* of its output, that has been printed */
	bool printed;   /* all of it */
	bool shown;     /* on the terminal */
	json_t *after;
	json_t *task; /* as it was told last */
};

struct graph {
	struct command *cmd;
	struct node *v;
	size_t n;
	int watch; /* ids of requests; -1: none */
	int cancel;
	int signals, signo;
	mono_ms lost_ms; /* since when nobody answers; 0: somebody does */
	mono_ms until;   /* 0: no limit */
	size_t drawn;    /* lines on the terminal */
	bool tty;
	bool mid_line; /* the output has not ended its line */
	struct client_error ce;
};

/* --- the picture ------------------------------------------------------------
 */

static bool
node_is_over(const struct node *nd)
{
	return strcmp(nd->state, "queued") != 0 &&
	       strcmp(nd->state, "running") != 0;
}

static void
node_waits_for(const struct graph *g, const struct node *nd, struct buf *b)
{
	const json_t *id;
	size_t i, n = 0;

	json_array_foreach(nd->after, i, id)
	{
		for (size_t k = 0; k < g->n; k++)
			if (g->v[k].id == json_integer_value(id) &&
			    !node_is_over(&g->v[k]))
				buf_addf(b, "%s%s",
				    n++ == 0 ? "waits for " : ", ",
				    g->v[k].name);
	}
	if (n == 0)
		buf_adds(b, "waits");
}

/* "running 3 s" */
static void
node_text(const struct graph *g, const struct node *nd, struct buf *b)
{
	char ms[48];

	if (strcmp(nd->state, "running") == 0) {
		render_uptime(ms, sizeof ms, clock_wall_ms() - nd->started);
		buf_addf(b, g->tty ? "running %s" : "running", ms);
	} else if (strcmp(nd->state, "queued") == 0) {
		node_waits_for(g, nd, b);
	} else if (strcmp(nd->state, "done") == 0) {
		if (nd->ran_ms < 1000)
			snprintf(
			    ms, sizeof ms, "%lld ms", (long long)nd->ran_ms);
		else
			render_uptime(ms, sizeof ms, nd->ran_ms);
		buf_addf(b, "ok, %s", ms);
	} else {
		buf_adds(b, nd->state);
		if (nd->reason != NULL) {
			buf_adds(b, ": ");
			render_safe(b, nd->reason);
		}
	}
}

static enum tint
node_tint(const struct node *nd)
{
	if (strcmp(nd->state, "done") == 0)
		return TINT_GREEN;
	if (strcmp(nd->state, "running") == 0)
		return TINT_CYAN;
	if (strcmp(nd->state, "queued") == 0)
		return TINT_DIM;
	return TINT_RED;
}

static void
graph_erase(struct graph *g)
{
	if (g->drawn > 0)
		fprintf(stderr, "\033[%zuA\r\033[J", g->drawn);
	g->drawn = 0;
	fflush(stderr);
}

/* What is looked for first: what runs or has gone wrong. */
static int
node_rank(const struct node *nd)
{
	if (strcmp(nd->state, "queued") == 0)
		return 1;
	return strcmp(nd->state, "done") == 0 ||
		       strcmp(nd->state, "skipped") == 0
		   ? 2
		   : 0;
}

/* Which of them have a line: a terminal's height is all that can be erased
 * again.  How many have none. */
static size_t
graph_choose(struct graph *g, size_t room)
{
	size_t left = g->n <= room ? g->n : room - 1;

	for (size_t i = 0; i < g->n; i++)
		g->v[i].shown = false;
	for (int rank = 0; rank < 3; rank++)
		for (size_t i = 0; i < g->n && left > 0; i++)
			if (node_rank(&g->v[i]) == rank) {
				g->v[i].shown = true;
				left--;
			}
	return g->n <= room ? 0 : g->n - (room - 1);
}

/* last: it stays, so it may be longer than a line. */
static void
graph_line(const struct graph *g, const struct node *nd, size_t longest,
    size_t width, bool last, struct buf *b)
{
	struct buf text;

	/* The last column is left alone: some terminals wrap behind it. */
	width--;
	if (longest > width / 2)
		longest = width / 2;
	buf_init(&text);
	node_text(g, nd, &text);
	render_pad(b, nd->name, longest, false);
	buf_addf(b, "  %s", render_tint(node_tint(nd)));
	if (last)
		buf_adds(b, buf_str(&text));
	else if (width > longest + 2)
		render_cut(b, buf_str(&text), width - longest - 2);
	buf_addf(b, "%s\n", render_untint(node_tint(nd)));
	buf_fini(&text);
}

/* "13 more: 9 ok, 4 wait" */
static void
graph_rest(const struct graph *g, size_t n, size_t width, struct buf *b)
{
	size_t rank[3] = { 0 };
	struct buf text;

	for (size_t i = 0; i < g->n; i++)
		if (!g->v[i].shown)
			rank[node_rank(&g->v[i])]++;
	buf_init(&text);
	buf_addf(&text, "%zu more:", n);
	if (rank[0] > 0)
		buf_addf(&text, " %zu run or failed", rank[0]);
	if (rank[1] > 0)
		buf_addf(&text, "%s %zu wait", rank[0] > 0 ? "," : "", rank[1]);
	if (rank[2] > 0)
		buf_addf(&text, "%s %zu over", rank[0] + rank[1] > 0 ? "," : "",
		    rank[2]);
	render_cut(b, buf_str(&text), width - 1);
	buf_addc(b, '\n');
	buf_fini(&text);
}

static void
graph_draw(struct graph *g, bool last)
{
	size_t width, rows, rest, longest = 0;
	struct buf b;

	if (!g->tty || g->n == 1)
		return;
	graph_erase(g);
	if (g->mid_line)
		return;
	render_screen(STDERR_FILENO, &width, &rows);
	if (width < 8)
		width = 8;
	rest = graph_choose(g, last || rows < 4 ? g->n : rows - 2);
	buf_init(&b);
	for (size_t i = 0; i < g->n; i++)
		if (render_columns(g->v[i].name) > longest)
			longest = render_columns(g->v[i].name);
	for (size_t i = 0; i < g->n; i++) {
		if (!g->v[i].shown)
			continue;
		graph_line(g, &g->v[i], longest, width, last, &b);
		g->drawn++;
	}
	if (rest > 0) {
		graph_rest(g, rest, width, &b);
		g->drawn++;
	}
	fputs(buf_str(&b), stderr);
	fflush(stderr);
	buf_fini(&b);
}

/* Without a terminal. */
static void
graph_tell(const struct graph *g, const struct node *nd)
{
	struct buf b;

	if (g->tty || g->n == 1 || g->cmd->on[OPTION_JSON] ||
	    strcmp(nd->state, "queued") == 0)
		return;
	buf_init(&b);
	node_text(g, nd, &b);
	warn_user("%s: %s", nd->name, buf_str(&b));
	buf_fini(&b);
}

/* --- requests ---------------------------------------------------------------
 */

static json_t *
graph_ids(const struct graph *g)
{
	json_t *ids = json_array();
	char text[24];

	for (size_t i = 0; i < g->n; i++) {
		snprintf(text, sizeof text, "%lld", (long long)g->v[i].id);
		json_array_append_new(ids, json_string(text));
	}
	return ids;
}

static int
graph_send_watch(struct graph *g)
{
	json_t *states = json_array();

	for (size_t i = 0; i < g->n; i++)
		json_array_append_new(states, json_string(g->v[i].state));
	g->watch = client_send(g->cmd->client, "task_watch",
	    json_pack("{s:o,s:o}", "ids", graph_ids(g), "states", states),
	    &g->ce);
	return g->watch;
}

static int
graph_send_log(struct graph *g, struct node *nd)
{
	char id[24];

	snprintf(id, sizeof id, "%lld", (long long)nd->id);
	nd->log = client_send(g->cmd->client, "task_log",
	    json_pack("{s:s,s:I,s:b}", "id", id, "offset",
		(json_int_t)nd->offset, "follow", 1),
	    &g->ce);
	return nd->log;
}

static bool
graph_is_over(const struct graph *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (!node_is_over(&g->v[i]) || !g->v[i].printed)
			return false;
	return true;
}

/* Whatever is not under way and should be; -1: the connection is gone. */
static int
graph_send(struct graph *g)
{
	size_t logs = 0;
	bool over = true;

	for (size_t i = 0; i < g->n; i++) {
		struct node *nd = &g->v[i];

		over = over && node_is_over(nd);
		logs += nd->log != -1;
		if (g->cmd->on[OPTION_JSON] || strcmp(nd->state, "queued") == 0)
			continue;
		if (nd->printed || nd->log != -1 || logs >= LOGS_AT_ONCE)
			continue;
		if (graph_send_log(g, nd) == -1)
			return -1;
		logs++;
	}
	if (g->signo != 0 && g->cancel == -1 && !over) {
		g->cancel = client_send(g->cmd->client, "task_cancel",
		    json_pack("{s:o}", "ids", graph_ids(g)), &g->ce);
		if (g->cancel == -1)
			return -1;
	}
	return over || g->watch != -1 || graph_send_watch(g) != -1 ? 0 : -1;
}

/* --- answers ----------------------------------------------------------------
 */

static void
node_take(struct graph *g, struct node *nd, json_t *t)
{
	const char *state = jstr(t, "state", "?");
	bool changed = strcmp(nd->state, state) != 0;

	json_decref(nd->task);
	nd->task = json_incref(t);
	snprintf(nd->state, sizeof nd->state, "%s", state);
	nd->started = jint(t, "started", 0);
	nd->ran_ms = jint(t, "ran_ms", 0);
	free(nd->reason);
	nd->reason = NULL;
	if (jstr(t, "reason", NULL) != NULL)
		nd->reason = xstrdup(jstr(t, "reason", ""));
	/* What never ran has no output; with --json none is printed. */
	if (node_is_over(nd) &&
	    (g->cmd->on[OPTION_JSON] || jint(t, "tries", 0) == 0))
		nd->printed = true;
	if (changed)
		graph_tell(g, nd);
}

static void
graph_take_states(struct graph *g, const json_t *result)
{
	json_t *tasks = json_object_get(result, "tasks"), *t;
	size_t i;

	json_array_foreach(tasks, i, t)
	{
		for (size_t k = 0; k < g->n; k++)
			if (g->v[k].id == jint(t, "id", 0))
				node_take(g, &g->v[k], t);
	}
}

static void
graph_take_log(struct graph *g, struct node *nd, const json_t *piece)
{
	int64_t offset = jint(piece, "offset", 0);

	nd->log = -1;
	if (offset > nd->offset) {
		graph_erase(g);
		g->mid_line = task_log_print(piece) && render_is_tty();
	}
	nd->offset = offset;
	nd->printed = json_is_true(json_object_get(piece, "end"));
}

/* -1: go on; else the exit code. */
static int
graph_take(struct graph *g, json_t *msg)
{
	int id = (int)jint(msg, "id", -1);
	json_t *error = json_object_get(msg, "error");
	json_t *result = json_object_get(msg, "result");

	if (id == g->cancel && id != -1)
		return -1; /* it could not be: it has ended */
	if (error != NULL) {
		graph_erase(g);
		warn_user("%s", jstr(error, "message", "it failed"));
		return (int)jint(
		    json_object_get(error, "data"), "exit", EXIT_FAIL);
	}
	if (id == g->watch) {
		g->watch = -1;
		graph_take_states(g, result);
	}
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].log == id && id != -1)
			graph_take_log(g, &g->v[i], result);
	return -1;
}

/* The engine died: all is asked again.  -1: nobody answers. */
static int
graph_reconnect(struct graph *g)
{
	mono_ms now = clock_mono_ms();

	if (g->lost_ms == 0)
		g->lost_ms = now;
	if (now - g->lost_ms > CLIENT_AGAIN_MS)
		return -1;
	client_disconnect(g->cmd->client);
	g->watch = g->cancel = -1;
	for (size_t i = 0; i < g->n; i++)
		g->v[i].log = -1;
	if (client_connect(g->cmd->client, &g->ce) == -1)
		poll(NULL, 0, 50);
	return 0;
}

/* All that has come; -1: go on. */
static int
graph_hear(struct graph *g)
{
	json_t *msg = NULL;
	int code = -1;

	while (code == -1) {
		if (client_recv(g->cmd->client, 0, &msg, &g->ce) == -1)
			return graph_reconnect(g) == 0
				   ? -1
				   : command_failed(g->cmd, &g->ce);
		if (msg == NULL)
			break;
		g->lost_ms = 0;
		code = graph_take(g, msg);
		json_decref(msg);
	}
	return code;
}

/* --- the whole --------------------------------------------------------------
 */

/* -1: go on. */
static int
graph_signals(struct graph *g)
{
	struct signalfd_siginfo si;

	while (read(g->signals, &si, sizeof si) == (ssize_t)sizeof si) {
		if (g->signo != 0) {
			graph_erase(g);
			return 128 + (int)si.ssi_signo;
		}
		g->signo = (int)si.ssi_signo;
	}
	return -1;
}

static int
graph_turn(struct graph *g)
{
	struct pollfd pfd[2] = { { g->signals, POLLIN, 0 },
		{ client_fd(g->cmd->client), POLLIN, 0 } };
	int code;

	if (graph_send(g) == -1)
		return graph_reconnect(g) == 0 ? -1
					       : command_failed(g->cmd, &g->ce);
	graph_draw(g, false);
	poll(pfd, pfd[1].fd != -1 ? 2 : 1, TICK_MS);
	code = graph_signals(g);
	if (code == -1)
		code = graph_hear(g);
	if (code == -1 && g->until != 0 && clock_mono_ms() >= g->until) {
		graph_erase(g);
		warn_user("task %lld has not ended yet",
		    (long long)g->v[g->n - 1].id);
		code = EXIT_FAIL;
	}
	return code;
}

/* The task's own; of one that was not run, that of what it waited for. */
static int
graph_code(const struct graph *g)
{
	const struct node *root = &g->v[g->n - 1];

	if (g->signo != 0 && strcmp(root->state, "done") != 0)
		return 128 + g->signo;
	if (strcmp(root->state, "skipped") == 0)
		for (size_t i = 0; i < g->n; i++)
			if (strcmp(g->v[i].state, "failed") == 0)
				return task_exit_code(g->v[i].task);
	return task_exit_code(root->task);
}

static void
graph_end(struct graph *g)
{
	const struct node *root = &g->v[g->n - 1];
	json_t *all;

	if (g->cmd->on[OPTION_JSON]) {
		all = json_array();
		for (size_t i = 0; i < g->n; i++)
			json_array_append(all, g->v[i].task);
		out_json(all);
		json_decref(all);
		return;
	}
	if (g->tty && g->n > 1 && g->mid_line)
		fputc('\n', stderr);
	g->mid_line = false;
	graph_draw(g, true);
	/* What its output does not say. */
	if (g->n == 1 && root->reason != NULL &&
	    strcmp(root->state, "done") != 0 &&
	    jint(root->task, "exit_code", -1) == -1)
		warn_user(
		    "%s is %s: %s", root->name, root->state, root->reason);
}

/* Not where the output may come there by another way, as through tee: nobody
 * could tell above which line it is. */
static bool
graph_has_terminal(void)
{
	struct stat st;

	return isatty(STDERR_FILENO) && fstat(STDOUT_FILENO, &st) == 0 &&
	       !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode);
}

static void
graph_init(struct graph *g, struct command *cmd, const json_t *result)
{
	json_t *tasks = json_object_get(result, "tasks"), *t;
	sigset_t set;
	size_t i;

	*g = (struct graph){ .cmd = cmd, .watch = -1, .cancel = -1 };
	g->n = json_array_size(tasks);
	g->v = xcalloc(g->n, sizeof *g->v);
	json_array_foreach(tasks, i, t)
	{
		struct node *nd = &g->v[i];

		nd->name = xstrdup(jstr(t, "name", "?"));
		nd->id = jint(t, "id", 0);
		nd->log = -1;
		nd->after = json_incref(json_object_get(t, "after"));
		snprintf(nd->state, sizeof nd->state, "queued");
	}
	g->tty = graph_has_terminal() && !cmd->on[OPTION_JSON];
	if (cmd->on[OPTION_TIMEOUT])
		g->until = clock_mono_ms() + cmd->number[OPTION_TIMEOUT];
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	g->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
graph_fini(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->v[i].name);
		free(g->v[i].reason);
		json_decref(g->v[i].after);
		json_decref(g->v[i].task);
	}
	free(g->v);
	fd_closep(&g->signals);
}

static int
graph_run(struct command *cmd, const json_t *result)
{
	struct graph g;
	int code = -1;

	graph_init(&g, cmd, result);
	while (code == -1 && !graph_is_over(&g) && !out_failed())
		code = graph_turn(&g);
	if (code == -1) {
		graph_end(&g);
		code = graph_code(&g);
	}
	graph_fini(&g);
	return code;
}

int
task_run(struct command *cmd)
{
	struct run r = { .cmd = cmd };
	json_t *result;
	int code = EXIT_OK;

	if (cmd->nargs != 1) {
		warn_user("task run needs the name of one task; for a command: "
			  "task add, or run");
		return EXIT_USAGE;
	}
	run_key(&r);
	result = command_ask(cmd, "task_run",
	    json_pack("{s:s,s:s}", "task", cmd->args[0], "key", r.key), &code);
	if (result == NULL)
		return code;
	if (!cmd->on[OPTION_NO_WAIT])
		code = graph_run(cmd, result);
	else if (cmd->on[OPTION_JSON])
		out_json_line(result);
	else
		out_printf("%lld\n", (long long)jint(result, "id", 0));
	json_decref(result);
	return code;
}
