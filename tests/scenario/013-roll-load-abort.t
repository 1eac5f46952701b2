#!/bin/sh
# A roll to a binary that exits at once, under load: not one request is lost.
. "$(dirname "$0")/lib.sh"
need wrk

p0=$(port 0) p1=$(port 1)
cp "$WEB" "$T/web"
conf <<EOT
[program:shared]
command = $T/web
socket = tcp://127.0.0.1:$p0
workers = 2
ready = notify
[program:reuseport]
command = $T/web
socket = tcp://127.0.0.1:$p1
socket_mode = reuseport
workers = 2
ready = notify
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
old=$(pids)
printf '#!/bin/sh\necho "broken build" >&2\nexit 1\n' >"$T/web.new"
chmod +x "$T/web.new"
mv "$T/web.new" "$T/web"
S=$((4 * TEST_SLOW))
load a $S http://127.0.0.1:$p0/
load b $S http://127.0.0.1:$p1/ -H 'Connection: close'
for i in 1 2 3; do
	code 1 "roll $i: exit 1" ctl roll shared reuseport
	has "... the reason" "$T/out/ok" "broken build"
done
kill -USR2 "$REEVED"
load_ok a "shared, keep-alive: nothing lost"
load_ok b "reuseport, new connections: nothing lost"
is "every pid is there" "$(pids)" "$old"
plan_done
