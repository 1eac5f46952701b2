# shellcheck shell=sh disable=SC2034,SC2154
# lib-clock.sh - a clock that is set, for scenarios.  Sourced after lib.sh.
#
# The clock of this machine is not ours: a preloaded library gives reeved and
# what it runs one that is $T/clock seconds ahead (8 bytes of this machine).

[ "$VARIANT" = release ] || skip_all "a preloaded library and sanitizers do not mix"
need python3

cat >"$T/clock.c" <<'EOT'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
/* Seconds that it is ahead, in a file. */
static int64_t
ahead(void)
{
	static const volatile int64_t *at;
	static const volatile int64_t none;
	int fd;
	if (at == NULL) {
		fd = open(getenv("CLOCK_FILE"), O_RDONLY | O_CLOEXEC);
		at = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
		if (at == MAP_FAILED)
			at = &none;
		close(fd);
	}
	return *at;
}
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ts->tv_sec += ahead();
	return rc;
}
int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;
	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
time_t
time(time_t *t)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (t != NULL)
		*t = ts.tv_sec;
	return ts.tv_sec;
}
EOT
cc -shared -fPIC -O1 -o "$T/clock.so" "$T/clock.c" 2>"$T/out/cc" || skip_all "no C compiler here"

CLOCK="env LD_PRELOAD=$T/clock.so CLOCK_FILE=$T/clock" # for WRAP

# In place: it is mapped.
clock_ahead() { # SECONDS
	python3 -c 'import os, struct, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, struct.pack("q", int(sys.argv[2])))' "$T/clock" "$1"
}
clock_ahead 0
