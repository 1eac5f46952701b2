#!/bin/sh
# A roll to something that does not come up: the old ones are not touched.
. "$(dirname "$0")/lib.sh"
need curl

p=$(port 0)
conf <<EOT
[program:web]
command = $T/prog
socket = tcp://127.0.0.1:$p
workers = 3
ready = notify
ready_timeout = 700ms
startsecs = 200ms
stopwaitsecs = 1
EOT
prog() { # the script's text comes in
	{ echo "#!/bin/sh"; cat; } >"$T/prog.new"
	chmod +x "$T/prog.new"
	mv "$T/prog.new" "$T/prog"
}
good() { echo "exec $CHILD ready serve" | prog; }

good
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
old=$(pids web)

aborted() { # WHAT REGEX
	t0=$(now_ms)
	code 1 "roll to $1: exit 1" ctl roll web
	cp "$T/out/ok" "$T/out/roll"
	has "$1: the reason" "$T/out/roll" "$2"
	has "$1: the word aborted" "$T/out/roll" "abort"
	ok "$1: soon ($(($(now_ms) - t0)) ms)" test $(($(now_ms) - t0)) -lt $((6000 * TEST_SLOW))
	is "$1: every old pid is there" "$(pids web)" "$old"
	ok "$1: all RUNNING" all_state RUNNING web
	awaits 3 "$1: the canary is gone" '[ "$(pgrep -P "$REEVED" | wc -l)" = 4 ]'
	like "$1: it serves" "$(get http://127.0.0.1:$p/)" "^pid"
}
prog <<'EOT'
echo "config: no such key: prot" >&2
exit 3
EOT
aborted "exits at once" "exit(ed)?.* 3"
has "the last lines of stderr" "$T/out/roll" "config: no such key: prot"
like "why knows the canary" "$(ctl why web.0)" "no such key: prot"

prog <<EOT
echo "waiting for the database" >&2
exec $CHILD ignore-term sleep
EOT
aborted "never ready" "ready"
has "its last lines" "$T/out/roll" "waiting for the database"

prog <<EOT
exec $CHILD segv
EOT
aborted "segv" "SEGV|Segmentation|signal 11"

rm "$T/prog"
aborted "not there" "No such file"

# By SIGUSR2: nobody is told but the log.
kill -USR2 "$REEVED"
awaits 5 "SIGUSR2: the log has it" '[ "$(grep -c "roll.*abort\|abort.*roll" "$LOG")" -ge 5 ]'
is "and every old pid is there" "$(pids web)" "$old"

# It fails at the second slot: the first was replaced, the third is untouched.
prog <<EOT
[ ! -e $T/out/bad ] || { echo "second one is bad" >&2; exit 9; }
touch $T/out/bad
exec $CHILD ready serve
EOT
code 1 "fails at the second slot: exit 1" ctl roll web
is "the third is untouched" "$(pid_of web.2)" "$(echo "$old" | sed -n 3p)"
is "the second, too" "$(pid_of web.1)" "$(echo "$old" | sed -n 2p)"
ok "all RUNNING" all_state RUNNING web

good
code 0 "and a good one rolls again" ctl roll web

# roll_soak: the canary must stay up for a while.
conf <<EOT
[program:web]
command = $T/prog
socket = tcp://127.0.0.1:$p
workers = 3
ready = notify
roll_soak = 600ms
startsecs = 200ms
stopwaitsecs = 1
EOT
code 0 "reload" ctl reload
old=$(pids web)
echo "exec $CHILD ready pause 200 print-err 'late end' exit 5" | prog
code 1 "a canary that dies in its soak: exit 1" ctl roll web
has "its last line" "$T/out/ok" "late end"
is "every old pid is there" "$(pids web)" "$old"

# ... and well: the old one is as healthy as it was.
conf <<EOT
[program:well]
command = $CHILD append-pid $T/out/well sleep
startsecs = 0
roll_soak = 1h
health = exec:sh -c 'test ! -e $T/out/ill.\$REEVE_PID'
health_interval = 50ms
health_failures = 2
EOT
code 0 "reload" ctl reload
awaits 10 "up and healthy" '[ "$(status_field well.0 health)" = healthy ]'
was=$(pid_of well.0)
ctl_bg "$T/out/trial" roll well
awaits 10 "the new one is on trial" 'grep -q "new instance ready, on trial" "$LOG" && [ "$(wc -l <"$T/out/well")" = 2 ]'
new=$(tail -n 1 "$T/out/well")
isnt "it is another one" "$new" "$was"
: >"$T/out/ill.$new"
wait $BG
is "it becomes unhealthy: the roll is aborted" $? 1
has "with the reason" "$T/out/trial" "well.0.* failed its health probe: "
is "the old one stays" "$(pid_of well.0)" "$was"
is "and is healthy" "$(status_field well.0 health)" healthy
awaits 5 "the new one is gone" 'gone $new'
kill_engine
is "an engine later, too" "$(pid_of well.0)" "$was"
plan_done
