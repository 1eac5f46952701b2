/*
 * child - the program that every contender of the benchmark supervises.
 *
 * The first thing it does is to look at the clock; then it writes that and
 * its pid into the FIFO $BENCH_FIFO, and waits to be killed.  So "start" in
 * the benchmark is always the same moment, told by the process itself.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
main(void)
{
	struct timespec now;
	struct {
		uint64_t ns;
		uint64_t pid;
	} record;
	const char *path;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &now);
	record.ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	record.pid = (uint64_t)getpid();
	path = getenv("BENCH_FIFO");
	fd = path != NULL ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	/* Less than PIPE_BUF: the records of many children do not mix. */
	if (fd == -1 || write(fd, &record, sizeof record) != sizeof record)
		return 1;
	close(fd);
	for (;;)
		pause();
}
