#!/bin/sh
# The queue over deaths: of the engine every 300 ms, of reeved itself.  What
# was accepted runs once, and has its real exit code.
. "$(dirname "$0")/lib.sh"
LOGLEVEL=info

conf <<EOT
[program:idle]
command = $CHILD sleep
EOT
start_reeved
task() { ctl task "$@"; }
field() { # ID MEMBER
	task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g' |
	    grep "\"id\":$1," | sed -n "s/.*\"$2\":\(\"[^\"]*\"\|[^,}]*\).*/\1/p" | tr -d '"'
}
is_field() { [ "$(field "$1" "$2")" = "$3" ]; }
all_gone() { for p; do gone "$p" || return 1; done; }
hold="until [ -e $T/out/go ]; do sleep 0.02; done"

# One that runs is adopted, one that ends meanwhile has its exit code.
a=$(task add --shell "echo \$\$ >$T/out/pid; $hold; exit 5")
b=$(task add --timeout 3600 --shell "$hold; kill -USR1 \$\$")
w=$(task add --after "$a" true)
awaits 5 "they run" 'is_field $a state running && is_field $b state running && [ -s "$T/out/pid" ]'
pid=$(cat "$T/out/pid")
kill_engine
is "adopted" "$(field "$a" state) $(field "$a" pid)" "running $pid"
ctl_bg "$T/out/wait" task wait "$a"
kill -STOP "$(engine_pid)"
: >"$T/out/go"
awaits 5 "it ends without an engine" 'gone "$pid"'
kill_engine
wait "$BG"
is "its exit code, through the same wait" "$?" 5
code 138 "a signal, too" task wait "$b"
code 1 "one that waited for it" task wait "$w"
is "... is skipped" "$(field "$w" state)" skipped
rm "$T/out/go"

# Cancelled, and the engine dies before it is dead.
a=$(task add --shell "trap '' TERM; echo 1 >$T/out/there; $hold")
awaits 5 "it runs" '[ -e "$T/out/there" ]'
ctl_bg "$T/out/cancel" task cancel "$a"
c=$BG
awaits 5 "the order has come" 'is_field $a state cancelled || kill -0 $c'
kill_engine
wait "$c"
is "cancel, over the death of an engine" "$?" 0
is "... it is cancelled" "$(field "$a" state)" cancelled

# Many, an engine killed every 300 ms.
n=300
[ "$TEST_LONG" = 0 ] || n=2000
ids=$T/out/ids
seq $n | sed "s|.*|echo & >>$T/out/numbers; sleep 0.02; exit \$((& % 3))|" |
    "$B/reevectl" -c "$CONF" task add --each-line >"$ids" 2>"$T/out/add.err" &
adder=$!
started $adder
(
	trap 'exit 0' TERM
	while :; do
		sleep 0.3
		kill -KILL "$(engine_pid)" 2>/dev/null
	done
) &
killer=$!
started $killer
wait $adder
is "all are accepted" "$(wc -l <"$ids") $(sort -un "$ids" | wc -l)" "$n $n"
awaits 240 "they end" '[ "$(task list --json)" = "[]" ]'
kill $killer
wait $killer 2>/dev/null
awaits 10 "an engine" 'ctl status'
has "engines were killed" "$LOG" "engine restarted"
sort -n "$T/out/numbers" >"$T/out/sorted"
seq $n >"$T/out/want"
if cmp -s "$T/out/want" "$T/out/sorted"; then
	pass "each ran exactly once"
else
	diff "$T/out/want" "$T/out/sorted" >"$T/out/diff"
	fail "each ran exactly once" "$T/out/diff"
fi
task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g' | grep '"command":"echo [0-9]' |
    sed 's/.*"state":"\([a-z]*\)".*"command":"echo \([0-9]*\) .*"exit_code":\([0-9a-z]*\).*/\2 \1 \3/' |
    sort -n >"$T/out/ends"
seq $n | awk '{ print $1, $1 % 3 ? "failed" : "done", $1 % 3 }' >"$T/out/want"
if cmp -s "$T/out/want" "$T/out/ends"; then
	pass "each has its real exit code"
else
	diff "$T/out/want" "$T/out/ends" >"$T/out/diff"
	fail "each has its real exit code" "$T/out/diff"
fi

# reeved itself is killed: what ran is lost, what waited is not.
a=$(task add --shell "echo \$\$ >$T/out/pid1; exec sleep 1004")
b=$(task add --retries 1 --shell "echo \$\$ >>$T/out/pid2; [ \$(wc -l <$T/out/pid2) = 2 ] || exec sleep 1005")
d=$(task add --delay 3600 true)
rm -f "$T/out/pid"
awaits 5 "they run" '[ -s "$T/out/pid1" ] && [ -s "$T/out/pid2" ]'
kill_reeved
# What it ran is left, and its cgroups: nobody is there to remove them.
# shellcheck disable=SC2046
kill -KILL $(ours) $(cat "$T/out/pid1" "$T/out/pid2") 2>/dev/null
await 5 '[ -z "$(ours)" ] && all_gone $(cat "$T/out/pid1" "$T/out/pid2")'
find /sys/fs/cgroup -depth -type d -path "*/reeve-$REEVED*" -exec rmdir {} + 2>/dev/null
start_reeved
code 1 "it is lost" task wait "$a"
is "... and says so" "$(field "$a" state): $(field "$a" reason)" "lost: reeved ended while it ran"
code 0 "one with a retry is tried again" task wait "$b"
is "... its second try" "$(field "$b" tries)" 2
is "what waited still waits" "$(field "$d" state)" queued
# An orderly end is no other.
a=$(task add --retries 1 --shell "echo 1 >>$T/out/twice; [ \$(wc -l <$T/out/twice) = 2 ] || exec sleep 1006")
awaits 5 "it runs" '[ -s "$T/out/twice" ]'
end_reeved
is "reeved ends" "$CODE" 0
start_reeved
code 0 "an orderly end: tried again" task wait "$a"

plan_done
