#!/bin/sh
# Commands around an instance's life: each is run when it should be, once,
# with what it is to know; a failure has its reason; nothing of them is left.
. "$(dirname "$0")/lib.sh"

say() { # what a hook appends to the file of calls
	printf 'sh -c '\''echo "$REEVE_HOOK $REEVE_SLOT ${REEVE_PID-none}%s" >>%s/out/calls'\''' "${1-}" "$T"
}
calls() {
	cat "$T/out/calls" 2>/dev/null
}
conf <<EOT
[program:web]
command = $CHILD ready sleep
ready = notify
before_start = $(say)
after_ready = $(say)
before_stop = $(say)
after_exit = $(say ' ${REEVE_EXIT_CODE-} ${REEVE_EXIT_SIGNAL-}')
EOT
start_reeved
awaits 5 "up" 'all_state RUNNING && [ "$(calls | wc -l)" -ge 2 ]'
pid=$(pid_of web.0)
is "before_start, then after_ready with its pid" "$(calls)" "before_start 0 none
after_ready 0 $pid"
: >"$T/out/calls"
kill -KILL "$pid"
awaits 5 "all hooks of a death and a start" '[ "$(calls | wc -l)" -ge 3 ] && all_state RUNNING'
like "after_exit knows the signal" "$(calls)" "after_exit 0 $pid  9"
is "no before_stop for one that died" "$(calls | grep -c before_stop)" 0
pid=$(pid_of web.0)
: >"$T/out/calls"
code 0 "stop" ctl stop web
is "before_stop, and after_exit is waited for" "$(calls)" "before_stop 0 $pid
after_exit 0 $pid  15"
end_reeved; is "reeved ends with 0" "$CODE" 0

# What fails.
rm -f "$T/out/calls"
conf <<EOT
[program:bad]
command = $CHILD append $T/out/ran no sleep
before_start = $CHILD print-err migration-missing exit 3
backoff_min = 1h
backoff_max = 1h
[program:slow]
command = $CHILD append $T/out/ran no sleep
before_start = $CHILD ignore-term sleep
hook_timeout = 200ms
backoff_min = 1h
backoff_max = 1h
[program:ok]
command = $CHILD sleep
startsecs = 0
after_ready = $CHILD exit 7
before_stop = /nonexistent/hook
EOT
start_reeved
like "a hook that is not there is a warning" "$("$B/reeved" --check -c "$CONF" 2>&1)" "before_stop: .*/nonexistent/hook"
awaits 10 "bad and slow are tried again later" '[ "$(status_field bad.0 state)" = BACKOFF ] && [ "$(status_field slow.0 state)" = BACKOFF ]'
like "why says which hook, and its exit" "$(ctl why bad.0)" "before_start failed: exited with 3"
like "why says that it took too long" "$(ctl why slow.0)" "before_start failed: not done within 200"
like "its output is in the program's log" "$(cat "$T"/log/bad.0.stderr.log)" migration-missing
is "neither was started" "$([ -e "$T/out/ran" ] && echo yes)" ""
awaits 5 "ok runs" '[ "$(status_field ok.0 state)" = RUNNING ]'
awaits 5 "the failed after_ready is an event" 'ctl events | grep -q "after_ready failed: exited with 7"'
code 0 "a stop without its hook" ctl stop ok
end_reeved; is "reeved ends with 0" "$CODE" 0

# A stop while before_start runs; a shutdown, too.
conf <<EOT
[program:web]
command = $CHILD append $T/out/ran no sleep
before_start = $CHILD ignore-term append $T/out/hook x sleep
EOT
start_reeved
awaits 5 "the hook runs" '[ -s "$T/out/hook" ]'
like "status says so" "$(ctl status)" "before_start runs"
code 0 "stop while it runs" ctl stop web
is "stopped" "$(status_field web.0 state)" STOPPED
: >"$T/out/hook"
ctl start --no-wait web
awaits 5 "the hook runs again" '[ -s "$T/out/hook" ]'
end_reeved; is "reeved ends with 0" "$CODE" 0
is "it was never started" "$([ -e "$T/out/ran" ] && echo yes)" ""

# Before a roll: when it fails nothing is touched; once per roll.
rm -f "$T/out/hook" "$T/out/go" "$T/out/fail"
conf <<EOT
[program:web]
command = $CHILD ready sleep
ready = notify
workers = 2
before_roll = sh -c 'echo "\$REEVE_HOOK" >>$T/out/hook; [ ! -e $T/out/fail ] || { echo schema-is-old >&2; exit 4; }; until [ -e $T/out/go ]; do sleep 0.02; done'
EOT
start_reeved
awaits 5 "up" 'all_state RUNNING'
were=$(pids web)
: >"$T/out/fail"
code 1 "a roll whose hook fails" ctl roll web
like "... says so" "$(ctl roll web 2>&1)" "before_roll failed: exited with 4"
is "nobody was touched" "$(pids web)" "$were"
like "what it said is in the log" "$(cat "$T"/log/web.0.stderr.log)" schema-is-old
rm "$T/out/fail"
: >"$T/out/hook"
ctl_bg "$T/out/roll" roll web
awaits 5 "the hook runs" '[ -s "$T/out/hook" ]'
is "nobody is touched while it runs" "$(pids web)" "$were"
like "status says so" "$(ctl status)" "before_roll runs"
e=$(engine_pid)
kill_engine
awaits 5 "another engine" '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != '"$e"' ] && ctl status'
like "... status says so" "$(ctl status)" "before_roll runs"
: >"$T/out/go"
awaits 10 "the roll is over" 'ctl events | grep -q "done: 2 replaced"'
isnt "all are new" "$(pids web)" "$were"
is "the hook ran once" "$(cat "$T/out/hook")" before_roll
rm "$T/out/go"
: >"$T/out/hook"
ctl roll --no-wait web
awaits 5 "the hook runs" '[ -s "$T/out/hook" ]'
end_reeved; is "reeved ends with 0 while a hook runs" "$CODE" 0

# The engine dies while hooks run: they go on, once, and what follows follows.
rm -f "$T/out/hook" "$T/out/go"
waits='sh -c '\''echo "$REEVE_HOOK" >>'$T'/out/hook; until [ -e '$T'/out/go ]; do sleep 0.05; done'\'
conf <<EOT
[program:web]
command = $CHILD ready sleep
ready = notify
before_start = $waits
before_stop = $waits
after_exit = $waits
EOT
engine_again() {
	e=$(engine_pid)
	kill_engine
	awaits 5 "another engine" '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != '"$e"' ] && ctl status'
}
start_reeved
awaits 5 "before_start runs" '[ -s "$T/out/hook" ]'
engine_again
engine_again
: >"$T/out/go"
awaits 5 "it is up" 'all_state RUNNING'
is "before_start ran once" "$(cat "$T/out/hook")" before_start
rm "$T/out/go"
pid=$(pid_of web.0)
ctl stop --no-wait web
awaits 5 "before_stop runs" 'grep -q before_stop "$T/out/hook"'
engine_again
ok "it is not stopped yet" kill -0 "$pid"
: >"$T/out/go"
awaits 5 "it is stopped" '[ "$(status_field web.0 state)" = STOPPED ]'
is "each once" "$(cat "$T/out/hook")" "before_start
before_stop
after_exit"
plan_done
