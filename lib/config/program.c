/* program - the part of a config that outlives it. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "config/config_priv.h"
#include "config/jobs.h"
#include "config/value.h"

/* The defaults; nothing in it is allocated. */
static struct config_rare rare_defaults;

static void
rare_fill(struct config_program *p)
{
	struct value_ctx vc = { .object = p, .here = "/" };
	size_t n;
	enum schema_id first = schema_first(SECTION_PROGRAM, &n);
	struct config_rare *own = config_rare_own(p);
	struct err err;

	for (size_t i = 0; i < n; i++) {
		enum schema_id id = (enum schema_id)(first + i);

		if (!schema_rows[id].rare || schema_keys[id].dflt == NULL)
			continue;
		schema_range(id, &vc.min, &vc.max);
		BUG_ON(value_set(&vc, id, schema_keys[id].dflt, &err) == -1);
	}
	own->ioprio = -1;
	rare_defaults = *own;
	free(own);
	p->rare = &rare_defaults;
}

void
config_rare_init(struct config_program *p)
{
	static bool filled;

	p->rare = &rare_defaults;
	if (filled)
		return;
	filled = true;
	rare_fill(p);
}

struct config_rare *
config_rare_own(struct config_program *p)
{
	struct config_rare *own;

	if (!config_rare_is_shared(p))
		return (struct config_rare *)(uintptr_t)p->rare;
	own = xmalloc(sizeof *own);
	*own = rare_defaults;
	p->rare = own;
	return own;
}

bool
config_rare_is_shared(const struct config_program *p)
{
	return p->rare == &rare_defaults;
}

void
config_rare_fini(struct config_program *p)
{
	struct config_rare *own;

	if (config_rare_is_shared(p))
		return;
	own = config_rare_own(p);
	free(own->identity.groups);
	free(own);
}

struct config_program *
config_program_new(const char *name)
{
	struct config_program *p = xcalloc(1, sizeof *p);

	p->refs = 1;
	p->name = xstrdup(name);
	p->umask = -1;
	p->nice = INT64_MIN;
	p->ready_fd = -1;
	origins_init(&p->origins);
	config_rare_init(p);
	return p;
}

struct config_program *
config_program_find(const struct config *cf, const char *name)
{
	for (size_t i = 0; i < cf->nprograms; i++)
		if (strcmp(cf->programs[i]->name, name) == 0)
			return cf->programs[i];
	return NULL;
}

struct config_program *
config_program_ref(struct config_program *p)
{
	p->refs++;
	return p;
}

void
config_program_unref(struct config_program *p)
{
	size_t n;
	enum schema_id first = schema_first(SECTION_PROGRAM, &n);

	if (p == NULL)
		return;
	BUG_ON(p->refs == 0);
	if (--p->refs > 0)
		return;
	for (size_t i = 0; i < n; i++)
		value_clear(p, (enum schema_id)(first + i));
	free(p->name);
	free(p->group);
	strv_fini(&p->reeve_environment);
	config_jobs_unref(p->jobs);
	origins_fini(&p->origins);
	config_rare_fini(p);
	free(p);
}

const char *
config_program_group(const struct config_program *p)
{
	return p->group != NULL ? p->group : p->name;
}

bool
config_program_has_channel(const struct config_program *p)
{
	return p->ipc || p->ready == READY_IPC;
}

int
config_program_workers(const struct config_program *p, int usable_cpus)
{
	int64_t n = p->workers;

	if (p->rare->cpu_set.n > 0 && (size_t)usable_cpus > p->rare->cpu_set.n)
		usable_cpus = (int)p->rare->cpu_set.n;
	if (p->rare->workers_per_cpu > 0)
		n = p->rare->workers_per_cpu * usable_cpus;
	else if (n == -1)
		n = usable_cpus;
	return n < CONFIG_WORKERS_MAX ? (int)n : CONFIG_WORKERS_MAX;
}
