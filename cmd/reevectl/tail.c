/*
 * tail - the end of logs, and what comes.
 *
 * One log: its bytes as they are.  Several: whole lines, each after the name
 * of its slot; a line without an end waits for it, or for its stream's turn
 * to end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "reevectl.h"

#define TAIL_LINE_MAX (64 * 1024) /* a longer line is printed in parts */

struct part {
	char *name;
	struct buf line; /* begun, not ended */
};

struct tailing {
	struct command *cmd;
	json_t *params; /* of the request: what to ask for after a loss */
	struct part *v;
	size_t n;
	bool prefix;
	size_t width; /* of the longest name */
};

static const enum tint tail_tints[] = { TINT_CYAN, TINT_GREEN, TINT_YELLOW,
	TINT_BOLD };

static int
tail_base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c != '\0' ? strchr(digits, c) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

void
tail_base64(struct buf *b, const char *s)
{
	unsigned v = 0, bits = 0;
	int d;

	for (; (d = tail_base64_digit(*s)) != -1; s++) {
		v = v << 6 | (unsigned)d;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		buf_addc(b, (char)(v >> bits & 0xff));
	}
}

static struct part *
tail_part(struct tailing *t, const char *name)
{
	struct part *p;

	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->v[i].name, name) == 0)
			return &t->v[i];
	}
	t->v = xreallocarray(t->v, t->n + 1, sizeof *t->v);
	p = &t->v[t->n++];
	p->name = xstrdup(name);
	buf_init(&p->line);
	if (render_columns(name) > t->width)
		t->width = render_columns(name);
	return p;
}

static void
tail_put_line(struct tailing *t, struct part *p, const char *line, size_t n)
{
	enum tint tint = tail_tints[(size_t)(p - t->v) %
				    (sizeof tail_tints / sizeof tail_tints[0])];
	struct buf b;

	buf_init(&b);
	buf_adds(&b, render_tint(tint));
	render_pad(&b, p->name, t->width, false);
	buf_adds(&b, " |");
	buf_adds(&b, render_untint(tint));
	buf_addc(&b, ' ');
	buf_add(&b, line, n);
	buf_addc(&b, '\n');
	out_write(b.data, b.len);
	buf_fini(&b);
}

static void
tail_add(struct tailing *t, struct part *p, const char *data, size_t n)
{
	const char *nl;
	size_t off = 0, end;

	buf_add(&p->line, data, n);
	while (off < p->line.len && (nl = memchr(p->line.data + off, '\n',
					 p->line.len - off)) != NULL) {
		end = (size_t)(nl - p->line.data);
		tail_put_line(t, p, p->line.data + off, end - off);
		off = end + 1;
	}
	buf_consume(&p->line, off);
	if (p->line.len > TAIL_LINE_MAX) {
		tail_put_line(t, p, p->line.data, p->line.len);
		buf_clear(&p->line);
	}
}

static void
tail_data(struct tailing *t, const char *name, const json_t *note)
{
	const json_t *text = json_object_get(note, "text");
	int64_t dropped = jint(note, "dropped", 0);
	const char *p = json_string_value(text);
	size_t n = json_string_length(text);
	struct part *part;
	struct buf raw;

	buf_init(&raw);
	if (p == NULL) {
		tail_base64(&raw, jstr(note, "base64", ""));
		p = buf_str(&raw);
		n = raw.len;
	}
	if (dropped > 0)
		warn_user("%s: %lld bytes were not shown, this terminal is "
			  "slower than the log",
		    name, (long long)dropped);
	if (t->prefix) {
		part = tail_part(t, name);
		tail_add(t, part, p, n);
	} else {
		out_write(p, n);
	}
	buf_fini(&raw);
}

static void
tail_note(void *arg, json_t *note)
{
	struct tailing *t = arg;

	/* After a loss of the connection: no old lines a second time. */
	json_object_set_new(t->params, "lines", json_integer(0));
	if (t->cmd->on[OPTION_JSON]) {
		json_object_del(note, "id");
		out_json_line(note);
	} else {
		tail_data(t, jstr(note, "name", "?"), note);
	}
	if (t->cmd->on[OPTION_FOLLOW])
		out_flush();
	if (out_failed())
		exit(out_end() == 0 ? EXIT_OK : EXIT_FAIL);
}

/* Names of the slots: how wide they are, and whether there are several. */
static int
tail_slots(struct tailing *t, size_t nnames)
{
	json_t *params = json_object(), *slots;
	int code = EXIT_OK;

	json_object_set_new(params, "names", args_json(t->cmd, 0, nnames));
	slots = command_ask(t->cmd, "pid", params, &code);
	if (slots == NULL)
		return code;
	t->prefix = json_array_size(slots) > 1;
	for (size_t i = 0; i < json_array_size(slots); i++)
		tail_part(t, jstr(json_array_get(slots, i), "name", "?"));
	json_decref(slots);
	return EXIT_OK;
}

static int
tail_run(struct tailing *t, const char *stream, size_t nnames)
{
	struct command *cmd = t->cmd;
	struct client_error ce = { 0 };
	json_t *result;
	int code = tail_slots(t, nnames);

	if (code != EXIT_OK)
		return code;
	t->params = json_object();
	json_object_set_new(t->params, "names", args_json(cmd, 0, nnames));
	json_object_set_new(
	    t->params, "follow", json_boolean(cmd->on[OPTION_FOLLOW]));
	if (stream != NULL)
		json_object_set_new(t->params, "stream", json_string(stream));
	if (cmd->on[OPTION_LINES])
		json_object_set_new(t->params, "lines",
		    json_integer(cmd->number[OPTION_LINES]));
	result = client_call(cmd->client, CLIENT_QUERY, "tail",
	    json_incref(t->params), tail_note, t, &ce);
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].line.len > 0)
			tail_put_line(
			    t, &t->v[i], t->v[i].line.data, t->v[i].line.len);
	}
	if (result == NULL)
		return command_failed(cmd, &ce);
	json_decref(result);
	return EXIT_OK;
}

int
verb_tail(struct command *cmd)
{
	struct tailing t = { .cmd = cmd };
	size_t nnames = cmd->nargs;
	const char *stream = NULL, *last = cmd->args[nnames - 1];
	int code;

	if (nnames > 1 &&
	    (strcmp(last, "stdout") == 0 || strcmp(last, "stderr") == 0)) {
		stream = last;
		nnames--;
	}
	code = tail_run(&t, stream, nnames);
	for (size_t i = 0; i < t.n; i++) {
		free(t.v[i].name);
		buf_fini(&t.v[i].line);
	}
	free(t.v);
	json_decref(t.params);
	return code;
}
