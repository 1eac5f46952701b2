#!/bin/sh
# What a shutdown waits for, and what it does not wait for.
. "$(dirname "$0")/lib.sh"

# Ends when it has had the signal of its own config and the file is there.
cat >"$T/late" <<EOT
#!/bin/sh
trap 'echo usr1 >>$T/out/late; while [ ! -e $T/out/go ]; do sleep 0.05; done; echo end >>$T/out/late; exit 0' USR1
trap 'echo term >>$T/out/late; while [ ! -e $T/out/go ]; do sleep 0.05; done; echo end >>$T/out/late; exit 0' TERM
echo up >>$T/out/late
while :; do sleep 0.05; done
EOT
chmod 755 "$T/late"
web="[program:web]
command = $CHILD sleep
startsecs = 100ms"
both() {
	rm -f "$T/out/late" "$T/out/go"
	conf <<-EOT
		$web
		[program:late]
		command = $T/late
		startsecs = 100ms
		stopsignal = USR1
		stopwaitsecs = 60
	EOT
	start_reeved
	await 10 'all_state RUNNING && [ -s "$T/out/late" ]' || fail "all are up"
	echo "$web" | conf
	ctl reload --no-wait
	await 10 'grep -q usr1 "$T/out/late"' || fail "the removed one is told to stop"
}
waited_for() { # WHAT SIGNAL
	kill -TERM "$REEVED"
	awaits 10 "$1: reeved stops" 'grep -q "stopping everything" "$LOG"'
	awaits 10 "$1: the others are down" '! ours_web'
	ok "$1: reeved waits for what was removed" steady 1 'kill -0 $REEVED'
	: >"$T/out/go"
	wait_reeved
	is "$1: exit 0" "$CODE" 0
	is "$1: it had its time" "$(tr '\n' ' ' <"$T/out/late")" "up $2 end "
	rm -f "$LOG"
}
ours_web() { pgrep -P "$REEVED" -f "$CHILD sleep"; }
both
waited_for "removed by a reload" usr1
both
kill_engine
waited_for "... and the engine killed" usr1
both
kill_engine
kill_engine
waited_for "... twice" usr1
# Not even its config is left: TERM, and the time that such a one gets.
both
for fd in "/proc/$REEVED/fd"/*; do
	case $(readlink "$fd") in *reeve-config*) configs="${configs-} $fd" ;; esac
done
for fd in $configs; do
	if ! grep -q "program:late" "$fd"; then continue; fi
	: >"$fd"
done
kill_engine
waited_for "... with its config lost" "usr1 term"

# Its pid is in $STRACE.
traced() { # STRACE-ARG...
	strace -f -qq -o /dev/null -p "$(engine_pid)" "$@" 2>"$T/out/strace" &
	STRACE=$!
	started $STRACE
	await 10 '! grep -q "^TracerPid:[[:space:]]*0$" /proc/$(engine_pid)/status'
}
# A TERM that is given again to an engine is no second one.
if command -v strace >/dev/null; then
	rm -f "$T/out/late" "$T/out/go"
	conf <<-EOT
		[program:late]
		command = $T/late
		startsecs = 100ms
		stopwaitsecs = 60
	EOT
	start_reeved
	await 10 'all_state RUNNING && [ -s "$T/out/late" ]' || fail "it is up"
	old=$(engine_pid)
	# It is noted down; that it is the keeper does not learn.
	traced -e trace=sendmsg -e inject=sendmsg:signal=SIGKILL:when=1
	kill -TERM "$REEVED"
	awaits 10 "the engine dies of it" '[ "$(engine_pid)" != "$old" ] && ctl status'
	has "... having begun to stop" "$LOG" "stopping everything, still"
	ok "given again it is no second one" steady 1 'kill -0 $REEVED && ! grep -q end "$T/out/late"'
	kill_engine
	ok "... nor by another engine" steady 1 'kill -0 $REEVED && ! grep -q end "$T/out/late"'
	kill -TERM "$REEVED"
	wait_reeved
	is "a second one ends it by force" "$(tr '\n' ' ' <"$T/out/late")" "up term "
	is "... in order: exit 0" "$CODE" 0

	# A disk that hangs: the pump is in a write for ever.
	conf <<-EOT
		[program:loud]
		command = $CHILD print one wait-file $T/out/go print two append $T/out/two x sleep
		startsecs = 100ms
	EOT
	rm -f "$T/out/go" "$LOG"
	start_reeved
	await 10 'all_state RUNNING && [ -s "$T/log/loud.0.stdout.log" ]' || fail "it has written"
	traced -P "$T/log/loud.0.stdout.log" -e trace=write -e inject=write:delay_enter=3600s
	: >"$T/out/go"
	await 10 '[ -s "$T/out/two" ]' || fail "it has written again"
	end_reeved
	kill -KILL "$STRACE"
	is "a log that hangs: exit 0" "$CODE" 0
	has "... which is said" "$LOG" "loud.0: its last output could not be written"
	has "... to the end" "$LOG" "reeved is stopped"
	# reeved's own log, which is where it would have to be said.
	start_reeved
	await 10 'all_state RUNNING' || fail "it is up"
	traced -P "$LOG" -e trace=write -e inject=write:delay_enter=3600s
	end_reeved
	kill -KILL "$STRACE"
	is "its own log that hangs: exit 0" "$CODE" 0
	has "... which is said where it can be" "$T/out/reeved" "the engine does not end"
	rm -f "$T/run/"*
fi
plan_done
