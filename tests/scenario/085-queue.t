#!/bin/sh
# The queue: add, list, wait, log, cancel, rm; what waits for what; retries,
# limits; groups; many at once; a damaged file.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:idle]
command = $CHILD sleep
EOT
start_reeved
task() { ctl task "$@"; }
# One member of one task: number, word, null.
field() { # ID MEMBER
	task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g' |
	    grep "\"id\":$1," | sed -n "s/.*\"$2\":\(\"[^\"]*\"\|[^,}]*\).*/\1/p" | tr -d '"'
}
is_field() { [ "$(field "$1" "$2")" = "$3" ]; }
hold="until [ -e $T/out/go ]; do sleep 0.02; done"

is "no file before there is a task" "$(ls "$T/state")" ""
like "an empty list" "$(task list)" "no tasks"
is "its id" "$(task add -- sh -c 'echo "two  words"; echo err >&2; pwd; exit 3')" 1
code 3 "wait: the task's exit code" task wait 1
like "... and why" "$(task wait 1 2>&1)" "task 1 is failed: exited with 3"
is "log: stdout and stderr" "$(task log 1 | head -n 2)" "two  words
err"
is "the client's folder" "$(cd /usr && task wait "$(task add pwd)"; task log 2)" /usr
is "--cwd, --env, --shell" "$(i=$(task add --cwd / --env "A=b c" --shell 'echo $A $PWD'); task wait "$i"; task log "$i")" "b c /"
is "stdin is empty" "$(i=$(task add cat); task wait "$i" && task log "$i")" ""
code 0 "wait for several" task wait 2 3
code 1 "wait for several, one failed" task wait 1 2
code 3 "wait for one that is not there" task wait 999
code 137 "128 + the signal" task wait "$(task add --shell 'kill -9 $$')"
code 127 "no such command" task wait "$(task add nosuch-command)"
like "... says so" "$(field 6 reason)" "can't find command 'nosuch-command'"
code 124 "--timeout" task wait "$(task add --timeout 0.2 "$CHILD" ignore-term sleep)"
is "its file is its owner's alone" "$(stat -c %a "$T/state/tasks/1.log" "$T/state/tasks" "$T/state/queue.db" | tr '\n' ' ')" "600 700 600 "
head -c 300000 /dev/urandom >"$T/out/bytes"
i=$(task add cat "$T/out/bytes")
task wait "$i"
task log "$i" >"$T/out/copy"
ok "any bytes, unchanged" cmp "$T/out/bytes" "$T/out/copy"

# One that runs, one that waits for it, one that waits for that.
a=$(task add --shell "echo one; $hold; echo two")
b=$(task add --after "$a" true)
c=$(task add --after "$b,$a" true)
awaits 5 "it runs" 'is_field $a state running'
is "one waits for it" "$(field "$b" state)" queued
like "list" "$(task list)" "$b +queued"
ctl_bg "$T/out/follow" task log -f "$a"
follow=$BG
awaits 5 "log -f: what is there" 'grep -q one "$T/out/follow"'
ctl_bg "$T/out/waiting" task wait "$c"
waiting=$BG
: >"$T/out/go"
wait "$follow"
is "log -f: ends with the task" "$(cat "$T/out/follow")" "one
two"
wait "$waiting"
is "the last of three is done" "$?" 0
rm "$T/out/go"

a=$(task add false)
b=$(task add --after "$a" true)
c=$(task add --after "$b" true)
code 1 "one that waits for a failed one" task wait "$c"
is "... is skipped" "$(field "$b" state) $(field "$c" state)" "skipped skipped"
like "... and says why" "$(field "$b" reason)" "task $a is failed"
is "... also when it comes later" "$(d=$(task add --after "$a" true); task wait "$d" 2>/dev/null; field "$d" state)" skipped
code 3 "after one that is not there" task add --after 999 true

i=$(task add --retries 1 --shell "echo x >>$T/out/tries; [ \$(wc -l <$T/out/tries) = 2 ]")
code 0 "a retry" task wait "$i"
is "... is the second try" "$(wc -l <"$T/out/tries") $(field "$i" tries)" "2 2"

# Cancelled: one that runs and one that waits.
a=$(task add --shell "trap '' TERM; sleep 1003 & echo \$\$ \$! >$T/out/pids; wait; wait")
b=$(task add --delay 3600 true)
awaits 5 "it runs" '[ -s "$T/out/pids" ]'
read -r p q <"$T/out/pids"
like "what waits for its time" "$(task list)" "$b +queued +- +in (1h00m|59m)"
code 1 "rm of one that runs" task rm "$a"
is "cancel" "$(task cancel "$a" "$b")" "task $a is cancelled
task $b is cancelled"
awaits 5 "none of its tree is left" 'gone "$p" && gone "$q"'
code 1 "wait for a cancelled one" task wait "$a"
code 0 "rm" task rm "$a" "$b"
code 3 "it is gone" task wait "$a"
no_file() { [ ! -e "$T/state/tasks/$1.log" ]; }
ok "its output, too" no_file "$a"

# Groups: order, places, pause.
code 0 "pause" task pause g
hi() { task add -g g "$@" >>"$T/out/ids"; }
hi --shell "echo 1 >>$T/out/order"
hi --shell "echo 2 >>$T/out/order"
hi --priority 5 --shell "echo 3 >>$T/out/order"
hi --priority -1 --shell "echo 4 >>$T/out/order"
hi --priority 5 --shell "echo 5 >>$T/out/order"
code 0 "parallel" task parallel g 1
like "list tells" "$(task list)" "group g: paused, 1 at a time"
kill_engine
like "... another engine, too" "$(task list)" "group g: paused, 1 at a time"
code 0 "another group goes on" task wait "$(task add true)"
is "none of the group has run" "$(cat "$T/out/order" 2>/dev/null)" ""
code 0 "resume" task resume g
# shellcheck disable=SC2046
code 0 "all of them are done" task wait $(cat "$T/out/ids")
is "by priority, then first in first out" "$(tr '\n' ' ' <"$T/out/order")" "3 5 1 2 4 "

# Started at once, whatever waits.
code 0 "a group that is full" task parallel default 1
a=$(task add --shell "$hold")
b=$(task add true)
i=$(ctl run --detach --shell "echo at once")
code 0 "run --detach" task wait "$i"
is "... its output" "$(task log "$i")" "at once"
i=$(ctl run --detach --shell "echo \$\$; exec sleep 1005")
ctl_bg "$T/out/detached" task log -f "$i"
follow=$BG
awaits 5 "... log -f of one" '[ -s "$T/out/detached" ]'
is "... cancel" "$(task cancel "$i")" "task $i is cancelled"
wait "$follow"
is "... which ends log -f, too" "$?" 0
ok "... it is gone" gone "$(cat "$T/out/detached")"
is "... others wait" "$(field "$b" state)" queued
: >"$T/out/go"
code 0 "... and run" task wait "$a" "$b"
code 0 "as at first" task parallel default 0

# Those of a group.
code 0 "a group that waits" task pause gr
a=$(task add -g gr --shell "echo never")
b=$(task add -g gr true)
c=$(task add --delay 3600 true)
is "list -g" "$(task list -g gr --json | grep -o '"id":[0-9]*' | tr '\n' ' ')" "\"id\":$a \"id\":$b "
like "... as a table" "$(task list -g gr)" "group gr: paused"
unlike "... has no others" "$(task list -g gr)" "^ *$c "
is "cancel -g" "$(task cancel -g gr)" "task $a is cancelled
task $b is cancelled"
is "... no others" "$(field "$c" state)" queued
is "... again: none is left" "$(task cancel -g gr)" ""
task resume gr
a=$(task add -g gr --shell "exit 3")
b=$(task add -g gr true)
task wait -g gr >/dev/null 2>&1
is "wait -g" "$(field "$a" state) $(field "$b" state)" "failed done"
code 2 "ids and -g" task cancel -g gr "$c"
for line in "rm --all -g gr" "rm -g gr $c" "log -g gr $a" "pause -g gr" "wait --retries 3 $a" "show -a" "cancel --done"; do
	# shellcheck disable=SC2086
	code 2 "an option that it would leave out: $line" task $line
done
is "... nothing was done" "$(field "$c" state) $(field "$a" state)" "queued failed"
task cancel "$c" >/dev/null

n=$(seq 500 | sed "s|.*|echo & >>$T/out/many|" | task add --each-line | wc -l)
is "500 lines of stdin: ids" "$n" 500
# shellcheck disable=SC2046
code 0 "they are done" task wait $(task list --json | grep -o '"id":[0-9]*' | cut -d : -f 2) 2
awaits 20 "all" '[ "$(task list --json)" = "[]" ]'
is "each once" "$(sort -n "$T/out/many" | uniq | wc -l) $(wc -l <"$T/out/many")" "500 500"

# shellcheck disable=SC2046
code 0 "more ids than a request takes" task wait $(seq 40 500) $(seq 40 500) $(seq 40 500)
# shellcheck disable=SC2046
code 0 "... are forgotten, too" task rm $(seq 40 500)
is "... each of them" "$(task list --all --json | grep -o '"id":\(40\|499\|500\|501\),')" '"id":501,'
code 2 "no order" task
code 2 "an unknown one" task nonsense
code 2 "no id" task wait
code 2 "--after without a number" task add --after x true
code 2 "no command" task add

# A file that is no queue is moved aside, and said.
i=$(task add --delay 3600 true)
task pause held
task parallel held 3
h=$(task add -g held true)
end_reeved
is "reeved ends" "$CODE" 0
cp "$T/state/queue.db" "$T/out/good.db"
start_reeved
awaits 5 "it is kept over the end of reeved" 'is_field $i state queued'
like "... so is a group" "$(task list)" "group held: paused, 3 at a time"
is "... that holds its tasks" "$(field "$h" state)" queued
like "... and says so" "$(ctl why "$h")" "group held, which is paused"
end_reeved
rm -f "$T/state/queue.db-wal"
head -c 20000 /dev/urandom >"$T/state/queue.db"
start_reeved
code 0 "a damaged file: a new queue" task wait "$(task add true)"
has "... is said" "$LOG" "queue.db is damaged or no database: it is now .*bad-"
like "... and kept" "$(ls "$T/state")" "queue.db.bad-"
end_reeved
rm "$T/state"/queue.db*
cp "$T/out/good.db" "$T/state/queue.db"
start_reeved
awaits 5 "a good one is taken up" 'is_field $i state queued'

plan_done
