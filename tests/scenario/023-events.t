#!/bin/sh
# Events have numbers; a reader goes on where it was; a gap is told.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 50ms
[program:noisy]
command = $CHILD exit 0
startsecs = 0
autostart = false
EOT
start_reeved
awaits 5 "web is up" 'all_state RUNNING web'
seqs() { grep -Eo '"seq" *: *[0-9]+' | grep -Eo '[0-9]+'; }
ctl --json events >"$T/out/events"
ok "there are some" test "$(seqs <"$T/out/events" | wc -l)" -ge 2
is "numbered without a hole" "$(seqs <"$T/out/events" | awk 'NR > 1 && $1 != p + 1 { print } { p = $1 }')" ""
like "they tell states" "$(ctl events)" "web\.0.*(STARTING|RUNNING)"
last=$(seqs <"$T/out/events" | tail -n 1)

ctl_bg "$T/out/follow" events -f --since "$last"
f=$BG
ctl restart --hard web
awaits 5 "-f tells them as they come" 'grep -q "web\.0.*RUNNING" "$T/out/follow"'
kill $f
wait $f 2>/dev/null
n=$(ctl --json events --since "$last" | seqs | head -n 1)
is "--since N: the next one" "$n" $((last + 1))
is "--since the last: none" "$(ctl --json events --since "$(ctl --json events | seqs | tail -n 1)" | seqs | wc -l)" 0

# The numbers outlive the engine, and a follower goes on by itself.
ctl_bg "$T/out/follow" events -f --since 0
f=$BG
await 5 'grep -q RUNNING "$T/out/follow"'
before=$(ctl --json events | seqs | tail -n 1)
kill_engine
after=$(ctl --json events | seqs | tail -n 1)
ok "numbers only grow ($before, $after)" test "$after" -ge "$before"
ctl stop web
awaits 10 "the follower goes on after the engine was killed" 'grep -q "STOPPED" "$T/out/follow"'
is "and was told nothing twice" "$(awk '{ print $1 }' "$T/out/follow" | grep -E '^[0-9]+$' | sort | uniq -d)" ""
kill $f
wait $f 2>/dev/null

# More than the ring holds: the gap is told, the newest are there.
ctl start --no-wait noisy
await 60 '[ "$(ctl --json events --since 1 | seqs | head -n 1)" -gt 100 ]'
code 0 "since a number that is gone" ctl events --since 1
has "the gap is told" "$T/out/ok" "gap|lost|missed|gone"
ctl stop noisy
plan_done
