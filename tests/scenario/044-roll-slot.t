#!/bin/sh
# A roll of one slot: the others stay, the new one is ready first.
. "$(dirname "$0")/lib.sh"
need curl

p=$(port 0)
conf <<EOT
[program:web]
command = $CHILD append $T/out/starts %(process_num)d wait-file $T/out/go ready serve
socket = tcp://127.0.0.1:$p
workers = 3
ready = notify
startsecs = 100ms
[program:bad]
command = sh $T/out/bad.sh
workers = 2
ready = notify
startsecs = 100ms
EOT
cat >"$T/out/bad.sh" <<EOT
[ ! -e "$T/out/broken" ] || { echo "no database" >&2; exit 3; }
exec $CHILD ready sleep
EOT
touch "$T/out/go"
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
a=$(pid_of web.0) b=$(pid_of web.1) c=$(pid_of web.2)
: >"$T/out/starts"
code 0 "roll web.1: exit 0" ctl roll web.1
cp "$T/out/ok" "$T/out/roll"
has "a step is printed for web.1" "$T/out/roll" 'web\.1'
is "that slot alone was started" "$(tr '\n' ' ' <"$T/out/starts")" "1 "
isnt "it has another pid" "$(pid_of web.1)" "$b"
is "web.0 stays" "$(pid_of web.0)" "$a"
is "web.2 stays" "$(pid_of web.2)" "$c"
like "why tells what it was" "$(ctl why web.1)" "replaced: ordered by uid"
like "... in JSON" "$(ctl --json why web.1)" '"cause" ?: ?"recycle"'
code 3 "a slot that is not there" ctl roll web.9

# One after the other, and a whole roll in between does what waits as well.
rm "$T/out/go"
ctl_bg "$T/out/r0" roll web.0
r0=$BG
awaits 5 "the new web.0 starts" 'grep -q "web.0.*starting" "$T/out/r0"'
like "status tells" "$(ctl status web)" "rolling web.0"
ctl_bg "$T/out/all" roll web
all=$BG
ctl_bg "$T/out/r2" roll web.2
r2=$BG
awaits 5 "that of web.2 waits" 'ctl events | grep -q "web.2.*waits for the roll"'
awaits 5 "the whole roll waits" 'grep -q "client pid $all.* roll" "$LOG"'
is "web.2 waits for its turn" "$(grep -c starting "$T/out/r2")" 0
touch "$T/out/go"
wait $r0
is "roll web.0: exit 0" "$?" 0
wait $all
is "roll web: exit 0" "$?" 0
wait $r2
is "roll web.2: exit 0" "$?" 0
is "web.0: its own roll, the whole one" "$(status_field web.0 generation)" 3
awaits 5 "web.2 was not rolled twice" '[ "$(status_field web.2 generation)" = 2 ]'

# The new one fails: the old one goes on.
a=$(pid_of bad.0) b=$(pid_of bad.1)
touch "$T/out/broken"
code 1 "a roll of a slot that fails: exit 1" ctl roll bad.1
has "... with the last line" "$T/out/ok" "no database"
is "the old one goes on" "$(pid_of bad.1)" "$b"
is "RUNNING" "$(state bad.1)" RUNNING
rm "$T/out/broken"
code 0 "the next one works" ctl roll bad.1
is "bad.0 was left alone" "$(pid_of bad.0)" "$a"

# The engine dies in the middle: it goes on, and so does what waits.
rm "$T/out/go"
n=$(status_field web.0 generation)
ctl_bg "$T/out/k0" roll web.0
k0=$BG
awaits 5 "the new web.0 starts" 'grep -q "web.0.*starting" "$T/out/k0"'
ctl_bg "$T/out/k1" roll web.1
g1=$(status_field web.1 generation)
g2=$(status_field web.2 generation)
awaits 5 "the second one waits" 'ctl events | grep -q "web.1.*waits for the roll"'
kill_engine
touch "$T/out/go"
awaits 10 "the roll goes on" '[ "$(status_field web.0 generation)" = $((n + 1)) ] && all_state RUNNING web'
wait $k0
is "its client learns that it is done" "$?" 0
awaits 10 "what waited, too" '[ "$(status_field web.1 generation)" = $((g1 + 1)) ]'
awaits 5 "and nothing else" 'all_state RUNNING web && [ "$(status_field web.2 generation)" = $g2 ]'
plan_done
