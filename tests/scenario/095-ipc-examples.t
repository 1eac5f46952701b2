#!/bin/sh
# The examples of children with a channel, in Python and in C.
. "$(dirname "$0")/lib.sh"
need python3

cp "$SRC"/conf/examples/messages.* "$T/"
# The same file, but for the places.
sed "s|/tmp/reeve-messages/reeve.sock|$T/run/reeve.sock|
    s|/tmp/reeve-messages/reeve.pid|$T/run/reeve.pid|
    s|/tmp/reeve-messages/reeve.log|$T/log/reeve.log|
    s|/tmp/reeve-messages|$T/state|
    s|%(here)s/../../build/release|$B|" "$SRC/conf/examples/messages.conf" >"$CONF"
start_reeved
awaits 20 "both are ready by a message" 'all_state RUNNING python && all_state RUNNING c'
ctl_bg "$T/out/msgs" events --messages -f --since 0
for name in python c; do
	code 0 "$name: send" ctl send $name '{"task":"process data","n":[1,2.5,null,"é"]}'
	awaits 10 "$name: it answers" \
	    'grep -Eq "{\"from\": ?\"$name\", ?\"got\": ?{\"task\": ?\"process data\", ?\"n\":" "$T/out/msgs"'
	awk 'BEGIN { printf "\""; for (i = 0; i < 500000; i++) printf "z"; print "\"" }' >"$T/in"
	code 0 "$name: a long message" sh -c "'$B/reevectl' -c '$CONF' send $name - <'$T/in'"
	awaits 20 "$name: ... comes back" \
	    'awk -v name="\"$name.0\"" "length > 500000 && index(\$0, name) { n++ } END { exit n != 1 }" "$T/out/msgs"'
	pid=$(pid_of $name.0)
	code 0 "$name: disconnect" ctl send --disconnect $name
	awaits 10 "$name: it ends" 'gone $pid'
	awaits 10 "$name: ... with 0, and is started again" \
	    'ctl why $name.0 | grep -q "exited with 0" && is_state $name.0 RUNNING'
done
kill "$BG"
plan_done
