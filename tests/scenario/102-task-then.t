#!/bin/sh
# What follows a task: then, on_failure.
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
plan_done
