#!/bin/sh
# [group:x] restart_rate: one cause does not restart a whole group at once.
. "$(dirname "$0")/lib.sh"

rate() { # OF THE GROUP, OF ALL
	conf <<-EOT
		restart_rate = $2
		[program:web]
		command = $CHILD sleep
		workers = 6
		startsecs = 0
		[program:api]
		command = $CHILD sleep
		workers = 4
		startsecs = 0
		[program:other]
		command = $CHILD sleep
		workers = 10
		startsecs = 0
		[group:site]
		programs = web, api
		restart_rate = $1
	EOT
}
rate none 1000/1s
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
rate 3/30m 1000/1s
code 0 "--plan" ctl reload --plan
has "a change of it is live" "$T/out/ok" '^live +web'
has "from one to the other" "$T/out/ok" 'restart_rate of its group: none -> 3/30m'
before=$(pids web)
code 0 "reload" ctl reload
is "the same instances" "$(pids web)" "$before"
like "config has it, and where it stands" "$(ctl config)" "^restart_rate = 3/30m +; .*reeve.conf:[0-9]+"

old=$(pids web api other)
kill -KILL $old
n() { ctl status "$1" | grep -c "$2"; }
awaits 10 "nobody else waits" 'all_state RUNNING other && [ "$(status_field other.9 restarts)" = 1 ]'
awaits 10 "of the ten in the group seven wait" '[ "$(n site:* BACKOFF)" = 7 ]'
is "three are up" "$(n 'site:*' RUNNING)" 3
like "who waits says for what" "$(ctl status 'site:*')" 'BACKOFF.*restart_rate of site: start in '
kill_engine
is "another engine lets them wait as well" "$(n 'site:*' BACKOFF)" 7
kill -KILL "$(pids 'site:*' | head -n 1)"
awaits 10 "and has not forgotten what was given out" '[ "$(n site:* BACKOFF)" = 8 ]'

# Within the daemon's: the group lets ten go, all of reeved not so many.
rate 1000/1s 4/30m
code 0 "another rate" ctl reload
awaits 10 "who waited for the old one asks again" '[ "$(n site:* "restart_rate: start in")" = 4 ]'
rate none none
code 0 "none" ctl reload
awaits 10 "and nobody waits" 'all_state RUNNING'
rate 0/1s none
code 2 "a rate of nothing is an error" "$B/reeved" --check -c "$CONF"
has "with its line" "$T/out/ok" 'reeve.conf:2[0-9]: .group:site. restart_rate'
rate none none
plan_done
