#!/bin/sh
# The daemon comes up, tells what runs, stops and starts it, leaves nothing.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD sleep
workers = 2
startsecs = 200ms
[program:solo]
command = $CHILD print hello sleep
startsecs = 200ms
[program:later]
command = $CHILD sleep
autostart = false
startsecs = 200ms
[group:pair]
programs = web, later
EOT

code 4 "no daemon: reevectl exits with 4" ctl status
has "... and says where it looked" "$T/out/ok" "$T/run/reeve.sock"

start_reeved
awaits 5 "what starts by itself is RUNNING" 'all_state RUNNING web solo'
is "what does not is STOPPED" "$(state later.0)" STOPPED
is "the control socket is for its owner only" \
    "$(stat -c %a "$T/run/reeve.sock")" 600
is "the pidfile has reeved's pid" "$(cat "$T/run/reeve.pid")" "$REEVED"
is "pid without a name is reeved's" "$(ctl pid)" "$REEVED"
p0=$(pid_of web.0) p1=$(pid_of web.1)
is "pid NAME is the slot's" "$(ctl pid web.0)" "$p0"
like "that pid is the worker" "$(tr '\0' ' ' <"/proc/$p0/cmdline")" "child sleep"
is "its parent is reeved itself" \
    "$(awk '/^PPid/ { print $2 }' "/proc/$p0/status")" "$REEVED"
is "it is in a session of its own" "$(ps -o sid= -p "$p0" | tr -d ' ')" "$p0"

table=$(ctl status)
like "status is a table with a line for each slot" "$table" "web\.0 +RUNNING.*$p0"
like "... for the other" "$table" "web\.1 +RUNNING.*$p1"
like "... and for what is down" "$table" "later(\.0)? +STOPPED"
json=$(ctl --json status web.0)
for key in name program group slot state ready pid generation uptime_ms \
    restarts exit_code exit_signal next_retry_ms description; do
	like "--json has $key" "$json" "\"$key\""
done
is "name" "$(status_field web.0 name)" web.0
is "program" "$(status_field web.0 program)" web
is "group" "$(status_field web.0 group)" pair
is "no group is null" "$(status_field solo.0 group)" null
is "slot" "$(status_field web.1 slot)" 1
is "generation" "$(status_field web.1 generation)" 1
is "restarts" "$(status_field web.1 restarts)" 0
is "exit_code" "$(status_field web.1 exit_code)" null
ok "--json is JSON" sh -c 'echo "$1" | python3 -m json.tool' sh "$json"

code 3 "an unknown name: exit 3" ctl status wbe
has "... and the nearest one" "$T/out/ok" "web"
code 3 "stop of an unknown name: exit 3" ctl stop nosuch
code 2 "an unknown verb: exit 2" ctl stauts
has "... and the nearest one" "$T/out/ok" "status"
code 2 "a missing argument: exit 2" ctl scale web
code 0 "version" ctl version

code 0 "stop waits until it is done" ctl stop web
ok "web.0 is gone" gone "$p0"
ok "web.1 is gone" gone "$p1"
is "web.0 is STOPPED" "$(state web.0)" STOPPED
is "solo was not touched" "$(state solo.0)" RUNNING
code 0 "stop again is fine" ctl stop web
code 0 "start waits until it is up" ctl start web
ok "both are RUNNING" all_state RUNNING web
isnt "with a new pid" "$(pid_of web.0)" "$p0"
is "which is not a restart" "$(status_field web.0 restarts)" 0
code 0 "start again is fine" ctl start web
p1=$(pid_of web.1)
code 0 "stop of one slot" ctl stop web.0
is "leaves the other" "$(pid_of web.1)" "$p1"
code 0 "start of a group" ctl start 'pair:*'
ok "all of it is up" all_state RUNNING 'pair:*'
code 0 "stop with a glob" ctl stop 'l*'
is "later.0 is STOPPED" "$(state later.0)" STOPPED
code 0 "restart --hard" ctl restart --hard solo
ok "solo is up" all_state RUNNING solo
code 0 "signal" ctl signal TERM solo
awaits 5 "a signalled worker is replaced" '[ "$(status_field solo.0 restarts)" = 1 ]'
code 0 "stop all" ctl stop all
ok "all are STOPPED" all_state STOPPED
code 0 "start all" ctl start all
ok "all are RUNNING" all_state RUNNING
has "output is in the log file" "$T/log/solo.0.stdout.log" "^hello$"

code 0 "shutdown" ctl shutdown
wait_reeved
is "reeved exits with 0" "$CODE" 0
plan_done
