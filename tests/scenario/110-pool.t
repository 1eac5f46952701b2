#!/bin/sh
# CPU jobs: what the pool answers, and what becomes of jobs when it dies.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

plugin rogue bad.so
cat >"$T/pool.ini" <<EOT
[pool]
threads = 2
queue = 400
grace_ms = 300
[job:bad]
plugin = $T/bad.so
[job:one]
plugin = $T/bad.so
concurrency = 1
EOT
start_pool "stopwaitsecs = 20
startsecs = 100ms"
bad() { what=$1 && shift && job run bad --arg "do=$what" "$@"; }

# --- what it answers --------------------------------------------------------------

head -c 3000000 /dev/urandom >"$T/out/a"
seq 1 100000 >"$T/out/b"
: >"$T/out/c"
code 0 "a digest" job run digest -i "$T/out/a"
job run digest -i "$T/out/a" >"$T/out/sum"
code 0 "which sha256sum accepts" sha256sum -c --status "$T/out/sum"
job map digest "$T/out/a" "$T/out/b" "$T/out/c" >"$T/out/sums"
is "three, in order" "$(sha256sum "$T/out/a" "$T/out/b" "$T/out/c")" "$(cat "$T/out/sums")"
odd=$(printf '%s/out/a\nb\\c' "$T")
echo odd >"$odd"
job map digest "$odd" >"$T/out/sum"
code 0 "an odd name, too" sha256sum -c --status "$T/out/sum"
mkdir "$T/out/z" "$T/out/back"
code 0 "map compress" job map compress --out "$T/out/z" --arg format=gzip "$T/out/a" "$T/out/b" "$T/out/c"
is "gzip reads it" "$(gzip -dc "$T/out/z/b.gz" | cksum)" "$(cksum <"$T/out/b")"
code 0 "and back" job map decompress --out "$T/out/back" "$T/out/z/a.gz" "$T/out/z/b.gz"
code 0 "the same bytes" cmp "$T/out/a" "$T/out/back/a"
code 1 "one bad file" job map digest "$T/out/a" "$T/out/none" "$T/out/b" 2>"$T/out/err"
job map digest "$T/out/a" "$T/out/none" "$T/out/b" >"$T/out/sums" 2>"$T/out/err"
is "stops no other" "$(wc -l <"$T/out/sums")" 2
has "and is listed" "$T/out/err" "none: No such file"
code 1 "no such kind" job run nosuch
code 2 "bad usage" job run
like "the kinds" "$(job kinds)" "bad .*misbehaves on order"
job run copy -i "$T/out/a" -o "$T/out/over"
is "an output that is whole" "$(cksum <"$T/out/over")" "$(cksum <"$T/out/a")"
code 1 "a full disk" sh -c "'$B/reevectl' -c '$CONF' job run copy -i '$T/out/a' -o - >/dev/full"
like "... says so" "$(cat "$T/out/ok")" "No space left"
bad rubbish </dev/null >"$T/out/rubbish" 2>&1
is "no control character comes from rubbish" "$(LC_ALL=C tr -d '\n -~' <"$T/out/rubbish" | wc -c)" 0
code 0 "a job that leaks" bad leak

# --- time limits, cancel, stuck ------------------------------------------------------

code 1 "a run's time limit" bad wait --timeout 0.2
like "says so" "$(bad wait --timeout 0.2 2>&1)" "time was up"
like "one that does not stop" "$(bad stubborn --timeout 0.2 --arg "until=$T/out/go" 2>&1)" "did not stop"
was=$pool
next_pool
: >"$T/out/go"
await 20 "gone $was"
is "and the old one has gone" "$(proc_state "$was")" ""
rm "$T/out/go"

# --- deaths ----------------------------------------------------------------------------

like "SIGSEGV is told" "$(bad segv --arg n=1 2>&1)" "died of it \(SIGSEGV\)"
like "abort, too" "$(bad abort --arg n=1 2>&1)" "died of it \(SIGABRT\)"
next_pool
bad segv --arg n=9 -i "$T/out/b" >/dev/null 2>&1
await 10 "grep -q 'of $T/out/b, ran when the pool died: SIGSEGV' $T/log/pool*"
has "its log names the job and the signal" "$(echo "$T"/log/pool*)" \
    "job [0-9]+, bad of $T/out/b, ran when the pool died: SIGSEGV"
like "once more, then never" "$(bad segv --arg n=1 2>&1; bad segv --arg n=1 2>&1)" "killed the pool twice"
pool=$(pid_of pool)
like "it is refused" "$(bad segv --arg n=1 2>&1)" "killed the pool twice"
is "without a death" "$(pid_of pool)" "$pool"
bad attempt --retry -o "$T/out/again" </dev/null
is "one that writes less when it is run again leaves that" "$? $(wc -c <"$T/out/again")" "0 5"
code 0 "another argument is another job" bad hello --arg n=1

# 300 wait behind two that hold the threads; the pool is killed; all are
# answered, those that waited have run once.
mkdir "$T/out/n"
for i in $(seq 1 300); do : >"$T/out/n/$i"; done
job run bad --arg do=wait --arg "until=$T/out/go" --arg name=h1 --arg "file=$T/out/trace" >"$T/out/h1" 2>&1 </dev/null &
h1=$!
job run bad --arg do=wait --arg "until=$T/out/go" --arg name=h2 --arg "file=$T/out/trace" --retry >"$T/out/h2" 2>&1 </dev/null &
h2=$!
started $h1
started $h2
await 20 "[ \$(grep -c begin $T/out/trace) = 2 ]"
job map one --arg do=hello --arg "file=$T/out/count" "$T"/out/n/* >"$T/out/map" 2>&1 &
map=$!
started $map
# As many as the client gives at once.
queued() { job stats --json 2>/dev/null | grep -Eo '"queued": *[0-9]+' | grep -Eo '[0-9]+' | head -1; }
await 20 '[ "$(queued)" -ge 100 ]'
is "they wait" "$([ "$(queued)" -ge 100 ] && echo yes)" yes
kill -KILL "$(pid_of pool)"
wait $h1
is "one that ran: its client is told" "$?" 1
like "that the pool died" "$(cat "$T/out/h1")" "pool died"
await 20 "[ \$(grep -c 'begin h2' $T/out/trace) = 2 ]"
is "one that may run again does" "$(grep -c 'begin h2' "$T/out/trace")" 2
: >"$T/out/go"
wait $h2
is "and ends well" "$?" 0
wait $map
is "all that waited end well" "$?" 0
is "each has begun once" "$(grep -c begin "$T/out/count")" 300
is "and ended" "$(grep -c end "$T/out/count")" 300

# A roll: those that wait move to the new process.
rm "$T/out/go" "$T/out/count"
job map one --arg do=wait --arg "until=$T/out/go" --arg "file=$T/out/count" "$T"/out/n/? >"$T/out/map" 2>&1 &
map=$!
started $map
await 20 "[ -s $T/out/count ]"
pool=$(pid_of pool)
ctl roll --no-wait pool >/dev/null
await 20 "[ \"\$(pid_of pool)\" != $pool ] && [ \"\$(state pool)\" = RUNNING ]"
: >"$T/out/go"
wait $map
is "a roll loses no job" "$?" 0
is "each has run once" "$(sort "$T/out/count" | uniq -c | tr -s ' ')" " 9 begin -
 9 end -"

# The client goes: its job is cancelled.
rm "$T/out/go"
"$B/reevectl" -c "$CONF" job run bad --arg do=wait </dev/null >/dev/null 2>&1 &
c=$!
started $c
await 20 '[ "$(job list --json | grep -c running)" = 1 ]'
kill -KILL $c
await 20 '[ "$(job list --json | grep -c running)" = 0 ]'
is "nobody wants it" "$(job list --json | grep -c running)" 0
job run bad --arg do=wait </dev/null >"$T/out/cancel" 2>&1 &
c=$!
started $c
await 20 '[ "$(job list --json | grep -c running)" = 1 ]'
job cancel "$(job list --json | grep -Eo '"id": *[0-9]+' | grep -Eo '[0-9]+')"
wait $c
is "cancelled by its number" "$?" 1
code 3 "there is none of that number" job cancel 999999
plan_done
