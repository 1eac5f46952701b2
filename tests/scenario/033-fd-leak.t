#!/bin/sh
# Reloads, reopened logs, rolls, clients: no descriptor is left behind.
. "$(dirname "$0")/lib.sh"

base() {
	cat <<EOT
[program:web]
command = $CHILD ready sleep
ready = notify
socket = tcp://127.0.0.1:$(port 0)
socket_mode = reuseport
workers = 2
environment = N="$1"
[program:plain]
command = $CHILD sleep
startsecs = 10ms
stdout_logfile = $T/log/plain.$1.log
[program:rotate]
command = $CHILD print-lines 100000 sleep
startsecs = 10ms
autostart = false
stdout_logfile_maxbytes = 1KB
stdout_logfile_backups = 3
EOT
}
base 0 | conf
start_reeved
awaits 5 "all are up" 'all_state RUNNING web plain'
e=$(engine_pid)
cycle() { # N
	{
		base "$1"
		printf '[program:extra]\ncommand = %s sleep\nstartsecs = 10ms\nsocket = tcp://127.0.0.1:%s\n' "$CHILD" "$(port 1)"
	} | conf
	ctl reload >/dev/null || return 1
	kill -USR1 "$REEVED"
	base "$1" | conf
	ctl reload >/dev/null || return 1
	ctl reload --plan >/dev/null
	ctl tail -n 3 plain >/dev/null
	ctl scale web 3 >/dev/null && ctl scale web 2 >/dev/null
	ctl restart --hard plain >/dev/null
}
for i in 1 2 3; do cycle $i || fail "cycle $i"; done
await 5 'all_state RUNNING web plain'
k0=$(fds "$REEVED") e0=$(fds "$e")
m0=$(awk '/^VmRSS/ { print $2 }' "/proc/$e/status")
i=3
n=$((TEST_LONG == 1 ? 500 : 20))
while [ $i -lt $n ]; do
	i=$((i + 1))
	cycle $((i % 3)) || { fail "cycle $i"; break; }
done
await 5 'all_state RUNNING web plain'
awaits 5 "after $n cycles: as many in the keeper" '[ "$(fds "$REEVED")" = "$k0" ]'
echo "# keeper $k0 -> $(fds "$REEVED"), engine $e0 -> $(fds "$e")"
awaits 5 "and in the engine" '[ "$(fds "$e")" = "$e0" ]'
m1=$(awk '/^VmRSS/ { print $2 }' "/proc/$e/status")
[ "$VARIANT" != release ] || ok "the engine has not grown ($m0 to $m1 kB)" test "$m1" -lt $((m0 + 2000))
i=0
while [ $i -lt 100 ]; do
	i=$((i + 1))
	kill -HUP "$REEVED"
	kill -USR1 "$REEVED"
done
awaits 5 "100 HUP and USR1 in a row: the daemon answers" 'ctl status'
awaits 5 "as many in the keeper" '[ "$(fds "$REEVED")" = "$k0" ]'
awaits 5 "and in the engine" '[ "$(fds "$e")" = "$e0" ]'
# A thousand rotations, and some of the old files are taken away meanwhile.
ctl start rotate >/dev/null
i=0
while [ $i -lt 20 ] && ! grep -qs "line 100000" "$T/log/rotate.0.stdout.log"; do
	i=$((i + 1))
	rm -f "$T/log/rotate.0.stdout.log.1" "$T/log/rotate.0.stdout.log.2"
done
awaits 20 "the last line is there" 'ctl status rotate | grep -q RUNNING && cat "$T/log/rotate.0.stdout.log"* | grep -q "line 100000"'
ctl stop rotate >/dev/null
awaits 5 "1000 rotations: as many in the keeper" '[ "$(fds "$REEVED")" -le $((k0 + 4)) ]'
awaits 5 "and in the engine" '[ "$(fds "$e")" -le $((e0 + 6)) ]'
k0=$(fds "$REEVED") e0=$(fds "$e")
kill_engine
e=$(engine_pid)
awaits 5 "after the engine was killed: as many in the keeper" '[ "$(fds "$REEVED")" = "$k0" ]'
awaits 5 "and in the new engine" '[ "$(fds "$e")" -le $((e0 + 1)) ]'
plan_done
