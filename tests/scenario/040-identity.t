#!/bin/sh
# Who a program is: user, groups, no_new_privs, I/O priority, CPUs.
. "$(dirname "$0")/lib.sh"
need ionice
[ "$(id -u)" = 0 ] || skip_all "needs root: user=, group="

mkdir -m 777 "$T/pub"
conf <<EOT
[program:plain]
command = $CHILD dump $T/pub/plain sleep
user = nobody
startsecs = 200ms
[program:group]
command = $CHILD dump $T/pub/group sleep
user = nobody
group = 12345
supplementary_groups = 12346, 12347
startsecs = 200ms
[program:only]
command = $CHILD dump $T/pub/only sleep
user = 12348:12349
supplementary_groups = none
startsecs = 200ms
[program:root]
command = $CHILD dump $T/pub/root sleep
group = 12345
no_new_privs = true
ioprio = best-effort:6
startsecs = 200ms
[program:cpu]
command = $CHILD dump $T/pub/cpu sleep
workers = auto
cpu_set = 0
ioprio = idle
startsecs = 200ms
EOT
start_reeved
awaits 10 "they are up" 'all_state RUNNING'
d() { sed -n "s/^$2=//p" "$T/pub/$1" | head -n 1; }
sorted() { d "$1" groups | tr , '\n' | sort -n | tr '\n' ' '; }
is "user alone: its gid" "$(d plain gid)" "$(id -g nobody)"
is "user alone: may gain rights" "$(d plain status.NoNewPrivs)" 0
is "group: the gid" "$(d group gid) $(d group egid)" "12345 12345"
is "group: the user stays" "$(d group uid)" "$(id -u nobody)"
is "group: HOME, USER, LOGNAME and SHELL of the user" \
    "$(d group env.HOME):$(d group env.USER):$(d group env.LOGNAME):$(d group env.SHELL)" \
    "$(getent passwd nobody | cut -d: -f6):nobody:nobody:$(getent passwd nobody | cut -d: -f7)"
is "supplementary_groups: all of them" "$(sorted group)" "12345 12346 12347 "
is "none: the main one alone" "$(sorted only)" "12349 "
is "group without user: still root" "$(d root uid) $(d root gid)" "0 12345"
is "... and no group of root's" "$(sorted root)" "12345 "
is "no_new_privs" "$(d root status.NoNewPrivs)" 1
is "ioprio" "$(ionice -p "$(pid_of root.0)")" "best-effort: prio 6"
is "ioprio = idle" "$(ionice -p "$(pid_of cpu.0)")" "idle"
is "cpu_set" "$(d cpu affinity)" 0
is "workers = auto: no more than cpu_set has" "$(pids cpu | wc -l)" 1

# With cpu_affinity = auto slots take turns on the CPUs of the set.
last=$(($(getconf _NPROCESSORS_CONF) - 1))
conf <<EOT
[program:cpu]
command = $CHILD dump $T/pub/cpu sleep
cpu_set = $last
cpu_affinity = auto
startsecs = 200ms
EOT
p=$(pid_of cpu.0)
code 0 "reload" ctl reload
awaits 10 "cpu is another one" '[ "$(pid_of cpu.0)" != "$p" ] && is_state cpu.0 RUNNING'
is "cpu_affinity = auto: a CPU of the set" "$(d cpu affinity)" "$last"

# What contradicts is told with its line.
conf <<EOT
[program:cpu]
command = $CHILD sleep
cpu_set = 0
cpu_affinity = 0,1
[program:far]
command = $CHILD sleep
cpu_set = 4095
[program:two]
command = $CHILD sleep
user = root:12
group = 13
EOT
line() { grep -n "$1" "$CONF" | cut -d: -f1; }
code 1 "reload of contradictions" ctl reload
has "cpu_affinity, with its line" "$T/out/ok" "reeve.conf:$(line "^cpu_affinity"): .*not in cpu_set"
has "a CPU that is not there" "$T/out/ok" "reeve.conf:$(line 4095): .*no CPU 4095"
has "two groups" "$T/out/ok" "reeve.conf:$(line "^group"): .*keep one"
plan_done
