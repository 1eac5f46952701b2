#!/bin/sh
# SIGKILL of reeved itself: its engine goes on in its place.  Nothing restarts,
# no connection and no log byte is lost, exits are seen, commands end.
. "$(dirname "$0")/lib.sh"
need wrk

lines_program
conf <<EOT
[program:web]
command = $WEB
socket = tcp://127.0.0.1:$(port 0)
workers = 2
ready = notify
[program:own]
command = $WEB
socket = tcp://127.0.0.1:$(port 1)
socket_mode = reuseport
workers = 2
ready = notify
[program:lines]
command = $T/lines
startsecs = 100ms
[program:short]
command = $CHILD append $T/out/short x pause 30 exit 0
startsecs = 0
autorestart = true
[program:leaves]
command = /bin/sh -c 'setsid sleep 100000 & exec sleep 100000'
startsecs = 0
EOT

start_reeved
awaits 10 "all are up" 'is_state web.1 RUNNING && is_state own.1 RUNNING && is_state lines.0 RUNNING && is_state leaves.0 RUNNING'
were=$(pids web own lines leaves)
load web 600 "http://127.0.0.1:$(port 0)/"
load own 600 "http://127.0.0.1:$(port 1)/"
ctl_bg "$T/out/run" run -- /bin/sh -c 'echo begins; while [ ! -e '"$T"'/out/go ]; do sleep 0.02; done; echo ends; exit 7'
run=$!
awaits 10 "a command runs" 'grep -q begins "$T/out/run"'

for i in 1 2 3; do
	kill_keeper
	awaits 10 "killed, time $i: the engine goes on as reeved" heir_is_up
	is "... nobody was restarted" "$(pids web own lines leaves)" "$were"
	is "... the pidfile says so" "$(cat "$T/run/reeve.pid")" "$REEVED"
done
ok "an event tells" eval 'ctl events | grep -q "reeved [0-9]* is gone: pid [0-9]* goes on in its place"'

ok "it has low descriptor numbers for its starts" [ "$(find /proc/"$REEVED"/fd -maxdepth 1 -name '[0-9]' -o \
    -maxdepth 1 -name '[1-3][0-9]' | while read -r f; do readlink "$f"; done | grep -c /dev/null)" -ge 16 ]

kill -INT "$(cat "$T/out/load.web.pid")" "$(cat "$T/out/load.own.pid")"
load_ok web "no connection was lost"
load_ok own "nor one of the reuseport group"

# Nor was a log byte.
lines_ok

# The command's client never knew.
: >"$T/out/go"
wait "$run"
is "the command's exit code" "$?" 7
is "all that it wrote" "$(tr '\n' ' ' <"$T/out/run")" "begins ends "

# A death is seen, whoever the parent was.
p=$(pid_of web.0)
kill -KILL "$p"
awaits 10 "one that was killed is replaced" '[ "$(pid_of web.0)" != '"$p"' ] && is_state web.0 RUNNING'
if [ "$(uname -r | awk -F. '{ print ($1 * 1000 + $2 >= 6013) }')" = 1 ]; then
	awaits 5 "how it ended is known" 'ctl why web.0 | grep -q "SIGKILL"'
else
	skip "how it ended is known" "Linux before 6.13 tells that to the parent alone"
fi
n=$(wc -l <"$T/out/short")
awaits 10 "short ones go on" '[ "$(wc -l <"$T/out/short")" -gt $((n + 5)) ]'

# What an adopted one left behind is ended with it.
code 0 "stop leaves" ctl stop leaves
awaits 5 "all of its tree" '[ -z "$(ours | xargs -r -n 1 describe | grep -c "setsid\|sleep 100000" | grep -v "^[01]$")" ]'

# A roll replaces the adopted, by client and by signal.
code 0 "a roll" ctl roll own
p=$(pid_of own.0)
kill -USR2 "$REEVED"
awaits 20 "a roll by signal" '[ "$(pid_of own.0)" != '"$p"' ] && is_state own.1 RUNNING && ! ctl status | grep -q rolling'

# Commands so short that a keeper has started them and told nobody: what became
# of them is not known then, but they are not run again.
once=
for i in 1 2 3 4 5 6; do
	heir=$(engine_pid)
	ctl run -- /bin/sh -c 'echo x >>"$1"; kill -KILL "$2"' sh "$T/out/once.$i" "$REEVED" >"$T/out/ok" 2>&1
	REEVED=$heir
	KEEPERS="$KEEPERS $heir"
	started "$heir"
	await 10 heir_is_up || fail "reeved goes on" "$T/out/ok"
	once="$once$(wc -l <"$T/out/once.$i") "
done
is "commands that end with their keeper run once" "$once" "1 1 1 1 1 1 "
end_heir
plan_done
