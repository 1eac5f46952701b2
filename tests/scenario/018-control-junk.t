#!/bin/sh
# What clients send, or do not read, is their own trouble.
. "$(dirname "$0")/lib.sh"
need python3

conf <<EOT
[program:web]
command = $CHILD sleep
workers = 2
startsecs = 200ms
[program:talk]
command = $CHILD flood 3M sleep
startsecs = 200ms
stdout_logfile_maxbytes = 0
EOT
cat >"$T/c.py" <<'EOT'
import json, os, resource, socket, sys, time
path, what = sys.argv[1], sys.argv[2]
def conn():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path)
    return s
def ask(s, text):
    s.sendall(text)
    data = b""
    while not data.endswith(b"\n"):
        d = s.recv(65536)
        if not d:
            break
        data += d
    return data
if what == "junk":
    s = conn()
    try:
        s.sendall(os.urandom(10000))
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
    except OSError:
        pass
elif what == "lines":
    # each bad line is answered with an error, and the next one is read
    s = conn()
    for t in (b"\n", b"{}\n", b"[]\n", b"null\n", b"\"x\"\n", b"{\"jsonrpc\":\"2.0\"}\n",
              b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}\n", b"\xff\xfe\x00\n", b"[" * 5000 + b"\n",
              b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"status\"}\n",
              b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nosuch\"}\n",
              b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"status\",\"params\":{\"names\":7}}\n",
              b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"scale\",\"params\":{\"name\":\"web\",\"number\":1e99}}\n"):
        try:
            s.sendall(t)
        except OSError:
            s = conn()
    try:
        s.sendall(b'{"jsonrpc":"2.0","id":99,"method":"hello"}\n')
        data = b""
        while b'"id":99' not in data.replace(b" ", b""):
            d = s.recv(65536)
            if not d:
                raise OSError("closed")
            data += d
    except OSError:
        data = ask(conn(), b'{"jsonrpc":"2.0","id":99,"method":"hello"}\n')
    n = sum(1 for l in data.split(b"\n") if b'"error"' in l)
    print("errors", n)
    sys.exit(0 if b"reeved_pid" in data else 1)
elif what == "half":
    s = conn()
    s.sendall(b'{"jsonrpc":"2.0","id":1,"meth')
    print("half sent", flush=True)
    time.sleep(float(sys.argv[3]))
    s.sendall(b'od":"hello"}\n')
    data = s.recv(65536)
    sys.exit(0 if b"reeved_pid" in data else 1)
elif what == "endless":
    # a line without an end
    s = conn()
    try:
        for i in range(64):
            s.sendall(b"x" * 65536)
        data = s.recv(65536)
        print(data[:200])
    except OSError as e:
        print("dropped:", e)
elif what == "deaf":
    # asks for ever and never reads
    socks = []
    for i in range(20):
        s = conn()
        s.setblocking(False)
        socks.append(s)
    q = b'{"jsonrpc":"2.0","id":1,"method":"config","params":{"program":"web"}}\n' * 100
    end = time.time() + 2
    sent = 0
    while time.time() < end and socks:
        for s in list(socks):
            try:
                sent += s.send(q)
            except BlockingIOError:
                pass
            except OSError:
                socks.remove(s)
        time.sleep(0.005)
    print("sent", sent, "still connected", len(socks), flush=True)
    time.sleep(float(sys.argv[3]))
elif what == "many":
    socks = []
    refused = 0
    for i in range(300):
        try:
            socks.append(conn())
        except OSError:
            refused += 1
    print("open", len(socks), flush=True)
    time.sleep(float(sys.argv[3]))
elif what == "follow":
    s = conn()
    s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"events","params":{"follow":true}}\n')
    print("following", flush=True)
    time.sleep(float(sys.argv[3]))
EOT
S=$T/run/reeve.sock
start_reeved
awaits 5 "all are up" 'all_state RUNNING'
engine=$(engine_pid) pids=$(pids)
works() { # WHAT: the daemon and its other clients go on
	is "$1: the engine is the same" "$(engine_pid)" "$engine"
	is "$1: every pid is the same" "$(pids)" "$pids"
}
for _ in 1 2 3 4 5 6 7 8; do python3 "$T/c.py" "$S" junk; done
works "10,000 junk bytes"
ok "bad lines are answered, good ones too" python3 "$T/c.py" "$S" lines
works "bad lines"

python3 "$T/c.py" "$S" half 2 >"$T/out/half" 2>&1 &
half=$!
started $half
await 5 'grep -q half "$T/out/half"'
works "half a message"
if wait $half; then pass "the other half makes it whole"; else
	fail "the other half makes it whole" "$T/out/half"
fi
python3 "$T/c.py" "$S" endless >"$T/out/endless" 2>&1
works "a line without an end"

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$engine/status"; }
before=$(rss)
python3 "$T/c.py" "$S" deaf 3 >"$T/out/deaf" 2>&1 &
deaf=$!
started $deaf
awaits 10 "clients that never read" 'grep -q sent "$T/out/deaf"'
t0=$(now_ms)
ok "another client is answered" ctl status
t=$(($(now_ms) - t0))
ok "... soon ($t ms)" test $t -lt $((1000 * TEST_SLOW))
after=$(rss)
[ "$VARIANT" != release ] ||
    ok "the engine does not grow without bound ($before to $after kB)" test $((after - before)) -lt 100000
works "clients that never read"
wait $deaf

ulimit -n 1024
python3 "$T/c.py" "$S" many 2 >"$T/out/many" 2>&1 &
many=$!
started $many
awaits 10 "300 connections" 'grep -q open "$T/out/many"'
is "the engine is the same" "$(engine_pid)" "$engine"
wait $many
awaits 5 "and when they are gone all is well" 'ctl status'
works "300 connections"

# Followers that do not read, while one restarts and floods.
python3 "$T/c.py" "$S" follow 6 >"$T/out/follow" 2>&1 &
follow=$!
started $follow
await 5 'grep -q following "$T/out/follow"'
i=0
while [ $i -lt 10 ]; do
	i=$((i + 1))
	ctl restart --hard talk >/dev/null
done
pids=$(pids)
works "a follower that does not read"
kill $follow 2>/dev/null
timeout 2 "$B/reevectl" -c "$CONF" tail -f -n 100000 talk >/dev/full 2>/dev/null
works "a client whose output is full"
ctl status >&- 2>&-
works "a client without stdout"
is "no fd is left of all that" "$(ls -l "/proc/$engine/fd" | grep -c 'socket:' | awk '{ print ($1 < 40) }')" 1
plan_done
