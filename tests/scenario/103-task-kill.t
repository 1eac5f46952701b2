#!/bin/sh
# Named tasks over deaths of the engine, at any time, and of reeved: no due
# time is lost or has two runs, what follows comes once, a client is told.
. "$(dirname "$0")/lib.sh"
LOGLEVEL=info

conf <<EOT
[program:idle]
command = $CHILD sleep
[task:tick]
shell = echo \$REEVE_TASK_ID >>$T/out/ticks
schedule = @every 1s
overlap = queue
catch_up = all
[task:one]
shell = echo \$REEVE_TASK_ID >>$T/out/one; until [ -e $T/out/go ]; do sleep 0.02; done; exit 4
on_failure = task:told
depends_on = first
[task:first]
shell = echo \$REEVE_TASK_ID >>$T/out/first
[task:told]
shell = echo \$REEVE_TASK_ID >>$T/out/told
[task:chain]
shell = echo \$REEVE_TASK_ID >>$T/out/chain
then = task:link
[task:link]
shell = echo \$REEVE_TASK_ID >>$T/out/link
EOT
start_reeved
task() { ctl task "$@"; }
lines() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }
at_least() { [ "$1" -ge "$2" ]; }
rows() {
	task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g'
}
dues() { rows | grep '"name":"tick"' | grep -Eo '"due":[0-9]*' | cut -d: -f2 | sort -n; }

# One run, through it.
"$B/reevectl" -c "$CONF" task run one >"$T/out/run" 2>&1 &
run=$!
started $run
awaits 5 "a run is under way" '[ -s "$T/out/one" ]'
kill_engine
kill_engine
: >"$T/out/go"
wait $run
is "its client has its code" "$?" 4
awaits 5 "what follows comes" '[ -s "$T/out/told" ]'
is "each task ran once" "$(lines "$T/out/first") $(lines "$T/out/one") $(lines "$T/out/told")" "1 1 1"

# A run that nobody has been told of: asked again it is the same.
kill -STOP "$(engine_pid)"
"$B/reevectl" -c "$CONF" task run first >"$T/out/run" 2>&1 &
run=$!
started $run
kill_engine
wait $run
is "asked by a client that was not heard" "$?" 0
is "... it is one run" "$(lines "$T/out/first")" 2

# The engine is killed again and again, at whatever it does.
(
	trap 'exit 0' TERM
	while :; do
		sleep 0.1$(($(date +%N | cut -c 3) % 10))
		kill -KILL "$(engine_pid)" 2>/dev/null
	done
) &
killer=$!
started $killer
n=15
for _ in $(seq $n); do
	"$B/reevectl" -c "$CONF" task run chain >>"$T/out/chain.log" 2>&1 ||
	    echo "failed: $?" >>"$T/out/chain.log"
done
awaits 20 "schedules go on meanwhile" 'at_least "$(lines $T/out/ticks)" 6'
kill -TERM $killer
wait $killer
await 10 'ctl status'
is "every run was told to have succeeded" "$(cat "$T/out/chain.log")" ""
is "... and was one" "$(lines "$T/out/chain")" $n
awaits 10 "... and was followed" 'at_least "$(lines $T/out/link)" $n'
awaits 10 "... each once" 'ctl task list --json | grep -v "\"name\":\"link\""'
is "... not more" "$(lines "$T/out/link")" $n
dues >"$T/out/dues"
is "no due time has two runs" "$(uniq -d "$T/out/dues")" ""
is "none is left out" "$(awk 'NR > 1 && $1 - last != 1000 { print last, $1 } { last = $1 }' "$T/out/dues")" ""

# reeved itself is killed while something is to follow.
rm "$T/out/go" "$T/out/told"
id=$(task run --no-wait one)
awaits 5 "it runs" 'task list --json | grep -q "\"id\":$id,\"state\":\"running\""'
kill_reeved
# What it ran is left, and its cgroups: nobody is there to remove them.
# shellcheck disable=SC2046
kill -KILL $(ours) 2>/dev/null
await 5 '[ -z "$(ours)" ]'
find /sys/fs/cgroup -depth -type d -path "*/reeve-$REEVED*" -exec rmdir {} + 2>/dev/null
: >"$T/out/go"
start_reeved
awaits 10 "lost with reeved, it has failed, and what follows comes" '[ -s "$T/out/told" ]'
like "... told by the history" "$(rows)" "\"id\":$id,\"state\":\"lost\""
plan_done
