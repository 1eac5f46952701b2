#!/bin/sh
# A step of the wall clock, a year forth or back, changes no delay.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-clock.sh"

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
step() { # SECONDS WHAT
	rm -f "$T/out/young"
	clock_ahead 0
	WRAP=$CLOCK
	start_reeved
	WRAP=
	awaits 5 "$2: up" 'is_state web.0 RUNNING'
	p=$(pid_of web.0)
	clock_ahead "$1"
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
step 31536000 "a year forth"
step -31536000 "a year back"
plan_done
