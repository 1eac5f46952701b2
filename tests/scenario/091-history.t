#!/bin/sh
# What is kept of tasks that have ended: why, peak memory, last lines; the
# output's cap; pruning by number and age; rm --done, rm --all.
. "$(dirname "$0")/lib.sh"

history_conf() { # LINES...
	{
		printf '%s\n' "$@"
		printf '[program:idle]\ncommand = %s sleep\n' "$CHILD"
	} | conf
}
history_conf "cpu_slots = 1"
start_reeved
task() { ctl task "$@"; }
ended() { task list --all --json | grep -o '"id":' | wc -l; }
is_ended() { [ "$(ended)" = "$1" ]; }

a=$(task add --retries 0 --shell 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done; exit 4')
task wait "$a"
why=$(ctl why "$a")
like "why: state and reason" "$why" "^task $a \(.*\) is failed: exited with 4 after"
like "... peak memory" "$why" "peak memory [0-9.]+ MiB"
like "... last lines" "$why" "\| line 30$"
unlike "... only these" "$why" "line 9$"
like "... times" "$why" "added .*, started .*, ran "
like "why --json" "$(ctl why --json "$a")" '"state":"failed".*"max_rss_kb":[0-9]+.*"tail":"line 21.*"waits_for":null'
code 3 "why of none" ctl why 999
b=$(task add /nonexistent/x)
task wait "$b" 2>/dev/null
like "why: it never ran" "$(ctl why "$b")" "is failed: .*'?/nonexistent/x"

a=$(task add --shell "until [ -e $T/out/go ]; do sleep 0.02; done")
b=$(task add true)
c=$(task add --after "$b,$a" true)
d=$(task add --delay 3600 true)
task pause g
e=$(task add -g g true)
like "waits for a place or a CPU" "$(ctl why "$b")" "waits for (a CPU|a place: group default)"
f=$(task add -g other true)
like "waits for a CPU" "$(ctl why "$f")" "waits for a CPU: cpu_slots is 1"
like "waits for others" "$(ctl why "$c")" "waits for task $b, $a"
like "waits for its time" "$(ctl why "$d")" "waits for its time"
like "waits for a group" "$(ctl why "$e")" "waits for group g, which is paused"
like "runs" "$(ctl why "$a")" "is running, pid [0-9]+"
: >"$T/out/go"
task wait "$a" "$b" "$c" "$f"
task cancel "$d" "$e" >/dev/null
is "all have ended" "$(ended)" 8

code 0 "rm --done" task rm --done
is "... those that have succeeded" "$(task list --all --json | grep -o '"state":"[a-z]*"' | sort | uniq -c | tr -s ' \n' ' ')" \
    ' 2 "state":"cancelled" 2 "state":"failed" '
is "... and their output" "$(find "$T/state/tasks" -name '*.log' | wc -l)" 2
code 0 "rm --all" task rm --all
is "... all" "$(ended)" 0
is "... nothing is left" "$(find "$T/state/tasks" -name '*.log' | wc -l)" 0
code 2 "rm --done with ids" task rm --done 1

# Only the head and the tail of much output, while it runs and at its end.
history_conf "task_output = 64KB"
ctl reload >/dev/null
kept() { du -k "$T/state/tasks/$1.log" | cut -f 1; }
a=$(task add --shell "echo first; $CHILD flood 20M; echo last; until [ -e $T/out/end ]; do sleep 0.02; done; echo end")
awaits 30 "it writes on, and its middle goes" '[ "$(tail -n 1 "$T/state/tasks/$a.log")" = last ] && [ "$(kept "$a")" -le 100 ]'
kill_engine
: >"$T/out/end"
code 0 "it is not hurt" task wait "$a"
task log "$a" >"$T/out/log"
is "its head" "$(head -n 1 "$T/out/log")" first
is "its tail" "$(tail -n 2 "$T/out/log")" "last
end"
has "what is missing is said" "$T/out/log" "^\[reeve: [0-9]+ bytes are not kept"
ok "no more is kept" test "$(stat -c %s "$T/out/log")" -le 80000

# By number and by age.
history_conf "task_history = 5"
seq 40 | sed 's/.*/echo &/' | task add --each-line >"$T/out/ids"
# shellcheck disable=SC2046
task wait $(cat "$T/out/ids")
ctl reload >/dev/null
awaits 10 "task_history: the last are kept" 'is_ended 5'
is "... which are these" "$(task list --all --json | grep -o '"id":[0-9]*' | cut -d : -f 2 | tr '\n' ' ')" \
    "$(tail -n 5 "$T/out/ids" | tr '\n' ' ')"
is "... and their output" "$(find "$T/state/tasks" -name '*.log' | wc -l)" 5
history_conf "task_history_time = 1ms"
ctl reload >/dev/null
awaits 10 "task_history_time: they go" 'is_ended 0'
history_conf "task_history = 0"
ctl reload >/dev/null
i=$(task add --shell 'exit 7')
code 7 "no history: a wait still has its answer" task wait "$i"

plan_done
