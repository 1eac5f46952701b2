/*
 * task_add - commands into the queue.
 *
 * Many are sent before the first is answered: they become one write of the
 * disk.  Each has a key of its own, so that asking again after an engine has
 * died adds nothing twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "run.h"
#include "task.h"

#define ADD_AT_ONCE      48 /* fewer than the server takes of one client */
#define ADD_AGAIN        20
#define ADD_BUSY         (-32006) /* of the protocol */
#define ADD_PAUSE_MAX_MS 1000

struct adding {
	struct run r; /* its key, its strings */
	bool sent;
};

struct adder {
	struct command *cmd;
	const char *group; /* NULL: --group, or the default */
	struct adding wait[ADD_AT_ONCE];
	size_t first, n; /* a ring: in the order in which they were given */
	int losses, pause_ms;
	struct client_error ce;
};

static json_t *
adding_params(const struct adder *ad, const struct adding *a)
{
	const struct command *cmd = ad->cmd;
	const char *group = ad->group;
	json_t *p = json_pack("{s:s,s:i}", "key", a->r.key, "argc", a->r.argc);
	static const struct {
		enum option_id id;
		const char *name;
	} numbers[] = { { OPTION_PRIORITY, "priority" },
		{ OPTION_RETRIES, "retries" }, { OPTION_DELAY, "delay_ms" },
		{ OPTION_TIMEOUT, "timeout_ms" } };
	/* Of a command that is only left alone, as of one that is not. */
	bool jobs = cmd->verb == VERB_RUN ? cmd->on[OPTION_JOBSERVER]
					  : !cmd->on[OPTION_NO_JOBSERVER];
	json_t *after;

	json_object_set_new(p, "jobserver", json_boolean(jobs));
	if (cmd->on[OPTION_CHANNEL])
		json_object_set_new(p, "ipc", json_true());
	if (group == NULL && cmd->on[OPTION_GROUP])
		group = cmd->value[OPTION_GROUP];
	if (group != NULL)
		json_object_set_new(p, "group", json_string(group));
	if (cmd->on[OPTION_ON_CRASH])
		json_object_set_new(
		    p, "on_crash", json_string(cmd->value[OPTION_ON_CRASH]));
	run_params_how(cmd, p);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (cmd->on[numbers[i].id])
			json_object_set_new(p, numbers[i].name,
			    json_integer(cmd->number[numbers[i].id]));
	if (cmd->after.n == 0)
		return p;
	after = json_array();
	for (size_t i = 0; i < cmd->after.n; i++)
		json_array_append_new(after, json_string(cmd->after.v[i]));
	json_object_set_new(p, "after", after);
	return p;
}

static struct adding *
adder_at(struct adder *ad, size_t i)
{
	return &ad->wait[(ad->first + i) % ADD_AT_ONCE];
}

static int
adder_send(struct adder *ad, struct adding *a)
{
	client_pass(ad->cmd->client, a->r.pass, 1);
	a->r.id = client_send(
	    ad->cmd->client, "task_add", adding_params(ad, a), &ad->ce);
	a->sent = a->r.id != -1;
	return a->sent ? 0 : -1;
}

/* The engine died: all that have no answer are given again. */
static int
adder_again(struct adder *ad)
{
	mono_ms until = clock_mono_ms() + CLIENT_AGAIN_MS;

	do {
		if (++ad->losses > ADD_AGAIN)
			return -1;
		client_disconnect(ad->cmd->client);
		while (client_connect(ad->cmd->client, &ad->ce) == -1) {
			if (clock_mono_ms() >= until)
				return -1;
			poll(NULL, 0, 50);
		}
		for (size_t i = 0; i < ad->n; i++)
			if (adder_send(ad, adder_at(ad, i)) == -1)
				break;
	} while (ad->n > 0 && !adder_at(ad, ad->n - 1)->sent);
	return 0;
}

static void
adder_drop_first(struct adder *ad)
{
	struct adding *a = adder_at(ad, 0);

	fd_closep(&a->r.pass[0]);
	strv_fini(&a->r.env);
	ad->first = (ad->first + 1) % ADD_AT_ONCE;
	ad->n--;
}

/* 0, or the exit code. */
static int
adder_refused(struct adder *ad, json_t *error)
{
	json_t *data = json_object_get(error, "data");

	ad->ce.exit = (int)jint(data, "exit", EXIT_FAIL);
	snprintf(ad->ce.text, sizeof ad->ce.text, "%s",
	    jstr(error, "message", "it failed"));
	ad->ce.data = json_incref(data);
	return command_failed(ad->cmd, &ad->ce);
}

/* There are as many clients as may be: as for run, none of them is lost. */
static int
adder_wait_turn(struct adder *ad)
{
	ad->pause_ms = ad->pause_ms * 2 + 10 + (int)getpid() % 10;
	if (ad->pause_ms > ADD_PAUSE_MAX_MS)
		ad->pause_ms = ADD_PAUSE_MAX_MS;
	poll(NULL, 0, ad->pause_ms);
	return adder_again(ad) == 0 ? 0 : command_failed(ad->cmd, &ad->ce);
}

/* Takes an answer. */
static int
adder_hear(struct adder *ad)
{
	json_t *msg = NULL, *error;
	int code = 0;

	if (client_recv(ad->cmd->client, -1, &msg, &ad->ce) == -1)
		return adder_again(ad) == 0 ? 0
					    : command_failed(ad->cmd, &ad->ce);
	ad->losses = 0;
	error = json_object_get(msg, "error");
	if (error != NULL && json_is_null(json_object_get(msg, "id")) &&
	    jint(error, "code", 0) == ADD_BUSY) {
		code = adder_wait_turn(ad);
	} else if (error != NULL) {
		code = adder_refused(ad, error);
	} else if (jint(msg, "id", -1) == adder_at(ad, 0)->r.id) {
		json_t *result = json_object_get(msg, "result");

		if (ad->cmd->on[OPTION_JSON])
			out_json_line(result);
		else
			out_printf("%lld\n", (long long)jint(result, "id", 0));
		out_flush();
		adder_drop_first(ad);
	}
	json_decref(msg);
	return code;
}

/* The words of cmd; 0, or the exit code. */
static int
adder_add(struct adder *ad)
{
	struct adding *a;
	int code = 0;

	while (ad->n == ADD_AT_ONCE && code == 0)
		code = adder_hear(ad);
	if (code != 0)
		return code;
	a = adder_at(ad, ad->n);
	memset(a, 0, sizeof *a);
	a->r.cmd = ad->cmd;
	a->r.pass[0] = -1;
	run_key(&a->r);
	code = run_strings(&a->r);
	ad->n++;
	if (code != -1)
		return code;
	if (adder_send(ad, a) == -1 && adder_again(ad) == -1)
		return command_failed(ad->cmd, &ad->ce);
	return 0;
}

static int
adder_lines(struct adder *ad)
{
	struct command *cmd = ad->cmd;
	char *line = NULL, *words[2] = { NULL, NULL };
	size_t cap = 0, lines = 0;
	ssize_t n;
	int code = 0, bad = 0;

	cmd->on[OPTION_SHELL] = true;
	cmd->args = words;
	cmd->nargs = 1;
	while (code == 0 && (n = getline(&line, &cap, stdin)) != -1) {
		lines++;
		/* No argument can hold a NUL, and half of a line is no task. */
		if (memchr(line, '\0', (size_t)n) != NULL) {
			warn_user("line %zu holds a NUL; it and those after it "
				  "are not added",
			    lines);
			bad = EXIT_USAGE;
			break;
		}
		if (n > 0 && line[n - 1] == '\n')
			line[n - 1] = '\0';
		words[0] = line;
		if (line[strspn(line, " \t")] != '\0')
			code = adder_add(ad);
	}
	free(line);
	while (code == 0 && ad->n > 0)
		code = adder_hear(ad);
	return code != 0 ? code : bad;
}

static int
adder_run(struct command *cmd, const char *group, bool lines)
{
	struct adder *ad = xcalloc(1, sizeof *ad);
	char **args = cmd->args;
	int code;

	ad->cmd = cmd;
	ad->group = group;
	code = lines ? adder_lines(ad) : adder_add(ad);
	while (code == 0 && ad->n > 0)
		code = adder_hear(ad);
	while (ad->n > 0)
		adder_drop_first(ad);
	cmd->args = args;
	free(ad);
	return code;
}

int
task_add(struct command *cmd)
{
	if (!cmd->on[OPTION_EACH_LINE] && cmd->nargs == 0) {
		warn_user("task add needs -- COMMAND [ARG...]");
		return EXIT_USAGE;
	}
	return adder_run(cmd, NULL, cmd->on[OPTION_EACH_LINE]);
}

int
task_detach(struct command *cmd)
{
	return adder_run(cmd, "detached", false);
}
