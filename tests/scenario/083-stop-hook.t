#!/bin/sh
# before_stop and after_exit that name a task run when reeved itself stops, too:
# beside what else the queue runs, over an engine's death, and not for ever.
. "$(dirname "$0")/lib.sh"

conf <<EOT
cpu_slots = 1
[program:web]
command = $CHILD sleep
workers = 2
before_stop = task:drain
after_exit = task:wipe
[task:drain]
shell = echo drain >>$T/out/hooks; until [ -e $T/out/go ]; do sleep 0.02; done
depends_on = first
[task:first]
shell = echo first >>$T/out/hooks
[task:wipe]
shell = echo wipe >>$T/out/hooks; [ -e $T/out/again ] || { : >$T/out/again; exit 1; }
retries = 1
backoff_min = 50ms
then = task:later
[task:later]
shell = echo later >>$T/out/later
EOT
start_reeved
up web
busy=$(ctl task add sleep 100)
other=$(ctl task add --shell "echo other >>$T/out/other")
awaits 5 "the only CPU is taken" 'ctl task list --json | grep -q "\"id\":$busy,\"state\":\"running\""'
kill -TERM "$REEVED"
awaits 10 "reeved stops: before_stop runs" 'grep -q drain "$T/out/hooks"'
ok "... and is waited for" alive "$REEVED"
kill_engine
ok "... by the next engine, too" alive "$REEVED"
: >"$T/out/go"
wait_reeved
is "reeved is stopped" "$CODE" 0
hooks() { sort "$T/out/hooks" | uniq -c | awk '{ printf "%s %s ", $2, $1 }'; }
is "each hook of each instance has run, with its retry" "$(hooks)" "drain 2 first 2 wipe 3 "
is "nothing else was begun" "$(cat "$T/out/other" "$T/out/later" 2>/dev/null)" ""
start_reeved
awaits 10 "the next reeved does what follows" '[ "$(wc -l <"$T/out/later")" = 2 ]'
ctl task cancel "$busy" >/dev/null
awaits 10 "... and what waited" '[ -s "$T/out/other" ]'

up web
# One that does not end: killed with everything by the second signal.
rm "$T/out/go" "$T/out/hooks"
kill -TERM "$REEVED"
awaits 10 "a hook hangs" 'grep -q drain "$T/out/hooks"'
kill -TERM "$REEVED"
wait_reeved
is "a second signal ends it" "$CODE" 0
: >"$T/out/go"
start_reeved
plan_done
