#!/bin/sh
# restart_rate: what died of one cause does not come back at one instant.
. "$(dirname "$0")/lib.sh"

rate() {
	conf <<-EOT
		restart_rate = $1
		[program:web]
		command = $CHILD sleep
		workers = 12
		startsecs = 0
		[program:fails]
		command = $CHILD exit 1
		startsecs = 10
		backoff_min = 1h
		backoff_max = 1h
		workers = 3
	EOT
}
rate 4/3h
start_reeved
awaits 5 "all are up" 'all_state RUNNING web'
p=$(pid_of web.3)
kill -KILL "$p"
awaits 5 "one that died alone comes back at once" 'is_state web.3 RUNNING && [ "$(pid_of web.3)" != "$p" ]'
old=$(pids web)
kill -KILL $old
waiting() { ctl status web | grep -c BACKOFF; }
awaits 10 "of twelve some wait" '[ "$(ctl status web | grep -c BACKOFF)" -ge 6 ]'
n=$(ctl status web | grep -c RUNNING)
ok "what the burst has left is up ($n)" test "$n" -ge 3 -a "$n" -le 6
like "who waits says for what" "$(ctl status web)" 'BACKOFF.*restart_rate: start in '
slot=$(ctl status web | awk '/BACKOFF/ { print $1; exit }')
n=$(status_field "$slot" next_retry_ms)
ok "and until when ($n ms)" test "$n" -gt 0
kill_engine
ok "another engine lets them wait as well" test "$(ctl status web | grep -c BACKOFF)" -ge 4
code 0 "a person need not wait" ctl start "$slot"
is "it is up" "$(state "$slot")" RUNNING
n=$(waiting)
rate 4/1s
code 0 "another rate" ctl reload
awaits 10 "of it some come at once" '[ "$(waiting)" -le $((n - 3)) ]'
awaits 60 "they come, one after the other" 'all_state RUNNING web'
rate none
code 0 "none is live" ctl reload
old=$(pids web)
kill -KILL $old
awaits 10 "and nobody waits" 'all_state RUNNING web && [ "$(status_field web.5 restarts)" -ge 2 ]'
plan_done
