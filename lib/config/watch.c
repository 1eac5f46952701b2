/*
 * watch - on_change= and watch=: where their patterns begin, and what of them
 * cannot be.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/check.h"
#include "config/slot.h"
#include "watch/globs.h"

char *
config_watch_dir(const struct config_program *p, const char *shell)
{
	struct strv env = expand_environ();
	struct slot_in in = { .program = p,
		.nslots = 1,
		.shell = shell,
		.base_env = &env,
		.lenient = true };
	struct config_slot s;
	enum schema_id key;
	char *dir;

	if (p->directory == NULL ||
	    config_slot_build(&s, &in, &key, NULL) == -1)
		return xstrdup(p->here);
	dir = xasprintf("%s%s", p->rare->chroot != NULL ? p->rare->chroot : "",
	    s.directory != NULL ? s.directory : p->here);
	config_slot_fini(&s);
	return dir;
}

/* --- checks
 * ------------------------------------------------------------------- */

struct place {
	struct config_errors *errs;
	const struct config_origins *origins;
	const char *file;
	int line;
	const char *section, *name;
};

static void watch_error(const struct place *pl, enum schema_id id,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
watch_error(const struct place *pl, enum schema_id id, const char *fmt, ...)
{
	const char *file = origins_file(pl->origins, id);
	int line = origins_line(pl->origins, id);
	struct buf b;
	va_list ap;

	buf_init(&b);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	config_error(pl->errs, file != NULL ? file : pl->file,
	    line != 0 ? line : pl->line, "[%s:%s] %s: %s", pl->section,
	    pl->name, schema_keys[id].name, buf_str(&b));
	buf_fini(&b);
}

static void
watch_check_globs(const struct place *pl, enum schema_id id,
    const struct strv *globs, const struct strv *rules)
{
	struct globs *gs;
	struct err err;

	gs = globs_new(globs, rules, &err);
	if (gs == NULL)
		watch_error(pl, id, "%s", err.text);
	globs_free(gs);
}

/* A key that would do nothing. */
static void
watch_check_alone(
    const struct place *pl, bool there, enum schema_id of, enum schema_id id)
{
	if (!there && origins_line(pl->origins, id) != 0)
		watch_error(pl, id, "there is no %s= that it could be of",
		    schema_keys[of].name);
}

static void
watch_check_task(const struct config_task *t, struct config_errors *errs)
{
	struct place pl = { errs, &t->origins, t->run.file, t->run.line, "task",
		t->run.name };
	bool there = t->on_change.n > 0;

	watch_check_alone(
	    &pl, there, SCHEMA_TASK_on_change, SCHEMA_TASK_on_change_exclude);
	watch_check_alone(
	    &pl, there, SCHEMA_TASK_on_change, SCHEMA_TASK_on_change_delay);
	if (there)
		watch_check_globs(&pl, SCHEMA_TASK_on_change, &t->on_change,
		    &t->on_change_exclude);
}

static void
watch_check_names(const struct place *pl, const struct config *cf,
    const struct config_watch *cw)
{
	char hint[96];

	if (cw->task != NULL && config_task_find(cf, cw->task) == NULL) {
		check_near(cf, cw->task, false, hint, sizeof hint);
		watch_error(pl, SCHEMA_PROGRAM_watch, "there is no task '%s'%s",
		    cw->task, hint);
	}
	if (cw->name != NULL && !check_is_program(cf, cw->name)) {
		check_near(cf, cw->name, true, hint, sizeof hint);
		watch_error(pl, SCHEMA_PROGRAM_watch,
		    "there is no program '%s'%s", cw->name, hint);
	}
}

static void
watch_check_program(const struct config *cf, const struct config_program *p,
    struct config_errors *errs)
{
	struct place pl = { errs, &p->origins, p->file, p->line, "program",
		p->name };
	bool there = p->rare->watch.globs.n > 0;

	watch_check_alone(
	    &pl, there, SCHEMA_PROGRAM_watch, SCHEMA_PROGRAM_watch_exclude);
	watch_check_alone(
	    &pl, there, SCHEMA_PROGRAM_watch, SCHEMA_PROGRAM_watch_delay);
	if (!there)
		return;
	watch_check_globs(&pl, SCHEMA_PROGRAM_watch, &p->rare->watch.globs,
	    &p->rare->watch_exclude);
	watch_check_names(&pl, cf, &p->rare->watch);
}

void
check_watches(const struct config *cf, struct config_errors *errs)
{
	for (size_t i = 0; i < cf->ntasks; i++)
		watch_check_task(cf->tasks[i], errs);
	for (size_t i = 0; i < cf->nprograms; i++)
		watch_check_program(cf, cf->programs[i], errs);
}
