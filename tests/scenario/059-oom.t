#!/bin/sh
# A SIGKILL by the kernel's OOM killer is told from another one, and told of a
# process of an instance that lives on.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:hand]
command = $CHILD append-pid $T/out/pid sleep
autorestart = false
startsecs = 0
[program:oom]
command = sh $T/out/oom.sh
autorestart = false
autostart = false
startsecs = 0
[program:part]
command = sh $T/out/part.sh
autorestart = false
autostart = false
startsecs = 0
EOT
cat >"$T/out/part.sh" <<EOT
while :; do
	until [ -e $T/out/go ]; do sleep 0.1; done
	rm $T/out/go
	$CHILD alloc 120 exit 0
	echo >>$T/out/went
done
EOT
v1=/sys/fs/cgroup/memory/reeve-oom-$$
cat >"$T/out/oom.sh" <<EOT
[ ! -d $v1 ] || echo \$\$ >$v1/cgroup.procs
exec $CHILD alloc 120 sleep
EOT
start_reeved
awaits 5 "up" 'is_state hand.0 RUNNING'
kill -KILL "$(pid_of hand.0)"
awaits 5 "killed by hand" 'is_state hand.0 EXITED'
like "why: by SIGKILL" "$(ctl why hand.0)" "killed by SIGKILL"
if grep -q '^oom_kill ' /proc/vmstat; then
	before=$(sed -n 's/^oom_kill //p' /proc/vmstat)
	unlike "... not out of memory" "$(ctl why hand.0)" "OOM|memory controller"
else
	skip "... not out of memory" "/proc/vmstat does not count OOM kills"
fi
like "... in JSON" "$(ctl --json why hand.0)" '"oom" ?: ?false'

# With the controller in version 2 memory_max will do, else one in version 1.
v2=
root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -z "$root" ] || ! grep -qw memory "$root/cgroup.controllers" || v2=1
if [ -n "$v2" ]; then
	sed -i '/^command = sh/a memory_max = 20MB' "$CONF"
	ctl reload >/dev/null
elif ! mkdir "$v1" 2>/dev/null || ! echo 20M >"$v1/memory.limit_in_bytes"; then
	skip "an OOM kill" "no memory controller can be used here"
	plan_done
	exit
fi
ctl start oom >/dev/null
awaits 10 "the kernel kills it" 'is_state oom.0 EXITED'
ctl why oom.0 >"$T/out/why"
if [ -n "$v2" ] && ! grep -q "has no effect" "$LOG"; then
	has "why: out of memory" "$T/out/why" "killed by SIGKILL.*out of memory"
	like "... in JSON" "$(ctl --json why oom.0)" '"oom" ?: ?true'
elif [ "$(sed -n 's/^oom_kill //p' /proc/vmstat)" != "$before" ]; then
	has "why: perhaps the OOM killer" "$T/out/why" \
	    "killed by SIGKILL.*perhaps by the kernel's OOM killer"
else
	skip "why: perhaps the OOM killer" "the kernel counted none"
fi
[ ! -d "$v1" ] || rmdir "$v1"

# A child of one that lives on.
if [ -n "$v2" ] && ! grep -q "has no effect" "$LOG"; then
	part() { # EVENTS TEXT: one more is killed
		: >"$T/out/go"
		n=$1
		awaits 20 "a child is killed" '[ "$(ctl events | grep -c " oom  *part.0")" = $n ]'
		like "... an event tells it" "$(ctl events | grep 'oom  *part.0' | tail -n 1)" "OOM killer ended 1 of its processes$2\$"
	}
	ctl start part >/dev/null
	pid=$(pid_of part.0)
	part 1 ""
	part 2 ", 2 since it was started"
	kill_engine
	part 3 ", 3 since it was started"
	is "... and it lives on" "$(pid_of part.0) $(wc -l <"$T/out/went")" "$pid 3"
	kill -KILL "$pid"
	awaits 5 "killed by hand" 'is_state part.0 EXITED'
	like "why: not by the OOM killer" "$(ctl why part.0)" "killed by SIGKILL.*OOM killer was among its other processes"
else
	skip "OOM kills of children" "no memory controller of version 2"
fi

# One that was killed by hand afterwards is not blamed on it.
rm -f "$T/out/pid"
ctl start hand >/dev/null
awaits 5 "up" 'is_state hand.0 RUNNING'
kill -KILL "$(pid_of hand.0)"
awaits 5 "killed by hand" 'is_state hand.0 EXITED'
unlike "that one is not blamed" "$(ctl why hand.0)" "OOM"
plan_done
