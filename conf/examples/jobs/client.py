#!/usr/bin/env python3
"""CPU jobs from Python, with the standard library alone.

    client.py SOCKET FILE...        prints what `sha256sum FILE...` prints

SOCKET is pool.sock beside the socket of reeved; `-` is $REEVE_POOL, which a
program of reeved with allow_jobs = on has.

The pool gets the descriptors (SCM_RIGHTS); no byte of a file goes through the
socket.  See reeve-protocol(7).
"""
import os
import socket
import struct
import sys

HELLO, SUBMIT, RESULT, BYE = 1, 2, 66, 69
HAS_INPUT = 1
HEAD = struct.Struct("=IHHQ")  # length, type, descriptors, id
SUBMIT_BODY = struct.Struct("=HBBIIIIIqqqq")
RESULT_BODY = struct.Struct("=HHIQQQQ")


def message(kind, number, body, fds=0):
    body += b"\0" * (-len(body) % 8)
    return HEAD.pack(HEAD.size + len(body), kind, fds, number) + body


def submit(number, kind, name, *args):
    body = SUBMIT_BODY.pack(HAS_INPUT, 3, len(args), 0, 0, 0, 0, 0,
                            0, -1, 0, -1)
    for text in (kind, name, "", *args):
        body += os.fsencode(text) + b"\0"
    return message(SUBMIT, number, body, fds=1)


def read(stream, n):
    data = stream.read(n)
    if len(data) < n:
        sys.exit("the pool is gone; submit again what was not answered")
    return data


def main():
    path, files = sys.argv[1], sys.argv[2:]
    if path == "-":
        path = os.environ["REEVE_POOL"]
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    hello = struct.pack("=II16s", 1, 0, os.urandom(16))
    try:
        sock.sendall(message(HELLO, 0, hello))
    except BrokenPipeError:
        pass  # it has said why
    stream = sock.makefile("rb")
    length, kind, _, _ = HEAD.unpack(read(stream, HEAD.size))
    body = read(stream, length - HEAD.size)
    if kind == BYE:
        sys.exit(body.split(b"\0")[0].decode())
    for i, name in enumerate(files):
        with open(name, "rb") as f:
            socket.send_fds(sock, [submit(i + 1, "digest", name)], [f.fileno()])
    answers, code = {}, 0
    while len(answers) < len(files):
        length, kind, _, number = HEAD.unpack(read(stream, HEAD.size))
        body = read(stream, length - HEAD.size)
        if kind == BYE:
            sys.exit(body.split(b"\0")[0].decode())
        if kind == RESULT:
            text = body[RESULT_BODY.size:].split(b"\0")[0].decode()
            answers[number] = (RESULT_BODY.unpack_from(body)[0], text)
    for i, name in enumerate(files):
        status, text = answers[i + 1]
        code |= status != 0
        print(f"{text}  {name}", file=sys.stderr if status else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
