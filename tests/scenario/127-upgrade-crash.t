#!/bin/sh
# A new reeved that passes the check, and dies when it is executed: the engine
# goes on, with the program that was.
. "$(dirname "$0")/lib.sh"

mkdir "$T/bin"
cp "$B/reeved" "$B/reeve-engine" "$T/bin/"
conf <<EOT
[program:web]
command = $CHILD sleep
workers = 2
EOT
env REEVE_TEST="$T" "$T/bin/reeved" -n -c "$CONF" >"$T/out/reeved" 2>&1 </dev/null &
REEVED=$!
KEEPERS=$REEVED
awaits 10 "all are up" 'all_state RUNNING'
were=$(pids web)
cat >"$T/bin/.new" <<EOT
#!/bin/sh
[ "\$1" = --upgrade-check ] && exec $B/reeved "\$@"
exit 3
EOT
chmod 755 "$T/bin/.new"
mv "$T/bin/.new" "$T/bin/reeved"
heir=$(engine_pid)
code 1 "the upgrade fails" ctl upgrade
wait "$REEVED"
is "it was executed" "$?" 3
REEVED=$heir
KEEPERS="$KEEPERS $heir"
started "$heir"
awaits 10 "all goes on" '[ -n "$(engine_pid)" ] && ctl status >/dev/null 2>&1'
is "nobody was restarted" "$(pids web)" "$were"
ok "by the program that was" eval 'readlink "/proc/$REEVED/exe" | grep -q "bin/reeved (deleted)\$"'
mv "$T/bin/reeved" "$T/bin/bad"
cp "$B/reeved" "$T/bin/reeved"
code 0 "a good one, after that" ctl upgrade
ok "is what runs" eval '[ "$(readlink "/proc/$REEVED/exe")" = "$T/bin/reeved" ]'
is "still nobody was restarted" "$(pids web)" "$were"

# No engine to be had for a while: it is tried again with growing pauses, and
# nothing else notices.
mv "$T/bin/reeve-engine" "$T/bin/away"
chmod a-x "$T/bin/away" # it is open
# That of the upgrade may be leaving just now, which is as good.
kill -KILL "$(engine_pid)" 2>"$T/out/kill"
steady 2 'true'
mv "$T/bin/away" "$T/bin/reeve-engine"
chmod a+x "$T/bin/reeve-engine"
awaits 20 "it is there again" '[ -n "$(engine_pid)" ] && ctl status'
n=$(grep -c "error keeper engine.*\(No such file\|Permission\)" "$LOG")
ok "it was tried again, and not all the time ($n times)" test "$n" -ge 3 -a "$n" -le 30
is "still nobody was restarted" "$(pids web)" "$were"

# What is installed meanwhile is not what a dead engine's successor is.
printf '#!/bin/sh\nexit 1\n' >"$T/bin/.new"
chmod 755 "$T/bin/.new"
mv "$T/bin/.new" "$T/bin/reeve-engine"
for i in 1 2 3; do
	kill_engine
	ok "$i: an engine of the version that runs" eval 'readlink "/proc/$(engine_pid)/exe" | grep -q "reeve-engine (deleted)\$"'
done
is "... nobody was restarted" "$(pids web)" "$were"
kill_keeper
awaits 10 "so is that of an heir" heir_is_up
ok "... which is the same" eval 'readlink "/proc/$(engine_pid)/exe" | grep -q "reeve-engine (deleted)\$"'
is "... nobody was restarted" "$(pids web)" "$were"
cp "$B/reeve-engine" "$T/bin/.new"
mv "$T/bin/.new" "$T/bin/reeve-engine"
end_heir
plan_done
