#!/bin/sh
# A program that is renamed keeps its sockets: nobody is refused meanwhile.
. "$(dirname "$0")/lib.sh"
need python3

p0=$(port 0) p1=$(port 1)
named() { # NAME WORKERS
	conf <<-EOT
		[program:$1]
		command = $WEB
		socket = tcp://127.0.0.1:$p0
		workers = $2
		ready = notify
		[program:$1-own]
		command = $WEB
		socket = tcp://127.0.0.1:$p1
		socket_mode = reuseport
		workers = $2
		ready = notify
		[program:$1-unix]
		command = $WEB
		socket = unix://$T/run/web.sock
		workers = $2
		ready = notify
	EOT
}
cat >"$T/client" <<'EOT'
import socket, sys, os
stop, made, refused, broken = sys.argv[1], 0, 0, 0
where = [a.split(":") for a in sys.argv[2:]]
def one(a):
    global made, refused, broken
    s = socket.socket(socket.AF_INET if len(a) == 2 else socket.AF_UNIX)
    s.settimeout(60)
    try:
        s.connect((a[0], int(a[1])) if len(a) == 2 else a[0])
    except OSError as e:
        refused += 1
        print("connect", a, e, flush=True)
        return
    try:
        s.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        if s.recv(4096)[:9] not in (b"HTTP/1.1 ", b"HTTP/1.0 "):
            raise OSError("no answer")
        made += 1
    except OSError as e:
        broken += 1
        print("request", a, e, flush=True)
    s.close()
while not os.path.exists(stop):
    for a in where:
        one(a)
print("made", made > 10, "refused", refused, "broken", broken, flush=True)
EOT
client() {
	rm -f "$T/out/stop"
	python3 "$T/client" "$T/out/stop" "127.0.0.1:$p0" "127.0.0.1:$p1" "$T/run/web.sock" >"$T/out/client" 2>&1 &
	CLIENT=$!
	started $CLIENT
}
client_ok() { # WHAT
	: >"$T/out/stop"
	wait "$CLIENT"
	is "$1" "$(cat "$T/out/client")" "made True refused 0 broken 0"
}
nobody() { ! ctl --json status | grep -q "\"$1"; }
named old 2
start_reeved
awaits 10 "all are up" 'all_state RUNNING'
client
named new 2
code 0 "renamed" ctl reload
awaits 10 "the old ones are gone" 'nobody old && all_state RUNNING'
ok "... and new ones are there" ctl status new.0 new-own.1 new-unix.0
named old 1
code 0 "and back, with fewer of them" ctl reload
awaits 10 "the new ones are gone" 'nobody new && all_state RUNNING'
named new 3
code 0 "and with more" ctl reload
awaits 10 "the old ones are gone" 'nobody old && all_state RUNNING'
kill_engine
awaits 10 "another engine has the same" 'nobody old && all_state RUNNING'
code 0 "a roll" ctl roll new
client_ok "whoever connected meanwhile was answered"

# The old one takes its time, and the engine dies.
conf <<EOT
[program:slow]
command = $CHILD append-pid $T/out/slow ignore-term sleep
socket = unix://$T/run/web.sock
stopwaitsecs = 60
startsecs = 100ms
[program:slow-tcp]
command = $CHILD ignore-term sleep
socket = tcp://127.0.0.1:$p0
stopwaitsecs = 60
startsecs = 100ms
EOT
code 0 "to programs that do not stop" ctl reload
awaits 10 "they are up" 'nobody new && all_state RUNNING'
named old 2
code 0 "renamed: both are there for a while" ctl reload --no-wait
awaits 10 "the new one is up, the old one stops" 'is_state old.0 RUNNING && is_state slow.0 STOPPING'
client
kill_engine
awaits 10 "another engine has both" 'is_state old.0 RUNNING && is_state slow.0 STOPPING'
await 5 'alive "$(cat "$T/out/slow")"' && kill -KILL "$(cat "$T/out/slow")"
awaits 10 "the one that left the path is gone" 'nobody "slow.0"'
kill -KILL "$(pid_of slow-tcp.0)"
awaits 10 "the other one, too" 'nobody "slow"'
client_ok "the sockets are there as before"
ok "the path is there" test -S "$T/run/web.sock"
cat >"$T/second.conf" <<EOT
[reeve]
socket = $T/run/second.sock
state_dir = $T/state
[program:second]
command = $CHILD sleep
socket = tcp://127.0.0.1:$p0
EOT
code 1 "the address is locked as before" \
    timeout $((20 * TEST_SLOW)) env REEVE_TEST="$T" "$B/reeved" -n -c "$T/second.conf"

# Two at once is what it was.
sed 's/^\[program:old\]/[program:twin]/' "$CONF" >"$T/twin"
sed -n '/program:twin/,/ready/p' "$T/twin" >>"$CONF"
code 1 "an address that stays with its program is not given" ctl reload
like "... the reason is said" "$(cat "$T/out/ok")" "$p0"
plan_done
