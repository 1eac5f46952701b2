#!/bin/sh
# reload applies the difference, --plan tells it; a bad file changes nothing.
. "$(dirname "$0")/lib.sh"

base() {
	cat <<EOT
[program:same]
command = $CHILD sleep
workers = 2
startsecs = 200ms
[program:live]
command = $CHILD sleep
startsecs = 200ms
stopwaitsecs = ${LIVE-10}
[program:rolls]
command = $CHILD print ${ROLLS-one} sleep
workers = 2
startsecs = 200ms
[program:restarts]
command = $CHILD serve
startsecs = 200ms
socket = tcp://127.0.0.1:${PORT-$(port 0)}
EOT
}
gone_prog() {
	cat <<EOT
[program:gone]
command = $CHILD sleep
startsecs = 200ms
EOT
}
{ base; gone_prog; } | conf
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
all() { ctl --json status | tr -d '\n'; }
keep=$(pids same live) two=$(pids same)
rolls=$(pids rolls) restarts=$(pids restarts) gone=$(pids gone)

code 0 "an unchanged file: --plan" ctl reload --plan
code 0 "an unchanged file: reload" ctl reload
is "every pid is the same" "$(pids | sort)" "$(printf '%s\n' $keep $rolls $restarts $gone | sort)"
kill -HUP "$REEVED"
awaits 5 "SIGHUP is in the log" 'grep -qi "SIGHUP\|reload" "$LOG"'
is "same pids" "$(pids same live)" "$keep"

LIVE=5 ROLLS=two PORT=$(port 1)
{ base; printf '[program:new]\ncommand = %s sleep\nstartsecs = 200ms\n' "$CHILD"; } | conf
code 0 "--plan" ctl reload --plan
cp "$T/out/ok" "$T/out/plan"
has "added" "$T/out/plan" "(added|\+).*new|new.*added"
has "removed" "$T/out/plan" "(removed|-).*gone|gone.*removed"
has "live" "$T/out/plan" "live"
has "live: the key and both values" "$T/out/plan" "stopwaitsecs.*10.*5"
has "roll" "$T/out/plan" "roll.*rolls|rolls.*roll"
has "restart" "$T/out/plan" "restart.*restarts|restarts.*restart"
unlike "same is not in it" "$(cat "$T/out/plan")" "same"
is "--plan touches nothing" "$(pids rolls restarts gone | sort)" "$(printf '%s\n' $rolls $restarts $gone | sort)"
is "... and adds nothing" "$(status_field new.0 name)" ""
like "--plan --json" "$(ctl --json reload --plan | tr -d '\n')" '"(program|name)" *: *"new"'

code 0 "reload" ctl reload
ok "all are up" all_state RUNNING
is "same and live keep their pids" "$(pids same live)" "$keep"
is "rolls was rolled" "$(printf '%s\n' $rolls $(pids rolls) | sort | uniq -d)" ""
isnt "restarts was restarted" "$(pids restarts)" "$restarts"
is "gone is gone" "$(state gone.0)" ""
ok "... with its process" gone "$gone"
is "new is there" "$(state new.0)" RUNNING
if port_used "$(port 0)"; then fail "the old port is closed"; else pass "the old port is closed"; fi
ok "the new port is open" port_used "$(port 1)"
like "config shows the value in effect" "$(ctl config live)" "stopwaitsecs *= *5"
like "... and where it comes from" "$(ctl config live)" "reeve.conf:[0-9]+"
code 0 "reload again: nothing" ctl reload
is "same pids" "$(pids same live)" "$keep"

# A bad file.
before=$(pids)
cp "$CONF" "$T/good"
sed 's/^stopwaitsecs.*/stopwaitsecs = never/; s/^\[program:same\]/&\nworkres = 3/' "$T/good" >"$CONF"
code 1 "a bad file: exit 1" ctl -s "$T/run/reeve.sock" reload
has "file:line of the first" "$T/out/ok" "reeve.conf:[0-9]+:.*workres.*workers"
has "file:line of the second" "$T/out/ok" "reeve.conf:[0-9]+:.*(stopwaitsecs|never)"
code 1 "a bad file: --plan, exit 1" ctl -s "$T/run/reeve.sock" reload --plan
kill -HUP "$REEVED"
awaits 5 "SIGHUP: the log has both" 'grep -q "workres" "$LOG" && grep -q "never" "$LOG"'
is "same pids" "$("$B/reevectl" -s "$T/run/reeve.sock" --json status | grep -Eo '"pid" *: *[0-9]+' | grep -Eo '[0-9]+')" "$before"
cp "$T/good" "$CONF"

# scale by the file
sed 's/^workers = 2/workers = 3/' "$T/good" >"$CONF"
code 0 "workers = 3: reload" ctl reload
is "three of them" "$(pids same | wc -l)" 3
is "the old two are the same" "$(pids same | sed 2q)" "$two"
cp "$T/good" "$CONF"
code 0 "back to 2" ctl reload
is "the old two are the same" "$(pids same)" "$two"

# scale by hand: a reload of something else leaves the number alone.
code 0 "scale to 3" ctl scale same 3
sed "/program:same/a stopwaitsecs = 4" "$T/good" >"$CONF"
code 0 "a live key of it: reload" ctl reload
is "three of them still" "$(pids same | wc -l)" 3
cp "$T/good" "$CONF"
code 0 "and back" ctl reload
code 0 "scale to 2" ctl scale same 2

# The new config does not come up: its roll is rolled back.
old=$(pids rolls)
sed "s|print two sleep|print-err bad exit 1|" "$T/good" >"$CONF"
code 1 "a change that does not come up: exit 1" ctl reload
has "with the reason" "$T/out/ok" "bad|exit"
is "the old ones run" "$(pids rolls)" "$old"
like "config shows what they run" "$(ctl config rolls)" '^command = .* print two sleep'
cp "$T/good" "$CONF"
code 0 "back to the good one" ctl reload
kill -KILL "$(pid_of rolls.0)"
awaits 5 "and are replaced with what worked" 'is_state rolls.0 RUNNING && [ "$(status_field rolls.0 exit_signal)" = 9 ]'
plan_done
