#!/bin/sh
# essential: reeved ends with its program, in order, with its exit code.
. "$(dirname "$0")/lib.sh"

# try WHAT CODE ESSENTIAL COMMAND [LINE...]: how reeved ends.
other="[program:other]
command = $CHILD append-pid $T/out/other sleep
startsecs = 0
priority = 1"
program() { # ESSENTIAL COMMAND [LINES]
	conf <<-EOT
		$other
		[program:app]
		command = $2
		essential = $1
		${3-startsecs = 0}
	EOT
}
try() {
	program "$3" "$4" "${5-}"
	launch_reeved
	wait_reeved
	is "$1" "$CODE" "$2"
}
never="startsecs = 0
autorestart = never"
try "on-exit: its code" 7 on-exit "$CHILD exit-after 100 7" "$never"
has "the log tells why" "$LOG" 'stopping everything: app.0 is essential; exit code 7'
try "on-exit: 0, too" 0 on-exit "$CHILD exit-after 100 0" "$never"
try "on-exit: 128 + signal" 137 on-exit "$CHILD kill 9" "$never"
try "yes: though it would be started again" 9 yes "$CHILD exit-after 100 9"
try "yes: a failed start, too" 3 yes "$CHILD exit 3" "startsecs = 5"
try "on-fatal: when it is given up" 5 on-fatal "$CHILD append $T/out/tries x exit 5" \
    "startsecs = 5
startretries = 2
backoff_min = 10ms
backoff_max = 10ms"
is "after its tries" "$(wc -l <"$T/out/tries")" 3
try "on-fatal: by restart_limit" 6 on-fatal "$CHILD exit 6" "startsecs = 0
restart_limit = 3/1m"
try "on-exit: FATAL is an end" 6 on-exit "$CHILD exit 6" "startsecs = 0
restart_limit = 3/1m"
try "no such command: 127" 127 on-fatal "$T/nowhere" "startretries = 0"
try "no such folder: 125" 125 on-fatal /bin/true "startretries = 0
directory = $T/nowhere"

# A person who stops it, a restart, a roll: no end.
program yes "$CHILD sleep"
start_reeved
awaits 5 "is up" 'all_state RUNNING'
code 0 "restart" ctl restart --hard app
code 0 "roll" ctl roll app
code 0 "stop" ctl stop app
code 0 "reeved is there" ctl status
end_reeved
is "and ends with 0 by an order" "$CODE" 0

# The code is kept when the engine is killed while it stops the others.
program on-exit "$CHILD wait-file $T/out/go exit 11" "$never"
sed -i "s|^command = .*out/other.*|command = $CHILD ignore-term append-pid $T/out/slow sleep|" "$CONF"
start_reeved
awaits 5 "is up" 'all_state RUNNING && [ -s "$T/out/slow" ]'
: >"$T/out/go"
awaits 5 "it is being waited for" 'is_state other.0 STOPPING'
kill_engine
is "the next engine goes on with it" "$(state other.0)" STOPPING
has "and tells why" "$LOG" 'stopping everything, still: app.0 is essential; exit code 11'
kill -KILL "$(pid_of other.0)"
wait_reeved
is "and has the code" "$CODE" 11
plan_done
