/*
 * engine - wiring: from the keeper's hand-off to a running engine.
 *
 * The first engine makes everything (recover.c has what a later one does):
 * locks the control socket, the state table, the log pipe, listeners.  What
 * must outlive it goes to the keeper before it is used.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "cluster/cpus.h"
#include "engine/engine_main.h"
#include "engine/engine_priv.h"
#include "engine/heir.h"
#include "engine/named.h"
#include "engine/queued.h"
#include "engine/upgrade.h"
#include "engine/watching.h"

extern char **environ;

/* --- small things that everybody uses ----------------------------------------
 */

void
engine_event(
    struct engine *en, const char *name, const char *kind, const char *fmt, ...)
{
	char text[EVENT_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	event_add(en->events, name, kind, text);
}

void
engine_notify(struct engine *en, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	keeperlink_notify(en->kl, text);
}

void
engine_status_line(struct engine *en)
{
	engine_notify(en, "STATUS=%zu programs", en->nprograms);
}

void
engine_who_text(char *out, size_t size, const struct engine_who *who)
{
	if (who == NULL)
		snprintf(out, size, "by a signal to reeved");
	else
		snprintf(out, size, "by uid %u (pid %d)", (unsigned)who->uid,
		    (int)who->pid);
}

/* --- the log of reeved itself
 * --------------------------------------------------- */

static void
engine_on_sink(
    void *arg, const char *name, const char *path, int errnum, uint64_t dropped)
{
	struct engine *en = arg;

	if (errnum != 0) {
		log_warnx("output of %s: write %s: %s; it is dropped until "
			  "that works again",
		    name, path, strerror(errnum));
		engine_event(
		    en, name, "log", "write %s: %s", path, strerror(errnum));
		return;
	}
	log_warnx("output of %s: %s can be written again, %llu bytes were lost",
	    name, path, (unsigned long long)dropped);
}

/*
 * Keeper and engine write their lines into a pipe that the keeper holds, the
 * pump moves them to the file: neither ever waits for a disk, and the last
 * words of an engine are written by the next one.
 */
void
engine_log_sink(struct engine *en)
{
	struct pump_sink sink = { en->cf->logfile, en->cf->logfile_maxbytes,
		en->cf->logfile_backups, en->nodaemon };
	unsigned wr = keeperlink_find(en->kl, "logw:reeved");
	int p[2], level = en->level >= 0 ? en->level : (int)en->cf->loglevel;

	if (wr == 0) {
		if (pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1)
			fatal("pipe for the log");
		fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
		keeperlink_put(en->kl, "log:reeved", p[0]);
		wr = keeperlink_put(en->kl, "logw:reeved", p[1]);
	}
	if (en->log_stream == NULL)
		en->log_stream = pump_add(en->pump, "reeved",
		    keeperlink_fd(
			en->kl, keeperlink_find(en->kl, "log:reeved")),
		    &sink);
	else
		pump_set_sink(en->log_stream, &sink);
	log_set_level((enum log_level)level);
	log_set_fd(keeperlink_fd(en->kl, wr));
	keeperlink_log_to(en->kl, wr, level);
}

/* --- the control socket
 * ----------------------------------------------------------- */

/* Folders above path, ours to make; errors show when the file is opened. */
void
engine_make_dirs(const char *path, mode_t mode)
{
	char dir[4096];

	if (strlen(path) >= sizeof dir)
		return;
	snprintf(dir, sizeof dir, "%s", path);
	for (char *s = strchr(dir + 1, '/'); s != NULL;
	     s = strchr(s + 1, '/')) {
		*s = '\0';
		mkdir(dir, mode);
		*s = '/';
	}
}

/* One reeved a socket: a lock file beside it, held by the keeper. */
static int
engine_lock_socket(struct engine *en, struct err *err)
{
	struct stat st, now;
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s.lock", en->cf->socket);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return err_sys(err, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			err_set(err,
			    "another reeved runs with the socket %s "
			    "(its lock file %s is held); stop it first, or "
			    "give this one another socket= in [reeve]",
			    en->cf->socket, path);
		else
			err_sys(err, "lock %s", path);
		fd_closep(&fd);
		return -1;
	}
	/* Its last owner may have removed the name between open and lock. */
	if (fstat(fd, &st) == -1 || stat(path, &now) == -1 ||
	    st.st_ino != now.st_ino || st.st_dev != now.st_dev) {
		fd_closep(&fd);
		return engine_lock_socket(en, err);
	}
	keeperlink_put(en->kl, "lock:control", fd);
	return 0;
}

void
engine_unlink_lock(const struct engine *en)
{
	char path[4096];

	if (en->cf->socket == NULL)
		return;
	snprintf(path, sizeof path, "%s.lock", en->cf->socket);
	unlink(path);
}

/* Removes what is left of a reeved that died; anything else is not ours. */
static int
engine_clear_socket(const struct sockaddr_un *sun, struct err *err)
{
	const char *path = sun->sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) == -1)
		return 0; /* not there, or bind will say why not */
	if (!S_ISSOCK(st.st_mode))
		return err_set(err,
		    "control socket %s: a file of another kind "
		    "is in its place; move it away or name another socket= in "
		    "[reeve]",
		    path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(err, "socket for %s", path);
	rc = connect(fd, (const struct sockaddr *)sun, sizeof *sun);
	fd_closep(&fd);
	if (rc == 0)
		return err_set(err,
		    "control socket %s: another program serves "
		    "it; name another socket= in [reeve]",
		    path);
	unlink(path); /* stale: we hold its lock */
	return 0;
}

static int
engine_bind_socket(struct engine *en, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const struct config *cf = en->cf;
	mode_t old;
	int fd, rc;

	if (strlen(cf->socket) >= sizeof sun.sun_path)
		return err_set(err,
		    "control socket %s: the path is longer than "
		    "the %zu bytes that unix(7) allows",
		    cf->socket, sizeof sun.sun_path - 1);
	strncpy(sun.sun_path, cf->socket, sizeof sun.sun_path - 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(err, "socket for %s", cf->socket);
	if (engine_clear_socket(&sun, err) == -1) {
		fd_closep(&fd);
		return -1;
	}
	old = umask(0777 & ~cf->socket_mode);
	rc = bind(fd, (struct sockaddr *)&sun, sizeof sun);
	umask(old);
	if (rc == -1 ||
	    (cf->socket_owner.set && chown(cf->socket, cf->socket_owner.uid,
					 cf->socket_owner.gid) == -1)) {
		err_sys(err, "control socket %s", cf->socket);
		fd_closep(&fd);
		return -1;
	}
	keeperlink_put(en->kl, "control", fd);
	if (listen(fd, 128) == -1)
		return err_sys(err, "listen on %s", cf->socket);
	return 0;
}

static int
engine_write_pidfile(struct engine *en, struct err *err)
{
	FILE *f;

	if (en->cf->pidfile == NULL)
		return 0;
	engine_make_dirs(en->cf->pidfile, 0755);
	f = fopen(en->cf->pidfile, "we");
	if (f == NULL)
		return err_sys(err, "write the pidfile %s", en->cf->pidfile);
	fprintf(f, "%d\n", (int)keeperlink_welcome(en->kl)->pid);
	fclose(f);
	return 0;
}

/* --- start
 * -------------------------------------------------------------------------- */

static void
engine_limits(struct engine *en)
{
	struct strv warnings;

	strv_init(&warnings);
	limits_setup(en, en->cf, &warnings);
	for (size_t i = 0; i < warnings.n; i++) {
		fprintf(stderr, "%s\n", warnings.v[i]);
		engine_event(en, "", "limit", "%s", warnings.v[i]);
	}
	strv_fini(&warnings);
}

static int
engine_first_start(struct engine *en, struct err *err)
{
	if (en->cf->socket != NULL)
		engine_make_dirs(en->cf->socket, 0755);
	if (en->cf->socket != NULL && (engine_lock_socket(en, err) == -1 ||
					  engine_bind_socket(en, err) == -1))
		return -1;
	en->table = table_open(-1, err);
	en->events = en->table != NULL ? event_open(-1, err) : NULL;
	if (en->events == NULL)
		return -1;
	keeperlink_put(
	    en->kl, "state", fcntl(table_fd(en->table), F_DUPFD_CLOEXEC, 3));
	keeperlink_put(
	    en->kl, "events", fcntl(event_fd(en->events), F_DUPFD_CLOEXEC, 3));
	tree_base(en->cgroup, sizeof en->cgroup);
	engine_limits(en);
	for (size_t i = 0; i < en->cf->nprograms; i++)
		program_new(en, en->cf->programs[i]);
	program_sort(en);
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];
		int n = config_program_workers(pg->conf, en->usable_cpus);

		if (sockets_open(pg, n, err) == -1) {
			err_prefix(err, "program %s: ", pg->conf->name);
			return -1;
		}
		program_resize(pg, n, NULL);
		recycle_program(pg);
	}
	return engine_write_pidfile(en, err);
}

static void
engine_start_failed(struct engine *en, const struct err *err)
{
	fprintf(stderr, "reeved: %s\n", err->text);
	/* What is bound already has a name in the file system. */
	if (keeperlink_find(en->kl, "control") != 0)
		unlink(en->cf->socket);
	if (keeperlink_find(en->kl, "lock:control") != 0)
		engine_unlink_lock(en);
	for (size_t i = 0; i < en->nprograms; i++)
		sockets_close(en->programs[i]);
	tree_base_remove(en->cgroup, keeperlink_welcome(en->kl)->pid);
	exit(1);
}

void
engine_save_self(struct engine *en, const struct engine_who *who)
{
	struct table_self self = { .stopping = en->stopping,
		.kill_now = en->kill_now,
		.stop_serial = en->stop_serial,
		.started = en->started,
		.startup_ms = en->startup_ms,
		.exit_code = (uint8_t)en->exit_code,
		.budget_us = { en->budget_us[0], en->budget_us[1] },
		.by_person = who != NULL };

	memcpy(self.acted, en->acted, sizeof self.acted);
	if (who != NULL) {
		self.by_uid = who->uid;
		self.by_pid = who->pid;
	}
	memcpy(self.essential, en->essential, sizeof en->essential);
	table_put_self(en->table, &self);
}

void
engine_save_config(struct engine *en)
{
	int fd = sys_memfd_create("reeve-config", MFD_CLOEXEC);

	if (fd == -1 ||
	    fd_write_all(fd, en->cf->snapshot.data, en->cf->snapshot.len) == -1)
		fatal("keep the config");
	keeperlink_replace(en->kl, "config", fd);
	buf_fini(&en->cf->snapshot);
}

/* What reeved was started with, for every engine after this one. */
static void
engine_save_pins(struct engine *en)
{
	int fd = sys_memfd_create("reeve-pins", MFD_CLOEXEC);
	struct buf b;

	buf_init(&b);
	config_pins(&b, en->cf);
	if (fd == -1 || fd_write_all(fd, b.data, b.len) == -1)
		fatal("keep what reeved was started with");
	keeperlink_replace(en->kl, "pins", fd);
	buf_fini(&b);
}

void
engine_pin(struct engine *en, struct config *cf)
{
	int fd = keeperlink_fd(en->kl, keeperlink_find(en->kl, "pins"));
	struct stat st;
	char *data;

	if (fd == -1 || fstat(fd, &st) == -1)
		return;
	data = xmalloc((size_t)st.st_size + 1);
	if (pread(fd, data, (size_t)st.st_size, 0) == st.st_size) {
		data[st.st_size] = '\0';
		config_pin(cf, data, (size_t)st.st_size);
	}
	free(data);
}

/* The config in force, when there was an engine before; else the file. */
static void
engine_load_config(struct engine *en)
{
	int fd = keeperlink_fd(en->kl, keeperlink_find(en->kl, "config"));
	struct config_errors errs;
	struct stat st;
	bool kept;
	char *data;

	config_errors_init(&errs);
	if (fd != -1 && fstat(fd, &st) == 0 && st.st_size > 0) {
		data = xmalloc((size_t)st.st_size);
		if (pread(fd, data, (size_t)st.st_size, 0) == st.st_size)
			en->cf = config_load_snapshot(
			    en->config_file, data, (size_t)st.st_size, &errs);
		free(data);
	}
	kept = en->cf != NULL;
	if (!kept && errs.errors.n != 0) {
		log_errorx("%s: the file is read again", errs.errors.v[0]);
		config_errors_fini(&errs);
		config_errors_init(&errs);
	}
	if (!kept)
		en->cf = config_load(en->config_file, &errs);
	for (size_t i = 0; i < errs.warnings.n && fd == -1; i++)
		fprintf(stderr, "%s\n", errs.warnings.v[i]);
	for (size_t i = 0; i < errs.errors.n; i++)
		fprintf(stderr, "%s\n", errs.errors.v[i]);
	config_errors_fini(&errs);
	if (en->cf == NULL)
		exit(2);
	if (fd == -1)
		engine_save_pins(en);
	if (!kept)
		engine_save_config(en);
	buf_fini(&en->cf->snapshot);
	engine_pin(en, en->cf);
	freep(&en->config_file);
	en->config_file = xstrdup(en->cf->file);
}

/* The number in it is another's when this process's keeper is not the first. */
static void
engine_renew_pidfile(struct engine *en)
{
	const struct keeper_welcome *w = keeperlink_welcome(en->kl);
	struct err err = { .text = "" };

	if (w->pid != w->origin && engine_write_pidfile(en, &err) == -1)
		log_warnx("%s", err.text);
}

static void
engine_on_synced(void *arg)
{
	struct engine *en = arg;
	const struct keeper_welcome *w = keeperlink_welcome(en->kl);
	struct err err = { .text = "" };
	bool again = keeperlink_find(en->kl, "state") != 0;

	tree_set_origin(w->origin, w->origin_start, w->pid != w->origin);
	engine_load_config(en);
	limits_look(en);
	fd_make_room(slots_need_fds(en, en->cf)); /* before there are threads */
	en->next_id = ((uint64_t)w->incarnation << 32) + 1;
	en->pump = pump_new(en->lp, engine_on_sink, en, &err);
	if (en->pump == NULL)
		fatalx("%s", err.text);
	engine_make_dirs(en->cf->logfile != NULL ? en->cf->logfile : "/", 0755);
	if (again) {
		engine_log_sink(en);
		recover(en);
		engine_renew_pidfile(en);
	} else if (engine_first_start(en, &err) == -1) {
		engine_start_failed(en, &err);
	} else {
		engine_log_sink(en);
	}
	en->on_up(en->on_up_arg, en,
	    keeperlink_fd(en->kl, keeperlink_find(en->kl, "control")));
	keeperlink_ready(en->kl, !en->nodaemon);
	engine_notify(en, "READY=1");
	engine_status_line(en);
	log_info("reeved %s is up: pid %d, %zu programs, %d usable CPUs%s",
	    REEVE_VERSION, (int)w->pid, en->nprograms, en->usable_cpus,
	    again ? ", engine restarted" : "");
	engine_event(en, "", "up", "engine %u of reeved %d", w->incarnation,
	    (int)w->pid);
	if (!again)
		order_start_all(en);
	en->started = true;
	engine_save_self(en, en->stop_by_person ? &en->stop_who : NULL);
	watching_setup(en);
	queued_begin(en); /* nobody waits for its disk */
	malloc_trim(0);   /* loading took more than what stays */
}

/* --- the keeper's news
 * ------------------------------------------------------------------ */

static void
engine_on_spawned(void *arg, uint64_t id, pid_t pid, mono_ms started_ms)
{
	struct inst *in = inst_find(arg, id);

	if (in != NULL)
		inst_spawned(in, pid, started_ms);
	else
		task_on_spawned(arg, id, pid, started_ms);
}

static void
engine_on_spawn_failed(void *arg, uint64_t id, int stage, int errnum)
{
	struct engine *en = arg;
	struct inst *in = inst_find(en, id);

	if (in != NULL)
		inst_spawn_failed(in, stage, errnum);
	else if (!task_on_spawn_failed(en, id, stage, errnum))
		keeperlink_forget(en->kl, id);
}

static void
engine_on_exited(void *arg, uint64_t id, const struct keeper_exit *ex)
{
	struct engine *en = arg;
	struct inst *in = inst_find(en, id);

	if (in != NULL)
		inst_exited(in, ex);
	else if (!task_on_exited(en, id, ex)) {
		keeperlink_forget(en->kl, id);
		recover_stray_gone(en, id);
	}
}

static void
engine_on_signal_failed(void *arg, uint64_t id, int signo, int errnum)
{
	struct inst *in = inst_find(arg, id);

	if (in != NULL)
		inst_signal_failed(in, signo, errnum);
}

static void
engine_on_child(
    void *arg, uint64_t id, pid_t pid, mono_ms started_ms, const char *label)
{
	recover_child(arg, id, pid, started_ms, label);
}

static void
engine_on_upgraded(void *arg, int code, const char *text)
{
	upgrade_told(arg, code, text);
}

static const struct keeperlink_ops engine_link_ops = {
	.child = engine_on_child,
	.synced = engine_on_synced,
	.spawned = engine_on_spawned,
	.spawn_failed = engine_on_spawn_failed,
	.exited = engine_on_exited,
	.signalled = signals_on_signal,
	.signal_failed = engine_on_signal_failed,
	.upgraded = engine_on_upgraded,
	.orphaned = heir_orphaned,
};

/* What children would inherit; INT32_MIN: unknown, always set it. */
static int
engine_own_oom_score_adj(void)
{
	int adj = INT32_MIN;
	FILE *f = fopen("/proc/self/oom_score_adj", "re");

	if (f == NULL)
		return adj;
	if (fscanf(f, "%d", &adj) != 1)
		adj = INT32_MIN;
	fclose(f);
	return adj;
}

struct engine *
engine_new(struct loop *lp, const struct engine_params *pm)
{
	struct engine *en = xcalloc(1, sizeof *en);

	en->lp = lp;
	en->config_file = xstrdup(pm->config_file);
	en->nodaemon = pm->nodaemon;
	en->level = pm->level;
	en->argv = pm->argv;
	en->on_up = pm->on_up;
	en->on_up_arg = pm->arg;
	en->usable_cpus = cpus_usable("");
	en->oom_score_adj = engine_own_oom_score_adj();
	TAILQ_INIT(&en->ops);
	TAILQ_INIT(&en->tasks);
	sweeps_init(en);
	LIST_INIT(&en->runs);
	for (char **e = environ; *e != NULL; e++)
		strv_add(&en->base_env, *e);
	en->kl = keeperlink_new(lp, pm->keeper_fd, &engine_link_ops, en);
	return en;
}
