#!/bin/sh
# How a command is run: group, umask, limits, with nobody's rights but the
# client's; what was in the way of a start is told in fields.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:idle]
command = $CHILD sleep
EOT
start_reeved
run() { ctl run "$@"; }
of_task() { # ARG...: what a task prints
	id=$(ctl task add "$@")
	ctl task wait "$id"
	ctl task log "$id"
}
# shellcheck disable=SC2016
limits='ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -f'

is "--umask" "$(run --umask 027 --shell umask)" 0027
is "--umask over the client's" "$(umask 077 && run --umask 2 --shell umask)" 0002
is "--rlimit" "$(run --rlimit nofile=100:200 --rlimit core=0 --rlimit fsize=1MB sh -c "$limits" | tr '\n' ' ')" "100 200 0 2048 "
is "... the last one of a name counts" "$(run --rlimit nofile=100 --rlimit nofile=90 --shell 'ulimit -n')" 90
is "task add: the same" "$(of_task --umask 027 --rlimit nofile=100:200 --rlimit core=0 --rlimit fsize=1MB --shell "umask; $limits" | tr '\n' ' ')" "0027 100 200 0 2048 "
is "run --detach: the same" "$(i=$(run --detach --umask 027 --rlimit nofile=99 --shell 'umask; ulimit -n') && ctl task wait "$i" && ctl task log "$i" | tr '\n' ' ')" "0027 99 "
like "a limit is enforced" "$(run --rlimit cpu=1 --json --shell 'while :; do :; done')" '"exit_signal":(9|24),'

# A task that waits has them when an engine has died.
id=$(ctl task add --delay 1000000 --rlimit nofile=77 --umask 007 --shell 'umask; ulimit -n')
late=$(ctl task add --delay 1 --rlimit nofile=77 --umask 007 --shell 'umask; ulimit -n')
kill_engine
awaits 5 "another engine" 'ctl status'
code 0 "a task's are kept" ctl task wait "$late"
is "... each of them" "$(ctl task log "$late" | tr '\n' ' ')" "0007 77 "
ctl task cancel "$id" >/dev/null

for bad in 8 01777 "" 0x1 -1; do
	code 2 "--umask '$bad'" run --umask "$bad" true
	code 2 "... of a task" ctl task add --umask "$bad" true
done
for bad in nofile nofile= nofile=x nofile=20:10 nofiles=1 =1 cpu=1MB; do
	code 2 "--rlimit '$bad'" run --rlimit "$bad" true
done
like "... says what it knows" "$(run --rlimit files=1 true 2>&1)" "no limit 'files': as, core, cpu, "
code 2 "--rlimit of a task" ctl task add --rlimit nofile=x true
code 125 "--group: none of that name" run --group no-such-group true
like "... says so" "$(run --group no-such-group true 2>&1)" "no such group 'no-such-group'"
like "help tells" "$(ctl help run 2>&1; ctl run --help)" "--rlimit NAME=SOFT"

# What was in the way of a start.
json=$(run --json nosuch-command)
like "--json: no such command" "$json" '"started":false,"errno":2,.*"stage":"exec","errno_name":"ENOENT","path":"nosuch-command"'
like "--json: not executable" "$(run --json /etc/passwd)" '"stage":"exec","errno_name":"EACCES","path":"/etc/passwd"'
printf '#!/nonexistent/shell\n' >"$T/out/script" && chmod +x "$T/out/script"
like "--json: exec fails" "$(run --json "$T/out/script")" "\"stage\":\"exec\",\"errno_name\":\"ENOENT\",\"path\":\"$T/out/script\""
like "--json: the folder" "$(run --json --cwd /dev/null true)" '"stage":"directory","errno_name":"ENOTDIR","path":"/dev/null"'
like "--json: no such group" "$(run --json --group no-such-group true)" '"started":false,.*"stage":"gid","errno_name":"EINVAL","path":null,.*"error":"no such group .no-such-group.'
if [ "$(id -u)" = 0 ]; then
	like "--json: no such user" "$(run --json --user no-such-user true)" '"started":false,.*"stage":"uid","errno_name":"EINVAL","path":null,.*"error":"no such user .no-such-user.'
fi
code 1 "task add: no such group" ctl task add --as-group no-such-group true
like "... says so" "$(ctl task add --as-group no-such-group true 2>&1)" "no such group 'no-such-group'"
json=$(ctl --json task add --as-group no-such-group true 2>/dev/null)
like "... in the same fields" "$(printf '%s' "$json" | tr -d ' \n')" '"exit":1,"stage":"gid","errno_name":"EINVAL","path":null'
code 1 "run --detach, too" ctl run --detach --group no-such-group true
is "... nothing of it is kept" "$(ctl task list --all | grep -c no-such-group)" 0
if [ "$(id -u)" = 0 ]; then
	code 1 "task add: no such user" ctl task add --user no-such-user true
	like "... in the same fields" "$(ctl --json task add --user no-such-user true 2>/dev/null | tr -d ' \n')" '"stage":"uid","errno_name":"EINVAL","path":null'
fi
is "--json: none of it when it has run" "$(run --json true | grep -c '"stage"')" 0

# The result is sent when nothing of the command is left: its streams are at
# their end, also those that a child of it held.
json=$(run --json --shell "(setsid sh -c 'echo \$\$ >$T/out/left; sleep 1001') & until [ -s $T/out/left ]; do sleep 0.02; done; echo now; exit 3")
like "exit and close: a child that holds stdout ends with the command" "$json" '"stdout":"now\\n".*"exit_code":3,'
read -r left <"$T/out/left"
like "... and is gone when the result is there" "$(kill -0 "$left" 2>&1; echo gone)" "gone"
awaits 5 "... really" 'gone $left'
like "... which took its time" "$json" '"duration_ms":[0-9]+,"close_ms":[0-9]+'
events=$(ctl events)
like "... told as two events: exit" "$events" 'exit +run[.][0-9]+[.][0-9a-f]+ +exited with 3 after .*what it left is ended'
like "... close" "$events" 'close +run[.][0-9]+[.][0-9a-f]+ +nothing of it is left'
is "... in that order" "$(printf '%s\n' "$events" | grep -oE 'what it left is ended|nothing of it is left' | tr '\n' ' ')" "what it left is ended nothing of it is left "
# The same over the socket: two notes, then the result; the pipe is read last.
cat >"$T/out/client.py" <<'EOT'
import array, json, os, socket, sys
c = sys.argv[2:]
m = os.memfd_create("x")
os.write(m, b"".join(w.encode() + b"\0" for w in ["/"] + c + ["PATH=" + os.environ["PATH"]]))
r, w = os.pipe()
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
q = {"jsonrpc": "2.0", "id": 1, "method": "run", "params": {"key": "k1", "argc": len(c)}}
n = os.open("/dev/null", os.O_RDWR)
s.sendmsg([json.dumps(q).encode() + b"\n"],
    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [m, n, w, n]))])
os.close(w)
for line in s.makefile():
    msg = json.loads(line)
    p = msg.get("params", {})
    if "event" in p:
        print(p["event"], p.get("exit_code", ""), end=" ")
    if "result" in msg or "error" in msg:
        print("close", msg.get("result", msg).get("exit_code"), end=" ")
        break
print(os.read(r, 100).decode().strip(), os.read(r, 1) == b"")
EOT
if command -v python3 >/dev/null; then
	is "over the socket: exit, then close, and its output is there" "$(python3 "$T/out/client.py" "$T/run/reeve.sock" sh -c 'sleep 1001 & echo late; exit 3' 2>&1)" "started  exit 3 close 3 late True"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		python3 "$T/out/client.py" "$T/run/reeve.sock" sh -c 'echo now'
	done >"$T/out/notes" 2>&1
	is "... also when it leaves nothing and is over in no time, each of ten" "$(sort "$T/out/notes" | uniq -c | tr -s ' ')" " 10 started exit 0 close 0 now True"
fi

if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
	skip "groups, and limits of others" "not root, or no setpriv"
	plan_done
fi
chmod 755 "$T/run"
chmod 666 "$T/run/reeve.sock"
as() { # ARG...: of a user with a group more
	setpriv --reuid=1234 --regid=1234 --groups=1234,4242 \
	    "$B/reevectl" -s "$T/run/reeve.sock" "$@"
}
is "--group, by root" "$(run --group 4243 id -g)" 4243
is "--user and --group, by root" "$(run --user 1236:1236 --group 4243 --shell 'id -u; id -g; id -G' | tr '\n' ' ')" "1236 4243 4243 1236 "
user=$(awk -F: '$4 != "" { split($4, a, ","); print a[1]; exit }' /etc/group)
is "--user: with the groups of that user" "$(run --user "${user:-nobody}" id -G)" "$(id -G "${user:-nobody}")"
is "--as-group of a task" "$(of_task --as-group 4243 id -g)" 4243
is "one of the client's own" "$(as run --group 4242 --shell 'id -u; id -g' | tr '\n' ' ')" "1234 4242 "
code 5 "one that the client is not in" as run --group 4243 true
code 5 "... root's" as run --group 0 true
code 5 "... of a task" as task add --as-group 0 true
like "... says so" "$(as run --group 0 true 2>&1)" "only root may run with a group that the client is not in"
hard=$(sh -c 'ulimit -Hn')
if [ "$hard" = unlimited ]; then
	skip "limits above the hard one" "it is unlimited"
	plan_done
fi
is "a client's limit up to the hard one" "$(as run --rlimit "nofile=$hard" --shell 'ulimit -n')" "$hard"
more=$((hard + 1))
code 125 "above it: refused" as run --rlimit "nofile=$more" true
like "... says what and why" "$(as run --rlimit "nofile=$more" true 2>&1)" "set a resource limit: Operation not permitted"
like "... with --json" "$(as run --json --rlimit "nofile=$more" true)" '"stage":"rlimit","errno_name":"EPERM","path":null'
code 5 "... of a task" as task add --rlimit "nofile=$more" true
like "... with --json" "$(as task add --json --rlimit "nofile=$more" true 2>/dev/null | tr -d ' \n')" '"stage":"rlimit","errno_name":"EPERM","path":null'
code 125 "a nice value that only root may give" as run --nice -5 true
like "... with --json" "$(as run --json --nice -5 true)" '"stage":"nice","errno_name":"EACCES","path":null'
plan_done
