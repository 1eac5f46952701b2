"""commands - commands a second through the daemon, beside the floor and node.

In rounds, each contender once a round, so that what the machine does meanwhile
meets all of them alike; a ratio is the median of the ratios of the rounds.
"""
import os
import shutil
import statistics
import subprocess
import time

import procs
from contender import Reeve

HERE = os.path.dirname(os.path.abspath(__file__))
N = 1000
TSP_N = 200  # a process of its own a command: slower, and as exact with fewer
TASKS = 10000
BIG = 256 << 20

NODE = """
const { execFile } = require('child_process');
const [n, inflight] = process.argv.slice(1).map(Number);
let started = 0, done = 0;
const begin = process.hrtime.bigint();
function next() {
    if (started === n) return;
    started++;
    execFile('/bin/true', (err) => {
        if (err) { console.error(err); process.exit(1); }
        if (++done === n)
            console.log(n / (Number(process.hrtime.bigint() - begin) / 1e9));
        next();
    });
}
for (let i = 0; i < inflight; i++) next();
"""

# key, text, least of the floor
ROWS = [
    ("one", "commands/s, one after the other", 0.8),
    ("eight", "commands/s, 8 at once", 0.9),
    ("stream", "MB/s of run -- cat FILE >FILE", 0.7),
]


# key, text, at most
QUEUE_ROWS = [
    ("status", "ms for another client's status, while 8 commands run at once", 10),
    ("add", "s to add %d tasks, each durable" % TASKS, 10),
    ("list", "ms to list them, --json", 100),
    ("table", "ms to list them, as a table", 100),
]


class Commands:
    def __init__(self, build, folder, with_peers):
        self.build = build
        self.folder = folder
        self.reeve = Reeve(build, folder)
        self.node = shutil.which("node") if with_peers else None
        self.tsp = shutil.which("tsp") if with_peers else None
        self.figures = {}  # (who, key): list
        self.notes = []

    def rate(self, argv, **more):
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=True,
                              stdin=subprocess.DEVNULL, **more)
        return float(done.stdout)

    def add(self, who, key, figure):
        self.figures.setdefault((who, key), []).append(figure)

    def commands(self, key, inflight):
        tool = os.path.join(self.build, "bench/commands")
        tail = [str(N), str(inflight), "/bin/true"]
        self.add("floor", key, self.rate([tool, "floor"] + tail))
        self.add("reeve", key,
                 self.rate([tool, "reeve", self.reeve.path("reeve.sock")] + tail))
        if self.node:
            self.add("node", key, self.rate(
                [self.node, "-e", NODE, str(N), str(inflight)]))

        if self.tsp:
            self.add("tsp", key, self.spooled(inflight))

    def spooled(self, inflight):
        """task-spooler: its client waits for the task, as one of ours does."""
        env = dict(os.environ, TS_SOCKET=os.path.join(self.folder, "tsp.sock"),
                   TMPDIR=self.folder, TS_MAXFINISHED="10")
        subprocess.run([self.tsp, "-S", str(inflight)], env=env, check=True)
        begin = time.monotonic()
        subprocess.run(["xargs", "-P", str(inflight), "-I", "{}",
                        self.tsp, "-f", "-n", "/bin/true"], env=env, check=True,
                       input="x\n" * TSP_N, text=True)
        took = time.monotonic() - begin
        subprocess.run([self.tsp, "-K"], env=env, check=True)
        return TSP_N / took

    def other_client(self):
        """One that asks while commands keep the daemon as busy as they can."""
        busy = subprocess.Popen(
            [os.path.join(self.build, "bench/commands"), "reeve",
             self.reeve.path("reeve.sock"), str(20 * N), "8", "/bin/true"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(20):
            status, took = procs.run(self.reeve.status_argv(), self.reeve.env)
            if status != 0 or busy.poll() is not None:
                self.notes.append("status meanwhile: not measured")
                break
            self.add("reeve", "status", took)
        busy.terminate()
        busy.wait()

    def queue(self):
        """Tasks of a paused group: nothing is run, all is kept and listed."""
        ctl = [os.path.join(self.build, "reevectl"), "-s", self.reeve.path("reeve.sock")]
        subprocess.run(ctl + ["task", "pause", "bench"], check=True)
        lines = "".join("echo %d\n" % i for i in range(TASKS))

        def timed(argv, **more):
            begin = time.monotonic()
            subprocess.run(ctl + argv, check=True, text=True,
                           stdout=subprocess.PIPE, **more)
            return time.monotonic() - begin

        self.add("reeve", "add", timed(
            ["task", "add", "-g", "bench", "--each-line"], input=lines))
        for key, more in (("list", ["--json"]), ("table", [])) * 5:
            self.add("reeve", key, timed(["task", "list"] + more) * 1000)

    def streams(self):
        big = os.path.join(self.folder, "big")
        with open(big, "wb") as f:
            f.truncate(BIG)
        subprocess.run(["cat", big], stdout=subprocess.DEVNULL, check=True)
        run = [os.path.join(self.build, "reevectl"), "-s", self.reeve.path("reeve.sock"),
               "run", "--"]
        ways = [("floor", []), ("reeve", run)]
        if len(self.figures.get(("floor", "stream"), [])) % 2 == 1:
            ways.reverse()
        for who, argv in ways:
            os.sync()  # what was written before is not to be paid for here
            with open(big + ".out", "wb") as out:
                begin = time.monotonic()
                subprocess.run(argv + ["cat", big], stdout=out, check=True)
                took = time.monotonic() - begin
            self.add(who, "stream", BIG / took / 1e6)
            os.unlink(big + ".out")
        os.unlink(big)

    def measure(self, rounds):
        if not self.start():
            return
        for i in range(rounds):
            procs.say("commands, round %d of %d" % (i + 1, rounds))
            self.commands("one", 1)
            self.commands("eight", 8)
            self.streams()
        self.other_client()
        procs.say("queue")
        self.queue()
        self.reeve.stop()

    def start(self):
        missing = self.reeve.missing()
        started = missing or self.reeve.start(1)
        if isinstance(started, str):
            self.notes.append("commands: " + started)
            return False
        return True

    def ratio(self, key):
        pairs = zip(self.figures.get(("reeve", key), []),
                    self.figures.get(("floor", key), []))
        ratios = [mine / floor for mine, floor in pairs]
        return statistics.median(ratios) if ratios else None

    def rows(self, number, verdict):
        names = ["floor", "reeve"] + (["node"] if self.node else []) + (
            ["tsp"] if self.tsp else [])
        rows = [["commands"] + names + ["of floor", "budget", ""]]
        for key, text, least in ROWS:
            ratio = self.ratio(key)
            figures = [self.figures.get((name, key)) for name in names]
            rows.append([text] + [
                number(statistics.median(f) if f else None) for f in figures
            ] + ["%.2f x" % ratio if ratio is not None else "",
                 ">= %g x" % least,
                 verdict(ratio is not None and ratio >= least, ratio)])
        return rows

    def queue_rows(self, number, verdict):
        rows = [["meanwhile, and the queue", "reeve", "budget", ""]]
        for key, text, most in QUEUE_ROWS:
            figures = self.figures.get(("reeve", key))
            figure = statistics.median(figures) if figures else None
            rows.append([text, number(figure), "<= %g" % most,
                         verdict(figure is not None and figure <= most, figure)])
        return rows
