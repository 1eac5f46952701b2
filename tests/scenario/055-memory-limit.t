#!/bin/sh
# memory_limit: a slot whose tree has become too large is replaced.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:fat]
command = $CHILD ready if-file $T/out/eat alloc 80 sleep
workers = 2
ready = notify
startsecs = 0
memory_limit = 40MB
memory_interval = 200ms
[program:late]
command = $CHILD ready wait-file $T/out/late alloc 80 sleep
ready = notify
startsecs = 0
memory_limit = 1GB
memory_interval = 200ms
[program:shared]
command = sh -c 'exec $CHILD alloc 30 fork-grandchild $T/out/grand sleep'
startsecs = 0
memory_limit = 50MB
memory_interval = 200ms
[program:toolow]
command = $CHILD alloc 30 sleep
startsecs = 0
memory_limit = 10MB
memory_interval = 100ms
[program:ill]
command = $CHILD sleep
startsecs = 0
health = tcp:127.0.0.1:1
health_interval = 20ms
[program:plain]
command = $CHILD sleep
startsecs = 0
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
awaits 5 "memory is looked at" '[ "$(status_field fat.0 memory_bytes)" -gt 0 ]'
like "status shows it" "$(ctl status fat.0)" "[0-9] [KM]iB"
is "not without the key" "$(status_field plain.0 memory_bytes)" null
unlike "status neither" "$(ctl status plain.0)" "iB"
is "nobody was replaced" "$(status_field fat.0 generation)" 1

# A limit that is too low is no reason to be busy for ever.
for p in toolow ill; do
	awaits 10 "$p: the next one waits" 'ctl events $p | grep -q "as before: replaced in [1-9][0-9.]* s if that stays so"'
	is "... that one" "$(status_field $p.0 generation)" 2
done

# What a fork shares counts once: 30 MB, and not 60.
awaits 5 "its memory is known" '[ "$(status_field shared.0 memory_bytes)" -gt 30000000 ]'
s=$(pid_of shared.0)
awaits 5 "it was looked at again" '[ "$(status_field shared.0 uptime_ms)" -gt 1500 ]'
is "a fork does not double it" "$(pid_of shared.0)" "$s"

# Live: from a limit that it does not reach to one that it does.
a=$(pid_of late.0)
touch "$T/out/late"
awaits 5 "it grows" '[ "$(status_field late.0 memory_bytes)" -gt 80000000 ]'
is "below its limit" "$(pid_of late.0)" "$a"
rm "$T/out/late"
sed -i 's/^memory_limit = 1GB/memory_limit = 20MB/' "$CONF"
code 0 "reload" ctl reload
awaits 10 "over the new one: replaced" '[ "$(pid_of late.0)" != "$a" ] && is_state late.0 RUNNING'
awaits 5 "why tells" 'ctl why late.0 | grep -q "memory [0-9.]* MiB is over memory_limit 20 MiB"'
ok "an event tells" eval 'ctl events | grep -q "late.0 alone: memory [0-9]"'

# Over the limit with an engine that has just begun.
touch "$T/out/eat"
code 0 "roll fat: they are too large from now on" ctl roll fat
rm "$T/out/eat"
kill_engine
awaits 15 "both are replaced" '[ "$(status_field fat.0 generation)" = 3 ] && [ "$(status_field fat.1 generation)" = 3 ]'
awaits 5 "both are up" 'all_state RUNNING fat'
awaits 10 "why tells it of both" 'ctl why fat >"$T/out/why" && [ "$(grep -c "is over memory_limit 40 MiB" "$T/out/why")" = 2 ]'
[ "$(grep -c "is over memory_limit 40 MiB" "$T/out/why")" = 2 ] || sed 's/^/# /' "$T/out/why"
is "one after the other" "$(ctl events fat | awk '
	/ begins, / { if (open != "") print open " and " $0; open = $0; n++ }
	/ done: / { open = "" }
	END { print (n >= 3) }')" 1
awaits 5 "small again" '[ "$(status_field fat.0 memory_bytes)" -lt 40000000 ]'
is "and left alone" "$(status_field fat.0 generation)" 3
ok "as are those that wait, but for one turn a minute" eval \
    '[ "$(status_field toolow.0 generation)" -le 3 ] && [ "$(status_field ill.0 generation)" -le 3 ]'
ok "though the engine was killed" eval '[ "$(ctl events toolow | grep -c "as before: replaced in")" -ge 2 ]'
plan_done
