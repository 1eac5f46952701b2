#!/bin/sh
# What the kernel does with memory_max, pids_max, cpu_max and cpu_weight: in
# the cgroup that reeved finds itself in, and in one of its own that it has to
# leave before it can hand anything down.  130 runs this in a machine that has
# the controllers.
. "$(dirname "$0")/lib.sh"

mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
here=$mount$(sed -n 's/^0:://p' /proc/self/cgroup)
for c in memory pids cpu; do
	grep -qw $c "$here/cgroup.controllers" 2>/dev/null ||
	    skip_all "cgroups of version 2 have no controller $c here"
done
[ -w "$here/cgroup.procs" ] || skip_all "no cgroup can be made here"

cat >"$T/forks" <<'EOT'
i=0
while [ $i -lt 30 ]; do
	sleep 100000 &
	i=$((i + 1))
	echo "child $i"
done
EOT
cat >"$T/own" <<EOT
echo \$\$ >"$here/reeve-t-$$/cgroup.procs"
exec "\$@"
EOT

folder() { echo "$mount$(sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup")"; }
count() { sed -n "s/^$3 //p" "$(folder "$1")/$2"; } # SLOT FILE WORD

conf <<EOT
[program:fat]
command = $CHILD append-pid $T/out/fat wait-file $T/out/eat alloc 120 sleep
memory_max = 30MB
autorestart = false
startsecs = 0
[program:part]
command = sh -c "while [ ! -e $T/out/eat ]; do sleep 0.05; done; $CHILD alloc 120; exit 7"
memory_max = 30MB
autorestart = false
startsecs = 0
[program:later]
command = sh -c "while [ ! -e $T/out/eat ]; do sleep 0.05; done; $CHILD alloc 120; touch $T/out/ate; exec $CHILD sleep"
memory_max = 30MB
startsecs = 0
[program:forks]
command = sh $T/forks
pids_max = 10
autorestart = false
startsecs = 0
[program:spin]
command = sh -c "while :; do :; done"
cpu_max = 20%
startsecs = 0
[program:more]
command = sh -c "while :; do :; done"
cpu_weight = 1000
cpu_set = 0
startsecs = 0
[program:less]
command = sh -c "while :; do :; done"
cpu_weight = 50
cpu_set = 0
startsecs = 0
[program:plain]
command = $CHILD sleep
startsecs = 0
EOT

limits_hold() { # WHERE
	rm -f "$T/out/eat" "$T/out/ate" "$T/log/forks.0"*
	start_reeved
	unlike "$1: no limit is without effect" "$(cat "$T/out/reeved")" "no effect"
	awaits 10 "$1: up" 'all_state RUNNING fat part later spin more less plain'

	awaits 10 "$1: pids_max: the eleventh process is refused" 'is_state forks.0 EXITED'
	has "... and says so" "$T/log/forks.0.stderr.log" "[Cc]annot fork"
	is "... the others were started" "$(tail -n 1 "$T/log/forks.0.stdout.log")" "child 9"
	like "... why has its words" "$(ctl why forks)" "[Cc]annot fork"

	f=$(folder spin.0)
	awaits 10 "$1: cpu_max: it has to wait" '[ "$(count spin.0 cpu.stat nr_throttled)" -ge 10 ]'
	u=$(count spin.0 cpu.stat usage_usec) t=$(now_ms)
	awaits 20 "... and goes on" '[ "$(count spin.0 cpu.stat usage_usec)" -gt $((u + 300000)) ]'
	u=$(($(count spin.0 cpu.stat usage_usec) - u)) t=$(($(now_ms) - t))
	ok "... with a fifth of a CPU ($u us in $t ms)" test $u -lt $((t * 200 + 200000))

	awaits 60 "$1: cpu_weight: who has little gets some" '[ "$(count less.0 cpu.stat usage_usec)" -gt 200000 ]'
	m=$(count more.0 cpu.stat usage_usec) l=$(count less.0 cpu.stat usage_usec)
	m0=$m l0=$l
	await 60 '[ "$(count less.0 cpu.stat usage_usec)" -gt $((l0 + 200000)) ]'
	m=$(($(count more.0 cpu.stat usage_usec) - m0)) l=$(($(count less.0 cpu.stat usage_usec) - l0))
	ok "... and who has much, much more ($m us, $l us)" test $m -gt $((l * 6))

	# Live, and of an engine that did not start them.
	ok "$1: the engine is killed" kill_engine
	p=$(pid_of spin.0)
	sed -i 's/^cpu_max = 20%/cpu_max = 40%/' "$CONF"
	code 0 "reload" ctl reload
	is "cpu_max is another" "$(cat "$(folder spin.0)/cpu.max")" "40000 100000"
	is "of the same process" "$(pid_of spin.0)" "$p"
	sed -i 's/^cpu_max = 40%/cpu_max = 20%/' "$CONF"

	touch "$T/out/eat"
	awaits 20 "$1: memory_max: the kernel kills" 'is_state fat.0 EXITED && is_state part.0 EXITED'
	like "why: out of memory" "$(ctl why fat)" "killed by SIGKILL.*out of memory: the kernel's OOM killer"
	like "... in JSON" "$(ctl --json why fat)" '"oom" ?: ?true'
	is "nobody else was killed" "$(state plain.0)$(pid_of spin.0)" "RUNNING$p"
	like "a child of it was killed: why tells that, too" "$(ctl why part)" "exited with 7.*out of memory"
	awaits 10 "another one goes on without it" '[ -e "$T/out/ate" ] && is_state later.0 RUNNING'
	code 0 "stop it" ctl stop later
	unlike "that stop had nothing to do with memory" "$(ctl why later)" "out of memory"
	p=$(pid_of plain.0)
	kill -KILL "$p"
	awaits 5 "one that was killed by hand" '[ "$(pid_of plain.0)" != "$p" ] && is_state plain.0 RUNNING'
	unlike "... is not blamed on memory" "$(ctl why plain)" "out of memory|OOM"
	end_reeved
	is "reeved exits with 0" "$CODE" 0
}

if mkdir "$here/reeve-t-$$" 2>/dev/null; then
	before=$(cat "$here/cgroup.subtree_control")
	for c in memory pids cpu; do echo "+$c" >"$here/cgroup.subtree_control" 2>/dev/null; done
	if grep -qw memory "$here/reeve-t-$$/cgroup.controllers"; then
		WRAP="sh $T/own" limits_hold "in a cgroup of its own"
		is "it hands nothing down any more" "$(cat "$here/reeve-t-$$/cgroup.subtree_control")" ""
	else
		skip "in a cgroup of its own" "there are others in ours, which can't hand down"
	fi
	ok "nothing is left in it" rmdir "$here/reeve-t-$$"
	for c in memory pids cpu; do
		case " $before " in *" $c "*) ;; *) echo "-$c" >"$here/cgroup.subtree_control" ;; esac
	done
fi
# Only the root may have processes and hand down.
if [ ! -e "$here/cgroup.type" ]; then
	limits_hold "in the root"
else
	skip "in the root" "we are not in it"
fi
plan_done
