#!/bin/sh
# What cannot work is told at load, and what fails in the child by its step.
. "$(dirname "$0")/lib.sh"
need setpriv unshare
[ "$(id -u)" = 0 ] || skip_all "needs root to become others"
unshare -m true 2>/dev/null || skip_all "needs mount namespaces"

SLEEP=$(command -v sleep)
line() { grep -n "^$1" "$CONF" | cut -d: -f1; }
chmod 755 "$T" "$T/out"
conf <<EOT
[program:web]
command = $SLEEP 1000
group = 12345
supplementary_groups = 12346
capabilities = none
chroot = /
private_tmp = true
read_only = /usr
ioprio = realtime:4
no_new_privs = true
EOT
chmod 644 "$CONF"
code 2 "an ordinary user's reeved" \
    setpriv --reuid 4711 --regid 4711 --clear-groups "$B/reeved" --check -c "$CONF"
for key in group supplementary_groups capabilities chroot private_tmp read_only ioprio; do
	has "$key, with its line" "$T/out/ok" \
	    "reeve.conf:$(line $key): .*$key: only root with CAP_[A-Z_]+ can .*: run reeved as root, or remove the key"
done
if grep -q no_new_privs "$T/out/ok"; then fail "no_new_privs needs nothing" "$T/out/ok"; else pass "no_new_privs needs nothing"; fi
sed -i '/^ioprio/d; /^group/d; /^supp/d; /^capab/d; /^chroot/d' "$CONF"
code 2 "root in a container without CAP_SYS_ADMIN" \
    setpriv --bounding-set -sys_admin "$B/reeved" --check -c "$CONF"
has "says what to give" "$T/out/ok" "reeve.conf:$(line private_tmp): .*CAP_SYS_ADMIN .*--cap-add"

# What private_tmp would hide.
mkdir /tmp/reeve-hidden.$$
conf <<EOT
[program:web]
command = $CHILD sleep
directory = /tmp/reeve-hidden.$$
private_tmp = true
EOT
code 2 "a folder in /tmp that is needed" "$B/reeved" --check -c "$CONF"
has "is named" "$T/out/ok" "reeve.conf:$(line private_tmp): .*hides directory /tmp/reeve-hidden"
rmdir /tmp/reeve-hidden.$$

# Missing folders are warnings, and each start says what is missing.
conf <<EOT
[program:ro]
command = $SLEEP 1000
read_only = $T/data
startsecs = 200ms
backoff_min = 50ms
backoff_max = 200ms
[program:jail]
command = $SLEEP 1000
chroot = $T/gone
startsecs = 200ms
backoff_min = 50ms
backoff_max = 200ms
[program:tmp]
command = /bin/child sleep
chroot = $T/jail
private_tmp = true
startsecs = 200ms
backoff_min = 50ms
backoff_max = 200ms
[program:hook]
command = $SLEEP 1000
before_start = true
read_only = $T/data
startsecs = 200ms
backoff_min = 50ms
backoff_max = 200ms
EOT
mkdir -p "$T/jail/bin"
cp "$CHILD" "$T/jail/bin/child"
code 0 "a warning" "$B/reeved" --check -c "$CONF"
has "a path that is not there yet" "$T/out/ok" "reeve.conf:$(line read_only | head -n 1): .*$T/data: No such file"
has "a root that is not there yet" "$T/out/ok" "reeve.conf:$(line chroot | head -n 1): .*$T/gone: No such file"
start_reeved
awaits 10 "read_only: why names step, path and error" \
    'ctl why ro.0 | grep -q "make read-only $T/data: No such file or directory"'
awaits 10 "private_tmp: the same" \
    'ctl why tmp.0 | grep -q "mount a private /tmp: No such file or directory"'
awaits 10 "a hook's start: the same" \
    'ctl why hook.0 | grep -q "make read-only $T/data: No such file or directory"'
awaits 10 "chroot: what is to be run is not there" 'ctl why jail.0 | grep -q "chroot $T/gone: No such file"'
kill_engine
like "after the engine's death: the same" "$(ctl why ro.0)" "make read-only $T/data: No such file"
mkdir "$T/data"
awaits 10 "once it is there it comes up by itself" 'is_state ro.0 RUNNING && is_state hook.0 RUNNING'

# A change of these keys is a roll, and a new engine boxes in the same way.
conf <<EOT
[program:ro]
command = $SLEEP 1000
startsecs = 200ms
EOT
code 0 "reload" ctl reload
awaits 10 "ro is up" 'is_state ro.0 RUNNING'
conf <<EOT
[program:ro]
command = $SLEEP 1000
private_tmp = true
startsecs = 200ms
EOT
p=$(pid_of ro.0)
code 0 "reload --plan" ctl reload --plan
has "a roll" "$T/out/ok" "roll"
code 0 "reload" ctl reload
awaits 10 "rolled" '[ "$(pid_of ro.0)" != "$p" ] && is_state ro.0 RUNNING'
mounts() { grep -c ' /tmp .*tmpfs' "/proc/$(pid_of ro.0)/mountinfo"; }
is "the new one has its /tmp" "$(mounts)" 1
kill_engine
p=$(pid_of ro.0)
is "an instance outlives the engine, box and all" "$(mounts)" 1
kill -KILL "$p"
awaits 10 "the next one" '[ "$(pid_of ro.0)" != "$p" ] && is_state ro.0 RUNNING'
is "is shut in as well" "$(mounts)" 1
plan_done
