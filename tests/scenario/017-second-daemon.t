#!/bin/sh
# Two daemons on one socket, two on one port, a port that somebody else has.
. "$(dirname "$0")/lib.sh"
need python3 curl

p=$(port 0)
conf <<EOT
[program:shared]
command = $CHILD serve
socket = tcp://127.0.0.1:$p
startsecs = 200ms
[program:port]
command = $CHILD serve
socket = tcp://127.0.0.1:$(port 1)
socket_mode = reuseport
workers = 2
startsecs = 200ms
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
pids=$(pids)

second() { timeout $((20 * TEST_SLOW)) env REEVE_TEST="$T" "$B/reeved" -n -c "$1"; }
code 1 "a second daemon on the same socket: exit 1" second "$CONF"
has "says that one is there" "$T/out/ok" "(already|another|in use)"
has "... names the socket" "$T/out/ok" "$T/run/reeve.sock"
is "the first goes on" "$(pids)" "$pids"
is "its pidfile, too" "$(cat "$T/run/reeve.pid")" "$REEVED"

mkdir "$T/two"
other() { # MODE PORT
	cat >"$T/two.conf" <<-EOT
		[reeve]
		socket = $T/two/reeve.sock
		pidfile = $T/two/reeve.pid
		logfile = $T/two/reeve.log
		childlogdir = $T/two
		state_dir = $T/two/state
		[program:x]
		command = $CHILD append-pid $T/out/intruder serve
		socket = tcp://127.0.0.1:$2
		socket_mode = $1
	EOT
}
for mode in shared reuseport; do
	for n in 0 1; do
		other $mode "$(port $n)"
		code 1 "a second daemon, $mode, on our port $n: exit 1" second "$T/two.conf"
		has "names the port" "$T/out/ok" "$(port $n)"
		has "... and another reeved" "$T/out/ok" "reeved|in use"
	done
done
ok "none of them started anything" test ! -e "$T/out/intruder"
is "they left nothing" "$(ls "$T/two" | grep -c 'sock\|pid')" 0

cat >"$T/foreign.py" <<'EOT'
import socket, sys, time
s = socket.socket()
if sys.argv[2] == "reuseport":
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
open(sys.argv[3], "w").close()
time.sleep(1000)
EOT
for how in plain reuseport; do
	rm -f "$T/out/foreign"
	python3 "$T/foreign.py" "$(port 2)" $how "$T/out/foreign" &
	f=$!
	started $f
	await 5 '[ -e "$T/out/foreign" ]'
	for mode in shared reuseport; do
		other $mode "$(port 2)"
		code 1 "a foreign $how listener, $mode: exit 1" second "$T/two.conf"
		has "names the address" "$T/out/ok" "127.0.0.1:$(port 2)"
		has "... and who has it" "$T/out/ok" "$f|in use"
	done
	kill $f
	wait $f 2>/dev/null
done

# By a reload: the running daemon keeps what it has.
python3 "$T/foreign.py" "$(port 3)" plain "$T/out/foreign2" &
f=$!
started $f
await 5 '[ -e "$T/out/foreign2" ]'
cp "$CONF" "$T/good"
sed "s/:$p\$/:$(port 3)/" "$T/good" >"$CONF"
code 1 "reload to a port that is taken: exit 1" ctl reload
has "names the address" "$T/out/ok" "127.0.0.1:$(port 3)"
like "the old listener serves" "$(get http://127.0.0.1:$p/)" "^pid"
kill $f
cp "$T/good" "$CONF"
ctl reload
is "the daemon goes on" "$(pids port)" "$(echo "$pids" | sed -n '/./p' | grep -Fx "$(pids port)")"

# 50 racing starts: exactly one wins.
end_reeved
i=0
racers=
while [ $i -lt 50 ]; do
	i=$((i + 1))
	env REEVE_TEST="$T" "$B/reeved" -n -c "$CONF" >"$T/out/race.$i" 2>&1 &
	racers="$racers $!"
	started $!
done
await 20 'ctl status'
awaits 20 "of 50 racing daemons one is left" '[ "$(for r in $racers; do gone $r || echo $r; done | wc -l)" = 1 ]'
for r in $racers; do gone "$r" || REEVED=$r; done
awaits 5 "it works" 'all_state RUNNING'
is "the pidfile is its own" "$(cat "$T/run/reeve.pid")" "$REEVED"
plan_done
