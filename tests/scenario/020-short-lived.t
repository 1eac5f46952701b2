#!/bin/sh
# Thousands of short-lived children: nothing is lost, nothing leaks.
. "$(dirname "$0")/lib.sh"

# 50,000 with TEST_LONG=1; what two cores do in some seconds otherwise.
WANT=3000 LIMIT=60
[ "$TEST_LONG" != 1 ] || WANT=50000 LIMIT=900
[ "$VARIANT" = release ] || WANT=300
conf <<EOT
loglevel = warn
[program:short]
command = $CHILD append $T/out/runs x exit 0
workers = 8
startsecs = 0
[program:web]
command = $CHILD sleep
workers = 2
startsecs = 200ms
[program:crowd]
command = $CHILD sleep
workers = 400
startsecs = 0
autostart = false
stdout_logfile = NONE
redirect_stderr = true
EOT
sed -i '/^loglevel = debug/d' "$CONF"
: >"$T/out/runs"
start_reeved
awaits 10 "web is up" 'all_state RUNNING web'
web=$(pids web) e=$(engine_pid)
await 20 '[ "$(wc -l <"$T/out/runs")" -gt 100 ]'
ctl stop short
fk=$(fds "$REEVED") fe=$(fds "$e")
ctl start --no-wait short
# With commands in between, as supervisors died of that.
storm() {
	ctl restart --hard short
	ctl stop --no-wait short
	ctl start --no-wait short
	[ "$(wc -l <"$T/out/runs")" -ge $WANT ]
}
t0=$(now_ms)
awaits $LIMIT "$WANT short-lived children, with stop and start in between" storm
t=$(($(now_ms) - t0))
echo "# $(wc -l <"$T/out/runs") in $t ms"
code 0 "stop" ctl stop short
is "all are STOPPED" "$(ctl --json status short | grep -Eo '"state" *: *"[A-Z]*"' | sort -u | grep -c STOPPED)" 1
is "the engine is the same" "$(engine_pid)" "$e"
is "web was never touched" "$(pids web)" "$web"
is "no descriptor is left in the keeper" "$(fds "$REEVED")" "$fk"
is "nor in the engine" "$(fds "$e")" "$fe"
# More news than the channel to the engine holds: it hangs while 400 die.
ctl start crowd >"$T/out/crowd"
crowd=$(pids crowd)
kill -STOP "$e"
# shellcheck disable=SC2086
kill -KILL $crowd
awaits 10 "400 die and are reaped while the engine hangs" '[ "$(pgrep -P "$REEVED" | wc -l)" -le 4 ]'
kill -CONT "$e"
awaits 20 "it hears of each" '[ "$(ctl --json status crowd | grep -Eo "\"restarts\" *: *1\b" | wc -l)" = 400 ] && all_state RUNNING crowd'
is "the engine is the same" "$(engine_pid)" "$e"
is "no zombie" "$(ps -o stat= --ppid "$REEVED" | grep -c Z)" 0
plan_done
