"""contender - how each supervisor is set up, started, asked and stopped.

Each runs n programs that are the same child, with its own defaults: what it
logs by default it logs here.  Setting up (files, folders) is not measured.
"""
import json
import os
import shutil
import signal
import time

import procs

HERE = os.path.dirname(os.path.abspath(__file__))


class Contender:
    name = ""
    start_seconds = 60  # give up after that

    def __init__(self, build, folder):
        self.build = build
        self.child = os.path.join(build, "bench/child")
        self.base = os.path.join(folder, self.name)
        self.pid = None
        self.starts = None

    def missing(self):
        """Why it can't take part, or None."""
        for program in self.needs:
            if not shutil.which(program):
                return "%s is not installed" % program
        return None

    def start(self, n):
        """Starts it with n programs; milliseconds until the last one runs."""
        shutil.rmtree(self.base, ignore_errors=True)
        os.mkdir(self.base)
        self.starts = procs.Starts(os.path.join(self.base, "starts"))
        self.env = {"BENCH_FIFO": self.starts.path}
        self.prepare(n)
        begin = time.monotonic_ns()
        self.launch(n)
        return self.all_started(n, begin, self.start_seconds)

    def launch(self, n):
        self.pid = procs.spawn(self.argv(n), self.env, self.path("output"))

    def all_started(self, n, begin, seconds):
        records = self.starts.wait(n, seconds)
        if len(records) < n:
            return Failure("%d of %d after %d s" % (len(records), n, seconds))
        self.pids = [pid for _, pid in records]
        if len(set(self.pids)) != n:
            return Failure("some started twice")
        return (max(ns for ns, _ in records) - begin) / 1e6

    def kill_programs(self):
        """SIGKILLs all; milliseconds until the last successor runs."""
        self.starts.forget()
        pids, begin = self.pids, time.monotonic_ns()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return self.all_started(len(pids), begin, self.start_seconds)

    def processes(self):
        """Its own processes: the tree less the children it runs."""
        return [p for p in procs.descendants(self.pid) if procs.exe(p) != self.child]

    def stop(self):
        if self.pid is not None:
            tree = procs.descendants(self.pid)
            try:
                os.kill(self.pid, self.stop_signal)
            except ProcessLookupError:
                pass
            if procs.wait_gone(self.pid, 20) is None:
                procs.end_all(tree)
            # What it left behind is not ours to measure, only to end.
            procs.end_all([p for p in tree if procs.exe(p) == self.child])
            self.pid = None
        if self.starts:
            self.starts.close()
            self.starts = None
        shutil.rmtree(self.base, ignore_errors=True)

    needs = ()
    stop_signal = signal.SIGTERM

    def path(self, *names):
        return os.path.join(self.base, *names)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def prepare(self, n):
        pass

    def argv(self, n):
        raise NotImplementedError

    def status_argv(self):
        """The command that shows the state of all, or None."""
        return None


class Failure(str):
    """A figure that could not be had, and why."""


class Floor(Contender):
    name = "floor"

    def argv(self, n):
        return [os.path.join(self.build, "bench/floor"), str(n), self.child]

    def status_argv(self):
        return ["true"]  # what it costs to run any command


class Reeve(Contender):
    name = "reeve"

    def missing(self):
        for program in "reeved", "reeve-engine", "reevectl":
            if not os.access(os.path.join(self.build, program), os.X_OK):
                return "%s/%s is not built" % (self.build, program)
        return None

    def prepare(self, n):
        lines = [self.main_section()]
        for i in range(n):
            lines.append("[program:p%03d]\ncommand = %s\n" % (i, self.child))
        self.write("reeve.conf", "\n".join(lines))

    def main_section(self):
        return ("[reeve]\nstate_dir = {0}\nsocket = {0}/reeve.sock\n"
                "pidfile = {0}/reeve.pid\nlogfile = {0}/reeve.log\n"
                ).format(self.base)

    def argv(self, n):
        return [os.path.join(self.build, "reeved"), "-n", "-c", self.path("reeve.conf")]

    def status_argv(self):
        return [os.path.join(self.build, "reevectl"), "-c", self.path("reeve.conf"),
                "status"]


class Supervisor(Contender):
    name = "supervisor"
    needs = "supervisord", "supervisorctl"

    def prepare(self, n):
        lines = ["[supervisord]\nnodaemon=true\nminfds=8192\nidentifier=bench\n"
                 "logfile={0}/log\npidfile={0}/pid\nchildlogdir={0}\n"
                 "[unix_http_server]\nfile={0}/sock\n"
                 "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
                 "supervisor.rpcinterface:make_main_rpcinterface\n"
                 "[supervisorctl]\nserverurl=unix://{0}/sock\n".format(self.base)]
        for i in range(n):
            lines.append("[program:p%03d]\ncommand=%s\n" % (i, self.child))
        self.write("supervisord.conf", "\n".join(lines))

    def argv(self, n):
        return ["supervisord", "-c", self.path("supervisord.conf")]

    def status_argv(self):
        return ["supervisorctl", "-c", self.path("supervisord.conf"), "status"]


class Folders(Contender):
    """One folder a service; "run" is the child itself, no shell between."""

    def prepare(self, n):
        os.mkdir(self.path("services"))
        self.folders = []
        for i in range(n):
            self.folders.append(self.path("services", "p%03d" % i))
            os.mkdir(self.folders[-1])
            os.symlink(self.child, os.path.join(self.folders[-1], "run"))


class Runit(Folders):
    name = "runit"
    needs = "runsvdir", "runsv", "sv"
    stop_signal = signal.SIGHUP  # with TERM it leaves its children alone

    def argv(self, n):
        return ["runsvdir", self.path("services")]

    def status_argv(self):
        return ["sv", "status"] + self.folders


class S6(Folders):
    name = "s6"
    needs = "s6-svscan", "s6-supervise", "s6-svstat"

    def argv(self, n):
        return ["s6-svscan", "-c", "1000", self.path("services")]

    def status_argv(self):
        return ["sh", "-c", 'for d; do s6-svstat "$d" || exit; done', "sh"] + self.folders


class Pm2(Contender):
    name = "pm2"
    needs = "node",
    command = os.path.join(HERE, "node_modules/.bin/pm2")

    def missing(self):
        if not os.access(self.command, os.X_OK):
            return "not in tests/bench/node_modules (npm is missing, or offline)"
        return super().missing()

    def prepare(self, n):
        self.env["PM2_HOME"] = self.path("home")
        self.write("apps.json", json.dumps({"apps": [
            {"name": "p%03d" % i, "script": self.child, "interpreter": "none"}
            for i in range(n)]}))

    def launch(self, n):
        procs.run([self.command, "start", self.path("apps.json")], self.env,
                  self.start_seconds, self.path("output"))
        self.pid = int(procs.read(self.path("home", "pm2.pid")) or 0) or None

    def status_argv(self):
        return [self.command, "ls"]

    def stop(self):
        if self.pid is not None:
            procs.run([self.command, "kill"], self.env, 30, self.path("output"))
        super().stop()


PEERS = Supervisor, Runit, S6, Pm2
