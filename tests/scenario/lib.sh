# shellcheck shell=sh disable=SC2034,SC2016,SC2120,SC2086
# lib.sh - what every scenario stands on; sourced first, speaks TAP.
#
# A scenario gets a folder of its own ($T), a clean environment, the programs
# in $B, the sources in $SRC.  It ends with plan_done, which stops reeved and
# tests that nothing is left: no process, no socket, no file.  Whatever
# happens, the trap ends what was started, by pid, and removes $T (KEEP=1
# keeps it).  Waiting is await, never sleep; TEST_SLOW multiplies it.

if [ -z "${SCENARIO_T-}" ]; then
	: "${B:?the build folder, see make check-scenario}"
	# The daemon must not see what happens to be set here, nor what nohup or
	# a shell's & have it ignore.
	exec env -i --default-signal=HUP,INT,QUIT \
	    PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
	    LANG=C.UTF-8 HOME=/nonexistent B="$B" VARIANT="${VARIANT-release}" \
	    TEST_SLOW="${TEST_SLOW-1}" TEST_LONG="${TEST_LONG-0}" \
	    KEEP="${KEEP-0}" SEED="${SEED-}" SCENARIO_AMONG="${HARNESS_ACTIVE-}" SCENARIO_T="$(mktemp -d /tmp/reeve-t.XXXXXX)" \
	    sh "$0" "$@"
fi

set -u
T=$SCENARIO_T
unset SCENARIO_T
among=$SCENARIO_AMONG # one of many, that prove runs
unset SCENARIO_AMONG
SRC=$(cd "$(dirname "$0")/../.." && pwd)
CHILD=$B/helpers/child
WEB=$B/examples/web
CONF=$T/reeve.conf
LOG=$T/log/reeve.log
REEVED=
KEEPERS=
STARTED=
N=0
FAILED=0
PORT_BASE=$((10000 + $$ % 2100 * 10))
mkdir "$T/run" "$T/log" "$T/state" "$T/out"
chmod 755 "$T"
cd "$T" || exit 1
printf '%s' "$T" >"$T/out/pattern"
: >"$T/out/empty"

# A report of a sanitizer is a file, whichever process made it.
SAN="log_path=$T/san:detect_stack_use_after_return=1"
export ASAN_OPTIONS="$SAN:detect_leaks=${TEST_LEAKS-1}"
export UBSAN_OPTIONS="log_path=$T/san:print_stacktrace=1"
export TSAN_OPTIONS="log_path=$T/san:second_deadlock_stack=1"

# --- processes ----------------------------------------------------------------

# Every process that is ours: by the variable that reeved was given, or by a
# path in its command line.
ours() {
	{
		grep -lsz "^REEVE_TEST=$T\$" /proc/[0-9]*/environ
		(cd "$T/out" && grep -lsF -f pattern /proc/[0-9]*/cmdline)
	} 2>/dev/null | sed 's|/proc/\([0-9]*\)/.*|\1|' | sort -un |
	    while read -r pid; do
		# Zombies have no environment; ourselves we do not count.
		[ "$pid" = $$ ] || [ ! -d "/proc/$pid" ] || echo "$pid"
	done
}

describe() {
	for pid in "$@"; do
		printf '# pid %s ppid %s: %s\n' "$pid" \
		    "$(awk '/^PPid/ { print $2 }' "/proc/$pid/status" 2>/dev/null)" \
		    "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
	done
}

alive() { kill -0 "$1" 2>/dev/null && [ "$(proc_state "$1")" != Z ]; }
gone() { ! alive "$1"; }
proc_state() { sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null; }

# For the trap: a process that the scenario itself put into the background.
started() { STARTED="$STARTED $1"; }

cleanup() {
	trap - EXIT INT TERM HUP
	for pid in $REEVED; do kill -KILL "$pid" 2>/dev/null; done
	for pid in $STARTED; do kill -KILL "$pid" 2>/dev/null; done
	for _ in 1 2 3 4 5 6 7 8; do
		left=$(ours)
		[ -n "$left" ] || break
		for pid in $left; do kill -KILL "$pid" 2>/dev/null; done
	done
	if mountpoint -q "$T/disk" 2>/dev/null; then umount -l "$T/disk"; fi
	cd /
	if [ "$KEEP" = 1 ]; then echo "# kept: $T"; else rm -rf "$T"; fi
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# --- TAP ------------------------------------------------------------------------

pass() {
	N=$((N + 1))
	echo "ok $N - $1"
}

# fail WHAT [FILE]: FILE's lines are shown.
fail() {
	N=$((N + 1))
	FAILED=$((FAILED + 1))
	echo "not ok $N - $1"
	[ -z "${2-}" ] || shown "$2"
	# prove does not print the lines above, but these.
	if [ -n "$among" ]; then
		echo "# ${0##*/}: not ok $N - $1"
		[ -z "${2-}" ] || shown "$2"
	fi >&2
}

shown() { tail -n 40 "$1" | cut -c 1-400 | sed 's/^/# /'; }

ok() {
	what=$1
	shift
	if "$@" >"$T/out/ok" 2>&1; then
		pass "$what"
	else
		echo "# exit $? of: $*" >>"$T/out/ok"
		fail "$what" "$T/out/ok"
	fi
}

# code N WHAT COMMAND...: it exits with N.  Its output: $T/out/ok.
code() {
	want=$1
	what=$2
	shift 2
	"$@" >"$T/out/ok" 2>&1
	got=$?
	if [ "$got" = "$want" ]; then
		pass "$what"
	else
		echo "# exit $got, not $want, of: $*" >>"$T/out/ok"
		fail "$what" "$T/out/ok"
	fi
}

is() { # WHAT GOT WANT
	printf 'got:  %s\nwant: %s\n' "$2" "$3" >"$T/out/is"
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "$T/out/is"; fi
}

isnt() { # WHAT GOT UNWANTED
	printf 'got:  %s\n' "$2" >"$T/out/is"
	if [ "$2" != "$3" ]; then pass "$1"; else fail "$1" "$T/out/is"; fi
}

like() { # WHAT TEXT REGEX
	printf '%s\n' "$2" >"$T/out/is"
	if grep -Eq -e "$3" "$T/out/is"; then
		pass "$1"
	else
		echo "wanted: $3" >>"$T/out/is"
		fail "$1" "$T/out/is"
	fi
}

unlike() { # WHAT TEXT REGEX
	printf '%s\n' "$2" >"$T/out/is"
	if grep -Eq -e "$3" "$T/out/is"; then
		echo "unwanted: $3" >>"$T/out/is"
		fail "$1" "$T/out/is"
	else
		pass "$1"
	fi
}

has() { # WHAT FILE REGEX
	if grep -Eq -e "$3" "$2" 2>/dev/null; then
		pass "$1"
	else
		fail "$1: no /$3/ in $2" "$2"
	fi
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

skip() { # WHAT REASON
	N=$((N + 1))
	echo "ok $N - $1 # SKIP $2"
}

need() {
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip_all "$tool is not here"
	done
}

# --- waiting ---------------------------------------------------------------------

now_ms() { # CLOCK_MONOTONIC
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}0"
}

# await SECONDS COMMAND: whether COMMAND (eval'ed) succeeds in that time.
await() {
	await_end=$(($(now_ms) + $1 * 1000 * TEST_SLOW))
	while ! eval "$2" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$await_end" ] || return 1
		sleep 0.05
	done
}

# The same as a test.
awaits() { # SECONDS WHAT COMMAND
	if await "$1" "$3"; then
		pass "$2"
	else
		{
			echo "not within $1 s (x $TEST_SLOW): $3"
			ctl status
		} >"$T/out/await" 2>&1
		fail "$2" "$T/out/await"
	fi
}

# steady SECONDS COMMAND: it holds for the whole of that time.
steady() {
	steady_end=$(($(now_ms) + $1 * 1000))
	while [ "$(now_ms)" -lt "$steady_end" ]; do
		eval "$2" >/dev/null 2>&1 || return 1
		sleep 0.05
	done
}

# --- reeved ----------------------------------------------------------------------

# Writes $CONF (or $1): the section of our own paths, then what comes in.
conf() {
	{
		cat <<-EOT
			[reeve]
			socket = $T/run/reeve.sock
			pidfile = $T/run/reeve.pid
			logfile = $T/log/reeve.log
			childlogdir = $T/log
			state_dir = $T/state
			loglevel = ${LOGLEVEL-debug}
		EOT
		cat
	} >"${1-$CONF}.new"
	mv "${1-$CONF}.new" "${1-$CONF}"
}

ctl() { timeout $((30 * TEST_SLOW)) "$B/reevectl" -c "$CONF" "$@"; }

# The same in the background: its pid is in $BG, its output in FILE.
ctl_bg() { # FILE ARG...
	bg_out=$1
	shift
	"$B/reevectl" -c "$CONF" "$@" >"$bg_out" 2>&1 &
	BG=$!
	started $BG
}

# launch_reeved [ARG...]: starts it, does not wait; its pid is in $REEVED.
launch_reeved() {
	env REEVE_TEST="$T" ${WRAP-} "$B/reeved" -n -c "$CONF" "$@" \
	    >"$T/out/reeved" 2>&1 </dev/null &
	REEVED=$!
	KEEPERS="$KEEPERS $REEVED"
}

start_reeved() {
	launch_reeved "$@"
	if ! await 10 'ctl status || gone $REEVED' || gone "$REEVED"; then
		fail "reeved starts" "$T/out/reeved"
		show_log
		bail
	fi
}

# Nothing after this would make sense.
bail() {
	echo "1..$N"
	exit 1
}

# Without what is said about every message: a failure is seldom there.
show_log() {
	f=$T/out/reeved
	[ ! -s "$LOG" ] || f=$LOG
	if [ -s "$f" ]; then
		grep -Ev ' debug .*( got | client pid )' "$f" | tail -n "${1-50}" |
		    cut -c 1-300 | sed "s|^|# ${f##*/}: |"
	fi
}

# Ends it by SIGTERM (or $1) and gives its exit code in $CODE.
end_reeved() {
	kill "-${1-TERM}" "$REEVED"
	wait_reeved
}

wait_reeved() {
	if ! await "${END_LIMIT:-20}" 'gone $REEVED'; then
		fail "reeved ends"
		show_log
		kill -KILL "$REEVED"
	fi
	wait "$REEVED"
	CODE=$?
	REEVED=
}

# Both at once, as when the machine is gone; what it ran goes on.
kill_reeved() {
	old=$(engine_pid)
	kill -STOP "$REEVED"
	kill -KILL "$old"
	kill -KILL "$REEVED"
	wait "$REEVED" 2>/dev/null
	awaits 5 "reeved and its engine are gone" 'gone "$old" && gone "$REEVED"'
}

# The keeper; the engine becomes the next one, by its own pid.
kill_keeper() {
	heir=$(engine_pid)
	kill -KILL "$REEVED"
	wait "$REEVED" 2>/dev/null
	REEVED=$heir
	KEEPERS="$KEEPERS $heir"
	started "$heir"
}
heir_is_up() { [ "$(cat "/proc/$REEVED/comm")" = reeved ] && [ -n "$(engine_pid)" ] && ctl status >/dev/null 2>&1; }
# It is no child of ours.
end_heir() {
	code 0 "shutdown" ctl shutdown
	awaits 20 "reeved ends" 'gone "$REEVED"'
	REEVED=
}

engine_pid() { pgrep -P "$REEVED" -x reeve-engine; }
fds() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }

# Kills the engine and waits until the next one answers.
kill_engine() {
	old=$(engine_pid)
	kill -KILL "$old"
	await 10 '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != "$old" ] && ctl status'
}

# What a slot's field says: number, word, null.
# One process and not five: most of a scenario's time goes into asking.
status_field() { # NAME FIELD
	ctl --json status "$1" 2>/dev/null | awk -v f="$2" '
		{ s = s $0 " " }
		END {
			if (!match(s, "\"" f "\" *: *(\"[^\"]*\"|[^,} ]*)"))
				exit
			v = substr(s, RSTART, RLENGTH)
			sub(/^"[^"]*" *: */, "", v)
			gsub(/"/, "", v)
			print v
		}'
}

state() { status_field "$1" state; }
is_state() { [ "$(state "$1")" = "$2" ]; }
pid_of() { status_field "$1" pid; }
pids() { ctl --json status "$@" 2>/dev/null | grep -Eo '"pid" *: *[0-9]+' | grep -Eo '[0-9]+'; }
# all_state STATE [NAME...]: all of them are in it, and there is one.
all_state() {
	all_want=$1
	shift
	ctl --json status "$@" | awk -v w="\"$all_want\"" '
		{ s = s $0 " " }
		END {
			while (match(s, /"state" *: *"[A-Z]*"/)) {
				v = substr(s, RSTART, RLENGTH)
				s = substr(s, RSTART + RLENGTH)
				sub(/^"state" *: */, "", v)
				n++
				bad += v != w
			}
			exit !(n > 0 && bad == 0)
		}'
}
up() { await 10 "all_state RUNNING $*"; }

# --- network ---------------------------------------------------------------------

# port N: the Nth port of ours; they are free when the scenario starts.
port() { echo $((PORT_BASE + $1)); }
port_used() { grep -q ":$(printf '%04X' "$1") [0-9A-F:]* 0A " /proc/net/tcp /proc/net/tcp6; }
while port_used "$PORT_BASE" || port_used $((PORT_BASE + 1)) ||
    port_used $((PORT_BASE + 2)) || port_used $((PORT_BASE + 3)); do
	PORT_BASE=$((PORT_BASE + 10))
done

get() { curl -s --noproxy '*' --max-time $((5 * TEST_SLOW)) "$@"; }

# load NAME SECONDS URL [wrk option...]: in the background; see load_ok.
load() {
	load_name=$1 load_s=$2 load_url=$3
	shift 3
	wrk -t1 -c "${CONNS-8}" -d "${load_s}s" --timeout $((10 * TEST_SLOW))s "$@" "$load_url" \
	    >"$T/out/load.$load_name" 2>&1 &
	echo $! >"$T/out/load.$load_name.pid"
	started $!
}

# Waits for it: no socket error, no answer but 2xx, and some answers.
load_ok() { # NAME WHAT
	wait "$(cat "$T/out/load.$1.pid")"
	if grep -q 'Socket errors\|Non-2xx\|unable to' "$T/out/load.$1" ||
	    ! grep -Eq '[1-9][0-9]* requests in' "$T/out/load.$1"; then
		fail "$2" "$T/out/load.$1"
		show_log 30
	else
		pass "$2 ($(sed -n 's/^ *\([0-9]* requests\).*/\1/p' "$T/out/load.$1"))"
	fi
}
load_running() { kill -0 "$(cat "$T/out/load.$1.pid")" 2>/dev/null; }

# A program $T/lines: numbered lines until $T/out/stop is there, their number
# into $T/out/lines; lines_ok: its log has each of them, once and in order.
lines_program() {
	cat >"$T/lines" <<-EOT
		#!/bin/sh
		i=0
		while [ ! -e $T/out/stop ]; do
			i=\$((i + 1))
			echo "line \$i"
			[ \$((i % 50)) != 0 ] || sleep 0.01
		done
		echo \$i >$T/out/lines
		exec sleep 100000
	EOT
	chmod 755 "$T/lines"
}
lines_ok() {
	: >"$T/out/stop"
	awaits 10 "the lines end" '[ -s "$T/out/lines" ]'
	lines_n=$(cat "$T/out/lines")
	awaits 10 "all of them are in the log" '[ "$(wc -l <"$T/log/lines.0.stdout.log")" = "$lines_n" ]'
	is "each once, in order" "$(awk '$2 != NR { print "line", NR, "is", $2; exit }' "$T/log/lines.0.stdout.log")" ""
}

# --- the end ---------------------------------------------------------------------

nothing_left() {
	if await 10 '[ -z "$(ours)" ]'; then
		pass "no process is left"
	else
		# shellcheck disable=SC2046
		describe $(ours) >"$T/out/left"
		fail "no process is left" "$T/out/left"
	fi
	find "$T/run" -mindepth 1 >"$T/out/left"
	if [ -s "$T/out/left" ]; then
		fail "no socket, pidfile or other file is left" "$T/out/left"
	else
		pass "no socket, pidfile or other file is left"
	fi
	for pid in $KEEPERS; do
		find /sys/fs/cgroup -type d -name "reeve-$pid" 2>/dev/null
	done >"$T/out/left"
	if [ -s "$T/out/left" ]; then
		fail "no cgroup is left" "$T/out/left"
	else
		pass "no cgroup is left"
	fi
	for f in "$T"/san.*; do
		[ ! -e "$f" ] || fail "no sanitizer has anything to say" "$f"
	done
}

plan_done() {
	if [ -n "$REEVED" ]; then
		end_reeved
		is "reeved exits with 0" "$CODE" 0
	fi
	nothing_left
	[ "$FAILED" = 0 ] || show_log
	echo "1..$N"
	[ "$FAILED" = 0 ]
	exit
}
