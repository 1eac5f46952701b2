#!/bin/sh
# What a program sees of the files: chroot, private_tmp, read_only.
. "$(dirname "$0")/lib.sh"
need unshare
[ "$(id -u)" = 0 ] || skip_all "needs root: chroot=, private_tmp="
unshare -m true 2>/dev/null || skip_all "needs mount namespaces"

# A root with the helper in it, and with what that is linked with.
mkdir -p "$T/jail/bin" "$T/jail/tmp" "$T/jail/etc" "$T/jail/dev" "$T/jail/proc" "$T/data/sub"
chmod 755 "$T/jail"
cp "$CHILD" "$T/jail/bin/child"
ldd "$CHILD" | grep -o '/[^ ]*' | while read -r lib; do
	mkdir -p "$T/jail$(dirname "$lib")"
	cp "$lib" "$T/jail$lib"
done
ln -s /bin/child "$T/jail/bin/linked"
jail_tmp=$T/jail/tmp
echo outside >"$jail_tmp/outside"
SLEEP=$(command -v sleep)
OLD="san_options=$ASAN_OPTIONS"
export ASAN_OPTIONS="detect_leaks=0"
conf <<EOT
[program:tmp]
command = $SLEEP 1000
private_tmp = true
startsecs = 200ms
workers = 2
[program:ro]
command = $SLEEP 1000
read_only = $T/data, /usr
startsecs = 200ms
[program:whole]
command = $SLEEP 1000
read_only = /
private_tmp = true
user = nobody
startsecs = 200ms
[program:jail]
command = linked print inside sleep
chroot = $T/jail
directory = /etc
environment = PATH="/sbin:/bin"
startsecs = 200ms
[program:both]
command = /bin/child sleep
chroot = $T/jail
private_tmp = true
read_only = /
startsecs = 200ms
EOT
start_reeved
ASAN_OPTIONS=${OLD#san_options=}
awaits 10 "they are up" 'all_state RUNNING'

# Writes as a process of the program would.
root_of() { echo "/proc/$(pid_of "$1")/root"; }
in_ns() { n=$(pid_of "$1"); shift; nsenter -m -t "$n" -- "$@" 2>>"$T/out/ns"; }
ns() { readlink "/proc/$1/ns/mnt"; }

r=$(root_of tmp.0)
is "private_tmp: empty at first" "$(ls -A "$r/tmp" "$r/var/tmp" | grep -v : | grep -v '^$')" ""
is "private_tmp: for all users" "$(stat -c %a "$r/tmp" "$r/var/tmp" | tr '\n' ' ')" "1777 1777 "
echo x >"$r/tmp/reeve-mine"
ok "private_tmp: not seen outside" test ! -e /tmp/reeve-mine
ok "private_tmp: nor in the other slot" test ! -e "$(root_of tmp.1)/tmp/reeve-mine"
ok "private_tmp: seen inside" in_ns tmp.0 test -e /tmp/reeve-mine
isnt "a namespace of its own" "$(ns "$(pid_of tmp.0)")" "$(ns self)"
is "reeved has not moved" "$(ns "$REEVED")" "$(ns self)"
p=$(pid_of tmp.0)
code 0 "restart" ctl restart tmp.0
awaits 10 "another instance" '[ "$(pid_of tmp.0)" != "$p" ] && is_state tmp.0 RUNNING'
ok "private_tmp: fresh" in_ns tmp.0 test ! -e /tmp/reeve-mine

code 1 "read_only: no file in it" in_ns ro.0 touch "$T/data/x"
code 1 "read_only: nor below it" in_ns ro.0 touch "$T/data/sub/x"
code 1 "read_only: the second path" in_ns ro.0 touch /usr/reeve-x
ok "read_only: elsewhere it can" in_ns ro.0 touch "$T/out/x"
touch "$T/data/y"
ok "read_only: outside it is as ever" test -e "$T/data/y"
ok "read_only: what is written outside is seen" in_ns ro.0 test -e "$T/data/y"
# A mount from outside must not be a hole in it.
if [ "$(findmnt -no PROPAGATION /)" = shared ]; then
	mount -t tmpfs none "$T/data/sub"
	code 1 "read_only: a later mount is no hole" in_ns ro.0 touch "$T/data/sub/x"
	umount "$T/data/sub"
else
	skip "read_only: a later mount is no hole" "/ is not a shared mount"
fi

code 1 "read_only = /: nothing" in_ns whole.0 touch /var/reeve-x
code 1 "read_only = /: no other mount" in_ns whole.0 touch /dev/reeve-x
ok "read_only = /: but a private /tmp" in_ns whole.0 touch /tmp/x
ok "read_only = /: and devices" in_ns whole.0 sh -c 'echo >/dev/null'
is "as the user" "$(stat -c %u "/proc/$(pid_of whole.0)")" "$(id -u nobody)"

p=$(pid_of jail.0)
is "chroot: its root" "$(readlink "/proc/$p/root")" "$T/jail"
is "chroot: directory is below it" "$(readlink "/proc/$p/cwd")" "$T/jail/etc"
is "chroot: without mounts no namespace" "$(ns "$p")" "$(ns self)"
awaits 5 "chroot: the log is outside" 'grep -q inside "$T/log/jail.0.stdout.log"'
r=$(root_of both.0)
is "chroot and private_tmp: /tmp of the root" "$(ls -A "$r/tmp")" ""
if (: >"$r/etc/x") 2>/dev/null; then fail "chroot and read_only: the root"; else pass "chroot and read_only: the root"; fi
is "outside nothing has changed" "$(cat "$jail_tmp/outside")" outside
: >"$T/jail/etc/y"
ok "... and all can be written" test -e "$T/jail/etc/y"

# The namespace is gone with its last process.
code 0 "stop" ctl stop all
is "no mount is left" "$(grep -c "$T" /proc/self/mountinfo)" 0
plan_done
