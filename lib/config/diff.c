/*
 * diff - what a new config asks of what runs.
 *
 * Two programs are compared by what their keys come to: a command as its
 * words, a path made absolute, a user as numbers, so that how a file is
 * written never matters.  What differs from slot to slot stays as written
 * (%(process_num)d), for one comparison to hold for all slots.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/jobs.h"
#include "config/slot.h"
#include "config/value.h"

/* A value in a plan is for people: longer ones are cut. */
#define SHOWN 200

/* One side of a comparison: a program, and all its templates expanded. */
struct side {
	const struct config_program *p;
	struct config_slot slot;
	char *env_file;
	bool built; /* else the templates themselves are compared */
};

static void
side_init(
    struct side *sd, const struct config_program *p, const struct strv *env)
{
	struct slot_in in = { .program = p,
		.nslots = 1,
		.base_env = env,
		.keep_slot = true,
		.lenient = true };
	enum schema_id key;

	*sd = (struct side){ .p = p };
	if (config_slot_build(&sd->slot, &in, &key, NULL) == -1)
		return;
	sd->built =
	    config_slot_env_file(&sd->env_file, &in, &sd->slot, NULL) == 0;
}

static void
side_fini(struct side *sd)
{
	config_slot_fini(&sd->slot);
	free(sd->env_file);
}

/* --- a key as text ---------------------------------------------------------
 */

static void
side_word(struct buf *out, const char *word)
{
	if (*word != '\0' && strpbrk(word, " \t\n'\"\\") == NULL)
		buf_adds(out, word);
	else
		value_env_quote(out, word);
}

static void
side_command(struct buf *out, const struct strv *argv)
{
	for (size_t i = 0; i < argv->n; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		side_word(out, argv->v[i]);
	}
}

static int
side_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted: the order of variables means nothing. */
static void
side_environment(struct buf *out, const struct strv *vars)
{
	struct strv sorted;

	strv_copy(&sorted, vars);
	if (sorted.n > 0)
		qsort(sorted.v, sorted.n, sizeof *sorted.v, side_compare);
	value_env_print(out, NULL, &sorted);
	strv_fini(&sorted);
}

/* The program's own variables, with the values that they come to. */
static void
side_own(struct buf *out, const struct side *sd)
{
	struct strv own;

	strv_init(&own);
	for (size_t i = 0; i < sd->p->environment.n; i++) {
		const char *var = sd->p->environment.v[i];
		char *key = xstrndup(var, strcspn(var, "="));
		const char *value = strv_env_get(&sd->slot.env, key);

		strv_env_set(&own, key, value != NULL ? value : "");
		free(key);
	}
	side_environment(out, &own);
	strv_fini(&own);
}

static void
side_workers(struct buf *out, const struct config_program *p)
{
	if (p->rare->workers_per_cpu > 0)
		buf_addf(
		    out, "%lld per CPU", (long long)p->rare->workers_per_cpu);
	else
		value_workers_print(out, p, &p->workers);
}

static void
side_path(struct buf *out, const char *path, const char *unset)
{
	buf_adds(out, path != NULL ? path : unset);
}

/* Appends a per-slot key; false: it is none, or could not be expanded. */
static bool
side_slot_key(struct buf *out, const struct side *sd, enum schema_id id)
{
	if (!sd->built)
		return false;
	if (id == SCHEMA_PROGRAM_command)
		side_command(out, &sd->slot.argv);
	else if (id == SCHEMA_PROGRAM_environment)
		side_own(out, sd);
	else if (id == SCHEMA_PROGRAM_directory)
		side_path(out, sd->slot.directory, "");
	else if (id == SCHEMA_PROGRAM_env_file)
		side_path(out, sd->env_file, "");
	else if (id == SCHEMA_PROGRAM_process_name)
		side_path(out, sd->slot.process_name, "");
	else if (id == SCHEMA_PROGRAM_stdout_logfile)
		side_path(out, sd->slot.out_path, "NONE");
	else if (id == SCHEMA_PROGRAM_stderr_logfile)
		side_path(out, sd->slot.err_path, "NONE");
	else
		return false;
	return true;
}

static void
side_key(struct buf *out, const struct side *sd, enum schema_id id)
{
	if (side_slot_key(out, sd, id))
		return;
	if (id == SCHEMA_PROGRAM_workers)
		side_workers(out, sd->p);
	else if (id == SCHEMA_PROGRAM_umask && sd->p->umask == -1)
		value_octal_print(out, NULL, &sd->p->reeve_umask);
	else
		value_add(out, sd->p, id);
}

/* --- the plan --------------------------------------------------------------
 */

static void
diff_show(struct buf *out, const char *text)
{
	size_t n = strlen(text);

	if (n > SHOWN) {
		/* Not in the middle of a character. */
		for (n = SHOWN; n > 0 && (text[n] & 0xc0) == 0x80; n--)
			;
	}
	for (size_t i = 0; i < n; i++)
		buf_addc(out, text[i] == '\n' ? ' ' : text[i]);
	if (n == 0)
		buf_adds(out, "(none)");
	else if (text[n] != '\0')
		buf_adds(out, "...");
}

static enum config_change_kind
diff_kind(enum config_needs needs)
{
	switch (needs) {
	case CONFIG_LIVE:
		return CHANGE_LIVE;
	case CONFIG_ROLL:
		return CHANGE_ROLL;
	case CONFIG_RESTART:
		break;
	}
	return CHANGE_RESTART;
}

/* Takes line. */
static void
diff_line(struct config_change *ch, enum config_change_kind kind, char *line)
{
	strv_take(&ch->keys, line);
	ch->key_kinds =
	    xreallocarray(ch->key_kinds, ch->keys.n, sizeof *ch->key_kinds);
	ch->key_kinds[ch->keys.n - 1] = kind;
	if (kind > ch->kind)
		ch->kind = kind;
}

static void
diff_note(struct config_change *ch, const char *name, enum config_needs needs,
    const struct buf *old, const struct buf *new)
{
	struct buf line;

	buf_init(&line);
	buf_addf(&line, "%s: ", name);
	diff_show(&line, buf_str(old));
	buf_adds(&line, " -> ");
	diff_show(&line, buf_str(new));
	diff_line(ch, diff_kind(needs), buf_steal(&line));
}

/* Notes the two texts, which it empties, when they differ. */
static void
diff_texts(struct config_change *ch, const char *name, enum config_needs needs,
    struct buf *old, struct buf *new)
{
	if (strcmp(buf_str(old), buf_str(new)) != 0)
		diff_note(ch, name, needs, old, new);
	buf_clear(old);
	buf_clear(new);
}

/* Takes ch. */
static void
diff_add(struct config_plan *plan, struct config_change *ch)
{
	plan->v = xreallocarray(plan->v, plan->n + 1, sizeof *plan->v);
	plan->v[plan->n++] = *ch;
}

static void
diff_whole(
    struct config_plan *plan, const char *program, enum config_change_kind kind)
{
	struct config_change ch = { .kind = kind, .program = xstrdup(program) };

	diff_add(plan, &ch);
}

/* --- sections --------------------------------------------------------------
 */

static void
diff_section(struct config_change *ch, const void *from, const void *to,
    enum schema_section section, const char *prefix)
{
	struct buf old, new;
	size_t n;
	enum schema_id first = schema_first(section, &n);

	buf_init(&old);
	buf_init(&new);
	for (size_t i = 0; i < n; i++) {
		enum schema_id id = (enum schema_id)(first + i);
		char *name;

		if (value_equal(from, to, id))
			continue;
		value_add(&old, from, id);
		value_add(&new, to, id);
		name = xasprintf("%s%s", prefix, schema_keys[id].name);
		diff_texts(ch, name, schema_keys[id].needs, &old, &new);
		free(name);
	}
	buf_fini(&old);
	buf_fini(&new);
}

/* --- CPU jobs --------------------------------------------------------------
 */

static const struct config_pool *
diff_pool_find(const struct config_jobs *jobs, const char *name)
{
	for (size_t i = 0; i < jobs->npools; i++)
		if (strcmp(jobs->pools[i]->name, name) == 0)
			return jobs->pools[i];
	return NULL;
}

static const struct config_job *
diff_job_find(const struct config_jobs *jobs, const char *kind)
{
	for (size_t i = 0; i < jobs->njobs; i++)
		if (strcmp(jobs->jobs[i]->kind, kind) == 0)
			return jobs->jobs[i];
	return NULL;
}

/* Threads of a name, a kind of jobs: begun with the pool's process. */
static void
diff_pools(struct config_change *ch, const struct config_jobs *from,
    const struct config_jobs *to)
{
	for (size_t i = 0; i < from->npools; i++)
		if (diff_pool_find(to, from->pools[i]->name) == NULL)
			diff_line(ch, CHANGE_ROLL,
			    xasprintf(
				"[pool:%s] removed", from->pools[i]->name));
	for (size_t i = 0; i < to->npools; i++) {
		const struct config_pool *p = to->pools[i];
		const struct config_pool *old = diff_pool_find(from, p->name);
		char *prefix = xasprintf(
		    "[pool%s%s] ", *p->name != '\0' ? ":" : "", p->name);

		if (old == NULL)
			diff_line(
			    ch, CHANGE_ROLL, xasprintf("%sadded", prefix));
		else
			diff_section(ch, old, p, SECTION_POOL, prefix);
		free(prefix);
	}
}

static void
diff_job(struct config_change *ch, const struct config_job *from,
    const struct config_job *to)
{
	char *prefix = xasprintf("[job:%s] ", to->kind);

	diff_section(ch, from, to, SECTION_JOB, prefix);
	if (str_equal(from->plugin, to->plugin) &&
	    !str_equal(from->print, to->print))
		diff_line(ch, CHANGE_ROLL,
		    xasprintf("%splugin: %s was replaced", prefix, to->plugin));
	free(prefix);
}

static void
diff_jobs(struct config_change *ch, const struct config_jobs *from,
    const struct config_jobs *to)
{
	diff_pools(ch, from, to);
	for (size_t i = 0; i < from->njobs; i++)
		if (diff_job_find(to, from->jobs[i]->kind) == NULL)
			diff_line(ch, CHANGE_ROLL,
			    xasprintf("[job:%s] removed", from->jobs[i]->kind));
	for (size_t i = 0; i < to->njobs; i++) {
		const struct config_job *j = to->jobs[i];
		const struct config_job *old = diff_job_find(from, j->kind);

		if (old == NULL)
			diff_line(ch, CHANGE_ROLL,
			    xasprintf("[job:%s] added", j->kind));
		else
			diff_job(ch, old, j);
	}
}

/* --- programs --------------------------------------------------------------
 */

/* These two come to nothing but a number of workers. */
static bool
diff_is_count(enum schema_id id)
{
	return id == SCHEMA_PROGRAM_numprocs ||
	       id == SCHEMA_PROGRAM_workers_per_cpu;
}

static void
diff_keys(struct config_change *ch, const struct side *a, const struct side *b)
{
	struct buf old, new;
	size_t n;
	enum schema_id first = schema_first(SECTION_PROGRAM, &n);

	buf_init(&old);
	buf_init(&new);
	for (size_t i = 0; i < n; i++) {
		enum schema_id id = (enum schema_id)(first + i);

		if (diff_is_count(id))
			continue;
		/* By number: "www" and "33" may be one user. */
		if ((id == SCHEMA_PROGRAM_user || id == SCHEMA_PROGRAM_group) &&
		    value_equal(a->p, b->p, id))
			continue;
		side_key(&old, a, id);
		side_key(&new, b, id);
		diff_texts(ch, schema_keys[id].name, schema_keys[id].needs,
		    &old, &new);
	}
	side_environment(&old, &a->p->reeve_environment);
	side_environment(&new, &b->p->reeve_environment);
	diff_texts(ch, "[reeve] environment", CONFIG_ROLL, &old, &new);
	buf_adds(&old, a->p->group != NULL ? a->p->group : "");
	buf_adds(&new, b->p->group != NULL ? b->p->group : "");
	diff_texts(ch, "group", CONFIG_LIVE, &old, &new);
	if (a->p->group != NULL && b->p->group != NULL) {
		buf_addf(&old, "%lld", (long long)a->p->group_priority);
		buf_addf(&new, "%lld", (long long)b->p->group_priority);
		diff_texts(
		    ch, "priority of its group", CONFIG_LIVE, &old, &new);
		value_rate_print(&old, NULL, &a->p->group_rate);
		value_rate_print(&new, NULL, &b->p->group_rate);
		diff_texts(
		    ch, "restart_rate of its group", CONFIG_LIVE, &old, &new);
	}
	buf_fini(&old);
	buf_fini(&new);
}

static void
diff_program(struct config_plan *plan, const struct config_program *from,
    const struct config_program *to, const struct strv *env)
{
	struct config_change ch = { .kind = CHANGE_LIVE };
	struct side a, b;

	side_init(&a, from, env);
	side_init(&b, to, env);
	/* Like with like. */
	a.built = b.built = a.built && b.built;
	diff_keys(&ch, &a, &b);
	if (from->jobs != NULL && to->jobs != NULL)
		diff_jobs(&ch, from->jobs, to->jobs);
	side_fini(&a);
	side_fini(&b);
	if (ch.keys.n == 0)
		return;
	ch.program = xstrdup(to->name);
	diff_add(plan, &ch);
}

/* --- tasks ------------------------------------------------------------------
 */

/* Nothing of a task is running with what it was: it is a change of reeved. */
static void
diff_tasks(struct config_change *ch, const struct config *from,
    const struct config *to)
{
	for (size_t i = 0; i < from->ntasks; i++)
		if (config_task_find(to, from->tasks[i]->run.name) == NULL)
			diff_line(ch, CHANGE_LIVE,
			    xasprintf(
				"[task:%s] removed", from->tasks[i]->run.name));
	for (size_t i = 0; i < to->ntasks; i++) {
		const struct config_task *t = to->tasks[i];
		const struct config_task *old =
		    config_task_find(from, t->run.name);
		char *prefix = xasprintf("[task:%s] ", t->run.name);

		if (old == NULL)
			diff_line(
			    ch, CHANGE_LIVE, xasprintf("%sadded", prefix));
		else
			diff_section(ch, old, t, SECTION_TASK, prefix);
		free(prefix);
	}
}

void
config_diff(struct config_plan *plan, const struct config *from,
    const struct config *to)
{
	struct strv env = expand_environ();
	struct config_change ch = { .kind = CHANGE_LIVE };

	*plan = (struct config_plan){ 0 };
	diff_section(&ch, from, to, SECTION_REEVE, "");
	diff_section(&ch, from, to, SECTION_CTL, "[reevectl] ");
	diff_tasks(&ch, from, to);
	if (ch.keys.n > 0)
		diff_add(plan, &ch);
	for (size_t i = 0; i < from->nprograms; i++)
		if (!config_program_find(to, from->programs[i]->name))
			diff_whole(
			    plan, from->programs[i]->name, CHANGE_REMOVED);
	for (size_t i = 0; i < to->nprograms; i++) {
		const struct config_program *p = to->programs[i];
		const struct config_program *old;

		old = config_program_find(from, p->name);
		if (old == NULL)
			diff_whole(plan, p->name, CHANGE_ADDED);
		else
			diff_program(plan, old, p, &env);
	}
}

void
config_plan_fini(struct config_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->v[i].program);
		strv_fini(&plan->v[i].keys);
		free(plan->v[i].key_kinds);
	}
	free(plan->v);
	*plan = (struct config_plan){ 0 };
}

const char *
config_change_name(enum config_change_kind kind)
{
	static const char *const names[] = {
		[CHANGE_ADDED] = "added",
		[CHANGE_REMOVED] = "removed",
		[CHANGE_LIVE] = "live",
		[CHANGE_ROLL] = "roll",
		[CHANGE_RESTART] = "restart",
	};

	return names[kind];
}
