#!/bin/sh
# reeved as PID 1: reaps strangers, acts only on its own, ends by TERM.
. "$(dirname "$0")/lib.sh"
need unshare
unshare -pf --mount-proc true 2>/dev/null || skip_all "no PID namespace here"

# Orphans that end with every status there is, and by signals.
cat >"$T/strangers" <<EOT
#!/bin/sh
i=0
while [ \$i -lt 256 ]; do
	( (exit \$i) & )
	i=\$((i + 1))
done
for s in HUP INT QUIT ABRT KILL SEGV TERM; do
	(sh -c "kill -\$s \\\$\\\$" &)
done
(setsid $CHILD pause 300 exit 3 &)
exec $CHILD append-pid $T/out/strangers sleep
EOT
chmod 755 "$T/strangers"
conf <<EOT
[program:web]
command = $CHILD daemon-grandchild $T/out/daemon sleep
startsecs = 200ms
[program:strangers]
command = $T/strangers
startsecs = 200ms
EOT
env REEVE_TEST="$T" unshare -pf --mount-proc --kill-child "$B/reeved" -n -c "$CONF" >"$T/out/reeved" 2>&1 </dev/null &
U=$!
started $U
awaits 10 "it is up" 'all_state RUNNING'
R=$(pgrep -P $U)
is "as PID 1" "$(ctl pid)" 1
awaits 5 "strangers are reaped" '[ -e "$T/out/strangers" ] && [ "$(ps -o stat= --ppid "$R" | grep -c Z)" = 0 ]'
is "and nobody is restarted for them" "$(status_field web.0 restarts)$(status_field strangers.0 restarts)" 00
e=$(pgrep -P "$R" -x reeve-engine)
kill -KILL "$e"
awaits 10 "the engine comes back" '[ -n "$(pgrep -P "$R" -x reeve-engine)" ] && ctl status'
is "nobody is restarted" "$(status_field web.0 restarts)$(status_field strangers.0 restarts)" 00
code 0 "stop" ctl stop web
kill -TERM "$R"
awaits 10 "TERM ends it" 'gone $U'
wait $U
is "exit 0" $? 0
plan_done
