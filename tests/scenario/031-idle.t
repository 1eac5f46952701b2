#!/bin/sh
# Idle is idle: with nothing due, no process of reeve's wakes up.
. "$(dirname "$0")/lib.sh"
[ "$VARIANT" = release ] || skip_all "sanitizers have threads of their own"

conf <<EOT
[program:web]
command = $CHILD sleep
workers = 20
startsecs = 200ms
[program:ready]
command = $CHILD ready status "at work" sleep
ready = notify
workers = 4
[program:port]
command = $CHILD serve
socket = tcp://127.0.0.1:$(port 0)
socket_mode = reuseport
workers = 2
startsecs = 200ms
EOT
start_reeved
awaits 10 "all are up" 'all_state RUNNING'
e=$(engine_pid)
switches() { cat "/proc/$REEVED"/task/*/status "/proc/$e"/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'; }
quiet() { # for 5 seconds on end
	a=$(switches)
	i=0
	while [ $i -lt 5 ]; do
		sleep 1
		i=$((i + 1))
		b=$(switches)
		if [ "$a" != "$b" ]; then
			echo "$((b - a)) switches"
			return 1
		fi
	done
}
# What the start began may have to settle, a few tries are allowed.
awaits 20 "no context switch of keeper and engine in 5 s" quiet
kill_engine
e=$(engine_pid)
awaits 20 "nor after the engine was killed" quiet
plan_done
