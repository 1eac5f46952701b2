#!/bin/sh
# A command with a message channel: run --ipc NAME.
. "$(dirname "$0")/lib.sh"

cat >"$T/echo.sh" <<EOT
eval "exec 9<&\$NODE_CHANNEL_FD"
echo '"hello"' >&\$NODE_CHANNEL_FD
while read -r line <&9; do
	echo "{\"got\":\$line}" >&\$NODE_CHANNEL_FD
	[ "\$line" != '"end"' ] || exit 7
done
exit 8
EOT
conf </dev/null
start_reeved
ctl_bg "$T/out/msgs" events --messages -f run:job
await 5 '[ -e "$T/out/msgs" ]'
"$B/reevectl" -c "$CONF" run --ipc job -- sh "$T/echo.sh" >"$T/out/run" 2>&1 &
run=$!
started $run
awaits 10 "it is heard" 'ctl events --messages run:job | grep -q "\"run:job\",.*\"hello\""'
code 1 "the name is taken" ctl run --ipc job -- true
code 2 "not for what is detached" ctl run --detach --ipc x -- true
code 2 "a name is letters and digits" ctl run --ipc a/b -- true
code 0 "send" ctl send run:job '[1]'
awaits 10 "it answers" 'ctl events --messages run:job | grep -q "{\"got\":\[1\]}"'
kill_engine
code 0 "send to the next engine" ctl send run:job '[2]'
awaits 10 "it answers" 'ctl events --messages run:job | grep -q "{\"got\":\[2\]}"'
code 0 "send" ctl send run:job '"end"'
wait $run
is "its exit code" $? 7
awaits 10 "its last words" 'ctl events --messages run:job | grep -q "{\"got\":\"end\"}"'
code 3 "nobody is there any more" ctl send run:job 1
"$B/reevectl" -c "$CONF" run --ipc job -- sh "$T/echo.sh" >"$T/out/run" 2>&1 &
run=$!
started $run
awaits 10 "the name is free again" '[ "$(ctl events --messages run:job | grep -c hello)" = 2 ]'
code 0 "disconnect" ctl send --disconnect run:job
wait $run
is "it sees the end" $? 8
kill "$BG"
code 0 "without --ipc there is none" ctl run -- sh -c 'test -z "${NODE_CHANNEL_FD-}"'
plan_done
