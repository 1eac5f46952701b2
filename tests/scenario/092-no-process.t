#!/bin/sh
# No process can be made (RLIMIT_NPROC): commands and tasks wait, are begun
# when there is room, and nothing is lost; a burst of commands.
. "$(dirname "$0")/lib.sh"
need prlimit setpriv
[ "$(id -u)" = 0 ] || skip_all "this is for root"

conf <<EOT
cpu_slots = 4
[program:idle]
command = $CHILD sleep
EOT
chmod 777 "$T/run" "$T/log" "$T/state" "$T/out"
uid=$((47000 + $$ % 900))
WRAP="setpriv --reuid=$uid --regid=$uid --clear-groups"
chown "$uid" "$CONF"
start_reeved
ctl() { timeout $((60 * TEST_SLOW)) setpriv --reuid="$uid" --regid="$uid" --clear-groups \
    "$B/reevectl" -c "$CONF" "$@"; }
task() { ctl task "$@"; }

# Room for nothing more: what the user has, counted by the kernel.
used() { ps -L -o pid= -u "$uid" | wc -l; }
limit() { setpriv --reuid="$uid" --regid="$uid" --clear-groups prlimit --pid "$REEVED" --nproc="$1:"; }
a=$(task add --delay 3600 true)
limit "$(used)"
i=$(task add --shell "echo \$\$ >$T/out/ran")
setpriv --reuid="$uid" --regid="$uid" --clear-groups \
    "$B/reevectl" -c "$CONF" run --shell "echo ran; exit 9" >"$T/out/run" 2>&1 &
run=$!
started $run
awaits 10 "a task waits for a process" 'ctl task list | grep "^ *$i *queued" | grep -q "create a process"'
ok "a command waits, too" alive "$run"
is "nothing has run" "$(cat "$T/out/run" "$T/out/ran" 2>/dev/null)" ""
limit 1000
code 0 "there is room: the task" task wait "$i"
like "... one try" "$(task list --all --json)" "\"id\":$i,[^}]*\"tries\":1,"
wait "$run"
is "... and the command" "$? $(cat "$T/out/run")" "9 ran"
task cancel "$a" >/dev/null

# The engine dies before it hears that there was none; the next one has to be
# made first, too.
e=$(engine_pid)
kill -STOP "$REEVED"
# shellcheck disable=SC2086
$WRAP "$B/reevectl" -c "$CONF" run --shell "echo ran; exit 8" <"$T/out/empty" >"$T/out/run" 2>&1 &
run=$!
started $run
awaits 10 "a command is asked for" 'find "/proc/$e/fd" -lname "$T/out/empty" | grep -q .'
kill -KILL "$e"
await 10 'gone "$e"'
limit 1
kill -CONT "$REEVED"
# Nobody writes the log meanwhile; the keeper has had its turn when it sleeps.
awaits 10 "no process, no engine" '[ ! -d "/proc/$e" ] && [ "$(proc_state "$REEVED")" = S ]'
limit 1000
wait "$run"
is "the next engine begins it" "$? $(cat "$T/out/run")" "8 ran"
has "... which had to wait as well" "$LOG" "start the engine: Resource temporarily"

# Many at once, more than may be.
n=500
[ "$TEST_LONG" = 0 ] || n=5000
limit $(($(used) + 20))
seq $n | sed "s|.*|echo & >>$T/out/burst|" | task add -g detached --each-line >"$T/out/ids"
awaits 300 "a burst of $n ends" '[ "$(ctl task list --json)" = "[]" ]'
is "... each has run, once" "$(sort -n "$T/out/burst" | uniq | wc -l) $(wc -l <"$T/out/burst")" "$n $n"
limit 4000

plan_done
