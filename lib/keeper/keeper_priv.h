/*
 * keeper_priv - the parts of the keeper: child table, fd store, engine.
 */
#ifndef KEEPER_KEEPER_PRIV_H
#define KEEPER_KEEPER_PRIV_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "ipc/chan.h"
#include "ipc/tables.h"
#include "keeper/keeper.h"
#include "spawn/spawn.h"

/* --- child.c ------------------------------------------------------------- */

/* There are many: what is small stands together. */
struct child {
	LIST_ENTRY(child) by_pid; /* while there is a process */
	LIST_ENTRY(child) by_id;
	TAILQ_ENTRY(child) all;   /* in order of creation */
	TAILQ_ENTRY(child) dirty; /* the engine is to be told */
	uint64_t id;
	struct keeper *kp;
	struct spawn *spawn;
	struct foreign *foreign; /* while it lives, of is_foreign */
	mono_ms started_ms;
	/* of CHILD_EXITED */
	mono_ms died_ms;
	int64_t max_rss_kb;
	pid_t pid;
	int pidfd; /* of is_foreign, while it lives; else -1 */
	enum child_state state;
	/* of CHILD_FAILED */
	struct spawn_err err;
	/* A signal that did not reach it, not told yet; 0: none. */
	int lost_errno;
	uint8_t lost_signo;
	/* of CHILD_EXITED */
	uint8_t code;
	uint8_t signo;
	bool core;
	bool has_process; /* that is not reaped: pid is its own */
	bool is_dirty;
	bool told_spawned;
	bool kill_group;
	bool is_foreign; /* a keeper before us was its parent: foreign.c */
	char label[];    /* up to SPEC_LABEL_MAX bytes */
};

TAILQ_HEAD(child_list, child);
LIST_HEAD(child_bucket, child);

#define CHILD_BUCKETS 1024

struct child_end {
	mono_ms at;
	int code, signo;
	bool core;
	int64_t max_rss_kb; /* -1: not known */
};

struct child_table {
	struct child_list all;
	struct child_list dirty;
	struct child_bucket by_pid[CHILD_BUCKETS];
	struct child_bucket by_id[CHILD_BUCKETS];
	size_t alive;
	uint64_t strangers; /* reaped, not ours */
};

void child_table_init(struct child_table *ct);
struct child *child_by_id(struct child_table *ct, uint64_t id);
struct child *child_by_pid(struct child_table *ct, pid_t pid);
/* NULL: no memory. */
struct child *child_new(struct child_table *ct, uint64_t id, const char *label);
void child_started(
    struct child_table *ct, struct child *c, pid_t pid, mono_ms now);
void child_mark(struct child_table *ct, struct child *c);
void child_free(struct child_table *ct, struct child *c);
/* Signals it, or its process group; -1 and errno.  ESRCH when it is dead. */
int child_signal(const struct child *c, int signo, bool to_group);
/* How it ended is known; the number may be another's by now. */
void child_ended(
    struct child_table *ct, struct child *c, const struct child_end *end);
/*
 * Reaps everything that is dead, ours or not (PID 1, subreaper): fills the
 * records and marks them.  Allocates nothing.
 */
void child_reap(struct child_table *ct, mono_ms now);

/* --- fdstore.c ------------------------------------------------------------ */

#define FDSTORE_MAX      65536
#define FDSTORE_NAME_MAX 119

struct fdstore_slot {
	int fd; /* -1: free */
	char *name;
};

struct fdstore {
	struct fdstore_slot *slots;
	size_t n;
};

/* Takes *fd.  -1 when there is no memory or the slot is out of range. */
int fdstore_put(struct fdstore *st, uint32_t slot, const char *name, int *fd);
void fdstore_drop(struct fdstore *st, uint32_t slot);
/* -1: nothing there. */
int fdstore_get(const struct fdstore *st, uint32_t slot);
void fdstore_fini(struct fdstore *st);

/* --- keeper.c, handoff.c ---------------------------------------------------
 */

enum handoff_phase {
	HANDOFF_NONE, /* the engine has not said hello */
	HANDOFF_WELCOME,
	HANDOFF_FDS,
	HANDOFF_CHILDREN,
	HANDOFF_SYNCED,
	HANDOFF_DONE,
};

/* How far the engine has been told what there is. */
struct handoff {
	enum handoff_phase phase;
	uint32_t slot;
	struct child *child;
};

struct pending_signal {
	int signo;
	uint32_t serial; /* 0: none is pending */
	bool told;       /* this engine knows */
};

#define KEEPER_SIGNALS TABLES_SIGNALS
#define ENGINE_ID      UINT64_MAX /* among the children */

struct keeper {
	struct loop *lp;
	const struct keeper_config *cfg;
	struct child_table children;
	struct fdstore store;
	int null_fd;
	struct spawn_room room;
	uint32_t log_slot; /* of the store: where log lines go; 0: stderr */
	uint8_t log_level;
	struct chan *ch; /* to the engine; NULL while there is none */
	struct child *engine;
	int program;          /* the engine's, as it was started; -1: not had */
	bool by_path;         /* it is started from its path, not from that */
	char engine_path[48]; /* of program; "": it can't be executed so */
	unsigned starting, starting_most; /* starts under way */
	struct loop_timer trim;           /* what they have left */
	unsigned incarnation;
	struct tables_origin origin;
	struct handoff handoff;
	bool synced;        /* this engine has had all of it */
	bool was_ready;     /* an engine has been ready under this keeper */
	bool shutting_down; /* the engine said so: exit when it is gone */
	int exit_code;
	mono_ms started_ms;
	int64_t delay_ms; /* before the next start of the engine */
	struct loop_timer restart;
	struct loop_signal sigchld;
	struct loop_signal signals[KEEPER_SIGNALS];
	struct pending_signal pending[KEEPER_SIGNALS];
	uint32_t serial;
	unsigned terms;    /* TERM and INT that came */
	bool upgrading;    /* as soon as nothing is being started */
	bool upgrade_news; /* how it went is to be told */
	uint8_t upgrade_code;
	char upgrade_text[256];
	bool engine_leaves; /* that of the keeper before: a new one comes */
	struct loop_task upgrade_task;
	struct loop_timer force; /* after the second one, or E_SHUTDOWN */
	/* sd_notify(3) */
	int notify_fd;
	bool ponged;
	int64_t watchdog_ms;
	struct loop_timer watchdog;
};

/* handoff.c: what a new engine is told, and what is still to be told. */
void handoff_start(struct keeper *kp);
/* Sends what is marked until the channel is full. */
void handoff_flush(struct keeper *kp);

/* engine.c: starting, watching and ending the engine process. */
void keeper_engine_start(struct keeper *kp);
/* Takes program: the engine's; -1: the one that is installed. */
void keeper_engine_program(struct keeper *kp, int program);
void keeper_engine_exited(struct keeper *kp, struct child *c);
void keeper_engine_kill(struct keeper *kp, const char *why);
void keeper_report_ready(struct keeper *kp, int code);

/* foreign.c: its end will be a child's like any other.  -1: no memory. */
int foreign_watch(struct keeper *kp, struct child *c);
void foreign_free(struct child *c);

/* upgrade.c: kp->upgrading is set, or a start is over. */
void upgrade_go_on(struct keeper *kp);
/* Fills a new keeper from the tables; -1: they make no sense. */
int upgrade_resume(struct keeper *kp, struct tables *t);

/* message.c: what the engine may ask for. */
extern const struct chan_ops keeper_chan_ops;
/* Of the keeper's trim. */
void message_on_trim(struct loop_timer *t, void *arg);

/* notify.c: towards our own supervisor. */
void keeper_notify_open(struct keeper *kp);
void keeper_notify(struct keeper *kp, const char *text);

/* The engine has ended everything: it has so long to end itself. */
void keeper_await_end(struct keeper *kp, int code);
/* Ends everything that is left, by force, and the loop. */
void keeper_force_exit(struct keeper *kp, int code);

#endif
