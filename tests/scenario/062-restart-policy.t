#!/bin/sh
# autorestart = always, on-failure, never; exitcodes with signals.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:always]
command = $CHILD append $T/out/always x exit-after 50 0
startsecs = 0
autorestart = always
[program:never]
command = $CHILD append $T/out/never x exit 3
startsecs = 10
autorestart = never
[program:job]
command = $CHILD append $T/out/job x exit 0
startsecs = 10
autorestart = on-failure
[program:fails]
command = $CHILD append $T/out/fails x exit 5
startsecs = 10
autorestart = on-failure
backoff_min = 10ms
backoff_max = 10ms
[program:term]
command = $CHILD append $T/out/term x sleep
startsecs = 0
autorestart = on-failure
exitcodes = 0, SIGTERM
[program:quick]
command = $CHILD exit 3
startsecs = 0
workers = 20
autorestart = never
[program:old]
command = $CHILD append $T/out/old x exit 3
startsecs = 10
autorestart = false
backoff_min = 10ms
backoff_max = 10ms
EOT
start_reeved
awaits 5 "always: whatever the exit" '[ "$(wc -l <"$T/out/always")" -ge 3 ]'
awaits 5 "never: it stays down, however soon it went" 'is_state never.0 EXITED'
is "it ran once" "$(wc -l <"$T/out/never")" 1
awaits 5 "up and gone in the same instant: how is told" '[ "$(ctl status quick | grep -c "EXITED.* exited with 3 after")" = 20 ]'
awaits 5 "on-failure: a quick good exit is its end" 'is_state job.0 EXITED'
is "it ran once" "$(wc -l <"$T/out/job")" 1
awaits 5 "on-failure: a bad one is not" '[ "$(wc -l <"$T/out/fails")" -ge 3 ]'
awaits 5 "false: a quick bad exit is a failed start, as with supervisord" '[ "$(wc -l <"$T/out/old")" -ge 3 ]'
awaits 5 "term is up" 'is_state term.0 RUNNING'
p=$(pid_of term.0)
kill -KILL "$p"
awaits 5 "SIGKILL is not in exitcodes" 'is_state term.0 RUNNING && [ "$(pid_of term.0)" != "$p" ]'
kill -TERM "$(pid_of term.0)"
awaits 5 "SIGTERM is" 'is_state term.0 EXITED'
is "it ran twice" "$(wc -l <"$T/out/term")" 2
code 0 "start of a job that ends well is no failure" ctl start job
is "it ran again" "$(wc -l <"$T/out/job")" 2
code 1 "start of one that ends badly is" ctl start never
conf "$T/bad.conf" <<EOT
[program:x]
command = x
autorestart = sometimes
exitcodes = 0, SIGTRM
restart_limit = 5
essential = maybe
EOT
code 2 "what they can't be is told" "$B/reeved" --check -c "$T/bad.conf"
for k in autorestart exitcodes restart_limit essential; do
	has "with file and line: $k" "$T/out/ok" "bad.conf:[0-9]+: .*$k"
done
plan_done
