/*
 * send - messages to children with a channel.
 *
 * Each has a key of its own: when the engine dies before it has answered, the
 * message is sent again with the same key and is in the channel once.
 */
#include <sys/mman.h>
#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/jtext.h"
#include "reevectl.h"

/* More than that does not go into the request. */
#define SEND_LINE (64 * 1024)

struct sender {
	struct command *cmd;
	uint64_t key;
	uint64_t n; /* sent so far */
};

static int
send_memfd(const char *text, size_t len)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	if (fd != -1 && fd_write_all(fd, text, len) == -1)
		fd_closep(&fd);
	return fd;
}

static json_t *
send_params(struct sender *sd)
{
	json_t *p = json_object();
	char key[40];

	snprintf(key, sizeof key, "%016llx.%llu", (unsigned long long)sd->key,
	    (unsigned long long)sd->n);
	json_object_set_new(p, "names", args_json(sd->cmd, 0, 1));
	json_object_set_new(p, "key", json_string(key));
	return p;
}

static int
send_call(struct sender *sd, json_t *params)
{
	struct client_error ce = { 0 };
	json_t *result = client_call(
	    sd->cmd->client, CLIENT_TWICE, "send", params, NULL, NULL, &ce);

	if (result == NULL)
		return command_failed(sd->cmd, &ce);
	if (sd->cmd->on[OPTION_JSON])
		out_json_line(result);
	json_decref(result);
	sd->n++;
	return EXIT_OK;
}

static int
send_text(struct sender *sd, const char *text, size_t len)
{
	json_t *params, *string = NULL;
	int fd = -1, code;
	size_t at;

	if (!jtext_valid(text, len, &at)) {
		warn_user("not a JSON text, at byte %zu: '%.20s'%s", at,
		    text + at, at == len ? " ends here" : "");
		return EXIT_USAGE;
	}
	params = send_params(sd);
	if (len <= SEND_LINE)
		string = json_stringn(text, len);
	if (string != NULL) {
		json_object_set_new(params, "text", string);
	} else {
		fd = send_memfd(text, len);
		client_pass(sd->cmd->client, &fd, fd != -1);
	}
	code = send_call(sd, params);
	fd_closep(&fd);
	return code;
}

/* One a line; the first that does not go ends it. */
static int
send_lines(struct sender *sd)
{
	char *line = NULL;
	size_t size = 0;
	int code = EXIT_OK;
	uint64_t nr = 0;
	ssize_t n;

	while (code == EXIT_OK && (n = getline(&line, &size, stdin)) != -1) {
		nr++;
		if (n > 0 && line[n - 1] == '\n')
			line[--n] = '\0';
		if (line[strspn(line, " \t\r")] != '\0')
			code = send_text(sd, line, (size_t)n);
	}
	if (code != EXIT_OK)
		warn_user("line %llu was not sent, nor what follows it",
		    (unsigned long long)nr);
	else if (ferror(stdin))
		code = EXIT_FAIL;
	free(line);
	return code;
}

static int
send_end(struct sender *sd)
{
	json_t *params = send_params(sd);

	json_object_set_new(params, "disconnect", json_true());
	return send_call(sd, params);
}

int
verb_send(struct command *cmd)
{
	struct sender sd = { .cmd = cmd };

	if (getrandom(&sd.key, sizeof sd.key, 0) != sizeof sd.key)
		sd.key = (uint64_t)getpid() << 32 ^ (uint64_t)clock_mono_ms();
	if (cmd->on[OPTION_DISCONNECT] != (cmd->nargs == 1)) {
		warn_user("send takes a name and a message, or --disconnect "
			  "and a name");
		return EXIT_USAGE;
	}
	if (cmd->nargs == 1)
		return send_end(&sd);
	if (strcmp(cmd->args[1], "-") == 0)
		return send_lines(&sd);
	return send_text(&sd, cmd->args[1], strlen(cmd->args[1]));
}
