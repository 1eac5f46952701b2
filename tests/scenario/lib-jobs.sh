# shellcheck shell=sh disable=SC2034,SC2154
# lib-jobs.sh - for scenarios of CPU jobs: a pool, and how it is spoken to.
# Sourced after lib.sh.

# A plugin of tests/plugins, in a file of its own, replaced as a whole.
plugin() { # NAME [FILE]
	cp "$B/plugins/$1.so" "$T/plugin.new"
	chmod 755 "$T/plugin.new"
	mv "$T/plugin.new" "$T/${2-$1.so}"
}

# Starts reeved with a pool that has $T/pool.ini; LINES: more of its
# program.  Then $pool is its pid.
start_pool() { # LINES
	conf <<-EOT
		[program:pool]
		command = $B/reeve-pool -v -c $T/pool.ini -d $T/out/pool.d
		socket = unix:$T/run/pool.sock
		ready = notify
		$1
	EOT
	start_reeved
	up pool
	is "the pool is ready" "$(state pool)" RUNNING
	[ "$(state pool)" = RUNNING ] || bail
	pool=$(pid_of pool)
	export REEVE_POOL="$T/run/pool.sock" OUT="$T/out"
}

job() { timeout $((60 * TEST_SLOW)) "$B/reevectl" -c "$CONF" job "$@"; }
# The plugin rogue misbehaves on order: WHAT.
rogue() { what=$1 && shift && job run rogue --arg "do=$what" "$@"; }
same_pool() { is "it is the same pool" "$(pid_of pool)" "$pool"; }
# After a death: that of another one.
next_pool() {
	await 20 "[ \"\$(pid_of pool)\" != $pool ] && [ \"\$(state pool)\" = RUNNING ]"
	isnt "another pool runs" "$(pid_of pool)" "$pool"
	pool=$(pid_of pool)
}
stat_of() { # POOL FIELD
	job stats --json | python3 -c '
import json, sys
for p in json.load(sys.stdin)["pools"]:
    if p["name"] == sys.argv[1]:
        print(p[sys.argv[2]])' "$@"
}

# A script on standard input that may import pool_peer, or a file.
peer() { # - | FILE ARG...
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$SRC/tests/helpers \
	    timeout $((120 * TEST_SLOW)) python3 "$@" 2>&1
}
rpc() { # METHOD PARAMS [INPUT [OUTPUT]]
	timeout $((60 * TEST_SLOW)) python3 "$SRC/tests/helpers/rpc.py" \
	    "$T/run/reeve.sock" "$@"
}
