#!/bin/sh
# Save a file: the build runs, the workers roll; a failed build leaves them.
. "$(dirname "$0")/lib.sh"

p=$(port 0)
W=$T/out/app
mkdir -p "$W/src/sub"
echo 1 >"$W/src/main.c"
conf <<EOT
[program:web]
command = $WEB
directory = $W
socket = tcp://127.0.0.1:$p
workers = 2
ready = notify
watch = src/**, !src/**/*.tmp -> build -> roll web
watch_exclude = *.o
watch_delay = 300ms
[program:plain]
command = $CHILD sleep
startsecs = 0
directory = $W
watch = plain.{yml,json} -> restart
watch_delay = 50ms
[task:build]
directory = $W
shell = echo \$REEVE_CHANGED_COUNT: \$REEVE_CHANGED >>log; while test -e hold; do sleep 0.05; done; test ! -e broken
[task:lint]
shell = echo \$REEVE_TASK \$REEVE_CHANGED_COUNT: \$REEVE_CHANGED >>$W/lint
directory = $W
on_change = lib, *.md
on_change_exclude = *.log, /lib/out/, !keep.log
on_change_delay = 50ms
EOT
start_reeved
awaits 10 "all are up" 'all_state RUNNING'
web() { pids web | sort | tr '\n' ' '; }
log() { cat "$W/log" 2>/dev/null; }
runs() { log | wc -l; }
rolled() { # OLD: none of these is left, two others run
	[ "$(web | wc -w)" = 2 ] && all_state RUNNING &&
	    [ -z "$(printf '%s\n%s\n' "$1" "$(web)" | tr ' ' '\n' | sed '/^$/d' | sort | uniq -d)" ]
}
# Requests go on all the while.
ask() {
	while [ ! -e "$T/out/enough" ]; do
		get "http://127.0.0.1:$p/" >/dev/null || echo lost >>"$T/out/lost"
		echo . >>"$T/out/asked"
	done
}
ask &
asking=$!
started $asking

old=$(web)
echo 2 >"$W/src/main.c"
awaits 20 "a save: a build, and a roll" 'rolled "$old"'
is "... one run, which is told the path" "$(log)" "1: src/main.c"
like "... events say what changed" "$(ctl --json events)" '"web","kind":"changed","text":"src/main.c"'
like "... and what was done" "$(ctl --json events)" '"web","kind":"watch","text":"roll web"'

: >"$W/broken"
old=$(web)
echo 3 >"$W/src/sub/x.h"
awaits 10 "a build that fails" 'ctl events | grep -q "task_ended.*failed\|is failed"'
is "... leaves the workers alone" "$(web)" "$old"
like "... it was told" "$(log)" "1: src/sub/x.h"
rm "$W/broken"

n=$(runs)
echo 3 >"$W/main.c.new"
mv "$W/main.c.new" "$W/src/main.c"
awaits 20 "an editor that renames: a roll" 'rolled "$old"'
is "... one run" "$(runs)" $((n + 1))

vi=$(command -v vim.tiny || command -v vim)
if [ -n "$vi" ]; then
	old=$(web)
	n=$(runs)
	# As it saves by default: a probe, a backup, a new file, a swap file.
	"$vi" -u NONE -N -es -c 'set backup' -c 'normal oint x;' -c wq "$W/src/main.c" >/dev/null 2>&1
	has "vim saves" "$W/src/main.c" "^int x;"
	awaits 20 "... a roll" 'rolled "$old"'
	is "... one run, told of that file alone" "$(($(runs) - n)) $(log | tail -n 1)" "1 1: src/main.c"
else
	skip "vim saves" "no vim is here"
fi

# Nothing of this counts.
mkdir "$W/src/.git"
for f in .git/HEAD a.o .main.c.swp main.c~ sub/y.tmp 4913; do
	echo x >"$W/src/$f"
done
old=$(web)
n=$(runs)
mkdir -p "$W/src/new/deep"
echo 4 >"$W/src/new/deep/f.c"
awaits 20 "a file in a new folder: a roll" 'rolled "$old"'
is "... and nothing else was told" "$(log | tail -n 1)" "1: src/new/deep/f.c"
is "... in one run" "$(runs)" $((n + 1))

old=$(web)
n=$(runs)
# In one go, however slow this machine is: a pause would be the burst's end.
mkdir "$W/many"
seq 1000 | (cd "$W/many" && split -l 1 -a 3)
mv "$W/many"/* "$W/src/new"
awaits 20 "a thousand files: a roll" 'rolled "$old"'
is "... in one run" "$(runs)" $((n + 1))
like "... that was told of all" "$(log | tail -n 1)" '^1000: src/new/xaaa src'

# A change during a run: once again afterwards, for all that came.
awaits 10 "all is quiet" '! ctl --json task list | grep -q "\"state\" *: *\"\(queued\|running\)\""'
n=$(runs)
: >"$W/hold"
echo 5 >"$W/src/main.c"
awaits 10 "a run that lasts" '[ "$(runs)" = '$((n + 1))' ]'
echo 6 >"$W/src/a.c"
awaits 10 "... a change meanwhile waits" 'ctl --json events | grep -q "change_waits.*src/a.c"'
echo 7 >"$W/src/b.c"
awaits 10 "... with another one" 'ctl --json events | grep -q "change_waits.*src/b.c"'
is "... and none has begun" "$(runs)" $((n + 1))
rm "$W/hold"
awaits 10 "... one run follows" '[ "$(runs)" = '$((n + 2))' ]'
is "... for both" "$(log | tail -n 1)" "2: src/a.c src/b.c"

like "a task says what it watches" "$(ctl --json task show lint | tr -d ' \n')" '"watch":{"directories":1,"complete":true,'

pid=$(pid_of plain.0)
echo 1 >"$W/other.yml"
echo 1 >"$W/plain.json"
awaits 10 "without a task: at once" '[ "$(pid_of plain.0)" != "$pid" ] && is_state plain.0 RUNNING'

mkdir -p "$W/lib/x"
echo 1 >"$W/lib/x/y"
awaits 10 "on_change of a task, in a folder that was not there" '[ -s "$W/lint" ]'
rm "$W/lint"
echo 1 >"$W/README.md"
awaits 10 "... and the other pattern" '[ -s "$W/lint" ]'
awaits 10 "... which ends" 'ctl task show lint | grep -q done'
mkdir -p "$W/lib/out"
echo 1 >"$W/lib/x/a.log"
echo 1 >"$W/lib/out/b"
echo 1 >"$W/lib/x/keep.log"
awaits 10 "on_change_exclude: all but what is kept" '[ "$(tail -n 1 "$W/lint")" = "lint 1: lib/x/keep.log" ]'

: >"$T/out/enough"
await 20 "gone $asking"
ok "requests were served all the while" test -s "$T/out/asked"
ok "... and none was lost" test ! -e "$T/out/lost"

# The watch is not there any more: nothing runs.
sed -i '/^watch/d' "$CONF"
code 0 "a reload takes watch= away" ctl reload
n=$(runs)
old=$(web)
echo 8 >"$W/src/main.c"
echo 1 >"$W/NEWS.md"
awaits 10 "... a task's own is still there" '[ "$(wc -l <"$W/lint")" -ge 2 ]'
is "... and no build ran" "$(runs)" "$n"
# The keeper drops it a moment later.
awaits 10 "... descriptors of watches" \
    '[ "$(find "/proc/$REEVED/fd" -lname "*inotify" | wc -l)" = 1 ]'

# What writes its own files is told of, however short its runs are.
cat >>"$CONF" <<EOT
[task:self]
shell = echo x >>$W/self/out
on_change = $W/self/**
on_change_delay = 50ms
EOT
mkdir "$W/self"
code 0 "a task that writes what it watches" ctl reload
echo 1 >"$W/self/in"
awaits 20 "... is said to" 'ctl --json events | grep "watch_loop.*files change while it runs, each time: .*self/out"'
like "... in the log" "$(cat "$T"/log/reeve.log*)" "task:self: each of the last 5 runs was followed by the next, because files changed"
plan_done
