#!/bin/sh
# log= of a task: its output in a file of its own choice, too; the history has
# all of it whatever befalls that file, and an engine's death costs nothing.
. "$(dirname "$0")/lib.sh"

mkdir "$T/logs"
conf <<EOT
[task:say]
shell = echo "run \$REEVE_TASK_ID"; echo err >&2
log = $T/logs/%(task_name)s.log
[task:auto]
shell = echo automatic
log = AUTO
[task:again]
shell = echo "try"; [ -e $T/out/second ] || { : >$T/out/second; exit 1; }
retries = 1
backoff_min = 10ms
log = logs/again.log
[task:slow]
shell = echo one; until [ -e $T/out/two ]; do sleep 0.02; done; seq 1 2000; : >$T/out/three; until [ -e $T/out/end ]; do sleep 0.02; done; echo last
log = $T/logs/slow.log
[task:full]
shell = seq 1 5000
log = /dev/full
[task:nowhere]
shell = echo kept
log = $T/none/x.log
[task:much]
shell = seq 1 3000
log = $T/logs/much.log
log_maxbytes = 4KB
log_backups = 50
EOT
start_reeved
task() { ctl task "$@"; }
id_of() { task list --all --json | tr -d '\n ' | sed 's/},{/}\n{/g' | grep "\"name\":\"$1\"" | grep -Eo '"id":"?[0-9]+' | grep -Eo '[0-9]+' | tail -n 1; }

for _ in 1 2; do task run say >/dev/null 2>&1; done
awaits 5 "two runs are in it, stdout and stderr" '[ "$(grep -c run "$T/logs/say.log") $(grep -c err "$T/logs/say.log")" = "2 2" ]'
is "its rights are those of a program's log" "$(stat -c %a "$T/logs/say.log")" 640
like "the history has it as well" "$(task log "$(id_of say)")" "^run [0-9]+"
task run auto >/dev/null 2>&1
awaits 5 "AUTO is in the log folder" '[ "$(find "$T" -name auto.task.log -exec cat {} +)" = automatic ]'
task run again >/dev/null 2>&1
awaits 5 "each try once" '[ "$(grep -c try "$T/logs/again.log")" = 2 ]'
task run much >/dev/null 2>&1
awaits 5 "it is rotated, and no line is lost" '[ "$(cat "$T"/logs/much.log* | sort -n | uniq | wc -l)" = 3000 ]'
ok "... into several" test -e "$T/logs/much.log.2"

task run --no-wait slow >/dev/null 2>&1
awaits 5 "what it has said so far is there" 'grep -q one "$T/logs/slow.log"'
kill_engine
awaits 5 "the next engine" '[ -n "$(engine_pid)" ]'
code 0 "it answers" ctl status
kill -STOP "$(engine_pid)"
touch "$T/out/two"
awaits 10 "it writes while nobody reads" '[ -e "$T/out/three" ]'
kill_engine
awaits 10 "the one after it copies that" '[ "$(sort -n "$T/logs/slow.log" | tail -n 1)" = 2000 ]'
kill -STOP "$(engine_pid)"
touch "$T/out/end"
kill_engine
code 0 "it ends" task wait "$(id_of slow)"
awaits 10 "its last line, too" 'grep -q last "$T/logs/slow.log"'
task log "$(id_of slow)" >"$T/out/slow"
ok "every line once, in order" cmp "$T/out/slow" "$T/logs/slow.log"

code 0 "a log that takes nothing does not fail the task" task run full
task log "$(id_of full)" >"$T/out/full"
seq 1 5000 >"$T/out/want"
ok "the history has it all" cmp "$T/out/want" "$T/out/full"
awaits 5 "it is told" 'ctl events | grep -q "23893 bytes of its output are not in /dev/full: No space left on device; task log"'
code 0 "nor one in no folder" task run nowhere
awaits 5 "that, too" 'ctl events | grep -q "not in $T/none/x.log: No such file or directory"'
like "a check warns of it" "$("$B/reeved" -c "$CONF" --check 2>&1)" "log: folder $T/none: No such file"
like "the history has its word" "$(task log "$(id_of nowhere)")" kept

conf <<EOT
[program:web]
command = $CHILD sleep
stdout_logfile = $T/logs/one.log
[task:web]
command = true
log = $T/logs/one.log
[task:b]
command = true
log_backups = 5
EOT
"$B/reeved" -c "$CONF" --check >"$T/out/check" 2>&1
has "two that rotate one file" "$T/out/check" "one.log is a log of (program|task) 'web' too"
has "a key of no log" "$T/out/check" "log_backups: there is no log= that it could be of"
plan_done
