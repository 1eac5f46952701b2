#!/bin/sh
# A command through the daemon: streams, stdin, exit code, signals, limits;
# it outlives an engine, not its client; what can't run says why.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:idle]
command = $CHILD sleep
EOT
start_reeved
run() { ctl run "$@"; }
run_bg() { # FILE ARG...: in the background; $RUN is its pid
	f=$1
	shift
	"$B/reevectl" -c "$CONF" run "$@" >"$f" 2>"$f.err" </dev/null &
	RUN=$!
	started "$RUN"
}

is "stdout" "$(run -- echo "two  words" '%n;$' 2>/dev/null)" 'two  words %n;$'
is "stderr" "$(run --shell 'echo no >&2' 2>&1 >/dev/null)" no
code 7 "the exit code" run sh -c 'exit 7'
code 137 "128 + the signal" run --shell 'kill -9 $$'
is "stdin and its end" "$(printf 'a\nb' | run cat)" "a
b"
head -c 3000000 /dev/urandom >"$T/out/bytes"
run cat "$T/out/bytes" | cmp - "$T/out/bytes" >"$T/out/cmp" 2>&1
is "3 MB of any bytes, unchanged" "$(cat "$T/out/cmp")" ""
is "the client's folder" "$(cd /usr && run pwd)" /usr
is "another folder" "$(run --cwd /usr/bin pwd)" /usr/bin
is "the client's environment" "$(A=1 "$B/reevectl" -c "$CONF" run --shell 'echo $A$B' 2>&1)" "1$B"
is "--env" "$(run --env A=x --env "C=a b" --shell 'echo $A-$C')" "x-a b"
printf 'FROM=file\n' >"$T/out/env"
is "--clear-env, --env-file" "$(run --clear-env --env-file "$T/out/env" /usr/bin/env | grep -v REEVE_TREE)" "FROM=file"
# shellcheck disable=SC2116
is "options end at the command" "$(run echo --env -t)" "--env -t"
is "--nice" "$(run --nice 7 nice)" 7
is "umask of the client" "$(umask 027 && run --shell umask)" 0027

code 127 "no such command" run nosuch-command
like "... says so" "$(run nosuch-command 2>&1)" "can't find command 'nosuch-command'"
code 126 "not executable" run /etc/passwd
like "... says so" "$(run /etc/passwd 2>&1)" "not executable"
: >"$T/out/rubbish" && chmod +x "$T/out/rubbish"
printf '#!/nonexistent/shell\n' >"$T/out/script" && chmod +x "$T/out/script"
code 127 "an interpreter that is not there" run "$T/out/script"
code 125 "a folder that is not there" run --cwd /dev/null true
code 2 "no command" run
code 2 "--env without =" run --env A true
big=$(head -c 100000 /dev/zero | tr '\0' x)
is "18 arguments of 100 kB" "$(run sh -c 'echo $#' sh "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" "$big" 2>&1 | cut -c 1-200)" 18

code 124 "--timeout" run --timeout 0.2 "$CHILD" ignore-term sleep
like "... says so" "$(run --timeout 0.2 "$CHILD" sleep 2>&1)" "not done within 200 ms"

json=$(run --json --shell 'echo out; echo err >&2; exit 3')
like "--json: stdout" "$json" '"stdout":"out\\n"'
like "--json: stderr" "$json" '"stderr":"err\\n"'
like "--json: exit code" "$json" '"exit_code":3,'
for member in stdout stderr exit_code exit_signal timed_out truncated duration_ms close_ms max_rss_kb started; do
	like "--json: has $member" "$json" "[{,]\"$member\":"
done
like "--json: memory and time are numbers" "$json" '"duration_ms":[0-9]+,.*"max_rss_kb":[1-9][0-9]+'
json=$(run --json --max-output 100 --shell 'echo begin; head -c 300000 /dev/zero; echo end')
like "output beyond the limit: head" "$json" '"stdout":"begin'
like "output beyond the limit: tail" "$json" 'end\\n"'
like "output beyond the limit: said" "$json" '"truncated":true'

# Signals of the client's are the command's.
run_bg "$T/out/sig" -- "$CHILD" on-term exit 9 append "$T/out/there" x sleep
awaits 5 "it runs" '[ -s "$T/out/there" ]'
kill -TERM "$RUN"
wait "$RUN"
is "SIGTERM reached it" "$?" 9

# Its client is gone: so it is, with what it started.
rm "$T/out/there"
run_bg "$T/out/gone" --shell "trap '' TERM; sleep 1001 & sleep 1002 & echo \$\$ \$! >$T/out/there; wait"
awaits 5 "it runs" '[ -s "$T/out/there" ]'
kill -KILL "$RUN"
read -r a b <"$T/out/there"
awaits 10 "none is left" 'gone "$a" && gone "$b"'

# An engine dies in the middle: the command, its output, its end do not.
run_bg "$T/out/lives" --shell "echo one; until [ -e $T/out/go ]; do sleep 0.02; done; echo two; exit 5"
awaits 5 "it runs" 'grep -q one "$T/out/lives"'
for i in 1 2 3; do
	e=$(engine_pid)
	kill_engine
	awaits 5 "another engine" '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != '"$e"' ] && ctl status'
done
: >"$T/out/go"
wait "$RUN"
is "its exit code" "$?" 5
is "its output" "$(cat "$T/out/lives")" "one
two"
# It ends while no engine is there.
rm "$T/out/go"
run_bg "$T/out/ends" --shell "echo one; until [ -e $T/out/go ]; do sleep 0.02; done; exit 6"
awaits 5 "it runs" 'grep -q one "$T/out/ends"'
kill -STOP "$(engine_pid)"
: >"$T/out/go"
kill_engine
wait "$RUN"
is "its exit code over the death of the engine" "$?" 6

# Its time is limited whichever engine is there, also when it was over without.
rm -f "$T/out/there"
run_bg "$T/out/limit" --json --timeout 2 --shell "trap '' TERM; echo begun >$T/out/there; while :; do sleep 0.05; done"
awaits 5 "one with a timeout" '[ -s "$T/out/there" ]'
kill_engine
wait "$RUN"
is "... is ended by the next engine" "$?" 124
like "... which says so" "$(cat "$T/out/limit")" '"exit_signal":9,"timed_out":true'

# Killed at any moment: none is lost, none is run twice.
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	run_bg "$T/out/n$i" --shell "echo $i >>$T/out/numbers; exit $i"
	eval "run$i=$RUN"
	[ $((i % 8)) != 0 ] || kill -KILL "$(engine_pid)"
done
bad=
while [ $i -gt 0 ]; do
	eval "wait \$run$i"
	rc=$?
	[ $rc = $i ] || bad="$bad $i:$rc"
	i=$((i - 1))
done
is "40 commands, engines killed: each exit code" "$bad" ""
is "... each was run once" "$(sort -n "$T/out/numbers" | uniq -c | awk '$1 != 1' | wc -l) $(wc -l <"$T/out/numbers")" "0 40"

# More of them than the daemon serves clients: those that are refused wait.
mkfifo "$T/out/fifo"
i=0
many=
while [ $i -lt 270 ]; do
	i=$((i + 1))
	"$B/reevectl" -c "$CONF" run cat "$T/out/fifo" >/dev/null 2>>"$T/out/many" &
	many="$many $!"
	started $!
done
awaits 20 "256 are served" 'grep -q "256 clients are connected" "$LOG"'
exec 8>"$T/out/fifo"
: >"$T/out/plain"
mv "$T/out/plain" "$T/out/fifo"
exec 8>&-
bad=0
for pid in $many; do
	wait "$pid" || bad=$((bad + 1))
done
is "270 at once: each is run" "$bad" 0
is "... and says nothing" "$(cat "$T/out/many")" ""

# Who has had enough does not wait for a reeved that hangs.
kill -STOP "$(engine_pid)"
run_bg "$T/out/hung" true
await 5 'ls -l "/proc/$RUN/fd" | grep -q signalfd'
kill -TERM "$RUN"
kill -HUP "$RUN"
awaits 4 "a second signal ends a client that nobody answers" 'gone "$RUN"'
kill -CONT "$(engine_pid)"
wait "$RUN"
like "... with such a signal" "$?" "^(129|143)\$"
has "... and is told" "$T/out/hung.err" "does not answer"

# A terminal.
need script && {
	like "--pty: a terminal of that size" "$(script -qec "stty rows 33 cols 99; $B/reevectl -c $CONF run --pty stty size" /dev/null </dev/null | tr -d '\r')" "33 99"
	like "--pty: the controlling one" "$(script -qec "$B/reevectl -c $CONF run --pty sh -c 'echo yes >/dev/tty'" /dev/null </dev/null)" yes
}
if [ "$(id -u)" = 0 ]; then
	is "--user" "$(run --user nobody id -un)" nobody
else
	skip "--user" "not root"
fi
awaits 5 "nothing of it is left with the keeper" '[ "$(pgrep -P "$REEVED" | wc -l)" = 2 ]'
plan_done
