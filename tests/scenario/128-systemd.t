#!/bin/sh
# A real systemd, in namespaces of its own, with the unit that we install: start,
# reload, the keeper's death, its watchdog, stop.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "root alone can start a systemd"
[ -x /lib/systemd/systemd ] || skip_all "no systemd is installed"
unshare -p -m -C -f --mount-proc sh -c 'mount --make-rprivate / && umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /run' 2>/dev/null ||
    skip_all "namespaces, or cgroups v2 in them, are not to be had"

conf <<EOT
[program:web]
command = $CHILD sleep
workers = 2
EOT
mkdir "$T/units"
printf '[Unit]\nDefaultDependencies=no\n' >"$T/units/rest.target"
sed "s|@sbindir@|$B|; s|@sysconfdir@/reeve/reeve.conf|$CONF|; s|^WatchdogSec=.*|WatchdogSec=2|
	s|^\[Unit\]|&\nDefaultDependencies=no|; s|^\[Service\]|&\nEnvironment=REEVE_TEST=$T|
	s|^RuntimeDirectory=.*||; /^StateDirectory\|^LogsDirectory/d" \
    "$SRC/conf/reeve.service.in" >"$T/units/reeve.service"
cat >"$T/init" <<EOT
mount --make-rprivate /
umount -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none /run
mkdir -p /run/systemd/system
cp $T/units/* /run/systemd/system/
exec env -i container=other PATH=\$PATH /lib/systemd/systemd --system --unit=rest.target --log-target=null --show-status=no
EOT
unshare -p -m -u -i -C -f --kill-child --mount-proc sh "$T/init" >"$T/out/systemd" 2>&1 &
outer=$!
started $outer
inside() { nsenter -t "$(pgrep -P $outer)" -p -m -u -i -C "$@"; }
sysctl_() { inside systemctl "$@"; }
unit() { sysctl_ show -P "$1" reeve; }
awaits 20 "systemd is there" 'sysctl_ list-units >/dev/null 2>&1'
code 0 "start" sysctl_ start reeve
is "it is active" "$(unit ActiveState)" active
awaits 10 "all are up" 'all_state RUNNING'
were=$(pids web)
code 0 "reload" sysctl_ reload reeve
main=$(unit MainPID)

for i in 1 2; do
	inside kill -KILL "$main"
	awaits 10 "keeper killed, time $i: systemd has the next one" '[ "$(unit MainPID)" != $main ] && [ "$(unit MainPID)" != 0 ] && ctl status'
	main=$(unit MainPID)
	is "... the service goes on" "$(unit ActiveState) $(unit NRestarts)" "active 0"
	is "... nobody was restarted" "$(pids web)" "$were"
done
awaits 10 "its watchdog is heard" '[ "$(unit WatchdogTimestampMonotonic)" -gt $(($(unit ExecMainStartTimestampMonotonic) + 5000000)) ]'
is "... no restart since" "$(unit ActiveState) $(unit NRestarts)" "active 0"
code 0 "stop" sysctl_ stop reeve
# Of a main process that was killed once systemd says failed, at the end.
like "... it is stopped" "$(unit ActiveState)" '^(inactive|failed)$'
is "... and stays so" "$(unit NRestarts)" 0
awaits 10 "... with nothing of it left" '[ -z "$(find "$T/run" -mindepth 1)" ]'
kill -KILL $outer
wait $outer 2>/dev/null
plan_done
