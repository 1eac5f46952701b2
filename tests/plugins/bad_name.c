/* bad_name - its name would be a path. */
#include "reeve/job.h"

static int
run(struct reeve_job *job)
{
	(void)job;
	return 0;
}
REEVE_JOB_PLUGIN("../digest", "its name is a path", run);
