"""orders - random orders, configs and deaths for a reeved that runs.

usage: orders.py REEVECTL CONF CHILD KEEPER SEED SECONDS

CONF has [reeve] in it; each new config is that and programs made up here.
Ends with a config in which all is well and everybody wanted.  Says what is
wrong, a line each: a client that hangs, a slot that does not come up.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time

NAMES = ["a", "b", "c", "d", "e", "f", "g"]
ONCE = "once"  # one more, which ends, and can be done
SLOW = int(os.environ.get("TEST_SLOW", "1"))

reevectl, conf, child, keeper, seed, seconds = sys.argv[1:]
rnd = random.Random(seed)
head = open(conf).read()
clients = []
present = []  # in the config, in an order in which each may need those before
kept = {}     # name: its section, and whom it needs


def some(share, *keys):
    """One of the keys, in a share of the cases."""
    return [rnd.choice(keys)] if rnd.random() < share else []


def command(ready):
    words = some(0.15, "pause 10", "pause 150") + some(0.15, "ignore-term")
    words += some(0.2, "fork-grandchild /dev/null")
    end = {"notify": "ready sleep", "log:up": "print up sleep"}.get(ready, "sleep")
    end = (some(0.2, "exit 3", "pause 20 exit 0", "pause 200 exit 1") or [end])[0]
    return " ".join([child] + words + [end])


def condition(name):
    return name + ":" + rnd.choice(["done", "done", "started"] if name == ONCE else ["ready", "started"])


def once():
    words = some(0.6, "pause 20", "pause 300") + some(0.1, "fork-grandchild /dev/null")
    return "\n".join([f"[program:{ONCE}]", " ".join(["command =", child] + words + ["exit", rnd.choice("0001")]),
                      "startsecs = 0", "backoff_min = 20ms", "backoff_max = 200ms", "stopwaitsecs = 200ms",
                      f"workers = {rnd.choice([1, 1, 2])}", "autorestart = " + rnd.choice(["never", "on-failure"])]), []


def program(name):
    ready = rnd.choice(["notify", "delay", "delay", "log:up", "exec:true"])
    needs = rnd.sample(present, min(len(present), rnd.choice([0, 0, 1, 2])))
    lines = [f"[program:{name}]", f"command = {command(ready)}", f"ready = {ready}",
             f"startsecs = {rnd.choice(['0', '50ms', '200ms'])}",
             f"workers = {rnd.choice([0, 1, 1, 2, 3])}",
             "ready_timeout = 500ms", "backoff_min = 20ms", "backoff_max = 200ms",
             "stopwaitsecs = 200ms", "drain_timeout = 200ms", "hook_timeout = 300ms"]
    if needs and rnd.random() < 0.3:
        lines.append("bind_to = " + ", ".join(needs))
    elif needs:
        lines.append("depends_on = " + ", ".join(condition(n) for n in needs))
    lines += some(0.15, "startretries = 0", "startretries = 2")
    lines += some(0.15, "restart_limit = 2/1s", "restart_limit = 5/1m")
    lines += some(0.15, "fatal_retry = 100ms", "fatal_retry = 1")
    lines += some(0.2, "autorestart = false", "autorestart = never", "autorestart = on-failure")
    lines += some(0.2, "before_start = true", "before_start = false", "before_start = sleep 0.1")
    lines += some(0.2, "before_stop = true", "before_stop = false", "before_stop = sleep 0.1")
    lines += some(0.2, "after_exit = true", "after_exit = sleep 0.1")
    lines += some(0.2, "after_ready = true", "after_ready = sleep 10")
    lines += some(0.1, "before_roll = true", "before_roll = false", "before_roll = sleep 0.1")
    for health in some(0.2, "true", "false"):
        lines += [f"health = exec:{health}", "health_interval = 50ms", "health_failures = 2"]
        lines += some(0.7, "health_action = restart", "health_action = report")
    lines += some(0.15, "max_lifetime = 300ms", "max_lifetime = 1s")
    lines += some(0.15, "memory_limit = 50KB\nmemory_interval = 200ms")
    lines += some(0.2, "roll_surge = 0", "roll_surge = 2", "roll_batch = 2", "roll_soak = 100ms")
    return "\n".join(lines), needs


def write(sections):
    with open(conf + ".new", "w") as f:
        f.write(head + "\n".join(sections) + "\n")
    os.rename(conf + ".new", conf)


def another_config():
    present.clear()
    group = some(0.3, f"[group:x]\nprograms = {NAMES[0]}\nrestart_rate = 2/1s")
    for name in [ONCE] + NAMES:
        if rnd.random() < 0.15:
            continue
        if name not in kept or rnd.random() < 0.4 or not set(kept[name][1]) <= set(present):
            kept[name] = once() if name == ONCE else program(name)
        present.append(name)
    write([kept[n][0] for n in present] + (group if NAMES[0] in present else []))


def ctl(*words, limit=60):
    try:
        return subprocess.run([reevectl, "-c", conf, *words], capture_output=True, text=True,
                              timeout=limit * SLOW, check=False)
    except subprocess.TimeoutExpired:
        print("does not end:", *words)
        return None


def order(*words):
    clients.append((words, subprocess.Popen([reevectl, "-c", conf, *words], stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)))


def status():
    told = ctl("--json", "status")
    return json.loads(told.stdout) if told and told.stdout.strip() else []


def engine():
    told = subprocess.run(["pgrep", "-P", keeper, "-x", "reeve-engine"], capture_output=True, text=True, check=False)
    return [int(w) for w in told.stdout.split()]


def kill(pids, *signals):
    if pids:
        try:
            os.kill(rnd.choice(pids), rnd.choice(signals))
        except OSError:
            pass  # it was quicker


def event():
    name = rnd.choice(present or ["all"])
    whom = rnd.choice([name, name, name + ".0", "all"])
    match rnd.choices(["start", "stop", "restart", "hard", "roll", "scale", "reload", "kill", "engine", "all", "wait"],
                      [18, 16, 6, 4, 12, 6, 12, 12, 4, 2, 8])[0]:
        case "hard":
            order("restart", "--hard", whom)
        case "scale":
            order("scale", name, rnd.choice("0124"))
        case "reload":
            another_config()
            order("reload")
        case "kill":
            kill([s["pid"] for s in status() if s.get("pid")], signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP,
                 signal.SIGCONT)
        case "engine":
            kill(engine(), signal.SIGKILL)
        case "all":
            kill([int(keeper)], signal.SIGUSR2, signal.SIGHUP)
        case "wait":
            time.sleep(rnd.random() * 0.3)
        case verb:
            order(verb, whom)
    time.sleep(rnd.random() * 0.05)
    clients[:] = [c for c in clients if c[1].poll() is None]


def all_is_well():
    for words, client in clients:
        try:
            client.wait(40 * SLOW)
        except subprocess.TimeoutExpired:
            print("does not end:", *words)
            client.kill()
    write(f"[program:{n}]\ncommand = {child} sleep\nstartsecs = 0\nstopwaitsecs = 200ms\ndrain_timeout = 200ms"
          + "\ndepends_on = " + (NAMES[i - 1] if i else ONCE + ":done") for i, n in enumerate(NAMES))
    with open(conf, "a") as f:
        f.write(f"[program:{ONCE}]\ncommand = {child} exit 0\nstartsecs = 0\nautorestart = on-failure\n")
    # A roll to a command that ends at once would be aborted, and taken back.
    ctl("stop", ONCE)
    ctl("reload")
    for name in [ONCE] + NAMES:
        ctl("scale", name, "2")
    told = ctl("start", "all")
    if told and told.returncode != 0:
        print("start all:", told.stdout, told.stderr)
    end = time.monotonic() + 30 * SLOW
    while time.monotonic() < end:
        slots = status()
        children = subprocess.run(["pgrep", "-P", keeper], capture_output=True, text=True, check=False).stdout.split()
        strangers = {int(c) for c in children} - {s.get("pid") for s in slots} - set(engine())
        well = [s["state"] == ("EXITED" if s["name"].startswith(ONCE) else "RUNNING") for s in slots]
        if len(well) == 16 and all(well) and not strangers:
            return
        time.sleep(0.1)
    for s in slots:
        print(s["name"], s["state"], s.get("description"))
    print("children that status does not know:", strangers)


finish = time.monotonic() + float(seconds)
while time.monotonic() < finish:
    event()
all_is_well()
