/*
 * order - start stop restart roll scale signal reload shutdown.
 *
 * Each step is printed as it is told; exit 1 when a name failed.  What failed
 * goes to stderr, with the last lines that the instance wrote.
 */
#include <sys/syscall.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "reevectl.h"

#define SHUTDOWN_TELL_MS 3000 /* so long nothing is told */

static void
order_line(struct buf *b, const json_t *note)
{
	const json_t *ok = json_object_get(note, "ok");
	const char *name = jstr(note, "name", "");
	enum tint t = TINT_DIM;

	if (ok != NULL)
		t = json_is_true(ok) ? TINT_GREEN : TINT_RED;
	render_safe(b, *name != '\0' ? name : "reeved");
	buf_adds(b, ": ");
	buf_adds(b, render_tint(t));
	render_safe(b, jstr(note, "text", ""));
	buf_adds(b, render_untint(t));
	buf_addc(b, '\n');
	if (*jstr(note, "tail", "") != '\0') {
		buf_adds(b, "  its last output:\n");
		render_block(b, "  | ", jstr(note, "tail", ""));
	}
}

static void
order_note(void *arg, json_t *note)
{
	const struct command *cmd = arg;
	struct buf b;

	if (cmd->on[OPTION_JSON])
		return;
	buf_init(&b);
	order_line(&b, note);
	if (json_is_false(json_object_get(note, "ok"))) {
		out_flush();
		fputs(buf_str(&b), stderr);
	} else {
		out_write(buf_str(&b), b.len);
		out_flush();
	}
	buf_fini(&b);
}

/* Every error of a config that was refused. */
static void
order_config_errors(const struct client_error *ce)
{
	const json_t *errors = json_object_get(ce->data, "errors");
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < json_array_size(errors); i++) {
		render_safe(&b, json_string_value(json_array_get(errors, i)));
		buf_addc(&b, '\n');
	}
	out_flush();
	fputs(buf_str(&b), stderr);
	buf_fini(&b);
}

static int
order_give(struct command *cmd, enum client_kind kind, json_t *params)
{
	struct client_error ce = { 0 };
	json_t *result;
	int code;

	if (cmd->on[OPTION_NO_WAIT])
		json_object_set_new(params, "wait", json_false());
	result = client_call(cmd->client, kind, verbs[cmd->verb].name, params,
	    order_note, cmd, &ce);
	if (result == NULL) {
		if (ce.data != NULL && !cmd->on[OPTION_JSON])
			order_config_errors(&ce);
		return command_failed(cmd, &ce);
	}
	code = (int)jint(result, "code", EXIT_OK);
	if (cmd->on[OPTION_JSON])
		out_json(result);
	json_decref(result);
	return code;
}

static int
order_names(struct command *cmd, enum client_kind kind)
{
	json_t *params = json_object();

	json_object_set_new(params, "names", args_json(cmd, 0, cmd->nargs));
	return order_give(cmd, kind, params);
}

int
verb_start(struct command *cmd)
{
	return order_names(cmd, CLIENT_TWICE);
}

int
verb_stop(struct command *cmd)
{
	return order_names(cmd, CLIENT_TWICE);
}

int
verb_roll(struct command *cmd)
{
	return order_names(cmd, CLIENT_RESUME);
}

int
verb_restart(struct command *cmd)
{
	json_t *params = json_object();

	json_object_set_new(params, "names", args_json(cmd, 0, cmd->nargs));
	if (cmd->on[OPTION_HARD])
		json_object_set_new(params, "hard", json_true());
	return order_give(cmd, CLIENT_RESUME, params);
}

int
verb_scale(struct command *cmd)
{
	json_t *params = json_object(), *name = json_string(cmd->args[0]);
	int64_t n;

	if (!str_to_i64(cmd->args[1], 0, INT32_MAX, &n) || name == NULL) {
		warn_user("scale needs a number of workers, not \"%s\"",
		    cmd->args[1]);
		json_decref(name);
		json_decref(params);
		return EXIT_USAGE;
	}
	json_object_set_new(params, "name", name);
	json_object_set_new(params, "number", json_integer(n));
	return order_give(cmd, CLIENT_TWICE, params);
}

int
verb_signal(struct command *cmd)
{
	json_t *params = json_object();

	json_object_set_new(params, "names", args_json(cmd, 1, cmd->nargs));
	json_object_set_new(params, "signal", json_string(cmd->args[0]));
	return order_give(cmd, CLIENT_ONCE, params);
}

/* --- reload ----------------------------------------------------------------
 */

static enum tint
plan_tint(const char *kind)
{
	if (strcmp(kind, "added") == 0)
		return TINT_GREEN;
	if (strcmp(kind, "removed") == 0 || strcmp(kind, "restart") == 0)
		return TINT_RED;
	return strcmp(kind, "roll") == 0 ? TINT_YELLOW : TINT_DIM;
}

/* What is said above holds for the strongest key; of the others it is said. */
static void
plan_key(struct buf *b, const json_t *change, size_t i, const char *kind)
{
	const char *key = json_string_value(
	    json_array_get(json_object_get(change, "keys"), i));
	const char *needs = json_string_value(
	    json_array_get(json_object_get(change, "needs"), i));

	buf_adds(b, "           ");
	render_safe(b, key);
	if (needs != NULL && strcmp(needs, kind) != 0)
		buf_addf(b, " (%s)", needs);
	buf_addc(b, '\n');
}

static void
plan_change(struct buf *b, const json_t *change)
{
	const char *kind = jstr(change, "kind", "?");
	const json_t *keys = json_object_get(change, "keys");
	enum tint t = plan_tint(kind);

	buf_adds(b, render_tint(t));
	render_pad(b, kind, 8, false);
	buf_adds(b, render_untint(t));
	buf_adds(b, " ");
	render_safe(b, jstr(change, "program", "[reeve]"));
	buf_addc(b, '\n');
	for (size_t i = 0; i < json_array_size(keys); i++)
		plan_key(b, change, i, kind);
}

static int
reload_plan(struct command *cmd)
{
	struct client_error ce = { 0 };
	json_t *plan = client_call(
	    cmd->client, CLIENT_QUERY, "plan", NULL, NULL, NULL, &ce);
	const json_t *changes, *warnings;
	struct buf b;

	if (plan == NULL) {
		if (!cmd->on[OPTION_JSON])
			order_config_errors(&ce);
		return command_failed(cmd, &ce);
	}
	if (cmd->on[OPTION_JSON]) {
		out_json(plan);
		json_decref(plan);
		return EXIT_OK;
	}
	buf_init(&b);
	changes = json_object_get(plan, "changes");
	warnings = json_object_get(plan, "warnings");
	for (size_t i = 0; i < json_array_size(warnings); i++)
		warn_user("warning: %s",
		    json_string_value(json_array_get(warnings, i)));
	for (size_t i = 0; i < json_array_size(changes); i++)
		plan_change(&b, json_array_get(changes, i));
	if (json_array_size(changes) == 0)
		buf_adds(&b, "nothing would change\n");
	out_write(buf_str(&b), b.len);
	buf_fini(&b);
	json_decref(plan);
	return EXIT_OK;
}

int
verb_reload(struct command *cmd)
{
	if (cmd->on[OPTION_PLAN])
		return reload_plan(cmd);
	return order_give(cmd, CLIENT_TWICE, json_object());
}

/* --- upgrade ----------------------------------------------------------------
 */

int
verb_upgrade(struct command *cmd)
{
	int code = EXIT_OK;
	json_t *told = command_ask(cmd, "upgrade", NULL, &code);

	if (told == NULL)
		return code;
	if (cmd->on[OPTION_JSON])
		out_json(told);
	else
		out_printf("%s\n", jstr(told, "text", ""));
	json_decref(told);
	return EXIT_OK;
}

/* --- shutdown --------------------------------------------------------------
 */

static bool
shutdown_is_reeved(pid_t pid)
{
	char path[64], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fgets(comm, sizeof comm, f) == NULL)
		comm[0] = '\0';
	fclose(f);
	return strncmp(comm, "reeved", 6) == 0;
}

/* Who is still there, when it takes long; once, as long as it is the same. */
static void
shutdown_tell(struct command *cmd, struct buf *told)
{
	struct client_error ce = { 0 };
	json_t *slots = client_call(
	    cmd->client, CLIENT_ONCE, "status", NULL, NULL, NULL, &ce);
	struct buf b;

	json_decref(ce.data);
	buf_init(&b);
	for (size_t i = 0; i < json_array_size(slots); i++) {
		const json_t *slot = json_array_get(slots, i);

		if (jint(slot, "pid", 0) > 0)
			buf_addf(&b, "%s%s (pid %lld)", b.len > 0 ? ", " : "",
			    jstr(slot, "name", "?"),
			    (long long)jint(slot, "pid", 0));
	}
	json_decref(slots);
	if (b.len > 0 && strcmp(buf_str(&b), buf_str(told)) != 0) {
		warn_user("waiting for %s", buf_str(&b));
		buf_clear(told);
		buf_add(told, b.data, b.len);
	}
	buf_fini(&b);
}

/*
 * "shutdown" means that another reeved can be started when it returns: waits
 * for the process itself.  In another pid namespace the number is somebody
 * else's; then the end of the connection must do.
 */
static int
shutdown_wait(struct command *cmd, pid_t pid)
{
	struct pollfd pfd = { .events = POLLIN };
	mono_ms start = clock_mono_ms();
	int64_t limit =
	    cmd->on[OPTION_TIMEOUT] ? cmd->number[OPTION_TIMEOUT] : INT64_MAX;
	int pidfd = -1, code = EXIT_OK;
	struct buf told;

	if (shutdown_is_reeved(pid))
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	buf_init(&told);
	for (;;) {
		pfd.fd = pidfd != -1 ? pidfd : client_fd(cmd->client);
		if (pfd.fd == -1 || poll(&pfd, 1, SHUTDOWN_TELL_MS) == 1)
			break;
		if (clock_mono_ms() - start >= limit) {
			warn_user("reeved is still stopping");
			code = EXIT_FAIL;
			break;
		}
		if (client_fd(cmd->client) != -1)
			shutdown_tell(cmd, &told);
	}
	buf_fini(&told);
	fd_closep(&pidfd);
	return code;
}

int
verb_shutdown(struct command *cmd)
{
	json_t *pid;
	int code = EXIT_OK;

	pid = command_ask(cmd, "pid", NULL, &code);
	if (pid == NULL)
		return code;
	code = order_give(cmd, CLIENT_LAST, json_object());
	if (code == EXIT_OK && !cmd->on[OPTION_NO_WAIT])
		code = shutdown_wait(cmd, (pid_t)json_integer_value(pid));
	json_decref(pid);
	return code;
}
