#!/bin/sh
# A stranger: whoever can connect and may nothing, or little, gets an error or
# is dropped, whatever is sent; and nothing is left of it, for nobody else.
. "$(dirname "$0")/lib.sh"
need python3
[ "$(id -u)" = 0 ] || skip_all "needs root to become others"

allow() { # VALUE
	conf <<-EOT
		[program:web]
		command = $CHILD sleep
		workers = 2
		startsecs = 200ms
		[program:db]
		command = $CHILD sleep
		startsecs = 200ms
		[program:told]
		command = $CHILD dump $T/out/told-env sleep
		ready = notify
		ready_timeout = 1h
		[program:dog]
		command = $CHILD dump $T/out/dog-env sleep
		health = watchdog
		health_interval = 1h
	EOT
	sed -i "s/^\[reeve\]/&\nsocket_chmod = 0666\nallow = $1/" "$CONF"
}

# strangers.py SOCKET PART: root's own connection first, then as uid 4711.
cat >"$T/strangers.py" <<'EOT'
import array, json, os, socket, struct, sys
path, part = sys.argv[1], sys.argv[2]
LIMIT = 60
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(LIMIT)
    return s
class Client:
    def __init__(self):
        self.s, self.buf = connect(), b""
    def send(self, data, fds=()):
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        while data:
            data = data[self.s.sendmsg([data[:100000]], anc):]
            anc = []
    def line(self):
        "The next line, or None when the connection was ended."
        while b"\n" not in self.buf:
            try:
                d = self.s.recv(65536)
            except ConnectionError:
                return None
            if not d:
                return None
            self.buf += d
        l, self.buf = self.buf.split(b"\n", 1)
        return json.loads(l)
root = Client()
def alive(what):
    "Root's connection, which was there before, is served."
    root.send(b'{"jsonrpc":"2.0","id":"root","method":"status"}\n')
    m = root.line()
    if m is None or len(m["result"]) < 4:
        bad(what, "root is not served: %r" % (m,))
def bad(what, text):
    print("FAILED %s: %s" % (what[:200], text))
count = 0
c = None
def refused(what, data, fds=(), same=None):
    "One message: an error comes, or the end; and no result ever."
    global c, count
    count += 1
    if c is None:
        c = Client()
    try:
        c.send(data, fds)
        m = c.line()
    except ConnectionError:
        m = None
    except socket.timeout:
        bad(what, "neither an answer nor the end")
        m = None
    if m is None:
        c = None
    elif "error" not in m or m["error"]["code"] >= 0 or len(m["error"]["message"]) < 8:
        bad(what, "answered by %r" % (m,))
    elif same is not None and m["error"]["code"] not in same:
        bad(what, "refused by %r" % (m,))
def text(method, params, **more):
    return (json.dumps(dict({"jsonrpc": "2.0", "id": count, "method": method, "params": params}, **more)) + "\n").encode()
verbs = []
for l in os.popen(sys.argv[3] + " --verbs"):
    words = l.split()
    verbs.append((words[0], [w.strip("[]") for w in words[2:]]))
os.setgroups([])
os.setgid(4711)
os.setuid(4711)

deep = "[" * 1500 + "]" * 1500
def values():
    for v in (None, True, False, 0, -1, 7, -2**63, 2**63 - 1, 1.5, 1e99, "", "x", "-1", "99999999999999999999",
              "all", "*", "web*", "web.0", "web.99999", "nix", "../../etc/passwd", "x" * 200000, "%s%n", "web\n12:00:00 info engine forged",
              "\x1b[2J", [], {}, [None], [1], [[]], [{}], ["web", 7], ["web"] * 3000, ["1"] * 3000, ["-1"], ["0"], ["4000000000"], {"a": "b"}):
        yield v

if part == "params":
    # "nonsense" makes even good ones bad.
    for verb, names in verbs:
        refused(verb, text(verb, {"nonsense": 1}))
        for params in ([], "x", 7, True, [1]):
            refused(verb, text(verb, params))
        for name in names:
            for v in values():
                refused("%s %s" % (verb, name), text(verb, {name: v, "nonsense": 1}))
        refused(verb, text(verb, dict({n: "x" for n in names}, nonsense=1)))
        refused(verb, ('{"jsonrpc":"2.0","id":1,"method":"%s","params":{"names":%s,"nonsense":1}}\n' % (verb, deep)).encode())
        refused(verb, ('{"jsonrpc":"2.0","id":1,"method":"%s","params":{"names":"web","names":"db","nonsense":1}}\n' % verb).encode())
        refused(verb, b'{"jsonrpc":"2.0","id":1,"method":"%s","params":{"names":"\xff\xfe\xc0\x80"}}\n' % verb.encode())
        refused(verb, b'{"jsonrpc":"2.0","id":1,"method":"%s","params":{"names":"w\\u0000eb"}}\n' % verb.encode())
        refused(verb, b'{"jsonrpc":"2.0","id":1,"method":"%s\0","params":{}}\n' % verb.encode())
        alive(verb)
elif part == "denied":
    # Good requests, of which none may be obeyed.
    for verb, names in verbs:
        for params in ({}, {"names": ["web"]}, {"names": ["all"]}, {"name": "web", "number": 0}, {"names": ["web"], "signal": "KILL"},
                       {"key": "a", "argc": 1}, {"key": "a", "signal": "KILL"}, {"ids": ["1"]}, {"id": "1"}, {"group": "default", "paused": True},
                       {"group": "default", "uid": 0, "paused": True}, {"program": "web"}):
            refused(verb, text(verb, params), same=[-32005])
        for n in (1, 4, 8):
            refused("%s with %d descriptors" % (verb, n), text(verb, {"key": "a", "argc": 1}), [1] * n, same=[-32005])
        alive(verb)
elif part == "unknown":
    # With the right: what is not there, and what must not be.
    for verb, params in (("why", {"names": ["nix"]}), ("status", {"names": ["nix.0"]}), ("config", {"program": "nix"}),
                         ("scale", {"name": "nix", "number": 1}), ("scale", {"name": "web", "number": -1}),
                         ("scale", {"name": "web", "number": 2**40}), ("signal", {"names": ["web"], "signal": "NIX"}),
                         ("signal", {"names": ["web"], "signal": "-9"}), ("signal", {"names": ["web"], "signal": "0"}),
                         ("signal", {"names": ["web"], "signal": "65536"}),
                         ("tail", {"names": ["web"], "stream": "stdin"}), ("tail", {"names": ["nix"]}), ("tail", {"names": ["web"], "lines": -1}),
                         ("restart", {"names": ["nix"]}), ("restart", {"names": ["web.7"]}), ("stop", {"names": [""]}),
                         ("events", {"since": -1}), ("events", {"since": 2**63 - 1}), ("events", {"since": "1"}),
                         ("status", {"fields": ["nix"]}), ("task_list", {"fields": ["id"] * 99}), ("task_list", {"fields": [""]}),
                         ("task_log", {"id": "77"}), ("task_log", {"id": "0"}), ("task_log", {"id": "-1"}), ("task_log", {"id": "1", "offset": -1}),
                         ("task_wait", {"ids": ["77"]}), ("task_wait", {"ids": ["9223372036854775807"]}), ("task_wait", {"ids": ["9223372036854775808"]}),
                         ("task_wait", {"ids": []}), ("task_cancel", {"ids": ["77", "78"]}), ("task_cancel", {"ids": ["-1"]}),
                         ("task_rm", {"ids": ["77"]}), ("task_rm", {"ids": ["1e3"]}),
                         ("task_group", {"group": "../x"}), ("task_group", {"group": "a", "uid": 0, "paused": True}),
                         ("task_group", {"group": "a" * 500}), ("task_group", {"group": "a", "parallel": -7}),
                         ("task_add", {"key": "a", "argc": 1}), ("task_add", {"key": "", "argc": 1}), ("task_add", {"key": "a/b", "argc": 1}),
                         ("task_add", {"key": "a", "argc": 0}), ("task_add", {"key": "a", "argc": 1, "user": "root"}),
                         ("task_add", {"key": "a", "argc": 1, "umask": 512}), ("task_add", {"key": "a", "argc": 1, "after": ["x"]}),
                         ("run", {"key": "a", "argc": 1}), ("run", {"key": "a", "argc": 1, "user": "root"}), ("run", {"key": "a", "resume": True}),
                         ("run", {"key": "a" * 500, "argc": 1}), ("run", {"key": "a", "argc": 1, "nice": -99}),
                         ("run_signal", {"key": "nix", "signal": "TERM"}), ("run_signal", {"key": "a", "signal": "NIX"})):
        refused(verb, text(verb, params))
        if verb in ("run", "task_add"):
            # not a memfd; an empty one; too large; no NUL; too few words; no folder; words of root's
            r, w = os.pipe()
            def memfd(data, size=None):
                fd = os.memfd_create("x")
                os.write(fd, data)
                if size is not None:
                    os.ftruncate(fd, size)
                return fd
            fds = [r, w, memfd(b""), memfd(b"", 1 << 40), memfd(b"/\0true"), memfd(b"/\0"), memfd(b"\0true\0"), memfd(b"tmp\0true\0"),
                   os.open("/dev/zero", os.O_RDONLY), os.open("/", os.O_RDONLY), c.s.fileno() if c else r]
            for fd in fds:
                refused(verb, text(verb, dict(params, argc=2)), [fd])
                refused(verb, text(verb, dict(params, argc=1000)), [fd] * 8)
            for fd in fds[:10]:
                os.close(fd)
        alive(verb)
elif part == "bytes":
    hello = b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n'
    for what, data in (("junk", os.urandom(20000) + b"\n"), ("nul", b"\0\n"), ("nuls", b"{" + b"\0" * 1000 + b"\n"), ("not UTF-8", b'{"\xff\xfe":1}\n'),
                       ("deep", b"[" * 100000 + b"\n"), ("deep object", b'{"a":' * 100000 + b"\n"), ("batch", b"[" + hello.strip() + b"]\n"),
                       ("no method", b'{"jsonrpc":"2.0","id":1}\n'), ("version", b'{"jsonrpc":"1.0","id":1,"method":"hello"}\n'),
                       ("id", b'{"jsonrpc":"2.0","id":{"a":[]},"method":"hello"}\n'), ("id null", b'{"jsonrpc":"2.0","id":null,"method":"hello"}\n'),
                       ("long id", b'{"jsonrpc":"2.0","id":"' + b"x" * 5000 + b'","method":"hello"}\n'),
                       ("big number", b'{"jsonrpc":"2.0","id":' + b"9" * 400 + b',"method":"hello"}\n'),
                       ("method", b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 100000 + b'"}\n'),
                       ("two at once", hello.strip() + hello), ("number", b"7\n"), ("string", b'"x"\n'), ("word", b"nan\n"),
                       ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("utf-16", hello.decode().encode("utf-16")),
                       ("wide array", b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"names":[' + b'"w",' * 250000 + b'"w"]}}\n'),
                       ("10 MB without an end", b"{" + b" " * 10000000)):
        refused(what, data)
        c = None
        alive(what)
    for n in (9, 64, 253):
        refused("%d descriptors" % n, hello, [1] * n)
        c = None
    # Thousands of requests, and not one answer is read.
    for i in range(20):
        d = Client()
        d.s.setblocking(False)
        try:
            for k in range(200):
                d.s.send(text("status", {}) * 20)
        except (BlockingIOError, ConnectionError):
            pass
        alive("deaf %d" % i)
elif part == "waiting":
    # What has a last descriptor whose end can be waited for.
    ls = socket.socket()
    ls.bind(("127.0.0.1", 0))
    ls.listen(64)
    def lingering():
        a = socket.create_connection(ls.getsockname())
        a.setblocking(False)
        try:
            while True:
                a.send(b"x" * 65536)
        except BlockingIOError:
            pass
        a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
        return a
    def give(s, data, fds):
        try:
            s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno() for f in fds]))])
        except ConnectionError:
            for f in fds:
                f.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        for f in fds:
            f.close()
    hello = b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n'
    for n in (1, 8, 9):
        d = Client()
        give(d.s, hello, [lingering() for _ in range(n)])
        d.line()
        alive("%d sockets that linger" % n)
    d = Client()
    give(d.s, b"{", [lingering()])
    give(d.s, hello, [lingering()])
    give(d.s, hello, [lingering()])
    d.s.close()
    alive("they linger, and the client is gone")
    keep = [connect() for _ in range(70)]
    for k in keep[60:]:
        give(k, b"{", [lingering()])
    del keep, k
    alive("too many, with sockets that linger")
    for name in sys.argv[4:]:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.connect("\0" + name)
        for n in (1, 8, 1, 1):
            give(s, b"READY=1", [lingering() for _ in range(n)])
            alive("a datagram with a socket that lingers")
elif part == "half":
    # Half a message, descriptors with it, and then nothing.
    r, w = os.pipe()
    ds = []
    for i in range(20):
        d = Client()
        d.send(b'{"jsonrpc":"2.0","id":1,"meth' + b" " * 50000, [r] * 8)
        ds.append(d)
    alive("half a message")
    print("half", flush=True)
    for d in ds:
        m = d.line()
        if m is not None and (m["error"]["code"] != -32700 or "not ended" not in m["error"]["message"]):
            bad("half a message", repr(m))
        if m is not None and d.line() is not None:
            bad("half a message", "it goes on")
elif part == "many":
    # As many connections as one gets.
    ds = [connect() for _ in range(400)]
    alive("many")
    n = 0
    for d in ds:
        try:
            d.sendall(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n')
        except ConnectionError:
            pass
        n += b"clients of uid 4711 are connected" in d.recv(65536)
    print("refused %d" % n, flush=True)
    sys.stdin.read()
elif part == "notify":
    for name in sys.argv[4:]:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.setblocking(False)
        for data in (b"READY=1", b"READY=1\nSTATUS=forged", b"WATCHDOG=trigger", b"STOPPING=1", b"X_REEVE_RECYCLE=1",
                     b"WATCHDOG_USEC=1000", b"MAINPID=1", b"RELOADING=1", b"", b"\0" * 4096, b"\xff" * 4096, b"x" * 60000, b"READY=1\n" * 1000,
                     b"STATUS=" + b"\x1b[2J" * 500):
            for fds in ([], [0], [0] * 253):
                try:
                    s.connect("\0" + name)
                    s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
                except OSError:
                    pass
                count += 1
        alive("notify")
alive("the end")
print("sent %d" % count)
EOT
strangers() { # PART ARG...
	st_part=$1
	shift
	timeout $((120 * TEST_SLOW)) python3 "$T/strangers.py" "$T/run/reeve.sock" \
	    "$st_part" "$B/reeve-engine" "$@" >"$T/out/$st_part" 2>&1
}

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$engine/status"; }
# Counted when those who left are gone.
is_as_before() { [ "$(fds "$engine")" = "$fds" ]; }
unharmed() { # PART
	unlike "$1: each is refused, root is served" "$(cat "$T/out/$1")" "FAILED|Traceback"
	has "$1: to the end" "$T/out/$1" "^sent"
	is "$1: the engine is the same" "$(engine_pid)" "$engine"
	is "$1: so are the workers" "$(pids)" "$pids"
	awaits 10 "$1: and its descriptors" is_as_before
	is "$1: the keeper's as well" "$(fds "$REEVED")" "$kfds"
	rm -f "$T/out/$1"
}

allow "none"
start_reeved
awaits 10 "up" 'all_state RUNNING web db dog'
awaits 10 "told and dog have their sockets" '[ -s "$T/out/told-env" ] && [ -s "$T/out/dog-env" ]'
notify() { sed -n 's/^env.NOTIFY_SOCKET[ =]*@//p' "$T/out/told-env" "$T/out/dog-env"; }
is "they are two" "$(notify | grep -c .)" 2
engine=$(engine_pid)
ctl task list >"$T/out/ok"
pids=$(pids) fds=$(fds "$engine") kfds=$(fds "$REEVED")

strangers denied
unharmed denied
strangers params
unharmed params
before=$(rss)
strangers bytes
unharmed bytes
strangers half &
half=$!
started $half
strangers waiting $(notify)
unharmed waiting
ok "half a message ends" wait $half
unharmed half
strangers notify $(notify)
unharmed notify
is "a stranger's READY=1 is not the worker's" "$(state told.0)" STARTING
unlike "nor its STATUS" "$(ctl status --json told dog)" "forged"

# A crowd takes what is for strangers, and no more.
mkfifo "$T/hold"
strangers many <"$T/hold" &
many=$!
started $many
exec 9>"$T/hold"
awaits 30 "a crowd" 'grep -q refused "$T/out/many"'
has "most are told that they are too many" "$T/out/many" "^refused 336$"
code 0 "another client is served" ctl status
exec 9>&-
wait $many
unharmed many
[ "$VARIANT" != release ] ||
    ok "the engine has not grown ($before to $(rss) kB)" test $(($(rss) - before)) -lt 30000

# No right, then a little, then all: what is bad is bad.
for a in "admin web: uid 4711" "admin: uid 4711"; do
	allow "$a"
	ok "$a" ctl reload
	strangers params
	unharmed "params"
done
strangers unknown
unharmed unknown
is "nothing came into the queue" "$(ctl task list --all --json)" "[]"

# The log is for others, too.
unlike "no line is forged" "$(grep -a '^12:00:00 info engine forged' "$LOG")" "."
ok "no terminal obeys it" test "$(grep -ac "$(printf '\033')" "$LOG")" = 0
ok "refusals are counted when there are many" grep -q "counted, not logged" "$LOG"
kill_engine
code 0 "the next engine serves" ctl status
plan_done
