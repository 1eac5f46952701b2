#!/bin/sh
# allow_jobs: a program's processes may submit jobs, whoever they are; others
# of that kind may not.
. "$(dirname "$0")/lib.sh"
need python3
need setpriv
[ "$(id -u)" = 0 ] || skip_all "needs root to become others"

cp "$SRC/tests/helpers/rpc.py" "$T/rpc.py"
# What a worker does: each step by a child of it.
cat >"$T/worker" <<EOT
#!/bin/sh
rm -f $T/out/w/\$1.*
env >$T/out/w/\$1.env
python3 $T/rpc.py $T/run/reeve.sock job_submit '{"kind": "noop"}' >$T/out/w/\$1.rpc 2>&1
setsid python3 $T/rpc.py $T/run/reeve.sock job_submit '{"kind": "noop"}' >$T/out/w/\$1.session 2>&1
python3 $T/rpc.py $T/run/reeve.sock job_submit '{"kind": "command", "args": ["program=true"]}' >$T/out/w/\$1.command 2>&1
python3 $T/rpc.py $T/run/reeve.sock job_list '{}' >$T/out/w/\$1.list 2>&1
python3 $T/rpc.py $T/run/reeve.sock stop '{"names": ["may"]}' >$T/out/w/\$1.stop 2>&1
REEVE_POOL=\${REEVE_POOL-$T/run/pool.sock} python3 $T/client.py - $T/out/a >$T/out/w/\$1.pool 2>&1
: >$T/out/w/\$1.done
exec sleep 10000
EOT
cp "$SRC/conf/examples/jobs/client.py" "$T/client.py"
cat >"$T/raw.py" <<'EOT'
"""raw.py SOCKET mute | many | deaf | stay FILE | TYPE TEXT: the text of the BYE that it
brings; stay: makes FILE once it is in."""
import importlib.util, os, socket, struct, sys
spec = importlib.util.spec_from_file_location("client", os.path.dirname(__file__) + "/client.py")
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)
WELCOME = 65
def dial():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    return s
def text(s):
    data = s.makefile("rb")
    while True:
        length, kind, _, _ = client.HEAD.unpack(data.read(client.HEAD.size))
        body = data.read(length - client.HEAD.size)
        if kind == client.BYE:
            return body.split(b"\0")[0].decode()
hello = client.message(client.HELLO, 0, struct.pack("=II16s", 1, 0, bytes(16)))
def enter():
    s = dial()
    try:
        s.sendall(hello)
    except BrokenPipeError:
        pass  # refused already
    return s, client.HEAD.unpack(s.recv(client.HEAD.size, socket.MSG_PEEK))[1] == WELCOME
if sys.argv[2] == "mute":
    some = [dial() for i in range(100)]
    print(text(some[0]))
    print(text(some[-1]))
elif sys.argv[2] == "many":
    some = [enter() for i in range(520)]
    print([ok for _, ok in some].index(False), [ok for _, ok in some].count(True))
    print(text(some[-1][0]), flush=True)
    # Whoever goes makes room.
    for s, _ in some[:3] + some[512:]:
        s.close()
    while not enter()[1]:
        pass
    open(sys.argv[3], "w").close()
    sys.stdin.read()
elif sys.argv[2] == "deaf":
    # Some 13 MB of answers that it does not read.
    s, ok = enter()
    try:
        for _ in range(10000):
            s.sendall(client.message(6, 7, b"kinds\0"))
        print("is kept")
    except (BrokenPipeError, ConnectionResetError):
        print("is dropped")
elif sys.argv[2] == "stay":
    s, ok = enter()
    ends = os.pipe()
    socket.send_fds(s, [client.submit(1, "digest", "endless")], [ends[0]])
    open(sys.argv[3], "w").close()
    print(text(s))
else:
    s = dial()
    body = sys.argv[3].encode() + b"\0" if sys.argv[3] else b""
    s.sendall(hello + client.message(int(sys.argv[2]), 7, body))
    print(text(s))
EOT
chmod 755 "$T/worker" "$T/client.py" "$T/rpc.py"
mkdir "$T/out/w"
chmod 777 "$T/out/w"
mkfifo "$T/fifo"
seq 1 1000 >"$T/out/a"
chmod 711 "$T" "$T/out" "$T/run"

config() { # ALLOW MORE: of the program may
	conf <<-EOT
		socket_chmod = 0666
		allow = none
		[program:may]
		command = $T/worker may
		user = nobody
		allow_jobs = $1
		startsecs = 0
		[program:not]
		command = $T/worker not
		user = daemon
		startsecs = 0
		${2-[pool]}
	EOT
}
out() { cat "$T/out/w/$1"; }

config on
start_reeved
up pool
# The first ones may have come before the pool was there.
rm -f "$T"/out/w/*
ctl restart --hard may not >/dev/null
awaits 30 "both have tried" '[ -e "$T/out/w/may.done" ] && [ -e "$T/out/w/not.done" ]'
like "with it: over the control socket" "$(out may.rpc)" '^{"id": [0-9]+}$'
like "... a process in another session, too" "$(out may.session)" '^{"id": [0-9]+}$'
like "... nothing else" "$(out may.stop)" '^error -32005'
like "... nothing that acts with the rights of the pool" "$(out may.command)" '^error -32005 command acts with the rights'
like "... not what others do" "$(out may.list)" '^error -32005'
is "... over the pool's socket" "$(out may.pool)" "$(sha256sum "$T/out/a")"
is "... it is told where" "$(out may.env | grep -E '^REEVE_(POOL|SOCKET)=' | sort)" "REEVE_POOL=$T/run/pool.sock
REEVE_SOCKET=$T/run/reeve.sock"
like "without it: refused" "$(out not.rpc)" "^error -32005 uid 1 is not allowed to job_submit: .program:not. needs 'allow_jobs = on'"
like "... over the pool's socket" "$(out not.pool)" 'uid 1 may not submit jobs'
is "... it is told nothing" "$(out not.env | grep -cE '^REEVE_(POOL|SOCKET)=')" 0
like "a stranger" "$(setpriv --reuid 4711 --regid 4711 --clear-groups python3 "$T/rpc.py" "$T/run/reeve.sock" job_submit '{"kind": "noop"}')" \
    "^error -32005 uid 4711 is not allowed to job_submit: .reeve. needs"

pool=$T/run/pool.sock
as() { # USER COMMAND ...
	_u=$1
	shift
	setpriv --reuid "$_u" --regid 65534 --clear-groups timeout 60 "$@" 2>&1
}
job() { # USER ARG ...
	_j=$1
	shift
	as "$_j" "$B/reevectl" job run --pool "$pool" "$@"
}
is "as many threads as there are usable CPUs" \
    "$("$B/reevectl" -c "$CONF" job stats --json | tr -d ' ' | grep -Eo '"threads":[0-9]+' | head -1 | tr -dc 0-9)" \
    "$(python3 "$T/rpc.py" "$T/run/reeve.sock" hello '{}' | grep -Eo '"usable_cpus": [0-9]+' | tr -dc 0-9)"
is "the pool's socket is open" "$(stat -c %a "$pool")" 666
like "command over the pool's socket" "$(job nobody command --arg program=true)" 'acts with the rights of the pool'
like "a C client hears at once that it may not" "$(for i in 1 2 3 4 5 6 7 8; do job daemon noop; done | grep -cE 'may not submit|Permission denied')" '^8$'
like "a worker can't cancel others' jobs" "$(as nobody python3 "$T/raw.py" "$pool" 6 'cancel 1')" 'stats and kinds'
like "... nor wait for them" "$(as nobody python3 "$T/raw.py" "$pool" 7 '')" 'kept for reeved'
is "one that does not read is dropped" "$(as nobody python3 "$T/raw.py" "$pool" deaf)" "is dropped"
is "those that say nothing are let go" "$(as nobody python3 "$T/raw.py" "$pool" mute)" "too many have not said hello
it has not said hello"

as nobody python3 "$T/raw.py" "$pool" many "$T/out/w/many" <"$T/fifo" >"$T/out/many" &
c=$!
started $c
exec 9>"$T/fifo"
awaits 30 "when one of many goes there is room for another" '[ -e "$T/out/w/many" ]'
is "512 of them at a time" "$(cat "$T/out/many")" "512 512
512 clients of programs are connected"
ok "... which is no matter of root's" job root noop
exec 9>&-
wait $c

# Adopted, it is still who it was.
kill_engine
pid=$(pid_of may)
ctl signal CONT may >/dev/null
is "the worker was adopted" "$(pid_of may)" "$pid"
rm -f "$T"/out/w/*
ctl restart --hard may >/dev/null
awaits 30 "it tries again" '[ -e "$T/out/w/may.done" ]'
like "... also with another engine" "$(out may.rpc)" '^{"id": [0-9]+}$'

as nobody python3 "$T/raw.py" "$pool" stay "$T/out/w/stay" >"$T/out/stay" &
stay=$!
started $stay
runs() { [ "$("$B/reevectl" -c "$CONF" job list --json | grep -c '"state": *"running"')" = "$1" ]; }
awaits 30 "one that is connected has a job" 'runs 1'
config off
was=$(pid_of pool)
like "taken away: a roll" "$(ctl reload --plan)" 'allow_jobs: true -> false'
rm -f "$T"/out/w/*
ctl reload >/dev/null
awaits 30 "it tries again" '[ -e "$T/out/w/may.done" ]'
like "refused" "$(out may.rpc)" "^error -32005 .*program:may. needs 'allow_jobs = on'"
await 10 'grep -q "^allow_uid =$" "$T/run/pool.conf"'
is "the pool is the same" "$(pid_of pool)" "$was"
wait $stay
is "who is connected is let go" "$(cat "$T/out/stay")" "allow_jobs was taken away"
awaits 30 "... with the job" 'runs 0'
awaits 30 "the pool's socket is closed to others" '[ "$(stat -c %a "$pool")" = 600 ]'
awaits 30 "it is refused, too" 'job nobody noop | grep -q "Permission denied"'
awaits 30 "jobs go on" 'job root noop'

config on ''
code 1 "without a pool it would do nothing" ctl reload
like "... says so" "$(cat "$T/out/ok")" "program:may. allow_jobs: there is no pool"
plan_done
