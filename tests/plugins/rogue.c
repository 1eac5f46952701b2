/*
 * rogue - a job plugin that misbehaves on order: do=WHAT.
 *
 *	sleep	for ms=N, asking whether it is cancelled
 *	wait	until there is a file of the name until=PATH, asking
 *	stubborn	the same, and does not ask
 *	loop	for ever, and does not ask
 *	segv abort overflow fpe	dies of it
 *	exit	ends the pool's process, with 3
 *	leak	takes memory of the pool and forgets it
 *	malloc	the same of malloc, mb=N, or fails and gives it back
 *	map	has its input mapped, waits as above, answers its sum
 *	read	reads a byte, waits as above, answers the sum of all
 *	past	writes 1 byte at=N into an output in memory of size=N
 *	overrun	writes more than its output may hold
 *	rubbish	an answer and a progress that are no text
 *	silent	fails and does not say why
 *	hello	the answer is VERSION
 *	attempt	writes much and dies; at the second attempt writes less
 *
 * With file=PATH it appends "begin NAME" there, and "end NAME" when it comes
 * to that; NAME is that of name=NAME, "@" the input's.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reeve/job.h"

#ifndef VERSION
#define VERSION "1"
#endif

static int
rogue_sleep(struct reeve_job *job)
{
	const char *ms = job->api->arg(job, "ms");
	long left = ms == NULL ? 1000 : strtol(ms, NULL, 10), all = left;

	for (; left > 0; left -= 5) {
		if (job->api->cancelled(job))
			return reeve_job_fail(job, "woken");
		job->api->progress(
		    job, (int)((all - left) * 100 / all), "sleeping");
		poll(NULL, 0, left < 5 ? (int)left : 5);
	}
	return job->api->answer(job, "slept");
}

static int
rogue_wait(struct reeve_job *job, int polite)
{
	const char *until = job->api->arg(job, "until");

	while (until == NULL || access(until, F_OK) == -1) {
		if (polite && job->api->cancelled(job))
			return reeve_job_fail(job, "woken");
		poll(NULL, 0, 2);
	}
	return 0;
}

static void
rogue_note(struct reeve_job *job, const char *what)
{
	const char *file = job->api->arg(job, "file");
	const char *name = job->api->arg(job, "name");
	char line[128];
	int fd, n;

	if (file == NULL)
		return;
	if (name != NULL && strcmp(name, "@") == 0)
		name = job->input_name;
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	n = snprintf(
	    line, sizeof line, "%s %s\n", what, name != NULL ? name : "-");
	if (fd == -1 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

static int
rogue_deeper(volatile char *p, int n)
{
	volatile char frame[4096];

	frame[0] = p[0];
	return n == 0 ? frame[0] : rogue_deeper(frame, n + 1) + frame[1];
}

static int
rogue_die(const char *what)
{
	volatile int zero = 0;
	volatile char c = 0;

	if (strcmp(what, "abort") == 0)
		abort();
	if (strcmp(what, "segv") == 0)
		*(volatile int *)(uintptr_t)(16 + zero) = 1;
	if (strcmp(what, "exit") == 0)
		_exit(3);
	if (strcmp(what, "overflow") == 0)
		return rogue_deeper(&c, 1);
	if (strcmp(what, "loop") == 0)
		for (;;)
			zero = 0;
	return 1 / zero;
}

static int
rogue_rubbish(struct reeve_job *job)
{
	job->api->progress(job, -7, "\033[2J\xff\xfe\n");
	job->api->log(job, REEVE_JOB_WARN, "\033[2J\xff\xfe\nforged line");
	return job->api->answer(job, "\x80\x81\n");
}

static int
rogue_overrun(struct reeve_job *job)
{
	static char much[1 << 20];

	while (job->api->write(job, much, sizeof much) == 0)
		;
	return 0; /* and says that all is well */
}

static int
rogue_attempt(struct reeve_job *job)
{
	static const char much[100000];

	if (job->attempt > 1)
		return job->api->write(job, "less\n", 5);
	(void)job->api->write(job, much, sizeof much);
	return rogue_die("segv");
}

static long
rogue_number(struct reeve_job *job, const char *name)
{
	const char *text = job->api->arg(job, name);

	return text == NULL ? 0 : strtol(text, NULL, 10);
}

static int
rogue_leak(struct reeve_job *job)
{
	long i, mb = rogue_number(job, "mb");

	for (i = 0; i < (mb == 0 ? 10 : mb) * 100; i++)
		if (job->api->alloc(job, 10000) == NULL)
			return -1;
	return 0;
}

/* Keeps it for ever. */
static int
rogue_malloc(struct reeve_job *job)
{
	long i, mb = rogue_number(job, "mb");
	void **p, *last = NULL;

	for (i = 0; i < mb; i++) {
		p = malloc(1 << 20);
		if (p == NULL)
			break;
		memset(p, 1, 1 << 20);
		*p = last;
		last = p;
		__asm__ volatile("" : : "r"(p) : "memory");
	}
	if (i == mb)
		return 0;
	for (p = last; p != NULL; p = last) {
		last = *p;
		free(p);
	}
	return reeve_job_fail(job, "no memory after %ld MiB", i);
}

static int
rogue_sum(struct reeve_job *job, unsigned long sum)
{
	char text[32];

	snprintf(text, sizeof text, "%lu", sum);
	return job->api->answer(job, text);
}

static int
rogue_map(struct reeve_job *job)
{
	size_t n, i;
	const unsigned char *p = job->api->map(job, &n);
	unsigned long sum = 0;

	if (p == NULL || rogue_wait(job, 1) == -1)
		return -1;
	for (i = 0; i < n; i++)
		sum += p[i];
	return rogue_sum(job, sum);
}

static int
rogue_read(struct reeve_job *job)
{
	unsigned char buf[65536];
	ptrdiff_t got = job->api->read(job, buf, 1), i;
	unsigned long sum = 0;

	if (rogue_wait(job, 1) == -1)
		return -1;
	for (; got > 0; got = job->api->read(job, buf, sizeof buf))
		for (i = 0; i < got; i++)
			sum += buf[i];
	return got == -1 ? -1 : rogue_sum(job, sum);
}

static int
rogue_past(struct reeve_job *job)
{
	size_t size = (size_t)rogue_number(job, "size");
	char *p = job->api->map_output(job, size);

	if (p == NULL)
		return -1;
	memset(p, 'x', size);
	p[rogue_number(job, "at")] = 'y';
	return 0;
}

static int
rogue_do(struct reeve_job *job)
{
	const char *what = job->api->arg(job, "do");

	if (what == NULL || strcmp(what, "hello") == 0)
		return job->api->answer(job, VERSION);
	if (strcmp(what, "sleep") == 0)
		return rogue_sleep(job);
	if (strcmp(what, "wait") == 0 || strcmp(what, "stubborn") == 0)
		return rogue_wait(job, what[0] == 'w');
	if (strcmp(what, "rubbish") == 0)
		return rogue_rubbish(job);
	if (strcmp(what, "overrun") == 0)
		return rogue_overrun(job);
	if (strcmp(what, "leak") == 0)
		return rogue_leak(job);
	if (strcmp(what, "malloc") == 0)
		return rogue_malloc(job);
	if (strcmp(what, "map") == 0)
		return rogue_map(job);
	if (strcmp(what, "read") == 0)
		return rogue_read(job);
	if (strcmp(what, "past") == 0)
		return rogue_past(job);
	if (strcmp(what, "silent") == 0)
		return -1;
	if (strcmp(what, "attempt") == 0)
		return rogue_attempt(job);
	return rogue_die(what);
}

static int
rogue_run(struct reeve_job *job)
{
	int r;

	rogue_note(job, "begin");
	r = rogue_do(job);
	rogue_note(job, "end");
	return r;
}

REEVE_JOB_PLUGIN("rogue", "misbehaves on order", rogue_run);
