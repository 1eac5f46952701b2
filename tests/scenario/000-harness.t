#!/bin/sh
# What the other scenarios stand on: lib.sh and child.
. "$(dirname "$0")/lib.sh"

is "is" a a
like "like" "one two" "^one +two$"
unlike "unlike" "one two" "three"
code 3 "code" sh -c 'exit 3'
ok "await: a condition that comes" await 5 'true'
t0=$(now_ms)
await 1 false && fail "await gives up"
ok "... after its time" test $(($(now_ms) - t0)) -ge 900
is "the environment is clean" "$(env | grep -c '^\(SUDO\|SSH\|XDG\|NOTIFY\|LISTEN\)')" 0

# What is left is found: by the variable, and by a path on the command line.
env REEVE_TEST="$T" "$CHILD" sleep &
a=$!
started $a
env -u REEVE_TEST "$CHILD" print x wait-file "$T/out/never" >/dev/null &
b=$!
started $b
awaits 5 "both are found" '[ "$(ours | wc -l)" = 2 ]'
like "described" "$(describe $a)" "pid $a .*child sleep"
ok "alive" alive $a
kill $a $b
wait $a $b 2>/dev/null
ok "gone" gone $a
is "none is found" "$(ours)" ""

c() { timeout 10 "$CHILD" "$@" >"$T/out/c" 2>&1; }
c print one print-err two
is "words are done in order" "$(tr '\n' ' ' <"$T/out/c")" "one two "
code 7 "exit" "$CHILD" exit 7
code 99 "an unknown word" "$CHILD" frobnicate
code 99 "a missing argument" "$CHILD" exit
code 64 "no word" "$CHILD"
code 0 "--help" "$CHILD" --help
[ "$VARIANT" != release ] || code 139 "segv" sh -c "\"$CHILD\" segv"
"$CHILD" kill 10 2>/dev/null
is "kill" $? 138
c if-equal a a print same if-equal a b print other if-equal a b if-equal a a print inner print end
is "if-equal" "$(tr '\n' ' ' <"$T/out/c")" "same end "
for _ in 1 2 3; do "$CHILD" first 2 "$T/out/count" print early print always; done >"$T/out/c"
is "first" "$(sort "$T/out/c" | uniq -c | tr -s ' \n' ' ')" " 3 always 2 early "
c if-equal a b on-term append "$T/out/x" text print on
is "skipped words take their arguments along" "$(cat "$T/out/c")" on
"$CHILD" on-term exit 5 touch "$T/out/up" sleep &
a=$!
await 5 '[ -e "$T/out/up" ]'
kill $a
wait $a
is "on-term exit" $? 5
is "flood" "$("$CHILD" flood 100k | wc -c)" 102400
is "print-lines" "$("$CHILD" print-lines 3 | tail -n 1)" "line 3"
"$CHILD" fork-grandchild "$T/out/gc" setsid-grandchild "$T/out/gc" daemon-grandchild "$T/out/gc" exit 0
is "grandchildren" "$(wc -l <"$T/out/gc")" 3
while read -r p; do
	ok "grandchild $p lives" alive "$p"
	kill -KILL "$p"
done <"$T/out/gc"
"$CHILD" dump "$T/out/dump" </dev/null
is "dump: cwd" "$(sed -n 's/^cwd=//p' "$T/out/dump")" "$T"
is "dump: complete" "$(tail -n 1 "$T/out/dump")" "end=1"
is "dump: stdin" "$(sed -n 's/^fd.0=//p' "$T/out/dump")" /dev/null
"$CHILD" ready-fd 9 9>"$T/out/nl"
is "ready-fd" "$(od -An -c "$T/out/nl" | tr -d ' ')" '\n'
plan_done
