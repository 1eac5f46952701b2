/*
 * template - a job plugin to begin with: counts the lines of its input.
 *
 *	cc -shared -fPIC -O2 -o template.so template.c
 *
 * See reeve-job(3).
 */
#include <reeve/job.h>
#include <stdio.h>
#include <string.h>

static int
lines_run(struct reeve_job *job)
{
	static const char *const args[] = { "end", NULL };
	const char *p, *end = job->api->arg(job, "end");
	char buf[65536], text[32];
	unsigned long lines = 0;
	ptrdiff_t n;

	/* A name that was mistyped is an error, not a default. */
	if (job->api->known_args(job, args) == -1)
		return -1;
	if (end != NULL && strlen(end) != 1)
		return reeve_job_fail(job, "end=%s is not one byte", end);

	/* Progress is shown by itself, by how much has been read. */
	while ((n = job->api->read(job, buf, sizeof buf)) > 0) {
		if (job->api->cancelled(job))
			return -1;
		for (p = buf; p < buf + n; p++)
			lines += *p == (end != NULL ? *end : '\n');
	}
	if (n == -1)
		return -1; /* why has been said */

	snprintf(text, sizeof text, "%lu", lines);
	return job->api->answer(job, text);
}

REEVE_JOB_PLUGIN("lines", "counts lines; end=BYTE", lines_run);
