#!/bin/sh
# Listeners: bound once, passed by systemd's protocol, of every kind.
. "$(dirname "$0")/lib.sh"
need curl

p0=$(port 0) p1=$(port 1) p2=$(port 2) p3=$(port 3)
owner=
[ "$(id -u)" != 0 ] || owner="&owner=nobody:$(id -gn nobody)"
six=no
[ ! -e /proc/sys/net/ipv6/conf/lo/disable_ipv6 ] ||
    [ "$(cat /proc/sys/net/ipv6/conf/lo/disable_ipv6)" != 0 ] || six=yes
conf <<EOT
[program:one]
command = $CHILD dump $T/out/one.%(process_num)d serve
socket = tcp://127.0.0.1:$p0
workers = 2
startsecs = 200ms
[program:many]
command = $CHILD dump $T/out/many print "fd %(fd:admin)s %(fd:http)s" serve
socket = http=tcp://127.0.0.1:$p1, admin=unix:$T/run/admin.sock?mode=0640$owner
startsecs = 200ms
[program:any]
command = $CHILD serve
socket = tcp://:$p2?backlog=7
socket_mode = reuseport
workers = 2
startsecs = 200ms
EOT
[ $six = no ] || cat >>"$CONF" <<EOT
[program:six]
command = $CHILD serve
socket = tcp6://[::1]:$p3
startsecs = 200ms
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
v() { sed -n "s/^$2=//p" "$T/out/$1" | head -n 1; }
is "LISTEN_FDS" "$(v one.0 env.LISTEN_FDS)" 1
is "LISTEN_PID is the process's own" "$(v one.1 env.LISTEN_PID)" "$(v one.1 pid)"
is "LISTEN_FDNAMES" "$(v one.0 env.LISTEN_FDNAMES)" one
is "PORT" "$(v one.0 env.PORT)" "$p0"
is "two sockets: LISTEN_FDS" "$(v many env.LISTEN_FDS)" 2
is "two sockets: their names in order" "$(v many env.LISTEN_FDNAMES)" http:admin
has "%(fd:NAME)s" "$T/log/many.0.stdout.log" "^fd 4 3$"
like "tcp answers" "$(get http://127.0.0.1:$p0/)" "^pid [0-9]+ fd 3"
n=$(for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do get http://127.0.0.1:$p0/; done |
    sort | uniq | wc -l)
ok "by more than one process, in shared mode, or by whoever was free ($n)" test "$n" -ge 1
like "tcp of many" "$(get http://127.0.0.1:$p1/)" "^pid [0-9]+ fd 3"
like "unix of many" "$(get --unix-socket "$T/run/admin.sock" http://x/)" "^pid [0-9]+ fd 4"
is "its mode" "$(stat -c %a "$T/run/admin.sock")" 640
[ -z "$owner" ] || is "its owner" "$(stat -c %U "$T/run/admin.sock")" nobody
like "any address" "$(get http://127.0.0.1:$p2/)" "^pid"
if [ $six = yes ]; then
	like "tcp6 answers" "$(get "http://[::1]:$p3/")" "^pid"
else
	skip "tcp6 answers" "no IPv6 here"
fi
if command -v ss >/dev/null; then
	is "reuseport: a listener each" "$(ss -Hltn "sport = :$p2" | wc -l)" 2
	is "shared: one listener" "$(ss -Hltn "sport = :$p0" | wc -l)" 1
	like "backlog" "$(ss -Hltn "sport = :$p2" | awk '{ print $3 }')" "^7$"
fi

# The port is reeved's, not the worker's: without a worker nobody is refused.
code 0 "stop" ctl stop one
get --max-time 20 http://127.0.0.1:$p0/ >"$T/out/waited" &
curl=$!
started $curl
await 2 'grep -q ":$(printf %04X $p0) " /proc/net/tcp'
code 0 "start" ctl start one
wait $curl
has "a client that came between is answered" "$T/out/waited" "^pid"
ctl shutdown
wait_reeved
ok "the unix socket is removed" test ! -e "$T/run/admin.sock"
if port_used "$p0"; then fail "the port is free"; else pass "the port is free"; fi
plan_done
