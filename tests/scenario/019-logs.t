#!/bin/sh
# Output: rotated, complete, and never in anybody's way.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:rotate]
command = $CHILD print-lines 20000 sleep
startsecs = 200ms
stdout_logfile = $T/log/rotate.log
stdout_logfile_maxbytes = 50KB
stdout_logfile_backups = 3
[program:last]
command = $CHILD print-lines 300 print "the end" print-err "last words" exit 1
startsecs = 10ms
autostart = false
autorestart = false
startretries = 0
[program:quiet]
command = $CHILD close-stdout close-stderr close-stdin sleep
startsecs = 200ms
[program:none]
command = $CHILD flood 2M sleep
stdout_logfile = NONE
startsecs = 200ms
[program:deleted]
command = $CHILD print before wait-file $T/out/go print after sleep
stdout_logfile = $T/log/deleted.log
startsecs = 200ms
[program:folder]
command = $CHILD wait-file $T/out/go2 print-lines 10 touch $T/out/wrote wait-file $T/out/go3 pause 1300 print back sleep
stdout_logfile = $T/log/sub/folder.log
startsecs = 200ms
[program:held]
command = $CHILD fork-grandchild $T/out/held print "leader ends" exit-after 500 0
startsecs = 200ms
autorestart = false
EOT
mkdir "$T/log/sub"
start_reeved
awaits 10 "all are up" 'all_state RUNNING rotate quiet none deleted folder'

awaits 10 "rotated by size" '[ -e "$T/log/rotate.log.3" ] && [ "$(tail -n 1 "$T/log/rotate.log")" = "line 20000" ]'
ok "no more than stdout_logfile_backups" test ! -e "$T/log/rotate.log.4"
big=$(find "$T/log" -name 'rotate.log*' -size +51k)
is "none is bigger than maxbytes" "$big" ""
is "no line is lost or cut between the files" \
    "$(cat "$T/log/rotate.log.3" "$T/log/rotate.log.2" "$T/log/rotate.log.1" "$T/log/rotate.log" |
	awk '$1 != "line" || (n && $2 != n + 1) { print NR ": " $0; exit } { n = $2 }')" ""
is "tail goes back over the files" "$(ctl tail -n 8000 rotate.0 | grep -c line)" 8000
is "tail -n" "$(ctl tail -n 2 rotate.0 | tr '\n' ' ')" "line 19999 line 20000 "

n=0
bad=0
while [ $n -lt $((TEST_LONG == 1 ? 500 : 40)) ]; do
	n=$((n + 1))
	: >"$T/log/last.0.stdout.log"
	ctl start last >/dev/null 2>&1
	await 5 'is_state last.0 FATAL || is_state last.0 EXITED'
	[ "$(wc -l <"$T/log/last.0.stdout.log")" = 301 ] || bad=$((bad + 1))
done
is "the last lines before an exit, $n times" "$bad" 0
like "the last words are in why" "$(ctl why last.0)" "last words"

# A worker without stdout: nobody spins over a closed pipe.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
e=$(engine_pid)
a=$(ticks "$e") b=$(ticks "$REEVED")
steady 2 'is_state quiet.0 RUNNING || true'
d=$(($(ticks "$e") - a + $(ticks "$REEVED") - b))
ok "a worker that closed its stdout costs no CPU ($d ticks in 2 s)" test $d -lt $((60 * TEST_SLOW))
is "it runs" "$(state quiet.0)" RUNNING

await 5 'grep -q before "$T/log/deleted.log"'
mv "$T/log/deleted.log" "$T/log/moved.log"
touch "$T/out/go"
awaits 5 "a file that was moved away is made again" 'grep -q after "$T/log/deleted.log" || grep -q after "$T/log/moved.log"'

rm -rf "$T/log/sub"
touch "$T/out/go2"
awaits 5 "its folder is gone: the worker is not blocked" '[ -e "$T/out/wrote" ]'
awaits 5 "the log says so, once" 'grep -q "sub/folder.log.*No such file" "$LOG"'
mkdir "$T/log/sub"
touch "$T/out/go3"
awaits 5 "the folder is back: so is the log" 'grep -q back "$T/log/sub/folder.log"'

# Somebody else holds the pipe after the end of the one that was started.
awaits 5 "what holds the pipe does not hold the exit" 'is_state held.0 EXITED'
has "its lines are there" "$T/log/held.0.stdout.log" "leader ends"

# SIGUSR1: logrotate moved the files.
mv "$T/log/rotate.log" "$T/log/away.log"
mv "$LOG" "$LOG.away"
kill -USR1 "$REEVED"
awaits 5 "SIGUSR1: reeved's own log is opened again" '[ -e "$LOG" ]'
ctl restart --hard rotate
awaits 5 "... and the programs'" 'grep -q "line 1" "$T/log/rotate.log"'

# A full disk.
mkdir "$T/disk"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=256k reeve-test "$T/disk" 2>/dev/null; then
	conf <<-EOT
		[program:full]
		command = $CHILD flood 3M touch $T/out/flooded wait-file $T/out/space pause 1300 print "space again" sleep
		stdout_logfile = $T/disk/full.log
		stdout_logfile_maxbytes = 0
		startsecs = 200ms
		[program:next]
		command = $CHILD print-lines 100 sleep
		startsecs = 200ms
	EOT
	code 0 "reload" ctl reload
	awaits 10 "disk full: the worker is not blocked" '[ -e "$T/out/flooded" ]'
	awaits 5 "others are not touched" '[ "$(grep -c line "$T/log/next.0.stdout.log")" = 100 ]'
	awaits 5 "the log says why" 'grep -q "full.log.*No space left" "$LOG"'
	is "it runs" "$(state full.0)" RUNNING
	: >"$T/disk/full.log"
	touch "$T/out/space"
	awaits 5 "with space again it is written" 'grep -q "space again" "$T/disk/full.log"'
	ok "the drop was counted" grep -Eq "full.*(lost|dropped)|(lost|dropped).*full" "$LOG"
	conf <<-EOT
		[program:next]
		command = $CHILD print-lines 100 sleep
		startsecs = 200ms
	EOT
	ctl reload
	awaits 5 "the file is closed" 'umount "$T/disk"'
else
	skip "disk full" "cannot mount a tmpfs here"
fi
plan_done
