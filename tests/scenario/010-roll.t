#!/bin/sh
# A roll replaces every instance, one after the other, canary first.
. "$(dirname "$0")/lib.sh"
need curl

p=$(port 0)
conf <<EOT
[program:web]
command = $CHILD append $T/out/starts %(process_num)d append-pid $T/out/pids ready serve
socket = tcp://127.0.0.1:$p
workers = 3
ready = notify
startsecs = 200ms
[program:other]
command = $CHILD sleep
startsecs = 200ms
EOT
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
old=$(pids web | sort) o=$(pid_of other.0)
: >"$T/out/starts"
code 0 "roll: exit 0" ctl roll web
cp "$T/out/ok" "$T/out/roll"
for i in 0 1 2; do has "a step is printed for web.$i" "$T/out/roll" "web\.$i"; done
is "one after the other, the canary first" "$(tr '\n' ' ' <"$T/out/starts")" "0 1 2 "
new=$(pids web | sort)
is "three of them" "$(echo "$new" | wc -l)" 3
is "every pid is new" "$(printf '%s\n%s\n' "$old" "$new" | sort | uniq -d)" ""
for pid in $old; do ok "old pid $pid is gone" gone "$pid"; done
is "other is untouched" "$(pid_of other.0)" "$o"
is "generation" "$(status_field web.2 generation)" 2
is "a roll is not a restart" "$(status_field web.2 restarts)" 0
like "why says roll" "$(ctl why web.0)" "roll"
like "it serves" "$(get http://127.0.0.1:$p/)" "^pid"

code 0 "restart rolls where there is more than one" ctl restart web
is "generation" "$(status_field web.2 generation)" 3
old=$(pids web | sort)
code 0 "restart --hard does not" ctl restart --hard web
is "every pid is new" "$(printf '%s\n%s\n' "$old" "$(pids web | sort)" | sort | uniq -d)" ""
old=$(pids web | sort)
kill -USR2 "$REEVED"
awaits 10 "SIGUSR2 rolls" '[ "$(status_field web.0 generation)$(status_field web.1 generation)$(status_field web.2 generation)" = 555 ] && all_state RUNNING'
awaits 5 "all programs" '[ "$(pid_of other.0)" != "$o" ] && all_state RUNNING'
code 0 "roll of one worker" ctl roll other
code 3 "roll of an unknown name" ctl roll nosuch

# Never fewer than three are there, never more than four (roll_surge = 1).
( while [ ! -e "$T/out/rolled" ]; do
	# A walk through /proc sees no single moment: two alike do.
	a=$(pgrep -P "$REEVED" -f "ready serve")
	b=$(pgrep -P "$REEVED" -f "ready serve")
	[ "$a" = "$b" ] && echo "$a" | wc -l
done | sort -u >"$T/out/counts" ) &
started $!
watcher=$!
code 0 "roll, watched" ctl roll web
touch "$T/out/rolled"
wait "$watcher"
ok "never fewer than 3, never more than 4: $(tr '\n' ' ' <"$T/out/counts")" \
    sh -c '! grep -qv "^[34]\$" "$1"' sh "$T/out/counts"
plan_done
