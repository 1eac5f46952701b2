#!/bin/sh
# An ordinary user runs reeved; who may not connect is told so: exit 5.
. "$(dirname "$0")/lib.sh"
need setpriv
[ "$(id -u)" = 0 ] || skip_all "needs root to become others"

as() { # UID COMMAND...
	uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}
conf <<EOT
[program:web]
command = $CHILD dump $T/out/web sleep
startsecs = 200ms
[program:other]
command = $CHILD sleep
user = nobody
autostart = false
EOT
chmod 755 "$T/out" "$T"
chown -R 4711:4711 "$T/run" "$T/log" "$T/state" "$T/out"
chmod 644 "$CONF"
# user= is another than ourselves: an ordinary user cannot do that.
code 2 "user= of somebody else, not as root: exit 2" as 4711 "$B/reeved" --check -c "$CONF"
has "says so" "$T/out/ok" "root"
sed -i '/^\[program:other\]/,$d' "$CONF"
WRAP="setpriv --reuid 4711 --regid 4711 --clear-groups"
start_reeved
WRAP=
awaits 5 "an ordinary user's daemon" 'all_state RUNNING'
is "its worker is that user" "$(sed -n 's/^uid=//p' "$T/out/web")" 4711
is "the socket is 0600" "$(stat -c '%a %u' "$T/run/reeve.sock")" "600 4711"
code 0 "the user may" as 4711 "$B/reevectl" -c "$CONF" status
code 5 "another user may not: exit 5" as 4712 "$B/reevectl" -c "$CONF" status
has "says so" "$T/out/ok" "ermission|not allowed"
code 0 "root may" ctl status
code 0 "stop by root" ctl stop web
like "why names root" "$(ctl why web.0)" "root|uid 0"
code 0 "start" as 4711 "$B/reevectl" -c "$CONF" start web
end_reeved

# The socket is open to all, the orders are not.
conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 200ms
EOT
sed -i 's/^\[reeve\]/&\nsocket_chmod = 0666/' "$CONF"
rm -rf "$T/log" "$T/state"
mkdir "$T/log" "$T/state"
start_reeved
is "socket_chmod" "$(stat -c %a "$T/run/reeve.sock")" 666
as 4712 "$B/reevectl" -c "$CONF" status >"$T/out/status" 2>&1
c=$?
ok "status by another user: 0 or 5, never more (is $c)" test $c = 0 -o $c = 5
p=$(pid_of web.0)
end_reeved

# socket_chown: a user and group
conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 200ms
EOT
sed -i 's/^\[reeve\]/&\nsocket_chown = nobody\nsocket_chmod = 0660/' "$CONF"
start_reeved
is "socket_chown" "$(stat -c '%a %U' "$T/run/reeve.sock")" "660 nobody"

# Without any key: the places of an ordinary user.
printf '[reeve]\n[program:web]\ncommand = %s sleep\nstartsecs = 200ms\n' "$CHILD" >"$T/home.conf"
mkdir "$T/home" "$T/xdg"
chown 4711:4711 "$T/home" "$T/xdg"
chmod 700 "$T/xdg"
env -i PATH="$PATH" HOME="$T/home" XDG_RUNTIME_DIR="$T/xdg" REEVE_TEST="$T" \
    setpriv --reuid 4711 --regid 4711 --clear-groups "$B/reeved" -n -c "$T/home.conf" >"$T/out/home" 2>&1 &
h=$!
started $h
awaits 10 "no key is needed to start" '[ -S "$T/xdg/reeve/reeve.sock" ]'
ok "reevectl finds it the same way" env -i HOME="$T/home" XDG_RUNTIME_DIR="$T/xdg" \
    setpriv --reuid 4711 --regid 4711 --clear-groups "$B/reevectl" -c "$T/home.conf" status
kill $h
if await 10 'gone $h'; then pass "it ends"; else fail "it ends" "$T/out/home"; fi
is "nothing is left in the runtime folder" "$(find "$T/xdg" -type s -o -name '*.pid')" ""
plan_done
