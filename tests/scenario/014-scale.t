#!/bin/sh
# scale: more workers, fewer workers; nobody's connection is reset.
. "$(dirname "$0")/lib.sh"
need wrk python3

p0=$(port 0) p1=$(port 1)
conf <<EOT
[program:shared]
command = $WEB
socket = tcp://127.0.0.1:$p0
ready = notify
drain_timeout = 2
[program:reuseport]
command = $WEB
socket = tcp://127.0.0.1:$p1
socket_mode = reuseport
workers = 2
ready = notify
drain_timeout = 1
stopwaitsecs = 1
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
a0=$(pid_of shared.0)
code 0 "up to 3" ctl scale shared 3
is "three slots" "$(pids shared | wc -l)" 3
ok "all RUNNING" all_state RUNNING shared
is "the first is untouched" "$(pid_of shared.0)" "$a0"
a2=$(pid_of shared.2)
code 0 "down to 1" ctl scale shared 1
is "one slot" "$(pids shared)" "$a0"
ok "the last is gone" gone "$a2"
code 1 "to -1: refused" sh -c '"$@"; [ $? = 0 ] || exit 1' sh "$B/reevectl" -c "$CONF" scale shared -1
code 3 "an unknown name" ctl scale nosuch 2
code 0 "to the same" ctl scale shared 1
is "is nothing" "$(pid_of shared.0)" "$a0"
code 0 "down to 0" ctl scale shared 0
ok "gone" gone "$a0"
kill_engine
is "an engine that comes after knows that, too" "$(status_field shared.0 name)" ""
code 0 "and up again" ctl scale shared 2
ok "all RUNNING" all_state RUNNING shared

# Under load, up and down, in both modes.
load a $((6 * TEST_SLOW)) http://127.0.0.1:$p0/ -H 'Connection: close'
load b $((6 * TEST_SLOW)) http://127.0.0.1:$p1/ -H 'Connection: close'
code 0 "shared: up under load" ctl scale shared 3
code 0 "reuseport: up under load" ctl scale reuseport 4
code 0 "shared: down under load" ctl scale shared 1
code 0 "reuseport: down under load" ctl scale reuseport 1
code 0 "reuseport: up under load" ctl scale reuseport 2
load_ok a "shared: nothing lost"
load_ok b "reuseport: nothing lost"

# The slot that goes has a full queue: its worker was stopped before.
p=$(pid_of reuseport.1)
cat >"$T/queue.py" <<'EOT'
import socket, sys, time, os
port, go = int(sys.argv[1]), sys.argv[2]
socks = []
for i in range(120):
    s = socket.create_connection(("127.0.0.1", port), 10)
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    socks.append(s)
open(go, "w").close()
bad = 0
for s in socks:
    s.settimeout(20)
    data = b""
    try:
        while True:
            d = s.recv(4096)
            if not d:
                break
            data += d
    except OSError as e:
        print("error:", e)
    if not data.startswith(b"HTTP/1.1 200"):
        bad += 1
print("bad", bad, "of", len(socks))
sys.exit(1 if bad else 0)
EOT
kill -STOP "$p"
python3 "$T/queue.py" $p1 "$T/out/queued" >"$T/out/queue" 2>&1 &
client=$!
started $client
awaits 10 "a full queue at the slot that is to go" '[ -e "$T/out/queued" ]'
code 0 "scale down" ctl scale reuseport 1
if wait $client; then pass "its queue is answered by a survivor"; else
	fail "its queue is answered by a survivor" "$T/out/queue"
fi
ok "it is gone" gone "$p"
plan_done
