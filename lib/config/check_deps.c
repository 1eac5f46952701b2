/*
 * check_deps - dependencies that cannot be: unknown, of oneself, in a ring,
 * or on a condition that never holds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "base/xalloc.h"
#include "config/check.h"

struct check_deps {
	const struct config *cf;
	struct config_errors *errs;
	/* Of the walk for rings, one a program. */
	enum {
		DEPS_NEW,
		DEPS_OPEN, /* on the path to where the walk is */
		DEPS_SEEN
	} * mark;
	size_t *path;
	size_t depth;
};

static void deps_error(struct check_deps *cd, const struct config_program *p,
    bool bind, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
deps_error(struct check_deps *cd, const struct config_program *p, bool bind,
    const char *fmt, ...)
{
	enum schema_id id =
	    bind ? SCHEMA_PROGRAM_bind_to : SCHEMA_PROGRAM_depends_on;
	const char *file = origins_file(&p->origins, id);
	int line = origins_line(&p->origins, id);
	struct buf b;
	va_list ap;

	buf_init(&b);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	config_error(cd->errs, file != NULL ? file : p->file,
	    line != 0 ? line : p->line, "[program:%s] %s: %s", p->name,
	    schema_keys[id].name, buf_str(&b));
	buf_fini(&b);
}

static size_t
deps_find(const struct config *cf, const char *name)
{
	size_t i = 0;

	while (i < cf->nprograms && strcmp(cf->programs[i]->name, name) != 0)
		i++;
	return i;
}

static void
deps_unknown(struct check_deps *cd, const struct config_program *p,
    const struct config_dependency *d)
{
	struct near nr;

	near_init(&nr, d->name);
	for (size_t i = 0; i < cd->cf->nprograms; i++)
		near_try(&nr, cd->cf->programs[i]->name);
	if (nr.best != NULL && strcmp(nr.best, p->name) != 0)
		deps_error(cd, p, d->bind,
		    "there is no program '%s', did you mean '%s'?", d->name,
		    nr.best);
	else
		deps_error(cd, p, d->bind, "there is no program '%s'", d->name);
}

static void
deps_one(struct check_deps *cd, const struct config_program *p,
    const struct config_dependency *d)
{
	size_t i = deps_find(cd->cf, d->name);

	if (i == cd->cf->nprograms)
		deps_unknown(cd, p, d);
	else if (cd->cf->programs[i] == p)
		deps_error(cd, p, d->bind, "it cannot wait for itself");
	else if (d->condition == CONDITION_DONE &&
		 cd->cf->programs[i]->autorestart == AUTORESTART_TRUE)
		deps_error(cd, p, d->bind,
		    "%s:done can never be: '%s' is always restarted; it needs "
		    "autorestart = false or unexpected",
		    d->name, d->name);
}

/* The walk has come back to a program of its own path. */
static void
deps_ring(struct check_deps *cd, size_t to)
{
	size_t from = cd->depth - 1;
	const struct config_program *p;
	struct config_dependency d;
	bool bind = false;
	struct buf b;

	while (cd->path[from] != to)
		from--;
	buf_init(&b);
	for (size_t i = from; i < cd->depth; i++)
		buf_addf(&b, "%s -> ", cd->cf->programs[cd->path[i]]->name);
	buf_adds(&b, cd->cf->programs[to]->name);
	/* It is told where the first of the ring names the next one. */
	p = cd->cf->programs[to];
	for (size_t n = 0; config_program_dependency(p, n, &d); n++)
		if (from + 1 < cd->depth &&
		    deps_find(cd->cf, d.name) == cd->path[from + 1]) {
			bind = d.bind;
			break;
		}
	deps_error(cd, p, bind, "they wait for each other: %s", buf_str(&b));
	buf_fini(&b);
}

static void
deps_walk(struct check_deps *cd, size_t i)
{
	struct config_dependency d;

	cd->mark[i] = DEPS_OPEN;
	cd->path[cd->depth++] = i;
	for (size_t n = 0;
	     config_program_dependency(cd->cf->programs[i], n, &d); n++) {
		size_t to = deps_find(cd->cf, d.name);

		if (to == cd->cf->nprograms || to == i)
			continue; /* told */
		if (cd->mark[to] == DEPS_OPEN)
			deps_ring(cd, to);
		else if (cd->mark[to] == DEPS_NEW)
			deps_walk(cd, to);
	}
	cd->depth--;
	cd->mark[i] = DEPS_SEEN;
}

void
check_deps(const struct config *cf, struct config_errors *errs)
{
	struct check_deps cd = { .cf = cf, .errs = errs };
	struct config_dependency d;

	if (cf->nprograms == 0)
		return;
	cd.mark = xcalloc(cf->nprograms, sizeof *cd.mark);
	cd.path = xcalloc(cf->nprograms, sizeof *cd.path);
	for (size_t i = 0; i < cf->nprograms; i++)
		for (size_t n = 0;
		     config_program_dependency(cf->programs[i], n, &d); n++)
			deps_one(&cd, cf->programs[i], &d);
	for (size_t i = 0; i < cf->nprograms; i++)
		if (cd.mark[i] == DEPS_NEW)
			deps_walk(&cd, i);
	free(cd.mark);
	free(cd.path);
}
