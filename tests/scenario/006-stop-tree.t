#!/bin/sh
# Stop ends the whole tree: grandchildren, other sessions, daemons, bombs.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:tree]
command = $CHILD fork-grandchild $T/out/tree setsid-grandchild $T/out/tree
    daemon-grandchild $T/out/tree append-pid $T/out/tree sleep
startsecs = 200ms
[program:stubborn]
command = $CHILD ignore-term fork-grandchild $T/out/stubborn
    setsid-grandchild $T/out/stubborn append-pid $T/out/stubborn sleep
startsecs = 200ms
stopwaitsecs = 500ms
[program:bomb]
command = $CHILD fork-bomb 4 append-pid $T/out/bomb sleep
startsecs = 200ms
autostart = false
stopwaitsecs = 2
[program:daemon]
command = $CHILD daemonise $T/out/daemon sleep
startsecs = 200ms
autostart = false
backoff_min = 300ms
backoff_max = 300ms
[program:leader]
command = $CHILD ignore-term fork-grandchild $T/out/leader if-file $T/out/die
    exit 1 wait-file $T/out/die exit 1
startsecs = 200ms
backoff_min = 20
stopwaitsecs = 500ms
[program:quit]
command = $CHILD on-term exit 7 sleep
startsecs = 200ms
[program:asleep]
command = /bin/sh -c 'kill -STOP \$\$; exec $CHILD sleep'
startsecs = 0
stopwaitsecs = 5
[program:int]
command = $CHILD ignore-term sleep
stopsignal = INT
startsecs = 200ms
EOT
all_gone() { # FILE of pids; none: it was ended before it could say one
	[ -e "$1" ] || return 0
	while read -r pid; do
		gone "$pid" || { describe "$pid"; return 1; }
	done <"$1"
}
start_reeved
awaits 5 "all are up" 'all_state RUNNING tree stubborn quit int'
is "four processes" "$(wc -l <"$T/out/tree")" 4
t0=$(now_ms)
code 0 "stop" ctl stop tree
t=$(($(now_ms) - t0))
ok "every one of them is gone" all_gone "$T/out/tree"
ok "without waiting for a timeout ($t ms)" test $t -lt $((3000 * TEST_SLOW))

t0=$(now_ms)
code 0 "stop of what ignores TERM" ctl stop stubborn
t=$(($(now_ms) - t0))
ok "every one of them is gone" all_gone "$T/out/stubborn"
ok "after stopwaitsecs ($t ms)" test $t -ge 500 -a $t -lt $((4000 * TEST_SLOW))
like "why says that it took SIGKILL" "$(ctl why stubborn.0)" "KILL|kill"

code 0 "stop when the process answers TERM with a code" ctl stop quit
is "exit_code" "$(status_field quit.0 exit_code)" 7
is "it is STOPPED all the same" "$(state quit.0)" STOPPED
await 5 '[ "$(proc_state "$(pid_of asleep.0)")" = T ]'
code 0 "stop of one that SIGSTOP has stopped" ctl stop asleep
is "it was woken for its SIGTERM" "$(status_field asleep.0 exit_signal)" 15
t0=$(now_ms)
code 0 "stopsignal" ctl stop int
t=$(($(now_ms) - t0))
ok "took effect at once ($t ms)" test $t -lt $((3000 * TEST_SLOW))

code 0 "a fork bomb comes up" ctl start bomb
before=$(ours | wc -l)
ok "it is many processes ($before)" test "$before" -ge 4
code 0 "stop of a fork bomb" ctl stop bomb
is "nothing is left of it" "$(pgrep -f "fork-bomb 4")" ""
is "and it is STOPPED" "$(state bomb.0)" STOPPED

# The process that was started is dead, its grandchild is not: before the
# next one starts, the rest of the tree goes.
p=$(pid_of leader.0)
touch "$T/out/die"
awaits 5 "the leader is gone" 'gone $p'
awaits 5 "its grandchild, too" 'all_gone "$T/out/leader"'
ctl stop leader

# A program that forks itself into the background: what was started exits.
ctl start --no-wait daemon
awaits 5 "the daemon's parent is seen to exit" 'is_state daemon.0 BACKOFF || [ "$(status_field daemon.0 restarts)" -ge 1 ]'
like "why tells it" "$(ctl why daemon.0)" "exit"
ctl stop daemon
awaits 5 "no daemon is left behind" 'all_gone "$T/out/daemon"'

# stop of all that is up, then shutdown: see plan_done
ctl start --no-wait tree stubborn bomb
awaits 5 "up again" 'all_state RUNNING tree stubborn bomb'
plan_done
