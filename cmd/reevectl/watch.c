/*
 * watch - the table of status, kept up to date on the screen.
 *
 * Follows the events; when one has come, asks for the status again, at most
 * so often that a storm of events does not become a storm of questions.
 * Uptimes grow here, once a second: an idle daemon is not asked anything.
 */
#include <sys/ioctl.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "reevectl.h"

#define WATCH_LEAST_MS 100 /* between two questions */
#define WATCH_TICK_MS  1000

struct watch {
	struct command *cmd;
	int status_id; /* of the question under way; 0: none */
	bool stale;    /* an event came since it was asked */
	mono_ms asked_ms;
	mono_ms got_ms;      /* when slots were true */
	struct usage *usage; /* NULL: the status alone */
	mono_ms looked_ms;   /* when usage did */
	enum top_order order;
	struct rows rows; /* text NULL: none yet */
	char trouble[256];
};

static struct termios watch_saved;
static volatile sig_atomic_t watch_raw;

static void
watch_restore(void)
{
	static const char leave[] = "\033[?7h\033[?25h\033[?1049l";

	if (!watch_raw)
		return;
	watch_raw = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &watch_saved);
	if (write(STDOUT_FILENO, leave, sizeof leave - 1) == -1)
		return;
}

static void
watch_on_signal(int signo)
{
	watch_restore();
	signal(signo, SIG_DFL);
	raise(signo);
}

static void
watch_on_winch(int signo)
{
	(void)signo; /* poll returns */
}

/* Keys without Enter; the alternate screen, no cursor, no wrapping. */
static void
watch_screen(void)
{
	struct sigaction sa = { .sa_handler = watch_on_signal };
	struct termios tio;

	if (tcgetattr(STDIN_FILENO, &watch_saved) == -1)
		return;
	tio = watch_saved;
	tio.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &tio);
	watch_raw = 1;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_handler = watch_on_winch;
	sigaction(SIGWINCH, &sa, NULL);
	out_puts("\033[?1049h\033[?25l\033[?7l");
}

static void
watch_totals(const struct watch *w, struct buf *b)
{
	int64_t cpu = 0, memory = 0;
	char text[32];

	for (size_t i = 0; i < w->rows.n; i++) {
		cpu += w->rows.v[i].cpu > 0 ? w->rows.v[i].cpu : 0;
		memory += w->rows.v[i].memory > 0 ? w->rows.v[i].memory : 0;
	}
	str_bytes(text, sizeof text, memory);
	buf_addf(b, "%lld.%lld %% CPU, %s  ", (long long)(cpu / 10),
	    (long long)(cpu % 10), text);
}

static void
watch_title(struct watch *w, struct buf *b)
{
	buf_adds(b, render_tint(TINT_BOLD));
	buf_adds(b, "reeve");
	buf_adds(b, render_untint(TINT_BOLD));
	buf_adds(b, "  ");
	if (w->usage != NULL)
		watch_totals(w, b);
	if (w->rows.text != NULL)
		render_summary(b, &w->rows);
	if (*w->trouble != '\0') {
		b->len -= b->len > 0 && b->data[b->len - 1] == '\n';
		buf_addf(b, "  %s", render_tint(TINT_RED));
		render_safe(b, w->trouble);
		buf_addf(b, "%s\n", render_untint(TINT_RED));
	}
}

/* Overwrites line by line instead of clearing: nothing flickers. */
static void
watch_draw(struct watch *w)
{
	size_t height, n = w->rows.n;
	struct table_opts to = {
		.header = true,
		.usage = w->usage != NULL,
		.older_ms = clock_mono_ms() - w->got_ms,
	};
	struct buf b;

	if (w->usage != NULL) {
		if (clock_mono_ms() - w->looked_ms >= WATCH_TICK_MS) {
			usage_look(w->usage);
			w->looked_ms = clock_mono_ms();
		}
		usage_fill(w->usage, &w->rows);
		top_sort(&w->rows, w->order);
	}

	render_screen(STDOUT_FILENO, &to.width, &height);
	to.max_rows = height > 4 ? height - 4 : 1;
	buf_init(&b);
	watch_title(w, &b);
	render_table(&b, &w->rows, &to);
	if (n > to.max_rows)
		buf_addf(&b, "%s... %zu more%s\n", render_tint(TINT_DIM),
		    n - to.max_rows, render_untint(TINT_DIM));
	out_puts("\033[H");
	for (const char *p = buf_str(&b); *p != '\0';) {
		size_t len = strcspn(p, "\n");

		out_write(p, len);
		out_puts("\033[K\r\n");
		p += len + (p[len] == '\n');
	}
	out_puts("\033[J");
	out_flush();
	buf_fini(&b);
}

static int
watch_ask(struct watch *w, struct client_error *ce)
{
	struct command *cmd = w->cmd;
	json_t *params = json_object();

	if (cmd->nargs > 0)
		json_object_set_new(
		    params, "names", args_json(cmd, 0, cmd->nargs));
	json_object_set_new(params, "fields", row_fields());
	w->stale = false;
	w->asked_ms = clock_mono_ms();
	w->status_id = client_send(cmd->client, "status", params, ce);
	return w->status_id == -1 ? -1 : 0;
}

/* (Again) connected: follows from now on, and asks what is. */
static int
watch_begin(struct watch *w, struct client_error *ce)
{
	json_t *params = json_object();

	json_object_set_new(params, "follow", json_true());
	if (client_connect(w->cmd->client, ce) == -1) {
		json_decref(params);
		return -1;
	}
	if (client_send(w->cmd->client, "events", params, ce) == -1)
		return -1;
	return watch_ask(w, ce);
}

/* -1: an answer that is an error. */
static int
watch_message(struct watch *w, const json_t *msg, struct client_error *ce)
{
	json_t *error = json_object_get(msg, "error");
	json_t *result = json_object_get(msg, "result");

	if (error != NULL) {
		snprintf(ce->text, sizeof ce->text, "%s",
		    jstr(error, "message", "refused"));
		ce->exit = (int)jint(json_object_get(error, "data"), "exit", 1);
		return -1;
	}
	if (json_object_get(msg, "params") != NULL) {
		w->stale = true;
		return 0;
	}
	if (result == NULL || jint(msg, "id", 0) != w->status_id)
		return 0;
	rows_fini(&w->rows);
	rows_read(&w->rows, result);
	w->got_ms = clock_mono_ms();
	w->status_id = 0;
	w->trouble[0] = '\0';
	return 0;
}

/* Everything that has come; -1: lost, or refused (ce->exit is not 4). */
static int
watch_take(struct watch *w, struct client_error *ce)
{
	json_t *msg;
	int rc = 0;

	for (;;) {
		if (client_recv(w->cmd->client, 0, &msg, ce) == -1)
			return -1;
		if (msg == NULL)
			return 0;
		rc = watch_message(w, msg, ce);
		json_decref(msg);
		if (rc == -1)
			return -1;
	}
}

/* How long there is nothing to do. */
static int
watch_wait_ms(const struct watch *w)
{
	mono_ms now = clock_mono_ms();
	int64_t wait = WATCH_TICK_MS - (now - w->got_ms) % WATCH_TICK_MS;

	if (client_fd(w->cmd->client) == -1)
		return WATCH_LEAST_MS;
	if (w->stale && w->status_id == 0) {
		int64_t due = w->asked_ms + WATCH_LEAST_MS - now;

		if (due < wait)
			wait = due > 0 ? due : 0;
	}
	return (int)wait;
}

/* false: q, or the terminal is gone. */
static bool
watch_key(struct watch *w)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n == 1 && key == 'c')
		w->order = TOP_BY_CPU;
	if (n == 1 && key == 'm')
		w->order = TOP_BY_MEMORY;
	if (n == 1 && key == 'n') {
		w->order = TOP_BY_NAME;
		w->stale = true; /* as it comes from reeved */
	}
	return (n == 1 && key != 'q' && key != 'Q' && key != 27) ||
	       (n == -1 && errno == EINTR);
}

static int
watch_turn(struct watch *w, struct client_error *ce)
{
	if (client_fd(w->cmd->client) == -1)
		return watch_begin(w, ce);
	if (watch_take(w, ce) == -1)
		return -1;
	if (w->stale && w->status_id == 0 &&
	    clock_mono_ms() >= w->asked_ms + WATCH_LEAST_MS)
		return watch_ask(w, ce);
	return 0;
}

static int
watch_loop(struct watch *w, struct client_error *ce)
{
	struct pollfd pfd[2] = { { .events = POLLIN, .fd = STDIN_FILENO },
		{ .events = POLLIN } };

	while (!out_failed()) {
		pfd[1].fd = client_fd(w->cmd->client);
		if (poll(pfd, 2, watch_wait_ms(w)) > 0 && pfd[0].revents != 0 &&
		    !watch_key(w))
			return EXIT_OK;
		if (watch_turn(w, ce) == -1) {
			if (client_fd(w->cmd->client) != -1 || ce->exit != 4)
				return ce->exit;
			/* The last table stays, and says that it is old. */
			snprintf(w->trouble, sizeof w->trouble,
			    "no connection to reeved");
			w->status_id = 0;
		}
		watch_draw(w);
	}
	return EXIT_FAIL;
}

static int
watch_run(struct watch *w)
{
	struct client_error ce = { 0 };
	int code;

	w->got_ms = clock_mono_ms();
	if (watch_begin(w, &ce) == -1)
		return command_failed(w->cmd, &ce);
	watch_screen();
	code = watch_loop(w, &ce);
	out_flush();
	watch_restore();
	rows_fini(&w->rows);
	return code == EXIT_OK ? EXIT_OK : command_failed(w->cmd, &ce);
}

int
watch_status(struct command *cmd)
{
	struct watch w = { .cmd = cmd };

	if (!render_is_tty() || isatty(STDIN_FILENO) != 1) {
		warn_user("--watch needs a terminal; \"reevectl events -f\" "
			  "follows without one");
		return EXIT_USAGE;
	}
	return watch_run(&w);
}

int
watch_top(struct command *cmd)
{
	struct watch w = { .cmd = cmd, .usage = usage_new() };
	int code = watch_run(&w);

	usage_free(w.usage);
	return code;
}
