#!/bin/sh
# restart_limit: too many deaths, of a RUNNING one too, are FATAL; fatal_retry.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD append $T/out/web x sleep
startsecs = 0
restart_limit = 3/10m
[program:again]
command = $CHILD append $T/out/again x exit 4
startsecs = 10
backoff_min = 10ms
backoff_max = 10ms
restart_limit = 2/10m
fatal_retry = 700ms
[program:later]
command = $CHILD append $T/out/later x exit 4
startsecs = 10
startretries = 0
fatal_retry = 1h
EOT
start_reeved
deaths() { # N: web.0 dies N times more
	for _ in $(seq "$1"); do
		p=$(pid_of web.0)
		kill -KILL "$p"
		await 5 '[ "$(pid_of web.0)" != "$p" ]'
	done
}
awaits 5 "web is up" 'is_state web.0 RUNNING'
deaths 2
awaits 5 "two deaths are within it" 'is_state web.0 RUNNING'
kill_engine
deaths 1
awaits 5 "a third, after the engine's own death" 'is_state web.0 RUNNING'
kill -KILL "$(pid_of web.0)"
awaits 5 "the fourth is one too many: it counts on over the engine's death" \
    'is_state web.0 FATAL'
is "it was started four times" "$(wc -l <"$T/out/web")" 4
like "status tells the reason" "$(ctl status web)" 'FATAL.*4 deaths in .*restart_limit 3/10m.*SIGKILL'
like "so does the event" "$(ctl events)" 'web.0.*EXITED --GIVE_UP-> FATAL: 4 deaths'
is "no next try" "$(status_field web.0 next_retry_ms)" null
kill_engine
like "the reason outlives the engine" "$(ctl status web)" 'FATAL.*4 deaths'
code 0 "a person can start it" ctl start web
deaths 3
awaits 5 "and it has its three deaths again" 'is_state web.0 RUNNING'

# fatal_retry: FATAL has an exit of its own.
awaits 5 "failed starts count as well: FATAL" 'is_state again.0 FATAL'
like "the next try is told" "$(ctl status later)" 'FATAL.*gave up after 1 try.*next try in (1 h|59 min|59m|1h|[0-9]+ ?m)'
n=$(status_field later.0 next_retry_ms)
ok "as a number, too ($n)" test "$n" -gt 3000000 -a "$n" -le 3600000
like "and why tells" "$(ctl why later)" 'next try'
n=$(wc -l <"$T/out/again")
awaits 10 "it is tried again by itself" '[ "$(wc -l <"$T/out/again")" -ge '$((n + 3))' ]'
kill_engine
n=$(wc -l <"$T/out/again")
awaits 10 "also with another engine" '[ "$(wc -l <"$T/out/again")" -ge '$((n + 3))' ]'
n=$(status_field later.0 next_retry_ms)
ok "which knows when ($n)" test "$n" -gt 3000000 -a "$n" -le 3600000
is "later was tried once" "$(wc -l <"$T/out/later")" 1
code 1 "started by a person, it fails again" ctl start later
has "what is said is when it will be tried" "$T/out/ok" 'exited with 4.*; next try in (1 h|59 min|59m|1h|[0-9]+ ?m)|next try in '
unlike "there will be tries" "$(cat "$T/out/ok")" 'no more tries'
retry() { # ANOTHER fatal_retry
	sed -i '/program:later/,$s/^fatal_retry.*/fatal_retry = '"$1/" "$CONF"
	ctl reload
}
retry 10ms
awaits 10 "a shorter fatal_retry reaches who is FATAL" '[ "$(wc -l <"$T/out/later")" -ge 3 ]'
retry 0
awaits 10 "none: no next try" 'is_state later.0 FATAL && [ "$(status_field later.0 next_retry_ms)" = null ]'
retry 2h
n=$(status_field later.0 next_retry_ms)
ok "one again: it has a next try ($n)" test "$n" -gt 3600000 -a "$n" -le 7200000
code 0 "stop ends it" ctl stop again later
is "no try is due any more" "$(status_field later.0 next_retry_ms)" null
plan_done
