#!/bin/sh
# kill -9 of the pool at every stage of a job, and every job counted: none is
# lost, none runs twice that was not asked to, no answer goes to another one.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

plugin rogue
cat >"$T/pool.ini" <<EOT
[pool]
threads = 2
queue = 2000
[job:rogue]
plugin = $T/rogue.so
EOT
start_pool "startsecs = 0
startretries = 1000
backoff_min = 20ms
backoff_max = 50ms"
mkdir "$T/out/n"
for i in $(seq 1 300); do echo "$i" >"$T/out/n/$i"; done

# Kills it 12 times, wherever it is then: some jobs run, some wait, some are
# being told of; and every second time while it is only just beginning.
killer() { # PID
	k=0
	while kill -0 "$1" 2>/dev/null && [ $k -lt 12 ]; do
		pool=$(pid_of pool)
		[ "${pool:-0}" -gt 1 ] || continue
		n=$(($(wc -l <"$T/out/trace") + k % 2 * 5))
		await 2 "[ \$(wc -l <$T/out/trace) -ge $n ] || ! kill -0 $1 2>/dev/null"
		kill -KILL "$pool" 2>/dev/null && k=$((k + 1))
		await 5 "[ \"\$(pid_of pool)\" != $pool ]"
	done
	echo $k >"$T/out/kills"
}
mapped() { # WHAT OPTION...
	what=$1 && shift
	: >"$T/out/trace"
	"$B/reevectl" -c "$CONF" job map rogue "$@" --json --arg do=sleep --arg ms=20 \
	    --arg "file=$T/out/trace" --arg name=@ "$T"/out/n/* >"$T/out/answers" 2>"$T/out/err" &
	map=$!
	started $map
	killer $map
	wait $map
	grep '"ok": *true' "$T/out/answers" | sed 's/.*"input": *"\([^"]*\)".*/\1/' | sort >"$T/out/good"
	grep ^end "$T/out/trace" | cut -d' ' -f2 | sort -u >"$T/out/ended"
	echo "# $what: $(cat "$T/out/kills") kills, $(wc -l <"$T/out/good") well"
	isnt "$what: it is killed under them" "$(cat "$T/out/kills")" 0
	is "each is answered once, in order" \
	    "$(sed 's/.*"input": *"\([^"]*\)".*/\1/' "$T/out/answers" | cksum)" \
	    "$(printf '%s\n' "$T"/out/n/* | cksum)"
	is "an answer that is well is that of a job that ended" \
	    "$(comm -23 "$T/out/good" "$T/out/ended")" ""
	is "one that is not was running when it died" \
	    "$(grep -v '"ok": *true' "$T/out/answers" | grep -v 'pool died\|killed the pool twice')" ""
}
mapped "jobs that may run again" --retry
is "all that killed it less than twice are well" \
    "$(grep -v '"ok": *true' "$T/out/answers" | grep -v 'killed the pool twice')" ""
mapped "jobs that may not"
is "none has begun twice" "$(grep begin "$T/out/trace" | sort | uniq -d)" ""

# --- while it is being replaced --------------------------------------------------

# Two run in the old one, the others have moved to the new one.
: >"$T/out/trace"
up pool
for i in keep retry; do
	set -- --arg do=wait --arg "until=$T/out/go" --arg "file=$T/out/trace" --arg name=$i
	[ $i = keep ] || set -- "$@" --retry
	"$B/reevectl" -c "$CONF" job run rogue "$@" >"$T/out/$i" 2>&1 </dev/null &
	eval "$i=$!"
	started $!
done
await 20 "[ \$(grep -c begin $T/out/trace) = 2 ]"
"$B/reevectl" -c "$CONF" job map rogue --arg do=hello --arg "file=$T/out/trace" --arg name=@ \
    "$T"/out/n/1? >"$T/out/answers" 2>&1 &
map=$!
started $map
old=$(pid_of pool)
ctl roll --no-wait pool >/dev/null
wait $map
is "those that waited are done by the new one" "$?" 0
is "each once" "$(grep begin "$T/out/trace" | sed 's|.*/||' | grep -c '^1.$')" 10
kill -KILL "$old"
# shellcheck disable=SC2154
wait "$keep"
is "one that ran in the old one, which is killed" "$?" 1
like "is told" "$(cat "$T/out/keep")" "pool died"
await 20 "[ \$(grep -c 'begin retry' $T/out/trace) = 2 ]"
: >"$T/out/go"
# shellcheck disable=SC2154
wait "$retry"
is "one that may run again does" "$?" 0
is "and nothing has run three times" "$(grep -c begin "$T/out/trace")" 13

# --- answers of another one --------------------------------------------------------

# The pool's dead know whose they were: who asks for an id that ran in
# another session runs its own job, and gets its own answer.
rm -f "$T/out/go"
peer - >"$T/out/said" <<'EOT'
import json, os, signal
from pool_peer import Peer, AGAIN
path, out = os.environ["REEVE_POOL"], os.environ["OUT"]

def again(session=None):
    while True:
        try:
            return Peer(path, session)
        except (OSError, EOFError):
            pass

p, q = Peer(path), Peer(path)
p.submit("rogue", "do=wait", f"until={out}/go", f"file={out}/late", number=7)
while not os.path.exists(f"{out}/late"):
    pass
os.kill(json.loads(q.query("stats"))["pid"], signal.SIGKILL)
try:
    p.result(7)
except (OSError, EOFError):
    pass
# The next ones know of it as well, and die before they have told.
for _ in range(2):
    os.kill(json.loads(again().query("stats"))["pid"], signal.SIGKILL)
other, mine = again(), again(p.session)
other.submit("rogue", "do=hello", flags=AGAIN, number=7)
print("another session:", other.result(7).status, other.result(7).text)
mine.submit("rogue", "do=wait", flags=AGAIN, number=7)
print("the one:", mine.result(7).status)
mine.submit("rogue", "do=hello", flags=AGAIN, number=8)
print("its next:", mine.result(8).status, mine.result(8).text)
EOT
is "a late answer reaches nobody else" "$(cat "$T/out/said")" \
    "another session: ok 1
the one: crashed
its next: ok 1"
plan_done
