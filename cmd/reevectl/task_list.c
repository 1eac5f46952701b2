/* task_list - the queue as a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "task.h"

enum {
	W_STATE = 9,
	W_EXIT = 7,
	W_TIME = 9,
	W_GROUP_MAX = 12,
	W_COMMAND_MIN = 10
};

/* What is asked for: a task is an array of these. */
enum task_field {
	F_ID,
	F_STATE,
	F_GROUP,
	F_COMMAND,
	F_REASON,
	F_EXIT_CODE,
	F_EXIT_SIGNAL,
	F_TIMED_OUT,
	F_STARTED,
	F_RAN_MS,
	F_NOT_BEFORE,
	F__N
};

static const char *const task_field_names[F__N] = { "id", "state", "group",
	"command", "reason", "exit_code", "exit_signal", "timed_out", "started",
	"ran_ms", "not_before" };

/* 0: the column is left out; command 0: no limit. */
struct widths {
	size_t id, exit, time, group, command;
};

static const char *
fstr(const json_t *t, enum task_field f)
{
	const char *s = json_string_value(json_array_get(t, f));

	return s != NULL ? s : "";
}

static int64_t
fint(const json_t *t, enum task_field f, int64_t none)
{
	const json_t *v = json_array_get(t, f);

	return json_is_integer(v) ? json_integer_value(v) : none;
}

static enum tint
list_tint(const char *state)
{
	if (strcmp(state, "done") == 0 || strcmp(state, "running") == 0)
		return TINT_GREEN;
	if (strcmp(state, "failed") == 0 || strcmp(state, "lost") == 0)
		return TINT_RED;
	if (strcmp(state, "queued") == 0)
		return TINT_NONE;
	return TINT_YELLOW;
}

static void
list_exit(const json_t *t, char *out, size_t size)
{
	int64_t signo = fint(t, F_EXIT_SIGNAL, 0);
	int64_t code = fint(t, F_EXIT_CODE, -1);

	if (json_is_true(json_array_get(t, F_TIMED_OUT)))
		snprintf(out, size, "timeout");
	else if (signo != 0)
		render_signal(out, size, (int)signo);
	else if (code != -1)
		snprintf(out, size, "%lld", (long long)code);
	else
		snprintf(out, size, "-");
	/* "SIGTERM" and no longer. */
	if (strncmp(out, "SIG", 3) == 0 && strlen(out) > W_EXIT)
		memmove(out, out + 3, strlen(out + 3) + 1);
}

/* How long it ran, runs, or has to wait. */
static void
list_time(const json_t *t, wall_ms now, char *out, size_t size)
{
	const char *state = fstr(t, F_STATE);
	int64_t ran = fint(t, F_RAN_MS, -1);
	int64_t left = fint(t, F_NOT_BEFORE, 0) - now;
	char ms[32];

	snprintf(out, size, "-");
	if (strcmp(state, "running") == 0) {
		render_uptime(out, size, now - fint(t, F_STARTED, now));
	} else if (strcmp(state, "queued") == 0) {
		if (left > 0) {
			render_uptime(ms, sizeof ms, left);
			snprintf(out, size, "in %s", ms);
		}
	} else if (ran >= 0 && ran < 1000) {
		snprintf(out, size, "%lld ms", (long long)ran);
	} else if (ran >= 0) {
		render_uptime(out, size, ran);
	}
}

static void
list_cell(struct buf *b, const char *s, size_t width, bool right)
{
	if (width == 0)
		return;
	render_pad(b, s, width, right);
	buf_adds(b, "  ");
}

/* What it runs, and why it is as it is. */
static void
list_command(struct buf *b, const json_t *t, const struct widths *w)
{
	const char *state = fstr(t, F_STATE), *reason;
	struct buf text;

	buf_init(&text);
	render_safe(&text, fstr(t, F_COMMAND));
	reason = fstr(t, F_REASON);
	if (*reason != '\0' && strcmp(state, "done") != 0 &&
	    strncmp(reason, "exited with", 11) != 0 &&
	    strncmp(reason, "killed by", 9) != 0) {
		buf_adds(&text, " (");
		render_safe(&text, reason);
		buf_adds(&text, ")");
	}
	if (w->command == 0)
		buf_adds(b, buf_str(&text));
	else
		render_cut(b, buf_str(&text), w->command);
	buf_fini(&text);
}

static void
list_row(const json_t *t, const struct widths *w, wall_ms now)
{
	const char *state = fstr(t, F_STATE);
	char id[24], code[32], time[48];
	struct buf b;

	buf_init(&b);
	snprintf(id, sizeof id, "%lld", (long long)fint(t, F_ID, 0));
	list_exit(t, code, sizeof code);
	list_time(t, now, time, sizeof time);
	list_cell(&b, id, w->id, true);
	buf_adds(&b, render_tint(list_tint(state)));
	render_pad(&b, state, W_STATE, false);
	buf_adds(&b, render_untint(list_tint(state)));
	buf_adds(&b, "  ");
	list_cell(&b, code, w->exit, true);
	list_cell(&b, time, w->time, true);
	list_cell(&b, fstr(t, F_GROUP), w->group, false);
	list_command(&b, t, w);
	out_printf("%s\n", buf_str(&b));
	buf_fini(&b);
}

static void
list_widths(const json_t *tasks, struct widths *w)
{
	size_t *const less[] = { &w->group, &w->time, &w->exit };
	size_t all = render_width(), used, i, n;
	const json_t *t;
	char id[24];

	json_array_foreach(tasks, i, t)
	{
		n = (size_t)snprintf(
		    id, sizeof id, "%lld", (long long)fint(t, F_ID, 0));
		w->id = n > w->id ? n : w->id;
		n = render_columns(fstr(t, F_GROUP));
		w->group = n > w->group ? n : w->group;
	}
	if (w->group > W_GROUP_MAX)
		w->group = W_GROUP_MAX;
	used = w->id + W_STATE + w->exit + w->time + w->group + 10;
	w->command = 0;
	if (all == 0)
		return;
	/* What is narrow has what matters most. */
	for (size_t k = 0; k < sizeof less / sizeof *less; k++) {
		if (all >= used + W_COMMAND_MIN)
			break;
		used -= *less[k] + 2;
		*less[k] = 0;
	}
	w->command = all > used + 1 ? all - used : 1;
}

static void
list_groups(const json_t *groups)
{
	const json_t *g;
	size_t i;

	json_array_foreach(groups, i, g)
	{
		int64_t n = jint(g, "parallel", 0);
		bool paused = json_is_true(json_object_get(g, "paused"));

		if (n == 0 && !paused)
			continue;
		out_printf("group %s:%s", jstr(g, "group", "?"),
		    paused ? " paused" : "");
		if (n != 0)
			out_printf("%s %lld at a time", paused ? "," : "",
			    (long long)n);
		out_puts("\n");
	}
}

static void
list_table(const json_t *result, bool all)
{
	const json_t *tasks = json_object_get(result, "tasks"), *t;
	wall_ms now = clock_wall_ms();
	struct widths w = { 2, W_EXIT, W_TIME, 5, 0 };
	struct buf b;
	size_t i;

	if (json_array_size(tasks) == 0) {
		out_puts(
		    all ? "no tasks\n"
			: "no tasks wait or run (--all: what has ended)\n");
	} else {
		list_widths(tasks, &w);
		buf_init(&b);
		list_cell(&b, "ID", w.id, true);
		list_cell(&b, "STATE", W_STATE, false);
		list_cell(&b, "EXIT", w.exit, true);
		list_cell(&b, "TIME", w.time, true);
		list_cell(&b, "GROUP", w.group, false);
		out_printf("%s%sCOMMAND%s\n", render_tint(TINT_BOLD),
		    buf_str(&b), render_untint(TINT_BOLD));
		buf_fini(&b);
	}
	json_array_foreach(tasks, i, t) list_row(t, &w, now);
	list_groups(json_object_get(result, "groups"));
}

/* The result is {"tasks":[...]}: the array goes out as it came. */
static int
list_json(struct command *cmd, json_t *params)
{
	static const char head[] = "{\"tasks\":";
	struct client_error ce = { 0 };
	char *text = client_query_text(cmd->client, "task_list", params, &ce);
	size_t n = text != NULL ? strlen(text) : 0;
	json_t *result;

	if (text == NULL)
		return command_failed(cmd, &ce);
	if (!isatty(STDOUT_FILENO) && str_starts(text, head)) {
		out_write(text + sizeof head - 1, n - sizeof head);
		out_puts("\n");
	} else {
		result = json_loads(text, 0, NULL);
		out_json(json_object_get(result, "tasks"));
		json_decref(result);
	}
	free(text);
	return EXIT_OK;
}

/* Those of the config, if there are any. */
static void
list_names(struct command *cmd)
{
	int code = 0;
	json_t *result = command_ask(cmd, "task_names", json_object(), &code);
	json_t *names = json_object_get(result, "names");

	if (json_array_size(names) > 0) {
		out_puts("\n");
		task_names_table(names);
	}
	json_decref(result);
}

int
task_list(struct command *cmd)
{
	bool all = cmd->on[OPTION_ALL];
	json_t *result, *params = json_pack("{s:b}", "all", all), *fields;
	const char *group = cmd->value[OPTION_GROUP];
	int code = 0;

	if (cmd->nargs > 0) {
		json_decref(params);
		warn_user("task list takes no arguments");
		return EXIT_USAGE;
	}
	if (group != NULL)
		json_object_set_new(params, "group", json_string(group));
	if (cmd->on[OPTION_JSON]) {
		json_object_set_new(params, "groups", json_false());
		return list_json(cmd, params);
	}
	fields = json_array();
	for (size_t i = 0; i < F__N; i++)
		json_array_append_new(fields, json_string(task_field_names[i]));
	json_object_set_new(params, "fields", fields);
	result = command_ask(cmd, "task_list", params, &code);
	if (result == NULL)
		return code;
	list_table(result, all);
	if (group == NULL)
		list_names(cmd);
	json_decref(result);
	return EXIT_OK;
}
