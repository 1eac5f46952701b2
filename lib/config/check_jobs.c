/* check_jobs - [pool] and [job:x]: what they name, and who else is "pool". */
#include <string.h>

#include "base/near.h"
#include "config/check.h"
#include "config/jobs.h"
#include "config/plugin_file.h"

/* Of lib/pool/kinds, which is in the pool's process alone. */
static const char *const built_in[] = { "command", "compress", "copy",
	"decompress", "decrypt", "digest", "encrypt", "noop" };

static bool
check_is_built_in(const char *kind)
{
	for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
		if (strcmp(built_in[i], kind) == 0)
			return true;
	return false;
}

static void
check_plugin(
    const struct config_job *j, bool plugins, struct config_errors *errs)
{
	int line = origins_line(&j->origins, SCHEMA_JOB_plugin);
	struct err err = { .text = "" };

	if (j->plugin == NULL && !check_is_built_in(j->kind))
		config_error(errs, j->file, j->line,
		    "[job:%s] needs plugin = FILE: no kind of that name is "
		    "built in",
		    j->kind);
	if (j->plugin == NULL || !plugins)
		return;
	if (plugin_check_file(j->plugin, &err) == -1)
		config_error(errs, origins_file(&j->origins, SCHEMA_JOB_plugin),
		    line, "[job:%s] %s", j->kind, err.text);
}

static void
check_pool_of(const struct config_jobs *jobs, const struct config_job *j,
    struct config_errors *errs)
{
	struct near nr;

	if (j->pool == NULL)
		return;
	near_init(&nr, j->pool);
	for (size_t i = 1; i < jobs->npools; i++) {
		if (strcmp(jobs->pools[i]->name, j->pool) == 0)
			return;
		near_try(&nr, jobs->pools[i]->name);
	}
	config_error(errs, origins_file(&j->origins, SCHEMA_JOB_pool),
	    origins_line(&j->origins, SCHEMA_JOB_pool),
	    nr.best != NULL ? "[job:%s] pool = %s: there is no [pool:%s], did "
			      "you mean '%s'?"
			    : "[job:%s] pool = %s: there is no [pool:%s]",
	    j->kind, j->pool, j->pool, nr.best);
}

static void
check_allow_jobs(const struct config *cf, struct config_errors *errs)
{
	for (size_t i = 0; i < cf->nprograms; i++)
		if (cf->programs[i]->allow_jobs)
			config_error(errs, cf->programs[i]->file,
			    cf->programs[i]->line,
			    "[program:%s] allow_jobs: there is no pool; a "
			    "section [pool] makes one",
			    cf->programs[i]->name);
}

void
check_jobs(const struct config *cf, bool plugins, struct config_errors *errs)
{
	const struct config_jobs *jobs = cf->jobs;
	const struct config_program *p = config_program_find(cf, CONFIG_POOL);

	if (jobs == NULL) {
		check_allow_jobs(cf, errs);
		return;
	}
	if (p != NULL && p->jobs == NULL)
		config_error(errs, p->file, p->line,
		    "[program:" CONFIG_POOL "]: the sections [pool] and "
		    "[job:KIND] (%s:%d) make a program of that name: give "
		    "this one another name, or take those away",
		    jobs->pools[0]->file, jobs->pools[0]->line);
	else if (cf->socket == NULL)
		config_error(errs, jobs->pools[0]->file, jobs->pools[0]->line,
		    "[pool]: jobs come over a socket beside that of reeved, "
		    "but [reeve] socket = none");
	for (size_t i = 0; i < jobs->njobs; i++) {
		check_plugin(jobs->jobs[i], plugins, errs);
		check_pool_of(jobs, jobs->jobs[i], errs);
	}
}
