/*
 * uv_work - empty jobs through libuv's work queue: what pool_jobs is beside.
 *
 *	uv_work THREADS IN-FLIGHT JOBS
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

static long total, sent, done;

static void
work(uv_work_t *w)
{
	(void)w;
}

static void
after(uv_work_t *w, int status)
{
	(void)status;
	done++;
	if (sent < total && uv_queue_work(w->loop, w, work, after) == 0)
		sent++;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
run(uv_loop_t *loop, uv_work_t *all, long in_flight, long n)
{
	total = n;
	sent = done = 0;
	for (; sent < in_flight && sent < total; sent++)
		if (uv_queue_work(loop, &all[sent], work, after) != 0)
			errx(1, "uv_queue_work");
	(void)uv_run(loop, UV_RUN_DEFAULT);
	if (done != total)
		errx(1, "%ld of %ld", done, total);
}

int
main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_work_t *all;
	long in_flight, n;
	double t;

	if (argc != 4)
		errx(2, "usage: uv_work THREADS IN-FLIGHT JOBS");
	(void)setenv("UV_THREADPOOL_SIZE", argv[1], 1);
	in_flight = atol(argv[2]);
	n = atol(argv[3]);
	all = calloc((size_t)in_flight, sizeof *all);
	if (all == NULL)
		err(1, "calloc");
	run(loop, all, in_flight, n / 10);
	t = seconds();
	run(loop, all, in_flight, n);
	printf("%.0f\n", (double)n / (seconds() - t));
	free(all);
	return 0;
}
