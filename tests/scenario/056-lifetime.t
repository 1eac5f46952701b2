#!/bin/sh
# max_lifetime, and workers that ask to be replaced: X_REEVE_RECYCLE=1.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:old]
command = $CHILD append $T/out/old x ready sleep
workers = 2
ready = notify
startsecs = 0
max_lifetime = 1h
[program:live]
command = $CHILD ready sleep
ready = notify
startsecs = 0
[program:asks]
command = $CHILD ready wait-file $T/out/asks if-file $T/out/asks notify X_REEVE_RECYCLE=1 sleep
ready = notify
startsecs = 0
[program:slow]
command = $CHILD ignore-term ready wait-file $T/out/slow if-file $T/out/slow notify X_REEVE_RECYCLE=1 sleep
ready = notify
startsecs = 0
drain_timeout = 2s
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
at=$(status_field old.0 recycle_at_ms)
now=$(date +%s)
ok "status: between 54 and 60 minutes from now" \
    test "$at" -gt $(((now + 53 * 60) * 1000)) -a "$at" -lt $(((now + 61 * 60) * 1000))
isnt "each at a time of its own" "$at" "$(status_field old.1 recycle_at_ms)"
is "without the key: never" "$(status_field live.0 recycle_at_ms)" null
like "why tells, too" "$(ctl why old.0)" "to be replaced 20[0-9-]* [0-9:]*"
kill_engine
new=$(status_field old.0 recycle_at_ms)
ok "an engine after this one comes to the same time" \
    test $((new - at)) -lt 1000 -a $((at - new)) -lt 1000

# Live: it is over as soon as the config says so, one after the other.
a=$(pid_of old.0) b=$(pid_of old.1)
sed -i 's/^max_lifetime = 1h/max_lifetime = 1s/' "$CONF"
code 0 "reload" ctl reload
awaits 10 "both are replaced" '[ "$(pid_of old.0)" != "$a" ] && [ "$(pid_of old.1)" != "$b" ]'
awaits 10 "and again" '[ "$(status_field old.0 generation)" -gt 2 ]'
sed -i 's/^max_lifetime = 1s/max_lifetime = 1d/' "$CONF"
code 0 "reload" ctl reload
awaits 5 "up" 'all_state RUNNING old'
like "why tells" "$(ctl why old.0)" "its max_lifetime of 1.0 s is over"
ok "events tell" eval 'ctl events | grep -q "old.0 alone: its max_lifetime"'

# It asks for it.
a=$(pid_of asks.0)
touch "$T/out/asks"
awaits 5 "its successor is there" '[ -n "$(pid_of asks.0)" ] && [ "$(pid_of asks.0)" != "$a" ]'
rm "$T/out/asks"
like "why tells" "$(ctl why asks.0)" "it asked for it: X_REEVE_RECYCLE=1"

# An engine that dies while the old one drains knows all about it.
a=$(pid_of slow.0)
touch "$T/out/slow"
awaits 5 "its successor is there" '[ -n "$(pid_of slow.0)" ] && [ "$(pid_of slow.0)" != "$a" ]'
rm "$T/out/slow"
alive "$a" && kill_engine
awaits 10 "the old one is gone" 'gone "$a"'
like "why tells of it" "$(ctl why slow.0)" "replaced: it asked for it: X_REEVE_RECYCLE=1; killed by SIGKILL"
a=$(pid_of slow.0)
ctl roll --no-wait slow
awaits 5 "a roll: its successor is there" '[ -n "$(pid_of slow.0)" ] && [ "$(pid_of slow.0)" != "$a" ]'
alive "$a" && kill_engine
awaits 10 "the old one is gone" 'gone "$a"'
like "why tells who wanted it" "$(ctl why slow.0)" "replaced by a roll, asked by [a-z0-9]+ .pid [0-9]+.*killed by SIGKILL"
plan_done
