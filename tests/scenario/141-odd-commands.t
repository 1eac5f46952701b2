#!/bin/sh
# Commands that are odd: bytes that are no text, folders that vanish, streams
# that are closed, full or endless, two clients with one key; and an engine
# that dies when a command is gone and what it left is not.
. "$(dirname "$0")/lib.sh"
need python3

conf <<EOT
[program:idle]
command = $CHILD sleep
EOT
start_reeved
run() { ctl run "$@"; }
task() { ctl task "$@"; }
odd=$(printf 'a\377\033[1mb')
json() { python3 -c "import json, sys; v = json.load(sys.stdin); print($1)"; }

# Bytes that are no UTF-8.
is "an argument of any bytes" "$(run printf %s "$odd")" "$odd"
is "... in the environment" "$(run --env "K=$odd" --shell 'printf %s "$K"')" "$odd"
mkdir "$T/out/$odd"
is "... a folder" "$(run --cwd "$T/out/$odd" pwd)" "$T/out/$odd"
id=$(task add --cwd "$T/out/$odd" --env "K=$odd" -- sh -c 'pwd; printf %s "$K$1"' "$odd" "$odd")
code 0 "... of a task" task wait "$id"
is "... all of them" "$(task log "$id")" "$T/out/$odd
$odd$odd"
is "... is JSON where it is listed" "$(task list --all --json | json "v[0]['command'].count('\ufffd')")" 2
is "... and printed without what a terminal obeys" "$(ctl why "$id" | grep -c "$(printf '\033')")" 0
is "--json: the same bytes in base64" "$(run --json -- printf %s "$odd" | json "__import__('base64').b64decode(v['stdout_base64']) == b'a\xff\x1b[1mb' and v['stdout'] == 'a\ufffd\x1b[1mb'")" True
for option in --user --group --ipc; do
	code 2 "no text in $option is refused" run "$option" "$odd" id
	has "... it is not left out" "$T/out/ok" "the value of $option is not UTF-8"
done
code 2 "... of a task" task add -g "$odd" true

# Lines of stdin.
printf 'echo one\n\n   \necho t\0wo\necho three\n' >"$T/in"
code 2 "a line with a NUL" sh -c "'$B/reevectl' -c '$CONF' task add --each-line <'$T/in'"
has "... is told" "$T/out/ok" "line 4 holds a NUL"
is "... those before it are kept, nothing of it is" "$(task list --all --json | json "v[-1]['command']")" "echo one"
long=$(head -c 100000 /dev/zero | tr '\0' x)
printf 'echo %s | wc -c' "$long" >"$T/in"
id=$("$B/reevectl" -c "$CONF" task add --each-line <"$T/in")
code 0 "a line of 100 kB, and no end of it" task wait "$id"
is "... is whole" "$(task log "$id")" 100001
printf 'echo %s%s | wc -c\n' "$long" "$long" >"$T/in"
id=$("$B/reevectl" -c "$CONF" task add --each-line <"$T/in")
code 126 "a line of 200 kB is too long for the kernel" task wait "$id"
has "... which is told" "$T/out/ok" "Argument list too long: one has 200[0-9]* bytes, the kernel takes 131071"

# Folders.
mkdir "$T/out/gone"
code 1 "a current folder that is gone" sh -c "cd '$T/out/gone' && rmdir '$T/out/gone' && '$B/reevectl' -c '$CONF' run pwd"
has "... is told" "$T/out/ok" "the current folder: No such file"
code 125 "a folder that is not there is no missing command" run --cwd "$T/out/gone" true
mkdir "$T/out/gone"
task pause >/dev/null
id=$(task add --cwd "$T/out/gone" pwd)
rmdir "$T/out/gone"
task resume
code 125 "one that vanishes before the task begins" task wait "$id"
like "... is told" "$(ctl why "$id")" "is failed: change to the directory $T/out/gone: No such file"

# Names of commands.
mkdir -p "$T/out/here/bin"
printf '#!/bin/sh\necho mine\n' >"$T/out/here/bin/mine"
chmod +x "$T/out/here/bin/mine"
is "PATH may have folders below the current one" "$(cd "$T/out/here" && PATH="bin:$PATH" "$B/reevectl" -c "$CONF" run mine)" mine
is "... or below --cwd" "$(PATH="bin:$PATH" "$B/reevectl" -c "$CONF" run --cwd "$T/out/here" mine)" mine
id=$(cd "$T/out/here" && PATH="bin:$PATH" "$B/reevectl" -c "$CONF" task add mine)
code 0 "... of a task" task wait "$id"
code 127 "an empty name" run ''
has "... is told" "$T/out/ok" "the name of the command is empty"
code 0 "an empty line is none" run --shell ''
code 2 "--pty with --json" run --pty --json true
code 2 "--pty with --detach" run --pty --detach true
code 2 "a number out of its range" run --nice 40 true
has "... is told which" "$T/out/ok" "--nice needs a number from -20 to 19, not \"40\""
code 2 "... of a job, which has less" ctl job run noop --priority 8
has "... too" "$T/out/ok" "--priority needs a number from 0 to 7"

# Streams.
code 1 "a full disk for stdout" sh -c "'$B/reevectl' -c '$CONF' run echo x >/dev/full"
has "... is the command's" "$T/out/ok" "write error: No space"
code 1 "... with --json it is ours" sh -c "'$B/reevectl' -c '$CONF' run --json true >/dev/full"
code 1 "a closed stdout" sh -c "'$B/reevectl' -c '$CONF' run echo x >&-"
code 0 "a closed stdin is empty" sh -c "'$B/reevectl' -c '$CONF' run cat <&-"
# shellcheck disable=SC2086
is "a reader that leaves: SIGPIPE" "$( ($B/reevectl -c $CONF run yes; echo $? >"$T/out/code") | head -n 1) $(cat "$T/out/code")" "y 141"
is "input that is not read" "$(head -c 100000000 /dev/zero 2>/dev/null | run sh -c 'echo done')" "done"
is "input that is" "$(head -c 100000000 /dev/zero | run --json -- wc -c | json "v['stdout'].strip()")" 100000000
is "all output, none is read: it waits, and nothing is lost" "$(run seq 300000 | (read -r _; await 5 'ctl status'; cat) | cksum)" "$(seq 2 300000 | cksum)"

# Two clients, one key.
cat >"$T/out/client.py" <<'EOT'
import array, json, os, signal, socket, sys, time
path = sys.argv[1]

def ask(method, params, words=None):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    q = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    fds = []
    if words:
        m = os.memfd_create("x")
        os.write(m, b"".join(w.encode() + b"\0" for w in ["/"] + words + ["PATH=" + os.environ["PATH"]]))
        null = os.open("/dev/null", os.O_RDWR)
        fds = [m, null, null, null][:1 if method == "task_add" else 4]
    s.sendmsg([q.encode() + b"\n"],
        [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    return s, s.makefile()

def notes(f):
    for line in f:
        yield json.loads(line)
EOT
cat >"$T/out/same.py" <<EOT
exec(open("$T/out/client.py").read())
words = ["sh", "-c", "echo x >>$T/out/same; until [ -e $T/out/go ]; do sleep 0.02; done; exit 6"]
s1, f1 = ask("run", {"key": "same", "argc": 3}, words)
print(json.loads(f1.readline())["params"]["event"])
s2, f2 = ask("run", {"key": "same", "argc": 3}, words)
print(json.loads(f2.readline())["error"]["message"])
s3, f3 = ask("run", {"key": "same", "resume": True})
print(json.loads(f3.readline())["error"]["message"])
open("$T/out/go", "w").close()
print(next(m for m in notes(f1) if "result" in m)["result"]["exit_code"])
ids = {json.loads(ask("task_add", {"key": "twice", "argc": 1}, ["true"])[1].readline())["result"]["id"] for _ in range(3)}
print(len(ids))
EOT
is "a key that is taken" "$(timeout 60 python3 "$T/out/same.py" "$T/run/reeve.sock" 2>&1)" "started
there is a run with that key
there is a run with that key
6
1"
is "... ran once" "$(wc -l <"$T/out/same")" 1

# The engine dies when it has said that the command is gone: what the command
# left is still to be ended, and the next engine says so.
cat >"$T/out/between.py" <<EOT
exec(open("$T/out/client.py").read())
between = 0
for i in range(int(sys.argv[2])):
    engine = [int(p) for p in os.popen("pgrep -P $REEVED -x reeve-engine").read().split()]
    key = "between%d" % i
    left = "$T/out/left%d" % i
    s, f = ask("run", {"key": key, "argc": 3}, ["sh", "-c",
        "for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'trap \"\" TERM; echo \$\$ >>%s; while :; do sleep 1000; done') & done; until [ -e %s ] && [ \$(wc -l <%s) = 8 ]; do sleep 0.02; done; exit %d" % (left, left, left, 3 + i)])
    for m in notes(f):
        if m.get("params", {}).get("event") == "exit":
            break
    for p in engine:
        os.kill(p, signal.SIGKILL)
    late = [m for m in notes(f) if "result" in m]
    end = time.monotonic() + 30
    while not late:
        try:
            s, f = ask("run", {"key": key, "resume": True})
            line = f.readline()
            while line and "result" not in line and "error" not in line:
                line = f.readline()
            if line:
                break
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit("nobody answers")
        time.sleep(0.02)
    m = late[0] if late else json.loads(line)
    between += not late
    alive = [p for p in open(left).read().split() if os.path.exists("/proc/" + p) and "State:\tZ" not in open("/proc/%s/status" % p).read()]
    print(m.get("result", m).get("exit_code"), alive)
print(between > 0)
EOT
n=6
is "the engine dies between exit and close: the code is kept, nothing is left" \
    "$(timeout $((120 * TEST_SLOW)) python3 "$T/out/between.py" "$T/run/reeve.sock" $n 2>&1 | tr '\n' ' ')" "3 [] 4 [] 5 [] 6 [] 7 [] 8 [] True "
plan_done
