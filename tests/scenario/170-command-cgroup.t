#!/bin/sh
# The cgroup of a command is the next one's, when nothing is left in it.
. "$(dirname "$0")/lib.sh"

conf </dev/null
start_reeved
own() { ctl run -- sed -n 's/^0:://p' /proc/self/cgroup; }
first=$(own)
case $first in
*/reeve-$REEVED/command.*) ;;
*) skip_all "commands have no cgroup of their own here: $first" ;;
esac
is "used again" "$(own)" "$first"
is "and again" "$(own)" "$first"

# One that had to be cleared is used no more, nor one that was killed in.
# With a session of its own: the keeper ends the group as it reaps its leader.
cat >"$T/leaves" <<EOT
sed -n 's/^0:://p' /proc/self/cgroup >$T/out/left
setsid sleep 1000 &
until [ "\$(cut -d ' ' -f 6 /proc/\$!/stat)" = \$! ]; do sleep 0.01; done
echo \$! >$T/out/sleeper
EOT
code 0 "leaves somebody behind" ctl run -- sh "$T/leaves"
is "it had the same" "$(cat "$T/out/left")" "$first"
await 5 'gone "$(cat "$T/out/sleeper")"' || fail "what it left is ended"
second=$(own)
isnt "a new one after that" "$second" "$first"
code 137 "killed" ctl run -- sh -c 'kill -KILL $$'
third=$(own)
isnt "a new one after that, too" "$third" "$second"

# A folder that it made stays nobody's.
code 0 "makes a folder in it" ctl run -- sh -c \
    'for d in /sys/fs/cgroup /sys/fs/cgroup/unified; do
	at=$d$(sed -n "s/^0:://p" /proc/self/cgroup); [ ! -e "$at/cgroup.procs" ] || mkdir "$at/below"; done'
isnt "a new one after that as well" "$(own)" "$third"

# Two at once have one each, and an engine's death leaves each its own.
mkfifo "$T/go1" "$T/go2"
for i in 1 2; do
	"$B/reevectl" -c "$CONF" run -- sh -c \
	    "sed -n 's/^0:://p' /proc/self/cgroup >$T/out/at$i; read -r x <$T/go$i; exit $i" &
	eval "run$i=$!"
	started $!
	await 5 '[ -s "$T/out/at'$i'" ]'
done
isnt "two at once" "$(cat "$T/out/at1")" "$(cat "$T/out/at2")"
kill_engine
new=$(own)
isnt "the next engine takes none that is in use" "$new" "$(cat "$T/out/at1")"
isnt "neither of them" "$new" "$(cat "$T/out/at2")"
echo >"$T/go1"
echo >"$T/go2"
wait "$run1"
is "exit code over the death" $? 1
wait "$run2"
is "and of the other" $? 2
is "one that is kept at most, of all" "$(find /sys/fs/cgroup -path "*/reeve-$REEVED/command.*" -type d | wc -l)" 1
plan_done
