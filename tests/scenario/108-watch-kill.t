#!/bin/sh
# No change is lost with an engine; and what cannot be watched is said.
. "$(dirname "$0")/lib.sh"

W=$T/out/app
mkdir -p "$W/src"
conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 0
directory = $W
watch = src/** -> build -> roll
watch_delay = 50ms
[task:build]
directory = $W
shell = echo "\$REEVE_CHANGED_COUNT:\$REEVE_CHANGED" >>log; while test -e hold; do sleep 0.05; done
[task:slow]
directory = $W
shell = echo "\$REEVE_CHANGED_COUNT:\$REEVE_CHANGED" >>slow
on_change = slow.txt
on_change_delay = 1500ms
EOT
start_reeved
awaits 10 "all is up" 'all_state RUNNING'
lines() { { wc -l <"$W/$1"; } 2>/dev/null; }
last() { tail -n 1 "$W/$1"; }
quiet() { ! ctl --json task list | grep -Eq '"state" *: *"(queued|running)"'; }

# It has not read it.
pid=$(pid_of web.0)
kill -STOP "$(engine_pid)"
echo 1 >"$W/src/a"
mkdir "$W/src/new"
kill_engine
awaits 20 "a change that no engine has read: a run" '[ "$(lines log)" = 1 ]'
is "... which is told of it" "$(last log)" "1:src/a"
awaits 20 "... and a roll" '[ "$(pid_of web.0)" != "$pid" ] && is_state web.0 RUNNING'
awaits 10 "... no more" 'quiet && [ "$(lines log)" = 1 ]'
echo 1 >"$W/src/new/b"
awaits 20 "a folder of that time is watched" '[ "$(lines log)" = 2 ]'
is "... and no name was lost" "$(last log)" "1:src/new/b"

# It has read it, and waits for the end of the burst.
echo 1 >"$W/slow.txt"
ctl status >/dev/null
kill_engine
awaits 30 "a change that was read: a run" '[ "$(lines slow)" = 1 ]'
kill_engine
awaits 10 "... one" 'quiet && [ "$(lines slow)" = 1 ]'
echo 2 >"$W/slow.txt"
awaits 30 "... and the next one" '[ "$(lines slow)" = 2 ]'
is "... by name" "$(last slow)" "1:slow.txt"

# Changes wait for the end of a run.
n=$(lines log)
: >"$W/hold"
echo 2 >"$W/src/a"
awaits 20 "a run that lasts" '[ "$(lines log)" = '$((n + 1))' ]'
echo 3 >"$W/src/a"
awaits 10 "... a change meanwhile" 'ctl events | grep -q change_waits || ctl --json events | grep -q change_waits'
kill_engine
pid=$(pid_of web.0)
awaits 10 "... the run goes on without the engine" '! quiet'
rm "$W/hold"
awaits 20 "... and the other follows" '[ "$(lines log)" = '$((n + 2))' ]'
awaits 20 "... and a roll" '[ "$(pid_of web.0)" != "$pid" ] && is_state web.0 RUNNING'
awaits 10 "... all is quiet" 'quiet'
is "... there were two runs" "$(lines log)" $((n + 2))

# overlap = kill: not after it, instead of it.
sed -i 's/^\[task:build\]/&\noverlap = kill/' "$CONF"
code 0 "overlap = kill" ctl reload
n=$(lines log)
: >"$W/hold"
echo 4 >"$W/src/a"
awaits 20 "a run that lasts" '[ "$(lines log)" = '$((n + 1))' ]'
echo 5 >"$W/src/a"
awaits 20 "... is ended, another begins" '[ "$(lines log)" = '$((n + 2))' ]'
rm "$W/hold"
awaits 10 "... and ends" 'quiet'
like "... the first was cancelled" "$(ctl task list --all)" 'cancelled'
end_reeved

# The limit of a user namespace is our own.
if ! unshare -Ur sh -c 'echo 1 >/proc/sys/user/max_inotify_watches' 2>/dev/null; then
	skip "a limit that is reached" "no user namespaces"
	plan_done
	exit 0
fi
cat >"$T/out/limited" <<'EOT'
#!/bin/sh
echo 2 >/proc/sys/user/max_inotify_watches
exec "$@"
EOT
chmod +x "$T/out/limited"
WRAP="unshare -Ur $T/out/limited"
start_reeved
awaits 10 "reeved starts at the limit" 'all_state RUNNING'
awaits 10 "... and says what to do" 'ctl status web | grep -q "watch .*no inotify watches"'
like "... in the log" "$(cat "$T"/out/reeved)" 'fs.inotify.max_user_watches'
like "... of the task" "$(ctl --json events)" 'watch_trouble'
plan_done
