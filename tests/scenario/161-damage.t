#!/bin/sh
# What an engine leaves to the next one is damaged: that costs what was noted
# down there, and no process.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD sleep
workers = 3
startsecs = 0
[program:port]
command = $CHILD serve
socket = tcp://127.0.0.1:$(port 0)
startsecs = 0
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
were=$(pids)
# memfd NAME: as the keeper has it.
memfd() {
	for fd in "/proc/$REEVED"/fd/*; do
		case $(readlink "$fd") in */memfd:reeve-"$1"*) echo "$fd" ;; esac
	done
}
# damage NAME FIRST: all bytes of it from FIRST on are something else by the
# time that the next engine looks.
damage() {
	f=$(memfd "$1")
	old=$(engine_pid)
	kill -STOP "$old"
	n=$(stat -Lc %s "$f")
	head -c $((n - $2)) /dev/urandom |
	    dd of="$f" conv=notrunc oflag=seek_bytes seek="$2" bs=64k 2>"$T/out/dd"
	kill -KILL "$old"
	awaits 10 "$1 from byte $2 on: there is an engine" \
	    '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != '"$old"' ] && ctl status'
	awaits 5 "... and all are up" 'all_state RUNNING'
	is "... with their processes" "$(pids)" "$were"
}
for what in table events config; do
	damage $what 0
	damage $what 64
done
has "it is told" "$LOG" "reeve-table: of another layout: what is in it is forgotten"

# What is there in its place is as good.
ctl stop port >/dev/null
kill -KILL "$(pid_of web.1)"
awaits 5 "one restart to remember" '[ "$(status_field web.1 restarts)" = 1 ] && is_state web.1 RUNNING'
were=$(pids)
ok "another engine" kill_engine
is "the restart is remembered" "$(status_field web.1 restarts)" 1
is "what was stopped is stopped" "$(state port.0)" STOPPED
is "every pid is the same" "$(pids)" "$were"
plan_done
