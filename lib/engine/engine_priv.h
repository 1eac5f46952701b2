/*
 * engine_priv - the engine's model and the parts that work on it.
 *
 * engine -> programs -> slots -> instances.  A slot has one instance that
 * counts (cur), during a roll a second one that is to take its place (next),
 * and old ones that still drain.  Everything that must outlast the engine is
 * in the slot's record of the state table, written by slot_save alone.
 */
#ifndef ENGINE_ENGINE_PRIV_H
#define ENGINE_ENGINE_PRIV_H

#include <sys/queue.h>

#include "cluster/roll.h"
#include "engine/channel.h"
#include "engine/deps.h"
#include "engine/engine.h"
#include "engine/keeperlink.h"
#include "engine/policy.h"
#include "engine/recycle.h"
#include "engine/sweep.h"
#include "engine/task.h"
#include "logs/pump.h"
#include "loop/loop.h"
#include "state/table.h"
#include "tree/tree.h"

#define SLOT_NAME_MAX 80
#define FDNAME_MAX    120

struct slot;
struct program;
struct ready_news;
struct orphan;

/* Who has a restart_rate=. */
enum {
	BUDGET_GROUP = 1,
	BUDGET_ALL = 2,
};

enum inst_role {
	INST_CUR,      /* fills its slot */
	INST_NEXT,     /* started by a roll, to take cur's place */
	INST_DRAINING, /* replaced: finishing what it has */
};

/* Of an instance that is to stop, or has ended. */
struct inst_end {
	struct loop_timer deadline; /* stop: then KILL */
	struct loop_task aftermath; /* dead: output, tree, the keeper's copy */
	struct sweep sweep;         /* of what it left */
	struct table_death death;   /* filled when it dies */
};

/* One process of a slot, from the spawn request until its tree is gone. */
/* There are many: what is small stands together. */
struct inst {
	TAILQ_ENTRY(inst) entry;
	struct slot *slot;
	struct config_program *conf; /* what it was started from; counted */
	uint64_t id;                 /* keeper's child id */
	uint32_t generation;
	enum inst_role role;
	pid_t pid;              /* 0: not started yet */
	uint32_t signals_early; /* 1 << SIG: to be passed on once it is */
	mono_ms started_ms;
	bool ready;
	bool
	    preparing; /* before_start, portwait: the keeper does not know it */
	bool exit_told; /* after_exit was run */
	bool up_early;  /* was ready before pid was known */
	bool dead;      /* exit seen; waiting for its tree to be gone */
	bool stopping;  /* the stop signal was sent */
	bool killed;    /* SIGKILL was sent after that */
	bool lost;      /* a signal to it could not be sent */
	bool by_person;
	bool scanned;           /* its output is looked at for ready=log */
	bool discarded;         /* by an aborted roll */
	bool is_alone;          /* died without leaving anything */
	bool swept;             /* dead, and nothing of its tree is left */
	bool reread;            /* once it is up: its settings are others */
	bool told_soon;         /* that it is not replaced yet */
	enum death_cause cause; /* what its death will be called */
	struct engine_who who;
	int ready_fd;              /* notify socket or pipe; -1: none */
	unsigned ready_slot;       /* of the keeper's store */
	uint32_t watchdog_ms;      /* what it was told; 0: nothing */
	unsigned tree_index;       /* of its cgroup among the slot's */
	struct tree tree;          /* its cgroup, or how to find what it left */
	struct portwait *portwait; /* NULL: its ports are free */
	struct task *hook;         /* before_start, before_stop, after_exit */
	struct task *after_ready;  /* NULL, as above: none runs */
	int64_t stop_ms;          /* before_stop runs: time it has after that */
	struct loop_timer up;     /* startsecs, ready_timeout */
	struct inst_end *end;     /* NULL: neither stopped nor dead */
	mono_ms deadline_ms;      /* of the stop; 0: none */
	struct probing *probing;  /* NULL: is not asked */
	struct vitals *vitals;    /* NULL: its health is no question */
	struct loop_io *ready_io; /* NULL: there is none yet */
	struct channel *channel;  /* NULL: has none */
	struct recycle *recycle;  /* NULL: nothing to look at */
	int64_t oom_kills;        /* in its cgroup before it; -1: not known */
	struct oomwatch *oomwatch;   /* NULL: they are not watched */
	char *status;                /* STATUS= it sent */
	struct inst_flush *flush[2]; /* of the pump, that will call back */
	char *tail;                  /* its last lines; NULL: none */
	char *reason;                /* why it had to go; NULL: see cause */
	char *why; /* how it ended, in words; NULL: it has not */
	struct table_inst *restore; /* recover.c: its part of the record */
};

TAILQ_HEAD(inst_list, inst);

/* What is remembered of the instances that a slot had. */
struct slot_history {
	struct table_past past;
	struct table_death deaths[TABLE_DEATHS]; /* newest first */
	/* of each; not in the table */
	char *tail[TABLE_DEATHS]; /* last lines; NULL: none */
	char *text[TABLE_DEATHS]; /* why it had to go; NULL: see cause */
};

/* There are many: what is small stands together. */
struct slot {
	struct program *prog;
	const char *name; /* "web.0"; owned */
	int index;
	enum slot_state state;
	bool wanted;      /* up; what people asked for */
	bool leaving;     /* scaled away or removed: freed when it is down */
	bool let_go;      /* the stop is because of bind_to */
	bool stop_held;   /* told to stop, when who depends on it is down */
	bool parked;      /* what it depends on was not so, the last time */
	bool start_again; /* a hard restart: start when it is down */
	bool stop_by_person;
	uint8_t budgeted;    /* BUDGET_*: have counted the start that is due */
	uint32_t generation; /* of the newest instance */
	unsigned failures;   /* failed starts in a row */
	unsigned record;     /* of the state table */
	uint32_t spoilt;     /* bits: cgroups that were killed, not removed */
	/*
	 * The instance that a roll of this slot alone is to replace, when the
	 * roll under way is over; 0: none.  reason: of that, and of the death
	 * that came of it.
	 */
	uint32_t alone_generation;
	enum roll_phase roll_phase;
	unsigned out_slot, err_slot; /* write ends in the store; 0: none yet */
	unsigned queued, queue_cap;
	int vacate_tries;
	struct engine_who stop_who; /* of the last order to stop */
	char *reason;               /* NULL: none */
	struct inst *cur;
	struct inst *next;
	struct inst_list
	    draining; /* dead ones, too, until their tree is gone */
	uint64_t restarts;
	uint32_t health_losses;
	mono_ms retry_at_ms;      /* BACKOFF, FATAL, ill: 0 when not */
	struct loop_timer *retry; /* NULL: it never had to wait */
	char *note; /* why it is in its state, for people; or NULL */
	struct table_times times;
	struct slot_history *history; /* NULL: nothing of it has ended yet */
	uint64_t roll_id;             /* as in table_slot */
	struct pump_stream *out, *err;
	/* events of the machine, carried out one after the other */
	struct loop_task step_task;
	uint8_t *queue;
	const struct config_program *streams_conf; /* what out, err follow */
	struct loop_timer
	    *vacate; /* a leaving reuseport slot: queue to empty */
};

struct listener {
	unsigned *slots; /* of the store: one (shared), or one a slot */
	int n;
	bool per_slot; /* a SO_REUSEPORT group: slots[i] is slot i's own */
	int keep;      /* the group is steered to its first ones; 0: not */
	unsigned lock_slot;
	struct config_program *conf; /* counted: spec is a part of it */
	struct config_socket *spec;
	char name[160]; /* of its address */
};

struct named;
struct watchings;
struct queued;
struct upgrade;
struct queue_task;
struct rolling;

struct program {
	struct config_program *conf; /* in force for new instances; counted */
	struct config_program
	    *before; /* a roll to conf is under way; counted */
	struct slot **slots;
	int nslots;
	struct listener *listeners;
	size_t nlisteners;
	struct rolling *roll;   /* NULL: none */
	struct task *roll_hook; /* before_roll; NULL: it does not run */
	bool roll_again;        /* one more was asked for meanwhile */
	uint64_t roll_cause, again_cause; /* task ids; see table_roll */
	bool roll_again_by_person;
	struct engine_who roll_again_who;
	bool stop_ordered; /* by a shutdown */
	mono_ms stop_ordered_ms;
	bool removed;  /* not in the config any more: stopping */
	bool remake;   /* when it is gone it is made again */
	bool reverted; /* a roll to the config in force was aborted */
	bool trim;     /* some slot may be gone */
	bool started;  /* autostart, or by order: new slots start too */
	bool pull;     /* what it depends on is to be started, too */
	size_t node;   /* of the graph, see wait.c */
	struct restarting *restarting; /* restart_at; NULL: it has none */
	struct engine *en;
	char *note; /* see engine.h; NULL: none */
};

TAILQ_HEAD(op_list, op);
TAILQ_HEAD(task_list, task);
LIST_HEAD(run_list, run);
LIST_HEAD(channel_list, channel);

struct engine {
	struct loop *lp;
	struct config *cf;
	const struct config *coming; /* a reload tries it; NULL: none */
	char *config_file;           /* absolute; "--exec": there is none */
	char **argv;                 /* of this process */
	struct loop_timer heir;      /* heir.c: the keeper is gone */
	bool nodaemon;
	int level; /* of -e; -1: the config's */
	struct strv base_env;
	struct keeperlink *kl;
	struct table *table;
	struct event_log *events;
	struct pump *pump;
	struct pump_stream *log_stream;
	size_t nstreams;           /* of slots */
	struct program **programs; /* start order */
	size_t nprograms;
	struct op_list ops;
	struct task_list tasks;
	struct sweeps sweeps;
	struct run_list runs;
	struct channel_list channels;
	struct msglog *messages;       /* NULL: not used yet */
	struct queued *queued;         /* NULL: not used yet */
	struct watchings *watchings;   /* NULL: nothing is watched */
	struct named *named;           /* the same as queued */
	struct oomwatches *oomwatches; /* NULL: no cgroup counts OOM kills */
	struct upgrade *upgrade;       /* NULL: none is under way */
	int usable_cpus;
	struct deps deps; /* see wait.c */
	bool deps_stale;
	bool stop_held;     /* of some slot */
	bool parked;        /* the same */
	mono_ms startup_ms; /* as in table_self */
	bool starting_all;  /* order_start_all goes through them */
	/* shutdown */
	bool stopping;
	bool started; /* what starts by itself was ordered to */
	bool kill_now;
	bool log_hung; /* output was given up: nobody waits for the pump */
	uint32_t stop_serial; /* of the signal that ordered it; 0: none */
	int stop_signo;       /* of it; 0: none */
	bool finished;
	bool stop_by_person;
	struct engine_who stop_who;
	struct loop_timer remind; /* who is waited for */
	int exit_code;
	char essential[SLOT_NAME_MAX]; /* whose end it is; "": ordered */
	int64_t budget_us[2];          /* of failed starts; of what was up */
	void (*on_up)(void *arg, struct engine *en, int control_fd);
	void *on_up_arg;
	unsigned controllers; /* TREE_*: to be had below cgroup */
	int64_t oom_kills;    /* of the machine, see limits.c */
	mono_ms oom_since_ms; /* when that was looked at */
	int64_t oom_now;      /* as of oom_now_ms */
	mono_ms oom_now_ms;
	struct tree_spares spares;
	char cgroup[256]; /* folder for the cgroups of instances; "": none */
	uint64_t next_id;
	uint64_t roll_serial;
	uint64_t acted[TABLE_ACTED]; /* see named_act.c */
	struct loop_task freeing;
	struct loop_task progress; /* of a shutdown: a task is gone */
	struct orphan *orphans;    /* until recover() */
	size_t norphans;
	/* children of programs that are not in the config any more */
	uint64_t *strays;
	size_t nstrays;
	struct loop_timer stray_kill;
	struct loop_timer remake; /* the keeper has not let go of an address */
	int remake_tries;
	int oom_score_adj; /* our own, and the keeper's */
};

/* --- program.c: the machine ---------------------------------------------- */

enum slot_event {
#define EVENT(name) PE_##name,
#include "engine/program.def"
	PE__N
};

const char *slot_event_name(enum slot_event e);
/* Queues an event; it is carried out at the end of the turn, in order. */
void slot_event(struct slot *sl, enum slot_event e);
void slot_run_events(void *arg); /* of the slot's step_task */
/* The table's answer: false when the cell is empty. */
bool slot_edge(enum slot_state from, enum slot_event e, enum slot_state *to);

/* Its timer, for retry_at_ms. */
void slot_arm_retry(struct slot *sl);
void slot_drop_retry(struct slot *sl);
/* What it waits for in its state may have another end now. */
void slot_conf_changed(struct slot *sl, const struct config_program *old);
/* An exit that a death in the record tells of is still to be acted on. */
enum slot_event slot_death_event(const struct slot *sl);

/* --- budget.c: restart_rate= ----------------------------------------------
 */

/*
 * Takes a start that no order made out of it, the group's first: ms that it
 * waits, and then it is asked again.  0: it may start.
 */
int64_t budget_take(struct slot *sl);
/* A rate is another one: who waited for the old one asks again. */
void budget_changed(struct engine *en, const struct config *old);
void budget_program_changed(
    struct program *pg, const struct config_program *old);
/* "restart_rate of GROUP": for whose a slot waits. */
void budget_text(const struct slot *sl, char *out, size_t size);

/* --- slot.c: one place ---------------------------------------------------- */

struct slot *slot_new(struct program *pg, int index);
void slot_free(struct slot *sl);
/* Writes the slot's record: after every change of what is in it. */
void slot_save(struct slot *sl);
void slot_note(struct slot *sl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* up or down is wanted; who NULL: by itself. */
void slot_want(struct slot *sl, bool up, const struct engine_who *who);
/* Its start by order begins now, for analyze. */
void slot_ordered(struct slot *sl);
bool slot_is_down(const struct slot *sl); /* no process of it is left */
void slot_streams(struct slot *sl);       /* log pipes and their sinks */
/* Where that stream goes, the caller's; NULL: nowhere. */
char *slot_log_path(const struct slot *sl, bool is_stderr);
void slot_death(struct slot *sl, const struct table_death *d);
/* An empty one when there is none. */
const struct slot_history *slot_history(const struct slot *sl);
struct slot_history *slot_history_make(struct slot *sl);
/* The newest death; at_ms 0: none. */
const struct table_death *slot_last_death(const struct slot *sl);
/* Is there more to be said of it than the cause? */
bool death_has_reason(enum death_cause cause);

/* --- inst.c: one process -------------------------------------------------- */

/* NULL: could not even be asked for; the slot has been told. */
struct inst *inst_start(struct slot *sl, enum inst_role role);
struct inst *inst_new(
    struct slot *sl, enum inst_role role, struct config_program *conf);
/* After a restart of the engine: from the keeper's child, then its record. */
struct inst *inst_adopt(struct slot *sl, struct config_program *conf,
    uint64_t id, uint32_t generation, unsigned tree_index, pid_t pid,
    mono_ms started_ms);
/* before_start is over: asks the keeper. */
int inst_launch(struct inst *in, struct err *err);
/* It never was: a hook failed, or it was told to stop before. */
void inst_not_started(struct inst *in, const char *why);
/* before_stop is over. */
void inst_send_stop(struct inst *in);
/* Something that its end waited for is over. */
void inst_settle(struct inst *in);
/* reeved stops: a log that can't be written must not hold it for ever. */
void inst_limit_flush(struct inst *in);
/* Its part of the record, for this: zeroes until it is filled. */
struct table_inst *inst_restore(struct inst *in);
void inst_resume(struct inst *in, const struct table_inst *ti);
/* The start was asked for: wait for it to be up. */
void inst_began(struct inst *in);
/* Its message channel; *child_fd is the caller's. */
int inst_open_channel(struct inst *in, int *child_fd, struct err *err);
/* Of one that an engine before this one started. */
void inst_adopt_channel(struct inst *in);
/* After a change of in->conf. */
void inst_limit_channel(struct inst *in);
/* Name of its readiness channel in the store. */
void inst_ready_name(const struct inst *in, char *out, size_t size);
/* Stop signal now, KILL after ms; 0: KILL now. */
void inst_stop(struct inst *in, int64_t ms, enum death_cause cause,
    const struct engine_who *who);
void inst_kill(struct inst *in);
/* Its stop did not reach it: as if it had not been ordered. */
void inst_take_back(struct inst *in);
/* Why it must go: what people read of its death. */
void inst_give_reason(struct inst *in, const char *why);
void inst_free(struct inst *in);
struct inst *inst_find(struct engine *en, uint64_t id);
/* "web.0#3.1": what the keeper calls it; recover.c reads that. */
void inst_label(const struct inst *in, char *out, size_t size);
void inst_spawned(struct inst *in, pid_t pid, mono_ms started_ms);
void inst_spawn_failed(struct inst *in, int stage, int errnum);
void inst_exited(struct inst *in, const struct keeper_exit *ex);
/* A signal to reeved that the program gets; signo: 1 to 31. */
void inst_pass_signal(struct inst *in, int signo);
void inst_signal_failed(struct inst *in, int signo, int errnum);

/* Why a start failed, for people. */
void start_err_text(char *out, size_t size, const struct spawn_err *se,
    const struct config_program *conf);

/* --- inst_ready.c: how an instance comes to be up ------------------------- */

/* It has said so, or answers, or has lived for long enough. */
void inst_is_up(struct inst *in);
/* Watches for that; elapsed_ms: how much of the time is over already. */
void inst_watch_ready(struct inst *in, int64_t elapsed_ms);
/* Whether it is up is no question any more. */
void inst_unwatch(struct inst *in);
/* It is dead: did it say something before? */
void inst_hear(struct inst *in);
void inst_on_up_timer(struct loop_timer *t, void *arg);
void inst_take_status(struct inst *in, const struct ready_news *news);
/* A config that differs from its own in live keys alone. */
void inst_set_conf(struct inst *in, struct config_program *conf);

/* --- vitals.c: whether it goes on well ------------------------------------ */

/* Of one about to start; sock: what NOTIFY_SOCKET is to be, or "". */
int vitals_new(struct inst *in, char sock[64], struct err *err);
/* Of one that an engine before this one started. */
void vitals_adopt(struct inst *in, const struct table_inst *ti);
/* Where its grace ends, or that was, or later; 0: it is not looked at. */
mono_ms vitals_since(const struct inst *in);
void vitals_free(struct inst *in);
/* From when it is ready until it is to stop. */
void vitals_start(struct inst *in);
void vitals_stop(struct inst *in);
void vitals_on_notify(struct inst *in, const struct ready_news *news);
/* Its config is another, in live keys alone. */
void vitals_changed(struct inst *in, const struct config_program *old);
bool vitals_are_lost(const struct inst *in);
/* "unknown", "healthy", "unhealthy"; NULL: it has no health=. */
const char *vitals_word(const struct inst *in);
const char *vitals_error(const struct inst *in); /* the last; "": none */
unsigned vitals_slot(const struct inst *in); /* of the keeper's store, or 0 */
/* Does it wait for restart_rate=, until its slot's retry_at_ms? */
bool vitals_await_turn(const struct inst *in);
/* restart_rate= has changed. */
void vitals_ask_again(struct inst *in);

/* --- probing.c: instances that are asked whether they are ready ----------- */

/* For one that is about to start, or was adopted: where to ask. */
int probing_new(struct inst *in, struct err *err);
void probing_free(struct inst *in);
void probing_start(struct inst *in);
void probing_stop(struct inst *in);
/* ready=log: looks in what comes; all: and in what waits in the pipes. */
int probing_scan(struct inst *in, bool all, struct err *err);
/* Of the last try; "": none has failed. */
const char *probing_error(const struct inst *in);

/* --- limits.c: cgroup controllers, OOM kills --------------------------------
 */

/* Descriptors of ours that all its programs need together, about. */
size_t slots_need_fds(const struct engine *en, const struct config *cf);
/* Says when it takes more descriptors than there may be. */
void slots_check_fds(
    const struct engine *en, const struct config *cf, struct strv *warnings);
/* Gets the controllers that cf asks for; warnings: keys without effect. */
void limits_setup(
    struct engine *en, const struct config *cf, struct strv *warnings);
void limits_start(struct inst *in); /* its cgroup is there, it is not */
void limits_changed(struct program *pg);
/* An engine begins: what was killed before it does not count. */
void limits_look(struct engine *en);
enum death_oom limits_oom(const struct inst *in, const struct keeper_exit *ex);
const char *limits_oom_text(enum death_oom oom); /* "": it was none */

/* --- oomwatch.c: OOM kills among the processes of who lives on -------------
 */
/* It runs, where its cgroup counts them; told: of the count. */
void oomwatch_start(struct inst *in, int64_t told);
void oomwatch_stop(struct inst *in);
/* Of the count, what was told before that time, or was there at the start. */
int64_t oomwatch_told(const struct inst *in, mono_ms before);
void oomwatch_free(struct engine *en);

/* --- start.c: another command in a slot ------------------------------------
 */

struct slot_command {
	struct config_program *conf;
	const char *command; /* as in a config */
	const char *label;
	const char *tree; /* of its cgroup */
	unsigned index;
	const struct slot_env {
		const char *key, *value;
	} * env;
	size_t nenv;
	int64_t timeout_ms; /* 0: none */
};

/*
 * As the slot's instances get it: user, environment, limits, output into the
 * slot's logs; without sockets.  NULL and err: it could not be asked for.
 */
struct task *slot_command(struct slot *sl, const struct slot_command *c,
    task_done *done, void *arg, struct err *err);

/* The same of a run of [task:x], output into out_fd, ipc_fd -1: none; t: not
 * spawned yet.  -1: end says why (queued_refused). */
int named_command(struct engine *en, struct task *t, const char *label,
    const struct config_task *conf, const struct queue_task *q, int out_fd,
    int ipc_fd, struct queue_task *end);

/* --- portwait.c: wait_port_free --------------------------------------------
 */
/* Before it is started: 1: it waits, and is started or given up by itself; 0:
 * there is nothing to wait for. */
int portwait_begin(struct inst *in, struct err *err);
/* It is stopping: it does not wait any more. */
void portwait_cancel(struct inst *in);
void portwait_free(struct inst *in);

/* --- hook.c: commands around an instance's life ----------------------------
 */

/*
 * hook_task.c: a hook that names a task.  It is the run of that name and what,
 * begun or found, and has its own timeout.  NULL and err: no such task.
 */
struct task *hook_task(struct engine *en, const char *name, const char *what,
    task_done *done, void *arg, struct err *err);
/* Then inst_launch or inst_not_started; -1: could not be asked for. */
int hook_before_start(struct inst *in, struct err *err);
/* true: runs, inst_send_stop follows. */
bool hook_before_stop(struct inst *in);
/* Failures are told, and change nothing. */
void hook_after_ready(struct inst *in);
/* true: runs, inst_settle follows. */
bool hook_after_exit(struct inst *in);
/* Then rolling_prepared; -1: could not be asked for. */
int hook_before_roll(struct program *pg, wall_ms begun_ms, struct err *err);
void hook_cancel_roll(struct program *pg);
/* They are of no use any more. */
void hook_cancel(struct inst *in);
const char *hook_running(const struct inst *in); /* NULL: none */
/*
 * A hook that an engine before this one started, by its label; false: it is
 * nobody's.  After the instances, before they are resumed.
 */
bool hook_adopt(struct engine *en, const struct orphan *o);

/* --- run.c: commands of clients ---------------------------------------------
 */

bool run_adopt(struct engine *en, const struct orphan *o);
/* A shutdown: they are killed, ends that nobody asks for are forgotten. */
void run_end_all(struct engine *en);

/* --- program_set.c: programs --------------------------------------------- */

struct program *program_new(struct engine *en, struct config_program *conf);
void program_free(struct program *pg);
void program_note(struct program *pg, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
struct program *program_find(struct engine *en, const char *name);
/* Slots 0..n-1 are there; those above leave. */
void program_resize(struct program *pg, int n, const struct engine_who *who);
void program_sort(struct engine *en);
bool program_is_down(const struct program *pg);
/* A slot of it has come to rest, or an instance is gone: who waits goes on. */
void program_progress(struct program *pg);

/* --- sockets.c: listeners --------------------------------------------------
 */

/* Binds what is not bound yet (or finds it in the store), for n slots. */
int sockets_open(struct program *pg, int n, struct err *err);
void sockets_close(struct program *pg);
/*
 * Could the sockets of to that from does not have be bound?  Bound and closed
 * again: a reload that restarts a program must not find out afterwards.
 */
int sockets_probe(const struct config_program *from,
    const struct config_program *to, struct err *err);
/* Connections are kept away from slots keep and above. */
void sockets_shrink_begin(struct program *pg, int keep, int n);
/* Waiting in the queues of a slot's own listeners; 0: it may go. */
int sockets_waiting(const struct program *pg, int slot);
void sockets_shrink_end(struct program *pg, int n);

/* --- rolling.c: rolls ------------------------------------------------------
 */

/* who NULL: SIGUSR2.  One under way already: one more is noted. */
void rolling_start(struct program *pg, const struct engine_who *who);
/*
 * Replaces the instance of one slot: the new one becomes ready first
 * (roll_surge).  Never two at once in a program, and after a roll that is
 * under way, unless that has replaced it.  Nothing when the slot is not up.
 * why: what people read about its end, "memory 70 MiB is over ..."; borrowed.
 */
void rolling_start_slot(struct slot *sl, const char *why);
/* Those that wait for their turn. */
void rolling_next_slot(struct program *pg);
/* The slot is to be down: it waits no longer. */
void rolling_forget_slot(struct slot *sl);
/* before_roll is over; why NULL: well. */
void rolling_prepared(struct program *pg, const char *why);
void rolling_resume(struct program *pg, const struct table_roll *tr);
/* roll_soak, perhaps. */
void rolling_soak_changed(struct program *pg);
void rolling_inst_ready(struct inst *in);
void rolling_inst_failed(struct inst *in, const char *why, const char *tail);
void rolling_inst_gone(struct slot *sl);
void rolling_slot_left(struct slot *sl);
/* Is the new instance of that slot a roll's business? */
bool rolling_owns(const struct slot *sl);
void rolling_abort(struct program *pg, const char *why);
void rolling_save(struct program *pg);
/* Where an engine before this one had a slot in that roll. */
enum roll_phase rolling_was(const struct slot *sl, const struct table_roll *tr);
void rolling_free(struct program *pg);

/* --- op.c: orders ----------------------------------------------------------
 */

void op_slot_changed(struct slot *sl);
void op_roll_step(struct program *pg, const char *name, const char *text);
void op_roll_end(
    struct program *pg, bool ok, const char *text, const char *tail);
/* The roll of a slot alone has ended, or does not begin. */
void op_alone_end(struct slot *sl, bool ok, const char *text, const char *tail);
/* A slot, a program that is about to be freed. */
void op_slot_gone(struct slot *sl);
void op_program_gone(struct program *pg);
/* Something may be down that was waited for. */
void op_progress(struct engine *en);
/* Of programs that were to be made again, the last try is over. */
void op_look_again(struct engine *en);
void op_free_all(struct engine *en);
/* A message about one slot for whoever waits for it. */
void op_slot_failed(struct slot *sl, const char *text, const char *tail);

/* --- names.c ----------------------------------------------------------------
 */

/* See engine_each for what fits; *out is the caller's to free. */
int names_match(struct engine *en, char *const *names, size_t n,
    struct slot ***out, size_t *nout, struct err *err);

/* --- order.c: start order, stop order --------------------------------------
 */

void order_start_all(struct engine *en);
void order_stop_all(struct engine *en, const struct engine_who *who);
void order_progress(struct engine *en);
/* An essential program is over, and everything with it. */
void order_stop_essential(struct slot *sl);
/* An engine before this one had begun to stop everything. */
void order_stop_on(struct engine *en, const struct table_self *self);

/* --- wait.c: dependencies ----------------------------------------------------
 */

/* Do its dependencies hold?  Asked at every start but a roll's. */
bool wait_may_start(struct slot *sl);
/* Is who depends on it, and has to go as well, down? */
bool wait_may_stop(struct slot *sl);
/* A slot has changed: who waits goes on, who is bound is stopped. */
void wait_progress(struct engine *en);
void wait_started(struct program *pg);
/*
 * Orders to start what it depends on, directly or not, where that does not
 * hold and nobody has ordered it; their names are added to names (or NULL).
 */
void wait_pull(
    struct program *pg, const struct engine_who *who, struct buf *names);
void wait_pull_all(struct engine *en); /* those with pull set */
/* "db:ready (STARTING), m:done (RUNNING)"; false: it does not wait. */
bool wait_text(const struct slot *sl, char *out, size_t size);
/* It has waited since then, and nothing that is under way will change that. */
bool wait_in_vain(const struct slot *sl, wall_ms since);
/* What its stop means for running programs that depend on it; "". */
void wait_users_text(struct program *pg, char *out, size_t size);
/* The nodes of programs are right; false: nothing depends on anything. */
bool wait_graph(struct engine *en);
/* See deps_below; by the order of programs. */
void wait_below(struct engine *en, const bool *from, bool *below);

/* --- reload.c ------------------------------------------------------------- */

/* Collects programs that a reload changed and rolls; -1: errs tells why. */
int reload_apply(struct engine *en, const struct engine_who *who,
    struct config_plan *plan, struct config_errors *errs);
/* A program that a reload restarts is down: it is made again. */
void reload_remade(struct engine *en, const char *name);
/* Will it be tried again? */
bool reload_is_remaking(const struct engine *en);

/* --- recover.c: after an engine before this one -----------------------------
 */

struct orphan { /* a child that the keeper told of */
	uint64_t id;
	pid_t pid;
	mono_ms started_ms;
	char label[SPEC_LABEL_MAX + 1];
};

void recover_child(struct engine *en, uint64_t id, pid_t pid,
    mono_ms started_ms, const char *label);
/* "web.0"; NULL: there is none. */
struct slot *recover_slot(struct engine *en, const char *name);
void recover(struct engine *en);
/* Kills what is left of programs that were removed. */
void recover_end_strays(struct engine *en);
/* One that no program knows is dead, or none of them. */
void recover_stray_gone(struct engine *en, uint64_t id);

/* --- before.c: the config before a reload's roll ----------------------------
 */

/* A roll to another config is about to begin; in force is the one it runs. */
void before_keep(struct program *pg);
/* The roll was aborted: the program runs the config before. */
void before_reverted(struct program *pg);
/* It runs the config in force. */
void before_drop(struct program *pg);
/* After an engine before this one: sets before, or conf and reverted. */
void before_recover(struct program *pg);
/* A program leaves the config: what it was, until it has ended. */
void before_keep_removed(struct program *pg);
/* The program's part of a snapshot in the store, counted; NULL: none. */
struct config_program *before_read(
    struct engine *en, const char *name, unsigned slot);

/* --- signals.c: signals to reeved ------------------------------------------
 */

/* arg: struct engine */
void signals_on_signal(void *arg, int signo, uint32_t serial);

/* --- engine.c ------------------------------------------------------------- */

void engine_event(struct engine *en, const char *name, const char *kind,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void engine_notify(struct engine *en, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void engine_status_line(struct engine *en);
void engine_log_sink(struct engine *en);
/* While it is held: nobody else has locked the file of this name by now. */
void engine_unlink_lock(const struct engine *en);
void engine_make_dirs(const char *path, mode_t mode);
/* The keeper gets the config in force, for an engine after this one. */
void engine_save_config(struct engine *en);
/* Keys that only another reeved can change keep the values of this one. */
void engine_pin(struct engine *en, struct config *cf);
void engine_save_self(struct engine *en, const struct engine_who *who);
/* finish.c: everything is stopped: leave nothing behind, tell the keeper. */
void engine_finish(struct engine *en);
/* "stopped by uid 0, pid 12" or "stopped by SIGTERM". */
void engine_who_text(char *out, size_t size, const struct engine_who *who);

#endif
