#!/bin/sh
# depends_on is live; a config that cannot be is refused with what is wrong.
. "$(dirname "$0")/lib.sh"

file() { # WEB'S KEYS, MORE
	conf <<EOT
[program:db]
command = $CHILD on-term append $T/out/down db sleep
startsecs = 100ms
[program:never]
command = $CHILD wait-file $T/out/never ready sleep
ready = notify
[program:web]
command = $CHILD append $T/out/up web on-term append $T/out/down web sleep
startsecs = 100ms
$1
${2-}
EOT
}
file "depends_on = never"
start_reeved
awaits 10 "web waits" '[ "$(status_field web.0 waits_for)" = "never:ready (STARTING)" ]'
file "depends_on = db"
like "a change is live" "$(ctl reload --plan)" "live +web"
code 0 "reload" ctl reload
awaits 5 "it waits no more" 'is_state web.0 RUNNING'
web=$(pid_of web.0)
file "depends_on = never"
code 0 "reload" ctl reload
is "who runs is left alone" "$(pid_of web.0)" "$web"
kill -KILL "$web"
awaits 5 "who dies waits for what is new" '[ "$(status_field web.0 waits_for)" = "never:ready (STARTING)" ]'
file "depends_on = never:started"
code 0 "a weaker condition" ctl reload
awaits 5 "is enough" 'is_state web.0 RUNNING'
is "web was started twice in all" "$(wc -l <"$T/out/up")" 2
web=$(pid_of web.0)

# What is wrong is told with its place, and nothing has changed.
bad() { # WHAT KEYS REGEX [MORE]
	file "$2" "${4-}"
	code 1 "$1" ctl reload
	like "$1: told" "$(cat "$T/out/ok")" "$3"
}
bad "an unknown name" "depends_on = nevr" "reeve.conf:17: .*no program 'nevr', did you mean 'never'"
bad "itself" "depends_on = db, web:started" "reeve.conf:17: .*cannot wait for itself"
bad "what can never be" "depends_on = db:done" "reeve.conf:17: .*db:done can never be.*autorestart"
bad "no condition" "depends_on = db:up" "reeve.conf:17: .*started, ready or done"
bad "a ring" "depends_on = a" "reeve.conf:..: .*(web -> a -> b -> web|a -> b -> web -> a|b -> web -> a -> b)" "[program:a]
command = x
bind_to = b
[program:b]
command = x
depends_on = web:started"
is "nothing has changed" "$(pid_of web.0) $(status_field web.0 wanted)" "$web up"

# Added with what it needs, which does not start by itself.
file "depends_on = tool" "[program:tool]
command = $CHILD sleep
startsecs = 100ms
autostart = false
[program:user]
command = $CHILD sleep
startsecs = 100ms
depends_on = tool"
code 0 "reload adds two" ctl reload
awaits 5 "both are up" 'all_state RUNNING tool user'

# So with one that runs already; what a person stopped stays so otherwise.
tool="[program:tool]
command = $CHILD sleep
startsecs = 100ms
autostart = false
[program:user]
command = $CHILD sleep
startsecs = 100ms"
ctl stop tool >/dev/null
file "depends_on = tool" "$tool
depends_on = tool
priority = 5"
code 0 "reload of another key" ctl reload
is "starts nobody" "$(state tool.0)" STOPPED
file "depends_on = tool" "$tool
depends_on = tool:started"
code 0 "reload of depends_on" ctl reload
awaits 5 "starts what it needs" 'is_state tool.0 RUNNING'

# Removed together: the dependent first.
file "depends_on = db"
ctl reload
conf <<EOT
[program:never]
command = $CHILD wait-file $T/out/never ready sleep
ready = notify
EOT
: >"$T/out/down"
code 0 "reload removes both" ctl reload
is "the dependent first" "$(tr '\n' ' ' <"$T/out/down")" "web db "
plan_done
