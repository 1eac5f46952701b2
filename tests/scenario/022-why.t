#!/bin/sh
# why tells the truth about every death.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:exits]
command = $CHILD print-err "my last line" exit-after 300 3
startsecs = 100ms
autorestart = false
[program:web]
command = $CHILD sleep
startsecs = 100ms
[program:core]
command = $CHILD sleep
environment = ASAN_OPTIONS="handle_segv=0"
startsecs = 100ms
[program:stubborn]
command = $CHILD ignore-term sleep
startsecs = 100ms
stopwaitsecs = 300ms
[program:nostart]
command = sh -c "exec $T/nothere"
directory = $T/dir
startsecs = 100ms
backoff_min = 20
EOT
mkdir "$T/dir"
start_reeved
awaits 5 "all are up" 'all_state RUNNING web core stubborn'
like "no death yet" "$(ctl why web.0)" "has ended|no death"
awaits 5 "exits has" 'is_state exits.0 EXITED'
w=$(ctl why exits.0)
like "exit: the code" "$w" "exit.*3"
like "exit: the last lines of stderr" "$w" "my last line"
like "exit: how long it ran" "$w" "[0-9]+ ms|0\.[0-9]+ s"

p=$(pid_of web.0)
kill -USR1 "$p"
awaits 5 "killed from outside" '[ "$(status_field web.0 restarts)" = 1 ]'
w=$(ctl why web.0)
like "signal: its name" "$w" "USR1"
like "signal: the pid" "$w" "$p"
unlike "signal: asked by nobody" "$w" "asked by"
kill -SEGV "$(pid_of core.0)"
awaits 5 "a segfault" '[ "$(status_field core.0 restarts)" = 1 ]'
like "SEGV" "$(ctl why core.0)" "SEGV"

ctl stop stubborn
w=$(ctl why stubborn.0)
like "stop: says stop" "$w" "stop"
like "stop: who asked (uid)" "$w" "uid +$(id -u)|$(id -un)"
like "stop: who asked (pid)" "$w" "pid +[0-9]+"
like "stop: that it took SIGKILL" "$w" "KILL|kill"
ctl restart --hard web
like "restart --hard" "$(ctl why web.0)" "for a restart"
ctl roll web
like "roll" "$(ctl why web.0)" "by a roll"
is "newest first, the old ones are kept" \
    "$(ctl why web.0 | grep -Eo "by a roll|for a restart|USR1" | uniq | tr "\n" ,)" "by a roll,for a restart,USR1,"

ctl stop nostart
rmdir "$T/dir"
code 1 "a folder that is gone" ctl start nostart
w=$(ctl why nostart.0)
like "no start: the stage and the reason" "$w" "$T/dir.*No such file|No such file.*$T/dir|director.*No such file"
like "no start: the next try" "$w" "next|retry|try|BACKOFF"
ok "--json is JSON" sh -c 'echo "$1" | python3 -m json.tool' sh "$(ctl --json why web.0)"
code 3 "an unknown name" ctl why nosuch
# Many deaths: bounded.
i=0
while [ $i -lt 20 ]; do
	i=$((i + 1))
	ctl restart --hard web >/dev/null
done
n=$(ctl why web.0 | grep -c "for a restart")
ok "the history is bounded ($n)" test "$n" -le 20 -a "$n" -ge 4
plan_done
