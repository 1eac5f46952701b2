#!/bin/sh
# schedule: by itself, each due time once; overlap, catch_up, jitter.
. "$(dirname "$0")/lib.sh"

hold="until [ -e $T/out/go ]; do sleep 0.02; done"
zone=UTC
[ ! -e /usr/share/zoneinfo/Asia/Tokyo ] || zone=Asia/Tokyo
tasks() {
	conf <<EOT
cpu_slots = 16
[program:idle]
command = $CHILD sleep
[task:plain]
shell = echo run
EOT
	cat >>"$CONF"
}
tasks <<EOT
[task:tick]
shell = echo x >>$T/out/ticks
schedule = @every 1s
[task:dep]
shell = echo dep >>$T/out/deps
[task:skips]
shell = $hold
schedule = @every 1s
depends_on = dep
[task:queues]
shell = $hold
schedule = @every 1s
overlap = queue
[task:kills]
shell = echo \$\$ >>$T/out/kills; $hold
schedule = @every 1s
overlap = kill
[task:late]
shell = true
schedule = @every 1s
jitter = 1h
[task:yearly]
shell = true
schedule = 0 0 1 1 *
[task:tokyo]
shell = true
schedule = 0 9 2 1 *
timezone = $zone
EOT
start_reeved
task() { ctl task "$@"; }
# Those of a task in a state.
count() { # NAME STATE
	task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g' |
	    grep "\"name\":\"$1\"" | grep -c "\"state\":\"$2\""
}
due_next() { task show --json "$1" | tr -d ' \n' | sed 's/.*"next":\([0-9]*\).*/\1/'; }
at_least() { [ "$1" -ge "$2" ]; }
lines() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }

awaits 10 "a task runs by its schedule, again and again" 'at_least "$(lines $T/out/ticks)" 3'
like "task show: when it is due" "$(task show yearly)" "yearly +never ran +20[0-9][0-9]-01-01 00:00:00 "
is "... by the hours of another zone" "$(($(due_next tokyo) / 1000))" "$(TZ=$zone date -d "$(($(date +%Y) + 1))-01-02 09:00" +%s)"
like "... and by what" "$(task show --json yearly)" '"schedule":"0 0 1 1 \*"'
like "... null without one" "$(task show --json plain)" '"schedule":null,"next":null'
awaits 10 "overlap = skip" 'ctl --json events | grep "task:skips.*task_skipped.*has not ended"'
is "... one run" "$(count skips running) $(count skips queued)" "1 0"
is "... and what it depends on, once" "$(lines "$T/out/deps")" 1
awaits 10 "overlap = queue" 'at_least "$(count queues queued)" 2'
is "... one at a time" "$(count queues running)" 1
awaits 10 "overlap = kill" 'at_least "$(count kills cancelled)" 2 && at_least "$(lines $T/out/kills)" 3'
ok "... the one before is gone" gone "$(head -n 1 "$T/out/kills")"
awaits 10 "jitter: it waits beyond its time" 'at_least "$(count late queued)" 1'
is "... begun by its schedule" "$(task list --all --json | tr -d '\n' | grep -Eo '"name":"tick","begun_by":"[a-z]*"' | sort -u)" \
    '"name":"tick","begun_by":"schedule"'
dues() { # NAME: each due time of it, as often as there is a run
	task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g' |
	    grep "\"name\":\"$1\"" | grep -Eo '"due":[0-9]*' | sort
}
is "no due time has two runs" "$(dues tick | uniq -d)" ""

# A change: nothing is caught up, and what is gone is not due.
: >"$T/out/go"
tasks <<EOT
[task:tick]
shell = echo x >>$T/out/ticks
schedule = 0 0 1 1 *
[task:yearly]
shell = echo y >>$T/out/years
schedule = @every 1s
EOT
code 0 "reload" ctl reload
like "the new time is shown" "$(task show tick)" "20[0-9][0-9]-01-01 00:00:00"
awaits 10 "the new schedule is in force" 'at_least "$(lines $T/out/years)" 2'
end_reeved
is "reeved exits with 0" "$CODE" 0

# Downtime: the last time is known to have been long ago.
db() { sqlite3 "$T/state/queue.db" "$@"; }
if ! command -v sqlite3 >/dev/null && ! python3 -c 'import sqlite3' 2>/dev/null; then
	skip "catch_up" "neither sqlite3 nor python3 is here"
	plan_done
fi
tasks <<EOT
[task:no]
command = true
schedule = @hourly
catch_up = no
[task:once]
command = true
schedule = @hourly
[task:each]
command = true
schedule = @hourly
catch_up = all
overlap = queue
EOT
start_reeved
awaits 5 "they are known" 'task show --json once | grep -q "\"next\":[0-9]"'
end_reeved
python3 - "$T/state/queue.db" <<'EOT'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE named SET due = due - 30 * 3600000")
db.commit()
EOT
start_reeved
awaits 10 "catch_up = once: one run for all of them" '[ "$(count once done)" = 1 ]'
awaits 10 "catch_up = all: the last ten" '[ "$(count each done)" = 10 ]'
is "... each its own" "$(dues each | uniq | wc -l)" 10
like "catch_up = no: left out" "$(ctl --json events)" 'task:no","kind":"task_skipped","text":"due .*: missed'
is "... no run" "$(count no "done")$(count no running)" 00
kill_engine
awaits 5 "after the engine's death" 'task show --json once | grep -q "\"next\":[0-9]"'
is "... nothing is caught up twice" "$(count once "done") $(count each "done")" "1 10"
plan_done
