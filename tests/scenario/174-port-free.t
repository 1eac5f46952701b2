#!/bin/sh
# wait_port_free: a program that binds its port itself is not started while
# somebody else has it; who that is is told.
. "$(dirname "$0")/lib.sh"

P=$(port 0) Q=$(port 1)
hold() { # PORT: $HOLD has it
	"$CHILD" http "$1" /dev/null &
	HOLD=$!
	started "$HOLD"
	held=$1
	awaits 5 "somebody has port $1" 'port_used $held'
}
let_go() {
	kill "$HOLD"
	wait "$HOLD" 2>/dev/null
}
state() { [ "$(status_field "$1" state)" = "$2" ]; }
note() { status_field "$1" description; }

conf <<EOT
[program:web]
command = $CHILD http $P $T/none
wait_port_free = tcp://127.0.0.1:$P
before_start = /bin/sh -c "echo >>$T/out/before"
autostart = false
roll_surge = 0
[program:one]
command = $CHILD http $Q $T/none
wait_port_free = $Q
wait_port_timeout = 300ms
startretries = 0
autostart = false
[program:roll]
command = $CHILD sleep
wait_port_free = $Q
roll_surge = 0
autostart = false
[program:many]
command = $CHILD http $((P / 10))%(process_num)d $T/none
wait_port_free = $((P / 10))%(process_num)d
workers = 2
autostart = false
EOT
start_reeved

code 0 "a port that is free" ctl start web
is "... the hook has run" "$(wc -l <"$T/out/before")" 1
pid=$(ctl pid web)
code 0 "it has it itself: restart" ctl restart web
ok "... is another process" [ "$(ctl pid web)" != "$pid" ]
code 0 "... roll, with roll_surge = 0" ctl roll web
kill -KILL "$(ctl pid web)"
awaits 5 "one that dies is replaced" 'state web.0 RUNNING && [ "$(ctl pid web)" != 0 ]'
code 0 "stopped" ctl stop web
is "... nobody has waited" "$(ctl events | grep -c 'waits for its port')" 0

: >"$T/out/before"
hold "$P"
ctl_bg "$T/out/start" start web
starting=$BG
awaits 5 "somebody else has it: it waits" 'state web.0 STARTING && note web.0 | grep -q waits'
like "... and tells for whom" "$(note web.0)" "waits for its port: bind tcp 127.0.0.1:$P: in use by child .pid $HOLD"
like "... an event, too" "$(ctl events)" "port +web.0 +waits for its port: .*pid $HOLD"
is "... nothing has run" "$(wc -l <"$T/out/before") $(status_field web.0 pid)" "0 null"
kill_engine
awaits 5 "another engine waits on" 'state web.0 STARTING && note web.0 | grep -q waits'
is "... nothing has run" "$(wc -l <"$T/out/before")" 0
code 0 "a stop" ctl stop web
state web.0 STOPPED
is "... ends it, and is no failure" "$? $(grep -c "could not start" "$LOG")" "0 0"
wait "$starting"
ctl_bg "$T/out/start" start web
starting=$BG
awaits 5 "it waits again" 'note web.0 | grep -q waits'
let_go
wait "$starting"
is "the port is free: it is started" "$? $(status_field web.0 state)" "0 RUNNING"
is "... after its hook" "$(wc -l <"$T/out/before")" 1
code 0 "stopped" ctl stop web

hold "$Q"
code 1 "longer than wait_port_timeout" ctl start one
like "... says why" "$(cat "$T/out/ok")" "bind tcp [*]:$Q: in use by child .pid $HOLD., still after 3[0-9][0-9] ms"
state one.0 FATAL
is "... has failed to start" "$?" 0
like "... why says it" "$(ctl why one)" "in use by child .pid $HOLD"
let_go
code 0 "it is free" ctl start one
code 0 "stopped" ctl stop one

code 0 "a roll that waits" ctl start roll
hold "$Q"
told=$(ctl events | grep -c 'port  *roll.0  *waits')
ctl_bg "$T/out/rolling" roll roll
rolling=$BG
awaits 5 "... when the old one is gone" '[ "$(ctl events | grep -c "port  *roll.0  *waits")" -gt $told ]'
kill_engine
let_go
wait "$rolling"
is "... goes on with another engine" "$? $(status_field roll.0 state)" "0 RUNNING"

code 0 "a port for each worker" ctl start many
is "... both" "$(status_field many.0 state) $(status_field many.1 state)" "RUNNING RUNNING"
plan_done
