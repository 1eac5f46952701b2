#!/bin/sh
# The queue and users: tasks run as who added them, and are theirs alone; a
# disk that is full refuses, and what runs goes on.
. "$(dirname "$0")/lib.sh"
need setpriv
[ "$(id -u)" = 0 ] || skip_all "this is for root"

conf <<EOT
cpu_slots = 8
[program:idle]
command = $CHILD sleep
EOT
start_reeved
chmod 755 "$T/run"
chmod 666 "$T/run/reeve.sock"
chmod 777 "$T/out"
as() { # UID ARG...
	as_uid=$1
	shift
	setpriv --reuid="$as_uid" --regid="$as_uid" --groups="$as_uid,4242" \
	    "$B/reevectl" -s "$T/run/reeve.sock" task "$@"
}
hold="until [ -e $T/out/go ]; do sleep 0.02; done"

a=$(as 1234 add --shell 'id -u; id -G; umask')
code 0 "one of another user" as 1234 wait "$a"
like "it runs as that user, with its groups" "$(as 1234 log "$a" | tr '\n' ' ')" "^1234 1234 4242 "
is "its output is that user's" "$(stat -c '%u %a' "$T/state/tasks/$a.log")" "1234 600"
b=$(as 1234 add --shell "$hold")
r=$(ctl task add --shell "$hold")
is "one sees one's own" "$(as 1234 list --json | grep -o '"id":[0-9]*')" "\"id\":$b"
is "another sees none" "$(as 1235 list --all --json)" "[]"
is "root sees all" "$(ctl task list --json | grep -o '"id":[0-9]*' | tr '\n' ' ')" "\"id\":$b \"id\":$r "
for verb in wait log cancel rm; do
	code 3 "another's task is not there: $verb" as 1235 "$verb" "$b"
	code 3 "... root's neither: $verb" as 1234 "$verb" "$r"
done
code 3 "... to wait for" as 1235 add --after "$b" true
code 5 "another user" as 1234 add --user root true
is "--user, by root" "$(i=$(ctl task add --user 1236:1236 id -u); ctl task wait "$i"; ctl task log "$i")" 1236

# A group of the same name is another one.
code 0 "pause" as 1235 pause
code 0 "... is nobody else's" as 1234 wait "$(as 1234 add true)"
i=$(as 1235 add true)
is "... but one's own" "$(as 1235 list --json | grep -o '"state":"[a-z]*"')" '"state":"queued"'
code 0 "resume" as 1235 resume
code 0 "... it runs" as 1235 wait "$i"
: >"$T/out/go"
code 0 "its end" as 1234 wait "$b"
rm "$T/out/go"

# A full disk.
end_reeved
mkdir "$T/small"
if ! mount -t tmpfs -o size=256k,mode=755 tmpfs "$T/small" 2>/dev/null; then
	skip "a full disk" "no tmpfs can be mounted"
	plan_done
fi
sed "s|^state_dir = .*|state_dir = $T/small|" "$CONF" >"$CONF.new"
mv "$CONF.new" "$CONF"
start_reeved
a=$(ctl task add --shell "$hold; exit 4")
b=$(ctl task add --after "$a" true)
awaits 5 "one runs" 'ctl task list | grep -q "^ *$a *running"'
dd if=/dev/zero of="$T/small/fill" bs=4k 2>/dev/null
big=$(head -c 100000 /dev/zero | tr '\0' x)
code 1 "no room: add is refused" ctl task add true "$big"
like "... and says why" "$(ctl task add true "$big" 2>&1)" "queue .*: (database or disk is full|disk I/O error)"
code 0 "others are served" ctl status
kill_engine
: >"$T/out/go"
ctl_bg "$T/out/wait" task wait "$a"
awaits 5 "its end can't be written" 'grep -q "is full\|I/O error\|No space" "$LOG"'
rm "$T/small/fill"
wait "$BG"
is "room again: the end is known" "$?" 4
code 1 "and the next" ctl task wait "$b"
code 0 "... and others" ctl task wait "$(ctl task add true)"
end_reeved
is "reeved exits with 0" "$CODE" 0
umount "$T/small"

plan_done
