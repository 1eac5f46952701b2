/*
 * bad - a plugin that does what no plugin should: do=WHAT.
 *
 * file=PATH: a line is appended there when it begins, and one when it ends.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reeve/job.h"

static void
note(struct reeve_job *job, const char *what)
{
	const char *file = job->api->arg(job, "file");
	const char *name = job->api->arg(job, "name");
	char line[128];
	int fd, n;

	if (file == NULL)
		return;
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	n = snprintf(
	    line, sizeof line, "%s %s\n", what, name != NULL ? name : "-");
	if (fd == -1 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

/* Until the file named by `until` is there; stops when told to if it may. */
static int
wait_for(struct reeve_job *job, int polite)
{
	const char *until = job->api->arg(job, "until");

	while (until == NULL || access(until, F_OK) == -1) {
		if (polite && job->api->cancelled(job))
			return -1;
		usleep(2000);
	}
	return 0;
}

static int
leak(struct reeve_job *job)
{
	for (int i = 0; i < 100; i++) {
		char *p = job->api->alloc(job, 1000000);

		if (p == NULL)
			return -1;
		memset(p, 1, 1000000);
	}
	return 0;
}

static int
over(struct reeve_job *job)
{
	char room[1000] = { 0 };

	for (int i = 0; i < 1000; i++)
		if (job->api->write(job, room, sizeof room) == -1)
			return -1;
	return 0;
}

/* As many as are read, until the input is at its end. */
static int
sum(struct reeve_job *job)
{
	const unsigned char *p;
	unsigned long s = 0;
	char text[32];
	size_t n;

	p = job->api->map(job, &n);
	if (p == NULL)
		return -1;
	if (wait_for(job, 1) == -1)
		return -1;
	for (size_t i = 0; i < n; i++)
		s += p[i];
	(void)snprintf(text, sizeof text, "%lu", s);
	return job->api->answer(job, text);
}

static int
bad(struct reeve_job *job)
{
	const char *what = job->api->arg(job, "do");
	/* A place that the compiler does not know to be nowhere. */
	volatile int *volatile nowhere = (volatile int *)16;
	int r = 0;

	note(job, "begin");
	if (what == NULL)
		what = "nothing";
	if (strcmp(what, "segv") == 0)
		*nowhere = 1;
	else if (strcmp(what, "abort") == 0)
		abort();
	else if (strcmp(what, "kill") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(what, "loop") == 0)
		r = wait_for(job, 0);
	else if (strcmp(what, "wait") == 0)
		r = wait_for(job, 1);
	else if (strcmp(what, "leak") == 0)
		r = leak(job);
	else if (strcmp(what, "over") == 0)
		r = over(job);
	else if (strcmp(what, "sum") == 0)
		r = sum(job);
	else if (strcmp(what, "rubbish") == 0)
		r = 12345;
	note(job, "end");
	return r;
}

REEVE_JOB_PLUGIN("bad", "what no plugin should do, for tests", bad);
