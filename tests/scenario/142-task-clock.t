#!/bin/sh
# Schedules where the clock jumps: into summer and out of it, and when somebody
# sets it.  reeved has a clock of its own here, whose hands we move.
. "$(dirname "$0")/lib.sh"
[ -e /usr/share/zoneinfo/Europe/Berlin ] || skip_all "no time zones are here"
. "$SRC/tests/scenario/lib-clock.sh"

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
	clock_ahead $(($(date -u -d "$1" +%s) - $(date +%s)))
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
set_clock 2027-03-28T00:59:58
WRAP=$CLOCK
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
faked() { $CLOCK date +%s; }
awaits 20 "set back, and 1:30 comes again" '[ "$(faked)" -ge "$(date -u -d 2027-10-31T01:30:01 +%s)" ]'
ctl status >/dev/null
is "... nothing runs twice" "$(dues night), $(dues half)" "$before"
unlike "no due time had two runs" "$(dues night) $(dues half) $(dues full)" "x[0-9]"
plan_done
