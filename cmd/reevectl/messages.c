/*
 * messages - what children sent: events --messages.
 *
 * A line of JSON for each, put together by hand: the message is printed as
 * the child wrote it, byte for byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reevectl.h"

static void
message_stamp(char *out, size_t size, int64_t at)
{
	time_t sec = (time_t)(at / 1000);
	struct tm tm;
	char s[40];

	gmtime_r(&sec, &tm);
	strftime(s, sizeof s, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, size, "%s.%03dZ", s, (int)(at % 1000));
}

static void
message_line(const json_t *m)
{
	const json_t *text = json_object_get(m, "text");
	json_t *name = json_object_get(m, "name");
	char *quoted = json_dumps(name, JSON_ENCODE_ANY), stamp[64];
	int64_t at = jint(m, "at_ms", 0);

	message_stamp(stamp, sizeof stamp, at);
	out_printf("{\"seq\":%lld,\"time\":\"%s\",\"at_ms\":%lld,"
		   "\"name\":%s,\"pid\":%lld,\"message\":",
	    (long long)jint(m, "seq", 0), stamp, (long long)at,
	    quoted != NULL ? quoted : "null", (long long)jint(m, "pid", 0));
	out_write(json_string_value(text), json_string_length(text));
	out_puts("}\n");
	free(quoted);
}

void
message_note(struct command *cmd, json_t *params, json_t *note)
{
	json_t *m = json_object_get(note, "message");
	json_t *gap = json_object_get(note, "gap");

	if (m != NULL) {
		json_object_set(params, "since", json_object_get(m, "seq"));
		message_line(m);
	} else if (gap != NULL) {
		json_object_del(note, "id");
		out_json_line(note);
	}
	if (cmd->on[OPTION_FOLLOW])
		out_flush();
}
