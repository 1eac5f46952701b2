/*
 * reevectl - what the files of the command share.
 *
 * main.c reads the command line and calls the verb, which asks the daemon
 * once and prints.  A verb returns the exit code.  Everything printed goes
 * through out.c, which knows when stdout takes no more.
 */
#ifndef REEVECTL_REEVECTL_H
#define REEVECTL_REEVECTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "ctl/client.h"

enum {
	EXIT_OK,
	EXIT_FAIL,
	EXIT_USAGE,
	EXIT_NAME,
	EXIT_DAEMON,
	EXIT_DENIED,
	/* Of commands, as of timeout(1), env(1), chroot(1). */
	EXIT_TIMED_OUT = 124,
	EXIT_NO_START = 125, /* before its program: folder, user, a limit */
	EXIT_NO_EXEC = 126,
	EXIT_NO_FILE = 127
};

enum verb_id {
#define VERB(name, id, least, most, args, help) VERB_##id,
#include "verb.def"
#undef VERB
	VERB__N
};

enum option_id {
#define OPTION(id, letter, name, arg, verbs, help) OPTION_##id,
#include "option.def"
#undef OPTION
	OPTION__N
};

struct command;
typedef int verb_fn(struct command *cmd);

struct verb {
	const char *name;
	int least;
	int most; /* -1: any */
	const char *args;
	const char *help;
	verb_fn *run;
};

/* The command line, and what the verbs work with. */
struct command {
	enum verb_id verb; /* VERB__N: none was given */
	bool on[OPTION__N];
	const char *value[OPTION__N]; /* of those that take one */
	int64_t number[OPTION__N];    /* of those that take a number */
	char **args;                  /* NULL-terminated, borrowed from argv */
	size_t nargs;
	struct strv env;      /* of --env */
	struct strv rlimits;  /* of --rlimit */
	struct strv after;    /* of --after */
	struct strv job_args; /* of --arg */
	char *socket;         /* of the daemon */
	struct client *client;
	bool color;
};

/* --- opts.c ----------------------------------------------------------------
 */

extern const struct verb verbs[VERB__N];

/* -1: go on; else the exit code: help was printed, or what is wrong. */
int opts_parse(struct command *cmd, int argc, char **argv);
void opts_fini(struct command *cmd);
/* Are its arguments, or will they be, a command and its words? */
bool opts_name_command(const struct command *cmd);
bool opts_is_of_every_verb(enum option_id id);
const char *opts_name(enum option_id id);

/* --- out.c -----------------------------------------------------------------
 */

/* Opens /dev/null for missing standard descriptors: a socket must not be 1. */
void out_init(void);
void out_write(const char *p, size_t n);
void out_puts(const char *s);
void out_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Indented on a terminal. */
void out_json(const json_t *v);
/* One of many: a line. */
void out_json_line(const json_t *v);
/* At once, for what is followed as it happens. */
void out_flush(void);
/* 0, or -1 after telling on stderr that stdout failed. */
int out_end(void);
bool out_failed(void);
/* "reevectl: ..." on stderr. */
void warn_user(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- render.c --------------------------------------------------------------
 */

enum tint {
	TINT_NONE,
	TINT_GREEN,
	TINT_YELLOW,
	TINT_RED,
	TINT_CYAN,
	TINT_DIM,
	TINT_BOLD,
	TINT__N
};

void render_init(bool color);
const char *render_tint(enum tint t);
const char *render_untint(enum tint t);
/* Columns of a terminal; 0: not a terminal, no limit. */
size_t render_width(void);
/* Of the terminal that fd is, else of 80 by 24. */
void render_screen(int fd, size_t *cols, size_t *rows);
bool render_is_tty(void);
/* Appends s made safe for a terminal: no control characters. */
void render_safe(struct buf *b, const char *s);
/* Columns that s takes. */
size_t render_columns(const char *s);
/* Appends s in exactly width columns; render_cut: in at most so many. */
void render_pad(struct buf *b, const char *s, size_t width, bool right);
void render_cut(struct buf *b, const char *s, size_t width);
/* "12 s", "3 min", "2 h 05 min": short, for a column. */
void render_uptime(char *out, size_t size, int64_t ms);
void render_stamp(char *out, size_t size, int64_t wall_ms);
/* "SIGKILL", "signal 40". */
void render_signal(char *out, size_t size, int signo);
/* Lines of s, each after prefix. */
void render_block(struct buf *b, const char *prefix, const char *s);

/* What is asked of status for the table. */
enum field {
	FIELD_NAME,
	FIELD_STATE,
	FIELD_READY,
	FIELD_PID,
	FIELD_UPTIME,
	FIELD_RESTARTS,
	FIELD_DESCRIPTION,
	FIELD_DRAINING,
	FIELD_NOTE,
	FIELD_WAITS,
	FIELD__N
};

struct row {
	const char *v[FIELD__N]; /* "": null */
	int64_t cpu;             /* of usage_fill: thousandths of a CPU */
	int64_t memory;          /* bytes; both -1: not known */
};

/* The answer, as lines of text: a slot each. */
struct rows {
	char *text;
	struct row *v;
	size_t n;
};

json_t *row_fields(void);
/* rows_fini frees it. */
void rows_read(struct rows *rs, const json_t *answer);
void rows_fini(struct rows *rs);
int64_t row_int(const struct row *row, enum field f, int64_t none);
bool row_is_ready(const struct row *row);

struct table_opts {
	bool header;
	bool usage;       /* rows have cpu and memory */
	size_t width;     /* 0: no limit */
	int64_t older_ms; /* the data is that old: uptimes have grown */
	size_t max_rows;  /* 0: all */
};

void render_table(
    struct buf *b, const struct rows *rs, const struct table_opts *to);
/* "3 slots: 2 running, 1 backoff". */
void render_summary(struct buf *b, const struct rows *rs);
enum tint render_state_tint(const char *state, bool ready);
/* "" when it only says what stands in the columns. */
const char *render_description(const char *text);

/* Members of an object, with a value for "not there". */
const char *jstr(const json_t *obj, const char *key, const char *none);
int64_t jint(const json_t *obj, const char *key, int64_t none);

/* --- usage.c, top.c ----------------------------------------------------------
 */

struct usage;

struct usage *usage_new(void);
void usage_free(struct usage *u);
/* At all processes, now. */
void usage_look(struct usage *u);
/* cpu and memory of the rows: between the last two looks, and at the last. */
void usage_fill(const struct usage *u, struct rows *rs);

enum top_order {
	TOP_BY_CPU,
	TOP_BY_MEMORY,
	TOP_BY_NAME
};

void top_sort(struct rows *rs, enum top_order order);

/* --- the verbs -------------------------------------------------------------
 */

#define VERB(name, id, least, most, args, help) verb_fn verb_##name;
#include "verb.def"
#undef VERB

/* main.c.  The arguments from index on, as an array; exits when not UTF-8. */
json_t *args_json(const struct command *cmd, size_t from, size_t to);
/* Prints the error and returns its exit code. */
int command_failed(const struct command *cmd, struct client_error *ce);
/* Asks; prints the error and sets *code when the result is NULL. */
json_t *command_ask(
    struct command *cmd, const char *method, json_t *params, int *code);
/* tree.c.  All slots as status has them; those asked for, or NULL. */
void tree_print(const json_t *slots, const json_t *asked);
/* messages.c: prints a note; params: of the request, to go on after it. */
void message_note(struct command *cmd, json_t *params, json_t *note);
/* tail.c: appends what the digits stand for. */
void tail_base64(struct buf *b, const char *s);
/* watch.c */
int watch_status(struct command *cmd);
int watch_top(struct command *cmd);

#endif
