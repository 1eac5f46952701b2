#!/bin/sh
# What cannot be started: run, a task of the queue and one of the config say at
# what step, why and about which path, with the same exit code, and the queue
# still knows it when its engine was killed.
. "$(dirname "$0")/lib.sh"

: >"$T/noexec"
printf '#!/nonexistent/shell\n' >"$T/script" && chmod +x "$T/script"
mkdir "$T/gone" "$T/there"
conf <<EOT
[program:idle]
command = $CHILD sleep
[task:absent]
command = $T/absent
[task:noexec]
command = $T/noexec
[task:script]
command = $T/script
[task:folder]
command = /bin/true
directory = $T/gone
[task:folder-of]
command = ./x
directory = $T/gone
EOT
start_reeved
field() { # ID MEMBER
	ctl task list --all --json | tr -d '\n' | sed 's/},{/}\n{/g' |
	    grep "\"id\":$1," | sed -n "s/.*\"$2\":\(\"[^\"]*\"\|[^,}]*\).*/\1/p" | tr -d '"'
}
fields() { echo "$(field "$1" state) $(field "$1" stage) $(field "$1" errno_name) $(field "$1" path)"; }

ids=
failed() { # CODE STAGE ERRNO PATH ARG...: by run and by the queue
	c=$1 stage=$2 errno=$3 path=$4
	shift 4
	code "$c" "run $*" ctl run "$@"
	like "... is told" "$(ctl run --json "$@")" "\"started\":false,.*\"stage\":\"$stage\",\"errno_name\":\"$errno\",\"path\":\"$path\""
	mkdir -p "$T/gone"
	ctl task pause >/dev/null
	id=$(ctl task add "$@")
	rmdir "$T/gone"
	ctl task resume >/dev/null
	code "$c" "... of a task" ctl task wait "$id"
	is "... is kept" "$(fields "$id")" "failed $stage $errno $path"
	has "... in words" "$T/out/ok" ": "
	ids="$ids $id"
}
rmdir "$T/gone"
failed 127 exec ENOENT nosuch-command nosuch-command
failed 127 exec ENOENT "$T/absent" "$T/absent"
failed 127 exec ENOENT "$T/script" "$T/script"
failed 126 exec EACCES "$T/noexec" "$T/noexec"
failed 125 directory ENOENT "$T/gone" --cwd "$T/gone" true
failed 125 directory ENOENT "$T/gone" --cwd "$T/gone" ./true
failed 125 directory ENOTDIR /dev/null --cwd /dev/null true
id=$( (printf 'echo '; head -c 140000 /dev/zero | tr '\0' x) | ctl task add --each-line)
code 126 "a line that the kernel does not take" ctl task wait "$id"
like "... is kept" "$(fields "$id")" "^failed exec E2BIG /.*/sh$"
ids="$ids $id"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	mkdir -m 700 "$T/closed"
	chmod 755 "$T"
	failed 125 directory EACCES "$T/closed" --user 1234:1234 --cwd "$T/closed" true
	has "a user that is not there is refused, by name" "$(f=$T/out/user; ctl task add --user no-such-user true 2>"$f"; echo "$f")" "no such user 'no-such-user'"
	code 1 "... task add" ctl task add --user no-such-user true
	code 125 "... run" ctl run --user no-such-user true
else
	skip "other users" "not root, or no setpriv"
fi

# Of the config: the same.
named() { # CODE STAGE ERRNO PATH NAME
	code "$1" "task run $5" ctl task run "$5"
	id=$(ctl task show --json "$5" | tr -d ' \n' | sed -n 's/.*"last":{"id":\([0-9]*\).*/\1/p')
	is "... is kept" "$(fields "$id")" "failed $2 $3 $4"
	code "$1" "... task wait" ctl task wait "$id"
	ids="$ids $id"
}
named 127 exec ENOENT "$T/absent" absent
named 126 exec EACCES "$T/noexec" noexec
named 127 exec ENOENT "$T/script" script
named 125 directory ENOENT "$T/gone" folder
named 125 directory ENOENT "$T/gone" folder-of

# Another engine, another reeved.
told() { for i in $ids; do fields "$i"; done; }
told >"$T/before"
kill_engine
is "an engine that is killed takes nothing of it" "$(told)" "$(cat "$T/before")"
end_reeved
start_reeved
is "... nor does reeved" "$(told)" "$(cat "$T/before")"
# shellcheck disable=SC2086
set -- $ids
like "why says it" "$(ctl why "$2")" "is failed: run $T/absent: No such file"
like "... the step, the error and the path" "$(ctl why "$2")" "^  not started: stage exec, ENOENT, path $T/absent$"
like "why --json" "$(ctl --json why "$5" | tr -d ' \n')" "\"stage\":\"directory\",\"errno_name\":\"ENOENT\",\"path\":\"$T/gone\""

# The engine dies between its request and the answer: the next one knows no
# more of it than the keeper and the queue.
between() { # ARG...: how a task is begun
	e=$(engine_pid)
	kill -STOP "$REEVED"
	id=$("$@")
	awaits 5 "it is begun" 'is_field $id state running'
	kill -KILL "$e"
	kill -CONT "$REEVED"
	awaits 10 "another engine" 'ctl status'
}
is_field() { [ "$(field "$1" "$2")" = "$3" ]; }
between ctl task add "$T/script"
code 127 "a task between two engines" ctl task wait "$id"
is "... has it all" "$(fields "$id")" "failed exec ENOENT $T/script"
like "... in words, too" "$(ctl why "$id")" "is failed: execute $T/script: No such file"
between ctl task run --no-wait script
code 127 "one of the config" ctl task wait "$id"
is "... has it all" "$(fields "$id")" "failed exec ENOENT $T/script"
# A client's command: its client asks again, with what it was.
run_between() { # ARG...
	e=$(engine_pid)
	kill -STOP "$REEVED"
	"$B/reevectl" -c "$CONF" run "$@" <"$T/out/empty" >"$T/out/run" 2>"$T/out/err" &
	run=$!
	started $run
	awaits 5 "it is begun" asked
	kill -KILL "$e"
	kill -CONT "$REEVED"
	awaits 10 "another engine" 'ctl status'
	wait $run
}
# Until it has started the engine keeps what it is to get.
asked() { find "/proc/$e/fd" -lname "$T/out/empty" | grep -q .; }
run_between --json "$T/script"
is "run between two engines" "$?" 127
like "... has it all" "$(cat "$T/out/run")" "\"started\":false,.*\"stage\":\"exec\",\"errno_name\":\"ENOENT\",\"path\":\"$T/script\".*\"error\":\"execute $T/script: No such file"
run_between --cwd "$T/gone" true
is "... in a folder" "$?" 125
has "... in words" "$T/out/err" "$T/gone: No such file"
between ctl task add --cwd "$T/gone" true
code 125 "a folder" ctl task wait "$id"
is "... has it all" "$(fields "$id")" "failed directory ENOENT $T/gone"

# What was in the way of one try is not told of the next.
id=$(ctl task add --retries 1 "$T/later")
awaits 10 "the first try has failed" '[ "$(field $id tries)" = 1 ] && [ "$(field $id state)" = queued ]'
is "... is told while it waits" "$(fields "$id")" "queued exec ENOENT $T/later"
printf '#!/bin/sh\nexit 0\n' >"$T/later.new"
chmod +x "$T/later.new"
mv "$T/later.new" "$T/later"
code 0 "it is tried again" ctl task wait "$id"
is "... and nothing was in its way" "$(fields "$id")" "done null null null"
like "help has the exit codes" "$(ctl run --help)" "125: it could not"
plan_done
