"""procs - what /proc tells, and the children's own word that they run."""
import ctypes
import os
import signal
import struct
import sys
import time


def become_subreaper():
    """What daemonizes itself (PM2) comes back to us, so we can end it."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def say(text):
    """Progress, apart from the report."""
    print(text, file=sys.stderr, flush=True)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:  # it has just ended
        return ""


def exe(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return ""


def descendants(root):
    """All pids below root, root itself included."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read("/proc/%s/stat" % name)
            if stat:
                # "pid (name with ) and spaces) state ppid ..."
                ppid = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(ppid, []).append(int(name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def pss_kib(pids):
    total = 0
    for pid in pids:
        for line in read("/proc/%d/smaps_rollup" % pid).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def switches(pids):
    """Context switches of all threads so far, wanted and not."""
    total = 0
    for pid in pids:
        try:
            tids = os.listdir("/proc/%d/task" % pid)
        except OSError:
            continue
        for tid in tids:
            for line in read("/proc/%d/task/%s/status" % (pid, tid)).splitlines():
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
    return total


def cpu_ns(pids):
    """CPU time of all threads so far."""
    total = 0
    for pid in pids:
        try:
            tids = os.listdir("/proc/%d/task" % pid)
        except OSError:
            continue
        for tid in tids:
            total += int((read("/proc/%d/task/%s/schedstat" % (pid, tid)) or "0").split()[0])
    return total


def in_environment(pid, text):
    return text in read("/proc/%d/environ" % pid).split("\0")


def spawn(argv, env=None, output=None):
    """Starts argv in a session of its own, so that our ^C is ours alone."""
    null = os.open(os.devnull, os.O_RDWR)
    out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if output else null
    try:
        return os.posix_spawnp(
            argv[0], argv, dict(os.environ, **(env or {})), setsid=True,
            setsigdef=[signal.SIGPIPE],
            file_actions=[(os.POSIX_SPAWN_DUP2, null, 0),
                          (os.POSIX_SPAWN_DUP2, out, 1),
                          (os.POSIX_SPAWN_DUP2, out, 2)])
    finally:
        os.close(null)
        if output:
            os.close(out)


def wait_gone(pid, seconds):
    """Waits for our child to end; None if it does not, else its status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def run(argv, env=None, seconds=60, output=None):
    """Runs argv to its end; (exit status or None, milliseconds)."""
    begin = time.monotonic_ns()
    pid = spawn(argv, env, output)
    end = time.monotonic() + seconds
    status = None
    while status is None and time.monotonic() < end:
        done, st = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(st)
        else:
            time.sleep(0.0002)
    took = (time.monotonic_ns() - begin) / 1e6
    if status is None:
        end_all([pid])
    return status, took


def end_all(pids):
    """SIGKILL, and reap those that are or become our children."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for pid in pids:
        wait_gone(pid, 2)


def end_everything_below_us():
    """Whatever is left was started by us: nobody else is below us."""
    for _ in range(10):
        left = [p for p in descendants(os.getpid()) if p != os.getpid()]
        if not left:
            return
        end_all(left)


class Starts:
    """The FIFO that children write (moment, pid) to when they start."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        # Also open for writing: no end of file when the last child goes.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def forget(self):
        self.wait(1 << 30, 0)

    def wait(self, n, seconds):
        """The next n starts, fewer when they take longer than seconds."""
        records, end = [], time.monotonic() + seconds
        while True:
            try:
                data = os.read(self.fd, 16 * 4096)
            except BlockingIOError:
                data = b""
            records += struct.iter_unpack("QQ", data)
            if len(records) >= n or time.monotonic() >= end:
                return records
            # Not poll: to be woken 500 times would take time from those
            # that are measured.  When they started is in the records.
            time.sleep(0.002 if n == 1 else 0.02)

    def close(self):
        os.close(self.fd)
        os.unlink(self.path)
