#!/bin/sh
# Under a reeved that is the first process of a machine: see 130-vm.t.
. "${0%/*}/../scenario/lib.sh"
SRC=$(cd "${0%/*}/../.." && pwd)
CONF=/pid1.conf
LOG=/var/log/reeve.log

awaits 10 "up" 'all_state RUNNING web check strangers'
is "reeved is the first process" "$(ctl pid) $(cat /proc/1/comm)" "1 reeved"
awaits 10 "memory_max: the kernel kills" 'is_state fat.0 EXITED'
like "why: out of memory" "$(ctl why fat)" "killed by SIGKILL.*out of memory: the kernel's OOM killer"
awaits 5 "strangers are reaped" '[ -e /tmp/strangers ] && [ "$(ps -o stat= --ppid 1 | grep -c Z)" = 0 ]'
is "nobody is restarted for them" "$(status_field web.0 restarts)$(status_field strangers.0 restarts)" 00
f=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(pid_of web.0)/cgroup")
is "an instance has its cgroup and limits" "$(cat "$f/memory.max" "$f/pids.max" | tr '\n' ' ')" "31457280 20 "
p=$(pids web)
e=$(pgrep -P 1 -x reeve-engine)
kill -KILL "$e"
awaits 10 "the engine was killed and comes back" '[ -n "$(pgrep -P 1 -x reeve-engine)" ] && [ "$(pgrep -P 1 -x reeve-engine)" != "$e" ] && ctl status'
is "nobody is restarted" "$(pids web)" "$p"
code 0 "upgrade" ctl upgrade
is "nobody is restarted" "$(pids web) $(cat /proc/1/comm)" "$p reeved"
code 0 "roll" ctl roll web
code 0 "stop" ctl stop web
is "stop ends the whole tree" "$(ls "$f" 2>/dev/null; pgrep -f daemon-grandchild)" ""
plan_done
