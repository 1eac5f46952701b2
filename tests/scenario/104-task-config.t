#!/bin/sh
# Mistakes in [task:x]: each is told at load with its file and line.
. "$(dirname "$0")/lib.sh"

# refused LINE TEXT: of what comes in, one error, on that line of it.
refused() {
	conf
	code "$3" "$2" "$B/reeved" --check -c "$CONF"
	like "... on its line" "$(cat "$T/out/ok")" "reeve.conf:$((7 + $1)): $2"
	is "... and nothing else" "$(grep -c "reeve.conf:[0-9]*: " "$T/out/ok")" 1
}
bad() { refused "$1" "$2" 2; }

bad 1 "\[task:a\] has no command and no shell: what is to be run\?" <<EOT
[task:a]
timeout = 5
EOT
bad 3 "\[task:a\] shell: it has a command as well: keep one" <<EOT
[task:a]
command = true
shell = true
EOT
bad 3 "unknown key 'comand' in \[task:a\], did you mean 'command'\?" <<EOT
[task:a]
shell = true
comand = true
EOT
bad 3 "key 'workers' is not for \[task:a\], it belongs in \[program:NAME\]" <<EOT
[task:a]
command = true
workers = 2
EOT
bad 3 "\[task:a\] depends_on: there is no task 'biuld', did you mean 'build'\?" <<EOT
[task:a]
command = true
depends_on = biuld
[task:build]
command = true
EOT
bad 3 "\[task:a\] depends_on: it cannot wait for itself" <<EOT
[task:a]
command = true
depends_on = a
EOT
bad 3 "\[task:a\] depends_on: they wait for each other: a -> b -> c -> a" <<EOT
[task:a]
command = true
depends_on = b
[task:b]
command = true
depends_on = c
[task:c]
command = true
depends_on = a
EOT
bad 3 "\[task:a\] then: they would follow each other without end: a -> b -> a" <<EOT
[task:a]
command = true
then = task:b
[task:b]
command = true
then = task:a
EOT
bad 3 "\[task:a\] on_failure: they would follow each other without end: a -> a" <<EOT
[task:a]
command = true
on_failure = task:a
EOT
bad 3 "\[task:a\] then: there is no program 'wbe', did you mean 'web'\?" <<EOT
[task:a]
command = true
then = roll wbe
[program:web]
command = sh
EOT
bad 3 "\[task:a\] then: 'dance web' is not task:NAME, or roll," <<EOT
[task:a]
command = true
then = dance web
EOT
bad 3 "\[task:a\] on_failure: there is no task 'tell'" <<EOT
[task:a]
command = true
on_failure = task:tell
EOT
bad 3 "\[task:a\] schedule: " <<EOT
[task:a]
command = true
schedule = 61 * * * *
EOT
bad 4 "\[task:a\] timezone: there is no time zone 'Europe/Atlantis'" <<EOT
[task:a]
command = true
schedule = @daily
timezone = Europe/Atlantis
EOT
bad 3 "\[task:a\] jitter: there is no schedule= that it could be of" <<EOT
[task:a]
command = true
jitter = 5
EOT
bad 3 "\[task:a\] overlap: 'wait' is not skip, queue or kill" <<EOT
[task:a]
command = true
overlap = wait
schedule = @daily
EOT
bad 3 "\[task:a\] backoff_min: there is no retries= that it could be of" <<EOT
[task:a]
command = true
backoff_min = 5
EOT
bad 4 "\[task:a\] backoff_min: it is longer than backoff_max" <<EOT
[task:a]
command = true
retries = 1
backoff_min = 100
EOT
bad 3 "\[task:a\] user: " <<EOT
[task:a]
command = true
user = no-such-user
EOT
bad 3 "\[program:web\] before_roll: there is no task 'bulid', did you mean 'build'\?" <<EOT
[program:web]
command = sh
before_roll = task:bulid
[task:build]
command = true
EOT
bad 2 "\[task:a\] command: " <<EOT
[task:a]
command = echo %(nothing)s
EOT
bad 1 "\[task:a b\]: a name is 1 to 63 letters, digits, _ or -" <<EOT
[task:a b]
command = true
EOT
bad 1 "\[task\] needs a name: \[task:NAME\]" <<EOT
[task]
command = true
EOT

# The example has none.
sed "s|^timezone.*|timezone = UTC|" "$SRC/conf/examples/tasks.conf" >"$CONF"
code 0 "conf/examples/tasks.conf" "$B/reeved" --check -c "$CONF"

# A reload with a mistake changes nothing.
conf <<EOT
[program:idle]
command = $CHILD sleep
[task:a]
command = echo first
EOT
start_reeved
sed -i 's/echo first/echo second/; $a depends_on = nobody' "$CONF"
code 1 "reload with a mistake is refused" ctl reload
like "... is told" "$(cat "$T/out/ok")" "there is no task 'nobody'"
is "... and nothing has changed" "$(ctl task run a)" first
plan_done
