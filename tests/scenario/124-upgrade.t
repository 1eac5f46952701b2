#!/bin/sh
# reevectl upgrade: keeper and engine are replaced by what is installed by now;
# nothing restarts, no connection and no byte is lost, the pid stays.
. "$(dirname "$0")/lib.sh"
need wrk

mkdir "$T/bin"
installed() { # FROM TO: as a package does it, another file under the name
	sed "s/$was_version/$2/g" "$1" >"$T/bin/.new"
	chmod 755 "$T/bin/.new"
	mv "$T/bin/.new" "$T/bin/${1##*/}"
}
was_version=$("$B/reeved" --version | sed 's/reeved //')
patch=${was_version##*.}
release() { # N: of the same length, so that it can be written in its place
	new=${was_version%.*}.$(((patch + $1) % 10))
	installed "$B/reeved" "$new"
	installed "$B/reeve-engine" "$new"
}
release 0
lines_program
conf <<EOT
[program:web]
command = $WEB
socket = tcp://127.0.0.1:$(port 0)
workers = 2
ready = notify
[program:own]
command = $WEB
socket = tcp://127.0.0.1:$(port 1)
socket_mode = reuseport
workers = 2
ready = notify
[program:lines]
command = $T/lines
startsecs = 100ms
[program:short]
command = $CHILD append $T/out/short x pause 30 exit 0
startsecs = 0
autorestart = true
EOT
env REEVE_TEST="$T" "$T/bin/reeved" -n -c "$CONF" >"$T/out/reeved" 2>&1 </dev/null &
REEVED=$!
KEEPERS=$REEVED
awaits 10 "reeved starts" 'ctl status'
awaits 10 "all are up" 'is_state web.1 RUNNING && is_state own.1 RUNNING && is_state lines.0 RUNNING'
were=$(pids web own lines)
fds=$(fds "$REEVED")
load web 600 "http://127.0.0.1:$(port 0)/"
load own 600 "http://127.0.0.1:$(port 1)/"
for n in 1 2 3 4 5; do
	release $n
	engine=$(engine_pid)
	code 0 "upgrade $n" ctl upgrade
	has "it is told" "$T/out/ok" "reeved $new is there, pid $REEVED as before"
	awaits 10 "another engine" '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != '"$engine"' ] && ctl status'
	like "of that release" "$(ctl version)" "reeved +$new \(pid $REEVED,"
	is "the keeper, too" "$(readlink "/proc/$REEVED/exe")" "$T/bin/reeved"
	is "nobody was restarted" "$(pids web own lines)" "$were"
done
awaits 10 "the keeper has no more descriptors" '[ "$(fds $REEVED)" -le '$((fds + 2))' ]'
before=$(wc -l <"$T/out/short")
awaits 10 "deaths are seen as before" '[ "$(wc -l <"$T/out/short")" -gt '"$((before + 3))"' ]'
kill_engine
is "an engine that dies after it is nothing new" "$(pids web own lines)" "$were"

# What can't take its place does not.
refused() { # WHAT REGEX
	engine=$(engine_pid)
	code 1 "$1: refused" ctl upgrade
	like "... and why" "$(cat "$T/out/ok")" "$2"
	is "... the engine is the same" "$(engine_pid)" "$engine"
	is "... nobody was restarted" "$(pids web own lines)" "$were"
}
rm "$T/bin/reeved"
refused "missing" "No such file or directory"
: >"$T/bin/reeved"
refused "not executable" "Permission denied"
chmod 755 "$T/bin/reeved"
head -c 4096 /dev/urandom >"$T/bin/reeved"
refused "no program" "Exec format error|says nothing"
printf '#!/bin/sh\necho broken\nexit 0\n' >"$T/bin/reeved"
refused "another program" "no reeved that could go on: broken"
printf '#!/bin/sh\nexec sleep 0\n' >"$T/bin/reeved"
refused "one that says nothing" "says nothing"
release 6
rm "$T/bin/reeve-engine"
printf '#!/bin/sh\necho the engine is broken\nexit 1\n' >"$T/bin/reeve-engine"
chmod 755 "$T/bin/reeve-engine"
refused "its engine is broken" "the engine is broken"
# It says that it could, and then does not trust what it gets.
cat >"$T/bin/reeved" <<EOT
#!/bin/sh
[ "\$1" != --upgrade-check ] || { echo ok 9.9.9; exit 0; }
fds=\$REEVE_KEEPER_TABLES
export REEVE_KEEPER_TABLES="\${fds%,*},-1" REEVE_KEEPER_REFUSED="of another kind"
exec "/proc/self/fd/\${fds#*,}" "\$@"
EOT
refused "one that refuses the tables" "the new reeved refuses: of another kind"
like "... the keeper is the one before" "$(readlink "/proc/$REEVED/exe")" "$T/bin/\.new|$T/bin/reeved \(deleted\)"
# Killed in the middle of it, whatever comes of it.
for _ in 1 2 3; do
	release 6
	engine=$(engine_pid)
	ctl_bg "$T/out/bg" upgrade
	kill -KILL "$engine" 2>/dev/null
	wait "$BG"
	awaits 10 "an engine is there" '[ -n "$(engine_pid)" ] && ctl status'
	is "... nobody was restarted" "$(pids web own lines)" "$were"
done
release 7
code 0 "a good one is what it was" ctl upgrade
awaits 10 "another engine" '[ "$(ctl version | grep -c "reeved .*$new")" = 1 ]'
is "nobody was restarted" "$(pids web own lines)" "$were"
lines_ok
kill -INT "$(cat "$T/out/load.web.pid")" "$(cat "$T/out/load.own.pid")"
load_ok web "no connection was lost"
load_ok own "nor one of the reuseport group"

# Signals and all the rest are heard.
p=$(pid_of web.0)
kill -USR2 "$REEVED"
awaits 20 "a roll by signal" '[ "$(pid_of web.0)" != '"$p"' ] && is_state web.0 RUNNING'
plan_done
