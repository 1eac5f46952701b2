#!/bin/sh
# reeved and its engine are killed while a task of the queue runs: the next
# one ends what is left of it before it is tried again, and touches nobody
# else.  With cgroups, where there are any, and without.
. "$(dirname "$0")/lib.sh"
need unshare
[ "$(id -u)" = 0 ] || skip_all "needs root to take cgroups away"

conf <<EOT
cpu_slots = 8
[program:idle]
command = $CHILD sleep
EOT
field() { # ID MEMBER
	ctl task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g' |
	    grep "\"id\":$1," | sed -n "s/.*\"$2\":\(\"[^\"]*\"\|[^,}]*\).*/\1/p" | tr -d '"'
}
is_field() { [ "$(field "$1" "$2")" = "$3" ]; }
lines() { [ "$(wc -l <"$1" 2>/dev/null || echo 0)" -ge "$2" ]; }
# It holds a lock as long as anything of it lives: who does not get it says so.
cat >"$T/work" <<EOT
#!/bin/sh
# OUT: one at a time
exec 9>>\$1.lock
flock -n 9 || echo twice >>\$1
echo "\$\$ \$REEVE_TASK_ID" >>\$1
sleep 1007 &
echo \$! >>$T/out/pids
setsid sleep 1008 &
echo \$! >>$T/out/pids
[ \$(grep -c . \$1) -lt \$2 ] || exit 0
until [ -e $T/out/never ]; do sleep 0.05; done
EOT
chmod +x "$T/work"

crash() { # NAME: with WRAP as it is
	out=$T/out/$1
	start_reeved
	a=$(ctl task add --retries 9 -- "$T/work" "$T/out/$1" 4)
	b=$(ctl task add -- "$T/work" "$T/out/$1-b" 99)
	c=$(ctl task add --on-crash retry -- "$T/work" "$T/out/$1-c" 2)
	d=$(ctl task add --on-crash fail --retries 9 -- "$T/work" "$T/out/$1-d" 2)
	awaits 10 "$1: they run" 'lines $out 1 && lines $out-b 1 && lines $out-c 1 && lines $out-d 1'
	# Somebody else's, who says that he is that task.
	REEVE_TASK_ID=$a REEVE_TREE=1.1.1 sleep 1009 &
	other=$!
	started $other
	kill_reeved
	ok "$1: the task's process lives on" alive "$(sed 's/ .*//' "$T/out/$1")"
	start_reeved
	awaits 20 "$1: tried again" 'lines $out 2'
	kill_engine
	kill_reeved
	start_reeved
	awaits 20 "$1: and again" 'lines $out 3'
	kill_reeved
	start_reeved
	code 0 "$1: done, at last" ctl task wait "$a"
	is "$1: its tries" "$(field "$a" tries)" 4
	is "$1: never two at the same time" "$(grep -c twice "$T/out/$1")" 0
	is "$1: each had its number" "$(sed 's/.* //' "$T/out/$1" | sort -u)" "$a"
	code 1 "$1: without retries it is lost" ctl task wait "$b"
	is "$1: ... and says so" "$(field "$b" state): $(field "$b" reason)" \
	    "lost: reeved ended while it ran, what was left of it was killed"
	code 0 "$1: on_crash = retry" ctl task wait "$c"
	is "$1: ... is tried again without retries" "$(field "$c" on_crash) $(field "$c" tries)" "retry 2"
	code 1 "$1: on_crash = fail" ctl task wait "$d"
	is "$1: ... is not, with any" "$(field "$d" state) $(field "$d" tries)" "lost 1"
	ok "$1: its process is gone" gone "$(sed 's/ .*//' "$T/out/$1-b")"
	ok "$1: another's is not touched" alive "$other"
	has "$1: the log tells" "$LOG" "task $a: [0-9]* processes that are left of another reeved are killed"
	kill "$other"
	# Of the workers, which no reeved looks for, and of the last try.
	end_reeved
	# shellcheck disable=SC2046
	kill -KILL $(ours) 2>/dev/null
	awaits 5 "$1: nothing is left" '[ -z "$(ours)" ]'
	for pid in $KEEPERS; do
		find /sys/fs/cgroup -depth -type d -path "*/reeve-$pid*" -exec rmdir {} + 2>/dev/null
	done
}

crash plain
WRAP="unshare -m sh $T/without"
cat >"$T/without" <<'EOT'
mount -t tmpfs -o size=4k none /sys/fs/cgroup && exec "$@"
EOT
if sh -c "$WRAP true"; then crash without; else skip "without cgroups" "no mount"; fi
plan_done
