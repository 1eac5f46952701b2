#!/bin/sh
# Whatever part is killed, in whatever order: keeper, engine, pool.  Each queued
# command is run, nobody else is restarted, and all works afterwards.
. "$(dirname "$0")/lib.sh"
LOGLEVEL=info

conf <<EOT
[program:idle]
command = $CHILD sleep
workers = 2
[pool]
threads = 1
EOT
start_reeved
awaits 10 "all are up" 'all_state RUNNING'
were=$(pids idle)
n=200
seq $n | sed "s|.*|echo & >>$T/out/numbers; sleep 0.02|" |
    ctl task add --each-line >"$T/out/ids" 2>"$T/out/add.err" &
adder=$!
started $adder
i=0
keepers=0
while [ $i -lt 12 ]; do
	i=$((i + 1))
	case $((i % 4)) in
	0) kill -KILL "$(pid_of pool.0)" ;;
	2) kill -KILL "$(engine_pid)" ;;
	*)
		kill_keeper
		keepers=$((keepers + 1))
		;;
	esac
	await 10 'heir_is_up' || fail "it goes on after kill $i"
done
wait $adder
is "all were accepted" "$? $(grep -c . "$T/out/ids")" "0 $n"
# shellcheck disable=SC2046
code 0 "all of them end well" ctl task wait $(cat "$T/out/ids")
is "each of them was run" "$(sort -un "$T/out/numbers" | wc -l)" $n
# One whose start the keeper did not live to tell of may run again.
twice=$(sort -n "$T/out/numbers" | uniq -d | wc -l)
ok "but for those that were being started, once ($twice twice)" [ "$twice" -le $((2 * keepers)) ]
is "nobody was restarted" "$(pids idle)" "$were"
awaits 10 "the pool is there" 'is_state pool.0 RUNNING'
code 0 "a job" ctl job run noop
ok "a command" [ "$(ctl run -- echo works)" = works ]
end_heir
plan_done
