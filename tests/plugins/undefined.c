/* undefined - wants a function that nobody has. */
#include "reeve/job.h"

int reeve_nobody_has_this(struct reeve_job *job);

REEVE_JOB_PLUGIN("undefined", "wants what is not there", reeve_nobody_has_this);
