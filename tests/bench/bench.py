"""bench - the budgets of DESIGN.md section 11, measured side by side.

usage: bench.py [quick | reeve] [restart] [many] [commands] [jobs] [rates]

quick	fewer rounds, and the slow peers only where they are quick
reeve	only the floor and reeve
restart many commands jobs rates	only these parts

It is a report: a missed budget is printed, and the exit status is 0.
"""
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time

import procs
from commands import Commands
from jobs import Jobs
from contender import PEERS, Failure, Floor, Reeve
from rates import MODES, Rates

MANY = 500
IDLE_S = 10
SETTLE_S = 2.5  # reeve's and supervisord's startsecs of 1, and then some

# What is measured: key, text, unit, budget, and what the budget is on:
# "floor" = times the floor's figure, "" = the figure itself.
ROWS = [
    ("restart", "killed -> successor's first instruction", "ms", 1.25, "floor"),
    ("start", "500 programs, start to all running", "ms", 1.3, "floor"),
    ("back", "500 killed -> all back", "ms", 1.3, "floor"),
    ("memory", "memory (PSS) with 500 programs", "MiB", 6, ""),
    ("slope", "memory of one program more", "KiB", 4, ""),
    ("idle", "context switches in 10 idle seconds", "", 0, ""),
    ("status", "status of 500", "ms", 10, ""),
]


class Bench:
    def __init__(self, build, words):
        self.build = os.path.realpath(build)
        self.folder = tempfile.mkdtemp(prefix="reeve-bench-")
        self.quick = "quick" in words
        self.with_peers = "reeve" not in words
        parts = [w for w in words if w in ("restart", "many", "commands", "jobs", "rates")]
        self.parts = parts or ["restart", "many", "commands", "jobs", "rates"]
        self.figures = {}  # (contender's name, row's key): list of numbers
        self.notes = []
        self.running = []
        self.contenders = []
        self.rates = None
        self.commands = None
        self.jobs = None

    def note(self, name, key, figure):
        if isinstance(figure, Failure):
            self.notes.append("%s, %s: %s" % (name, key, figure))
        else:
            self.figures.setdefault((name, key), []).append(figure)

    def find_contenders(self):
        for kind in (Floor, Reeve) + (PEERS if self.with_peers else ()):
            c = kind(self.build, self.folder)
            why = c.missing()
            if why:
                self.notes.append("%s: skipped, %s" % (c.name, why))
            else:
                self.contenders.append(c)

    def start(self, c, n):
        self.running.append(c)
        took = c.start(n)
        if isinstance(took, Failure):
            tail = procs.read(c.path("output")).strip().splitlines()[-1:]
            self.notes.append("%s: could not start %d programs: %s %s"
                              % (c.name, n, took, "".join(tail)))
            self.stop(c)
            return None
        return took

    def stop(self, c):
        c.stop()
        self.running.remove(c)

    def part_restart(self):
        """One program each, all supervisors at once, killed in turn."""
        rounds = 5 if self.quick else 15
        up = [c for c in self.contenders if self.start(c, 1) is not None]
        time.sleep(SETTLE_S)
        for c in up:
            self.note(c.name, "one", procs.pss_kib(c.processes()))
        for i in range(rounds):
            procs.say("restart: round %d of %d" % (i + 1, rounds))
            # s6 and supervisord take a second.  After this pause each has been
            # up for long enough that runit, reeve (startsecs) and PM2 do not
            # hold its next successor back.
            begin = time.monotonic()
            for c in up:
                took = c.kill_programs()
                self.note(c.name, "restart", took)
                if isinstance(took, Failure):
                    up = [other for other in up if other is not c]
            time.sleep(max(1.3, 2.6 - (time.monotonic() - begin)))
        for c in list(self.running):
            self.stop(c)

    def part_many(self):
        """500 programs, one supervisor at a time."""
        pairs = [c for c in self.contenders if c.name in ("floor", "reeve")]
        peers = [c for c in self.contenders if c not in pairs and c.name != "pm2"]
        for i in range(2 if self.quick else 5):
            for c in pairs if i % 2 == 0 else reversed(pairs):
                self.many(c, i == 0)
        if self.quick:
            self.notes.append("quick: peers not measured with 500 programs")
            return
        if any(c.name == "pm2" for c in self.contenders):
            self.notes.append("pm2: not measured with 500 programs")
        for c in peers:
            self.many(c, True)

    def many(self, c, everything):
        procs.say("%d programs: %s" % (MANY, c.name))
        took = self.start(c, MANY)
        if took is None:
            return
        self.note(c.name, "start", took)
        time.sleep(SETTLE_S)
        if everything:
            self.at_rest(c)
        self.note(c.name, "back", c.kill_programs())
        self.stop(c)

    def at_rest(self, c):
        own = c.processes()
        self.note(c.name, "memory", procs.pss_kib(own) / 1024)
        one = self.figures.get((c.name, "one"))
        if one:
            slope = (procs.pss_kib(own) - one[0]) / (MANY - 1)
            self.note(c.name, "slope", slope)
        before = procs.switches(own)
        time.sleep(IDLE_S)
        self.note(c.name, "idle", procs.switches(own) - before)
        if c.status_argv():
            for _ in range(3 if c.name in ("supervisor", "s6") else 10):
                status, took = procs.run(c.status_argv(), c.env)
                if status != 0:
                    took = Failure("exit status %s" % status)
                self.note(c.name, "status", took)

    def part_jobs(self):
        self.jobs = Jobs(self.build, self.folder, self.with_peers)
        self.jobs.measure(3 if self.quick else 7)
        self.notes += self.jobs.notes

    def part_commands(self):
        self.commands = Commands(self.build, self.folder, self.with_peers)
        self.running.append(self.commands.reeve)
        self.commands.measure(3 if self.quick else 7)
        self.running.remove(self.commands.reeve)
        self.notes += self.commands.notes

    def part_rates(self):
        if not shutil.which("wrk"):
            self.notes.append("requests/s: skipped, wrk is not installed")
            return
        self.rates = Rates(self.build, self.folder, self.with_peers)
        self.rates.start()
        self.rates.measure(2 if self.quick else 7)
        self.notes += self.rates.notes

    def run(self):
        load = os.getloadavg()[0]
        if load > 0.5:
            self.notes.append("the machine was busy (load %.1f) before this "
                              "began: small differences mean nothing" % load)
        self.find_contenders()
        for part in self.parts:
            getattr(self, "part_" + part)()

    def clean_up(self):
        # Not again while we are at it.
        for sig in signal.SIGINT, signal.SIGTERM:
            signal.signal(sig, signal.SIG_IGN)
        for c in list(self.running):
            self.stop(c)
        if self.rates:
            self.rates.stop()
        procs.end_everything_below_us()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the report ---

    def median(self, name, key):
        figures = self.figures.get((name, key))
        return statistics.median(figures) if figures else None

    def report(self):
        names = [c.name for c in self.contenders]
        rows = [["", ""] + names + ["of floor", "budget", ""]]
        for key, text, unit, budget, on in ROWS:
            medians = [self.median(name, key) for name in names]
            if all(m is None for m in medians):
                continue
            mine, floor = self.median("reeve", key), self.median("floor", key)
            judged = mine
            ratio = ""
            if on == "floor":
                judged = mine / floor if mine and floor else None
                ratio = "%.2f x" % judged if judged is not None else ""
            rows.append([text, unit] + [number(m) for m in medians] + [
                ratio, "<= %g%s" % (budget, " x" if on else ""),
                verdict(judged is not None and judged <= budget, judged)])
        if len(rows) > 1:
            table(rows)
        if self.commands and self.commands.figures:
            print()
            table(self.commands.rows(number, verdict))
            print()
            table(self.commands.queue_rows(number, verdict))
        if self.jobs and self.jobs.figures:
            print()
            table(self.jobs.rows(number, verdict))
        if self.rates and self.rates.servers:
            rows = [["requests/s"]]
            for mode in MODES:
                rows[0] += [mode, "us CPU", "ratio", "budget", ""]
            for s in self.rates.servers:
                rows.append([s.name])
                for mode in MODES:
                    ratio, least = s.ratio(mode), s.budget.get(mode)
                    rows[-1] += [
                        number(s.median(s.rates[mode])),
                        number(s.median(s.cpu_us[mode])),
                        "%.2f" % ratio if ratio is not None else "",
                        ">= %g" % least if least else "",
                        verdict(ratio is not None and ratio >= least, ratio)
                        if least else ""]
            print()
            table(rows)
            print("\nratio: to the same worker started by hand; web.js: to "
                  "node's own cluster\nus CPU: of the servers, for one request")
        for note in self.notes:
            print("note: " + note)


def number(x):
    if x is None:
        return "-"
    return "%.0f" % x if x >= 100 or x == int(x) else "%.2f" % x


def verdict(met, judged):
    if judged is None:
        return "not measured"
    return "met" if met else "MISSED"


def table(rows):
    """First column to the left, figures to the right, verdicts as they are."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        for cell, width in zip(row[1:], widths[1:]):
            cells.append(cell.ljust(width) if cell in ("met", "MISSED")
                         else cell.rjust(width))
        print("  ".join(cells).rstrip())


def main():
    words = sys.argv[1:]
    known = {"quick", "reeve", "restart", "many", "commands", "jobs",
             "rates"}
    if not set(words) <= known or "B" not in os.environ:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    procs.become_subreaper()
    bench = Bench(os.environ["B"], words)
    try:
        bench.run()
    except KeyboardInterrupt:
        procs.say("interrupted; what there is so far:")
    finally:
        bench.clean_up()
    bench.report()


if __name__ == "__main__":
    main()
