#!/bin/sh
# Bad config: every error in one run, with file:line, and the nearest key.
. "$(dirname "$0")/lib.sh"

check() { "$B/reeved" --check -c "$1"; }

conf <<EOT
[program:ok]
command = $CHILD sleep
EOT
code 0 "a good file" check "$CONF"

cat >"$T/bad.conf" <<EOT
[reeve]
socket = $T/run/reeve.sock
[program:a]
comand = $CHILD sleep
[program:b]
command = $CHILD sleep
startsecs = soon
[program:c]
command = $T/no/such/program
[program:d]
command = $CHILD sleep
user = nosuchuser
[program:e]
command = $CHILD sleep
socket = tcp://127.0.0.1:99999
stopsignal = BLORP
EOT
# c is a warning: what is not there yet may come.
code 2 "a file with errors: exit 2" check "$T/bad.conf"
cp "$T/out/ok" "$T/out/errors"
err=$(cat "$T/out/errors")
like "unknown key: its line and the nearest" "$err" "bad.conf:4:.*comand.*command"
like "bad value" "$err" "bad.conf:7:.*(startsecs|soon)"
like "no such program: a warning" "$err" "warning.*bad.conf:9:.*no/such/program.*No such file"
like "no such user" "$err" "bad.conf:12:.*nosuchuser"
like "bad port" "$err" "bad.conf:15:.*99999"
like "bad signal" "$err" "bad.conf:16:.*BLORP"
is "and nothing else" "$(grep -c 'bad.conf:[0-9]' "$T/out/errors")" 6

cat >"$T/five.conf" <<EOT
[program:a]
command = $CHILD sleep
startsec = 1
[program:b]
command = $CHILD sleep
numprocs = many
[program:c]
command = $CHILD sleep
autorestart = perhaps
[program:d]
command = $CHILD sleep
umask = 999
[program:e]
command = $CHILD sleep %(nosuch)s
[reeve]
EOT
code 2 "five errors: exit 2" check "$T/five.conf"
is "five lines" "$(grep -c '' "$T/out/ok")" 5

code 2 "the daemon does not start with it" "$B/reeved" -n -c "$T/five.conf"
is "and says the same" "$(grep -c 'five.conf:[0-9]*:' "$T/out/ok")" 5

# One bad file each: the words that a person needs.
bad() { # WHAT REGEX, the file comes in
	{ echo "[reeve]"; cat; } >"$T/one.conf"
	code 2 "$1: exit 2" check "$T/one.conf"
	has "$1: says it" "$T/out/ok" "$2"
}
bad "an unknown section" "one.conf:2:.*(progam|section)" <<EOT
[progam:x]
command = $CHILD sleep
EOT
bad "a program without a command" "one.conf:2:.*command" <<EOT
[program:x]
autostart = false
EOT
bad "a key of no section" "one.conf:3" <<EOT
[program:x]
just words
command = $CHILD sleep
EOT
bad "a listener twice in two programs" "127.0.0.1:8099" <<EOT
[program:x]
command = $CHILD sleep
socket = tcp://127.0.0.1:8099
[program:y]
command = $CHILD sleep
socket = tcp://127.0.0.1:8099
EOT
bad "a group with an unknown program" "one.conf:[0-9]+:.*nope" <<EOT
[program:x]
command = $CHILD sleep
[group:g]
programs = x, nope
EOT
bad "an unterminated quote" "one.conf:3:.*" <<EOT
[program:x]
command = $CHILD print "half
EOT
bad "a negative number" "one.conf:4:.*" <<EOT
[program:x]
command = $CHILD sleep
workers = -3
EOT
bad "backoff_min above backoff_max" "backoff" <<EOT
[program:x]
command = $CHILD sleep
backoff_min = 20
backoff_max = 10
EOT

# What is not there yet may come: a warning.
warns() { # WHAT REGEX, the file comes in
	{ echo "[reeve]"; cat; } >"$T/one.conf"
	code 0 "$1: exit 0" check "$T/one.conf"
	has "$1: a warning" "$T/out/ok" "warning.*one.conf:[0-9]+:.*$2"
}
warns "a log's folder that is not there" "no/such/folder" <<EOT
[program:x]
command = $CHILD sleep
stdout_logfile = $T/no/such/folder/x.log
EOT
warns "a missing env_file" "no/such/env" <<EOT
[program:x]
command = $CHILD sleep
env_file = $T/no/such/env
EOT

# What must be allowed.
long=$(head -c 100000 /dev/zero | tr '\0' x)
conf <<EOT
[program:long]
command = $CHILD print $long=b;c:d touch "$T/out/a;b" sleep
startsecs = 100ms
[program:lines]
command = $CHILD
    print one
    print "semi ; colon"   ; a comment
    sleep
startsecs = 100ms
EOT
code 0 "a command line of 100 kB, a quoted ;, continued lines" check "$CONF"
start_reeved
awaits 5 "they run" 'all_state RUNNING'
awaits 5 "the words arrived" '[ -e "$T/out/a;b" ]'
is "all 100 kB of them" "$(wc -c <"$T/log/long.0.stdout.log")" 100007
has "a quoted ; is not a comment" "$T/log/lines.0.stdout.log" "^semi ; colon$"

p=$(pid_of lines.0)
mv "$CONF" "$CONF.away"
code 1 "a config that vanished: reload exits with 1" \
    timeout 60 "$B/reevectl" -s "$T/run/reeve.sock" reload
has "... and says so" "$T/out/ok" "reeve.conf.*No such file"
kill -HUP "$REEVED"
awaits 5 "SIGHUP says it in the log" 'grep -q "reeve.conf.*No such file" "$LOG"'
mv "$CONF.away" "$CONF"
is "the daemon goes on" "$(pid_of lines.0)" "$p"

code 2 "an unknown option of reeved: exit 2" "$B/reeved" --frob
has "... and the usage" "$T/out/ok" "usage: reeved"
code 2 "an unknown option of reevectl: exit 2" "$B/reevectl" --frob
has "... and the usage" "$T/out/ok" "usage: reevectl"
code 2 "a config that is not there: exit 2" "$B/reeved" -n -c "$T/nosuch.conf"
has "... and says so" "$T/out/ok" "nosuch.conf.*No such file"
code 0 "--version" "$B/reeved" --version
code 0 "--help" "$B/reeved" --help
plan_done
