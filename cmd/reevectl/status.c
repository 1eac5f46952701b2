/* status - status, pid, version. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "reevectl.h"

/* Those that are not ready, if it is asked who is. */
static json_t *
status_not_ready(json_t *slots)
{
	json_t *out = json_array();
	bool ready;

	for (size_t i = 0; i < json_array_size(slots); i++) {
		json_t *slot = json_array_get(slots, i);

		ready = strcmp(jstr(slot, "state", ""), "RUNNING") == 0 &&
			json_is_true(json_object_get(slot, "ready"));
		if (!ready)
			json_array_append(out, slot);
	}
	json_decref(slots);
	return out;
}

static void
status_name(struct strv *seen, const char *name)
{
	if (*name == '\0' || strv_has(seen, name))
		return;
	strv_add(seen, name);
	out_printf("%s\n", name);
}

/* For completion: each group and program once, then every slot. */
static void
status_names(const json_t *slots)
{
	size_t n = json_array_size(slots);
	struct strv seen;
	char group[128];

	strv_init(&seen);
	for (size_t i = 0; i < n; i++) {
		const json_t *slot = json_array_get(slots, i);

		if (jstr(slot, "group", NULL) != NULL) {
			snprintf(group, sizeof group, "%s:*",
			    jstr(slot, "group", NULL));
			status_name(&seen, group);
		}
		status_name(&seen, jstr(slot, "program", ""));
	}
	strv_fini(&seen);
	for (size_t i = 0; i < n; i++)
		out_printf("%s\n", jstr(json_array_get(slots, i), "name", "?"));
}

/* The header and the sum are for people: a pipe gets the rows alone. */
static void
status_print(const struct rows *rs)
{
	struct table_opts to = {
		.header = render_is_tty(),
		.width = render_width(),
	};
	struct buf b;

	buf_init(&b);
	if (rs->n > 0)
		render_table(&b, rs, &to);
	if (to.header && rs->n != 1)
		render_summary(&b, rs);
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
}

/* All are asked for: who is named depends on others. */
static int
status_tree(struct command *cmd, const json_t *asked)
{
	int code = EXIT_OK;
	json_t *all;

	if (cmd->nargs == 0) {
		tree_print(asked, NULL);
		return EXIT_OK;
	}
	all = command_ask(cmd, "status", NULL, &code);
	if (all == NULL)
		return code;
	tree_print(all, asked);
	json_decref(all);
	return EXIT_OK;
}

/* ready: it is asked who is not. */
static int
status_table(const json_t *answer, bool ready)
{
	struct rows rs;
	size_t kept = 0;
	int code;

	rows_read(&rs, answer);
	code = ready && rs.n == 0 ? EXIT_FAIL : EXIT_OK;
	if (ready) {
		for (size_t i = 0; i < rs.n; i++)
			if (!row_is_ready(&rs.v[i]))
				rs.v[kept++] = rs.v[i];
		rs.n = kept;
		if (kept > 0)
			code = EXIT_FAIL;
	}
	if (!ready || kept > 0)
		status_print(&rs);
	rows_fini(&rs);
	return code;
}

int
verb_status(struct command *cmd)
{
	json_t *params = json_object(), *slots;
	bool table = !cmd->on[OPTION_JSON] && !cmd->on[OPTION_NAMES] &&
		     !cmd->on[OPTION_TREE];
	int code = EXIT_OK;

	if (cmd->on[OPTION_WATCH]) {
		json_decref(params);
		return watch_status(cmd);
	}
	if (cmd->nargs > 0)
		json_object_set_new(
		    params, "names", args_json(cmd, 0, cmd->nargs));
	if (table)
		json_object_set_new(params, "fields", row_fields());
	slots = command_ask(cmd, "status", params, &code);
	if (slots == NULL)
		return code;
	if (table) {
		code = status_table(slots, cmd->on[OPTION_READY]);
		json_decref(slots);
		return code;
	}
	if (cmd->on[OPTION_READY]) {
		code = json_array_size(slots) > 0 ? EXIT_OK : EXIT_FAIL;
		slots = status_not_ready(slots);
		if (json_array_size(slots) > 0)
			code = EXIT_FAIL;
	}
	if (cmd->on[OPTION_JSON])
		out_json(slots);
	else if (cmd->on[OPTION_NAMES])
		status_names(slots);
	else
		code = status_tree(cmd, slots);
	json_decref(slots);
	return code;
}

static void
status_pids(const json_t *pids)
{
	json_t *one;
	size_t i;

	for (i = 0; i < json_array_size(pids); i++) {
		one = json_array_get(pids, i);
		if (jint(one, "pid", 0) > 0)
			out_printf("%lld\n", (long long)jint(one, "pid", 0));
	}
}

/*
 * Numbers alone, for $(reevectl pid web.0).  What does not run has no line: a
 * 0 would make "kill" mean the caller's own process group.
 */
int
verb_pid(struct command *cmd)
{
	json_t *params = json_object(), *pids, *one;
	int code = EXIT_OK;
	size_t i;

	if (cmd->nargs > 0)
		json_object_set_new(
		    params, "names", args_json(cmd, 0, cmd->nargs));
	pids = command_ask(cmd, "pid", params, &code);
	if (pids == NULL)
		return code;
	if (cmd->on[OPTION_JSON]) {
		out_json(pids);
	} else if (json_is_integer(pids)) {
		out_printf("%lld\n", (long long)json_integer_value(pids));
	} else {
		status_pids(pids);
	}
	for (i = 0; i < json_array_size(pids); i++) {
		one = json_array_get(pids, i);
		if (jint(one, "pid", 0) == 0)
			code = EXIT_FAIL;
	}
	json_decref(pids);
	return code;
}

/* The own version also when there is nobody to ask. */
int
verb_version(struct command *cmd)
{
	json_t *hello;
	char up[32];
	int code = EXIT_OK;

	if (!cmd->on[OPTION_JSON])
		out_printf("reevectl %s\n", REEVE_VERSION);
	hello = command_ask(cmd, "hello", NULL, &code);
	if (hello == NULL)
		return code;
	if (cmd->on[OPTION_JSON]) {
		json_object_set_new(
		    hello, "reevectl", json_string(REEVE_VERSION));
		out_json(hello);
	} else {
		render_uptime(up, sizeof up, jint(hello, "uptime_ms", -1));
		out_printf("reeved   %s (pid %lld, up %s, engine pid %lld, "
			   "started %lld time%s, protocol %lld)\n",
		    jstr(hello, "version", "?"),
		    (long long)jint(hello, "reeved_pid", 0), up,
		    (long long)jint(hello, "engine_pid", 0),
		    (long long)jint(hello, "incarnation", 0),
		    jint(hello, "incarnation", 0) == 1 ? "" : "s",
		    (long long)jint(hello, "protocol", 0));
	}
	json_decref(hello);
	return EXIT_OK;
}
