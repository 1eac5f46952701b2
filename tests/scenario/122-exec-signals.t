#!/bin/sh
# Told to stop at odd moments: before anything is up, and by a terminal that
# goes away.
. "$(dirname "$0")/lib.sh"

export REEVE_TEST="$T"
# An engine that waits: "plan" says at which of its two starts.
mkdir "$T/bin"
cp "$B/reeved" "$T/bin/reeved"
cat >"$T/bin/reeve-engine" <<EOT
#!/bin/sh
case \$1 in -c) now=run ;; *) now=look ;; esac
if [ "\$now" = "\$(cat $T/plan)" ]; then
	: >$T/out/waits
	while [ ! -e $T/out/go ]; do sleep 0.02; done
fi
exec $B/reeve-engine "\$@"
EOT
chmod 755 "$T/bin/reeve-engine"
conf <<EOT
[program:web]
command = $CHILD append $T/out/started x sleep
startsecs = 100ms
EOT
early() { # look|run SIGNAL CODE WHAT ARG...
	echo "$1" >"$T/plan"
	sig=$2 want=$3 what=$4
	shift 4
	rm -f "$T/out/waits" "$T/out/go" "$T/out/started"
	"$T/bin/reeved" "$@" >"$T/out/reeved" 2>&1 </dev/null &
	REEVED=$!
	KEEPERS="$KEEPERS $REEVED"
	await 10 '[ -e "$T/out/waits" ]' || fail "$what: the engine waits"
	end_reeved "$sig"
	is "$what: exit $want" "$CODE" "$want"
	: >"$T/out/go"
	awaits 10 "$what: nothing is left" '[ -z "$(ours)" ]'
	ok "$what: nothing was started" test ! -e "$T/out/started"
}
run="$CHILD append $T/out/started x sleep"
early run TERM 143 "--exec, TERM before the engine is up" --exec -- $run
early look TERM 143 "--exec, TERM while it is looked at" --exec -- $run
early run TERM 0 "TERM before the engine is up" -n -c "$CONF"
early look TERM 0 "TERM while the config is looked at" -c "$CONF"
early run INT 0 "INT before the engine is up" -n -c "$CONF"

# As a user of that name.
if [ "$(id -u)" = 0 ]; then
	is "--user NAME" "$("$B/reeved" --exec --user nobody -- id -un)" nobody
	is "... his groups alone" "$("$B/reeved" --exec --user nobody -- id -G)" "$(id -G nobody)"
else
	skip "--user NAME" "only root can"
fi

# A terminal that goes away: its master is closed.
if command -v python3 >/dev/null; then
	cat >"$T/hangup" <<-'EOT'
	import os, pty, sys, time
	pid, master = pty.fork()
	if pid == 0:
	    os.execv(sys.argv[3], sys.argv[3:])
	while not os.path.exists(sys.argv[1]):
	    time.sleep(0.02)
	os.close(master)
	_, status = os.waitpid(pid, 0)
	with open(sys.argv[2], "w") as f:
	    print(os.waitstatus_to_exitcode(status), file=f)
	EOT
	prog='trap "echo term >>out/got; exit 5" TERM; trap "echo hup >>out/got" HUP; echo $$ >out/prog; while :; do sleep 0.02; done'
	hangup() { # COMMAND...
		rm -f out/got out/prog out/code
		python3 "$T/hangup" "$T/out/prog" "$T/out/code" "$@"
	}
	hangup "$B/reeved" --exec -- sh -c "$prog"
	is "a terminal that is gone: the program is told to stop" "$(cat out/got)" term
	is "... its exit code" "$(cat out/code)" 5
	hangup /bin/sh -c '"$0" --exec -- sh -c "$1"; :' "$B/reeved" "$prog"
	awaits 10 "behind a shell that goes with it" '[ "$(cat out/got)" = term ]'
	awaits 10 "... nothing is left" '[ -z "$(ours)" ]'
else
	skip "a terminal that is gone" "python3 is not here"
fi
plan_done
