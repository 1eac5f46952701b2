/*
 * task - a command that ends.  See task.h.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/task.h"

#define TASK_KILL_AFTER_MS 2000 /* TERM of a time-out to KILL */

struct task {
	TAILQ_ENTRY(task) entry;
	struct engine *en;
	uint64_t id;
	pid_t pid; /* 0: not started yet */
	mono_ms started_ms;
	int64_t timeout_ms;
	task_done *done;
	void (*started)(void *arg);
	void (*gone)(void *arg, const struct task_end *end); /* once */
	void *arg;
	task_end_it *end_it; /* NULL: it has a process */
	void *end_it_arg;
	bool held;     /* over, and its owner is not done with it */
	bool spawned;  /* asked for, or adopted: the keeper knows it */
	bool over;     /* it is dead, its tree may not be */
	bool outlived; /* by something of its tree */
	bool tells;    /* somebody waits for its exit, and for its end */
	bool timed_out, cancelled, killed;
	bool is_curt; /* KILL when its time is up, not TERM before */
	struct task_end end;
	char *path;             /* of the spec, for its errors */
	struct spec_size words; /* bytes 0: not known */
	char *directory;
	char *root;      /* "": ours */
	char *read_only; /* the first such path, "": none */
	char *tree_name;
	unsigned tree_index;
	struct tree tree;
	struct tree_spare *spare; /* whose cgroup tree has; NULL: its own */
	int dir;                  /* of its cgroup, until it is spawned */
	struct loop_timer limit;
	struct loop_task look; /* what follows from its end */
	struct sweep sweep;
};

static pid_t
task_keeper(const struct task *t)
{
	return keeperlink_welcome(t->en->kl)->pid;
}

/* --- its end ----------------------------------------------------------------
 */

static void
task_finish(struct task *t)
{
	if (t->done != NULL)
		t->done(t->arg, &t->end);
	if (!t->held)
		task_release(t);
}

void
task_release(struct task *t)
{
	struct engine *en = t->en;
	uint64_t id = t->id;
	bool spawned;

	spawned = t->spawned;
	task_free(t);
	/* Last: an engine after this one would hear of it again. */
	if (spawned)
		keeperlink_forget(en->kl, id);
	if (en->stopping)
		loop_task_queue(en->lp, &en->progress);
}

static void
task_note_outlived(struct task *t)
{
	if (t->outlived || !t->tells)
		return;
	t->outlived = true;
	engine_event(t->en, t->tree_name, "exit", "%s, what it left is ended",
	    t->end.text);
}

/* Exit and close are two events: something of it may live on, for a moment. */
static void
task_tell_gone(struct task *t, bool left)
{
	void (*gone)(void *, const struct task_end *) = t->gone;

	t->gone = NULL;
	if (t->end.how == TASK_NO_START)
		return;
	t->tells = gone != NULL;
	if (left)
		task_note_outlived(t);
	if (gone != NULL)
		gone(t->arg, &t->end);
}

static void
task_close(struct task *t)
{
	t->end.close_ms = t->pid != 0 ? loop_now(t->en->lp) - t->started_ms : 0;
	if (t->end.close_ms < t->end.ran_ms)
		t->end.close_ms = t->end.ran_ms;
	if (t->outlived)
		engine_event(t->en, t->tree_name, "close",
		    "nothing of it is left after %lld ms",
		    (long long)t->end.close_ms);
	task_finish(t);
}

static bool
task_is_alone(const struct task *t)
{
	return t->spare != NULL ? tree_spare_is_empty(t->spare)
				: tree_is_empty(&t->tree, task_keeper(t));
}

static void
task_swept(void *arg, const struct tree_left *left)
{
	struct task *t = arg;

	(void)left;
	if (t->sweep.told)
		task_note_outlived(t);
	task_close(t);
}

static void
task_look(void *arg)
{
	struct task *t = arg;
	bool left = !task_is_alone(t);

	/* Without a cgroup it is only known when it has been looked for. */
	task_tell_gone(t, left && t->tree.cgroup != NULL);
	if (left)
		sweep_start(&t->sweep, &t->tree, t);
	else
		task_close(t);
}

/* It is dead: what it left is ended, and then whoever asked is told. */
static void
task_over(struct task *t)
{
	loop_timer_stop(&t->limit);
	t->over = true;
	/* Not from here: done may do what the caller does not expect yet. */
	loop_task_queue(t->en->lp, &t->look);
}

static void
task_describe(struct task *t, const struct keeper_exit *ex)
{
	struct task_end *e = &t->end;
	char ms[32], limit[32];

	str_duration(ms, sizeof ms, e->ran_ms);
	if (t->cancelled) {
		e->how = TASK_CANCELLED;
		snprintf(e->text, sizeof e->text, "cancelled after %s", ms);
	} else if (t->timed_out) {
		e->how = TASK_TIMED_OUT;
		str_duration(limit, sizeof limit, t->timeout_ms);
		snprintf(e->text, sizeof e->text, "not done within %s", limit);
	} else if (ex->signo != 0) {
		const char *name = sigabbrev_np(ex->signo);

		e->how = TASK_SIGNALLED;
		snprintf(e->text, sizeof e->text, "killed by SIG%s%s after %s",
		    name != NULL ? name : "?", ex->core ? " (core dumped)" : "",
		    ms);
	} else {
		e->how = TASK_EXITED;
		snprintf(e->text, sizeof e->text, "exited with %d after %s",
		    ex->code, ms);
	}
}

/* --- limits -----------------------------------------------------------------
 */

static void
task_signal_all(struct task *t, int signo)
{
	if (t->over || !t->spawned)
		return;
	if (signo == SIGKILL) {
		t->killed = true;
		tree_kill(&t->tree, task_keeper(t));
	}
	keeperlink_signal(t->en->kl, t->id, signo, true);
}

static void
task_on_limit(struct loop_timer *timer, void *arg)
{
	struct task *t = arg;

	if (t->timed_out) {
		task_signal_all(t, SIGKILL);
		return;
	}
	t->timed_out = true;
	if (t->is_curt) {
		task_signal_all(t, SIGKILL);
		loop_timer_start(timer, TASK_KILL_AFTER_MS);
		return;
	}
	if (t->end_it != NULL) {
		t->end_it(t->end_it_arg, TASK_TIMED_OUT);
		return;
	}
	task_signal_all(t, SIGTERM);
	task_signal_all(t, SIGCONT);
	loop_timer_start(timer, TASK_KILL_AFTER_MS);
}

void
task_set_timeout(struct task *t, int64_t ms)
{
	int64_t ran = t->pid != 0 ? loop_now(t->en->lp) - t->started_ms : 0;

	t->timeout_ms = ms;
	loop_timer_stop(&t->limit);
	if (ms != 0 && !t->over)
		loop_timer_start(&t->limit, ms > ran ? ms - ran : 0);
}

void
task_be_curt(struct task *t)
{
	t->is_curt = true;
}

void
task_kill(struct task *t)
{
	if (t->over)
		return;
	t->cancelled = true;
	loop_timer_stop(&t->limit);
	if (t->end_it != NULL)
		t->end_it(t->end_it_arg, TASK_CANCELLED);
	task_signal_all(t, SIGKILL);
}

void
task_signal(struct task *t, int signo)
{
	task_signal_all(t, signo);
}

void
task_hold(struct task *t)
{
	t->held = true;
}

void
task_on_start(struct task *t, void (*started)(void *arg))
{
	t->started = started;
}

void
task_on_gone(
    struct task *t, void (*gone)(void *arg, const struct task_end *end))
{
	t->gone = gone;
}

void
task_disown(struct task *t)
{
	t->done = NULL;
	t->gone = NULL;
	t->started = NULL;
}

bool
task_is_over(const struct task *t)
{
	return t->over;
}

uint64_t
task_id(const struct task *t)
{
	return t->id;
}

pid_t
task_pid(const struct task *t)
{
	return t->over ? 0 : t->pid;
}

static void
task_on_progress(void *arg)
{
	order_progress(arg);
}

/* --- birth ------------------------------------------------------------------
 */

struct task *
task_new(struct engine *en, const char *tree, unsigned index, task_done *done,
    void *arg)
{
	struct task *t = xcalloc(1, sizeof *t);

	t->en = en;
	t->id = en->next_id++;
	t->done = done;
	t->arg = arg;
	t->end.code = -1;
	t->end.max_rss_kb = -1;
	if (en->progress.cb == NULL)
		loop_task_init(&en->progress, task_on_progress, en);
	loop_timer_init(&t->limit, en->lp, task_on_limit, t);
	loop_task_init(&t->look, task_look, t);
	sweep_init(&t->sweep, en, NULL, task_swept);
	t->dir = -1;
	t->tree_name = xstrdup(tree);
	t->tree_index = index;
	TAILQ_INSERT_TAIL(&en->tasks, t, entry);
	return t;
}

/* It ended by itself, and nothing of its tree was ever killed. */
static bool
task_was_clean(const struct task *t)
{
	return t->end.how == TASK_EXITED && !t->outlived && !t->tree.killed &&
	       t->en->controllers == 0;
}

static void
task_leave_tree(struct task *t)
{
	fd_closep(&t->dir);
	if (t->spare != NULL)
		tree_spare_give(
		    &t->en->spares, t->spare, !t->spawned || task_was_clean(t));
	else if (t->spawned)
		tree_remove(&t->tree);
	t->spare = NULL;
	tree_fini(&t->tree);
}

void
task_free(struct task *t)
{
	BUG_ON(t->spawned && !t->over);
	TAILQ_REMOVE(&t->en->tasks, t, entry);
	loop_timer_stop(&t->limit);
	loop_task_cancel(t->en->lp, &t->look);
	sweep_stop(&t->sweep);
	task_leave_tree(t);
	free(t->tree_name);
	free(t->path);
	free(t->directory);
	free(t->root);
	free(t->read_only);
	free(t);
}

/* For its errors. */
static void
task_note_spec(struct task *t, const struct spec *sp)
{
	t->path = xstrdup(sp->path);
	t->directory = xstrdup(sp->directory);
	t->root = xstrdup(sp->root);
	t->read_only = xstrdup(sp->read_only != NULL ? sp->read_only[0] : "");
	spec_measure(sp, &t->words);
}

void
task_spawn(struct task *t, const struct spec *sp, const int *fds, size_t nfds)
{
	task_note_spec(t, sp);
	t->spawned = true;
	keeperlink_spawn(t->en->kl, t->id, sp, fds, nfds);
	fd_closep(&t->dir);
}

void
task_stand_in(struct task *t, task_end_it *end_it, void *arg)
{
	t->end_it = end_it;
	t->end_it_arg = arg;
}

void
task_stand_end(struct task *t, const struct task_end *end)
{
	t->over = true;
	t->end = *end;
	loop_timer_stop(&t->limit);
	task_finish(t);
}

int
task_tree(struct task *t, const char **mark)
{
	*mark = NULL;
	if (t->spare != NULL)
		return tree_spare_enter(t->spare, &t->tree, t->id);
	t->dir = tree_prepare(
	    &t->tree, t->en->cgroup, t->tree_name, t->tree_index, t->id);
	*mark = t->tree.mark;
	return t->dir;
}

uint64_t
task_share_tree(struct task *t)
{
	t->spare = tree_spare_take(&t->en->spares, t->en->cgroup, t->id);
	return t->spare != NULL ? tree_spare_number(t->spare) : 0;
}

struct task *
task_adopt(struct engine *en, const char *tree, unsigned index, uint64_t id,
    pid_t pid, mono_ms started_ms, task_done *done, void *arg)
{
	struct task *t = task_new(en, tree, index, done, arg);

	t->id = id;
	t->pid = pid;
	t->started_ms = started_ms;
	t->spawned = true;
	tree_adopt(&t->tree, en->cgroup, tree, index, id, pid);
	return t;
}

void
task_adopt_shared(struct task *t, uint64_t number)
{
	char name[40];

	if (number == 0)
		return;
	tree_fini(&t->tree);
	tree_spare_name(name, sizeof name, number);
	tree_adopt(&t->tree, t->en->cgroup, name, 0, t->id, t->pid);
}

static bool
task_has_tree(void *arg, const char *folder)
{
	const struct engine *en = arg;
	const struct task *t;

	TAILQ_FOREACH(t, &en->tasks, entry)
		if (t->tree.cgroup != NULL &&
		    strcmp(t->tree.cgroup, folder) == 0)
			return true;
	return false;
}

void
task_tidy_shared(struct engine *en)
{
	tree_spares_tidy(en->cgroup, task_has_tree, en);
}

/* --- the keeper's news -------------------------------------------------------
 */

static struct task *
task_find(struct engine *en, uint64_t id)
{
	struct task *t;

	TAILQ_FOREACH(t, &en->tasks, entry)
		if (t->id == id && !t->over)
			return t;
	return NULL;
}

bool
task_on_spawned(struct engine *en, uint64_t id, pid_t pid, mono_ms started_ms)
{
	struct task *t = task_find(en, id);

	if (t == NULL)
		return false;
	t->pid = t->tree.leader = pid;
	t->started_ms = started_ms;
	if (t->started != NULL)
		t->started(t->arg);
	return true;
}

const char *
task_failed_path(const struct task *t)
{
	if (t->end.stage == STAGE_EXEC)
		return t->path;
	if (t->end.stage == STAGE_DIRECTORY)
		return t->directory;
	if (t->end.stage == STAGE_CHROOT)
		return t->root;
	return t->end.stage == STAGE_READ_ONLY ? t->read_only : NULL;
}

static void
task_add_size(struct task *t)
{
	size_t n = strlen(t->end.text);

	snprintf(t->end.text + n, sizeof t->end.text - n, ": ");
	n = strlen(t->end.text);
	spec_size_text(&t->words, t->end.text + n, sizeof t->end.text - n);
}

static void
task_describe_failed(struct task *t)
{
	struct task_end *e = &t->end;
	struct spawn_err se = { (enum spawn_stage)e->stage, e->errnum };
	const char *place = task_failed_path(t);

	/* Of an engine before this one they are not known. */
	spawn_err_text(e->text, sizeof e->text, &se,
	    t->path != NULL ? t->path : "its command",
	    place != NULL ? place : "/");
	if (e->stage == STAGE_EXEC && e->errnum == E2BIG && t->words.bytes > 0)
		task_add_size(t);
}

const struct task_end *
task_recall(struct task *t, const struct spec *sp)
{
	if (t->path == NULL) {
		task_note_spec(t, sp);
		if (t->end.how == TASK_NO_START)
			task_describe_failed(t);
	}
	return &t->end;
}

bool
task_on_spawn_failed(struct engine *en, uint64_t id, int stage, int errnum)
{
	struct task *t = task_find(en, id);

	if (t == NULL)
		return false;
	t->end.how = TASK_NO_START;
	t->end.stage = stage;
	t->end.errnum = errnum;
	task_describe_failed(t);
	task_over(t);
	return true;
}

bool
task_on_exited(struct engine *en, uint64_t id, const struct keeper_exit *ex)
{
	struct task *t = task_find(en, id);

	if (t == NULL)
		return false;
	t->end.code = ex->signo != 0 ? -1 : ex->code;
	t->end.signo = ex->signo;
	t->end.core = ex->core;
	t->end.ran_ms = ex->died_ms - t->started_ms;
	t->end.max_rss_kb = ex->max_rss_kb;
	task_describe(t, ex);
	task_over(t);
	return true;
}

const struct tree *
task_tree_of(struct engine *en, uint64_t id)
{
	const struct task *t = task_find(en, id);

	return t != NULL ? &t->tree : NULL;
}

bool
task_any(const struct engine *en)
{
	return !TAILQ_EMPTY(&en->tasks);
}

void
task_kill_all(struct engine *en)
{
	struct task *t;

	TAILQ_FOREACH(t, &en->tasks, entry)
		task_kill(t);
}
