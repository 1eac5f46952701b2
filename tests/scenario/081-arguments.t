#!/bin/sh
# Argument lists and environments up to the kernel's limit, not ours; what the
# kernel refuses is told with its numbers.
. "$(dirname "$0")/lib.sh"
ulimit -S -s 8192 || skip_all "the stack's limit is smaller"

conf </dev/null
start_reeved
# The client may have more than what it asks for may have.
ulimit -S -s 32768 || skip_all "the stack's hard limit is too small"
big=$(head -c 100000 /dev/zero | tr '\0' x)
set --
while [ $# -lt 20 ]; do set -- "$@" "$big"; done
rest=$(head -c 90000 /dev/zero | tr '\0' y)
cat >"$T/len.sh" <<'EOT'
n=0
for a in "$@"; do n=$((n + ${#a})); done
echo $#:$n
EOT
run() { ctl run --clear-env -- sh "$T/len.sh" "$@"; }
added() { # OPTION... -- COMMAND...: what it has printed
	i=$(ctl "$@") && ctl task wait "$i" && ctl task log "$i"
}

is "run: 7 KB are left of 2 MB" "$(run "$@" "$rest")" 21:2090000
is "task add" "$(added task add --clear-env -- sh "$T/len.sh" "$@" "$rest")" 21:2090000
is "run --detach" "$(added run --detach --clear-env -- sh "$T/len.sh" "$@" "$rest")" 21:2090000
kill_engine
is "the next engine, too" "$(run "$@" "$rest")" 21:2090000
long="execute .*sh: Argument list too long: with the environment 21[0-9]{5} bytes, the kernel takes 2097152, a quarter of the stack's limit"
code 126 "run: more than that" run "$@" "$rest" "$rest"
has "... it is the kernel's limit" "$T/out/ok" "$long"
like "... with --json" "$(ctl run --json -- sh "$T/len.sh" "$@" "$rest" "$rest")" "\"errno\":7,.*\"error\":\"$long\""
code 126 "task add: more than that" added task add -- sh "$T/len.sh" "$@" "$rest" "$rest"
has "... is told as well" "$T/out/ok" "$long"
# A string that no client can have as a word of its own.
cat >"$T/env" <<EOT
LONG=$big$rest
EOT
code 126 "one string" ctl run --env-file "$T/env" -- true
has "... longer than the kernel takes" "$T/out/ok" "too long: one has 190005 bytes, the kernel takes 131071"

(
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		export "V$n=$big"
	done
	ctl run -- sh -c 'echo ${#V1} ${#V20}' >"$T/out/env"
	added task add -- sh -c 'echo ${#V2} ${#V19}' >>"$T/out/env"
)
is "an environment of 2 MB" "$(tr '\n' ' ' <"$T/out/env")" "100000 100000 100000 100000 "
plan_done
