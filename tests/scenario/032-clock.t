#!/bin/sh
# A step of the wall clock, a year forth or back, changes no delay.
. "$(dirname "$0")/lib.sh"
need python3
[ "$(id -u)" = 0 ] || skip_all "needs root to set a clock"

# The clock of this machine is not ours.  A shared library gives the daemon
# one that steps.
cat >"$T/step.c" <<'EOT'
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static long
shift(void)
{
	const char *f = getenv("STEP_FILE");
	long year = 365L * 86400;
	if (f == NULL)
		return 0;
	if (access(f, F_OK) == -1)
		return 0;
	return getenv("STEP_BACK") != NULL ? -year : year;
}
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ts->tv_sec += shift();
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
[ "$VARIANT" = release ] || skip_all "a preloaded library and sanitizers do not mix"
cc -shared -fPIC -O1 -o "$T/step.so" "$T/step.c" 2>"$T/out/cc" || skip_all "no C compiler here"

conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 300ms
[program:young]
command = $CHILD append $T/out/young x exit 1
startsecs = 100ms
backoff_min = 400ms
backoff_max = 400ms
[program:stubborn]
command = $CHILD ignore-term sleep
startsecs = 100ms
stopwaitsecs = 500ms
[program:never]
command = $CHILD sleep
ready = notify
ready_timeout = 1500ms
backoff_min = 20
stopwaitsecs = 1
EOT
step() { # "" or STEP_BACK=1
	rm -f "$T/out/step" "$T/out/young"
	WRAP="env LD_PRELOAD=$T/step.so STEP_FILE=$T/out/step $1"
	start_reeved
	WRAP=
	awaits 5 "$2: up" 'is_state web.0 RUNNING'
	p=$(pid_of web.0)
	touch "$T/out/step"
	n=$(wc -l <"$T/out/young")
	awaits 4 "$2: a backoff goes on" '[ "$(wc -l <"$T/out/young")" -ge $((n + 3)) ]'
	ok "$2: at its pace" test "$(wc -l <"$T/out/young")" -le $((n + 6))
	awaits 4 "$2: ready_timeout comes" 'is_state never.0 BACKOFF'
	t0=$(now_ms)
	ctl stop stubborn
	t=$(($(now_ms) - t0))
	ok "$2: stopwaitsecs is what it was ($t ms)" test $t -ge 450 -a $t -lt 3000
	is "$2: nobody was restarted" "$(pid_of web.0)" "$p"
	u=$(status_field web.0 uptime_ms)
	ok "$2: uptime is monotonic ($u)" test "$u" -gt 0 -a "$u" -lt 100000
	end_reeved
}
step "" "a year forth"
step STEP_BACK=1 "a year back"
plan_done
