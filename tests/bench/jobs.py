"""jobs - CPU jobs a second, beside libuv's work queue, piscina and xargs.

In rounds, each contender once a round; a ratio is the median of the ratios of
the rounds.
"""
import glob
import os
import shutil
import statistics
import subprocess
import time

import procs

HERE = os.path.dirname(os.path.abspath(__file__))
FILES, FILE_MIB = 64, 16
EMPTY = 300000

PISCINA = """
const Piscina = require('piscina').Piscina || require('piscina');
const [n, inflight] = process.argv.slice(1).map(Number);
const pool = new Piscina({ filename: process.env.EMPTY_JS, maxThreads: 2,
    minThreads: 2 });
let started = 0;
async function lane() { while (started++ < n) await pool.run(0); }
async function rate(n) {
    started = 0;
    const t = process.hrtime.bigint();
    await Promise.all(Array.from({ length: inflight }, lane));
    return n / (Number(process.hrtime.bigint() - t) / 1e9);
}
rate(n).then(() => rate(n)).then(r => { console.log(r); process.exit(0); });
"""

# key, text, beside whom, at least
ROWS = [
    ("one", "empty jobs/s, in process, 1 in flight", "libuv", 1.5),
    ("oneloop", "the same, waiting in an event loop", "libuv", 1.5),
    ("onecpu", "the same, on one CPU", "libuv", 1.5),
    ("many", "empty jobs/s, in process, 64 in flight", "libuv", 2),
    ("manyloop", "the same, waiting in an event loop", "libuv", None),
    ("manycpu", "the same, on one CPU", "libuv", None),
    ("socket", "empty jobs/s over the socket, 64 in flight", "piscina", 5),
    ("digest1", "MiB/s of sha256, 2 threads", "openssl", 1.9),
    ("digest2", "MiB/s of sha256, 2 threads", "xargs -P2", 0.95),
]


class Jobs:
    def __init__(self, build, folder, with_peers):
        self.build, self.folder = build, folder
        self.figures = {}
        self.notes = []
        self.peers = with_peers
        self.pool = None

    def path(self, *words):
        return os.path.join(self.build, *words)

    def out(self, argv, **more):
        return float(subprocess.run(argv, check=True, stdout=subprocess.PIPE,
                                    **more).stdout)

    def add(self, key, mine, other):
        self.figures.setdefault(key, []).append((mine, other))

    def in_process(self):
        """libuv delivers in an event loop and lets its threads sleep at once;
        pool_wait and a second CPU that nobody needs flatter us beside it, so
        it is also measured without the one, and without both."""
        one = str(min(os.sched_getaffinity(0)))
        for key, inflight, n in (("one", 1, EMPTY // 10), ("many", 64, EMPTY)):
            argv = ["2", str(inflight), str(n)]
            mine = [self.path("bench", "pool_jobs")] + argv
            uv = [self.path("bench", "uv_work")] + argv
            for suffix, before, after in (("", [], []), ("loop", [], ["loop"]),
                                          ("cpu", ["taskset", "-c", one],
                                           ["loop"])):
                other = self.out(before + uv) if self.peers else None
                self.add(key + suffix, self.out(before + mine + after), other)

    def socket(self):
        other = None
        if self.peers and os.path.isdir(os.path.join(HERE, "node_modules",
                                                     "piscina")):
            empty = os.path.join(self.folder, "empty.js")
            with open(empty, "w") as f:
                f.write("module.exports = () => 0;\n")
            other = self.out(["node", "-e", PISCINA, "20000", "64"], cwd=HERE,
                             env=dict(os.environ, EMPTY_JS=empty))
        self.add("socket", self.out([self.path("bench", "pool_client"),
                                     self.sock, "64", str(EMPTY)]), other)

    def timed(self, argv):
        begin = time.monotonic()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        return FILES * FILE_MIB / (time.monotonic() - begin)

    def digests(self):
        files = sorted(glob.glob(os.path.join(self.folder, "digest.*")))
        mine = self.timed([self.path("reevectl"), "job", "--pool", self.sock,
                           "map", "digest"] + files)
        if shutil.which("openssl") is None:
            self.notes.append("openssl is missing")
            return
        self.add("digest1", mine, self.timed(["openssl", "dgst", "-sha256"]
                                             + files))
        self.add("digest2", mine, self.timed(
            ["sh", "-c", 'printf "%s\\n" "$@" | xargs -P2 -n8 openssl dgst '
             '-sha256', "sh"] + files))

    def measure(self, rounds):
        for i in range(FILES):
            with open(os.path.join(self.folder, "digest.%d" % i), "wb") as f:
                f.write(os.urandom(1 << 20) * FILE_MIB)
        self.sock = os.path.join(self.folder, "pool.sock")
        self.pool = subprocess.Popen([self.path("reeve-pool"), "-s", self.sock])
        try:
            while not os.path.exists(self.sock):
                time.sleep(0.01)
            for _ in range(rounds):
                self.in_process()
                self.socket()
                self.digests()
            before = procs.switches([self.pool.pid])
            time.sleep(3)
            self.idle = procs.switches([self.pool.pid]) - before
        finally:
            self.pool.terminate()
            self.pool.wait()

    def rows(self, number, verdict):
        rows = [["CPU jobs", "reeve", "peer", "", "ratio", "budget", ""]]
        for key, text, peer, least in ROWS:
            pairs = self.figures.get(key, [])
            both = [(m, o) for m, o in pairs if o]
            ratio = (statistics.median(m / o for m, o in both) if both
                     else None)
            mine = statistics.median(m for m, _ in pairs) if pairs else None
            other = statistics.median(o for _, o in both) if both else None
            rows.append([text, number(mine), number(other), peer,
                         "%.2f x" % ratio if ratio else "",
                         ">= %g x" % least if least else "",
                         verdict(ratio is not None and ratio >= least, ratio)
                         if least else ""])
        rows.append(["context switches of an idle pool, 3 s", number(self.idle),
                     "", "", "", "<= 0", verdict(self.idle == 0, self.idle)])
        return rows
