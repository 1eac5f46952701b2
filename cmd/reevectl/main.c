/*
 * main - finds the daemon, calls the verb, ends with its exit code.
 *
 * Socket: -s, else -c's config, else $REEVE_SOCKET, else the default config's,
 * else what reeved takes without one.  A config with errors still tells where
 * the socket is: reevectl must work when a file is being edited.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "reevectl.h"

#define QUERY_TIMEOUT_MS 30000 /* without --timeout, for what needs no wait */

const char *
jstr(const json_t *obj, const char *key, const char *none)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : none;
}

int64_t
jint(const json_t *obj, const char *key, int64_t none)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? json_integer_value(v) : none;
}

json_t *
args_json(const struct command *cmd, size_t from, size_t to)
{
	json_t *arr = json_array(), *s;

	for (size_t i = from; i < to; i++) {
		s = json_string(cmd->args[i]);
		if (s == NULL) {
			warn_user("argument %zu is not UTF-8", i + 1);
			exit(EXIT_USAGE);
		}
		json_array_append_new(arr, s);
	}
	return arr;
}

int
command_failed(const struct command *cmd, struct client_error *ce)
{
	json_t *err;

	if (cmd->on[OPTION_JSON]) {
		err = json_pack("{s:{s:s,s:i}}", "error", "message", ce->text,
		    "exit", ce->exit);
		if (err != NULL && ce->data != NULL)
			json_object_update_missing(
			    json_object_get(err, "error"), ce->data);
		if (err != NULL)
			out_json(err);
		json_decref(err);
	}
	warn_user("%s", ce->text);
	json_decref(ce->data);
	ce->data = NULL;
	return ce->exit;
}

json_t *
command_ask(struct command *cmd, const char *method, json_t *params, int *code)
{
	struct client_error ce = { 0 };
	json_t *result = client_call(
	    cmd->client, CLIENT_QUERY, method, params, NULL, NULL, &ce);

	if (result == NULL)
		*code = command_failed(cmd, &ce);
	return result;
}

/* NULL: there is no config, or -c names one that cannot be read. */
static struct config *
main_config(const struct command *cmd, const char *file)
{
	struct config_errors errs;
	struct config *cf;

	config_errors_init(&errs);
	cf = config_load_ctl(file, &errs);
	if (cf == NULL && cmd->on[OPTION_FILE]) {
		for (size_t i = 0; i < errs.errors.n; i++)
			warn_user("%s", errs.errors.v[i]);
	}
	config_errors_fini(&errs);
	return cf;
}

/* What reeved takes without a config, in the order of its likelihood. */
static char *
main_default_socket(void)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char *path;

	if (geteuid() != 0 && xdg != NULL && *xdg == '/') {
		path = xasprintf("%s/reeve/reeve.sock", xdg);
		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return xstrdup("/run/reeve/reeve.sock");
}

static enum config_color
main_color_option(const struct command *cmd, const struct config *cf)
{
	const char *when = cmd->value[OPTION_COLOR];

	if (when == NULL)
		return cf != NULL ? cf->ctl_color : COLOR_AUTO;
	if (strcmp(when, "always") == 0)
		return COLOR_ALWAYS;
	return strcmp(when, "never") == 0 ? COLOR_NEVER : COLOR_AUTO;
}

/* https://no-color.org: set and not empty. */
static bool
main_color(const struct command *cmd, const struct config *cf)
{
	enum config_color when = main_color_option(cmd, cf);
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (when == COLOR_ALWAYS || cmd->on[OPTION_JSON])
		return when == COLOR_ALWAYS && !cmd->on[OPTION_JSON];
	if (when == COLOR_NEVER || (no != NULL && *no != '\0'))
		return false;
	return isatty(STDOUT_FILENO) && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

static bool
main_is_query(const struct command *cmd)
{
	switch (cmd->verb) {
	case VERB_STATUS:
	case VERB_TOP:
	case VERB_PID:
	case VERB_WHY:
	case VERB_ANALYZE:
	case VERB_CONFIG:
	case VERB_VERSION:
		return true;
	case VERB_RELOAD:
		return cmd->on[OPTION_PLAN];
	case VERB_TAIL:
	case VERB_EVENTS:
		return !cmd->on[OPTION_FOLLOW];
	case VERB_START:
	case VERB_STOP:
	case VERB_RESTART:
	case VERB_ROLL:
	case VERB_SCALE:
	case VERB_SIGNAL:
	case VERB_SEND:
	case VERB_UPGRADE:
	case VERB_SHUTDOWN:
	case VERB_RUN:
	case VERB_TASK:
	case VERB_JOB:
	case VERB__N:
		return false;
	}
	return false;
}

static void
main_lost(void *arg, const char *text)
{
	(void)arg;
	warn_user("%s", text);
}

/* 0, or the exit code. */
static int
main_client(struct command *cmd)
{
	const char *env = getenv("REEVE_SOCKET");
	const char *file = cmd->value[OPTION_FILE];
	int64_t timeout = main_is_query(cmd) ? QUERY_TIMEOUT_MS : -1;
	struct config *cf = NULL;
	char *socket;

	if (env != NULL && *env == '\0')
		env = NULL;
	if (file == NULL && !cmd->on[OPTION_SOCKET] && env == NULL)
		file = config_default_file();
	if (file != NULL)
		cf = main_config(cmd, file);
	if (cf == NULL && cmd->on[OPTION_FILE] && !cmd->on[OPTION_SOCKET])
		return EXIT_DAEMON;
	if (cmd->on[OPTION_SOCKET])
		socket = xstrdup(cmd->value[OPTION_SOCKET]);
	else if (cmd->on[OPTION_FILE])
		socket = xstrdup(cf->ctl_socket);
	else if (env != NULL)
		socket = xstrdup(env);
	else
		socket = cf != NULL ? xstrdup(cf->ctl_socket)
				    : main_default_socket();
	/* That of a command is the command's own. */
	if (cmd->on[OPTION_TIMEOUT] && !opts_name_command(cmd) &&
	    cmd->verb != VERB_JOB)
		timeout = cmd->number[OPTION_TIMEOUT];
	cmd->color = main_color(cmd, cf);
	config_free(cf);
	cmd->client = client_new(socket, timeout);
	client_on_lost(cmd->client, main_lost, NULL);
	cmd->socket = socket;
	return 0;
}

int
main(int argc, char **argv)
{
	struct command cmd;
	int code;

	out_init();
	log_init("reevectl", LOG_WARN);
	setlocale(LC_CTYPE, "");
	code = opts_parse(&cmd, argc, argv);
	if (code == -1) {
		code = main_client(&cmd);
		if (code == 0) {
			render_init(cmd.color);
			code = verbs[cmd.verb].run(&cmd);
			if (out_end() == -1 && code == EXIT_OK)
				code = EXIT_FAIL;
		}
		client_free(cmd.client);
		free(cmd.socket);
	}
	opts_fini(&cmd);
	return code;
}
