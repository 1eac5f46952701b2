#!/bin/sh
# The pool's protocol: shared buffers, a client in Python, and peers that
# break the rules.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

plugin rogue
cat >"$T/pool.ini" <<EOT
[pool]
threads = 2
queue = 4
[job:rogue]
plugin = $T/rogue.so
EOT
start_pool "startsecs = 100ms"
before=$(fds "$pool")

seq 1 1000 >"$T/out/a"
is "the client in Python" "$(python3 "$SRC/conf/examples/jobs/client.py" "$T/run/pool.sock" "$T/out/a" 2>&1)" \
    "$(sha256sum "$T/out/a")"

cat >"$T/peer.py" <<'EOT'
import fcntl, hashlib, mmap, os, socket, struct, sys

from pool_peer import BODY, HEAD, message

F_ADD_SEALS, SHRINK, GROW, WRITE = 1033, 2, 4, 8

def connect(hello=True):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(sys.argv[1])
    if hello:
        s.sendall(message(1, 0, struct.pack("=II16s", 1, 0, os.urandom(16))))
        answer(s)
    return s

def exact(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data

def answer(s):
    length, kind, _, number = HEAD.unpack(exact(s, HEAD.size))
    return kind, number, exact(s, length - HEAD.size)

def submit(number, kind, *args, flags=0, inb=0, outb=0, part=(0, -1, 0, -1),
           fds=0, priority=3):
    body = BODY.pack(flags, priority, len(args), 0, 0, inb, outb, 0, *part)
    return message(2, number, body + b"\0".join(
        [kind, b"", b"", *args]) + b"\0", fds)

def result(s):
    kind, number, body = answer(s)
    assert kind == 66, kind
    return number, struct.unpack_from("=H", body)[0], body[40:].split(b"\0")[0]

def buffers():
    """One memory, 64 jobs, each with a part of its own."""
    s, size = connect(), 1 << 20
    fd = os.memfd_create("shared", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    m = mmap.mmap(fd, size)
    m[:] = os.urandom(size)
    want = bytes(m)
    fcntl.fcntl(fd, F_ADD_SEALS, SHRINK | GROW)
    socket.send_fds(s, [message(4, 0, bytes(8), 1)], [fd])
    part, good = size // 64, 0
    for first in range(0, 64, 4):  # as many as may wait
        for i in range(first, first + 4):
            s.sendall(submit(i + 1, b"digest", inb=1,
                             part=(i * part, part, 0, -1)))
        for _ in range(4):
            number, status, text = result(s)
            at = (number - 1) * part
            good += (status == 0 and text.decode() ==
                     hashlib.sha256(want[at:at + part]).hexdigest())
    print("read", good)
    # From the one half to the other; what lies beside it stays.
    s.sendall(submit(100, b"copy", inb=1, outb=1,
                     part=(0, 1000, size // 2, 1000)))
    print("copied", result(s)[1])
    half = size // 2
    print("there", m[half:half + 1000] == want[:1000],
          m[:half] == want[:half], m[half + 1000:] == want[half + 1000:])
    s.sendall(submit(101, b"copy", inb=1, outb=1, part=(0, 1000, half, 10)))
    print("more than its part", result(s)[1])
    print("no more", m[half + 10:] == want[:1000][10:] + want[half + 1000:])
    # Dropped while a job still has it.
    s.sendall(submit(102, b"digest", inb=1) + message(5, 0))
    print("dropped", result(s)[1])
    s.sendall(submit(103, b"digest", inb=1))
    print("gone", answer(s)[0] == 69)

def sealed():
    s = connect()
    fd = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    os.write(fd, b"x" * 4096)
    fcntl.fcntl(fd, F_ADD_SEALS, SHRINK | GROW | WRITE)
    socket.send_fds(s, [message(4, 7, bytes(8), 1)], [fd])
    s.sendall(submit(1, b"digest", inb=8))
    print("read", result(s)[1])
    s.sendall(submit(2, b"copy", inb=8, outb=8))
    print("written", result(s)[1])

def full():
    """Two run, four wait, the others are told how many do."""
    s = connect()
    for i in range(1, 3):
        s.sendall(submit(i, b"rogue", b"do=wait"))
    while True:
        s.sendall(message(6, 99, b"stats\0"))
        if b'"busy":2' in answer(s)[2]:
            break
    for i in range(3, 9):
        s.sendall(submit(i, b"rogue", b"do=wait"))
    for _ in range(2):
        _, number, body = answer(s)
        status, _, queued = struct.unpack_from("=HHI", body)
        print(number, status, queued)
    for i in range(1, 7):
        s.sendall(message(3, i))
    print(sorted(result(s)[:2] for _ in range(6)))

def rude():
    cases = [
        ("no hello", [submit(1, b"noop")], False),
        ("another version", [message(1, 0, struct.pack("=II16s", 9, 0,
                                                       bytes(16)))], False),
        ("two hellos", [message(1, 0, struct.pack("=II16s", 1, 0,
                                                  bytes(16)))], True),
        ("a length of nothing", [HEAD.pack(0, 3, 0, 0)], True),
        ("a length of much", [HEAD.pack(1 << 30, 3, 0, 0)], True),
        ("no such message", [message(99, 0)], True),
        ("an answer", [message(66, 0, bytes(40))], True),
        ("no string", [message(2, 1, BODY.pack(0, 3, 0, 0, 0, 0, 0, 0, 0, -1,
                                               0, -1))], True),
        ("a priority", [submit(1, b"noop", priority=9)], True),
        ("a part", [submit(1, b"noop", part=(-5, -1, 0, -1))], True),
        ("a descriptor that is not there",
         [submit(1, b"noop", flags=1, fds=1)], True),
        ("a buffer that is not there", [submit(1, b"noop", inb=3)], True),
        ("a number twice", [submit(1, b"rogue", b"do=wait") * 2], True),
        ("rubbish", [os.urandom(4096)], True),
        ("no such query", [message(6, 1, b"secrets\0")], True),
    ]
    # With descriptors, which must not be kept.
    for bare in submit(1, b"noop", flags=1, fds=1), message(4, 0, bytes(8), 1):
        s = connect(False)
        socket.send_fds(s, [bare], [0])
        assert answer(s)[0] == 69
    for name, data, hello in cases:
        s = connect(hello)
        for d in data:
            s.sendall(d)
        why = ""
        try:
            while True:
                kind, _, body = answer(s)
                if kind == 69:
                    why = body.split(b"\0")[0].decode()
        except (EOFError, ConnectionResetError):
            pass
        if not why:
            print(name, "was not refused")
    # Half a message, many descriptors that nobody asked for, and away.
    s = connect()
    socket.send_fds(s, [submit(1, b"noop")[:20]], [0] * 50)
    s.close()

def storm():
    """Many that break the rules: the log is for others, too."""
    for _ in range(300):
        s = connect(False)
        s.sendall(HEAD.pack(0, 3, 0, 0))
        answer(s)
        s.close()

globals()[sys.argv[2]]()
EOT
says() { peer "$T/peer.py" "$T/run/pool.sock" "$1"; }

is "one memory, many jobs" "$(says buffers)" "read 64
copied 0
there True True True
more than its part 1
no more True
dropped 0
gone True"
is "sealed memory is read, not written" "$(says sealed)" "read 0
written 1"
is "full is refused, with the length; all others are answered" "$(says full)" "7 6 4
8 6 4
[(1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 2)]"
is "who breaks the rules is told which, and dropped" "$(says rude)" ""
says storm
n=$(ctl tail -n 1000 pool stderr | grep -c "breaks the protocol")
ok "many who do are not a line each ($n)" test "$n" -ge 20 -a "$n" -le 60
like "... which is told" "$(ctl tail -n 1000 pool stderr)" "clients: more that are refused are counted, not logged, for 10 s"
same_pool
await 10 "[ \"\$(fds $pool)\" = $before ]"
is "no descriptor is left" "$(fds "$pool")" "$before"
plan_done
