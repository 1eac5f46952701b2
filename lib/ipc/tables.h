/*
 * tables - all that a keeper knows, for the one that goes on in its place.
 *
 * In a memfd, whose number is in the environment of who is executed: by the
 * keeper itself (keeper/upgrade.c), or by its engine when the keeper was killed
 * (engine/heir.c).  Descriptors stay open under their numbers.
 *
 * The parts in order: head, number of descriptors, each, number of children,
 * each.
 */
#ifndef IPC_TABLES_H
#define IPC_TABLES_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "ipc/codec.h"

/* A change of what is in them, or of its meaning, is a new one. */
#define TABLES_VERSION 4
#define TABLES_SIGNALS 6
#define TABLES_ARGS    60

enum child_state {
	CHILD_SPAWNING, /* cloned, exec not yet seen */
	CHILD_ALIVE,
	CHILD_EXITED, /* reaped; kept until the engine forgets it */
	CHILD_FAILED, /* never executed; kept likewise */
};

/* Of an exit code, when nobody can know how it ended. */
#define CHILD_CODE_UNKNOWN 255

/*
 * The first of the keepers that went on in another's place: what names cgroups
 * and marks processes has its number for ever.  pid 0: it is this one.
 */
struct tables_origin {
	pid_t pid;
	uint64_t start; /* field 22 of /proc/PID/stat */
};

struct tables_signal {
	uint32_t serial; /* 0: none is pending */
	bool told;
};

struct tables_head {
	char **args; /* of the engine, behind argv[0]; NULL at their end */
	unsigned long soft_nofile;
	bool same_messages; /* read: of our MSG_VERSION */
	unsigned incarnation;
	uint32_t serial;
	mono_ms started_ms;
	uint32_t log_slot;
	uint8_t log_level;
	struct tables_origin origin;
	int channel; /* to the engine; -1: there is none */
	int program; /* the engine's, as it was started (O_PATH); -1 */
	struct tables_signal signals[TABLES_SIGNALS];
};

struct tables_fd {
	uint32_t slot;
	int fd;
	const char *name;
};

struct tables_child {
	uint64_t id;
	const char *label;
	pid_t pid;
	bool is_alive;
	int pidfd; /* of one that is_alive and is_foreign; else -1 */
	enum child_state state;
	bool is_dirty, told_spawned, kill_group;
	bool is_foreign; /* somebody else's to reap */
	int lost_signo, lost_errno;
	mono_ms started_ms;
	/* of CHILD_EXITED */
	mono_ms died_ms;
	int code, signo;
	bool core;
	int64_t max_rss_kb; /* -1: not known */
	/* of CHILD_FAILED */
	int stage, errnum;
};

/* --- writing; w is a growing one -------------------------------------------
 */

void tables_put_head(struct mw *w, const struct tables_head *h);
void tables_put_number(struct mw *w, size_t n);
void tables_put_fd(struct mw *w, const struct tables_fd *f);
void tables_put_child(struct mw *w, const struct tables_child *c);
/* Takes w; the memfd, or -1 and errno. */
int tables_make(struct mw *w);
/* Is fd to stay open over exec?  -1 is none. */
void tables_keep(int fd, bool on);
/*
 * Executes path, argv, with the tables in fd.  exe: the program that takes them
 * back when that refuses; -1: none.  Returns on failure alone, with errno.
 */
void tables_exec(const char *path, char *const *argv, int fd, int exe);

/* --- reading ---------------------------------------------------------------
 */

struct tables;

/*
 * Those that we were executed with.  NULL without err.text: this is a start
 * like any other.  Does not return when they make no sense and the program
 * before is still there: that goes on, executed with argv.
 */
struct tables *tables_open(char **argv, struct err *err);
const struct tables_head *tables_head(const struct tables *t);
/* Why the program that was tried refused them; NULL: none was. */
const char *tables_refused(const struct tables *t);
size_t tables_get_number(struct tables *t);
/* What they say is borrowed from t.  -1: they make no sense. */
int tables_get_fd(struct tables *t, struct tables_fd *f);
int tables_get_child(struct tables *t, struct tables_child *c);
/* -1: they made no sense. */
int tables_end(struct tables *t);
void tables_free(struct tables *t);

#endif
