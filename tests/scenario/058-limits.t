#!/bin/sh
# memory_max, cpu_weight, cpu_max, pids_max: in the instance's cgroup, or said
# to have no effect.
. "$(dirname "$0")/lib.sh"

# set_limits MAX [KEY...]
set_limits() {
	conf <<-EOT
		[program:web]
		command = $CHILD sleep
		startsecs = 0
		memory_max = $1
		cpu_weight = 50
		cpu_max = 50%
		pids_max = 20
		[program:plain]
		command = $CHILD sleep
		startsecs = 0
	EOT
}
set_limits 100MB
start_reeved
awaits 5 "all are up" 'all_state RUNNING'

# Each key either has its file set, or is told with its line.
cgroup=$(sed -n 's/^0:://p' "/proc/$(pid_of web.0)/cgroup")
mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
limit() { # KEY FILE WANT
	line=$(grep -n "^$1" "$CONF" | cut -d: -f1)
	if [ -n "$mount" ] && [ -e "$mount$cgroup/$2" ]; then
		is "$1: $2 is set" "$(cat "$mount$cgroup/$2")" "$3"
		unlike "... and no warning" "$(cat "$T/out/reeved")" "$1 has no effect"
	else
		has "$1: a warning with its line" "$T/out/reeved" \
		    "reeve.conf:$line: \[program:web\] $1 has no effect: .*cgroup"
		skip "$1: $2 is set" "$(sed -n "s/.*$1 has no effect: //p" "$T/out/reeved" | head -n 1)"
	fi
}
limit memory_max memory.max 104857600
limit cpu_weight cpu.weight 50
limit cpu_max cpu.max "50000 100000"
limit pids_max pids.max 20
"$B/reeved" --check -c "$CONF" >"$T/out/check" 2>&1
is "--check has as many" "$(grep -c '^warning: .*:[0-9]*: .program:web. .* no effect: ' "$T/out/check")" \
    "$(grep -c 'has no effect' "$T/out/reeved")"
has "it is good all the same" "$T/out/check" "good, 2 programs"
if grep -q 'memory_max has no effect' "$T/out/reeved"; then
	line=$(grep -n "^memory_max" "$CONF" | cut -d: -f1)
	has "with the line and why" "$T/out/check" "reeve.conf:$line: .*memory_max would.*: (cgroup .* does not offer controller memory|no cgroup)"
fi
unlike "none for who has no key" "$(cat "$T/out/reeved")" "program:plain"

# Live: the same process, another limit; or the warning again.
a=$(pid_of web.0)
set_limits 200MB
code 0 "reload" ctl reload
is "nobody was replaced" "$(pid_of web.0)" "$a"
if [ -n "$mount" ] && [ -e "$mount$cgroup/memory.max" ]; then
	is "the new limit is set" "$(cat "$mount$cgroup/memory.max")" 209715200
else
	has "a reload warns, too" "$LOG" "warn.*memory_max has no effect"
fi
kill_engine
awaits 5 "an engine after this one finds it" '[ "$(pid_of web.0)" = "$a" ]'
code 0 "restart" ctl restart --hard web
awaits 5 "up" 'all_state RUNNING'

for v in "memory_max = lots" "cpu_weight = 10001" "cpu_max = 50" "pids_max = -1" "memory_interval = 5"; do
	conf "$T/bad.conf" <<-EOT
		[program:web]
		command = /bin/true
		$v
	EOT
	code 2 "refused: $v" "$B/reeved" --check -c "$T/bad.conf"
	has "... with the line" "$T/out/ok" "bad.conf:[0-9]+: .*${v%% *}"
done
conf "$T/bad.conf" <<EOT
[program:web]
command = /bin/true
memory_max = 1GB
memory_limit = 1GB
EOT
code 0 "a soft limit that is none" "$B/reeved" --check -c "$T/bad.conf"
has "... is a warning with its line" "$T/out/ok" "bad.conf:1[0-9]: .*memory_limit is never reached: the kernel kills at memory_max"
plan_done
