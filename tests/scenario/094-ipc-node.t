#!/bin/sh
# Messages with a Node child: process.send, process.on('message'), disconnect.
. "$(dirname "$0")/lib.sh"
need node

cat >"$T/app.js" <<EOT
const fs = require('fs');
process.on('message', (m) => {
	process.send({ slot: process.env.REEVE_SLOT, got: m });
	if (m === 'bye') process.disconnect();
	if (m && m.handle) {
		const net = require('net');
		const server = net.createServer((c) => {
			process.send({ with: 'a socket' }, c, () => server.close(
			    () => process.send('server closed')));
		});
		server.listen(0, '127.0.0.1', () =>
		    net.connect(server.address().port, '127.0.0.1')
			.on('close', () => process.send('socket closed'))
			.resume());
	}
});
process.on('disconnect', () =>
    fs.writeFileSync('$T/out/gone.' + process.pid, process.connected + ''));
process.send('hello');
process.send({ f: 1e-7, s: 'ü"\\\\ \u2028', long: 'x'.repeat(300000) });
setInterval(() => {}, 1000);
EOT
conf <<EOT
[program:app]
command = node $T/app.js
workers = 2
ipc = on
startsecs = 100ms
[program:plain]
command = $CHILD sleep
startsecs = 100ms
EOT
start_reeved
awaits 20 "two children" 'all_state RUNNING app'
ctl_bg "$T/out/msgs" events --messages -f --since 0
awaits 20 "both say hello" '[ $(grep -c "\"message\":\"hello\"}" "$T/out/msgs") = 2 ]'
awaits 20 "values come as they were" 'grep -q "\"message\":{\"f\":1e-7,\"s\":\"ü\\\\\"" "$T/out/msgs"'
awaits 20 "... also long ones" "awk 'length > 300000 { n++ } END { exit n != 2 }' '$T/out/msgs'"
a=$(pid_of app.0) b=$(pid_of app.1)
like "a line has slot, time and pid" "$(grep '"hello"' "$T/out/msgs" | grep "app.0")" \
    "^\{\"seq\":[0-9]+,\"time\":\"20[^\"]+Z\",\"at_ms\":[0-9]+,\"name\":\"app.0\",\"pid\":$a,\"message\":\"hello\"\}\$"

code 0 "send to one slot" ctl send app.1 '{"task":"process data"}'
awaits 10 "it answers" 'grep -q "{\"task\":\"process data\"}" "$T/out/msgs"'
like "by process.on('message')" "$(grep 'process data' "$T/out/msgs")" "\"app.1\",\"pid\":$b,"
code 0 "send to all" ctl send app '"all of you"'
awaits 10 "both answer" '[ $(grep -c "all of you" "$T/out/msgs") = 2 ]'
printf '1\n\n"two"\n[3]\n' >"$T/in"
code 0 "from stdin, one a line" sh -c "'$B/reevectl' -c '$CONF' send app.0 - <'$T/in'"
awaits 10 "in order" '[ "$(grep -o "got\":[^ ]*}}" "$T/out/msgs" | tail -n 3 | tr -d "\n")" = "got\":1}}got\":\"two\"}}got\":[3]}}" ]'
printf '5\n{\n6\n' >"$T/in"
code 2 "a line that is no JSON ends it" sh -c "'$B/reevectl' -c '$CONF' send app.0 - <'$T/in'"
like "... and is named" "$(cat "$T/out/ok")" "line 2 was not sent"
code 2 "no JSON" ctl send app.0 "{'a':1}"
code 2 "nor Node's own" ctl send app.0 '{"cmd":"NODE_x"}'
code 3 "nobody" ctl send nobody 1
code 1 "a program without a channel" ctl send plain 1
like "... says what to do" "$(cat "$T/out/ok")" "ipc = on"
awk 'BEGIN { printf "\""; for (i = 0; i < 900000; i++) printf "y"; print "\"" }' >"$T/in"
code 0 "a long one" sh -c "'$B/reevectl' -c '$CONF' send app.0 - <'$T/in'"
awaits 20 "... comes back" 'awk "length > 900000 { n++ } END { exit n != 1 }" "$T/out/msgs"'

# A socket that a child sends is closed, and Node is told what it waits for.
code 0 "a child sends a socket" ctl send app.0 '{"handle":1}'
awaits 20 "the message that came with it" 'grep -q "a socket" "$T/out/msgs"'
awaits 20 "the socket is closed" 'grep -q "socket closed" "$T/out/msgs"'
awaits 20 "the server can be, too" 'grep -q "server closed" "$T/out/msgs"'
code 0 "nothing is held up by it" ctl send app.0 '"after"'
awaits 20 "..." 'grep -q "\"after\"" "$T/out/msgs"'

is "open" "$(status_field app.0 channel)" open
is "a program without has none" "$(status_field plain.0 channel)" null
code 0 "process.disconnect()" ctl send app.0 '"bye"'
awaits 10 "'disconnect' in the child" '[ "$(cat "$T/out/gone.$a")" = false ]'
awaits 10 "closed" '[ "$(status_field app.0 channel)" = closed ]'
code 1 "nothing goes there any more" ctl send app.0 1
like "... by the child" "$(cat "$T/out/ok")" "app.0: its channel was closed: by the child"
code 0 "disconnect by order" ctl send --disconnect app.1
awaits 10 "'disconnect' in the child" '[ "$(cat "$T/out/gone.$b")" = false ]'
is "both live" "$(pid_of app.0) $(pid_of app.1)" "$a $b"
like "an event tells" "$(ctl events app.1)" "channel +app.1 +closed: by order"
code 1 "one of two would be half" ctl send app 1
kill "$BG"
n=$(wc -l <"$T/out/msgs")
is "what was said can be read again" "$(ctl events --messages app | wc -l)" "$n"
is "of one" "$(ctl events --messages app.1 | grep -vc app.1)" 0
plan_done
