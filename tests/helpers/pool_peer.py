"""A client of the pool for scenarios, which submits what it is told to.

    from pool_peer import Peer
    p = Peer(path)
    number = p.submit("digest", "algorithm=md5", priority=7)
    p.result(number).status
"""
import collections
import os
import socket
import struct

HEAD = struct.Struct("=IHHQ")
BODY = struct.Struct("=HBBIIIIIqqqq")
RESULT = struct.Struct("=HHIQQQQ")
HELLO, SUBMIT, CANCEL, BUFFER, FREE, QUERY = 1, 2, 3, 4, 5, 6
WELCOME, ENDED, PROGRESS, ANSWER, BYE = 65, 66, 67, 68, 69
AGAIN, RETRY, WATCH = 4, 8, 16

STATUS = ("ok failed cancelled queue-timeout run-timeout stuck full refused "
          "crashed lost poisoned moved").split()

End = collections.namedtuple("End", "status signal queued bytes_in bytes_out "
                             "wait_us run_us text")


def message(kind, number, body=b"", fds=0):
    body += b"\0" * (-len(body) % 8)
    return HEAD.pack(HEAD.size + len(body), kind, fds, number) + body


class Peer:
    def __init__(self, path, session=None):
        self.session = session or os.urandom(16)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.sendall(
            message(HELLO, 0, struct.pack("=II16s", 1, 0, self.session)))
        self.stream = self.sock.makefile("rb")
        self.number = 0
        self.ends, self.progress, self.answers = {}, {}, {}
        self.order = []  # numbers, as they ended
        self.welcomed = False
        while not self.welcomed:
            self.step()

    def submit(self, kind, *args, flags=0, priority=3, queue_ms=0, run_ms=0,
               inb=0, outb=0, part=(0, -1, 0, -1), number=None):
        if number is None:
            self.number += 1
            number = self.number
        body = BODY.pack(flags, priority, len(args), queue_ms, run_ms, inb,
                         outb, 0, *part)
        texts = [os.fsencode(t) for t in (kind, "", "", *args)]
        self.sock.sendall(
            message(SUBMIT, number, body + b"\0".join(texts) + b"\0"))
        return number

    def cancel(self, number):
        self.sock.sendall(message(CANCEL, number))

    def query(self, what):
        self.number += 1
        self.sock.sendall(
            message(QUERY, self.number, os.fsencode(what) + b"\0"))
        while self.number not in self.answers:
            self.step()
        return self.answers.pop(self.number)

    def read(self, n):
        data = self.stream.read(n)
        if len(data) < n:
            raise EOFError("the pool is gone")
        return data

    def step(self):
        length, kind, _, number = HEAD.unpack(self.read(HEAD.size))
        body = self.read(length - HEAD.size)
        if kind == WELCOME:
            self.welcomed = True
        elif kind == ENDED:
            status, *rest = RESULT.unpack_from(body)
            text = body[RESULT.size:].split(b"\0")[0].decode()
            assert number not in self.ends, "answered twice"
            self.ends[number] = End(STATUS[status], *rest, text)
            self.order.append(number)
        elif kind == PROGRESS:
            percent = struct.unpack_from("=I", body)[0]
            text = body[8:].split(b"\0")[0].decode()
            self.progress.setdefault(number, []).append((percent, text))
        elif kind == ANSWER:
            self.answers[number] = body.split(b"\0")[0].decode()
        else:
            raise EOFError(f"{kind}: {body}")

    def result(self, number):
        while number not in self.ends:
            self.step()
        return self.ends[number]
