#!/bin/sh
# The signals of reeved, in every order.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD on-term append $T/out/term x sleep
workers = 2
startsecs = 100ms
[program:slow]
command = $CHILD append-pid $T/out/slow ignore-term sleep
startsecs = 100ms
stopwaitsecs = ${WAIT-1}
EOT
conf2=$(sed '1,/loglevel/d' "$CONF")
fresh() {
	rm -f "$T/out/term" "$T/out/slow"
	start_reeved
	await 10 'all_state RUNNING && [ -s "$T/out/slow" ]' || fail "all are up"
	slow=$(head -n 1 "$T/out/slow")
}
ended() { # WHAT
	wait_reeved
	is "$1: exit 0" "$CODE" 0
	is "$1: everybody was asked by TERM" "$(wc -l <"$T/out/term")" 2
	ok "$1: nobody is left" gone "$slow"
}
for sig in TERM INT; do
	fresh
	kill -$sig "$REEVED"
	ended $sig
done

# Started by somebody who ignores SIGCHLD, which exec hands on: it hears of the
# dead all the same, and it is the one that reaps them.
WRAP="env --ignore-signal=CHLD"
fresh
WRAP=
old=$(pid_of web.0)
kill -KILL "$old"
awaits 10 "SIGCHLD ignored: a dead worker is replaced" 'is_state web.0 RUNNING && [ "$(pid_of web.0)" != "$old" ]'
code 3 "SIGCHLD ignored: a command's exit code" ctl run -- "$CHILD" exit 3
kill -TERM "$REEVED"
ended "SIGCHLD ignored"

# HUP, USR2, USR1 change nothing of a shutdown.
for order in "HUP USR2" "USR2 HUP" "USR1 HUP"; do
	fresh
	kill -TERM "$REEVED"
	for sig in $order; do kill -"$sig" "$REEVED"; done
	ended "TERM $order"
	is "TERM $order: nothing was started" "$(wc -l <"$T/out/slow")" 1
done
# And the other way round: what they began is ended.
for order in "HUP TERM" "USR2 TERM" "USR2 HUP TERM" "HUP USR2 TERM"; do
	fresh
	for sig in $order; do kill -"$sig" "$REEVED"; done
	wait_reeved
	is "$order: exit 0" "$CODE" 0
	ok "$order: nobody is left" gone "$slow"
done

# A second TERM: kill now.
conf <<EOT
$(echo "$conf2" | sed 's/^stopwaitsecs.*/stopwaitsecs = 30/')
EOT
for second in TERM INT; do
	fresh
	kill -TERM "$REEVED"
	await 5 '[ "$(wc -l <"$T/out/term")" = 2 ] && is_state slow.0 STOPPING'
	t0=$(now_ms)
	kill -$second "$REEVED"
	wait_reeved
	t=$(($(now_ms) - t0))
	ok "a second one ($second): at once ($t ms)" test $t -lt $((4000 * TEST_SLOW))
	ok "nobody is left" gone "$slow"
done

# The same when the engine hangs: the keeper does it by itself.
fresh
kill -STOP "$(engine_pid)"
kill -TERM "$REEVED"
kill -INT "$REEVED"
wait_reeved
is "a second one, and an engine that hangs: exit 1" "$CODE" 1
awaits 5 "nobody is left" 'gone "$slow" && [ -z "$(ours)" ]'
rm -f "$T/run/reeve.pid" "$T/run/reeve.sock"

# The engine is killed during a shutdown: it goes on.
fresh
kill -TERM "$REEVED"
await 5 'is_state slow.0 STOPPING'
old=$(engine_pid)
kill -KILL "$old"
kill -TERM "$REEVED"
wait_reeved
is "the engine killed while shutting down: exit 0" "$CODE" 0
ok "nobody is left" gone "$slow"

# Keeper and engine killed: the worst that can be. A new daemon starts all the
# same.
fresh
k=$REEVED
kill_reeved
REEVED=
for pid in $(ours); do kill -KILL "$pid"; done
await 5 '[ -z "$(ours)" ]'
start_reeved
awaits 10 "the next reeved is up, over a stale socket and pidfile" 'all_state RUNNING'
is "the pidfile is the new one's" "$(cat "$T/run/reeve.pid")" "$REEVED"
kill -TERM "$REEVED"
await 5 'is_state slow.0 STOPPING'
kill -TERM "$REEVED"
wait_reeved
is "the dead one's cgroup was removed by the next" "$(find /sys/fs/cgroup -type d -name "reeve-$k" 2>/dev/null)" ""
plan_done
