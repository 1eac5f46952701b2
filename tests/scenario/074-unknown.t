#!/bin/sh
# UNKNOWN: a process that reeved may not send signals to; start takes it back.
. "$(dirname "$0")/lib.sh"
need setpriv
[ "$(id -u)" = 0 ] || skip_all "needs root: a process that escapes"

# It makes itself root's, which reeved is not here.
cp "$(command -v setpriv)" "$T/out/escape"
chown -R 12345:12345 "$T"
chown 0:0 "$T/out/escape"
chmod 4755 "$T/out/escape"
conf <<EOT
[program:deaf]
command = $T/out/escape --reuid=0 --regid=0 --clear-groups sleep 10000
startsecs = 0
stopwaitsecs = 1h
EOT
WRAP="setpriv --reuid=12345 --regid=12345 --clear-groups"
start_reeved
awaits 10 "it runs" 'is_state deaf.0 RUNNING'
p=$(pid_of deaf.0)
escaped() { [ "$(awk '/^Uid/ { print $2 $3 $4 }' "/proc/$p/status")" = 000 ]; }
if ! await 5 escaped; then
	kill -KILL "$p"
	skip_all "set-user-ID does nothing here"
fi
code 1 "stop can't reach it" ctl stop deaf
has "and says so" "$T/out/ok" 'signal 15 could not be sent: Operation not permitted'
is "UNKNOWN" "$(state deaf.0)" UNKNOWN
code 0 "start takes it back" ctl start deaf
has "it is the same one" "$T/out/ok" "started, pid $p"
is "RUNNING" "$(state deaf.0)" RUNNING
code 1 "stop again" ctl stop deaf
is "UNKNOWN" "$(state deaf.0)" UNKNOWN
kill_engine
awaits 10 "another engine tries again: UNKNOWN" 'is_state deaf.0 UNKNOWN'
code 0 "start takes it back" ctl start deaf
is "RUNNING" "$(state deaf.0) $(pid_of deaf.0)" "RUNNING $p"
code 1 "stop, the third" ctl stop deaf
kill -KILL "$p"
awaits 10 "who ends it by other means has it STOPPED" 'is_state deaf.0 STOPPED'
code 0 "start is a start" ctl start deaf
isnt "another one" "$(pid_of deaf.0)" "$p"
p=$(pid_of deaf.0)
await 5 escaped
kill -KILL "$p"
awaits 10 "it is replaced" '[ "$(pid_of deaf.0)" != "$p" ] && is_state deaf.0 RUNNING'
code 1 "stop" ctl stop deaf
kill -KILL "$(pid_of deaf.0)"
awaits 10 "STOPPED" 'is_state deaf.0 STOPPED'
plan_done
