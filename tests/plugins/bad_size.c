/* bad_size - a structure that ends too early. */
#include "reeve/job.h"

const struct reeve_job_plugin reeve_job_plugin = {
	.abi = REEVE_JOB_ABI, .size = 8, .name = "bad_size"
};
