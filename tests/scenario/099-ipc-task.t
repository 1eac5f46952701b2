#!/bin/sh
# Tasks with a message channel: ipc = on of a [task:x], task add --ipc.  Each
# message once and in order, over deaths of the engine.
. "$(dirname "$0")/lib.sh"
need python3

n=1000
cat >"$T/echo.sh" <<EOT
eval "exec 9<&\$NODE_CHANNEL_FD"
echo '"hello"' >&\$NODE_CHANNEL_FD
while read -r line <&9; do
	echo "{\"got\":\$line}" >&\$NODE_CHANNEL_FD
	[ "\$line" != '"end"' ] || exit 7
done
exit 8
EOT
cat >"$T/app.py" <<EOT
import os, socket, threading
channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))

def write():
    for i in range(1, 2 * $n + 1):
        channel.sendall(b'{"n":%d,"x":"%s"}\n' % (i, b"x" * (i * 37 % 3001)))

w = threading.Thread(target=write)
w.start()
with open("$T/out/got", "wb", buffering=0) as got:
    for line in channel.makefile("rb"):
        got.write(line)
        if line == b"$n\n":
            break
w.join()
EOT
conf <<EOT
[task:echo]
command = /bin/sh $T/echo.sh
ipc = on
[task:app]
command = python3 $T/app.py
ipc = on
ipc_rate = 2000/1s
[task:plain]
shell = : >$T/out/runs; until [ -e $T/out/plain ]; do sleep 0.02; done
EOT
start_reeved
task() { ctl task "$@"; }
messages() { ctl events --messages "$@"; }
ctl_bg "$T/out/msgs" events --messages -f
await 5 '[ -e "$T/out/msgs" ]'

task run --no-wait echo >/dev/null
awaits 10 "a named task is heard" 'grep -q "\"task:echo\",.*\"hello\"" "$T/out/msgs"'
code 0 "send to its name" ctl send task:echo '[1]'
awaits 10 "it answers" 'grep -q "{\"got\":\[1\]}" "$T/out/msgs"'
kill_engine
code 0 "send to the next engine" ctl send task:echo '"end"'
awaits 10 "it answers" 'messages task:echo | grep -q "{\"got\":\"end\"}"'
awaits 10 "its code" 'task list --all --json | tr -d " " | grep -q "\"exit_code\":7"'
code 3 "it is over" ctl send task:echo 1
task run --no-wait plain >/dev/null
awaits 5 "one without" '[ -e "$T/out/runs" ]'
ctl send task:plain 1 >"$T/out/ok" 2>&1
has "it has no channel" "$T/out/ok" "no channel"
touch "$T/out/plain"

id=$(task add --ipc -- sh "$T/echo.sh")
awaits 10 "one that was added" 'messages "task:$id" | grep -q hello'
kill_engine
code 0 "send to its number" ctl send "task:$id" '"end"'
task wait "$id" >"$T/out/ok" 2>&1
is "its code" $? 7
awaits 10 "its last words" 'messages "task:$id" | grep -q "{\"got\":\"end\"}"'
id=$(task add --ipc -- sh "$T/echo.sh")
awaits 10 "another one" 'messages "task:$id" | grep -q hello'
code 0 "disconnect" ctl send --disconnect "task:$id"
task wait "$id" >"$T/out/ok" 2>&1
is "it sees the end" $? 8
kill "$BG"

"$B/reevectl" -c "$CONF" events --messages -f --since 0 task:app >"$T/out/app" 2>"$T/out/app.err" &
reader=$!
started $reader
task run --no-wait app >/dev/null
awaits 20 "it runs" '[ -e "$T/out/got" ]'
seq 1 $n | "$B/reevectl" -c "$CONF" send task:app - >"$T/out/send" 2>&1 &
sender=$!
started $sender
for _ in 1 2 3 4; do
	old=$(wc -c <"$T/out/app")
	await 20 '[ "$(wc -c <"$T/out/app")" -gt $((old + 20000)) ] || grep -q "\"n\":$((2 * n))," "$T/out/app"'
	kill_engine
done
wait $sender
is "every message was sent" "$?: $(grep -v 'was restarted' "$T/out/send")" "0: "
awaits 20 "the task has them all" '[ "$(wc -l <"$T/out/got")" = $n ]'
seq 1 $n >"$T/out/want"
ok "each once, in order" cmp "$T/out/want" "$T/out/got"
awaits 20 "all of its own came" 'grep -q "\"n\":$((2 * n))," "$T/out/app"'
grep -Eo '"n":[0-9]+' "$T/out/app" | cut -d: -f2 >"$T/out/n"
seq 1 $((2 * n)) >"$T/out/want"
ok "each once, in order, too" cmp "$T/out/want" "$T/out/n"
kill "$reader"
plan_done
