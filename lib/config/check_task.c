/*
 * check_task - tasks that cannot be run, wait for each other, or are named
 * where there are none.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/near.h"
#include "base/xalloc.h"
#include "config/check.h"
#include "config/slot.h"

enum ring {
	RING_WAIT, /* depends_on */
	RING_THEN,
	RING_FAILURE
};

struct tasks {
	const struct config *cf;
	struct config_errors *errs;
	/* of the walk for rings, one a task */
	enum {
		TASK_NEW,
		TASK_OPEN, /* on the path to where the walk is */
		TASK_SEEN
	} * mark;
	size_t *path;
	size_t depth;
	enum ring ring;
};

static const char *
task_file(const struct config_task *t, enum schema_id id)
{
	const char *file = origins_file(&t->origins, id);

	return file != NULL ? file : t->run.file;
}

static int
task_line(const struct config_task *t, enum schema_id id)
{
	int line = origins_line(&t->origins, id);

	return line != 0 ? line : t->run.line;
}

#define TASK_TELL(how, ck, t, id, fmt, ...)                                    \
	config_##how((ck)->errs, task_file(t, id), task_line(t, id),           \
	    "[task:%s] " fmt, (t)->run.name __VA_OPT__(, ) __VA_ARGS__)
#define TASK_ERROR(ck, t, key, fmt, ...)                                       \
	TASK_TELL(error, ck, t, SCHEMA_TASK_##key,                             \
	    #key ": " fmt __VA_OPT__(, ) __VA_ARGS__)

/* --- what runs --------------------------------------------------------------
 */

static void
task_check_files(
    struct tasks *ck, const struct config_task *t, struct config_slot *s)
{
	enum schema_id id =
	    t->shell != NULL ? SCHEMA_TASK_shell : SCHEMA_TASK_command;
	struct stat st;
	struct err err;

	if (config_slot_find_command(s, &t->run, &err) == -1)
		TASK_TELL(warning, ck, t, id, "%s", err.text);
	if (s->directory != NULL && stat(s->directory, &st) == -1)
		TASK_TELL(warning, ck, t, SCHEMA_TASK_directory,
		    "directory %s: %s", s->directory, strerror(errno));
}

static void
task_check_command(struct tasks *ck, const struct config_task *t)
{
	struct strv env = expand_environ();
	struct slot_in in = { .program = &t->run,
		.nslots = 1,
		.shell = t->shell,
		.base_env = &env,
		.lenient = true };
	struct config_slot s;
	enum schema_id key;
	struct err err;

	if (t->run.command != NULL && t->shell != NULL) {
		TASK_ERROR(ck, t, shell, "it has a command as well: keep one");
		return;
	}
	if (t->run.command == NULL && t->shell == NULL) {
		/* One that is empty has been told of. */
		if (origins_line(&t->origins, SCHEMA_TASK_command) == 0 &&
		    origins_line(&t->origins, SCHEMA_TASK_shell) == 0)
			TASK_TELL(error, ck, t, SCHEMA_TASK_command,
			    "has no command and no shell: what is to be run?");
		return;
	}
	if (config_slot_build(&s, &in, &key, &err) == -1) {
		key = schema_find(SECTION_TASK, schema_keys[key].name);
		if (key == SCHEMA_TASK_command && t->shell != NULL)
			key = SCHEMA_TASK_shell;
		TASK_TELL(error, ck, t, key, "%s: %s", schema_keys[key].name,
		    err.text);
		return;
	}
	task_check_files(ck, t, &s);
	config_slot_fini(&s);
}

static void
task_check_who(struct tasks *ck, const struct config_task *t)
{
	const struct config_program *p = &t->run;

	if (geteuid() == 0)
		return;
	if (p->rare->user.set && p->rare->user.uid != geteuid())
		TASK_ERROR(ck, t, user, "only root can become another user");
	else if (p->rare->identity.set && p->rare->run_group.set)
		TASK_ERROR(ck, t, group, "only root can change the group");
}

/* on_change=, or watch= of a program. */
static bool
task_is_watched(const struct config *cf, const struct config_task *t)
{
	for (size_t i = 0; i < cf->nprograms; i++)
		if (str_equal(cf->programs[i]->rare->watch.task, t->run.name))
			return true;
	return t->on_change.n > 0;
}

static void
task_check_keys_of(struct tasks *ck, const struct config_task *t,
    const enum schema_id *ids, size_t n, const char *missing)
{
	for (size_t i = 0; i < n; i++)
		if (origins_line(&t->origins, ids[i]) != 0)
			TASK_TELL(error, ck, t, ids[i],
			    "%s: there is no %s= that it could be of",
			    schema_keys[ids[i]].name, missing);
}

#define KEYS_OF(ck, t, ids, is_off, missing)                                   \
	do {                                                                   \
		if (is_off)                                                    \
			task_check_keys_of(                                    \
			    ck, t, ids, sizeof(ids) / sizeof *(ids), missing); \
	} while (0)

/* A key that would do nothing is a mistake of whoever wrote it. */
static void
task_check_keys(struct tasks *ck, const struct config_task *t)
{
	static const enum schema_id of_schedule[] = { SCHEMA_TASK_timezone,
		SCHEMA_TASK_jitter, SCHEMA_TASK_catch_up };
	static const enum schema_id of_retries[] = { SCHEMA_TASK_backoff_min,
		SCHEMA_TASK_backoff_max };
	static const enum schema_id of_log[] = { SCHEMA_TASK_log_maxbytes,
		SCHEMA_TASK_log_backups };
	static const enum schema_id of_ipc[] = { SCHEMA_TASK_ipc_max_message,
		SCHEMA_TASK_ipc_queue, SCHEMA_TASK_ipc_rate };

	KEYS_OF(ck, t, of_schedule, t->schedule.text == NULL, "schedule");
	if (t->schedule.text == NULL && !task_is_watched(ck->cf, t) &&
	    origins_line(&t->origins, SCHEMA_TASK_overlap) != 0)
		TASK_ERROR(ck, t, overlap,
		    "there is no schedule= and no on_change= that it could be "
		    "of");
	KEYS_OF(ck, t, of_retries, t->retries == 0, "retries");
	KEYS_OF(ck, t, of_log, t->run.out.path == NULL, "log");
	KEYS_OF(ck, t, of_ipc, !t->run.ipc, "ipc");
	if (t->retries > 0 && t->backoff_min_ms > t->backoff_max_ms)
		TASK_ERROR(ck, t, backoff_min, "it is longer than backoff_max");
}

/* --- names ------------------------------------------------------------------
 */

static size_t
task_index(const struct config *cf, const char *name)
{
	size_t i = 0;

	while (i < cf->ntasks && strcmp(cf->tasks[i]->run.name, name) != 0)
		i++;
	return i;
}

/* ", did you mean 'x'?" */
void
check_near(const struct config *cf, const char *name, bool program, char *out,
    size_t size)
{
	struct near nr;

	near_init(&nr, name);
	for (size_t i = 0; !program && i < cf->ntasks; i++)
		near_try(&nr, cf->tasks[i]->run.name);
	for (size_t i = 0; program && i < cf->nprograms; i++)
		near_try(&nr, cf->programs[i]->name);
	out[0] = '\0';
	if (nr.best != NULL)
		snprintf(out, size, ", did you mean '%s'?", nr.best);
}

bool
check_is_program(const struct config *cf, const char *name)
{
	size_t n = strlen(name);

	if (config_program_find(cf, name) != NULL)
		return true;
	for (size_t i = 0; i < cf->ngroups; i++)
		if (n > 2 && strcmp(name + n - 2, ":*") == 0 &&
		    strlen(cf->groups[i].name) == n - 2 &&
		    strncmp(cf->groups[i].name, name, n - 2) == 0)
			return true;
	return strcmp(name, "all") == 0;
}

static void
task_check_actions(struct tasks *ck, const struct config_task *t,
    const struct config_actions *as, enum schema_id id)
{
	char hint[96];

	for (size_t i = 0; i < as->n; i++) {
		const struct config_action *a = &as->v[i];
		bool program = a->kind != ACTION_TASK;
		bool there = program
				 ? check_is_program(ck->cf, a->name)
				 : config_task_find(ck->cf, a->name) != NULL;

		check_near(ck->cf, a->name, program, hint, sizeof hint);
		if (!there)
			TASK_TELL(error, ck, t, id, "%s: there is no %s '%s'%s",
			    schema_keys[id].name, program ? "program" : "task",
			    a->name, hint);
	}
}

static void
task_check_deps(struct tasks *ck, const struct config_task *t)
{
	char hint[96];

	for (size_t i = 0; i < t->depends_on.n; i++) {
		const char *name = t->depends_on.v[i];

		if (strcmp(name, t->run.name) == 0) {
			TASK_ERROR(ck, t, depends_on,
			    "it cannot wait for "
			    "itself");
		} else if (config_task_find(ck->cf, name) == NULL) {
			check_near(ck->cf, name, false, hint, sizeof hint);
			TASK_ERROR(ck, t, depends_on, "there is no task '%s'%s",
			    name, hint);
		}
	}
}

/* --- rings ------------------------------------------------------------------
 */

static const char *const ring_texts[] = {
	[RING_WAIT] = "they wait for each other",
	[RING_THEN] = "they would follow each other without end",
	[RING_FAILURE] = "they would follow each other without end",
};

static const enum schema_id ring_keys[] = {
	[RING_WAIT] = SCHEMA_TASK_depends_on,
	[RING_THEN] = SCHEMA_TASK_then,
	[RING_FAILURE] = SCHEMA_TASK_on_failure,
};

/* The walk has come back to a task of its own path. */
static void
task_ring(struct tasks *ck, size_t to)
{
	enum schema_id id = ring_keys[ck->ring];
	size_t from = ck->depth - 1;
	struct buf b;

	while (ck->path[from] != to)
		from--;
	buf_init(&b);
	for (size_t i = from; i < ck->depth; i++)
		buf_addf(&b, "%s -> ", ck->cf->tasks[ck->path[i]]->run.name);
	buf_adds(&b, ck->cf->tasks[to]->run.name);
	TASK_TELL(error, ck, ck->cf->tasks[to], id, "%s: %s: %s",
	    schema_keys[id].name, ring_texts[ck->ring], buf_str(&b));
	buf_fini(&b);
}

static void task_walk(struct tasks *ck, size_t i);

static void
task_walk_to(struct tasks *ck, size_t i, const char *name)
{
	size_t to = task_index(ck->cf, name);

	if (to == ck->cf->ntasks || (to == i && ck->ring == RING_WAIT))
		return; /* told */
	if (ck->mark[to] == TASK_OPEN)
		task_ring(ck, to);
	else if (ck->mark[to] == TASK_NEW)
		task_walk(ck, to);
}

static void
task_walk(struct tasks *ck, size_t i)
{
	const struct config_task *t = ck->cf->tasks[i];
	const struct config_actions *as =
	    ck->ring == RING_THEN ? &t->then : &t->on_failure;

	ck->mark[i] = TASK_OPEN;
	ck->path[ck->depth++] = i;
	if (ck->ring == RING_WAIT)
		for (size_t n = 0; n < t->depends_on.n; n++)
			task_walk_to(ck, i, t->depends_on.v[n]);
	else
		for (size_t n = 0; n < as->n; n++)
			if (as->v[n].kind == ACTION_TASK)
				task_walk_to(ck, i, as->v[n].name);
	ck->depth--;
	ck->mark[i] = TASK_SEEN;
}

static void
task_check_rings(struct tasks *ck, enum ring ring)
{
	size_t n = ck->cf->ntasks;

	if (n == 0)
		return;
	ck->ring = ring;
	ck->mark = xcalloc(n, sizeof *ck->mark);
	ck->path = xcalloc(n, sizeof *ck->path);
	for (size_t i = 0; i < n; i++)
		if (ck->mark[i] == TASK_NEW)
			task_walk(ck, i);
	free(ck->mark);
	free(ck->path);
}

/* --- hooks of programs ------------------------------------------------------
 */

static void
task_check_hooks(struct tasks *ck, const struct config_program *p)
{
	static const enum schema_id ids[HOOK__N] = {
		[HOOK_BEFORE_START] = SCHEMA_PROGRAM_before_start,
		[HOOK_AFTER_READY] = SCHEMA_PROGRAM_after_ready,
		[HOOK_BEFORE_STOP] = SCHEMA_PROGRAM_before_stop,
		[HOOK_AFTER_EXIT] = SCHEMA_PROGRAM_after_exit,
		[HOOK_BEFORE_ROLL] = SCHEMA_PROGRAM_before_roll,
	};
	char hint[96];

	for (int k = 0; k < HOOK__N; k++) {
		const char *name = config_hook_task(p->rare->hook[k]);

		if (name == NULL || config_task_find(ck->cf, name) != NULL)
			continue;
		check_near(ck->cf, name, false, hint, sizeof hint);
		config_error(ck->errs, origins_file(&p->origins, ids[k]),
		    origins_line(&p->origins, ids[k]),
		    "[program:%s] %s: there is no task '%s'%s", p->name,
		    schema_keys[ids[k]].name, name, hint);
	}
}

void
check_tasks(const struct config *cf, struct config_errors *errs)
{
	struct tasks ck = { .cf = cf, .errs = errs };

	for (size_t i = 0; i < cf->ntasks; i++) {
		const struct config_task *t = cf->tasks[i];

		task_check_command(&ck, t);
		task_check_who(&ck, t);
		task_check_keys(&ck, t);
		task_check_deps(&ck, t);
		task_check_actions(&ck, t, &t->then, SCHEMA_TASK_then);
		task_check_actions(
		    &ck, t, &t->on_failure, SCHEMA_TASK_on_failure);
	}
	if (cf->ntasks > 0 && cf->state_dir == NULL)
		config_error(errs,
		    origins_file(&cf->origins, SCHEMA_REEVE_state_dir),
		    origins_line(&cf->origins, SCHEMA_REEVE_state_dir),
		    "[reeve] state_dir: none: tasks are kept there: give a "
		    "folder");
	task_check_rings(&ck, RING_WAIT);
	task_check_rings(&ck, RING_THEN);
	task_check_rings(&ck, RING_FAILURE);
	for (size_t i = 0; i < cf->nprograms; i++)
		task_check_hooks(&ck, cf->programs[i]);
}
