/* task_show - the tasks that have a name, as a table. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "task.h"

enum {
	W_LAST = 18,
	W_NEXT = 19
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

static void
show_row(const json_t *name, size_t width, wall_ms now)
{
	int64_t next = jint(name, "next", 0);
	char stamp[48] = "-";
	struct buf b, last;
	enum tint tint;

	buf_init(&b);
	buf_init(&last);
	tint = show_last(name, now, &last);
	render_pad(&b, jstr(name, "name", "?"), width, false);
	buf_addf(&b, "  %s", render_tint(tint));
	render_pad(&b, buf_str(&last), W_LAST, false);
	buf_addf(&b, "%s  ", render_untint(tint));
	if (next != 0)
		render_stamp(stamp, sizeof stamp, next);
	stamp[W_NEXT] = '\0';
	render_pad(&b, stamp, W_NEXT, false);
	buf_addf(&b, "  ");
	if (jstr(name, "schedule", NULL) != NULL)
		buf_addf(&b, "[%s] ", jstr(name, "schedule", ""));
	render_safe(&b, jstr(name, "command", ""));
	if (render_width() != 0)
		out_printf("%.*s\n", (int)b.len, buf_str(&b));
	else
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

void
task_names_table(const json_t *names)
{
	wall_ms now = clock_wall_ms();
	size_t i, width = 4, n;
	const json_t *name;
	struct buf b;

	json_array_foreach(names, i, name)
	{
		n = render_columns(jstr(name, "name", ""));
		width = n > width ? n : width;
	}
	buf_init(&b);
	render_pad(&b, "NAME", width, false);
	buf_adds(&b, "  ");
	render_pad(&b, "LAST", W_LAST, false);
	buf_adds(&b, "  ");
	render_pad(&b, "NEXT", W_NEXT, false);
	out_printf("%s%s  COMMAND%s\n", render_tint(TINT_BOLD), buf_str(&b),
	    render_untint(TINT_BOLD));
	buf_fini(&b);
	json_array_foreach(names, i, name) show_row(name, width, now);
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
