#!/bin/sh
# What follows a task: then, on_failure; and hooks that name one.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 0
[task:build]
shell = test ! -e $T/out/broken
then = task:deploy, roll web
on_failure = task:mend, task:tell
[task:deploy]
shell = echo \$REEVE_TASK >>$T/out/log
then = task:last
[task:last]
shell = echo \$REEVE_TASK >>$T/out/log
[task:mend]
shell = echo \$REEVE_TASK >>$T/out/log
[task:tell]
shell = echo \$REEVE_TASK >>$T/out/log
[task:needs]
command = true
depends_on = build
on_failure = task:tell
EOT
start_reeved
task() { ctl task "$@"; }
logged() { [ "$(sort "$T/out/log" 2>/dev/null | tr '\n' ' ')" = "$1" ]; }
awaits 5 "web runs" 'is_state web.0 RUNNING'
pid=$(pid_of web.0)

code 0 "a task that goes well" task run build
awaits 5 "... others follow, and others those" 'logged "deploy last "'
awaits 5 "... and a roll" '[ "$(pid_of web.0)" != "$pid" ] && is_state web.0 RUNNING'
like "... events say so" "$(ctl --json events)" '"task:build","kind":"task_then","text":"then: roll web"'
like "... in the history, too" "$(task list --all --json)" '"name":"deploy","begun_by":"then"'
rm "$T/out/log"

: >"$T/out/broken"
pid=$(pid_of web.0)
code 1 "one that fails" task run build
awaits 5 "... on_failure follows" 'logged "mend tell "'
is "... web is left alone" "$(pid_of web.0)" "$pid"
rm "$T/out/log"
code 1 "a dependency fails" task run needs
awaits 5 "... on_failure of both" 'logged "mend tell tell "'
# Hooks that name a task.
conf <<EOT
[program:web]
command = $CHILD sleep
before_roll = task:gate
before_start = task:prepare
after_ready = task:greet
before_stop = task:drain
after_exit = task:wipe
[task:gate]
shell = echo x >>$T/out/gates; until [ -e $T/out/go ]; do sleep 0.02; done; test ! -e $T/out/broken
depends_on = prepare
[task:prepare]
shell = echo \$REEVE_TASK >>$T/out/hooks
[task:greet]
shell = echo \$REEVE_TASK >>$T/out/hooks
[task:drain]
shell = echo \$REEVE_TASK >>$T/out/hooks
[task:wipe]
shell = echo \$REEVE_TASK >>$T/out/hooks
EOT
: >"$T/out/go"
rm -f "$T/out/broken"
code 0 "reload" ctl reload
hooks() { tr '\n' ' ' <"$T/out/hooks"; }
code 0 "roll" ctl roll web
awaits 5 "all of them run" 'hooks | grep -q wipe'
rm "$T/out/hooks"
code 0 "restart" ctl restart --hard web
awaits 5 "... each once, in this order" '[ "$(hooks)" = "drain wipe prepare greet " ]'
: >"$T/out/broken"
pid=$(pid_of web.0)
code 1 "before_roll fails" ctl roll web
like "... is told why" "$(cat "$T/out/ok")" "before_roll failed: task:gate .*exited with 1"
is "... the old instance goes on" "$(pid_of web.0)" "$pid"
rm "$T/out/broken" "$T/out/go" "$T/out/gates"
ctl_bg "$T/out/roll" roll web
awaits 5 "before_roll runs" '[ -s "$T/out/gates" ]'
kill_engine
like "the engine dies, it goes on" "$(task show gate)" "gate +runs"
is "... the old instance, too" "$(pid_of web.0)" "$pid"
: >"$T/out/go"
wait "$BG"
is "... and the roll succeeds" "$?" 0
isnt "... with a new instance" "$(pid_of web.0)" "$pid"
is "... after one run of the task" "$(wc -l <"$T/out/gates")" 1
plan_done
