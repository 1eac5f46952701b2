#!/bin/sh
# A burst of commands, more than the daemon has room for at once: they queue
# and go on, each runs once and each client has its own answer; the engine's
# death in the midst changes nothing.
. "$(dirname "$0")/lib.sh"
need xargs python3

n=200
[ "$TEST_LONG" = 0 ] || n=5000
conf </dev/null
start_reeved
# NAME COUNT AT_ONCE OPTION
burst() {
	seq "$2" | timeout $((300 * TEST_SLOW)) xargs -P "$3" -I{} "$B/reevectl" -c "$CONF" run ${4:+"$4"} \
	    --shell "echo {} >>$T/out/$1.ran; echo {}" >"$T/out/$1" 2>"$T/out/$1.err"
}
counts() { # NAME: lines, different ones, runs, different ones
	echo "$(wc -l <"$T/out/$1") $(sort -u "$T/out/$1" | wc -l)" \
	    "$(wc -l <"$T/out/$1.ran") $(sort -u "$T/out/$1.ran" | wc -l)"
}

# As many clients as may be, and they stay: who comes then waits for a turn.
cat >"$T/hold.py" <<EOT
import socket, time
held = []
while len(held) < 256:
    s = socket.socket(socket.AF_UNIX)
    s.connect("$T/run/reeve.sock")
    held.append(s)
open("$T/out/full", "w").close()
time.sleep(600)
EOT
python3 "$T/hold.py" &
hold=$!
started $hold
awaits 10 "no more are served" '! ctl status >/dev/null 2>&1 && [ -e "$T/out/full" ]'
"$B/reevectl" -c "$CONF" run --shell "echo ran" >"$T/out/turn" 2>&1 &
turn=$!
started $turn
"$B/reevectl" -c "$CONF" task add --shell "echo added >>$T/out/added" >"$T/out/id" 2>&1 &
add=$!
started $add
awaits 10 "two more come" '[ "$(grep -c "client refused" "$T"/log/reeve*.log)" -ge 4 ]'
ok "... and wait" alive "$turn"
ok "... both" alive "$add"
kill "$hold"
wait "$turn"
is "a command has its turn" "$? $(cat "$T/out/turn")" "0 ran"
wait "$add"
is "a task, too" "$? $(cat "$T/out/id")" "0 1"
awaits 10 "it ran" '[ "$(cat "$T/out/added")" = added ]'

burst run "$n" 60 "" &
b=$!
started $b
awaits 30 "a burst of $n" '[ "$(wc -l <"$T/out/run")" -gt 50 ]'
kill_engine
wait $b
is "its commands: exit code" $? 0
is "... each ran once" "$(counts run)" "$n $n $n $n"

burst detach "$n" 60 --detach &
b=$!
started $b
awaits 30 "a burst of $n with --detach" '[ -s "$T/out/detach.ran" ]'
kill_engine
wait $b
is "its clients: exit code" $? 0
awaits 120 "all end" '[ "$(ctl task list --json)" = "[]" ]'
is "... each ran once, and has an id of its own" "$(counts detach)" "$n $n $n $n"
is "... and has been kept as done" "$(ctl task list --all --json | grep -o '"state":"done"' | wc -l)" "$((n + 1))"
plan_done
