/*
 * exec - options and a command as a config of one program, without a file.
 *
 * What comes out is a snapshot, as if a file with these entries had been read:
 * nothing behind it knows the difference.  The option stands in the place of
 * the file.  A command's arguments and variables mean themselves, so % and
 * quotes are protected here; other values are as in reeve.conf(5).
 *
 * One worker is the main program: its end is reeved's end.  Of several ones,
 * each is replaced when it dies, until it can't be started at all.
 */
#include "config/exec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/config_priv.h"
#include "config/expand.h"
#include "config/slot.h"
#include "config/snapshot.h"
#include "config/value.h"

#define EXEC_ITSELF "--exec" /* where defaults come from */
#define EXEC_TRIES  "3"

struct exec_key {
	const char *option;
	char *key;
	char *value;
};

void
exec_init(struct exec *x)
{
	*x = (struct exec){ .level = LOG_WARN, .on_hup = "pass" };
}

void
exec_fini(struct exec *x)
{
	for (size_t i = 0; i < x->nkeys; i++) {
		free(x->keys[i].key);
		free(x->keys[i].value);
	}
	freep(&x->keys);
	x->nkeys = 0;
}

/* --- the program's keys ----------------------------------------------------
 */

static struct exec_key *
exec_find(const struct exec *x, const char *key)
{
	for (size_t i = 0; i < x->nkeys; i++)
		if (strcmp(x->keys[i].key, key) == 0)
			return &x->keys[i];
	return NULL;
}

static bool
exec_grows(const char *key)
{
	return strcmp(key, "socket") == 0 || strcmp(key, "environment") == 0;
}

void
exec_key(struct exec *x, const char *option, const char *key, const char *value)
{
	struct exec_key *k = exec_find(x, key);
	char *text;

	if (k != NULL) {
		text = exec_grows(key) ? xasprintf("%s, %s", k->value, value)
				       : xstrdup(value);
		free(k->value);
		k->value = text;
		k->option = option;
		return;
	}
	x->keys = xreallocarray(x->keys, x->nkeys + 1, sizeof *x->keys);
	x->keys[x->nkeys++] =
	    (struct exec_key){ option, xstrdup(key), xstrdup(value) };
}

int
exec_set(struct exec *x, const char *text, struct err *err)
{
	size_t n = strcspn(text, "=");
	char *key;

	if (n == 0 || text[n] != '=')
		return err_set(err, "--set: '%s' is not KEY=VALUE", text);
	key = xstrndup(text, n);
	exec_key(x, "--set", key, text + n + 1);
	free(key);
	return 0;
}

/* So that it is not the beginning of %(...)s. */
static void
exec_percent(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '%')
			buf_addc(out, '%');
		buf_addc(out, *s);
	}
}

int
exec_env(struct exec *x, const char *text, struct err *err)
{
	size_t n = strcspn(text, "=");
	struct buf value, quoted;

	if (n == 0 || text[n] != '=')
		return err_set(err, "--env: '%s' is not KEY=VALUE", text);
	buf_init(&value);
	buf_init(&quoted);
	exec_percent(&value, text + n + 1);
	buf_addf(&quoted, "%.*s=", (int)n, text);
	value_env_quote(&quoted, buf_str(&value));
	exec_key(x, "--env", "environment", buf_str(&quoted));
	buf_fini(&value);
	buf_fini(&quoted);
	return 0;
}

static void
exec_default(struct exec *x, const char *key, const char *value)
{
	if (exec_find(x, key) == NULL)
		exec_key(x, EXEC_ITSELF, key, value);
}

/* --- the command -----------------------------------------------------------
 */

/* As words_split reads it: '...' is taken as it is. */
static void
exec_quote(struct buf *out, const char *word)
{
	buf_addc(out, '\'');
	for (; *word != '\0'; word++)
		if (*word == '\'')
			buf_adds(out, "'\\''");
		else
			buf_addc(out, *word);
	buf_addc(out, '\'');
}

static char *
exec_command(char *const *command)
{
	struct buf words, text;

	buf_init(&words);
	buf_init(&text);
	for (size_t i = 0; command[i] != NULL; i++) {
		if (i > 0)
			buf_addc(&words, ' ');
		exec_quote(&words, command[i]);
	}
	exec_percent(&text, buf_str(&words));
	buf_fini(&words);
	return buf_steal(&text);
}

/* From "/usr/bin/python3.11": python3-11. */
static char *
exec_name(const struct exec *x)
{
	const char *slash = strrchr(x->command[0], '/');
	const char *base = slash != NULL ? slash + 1 : x->command[0];
	char *name;

	if (x->name != NULL)
		return xstrdup(x->name);
	name = xstrndup(base, CONFIG_NAME_MAX);
	for (char *s = name; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
			*s = '-';
	if (*name != '\0' && strcmp(name, "all") != 0)
		return name;
	free(name);
	return xstrdup("app");
}

/* --- the whole -------------------------------------------------------------
 */

static void
exec_write_reeve(struct buf *out, const struct exec *x, const char *name)
{
	struct buf control;
	char mode[16];

	buf_init(&control);
	if (x->control != NULL)
		exec_percent(&control, x->control);
	else
		buf_adds(&control, "none");
	snprintf(mode, sizeof mode, "%04o", (unsigned)x->umask);
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", NULL, NULL);
	snapshot_add(out, x->control != NULL ? "--control" : EXEC_ITSELF, 1,
	    "reeve", "socket", buf_str(&control));
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "pidfile", "none");
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "logfile", "none");
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "state_dir", "none");
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "nodaemon", "true");
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "identifier", name);
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "umask", mode);
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "on_hup", x->on_hup);
	snapshot_add(out, EXEC_ITSELF, 1, "reeve", "on_usr1", "pass");
	snapshot_add(
	    out, EXEC_ITSELF, 1, "reeve", "loglevel", log_level_name(x->level));
	buf_fini(&control);
}

static bool
exec_is_alone(const struct exec *x)
{
	const struct exec_key *k = exec_find(x, "workers");

	return (k == NULL || strcmp(k->value, "1") == 0) &&
	       exec_find(x, "workers_per_cpu") == NULL &&
	       exec_find(x, "numprocs") == NULL;
}

/* Untouched; but where reeved looks at it, it has to come through reeved. */
static void
exec_defaults_output(struct exec *x)
{
	const struct exec_key *k = exec_find(x, "ready");

	if (k == NULL || !str_starts(k->value, "log:")) {
		exec_default(x, "output", "inherit");
		return;
	}
	exec_default(x, "stdout_logfile", "/dev/stdout");
	exec_default(x, "stderr_logfile", "/dev/stderr");
}

static void
exec_defaults(struct exec *x)
{
	bool alone = exec_is_alone(x);
	struct buf directory;
	char adj[16];

	buf_init(&directory);
	exec_percent(&directory, x->directory);
	snprintf(adj, sizeof adj, "%d", x->oom_score_adj);
	exec_default(x, "directory", buf_str(&directory));
	exec_default(x, "oom_score_adj", adj);
	exec_defaults_output(x);
	exec_default(
	    x, "stdin", alone && x->stdin_is_ours ? "inherit" : "null");
	exec_default(x, "essential", alone ? "main" : "on-fatal");
	exec_default(x, "autorestart", alone ? "never" : "always");
	if (!alone)
		exec_default(x, "startretries", EXEC_TRIES);
	buf_fini(&directory);
}

void
exec_write(struct buf *out, struct exec *x)
{
	char *name = exec_name(x), *command = exec_command(x->command);
	char *section = xasprintf("program:%s", name);

	exec_write_reeve(out, x, name);
	exec_defaults(x);
	snapshot_add(out, x->name != NULL ? "--name" : EXEC_ITSELF, 1, section,
	    NULL, NULL);
	snapshot_add(out, EXEC_ITSELF, 1, section, "command", command);
	for (size_t i = 0; i < x->nkeys; i++)
		snapshot_add(out, x->keys[i].option, 1, section, x->keys[i].key,
		    x->keys[i].value);
	free(section);
	free(command);
	free(name);
}

int
exec_find_command(const struct config *cf, struct err *err)
{
	const struct config_program *p = cf->programs[0];
	struct strv env = expand_environ();
	struct config_slot s;
	enum schema_id key;
	int code = 0;
	struct slot_in in = {
		.program = p, .nslots = 1, .base_env = &env, .lenient = true
	};

	if (p->workers == 0 && p->rare->workers_per_cpu == 0) {
		err_set(err, "--workers: 0 would run nothing");
		return 2;
	}
	/* What else is wrong is found by the start, in its turn. */
	if (config_slot_build(&s, &in, &key, err) == -1)
		return 0;
	if (config_slot_find_command(&s, p, err) == -1)
		code = err->errnum == ENOENT ? 127 : 126;
	config_slot_fini(&s);
	return code;
}
