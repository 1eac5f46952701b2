/* why - the history of a slot's deaths, in words, the newest first. */
#include <sys/types.h>

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "reevectl.h"

static void
why_user(struct buf *b, const json_t *death)
{
	int64_t uid = jint(death, "by_uid", -1);
	const struct passwd *pw;

	if (uid == -1)
		return;
	pw = getpwuid((uid_t)uid);
	buf_adds(b, ", asked by ");
	if (pw != NULL)
		render_safe(b, pw->pw_name);
	else
		buf_addf(b, "uid %lld", (long long)uid);
	if (jint(death, "by_pid", 0) > 0)
		buf_addf(b, " (pid %lld)", (long long)jint(death, "by_pid", 0));
}

/* "exited with 3", "killed by SIGSEGV (core dumped)". */
static void
why_end(struct buf *b, const json_t *death)
{
	int64_t signo = jint(death, "exit_signal", 0);
	char name[32];

	if (signo != 0) {
		render_signal(name, sizeof name, (int)signo);
		buf_addf(b, "killed by %s%s", name,
		    json_is_true(json_object_get(death, "core"))
			? " (core dumped)"
			: "");
	} else {
		buf_addf(b, "exited with %lld",
		    (long long)jint(death, "exit_code", 0));
	}
}

/* What was wanted of it, when it did not end by itself. */
static const char *
why_ordered(const char *cause)
{
	static const struct {
		const char *cause;
		const char *text;
	} words[] = {
		{ "stop", "stopped" },
		{ "restart", "stopped for a restart" },
		{ "roll", "replaced by a roll" },
		{ "recycle", "replaced" },
		{ "unhealthy", "ended" },
		{ "not-ready", "killed: it was not ready in time" },
		{ "bound", "stopped with what it is bound to" },
		{ "discard", "removed: its roll was aborted" },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i].cause, cause) == 0)
			return words[i].text;
	}
	return NULL;
}

static void
why_words(struct buf *b, const json_t *death)
{
	const char *cause = jstr(death, "cause", "");
	const char *ordered = why_ordered(cause);
	const char *text = jstr(death, "text", "");
	char ran[64];

	if (strcmp(cause, "no-start") == 0) {
		buf_adds(b, "could not be started: ");
		render_safe(b, *text != '\0' ? text : "no reason is known");
		return;
	}
	str_duration(ran, sizeof ran, jint(death, "ran_ms", 0));
	if (ordered != NULL) {
		buf_adds(b, ordered);
		why_user(b, death);
		if (*text != '\0') {
			buf_adds(b, ": ");
			render_safe(b, text);
		}
		buf_adds(b, "; ");
	}
	why_end(b, death);
	buf_addf(b, " after %s", ran);
	if (json_is_true(json_object_get(death, "killed")))
		buf_adds(b, ", it did not heed its stop signal");
	if (*text != '\0' && ordered == NULL) {
		buf_adds(b, "; ");
		render_safe(b, text);
	}
}

static void
why_death(struct buf *b, const json_t *death)
{
	const char *text = jstr(death, "text", "");
	const char *tail = jstr(death, "tail", "");
	const char *cause = jstr(death, "cause", "");
	int64_t rss = jint(death, "max_rss_kb", -1);
	enum tint t =
	    why_ordered(cause) == NULL || cause[0] == 'n' ? TINT_RED : TINT_DIM;
	char stamp[64], prefix[32];

	render_stamp(stamp, sizeof stamp, jint(death, "at_ms", 0));
	buf_addf(b, "  %s  ", stamp);
	buf_adds(b, render_tint(t));
	why_words(b, death);
	buf_adds(b, render_untint(t));
	buf_adds(b, "\n");
	buf_adds(b, render_tint(TINT_DIM));
	if (jint(death, "pid", 0) > 0) {
		buf_addf(b, "      pid %lld, instance %lld",
		    (long long)jint(death, "pid", 0),
		    (long long)jint(death, "generation", 0));
		if (rss >= 0)
			buf_addf(
			    b, ", peak memory %.1f MiB", (double)rss / 1024);
		buf_addc(b, '\n');
	}
	buf_adds(b, render_untint(TINT_DIM));
	snprintf(prefix, sizeof prefix, "      %s|%s ", render_tint(TINT_DIM),
	    render_untint(TINT_DIM));
	if (strcmp(tail, text) != 0)
		render_block(b, prefix, tail);
}

/* "web.0 is BACKOFF: ...; next try in 2.0 s". */
static void
why_now(struct buf *b, const json_t *slot)
{
	enum tint t = render_state_tint(jstr(slot, "state", ""),
	    json_is_true(json_object_get(slot, "ready")));
	const char *description =
	    render_description(jstr(slot, "description", ""));
	int64_t retry = jint(slot, "next_retry_ms", -1);
	int64_t restarts = jint(slot, "restarts", 0);
	char text[64];

	buf_addf(b, "%s", render_tint(TINT_BOLD));
	render_safe(b, jstr(slot, "name", "?"));
	buf_addf(b, "%s is %s%s%s", render_untint(TINT_BOLD), render_tint(t),
	    jstr(slot, "state", "?"), render_untint(t));
	if (jint(slot, "pid", 0) > 0)
		buf_addf(b, ", pid %lld", (long long)jint(slot, "pid", 0));
	if (jint(slot, "uptime_ms", -1) >= 0) {
		str_duration(text, sizeof text, jint(slot, "uptime_ms", 0));
		buf_addf(b, ", up %s", text);
	}
	buf_addf(b, ", %lld restart%s", (long long)restarts,
	    restarts == 1 ? "" : "s");
	if (retry >= 0) {
		str_duration(text, sizeof text, retry);
		buf_addf(b, ", next try in %s", text);
	}
	if (jint(slot, "recycle_at_ms", 0) > 0) {
		render_stamp(text, sizeof text, jint(slot, "recycle_at_ms", 0));
		buf_addf(b, ", to be replaced %s", text);
	}
	if (*description != '\0') {
		buf_adds(b, "\n  ");
		render_safe(b, description);
	}
	buf_addc(b, '\n');
}

static void
why_slot(struct buf *b, const json_t *one)
{
	const json_t *deaths = json_object_get(one, "deaths");

	why_now(b, json_object_get(one, "slot"));
	for (size_t i = 0; i < json_array_size(deaths); i++)
		why_death(b, json_array_get(deaths, i));
	if (json_array_size(deaths) == 0)
		buf_adds(b, "  no instance of it has ended\n");
}

static int
why_slots(struct command *cmd)
{
	json_t *params = json_object(), *slots;
	int code = EXIT_OK;
	struct buf b;

	json_object_set_new(params, "names", args_json(cmd, 0, cmd->nargs));
	slots = command_ask(cmd, "why", params, &code);
	if (slots == NULL)
		return code;
	buf_init(&b);
	if (cmd->on[OPTION_JSON])
		out_json(slots);
	for (size_t i = 0; !cmd->on[OPTION_JSON] && i < json_array_size(slots);
	     i++) {
		if (i > 0)
			buf_addc(&b, '\n');
		why_slot(&b, json_array_get(slots, i));
	}
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
	json_decref(slots);
	return code;
}

/* --- of tasks ---------------------------------------------------------------
 */

/* "1.2 s", or nothing. */
static void
why_task_times(struct buf *b, const json_t *t)
{
	int64_t ran = jint(t, "ran_ms", -1), rss = jint(t, "max_rss_kb", -1);
	char text[64];

	render_stamp(text, sizeof text, jint(t, "added", 0));
	buf_addf(b, "  added %s", text);
	if (jint(t, "started", 0) > 0) {
		render_stamp(text, sizeof text, jint(t, "started", 0));
		buf_addf(b, ", started %s", text);
	}
	if (ran >= 0) {
		str_duration(text, sizeof text, ran);
		buf_addf(b, ", ran %s", text);
	}
	if (rss >= 0)
		buf_addf(b, ", peak memory %.1f MiB", (double)rss / 1024);
	if (jint(t, "retries", 0) > 0)
		buf_addf(b, ", try %lld of %lld",
		    (long long)jint(t, "tries", 0),
		    (long long)jint(t, "retries", 0) + 1);
	buf_addc(b, '\n');
}

/* Of one that could not be started, what its reason says in words. */
static void
why_task_start(struct buf *b, const json_t *t)
{
	if (jstr(t, "stage", NULL) == NULL)
		return;
	buf_addf(b, "  not started: stage %s", jstr(t, "stage", ""));
	if (jstr(t, "errno_name", NULL) != NULL)
		buf_addf(b, ", %s", jstr(t, "errno_name", ""));
	if (jstr(t, "path", NULL) != NULL) {
		buf_adds(b, ", path ");
		render_safe(b, jstr(t, "path", ""));
	}
	buf_addc(b, '\n');
}

static void
why_task(struct buf *b, const json_t *t)
{
	const char *state = jstr(t, "state", "?");
	char text[64];

	buf_addf(b, "%stask %lld%s (", render_tint(TINT_BOLD),
	    (long long)jint(t, "id", 0), render_untint(TINT_BOLD));
	render_safe(b, jstr(t, "command", ""));
	buf_addf(b, ") is %s", state);
	if (jstr(t, "reason", NULL) != NULL) {
		buf_adds(b, ": ");
		render_safe(b, jstr(t, "reason", ""));
	}
	if (jstr(t, "waits_for", NULL) != NULL) {
		buf_adds(b, "; it waits for ");
		render_safe(b, jstr(t, "waits_for", ""));
	}
	if (jint(t, "pid", 0) > 0)
		buf_addf(b, ", pid %lld", (long long)jint(t, "pid", 0));
	buf_addc(b, '\n');
	if (jstr(t, "begun_by", NULL) != NULL) {
		buf_addf(b, "  begun by %s", jstr(t, "begun_by", ""));
		if (jint(t, "due", 0) > 0) {
			render_stamp(text, sizeof text, jint(t, "due", 0));
			buf_addf(b, ", due %s", text);
		}
		buf_addc(b, '\n');
	}
	why_task_start(b, t);
	why_task_times(b, t);
	snprintf(text, sizeof text, "      %s|%s ", render_tint(TINT_DIM),
	    render_untint(TINT_DIM));
	render_block(b, text, jstr(t, "tail", ""));
}

/* Every argument is the id of a task. */
static bool
why_is_tasks(const struct command *cmd)
{
	for (size_t i = 0; i < cmd->nargs; i++)
		if (cmd->args[i][strspn(cmd->args[i], "0123456789")] != '\0')
			return false;
	return cmd->nargs > 0;
}

static int
why_tasks(struct command *cmd)
{
	int code = EXIT_OK;
	json_t *tasks = command_ask(cmd, "task_why",
	    json_pack("{s:o}", "ids", args_json(cmd, 0, cmd->nargs)), &code);
	struct buf b;

	if (tasks == NULL)
		return code;
	buf_init(&b);
	if (cmd->on[OPTION_JSON])
		out_json(tasks);
	for (size_t i = 0; !cmd->on[OPTION_JSON] && i < json_array_size(tasks);
	     i++)
		why_task(&b, json_array_get(tasks, i));
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
	json_decref(tasks);
	return code;
}

int
verb_why(struct command *cmd)
{
	if (why_is_tasks(cmd))
		return why_tasks(cmd);
	return why_slots(cmd);
}
