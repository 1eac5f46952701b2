"""rates - requests per second of the example worker, under reeve and not.

All servers run at the same time on ports of their own, and are idle while
another is measured.  A round measures each once, so that what the machine
does meanwhile meets all of them alike; a ratio is the median of the ratios of
the rounds.
"""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import time
import urllib.request

import procs
from contender import Reeve

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "../../conf/examples")
MODES = {"keep-alive": [], "new connections": ["-H", "Connection: close"]}
CONNECTIONS = 64

NGINX = """
worker_processes %(workers)d;
daemon off;
pid %(base)s/nginx%(workers)d.pid;
error_log /dev/null crit;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path %(base)s/tmp;
    proxy_temp_path %(base)s/tmp;
    fastcgi_temp_path %(base)s/tmp;
    uwsgi_temp_path %(base)s/tmp;
    scgi_temp_path %(base)s/tmp;
    keepalive_requests 1000000000;
    default_type text/plain;
    server {
        listen 127.0.0.1:%(port)d;
        location / { return 200 "Hello from web.0, pid 12345\\n"; }
    }
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """Something that answers on port; beside is what it is compared with."""

    def __init__(self, name, beside=None, budget=None, rounds=3):
        self.name = name
        self.beside = beside
        self.budget = budget or {}  # mode: least ratio
        self.rounds = rounds  # at most: where a percent does not matter
        self.port = free_port()
        self.pids = []
        self.program = None  # of pids' descendants, count those of this one
        self.rates = {mode: [] for mode in MODES}
        self.cpu_us = {mode: [] for mode in MODES}  # for each request
        self.errors = 0

    def await_answer(self):
        end = time.monotonic() + 15
        while True:
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/" % self.port, timeout=5).read()
                return True
            except OSError:
                if time.monotonic() > end:
                    return False
                time.sleep(0.05)

    def processes(self):
        tree = [p for pid in self.pids for p in procs.descendants(pid)]
        if self.program is None:
            return tree
        return [p for p in tree
                if procs.exe(p).endswith(("/reeved", "/reeve-engine"))
                or procs.in_environment(p, "REEVE_PROGRAM=" + self.program)]

    def measure(self, mode, seconds):
        pids = self.processes()
        cpu = procs.cpu_ns(pids)
        out = subprocess.run(
            ["wrk", "-t1", "-c%d" % CONNECTIONS, "-d%ds" % seconds, *MODES[mode],
             "http://127.0.0.1:%d/" % self.port],
            stdout=subprocess.PIPE, text=True).stdout
        found = re.search(r"Requests/sec:\s*([\d.]+)", out)
        self.rates[mode].append(float(found.group(1)) if found else 0.0)
        requests = re.search(r"(\d+) requests in", out)
        if requests and int(requests.group(1)):
            cpu = procs.cpu_ns(pids) - cpu
            self.cpu_us[mode].append(cpu / 1e3 / int(requests.group(1)))
        if "Socket errors" in out or "Non-2xx" in out:
            self.errors += 1

    def ratio(self, mode):
        mine = max(self.rates[mode], default=0)
        other = max(self.beside.rates[mode], default=0) if self.beside else 0
        return mine / other if mine and other else None

    def median(self, figures):
        return statistics.median(figures) if figures else None


def by_hand_shared(server, web, workers):
    """What a supervisor does, by hand: bind once, let all inherit it."""
    sock = socket.create_server(("127.0.0.1", server.port), backlog=4096)
    for _ in range(workers):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.dup2(sock.fileno(), 3)
            os.set_inheritable(3, True)
            os.execve(web, [web], dict(os.environ, LISTEN_FDS="1",
                                       LISTEN_PID=str(os.getpid())))
        server.pids.append(pid)
    sock.close()


class Rates:
    def __init__(self, build, folder, with_peers):
        self.build = build
        self.base = os.path.join(folder, "rates")
        self.with_peers = with_peers
        self.servers = []
        self.notes = []

    def start(self):
        os.mkdir(self.base)
        web = os.path.join(self.build, "examples/web")
        all_rounds = {"rounds": 1000}
        one = Server("by hand, 1 process", **all_rounds)
        two = Server("by hand, 2, one socket", **all_rounds)
        own = Server("by hand, 2, SO_REUSEPORT", **all_rounds)
        by_hand_shared(one, web, 1)
        by_hand_shared(two, web, 2)
        own.pids = [procs.spawn([web, "-r", str(own.port)]) for _ in range(2)]
        node = Server("node's cluster, 2, round robin")
        self.servers = [one, two, own]

        nothing_lost = {mode: 0.98 for mode in MODES}
        reeve = {
            "shared1": Server("reeve, 1, shared", one, nothing_lost, **all_rounds),
            "reuseport1": Server("reeve, 1, reuseport", one, nothing_lost, **all_rounds),
            "shared2": Server("reeve, 2, shared", two, nothing_lost, **all_rounds),
            "reuseport2": Server("reeve, 2, reuseport", own, nothing_lost, **all_rounds),
            "node2": Server("reeve, 2 x web.js", node, {"new connections": 2.4}),
        }
        if not (self.with_peers and shutil.which("node")):
            del reeve["node2"]
        why = Reeve(self.build, self.base).missing()
        if why:
            self.notes.append("requests/s under reeve: skipped, " + why)
        else:
            self.start_reeve(reeve, web)
            self.servers += reeve.values()
        if self.with_peers:
            self.start_nginx(one, two)
            self.start_node(node)

    def start_reeve(self, servers, web):
        text = Reeve.main_section(self)
        for name, s in servers.items():
            text += ("[program:%s]\nsocket = tcp://127.0.0.1:%d\nworkers = %s\n"
                     % (name, s.port, name[-1]))
            if name == "node2":
                text += ("command = node %s/web.js\nready = fd:4\n"
                         "environment = READY_FD=\"4\"\n" % EXAMPLES)
            else:
                text += ("command = %s\nready = notify\nsocket_mode = %s\n"
                         % (web, name[:-1]))
        conf = os.path.join(self.base, "reeve.conf")
        with open(conf, "w") as f:
            f.write(text)
        pid = procs.spawn([os.path.join(self.build, "reeved"), "-n", "-c", conf],
                          output=os.path.join(self.base, "output"))
        for name, s in servers.items():
            s.pids, s.program = [pid], name

    def start_nginx(self, *beside):
        if not shutil.which("nginx"):
            self.notes.append("nginx: skipped, it is not installed")
            return
        for workers, other in enumerate(beside, 1):
            s = Server("nginx, %d worker%s" % (workers, "s" * (workers > 1)), other)
            conf = os.path.join(self.base, "nginx%d.conf" % workers)
            with open(conf, "w") as f:
                f.write(NGINX % dict(workers=workers, base=self.base, port=s.port))
            s.pids = [procs.spawn(["nginx", "-e", "/dev/null", "-c", conf])]
            self.servers.append(s)

    def start_node(self, s):
        if not shutil.which("node"):
            self.notes.append("node's cluster: skipped, node is not installed")
            return
        s.pids = [procs.spawn(["node", os.path.join(HERE, "node_cluster.js"),
                               str(s.port), "2"])]
        self.servers.append(s)

    def measure(self, rounds, seconds=1):
        for s in list(self.servers):
            if not s.await_answer():
                self.notes.append("%s: it does not answer" % s.name)
                s.rounds = -1
        for i in range(rounds + 1):
            procs.say("requests/s: round %d of %d" % (i, rounds))
            # Each round begins with another one, and the first warms up.
            k = i % len(self.servers)
            for mode in MODES:
                for s in self.servers[k:] + self.servers[:k]:
                    if i > s.rounds:
                        continue
                    s.measure(mode, seconds)
                    if i == 0:
                        s.rates[mode].clear()
                        s.cpu_us[mode].clear()
        for s in self.servers:
            if s.errors:
                self.notes.append("%s: wrk saw errors in %d runs" % (s.name, s.errors))

    def stop(self):
        for pid in {pid for s in self.servers for pid in s.pids}:
            tree = procs.descendants(pid)
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            if procs.wait_gone(pid, 15) is None:
                procs.end_all(tree)
        shutil.rmtree(self.base, ignore_errors=True)
