/*
 * heir - the keeper was killed: its engine goes on in its place.
 *
 * All that the keeper had is here as well: each descriptor of its store, and
 * what it said of each child.  Written down as the keeper itself does it for
 * an upgrade, it is handed to reeved, executed in this process; that starts an
 * engine, which finds everything as after any other death of one.
 *
 * The children have another parent by now, and the kernel may have given the
 * number of one that died since to somebody else.  As long as the keeper lived
 * it could not: whoever has that number and was there when the keeper last said
 * something is the child.
 */
#include "engine/heir.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/run.h"
#include "engine/task.h"
#include "engine/upgrade.h"
#include "ipc/tables.h"
#include "tree/tree.h"

#define PUMP_MS   3000
#define ANSWER_MS 20 /* for a client to be told */
#define EXEC_MS   20 /* from a clone to what can be found */

/* -1: it is dead. */
static int
heir_pidfd(pid_t pid, int64_t heard_ms)
{
	int64_t tick_ms = 1000 / sysconf(_SC_CLK_TCK);
	int pidfd = tree_pidfd(pid);
	uint64_t start = tree_start_of(pid);

	if (pidfd == -1)
		return -1;
	if (start == 0 || (int64_t)start * tick_ms > heard_ms)
		fd_closep(&pidfd);
	return pidfd;
}

static void
heir_child(struct engine *en, struct mw *w, const struct keeper_kid *k)
{
	/* Those that were found are younger than its last word. */
	int64_t heard_ms = k->found ? INT64_MAX : keeperlink_heard(en->kl);
	const struct inst *in = inst_find(en, k->id);
	char label[SPEC_LABEL_MAX + 1] = "?"; /* one that nobody claims */
	struct tables_child c = { .id = k->id,
		.label = k->label != NULL ? k->label : label,
		.pid = k->pid,
		.pidfd = k->end != NULL || k->pid == 0
			     ? -1
			     : heir_pidfd(k->pid, heard_ms),
		.told_spawned = true,
		.kill_group = k->kill_group,
		.is_foreign = true,
		.started_ms = k->started_ms,
		.died_ms = clock_mono_ms(),
		.code = CHILD_CODE_UNKNOWN,
		.max_rss_kb = -1 };

	if (in != NULL)
		inst_label(in, label, sizeof label);
	c.is_alive = c.pidfd != -1;
	c.state = c.is_alive ? CHILD_ALIVE : CHILD_EXITED;
	if (k->end != NULL && !k->end->ran) {
		c.state = CHILD_FAILED;
		c.stage = k->end->stage;
		c.errnum = k->end->errnum;
	} else if (k->end != NULL) {
		c.died_ms = k->end->ex.died_ms;
		c.code = k->end->ex.code;
		c.signo = k->end->ex.signo;
		c.core = k->end->ex.core;
		c.max_rss_kb = k->end->ex.max_rss_kb;
	} else if (k->pid == 0) {
		log_warnx("%s was to be started just now, and nobody can tell "
			  "whether it ran: it counts as exit code %d",
		    c.label, CHILD_CODE_UNKNOWN);
	} else if (c.state == CHILD_EXITED) {
		log_warnx("%s (pid %d) ended just now, and nobody can tell "
			  "how: it counts as exit code %d",
		    c.label, (int)k->pid, CHILD_CODE_UNKNOWN);
	}
	tables_keep(c.pidfd, true);
	tables_put_child(w, &c);
}

/*
 * Whose start was asked for and not answered: whether the keeper came to it
 * shows in what there is of it.  0: nothing.
 */
static pid_t
heir_unanswered(struct engine *en, const struct keeper_kid *k)
{
	const struct inst *in = inst_find(en, k->id);
	const struct tree *t = in != NULL ? &in->tree : task_tree_of(en, k->id);
	pid_t keeper = keeperlink_welcome(en->kl)->pid;

	return t != NULL ? tree_find_leader(t, keeper) : 0;
}

/*
 * Nothing is there of it.  A program is started again, then, by the next
 * engine.  A command may have run all the same: most are over before anybody is
 * told (SPEC_LATE).  Its client, told that nobody knows of it, would have it
 * run a second time.
 */
static bool
heir_may_have_run(const struct keeper_kid *k)
{
	return k->label != NULL && str_starts(k->label, RUN_LABEL);
}

/* A copy of what is known of them, and more; the caller frees it. */
static struct keeper_kid *
heir_kids(struct engine *en, size_t *n)
{
	const struct keeper_kid *all = keeperlink_kids(en->kl, n);
	struct keeper_kid *v = xcalloc(*n + 1, sizeof *v);
	bool waited = false;
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		v[kept] = all[i];
		if (all[i].pid == 0 && all[i].end == NULL) {
			if (!waited)
				poll(NULL, 0, EXEC_MS);
			waited = true;
			v[kept].pid = heir_unanswered(en, &all[i]);
			v[kept].started_ms = clock_mono_ms();
			v[kept].found = true;
			if (v[kept].pid == 0 && !heir_may_have_run(&all[i]))
				continue;
		}
		kept++;
	}
	*n = kept;
	return v;
}

static void
heir_children(struct engine *en, struct mw *w)
{
	struct keeper_kid *v;
	size_t n;

	v = heir_kids(en, &n);
	tables_put_number(w, n);
	for (size_t i = 0; i < n; i++)
		heir_child(en, w, &v[i]);
	free(v);
}

static void
heir_store(struct engine *en, struct mw *w)
{
	struct tables_fd f;
	size_t n = 0;

	for (unsigned i = 1; i < keeperlink_top(en->kl); i++)
		n += keeperlink_fd(en->kl, i) != -1;
	tables_put_number(w, n);
	for (unsigned i = 1; i < keeperlink_top(en->kl); i++) {
		f.slot = i;
		f.fd = keeperlink_fd(en->kl, i);
		f.name = keeperlink_name(en->kl, i);
		if (f.fd == -1)
			continue;
		tables_keep(f.fd, true);
		tables_put_fd(w, &f);
	}
}

/*
 * The program that the keeper was, by its name when that is still the same
 * file: another release would not know the tables.
 */
static const char *
heir_program(const struct engine *en)
{
	static char path[64];
	const char *name = keeperlink_welcome(en->kl)->program;
	int fd = keeperlink_program(en->kl);
	struct stat is, was;

	if (fd == -1 || fstat(fd, &was) == -1 ||
	    (stat(name, &is) == 0 && is.st_ino == was.st_ino &&
		is.st_dev == was.st_dev))
		return name;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}

static char **
heir_argv(const struct engine *en)
{
	size_t n = 0;
	char **argv;

	while (en->argv[n] != NULL)
		n++;
	argv = xcalloc(n + 1, sizeof *argv);
	memcpy(argv, en->argv, n * sizeof *argv);
	argv[0] = keeperlink_welcome(en->kl)->program;
	return argv;
}

/* Of a service manager that watches the keeper: it is us whom it hears. */
static void
heir_watchdog(pid_t keeper)
{
	const char *text = getenv("WATCHDOG_PID");
	char pid[16];

	if (text == NULL || atoi(text) != keeper)
		return;
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
}

static void __attribute__((noreturn)) heir_go_on(struct engine *en)
{
	const struct keeper_welcome *w = keeperlink_welcome(en->kl);
	struct tables_head h = { .args = en->argv + 1,
		.soft_nofile = w->soft_nofile,
		.incarnation = w->incarnation,
		.serial = keeperlink_serial(en->kl),
		.started_ms = w->started_ms,
		.log_slot = keeperlink_find(en->kl, "logw:reeved"),
		.log_level = (uint8_t)log_level(),
		.origin = { w->origin, w->origin_start },
		.channel = -1,
		.program = open("/proc/self/exe", O_PATH | O_CLOEXEC) };
	const char *program = heir_program(en);
	struct mw mw;
	int fd;

	heir_watchdog(w->pid);
	tables_keep(h.program, true);
	mw_init(&mw, NULL, 0);
	tables_put_head(&mw, &h);
	heir_store(en, &mw);
	heir_children(en, &mw);
	fd = tables_make(&mw);
	if (fd == -1)
		fatal("write the keeper's tables");
	/* Nothing is left half written. */
	log_release();
	pump_end(en->pump, PUMP_MS);
	tables_exec(program, heir_argv(en), fd, -1);
	fatal("execute %s", program);
}

static void
heir_on_told(struct loop_timer *t, void *arg)
{
	(void)t;
	heir_go_on(arg);
}

void
heir_orphaned(void *arg, const char *why)
{
	struct engine *en = arg;
	const struct keeper_welcome *w = keeperlink_welcome(en->kl);

	/* Nothing is there yet that anybody could go on with. */
	if (en->table == NULL || !en->started)
		fatalx("the keeper is gone (%s)", why);
	log_errorx("reeved %d is gone (%s): this process, its engine, goes on "
		   "in its place",
	    (int)w->pid, why);
	engine_event(en, "", "keeper",
	    "reeved %d is gone: pid %d goes on in its place", (int)w->pid,
	    (int)getpid());
	tree_set_origin(w->origin, w->origin_start, true);
	if (en->upgrade == NULL)
		heir_go_on(en);
	upgrade_told(en, 1, "the new reeved died when it was executed");
	loop_timer_init(&en->heir, en->lp, heir_on_told, en);
	loop_timer_start(&en->heir, ANSWER_MS);
}
