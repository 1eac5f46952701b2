#!/bin/sh
# Who dies young is tried again with growing pauses; FATAL only by its rule.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:young]
command = $CHILD append $T/out/young x print-err "no database" exit 3
startsecs = 300ms
backoff_min = 100ms
backoff_max = 400ms
[program:fatal]
command = $CHILD append $T/out/fatal x exit 1
startsecs = 300ms
startretries = 3
backoff_min = 50ms
backoff_max = 100ms
[program:third]
command = $CHILD first 2 $T/out/third exit 1 sleep
startsecs = 200ms
backoff_min = 50ms
[program:slow]
command = $CHILD exit 1
startsecs = 300ms
backoff_min = 30
backoff_max = 60
[program:nocmd]
command = $T/prog
startsecs = 200ms
backoff_min = 50ms
backoff_max = 200ms
autostart = false
EOT
cp "$CHILD" "$T/prog"
start_reeved
awaits 5 "the third try holds" 'is_state third.0 RUNNING'
is "its restarts are told" "$(status_field third.0 restarts)" 2
awaits 10 "FATAL after startretries" 'is_state fatal.0 FATAL'
is "one try and three more" "$(wc -l <"$T/out/fatal")" 4
is "no next try" "$(status_field fatal.0 next_retry_ms)" null
awaits 5 "unlimited: it goes on" '[ "$(wc -l <"$T/out/young")" -ge 5 ]'
awaits 5 "BACKOFF is shown" 'is_state young.0 BACKOFF'
is "a long pause is BACKOFF" "$(state slow.0)" BACKOFF
n=$(status_field slow.0 next_retry_ms)
ok "the next try is told ($n ms)" test "$n" -gt 10000 -a "$n" -le 60000
like "status says why and when" "$(ctl status slow)" "BACKOFF.*1.*"

code 1 "start of what is FATAL fails: exit 1" ctl start fatal
has "... with the reason" "$T/out/ok" "exit(ed)?( with)?( code)?( status)? 1"
awaits 5 "it is FATAL again" 'is_state fatal.0 FATAL'
code 0 "stop in BACKOFF" ctl stop slow
is "is STOPPED" "$(state slow.0)" STOPPED
is "and no try is due" "$(status_field slow.0 next_retry_ms)" null

# The start is tried by hand: at once, not when the pause is over.
code 1 "start in BACKOFF tries at once, exit 1" ctl start young
has "... with the last lines of stderr" "$T/out/ok" "no database"

# No such program: the reason, not a mystery exit code.
rm "$T/prog"
code 1 "a program that is gone: exit 1" ctl start nocmd
has "... No such file" "$T/out/ok" "$T/prog.*No such file|No such file.*$T/prog"
like "why knows it" "$(ctl why nocmd.0)" "No such file"
cp "$CHILD" "$T/prog" && chmod -x "$T/prog"
awaits 5 "not executable: says so" 'ctl why nocmd.0 | grep -q "Permission denied\|not executable"'
printf '#!%s/no/interpreter\n' "$T" >"$T/prog.new" && chmod +x "$T/prog.new" && mv "$T/prog.new" "$T/prog"
awaits 5 "the tries go on" 'is_state nocmd.0 BACKOFF'
cp "$CHILD" "$T/prog.new"
mv "$T/prog.new" "$T/prog"
ctl stop nocmd
plan_done
