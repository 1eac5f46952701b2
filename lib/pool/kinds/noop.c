/* noop - does nothing: what a job costs by itself. */
#include "pool/kinds/kinds.h"

static int
noop_run(struct reeve_job *job)
{
	(void)job;
	return 0;
}

const struct reeve_job_plugin job_kind_noop = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_noop,
	.name = "noop",
	.summary = "nothing, to measure what a job costs",
	.run = noop_run,
};
