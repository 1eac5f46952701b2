#!/bin/sh
# health = watchdog: WATCHDOG=1 in time, as sd_watchdog_enabled(3) has it.
. "$(dirname "$0")/lib.sh"

cat >"$T/app.sh" <<EOT
$CHILD dump "$T/out/\$1.env"
tr '\\0' '\\n' <"/proc/\$\$/environ" | grep ^WATCHDOG >"$T/out/\$1.wd"
echo "pid \$\$" >>"$T/out/\$1.wd"
[ "\$1" != notify ] || $CHILD ready
while [ ! -e "$T/out/\$1.silent" ]; do
	$CHILD notify WATCHDOG=1
	sleep 0.05
done
exec sleep 1000
EOT
conf <<EOT
[program:notify]
command = sh $T/app.sh notify
ready = notify
health = watchdog
health_interval = 800ms
health_action = restart
startsecs = 100ms
[program:delay]
command = sh $T/app.sh delay
health = watchdog
health_interval = 800ms
health_failures = 2
health_action = report
startsecs = 100ms
[program:trigger]
command = $CHILD ready wait-file $T/out/go notify "WATCHDOG=trigger" sleep
ready = notify
health = watchdog
health_interval = 1h
health_action = report
startsecs = 100ms
[program:faster]
command = $CHILD ready notify "WATCHDOG_USEC=200000" sleep
ready = notify
health = watchdog
health_interval = 1h
health_action = report
startsecs = 100ms
EOT
start_reeved
awaits 5 "up" 'all_state RUNNING'
awaits 5 "healthy" '[ "$(status_field notify.0 health)$(status_field delay.0 health)" = healthyhealthy ]'
has "WATCHDOG_USEC" "$T/out/notify.wd" '^WATCHDOG_USEC=800000$'
is "WATCHDOG_PID is its own" "$(sed -n 's/^WATCHDOG_PID=//p' "$T/out/delay.wd")" "$(sed -n 's/^pid //p' "$T/out/delay.wd")"
awaits 5 "WATCHDOG_USEC= that it sends counts" '[ "$(status_field faster.0 health)" = unhealthy ]'
like "... and is told" "$(ctl status faster)" "UNHEALTHY: no WATCHDOG=1 within 200 ms"
is "an hour is not over" "$(status_field trigger.0 health)" unknown
touch "$T/out/go"
awaits 5 "WATCHDOG=trigger: at once" '[ "$(status_field trigger.0 health)" = unhealthy ]'
a=$(pid_of notify.0) d=$(pid_of delay.0)
kill_engine
ok "after the engine was killed it is heard" steady 2 \
    '[ "$(pid_of notify.0)" = "'"$a"'" ] && [ "$(status_field delay.0 health)" != unhealthy ]'
awaits 5 "healthy" '[ "$(status_field delay.0 health)" = healthy ]'
is "what it sent is remembered" "$(status_field faster.0 health)" unhealthy
touch "$T/out/delay.silent"
awaits 10 "silence: unhealthy" '[ "$(status_field delay.0 health)" = unhealthy ]'
is "report: it goes on" "$(pid_of delay.0)" "$d"
touch "$T/out/notify.silent"
awaits 10 "restart: it is stopped" 'gone $a'
rm "$T/out/notify.silent"
awaits 10 "another one is up" 'is_state notify.0 RUNNING && [ "$(status_field notify.0 health)" = healthy ]'
like "why names it" "$(ctl why notify.0)" "ended: failed health probe: no WATCHDOG=1 within 800 ms"
plan_done
