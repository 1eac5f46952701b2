#!/bin/sh
# A reload finds a program that the one before is still stopping.
. "$(dirname "$0")/lib.sh"

# slow PORT: ignores TERM, so that a stop of it takes a second.
slow() {
	cat <<EOT
[program:slow]
command = $CHILD ignore-term ready sleep
ready = notify
socket = tcp://127.0.0.1:$1
stopwaitsecs = 1
drain_timeout = 60
${2-}
EOT
}
web() { printf '[program:web]\ncommand = sleep 1000\nstartsecs = 0\n'; }
hup() {
	before=$(grep -c 'reload: [0-9]* changes' "$LOG")
	kill -HUP "$REEVED"
	await 5 '[ "$(grep -c "reload: [0-9]* changes" "$LOG")" -gt "$before" ]'
}

{ web; slow "$(port 1)"; } | conf
start_reeved
ok "up" up
web=$(pid_of web.0)
first=$(pid_of slow.0)

web | conf
hup
{ web; slow "$(port 1)"; } | conf
hup
awaits 10 "removed and added while it stops: there again" \
    'is_state slow.0 RUNNING && [ "$(pid_of slow.0)" != "$first" ]'
ok "on its port" port_used "$(port 1)"

{ web; slow "$(port 2)"; } | conf
hup
kill_engine
awaits 10 "the engine dies meanwhile: made again on the new port" \
    'port_used "$(port 2)" && is_state slow.0 RUNNING'
awaits 5 "the old port is closed" '! port_used "$(port 1)"'

{ web; slow "$(port 3)"; } | conf
hup
{ web; slow "$(port 3)" 'environment = A="1"'; } | conf
hup
{ web; slow "$(port 3)" 'workers = 2'; } | conf
hup
awaits 10 "changes of what stops are in what comes after it" \
    'is_state slow.1 RUNNING && port_used "$(port 3)"'

ok "a roll, the old ones drain for a minute" timeout 20 sh -c \
    '"$0" -c "$1" --timeout 1 roll slow; true' "$B/reevectl" "$CONF"
code 0 "a stop waits for stopwaitsecs, not for the drain" \
    ctl --timeout 10 stop slow
is "who was not asked about has its pid" "$(pid_of web.0)" "$web"
plan_done
