#!/bin/sh
# SIGKILL the engine in the middle of a start-up, and of a stop: nobody is
# started twice, before its time, or forgotten.
. "$(dirname "$0")/lib.sh"

prog() { # NAME STEPS
	cat <<EOT
[program:$1]
command = $CHILD append $T/out/up $1 on-term append $T/out/down $1 $2
startsecs = 100ms
EOT
}
conf <<EOT
$(prog db "wait-file $T/out/db ready sleep")
ready = notify
$(prog tool sleep)
autostart = false
depends_on = db
$(prog migrate "wait-file $T/out/migrate exit 0")
autorestart = false
depends_on = db
$(prog web sleep)
workers = 3
depends_on = migrate:done, tool
[program:front]
command = $CHILD append $T/out/up front ignore-term sleep
startsecs = 100ms
stopwaitsecs = 1500ms
bind_to = web
EOT
start_reeved
awaits 10 "db is STARTING" 'is_state db.0 STARTING'
ok "killed while all wait for db" kill_engine
is "db goes on" "$(state db.0)" STARTING
is "the others wait" "$(status_field web.2 waits_for)" "migrate:done (WAITING), tool:ready (WAITING)"
is "also what was started for somebody" "$(status_field tool.0 waits_for)" "db:ready (STARTING)"
# What holds while nobody looks is found by the next engine.
old=$(engine_pid)
kill -STOP "$old"
touch "$T/out/db"
kill -KILL "$old"
awaits 10 "killed while db gets ready: they are started" 'is_state migrate.0 STARTING || is_state migrate.0 RUNNING'
ok "killed while migrate runs" kill_engine
is "web waits" "$(status_field web.0 waits_for | sed 's/,.*//')" "migrate:done ($(state migrate.0))"
old=$(engine_pid)
kill -STOP "$old"
m=$(pgrep -P "$REEVED" -f "append $T/out/up migrate")
touch "$T/out/migrate"
await 5 '! pgrep -P "$REEVED" -f "append $T/out/up migrate" || [ "$(proc_state "$m")" = Z ]'
kill -KILL "$old"
awaits 10 "done while there was no engine: all are up" 'all_state RUNNING db tool web front && is_state migrate.0 EXITED'
is "each was started once, no more" "$(sort "$T/out/up" | uniq -c | awk '{ print $2 $1 }' | tr '\n' ' ')" "db1 front1 migrate1 tool1 web3 "
is "in order" "$(uniq "$T/out/up" | grep -v tool | tr '\n' ' ')" "db migrate web front "
all=$(pids db tool web front)
ok "killed when all are up" kill_engine
is "what is done is done" "$(state migrate.0)" EXITED
is "nobody was touched" "$(pids db tool web front)" "$all"

# What does not go at once holds up the rest, across engines.
: >"$T/out/down"
f=$(pid_of front.0)
ctl stop --no-wait web
awaits 5 "front goes first" 'is_state front.0 STOPPING'
is "web waits for that" "$(state web.0) $(status_field web.0 wanted)" "RUNNING down"
ok "killed in the middle of a stop" kill_engine
awaits 10 "it goes on" 'is_state front.0 STOPPED && all_state STOPPED web'
is "web was stopped" "$(tr '\n' ' ' <"$T/out/down")" "web web web "
like "after front" "$(ctl events | grep -o "[a-z]*.[0-9] STOPPING --GONE\|[a-z]*.[0-9] .*STOPPING --GONE" | tail -n 4 | head -n 1)" "front"
ok "front is gone" gone "$f"
code 0 "start front: with web" ctl start front
: >"$T/out/down"
kill -TERM "$REEVED"
await 5 'is_state front.0 STOPPING'
old=$(engine_pid)
[ -z "$old" ] || kill -KILL "$old"
wait_reeved
is "killed in the middle of a shutdown: exit 0" "$CODE" 0
is "in order" "$(grep -v tool "$T/out/down" | uniq | tr '\n' ' ')" "web db "

# Killed again and again while a chain comes up.
rm -f "$T/out/up" "$LOG"
chain() { # NAME KEYS
	cat <<EOT
[program:$1]
command = $CHILD append $T/out/up $1 pause 60 ready sleep
ready = notify
$2
EOT
}
conf <<EOT
$(chain a "workers = 2")
$(chain b "depends_on = a")
$(chain c "depends_on = b")
$(chain d "depends_on = b:started")
$(chain e "depends_on = c, d")
$(chain f "depends_on = e
workers = 3")
$(chain g "bind_to = f")
$(chain h "autostart = false")
$(chain i "depends_on = h, g")
EOT
launch_reeved
old=none kills=0
while [ "$kills" -lt 8 ] && ! all_state RUNNING 2>/dev/null; do
	pid=$(engine_pid)
	if [ -z "$pid" ] || [ "$pid" = "$old" ]; then continue; fi
	await 1 '[ "$(wc -l <"$T/out/up")" -gt "$kills" ]'
	kill -KILL "$pid" && kills=$((kills + 1)) old=$pid
done
awaits 20 "after $kills kills all are up" 'all_state RUNNING'
is "each was started once" "$(sort "$T/out/up" | uniq -c | awk '{ print $2 $1 }' | tr '\n' ' ')" "a2 b1 c1 d1 e1 f3 g1 h1 i1 "
plan_done
