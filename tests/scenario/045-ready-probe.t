#!/bin/sh
# Readiness by probe: tcp, http, unix sockets; late, never, wrong.
. "$(dirname "$0")/lib.sh"

p=$(port 0) q=$(port 1) r=$(port 2) s=$(port 3)
echo 503 >"$T/out/http.say"
echo hang >"$T/out/hang.say"
conf <<EOT
[program:tcp]
command = $CHILD wait-file $T/out/go http $p $T/out/none
ready = tcp:$p
startsecs = 100ms
[program:http]
command = $CHILD http $q $T/out/http.say
ready = http://127.0.0.1:$q/health 200-299
ready_interval = 50ms
startsecs = 100ms
[program:un]
command = $CHILD http $T/run/un.%(process_num)d $T/out/none
workers = 2
ready = http+unix:$T/run/un.%(process_num)d:/up
startsecs = 100ms
[program:never]
command = $CHILD sleep
ready = tcp:127.0.0.1:1
ready_timeout = 300ms
startsecs = 100ms
backoff_min = 20
[program:hang]
command = $CHILD http $r $T/out/hang.say
ready = http:$r/
ready_try_timeout = 100ms
startsecs = 100ms
[program:roll]
command = $CHILD append-pid $T/out/pids wait-file $T/out/roll http $T/run/roll.%(process_num)d $T/out/none
ready = unix:$T/run/roll.%(process_num)d
autostart = false
startsecs = 100ms
[program:bad]
command = sh -c "[ ! -e $T/out/bad ] || exec $CHILD sleep; exec $CHILD http $s $T/out/none"
ready = http:$s/
ready_timeout = 300ms
startsecs = 100ms
EOT
start_reeved
awaits 5 "http+unix: up" 'all_state RUNNING un'
is "tcp waits" "$(state tcp.0)" STARTING
awaits 5 "... and says for what" 'ctl status tcp | grep -q "not ready: connect 127.0.0.1:$p: Connection refused"'
awaits 5 "503 is not ready" 'ctl status http | grep -q "health: status 503, not 200-299"'
awaits 5 "who does not answer is not ready" 'ctl status hang | grep -q "no answer within 100 ms"'
kill_engine
is "after the engine was killed: still waiting" "$(state tcp.0)$(state http.0)" STARTINGSTARTING
touch "$T/out/go"
echo 204 >"$T/out/http.say"
awaits 5 "tcp: RUNNING" 'is_state tcp.0 RUNNING'
awaits 5 "http: RUNNING" 'is_state http.0 RUNNING'
is "ready" "$(status_field http.0 ready)" true
is "no restart" "$(status_field tcp.0 restarts)$(status_field http.0 restarts)" 00
awaits 5 "never: BACKOFF" 'is_state never.0 BACKOFF'
like "why has the last answer" "$(ctl why never.0)" "not ready in time: connect 127.0.0.1:1: Connection refused"
code 1 "start tells it, too" ctl start never
has "... with the last answer" "$T/out/ok" "not ready within 300 ms: connect 127.0.0.1:1: Connection refused"

# A roll waits for the new one.
touch "$T/out/roll"
code 0 "start waits for the probe" ctl start roll
code 0 "a roll, too" ctl roll roll
is "two instances were there" "$(wc -l <"$T/out/pids")" 2
await 5 'all_state RUNNING bad'
b=$(pid_of bad.0)
touch "$T/out/bad"
kill -STOP "$b"
code 1 "one that does not answer aborts it" ctl roll bad
has "... with the reason" "$T/out/ok" "not ready within 300 ms: GET .*no answer|not ready within 300 ms"
is "the old one goes on" "$(pid_of bad.0)" "$b"
kill -CONT "$b"

# What can't work is found at load.
conf "$T/x.conf" <<EOT
[program:x]
command = sleep 9
ready = http://db.example.org/up
EOT
code 2 "a name is an error" "$B/reeved" --check -c "$T/x.conf"
has "... with its place" "$T/out/ok" "x.conf:[0-9]+: .*ready: 'db.example.org' is not an address.*not looked up"
conf "$T/x.conf" <<EOT
[program:x]
command = sleep 9
socket = tcp://127.0.0.1:$p
ready = tcp:$p
EOT
code 0 "its own socket is a warning" "$B/reeved" --check -c "$T/x.conf"
has "... that says why" "$T/out/ok" "accepts whether an instance is there or not"
rm -f "$T"/run/un.* "$T"/run/roll.*
plan_done
