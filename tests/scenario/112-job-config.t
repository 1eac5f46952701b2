#!/bin/sh
# [pool] and [job:x]: the pool is a program of reeved's own; what a reload
# changes live, what it rolls, what it refuses; and the engine dies meanwhile.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

threads() { job stats --json | tr -d ' \n' | grep -Eo '"name":"'"$1"'","threads":[0-9]+' | grep -Eo '[0-9]+$'; }
limit() { job kinds --json | tr -d ' \n' | grep -Eo '"kind":"'"$1"'","pool":"[a-z]*","summary":"[^"]*","plugin":[a-z]*,"concurrency":[0-9]+' |
	grep -Eo '[0-9]+$'; }
settings() { # THREADS LIMIT MORE...
	cat <<EOT
[pool]
threads = $1
queue = 400
grace = 300ms
[pool:images]
threads = 1
[job:bad]
plugin = $T/bad.so
limit = $2
EOT
	shift 2
	printf '%s\n' "$@"
}

# --- there when a section asks for it ---------------------------------------------------

plugin rogue bad.so
settings 2 1 | conf
start_reeved
up pool
is "the pool is a program" "$(state pool)" RUNNING
[ "$(state pool)" = RUNNING ] || bail
seq 1 1000 >"$T/out/a"
is "reevectl finds it" "$(job run digest -i "$T/out/a")" "$(sha256sum "$T/out/a")"
is "its threads" "$(threads '')" 2
is "those of a pool with a name" "$(threads images)" 1
is "a limit" "$(limit bad)" 1
code 0 "a plugin's job" job run bad --arg do=hello </dev/null
like "reevectl config tells the keys" "$(ctl config)" 'threads = 2 '
like "... of all sections" "$(ctl config | grep -A4 '^.job:bad')" 'limit = 1 '

# What a change of each key asks for is what its row states.
cp "$T/bad.so" "$T/other.so"
"$B/reeve-engine" --schema >"$T/schema"
while IFS='|' read -r section key value; do
	settings 2 1 | awk -v s="[$section]" -v k="$key" -v v="$value" '
	    /^\[/ { on = $0 == s }
	    !on || index($0, k " =") != 1
	    $0 == s { print k " = " v }' | conf
	want=$(awk -F'\t' -v s="${section%%:*}" -v k="$key" '$1 == s && $2 == k { print $5 }' "$T/schema")
	got=$(ctl reload --plan)
	is "[$section] $key: $want" "$(echo "$got" | awk '{ print $1, $2; exit }')" "$want pool"
	like "... is what is told" "$got" "$section. $key: .* -> "
done <<EOT
pool|threads|4
pool|queue|300
pool|grace|1
pool|drain_timeout|60
job:bad|plugin|$T/other.so
job:bad|pool|images
job:bad|limit|2
job:bad|run_timeout|60
job:bad|queue_timeout|60
EOT

# --- how it died --------------------------------------------------------------------------

job run bad --arg do=wait </dev/null >"$T/out/said" 2>&1 &
c=$!
started $c
await 20 '[ "$(job list --json | grep -c running)" = 1 ]'
kill -KILL "$(pid_of pool)"
wait $c
has "kill -9 is told by its name" "$T/out/said" "the pool died while it ran \(SIGKILL\)"
like "an exit, with its status" "$(job run bad --arg do=exit </dev/null 2>&1)" \
    "the pool died of it \(exited with 3\)"
up pool
unlike "nothing is left of what was told" "$(ls "$T/run/pool.d")" death

# --- live ---------------------------------------------------------------------------------

pool=$(pid_of pool)
settings 3 2 | conf
plan=$(ctl reload --plan)
like "threads: live" "$plan" 'pool.*threads: 2 -> 3'
like "limit: live" "$plan" 'job:bad. limit: 1 -> 2'
unlike "nothing is rolled" "$plan" 'roll'
ctl reload >/dev/null
awaits 10 "the threads are there" '[ "$(threads "")" = 3 ]'
awaits 10 "and the limit" '[ "$(limit bad)" = 2 ]'
is "in the same process" "$(pid_of pool)" "$pool"

# The engine is killed right after the order: the next one tells the pool.
settings 5 2 | conf
ctl reload >/dev/null &
reload=$!
started $reload
kill_engine
wait $reload
ctl reload >/dev/null
awaits 10 "also when the engine dies" '[ "$(threads "")" = 5 ]'
is "in the same process" "$(pid_of pool)" "$pool"
kill_engine
is "it is adopted" "$(pid_of pool)" "$pool"
# The file is derived anew: whoever has spoilt it, the engine does not care.
echo rubbish >"$T/run/pool.conf"
kill_engine
awaits 10 "the settings are written again" 'grep -q "^threads = 5" "$T/run/pool.conf"'
like "by rename" "$(ls "$T/run")" '^pool.conf$'
unlike "... whole" "$(ls "$T/run")" 'next'

# --- a roll -------------------------------------------------------------------------------

settings 1 0 | conf
ctl reload >/dev/null
awaits 10 "one thread" '[ "$(threads "")" = 1 ]'
mkdir "$T/out/n"
for i in $(seq 1 9); do : >"$T/out/n/$i"; done
job map bad --arg do=wait --arg "until=$T/out/go" --arg "file=$T/out/count" "$T"/out/n/? >"$T/out/map" 2>&1 &
map=$!
started $map
await 20 "[ -s $T/out/count ]"
plugin rogue2 bad.so
like "a plugin that was replaced: a roll" "$(ctl reload --plan)" "bad.so was replaced"
ctl reload --no-wait >/dev/null
kill_engine
awaits 20 "another pool" '[ "$(pid_of pool)" != '"$pool"' ] && [ "$(state pool)" = RUNNING ]'
: >"$T/out/go"
wait $map
is "no job is lost" "$?" 0
is "each has run once" "$(sort "$T/out/count" | uniq -c | tr -s ' ')" " 9 begin -
 9 end -"
is "nothing is left to change" "$(ctl reload --plan)" "nothing would change"

pool=$(pid_of pool)
settings 1 0 "[job:more]" "plugin = $T/bad.so" "pool = images" "run_timeout = 1s" | conf
like "another kind: a roll" "$(ctl reload --plan)" "job:more. added"
ctl reload >/dev/null
isnt "another process" "$(pid_of pool)" "$pool"
like "it has the kind" "$(job kinds)" "^more "

# --- what is refused ----------------------------------------------------------------------

pool=$(pid_of pool)
refused() { # WHAT REGEX
	code 1 "$1 is refused" ctl reload
	like "... and said why" "$(cat "$T/out/ok")" "$2"
	is "... and nothing is changed" "$(pid_of pool)" "$pool"
}
chmod 777 "$T/bad.so"
refused "a plugin that others may write" "bad.so: others may write to it: chmod go-w"
plugin bad_abi bad.so
refused "a plugin for another version" "built for version [0-9]+ of reeve/job.h"
plugin no_symbol bad.so
refused "no plugin" "it has no reeve_job_plugin"
rm "$T/bad.so"
refused "a plugin that is not there" "bad.so: No such file"
kill_engine
is "it goes on with what it has" "$(pid_of pool)" "$pool"
like "and works" "$(job run bad --arg do=hello </dev/null 2>&1 && echo yes)" yes
plugin rogue bad.so
settings 1 0 "[job:odd]" | conf
refused "a kind that nobody has" "reeve.conf:[0-9]+: .job:odd. needs plugin = FILE"
settings 1 0 "[job:copy]" "pool = image" | conf
refused "a pool that nobody has" "there is no .pool:image., did you mean 'images'"
settings 0 0 | conf
refused "no threads" "threads: '0' is not auto or an integer from 1 to 1024"
settings 1 0 "[program:pool]" "command = sleep 100" | conf
refused "another program of that name" "program:pool.: the sections .pool. and .job:KIND."

# One that only its own load() refuses: found out by the roll, which is undone.
plugin refuses bad.so
settings 1 0 | conf
code 1 "a plugin that refuses" ctl reload
is "the old one stays" "$(pid_of pool)" "$pool"
is "and works" "$(job run digest -i "$T/out/a")" "$(sha256sum "$T/out/a")"
plugin rogue bad.so
ctl reload >/dev/null
awaits 20 "a good one comes in" '[ "$(pid_of pool)" != '"$pool"' ] && [ "$(state pool)" = RUNNING ]'

# --- gone -----------------------------------------------------------------------------------

pool=$(pid_of pool)
conf <<EOT
[program:other]
command = sleep 10000
EOT
like "without a section" "$(ctl reload --plan)" '^removed +pool'
ctl reload >/dev/null
awaits 20 "there is no pool" "gone $pool"
plan_done
