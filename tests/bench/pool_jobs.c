/*
 * pool_jobs - empty jobs through the pool in this process: how many a second.
 *
 *	pool_jobs THREADS IN-FLIGHT JOBS [loop]
 *
 * loop: who submits waits in epoll_wait(2) for the pool's descriptor, as the
 * owner of an event loop does, and libuv; otherwise in pool_wait, as one that
 * has nothing but the pool.
 */
#include <sys/epoll.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pool/pool.h"

static atomic_long ran;
static _Thread_local int submits; /* this thread does */
static int loop = -1;

static void
empty(struct pool_job *job)
{
	(void)job;
	if (submits)
		errx(1, "it is run by who has submitted it");
	atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
wait_in_loop(struct pool *p)
{
	struct epoll_event ev;

	if (pool_arm(p) && epoll_wait(loop, &ev, 1, -1) == -1)
		err(1, "epoll_wait");
}

static void
make_loop(struct pool *p)
{
	struct epoll_event ev = { .events = EPOLLIN };

	loop = epoll_create1(0);
	if (loop == -1 || epoll_ctl(loop, EPOLL_CTL_ADD, pool_fd(p), &ev) == -1)
		err(1, "epoll");
}

static void
run(struct pool *p, struct pool_job *jobs, long in_flight, long total)
{
	struct pool_job *job;
	long sent = 0, done = 0;

	for (; sent < in_flight && sent < total; sent++) {
		jobs[sent].run = empty;
		if (pool_submit(p, &jobs[sent]) == -1)
			err(1, "pool_submit");
	}
	while (done < total) {
		while ((job = pool_done(p)) != NULL) {
			done++;
			if (sent < total && pool_submit(p, job) == 0)
				sent++;
		}
		if (done < total && loop != -1)
			wait_in_loop(p);
		else if (done < total)
			pool_wait(p, -1);
	}
}

int
main(int argc, char **argv)
{
	struct pool_options opts = { .bound = 100000, .grace_ns = 1000000000 };
	long in_flight, total;
	struct pool_job *jobs;
	struct pool *p;
	double t;

	if (argc != 4 && (argc != 5 || strcmp(argv[4], "loop") != 0))
		errx(2, "usage: pool_jobs THREADS IN-FLIGHT JOBS [loop]");
	opts.threads = (unsigned)atoi(argv[1]);
	in_flight = atol(argv[2]);
	total = atol(argv[3]);
	p = pool_new(&opts);
	jobs = aligned_alloc(64, (size_t)in_flight * sizeof *jobs);
	if (p == NULL || jobs == NULL)
		err(1, "pool_new");
	submits = 1;
	if (argc == 5)
		make_loop(p);
	memset(jobs, 0, (size_t)in_flight * sizeof *jobs);
	run(p, jobs, in_flight, total / 10);
	t = seconds();
	run(p, jobs, in_flight, total);
	t = seconds() - t;
	printf("%.0f\n", (double)total / t);
	if (ran != total + total / 10)
		errx(1, "%ld of %ld ran", ran, total);
	free(jobs);
	return pool_free(p) == 0 ? 0 : 1;
}
