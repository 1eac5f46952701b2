/*
 * engine - the face of the engine: what the control server may ask and order.
 *
 * Everything runs on the engine's loop thread.  Pointers that a query gives
 * are borrowed and valid until the callback returns.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "config/config.h"
#include "loop/loop.h"
#include "state/event.h"

struct engine;
struct pump_stream;

enum slot_state {
#define STATE(name, code) PS_##name,
#include "engine/program.def"
	PS__N
};

const char *slot_state_name(enum slot_state s);

/* Who gave an order: SO_PEERCRED of its client. */
struct engine_who {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* --- queries -------------------------------------------------------------- */

struct slot_info {
	const char *name;    /* "web.0" */
	const char *program; /* "web" */
	const char *group;   /* NULL: none */
	int slot;
	enum slot_state state;
	bool ready;               /* said so, by the rule of ready= */
	bool stop_wanted;         /* somebody asked it to be down */
	pid_t pid;                /* 0: none */
	uint32_t generation;      /* of the instance; 0: never started */
	int64_t uptime_ms;        /* of the instance; -1: none */
	uint64_t restarts;        /* replacements after a death */
	uint32_t health_losses;   /* times that it lost its health */
	int exit_code;            /* of the last exit; -1: none or by signal */
	int exit_signal;          /* 0: none */
	int64_t next_retry_ms;    /* from now; -1: none is due */
	int64_t memory_bytes;     /* of its tree; -1: nobody looks */
	wall_ms recycle_at_ms;    /* next replaced by time; 0: never */
	const char *channel;      /* "open", "closed"; NULL: has none */
	int64_t messages_waiting; /* for it; -1: it has no channel */
	int draining;             /* old instances that are still finishing */
	const char *description;  /* one line for people */
	const char *health;       /* see vitals_word; NULL: no health= */
	const struct strv *depends_on; /* of its program: "db:ready" */
	const struct strv *bind_to;    /* "db" */
	const char *waits_for; /* "db:ready (STARTING)"; NULL: it does not */
	const char
	    *program_note; /* "rolling 2/4", "on the config before: ..."; "" */
};

typedef void engine_slot_cb(void *arg, const struct slot_info *si);

/*
 * Names: "web" all slots of a program, "web.0" one, "grp:*" a group, "all",
 * and shell globs over slot and program names.  Calls back for each slot, once,
 * in start order.  n == 0 is all.  -1 when a name fits nothing; err then names
 * it and the nearest; nothing was called.
 */
int engine_each(struct engine *en, char *const *names, size_t n,
    engine_slot_cb *cb, void *arg, struct err *err);

enum death_cause {
	DEATH_EXIT,      /* by itself, whatever the code */
	DEATH_SIGNAL,    /* by a signal that was not ours */
	DEATH_STOP,      /* ordered: stop, shutdown, scale down */
	DEATH_RESTART,   /* ordered: restart --hard */
	DEATH_ROLL,      /* replaced by a roll */
	DEATH_NOT_READY, /* killed: ready_timeout */
	DEATH_DISCARD,   /* the new one of an aborted roll */
	DEATH_NO_START,  /* never came to be: stage and errno in text */
	DEATH_RECYCLE,   /* its slot alone was rolled: why is in text */
	DEATH_UNHEALTHY, /* it lost its health: the probe is in text */
	DEATH_BOUND,     /* what it is bound to is down for good */
};

/* Was it the kernel's OOM killer? */
enum death_oom {
	OOM_NO,
	OOM_YES,
	OOM_PERHAPS, /* it was at work; whom it killed is not known */
	OOM_UNKNOWN,
	OOM_PART, /* it killed others of the tree, not the one that died */
};

struct death_info {
	wall_ms at_ms;
	enum death_cause cause;
	uint32_t generation;
	pid_t pid;
	int64_t ran_ms;
	int exit_code;   /* -1: by signal or never ran */
	int exit_signal; /* 0: none */
	bool core;
	enum death_oom oom;
	bool killed;    /* it took SIGKILL after the stop signal */
	bool by_person; /* uid and by_pid say who asked */
	uid_t by_uid;
	pid_t by_pid;
	int64_t max_rss_kb; /* -1: unknown */
	const char *text;   /* spawn error, or why it had to go; "" */
	const char *tail;   /* last lines of stderr (or stdout); "" */
};

typedef void engine_death_cb(
    void *arg, const struct slot_info *si, const struct death_info *di);

/* The last deaths of a slot, newest first (TABLE_DEATHS of them). */
int engine_why(struct engine *en, const char *slot, engine_slot_cb *slot_cb,
    engine_death_cb *cb, void *arg, struct err *err);

/* The start of a slot, by order; restarts after a death are none. */
struct start_info {
	const char *name;    /* "web.0" */
	const char *program; /* "web" */
	int64_t ordered_ms;  /* from the order that began all */
	int64_t waited_ms;   /* for what it depends on; -1: it still does */
	int64_t start_ms;    /* from then to its first process; -1: none */
	int64_t took_ms;     /* from then until it was up, or done; -1: not */
	int64_t end_ms;      /* the same, from the order that began all */
	bool done;
	const char *waited_for; /* the last: "migrate.0:done"; NULL: nothing */
};

struct start_sum {
	bool known;       /* else an engine died before it was noted down */
	int64_t total_ms; /* of the chain; -1: there is none */
	int slots;        /* of the start-up, that are up */
	int pending;      /* of the start-up, that are not */
	int later;        /* were ordered to start again since */
	int lost;         /* their times were lost with an engine */
};

typedef void engine_start_cb(void *arg, const struct start_info *si);

/*
 * What the last start-up of reeved (name NULL), or the last start of a program
 * took so long: the slot that was the last, what it waited for, and so on.
 */
int engine_analyze(struct engine *en, const char *name, struct start_sum *sum,
    engine_start_cb *cb, void *arg, struct err *err);
/* Every slot whose times are known, in the order of programs. */
void engine_starts(struct engine *en, engine_start_cb *cb, void *arg);

/* The stream and file of a slot's output; the path is the
 * caller's; NULL: none, or no such slot. */
struct pump_stream *engine_stream(
    struct engine *en, const char *slot, bool is_stderr, char **path);

struct event_log *engine_events(struct engine *en);
const struct config *engine_config(const struct engine *en);
/*
 * What a program of it runs: after a roll to a new config that was aborted,
 * the one before.
 */
const struct config_program *engine_in_force(
    const struct engine *en, const struct config_program *p);
/* Pid of reeved (the keeper), not of the engine. */
pid_t engine_reeved_pid(const struct engine *en);
/* How often the engine was started under this keeper, from 1. */
unsigned engine_incarnation(const struct engine *en);
int64_t engine_uptime_ms(const struct engine *en); /* of reeved */
int engine_usable_cpus(const struct engine *en);
mono_ms engine_now(const struct engine *en); /* of this turn */

/* --- orders --------------------------------------------------------------- */

enum op_kind {
	OP_START,
	OP_STOP,
	OP_RESTART, /* rolls where there is more than one worker */
	OP_RESTART_HARD,
	OP_ROLL,
	OP_SCALE,  /* number */
	OP_SIGNAL, /* number: the signal */
	OP_RELOAD,
	OP_SHUTDOWN,
};

/* What is told while an order is carried out, and once about each name. */
struct op_note {
	const char *name; /* slot or program; "" for reeved */
	bool final;       /* the verdict about this name */
	bool ok;          /* of the verdict */
	const char *text; /* "started, pid 12", "exited with 1 after 3 ms" */
	const char *tail; /* last lines of a dead instance's stderr; "" */
};

typedef void op_note_cb(void *arg, const struct op_note *note);
/* code: 0 it worked, 1 it ran and failed.  The op is gone after this. */
typedef void op_done_cb(void *arg, int code);

struct op;

struct op_request {
	enum op_kind kind;
	char *const *names;
	size_t n;
	int number;
	struct engine_who who;
	uint64_t cause;   /* id of the task that it follows; 0: none */
	op_note_cb *note; /* may be NULL */
	op_done_cb *done; /* may be NULL */
	void *arg;
};

/*
 * Starts an order.  Callbacks come from the loop, never from inside the
 * call.  NULL and err when it can't begin; *code is then reevectl's exit
 * code (1, 2, 3).  Orders to different programs never wait for each other;
 * conflicting ones are told "..., superseded by ...".
 */
struct op *op_start(struct engine *en, const struct op_request *req,
    struct err *err, int *code);
/* The client went away: no more callbacks, the order is carried out. */
void op_detach(struct op *op);

/*
 * What a reload would do, against the file as it is now.  -1: the file is
 * bad, errs tells why and nothing changes.
 */
int engine_plan(
    struct engine *en, struct config_plan *plan, struct config_errors *errs);

/*
 * The program that a process was started by, directly or not: by its cgroup,
 * or its parents.  NULL: none.  Borrowed.
 */
const char *engine_whose(struct engine *en, pid_t pid);

#endif
