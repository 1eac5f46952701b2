#!/bin/sh
# Memory does not grow by more than it must with each program.
. "$(dirname "$0")/lib.sh"

FEW=200
MANY=400
# Bytes of the engine's own memory, and of the keeper's, for one program more
# that has one worker and no key but its command: its config, its slot, its
# instance, two log pipes and their names, both copies of its record in the
# state table.  A little over what that was when this was written (3.3 KiB and
# 0.4 KiB), so that a struct which grows shows up here and not in a report.
ENGINE_MAX=5000
KEEPER_MAX=700

case $VARIANT in
release) ;;
*)
	echo "1..0 # SKIP $VARIANT: a sanitizer's or coverage's memory is not ours"
	exit 0
	;;
esac
if [ ! -r "/proc/$$/smaps_rollup" ]; then
	echo "1..0 # SKIP this kernel has no smaps_rollup"
	exit 0
fi

# Memory that nobody else has, in bytes.
private_of() {
	awk '/^Private_Dirty:/ { print $2 * 1024 }' "/proc/$1/smaps_rollup"
}

programs() {
	i=0
	while [ $i -lt "$1" ]; do
		printf '[program:p%03d]\ncommand = /bin/sleep 1000\n' $i
		i=$((i + 1))
	done
}

all_run() {
	[ "$(ctl --json status | grep -Eo '"state" *: *"RUNNING"' |
	    wc -l)" = "$1" ]
}

few_keeper=
keeper_each() { echo $((($(private_of "$REEVED") - few_keeper) / (MANY - FEW))); }

measure() {
	programs "$1" | LOGLEVEL=info conf
	start_reeved
	awaits 60 "$1 programs run" "all_run $1"
	engine=$(private_of "$(engine_pid)")
	keeper=$(private_of "$REEVED")
	# What the starts took is given back a second after them.
	if [ -n "$few_keeper" ]; then
		awaits 10 "the keeper takes at most $KEEPER_MAX bytes" \
		    '[ "$(keeper_each)" -le "$KEEPER_MAX" ]'
		echo "# the keeper: $(keeper_each) bytes"
	fi
	end_reeved
	is "reeved exits with 0" "$CODE" 0
}

measure $FEW
few_engine=$engine few_keeper=$keeper
measure $MANY

each=$(((engine - few_engine) / (MANY - FEW)))
echo "# the engine: $each bytes for each of $((MANY - FEW)) programs more"
ok "the engine takes at most $ENGINE_MAX bytes for a program" \
    test "$each" -le "$ENGINE_MAX"
plan_done
