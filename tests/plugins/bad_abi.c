/* bad_abi - built for a header that is not there yet. */
#include "reeve/job.h"

const struct reeve_job_plugin reeve_job_plugin = { .abi = REEVE_JOB_ABI + 1,
	.size = sizeof(struct reeve_job_plugin),
	.name = "bad_abi" };
