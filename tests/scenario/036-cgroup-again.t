#!/bin/sh
# Regression: what was once killed as a tree starts again, and again.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:tree]
command = $CHILD ignore-term fork-grandchild $T/out/tree sleep
startsecs = 200ms
stopwaitsecs = 100ms
backoff_min = 20
drain_timeout = 300ms
EOT
start_reeved
awaits 5 "up" 'all_state RUNNING'
for i in 1 2 3 4; do
	code 0 "stop $i" ctl stop tree
	code 0 "start $i" ctl start tree
	is "no try was needed" "$(status_field tree.0 restarts)" 0
done
code 0 "roll" ctl roll tree
code 0 "roll again" ctl roll tree
code 0 "restart --hard" ctl restart --hard tree
kill -KILL "$(pid_of tree.0)"
awaits 5 "and after a death with a grandchild left" 'is_state tree.0 RUNNING && [ "$(status_field tree.0 restarts)" = 1 ]'
plan_done
