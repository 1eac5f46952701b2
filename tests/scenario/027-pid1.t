#!/bin/sh
# reeved as PID 1: reaps strangers, acts only on its own, ends by TERM.
. "$(dirname "$0")/lib.sh"
need unshare
unshare -pf --mount-proc true 2>/dev/null || skip_all "no PID namespace here"

conf <<EOT
[program:web]
command = $CHILD daemon-grandchild $T/out/daemon sleep
startsecs = 200ms
[program:strangers]
command = sh -c "i=0; while [ \$i -lt 20 ]; do i=\$((i+1)); (exec $CHILD pause 20 exit \$i) & done; (setsid $CHILD pause 300 exit 3 &) ; sleep 0.2; exec $CHILD append-pid $T/out/strangers sleep"
startsecs = 200ms
EOT
env REEVE_TEST="$T" unshare -pf --mount-proc --kill-child "$B/reeved" -n -c "$CONF" >"$T/out/reeved" 2>&1 </dev/null &
U=$!
started $U
awaits 10 "it is up" 'all_state RUNNING'
R=$(pgrep -P $U)
is "as PID 1" "$(ctl pid)" 1
awaits 5 "strangers are reaped" '[ -e "$T/out/strangers" ] && [ "$(ps -o stat= --ppid "$R" | grep -c Z)" = 0 ]'
is "and nobody is restarted for them" "$(status_field web.0 restarts)$(status_field strangers.0 restarts)" 00
e=$(pgrep -P "$R" -x reeve-engine)
kill -KILL "$e"
awaits 10 "the engine comes back" '[ -n "$(pgrep -P "$R" -x reeve-engine)" ] && ctl status'
is "nobody is restarted" "$(status_field web.0 restarts)$(status_field strangers.0 restarts)" 00
code 0 "stop" ctl stop web
kill -TERM "$R"
awaits 10 "TERM ends it" 'gone $U'
wait $U
is "exit 0" $? 0
plan_done
