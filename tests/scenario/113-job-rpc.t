#!/bin/sh
# CPU jobs over the control socket: submitted, watched, waited for; whoever of
# engine and pool dies meanwhile.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"
need python3

plugin rogue
config() { # THREADS
	conf <<-EOT
		[pool]
		threads = $1
		queue = 400
		grace = 300ms
		[job:bad]
		plugin = $T/rogue.so
	EOT
}
config 2
start_reeved
up pool

submit() { rpc job_submit "$@" | sed -n 's/^{"id": \([0-9]*\)}$/\1/p'; }
wait_for() { rpc job_wait "{\"ids\": [$1]}" | grep -v '^note' | grep -Eo '"(status|text)": "[^"]*"' | tr '\n' ' '; }
await_begun() { await 20 "[ -s $T/out/$1 ]"; }
bad() { # NAME MORE: a job that waits for the file go
	submit "{\"kind\": \"bad\", \"args\": [\"do=wait\", \"until=$T/out/go\", \"file=$T/out/$1\"]${2-}}"
}

# --- one job --------------------------------------------------------------------------------

seq 1 1000 >"$T/out/a"
id=$(submit "{\"kind\": \"digest\", \"input\": \"$T/out/a\"}")
like "a number" "$id" '^[0-9]+$'
like "its end" "$(wait_for "$id")" '^"status": "ok" "text": ".*'"$(sha256sum <"$T/out/a" | cut -d' ' -f1)"
like "... as often as one asks" "$(wait_for "$id")" '^"status": "ok"'
like "job.submit, job.wait: the same" "$(rpc job.wait "{\"ids\": [$(rpc job.submit '{"kind": "noop"}' |
	tr -dc 0-9)]}")" '"status": "ok"'
id=$(submit '{"kind": "copy"}' "$T/out/a" "$T/out/b")
like "descriptors that come along" "$(wait_for "$id")" '^"status": "ok"'
code 0 "the same bytes" cmp "$T/out/a" "$T/out/b"
id=$(submit "{\"kind\": \"copy\", \"input\": \"$T/out/a\", \"output\": \"$T/out/c\"}")
wait_for "$id" >/dev/null
code 0 "paths" cmp "$T/out/a" "$T/out/c"
like "no such kind" "$(wait_for "$(submit '{"kind": "none"}')")" '"status": "refused" "text": "there is no such kind'
like "a crash" "$(wait_for "$(submit '{"kind": "bad", "args": ["do=segv", "n=1"]}')")" '"status": "crashed"'
id=$(submit "{\"kind\": \"bad\", \"args\": [\"do=attempt\"], \"output\": \"$T/out/d\", \"retry\": true}")
like "one that runs again" "$(wait_for "$id")" '^"status": "ok"'
is "... leaves nothing of its first run" "$(wc -c <"$T/out/d")" 5
like "no such file" "$(rpc job_submit '{"kind": "digest", "input": "/none/such"}')" '^error -32001 /none/such: No such file'
like "an output that is the input" "$(rpc job_submit "{\"kind\": \"copy\", \"input\": \"$T/out/a\", \"output\": \"$T/out/a\"}")" \
    "^error -32001 $T/out/a: it is the input as well"
code 0 "... which is left alone" cmp "$T/out/a" "$T/out/b"
like "no path of ours" "$(rpc job_submit '{"kind": "digest", "input": "a"}')" 'not an absolute path'
like "a directory" "$(rpc job_submit '{"kind": "digest", "input": "/tmp"}')" 'not a file'
like "no such job" "$(wait_for 7)" '"status": "lost" "text": "there is no such job'
like "no number" "$(rpc job_wait '{"ids": ["a"]}')" '^error -32602'
like "none" "$(rpc job_wait '{"ids": []}')" '^error -32602'
like "the kinds" "$(rpc job_kinds '{}')" '"kind": "bad"'
like "the numbers" "$(rpc job_stats '{}')" '"threads": 2'

# --- progress, list, cancel -----------------------------------------------------------------

up pool
id=$(bad p1 ', "progress": true')
await_begun p1
like "the list" "$(rpc job_list '{}')" '"kind": "bad", "state": "running"'
rpc job_wait "{\"ids\": [$id]}" >"$T/out/wait" &
wait=$!
started $wait
awaits 20 "who waits is told how far it is" 'grep -q "^note.*progress" "$T/out/wait"'
rpc job_cancel "{\"ids\": [$id]}" >/dev/null
wait $wait
like "cancelled" "$(cat "$T/out/wait")" '"status": "cancelled"'
like "the end is a notification, too" "$(grep '^note' "$T/out/wait")" '"end": \{"id": '"$id"

# --- the engine dies ------------------------------------------------------------------------

pool=$(pid_of pool)
id=$(bad e1)
queued=$(bad e2)
more=$(bad e3)
await_begun e1
kill_engine
is "the pool goes on" "$(pid_of pool)" "$pool"
rpc job_wait "{\"ids\": [$id, $queued]}" >"$T/out/wait" &
wait=$!
started $wait
await 20 'rpc job_stats "{}" | grep -q "\"busy\": 2"'
: >"$T/out/go"
wait $wait
is "both end well" "$(grep -v '^note' "$T/out/wait" | grep -Eo '"status": "[a-z]*"' | tr '\n' ' ')" '"status": "ok" "status": "ok" '
await 20 "grep -q end $T/out/e3"
kill_engine
like "one that nobody waited for" "$(wait_for "$more")" '^"status": "ok"'
like "all once" "$(cat "$T"/out/e? | sort | uniq -c | tr -s ' \n' ' ')" '^ 3 begin - 3 end - $'
rm "$T/out/go"

# Killed as soon as the number is there: the pool has it.
for i in 1 2 3; do
	id=$(submit "{\"kind\": \"bad\", \"args\": [\"do=hello\", \"file=$T/out/h$i\"]}")
	kill_engine
	like "killed after a submit: $i" "$(wait_for "$id")" '^"status": "ok"'
done

# --- the pool dies, moves -------------------------------------------------------------------

config 1
ctl reload >/dev/null
await 10 'rpc job_stats "{}" | grep -q "\"threads\": 1"'
id=$(bad k1)
queued=$(bad k2)
await_begun k1
rpc job_wait "{\"ids\": [$id, $queued]}" >"$T/out/wait" &
wait=$!
started $wait
kill -KILL "$(pid_of pool)"
await_begun k2
: >"$T/out/go"
wait $wait
is "what ran is told, what waited goes on" "$(grep -v '^note' "$T/out/wait" | grep -Eo '"status": "[a-z]*"' | tr '\n' ' ')" '"status": "crashed" "status": "ok" '
rm "$T/out/go"
up pool
pool=$(pid_of pool)
id=$(bad m1)
queued=$(bad m2)
await_begun m1
ctl roll --no-wait pool >/dev/null
await 20 "[ \"\$(pid_of pool)\" != $pool ] && [ \"\$(state pool)\" = RUNNING ]"
await_begun m2
: >"$T/out/go"
like "a roll: one is finished there" "$(wait_for "$id")" '^"status": "ok"'
like "one moves" "$(wait_for "$queued")" '^"status": "ok"'
is "each has run once" "$(cat "$T"/out/m? | sort | uniq -c | tr -s ' \n' ' ')" ' 2 begin - 2 end - '

# Of an engine that has gone, and a pool that moves: it stays where it is.
rm "$T/out/go"
id=$(bad o1)
queued=$(bad o2)
await_begun o1
kill_engine
rpc job_wait "{\"ids\": [$queued]}" >"$T/out/wait" &
wait=$!
started $wait
await 20 'rpc job_list "{}" | grep -q queued'
pool=$(pid_of pool)
ctl roll --no-wait pool >/dev/null
await 20 "[ \"\$(pid_of pool)\" != $pool ]"
: >"$T/out/go"
wait $wait
like "it ends" "$(grep -v '^note' "$T/out/wait")" '"status": "ok"'

# --- no pool --------------------------------------------------------------------------------

conf </dev/null
ctl reload >/dev/null
like "without a pool" "$(rpc job_submit '{"kind": "noop"}')" '^error -32001 there is no pool for jobs'
plan_done
