#!/bin/sh
# Engines die while messages go both ways: each comes once, in order.
. "$(dirname "$0")/lib.sh"
need python3

n=3000
cat >"$T/app.py" <<EOT
import os, socket, threading, time
channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
got = open("$T/out/got." + os.environ["REEVE_SLOT"], "wb", buffering=0)

def write():
    go = "$T/out/go"
    channel.sendall(b'"hello"\n')
    while not os.path.exists(go):
        time.sleep(0.01)
    i = 0
    # As long as engines are killed, and a little longer.
    while i < 2000 or os.path.exists(go):
        i += 1
        # Of several lengths, some longer than a write.
        channel.sendall(b'{"n":%d,"x":"%s"}\n' % (i, b"x" * (i * 37 % 3001)))
    channel.sendall(b'{"last":%d}\n' % i)

threading.Thread(target=write, daemon=True).start()
for line in channel.makefile("rb"):
    got.write(line)
EOT
conf <<EOT
[program:app]
command = python3 $T/app.py
workers = 2
ipc = on
; So that the ring (4 MiB) has room for what comes while no reader is there.
ipc_rate = 400/1s
startsecs = 100ms
EOT
start_reeved
awaits 20 "two children" 'all_state RUNNING app'
a=$(pid_of app.0) b=$(pid_of app.1)
"$B/reevectl" -c "$CONF" events --messages -f --since 0 >"$T/out/msgs" 2>"$T/out/msgs.err" &
reader=$!
started $reader
awaits 20 "a reader" '[ $(grep -c hello "$T/out/msgs") = 2 ]'
touch "$T/out/go"
seq 1 $n | "$B/reevectl" -c "$CONF" send app - >"$T/out/send" 2>&1 &
sender=$!
started $sender
for _ in 1 2 3 4 5 6; do
	old=$(wc -c <"$T/out/msgs")
	await 20 '[ "$(wc -c <"$T/out/msgs")" -gt $((old + 20000)) ]'
	kill_engine
done
rm "$T/out/go"
wait $sender
is "every message was sent" "$?: $(grep -v 'was restarted' "$T/out/send")" "0: "
lines() { wc -l <"$T/out/got.$1" | tr -d ' '; }
awaits 20 "the children have all" '[ "$(lines 0)" = $n ] && [ "$(lines 1)" = $n ]'
seq 1 $n >"$T/out/want"
ok "app.0: each once, in order" cmp "$T/out/want" "$T/out/got.0"
ok "app.1: each once, in order" cmp "$T/out/want" "$T/out/got.1"
awaits 30 "the reader has the last" '[ "$(grep -c "\"last\":" "$T/out/msgs")" = 2 ]'
kill $reader
for s in 0 1; do
	grep "\"app.$s\"" "$T/out/msgs" | grep -o '"message":{"[nl]a*s*t*":[0-9]*' | grep -o '[0-9]*$' >"$T/out/n.$s"
	last=$(tail -n 1 "$T/out/n.$s")
	{
		seq 1 "$last"
		echo "$last"
	} >"$T/out/want"
	ok "of app.$s: each of $last once, in order" cmp "$T/out/want" "$T/out/n.$s"
done
ok "whole" python3 -c '
import json, sys
for line in open(sys.argv[1]):
    m = json.loads(line)["message"]
    assert m == "hello" or "last" in m or len(m["x"]) == m["n"] * 37 % 3001, line[:100]' "$T/out/msgs"
is "no gap" "$(grep -c '"gap"' "$T/out/msgs")" 0
is "of the same children" "$(pid_of app.0) $(pid_of app.1)" "$a $b"
plan_done
