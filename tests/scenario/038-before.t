#!/bin/sh
# The config before an aborted reload's roll outlives the engine: what a
# program goes back to is what its workers are made from, whatever dies.
. "$(dirname "$0")/lib.sh"

new() {
	conf <<EOT
[program:web]
command = $CHILD $1
workers = 2
startsecs = 200ms
ready = ${2-delay}
ready_timeout = 20s
EOT
}
new 'print old sleep'
start_reeved
awaits 5 "up" 'all_state RUNNING'
were=$(pids web)
engine_again() {
	e=$(engine_pid)
	kill_engine
	awaits 5 "another engine" '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != '"$e"' ] && ctl status'
}

new 'print-err refused exit 3'
code 1 "a reload to what does not start: exit 1" ctl reload
is "the old ones run" "$(pids web)" "$were"
engine_again
is "the old ones run, over the engine's death" "$(pids web)" "$were"
kill -KILL "$(pid_of web.0)"
awaits 5 "a successor of the config before" 'all_state RUNNING && [ "$(status_field web.0 pid)" != "'"$(echo "$were" | sed 1q)"'" ]'
like "... its command is the old one" "$(tr '\0' ' ' <"/proc/$(pid_of web.0)/cmdline")" "print old sleep"
engine_again
kill -KILL "$(pid_of web.1)"
awaits 5 "and over another death" 'all_state RUNNING'

# Killed in the middle of such a roll: it goes on, is aborted, and goes back.
were=$(pids web)
new 'print-err hangs sleep' 'fd:5'
ctl reload --no-wait || ctl reload &
started $!
awaits 5 "the canary is there" '[ -n "$(pgrep -P "$REEVED" -f "print-err hangs")" ]'
engine_again
kill -KILL $(pgrep -P "$REEVED" -f "print-err hangs")
awaits 10 "the roll is over" '! ctl status | grep -q rolling && all_state RUNNING'
is "the old ones run" "$(pids web)" "$were"
kill -KILL "$(pid_of web.0)"
awaits 5 "a successor of the config before" 'all_state RUNNING'
like "... its command is the old one" "$(tr '\0' ' ' <"/proc/$(pid_of web.0)/cmdline")" "print old sleep"

# A good one ends it: the config before is forgotten.
new 'print good sleep'
code 0 "a reload to a good one" ctl reload
engine_again
kill -KILL "$(pid_of web.0)"
awaits 5 "a successor" 'all_state RUNNING'
like "... is the good one" "$(tr '\0' ' ' <"/proc/$(pid_of web.0)/cmdline")" "print good sleep"
is "nothing of it is kept" "$(ls -l "/proc/$REEVED/fd" | grep -c 'memfd:reeve-config')" 1
plan_done
