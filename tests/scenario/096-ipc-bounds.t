#!/bin/sh
# Channels have bounds: who floods, who does not read, who talks rubbish.
. "$(dirname "$0")/lib.sh"

# yes writes as fast as it can.
cat >"$T/flood.sh" <<EOT
exec yes '{"flood":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}' \
    >&\$NODE_CHANNEL_FD
EOT
cat >"$T/echo.sh" <<EOT
eval "exec 9<&\$NODE_CHANNEL_FD"
while read -r line <&9; do echo "{\"echo\":\$line}" >&\$NODE_CHANNEL_FD; done
EOT
cat >"$T/bad.sh" <<EOT
trap '' PIPE
printf '"good"\n{"a":\n"never"\n' >&\$NODE_CHANNEL_FD
while :; do echo '"more"' >&\$NODE_CHANNEL_FD || break; done
exec sleep 1000
EOT
cat >"$T/long.sh" <<EOT
trap '' PIPE
printf '"good"\n"%02000d"\n"never"\n' 0 >&\$NODE_CHANNEL_FD
exec sleep 1000
EOT
conf <<EOT
[program:plain]
command = $CHILD sleep
startsecs = 100ms
EOT
start_reeved
awaits 10 "a program without a channel" 'all_state RUNNING plain'
memfds() { ls -l "/proc/$(engine_pid)/fd" "/proc/$REEVED/fd" | grep -Ec 'memfd:(ipc|messages)'; }
is "no memory is kept for messages" "$(memfds)" 0
conf <<EOT
[program:plain]
command = $CHILD sleep
startsecs = 100ms
[program:echo]
command = sh $T/echo.sh
ipc = on
startsecs = 100ms
[program:slow]
command = sh $T/flood.sh
ipc = on
ipc_rate = 50/1s
startsecs = 100ms
[program:deaf]
command = $CHILD sleep
ipc = on
ipc_queue = 5
startsecs = 100ms
[program:bad]
command = sh $T/bad.sh
ipc = on
startsecs = 100ms
[program:long]
command = sh $T/long.sh
ipc = on
ipc_max_message = 1KB
startsecs = 100ms
EOT
t0=$(now_ms)
code 0 "reload" ctl reload
sleeps() { [ "$(proc_state "$(pid_of "$1")")" = S ]; }
# The text of an echo, before somebody else's messages push it out.
echoes() { # TEXT
	ctl send echo "\"$1\"" && await 10 "grep -q '\"echo\":\"$1\"' $T/out/echo"
}
ctl_bg "$T/out/echo" events --messages -f echo
echoes_reader=$BG
await 5 '[ -e "$T/out/echo" ]'
e=$(engine_pid)

# Too fast: it waits in its write.
awaits 10 "messages of the one that floods come" 'ctl events --messages slow | grep -q flood'
awaits 10 "it is slowed down" 'sleeps slow.0'
ok "others are heard at once" echoes one
n=$(ctl events --messages slow | wc -l)
most=$((50 * (($(now_ms) - t0) / 1000 + 2)))
ok "it was heard as often as its rate allows ($n, at most $most)" test "$n" -le "$most"

# Does not read.
awk 'BEGIN { printf "\""; for (i = 0; i < 60000; i++) printf "y"; print "\"" }' >"$T/in"
i=0
while [ $i -lt 100 ] && ctl send deaf - <"$T/in" >"$T/out/refused" 2>&1; do i=$((i + 1)); done
ok "who does not read gets some ($i), not more" test $i -ge 5 -a $i -lt 100
like "refused, with what waits" "$(cat "$T/out/refused")" "deaf.0: it does not read: 5 messages \([0-9.]+ KiB\) wait for it"
code 1 "the next one as well" ctl send deaf 1
is "no more than that waits" "$(status_field deaf.0 messages_waiting)" 5
like "status tells" "$(ctl status deaf)" "5 messages wait"
ok "others are heard" echoes two

# Rubbish.
awaits 10 "no JSON: its channel is closed" 'ctl events bad.0 | grep -q "channel .*bad.0 .*closed: a message that is no JSON text, at byte 5"'
awaits 10 "... it lives" 'is_state bad.0 RUNNING && sleeps bad.0'
is "what was good before counts, nothing after" "$(ctl events --messages bad | grep -o '"message":.*')" '"message":"good"}'
awaits 10 "too long: its channel is closed" 'ctl events long.0 | grep -q "closed: a message of more than 1024 bytes"'
awaits 10 "... it lives" 'is_state long.0 RUNNING'
is "what was good before counts, nothing after" "$(ctl events --messages long | grep -o '"message":.*')" '"message":"good"}'
code 1 "a long one for a closed channel" ctl send long 1
is "neither was started again" "$(status_field bad.0 restarts) $(status_field long.0 restarts)" "0 0"

# A reader that does not read on, and one that floods without a rate.
conf <<EOT
[program:echo]
command = sh $T/echo.sh
ipc = on
startsecs = 100ms
[program:flood]
command = sh $T/flood.sh
ipc = on
ipc_rate = none
autostart = false
startsecs = 100ms
[program:small]
command = sh $T/echo.sh
ipc = on
ipc_max_message = 1KB
startsecs = 100ms
EOT
code 0 "reload" ctl reload
code 1 "longer than ipc_max_message" sh -c "'$B/reevectl' -c '$CONF' send small - <'$T/in'"
like "... says so" "$(cat "$T/out/ok")" "longer than 1024 bytes"
ctl_bg "$T/out/flood" events --messages -f flood
reader=$BG
await 5 '[ -e "$T/out/flood" ]'
last() { ctl events --messages flood | tail -n 1 | cut -d, -f 1; }
code 0 "one that floods" ctl start flood
await 10 '[ -s "$T/out/flood" ]'
stood=$(now_ms)
kill -STOP "$reader"
stands() { l=$(last); [ -n "$l" ] && sleep 0.2 && [ "$(last)" = "$l" ] && sleeps flood.0; }
awaits 9 "it waits for its reader" 'stands'
ok "others are heard" echoes three
kill -CONT "$reader"
stood=$(($(now_ms) - stood))
l=$(last)
awaits 10 "it goes on with the reader" '[ "$(last)" != "$l" ]'
code 0 "stop it" ctl stop flood
l=$(last)
awaits 10 "the reader gets the rest" '[ "$(tail -n 1 "$T/out/flood" | cut -d, -f 1)" = "$l" ]'
# After 10 s it is told of a gap instead: on a machine that is that slow.
if [ "$stood" -lt 9000 ]; then
	is "... and nothing is missing" "$(grep -v '"name":"flood.0"' "$T/out/flood" | head -n 3)" ""
else
	skip "... and nothing is missing" "the reader stood for $stood ms, 10 s are its bound"
fi
kill "$reader" "$echoes_reader"
is "it is the same engine" "$(engine_pid)" "$e"
plan_done
