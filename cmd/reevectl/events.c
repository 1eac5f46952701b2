/* events - the numbered event log, one line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reevectl.h"

struct listening {
	struct command *cmd;
	json_t *params; /* of the request: goes on where it was */
};

static enum tint
event_tint(const char *kind)
{
	if (strcmp(kind, "exit") == 0)
		return TINT_YELLOW;
	if (strcmp(kind, "roll") == 0 || strcmp(kind, "reload") == 0)
		return TINT_CYAN;
	return strcmp(kind, "order") == 0 ? TINT_BOLD : TINT_NONE;
}

static void
event_line(const json_t *ev)
{
	const char *kind = jstr(ev, "kind", "?");
	const char *name = jstr(ev, "name", "");
	enum tint t = event_tint(kind);
	int64_t at = jint(ev, "at_ms", 0);
	char stamp[64];
	struct buf b;

	buf_init(&b);
	render_stamp(stamp, sizeof stamp, at);
	buf_addf(&b, "%6lld  %s.%03d  %s", (long long)jint(ev, "seq", 0), stamp,
	    (int)(at % 1000), render_tint(t));
	render_pad(&b, kind, 7, false);
	buf_addf(&b, "%s  ", render_untint(t));
	render_safe(&b, *name != '\0' ? name : "reeved");
	buf_adds(&b, "  ");
	render_safe(&b, jstr(ev, "text", ""));
	buf_addc(&b, '\n');
	out_write(b.data, b.len);
	buf_fini(&b);
}

static void
event_gap(const json_t *gap)
{
	int64_t after = jint(gap, "after", 0), next = jint(gap, "next", 0);

	if (next <= after)
		out_printf("        (this reeved numbers its events anew; "
			   "event %lld is another's)\n",
		    (long long)after);
	else
		out_printf("        (%lld events are gone, %lld to %lld)\n",
		    (long long)(next - after - 1), (long long)after + 1,
		    (long long)next - 1);
}

static void
event_note(void *arg, json_t *note)
{
	struct listening *l = arg;
	json_t *ev = json_object_get(note, "event");
	json_t *gap = json_object_get(note, "gap");

	if (l->cmd->on[OPTION_MESSAGES]) {
		message_note(l->cmd, l->params, note);
		if (out_failed())
			exit(out_end() == 0 ? EXIT_OK : EXIT_FAIL);
		return;
	}
	if (ev != NULL)
		json_object_set(l->params, "since", json_object_get(ev, "seq"));
	if (l->cmd->on[OPTION_JSON]) {
		json_object_del(note, "id");
		out_json_line(ev != NULL ? ev : note);
	} else if (ev != NULL) {
		event_line(ev);
	} else if (gap != NULL) {
		event_gap(gap);
	}
	if (l->cmd->on[OPTION_FOLLOW])
		out_flush();
	if (out_failed())
		exit(out_end() == 0 ? EXIT_OK : EXIT_FAIL);
}

/* From now on, as a number: so nothing is missed if the connection breaks. */
static int
events_since_now(struct listening *l)
{
	int code = EXIT_OK;
	json_t *hello = command_ask(l->cmd, "hello", NULL, &code);

	if (hello != NULL)
		json_object_set_new(l->params, "since",
		    json_integer(jint(hello,
			l->cmd->on[OPTION_MESSAGES] ? "last_message"
						    : "last_event",
			0)));
	json_decref(hello);
	return code;
}

static int
events_run(struct listening *l)
{
	struct command *cmd = l->cmd;
	struct client_error ce = { 0 };
	const char *method = cmd->on[OPTION_MESSAGES] ? "messages" : "events";
	json_t *result;
	int code = EXIT_OK;

	if (cmd->on[OPTION_FOLLOW])
		json_object_set_new(l->params, "follow", json_true());
	if (cmd->on[OPTION_SINCE])
		json_object_set_new(l->params, "since",
		    json_integer(cmd->number[OPTION_SINCE]));
	else if (cmd->on[OPTION_FOLLOW])
		code = events_since_now(l);
	if (code != EXIT_OK)
		return code;
	if (cmd->nargs > 0)
		json_object_set_new(
		    l->params, "names", args_json(cmd, 0, cmd->nargs));
	result = client_call(cmd->client, CLIENT_QUERY, method,
	    json_incref(l->params), event_note, l, &ce);
	if (result == NULL)
		code = command_failed(cmd, &ce);
	json_decref(result);
	return code;
}

int
verb_events(struct command *cmd)
{
	struct listening l = { cmd, json_object() };
	int code = events_run(&l);

	json_decref(l.params);
	return code;
}
