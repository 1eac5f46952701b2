#!/bin/sh
# A roll of many slots goes on after the engine was killed in it: none is
# forgotten, none is replaced twice.
. "$(dirname "$0")/lib.sh"
[ "$TEST_LONG" = 1 ] ||
    skip_all "540 programs, half a minute of two CPUs: TEST_LONG=1 is for that"

cat >"$T/prog" <<EOT
#!/bin/sh
if [ "\$1" = 535 ] && [ -e $T/out/hold ]; then
	: >$T/out/held
	while [ -e $T/out/hold ]; do sleep 0.1; done
fi
echo >&5
exec 5>&-
exec sleep 100000
EOT
chmod 755 "$T/prog"
LOGLEVEL=info
END_LIMIT=120
conf <<EOT
[program:web]
command = $T/prog %(process_num)d
workers = 540
ready = fd:5
ready_timeout = 300
roll_batch = 50
roll_surge = 50
stopsignal = KILL
EOT
gens() { ctl --json status | grep -Eo '"generation" *: *[0-9]+' | grep -Eo '[0-9]+$' | sort | uniq -c | awk '{ print $1 "x" $2 }' | tr '\n' ' '; }
start_reeved
awaits 120 "540 are up" 'all_state RUNNING'
: >"$T/out/hold"
code 0 "a roll" ctl roll --no-wait web
awaits 120 "it is at the last ones" '[ -e "$T/out/held" ] && [ "$(status_field web.515 generation)" = 2 ]'
await 120 '[ "$(status_field web.499 generation)" = 2 ]'
kill_engine
kill_engine
rm "$T/out/hold"
awaits 120 "it goes on to its end" 'ctl events -n 50 | grep -q "roll.*done" || ! ctl status | grep -q rolling'
awaits 120 "all of them once" '[ "$(gens)" = "540x2 " ] && all_state RUNNING'
is "all of them once" "$(gens)" "540x2 "
# Of one slot alone, far behind.
: >"$T/out/hold"
rm "$T/out/held"
code 0 "a roll of the last but few" ctl roll --no-wait web.535
awaits 120 "it begins" '[ -e "$T/out/held" ]'
kill_engine
rm "$T/out/hold"
awaits 120 "that one alone" '[ "$(gens)" = "539x2 1x3 " ] && all_state RUNNING'
plan_done
