#!/bin/sh
# Without -n: the parent exits when the daemon is up, or is not.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 200ms
EOT
daemon() { # FILE
	timeout $((20 * TEST_SLOW)) env REEVE_TEST="$T" "$B/reeved" -c "$1" </dev/null
}
code 0 "it is up: exit 0" daemon "$CONF"
is "without a word" "$(cat "$T/out/ok")" ""
code 0 "and answers at once" ctl status
REEVED=$(cat "$T/run/reeve.pid")
is "the pidfile is right" "$(ctl pid)" "$REEVED"
is "it is in a session of its own" "$(ps -o sid= -p "$REEVED" | tr -d ' ')" "$REEVED"
is "its parent is somebody else" "$(ps -o ppid= -p "$REEVED" | tr -d ' ' | grep -cx $$)" 0
for n in 0 1 2; do
	like "fd $n is not the terminal's" "$(readlink "/proc/$REEVED/fd/$n")" "/dev/null|^pipe:"
done
is "it does not hold a folder" "$(readlink "/proc/$REEVED/cwd")" "/"
code 1 "a second one: exit 1" daemon "$CONF"
has "with the message on stderr" "$T/out/ok" "already|another|in use"
awaits 5 "the program is up" 'all_state RUNNING'
code 0 "shutdown" ctl shutdown
awaits 10 "it is gone" 'gone $REEVED'
REEVED=

conf <<EOT
[program:web]
comand = $CHILD sleep
EOT
code 2 "a bad config: exit 2" daemon "$CONF"
has "with the message" "$T/out/ok" "reeve.conf:[0-9]+:.*comand"
python3 -c 'import socket,sys,time
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
open(sys.argv[2], "w").close(); time.sleep(100)' "$(port 0)" "$T/out/bound" &
started $!
f=$!
await 20 '[ -e "$T/out/bound" ]'
conf <<EOT
[program:web]
command = $CHILD sleep
socket = tcp://127.0.0.1:$(port 0)
EOT
code 1 "a port that is taken: exit 1" daemon "$CONF"
has "with the message" "$T/out/ok" "127.0.0.1:$(port 0)"
kill $f

# A relative config: it still reads it after it left the folder.
conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 200ms
EOT
cd "$T" || exit
code 0 "-c with a relative path" daemon reeve.conf
REEVED=$(cat "$T/run/reeve.pid")
code 0 "reload finds it" ctl reload
# nodaemon in the file is -n
ctl shutdown
await 10 'gone $REEVED'
sed -i 's/^\[reeve\]/&\nnodaemon = true/' "$CONF"
env REEVE_TEST="$T" "$B/reeved" -c "$CONF" >"$T/out/reeved" 2>&1 </dev/null &
REEVED=$!
awaits 10 "nodaemon = true stays in the foreground" 'ctl status && alive $REEVED'
has "and logs to stderr" "$T/out/reeved" "web"
plan_done
