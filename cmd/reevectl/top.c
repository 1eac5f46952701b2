/*
 * top - what the slots take of the machine: on the screen, kept up to date, or
 * once, for a pipe.
 */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "reevectl.h"

#define TOP_SPAN_MS 1000 /* of the one look that a pipe gets */

static int
top_compare(const struct row *a, const struct row *b, enum top_order order)
{
	int64_t x = order == TOP_BY_MEMORY ? a->memory : a->cpu;
	int64_t y = order == TOP_BY_MEMORY ? b->memory : b->cpu;

	if (order == TOP_BY_NAME || x == y)
		return 0; /* as it came */
	return x < y ? 1 : -1;
}

/* Insertion: it keeps the order of equals, and is mostly sorted already. */
void
top_sort(struct rows *rs, enum top_order order)
{
	for (size_t i = 1; i < rs->n; i++) {
		struct row row = rs->v[i];
		size_t k = i;

		for (; k > 0 && top_compare(&rs->v[k - 1], &row, order) > 0;
		     k--)
			rs->v[k] = rs->v[k - 1];
		rs->v[k] = row;
	}
}

static json_t *
top_json(const struct rows *rs)
{
	json_t *all = json_array(), *one;

	for (size_t i = 0; i < rs->n; i++) {
		const struct row *row = &rs->v[i];
		int64_t pid = row_int(row, FIELD_PID, 0);

		one = json_object();
		json_object_set_new(
		    one, "name", json_string(row->v[FIELD_NAME]));
		json_object_set_new(
		    one, "state", json_string(row->v[FIELD_STATE]));
		json_object_set_new(
		    one, "pid", pid > 0 ? json_integer(pid) : json_null());
		json_object_set_new(one, "cpu_percent",
		    row->cpu >= 0 ? json_real((double)row->cpu / 10)
				  : json_null());
		json_object_set_new(one, "memory_bytes",
		    row->memory >= 0 ? json_integer(row->memory) : json_null());
		json_array_append_new(all, one);
	}
	return all;
}

static void
top_print(const struct rows *rs, bool as_json)
{
	struct table_opts to = { .header = render_is_tty(),
		.usage = true,
		.width = render_width() };
	struct buf b;
	json_t *all;

	if (as_json) {
		all = top_json(rs);
		out_json(all);
		json_decref(all);
		return;
	}
	buf_init(&b);
	render_table(&b, rs, &to);
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
}

static int
top_once(struct command *cmd)
{
	json_t *params = json_object(), *slots;
	struct usage *u = usage_new();
	int code = EXIT_OK;
	struct rows rs;

	if (cmd->nargs > 0)
		json_object_set_new(
		    params, "names", args_json(cmd, 0, cmd->nargs));
	json_object_set_new(params, "fields", row_fields());
	usage_look(u);
	poll(NULL, 0, TOP_SPAN_MS);
	slots = command_ask(cmd, "status", params, &code);
	if (slots != NULL) {
		usage_look(u);
		rows_read(&rs, slots);
		usage_fill(u, &rs);
		top_sort(&rs, TOP_BY_CPU);
		top_print(&rs, cmd->on[OPTION_JSON]);
		rows_fini(&rs);
		json_decref(slots);
	}
	usage_free(u);
	return code;
}

int
verb_top(struct command *cmd)
{
	if (cmd->on[OPTION_JSON] || !render_is_tty() ||
	    isatty(STDIN_FILENO) != 1)
		return top_once(cmd);
	return watch_top(cmd);
}
