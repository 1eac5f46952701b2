#!/bin/sh
# Health: lost and found again, a roll, a restart, a report; exec, too.
. "$(dirname "$0")/lib.sh"
need curl

p=$(port 0) q=$(port 1) r=$(port 2)
cat >"$T/app.sh" <<EOT
# Each slot has a path of its own; there the old instance answers for a new one
# that is about to fail, so ready= looks at what makes it fail as well.
echo "\$1 \$\$" >>$T/out/started
[ ! -e "$T/out/no-start" ] || exit 3
exec $CHILD http $T/run/\$1 $T/out/\$1.say
EOT
conf <<EOT
[program:roll]
command = sh $T/app.sh roll.%(process_num)d
workers = 2
ready = exec:sh -c 'test ! -e $T/out/no-start && curl -s --unix-socket $T/run/roll.%(process_num)d http://x/'
health = http+unix:$T/run/roll.%(process_num)d:/health
health_interval = 100ms
health_timeout = 10s
health_failures = 2
startsecs = 100ms
[program:restart]
command = $CHILD append-pid $T/out/restarts http $q $T/out/restart.say
ready = http:$q/ 100-599
health = http:$q/
health_interval = 50ms
health_timeout = 200ms
health_action = restart
health_failures = 2
startsecs = 100ms
[program:report]
command = $CHILD http $r $T/out/report.say
ready = tcp:$r
health = tcp:127.0.0.1:1
health_interval = 50ms
health_action = report
startsecs = 100ms
[program:exec]
command = $CHILD append-pid $T/out/execs sleep
ready = exec:test -e $T/out/exec.up
ready_interval = 50ms
health = exec:sh -c 'echo "looked at \$REEVE_PID"; test ! -e $T/out/exec.ill'
health_interval = 100ms
health_failures = 2
startsecs = 100ms
[program:limit]
command = $CHILD sleep
health = tcp:127.0.0.1:1
health_interval = 50ms
health_failures = 1
health_action = restart
restart_limit = 2/1h
startsecs = 0
[program:many]
command = $CHILD sleep
workers = 4
health = tcp:127.0.0.1:1
health_interval = 50ms
health_failures = 1
health_action = restart
startsecs = 0
[group:ill]
programs = many
restart_rate = 1/2h
[program:plain]
command = $CHILD sleep
startsecs = 100ms
EOT
start_reeved
awaits 5 "up" 'all_state RUNNING roll restart report plain'
is "exec: not ready yet" "$(state exec.0)" STARTING
awaits 5 "... and says why" 'ctl status exec | grep -q "not ready: test -e .*exited with 1"'
touch "$T/out/exec.up"
awaits 5 "exec: the command exits with 0: RUNNING" 'is_state exec.0 RUNNING'
awaits 5 "healthy" '[ "$(status_field roll.0 health)" = healthy ] && [ "$(status_field exec.0 health)" = healthy ]'
is "without health= there is none" "$(status_field plain.0 health)" null
awaits 5 "its output is in the program's log" 'grep -q "looked at $(pid_of exec.0)" "$T/log/exec.0.stdout.log"'

# report: nothing but news.
awaits 5 "report: unhealthy" '[ "$(status_field report.0 health)" = unhealthy ]'
is "the state stays" "$(state report.0)" RUNNING
like "status says it" "$(ctl status report)" "UNHEALTHY: connect 127.0.0.1:1: Connection refused"
like "an event, too" "$(ctl events)" "health +report.0 +unhealthy: connect 127.0.0.1:1: Connection refused .3 in a row"
is "and a number, as a metric" "$(status_field report.0 health_losses)" 1
is "one, however often it fails" "$(ctl events | grep -c 'report.0 .*unhealthy')" 1

# restart: as a death for restart_limit, and for restart_rate, which keeps up
# what it cannot start again yet.
turns() { ctl status 'ill:*' | grep -c 'UNHEALTHY: connect .* restart_rate of ill: restart in [1-7] h'; }
restarts() { ctl --json status 'ill:*' | grep -Eo '"restarts" *: *[0-9]+' | grep -c "$1"; }
awaits 10 "restart_limit: FATAL" 'is_state limit.0 FATAL'
like "of its health" "$(ctl status limit)" "3 deaths in .*restart_limit 2/1h.: .*failed health probe"
is "restarted as often as it may" "$(status_field limit.0 restarts)" 2
awaits 10 "restart_rate of the group: all are ill, one was restarted" '[ "$(restarts "1$")" = 1 ] && [ "$(turns)" = 4 ]'
like "it is an event" "$(ctl events)" "health +many.. +restart_rate of ill: its restart waits"
ill=$(pids 'ill:*')
kill_engine
is "... and so is how often health was lost" "$(status_field report.0 health_losses)" 1
awaits 10 "another engine lets them wait" '[ "$(turns)" = 4 ]'
is "and up" "$(pids 'ill:*')" "$ill"
sed -i 's|^restart_rate = .*|restart_rate = 1000/1s|' "$CONF"
code 0 "with another rate" ctl reload
awaits 10 "all are restarted" '[ "$(restarts "0$")" = 0 ]'
code 0 "enough of them" ctl stop many

# roll: the new one is ready before the old one goes; its neighbour stays.
a=$(pid_of roll.0) b=$(pid_of roll.1)
echo 500 >"$T/out/roll.0.say"
awaits 10 "roll: the unhealthy one is replaced" '[ "$(pid_of roll.0)" != "$a" ] && gone $a'
echo 200 >"$T/out/roll.0.say"
awaits 5 "healthy again" '[ "$(status_field roll.0 health)" = healthy ]'
is "its neighbour was left alone" "$(pid_of roll.1)" "$b"
is "no restart" "$(status_field roll.0 restarts)" 0
like "why names the probe" "$(ctl why roll.0)" "ended: failed health probe: GET .*status 500"
like "... as a cause of its own" "$(ctl --json why roll.0)" '"cause" ?: ?"unhealthy"'

# No replacement: the old one goes on, and it is tried again.
b=$(pid_of roll.1)
touch "$T/out/no-start"
echo 500 >"$T/out/roll.1.say"
awaits 10 "two tries to replace it fail" '[ "$(ctl events | grep -c "aborted: the new roll.1")" -ge 2 ]'
is "the old one goes on" "$(pid_of roll.1)" "$b"
is "unhealthy" "$(status_field roll.1 health)" unhealthy
kill_engine
is "unhealthy after the engine was killed, too" "$(status_field roll.1 health)" unhealthy
echo 200 >"$T/out/roll.1.say"
rm "$T/out/no-start"
awaits 5 "it comes back" '[ "$(status_field roll.1 health)" = healthy ]'
awaits 5 "which is an event" 'ctl events | grep -q "roll.1 .*healthy again"'

# restart: stopped, and another one started.
a=$(pid_of restart.0)
echo hang >"$T/out/restart.say"
awaits 10 "restart: who does not answer is stopped" 'gone $a'
echo 200 >"$T/out/restart.say"
awaits 10 "another one is up" 'is_state restart.0 RUNNING && [ "$(pid_of restart.0)" != "$a" ]'
like "why names the probe" "$(ctl why restart.0)" "ended: failed health probe: GET .*no answer within 200 ms"
isnt "that is a restart" "$(status_field restart.0 restarts)" 0

# exec, and an engine that dies while it is ill.
a=$(pid_of exec.0)
rm "$T/out/exec.up"
touch "$T/out/exec.ill"
awaits 10 "exec: unhealthy" '[ "$(status_field exec.0 health)" = unhealthy ]'
kill_engine
rm "$T/out/exec.ill"
touch "$T/out/exec.up"
awaits 10 "it is healthy again or replaced, whichever comes first" '[ "$(status_field exec.0 health)" = healthy ]'
awaits 5 "none of the commands is left" '[ -z "$(pgrep -f "$T/out/exec.ill")" ]'
rm -f "$T"/run/roll.*
plan_done
