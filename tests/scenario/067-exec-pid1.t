#!/bin/sh
# reeved --exec as the first process of a container.
. "$(dirname "$0")/lib.sh"
need unshare
unshare -pf --mount-proc true 2>/dev/null || skip_all "no PID namespace here"

# box NAME COMMAND...: reeved is PID 1 there; unshare is $U, reeved outside $R.
box() {
	out=$T/out/$1
	shift
	env REEVE_TEST="$T" unshare -pf --mount-proc --kill-child "$B/reeved" --exec "$@" >"$out" 2>&1 </dev/null &
	U=$!
	started $U
	await 10 'R=$(pgrep -P $U)'
	R=$(pgrep -P $U)
}

# The program starts orphans that end, one that does not, and waits.
box one -- sh -c "i=0; while [ \$i -lt 20 ]; do i=\$((i+1)); (exec $CHILD pause 20 exit \$i) & done; (setsid $CHILD append-pid $T/out/stray sleep &); trap 'echo stopping; exit 6' TERM; echo up; while :; do sleep 0.05; done"
awaits 10 "it is up" 'grep -q up "$T/out/one" && [ -s "$T/out/stray" ]'
awaits 10 "orphans are reaped" '[ "$(ps -o stat= --ppid "$R" | grep -c Z)" = 0 ]'
e=$(pgrep -P "$R" -x reeve-engine)
kill -KILL "$e"
awaits 10 "the engine comes back" '[ -n "$(pgrep -P "$R" -x reeve-engine)" ] && [ "$(pgrep -P "$R" -x reeve-engine)" != "$e" ]'
is "the program is the same" "$(grep -c up "$T/out/one")" 1
kill -TERM "$R"
awaits 10 "TERM ends the container" 'gone $U'
wait $U
is "with the program's code" $? 6
has "which was told" "$T/out/one" stopping

# It ends by itself: so does the container, with its code.
box two -- sh -c 'exit 7'
awaits 10 "an end by itself is the end" 'gone $U'
wait $U
is "with its code" $? 7
box three -- sh -c 'kill -KILL $$'
awaits 10 "or by a signal" 'gone $U'
wait $U
is "128 + signal" $? 137
box four -- no-such-command-here
awaits 10 "or there is none" 'gone $U'
wait $U
is "127" $? 127

# QUIT is what some images stop with.
box five --stop-signal QUIT -- sh -c 'trap "exit 3" QUIT; echo up; while :; do sleep 0.05; done'
awaits 10 "it is up" 'grep -q up "$T/out/five"'
kill -QUIT "$R"
awaits 10 "QUIT ends it" 'gone $U'
wait $U
is "in order" $? 3
plan_done
