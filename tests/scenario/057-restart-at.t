#!/bin/sh
# restart_at: all slots are replaced at a time of day, one after the other.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD append $T/out/starts x ready sleep
workers = 2
ready = notify
startsecs = 0
restart_at = 30 4 * * *
[program:plain]
command = $CHILD sleep
startsecs = 0
EOT
export TZ=UTC
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
want=$(date -u -d 'today 04:30' +%s)
[ "$want" -gt "$(date +%s)" ] || want=$(date -u -d 'tomorrow 04:30' +%s)
is "status tells when" "$(status_field web.0 recycle_at_ms)" "${want}000"
is "nothing without the key" "$(status_field plain.0 recycle_at_ms)" null

for e in "61 * * * *" "* * * *" "0 0 30 2 *" "@often"; do
	conf "$T/bad.conf" <<-EOT
		[program:web]
		command = /bin/true
		restart_at = $e
	EOT
	code 2 "refused: $e" "$B/reeved" --check -c "$T/bad.conf"
	has "... with the line" "$T/out/ok" 'bad.conf:[0-9]+: .*restart_at'
done

# Live; every second, so that it need not be waited for.
a=$(pid_of web.0) b=$(pid_of web.1)
sed -i 's/^restart_at = .*/restart_at = @every 1s/' "$CONF"
code 0 "reload" ctl reload
awaits 10 "both are replaced" '[ "$(pid_of web.0)" != "$a" ] && [ "$(pid_of web.1)" != "$b" ]'
kill_engine
a=$(status_field web.0 generation)
awaits 10 "an engine after this one goes on" '[ "$(status_field web.0 generation)" -gt "$a" ]'
sed -i '/^restart_at/d' "$CONF"
code 0 "reload: no more" ctl reload
awaits 5 "up" 'all_state RUNNING web'
is "no time any more" "$(status_field web.0 recycle_at_ms)" null
like "why tells" "$(ctl why web.0)" "restart_at = @every 1s"
ok "events tell" eval 'ctl events | grep -q "web.0 alone: restart_at = @every 1s"'
plan_done
