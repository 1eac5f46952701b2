#!/bin/sh
# Orders, reloads, signals and deaths in any order: what runs in the end is what
# is wanted, each process once, and a shutdown is one.
. "$(dirname "$0")/lib.sh"
need python3

cat >"$T/walk.py" <<'EOF'
import os, random, subprocess, sys, time
t, b, child, port, seed, steps = sys.argv[1:7]
rnd = random.Random(int(seed))
conf, ctl = t + "/reeve.conf", [b + "/reevectl", "-c", t + "/reeve.conf"]
head = open(conf).read().split("[program:")[0]
keeper = int(os.environ["KEEPER"])
env, workers, extra, wanted = 0, {"web": 3, "port": 2}, False, {}
def write():
    out = head
    for name, sock in (("web", ""), ("port", "socket = tcp://127.0.0.1:%s\nsocket_mode = reuseport\n" % port)):
        out += "[program:%s]\ncommand = %s ready sleep\nready = notify\nworkers = %d\nstopwaitsecs = 5\nenvironment = N=\"%d\"\n%s" % (name, child, workers[name], env, sock)
    out += "[program:dep]\ncommand = %s sleep\nstartsecs = 0\ndepends_on = web\nstopwaitsecs = 5\n" % child
    out += "[program:deaf]\ncommand = %s ignore-term fork-grandchild %s/out/deaf sleep\nstartsecs = 0\nstopwaitsecs = 100ms\ndrain_timeout = 100ms\n" % (child, t)
    if extra:
        out += "[program:extra]\ncommand = %s sleep\nstartsecs = 0\n" % child
    with open(conf + ".new", "w") as f:
        f.write(out)
    os.rename(conf + ".new", conf)
def kids(pid):
    return [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]
def comm(pid):
    try:
        return open("/proc/%d/comm" % pid).read().strip()
    except OSError:
        return ""
running = []
def order(*words):
    print("order", *words, flush=True)
    running.append(subprocess.Popen(ctl + list(words), stdout=open(t + "/out/order", "a"), stderr=subprocess.STDOUT))
def reload():
    global env, extra
    what = rnd.randrange(4)
    if what == 0:
        env += 1
    elif what == 1:
        extra = not extra
    elif what == 2:
        workers[rnd.choice(["web", "port"])] = rnd.randint(1, 4)
    write()
    if rnd.random() < 0.5:
        order("reload")
    else:
        print("HUP", flush=True)
        os.kill(keeper, 1)
def hit():
    v = [p for p in kids(keeper) if comm(p) == "child"]
    if v:
        p = rnd.choice(v)
        print("kill", p, flush=True)
        try:
            os.kill(p, rnd.choice([9, 15]))
        except OSError:
            pass
def engine():
    for p in kids(keeper):
        if comm(p) == "reeve-engine":
            print("kill the engine", p, flush=True)
            os.kill(p, 9)
def answers():
    return subprocess.run(ctl + ["status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
def keeper_dies():
    global keeper
    v = [p for p in kids(keeper) if comm(p) == "reeve-engine"]
    if not v or not answers():
        return
    print("kill reeved", keeper, flush=True)
    os.kill(keeper, 9)
    keeper = v[0]
    with open(t + "/out/keepers", "a") as f:
        f.write("%d\n" % keeper)
    end = time.time() + 20
    while not (comm(keeper) == "reeved" and answers()) and time.time() < end:
        time.sleep(0.02)
def step():
    name = rnd.choice(["web", "port", "dep", "deaf", "web.0", "port.1", "all"])
    what = rnd.randrange(13)
    if what == 0: order("stop", name)
    elif what == 1: order("start", name)
    elif what == 2: order("restart", name)
    elif what == 3: order("restart", "--hard", name)
    elif what == 4: order("roll", rnd.choice(["web", "port"]))
    elif what == 5: order("scale", rnd.choice(["web", "port"]), str(rnd.randint(1, 4)))
    elif what in (6, 7): reload()
    elif what == 8: hit()
    elif what == 9: engine()
    elif what == 10:
        print("USR2", flush=True)
        os.kill(keeper, 12)
    elif what == 11: order("run", "true")
    elif what == 12 and rnd.random() < 0.5: keeper_dies()
    time.sleep(rnd.choice([0, 0, 0.01, 0.05, 0.2]))
for i in range(int(steps)):
    step()
end = time.time() + 60
for p in running:
    try:
        p.wait(max(1, end - time.time()))
    except subprocess.TimeoutExpired:
        print("HANGS:", p.args, flush=True)
        p.kill()
EOF
conf <<EOT
[program:web]
command = $CHILD ready sleep
ready = notify
EOT
start_reeved
# SEED=N walks the same way again.
seed=${SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d " ")}
steps=50
[ "$TEST_LONG" != 1 ] || steps=1000
echo "# SEED=$seed"
KEEPER=$REEVED python3 "$T/walk.py" "$T" "$B" "$CHILD" "$(port 0)" "$seed" "$steps" >"$T/out/walk" 2>&1
if [ -s "$T/out/keepers" ]; then
	KEEPERS="$KEEPERS $(tr '\n' ' ' <"$T/out/keepers")"
	REEVED=$(tail -n 1 "$T/out/keepers")
	started "$REEVED"
fi
is "no client hangs" "$(grep HANGS "$T/out/walk")" ""
grep -q Traceback "$T/out/walk" && fail "the walk" "$T/out/walk"
code 0 "a last reload" ctl reload
code 0 "a last start" ctl start all
awaits 20 "all that is there runs" 'all_state RUNNING && ! ctl status | grep -q "draining\|rolling"'
# The kernel's word against reeved's: of ours, without what they started.
is_child() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = child ]; }
real() {
	for p in $(ours); do
		is_child "$p" && ! is_child "$(awk '/^PPid/ { print $2 }' "/proc/$p/status")" && echo "$p"
	done
}
awaits 10 "each process is told of, once" '[ "$(pids | sort -n)" = "$(real)" ]'
is "no zombie" "$(ps -o stat= --ppid "$REEVED" | grep -c Z)" 0
[ "$FAILED" = 0 ] || { tail -n 60 "$T/out/walk"; ctl status; }
[ ! -s "$T/out/keepers" ] || end_heir
plan_done
