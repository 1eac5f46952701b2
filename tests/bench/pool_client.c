/*
 * pool_client - empty jobs from a client over the socket: how many a second.
 *
 *	pool_client SOCKET IN-FLIGHT JOBS [KIND]
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "reeve/pool.h"

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	struct reeve_pool_request rq =
	    REEVE_POOL_REQUEST(argc > 4 ? argv[4] : "noop");
	long in_flight, total, sent = 0, done = 0;
	struct reeve_pool_event ev;
	struct reeve_pool *p;
	uint64_t id;
	double t;

	if (argc < 4)
		errx(2, "usage: pool_client SOCKET IN-FLIGHT JOBS [KIND]");
	in_flight = atol(argv[2]);
	total = atol(argv[3]);
	p = reeve_pool_open(argv[1]);
	if (p == NULL)
		err(1, "%s", argv[1]);
	t = seconds();
	while (done < total) {
		while (sent < total && sent - done < in_flight) {
			if (reeve_pool_submit(p, &rq, &id) == -1)
				errx(1, "%s", reeve_pool_error(p));
			sent++;
		}
		if (reeve_pool_next(p, -1, &ev) != 1)
			errx(1, "%s", reeve_pool_error(p));
		if (ev.status != REEVE_POOL_OK)
			errx(1, "%s %s", reeve_pool_status_name(ev.status),
			    ev.text);
		done++;
	}
	printf("%.0f\n", (double)total / (seconds() - t));
	reeve_pool_close(p);
	return 0;
}
