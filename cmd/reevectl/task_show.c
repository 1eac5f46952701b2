/* task_show - the tasks that have a name, as a table. */
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "task.h"

enum {
	W_NEXT = 19,
	W_COMMAND_MIN = 10
};

#define SHOW_NONE SIZE_MAX

/* command 0: no limit. */
struct widths {
	size_t name, last, next, command;
};

/* "done, 3 min ago" */
static enum tint
show_last(const json_t *name, wall_ms now, struct buf *b)
{
	const json_t *last = json_object_get(name, "last");
	int64_t ended = jint(last, "ended", 0);
	const char *state = jstr(last, "state", NULL);
	char ms[48];

	if (jint(name, "runs", 0) > 0) {
		buf_adds(b, "runs or waits");
		return TINT_CYAN;
	}
	if (state == NULL) {
		buf_adds(b, "never ran");
		return TINT_DIM;
	}
	render_uptime(ms, sizeof ms, now > ended ? now - ended : 0);
	buf_addf(b, "%s %s ago", state, ms);
	return strcmp(state, "done") == 0 ? TINT_GREEN : TINT_RED;
}

/* What it runs, and when. */
static void
show_command(const json_t *name, size_t width, struct buf *b)
{
	const char *schedule = jstr(name, "schedule", NULL);
	struct buf text;

	buf_init(&text);
	if (schedule != NULL)
		buf_addf(&text, "[%s] ", schedule);
	buf_adds(&text, jstr(name, "command", ""));
	if (width == 0)
		render_safe(b, buf_str(&text));
	else
		render_cut(b, buf_str(&text), width);
	buf_fini(&text);
}

static void
show_row(const json_t *name, const struct widths *w, wall_ms now)
{
	int64_t next = jint(name, "next", 0);
	char stamp[48] = "-";
	struct buf b, last;
	enum tint tint;

	buf_init(&b);
	buf_init(&last);
	tint = show_last(name, now, &last);
	render_pad(&b, jstr(name, "name", "?"), w->name, false);
	buf_addf(&b, "  %s", render_tint(tint));
	render_pad(&b, buf_str(&last), w->last, false);
	buf_adds(&b, render_untint(tint));
	if (w->next > 0) {
		if (next != 0)
			render_stamp(stamp, sizeof stamp, next);
		buf_adds(&b, "  ");
		render_pad(&b, stamp, w->next, false);
	}
	if (w->command != SHOW_NONE) {
		buf_adds(&b, "  ");
		show_command(name, w->command, &b);
	}
	out_printf("%s\n", buf_str(&b));
	buf_fini(&b);
	buf_fini(&last);
}

static bool
show_wanted(const struct command *cmd, const json_t *name)
{
	for (size_t i = 0; i < cmd->nargs; i++)
		if (fnmatch(cmd->args[i], jstr(name, "name", ""), 0) == 0)
			return true;
	return cmd->nargs == 0;
}

/* As wide as what stands there; of a narrow terminal first the command goes,
 * then the time. */
static void
show_widths(const json_t *names, wall_ms now, struct widths *w)
{
	size_t all = render_width(), i, used;
	const json_t *name;
	struct buf last;

	*w = (struct widths){ .name = 4, .last = 4, .next = 4 };
	buf_init(&last);
	json_array_foreach(names, i, name)
	{
		size_t n = render_columns(jstr(name, "name", ""));

		w->name = n > w->name ? n : w->name;
		buf_clear(&last);
		show_last(name, now, &last);
		w->last = last.len > w->last ? last.len : w->last;
		if (jint(name, "next", 0) != 0)
			w->next = W_NEXT;
	}
	buf_fini(&last);
	if (all == 0)
		return;
	used = w->name + w->last + w->next + 6;
	if (used + W_COMMAND_MIN <= all) {
		w->command = all - used;
		return;
	}
	w->command = SHOW_NONE;
	if (used > all + 2)
		w->next = 0;
	if (w->name + w->last + 2 > all)
		w->name = all > w->last + 6 ? all - w->last - 2 : 4;
}

void
task_names_table(const json_t *names)
{
	wall_ms now = clock_wall_ms();
	struct widths w;
	const json_t *name;
	struct buf b;
	size_t i;

	show_widths(names, now, &w);
	buf_init(&b);
	render_pad(&b, "NAME", w.name, false);
	buf_adds(&b, "  ");
	render_pad(&b, "LAST", w.last, false);
	if (w.next > 0) {
		buf_adds(&b, "  ");
		render_pad(&b, "NEXT", w.next, false);
	}
	if (w.command != SHOW_NONE)
		buf_adds(&b, "  COMMAND");
	out_printf("%s%s%s\n", render_tint(TINT_BOLD), buf_str(&b),
	    render_untint(TINT_BOLD));
	buf_fini(&b);
	json_array_foreach(names, i, name) show_row(name, &w, now);
}

int
task_show(struct command *cmd)
{
	int code = EXIT_OK;
	json_t *result = command_ask(cmd, "task_names", json_object(), &code);
	json_t *wanted = json_array(), *name;
	size_t i;

	if (result == NULL) {
		json_decref(wanted);
		return code;
	}
	json_array_foreach(json_object_get(result, "names"), i, name)
	{
		if (show_wanted(cmd, name))
			json_array_append(wanted, name);
	}
	if (cmd->on[OPTION_JSON])
		out_json(wanted);
	else if (json_array_size(wanted) > 0)
		task_names_table(wanted);
	if (cmd->nargs > 0 && json_array_size(wanted) == 0) {
		warn_user("there is no task '%s' in the config", cmd->args[0]);
		code = EXIT_NAME;
	} else if (json_array_size(wanted) == 0 && !cmd->on[OPTION_JSON]) {
		out_puts("the config has no tasks\n");
	}
	json_decref(wanted);
	json_decref(result);
	return code;
}
