/*
 * opts - the command line: parser, help and completion from two tables.
 *
 * Options may stand before and after the verb and among its arguments; those
 * of one verb only after it.  "--" ends them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "base/xalloc.h"
#include "config/value.h"
#include "ctl/jw.h"
#include "reevectl.h"

#define OF(verb) (UINT32_C(1) << VERB_##verb)
#define EVERY    UINT32_MAX

struct option {
	char letter;
	const char *name;
	const char *arg;
	uint32_t verbs;
	const char *help;
};

static const struct option options[OPTION__N] = {
#define OPTION(id, letter, name, arg, verbs, help)                             \
	{ letter, name, arg, verbs, help },
#include "option.def"
#undef OPTION
};

const struct verb verbs[VERB__N] = {
#define VERB(name, id, least, most, args, help)                                \
	{ #name, least, most, args, help, verb_##name },
#include "verb.def"
#undef VERB
};

/* --- help ----------------------------------------------------------------- */

static void
opts_print_option(const struct option *o)
{
	char left[64];

	snprintf(left, sizeof left, "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
	    o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
	    o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
	out_printf("  %-22s %s\n", left, o->help);
}

static void
opts_print_options(uint32_t of, bool of_every)
{
	for (size_t i = 0; i < OPTION__N; i++) {
		if ((options[i].verbs == EVERY) == of_every &&
		    (options[i].verbs & of) != 0)
			opts_print_option(&options[i]);
	}
}

static void
opts_help(void)
{
	out_puts("usage: reevectl [-c FILE] [-s SOCKET] [--json] "
		 "[--timeout S] VERB ...\n\n");
	for (size_t i = 0; i < VERB__N; i++)
		out_printf("  %-9s %s\n", verbs[i].name, verbs[i].help);
	out_puts("\n");
	opts_print_options(EVERY, true);
	out_puts("\nNAME is a program (web), a slot (web.0), a group (grp:*), "
		 "all, or a glob.\n\"reevectl VERB --help\" tells more; see "
		 "reevectl(1).\n");
}

/* Each way to call it, one below the other; to where its messages go. */
static void
opts_put_ways(void (*put)(const char *s), const struct verb *v)
{
	const char *way = v->args, *next, *lead = "usage: ";
	char line[200];

	for (; way != NULL; way = next) {
		next = strstr(way, " | ");
		snprintf(line, sizeof line, "%sreevectl %s [options]%s%.*s\n",
		    lead, v->name, *way != '\0' ? " " : "",
		    next != NULL ? (int)(next - way) : (int)strlen(way), way);
		put(line);
		next = next != NULL ? next + strlen(" | ") : NULL;
		lead = "       ";
	}
}

static void
opts_put_error(const char *s)
{
	fputs(s, stderr);
}

static void
opts_help_verb(enum verb_id id)
{
	const struct verb *v = &verbs[id];
	uint32_t own = UINT32_C(1) << id;
	bool has_own = false;

	opts_put_ways(out_puts, v);
	out_printf("\n%s\n", v->help);
	for (size_t i = 0; i < OPTION__N; i++)
		has_own |=
		    options[i].verbs != EVERY && (options[i].verbs & own) != 0;
	if (has_own)
		out_puts("\n");
	opts_print_options(own, false);
	out_puts("\n");
	opts_print_options(own, true);
	if (id == VERB_RUN || id == VERB_TASK)
		out_puts("\nexit code: the command's, or 128 + the signal that "
			 "ended it; 124: it took too\nlong; 125: it could not "
			 "be started (folder, user, limit); 126: it can't be\n"
			 "executed; 127: there is no such command\n");
}

/* For conf/reevectl.bash: the verbs, or the options of one. */
static int
opts_complete(const char *verb)
{
	uint32_t of = EVERY;

	if (verb == NULL) {
		for (size_t i = 0; i < VERB__N; i++)
			out_printf("%s\n", verbs[i].name);
	} else {
		of = 0;
		for (size_t i = 0; i < VERB__N; i++) {
			if (strcmp(verbs[i].name, verb) == 0)
				of = UINT32_C(1) << i;
		}
	}
	for (size_t i = 0; i < OPTION__N; i++) {
		if (verb == NULL ? options[i].verbs == EVERY
				 : (options[i].verbs & of) != 0)
			out_printf("--%s%s\n", options[i].name,
			    options[i].arg != NULL ? "=" : "");
	}
	return out_end() == 0 ? EXIT_OK : EXIT_FAIL;
}

/* --- parser --------------------------------------------------------------- */

/* The rest of a command line. */
struct parser {
	struct command *cmd;
	int argc;
	char **argv;
	int at;
};

static int
opts_usage(const struct command *cmd)
{
	if (cmd->verb == VERB__N) {
		fprintf(stderr, "usage: reevectl [-c FILE] [-s SOCKET] "
				"[--json] [--timeout S] VERB ...\n"
				"\"reevectl --help\" lists the verbs\n");
	} else {
		opts_put_ways(opts_put_error, &verbs[cmd->verb]);
		fprintf(stderr, "\"reevectl %s --help\" tells more\n",
		    verbs[cmd->verb].name);
	}
	return EXIT_USAGE;
}

static bool
opts_applies(const struct command *cmd, const struct option *o)
{
	if (o->verbs == EVERY)
		return true;
	return cmd->verb != VERB__N &&
	       (o->verbs & UINT32_C(1) << cmd->verb) != 0;
}

static int
opts_unknown(const struct parser *p, const char *name)
{
	struct near nr;

	near_init(&nr, name);
	for (size_t i = 0; i < OPTION__N; i++)
		if (opts_applies(p->cmd, &options[i]))
			near_try(&nr, options[i].name);
	warn_user("no option --%s%s%s%s%s", name,
	    p->cmd->verb != VERB__N ? " of " : "",
	    p->cmd->verb != VERB__N ? verbs[p->cmd->verb].name : "",
	    nr.best != NULL ? ", did you mean --" : "", str_text(nr.best));
	return opts_usage(p->cmd);
}

static void
opts_range(
    const struct command *cmd, enum option_id id, int64_t *min, int64_t *max)
{
	*min = 0;
	*max = INT64_MAX - 1;
	if (id == OPTION_NICE) {
		*min = -20;
		*max = 19;
	} else if (id == OPTION_PRIORITY && cmd->verb == VERB_JOB) {
		*max = 7;
	} else if (id == OPTION_PRIORITY) {
		*min = -1000000;
		*max = 1000000;
	}
}

static int
opts_number(struct command *cmd, enum option_id id, const char *text)
{
	char range[64] = "", *end;
	int64_t min, max;
	double seconds;

	if (id == OPTION_TIMEOUT || id == OPTION_DELAY) {
		errno = 0;
		seconds = strtod(text, &end);
		if (errno == 0 && end != text && *end == '\0' && seconds >= 0 &&
		    seconds < 1e9) {
			cmd->number[id] = (int64_t)(seconds * 1000);
			return -1;
		}
	} else {
		opts_range(cmd, id, &min, &max);
		if (str_to_i64(text, min, max, &cmd->number[id]))
			return -1;
		if (max < INT64_MAX - 1)
			snprintf(range, sizeof range, " from %lld to %lld",
			    (long long)min, (long long)max);
	}
	warn_user(
	    "--%s needs a number%s, not \"%s\"", options[id].name, range, text);
	return opts_usage(cmd);
}

/* "3,4": ids, each of which must be a number. */
static int
opts_after(struct command *cmd, const char *list)
{
	char *words = xstrdup(list), *at = words, *word;
	int64_t id;
	bool good = true;

	while (good && (word = strsep(&at, ",")) != NULL) {
		good = str_to_i64(word, 1, INT64_MAX, &id);
		strv_add(&cmd->after, word);
	}
	free(words);
	if (good)
		return -1;
	warn_user("--after needs ids of tasks, not \"%s\"", list);
	return opts_usage(cmd);
}

static int
opts_umask(struct command *cmd, const char *text)
{
	size_t n = strlen(text);

	if (n >= 1 && n <= 4 && strspn(text, "01234567") == n) {
		cmd->number[OPTION_UMASK] = strtol(text, NULL, 8);
		if (cmd->number[OPTION_UMASK] <= 0777)
			return -1;
	}
	warn_user(
	    "--umask needs an octal number such as 027, not \"%s\"", text);
	return opts_usage(cmd);
}

static int
opts_rlimit(struct command *cmd, const char *text)
{
	struct config_rlimit rl;
	struct err err;
	int resource;

	if (value_limit_word(text, &resource, &rl, &err) == 0) {
		strv_add(&cmd->rlimits, text);
		return -1;
	}
	warn_user("--rlimit: %s", err.text);
	return opts_usage(cmd);
}

/*
 * A value that goes into a request must be text: JSON could not hold it, and
 * without its --user a command would run as somebody else.  Names of files
 * and the environment may be any bytes.
 */
static bool
opts_is_text(enum option_id id, const char *value)
{
	static const enum option_id bytes[] = { OPTION_FILE, OPTION_SOCKET,
		OPTION_CWD, OPTION_ENV, OPTION_ENV_FILE, OPTION_INPUT,
		OPTION_OUTPUT, OPTION_OUT, OPTION_SUFFIX, OPTION_ARG,
		OPTION_FILES_FROM, OPTION_POOL };

	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
		if (bytes[i] == id)
			return true;
	return value == NULL || jw_is_utf8(value, strlen(value));
}

/* -1: go on, else the exit code. */
static int
opts_set(struct command *cmd, enum option_id id, const char *value)
{
	if (!opts_is_text(id, value)) {
		warn_user("the value of --%s is not UTF-8", options[id].name);
		return opts_usage(cmd);
	}
	cmd->on[id] = true;
	cmd->value[id] = value;
	if (id == OPTION_LINES || id == OPTION_SINCE || id == OPTION_TIMEOUT ||
	    id == OPTION_NICE || id == OPTION_MAX_OUTPUT ||
	    id == OPTION_PRIORITY || id == OPTION_RETRIES ||
	    id == OPTION_DELAY || id == OPTION_JOBS)
		return opts_number(cmd, id, value);
	if (id == OPTION_AFTER)
		return opts_after(cmd, value);
	if (id == OPTION_UMASK)
		return opts_umask(cmd, value);
	if (id == OPTION_RLIMIT)
		return opts_rlimit(cmd, value);
	if (id == OPTION_ENV || id == OPTION_ARG) {
		if (*value != '=' && strchr(value, '=') != NULL) {
			strv_add(id == OPTION_ENV ? &cmd->env : &cmd->job_args,
			    value);
			return -1;
		}
		warn_user("--%s needs %s, not \"%s\"", options[id].name,
		    options[id].arg, value);
		return opts_usage(cmd);
	}
	if (id == OPTION_COLOR && strcmp(value, "auto") != 0 &&
	    strcmp(value, "always") != 0 && strcmp(value, "never") != 0) {
		warn_user(
		    "--color is auto, always or never, not \"%s\"", value);
		return opts_usage(cmd);
	}
	return -1;
}

static int
opts_long(struct parser *p, char *word)
{
	char *value = strchr(word, '=');
	size_t len = value != NULL ? (size_t)(value - word) : strlen(word);
	size_t i;

	for (i = 0; i < OPTION__N; i++) {
		if (opts_applies(p->cmd, &options[i]) &&
		    strlen(options[i].name) == len &&
		    strncmp(options[i].name, word, len) == 0)
			break;
	}
	if (i == OPTION__N) {
		word[len] = '\0';
		return opts_unknown(p, word);
	}
	if (value != NULL && options[i].arg == NULL) {
		warn_user("--%s takes no value", options[i].name);
		return opts_usage(p->cmd);
	}
	if (options[i].arg == NULL)
		return opts_set(p->cmd, (enum option_id)i, NULL);
	if (value == NULL && p->at + 1 >= p->argc) {
		warn_user(
		    "--%s needs a value: %s", options[i].name, options[i].arg);
		return opts_usage(p->cmd);
	}
	return opts_set(p->cmd, (enum option_id)i,
	    value != NULL ? value + 1 : p->argv[++p->at]);
}

/* "-fn5": letters, the last of which may have its value behind it. */
static int
opts_short(struct parser *p, const char *letters)
{
	size_t i;
	int rc;

	for (; *letters != '\0'; letters++) {
		for (i = 0; i < OPTION__N; i++) {
			if (options[i].letter == *letters &&
			    opts_applies(p->cmd, &options[i]))
				break;
		}
		if (i == OPTION__N) {
			warn_user("no option -%c%s%s", *letters,
			    p->cmd->verb != VERB__N ? " of " : "",
			    p->cmd->verb != VERB__N ? verbs[p->cmd->verb].name
						    : "");
			return opts_usage(p->cmd);
		}
		if (options[i].arg != NULL)
			break;
		rc = opts_set(p->cmd, (enum option_id)i, NULL);
		if (rc != -1)
			return rc;
	}
	if (*letters == '\0')
		return -1;
	if (letters[1] != '\0')
		return opts_set(p->cmd, (enum option_id)i, letters + 1);
	if (p->at + 1 < p->argc)
		return opts_set(p->cmd, (enum option_id)i, p->argv[++p->at]);
	warn_user("-%c needs a value: %s", *letters, options[i].arg);
	return opts_usage(p->cmd);
}

static int
opts_verb(struct command *cmd, const char *word)
{
	struct near nr;

	/* As supervisorctl has it; a verb may follow. */
	if (strcmp(word, "help") == 0) {
		cmd->on[OPTION_HELP] = true;
		return -1;
	}
	near_init(&nr, word);
	for (size_t i = 0; i < VERB__N; i++) {
		if (strcmp(word, verbs[i].name) == 0) {
			cmd->verb = (enum verb_id)i;
			return -1;
		}
		near_try(&nr, verbs[i].name);
	}
	warn_user("no verb \"%s\"%s%s%s", word,
	    nr.best != NULL ? ", did you mean \"" : "", str_text(nr.best),
	    nr.best != NULL ? "\"?" : "");
	return opts_usage(cmd);
}

static int
opts_word(struct parser *p, char *word, bool no_options)
{
	struct command *cmd = p->cmd;

	if (!no_options && word[0] == '-' && word[1] == '-')
		return opts_long(p, word + 2);
	/* "-1" is a number, if a wrong one. */
	if (!no_options && word[0] == '-' && word[1] != '\0' &&
	    !(word[1] >= '0' && word[1] <= '9'))
		return opts_short(p, word + 1);
	if (cmd->verb == VERB__N)
		return opts_verb(cmd, word);
	cmd->args[cmd->nargs++] = word;
	return -1;
}

bool
opts_is_of_every_verb(enum option_id id)
{
	return options[id].verbs == EVERY;
}

const char *
opts_name(enum option_id id)
{
	return options[id].name;
}

bool
opts_name_command(const struct command *cmd)
{
	return cmd->verb == VERB_RUN ||
	       (cmd->verb == VERB_TASK && cmd->nargs > 0 &&
		   strcmp(cmd->args[0], "add") == 0);
}

/* What comes after the name of a command is the command's. */
static bool
opts_are_over(const struct command *cmd)
{
	return opts_name_command(cmd) &&
	       cmd->nargs > (cmd->verb == VERB_TASK ? 1 : 0);
}

static int
opts_check(const struct command *cmd)
{
	const struct verb *v = &verbs[cmd->verb];
	int n = (int)cmd->nargs;

	if (n < v->least) {
		warn_user("%s needs %s", v->name, v->args);
		return opts_usage(cmd);
	}
	if (v->most != -1 && n > v->most) {
		warn_user("%s takes %s%s, what is \"%s\"?", v->name,
		    *v->args != '\0' ? "only " : "no arguments", v->args,
		    cmd->args[v->most]);
		return opts_usage(cmd);
	}
	if (cmd->on[OPTION_PTY] &&
	    (cmd->on[OPTION_JSON] || cmd->on[OPTION_DETACH])) {
		warn_user("--pty gives it our terminal: not with --%s",
		    options[cmd->on[OPTION_JSON] ? OPTION_JSON : OPTION_DETACH]
			.name);
		return opts_usage(cmd);
	}
	return -1;
}

/* What asks nothing of the daemon. */
static int
opts_local(const struct command *cmd)
{
	if (cmd->on[OPTION_HELP]) {
		if (cmd->verb == VERB__N)
			opts_help();
		else
			opts_help_verb(cmd->verb);
	} else if (cmd->on[OPTION_VERSION]) {
		out_printf("reevectl %s\n", REEVE_VERSION);
	} else {
		return -1;
	}
	return out_end() == 0 ? EXIT_OK : EXIT_FAIL;
}

int
opts_parse(struct command *cmd, int argc, char **argv)
{
	struct parser p = { cmd, argc, argv, 1 };
	bool no_options = false;
	int rc = -1;

	memset(cmd, 0, sizeof *cmd);
	cmd->verb = VERB__N;
	cmd->args = xcalloc((size_t)argc + 1, sizeof *cmd->args);
	if (argc >= 2 && strcmp(argv[1], "--complete") == 0)
		return opts_complete(argc > 2 ? argv[2] : NULL);
	for (; p.at < argc && rc == -1; p.at++) {
		if (!no_options && strcmp(argv[p.at], "--") == 0) {
			no_options = true;
			continue;
		}
		no_options = no_options || opts_are_over(cmd);
		rc = opts_word(&p, argv[p.at], no_options);
	}
	if (rc != -1)
		return rc;
	rc = opts_local(cmd);
	if (rc != -1)
		return rc;
	if (cmd->verb == VERB__N)
		return opts_usage(cmd);
	return opts_check(cmd);
}

void
opts_fini(struct command *cmd)
{
	free(cmd->args);
	strv_fini(&cmd->env);
	strv_fini(&cmd->rlimits);
	strv_fini(&cmd->after);
	strv_fini(&cmd->job_args);
}
