#!/bin/sh
# Orders that come at odd moments: while something waits, is asked, is rolled.
. "$(dirname "$0")/lib.sh"

web() { # KEYS
	conf <<-EOT
		[program:never]
		command = $CHILD wait-file $T/out/never ready sleep
		ready = notify
		[program:web]
		command = $CHILD append $T/out/web x sleep
		startsecs = 0
		$1
		[program:asked]
		command = $CHILD sleep
		startsecs = 0
		health = exec:$CHILD append $T/out/asked x
		health_interval = 20ms
		[program:spared]
		command = $CHILD sleep
		startsecs = 0
		health = exec:$CHILD append $T/out/spared x
		health_interval = 20ms
		health_grace = ${2-1h}
		[program:again]
		command = $CHILD sleep
		startsecs = 0
		health = exec:$CHILD append $T/out/again x
		health_interval = 20ms
		health_grace = 3
		[program:hangs]
		command = $CHILD sleep
		startsecs = 0
		health = exec:$CHILD fork-grandchild $T/out/grand ignore-term sleep
		health_interval = 20ms
		health_timeout = 100ms
		health_failures = 1
		health_action = report
		[program:unready]
		command = $CHILD sleep
		ready = exec:$CHILD fork-grandchild $T/out/grand ignore-term sleep
		ready_try_timeout = 100ms
		ready_timeout = 600ms
		startsecs = 0
		backoff_min = 1h
		backoff_max = 1h
		[program:ill]
		command = $CHILD wait-file $T/out/go append $T/out/ill %(process_num)d ready sleep
		ready = notify
		workers = 2
		startsecs = 0
		health = exec:sh -c 'test ! -e $T/out/ill.\$REEVE_PID'
		health_interval = 50ms
		health_failures = 1
	EOT
}
touch "$T/out/go"
web "depends_on = never"
start_reeved
awaits 10 "up" 'all_state RUNNING asked spared hangs ill'

# A stop while it waits: what it waited for does not start it any more.
is "web waits" "$(status_field web.0 waits_for)" "never:ready (STARTING)"
ctl_bg "$T/out/start" start web
awaits 5 "so does who orders it" 'grep -q "waits for never" "$T/out/start"'
code 0 "stop it" ctl stop web
wait "$BG"
is "the order has failed, and ends" "$?" 1
is "it waits for nothing" "$(status_field web.0 waits_for)" null
touch "$T/out/never"
awaits 5 "never is up" 'is_state never.0 RUNNING'
is "web is not started by that" "$(state web.0) $(status_field web.0 wanted)" "STOPPED down"
rm "$T/out/never"
code 0 "start" ctl start web
awaits 5 "it has begun" '[ -s "$T/out/web" ]'

# What it waits for is removed, or no more what it waits for.
ctl stop never web >/dev/null
ctl start --no-wait web
awaits 5 "it waits again" '[ "$(status_field web.0 waits_for)" = "never:ready (STARTING)" ]'
cp "$CONF" "$T/out/conf"
sed -i '/^\[program:never\]/,/^ready/d' "$CONF"
code 1 "without never, but with who needs it" ctl reload
has "with the line" "$T/out/ok" "no program 'never'"
is "nothing has changed" "$(status_field web.0 waits_for)" "never:ready (STARTING)"
sed -i '/^depends_on/d' "$CONF"
code 0 "both" ctl reload
awaits 5 "it waits no more" 'is_state web.0 RUNNING && [ "$(wc -l <"$T/out/web")" = 2 ]'
code 3 "never is gone" ctl status never

# So with a bond, and where others still depend on something.
cat >>"$CONF" <<EOT
[program:loose]
command = $CHILD sleep
startsecs = 0
depends_on = web
[program:boss]
command = $CHILD sleep
startsecs = 0
[program:bound]
command = $CHILD sleep
startsecs = 0
bind_to = boss
EOT
code 0 "three more" ctl reload
code 0 "the boss goes" ctl stop boss
is "and who is bound" "$(state bound.0) $(status_field bound.0 waits_for)" "STOPPED boss:ready (STOPPED)"
sed -i '/^bind_to/d' "$CONF"
code 0 "bound no more" ctl reload
awaits 5 "it is up" 'is_state bound.0 RUNNING'

# health: none within health_grace; a question that hangs is ended, with all
# that it started; the same for ready.
awaits 5 "who has no grace is asked" '[ "$(wc -l <"$T/out/asked")" -ge 5 ]'
ok "who has is not" test ! -e "$T/out/spared"
is "and is as he was" "$(status_field spared.0 health)" unknown
cp "$T/out/conf" "$CONF"
sed -i 's/^health_grace = 1h/health_grace = 0/; s/^depends_on = never//' "$CONF"
code 0 "no grace any more" ctl reload --no-wait
awaits 5 "it is asked" '[ -s "$T/out/spared" ] && [ "$(status_field spared.0 health)" = healthy ]'
awaits 5 "one that hangs has failed" 'ctl status hangs | grep -q "UNHEALTHY: .*not done within 100 ms"'
awaits 5 "ready: so has the start" 'is_state unready.0 BACKOFF'
like "... with the reason" "$(ctl why unready)" "not ready in time: .*not done within 100 ms"
code 0 "stop" ctl stop hangs unready
awaits 5 "nothing of them is left" '[ -z "$(pgrep -f "fork-grandchild $T/out/grand")" ]'

# The grace is one, however many engines come and go.
n=0
ctl restart --hard again >"$T/out/ok"
rm -f "$T/out/again"
while [ $n -lt 7 ] && [ ! -e "$T/out/again" ]; do
	kill_engine
	await 1 '[ -e "$T/out/again" ]'
	n=$((n + 1))
done
ok "health_grace goes on: asked before the end of $n engines" test $n -lt 7

# Lost health during a roll waits for it, and is made good by it.
rm "$T/out/go"
: >"$T/out/ill"
ctl_bg "$T/out/roll" roll ill
awaits 5 "a roll is under way" 'grep -q "ill.0: new instance starting" "$T/out/roll"'
b=$(pid_of ill.1)
touch "$T/out/ill.$b"
awaits 5 "ill.1 loses its health meanwhile" 'ctl events ill | grep -q "ill.1 .*waits for the roll under way"'
code 1 "another roll of it waits as well, and is one" eval 'ctl --timeout 1 roll ill.1'
cp "$T/out/conf" "$CONF"
sed -i 's/^depends_on = never//; s/^health_interval = 50ms/health_interval = 60ms/' "$CONF"
code 0 "a reload meanwhile" ctl reload --no-wait
kill_engine
touch "$T/out/go"
wait "$BG"
is "the roll is done" "$?" 0
awaits 5 "all are up" 'all_state RUNNING ill'
isnt "the one that was ill is replaced" "$(pid_of ill.1)" "$b"
is "each was started once" "$(sort "$T/out/ill" | tr '\n' ' ')" "0 1 "

# Who is being removed is not among those that are to be up.
conf <<EOT
[program:slow]
command = $CHILD ignore-term sleep
workers = 2
startsecs = 0
stopwaitsecs = 1h
EOT
code 0 "another config" ctl reload
ctl scale --no-wait slow 1
awaits 5 "one is being removed" 'is_state slow.1 STOPPING'
p=$(pid_of slow.1)
code 0 "start all: the other one" ctl start all
unlike "... alone" "$(cat "$T/out/ok")" "slow.1"
code 1 "that one by its name" ctl start slow.1
has "is told what it is" "$T/out/ok" "slow.1: is being removed"
kill -KILL "$p"
sed -i 's/^stopwaitsecs = 1h/stopwaitsecs = 100ms/' "$CONF"
code 0 "no such patience at the end" ctl reload
plan_done
