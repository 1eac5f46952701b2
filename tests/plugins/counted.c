/* counted - writes a letter to the descriptor in COUNTED_FD when it is loaded
 * and when it is unloaded. */
#include <stdlib.h>
#include <unistd.h>

#include "reeve/job.h"

static int
counted_say(char c)
{
	const char *fd = getenv("COUNTED_FD");

	return fd != NULL && write(atoi(fd), &c, 1) == 1 ? 0 : -1;
}

static int
counted_load(const char **why)
{
	*why = "COUNTED_FD is not there";
	return counted_say('l');
}

static void
counted_unload(void)
{
	counted_say('u');
}

static int
counted_run(struct reeve_job *job)
{
	(void)job;
	return counted_say('r');
}

const struct reeve_job_plugin reeve_job_plugin = { .abi = REEVE_JOB_ABI,
	.size = sizeof(struct reeve_job_plugin) + 64, /* of a later header */
	.name = "counted",
	.summary = "tells when it is loaded",
	.run = counted_run,
	.load = counted_load,
	.unload = counted_unload };
