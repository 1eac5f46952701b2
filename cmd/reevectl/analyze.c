/* analyze - what the last start-up took so long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "reevectl.h"

static void
analyze_ms(char *out, size_t size, int64_t ms)
{
	if (ms < 0)
		snprintf(out, size, "-");
	else
		str_duration(out, size, ms);
}

/* "  migrate.0  done  @ 1.9 s    +1.2 s    process +1 ms". */
static void
analyze_line(struct buf *b, const json_t *one, int depth, size_t width)
{
	bool done = json_is_true(json_object_get(one, "done"));
	char at[32], took[32], start[32];
	struct buf name;

	buf_init(&name);
	for (int i = 1; i < depth; i++)
		buf_adds(&name, "  ");
	if (depth > 0)
		buf_adds(
		    &name, MB_CUR_MAX > 1 ? "\xe2\x94\x94\xe2\x94\x80" : "`-");
	buf_adds(&name, jstr(one, "name", "?"));
	analyze_ms(at, sizeof at, jint(one, "end_ms", -1));
	analyze_ms(took, sizeof took, jint(one, "took_ms", -1));
	analyze_ms(start, sizeof start, jint(one, "start_ms", -1));
	render_pad(b, buf_str(&name), width, false);
	buf_addf(b, "  %-5s @ %-8s +%-8s", done ? "done" : "ready", at, took);
	buf_addf(b, " process +%s", start);
	buf_addc(b, '\n');
	buf_fini(&name);
}

static void
analyze_chain(struct buf *b, const json_t *chain)
{
	size_t width = 0, w;

	for (size_t i = 0; i < json_array_size(chain); i++) {
		w = render_columns(jstr(json_array_get(chain, i), "name", "")) +
		    2 * i;
		if (w > width)
			width = w;
	}
	for (size_t i = 0; i < json_array_size(chain); i++)
		analyze_line(b, json_array_get(chain, i), (int)i, width);
}

/* Slots that the chain does not tell about, and why. */
static void
analyze_rest(struct buf *b, const json_t *res)
{
	static const struct {
		const char *member, *text;
	} rests[] = {
		{ "pending", "not up yet" },
		{ "later", "started again, or later, by order: not counted" },
		{ "lost", "with times that were lost with an engine" },
	};

	for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
		int64_t n = jint(res, rests[i].member, 0);

		if (n > 0)
			buf_addf(b, "%lld slot%s %s\n", (long long)n,
			    n == 1 ? "" : "s", rests[i].text);
	}
}

static void
analyze_print(const struct command *cmd, const json_t *res)
{
	int64_t total = jint(res, "total_ms", -1);
	const json_t *chain = json_object_get(res, "chain");
	char ms[32];
	struct buf b;

	buf_init(&b);
	analyze_ms(ms, sizeof ms, total);
	if (!json_is_true(json_object_get(res, "known")) && cmd->nargs == 0)
		buf_adds(&b, "The times of the start-up were lost: an engine "
			     "died in the middle of it.\n");
	else if (total < 0)
		buf_adds(&b, "Nothing of it is up yet.\n");
	else if (cmd->nargs > 0)
		buf_addf(
		    &b, "The last start of %s took %s.\n", cmd->args[0], ms);
	else
		buf_addf(&b, "The last start-up took %s: %lld slots are up.\n",
		    ms, (long long)jint(res, "up", 0));
	if (total >= 0) {
		buf_adds(&b, "@ since the order, + since it was free to start; "
			     "below: what it waited for last.\n\n");
		analyze_chain(&b, chain);
	}
	if (cmd->nargs == 0)
		analyze_rest(&b, res);
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
}

int
verb_analyze(struct command *cmd)
{
	json_t *params = json_object(), *res, *names;
	int code = EXIT_OK;

	if (cmd->nargs > 0) {
		names = args_json(cmd, 0, 1);
		json_object_set(params, "program", json_array_get(names, 0));
		json_decref(names);
	}
	res = command_ask(cmd, "analyze", params, &code);
	if (res == NULL)
		return code;
	if (cmd->on[OPTION_JSON])
		out_json(res);
	else
		analyze_print(cmd, res);
	json_decref(res);
	return EXIT_OK;
}
