#!/bin/sh
# Where no cgroup can be made: a stop ends the tree all the same, many deaths
# are one look at /proc, and a number that was another's is never signalled.
. "$(dirname "$0")/lib.sh"
need unshare python3

# In namespaces of its own: without cgroups, with few numbers for processes.
alone() {
	unshare -pmf --kill-child --mount-proc sh -c '
		echo 500 >/proc/sys/kernel/pid_max && umount -l /sys/fs/cgroup &&
		exec "$@"' sh "$@"
}
alone true 2>"$T/out/alone" || skip_all "no namespaces, or no pid_max in them"

tree="fork-grandchild $T/out/tree setsid-grandchild $T/out/tree daemon-grandchild $T/out/tree append-pid $T/out/tree"
{
	cat <<-EOF
		[program:web]
		command = $CHILD sleep
		workers = 4
		startsecs = 100ms
		[program:short]
		command = $CHILD exit 0
		workers = 4
		startsecs = 0
		autostart = false
		[program:tree]
		command = $CHILD $tree sleep
		startsecs = 100ms
		stopwaitsecs = 20
		[program:stubborn]
		command = $CHILD ignore-term $tree sleep
		startsecs = 100ms
		stopwaitsecs = 100ms
		[program:bomb]
		command = $CHILD fork-bomb 4 sleep
		startsecs = 100ms
		stopwaitsecs = 2
		autostart = false
		[program:many]
		command = $CHILD sleep
		workers = 60
		startsecs = 100ms
	EOF
} | conf

# Strangers who take each number that becomes free, and say who signals them.
cat >"$T/strangers.py" <<'EOF'
import os, signal, sys, time
bad, end = sys.argv[1], sys.argv[2]
def say(text):
    with open(bad, "a") as f:
        f.write(text + "\n")
def heard(signo, frame):
    say("signal %d to %d" % (signo, os.getpid()))
    os._exit(1)
def live():
    os.setsid()
    for s in range(1, 32):
        if s not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
            signal.signal(s, heard)
    time.sleep(0.2)
    os._exit(0)
alive = 0
while not os.path.exists(end) or alive:
    while alive < 30 and not os.path.exists(end):
        try:
            if os.fork() == 0:
                live()
        except BlockingIOError: # all numbers are taken
            time.sleep(0.01)
            continue
        alive += 1
    pid, status = os.wait()
    alive -= 1
    if status != 0:
        say("pid %d ended with %d" % (pid, status))
EOF
cat >"$T/first" <<EOF
#!/bin/sh
"$B/reeved" -n -c "$CONF" >"$T/out/reeved" 2>&1 </dev/null &
k=\$!
read -r _ <"$T/go"
python3 "$T/strangers.py" "$T/out/bad" "$T/out/stop" &
wait \$!
kill -TERM \$k
wait \$k
EOF
chmod 755 "$T/first"
mkfifo "$T/go"
: >"$T/out/bad"
export REEVE_TEST="$T"
alone "$T/first" >"$T/out/alone" 2>&1 &
U=$!
unset REEVE_TEST
started $U
await 20 'all_state RUNNING web tree stubborn many'
ok "all are up" all_state RUNNING web tree stubborn many
F=$(pgrep -P "$(pgrep -P "$U" -x unshare)")
keeper() { pgrep -P "$F" -x reeved; }
# Those of the tree that live, by their numbers in there.
members() { # FILE
	while read -r pid; do
		nsenter -t "$F" -p -m sh -c '[ -d /proc/$1 ]' sh "$pid" && echo "$pid"
	done <"$1"
}
is "the trees have eight processes" "$(members "$T/out/tree" | wc -l)" 8
code 0 "stop of both" ctl stop tree stubborn
is "nobody is left" "$(members "$T/out/tree")" ""
code 0 "a fork bomb" ctl start bomb
code 0 "... is stopped" ctl stop bomb
is "nothing is left of it" "$(pgrep -f "fork-bomb 4")" ""

# What a command left is told, and that another one left nothing is not.
ctl run -- true
is "it left nothing" "$(ctl events | grep -c "what it left is ended")" 0
ctl run --shell "setsid sh -c ': >$T/out/there; exec sleep 1000' &
    until [ -e $T/out/there ]; do :; done; exit 3" >"$T/out/left" 2>&1
is "its exit code" "$?" 3
awaits 5 "it left something" '[ "$(ctl events | grep -c "exited with 3.* what it left is ended")" = 1 ]'
awaits 5 "... that is gone" 'ctl events | grep -q "nothing of it is left"'

# All sixty die at once: looks at /proc are for many.
looks() { grep -c "trees looked for" "$LOG"; }
n=$(looks)
# shellcheck disable=SC2046
kill -KILL $(pgrep -P "$(keeper)" -f '^[^ ]*/child sleep$')
awaits 20 "all killed: all are back" 'all_state RUNNING many web && [ "$(ctl --json status many | grep -Eo "\"restarts\" *: *1\b" | wc -l)" = 60 ]'
n=$(($(looks) - n))
ok "a look is for many ($n for 64 deaths)" test "$n" -ge 1 -a "$n" -le 32

# Numbers come round; orders, deaths, and dead engines all the time.
ctl stop many >/dev/null
web=$(pids web)
is "four of them" "$(echo "$web" | wc -l)" 4
echo >"$T/go"
ctl start --no-wait short
i=0
while [ $i -lt 8 ]; do
	i=$((i + 1))
	ctl restart --hard tree >"$T/out/again" 2>&1 || fail "restart $i" "$T/out/again"
	ctl run -- true || fail "run $i"
	[ $i != 4 ] || kill -KILL "$(pgrep -P "$(keeper)" -x reeve-engine)"
	await 10 'ctl status'
done
n=$(status_field short.0 restarts)
is "no worker was touched" "$(pids web)" "$web"
: >"$T/out/stop"
awaits 20 "it ends" 'gone $U'
is "no stranger was signalled ($n restarts)" "$(cat "$T/out/bad")" ""
unlike "no new instance was killed for an old one" "$(grep ' warn .*tree' "$LOG")" "killed by SIGKILL after [0-9] ms"
plan_done
