/* copy - the input as it is: in the kernel where it can, to measure. */
#include "pool/kinds/kinds.h"

#define COPY_PIECE ((size_t)4 << 20)

static int
copy_run(struct reeve_job *job)
{
	static const char *const args[] = { NULL };
	ptrdiff_t n;

	if (job->api->known_args(job, args) == -1)
		return -1;
	while ((n = job->api->pass(job, COPY_PIECE)) > 0)
		if (job->api->cancelled(job))
			return -1;
	return n == 0 ? 0 : -1;
}

const struct reeve_job_plugin job_kind_copy = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_copy,
	.name = "copy",
	.summary = "the input as it is",
	.run = copy_run,
};
