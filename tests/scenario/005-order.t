#!/bin/sh
# Start in priority order, stop in the opposite one.
. "$(dirname "$0")/lib.sh"

prog() { # NAME PRIORITY
	cat <<EOT
[program:$1]
command = $CHILD append $T/out/up $1 on-term append $T/out/down $1 sleep
priority = $2
startsecs = 300ms
EOT
}
conf <<EOT
$(prog third 30)
$(prog first 10)
$(prog last 900)
$(prog second 20)
EOT
# Nobody waits for another to be up: the order is that of the orders.
order() { grep -Eo "[a-z]+\.0 [A-Z]+ --$1" "$LOG" | sed 's/\.0.*//' | tr '\n' ' '; }
start_reeved
awaits 10 "all are up" 'all_state RUNNING'
is "started by priority" "$(order START)" "first second third last "
end_reeved
is "exit 0" "$CODE" 0
is "stopped the other way round" "$(tr '\n' ' ' <"$T/out/down")" "last third second first "

# Groups come first, then the programs in them.
rm -f "$T/out/up" "$T/out/down" "$LOG"
conf <<EOT
$(prog a 20)
$(prog b 10)
$(prog c 5)
[group:late]
programs = c
priority = 50
[group:early]
programs = a, b
priority = 40
EOT
start_reeved
awaits 10 "all are up" 'all_state RUNNING'
is "groups by priority, then programs" "$(order START)" "b a c "
code 0 "stop all" ctl stop all
is "and back" "$(tr '\n' ' ' <"$T/out/down")" "c a b "
plan_done
