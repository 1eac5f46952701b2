#!/bin/sh
# Schedules where the clock jumps: into summer and out of it, and when somebody
# sets it.  reeved has a clock of its own here, whose hands we move.
. "$(dirname "$0")/lib.sh"
need python3
[ -e /usr/share/zoneinfo/Europe/Berlin ] || skip_all "no time zones are here"
[ "$VARIANT" = release ] || skip_all "a preloaded library and sanitizers do not mix"

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

conf <<EOT
cpu_slots = 16
[program:idle]
command = $CHILD sleep
[task:night]
command = true
schedule = 30 2 * * *
timezone = Europe/Berlin
[task:half]
command = true
schedule = 30 * * * *
timezone = Europe/Berlin
[task:full]
command = true
schedule = 0 * * * *
timezone = Europe/Berlin
catch_up = no
EOT
# set_clock UTC: it is that time; who asks wakes the loop, as the kernel would.
set_clock() {
	python3 - "$T/clock" "$1" <<-'EOT'
		import datetime, struct, sys, time
		to = datetime.datetime.fromisoformat(sys.argv[2] + "+00:00").timestamp()
		with open(sys.argv[1], "r+b") as f:
		    f.write(struct.pack("q", round(to - time.time())))
	EOT
	[ -z "$REEVED" ] || ctl status >/dev/null
}
# The due times of a task that had a run, in UTC, with their number.
dues() {
	ctl task list --all --json | python3 -c '
import collections, json, sys, time
c = collections.Counter(t["due"] for t in json.load(sys.stdin) if t["name"] == sys.argv[1])
print(" ".join(time.strftime("%m-%d/%H:%M", time.gmtime(d / 1000)) + ("" if n == 1 else "x%d" % n) for d, n in sorted(c.items())))' "$1"
}
is_dues() { [ "$(dues "$1")" = "$2" ]; }
dd if=/dev/zero of="$T/clock" bs=8 count=1 2>/dev/null
set_clock 2027-03-28T00:59:58
WRAP="env LD_PRELOAD=$T/clock.so CLOCK_FILE=$T/clock"
start_reeved
WRAP=

# At 1:00 UTC it becomes 3:00: there is no 2:30.
awaits 20 "what the summer leaves out runs right after" 'is_dues night 03-28/01:00'
awaits 5 "... 3:00 is there" 'is_dues full 03-28/01:00'
is "... and no 2:30 for what runs every hour" "$(dues half)" ""
set_clock 2027-03-28T01:29:59
awaits 20 "... which goes on at 3:30" 'is_dues half 03-28/01:30'
is "once a night" "$(dues night)" "03-28/01:00"

# At 1:00 UTC it becomes 2:00 again: 2:30 comes twice.
set_clock 2027-10-31T00:29:59
awaits 20 "months forward: one run for all that was missed, and its own time" 'is_dues night "03-28/01:00 10-30/00:30 10-31/00:30"'
awaits 5 "... none without catch_up" 'is_dues full "03-28/01:00"'
awaits 20 "what runs every hour runs at the first 2:30" 'dues half | grep -q " 10-31/00:30$"'
set_clock 2027-10-31T01:29:59
awaits 20 "... and at the second" 'dues half | grep -q " 10-31/01:30$"'
like "... what names the hour does not" "$(dues night)" " 10-31/00:30$"
before="$(dues night), $(dues half)"

# Set back: what has been is not due again.
set_clock 2027-10-31T01:29:58
faked() { env LD_PRELOAD="$T/clock.so" CLOCK_FILE="$T/clock" date +%s; }
awaits 20 "set back, and 1:30 comes again" '[ "$(faked)" -ge "$(date -u -d 2027-10-31T01:30:01 +%s)" ]'
ctl status >/dev/null
is "... nothing runs twice" "$(dues night), $(dues half)" "$before"
unlike "no due time had two runs" "$(dues night) $(dues half) $(dues full)" "x[0-9]"
plan_done
