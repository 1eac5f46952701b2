#!/bin/sh
# capabilities: what is kept, for root and for others, and nothing else.
. "$(dirname "$0")/lib.sh"
need setpriv
[ "$(id -u)" = 0 ] || skip_all "needs root: capabilities="
grep -q '^CapEff.*[13579bdf][0-9a-f]\{2\}$' /proc/self/status ||
    skip_all "needs CAP_SETPCAP"

conf <<EOT
[program:user]
command = $CHILD sleep
user = nobody
capabilities = CAP_NET_BIND_SERVICE, chown
startsecs = 200ms
[program:nothing]
command = $CHILD sleep
user = nobody
capabilities = none
startsecs = 200ms
[program:root]
command = $CHILD sleep
capabilities = CAP_KILL
no_new_privs = true
startsecs = 200ms
[program:whole]
command = $CHILD sleep
user = nobody
capabilities = all
startsecs = 200ms
[program:plain]
command = $CHILD sleep
user = nobody
startsecs = 200ms
EOT
start_reeved
awaits 10 "they are up" 'all_state RUNNING'
caps_of() { sed -n "s/^Cap$2:[[:space:]]*//p" "/proc/$1/status"; }
c() { caps_of "$(pid_of "$1.0")" "$2"; }
mine=$(caps_of "$REEVED" Eff)
none=0000000000000000
for set in Prm Eff Bnd Amb; do
	is "user: $set" "$(c user $set)" 0000000000000401
	is "none: $set" "$(c nothing $set)" $none
	is "all: $set" "$(c whole $set)" "$mine"
done
for set in Prm Eff Bnd; do
	is "root: $set" "$(c root $set)" 0000000000000020
done
is "without the key a user has none" "$(c plain Eff)" $none
is "... but could get them" "$(c plain Bnd)" \
    "$(caps_of "$REEVED" Bnd)"
is "reeved keeps its own" "$(caps_of "$REEVED" Bnd)" \
    "$(caps_of self Bnd)"

# The next engine starts what it restarts in the same way.
kill_engine
p=$(pid_of user.0)
code 0 "restart" ctl restart user
awaits 10 "user is up again" 'is_state user.0 RUNNING && [ "$(pid_of user.0)" != "$p" ]'
is "after a restart by a new engine" "$(c user Eff)" 0000000000000401

code 0 "config" ctl config user
has "config shows them by name" "$T/out/ok" "capabilities.*CAP_CHOWN,CAP_NET_BIND_SERVICE"

conf <<EOT
[program:user]
command = $CHILD sleep
capabilities = CAP_NET_BIND_SERVISE
EOT
code 2 "a name that is none" "$B/reeved" --check -c "$CONF"
has "what it might have been" "$T/out/ok" "did you mean CAP_NET_BIND_SERVICE"
conf <<EOT
[program:user]
command = $CHILD sleep
capabilities = CAP_SYS_CHROOT, CAP_KILL
EOT
code 2 "what reeved does not have itself" \
    setpriv --bounding-set -sys_chroot "$B/reeved" --check -c "$CONF"
has "which, and what to do" "$T/out/ok" "reeve.conf:[0-9]+: .*does not have CAP_SYS_CHROOT here: give"
hasnt() { if grep -Eq "$3" "$2"; then fail "$1" "$2"; else pass "$1"; fi; }
hasnt "only that one" "$T/out/ok" "CAP_KILL"
plan_done
