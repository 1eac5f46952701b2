#!/bin/sh
# A worker that dies is replaced at once, and nobody else is touched.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD sleep
workers = 3
startsecs = 200ms
[program:other]
command = $CHILD sleep
startsecs = 200ms
[program:once]
command = $CHILD exit-after 400 0
startsecs = 200ms
autorestart = unexpected
[program:never]
command = $CHILD exit-after 400 3
startsecs = 200ms
autorestart = false
[program:two]
command = $CHILD exit-after 400 2
startsecs = 200ms
autorestart = unexpected
exitcodes = 0, 2
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING web other'
p0=$(pid_of web.0) p1=$(pid_of web.1) p2=$(pid_of web.2) o=$(pid_of other.0)
kill -KILL "$p1"
awaits 5 "it is replaced" '[ "$(pid_of web.1)" != "$p1" ] && is_state web.1 RUNNING'
is "generation counts" "$(status_field web.1 generation)" 2
is "restarts counts" "$(status_field web.1 restarts)" 1
is "exit_signal says how it died" "$(status_field web.1 exit_signal)" 9
is "web.0 is untouched" "$(pid_of web.0)" "$p0"
is "web.2 is untouched" "$(pid_of web.2)" "$p2"
is "other.0 is untouched" "$(pid_of other.0)" "$o"
is "web.0 counts nothing" "$(status_field web.0 restarts)" 0

# At once: from the death to the successor there is no pause.
p1=$(pid_of web.1)
kill -KILL "$p1"
await 5 'n=$(ctl pid web.1) && [ -n "$n" ] && [ "$n" != 0 ] && [ "$n" != "$p1" ]'
is "it waited for nothing" "$(grep -c 'web\.1 [A-Z]* --.*-> BACKOFF' "$T/log/reeve.log")" 0
is "... it went from dead to starting" "$(grep -c 'web\.1 EXITED --START-> STARTING' "$T/log/reeve.log")" 2

# Many deaths, one after the other: it was RUNNING, so there is no backoff.
n=2
while [ "$n" -lt 6 ]; do
	n=$((n + 1))
	kill -KILL "$(pid_of web.1)"
	await 5 '[ "$(status_field web.1 restarts)" = '$n' ] && is_state web.1 RUNNING'
done
is "six deaths, six restarts" "$(status_field web.1 restarts)" 6

awaits 5 "an expected exit is not restarted" 'is_state once.0 EXITED'
is "exit_code" "$(status_field once.0 exit_code)" 0
is "never restarted: autorestart = false" "$(state never.0)" EXITED
is "its exit code" "$(status_field never.0 exit_code)" 3
is "exitcodes = 0, 2: expected" "$(state two.0)" EXITED
is "no pid" "$(pid_of never.0)" null
code 0 "start of an EXITED one" ctl start never
is "is up again" "$(state never.0)" RUNNING
plan_done
