/* refuses - its load() finds something missing. */
#include "reeve/job.h"

static int
refuses_load(const char **why)
{
	*why = "there is no model";
	return -1;
}

static int
refuses_run(struct reeve_job *job)
{
	(void)job;
	return 0;
}

const struct reeve_job_plugin reeve_job_plugin = { .abi = REEVE_JOB_ABI,
	.size = sizeof(struct reeve_job_plugin),
	.name = "refuses",
	.summary = "refuses to be loaded",
	.run = refuses_run,
	.load = refuses_load };
