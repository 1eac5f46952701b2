/*
 * config - what the file says, checked and complete.
 *
 * Loading is all or nothing: every error of a file and of those it includes
 * is collected, each with file:line, and then there is no config.  A loaded
 * config never changes; a program's part is counted, because instances live
 * longer than the config they were started from.
 *
 * Names, types, defaults and help of the keys: schema.def.  The dialect of a
 * file is its main section's: [reeve] here.  Runs in the engine and in
 * reevectl; never in the keeper.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/cron.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define CONFIG_NAME_MAX    63 /* bytes of a program's or group's name */
#define CONFIG_WORKERS_MAX 10000
#define CONFIG_EXITS       384 /* exit codes, and behind them signals */
#define CONFIG_EXIT_SIGNAL 256

enum config_needs {
	CONFIG_LIVE,
	CONFIG_ROLL,
	CONFIG_RESTART
};

enum config_autorestart {
	AUTORESTART_FALSE,
	AUTORESTART_UNEXPECTED,
	AUTORESTART_TRUE,
	AUTORESTART_NEVER,      /* however soon it exits */
	AUTORESTART_ON_FAILURE, /* an expected exit is none, however soon */
};

enum config_essential {
	ESSENTIAL_NO,
	ESSENTIAL_ON_FATAL,
	ESSENTIAL_ON_EXIT, /* and is not started again */
	ESSENTIAL_YES,
	ESSENTIAL_MAIN, /* the exit code is its own, also by order */
};

/* What a signal to reeved means. */
enum config_on_signal {
	ON_SIGNAL_OWN,
	ON_SIGNAL_PASS, /* instances get it */
	ON_SIGNAL_STOP, /* as TERM */
	ON_SIGNAL_IGNORE,
};

enum config_stdin {
	STDIN_NULL,
	STDIN_INHERIT,
};

enum config_output {
	OUTPUT_LOGS,
	OUTPUT_INHERIT,
};

/* count within a period. */
struct config_rate {
	int64_t count; /* 0: not set */
	int64_t period_ms;
};

enum config_sockmode {
	SOCKMODE_SHARED,
	SOCKMODE_REUSEPORT
};

enum config_ready {
	READY_DELAY,
	READY_NOTIFY,
	READY_FD,
	READY_PROBE, /* tcp:, unix:, http:, http+unix: */
	READY_EXEC,  /* a command that exits with 0 */
	READY_LOG,   /* a line that matches */
	READY_IPC,   /* a message on NODE_CHANNEL_FD */
};

enum config_health {
	HEALTH_NONE,
	HEALTH_PROBE,
	HEALTH_EXEC,
	HEALTH_WATCHDOG /* sd_notify WATCHDOG=1 */
};

enum config_health_action {
	HEALTH_ROLL,    /* its replacement first */
	HEALTH_RESTART, /* stop it, start another */
	HEALTH_REPORT
};

enum config_probe_kind {
	PROBE_CONNECT,
	PROBE_HTTP
};

/* Where a probe goes, and what is a good answer. */
struct config_probe {
	enum config_probe_kind kind;
	struct sockaddr_storage addr[2]; /* tried in this order */
	socklen_t addr_len[2];
	size_t naddrs;
	char *text; /* "127.0.0.1:8080", a path: for people */
	/* of PROBE_HTTP */
	char *host; /* of its header */
	char *path;
	unsigned status_min, status_max;
};

enum config_jobserver {
	CONFIG_JOBSERVER_AUTO,
	CONFIG_JOBSERVER_FIFO,
	CONFIG_JOBSERVER_FDS,
	CONFIG_JOBSERVER_NO
};

enum config_color {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER
};

enum config_affinity {
	AFFINITY_NONE,
	AFFINITY_AUTO,
	AFFINITY_LIST
};

enum config_family {
	FAMILY_TCP,
	FAMILY_TCP6,
	FAMILY_UNIX
};

/*
 * Looked up when the file is loaded, never later: a lookup may block.  What
 * stands after name is filled for user= only.
 */
struct config_owner {
	bool set;
	uid_t uid;
	gid_t gid;
	char *name;  /* as written; NULL when not set */
	char *login; /* of passwd(5) */
	char *home;
	char *shell;
	gid_t *groups; /* all of them, gid too */
	size_t ngroups;
};

struct config_gid {
	bool set;
	gid_t gid;
	char *name; /* as written */
};

struct config_groups {
	bool set;
	bool only; /* not those that group(5) has for the user */
	struct strv names;
	gid_t *v;
	size_t n;
};

/* Who its instances are; not set: who reeved is. */
struct config_identity {
	bool set;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t ngroups;
};

struct config_caps {
	bool set;
	bool all;      /* that reeved has */
	uint64_t keep; /* bit n: capability n */
};

#define CONFIG_PATHS_MAX 64 /* of read_only */

/* As ioprio_set(2) takes it. */
#define CONFIG_IOPRIO(class, level) ((class) << 13 | (level))
#define CONFIG_IOPRIO_CLASS(prio)   ((int)((prio) >> 13))

struct config_socket {
	char *name; /* NAME=, else the program's name; unique in a program */
	char *text; /* "tcp://127.0.0.1:8080": for people, the lock, the diff */
	enum config_family family;
	char *host; /* numeric, NULL: any address */
	uint16_t port;
	char *path;                /* unix only, absolute */
	mode_t mode;               /* unix only, default 0660 */
	struct config_owner owner; /* unix only */
	int backlog; /* default 4096; the kernel caps it at somaxconn */
};

struct config_sockets {
	struct config_socket *v;
	size_t n;
};

enum config_who_kind {
	WHO_USER,
	WHO_GROUP,
	WHO_EVERYONE
};

struct config_who {
	enum config_who_kind kind;
	uint32_t id; /* uid_t or gid_t */
};

/* One entry of allow=. */
struct config_allow {
	uint64_t verbs;    /* VERB_BIT, see verb.h */
	struct strv names; /* globs of programs and slots; none: all */
	struct config_who *who;
	size_t nwho;
};

struct config_allows {
	bool set; /* else the socket's mode alone decides */
	char *text;
	struct config_allow *v;
	size_t n;
};

struct config_rlimit {
	bool set;
	rlim_t soft;
	rlim_t hard;
};

struct config_cpu_max {
	int64_t quota_us; /* 0: none */
	int64_t period_us;
};

struct config_cron {
	char *text; /* as written; NULL: not set */
	struct cron cron;
};

/* path: NULL is NONE, "AUTO" is AUTO, else a template with %(...)s. */
struct config_log {
	char *path;
	int64_t maxbytes;
	int64_t backups;
};

/* Where the keys of one section stand; see origin.c. */
struct config_origin {
	int key; /* enum schema_id */
	int line;
	const char *file; /* interned */
};

struct config_origins {
	struct config_origin *v; /* of the keys that stand in a file */
	size_t n;
};

/* Commands that are run at certain points of an instance's life. */
enum config_hook {
	HOOK_BEFORE_START, /* before each instance; failed: it is not started */
	HOOK_AFTER_READY,
	HOOK_BEFORE_STOP, /* before the stop signal, of those that were ready */
	HOOK_AFTER_EXIT,  /* when nothing of its tree is left */
	HOOK_BEFORE_ROLL, /* of the program; failed: the roll is aborted */
	HOOK__N
};

/* watch= of [program:x] */
struct config_watch {
	struct strv globs; /* n 0: it is unset */
	char *task;        /* run before; NULL: none */
	bool restart;      /* or else roll */
	char *name;        /* another program; NULL: its own */
};

/*
 * Keys that most programs leave alone: those programs share one of these, with
 * the defaults.
 */
struct config_rare {
	struct config_owner user;
	struct config_gid run_group;
	struct config_groups supplementary;
	struct config_rlimit rlimit[RLIM_NLIMITS];
	char *hook[HOOK__N];     /* NULL: none */
	int64_t hook_timeout_ms; /* 0: none */
	int64_t ipc_max_message; /* bytes */
	int64_t ipc_queue;       /* messages */
	struct config_rate ipc_rate;
	struct config_cron restart_at;
	struct config_watch watch;
	struct strv watch_exclude;
	int64_t watch_delay_ms;
	struct config_identity identity; /* what user and so on come to */
	bool no_new_privs;
	struct config_caps capabilities;
	char *chroot; /* NULL: none */
	bool private_tmp;
	struct strv read_only; /* as seen from chroot */
	int64_t ioprio;        /* CONFIG_IOPRIO; -1: not set */
	int64_t oom_score_adj;
	int64_t workers_per_cpu; /* 0: not set */
	int64_t numprocs;        /* 0: not set */
	enum config_affinity cpu_affinity;
	struct strv cpu_list; /* of AFFINITY_LIST: one number a string */
	struct strv cpu_set;  /* the same; empty: all */
	uint8_t exitcodes[CONFIG_EXITS / 8]; /* bit n % 8 of byte n / 8 */
	struct config_rate restart_limit;
	int64_t fatal_retry_ms; /* 0: never */
	char *wait_port_free;   /* a template; NULL: waits for none */
	int64_t wait_port_ms;   /* 0: no limit */
	int64_t ready_interval_ms;
	int64_t ready_try_ms; /* of one try */
	int64_t health_interval_ms;
	int64_t health_timeout_ms;
	int64_t health_failures; /* in a row; 0: not set */
	int64_t health_grace_ms;
	enum config_health_action health_action;
	int64_t memory_max; /* bytes; 0: none */
	int64_t cpu_weight; /* 0: as the kernel has it */
	struct config_cpu_max cpu_max;
	int64_t pids_max;     /* 0: none */
	int64_t memory_limit; /* bytes; 0: none */
	int64_t memory_interval_ms;
	int64_t max_lifetime_ms; /* 0: none */
};

struct config_program {
	unsigned refs;
	int line;                       /* of [program:x] */
	const struct config_rare *rare; /* never NULL */
	char *name;                     /* x of [program:x] */
	bool is_task;                   /* part of a config_task */
	char *group; /* of [group:g] that names it, else NULL */
	int64_t group_priority;
	struct config_rate group_rate; /* its restart_rate */
	const char *here; /* folder of its file, for %(here)s; interned */
	const char *file; /* where [program:x] stands; interned */

	char *command; /* templates: expanded for a slot by config_slot */
	char *directory;
	char *env_file;
	char *process_name;
	struct strv environment; /* KEY=value, values not yet expanded */
	bool clear_env;
	int64_t umask; /* -1: not set */
	int64_t nice;  /* INT64_MIN: not set */

	int64_t workers; /* -1: auto; what the three keys come to before CPUs */
	struct config_sockets sockets;
	enum config_sockmode socket_mode;
	int64_t priority;
	struct strv depends_on; /* "db:ready", the condition always there */
	struct strv bind_to;    /* "db"; as if db:ready stood above, too */

	bool autostart;
	enum config_autorestart autorestart;
	int64_t startsecs_ms;
	int64_t startretries; /* -1: unlimited */
	int64_t backoff_min_ms;
	int64_t backoff_max_ms;
	enum config_essential essential;
	enum config_ready ready;
	int ready_fd;     /* of READY_FD */
	char *ready_text; /* of READY_PROBE and what follows: a template */
	enum config_health health;
	char *health_text; /* of HEALTH_PROBE, HEALTH_EXEC: a template */
	int64_t ready_timeout_ms;
	bool ipc; /* see config_program_has_channel */

	int stopsignal;
	int64_t stopwaitsecs_ms;
	bool stopasgroup;
	bool killasgroup;
	int64_t drain_timeout_ms;

	int64_t roll_batch;
	int64_t roll_surge;
	int64_t roll_soak_ms;

	enum config_stdin stdin_from;
	enum config_output output;
	bool redirect_stderr;
	struct config_log out;
	struct config_log err;
	/* of [reeve], because an instance outlives its config */
	const char *childlogdir; /* interned */
	struct strv reeve_environment;
	mode_t reeve_umask;
	bool allow_jobs;
	struct config_jobs *jobs; /* of the CPU jobs' own; else NULL */

	struct config_origins origins;
};

struct zone;

struct config_zone {
	char *name; /* NULL: not set */
	struct zone *zone;
};

enum config_crash {
	CRASH_ADOPT,
	CRASH_RETRY,
	CRASH_FAIL
}; /* as queue.h */

enum config_overlap {
	OVERLAP_SKIP,
	OVERLAP_QUEUE,
	OVERLAP_KILL
};

enum config_catch_up {
	CATCH_UP_NO,
	CATCH_UP_ONCE,
	CATCH_UP_ALL
};

enum config_action_kind {
	ACTION_TASK,
	ACTION_ROLL,
	ACTION_RESTART,
	ACTION_START,
	ACTION_STOP
};

struct config_action {
	enum config_action_kind kind;
	char *name; /* of a task or program */
};

struct config_actions {
	struct config_action *v;
	size_t n;
};

#define CONFIG_TASK_PREFIX "task:" /* of a hook that names one */

/*
 * [task:x]: a command that is run by its name.  Who it is and where it runs is
 * as of a program; run is never counted, and goes with the config.
 */
struct config_task {
	struct config_program run;
	char *shell; /* a template, instead of run.command */
	struct strv depends_on;
	int64_t timeout_ms; /* 0: none */
	int64_t retries;
	int64_t backoff_min_ms;
	int64_t backoff_max_ms;
	struct config_cron schedule;
	struct config_zone timezone;
	int64_t jitter_ms;
	enum config_overlap overlap;
	enum config_crash on_crash;
	enum config_catch_up catch_up;
	struct strv on_change, on_change_exclude;
	int64_t on_change_delay_ms;
	struct config_actions then;
	struct config_actions on_failure;
	struct config_origins origins;
};

struct config_group {
	char *name;
	struct strv programs;
	int64_t priority;
	struct config_rate restart_rate;
	struct config_origins origins;
};

struct config {
	char *file; /* absolute */
	char *here;
	/* [reeve] */
	char *socket;    /* NULL: none */
	bool socket_set; /* named in the file, not computed */
	mode_t socket_mode;
	struct config_owner socket_owner;
	struct config_allows allow;
	char *pidfile;    /* NULL: none */
	char *logfile;    /* NULL: none */
	bool logfile_set; /* named in the file, not computed */
	int64_t logfile_maxbytes;
	int64_t logfile_backups;
	enum log_level loglevel;
	char *childlogdir;
	char *state_dir; /* NULL: none */
	struct strv environment;
	mode_t umask;
	bool nodaemon;
	enum config_on_signal on_hup;
	enum config_on_signal on_usr1;
	char *identifier;
	struct config_rate restart_rate;
	int64_t cpu_slots; /* -1: as many as usable CPUs */
	enum config_jobserver jobserver;
	int64_t task_history; /* tasks */
	int64_t task_history_ms;
	int64_t task_output; /* bytes; 0: all */
	/* [reevectl] */
	char *ctl_socket; /* NULL: none */
	enum config_color ctl_color;

	struct config_program *
	    *programs; /* by (group priority, priority, name) */
	size_t nprograms;
	struct config_group *groups;
	size_t ngroups;
	struct config_task **tasks; /* by name */
	size_t ntasks;
	struct config_jobs *jobs; /* NULL: no section of jobs.h */

	struct strv files;   /* all that were read, this one first */
	struct buf snapshot; /* for config_load_snapshot; the engine drops it */
	struct config_origins origins;
	struct config_origins ctl_origins;
	uint64_t pinned; /* keys of [reeve]: the file says something else */
};

/* As it stands in a file: "5/1m", or none. */
void config_rate_text(char *out, size_t size, const struct config_rate *rate);

/* Errors of a load, one line each: "FILE:LINE: text". */
struct config_errors {
	struct strv errors;
	struct strv warnings;
};

/*
 * Reads file and what it includes.  NULL when there is at least one error;
 * errs (init and fini are the caller's) then tells all of them.  Borrows.
 */
struct config *config_load(const char *file, struct config_errors *errs);
/* The same from memory, for tests and fuzzing; name stands in messages. */
struct config *config_load_text(
    const char *name, const char *text, size_t len, struct config_errors *errs);
/*
 * [reeve] and [reevectl] alone: for reevectl, which must find the socket also
 * when it may not become a program's user or has another environment.
 */
struct config *config_load_ctl(const char *file, struct config_errors *errs);
void config_free(struct config *cf);
/*
 * Again, from the snapshot of a config that was loaded: no file is read, so
 * that an engine goes on with the config in force whatever the file says by
 * now.  file is absolute.
 */
struct config *config_load_snapshot(
    const char *file, const char *data, size_t len, struct config_errors *errs);
void config_errors_init(struct config_errors *errs);
void config_errors_fini(struct config_errors *errs);

/* ./reeve.conf, then REEVE_SYSCONFDIR/reeve/reeve.conf; NULL: neither. */
const char *config_default_file(void);

struct config_program *config_program_find(
    const struct config *cf, const char *name);

struct config_task *config_task_find(const struct config *cf, const char *name);
/* NAME of a hook "task:NAME"; NULL: it is a command. */
const char *config_hook_task(const char *hook);

enum config_condition {
	CONDITION_STARTED,
	CONDITION_READY,
	CONDITION_DONE
};

/* One of depends_on. */
struct config_dependency {
	char name[CONFIG_NAME_MAX + 1];
	enum config_condition condition;
	bool bind;
};

/*
 * The nth of depends_on and bind_to together; false: there are no more.  A
 * program may stand in it more than once.
 */
bool config_program_dependency(
    const struct config_program *p, size_t n, struct config_dependency *out);
const char *config_condition_name(enum config_condition c);
struct config_program *config_program_ref(struct config_program *p);
void config_program_unref(struct config_program *p);
/* Are its instances given a message channel? */
bool config_program_has_channel(const struct config_program *p);
/* Number of slots on a machine with that many usable CPUs. */
int config_program_workers(const struct config_program *p, int usable_cpus);

/*
 * Everything about one slot that depends on its number: expanded, split,
 * complete.  The caller's, freed by config_slot_fini.
 */
struct config_slot {
	char *process_name;
	struct strv argv;
	char *exec_path; /* argv[0], or where PATH of the child has it */
	char *directory; /* NULL: / */
	struct strv env; /* without what the spawner adds (LISTEN_FDS...) */
	char *out_path;  /* NULL: none */
	char *err_path;
};

/*
 * fds: value of %(fd:NAME)s for the program's sockets, in their order; NULL
 * when it is not known yet (a check at load).  Reads env_file.  base_env is
 * reeved's own environment.  Fails with "program web: ...".
 */
int config_slot(struct config_slot *out, const struct config_program *p,
    int index, int nslots, const int *fds, const struct strv *base_env,
    struct err *err);
/*
 * The same slot with another command: a hook's, a probe's.  Without the
 * program's sockets.  Fails without a prefix.
 */
int config_slot_hook(struct config_slot *out, const struct config_program *p,
    const char *command, int index, int nslots, const struct strv *base_env,
    struct err *err);
/*
 * Where the patterns of on_change, watch begin; shell: of a task.  Returns a
 * path.
 */
char *config_watch_dir(const struct config_program *p, const char *shell);
/* What a run of a task is.  Fails without a prefix; when out has argv then, it
 * is the command that was not found, and out is to be freed. */
int config_task_slot(struct config_slot *out, const struct config_task *t,
    const struct strv *base_env, struct err *err);
/* Where log= puts its output; *out, the caller's, is NULL when it is unset. */
int config_task_log(char **out, const struct config_task *t,
    const struct strv *base_env, struct err *err);
void config_slot_fini(struct config_slot *s);
/*
 * The file of a command: name itself with a / in it (relative: below
 * directory), else searched along path (NULL: a usual one), whose relative
 * folders are below directory, too.  *out is the caller's, also when it fails.
 * err->errnum: ENOENT, EACCES (not executable), or of stat(2).
 */
int config_find_command(char **out, const char *name, const char *directory,
    const char *path, struct err *err);
/* Of one that was not found: was it looked for in a directory that is not there
 * either?  Then err says that instead. */
bool config_find_lacks_directory(const char *chroot, const char *name,
    const char *directory, struct err *err);
/* Adds the variables of a file of KEY=value lines. */
int config_read_env_file(struct strv *env, const char *path, struct err *err);
/*
 * A template of the program's (ready_text), for one slot: *out is the
 * caller's.  Reads env_file.  Fails without a prefix.
 */
int config_slot_text(char **out, const struct config_program *p,
    const char *template, int index, int nslots, const struct strv *base_env,
    struct err *err);

/* The addresses of wait_port_free for one slot; value_sockets_fini frees. */
int config_slot_ports(struct config_sockets *out,
    const struct config_program *p, int index, int nslots,
    const struct strv *base_env, struct err *err);

/* Does it begin as one? */
bool config_probe_is(const char *text);
/*
 * From "tcp:8080" and so on, expanded; relative paths start at here.  Nothing
 * is looked up, here or later.  Freed by config_probe_fini.
 */
int config_probe_parse(struct config_probe *pr, const char *text,
    const char *here, struct err *err);
void config_probe_fini(struct config_probe *pr);

/* --- change ------------------------------------------------------------- */

enum config_change_kind {
	CHANGE_ADDED,
	CHANGE_REMOVED,
	CHANGE_LIVE,
	CHANGE_ROLL,
	CHANGE_RESTART,
};

struct config_change {
	enum config_change_kind kind;       /* the strongest of its keys */
	char *program;                      /* NULL: [reeve] itself */
	struct strv keys;                   /* "startsecs: 1 -> 5", one a key */
	enum config_change_kind *key_kinds; /* of each of them */
};

struct config_plan {
	struct config_change *v;
	size_t n;
};

/*
 * What it takes to get from one config to the other; compares expanded values.
 * [reeve] keys that need a roll stand in the change of [reeve] and, as
 * "[reeve] environment: ...", in the change of each program that they touch.
 */
void config_diff(struct config_plan *plan, const struct config *from,
    const struct config *to);
void config_plan_fini(struct config_plan *plan);
const char *config_change_name(enum config_change_kind kind);

/* --- introspection, for "reevectl config", the manual, completion ----------
 */

struct config_key {
	const char
	    *section; /* "reeve" "reevectl" "program" "group" "include" */
	const char *name;
	const char *type; /* for people: "duration", "boolean", ... */
	const char *dflt; /* NULL: none */
	enum config_needs needs;
	const char *help;
};

const struct config_key *config_keys(size_t *n);

/*
 * Calls cb for each key with its effective value as it would stand in a file
 * and its origin ("default", "/etc/reeve/reeve.conf:12").  prog NULL: [reeve].
 */
/* Where a key of a program stands; where the program does: the default. */
const char *config_program_origin(
    const struct config_program *p, const char *key, int *line);

typedef void config_value_cb(void *arg, const struct config_key *key,
    const char *value, const char *origin);
void config_each_value(const struct config *cf,
    const struct config_program *prog, config_value_cb *cb, void *arg);
void config_each_group_value(
    const struct config_group *group, config_value_cb *cb, void *arg);

void config_each_task_value(
    const struct config_task *t, config_value_cb *cb, void *arg);

/* "NET_RAW"; NULL: there is no such capability. */
const char *config_cap_name(int cap);
/* What this process may use, and what it could get: bit n, capability n. */
uint64_t config_caps_own(void);
uint64_t config_caps_bounding(void);

/* "TERM", "sigterm", "15", "RTMIN+1"; -1: no signal. */
int config_signal_parse(const char *text);

/* The list of keys for reeve.conf(5), as mdoc(7). */
void config_print_man(FILE *out);
/* The same for programs, a key a line: section, key, type, default, needs. */
void config_print_schema(FILE *out);

/* --- keys that hold until reeved is started again --------------------------
 */

/*
 * The values in cf of the keys of [reeve] that need a restart, as bytes; and
 * from them into a config that was loaded later: what those keys say in it is
 * for the next reeved.
 */
void config_pins(struct buf *out, const struct config *cf);
void config_pin(struct config *cf, const char *data, size_t len);

#endif
