/*
 * config_priv - what the files of lib/config share.
 */
#ifndef CONFIG_CONFIG_PRIV_H
#define CONFIG_CONFIG_PRIV_H

#include "config/config.h"
#include "config/schema_priv.h"

/* --- errors.c --------------------------------------------------------------
 */

void config_error(struct config_errors *errs, const char *file, int line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void config_warning(struct config_errors *errs, const char *file, int line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Lines of one file that follow each other, in the order of their numbers. */
void config_errors_sort(struct config_errors *errs);

/* --- suspect.c -------------------------------------------------------------
 */

struct ini_entry;

/* Warns of lines of a value that were meant as a key or a section. */
void suspect_value(struct config_errors *errs, const struct ini_entry *e,
    enum schema_section kind);

/* --- path.c ----------------------------------------------------------------
 */

/* Returns path made absolute: "~/" is HOME, a relative one starts at here. */
char *path_absolute(const char *here, const char *path);
/* Relative to where this process is. */
char *path_from_cwd(const char *path);
/* Returns the folder of a path, "/" at least. */
char *path_folder(const char *path);
/* Returns HOME, or what passwd has for who runs this. */
char *path_home(void);

/* --- origin.c --------------------------------------------------------------
 */

void origins_init(struct config_origins *og);
void origins_fini(struct config_origins *og);
void origins_set(
    struct config_origins *og, enum schema_id id, const char *file, int line);
/* NULL: the default stands. */
const char *origins_file(const struct config_origins *og, enum schema_id id);
/* 0: the default stands. */
int origins_line(const struct config_origins *og, enum schema_id id);

/* --- program.c -------------------------------------------------------------
 */

struct config_program *config_program_new(const char *name);
/* What a program has to begin with, and what it has to itself from here on. */
void config_rare_init(struct config_program *p);
struct config_rare *config_rare_own(struct config_program *p);
bool config_rare_is_shared(const struct config_program *p);
void config_rare_fini(struct config_program *p);
/* x of the [group:x] that names it, else its own name. */
const char *config_program_group(const struct config_program *p);

/* --- task.c ----------------------------------------------------------------
 */

struct config_task *config_task_new(const char *name);
void config_task_free(struct config_task *t);

/* --- complete.c ------------------------------------------------------------
 */

/* Fills in what the files left open, and sorts the programs. */
void complete_config(struct config *cf);

/* --- load.c ----------------------------------------------------------------
 */

/* Gives every key of a section its default. */
void config_defaults(
    void *object, enum schema_section kind, const char *program);
void config_clear(void *object, enum schema_section kind);

/* --- jobs.c ----------------------------------------------------------------
 */

/* The object of a section, made; name is that of [pool:x], or a kind. */
void *jobs_section(struct config *cf, enum schema_section kind,
    const char *name, const char *file, int line);
struct config_origins *jobs_origins(void *object, enum schema_section kind);
/* Makes the program that runs them, if something asks for it. */
void jobs_program(struct config *cf, const char *here);
/* Where it listens is known: its command and so on. */
void jobs_complete(struct config *cf, struct config_errors *errs);
/*
 * Which files the plugins are is a part of a config's snapshot: an engine that
 * takes over must see that one was replaced before it came.
 */
void jobs_snapshot(struct config *cf);
/* Is it an entry that jobs_snapshot has added?  Then it is taken. */
bool jobs_take_print(struct config *cf, const struct ini_entry *e);

/* --- pin.c -----------------------------------------------------------------
 */

/* Of struct config's pinned, for a key of [reeve]. */
uint64_t pin_bit(enum schema_id id);

#endif
