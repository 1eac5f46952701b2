#!/bin/sh
# Random orders, reloads, deaths of instances and engines, all at once: when
# they are over nothing hangs, everything comes up, nothing else is there.
. "$(dirname "$0")/lib.sh"
need python3

rounds=1 seconds=6
[ "$TEST_LONG" = 0 ] || rounds=12 seconds=20
seed=$(date +%s)
while [ $rounds -gt 0 ]; do
	LOGLEVEL=info conf </dev/null
	rm -f "$LOG"
	start_reeved
	export TEST_SLOW
	python3 "$SRC/tests/helpers/orders.py" "$B/reevectl" "$CONF" "$CHILD" "$REEVED" "$seed" $seconds >"$T/out/said" 2>&1
	is "seed $seed: all is well" "$(cat "$T/out/said")" ""
	unlike "no engine has given up" "$(grep 'was killed by signal' "$LOG" | grep -v 'signal 9')" .
	end_reeved
	is "reeved exits with 0" "$CODE" 0
	seed=$((seed + 1)) rounds=$((rounds - 1))
done
plan_done
