#!/bin/sh
# A command that is over before anybody was told of it, and took reeved with it,
# keeper and engine: the next reeved does not run it again.
. "$(dirname "$0")/lib.sh"

conf </dev/null
start_reeved
e=$(engine_pid)
ctl_bg "$T/out/both" run -- /bin/sh -c 'echo x >>"$1"; kill -KILL "$2" "$3"' sh "$T/out/ran" "$e" "$REEVED"
client=$BG
awaits 10 "reeved and its engine are gone" 'gone "$e" && gone "$REEVED"'
wait "$REEVED" 2>/dev/null
start_reeved
await 20 'gone $client'
wait "$client"
isnt "the client does not say that it worked" "$?" 0
is "it was run once" "$(wc -l <"$T/out/ran")" 1
has "why is told" "$T/out/both" "what became of the command is not known"

# One that asks a reeved that is not there yet is another matter.
code 7 "the next command" ctl run -- "$CHILD" exit 7
plan_done
