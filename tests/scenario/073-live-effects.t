#!/bin/sh
# Live keys do what they say from the reload on, to what runs already.
. "$(dirname "$0")/lib.sh"

key() { [ "$ROUND" = 1 ] || printf '%s\n' "$1"; }
config() { # ROUND
	ROUND=$1
	conf <<-EOT
		[program:signal]
		command = $CHILD sleep
		startsecs = 0
		$(key "stopsignal = USR1")
		[program:wait]
		command = $CHILD ignore-term touch $T/out/deaf sleep
		startsecs = 0
		stopwaitsecs = $([ "$1" = 1 ] && echo 1h || echo 200ms)
		[program:rest]
		command = $CHILD sleep
		startsecs = 0
		$(key "autorestart = never")
		[program:codes]
		command = $CHILD sleep
		startsecs = 0
		autorestart = unexpected
		$(key "exitcodes = 0, SIGUSR1")
		[program:limit]
		command = $CHILD sleep
		startsecs = 0
		$(key "restart_limit = 1/10m")
		[program:log]
		command = $CHILD wait-file $T/out/go flood 200k sleep
		startsecs = 0
		stdout_logfile_backups = 2
		$(key "stdout_logfile_maxbytes = 10KB")
		$(key "stdout_logfile = $T/log/moved")
		[program:memory]
		command = $CHILD alloc 40 sleep
		startsecs = 0
		$(key "memory_limit = 20MB")
		$(key "memory_interval = 100ms")
		[program:age]
		command = $CHILD sleep
		startsecs = 0
		$(key "max_lifetime = 100ms")
		[program:never]
		command = $CHILD sleep
		ready = notify
		ready_timeout = 0
		[program:needs]
		command = $CHILD sleep
		startsecs = 0
		$(key "depends_on = never")
		[program:hook]
		command = $CHILD sleep
		startsecs = 0
		$(key "after_exit = $CHILD touch $T/out/hook")
		[program:ill]
		command = $CHILD sleep
		startsecs = 0
		health = exec:false
		health_interval = $([ "$1" = 1 ] && echo 1h || echo 50ms)
		health_grace = $([ "$1" = 1 ] && echo 50ms || echo 0)
		health_failures = 1
		health_action = report
		[program:soon]
		command = $CHILD sleep
		startsecs = $([ "$1" = 1 ] && echo 1h || echo 50ms)
		[program:late]
		command = $CHILD sleep
		ready = notify
		ready_timeout = $([ "$1" = 1 ] && echo 1h || echo 50ms)
		backoff_min = 1h
		backoff_max = 1h
		[program:pause]
		command = $CHILD append $T/out/tries x exit 1
		startsecs = 10
		backoff_min = $([ "$1" = 1 ] && echo 1h || echo 50ms)
		backoff_max = 1h
		[program:vital]
		command = $CHILD exit-after 1 7
		autostart = false
		startsecs = 0
		autorestart = never
		$(key "essential = on-exit")
	EOT
}
config 1
start_reeved
awaits 10 "all are up that can be" 'all_state RUNNING signal wait rest codes limit log memory age needs hook ill && is_state pause.0 BACKOFF && [ -e "$T/out/deaf" ]'
before=$(pids signal wait rest codes limit log needs hook ill soon)
age=$(pid_of age.0) memory=$(pid_of memory.0)
config 2
code 0 "--plan" ctl reload --plan
is "all is live" "$(grep -v '^ ' "$T/out/ok" | grep -vc '^live ')" 0
code 0 "reload" ctl reload --no-wait
is "nobody was stopped for it" "$(pids signal wait rest codes limit log needs hook ill soon)" "$before"

awaits 10 "max_lifetime: the old are replaced" '[ "$(pid_of age.0)" != "$age" ]'
awaits 10 "memory_limit: who is over it is replaced" '[ "$(pid_of memory.0)" != "$memory" ] && ctl why memory.0 | grep -q "is over memory_limit 20"'
awaits 10 "health_interval: the next question does not wait for the old one" 'ctl status ill | grep -q UNHEALTHY'
awaits 10 "startsecs: who has lived that long is up" 'is_state soon.0 RUNNING'
awaits 10 "ready_timeout: who is not ready by now has failed" 'is_state late.0 BACKOFF'
awaits 10 "backoff_min: the pause is shorter" '[ "$(wc -l <"$T/out/tries")" -ge 2 ]'

code 0 "stop" ctl stop signal
like "stopsignal: the new one" "$(ctl why signal.0)" 'SIGUSR1'
code 0 "stop, of one that is deaf" ctl stop wait
has "stopwaitsecs: it is killed" "$T/out/ok" 'killed after'
kill -KILL "$(pid_of rest.0)"
awaits 10 "autorestart: it is left alone" 'is_state rest.0 EXITED'
kill -USR1 "$(pid_of codes.0)"
awaits 10 "exitcodes: a signal is expected now" 'is_state codes.0 EXITED'
p=$(pid_of limit.0)
kill -KILL "$p"
awaits 10 "restart_limit: one death is within it" 'is_state limit.0 RUNNING && [ "$(pid_of limit.0)" != "$p" ]'
kill -KILL "$(pid_of limit.0)"
awaits 10 "... a second is too many" 'is_state limit.0 FATAL'
: >"$T/out/go"
awaits 10 "stdout_logfile: the output goes to the new one" '[ -s "$T/log/moved" ]'
awaits 10 "stdout_logfile_maxbytes: it is rotated at that size" \
    '[ -s "$T/log/moved.2" ] && [ "$(stat -c %s "$T/log/moved.1")" -le 20480 ]'
ok "the old one is as it was" test ! -s "$T/log/log.0.stdout.log"
ctl restart --no-wait needs
awaits 10 "depends_on: its next start waits" 'ctl status needs | grep -q "WAITING for never"'
code 0 "stop" ctl stop hook
ok "after_exit: it was run" test -e "$T/out/hook"

# In the middle of a roll: who runs the older config keeps what it is.
mid() { # HEALTH COMMAND STOPWAITSECS [SOAK]
	conf <<-EOT
		[program:mid]
		command = $CHILD append-pid $T/out/mid $2 sleep
		startsecs = 0
		health = $1
		health_interval = 100ms
		health_action = report
		roll_soak = ${4-1h}
		stopwaitsecs = $3
		[program:vital]
		command = $CHILD exit-after 1 7
		autostart = false
		startsecs = 0
		autorestart = never
		essential = on-exit
	EOT
}
mid watchdog 'print a' 3
code 0 "another config" ctl reload
awaits 10 "the watchdog hears nothing" 'ctl status mid | grep -q UNHEALTHY'
engine=$(engine_pid)
mid exec:true 'print b' 3
ctl reload --no-wait
awaits 10 "a roll to another health=: on trial" 'grep -q "roll mid mid.0: new instance ready, on trial" "$LOG"'
mid exec:true 'print b' 4
ctl reload --no-wait
is "a live key meanwhile" "$(ctl config mid | sed -n 's/^stopwaitsecs = \([^ ]*\).*/\1/p')" 4
n=$(ctl events | wc -l)
kill -USR1 "$(tail -n 1 "$T/out/mid")"
awaits 10 "the new one dies: the roll is aborted" 'ctl events | grep -q "mid  *aborted"'
is "the old one is there" "$(pid_of mid.0)" "$(head -n 1 "$T/out/mid")"
like "and as silent" "$(ctl status mid)" 'UNHEALTHY: no WATCHDOG=1'
is "the engine has not noticed" "$(engine_pid)" "$engine"
mid exec:true 'print c' 4
ctl_bg "$T/out/roll" reload
awaits 10 "once more: on trial" '[ "$(grep -c "new instance ready, on trial" "$LOG")" = 2 ]'
mid exec:true 'print c' 4 10ms
ctl reload --no-wait
awaits 10 "roll_soak: the trial is over" '! alive $BG'
is "the new one stays" "$(pid_of mid.0)" "$(tail -n 1 "$T/out/mid")"

ctl start --no-wait vital
wait_reeved
is "essential: reeved ends with its code" "$CODE" 7
plan_done
