/*
 * config_diff_test - for every key of the schema: changing it asks for what
 * its row states, and for nothing else.
 */
#include "config/config.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

/* Keys that others are computed from are set, so that one change is one. */
#define REEVE                                                                  \
	"socket = /r/s\npidfile = /r/p\nlogfile = /r/l\n"                      \
	"childlogdir = /r/c\nstate_dir = /r/d\n"

static struct config *a, *b;
static char plugin_dir[] = "/tmp/reeve-diff.XXXXXX";
static char plugin[2][sizeof plugin_dir + 8];
static struct config_plan plan;

static void
setup(void)
{
	a = b = NULL;
	plan = (struct config_plan){ 0 };
}

static void
teardown(void)
{
	config_plan_fini(&plan);
	config_free(a);
	config_free(b);
}

static struct config *__attribute__((format(printf, 1, 2)))
load(const char *fmt, ...)
{
	struct config_errors errs;
	struct config *cf;
	struct buf text;
	va_list ap;

	buf_init(&text);
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	config_errors_init(&errs);
	cf = config_load_text("/etc/reeve.conf", text.data, text.len, &errs);
	ck_assert_msg(cf != NULL, "%s\n%s",
	    errs.errors.n > 0 ? errs.errors.v[0] : "?", text.data);
	config_errors_fini(&errs);
	buf_fini(&text);
	return cf;
}

static void
diff(void)
{
	config_plan_fini(&plan);
	config_diff(&plan, a, b);
}

/* --- every key -------------------------------------------------------------
 */

struct row {
	const char *section, *key;
	const char *from; /* NULL: not there */
	const char *to;
	const char *shown; /* NULL: "KEY: FROM -> TO" */
};

#define R    "reeve"
#define P    "program"
#define T    "task"
#define POOL "pool"
#define JOB  "job"

static const struct row rows[] = {
	{ R, "socket", "/r/s", "/r/s2", NULL },
	{ R, "socket_chmod", "0600", "0660", NULL },
	{ R, "socket_chown", NULL, "root", "socket_chown: (none) -> root" },
	{ R, "allow", "none", "read: everyone", NULL },
	{ R, "pidfile", "/r/p", "/r/p2", NULL },
	{ R, "logfile", "/r/l", "/r/l2", NULL },
	{ R, "logfile_maxbytes", "1MB", "2MB", NULL },
	{ R, "logfile_backups", "1", "2", NULL },
	{ R, "loglevel", "info", "debug", NULL },
	{ R, "childlogdir", "/r/c", "/r/c2", NULL },
	{ R, "state_dir", "/r/d", "/r/d2", NULL },
	{ R, "environment", "A=\"1\"", "A=\"2\"", NULL },
	{ R, "umask", "0022", "0027", NULL },
	{ R, "nodaemon", "false", "true", NULL },
	{ R, "on_hup", "own", "pass", NULL },
	{ R, "on_usr1", "own", "ignore", NULL },
	{ R, "identifier", "reeve", "other", NULL },
	{ R, "restart_rate", "1000/1s", "none", NULL },
	{ R, "cpu_slots", "auto", "4", NULL },
	{ R, "jobserver", "auto", "no", NULL },
	{ R, "task_history", "100", "0", NULL },
	{ R, "task_history_time", "2592000", "3600", NULL },
	{ R, "task_output", "16MB", "1MB", NULL },
	{ "reevectl", "socket", "/r/s", "/r/x",
	    "[reevectl] socket: /r/s -> /r/x" },
	{ "reevectl", "color", "auto", "never",
	    "[reevectl] color: auto -> never" },
	{ "group", "programs", "web", "api", "group: g -> (none)" },
	{ "group", "priority", "1", "2", "priority of its group: 1 -> 2" },
	{ "group", "restart_rate", NULL, "5/1m",
	    "restart_rate of its group: none -> 5/1m" },

	{ P, "command", "sh", "sh -x", NULL },
	{ P, "directory", "/", "/tmp", NULL },
	{ P, "environment", "A=\"1\"", "A=\"1\", B=\"2\"", NULL },
	{ P, "env_file", "/e", "/f", NULL },
	{ P, "clear_env", "false", "true", NULL },
	{ P, "user", NULL, "SELF", "user: (none) -> SELF" },
	{ P, "group", "12344", "12345", NULL },
	{ P, "supplementary_groups", "12", "12,13", NULL },
	{ P, "no_new_privs", "false", "true", NULL },
	{ P, "capabilities", "none", "CAP_CHOWN", NULL },
	{ P, "chroot", NULL, "/", "chroot: (none) -> /" },
	{ P, "private_tmp", "false", "true", NULL },
	{ P, "read_only", "/usr", "/usr,/etc", NULL },
	{ P, "ioprio", NULL, "idle", "ioprio: (none) -> idle" },
	{ P, "umask", "0022", "0027", NULL },
	{ P, "nice", NULL, "5", "nice: (none) -> 5" },
	{ P, "oom_score_adj", "0", "5", NULL },
	{ P, "rlimit_as", NULL, "1GB", "rlimit_as: (none) -> 1GB" },
	{ P, "rlimit_core", "0", "1MB", NULL },
	{ P, "rlimit_cpu", "5", "6", NULL },
	{ P, "rlimit_data", "1MB", "1MB:2MB", NULL },
	{ P, "rlimit_fsize", "1MB", "2MB", NULL },
	{ P, "rlimit_memlock", "1MB", "2MB", NULL },
	{ P, "rlimit_nofile", "64", "128", NULL },
	{ P, "rlimit_nproc", "64", "128", NULL },
	{ P, "rlimit_rtprio", NULL, "0", "rlimit_rtprio: (none) -> 0" },
	{ P, "rlimit_stack", "1MB", "2MB", NULL },
	{ P, "workers", "1", "auto", NULL },
	{ P, "workers_per_cpu", NULL, "2", "workers: 1 -> 2 per CPU" },
	{ P, "numprocs", NULL, "2", "workers: 1 -> 2" },
	{ P, "process_name", "x%(process_num)d", "y%(process_num)d", NULL },
	{ P, "socket", "tcp://*:80", "tcp://*:81", NULL },
	{ P, "socket_mode", "shared", "reuseport", NULL },
	{ P, "cpu_affinity", "none", "auto", NULL },
	{ P, "cpu_set", NULL, "0", "cpu_set: (none) -> 0" },
	{ P, "priority", "999", "1", NULL },
	{ P, "depends_on", "api:ready", "api:started", NULL },
	{ P, "bind_to", NULL, "api", "bind_to: (none) -> api" },
	{ P, "autostart", "true", "false", NULL },
	{ P, "autorestart", "true", "unexpected", NULL },
	{ P, "startsecs", "1", "2", NULL },
	{ P, "startretries", "3", "unlimited", NULL },
	{ P, "backoff_min", "500ms", "1", NULL },
	{ P, "backoff_max", "30", "60", NULL },
	{ P, "exitcodes", "0", "0,SIGTERM", NULL },
	{ P, "restart_limit", "none", "5/1m", NULL },
	{ P, "ipc", "true", "false", NULL },
	{ P, "ipc_max_message", "64KB", "1MB", NULL },
	{ P, "ipc_queue", "5", "1000", NULL },
	{ P, "ipc_rate", "5/1m", "none", NULL },
	{ P, "fatal_retry", "0", "10", NULL },
	{ P, "wait_port_free", "8080", "8081", NULL },
	{ P, "wait_port_timeout", "1\nwait_port_free = 80",
	    "2\nwait_port_free = 80", "wait_port_timeout: 1 -> 2" },
	{ P, "essential", "no", "on-exit", NULL },
	{ P, "ready", "delay", "notify", NULL },
	{ P, "ready_timeout", "60", "61", NULL },
	{ P, "ready_interval", "1\nready = tcp:80", "2\nready = tcp:80",
	    "ready_interval: 1 -> 2" },
	{ P, "health", "none", "watchdog", NULL },
	{ P, "health_interval", "1\nhealth = tcp:80", "2\nhealth = tcp:80",
	    "health_interval: 1 -> 2" },
	{ P, "health_timeout", "1\nhealth = tcp:80", "2\nhealth = tcp:80",
	    "health_timeout: 1 -> 2" },
	{ P, "health_failures", "1\nhealth = tcp:80", "2\nhealth = tcp:80",
	    "health_failures: 1 -> 2" },
	{ P, "health_grace", "1\nhealth = tcp:80", "2\nhealth = tcp:80",
	    "health_grace: 1 -> 2" },
	{ P, "health_action", "roll\nhealth = tcp:80",
	    "report\nhealth = tcp:80", "health_action: roll -> report" },
	{ P, "ready_try_timeout", "1\nready = tcp:80", "2\nready = tcp:80",
	    "ready_try_timeout: 1 -> 2" },
	{ P, "stopsignal", "TERM", "QUIT", NULL },
	{ P, "stopwaitsecs", "10", "11", NULL },
	{ P, "stopasgroup", "false", "true", NULL },
	{ P, "killasgroup", "true", "false", NULL },
	{ P, "drain_timeout", "30", "31", NULL },
	{ P, "before_start", "/bin/true", "/bin/false", NULL },
	{ P, "after_ready", "/bin/true", "/bin/false", NULL },
	{ P, "before_stop", "/bin/true", "/bin/false", NULL },
	{ P, "after_exit", "/bin/true", "/bin/false", NULL },
	{ P, "before_roll", "/bin/true", "/bin/false", NULL },
	{ P, "hook_timeout", "5", "6", NULL },
	{ P, "roll_batch", "1", "2", NULL },
	{ P, "roll_surge", "1", "2", NULL },
	{ P, "roll_soak", "0", "2", NULL },
	{ P, "memory_max", "0", "100MB", NULL },
	{ P, "cpu_weight", "0", "10", NULL },
	{ P, "cpu_max", "none", "50%", NULL },
	{ P, "pids_max", "0", "10", NULL },
	{ P, "memory_limit", "0", "100MB", NULL },
	{ P, "memory_interval", "15\nmemory_limit = 1GB",
	    "1\nmemory_limit = 1GB", "memory_interval: 15 -> 1" },
	{ P, "max_lifetime", "0", "60", NULL },
	{ P, "restart_at", "@daily", "0 4 * * *", NULL },
	{ P, "stdin", "null", "inherit", NULL },
	{ P, "output", "logs\nstdout_logfile = none\nstderr_logfile = none",
	    "inherit", "output: logs -> inherit" },
	{ P, "watch", "src/** -> roll", "src/** -> restart", NULL },
	{ P, "watch_exclude", "*.o\nwatch = a -> roll",
	    "*.a\nwatch = a -> roll", "watch_exclude: *.o -> *.a" },
	{ P, "watch_delay", "200ms\nwatch = a -> roll", "1s\nwatch = a -> roll",
	    "watch_delay: 200ms -> 1" },
	{ P, "redirect_stderr", "false", "true", NULL },
	{ P, "stdout_logfile", "/l/a", "/l/b", NULL },
	{ P, "stdout_logfile_maxbytes", "1MB", "2MB", NULL },
	{ P, "stdout_logfile_backups", "1", "2", NULL },
	{ P, "stderr_logfile", "/l/a", "NONE", NULL },
	{ P, "stderr_logfile_maxbytes", "1MB", "2MB", NULL },
	{ P, "stderr_logfile_backups", "1", "2", NULL },
	{ T, "command", "true", "false", NULL },
	{ T, "shell", "a | b", "a | c", NULL },
	{ T, "directory", "/", "/tmp", NULL },
	{ T, "environment", "A=\"1\"", "A=\"1\", B=\"2\"", NULL },
	{ T, "env_file", "/e", "/f", NULL },
	{ T, "clear_env", "false", "true", NULL },
	{ T, "user", NULL, "SELF", "user: (none) -> SELF" },
	{ T, "group", "12344", "12345", NULL },
	{ T, "umask", "0022", "0027", NULL },
	{ T, "nice", NULL, "5", "nice: (none) -> 5" },
	{ T, "oom_score_adj", "0", "5", NULL },
	{ T, "rlimit_as", "1GB", "2GB", NULL },
	{ T, "rlimit_core", "0", "1MB", NULL },
	{ T, "rlimit_cpu", "5", "6", NULL },
	{ T, "rlimit_data", "1GB", "2GB", NULL },
	{ T, "rlimit_fsize", "1GB", "2GB", NULL },
	{ T, "rlimit_memlock", "1MB", "2MB", NULL },
	{ T, "rlimit_nofile", "5", "6", NULL },
	{ T, "rlimit_nproc", "5", "6", NULL },
	{ T, "rlimit_rtprio", "5", "6", NULL },
	{ T, "rlimit_stack", "1MB", "2MB", NULL },
	{ T, "log", "/l/a", "/l/b", NULL },
	{ T, "log_maxbytes", "1MB\nlog = /l/a", "2MB\nlog = /l/a",
	    "log_maxbytes: 1MB -> 2MB" },
	{ T, "log_backups", "1\nlog = /l/a", "2\nlog = /l/a",
	    "log_backups: 1 -> 2" },
	{ T, "ipc", "false", "true", NULL },
	{ T, "ipc_max_message", "1MB\nipc = on", "2KB\nipc = on",
	    "ipc_max_message: 1MB -> 2KB" },
	{ T, "ipc_queue", "5\nipc = on", "6\nipc = on", "ipc_queue: 5 -> 6" },
	{ T, "ipc_rate", "5/1s\nipc = on", "6/1s\nipc = on",
	    "ipc_rate: 5/1s -> 6/1s" },
	{ T, "depends_on", "u", "u,v", NULL },
	{ T, "timeout", "0", "60", NULL },
	{ T, "retries", "1", "2", NULL },
	{ T, "backoff_min", "1", "2", NULL },
	{ T, "backoff_max", "50", "40", NULL },
	{ T, "schedule", "@daily", "0 4 * * *", NULL },
	{ T, "timezone", NULL, "UTC", "timezone: (none) -> UTC" },
	{ T, "jitter", "0", "60", NULL },
	{ T, "overlap", "skip", "queue", NULL },
	{ T, "on_crash", "adopt", "retry", NULL },
	{ T, "catch_up", "once", "all", NULL },
	{ T, "on_change", "src/**", "src/**, *.c", NULL },
	{ T, "on_change_exclude", "*.o\non_change = a", "*.a\non_change = a",
	    "on_change_exclude: *.o -> *.a" },
	{ T, "on_change_delay", "200ms\non_change = a", "1s\non_change = a",
	    "on_change_delay: 200ms -> 1" },
	{ T, "then", "roll web", "roll web, task:u", NULL },
	{ T, "on_failure", "task:u", "task:v", NULL },
	{ P, "allow_jobs", "false", "true", NULL },
	{ POOL, "threads", "1", "2", NULL },
	{ POOL, "queue", "10", "20", NULL },
	{ POOL, "grace", "5", "6", NULL },
	{ POOL, "drain_timeout", "30", "60", NULL },
	{ JOB, "plugin", "PLUGIN0", "PLUGIN1", NULL },
	{ JOB, "pool", NULL, "small", "pool: (none) -> small" },
	{ JOB, "limit", "0", "1", NULL },
	{ JOB, "run_timeout", "0", "5", NULL },
	{ JOB, "queue_timeout", "1", "5", NULL },
};

#define NROWS (sizeof rows / sizeof *rows)

static char self[24];

static const char *
row_value(const char *value)
{
	snprintf(self, sizeof self, "%u", (unsigned)geteuid());
	if (strncmp(value, "PLUGIN", 6) == 0)
		return plugin[value[6] - '0'];
	return strcmp(value, "SELF") == 0 ? self : value;
}

/* What stands in front of its changes. */
static const char *
row_prefix(const struct row *row)
{
	return strcmp(row->section, T) == 0      ? "[task:t] "
	       : strcmp(row->section, POOL) == 0 ? "[pool] "
	       : strcmp(row->section, JOB) == 0  ? "[job:digest] "
						 : "";
}

/* The rest of [task:t], with which the row's key means something. */
static const char *
row_task(const struct row *row)
{
	if (strcmp(row->key, "command") == 0 || strcmp(row->key, "shell") == 0)
		return "";
	if (strncmp(row->key, "backoff", 7) == 0)
		return "command = sh\nretries = 1\n";
	if (strcmp(row->key, "jitter") == 0 ||
	    strcmp(row->key, "timezone") == 0 ||
	    strcmp(row->key, "overlap") == 0 ||
	    strcmp(row->key, "catch_up") == 0)
		return "command = sh\nschedule = @daily\n";
	return "command = sh\n";
}

/* A whole file in which the row's key has that value. */
static struct config *
row_load(const struct row *row, const char *value)
{
	struct buf reeve;
	char *line = value == NULL
			 ? xstrdup("")
			 : xasprintf("%s = %s\n", row->key, row_value(value));
	bool in_program = strcmp(row->section, P) == 0;
	bool in_group = strcmp(row->section, "group") == 0;
	bool in_task = strcmp(row->section, T) == 0;
	bool in_pool = strcmp(row->section, POOL) == 0;
	bool in_job = strcmp(row->section, JOB) == 0;
	struct config *cf;
	const char *s = REEVE;

	buf_init(&reeve);
	for (; *s != '\0'; s += strcspn(s, "\n") + 1) {
		size_t n = strcspn(s, " ");

		/* The key itself stands there only once. */
		if (strcmp(row->section, R) != 0 || strlen(row->key) != n ||
		    strncmp(row->key, s, n) != 0)
			buf_add(&reeve, s, strcspn(s, "\n") + 1);
	}
	cf = load("[reeve]\n%s%s[reevectl]\n%s[program:web]\n%s%s"
		  "[program:api]\ncommand = sh\n%s%s%s%s%s%s%s%s%s",
	    reeve.data, strcmp(row->section, R) == 0 ? line : "",
	    strcmp(row->section, "reevectl") == 0 ? line : "",
	    in_program && strcmp(row->key, "command") == 0 ? ""
							   : "command = sh\n",
	    in_program ? line : "", in_group ? "[group:g]\n" : "",
	    in_group && strcmp(row->key, "programs") != 0 ? "programs = web\n"
							  : "",
	    in_group ? line : "", in_task ? "[task:t]\n" : "",
	    in_task ? row_task(row) : "", in_task ? line : "",
	    in_task ? "[task:u]\ncommand = sh\n[task:v]\ncommand = sh\n" : "",
	    in_pool || strcmp(row->key, "allow_jobs") == 0 ? "[pool]\n"
	    : in_job ? "[pool:small]\n[job:digest]\n"
		     : "",
	    in_pool || in_job ? line : "");
	buf_fini(&reeve);
	free(line);
	return cf;
}

static const struct config_key *
row_key(const struct row *row)
{
	size_t n;
	const struct config_key *keys = config_keys(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].section, row->section) == 0 &&
		    strcmp(keys[i].name, row->key) == 0)
			return &keys[i];
	return NULL;
}

static enum config_change_kind
row_kind(const struct config_key *key)
{
	return key->needs == CONFIG_LIVE   ? CHANGE_LIVE
	       : key->needs == CONFIG_ROLL ? CHANGE_ROLL
					   : CHANGE_RESTART;
}

/* An ordinary user's reeved cannot have them, and would say so at load. */
static bool
row_is_for_root(const struct row *row)
{
	static const char *const keys[] = { "group", "supplementary_groups",
		"capabilities", "chroot", "private_tmp", "read_only" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (strcmp(row->key, keys[i]) == 0)
			return strcmp(row->section, P) == 0 ||
			       strcmp(row->section, T) == 0;
	return false;
}

/* What the plan has for the section that the row is about. */
static const struct config_change *
row_change(const struct row *row)
{
	bool program =
	    strcmp(row->section, P) == 0 || strcmp(row->section, "group") == 0;
	bool jobs =
	    strcmp(row->section, POOL) == 0 || strcmp(row->section, JOB) == 0;

	for (size_t i = 0; i < plan.n; i++)
		if (str_equal(plan.v[i].program, jobs      ? "pool"
						 : program ? "web"
							   : NULL))
			return &plan.v[i];
	return NULL;
}

START_TEST(each_key_asks_for_what_its_row_states)
{
	const struct row *row = &rows[_i];
	const struct config_key *key = row_key(row);
	const char *prefix = row_prefix(row);
	char *shown = row->shown != NULL
			  ? xasprintf("%s%s", prefix, row->shown)
			  : xasprintf("%s%s: %s -> %s", prefix, row->key,
				row_value(row->from), row_value(row->to));
	char *mark = strstr(shown, "SELF");
	const struct config_change *ch;

	ck_assert_msg(key != NULL, "%s", row->key);
	if (row_is_for_root(row) && geteuid() != 0) {
		free(shown);
		return;
	}
	a = row_load(row, row->from);
	b = row_load(row, row->to);
	diff();
	if (mark != NULL) {
		*mark = '\0';
		mark = xasprintf("%s%s", shown, row_value("SELF"));
		free(shown);
		shown = mark;
	}
	ch = row_change(row);
	ck_assert_msg(ch != NULL, "%s", row->key);
	ck_assert_msg(
	    strv_has(&ch->keys, shown), "%s, not %s", ch->keys.v[0], shown);
	/* What a [reeve] key does to programs is no more than it states. */
	for (size_t i = 0; i < plan.n; i++)
		ck_assert_int_eq(plan.v[i].kind, row_kind(key));
	/* And nothing, when nothing changes. */
	config_free(a);
	a = row_load(row, row->to);
	diff();
	ck_assert_uint_eq(plan.n, 0);
	free(shown);
}
END_TEST

START_TEST(each_key_has_a_row)
{
	size_t n;
	const struct config_key *keys = config_keys(&n);

	for (size_t i = 0; i < n; i++) {
		size_t r = 0;

		while (r < NROWS &&
		       (strcmp(rows[r].section, keys[i].section) != 0 ||
			   strcmp(rows[r].key, keys[i].name) != 0))
			r++;
		ck_assert_msg(
		    r < NROWS || strcmp(keys[i].section, "include") == 0, "%s",
		    keys[i].name);
	}
}
END_TEST

/* As much of a library as is looked at. */
static void
plugin_write(const char *path)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	if (f == NULL)
		abort();
	fprintf(f, "\177ELF%c", sizeof(void *) == 8 ? 2 : 1);
	for (int i = 5; i < 64; i++)
		putc(i == 16 || i == 17 ? 3 * (i == 16) : 0, f);
	fclose(f);
}

static void
plugins_make(void)
{
	if (mkdtemp(plugin_dir) == NULL)
		abort();
	for (int i = 0; i < 2; i++) {
		snprintf(
		    plugin[i], sizeof plugin[i], "%s/%d.so", plugin_dir, i);
		plugin_write(plugin[i]);
	}
}

static void
plugins_drop(void)
{
	unlink(plugin[0]);
	unlink(plugin[1]);
	rmdir(plugin_dir);
}

#define JOBS "[reeve]\n" REEVE "[pool]\n[job:x]\nplugin = %s\n"

START_TEST(a_plugin_that_was_replaced_is_a_roll)
{
	char *want = xasprintf("[job:x] plugin: %s was replaced", plugin[0]);
	struct config_errors errs;

	a = load(JOBS, plugin[0]);
	/* Who takes over knows which one it was, and does not want it. */
	rename(plugin[1], plugin[0]);
	config_errors_init(&errs);
	b = config_load_snapshot(
	    "/etc/reeve.conf", a->snapshot.data, a->snapshot.len, &errs);
	ck_assert_ptr_nonnull(b);
	diff();
	ck_assert_uint_eq(plan.n, 0);
	config_free(a);
	a = b;
	b = load(JOBS, plugin[0]);
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_str_eq(plan.v[0].program, "pool");
	ck_assert_int_eq(plan.v[0].kind, CHANGE_ROLL);
	ck_assert(strv_has(&plan.v[0].keys, want));
	unlink(plugin[0]);
	config_free(b);
	b = config_load_snapshot(
	    "/etc/reeve.conf", a->snapshot.data, a->snapshot.len, &errs);
	ck_assert_ptr_nonnull(b);
	config_errors_fini(&errs);
	plugin_write(plugin[0]);
	plugin_write(plugin[1]);
	free(want);
}
END_TEST

START_TEST(pools_and_kinds_that_come_and_go_are_a_roll)
{
	a = load("[reeve]\n" REEVE "[pool:old]\n[job:copy]\nlimit = 1\n");
	b = load("[reeve]\n" REEVE "[pool:new]\n[job:noop]\nlimit = 1\n");
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_str_eq(plan.v[0].program, "pool");
	ck_assert_int_eq(plan.v[0].kind, CHANGE_ROLL);
	ck_assert_uint_eq(plan.v[0].keys.n, 4);
	ck_assert(strv_has(&plan.v[0].keys, "[pool:old] removed"));
	ck_assert(strv_has(&plan.v[0].keys, "[pool:new] added"));
	ck_assert(strv_has(&plan.v[0].keys, "[job:copy] removed"));
	ck_assert(strv_has(&plan.v[0].keys, "[job:noop] added"));
	config_free(a);
	a = load("[reeve]\n" REEVE);
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_int_eq(plan.v[0].kind, CHANGE_ADDED);
}
END_TEST

START_TEST(tasks_that_come_and_go_are_told)
{
	a = load("[reeve]\n" REEVE "[task:old]\ncommand = sh\n");
	b = load("[reeve]\n" REEVE "[task:new]\ncommand = sh\n");
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_ptr_null(plan.v[0].program);
	ck_assert_int_eq(plan.v[0].kind, CHANGE_LIVE);
	ck_assert_uint_eq(plan.v[0].keys.n, 2);
	ck_assert(strv_has(&plan.v[0].keys, "[task:old] removed"));
	ck_assert(strv_has(&plan.v[0].keys, "[task:new] added"));
	ck_assert_int_eq(plan.v[0].key_kinds[0], CHANGE_LIVE);
	ck_assert_int_eq(plan.v[0].key_kinds[1], CHANGE_LIVE);
}
END_TEST

/* --- what is no change -----------------------------------------------------
 */

START_TEST(how_a_file_is_written_does_not_matter)
{
	a = load("[reeve]\n" REEVE
		 "[program:web]\ncommand = sh -c 'a b' %%(process_num)d\n"
		 "startsecs = 90\nenvironment = A=1,B=2\nworkers = 2\n"
		 "directory = /etc/x\nsocket = 80\nuser = %u\n"
		 "[program:api]\ncommand = sh\n",
	    (unsigned)geteuid());
	b = load("; the same\n[program:api]\nstartsecs = 1s\ncommand: sh ; c\n"
		 "[program:web]\nsocket = tcp://0.0.0.0:80\ncommand = sh\n"
		 "  -c\n  \"a b\" %%(process_num)d\nstartsecs = 1m30s\n"
		 "environment = B='2'\n  A=\"1\"\nnumprocs = 2\n"
		 "directory = %%(here)s/x\nuser = %u:%u\n[reeve]\n" REEVE,
	    (unsigned)geteuid(), (unsigned)getegid());
	/* The primary group may be another than the effective one. */
	if (a->programs[0]->rare->user.gid == b->programs[0]->rare->user.gid) {
		diff();
		for (size_t i = 0; i < plan.n; i++)
			ck_abort_msg("%s", plan.v[i].keys.v[0]);
	}
}
END_TEST

START_TEST(expanded_values_are_compared)
{
	/* %(process_num)d is not the number that one slot happens to have. */
	a = load("[reeve]\n[program:web]\ncommand = sh %%(process_num)d\n");
	b = load("[reeve]\n[program:web]\ncommand = sh 0\n");
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_str_eq(
	    plan.v[0].keys.v[0], "command: sh %(process_num)d -> sh 0");
	config_free(b);
	b = load("[reeve]\n[program:web]\ncommand = sh %%(process_num)02d\n");
	diff();
	ck_assert_uint_eq(plan.n, 1);
	/* The number of workers is live, whatever names it. */
	config_free(a);
	config_free(b);
	a = load("[reeve]\n[program:web]\ncommand = sh %%(numprocs)d\n"
		 "workers = 2\n");
	b = load("[reeve]\n[program:web]\ncommand = sh %%(numprocs)d\n"
		 "workers = 3\n");
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_int_eq(plan.v[0].kind, CHANGE_LIVE);
	/* A variable that the command names is a change of the command. */
	config_free(a);
	config_free(b);
	a = load("[reeve]\nenvironment = X=1\n[program:web]\n"
		 "command = sh %%(ENV_X)s\n");
	b = load("[reeve]\nenvironment = X=2\n[program:web]\n"
		 "command = sh %%(ENV_X)s\n");
	diff();
	ck_assert_uint_eq(plan.n, 2);
	ck_assert_str_eq(plan.v[1].program, "web");
	ck_assert_uint_eq(plan.v[1].keys.n, 2);
	ck_assert_str_eq(plan.v[1].keys.v[0], "command: sh 1 -> sh 2");
	ck_assert_str_eq(
	    plan.v[1].keys.v[1], "[reeve] environment: X=\"1\" -> X=\"2\"");
}
END_TEST

START_TEST(the_strongest_key_decides)
{
	a = load("[reeve]\n[program:web]\ncommand = sh\nsocket = 80\n");
	b = load("[reeve]\n[program:web]\ncommand = sh -x\nsocket = 81\n"
		 "startsecs = 5\n");
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_int_eq(plan.v[0].kind, CHANGE_RESTART);
	ck_assert_uint_eq(plan.v[0].keys.n, 3);
	for (size_t i = 0; i < 3; i++) {
		const char *key = plan.v[0].keys.v[i];

		ck_assert_int_eq(plan.v[0].key_kinds[i],
		    str_starts(key, "command:")  ? CHANGE_ROLL
		    : str_starts(key, "socket:") ? CHANGE_RESTART
						 : CHANGE_LIVE);
	}
}
END_TEST

/* As a reload has it, and then an engine that comes after. */
START_TEST(what_needs_another_reeved_stays)
{
	struct buf pins;

	a = load("[reeve]\nsocket = /a\npidfile = /p\nloglevel = warn\n");
	b = load("[reeve]\nsocket = /b\nsocket_chmod = 0666\n"
		 "loglevel = error\npidfile = /p\nnodaemon = true\n");
	buf_init(&pins);
	config_pins(&pins, a);
	config_pin(b, pins.data, pins.len);
	ck_assert_str_eq(b->socket, "/a");
	ck_assert_int_eq(b->socket_mode, 0600);
	ck_assert(!b->nodaemon);
	ck_assert_int_eq(b->loglevel, LOG_ERROR);
	ck_assert_uint_ne(b->pinned, 0);
	diff();
	ck_assert_int_eq(plan.v[0].kind, CHANGE_LIVE);
	/* loglevel, and where reevectl will look */
	ck_assert_uint_eq(plan.v[0].keys.n, 2);
	config_pin(a, pins.data, pins.len);
	ck_assert_uint_eq(a->pinned, 0);
	buf_fini(&pins);
}
END_TEST

START_TEST(programs_come_and_go)
{
	a = load("[reeve]\n[program:a]\ncommand = sh\n"
		 "[program:b]\ncommand = sh\n");
	b = load("[reeve]\n[program:b]\ncommand = sh\n"
		 "[program:c]\ncommand = sh\n");
	diff();
	ck_assert_uint_eq(plan.n, 2);
	ck_assert_str_eq(plan.v[0].program, "a");
	ck_assert_int_eq(plan.v[0].kind, CHANGE_REMOVED);
	ck_assert_str_eq(plan.v[1].program, "c");
	ck_assert_int_eq(plan.v[1].kind, CHANGE_ADDED);
	ck_assert_str_eq(config_change_name(CHANGE_ADDED), "added");
	ck_assert_str_eq(config_change_name(CHANGE_ROLL), "roll");
}
END_TEST

/* Only programs that have no umask of their own. */
START_TEST(a_default_of_reeve_touches_who_uses_it)
{
	a = load("[reeve]\numask = 022\n[program:a]\ncommand = sh\n"
		 "[program:b]\ncommand = sh\numask = 077\n");
	b = load("[reeve]\numask = 027\n[program:a]\ncommand = sh\n"
		 "[program:b]\ncommand = sh\numask = 077\n");
	diff();
	ck_assert_uint_eq(plan.n, 2);
	ck_assert_ptr_null(plan.v[0].program);
	ck_assert_str_eq(plan.v[1].program, "a");
	ck_assert_str_eq(plan.v[1].keys.v[0], "umask: 0022 -> 0027");
}
END_TEST

START_TEST(long_values_are_cut)
{
	char *word = xasprintf("%0150000d", 7);

	a = load("[reeve]\n[program:web]\ncommand = sh\n");
	b = load("[reeve]\n[program:web]\ncommand = sh %s\n", word);
	diff();
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_uint_lt(strlen(plan.v[0].keys.v[0]), 300);
	ck_assert(str_ends(plan.v[0].keys.v[0], "00..."));
	free(word);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_diff");
	TCase *tc = tcase_create("diff");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, each_key_asks_for_what_its_row_states, 0, NROWS);
	tcase_add_test(tc, tasks_that_come_and_go_are_told);
	tcase_add_test(tc, a_plugin_that_was_replaced_is_a_roll);
	tcase_add_test(tc, pools_and_kinds_that_come_and_go_are_a_roll);
	tcase_add_test(tc, each_key_has_a_row);
	tcase_add_test(tc, how_a_file_is_written_does_not_matter);
	tcase_add_test(tc, expanded_values_are_compared);
	tcase_add_test(tc, the_strongest_key_decides);
	tcase_add_test(tc, what_needs_another_reeved_stays);
	tcase_add_test(tc, programs_come_and_go);
	tcase_add_test(tc, a_default_of_reeve_touches_who_uses_it);
	tcase_add_test(tc, long_values_are_cut);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	plugins_make();
	srunner_run_all(sr, CK_SILENT);
	plugins_drop();
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
