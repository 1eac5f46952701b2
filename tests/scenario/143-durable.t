#!/bin/sh
# The id of a task is answered when the disk has it, and not before; what comes
# together shares one write.
. "$(dirname "$0")/lib.sh"
need strace
[ "$VARIANT" = release ] || skip_all "sanitizers and strace do not mix"

conf </dev/null
start_reeved
# Each on its own line, in the order in which it happened; threads, too.
trace() { # FILE COMMAND...
	strace -f -qq ${SLOW_DISK-} -e trace=fsync,fdatasync,sendmsg,sendto,write,writev -s 100000 \
	    -o "$1" -p "$(engine_pid)" 2>"$T/out/strace.err" &
	tracer=$!
	started $tracer
	shift
	await 10 'grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$(engine_pid)/status"' ||
	    skip_all "strace may not attach"
	"$@"
	kill -INT $tracer
	wait $tracer
}
# In the order of the trace: S a sync that has come back, A an answer with an id.
order() {
	awk '/(fsync|fdatasync)(\(| resumed).* = 0/ { printf "S" }
	    /\\"result\\":\{\\"id\\":[0-9]+/ {
		n = gsub(/\\"result\\":\{\\"id\\"/, ""); while (n-- > 0) printf "A" }' "$1"
}
is "the first makes the file" "$(ctl task add -g none --delay 3600 true)" 1
trace "$T/out/one" ctl task add --delay 3600 true >"$T/out/id"
is "an id" "$(cat "$T/out/id")" 2
like "the disk has it before the answer" "$(order "$T/out/one")" "^S+A"

seq 200 | sed 's/.*/true &/' >"$T/in"
many() { "$B/reevectl" -c "$CONF" task add --delay 3600 --each-line <"$T/in"; }
SLOW_DISK="-e inject=fdatasync,fsync:delay_exit=50000"
trace "$T/out/many" many >"$T/out/ids"
is "200 ids" "$(wc -l <"$T/out/ids")" 200
order "$T/out/many" >"$T/out/order"
is "... 200 answers" "$(tr -cd A <"$T/out/order" | wc -c)" 200
like "... none before a write" "$(cat "$T/out/order")" "^S"
ok "... of fewer writes" test "$(tr -cd S <"$T/out/order" | wc -c)" -lt 50
is "all are kept" "$(ctl task list --json | grep -o '"id":' | wc -l)" 202
kill_reeved
start_reeved
is "... by the next reeved, which was killed with its engine" "$(ctl task list --json | grep -o '"id":' | wc -l)" 202
plan_done
