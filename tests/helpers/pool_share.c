/*
 * pool_share - one memory, many jobs at once, through reeve/pool.h.
 *
 *	pool_share SOCKET
 *
 * A buffer of two halves: 64 jobs copy each a range of its own from the one to
 * the other, all of them under way at the same time.  Then it is sealed: jobs
 * read it, no job writes it, and neither does this process.  Prints what came
 * of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reeve/pool.h"

#define HALF  ((size_t)1 << 20)
#define JOBS  64
#define RANGE (HALF / JOBS)

static void
die(const char *what, struct reeve_pool *p)
{
	printf("%s: %s\n", what,
	    p != NULL ? reeve_pool_error(p) : strerror(errno));
	exit(1);
}

static int
await_all(struct reeve_pool *p, int n)
{
	struct reeve_pool_event ev;
	int good = 0;

	for (; n > 0; n--) {
		if (reeve_pool_next(p, -1, &ev) != 1)
			die("next", p);
		good += ev.status == REEVE_POOL_OK;
		if (ev.status != REEVE_POOL_OK)
			printf("# %s\n", ev.text);
	}
	return good;
}

static void
copy(struct reeve_pool *p, int buffer)
{
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("copy");
	uint64_t id;

	rq.in_buffer = rq.out_buffer = buffer;
	for (size_t i = 0; i < JOBS; i++) {
		rq.in_off = (int64_t)(i * RANGE);
		/* The last range first: an order that matters is seen. */
		rq.out_off = (int64_t)(2 * HALF - (i + 1) * RANGE);
		rq.in_len = rq.out_len = (int64_t)RANGE;
		if (reeve_pool_submit(p, &rq, &id) == -1)
			die("submit", p);
	}
	printf("under way: %zu\n", reeve_pool_in_flight(p));
	printf("well: %d\n", await_all(p, JOBS));
}

/* As if a job had it mapped: it is refused, and all is as it was. */
static void
seal_too_early(struct reeve_pool *p, int buffer, char *m)
{
	void *writes = MAP_FAILED;
	struct stat st;

	for (int fd = 3; fd < 64 && writes == MAP_FAILED; fd++)
		if (fcntl(fd, F_GET_SEALS) > 0 && fstat(fd, &st) == 0 &&
		    st.st_size == (off_t)(2 * HALF))
			writes = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
	if (writes == MAP_FAILED)
		die("no descriptor of the buffer", NULL);
	printf("sealed while it is written: %d\n",
	    reeve_pool_buffer_seal(p, buffer) == 0);
	m[0]++;
	printf("as it was: %d\n", m[0] == *(char *)writes);
	munmap(writes, 4096);
}

static void
sealed(struct reeve_pool *p, int buffer, char *m)
{
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("digest");
	uint64_t id;
	char *before = malloc(HALF);

	if (before == NULL)
		die("malloc", NULL);
	seal_too_early(p, buffer, m);
	memcpy(before, m, HALF);
	if (reeve_pool_buffer_seal(p, buffer) == -1)
		die("seal", p);
	rq.in_buffer = buffer;
	if (reeve_pool_submit(p, &rq, &id) == -1)
		die("submit", p);
	printf("read when sealed: %d\n", await_all(p, 1));
	rq.kind = "copy";
	rq.in_len = rq.out_len = 10;
	rq.out_buffer = buffer;
	rq.out_off = 100;
	if (reeve_pool_submit(p, &rq, &id) == -1)
		die("submit", p);
	printf("written when sealed: %d\n", await_all(p, 1));
	printf("still there: %d\n", memcmp(m, before, HALF) == 0);
	printf("made writable: %d\n",
	    mprotect(m, 4096, PROT_READ | PROT_WRITE) == 0);
	free(before);
}

int
main(int argc, char **argv)
{
	struct reeve_pool *p = argc == 2 ? reeve_pool_open(argv[1]) : NULL;
	unsigned seed = 1;
	void *addr;
	char *m;
	int buffer, same = 1;

	if (p == NULL)
		die("open", NULL);
	buffer = reeve_pool_buffer(p, 2 * HALF, &addr);
	if (buffer == -1)
		die("buffer", p);
	m = addr;
	for (size_t i = 0; i < HALF; i++)
		m[i] = (char)rand_r(&seed);
	copy(p, buffer);
	for (size_t i = 0; i < JOBS; i++)
		same &= memcmp(m + i * RANGE, m + 2 * HALF - (i + 1) * RANGE,
			    RANGE) == 0;
	printf("each in its place: %d\n", same);
	sealed(p, buffer, m);
	reeve_pool_close(p);
	return 0;
}
