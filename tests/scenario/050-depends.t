#!/bin/sh
# Programs start when what they depend on is as they want it, and not before;
# they stop in the opposite order.
. "$(dirname "$0")/lib.sh"

prog() { # NAME STEPS [STARTSECS]
	cat <<EOT
[program:$1]
command = $CHILD append $T/out/up $1 on-term append $T/out/down $1 $2
startsecs = ${3-100ms}
EOT
}
# db waits for a file, so that nothing here depends on who is quick.
conf <<EOT
$(prog db "wait-file $T/out/db ready sleep")
ready = notify
priority = 999
$(prog migrate "wait-file $T/out/migrate exit 0" 10)
autorestart = unexpected
depends_on = db:ready
$(prog cache sleep)
priority = 5
$(prog web sleep)
depends_on = db:ready, migrate:done, cache:started
priority = 1
$(prog front sleep)
depends_on = web
priority = 500
$(prog tool sleep)
autostart = false
$(prog user sleep)
depends_on = tool
$(prog broken "exit 1" 10)
backoff_min = 30
autostart = false
$(prog vain sleep)
depends_on = broken
autostart = false
$(prog never "pause 50 exit 1" 0)
autorestart = on-failure
autostart = false
$(prog after sleep)
depends_on = never:done
autostart = false
$(prog none sleep)
workers = 0
$(prog alone sleep)
depends_on = none
autostart = false
EOT
start_reeved
awaits 10 "what depends on nothing is up" 'all_state RUNNING cache && is_state db.0 STARTING'
is "web waits" "$(state web.0)" STOPPED
is "and says for what" "$(status_field web.0 waits_for)" "db:ready (STARTING), migrate:done (WAITING)"
like "status tells it" "$(ctl status web)" "web.0 +STOPPED .*WAITING for db:ready \(STARTING\), migrate:done \(WAITING\)"
like "why as well" "$(ctl why web)" "waits for db:ready \(STARTING\)"
like "and who waits for it" "$(ctl status front)" "WAITING for web:ready \(WAITING\)"
like "and the events" "$(ctl events web)" "STOPPED --WAIT-> STOPPED: db:ready|STOPPED --WAIT-> STOPPED"
awaits 10 "what is not started by itself is, when somebody needs it" 'all_state RUNNING tool user'
is "nobody was started before its time" "$(grep -c 'web\|front\|migrate' "$T/out/up")" 0

touch "$T/out/db"
awaits 10 "db is ready: the migration runs" 'grep -q migrate "$T/out/up"'
is "web still waits" "$(status_field web.0 waits_for)" "migrate:done (STARTING)"
# A person's restart of one that waits changes nothing: it goes on waiting.
ctl restart --no-wait web
ctl restart --hard --no-wait web
ctl start --no-wait web
awaits 5 "after a restart it waits" '[ "$(status_field web.0 waits_for)" = "migrate:done (STARTING)" ]'
touch "$T/out/migrate"
awaits 10 "the migration is done: all are up" 'all_state RUNNING db cache web front user tool && is_state migrate.0 EXITED'
is "each was started once" "$(sort "$T/out/up" | uniq -d)" ""
is "in order" "$(grep -v 'cache\|tool\|user\|broken' "$T/out/up" | tr '\n' ' ')" "db migrate web front "

# The end of one does not end who depends on it; bind_to is another scenario.
web=$(pid_of web.0)
ctl stop db >"$T/out/stop"
like "a stop tells who goes on" "$(cat "$T/out/stop")" "db.0: .*web depends on it and goes on"
is "and they do" "$(pid_of web.0)" "$web"
kill -KILL "$web"
awaits 5 "who dies then waits" '[ "$(status_field web.0 waits_for)" = "db:ready (STOPPED)" ]'
code 0 "start web: with all that it needs" ctl start web
like "which is named" "$(cat "$T/out/ok")" "web.0: it needs db: ordered to start"
like "and in the verdict" "$(ctl --json start web)" "already running"
awaits 5 "all are up" 'all_state RUNNING db cache web front'

code 1 "a start that leads nowhere says so" ctl start vain
like "and why" "$(cat "$T/out/ok")" "vain.0: waits for broken:ready \(BACKOFF\), and starts when that is so"
# It is up each time, fails, and is started again at once.
code 1 "so does one that waits for what fails and goes on" ctl start after
like "and why" "$(cat "$T/out/ok")" "after.0: waits for never:done \(.*\), and starts when that is so"
ctl stop never after >/dev/null
code 1 "so does one that needs a program without workers" ctl start alone
like "and why" "$(cat "$T/out/ok")" "alone.0: waits for none:ready \(no workers\), and starts when that is so"
code 0 "with one" ctl scale none 1
awaits 5 "it is up" 'is_state alone.0 RUNNING'
ctl stop vain broken alone none >/dev/null
# stop: dependents first, whatever the priorities; the next waits.
: >"$T/out/down"
code 0 "stop some of them" ctl stop db web front
is "in the opposite order" "$(tr '\n' ' ' <"$T/out/down")" "front web db "
code 0 "start the last: all it needs" ctl start front
awaits 5 "all are up" 'all_state RUNNING db cache web front'
: >"$T/out/down"
end_reeved
is "exit 0" "$CODE" 0
is "a shutdown, too" "$(grep -v 'cache\|tool\|user' "$T/out/down" | tr '\n' ' ')" "front web db "
is "what nothing depends on has its priority" "$(grep -n cache "$T/out/down" | sed 's/:.*//')" 6
plan_done
