#!/bin/sh
# reeved --exec with several workers on one port: rolls, deaths, the end.
. "$(dirname "$0")/lib.sh"
need wrk curl

P=$(port 0)
URL=http://127.0.0.1:$P/
export REEVE_TEST="$T"
SOCK=$T/run/web.sock
ctl() { timeout $((30 * TEST_SLOW)) "$B/reevectl" -s "$SOCK" "$@"; }
bg() { # ARG...
	"$B/reeved" --exec --name web --control "$SOCK" "$@" >"$T/out/reeved" 2>&1 </dev/null &
	REEVED=$!
	KEEPERS="$KEEPERS $REEVED"
}
# both: each of the two workers answers; the kernel spreads connections.
both() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do get "$URL"; done >"$T/out/who"
	for pid in $(pids web); do grep -qw "$pid" "$T/out/who" || return 1; done
}

bg --workers 2 --socket "web=tcp://127.0.0.1:$P" --ready notify --set socket_mode=reuseport -- "$WEB"
awaits 20 "both are up" 'all_state RUNNING && [ "$(pids web | wc -l)" = 2 ]'
awaits 20 "and both serve" both

# One is killed.
a=$(pid_of web.0) b=$(pid_of web.1)
kill -KILL "$a"
awaits 10 "a dead one is replaced" 'is_state web.0 RUNNING && [ "$(pid_of web.0)" != "$a" ]'
is "the other is left alone" "$(pid_of web.1)" "$b"
has "which is told" "$T/out/reeved" 'web.0 .*killed by SIGKILL'

# SIGUSR2 under load, and an engine that dies in the middle of it.
a=$(pid_of web.0) b=$(pid_of web.1)
load usr2 4 "$URL"
await 5 'get "$URL"'
kill -USR2 "$REEVED"
awaits 20 "a roll begins" '[ "$(pid_of web.0)" != "$a" ]'
kill_engine
awaits 20 "the next engine ends it" '[ "$(pid_of web.1)" != "$b" ] && all_state RUNNING && [ "$(pids web | wc -l)" = 2 ]'
load_ok usr2 "no request is lost"
c=$(pid_of web.1)
kill -USR2 "$REEVED"
awaits 20 "and one more" '[ "$(pid_of web.1)" != "$c" ] && all_state RUNNING'

code 0 "scale" ctl scale web 3
is "to three" "$(pids web | wc -l)" 3
end_reeved
is "TERM ends it with 0" "$CODE" 0
is "nothing is left" "$(ls -A "$T/run")" ""

# It can't be started at all: the end, with its code.
bg --workers 2 --set backoff_min=10ms -- "$CHILD" append "$T/out/tries" x exit 5
wait_reeved
is "FATAL: with the code of a worker" "$CODE" 5
ok "after three tries more" [ "$(wc -l <"$T/out/tries")" -ge 4 ]
has "which is told" "$T/out/reeved" 'is essential; exit code 5'

# auto is one for each CPU, however many these are.
bg --workers auto -- "$CHILD" append-pid "$T/out/auto" sleep
awaits 20 "auto: one for each CPU" '[ "$(pids web | wc -l)" = "$(nproc)" ] && all_state RUNNING'
is "reads no stdin of ours" "$(readlink "/proc/$(pid_of web.0)/fd/0")" /dev/null
end_reeved
is "TERM ends it with 0" "$CODE" 0
plan_done
