#!/bin/sh
# A start fails at each of its steps: the system call of that step is made to
# fail (strace), in the child alone.  Which one it was, and why, is told by
# run, and kept of a task; reeved goes on.
. "$(dirname "$0")/lib.sh"
need strace
[ "$VARIANT" = release ] || skip_all "sanitizers and strace do not mix"

conf <<EOT
[program:idle]
command = $CHILD sleep
[program:web]
command = $CHILD sleep
autostart = false
startretries = 0
EOT
start_reeved
like "what is not made to fail" "$(ctl run --json true)" '"started":true'

STRACE=
break_call() { # CALL ERRNO
	strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:error=$2" \
	    -p "$REEVED" 2>"$T/out/strace" &
	STRACE=$!
	started "$STRACE"
	await 10 'grep -q "^TracerPid:.*[1-9]" "/proc/$REEVED/status"' ||
	    skip_all "nobody may be traced here: $(cat "$T/out/strace")"
}
mend_call() {
	kill "$STRACE"
	wait "$STRACE" 2>/dev/null
	await 10 'grep -q "^TracerPid:[[:space:]]*0$" "/proc/$REEVED/status"'
}
fails() { # STAGE CALL ERRNO TEXT OPTION...: as run says it, and a task
	stage=$1 call=$2 errno=$3 text=$4
	shift 4
	break_call "$call" "$errno"
	code 125 "$call fails" ctl run "$@" true
	like "... is told" "$(cat "$T/out/ok")" "$text"
	like "... in fields" "$(ctl run --json "$@" true)" "\"started\":false,.*\"stage\":\"$stage\",\"errno_name\":\"$errno\""
	id=$(ctl task add "$@" true)
	code 125 "... of a task" ctl task wait "$id"
	like "... is kept" "$(ctl --json why "$id" | tr -d ' \n')" "\"stage\":\"$stage\",\"errno_name\":\"$errno\",\"path\":"
	mend_call
}
fails signals rt_sigaction EINVAL "reset signals: Invalid argument"
fails session setsid EPERM "create a session: Operation not permitted"
fails nice setpriority EACCES "set nice: Permission denied" --nice 7
fails rlimit prlimit64 EPERM "set a resource limit: Operation not permitted" --rlimit nofile=100
fails directory chdir EIO "change to the directory /: Input/output error" --cwd /
if [ "$(id -u)" = 0 ]; then
	fails groups setgroups EPERM "set supplementary groups: Operation not permitted" --user 1234:1234
	fails gid setresgid EINVAL "set the group: Invalid argument" --user 1234:1234
	fails uid setresuid EAGAIN "set the user: Resource temporarily unavailable" --user 1234:1234
else
	skip "groups, group, user" "not root"
fi
break_call ioctl EPERM
printf '' | ctl run --pty true >"$T/out/pty" 2>&1
is "ioctl fails, of a terminal" "$?" 125
has "... is told" "$T/out/pty" "make the terminal the controlling one: Operation not permitted"
mend_call

# Of an instance, too.
break_call setsid EPERM
code 1 "a program" ctl start web
like "... says why" "$(ctl why web)" "create a session: Operation not permitted"
mend_call
code 0 "and when it does not fail it is started" ctl start web
like "what runs goes on" "$(ctl status idle)" RUNNING
plan_done
