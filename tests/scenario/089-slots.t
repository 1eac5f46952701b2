#!/bin/sh
# cpu_slots: the queue's tasks and the makes in them never have more CPUs
# between them than it says, and all of these; over lost slots, deaths of the
# engine and reloads.
. "$(dirname "$0")/lib.sh"
need make python3

slots_conf() { # SLOTS JOBSERVER
	conf <<-EOT
		cpu_slots = $1
		jobserver = $2
		[program:idle]
		command = $CHILD sleep
		[task:build]
		command = make -s -j
		directory = $T/src
	EOT
}
mkdir "$T/src"
slots_conf 3 auto
start_reeved
task() { ctl task "$@"; }

# Each job says when it begins and when it ends; the most at once is counted.
cat >"$T/src/Makefile" <<EOT
all: a b c d e f
a b c d e f:
	@sh $T/src/job
EOT
cat >"$T/src/job" <<EOT
echo + >>$T/out/jobs
sleep 0.1
echo - >>$T/out/jobs
EOT
most() {
	awk '/[+]/ { if (++n > most) most = n } /-/ { n-- } END { print most + 0, n + 0, NR }' \
	    "$T/out/jobs"
	rm -f "$T/out/jobs"
}
make_three() { # MAKE-ARG...
	a=$(task add --cwd "$T/src" -- make -s "$@")
	b=$(task add --cwd "$T/src" -- make -s "$@")
	c=$(task add --cwd "$T/src" -- make -s "$@")
}

task pause >/dev/null
make_three
task resume
code 0 "three makes" task wait "$a" "$b" "$c"
is "... had 3 slots between them, all of them" "$(most)" "3 0 36"
make_three -j
code 0 "three make -j" task wait "$a" "$b" "$c"
is "... too" "$(most)" "3 0 36"
is "... no make complains" "$(task log "$a" 2>&1; task log "$b"; task log "$c")" ""
a=$(task add --cwd "$T/src" -- make -s)
code 0 "one alone" task wait "$a"
is "... may have them all" "$(most)" "3 0 12"
code 0 "a task of the config" task run build
is "... as well" "$(most)" "3 0 12"
task pause >/dev/null
a=$(task add --cwd "$T/src" -- make -s)
i=$(seq 8 | sed "s|.*|sh $T/src/job|" | task add --each-line | tail -n 1)
task parallel default 8
task resume
# shellcheck disable=SC2046
code 0 "a make among tasks" task wait $(seq "$a" "$i")
is "... 3 slots for all, whatever the group may" "$(most)" "3 0 28"
task pause >/dev/null
make_three -j
i=$(seq 6 | sed "s|.*|sh $T/src/job|" | task add --each-line | tail -n 1)
task resume
# shellcheck disable=SC2046
code 0 "three make -j among tasks" task wait $(seq "$a" "$i")
is "... 3 slots for all, all of them used" "$(most)" "3 0 48"
task parallel default 0

a=$(task add --cwd "$T/src" -- make -s -j 5)
task wait "$a"
is "a number of its own counts" "$(most)" "5 0 12"
has "... make says so" "$T/state/tasks/$a.log" "-j5 forced in submake"
flags() { i=$(task add "$@" --shell 'echo "$MAKEFLAGS"'); task wait "$i" >/dev/null; task log "$i"; }
like "by number, or by name for a make that knows it" "$(flags)" \
    "^ -j3 --jobserver-auth=(30,31|fifo:$T/state/jobserver/[0-9a-f]+)$"
is "--no-jobserver" "$(MAKEFLAGS=x flags --no-jobserver)" x
like "other flags are kept" "$(MAKEFLAGS='k -j4 --jobserver-auth=3,4 -- A=b' flags)" \
    "^k -j3 --jobserver-auth=[^ ]+ -- A=b$"
code 0 "run --jobserver" ctl run --jobserver --cwd "$T/src" -- make -s
is "... has the slots, beside its own" "$(most)" "4 0 12"
like "run without" "$(MAKEFLAGS=y ctl run --shell 'echo "$MAKEFLAGS"')" "^y$"

# The same by name.
slots_conf 3 fifo
code 0 "reload" ctl reload
like "fifo" "$(flags)" "^ -j3 --jobserver-auth=fifo:$T/state/jobserver/[0-9a-f]+$"
# Three that work as make -j does, one job by right and others for what they
# read there, and tasks beside them.
cat >"$T/out/maker" <<EOT
import os, subprocess, time
fifo = os.open(os.environ["MAKEFLAGS"].split("fifo:")[1].split()[0], os.O_RDWR | os.O_NONBLOCK)
left, running = 6, []  # its process, its token
while left or running:
    token = b"" if b"" not in [t for _, t in running] else None
    if left and token is None:
        try:
            token = os.read(fifo, 1)
        except BlockingIOError:
            pass
    if left and token is not None:
        left -= 1
        running.append((subprocess.Popen(["sh", "$T/src/job"]), token))
        continue
    time.sleep(0.01)
    for p, t in [r for r in running if r[0].poll() is not None]:
        running.remove((p, t))
        os.write(fifo, t)
EOT
task pause >/dev/null
a=$(task add python3 "$T/out/maker")
task add python3 "$T/out/maker" >/dev/null
task add python3 "$T/out/maker" >/dev/null
i=$(seq 4 | sed "s|.*|sh $T/src/job|" | task add --each-line | tail -n 1)
task resume
# shellcheck disable=SC2046
code 0 "three builds by name, and tasks" task wait $(seq "$a" "$i")
is "... 3 slots for all" "$(most)" "3 0 44"
case $(make --version | head -n 1) in
"GNU Make "[0-3].* | "GNU Make "4.[0-3]*)
	skip "three makes by name" "this make is older than 4.4"
	;;
*)
	make_three -j
	code 0 "three makes by name" task wait "$a" "$b" "$c"
	is "... 3 slots" "$(most)" "3 0 36"
	;;
esac
# Another that knows it by name: cargo; its compilers and scripts are counted.
home=$(getent passwd "$(id -u)" | cut -d: -f6)
# shellcheck disable=SC2089
cargo="env PATH=$home/.cargo/bin:$PATH CARGO_HOME=$T/cargo RUSTUP_HOME=$home/.rustup RUSTC_WRAPPER=$T/src/rustc cargo"
case $($cargo --version 2>/dev/null) in
"" | "cargo 1."[0-9].* | "cargo 1."[0-6][0-9].* | "cargo 1.7"[0-4].*)
	skip "three cargos by name" "no cargo that is 1.75 or newer"
	;;
*)
	printf '#!/bin/sh\necho + >>%s\n"$@"\ncode=$?\necho - >>%s\nexit $code\n' "$T/out/jobs" "$T/out/jobs" >"$T/src/rustc"
	chmod +x "$T/src/rustc"
	for w in 1 2 3; do
		mkdir "$T/src/w$w"
		printf '[workspace]\nresolver = "2"\nmembers = ["a", "b", "c"]\n' >"$T/src/w$w/Cargo.toml"
		for m in a b c; do
			mkdir -p "$T/src/w$w/$m/src"
			: >"$T/src/w$w/$m/src/lib.rs"
			printf '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n' $m >"$T/src/w$w/$m/Cargo.toml"
			echo "fn main() { std::process::Command::new(\"sh\").arg(\"$T/src/job\").status().unwrap(); }" >"$T/src/w$w/$m/build.rs"
		done
	done
	rm -f "$T/out/jobs"
	task pause >/dev/null
	# shellcheck disable=SC2086,SC2090
	for w in 1 2 3; do
		ids="${ids-} $(task add --cwd "$T/src/w$w" -- $cargo build -q --offline)"
	done
	i=$(seq 4 | sed "s|.*|sh $T/src/job|" | task add --each-line)
	task resume
	# shellcheck disable=SC2086
	code 0 "three cargos by name, and tasks" task wait $ids $i
	# shellcheck disable=SC2046
	set -- $(most)
	ok "... 3 slots for all ($*)" test "$1" = 3 -a "$2" = 0 -a "$3" -ge 44
	;;
esac
cat >"$T/out/taker" <<EOT
f=\${MAKEFLAGS##*fifo:}
exec 8<>"\$f"
dd bs=1 count=2 <&8 2>/dev/null >$T/out/taken
[ "\$1" = kill ] && kill -9 \$\$
until [ -e $T/out/go ]; do sleep 0.02; done
cat $T/out/taken >&8
EOT
a=$(task add sh "$T/out/taker" x)
awaits 5 "a command takes the two others" '[ "$(cat "$T/out/taken")" = ++ ]'
b=$(task add sh "$T/src/job")
waits() { task list --json | grep -q "\"id\":$1,\"state\":\"queued\""; }
ok "a task waits for a slot" waits "$b"
kill_engine
ok "... for another engine, too" waits "$b"
: >"$T/out/go"
code 0 "... until it is put back" task wait "$a" "$b"
most >/dev/null
rm "$T/out/go"

# Taken and never put back.
code 137 "a command that takes two and is killed" task wait "$(task add sh "$T/out/taker" kill)"
slots_conf 3 fds
ctl reload >/dev/null
make_three
code 0 "its slots have come back" task wait "$a" "$b" "$c"
is "... all, and no more" "$(most)" "3 0 36"

# Engines die while makes run.
make_three
awaits 5 "they run" '[ -s "$T/out/jobs" ]'
kill_engine
kill_engine
code 0 "over two engines' deaths" task wait "$a" "$b" "$c"
like "... never more" "$(most)" "^[123] 0 36$"
make_three
task wait "$a" "$b" "$c"
is "... and all of them again" "$(most)" "3 0 36"

slots_conf 1 fds
ctl reload >/dev/null
make_three
task wait "$a" "$b" "$c"
is "reload: one slot" "$(most)" "1 0 36"
make_three
awaits 5 "it runs" '[ -s "$T/out/jobs" ]'
slots_conf 4 fds
ctl reload >/dev/null
task wait "$a" "$b" "$c"
is "reload: four slots" "$(most)" "4 0 36"
end_reeved
is "no fifo is left" "$(ls "$T/state/jobserver")" ""
start_reeved

plan_done
