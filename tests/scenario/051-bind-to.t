#!/bin/sh
# bind_to: who is bound goes when the other is down for good, and comes back.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:db]
command = $CHILD append $T/out/up db on-term append $T/out/down db wait-file $T/out/db ready sleep
ready = notify
startsecs = 10ms
startretries = 1
backoff_min = 10ms
[program:web]
command = $CHILD append $T/out/up web on-term append $T/out/down web sleep
bind_to = db
startsecs = 100ms
[program:front]
command = $CHILD append $T/out/up front on-term append $T/out/down front sleep
bind_to = web
startsecs = 100ms
[program:loose]
command = $CHILD sleep
depends_on = db
startsecs = 100ms
EOT
start_reeved
awaits 10 "db is STARTING" 'is_state db.0 STARTING'
is "bind_to waits for ready" "$(status_field web.0 waits_for)" "db:ready (STARTING)"
touch "$T/out/db"
awaits 10 "all are up" 'all_state RUNNING'

# A death that is made good at once is no reason to stop.
web=$(pid_of web.0) front=$(pid_of front.0) loose=$(pid_of loose.0)
kill -KILL "$(pid_of db.0)"
awaits 10 "db is back" '[ "$(status_field db.0 restarts)" = 1 ] && is_state db.0 RUNNING'
is "a restart leaves those alone that are bound" "$(pid_of web.0) $(pid_of front.0)" "$web $front"
code 0 "an ordered one" ctl restart db
is "as well" "$(pid_of web.0) $(pid_of front.0)" "$web $front"

# A stop for good: who is bound first, the last of the chain before the others.
: >"$T/out/down"
code 0 "stop db" ctl stop db
like "it tells" "$(cat "$T/out/ok")" "web is bound to it and stops first"
like "both" "$(cat "$T/out/ok")" "loose depends on it and goes on"
is "in order, one after the other" "$(tr '\n' ' ' <"$T/out/down")" "front web db "
is "who only depends on it goes on" "$(pid_of loose.0)" "$loose"
is "they wait" "$(status_field web.0 waits_for), $(status_field front.0 waits_for)" "db:ready (STOPPED), web:ready (WAITING)"
is "and are wanted" "$(status_field web.0 wanted)" up
like "why tells it" "$(ctl why web)" "stopped with what it is bound to"
like "the events say why" "$(ctl events web)" "stop: bound to db, which is down"
: >"$T/out/up"
code 0 "start db" ctl start db
awaits 10 "and they are back" 'all_state RUNNING'
is "in order" "$(tr '\n' ' ' <"$T/out/up")" "db web front "

# FATAL is for good as well.
rm "$T/out/db"
kill -KILL "$(pid_of db.0)"
awaits 10 "it does not get ready: who is bound goes on" 'is_state db.0 STARTING && is_state web.0 RUNNING'
for i in 1 2; do
	await 5 'is_state db.0 STARTING && [ "$(pid_of db.0)" -gt 0 ]'
	old=$(pid_of db.0)
	kill -KILL "$old"
	await 5 '[ "$(pid_of db.0)" != "$old" ]'
done
awaits 10 "db is FATAL" 'is_state db.0 FATAL'
awaits 10 "they are stopped" 'is_state web.0 STOPPED && is_state front.0 STOPPED && is_state loose.0 RUNNING'
is "and wait" "$(status_field web.0 waits_for)" "db:ready (FATAL)"
ok "an engine after this one" kill_engine
is "knows it" "$(status_field web.0 waits_for)" "db:ready (FATAL)"
touch "$T/out/db"
code 0 "start web: db is started, too" ctl start web
awaits 10 "all are up" 'all_state RUNNING'
plan_done
