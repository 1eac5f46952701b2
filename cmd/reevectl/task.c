/*
 * task - the queue: what "reevectl task" can do.
 *
 * Every order may be given twice, so it is given again when an engine died
 * under it.
 */
#include "task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IDS_AT_ONCE 1000

/* Of the group's tasks that have not ended; NULL: it is told why. */
static json_t *
task_ids_of_group(struct command *cmd, int *code)
{
	json_t *ids = NULL, *t, *result;
	char id[24];
	size_t i;

	result = command_ask(cmd, "task_list",
	    json_pack("{s:s,s:b,s:[s]}", "group", cmd->value[OPTION_GROUP],
		"groups", 0, "fields", "id"),
	    code);
	if (result == NULL)
		return NULL;
	ids = json_array();
	json_array_foreach(json_object_get(result, "tasks"), i, t)
	{
		snprintf(id, sizeof id, "%lld",
		    (long long)json_integer_value(json_array_get(t, 0)));
		json_array_append_new(ids, json_string(id));
	}
	json_decref(result);
	return ids;
}

/* The ids that are named, or those of a group. */
static json_t *
task_ids(struct command *cmd, int *code)
{
	bool group = cmd->on[OPTION_GROUP];

	if ((cmd->nargs > 0) != group)
		return group ? task_ids_of_group(cmd, code)
			     : args_json(cmd, 0, cmd->nargs);
	warn_user(group ? "it takes ids of tasks or --group, not both"
			: "it needs the id of a task");
	*code = EXIT_USAGE;
	return NULL;
}

/* As many at a time as a request takes; what they have in "tasks" is one. */
static json_t *
task_ask(struct command *cmd, const char *method, int *code)
{
	json_t *ids = task_ids(cmd, code), *all = NULL, *some, *part;
	size_t n = json_array_size(ids);

	if (ids == NULL)
		return NULL;
	if (n == 0)
		all = json_pack("{s:[]}", "tasks");
	for (size_t i = 0; i < n;) {
		part = json_array();
		for (size_t k = 0; k < IDS_AT_ONCE && i < n; k++)
			json_array_append(part, json_array_get(ids, i++));
		some = command_ask(
		    cmd, method, json_pack("{s:o}", "ids", part), code);
		if (some == NULL) {
			json_decref(all);
			all = NULL;
			break;
		}
		if (all == NULL) {
			all = some;
			continue;
		}
		json_array_extend(json_object_get(all, "tasks"),
		    json_object_get(some, "tasks"));
		json_decref(some);
	}
	json_decref(ids);
	return all;
}

int
no_start_code(const json_t *t)
{
	/* A history of before there were stages has none. */
	if (strcmp(jstr(t, "stage", "exec"), "exec") != 0)
		return EXIT_NO_START;
	return jint(t, "errno", 0) == ENOENT ? EXIT_NO_FILE : EXIT_NO_EXEC;
}

int
task_exit_code(const json_t *t)
{
	const char *state = jstr(t, "state", "");
	int64_t code = jint(t, "exit_code", -1);
	int64_t signo = jint(t, "exit_signal", 0);

	if (strcmp(state, "done") == 0)
		return EXIT_OK;
	if (strcmp(state, "failed") != 0)
		return EXIT_FAIL;
	if (json_is_true(json_object_get(t, "timed_out")))
		return EXIT_TIMED_OUT;
	if (jint(t, "errno", 0) != 0 || jstr(t, "stage", NULL) != NULL)
		return no_start_code(t);
	if (signo != 0)
		return 128 + (int)signo;
	return code > 0 ? (int)code : EXIT_FAIL;
}

static int
task_wait(struct command *cmd)
{
	int code = EXIT_OK, one = EXIT_OK;
	json_t *result = task_ask(cmd, "task_wait", &code), *tasks, *t;
	size_t i;

	if (result == NULL)
		return code;
	tasks = json_object_get(result, "tasks");
	json_array_foreach(tasks, i, t)
	{
		one = task_exit_code(t);
		if (one == EXIT_OK)
			continue;
		code = EXIT_FAIL;
		if (!cmd->on[OPTION_JSON])
			warn_user("task %lld is %s%s%s",
			    (long long)jint(t, "id", 0), jstr(t, "state", "?"),
			    jstr(t, "reason", NULL) != NULL ? ": " : "",
			    jstr(t, "reason", ""));
	}
	if (cmd->on[OPTION_JSON])
		out_json(tasks);
	if (json_array_size(tasks) == 1)
		code = one;
	json_decref(result);
	return code;
}

static int
task_cancel(struct command *cmd)
{
	int code = EXIT_OK;
	json_t *result = task_ask(cmd, "task_cancel", &code), *tasks, *t;
	size_t i;

	if (result == NULL)
		return code;
	tasks = json_object_get(result, "tasks");
	if (cmd->on[OPTION_JSON])
		out_json(tasks);
	json_array_foreach(tasks, i, t) if (!cmd->on[OPTION_JSON])
	    out_printf("task %lld is %s\n", (long long)jint(t, "id", 0),
		jstr(t, "state", "?"));
	json_decref(result);
	return EXIT_OK;
}

static int
task_rm(struct command *cmd)
{
	bool all = cmd->on[OPTION_ALL], done = cmd->on[OPTION_DONE];
	int code = EXIT_OK;

	if (all || done) {
		if (cmd->nargs > 0 || (all && done)) {
			warn_user("task rm takes ids, --done or --all");
			return EXIT_USAGE;
		}
		json_decref(command_ask(cmd, "task_rm",
		    json_pack("{s:s}", "ended", all ? "all" : "done"), &code));
		return code;
	}
	json_decref(task_ask(cmd, "task_rm", &code));
	return code;
}

/* --- log --------------------------------------------------------------------
 */

bool
task_log_print(const json_t *piece)
{
	const json_t *text = json_object_get(piece, "text");
	struct buf b;
	bool mid_line;

	buf_init(&b);
	if (text != NULL)
		buf_add(&b, json_string_value(text), json_string_length(text));
	else
		tail_base64(&b, jstr(piece, "base64", ""));
	out_write(b.data, b.len);
	mid_line = b.len > 0 && b.data[b.len - 1] != '\n';
	buf_fini(&b);
	out_flush();
	return mid_line;
}

static int
task_log(struct command *cmd)
{
	int64_t offset = 0;
	bool end = false;
	json_t *piece;
	int code = EXIT_OK;

	if (cmd->nargs != 1) {
		warn_user("task log needs the id of one task");
		return EXIT_USAGE;
	}
	while (!end && !out_failed()) {
		piece = command_ask(cmd, "task_log",
		    json_pack("{s:s,s:I,s:b}", "id", cmd->args[0], "offset",
			(json_int_t)offset, "follow",
			(int)cmd->on[OPTION_FOLLOW]),
		    &code);
		if (piece == NULL)
			return code;
		task_log_print(piece);
		offset = jint(piece, "offset", 0);
		end = json_is_true(json_object_get(piece, "end"));
		json_decref(piece);
	}
	return code;
}

/* --- groups -----------------------------------------------------------------
 */

static int
task_group(struct command *cmd, json_t *params)
{
	int code = EXIT_OK;

	json_decref(command_ask(cmd, "task_group", params, &code));
	return code;
}

static int
task_hold(struct command *cmd, bool paused)
{
	if (cmd->nargs > 1) {
		warn_user("it takes one group");
		return EXIT_USAGE;
	}
	return task_group(cmd, json_pack("{s:s,s:b}", "group",
				   cmd->nargs > 0 ? cmd->args[0] : "default",
				   "paused", (int)paused));
}

static int
task_pause(struct command *cmd)
{
	return task_hold(cmd, true);
}

static int
task_resume(struct command *cmd)
{
	return task_hold(cmd, false);
}

static int
task_parallel(struct command *cmd)
{
	int64_t n;

	if (cmd->nargs != 2 || !str_to_i64(cmd->args[1], 0, 1000000, &n)) {
		warn_user("task parallel needs GROUP N; 0: as many as "
			  "cpu_slots");
		return EXIT_USAGE;
	}
	return task_group(cmd, json_pack("{s:s,s:I}", "group", cmd->args[0],
				   "parallel", (json_int_t)n));
}

#define TAKES(id) (UINT64_C(1) << OPTION_##id)
#define TAKES_HOW                                                              \
	(TAKES(CWD) | TAKES(ENV) | TAKES(ENV_FILE) | TAKES(CLEAR_ENV) |        \
	    TAKES(SHELL) | TAKES(USER) | TAKES(NICE) | TAKES(UMASK) |          \
	    TAKES(RLIMIT) | TAKES(TASK_GROUP) | TAKES(CHANNEL) |               \
	    TAKES(JOBSERVER) | TAKES(NO_JOBSERVER))
#define TAKES_WHEN                                                             \
	(TAKES(GROUP) | TAKES(AFTER) | TAKES(PRIORITY) | TAKES(RETRIES) |      \
	    TAKES(ON_CRASH) | TAKES(DELAY) | TAKES(EACH_LINE))

_Static_assert(OPTION__N <= 64, "a bit each");

static const struct {
	const char *name;
	verb_fn *run;
	uint64_t takes; /* options, beside those of every verb */
} orders[] = {
	{ "add", task_add, TAKES_HOW | TAKES_WHEN },
	{ "run", task_run, TAKES(NO_WAIT) },
	{ "show", task_show, 0 },
	{ "list", task_list, TAKES(ALL) | TAKES(GROUP) },
	{ "log", task_log, TAKES(FOLLOW) },
	{ "wait", task_wait, TAKES(GROUP) },
	{ "cancel", task_cancel, TAKES(GROUP) },
	{ "rm", task_rm, TAKES(ALL) | TAKES(DONE) },
	{ "pause", task_pause, 0 },
	{ "resume", task_resume, 0 },
	{ "parallel", task_parallel, 0 },
};

/* What would be left out in silence: "rm --all" of one group is of all. */
static bool
task_takes(const struct command *cmd, const char *name, uint64_t takes)
{
	for (enum option_id id = 0; id < OPTION__N; id++) {
		if (!cmd->on[id] || (takes >> id & 1) != 0 ||
		    opts_is_of_every_verb(id))
			continue;
		warn_user("task %s takes no --%s", name, opts_name(id));
		return false;
	}
	return true;
}

int
verb_task(struct command *cmd)
{
	const char *name = cmd->args[0];

	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		if (strcmp(orders[i].name, name) != 0)
			continue;
		if (!task_takes(cmd, name, orders[i].takes))
			return EXIT_USAGE;
		cmd->args++;
		cmd->nargs--;
		i = (size_t)orders[i].run(cmd);
		cmd->args--;
		cmd->nargs++;
		return (int)i;
	}
	warn_user(
	    "task has no \"%s\": run, show, add, list, log, wait, cancel, rm, "
	    "pause, resume, parallel",
	    name);
	return EXIT_USAGE;
}
