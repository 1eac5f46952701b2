#!/bin/sh
# SIGUSR2 during a roll queues one more roll, never two.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD append-pid $T/out/pids ready-after 400 sleep
ready = notify
workers = 3
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
: >"$T/out/pids"
kill -USR2 "$REEVED"
await 5 '[ -s "$T/out/pids" ]'
i=0
while [ $i -lt 20 ]; do
	i=$((i + 1))
	kill -USR2 "$REEVED"
	# Each its own turn of the engine's, but all within the first roll.
	[ $((i % 10)) != 0 ] || ctl version >/dev/null
done
awaits 15 "a roll, and one more" '[ "$(status_field web.2 generation)" = 3 ] && all_state RUNNING'
ok "and no third" steady 1 '[ "$(wc -l <"$T/out/pids")" = 6 ]'
is "generation" "$(status_field web.0 generation)" 3
is "three processes" "$(pgrep -P "$REEVED" -fc ready-after)" 3

# Orders to different programs do not wait for each other; a stop ends a roll.
: >"$T/out/pids"
ctl_bg "$T/out/roll" roll web
r=$BG
await 5 '[ -s "$T/out/pids" ]'
code 0 "stop during a roll" ctl stop web
wait $r
is "the roll is told so: exit 1" $? 1
ok "nothing runs" sh -c '! pgrep -P "$1" -f ready-after' sh "$REEVED"
is "STOPPED" "$(state web.0)$(state web.1)$(state web.2)" STOPPEDSTOPPEDSTOPPED

# Everything at once, many times: it always comes to rest.
ctl start web
i=0
while [ $i -lt 12 ]; do
	i=$((i + 1))
	kill -USR2 "$REEVED"
	ctl restart --no-wait --hard web.1
	kill -HUP "$REEVED"
	kill -KILL "$(pid_of web.0)"
	ctl scale web $((i % 3 + 1)) --no-wait
	ctl stop --no-wait web
	ctl start --no-wait web
done >/dev/null 2>&1
ctl scale web 3 >/dev/null
ctl start web >/dev/null
awaits 20 "after a storm of orders all are RUNNING" 'all_state RUNNING && [ "$(pids | wc -l)" = 3 ]'
awaits 20 "and there are three" '[ "$(pgrep -P "$REEVED" -fc ready-after)" = 3 ]'
ok "for good" steady 1 'all_state RUNNING && [ "$(pgrep -P "$REEVED" -fc ready-after)" = 3 ]'
plan_done
