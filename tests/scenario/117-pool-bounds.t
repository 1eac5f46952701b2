#!/bin/sh
# What a pool promises about order and bounds: named pools with threads and
# queues of their own, the one time limit apart from the other, fairness
# before 10,000 that wait, progress, and threads changed while all of it runs.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

plugin rogue
settings() { # THREADS
	cat >"$T/pool.ini" <<-EOT
		[pool]
		threads = $1
		queue = 12000
		grace_ms = 300
		[pool:images]
		threads = 2
		queue = 3
		[job:rogue]
		plugin = $T/rogue.so
		[job:image]
		plugin = $T/rogue.so
		pool = images
		[job:patient]
		plugin = $T/rogue.so
		queue_timeout_ms = $((400 * TEST_SLOW))
		[job:short]
		plugin = $T/rogue.so
		run_timeout_ms = 200
	EOT
}
settings 1
start_pool "stopwaitsecs = 20
startsecs = 100ms"

# --- named pools -------------------------------------------------------------

hold() { # KIND NAME
	job run "$1" --arg do=wait --arg "until=$T/out/go.$1" --arg "name=$2" \
	    --arg "file=$T/out/held" </dev/null >/dev/null 2>&1 &
	started $!
}
begun() { [ "$(grep -c begin "$T/out/held")" = "$1" ]; }
hold rogue all
await 20 "begun 1"
code 0 "one pool is held, the other one answers" job run image </dev/null
hold image a
hold image b
await 20 "begun 3"
for i in 1 2 3; do hold image "$i"; done
await 20 '[ "$(stat_of images queued)" = 3 ]'
is "its threads and its queue are its own" \
    "$(stat_of images busy) $(stat_of images queued) $(stat_of '' busy) $(stat_of '' queued)" "2 3 1 0"
job run image </dev/null >"$T/out/full" 2>&1
is "full is refused" "$?" 1
has "... with the length of the queue" "$T/out/full" "the queue is full: 3 wait"
is "... and counted" "$(stat_of images refused)" 1
like "... by its kind" "$(job stats | grep -A1 '^image')" "^  1 full\$"
# Whoever maps is not refused but slowed down.
mkdir "$T/out/n"
for i in $(seq 1 40); do echo "$i" >"$T/out/n/$i"; done
find "$T/out/n" -type f -print0 | sort -z |
    job map image --files-from - --json --arg do=hello >"$T/out/mapped" &
map=$!
started $map
await 20 '[ "$(stat_of images refused)" -gt 3 ]'
: >"$T/out/go.image"
wait $map
is "map goes on until the queue has had room for all" "$? $(grep -c '"ok": *true' "$T/out/mapped")" "0 40"
is "... in order, of the names that were given" \
    "$(sed 's/.*"input": *"\([^"]*\)".*/\1/' "$T/out/mapped")" "$(find "$T/out/n" -type f | sort)"
refused=$(stat_of images refused)
code 0 "-j: not more than that at a time" job map image -j 2 --arg do=hello "$T"/out/n/*
is "... which finds room" "$(stat_of images refused)" "$refused"
await 20 "begun 6"
is "those that waited run" "$(grep -c begin "$T/out/held")" 6
code 0 "and there is room again" job run image </dev/null

# --- two time limits ------------------------------------------------------------

# The one thread is held: `short` waits longer than it may run.
peer - >"$T/out/limits" <<'EOT'
import os
from pool_peer import Peer
p, out = Peer(os.environ["REEVE_POOL"]), os.environ["OUT"]
short = p.submit("short", "do=hello")
patient = p.submit("patient", "do=hello", f"file={out}/patient")
asked = p.submit("rogue", "do=hello", f"file={out}/patient", queue_ms=50)
print(p.result(asked).status, p.result(patient).status)
open(f"{out}/go.rogue", "w").close()
print(p.result(short).status)
print(p.result(p.submit("short", "do=wait")).status)
print(p.result(p.submit("rogue", "do=wait", run_ms=50)).status)
EOT
is "to wait is one limit, to run another" "$(cat "$T/out/limits")" "queue-timeout queue-timeout
ok
run-timeout
run-timeout"
is "what waited too long never began" "$(cat "$T/out/patient" 2>/dev/null)" ""

# --- fairness --------------------------------------------------------------------

rm -f "$T/out/go.rogue"
: >"$T/out/trace"
peer - >"$T/out/fair" <<'EOT'
import json, os
from pool_peer import Peer
p, out = Peer(os.environ["REEVE_POOL"]), os.environ["OUT"]
held = p.submit("rogue", "do=wait", f"until={out}/go.rogue",
                f"file={out}/trace", "name=held")
for i in range(10000):
    p.submit("rogue", "do=hello", f"file={out}/trace", f"name={i}", priority=7)
high = p.submit("rogue", "do=hello", f"file={out}/trace", "name=high",
                priority=0)
while True:
    stats = json.loads(p.query("stats"))["pools"][0]
    if stats["busy"] == 1:
        break
print("wait:", stats["queued"])
jobs = json.loads(p.query("jobs"))
print("listed:", len(jobs["jobs"]) + jobs["not_listed"], jobs["jobs"][0]["state"])
open(f"{out}/go.rogue", "w").close()
for number in range(1, high + 1):
    assert p.result(number).status == "ok", p.ends[number]
EOT
like "10,000 wait" "$(cat "$T/out/fair")" "wait: 10001"
like "and can be listed" "$(cat "$T/out/fair")" "listed: 10002 running"
is "a high one starts next" "$(sed -n 2,3p "$T/out/trace" | tr '\n' ' ')" "end held begin high "
is "the others in their order" \
    "$(grep begin "$T/out/trace" | sed 1,2d | cut -d' ' -f2 | cksum)" "$(seq 0 9999 | cksum)"

# --- progress ----------------------------------------------------------------------

peer - >"$T/out/progress" <<'EOT'
import os
from pool_peer import Peer, WATCH
p = Peer(os.environ["REEVE_POOL"])
n = p.submit("rogue", "do=sleep", "ms=1500", flags=WATCH)
print(p.result(n).status)
seen = p.progress[n]
percents = [percent for percent, _ in seen]
print(len(seen) >= 2, percents == sorted(percents), percents[-1] <= 100,
      {text for _, text in seen})
quiet = p.submit("rogue", "do=sleep", "ms=300")
print(p.result(quiet).status, quiet in p.progress)
EOT
is "progress comes while it runs, to those who asked" "$(cat "$T/out/progress")" "ok
True True True {'sleeping'}
ok False"

# --- a thread that does not come back, and threads that are changed --------------------

is "all of it was one pool" "$(pid_of pool)" "$pool"
peer - >"$T/out/loop" <<'EOT'
import json, os
from pool_peer import Peer
p, out = Peer(os.environ["REEVE_POOL"]), os.environ["OUT"]
loops = p.submit("rogue", "do=loop", run_ms=200)
after = p.submit("rogue", "do=wait", f"until={out}/go.loop")
print(p.result(loops).status)
stats = json.loads(p.query("stats"))
print({key: stats["pools"][0][key] for key in ("threads", "stuck", "abandoned")})
print([k["results"]["stuck"] for k in stats["kinds"] if k["kind"] == "rogue"])
open(f"{out}/go.loop", "w").close()
print(p.result(after).status)
EOT
is "a job that loops for ever: counted, and another thread is there" "$(cat "$T/out/loop")" "stuck
{'threads': 1, 'stuck': 1, 'abandoned': 1}
[1]
ok"
await 20 "[ \"\$(pid_of pool)\" != $pool ] && [ \"\$(state pool)\" = RUNNING ]"
await 20 "gone $pool"
is "costs the pool its process, and nothing is left of it" "$(proc_state "$pool")" ""
is "there are as many threads as before" "$(stat_of '' threads)" 1
pool=$(pid_of pool)
settings 4
kill -HUP "$pool"
await 20 '[ "$(stat_of "" threads)" = 4 ]'
is "threads are added live" "$(stat_of '' threads)" 4
peer - >"$T/out/shrink" <<'EOT'
import os
from pool_peer import Peer
p, out = Peer(os.environ["REEVE_POOL"]), os.environ["OUT"]
many = [p.submit("rogue", "do=sleep", "ms=20") for _ in range(200)]
p.result(many[10])
text = open(f"{os.path.dirname(out)}/pool.ini").read()
open(f"{os.path.dirname(out)}/pool.ini", "w").write(
    text.replace("threads = 4", "threads = 2"))
import json, signal
os.kill(json.loads(p.query("stats"))["pid"], signal.SIGHUP)
print({p.result(n).status for n in many})
EOT
is "and taken away while jobs run" "$(cat "$T/out/shrink") $(stat_of '' threads)" "{'ok'} 2"
is "by the same process" "$(pid_of pool)" "$pool"

# --- what is told of it ---------------------------------------------------------------

job stats >"$T/out/stats"
has "job stats: the threads of a pool, and its queue" "$T/out/stats" "^POOL .*THREADS.*BUSY.*QUEUED"
has "... the times of a kind" "$T/out/stats" "^rogue  *200  *0 .*[0-9]"
is "... in order, in JSON" "$(job stats --json | python3 -c '
import json, sys
k = [k for k in json.load(sys.stdin)["kinds"] if k["kind"] == "rogue"][0]
print(k["results"], *(k[t]["p50"] <= k[t]["p95"] <= k[t]["p99"] <= k[t]["max"]
                      for t in ("wait_us", "run_us")), k["run_us"]["p50"] >= 15000)')" \
    "{'ok': 200} True True True"
plan_done
