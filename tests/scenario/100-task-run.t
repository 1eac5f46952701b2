#!/bin/sh
# [task:x]: "task run" runs it and what it depends on, each once, beside each
# other as far as the graph allows; output streams, the exit code is its own.
. "$(dirname "$0")/lib.sh"

line="echo \$REEVE_TASK >>$T/out/order"
conf <<EOT
[reeve]
environment = FROM_REEVE="r"
[program:idle]
command = $CHILD sleep
[task:hello]
shell = echo "\$REEVE_TASK \$GREETING \$FROM_REEVE %(task_name)s \$(umask) \$(ulimit -Sn) \$(nice)"; echo err >&2; exit \$CODE
directory = $T/out
environment = GREETING="hi", CODE="0"
umask = 027
nice = 5
rlimit_nofile = 100:200
[task:bare]
command = /usr/bin/env
clear_env = true
env_file = env
environment = B="b%(task_name)s"
[task:limits]
shell = ulimit -c; ulimit -f; ulimit -t; cat /proc/self/oom_score_adj
rlimit_core = 0
rlimit_fsize = 1MB
rlimit_cpu = 77
oom_score_adj = 500
[task:words]
command = /bin/echo "two words" one
[task:fails]
shell = echo out; exit 7
[task:killed]
shell = kill -USR1 \$\$
[task:slow]
shell = echo begun; exec sleep 60
timeout = 100ms
[task:absent]
command = $T/no-such-file
[task:flaky]
shell = echo x >>$T/out/tries; [ \$(wc -l <$T/out/tries) = 3 ]
retries = 2
backoff_min = 10ms
backoff_max = 20ms
[task:src]
shell = $line
[task:left]
shell = $line; until [ -e $T/out/right ]; do sleep 0.02; done; : >$T/out/left
depends_on = src
[task:right]
shell = $line; : >$T/out/right; until [ -e $T/out/left ]; do sleep 0.02; done
depends_on = src
[task:whole]
shell = $line; echo all done
depends_on = left, right, src
[task:after-absent]
command = true
depends_on = absent
[task:after-bad]
shell = echo never >$T/out/never
depends_on = src, fails
[task:hold]
shell = trap '' TERM; echo holding; : >$T/out/held; until [ -e $T/out/go ]; do sleep 0.02; done
EOT
if [ "$(id -u)" = 0 ]; then
	cat >>"$CONF" <<-EOT
		[task:who]
		shell = id -u; id -g
		user = nobody
		group = 1235
	EOT
fi
echo "A=of a file" >"$T/env"
# One [reeve] section is enough for conf.
sed -i '0,/^environment = FROM_REEVE/{/^\[reeve\]$/{x;s/^/x/;/^xx$/{x;d};x}}' "$CONF"
start_reeved
task() { ctl task "$@"; }
split() { "$@" >"$T/out/stdout" 2>"$T/out/stderr"; }

code 0 "a task runs" split task run hello
is "... its environment, umask, limits" "$(head -n 1 "$T/out/stdout")" "hello hi r hello 0027 100 5"
is "... stderr is in its output" "$(sed -n 2p "$T/out/stdout")" err
is "... and nothing else is said" "$(cat "$T/out/stderr")" ""
is "... nothing of reeved's environment, but a file's" "$(task run bare | grep '^[ABH]' | sort | tr '\n' ' ')" "A=of a file B=bbare "
is "... limits" "$(task run limits | tr '\n' ' ')" "0 2048 77 500 "
if [ "$(id -u)" = 0 ]; then
	is "... user and group" "$(task run who | tr '\n' ' ')" "$(id -u nobody) 1235 "
else
	skip "... user and group" "not root"
fi
code 0 "a command without a shell" task run words
is "... its words" "$(cat "$T/out/ok")" "two words one"
code 7 "the exit code is the task's" split task run fails
is "... with its output" "$(cat "$T/out/stdout")" out
code 138 "128 and the signal" task run killed
code 124 "a timeout" split task run slow
is "... with its output" "$(cat "$T/out/stdout")" begun
code 127 "no such file" task run absent
like "... is told" "$(cat "$T/out/ok")" "no-such-file"
code 0 "retries" task run flaky
is "... as many as it takes" "$(wc -l <"$T/out/tries")" 3
code 3 "a name that is none" task run hallo
like "... is told" "$(cat "$T/out/ok")" "no \[task:hallo\]"
code 2 "no name" task run

# The graph: left and right wait for each other, so they must run together.
code 0 "a graph" split task run whole
is "... its own output" "$(cat "$T/out/stdout")" "all done"
is "... each once, in order" "$(sed -n '1p;$p' "$T/out/order" | tr '\n' ' ')$(sort "$T/out/order" | tr '\n' ' ')" \
    "src whole left right src whole "
like "... progress, without a terminal" "$(cat "$T/out/stderr")" "^reevectl: left: ok, "
like "... of each" "$(cat "$T/out/stderr")" "^reevectl: whole: "
like "... while they run" "$(cat "$T/out/stderr")" "^reevectl: (left|right): running"

rm "$T/out/order"
code 7 "a failed dependency fails the run, with its code" split task run after-bad
like "... says why" "$(cat "$T/out/stderr")" "^reevectl: after-bad: skipped: task [0-9]+ \(fails\) is failed"
ok "... and the task is not run" [ ! -e "$T/out/never" ]
like "events tell of it" "$(ctl events)" "task:after-bad .*is skipped: task [0-9]+ \(fails\) is failed"
like "... and of starts" "$(ctl --json events)" '"name":"task:src","kind":"task_started"'

like "history has runs of named tasks" "$(task list --all)" "hello: echo"
like "task show: the last result" "$(task show hello fails)" "hello +done "
like "... of each" "$(task show hello fails)" "fails +failed "
code 3 "task show of none" task show nosuch
id=$(task list --all --json | tr -d '\n' | grep -Eo '"id":[0-9]*,"state":"failed"' | head -n 1 | grep -Eo '[0-9]+')
like "why ID" "$(ctl why "$id" | tr '\n' ' ')" "^task $id \(fails: .*\) is failed: exited with 7 .* begun by order .*\| out"
like "config has them" "$(ctl config task:fails)" "shell = echo out; exit 7 +; .*reeve.conf:[0-9]+"
like "task list shows the named ones" "$(task list)" "^hello +done"
like "JSON has the name and who began it" "$(task list --all --json)" '"name":"hello","begun_by":"order"'
id=$(task run --no-wait words)
code 0 "--no-wait gives an id" task wait "$id"
is "... whose output is kept" "$(task log "$id")" "two words one"
code 7 "--json" split task run --json fails
like "... has the tasks" "$(cat "$T/out/stdout")" '"exit_code":7'

# ^C cancels the run; the next waits for it to be over.
"$B/reevectl" -c "$CONF" task run hold >"$T/out/hold" 2>&1 &
bg=$!
started $bg
awaits 5 "it runs, and its output comes at once" '[ -e "$T/out/held" ] && grep -q holding "$T/out/hold"'
kill -INT $bg
wait $bg
is "^C cancels it" "$?" 130
like "... for good" "$(task show hold)" "hold +cancelled"

# A change is in force for the next run; one that is gone is not run.
sed -i 's/two words/three little words/' "$CONF"
code 0 "reload" ctl reload
like "... says what changed" "$(cat "$T/out/ok")" "task:words"
is "the next run is the new one" "$(task run words)" "three little words one"

# On a terminal: a line for each task.
need script
ok "on a terminal" script -qec "'$B/reevectl' -c '$CONF' task run whole" "$T/out/tty"
has "... the graph is drawn" "$T/out/tty" "left +.*waits for src"
script -qec "stty cols 30; '$B/reevectl' -c '$CONF' task run after-absent" "$T/out/tty" >"$T/out/ok"
is "... the exit code" "$?" 127
has "... the whole reason stays there" "$T/out/tty" "absent .*failed: run $T/no-such-file: No such file or directory"
plan_done
