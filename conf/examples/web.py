"""web.py - an HTTP worker in Python, many copies of which share one port.

The same as web.c, with the standard library alone and a thread for each
connection.  Under reeve it gets its listening socket as fd 3 (LISTEN_FDS) and
says READY=1 on NOTIFY_SOCKET.

By hand, without a supervisor: python3 web.py PORT
"""
import os
import select
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

NAME = "%s.%s" % (os.environ.get("REEVE_PROGRAM", "web"),
                  os.environ.get("REEVE_SLOT", "0"))
HELLO = ("Hello from %s, pid %d\n" % (NAME, os.getpid())).encode()
DRAIN_S = 1.0

draining = threading.Event()
idle = set()  # sockets of the connections that wait for a request


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # for each read; a thread waits for its client alone
    wbufsize = -1  # head and body leave as one packet
    disable_nagle_algorithm = True

    def handle(self):
        """Requests of one connection; we want to know which are idle."""
        self.close_connection = False
        while not self.close_connection:
            idle.add(self.connection)
            try:
                first = self.rfile.peek(1)
            except OSError:  # nothing came for too long, or a reset
                return
            finally:
                idle.discard(self.connection)
            if not first:
                return
            self.handle_one_request()

    def do_GET(self):
        if self.path == "/" or self.path.startswith("/?"):
            self.answer(200, HELLO)
        else:
            self.answer(404, b"not found\n")

    do_HEAD = do_GET

    def do_POST(self):
        self.close_connection = True  # there may be a body, which we ignore
        self.answer(405, b"only GET and HEAD\n")

    do_PUT = do_PATCH = do_DELETE = do_POST

    def answer(self, status, body):
        self.send_response(status)
        if status == 405:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if draining.is_set() or self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


def serve(conn, addr):
    with conn:
        try:
            Handler(conn, addr, None)
            # To close a socket with unread bytes would reset it, and maybe
            # destroy the answer: we end our half, the client ends its own.
            conn.shutdown(socket.SHUT_WR)
            conn.settimeout(2)
            conn.recv(65536)
        except OSError:
            pass  # the client has gone: nobody left to tell


def notify(text):
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):  # an abstract address
        path = "\0" + path[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(text, path)


def listener():
    if (os.environ.get("LISTEN_PID") == str(os.getpid())
            and int(os.environ.get("LISTEN_FDS", 0)) > 0):
        return socket.socket(fileno=3)
    if len(sys.argv) != 2:
        sys.exit("usage: python3 web.py PORT")
    return socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)


def main():
    # A signal becomes a byte in a socket, so that one select sees both it and
    # the listener.  Python's handlers alone would not end a select.
    stop, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for sig in signal.SIGTERM, signal.SIGINT:
        signal.signal(sig, lambda *_: os._exit(1) if draining.is_set() else None)

    sock = listener()
    # Another process may be quicker to accept what woke us.
    sock.setblocking(False)
    notify(b"READY=1")
    while True:
        ready, _, _ = select.select([stop, sock], [], [])
        if stop in ready:
            break
        try:
            conn, addr = sock.accept()
        except OSError:
            continue
        conn.setblocking(True)
        threading.Thread(target=serve, args=(conn, addr)).start()

    # Accept nothing more.  A request may be on its way on a connection that
    # is idle: such a one gets DRAIN_S for its next request, whose answer says
    # "Connection: close", before its thread sees the end of its input.
    draining.set()
    sock.close()
    notify(b"STOPPING=1")
    end = time.monotonic() + DRAIN_S
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0, end - time.monotonic()))
    for conn in list(idle):
        conn.shutdown(socket.SHUT_RD)
    # Python exits when the last thread has ended.


if __name__ == "__main__":
    main()
