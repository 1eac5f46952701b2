#!/bin/sh
# The kind command: a program for each file, and that nothing of it is left,
# whichever way its job ends.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

cat >"$T/pool.ini" <<EOT
[pool]
threads = 2
grace_ms = 10000
EOT
start_pool "startsecs = 100ms"
sh_job() { # SCRIPT OPTION...
	script=$1 && shift
	job run command --arg program=sh --arg arg1=-c --arg "arg2=$script" "$@"
}

# --- what it is for -----------------------------------------------------------

mkdir "$T/out/in" "$T/out/up" "$T/out/pic"
for i in 1 2 3 4 5 6 7 8; do echo "text $i" >"$T/out/in/$i.txt"; done
code 0 "a program for each file" job map command --out "$T/out/up" \
    --arg program=tr --arg arg1=a-z --arg arg2=A-Z "$T"/out/in/*.txt
is "each has its own output" "$(cat "$T"/out/up/*)" \
    "$(for i in 1 2 3 4 5 6 7 8; do echo "TEXT $i"; done)"
cat >"$T/out/convert" <<'EOT'
#!/bin/sh
# As ImageMagick's: INPUT OUTPUT, and by name.
[ "$(cat "$1")" != "text 5" ] || { echo "convert: no such colour" >&2; exit 4; }
[ "${2##*.}" = png ] || exit 5
sed s/text/picture/ "$1" >"$2"
EOT
chmod 755 "$T/out/convert"
pictures() {
	(cd "$T/out/in" && job map command --out "$T/out/pic" --suffix .png \
	    --arg "program=$T/out/convert" --arg 'arg1={input}' --arg 'arg2={output}' ./*.txt)
}
code 1 "one that fails" pictures
pictures >/dev/null 2>"$T/out/err"
is "stops no other" "$(cat "$T"/out/pic/* | wc -l)" 7
is "and leaves no half output" "$(find "$T/out/pic" -name '.partial*' -o -name '5*')" ""
has "its own words are the reason" "$T/out/err" "5.txt: .*exited with 4: convert: no such colour"

code 0 "a program beside us, though the pool is elsewhere" \
    sh -c "cd '$T/out' && '$B/reevectl' -c '$CONF' job run command \
        --arg program=./convert --arg 'arg1={input}' --arg 'arg2={output}' -i in/1.txt -o by.png"
is "... has run" "$(cat "$T/out/by.png")" "picture 1"
(umask 077; head -c 32 /dev/urandom >"$T/out/key")
code 0 "a key beside us" \
    sh -c "cd '$T/out' && '$B/reevectl' -c '$CONF' job run encrypt --arg key_file=key -i in/1.txt -o 1.enc"

# --- what it is given -----------------------------------------------------------

sh_job 'env; ls /proc/self/fd; grep Sig /proc/self/status' >"$T/out/given" </dev/null
unlike "what reeved tells the pool is the pool's" "$(cat "$T/out/given")" "NOTIFY_SOCKET|LISTEN_"
has "no signal is blocked" "$T/out/given" "^SigBlk:.0000000000000000"
has "none is ignored" "$T/out/given" "^SigIgn:.0000000000000000"
is "three descriptors, and that of ls" "$(grep -c '^[0-9]*$' "$T/out/given")" 4
like "a program that is none" "$(job run command --arg program="$T/out/pattern" 2>&1 </dev/null)" \
    "run $T/out/pattern: Permission denied"
like "... that is nowhere" "$(job run command --arg program=no-such-program 2>&1 </dev/null)" \
    "run no-such-program: No such file"
printf 'x' >"$T/out/odd"
chmod 755 "$T/out/odd"
like "... of no machine" "$(job run command --arg program="$T/out/odd" 2>&1 </dev/null)" \
    "not a program of this machine"

# --- its end --------------------------------------------------------------------------

# Itself, one in its group, one that left the group, one below that, and a
# daemon: its own session, its parent gone.
cat >"$T/out/tree.sh" <<EOT
echo \$\$ >>$T/out/tree
sleep 1000 & echo \$! >>$T/out/tree
setsid sh -c 'echo \$\$ >>$T/out/tree; sleep 1000 & echo \$! >>$T/out/tree; wait' &
(setsid sh -c 'echo \$\$ >>$T/out/tree; exec sleep 1000' &)
wait
EOT
tree_is_up() { [ "$(wc -l <"$T/out/tree")" = 5 ]; }
tree_is_gone() {
	while read -r pid; do gone "$pid" || return 1; done <"$T/out/tree"
}
begin_tree() { # WHAT OPTION...
	what=$1 && shift
	: >"$T/out/tree"
	"$B/reevectl" -c "$CONF" job run command --arg program=sh \
	    --arg "arg1=$T/out/tree.sh" "$@" >"$T/out/end" 2>&1 </dev/null &
	c=$!
	started $c
	await 20 tree_is_up
	is "$what: five processes" "$(wc -l <"$T/out/tree")" 5
}
no_tree() {
	await 20 tree_is_gone
	is "and nothing is left" "$(while read -r pid; do
		gone "$pid" || echo "$pid"
	done <"$T/out/tree")" ""
}

begin_tree "it overruns" --timeout $((2 * TEST_SLOW))
wait $c
is "$what: an error" "$?" 1
has "... that says so" "$T/out/end" "time was up"
no_tree

begin_tree "it is cancelled"
job cancel "$(job list --json | grep -Eo '"id": *[0-9]+' | grep -Eo '[0-9]+')"
wait $c
is "$what: an error" "$?" 1
no_tree

begin_tree "its client is killed"
kill -KILL $c
no_tree

begin_tree "the pool is killed"
pool=$(pid_of pool)
kill -KILL "$pool"
wait $c
is "$what: an error" "$?" 1
no_tree
up pool
isnt "another pool runs" "$(pid_of pool)" "$pool"

sh_job "[ -e $T/out/tried ] && exec echo short; : >$T/out/tried; head -c 100000 /dev/zero; sleep 1000" \
    --retry -o "$T/out/cut" </dev/null >"$T/out/end" 2>&1 &
c=$!
started $c
await 20 '[ "$(stat -c %s "$T"/out/.partial.*.cut 2>/dev/null || echo 0)" -ge 100000 ]'
kill -KILL "$(pid_of pool)"
wait $c
is "one that writes less when it is run again: it has ended well" "$?" 0
is "... with what it wrote then" "$(wc -c <"$T/out/cut")" 6
up pool

: >"$T/out/tree"
sh_job "sleep 1000 & echo \$! >$T/out/tree" </dev/null
is "a child outlives it: it has ended well" "$?" 0
no_tree
sh_job "(setsid sh -c 'echo \$\$ >$T/out/daemon; exec sleep 1000' &)
    while [ ! -s $T/out/daemon ]; do sleep 0.01; done" </dev/null
is "a daemon of it: it has ended well" "$?" 0
mv "$T/out/daemon" "$T/out/tree"
no_tree
plan_done
