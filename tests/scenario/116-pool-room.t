#!/bin/sh
# CPU jobs where there is no room: a full disk, a full /dev/shm, memory that
# is used up, and inputs that become shorter under a job's hands.  Each fails
# with a reason, and it is the same pool that answers the next job; or, where
# the kernel ends the pool for its memory, the job is told.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

plugin rogue
cat >"$T/pool.ini" <<EOT
[pool]
threads = 2
[job:rogue]
plugin = $T/rogue.so
EOT
start_pool "startsecs = 100ms"

# --- inputs that become shorter ---------------------------------------------------

# begins, is cut, is let go
cut_while() { # HOW
	rm -f "$T/out/go" "$T/out/begun"
	head -c 1000000 /dev/urandom >"$T/out/shrinks"
	rogue "$1" -i "$T/out/shrinks" --arg "until=$T/out/go" --arg "file=$T/out/begun" \
	    >"$T/out/said" 2>&1 &
	c=$!
	started $c
	await 20 "[ -s $T/out/begun ]"
	truncate -s 100 "$T/out/shrinks"
	: >"$T/out/go"
	wait $c
	is "an input cut while a job has it ($1)" "$?" 1
	has "... is told" "$T/out/said" "$2"
	same_pool
}
cut_while map "the input became shorter while it was read"
cut_while read "shorter"
printf 'abc' >"$T/out/abc"
: >"$T/out/go"
for how in map read; do
	is "whole, it is summed ($how)" \
	    "$(rogue $how -i "$T/out/abc" --arg "until=$T/out/go" | cut -d' ' -f1)" 294
done

# --- past the end of an output -----------------------------------------------------

code 1 "more than fits" sh -c "
    head -c 100000 /dev/zero | '$B/reevectl' -c '$CONF' job run copy -o - >/dev/full"
code 0 "an output in memory" rogue past --arg size=4096 --arg at=0 -o "$T/out/past"
is "is as long as was asked for" "$(wc -c <"$T/out/past")" 4096
like "one byte more ends the pool, not another job's output" \
    "$(rogue past --arg size=4096 --arg at=4096 -o "$T/out/past" 2>&1)" "died of it \(SIGSEGV\)"
next_pool
is "what was there stays" "$(wc -c <"$T/out/past")" 4096

# --- no room ------------------------------------------------------------------------

if ! unshare -Urm sh -c 'mount -t tmpfs -o size=1m t /dev/shm' 2>"$T/out/why"; then
	skip "a full disk, a full /dev/shm" "no mount namespace: $(tr '\n' ' ' <"$T/out/why")"
	plan_done
	exit
fi
head -c 3000000 /dev/urandom >"$T/out/big"
cp "$T/out/big" "$T/out/more"
# Its files are there; the pool gets their descriptors.
full() { unshare -Urm sh -c "mount -t tmpfs -o size=1m t /dev/shm; cd /dev/shm; $1" 2>&1; }
job="timeout $((60 * TEST_SLOW)) $B/reevectl -c $CONF job"
for kind in copy "compress --arg format=gzip" "rogue --arg do=past --arg size=4000000 --arg at=9"; do
	said=$(full "$job run $kind -i $T/out/big -o out; ls -A")
	like "${kind%% *} to a full disk" "$said" "No space left"
	unlike "... leaves nothing there" "$said" partial
done
said=$(full "
    mkdir z
    head -c 300000 /dev/urandom >a; head -c 300000 /dev/urandom >b
    $job map copy --out z $T/out/big a $T/out/more b; echo code \$?; ls -A z" | tr '\n' ' ')
like "map: what does not fit is told" "$said" \
    "[2-4] of 4 failed:( +[^ ]+: write z/[a-z]+: No space left on device){2,4} code 1"
unlike "... and leaves nothing there" "$said" partial
same_pool

# Memory of a client that has no page yet, read and written with none left.
said=$(full "
    truncate -s 500000 holes; cat /dev/zero >fills 2>/dev/null
    $job run rogue --arg do=map --arg until=/ -i holes
    $job run digest -i holes; ls -A")
like "holes that cannot be filled" "$said" "read holes: Input/output error"
same_pool
said=$(full "
    truncate -s 500000 out; cat /dev/zero >fills 2>/dev/null
    $job run rogue --arg do=past --arg size=500000 --arg at=0 -o - 1<>out")
like "an output with holes, in memory" "$said" "No space left"
same_pool
said=$(full "cat /dev/zero >fills 2>/dev/null
    $B/reeve-pool -s $T/run/other.sock -d /dev/shm/d; echo \$?")
like "a pool that cannot note what runs does not begin" "$said" "No space left"

# --- memory ----------------------------------------------------------------------------

if [ "$VARIANT" = release ] && command -v prlimit >/dev/null; then
	size=$(sed -n 's/^VmSize:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pool/status")
	prlimit --pid "$pool" --as=$(((size + 100000) * 1024)):
	like "a limit of memory" "$(rogue malloc --arg mb=200 </dev/null 2>&1)" "no memory after [0-9]+ MiB"
	like "... for what the pool gives a job, too" "$(rogue leak --arg mb=200 </dev/null 2>&1)" "no memory"
	code 0 "... the next one finds some" rogue malloc --arg mb=20 </dev/null
	same_pool
else
	skip "a limit of memory" "a sanitizer has its own, or there is no prlimit"
fi
# By hand, as 059: the pool's own cgroup is not touched.
room() { # PID: it may have 64 MB more
	for dir in /sys/fs/cgroup/memory "$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)"; do
		dir=$dir/reeve-oom-$$
		mkdir "$dir" 2>/dev/null || continue
		for file in memory.limit_in_bytes memory.max; do
			[ -e "$dir/$file" ] && echo 64M >"$dir/$file" &&
				echo "$1" >"$dir/cgroup.procs" && return 0
		done 2>/dev/null
		rmdir "$dir"
	done
	return 1
}
# One of reeved's own: it sees how it ends, and tells.
conf <<EOT
[pool]
threads = 2
[job:rogue]
plugin = $T/rogue.so
EOT
ctl reload >/dev/null
up pool
pool=$(pid_of pool)
if room "$pool"; then
	rogue sleep --arg ms=100000 </dev/null >"$T/out/other" 2>&1 &
	c=$!
	started $c
	await 20 '[ "$(job list --json | grep -c running)" = 1 ]'
	like "the kernel's OOM killer is told as what it is to a process" \
	    "$(rogue malloc --arg mb=1000 </dev/null 2>&1)" "the pool died (while it ran|of it) \(SIGKILL(, .*OOM killer.*)?\)"
	wait $c
	has "... also to who had no part in it" "$T/out/other" "pool died"
	next_pool
	code 0 "... which works" job run noop </dev/null
	rmdir "$dir"
else
	skip "the kernel's OOM killer" "no memory controller can be used here"
fi
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pool/status"; }
if [ "$VARIANT" = release ]; then
	for _ in 1 2 3 4 5; do rogue leak </dev/null; done
	before=$(rss)
	for _ in 1 2 3 4 5 6 7 8 9 10; do rogue leak </dev/null; done
	# Each takes 10 MB.
	is "what a job forgot is given back" "$(($(rss) - before < 40000))" 1
else
	skip "what a job forgot is given back" "a sanitizer keeps what is freed for a while"
fi
plan_done
