#!/bin/sh
# reeved --exec: one program in a shell's foreground, without any file.
. "$(dirname "$0")/lib.sh"

cd "$T/out" || exit 1
export REEVE_TEST="$T"
x() { timeout $((20 * TEST_SLOW)) "$B/reeved" --exec "$@"; }
# bg NAME ARG...: in the background, output in NAME and NAME.err.
bg() {
	name=$1
	shift
	"$B/reeved" --exec "$@" >"$T/out/$name" 2>"$T/out/$name.err" </dev/null &
	REEVED=$!
	KEEPERS="$KEEPERS $REEVED"
}

# Raw output, exit codes.
x -- sh -c 'printf "no newline"; printf "to stderr" >&2; exit 7' >o 2>e
is "its exit code" $? 7
is "stdout is raw" "$(cat o)" "no newline"
is "stderr is raw, and reeved says nothing" "$(cat e)" "to stderr"
x -- true >o 2>&1
is "exit 0" "$? $(cat o)" "0 "
x -- sh -c 'kill -9 $$' >o 2>e
is "128 + signal" $? 137
has "which is told" e 'killed by SIGKILL'
x -v -- true >o 2>e
has "-v says more" e 'true.0 .* exited with 0'
is "no file is left behind" "$(ls -A "$T/run" "$T/state" "$T/log")" "$(printf '%s:\n\n' "$T/log" "$T/run" "$T/state")"

# What a shell would have passed on.
is "stdin is its own" "$(printf 'one\ntwo\n' | x -- cat)" "$(printf 'one\ntwo')"
is "arguments mean themselves" "$(x -- printf '%s|' "a b" "it's" '50% %(x)s' '$HOME' '')" "a b|it's|50% %(x)s|\$HOME||"
is "the folder" "$(x -- pwd)" "$T/out"
is "the umask" "$(umask 0027; x -- sh -c umask)" 0027
is "variables, and more of them" "$(A=1 x --env 'B=2 "x", %(y)s' -- sh -c 'echo "$A|$B"')" '1|2 "x", %(y)s'
is "sockets, by name" "$(x --socket "a=unix:$T/run/a" --socket "b=tcp://127.0.0.1:$(port 0)" -- sh -c 'echo "$LISTEN_FDS $LISTEN_FDNAMES"')" "2 a:b"
is "which are gone with it" "$(ls -A "$T/run")" ""
if [ "$(id -u)" = 0 ]; then
	is "another user" "$(x --user nobody -- sh -c 'echo "$(id -un) $USER"')" "nobody nobody"
else
	skip "another user" "root alone can"
fi
if command -v script >/dev/null; then
	is "a terminal stays one" "$(script -qec "$B/reeved --exec -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo tty'" /dev/null </dev/null | tr -d '\r')" tty
else
	skip "a terminal stays one" "script is not here"
fi

# Told to stop.
bg term -- sh -c 'trap "echo got it; exit 5" TERM; echo up; while :; do sleep 0.02; done'
awaits 10 "is up" 'grep -q up "$T/out/term"'
end_reeved
is "TERM: the program's own exit code" "$CODE" 5
has "which it gave in order" term 'got it'
bg int -- "$CHILD" append-pid "$T/out/int.pid" sleep
awaits 10 "is up" '[ -s "$T/out/int.pid" ]'
end_reeved INT
is "INT: by the stop signal, 128 + TERM" "$CODE" 143
bg quit --stop-signal INT -- sh -c 'trap "exit 8" INT; echo up; while :; do sleep 0.02; done'
awaits 10 "is up" 'grep -q up "$T/out/quit"'
end_reeved QUIT
is "QUIT is a stop as well; --stop-signal" "$CODE" 8
bg kill --stop-timeout 200ms -- "$CHILD" ignore-term append-pid "$T/out/kill.pid" sleep
awaits 10 "is up" '[ -s "$T/out/kill.pid" ]'
end_reeved
is "--stop-timeout, then KILL: 137" "$CODE" 137
bg hup -- sh -c 'trap "echo hup" HUP; trap "echo usr1; exit 9" USR1; echo up; while :; do sleep 0.02; done'
awaits 10 "is up" 'grep -q up "$T/out/hup"'
kill -HUP "$REEVED"
awaits 10 "HUP is handed on" 'grep -q hup "$T/out/hup"'
kill -USR1 "$REEVED"
wait_reeved
is "and USR1" "$CODE" 9

(trap '' HUP && exec "$B/reeved" --exec -- sh -c 'trap "exit 7" HUP; trap "exit 3" TERM; echo up; while :; do sleep 0.02; done') >hup.nohup 2>&1 </dev/null &
REEVED=$!
KEEPERS="$KEEPERS $REEVED"
awaits 10 "is up" 'grep -q up "$T/out/hup.nohup"'
kill -HUP "$REEVED"
end_reeved
is "under nohup, HUP is nothing" "$CODE" 3
x --ready 'log:^up' --set ready_timeout=15 -- sh -c 'echo up; echo oops >&2; seq 1000; exit 4' >o 2>e
is "--ready log: the code" $? 4
is "its output comes through reeved" "$(wc -l <o) $(tail -n 1 o) $(cat e)" "1001 1000 oops"

# An engine that dies is nobody's business.
bg engine -- sh -c 'echo up $$; trap "exit 4" TERM; while :; do sleep 0.02; done'
awaits 10 "is up" 'grep -q up "$T/out/engine"'
old=$(engine_pid)
kill -KILL "$old"
awaits 10 "another engine" '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != "$old" ]'
ok "the program goes on" kill -0 "$(sed -n 's/up //p' engine)"
kill -TERM "$REEVED"
wait_reeved
is "and its exit code comes" "$CODE" 4
is "it was started once" "$(wc -l <engine)" 1

# reevectl, when a control socket is wanted.
bg control --name web --control "$T/run/web.sock" --set max_lifetime=1h -- "$CHILD" append-pid "$T/out/pids" sleep
web() { timeout $((20 * TEST_SLOW)) "$B/reevectl" -s "$T/run/web.sock" "$@"; }
awaits 10 "status" 'web status | grep -q "web.*RUNNING"'
code 0 "roll" web roll web
is "has replaced it" "$(wc -l <pids)" 2
code 1 "there is no config to reload" web reload
has "which it says" "$T/out/ok" 'started with --exec'
code 1 "nor a queue" web task add -- true
has "which it says" "$T/out/ok" 'no queue'
code 0 "the config" web config web
has "names the options" "$T/out/ok" 'max_lifetime.*--set'
end_reeved
is "ends with its code" "$CODE" 143
is "the socket is gone" "$(ls -A "$T/run")" ""

# What is wrong.
is "reevectl help roll is roll --help" "$("$B/reevectl" help roll)" "$("$B/reevectl" roll --help)"
like "help: all verbs" "$("$B/reevectl" help)" "^  roll "
code 2 "no command" x
has "is said" "$T/out/ok" 'no command is given'
has "with the usage" "$T/out/ok" 'usage: reeved --exec'
code 2 "an unknown option" x --nosuch -- true
code 2 "an option without its value" x --name
code 2 "a bad --ready" x --ready soon -- true
has "names the option, and no file" "$T/out/ok" '^reeved: --ready: ready: .soon. is not'
code 2 "nothing to run" x --workers 0 -- true
has "says so" "$T/out/ok" "^reeved: --workers: 0 would run nothing"
code 2 "a bad --workers" x --workers many -- true
has "names it" "$T/out/ok" '^reeved: --workers: '
code 2 "a bad --socket" x --socket ftp://x -- true
has "names it" "$T/out/ok" '^reeved: --socket: '
code 2 "a bad --set" x --set nise=5 -- true
has "names it, and the nearest" "$T/out/ok" "^reeved: --set: .*did you mean 'nice'"
code 2 "a bad --name" x --name 'a b' -- true
has "names it" "$T/out/ok" '^reeved: --name: '
code 2 "no such user" x --user nobody-of-that-name -- true
has "names it" "$T/out/ok" '^reeved: --user: '
code 0 "--help" x --help
has "is the usage" "$T/out/ok" '^usage: reeved --exec'
code 127 "no such command" x -- no-such-command-here
is "one clear line" "$(wc -l <"$T/out/ok")" 1
has "names it" "$T/out/ok" "^reeved: .*no-such-command-here"
code 127 "no such file" x -- "$T/nowhere"
: >noexec
code 126 "not executable" x -- "$T/out/noexec"
has "says so" "$T/out/ok" 'not executable'
printf 'no magic\n' >magic
chmod +x magic
code 126 "not a program" x -- ./magic
"$WEB" "$(port 0)" >o 2>&1 &
W=$!
started $W
awaits 10 "a port is in use" 'port_used $(port 0)'
code 1 "which it needs" x --socket "tcp://:$(port 0)" -- true
has "says so" "$T/out/ok" 'ddress already in use|in use'
kill "$W"
cd "$T" || exit 1
plan_done
