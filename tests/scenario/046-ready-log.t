#!/bin/sh
# Readiness by a line of the output.
. "$(dirname "$0")/lib.sh"

cat >"$T/app.sh" <<'EOT'
# app.sh FILE STREAM: says that it starts, and when FILE is there, the word.
echo "starting, not listening on 80 yet"
while [ ! -e "$1" ]; do sleep 0.05; done
if [ "$2" = err ]; then echo "[1] listening on port 80" >&2
else echo "[1] listening on port 80"; fi
exec sleep 1000
EOT
conf <<EOT
[program:out]
command = sh $T/app.sh $T/out/go out
ready = log:listening on port [0-9]+$
startsecs = 100ms
[program:err]
command = sh $T/app.sh $T/out/go err
ready = log:^\[1\] listening
startsecs = 100ms
[program:one]
command = sh $T/app.sh $T/out/go err
ready = log:^\[1\] listening
redirect_stderr = true
stdout_logfile = NONE
startsecs = 100ms
[program:never]
command = $CHILD print "listening elsewhere" sleep
ready = log:listening on
ready_timeout = 300ms
startsecs = 100ms
backoff_min = 20
[program:again]
command = sh $T/app.sh $T/out/go2 out
ready = log:listening on port
startsecs = 100ms
ready_timeout = 2
EOT
touch "$T/out/go2"
start_reeved
awaits 5 "a line that was there at once: RUNNING" 'is_state again.0 RUNNING'
awaits 5 "never: BACKOFF" 'is_state never.0 BACKOFF'
like "why says so" "$(ctl why never.0)" "not ready in time"
has "the line is in its log as well" "$T/log/out.0.stdout.log" "^starting, not"
is "out waits for its line" "$(state out.0)" STARTING
kill_engine
is "... also after the engine was killed" "$(state out.0)$(state err.0)$(state one.0)" STARTINGSTARTINGSTARTING
touch "$T/out/go"
awaits 5 "stdout: RUNNING" 'is_state out.0 RUNNING'
awaits 5 "stderr: RUNNING" 'is_state err.0 RUNNING'
awaits 5 "without a log file: RUNNING" 'is_state one.0 RUNNING'

# The engine dies, the line comes, the next engine finds it in the pipe.
rm "$T/out/go2"
await 5 'is_state again.0 RUNNING'
ctl_bg "$T/out/again" restart again
await 5 'is_state again.0 STARTING'
pid=$(pid_of again.0)
e=$(engine_pid)
kill -STOP "$e"
touch "$T/out/go2"
awaits 5 "the line is written while no engine reads" 'pgrep -P '"$REEVED"' -x sleep | grep -qx '"$pid"
kill -KILL "$e"
awaits 10 "the next engine finds it: RUNNING" 'is_state again.0 RUNNING'
is "the same process" "$(pid_of again.0)" "$pid"

# Lines of the instance before do not count: what it said as it was told to
# stop is still in the pipe when the next one starts.
cat >"$T/old.sh" <<EOT
trap 'echo "listening on port 1"; exit 0' TERM
[ ! -e $T/out/second ] || exec sleep 1000
touch $T/out/second
echo "listening on port 0"
while :; do sleep 0.05; done
EOT
conf <<EOT
[program:old]
command = sh $T/old.sh
ready = log:listening on port
ready_timeout = 500ms
startsecs = 100ms
backoff_min = 20
EOT
code 0 "reload" ctl reload
awaits 5 "the first one is up" 'is_state old.0 RUNNING'
code 1 "the second one says nothing, the first one's words do not count" ctl restart old
has "... it was not ready" "$T/out/ok" "not ready within 500 ms"
plan_done
