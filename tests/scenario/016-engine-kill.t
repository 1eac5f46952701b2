#!/bin/sh
# SIGKILL the engine, whenever: no worker restarts, nothing is forgotten.
. "$(dirname "$0")/lib.sh"
need wrk

p=$(port 0)
conf <<EOT
[program:web]
command = $WEB
socket = tcp://127.0.0.1:$p
workers = 2
ready = notify
[program:port]
command = $WEB
socket = tcp://127.0.0.1:$(port 1)
socket_mode = reuseport
workers = 2
ready = notify
[program:slow]
command = $CHILD append-pid $T/out/slow ready-after 700 sleep
workers = 3
ready = notify
[program:young]
command = $CHILD append $T/out/young x exit 1
startsecs = 200ms
backoff_min = 1500ms
backoff_max = 1500ms
[program:stubborn]
command = $CHILD ignore-term sleep
startsecs = 200ms
stopwaitsecs = 1
[program:never]
command = $CHILD sleep
ready = notify
ready_timeout = 1
backoff_min = 20
autostart = false
[program:down]
command = $CHILD sleep
startsecs = 200ms
[program:talk]
command = $CHILD if-file $T/out/talk print-lines 20000 wait-file $T/out/talk print-lines 20000 sleep
startsecs = 200ms
EOT
start_reeved
awaits 10 "all are up" 'all_state RUNNING web port slow stubborn down'
ctl stop down
kill -KILL "$(pid_of web.1)"
awaits 5 "one restart to remember" '[ "$(status_field web.1 restarts)" = 1 ] && is_state web.1 RUNNING'
all=$(pids web port slow stubborn)
seq0=$(ctl --json events | grep -Eo '"seq" *: *[0-9]+' | tail -n 1 | grep -Eo '[0-9]+')

u0=$(status_field web.0 uptime_ms)

ok "the next engine is there" kill_engine
u1=$(status_field web.0 uptime_ms)
ok "it has not become younger ($u0 ms, $u1 ms)" test "$u1" -ge "$u0"
is "every pid is the same" "$(pids web port slow stubborn)" "$all"
ok "all RUNNING" all_state RUNNING web port slow stubborn
is "restarts is kept" "$(status_field web.1 restarts)" 1
is "generation is kept" "$(status_field web.1 generation)" 2
is "what was stopped is stopped" "$(state down.0)" STOPPED
like "why is kept" "$(ctl why web.1)" "KILL|signal 9"
seq1=$(ctl --json events | grep -Eo '"seq" *: *[0-9]+' | tail -n 1 | grep -Eo '[0-9]+')
ok "event numbers go on ($seq0, $seq1)" test "$seq1" -ge "$seq0"

# Under load, ten times in a row.
load a $((8 * TEST_SLOW)) http://127.0.0.1:$p/ -H 'Connection: close'
load b $((8 * TEST_SLOW)) http://127.0.0.1:$(port 1)/
for i in 1 2 3 4 5 6 7 8 9 10; do
	kill_engine || fail "engine $i comes back"
done
is "ten times: every pid is the same" "$(pids web port slow stubborn)" "$all"
is "ten times: restarts is kept" "$(status_field web.1 restarts)" 1
load_ok a "no request lost (new connections)"
load_ok b "no request lost (keep-alive)"

# A worker dies while there is no engine.
old=$(engine_pid)
kill -STOP "$old"
w=$(echo "$all" | sed -n 1p)
kill -KILL "$w"
kill -KILL "$old"
awaits 10 "an exit that happened meanwhile is acted on" '! pids web | grep -qx "$w" && all_state RUNNING web && [ "$(pids web | wc -l)" = 2 ]'

# The same when that engine was told, and has not got to it.
w=$(pids web | sed -n 1p)
old=$(engine_pid)
kill -STOP "$old"
kill -KILL "$w"
awaits 5 "a worker is reaped while the engine hangs" '[ ! -e "/proc/$w" ]'
kill -KILL "$old"
awaits 10 "its exit is told again" '! pids web | grep -qx "$w" && all_state RUNNING web && [ "$(pids web | wc -l)" = 2 ]'

# In the middle of a backoff: the pause goes on, and is not forgotten.
awaits 10 "young is in BACKOFF" 'is_state young.0 BACKOFF'
n=$(wc -l <"$T/out/young")
kill_engine
is "it is still in BACKOFF, or tries" "$(state young.0 | grep -c 'BACKOFF\|STARTING')" 1
awaits 5 "and tries again" '[ "$(wc -l <"$T/out/young")" -gt "$n" ]'
ctl stop young

# In the middle of a stop.
s=$(pid_of stubborn.0)
ctl stop --no-wait stubborn
is "it is STOPPING" "$(state stubborn.0)" STOPPING
kill_engine
awaits 10 "the stop goes on to its end" 'is_state stubborn.0 STOPPED && gone $s'

# Engines that live for less than the times that are due: these come all the
# same, each at its time and not anew with each engine.
ctl start stubborn >/dev/null
s=$(pid_of stubborn.0)
ctl stop --no-wait stubborn
ctl start --no-wait never
awaits 10 "stopwaitsecs and ready_timeout come, whatever dies" 'kill_engine && gone $s && is_state never.0 BACKOFF'

# In the middle of a roll.
slow=$(pids slow)
: >"$T/out/slow"
ctl_bg "$T/out/roll" roll slow
roller=$BG
await 5 '[ "$(wc -l <"$T/out/slow")" -ge 2 ]'
kill_engine
awaits 20 "the roll goes on to its end" '! printf "%s\n" $slow $(pids slow) | sort | uniq -d | grep -q . && all_state RUNNING slow && [ "$(pids slow | wc -l)" = 3 ]'
wait $roller
is "the client's roll resumes: exit 0" $? 0
is "three processes, no more" "$(pgrep -P "$REEVED" -fc ready-after)" 3

# What is written while there is no engine is not lost.
old=$(engine_pid)
kill -STOP "$old"
touch "$T/out/talk"
kill -KILL "$old"
awaits 10 "no log byte is lost" '[ "$(tail -n 1 "$T/log/talk.0.stdout.log")" = "line 20000" ]'
is "all lines are there, in order" "$(awk '$2 != NR { print; exit }' "$T/log/talk.0.stdout.log")" ""
plan_done
