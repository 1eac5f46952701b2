#!/bin/sh
# Three SIGUSR2 rolls under load, in each socket mode, lose no request.
. "$(dirname "$0")/lib.sh"
need wrk

p0=$(port 0) p1=$(port 1)
conf <<EOT
[program:shared]
command = $WEB
socket = tcp://127.0.0.1:$p0
workers = 2
ready = notify
[program:reuseport]
command = $WEB
socket = tcp://127.0.0.1:$p1
socket_mode = reuseport
workers = 2
ready = notify
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'

gens() { ctl --json status | grep -Eo '"generation" *: *[0-9]+' | grep -Eo '[0-9]+$' | sort -u | tr '\n' ' '; }
gen=1
roll_under() { # what
	old=$(pids | sort)
	for _ in 1 2 3; do
		gen=$((gen + 1))
		kill -USR2 "$REEVED"
		awaits 20 "$1: generation $gen everywhere" '[ "$(gens)" = "$gen " ] && all_state RUNNING'
	done
	is "$1: every pid replaced" "$(printf '%s\n%s\n' "$old" "$(pids | sort)" | sort | uniq -d)" ""
}
S=$((9 * TEST_SLOW))
load a $S http://127.0.0.1:$p0/
load b $S http://127.0.0.1:$p1/
roll_under "keep-alive"
ok "the load is still on" load_running a
load_ok a "keep-alive, shared: nothing lost"
load_ok b "keep-alive, reuseport: nothing lost"
load a $S http://127.0.0.1:$p0/ -H 'Connection: close'
load b $S http://127.0.0.1:$p1/ -H 'Connection: close'
roll_under "close"
ok "the load is still on" load_running b
load_ok a "new connections, shared: nothing lost"
load_ok b "new connections, reuseport: nothing lost"
is "no worker was restarted" "$(status_field shared.0 restarts)$(status_field reuseport.1 restarts)" 00
plan_done
