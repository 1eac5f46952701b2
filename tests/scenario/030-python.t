#!/bin/sh
# The example worker in python, by its own config: serves, rolls, loses nothing.
. "$(dirname "$0")/lib.sh"
need curl wrk python3

p=$(port 0)
cp "$SRC"/conf/examples/web.* "$T/"
# The same file, but for the port and the folder.
sed "s|/tmp/reeve-python/reeve.sock|$T/run/reeve.sock|
    s|/tmp/reeve-python/reeve.pid|$T/run/reeve.pid|
    s|/tmp/reeve-python/reeve.log|$T/log/reeve.log|
    s|/tmp/reeve-python|$T/state|
    s|127.0.0.1:80[0-9][0-9]|127.0.0.1:$p|
    s|^workers.*|workers = 2|" "$SRC/conf/examples/python.conf" >"$CONF"
ok "nothing of the example's own places is left" sh -c '! grep -v "^;" "$1" | grep -q "/tmp/reeve-python\|:80[0-9][0-9]\b"' sh "$CONF"
start_reeved
awaits 20 "both workers are up" 'all_state RUNNING web && [ "$(pids web | wc -l)" = 2 ]'
code 0 "it answers" get -f "http://127.0.0.1:$p/"
n=$(for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	get "http://127.0.0.1:$p/" | grep -Eo 'pid [0-9]+|[0-9]{2,}' | head -n 1
done | sort -u | wc -l)
ok "by its pid ($n of them)" test "$n" -ge 1
old=$(pids web | sort)
load a $((5 * TEST_SLOW)) "http://127.0.0.1:$p/"
CONNS=4 load b $((5 * TEST_SLOW)) "http://127.0.0.1:$p/" -H 'Connection: close'
code 0 "roll under load" ctl roll web
ok "the load is still on" load_running a
load_ok a "keep-alive: nothing lost"
load_ok b "new connections: nothing lost"
is "every pid replaced" "$(printf '%s\n%s\n' "$old" "$(pids web | sort)" | sort | uniq -d)" ""
kill -KILL "$(pid_of web.0)"
awaits 10 "a dead one is replaced" '[ "$(status_field web.0 restarts)" = 1 ] && all_state RUNNING web'
t0=$(now_ms)
code 0 "stop" ctl stop web
t=$(($(now_ms) - t0))
ok "they heed TERM ($t ms)" test $t -lt $((5000 * TEST_SLOW))
is "exit code 0" "$(status_field web.1 exit_code)" 0
plan_done
