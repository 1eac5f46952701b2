#!/bin/sh
# Readiness: by notify, by a descriptor, by time; never, late, twice, junk.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:notify]
command = $CHILD wait-file $T/out/go status "warming up" ready sleep
ready = notify
startsecs = 100ms
[program:twice]
command = $CHILD ready-twice ready-twice sleep
ready = notify
startsecs = 100ms
[program:fd]
command = $CHILD wait-file $T/out/go ready-fd 5 sleep
ready = fd:5
startsecs = 100ms
[program:delay]
command = $CHILD sleep
startsecs = 400ms
[program:early]
command = $CHILD print-err "cannot bind" exit 4
ready = notify
startsecs = 100ms
backoff_min = 20
[program:never]
command = $CHILD print-err "still thinking" sleep
ready = notify
ready_timeout = 400ms
startsecs = 100ms
backoff_min = 20
stopwaitsecs = 1
[program:junk]
command = $CHILD ready-junk wait-file $T/out/go2 ready sleep
ready = notify
startsecs = 100ms
[program:closed]
command = $CHILD write-fd 7 nothing pause 300 exit 5
ready = fd:7
startsecs = 100ms
backoff_min = 20
[program:grand]
command = sh -c "$CHILD ready; exec $CHILD sleep"
ready = notify
startsecs = 100ms
EOT
start_reeved
awaits 5 "delay is RUNNING after startsecs" 'is_state delay.0 RUNNING'
is "notify waits" "$(state notify.0)" STARTING
is "... and is not ready" "$(status_field notify.0 ready)" false
is "fd:N waits" "$(state fd.0)" STARTING
is "junk is not READY" "$(state junk.0)" STARTING
touch "$T/out/go"
awaits 5 "READY=1: RUNNING" 'is_state notify.0 RUNNING'
is "ready" "$(status_field notify.0 ready)" true
like "STATUS= is shown" "$(ctl status notify)" "warming up"
awaits 5 "a newline on fd N: RUNNING" 'is_state fd.0 RUNNING'
awaits 5 "READY twice is ready once" 'is_state twice.0 RUNNING'
is "twice: no restart" "$(status_field twice.0 restarts)" 0
touch "$T/out/go2"
awaits 5 "after junk READY counts" 'is_state junk.0 RUNNING'
unlike "control characters of a STATUS are not printed" \
    "$(ctl status junk | od -c | tr -d '\n')" '033 +\[ +3 +1|001'
awaits 5 "a child's child may say READY" 'is_state grand.0 RUNNING'

awaits 5 "exit before READY: BACKOFF" 'is_state early.0 BACKOFF'
is "its exit code" "$(status_field early.0 exit_code)" 4
like "why has its last line" "$(ctl why early.0)" "cannot bind"
awaits 5 "not ready in ready_timeout: BACKOFF" 'is_state never.0 BACKOFF'
like "why says so" "$(ctl why never.0)" "ready"
like "... with its last line" "$(ctl why never.0)" "still thinking"
awaits 5 "no newline, then exit: BACKOFF" 'is_state closed.0 BACKOFF'
code 1 "start tells a failed start: exit 1" ctl start early
has "... with the reason" "$T/out/ok" "cannot bind"
code 1 "start tells a timeout: exit 1" ctl start never
has "... with the reason" "$T/out/ok" "ready"
plan_done
