#!/bin/sh
# The control socket: where it cannot be, where one lies about.
. "$(dirname "$0")/lib.sh"
need python3

run() { timeout $((10 * TEST_SLOW)) env REEVE_TEST="$T" "$B/reeved" -n -c "$CONF"; }
at() { # SOCKET
	conf <<-EOT
		[program:web]
		command = $CHILD sleep
		startsecs = 200ms
	EOT
	sed -i "s|^socket = .*|socket = $1|" "$CONF"
}
long=$T/$(head -c 200 /dev/zero | tr '\0' d)
mkdir "$long"
at "$long/reeve.sock"
"$B/reeved" --check -c "$CONF" >"$T/out/check" 2>&1
run >"$T/out/long" 2>&1
c=$?
ok "a path that is too long: exit 1 or 2 (is $c)" test $c = 1 -o $c = 2
has "says how long it may be" "$T/out/long" "107"

at "$T/file/reeve.sock"
: >"$T/file"
code 1 "a folder that is none: exit 1" run
has "names it" "$T/out/ok" "$T/file"
has "... with the reason" "$T/out/ok" "Not a directory"

# As root everything is writable: a read-only mount, or an ordinary user.
if [ "$(id -u)" = 0 ]; then
	mkdir -m 755 "$T/root"
	at "$T/root/reeve.sock"
	chmod 777 "$T/run" "$T/log" "$T/state"
	chmod 644 "$CONF"
	code 1 "a folder that is not writable: exit 1" \
	    setpriv --reuid 65534 --regid 65534 --clear-groups "$B/reeved" -n -c "$CONF"
	has "names the path" "$T/out/ok" "$T/root"
	has "... with the reason" "$T/out/ok" "Permission denied"
	rm -rf "$T/log" "$T/state"
	mkdir "$T/log" "$T/state"
fi

# A folder that is not there yet is made.
at "$T/run/new/deep/reeve.sock"
start_reeved
ok "a folder that was not there" test -S "$T/run/new/deep/reeve.sock"
end_reeved
rm -rf "$T/run/new"

# A dead socket is replaced, a file is not.
at "$T/run/reeve.sock"
python3 -c 'import socket,sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$T/run/reeve.sock"
ok "a stale socket lies there" test -S "$T/run/reeve.sock"
start_reeved
code 0 "it is replaced" ctl status
end_reeved
echo precious >"$T/run/reeve.sock"
code 1 "a file in its place: exit 1" run
has "names it" "$T/out/ok" "$T/run/reeve.sock"
is "the file is untouched" "$(cat "$T/run/reeve.sock")" precious
rm "$T/run/reeve.sock"

# A live one that is somebody else's.
python3 -c 'import socket,sys,time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(100)' "$T/run/reeve.sock" &
f=$!
started $f
await 5 '[ -S "$T/run/reeve.sock" ]'
code 1 "a live socket of somebody else: exit 1" run
ok "it is untouched" test -S "$T/run/reeve.sock"
kill $f
wait $f 2>/dev/null
rm -f "$T/run/reeve.sock"

# Removed under a running daemon, relative to the config.
at run/reeve.sock
cd / || exit
start_reeved
ok "a relative path is relative to the file" test -S "$T/run/reeve.sock"
code 0 "reevectl finds it from anywhere" ctl status
ok "with -s, too" "$B/reevectl" -s "$T/run/reeve.sock" status
ok "with REEVE_SOCKET, too" env REEVE_SOCKET="$T/run/reeve.sock" "$B/reevectl" status
code 4 "-s to nothing: exit 4" "$B/reevectl" -s "$T/run/nothing.sock" status
has "names it" "$T/out/ok" "nothing.sock"
plan_done
