#!/bin/sh
# Readiness by a message: of a shell, of Node, of Node's cluster.
. "$(dirname "$0")/lib.sh"

node=0
if command -v node >/dev/null; then node=1; fi
cat >"$T/app.sh" <<EOT
eval "exec 9>&\$NODE_CHANNEL_FD"
printf '"hello"\n{"a":1}\n"rea' >&9
while [ ! -e "$T/out/go" ]; do sleep 0.05; done
printf 'dy"\n' >&9
exec sleep 1000
EOT
cat >"$T/long.sh" <<EOT
trap '' PIPE
eval "exec 9>&\$NODE_CHANNEL_FD"
head -c 200000 /dev/zero | tr '\\0' x >&9
exec sleep 1000
EOT
cat >"$T/app.js" <<EOT
const fs = require('fs');
const t = setInterval(() => {
	if (!fs.existsSync('$T/out/go')) return;
	clearInterval(t);
	process.send('ready');
	setInterval(() => process.send({ load: 'x'.repeat(1000) }), 1);
	setTimeout(() => fs.writeFileSync('$T/out/sent', 'x'), 1000);
}, 50);
EOT
conf <<EOT
[program:sh]
command = sh $T/app.sh
socket = tcp://127.0.0.1:$(port 0)
ready = ipc
startsecs = 100ms
[program:two]
command = sh -c "echo '{\"act\":\"listening\",\"cmd\":\"NODE_CLUSTER\"}' >&\$NODE_CHANNEL_FD; exec sleep 1000"
ready = ipc
startsecs = 100ms
[program:long]
command = sh $T/long.sh
ready = ipc
ready_timeout = 2
ipc_max_message = 64KB
startsecs = 100ms
[program:node]
command = node $T/app.js
ready = ipc
autostart = $node
startsecs = 100ms
EOT
start_reeved
awaits 5 "what Node's cluster says counts" 'is_state two.0 RUNNING'
awaits 5 "a line without end: a warning" 'grep -q "long.0 .*a message of more than 65536 bytes" "$LOG"'
awaits 10 "... and it is not ready" 'ctl why long.0 | grep -q "not ready in time"'
is "other messages, half of one: STARTING" "$(state sh.0)" STARTING
[ $node = 0 ] || is "node waits" "$(state node.0)" STARTING
touch "$T/out/go"
awaits 5 "the other half: RUNNING" 'is_state sh.0 RUNNING'
if [ $node = 1 ]; then
	awaits 10 "process.send('ready'): RUNNING" 'is_state node.0 RUNNING'
	awaits 10 "it talks on and is not held up" '[ -e "$T/out/sent" ]'
else
	skip "process.send('ready')" "node is not here"
fi

# It is said while no engine is there to hear it.
rm "$T/out/go"
cat >"$T/late.sh" <<EOT
while [ ! -e "$T/out/go" ]; do sleep 0.05; done
echo '"ready"' >&\$NODE_CHANNEL_FD
touch $T/out/said
exec sleep 1000
EOT
conf <<EOT
[program:late]
command = sh $T/late.sh
ready = ipc
startsecs = 100ms
EOT
code 0 "reload" ctl reload --no-wait
await 10 'is_state late.0 STARTING && [ "$(pid_of late.0)" -gt 0 ]'
a=$(pid_of late.0) e=$(engine_pid)
kill -STOP "$e"
touch "$T/out/go"
await 5 '[ -e "$T/out/said" ]'
kill -KILL "$e"
awaits 10 "the next engine hears it" 'is_state late.0 RUNNING'
is "of the same process" "$(pid_of late.0)" "$a"
plan_done
