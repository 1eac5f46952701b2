/*
 * exec - options and a command as a config of one program, without a file.
 */
#ifndef CONFIG_EXEC_H
#define CONFIG_EXEC_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

struct exec_key;

/* All strings are borrowed until exec_fini. */
struct exec {
	const char *name;    /* of the program; NULL: by the command */
	const char *control; /* path of the control socket; NULL: none */
	enum log_level level;
	char *const *command; /* and its arguments, NULL at the end */
	/* of this process, which the program would have got from a shell */
	const char *directory;
	mode_t umask;
	int oom_score_adj;
	bool stdin_is_ours; /* reading it does not disturb anybody */
	const char *on_hup; /* a value of on_hup= */
	struct exec_key *keys;
	size_t nkeys;
};

void exec_init(struct exec *x);
void exec_fini(struct exec *x);
/*
 * A key of [program:x], from an option, which errors name instead of a file.
 * Given again, the last one counts; socket= and environment= grow.
 */
void exec_key(
    struct exec *x, const char *option, const char *key, const char *value);
/* "KEY=VALUE" */
int exec_set(struct exec *x, const char *text, struct err *err);
/* The same of a variable. */
int exec_env(struct exec *x, const char *text, struct err *err);
/* The whole, as config_load_snapshot reads it. */
void exec_write(struct buf *out, struct exec *x);
/*
 * Can the command be found?  0, or as a shell's exit code 126 (not executable)
 * or 127, and err; 2 where --workers is 0: there would be nothing to wait for.
 */
int exec_find_command(const struct config *cf, struct err *err);

#endif
