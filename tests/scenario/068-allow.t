#!/bin/sh
# allow=: every method there is, by another user; live; ends streams.
. "$(dirname "$0")/lib.sh"
need python3
[ "$(id -u)" = 0 ] || skip_all "needs root to become others"

allow() { # VALUE
	conf <<-EOT
		[program:web]
		command = $CHILD sleep
		startsecs = 200ms
		[program:db]
		command = $CHILD sleep
		startsecs = 200ms
	EOT
	sed -i "s/^\[reeve\]/&\nsocket_chmod = 0666\nallow = $1/" "$CONF"
}

# ask METHOD PARAMS: as uid 4711; the answer's error code, or ok; before it
# "hello", when it has to wait.
cat >"$T/ask.py" <<'EOT'
import json, os, socket, sys
os.setgroups([]); os.setgid(4711); os.setuid(4711)
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
req = {"jsonrpc": "2.0", "id": 1, "method": sys.argv[2], "params": json.loads(sys.argv[3])}
hello = {"jsonrpc": "2.0", "id": 2, "method": "hello"}
s.sendall((json.dumps(req) + "\n" + json.dumps(hello) + "\n").encode())
for line in s.makefile():
    m = json.loads(line)
    if m.get("id") == 2:
        print("hello", flush=True)
    if m.get("id") == 1:
        print(m["error"]["code"] if "error" in m else "ok")
        print(json.dumps(m))
        break
EOT
# others SOCKET VERB <(verb params): those methods but VERB that answer anything
# but a refusal.
cat >"$T/others.py" <<'EOT'
import json, os, socket, sys
os.setgroups([]); os.setgid(4711); os.setuid(4711)
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
f, more = s.makefile(), []
for line in sys.stdin:
    verb, params = line.split(" ", 1)
    if verb in (sys.argv[2], "hello"):
        continue
    s.sendall((json.dumps({"jsonrpc": "2.0", "id": verb, "method": verb, "params": json.loads(params)}) + "\n").encode())
    while (m := json.loads(f.readline())).get("id") != verb:
        pass
    if m.get("error", {}).get("code") != -32005:
        more.append(verb)
print(*more)
EOT
others() { timeout 20 python3 "$T/others.py" "$T/run/reeve.sock" "$1" <"$T/out/all"; }
ask() { timeout 20 python3 "$T/ask.py" "$T/run/reeve.sock" "$@"; }
code_of() { ask "$@" | sed '/^hello$/d' | sed -n 1p; }
as() { setpriv --reuid 4711 --regid 4711 --clear-groups "$B/reevectl" -c "$CONF" "$@"; }

# A method without a line here fails the test: add one, with parameters that
# are good but for who asks.
params() {
	case $1 in
	hello | status | pid | config | events | messages | plan | reload | shutdown | analyze | upgrade) echo '{}' ;;
	why | tail | start | stop | restart | roll) echo '{"names": ["web"]}' ;;
	scale) echo '{"name": "web", "number": 2}' ;;
	signal) echo '{"names": ["web"], "signal": "USR1"}' ;;
	send) echo '{"names": ["web"], "text": "1", "key": "a"}' ;;
	run) echo '{"key": "a", "argc": 1}' ;;
	run_signal) echo '{"key": "a", "signal": "TERM"}' ;;
	task_add) echo '{"key": "a", "argc": 1}' ;;
	task_list | task_names) echo '{}' ;;
	task_run) echo '{"task": "a", "key": "a"}' ;;
	task_watch) echo '{"ids": [1], "states": ["done"]}' ;;
	task_log) echo '{"id": 1}' ;;
	task_wait | task_cancel | task_rm | task_why) echo '{"ids": [1]}' ;;
	job_list | job_kinds | job_stats) echo '{}' ;;
	job_submit) echo '{"kind": "noop"}' ;;
	job_wait | job_cancel) echo '{"ids": [1]}' ;;
	task_group) echo '{"group": "a"}' ;;
	*) return 1 ;;
	esac
}

allow "none"
start_reeved
awaits 10 "up" 'all_state RUNNING'
p=$(pids)
"$B/reeve-engine" --verbs >"$T/out/verbs"
while read -r verb set; do
	echo "$verb $(params "$verb")" >>"$T/out/all"
	if ! params "$verb" >"$T/out/params"; then
		fail "068-allow.t: params() has no line for the method $verb"
		continue
	fi
	is "none: $verb is refused" "$(code_of "$verb" "$(cat "$T/out/params")")" -32005
done <"$T/out/verbs"
is "nothing was touched" "$(pids)" "$p"
code 5 "reevectl: exit 5" as status
has "names verb, uid and line" "$T/out/ok" "uid 4711 is not allowed to status.*allow = status: uid 4711"
code 0 "root may" ctl status

# Each verb alone: that one is granted, and what is about one's own by it.
while read -r verb set; do
	allow "$verb: uid 4711"
	ctl reload >"$T/out/reload" 2>&1 || fail "reload" "$T/out/reload"
	case $verb in
	task_add) own="task_list task_log task_watch task_wait task_cancel task_why task_rm" ;;
	task_run) own="task_list task_log task_watch task_wait task_cancel task_why" ;;
	job_submit) own="job_wait job_cancel" ;;
	run) own=run_signal ;;
	shutdown | tail) own=pid ;;
	*) own= ;;
	esac
	is "allow = $verb: no other" "$(others "$verb")" "$own"
	case $verb in
	shutdown) continue ;; # at the end
	status | pid | analyze | config | events) code 0 "allow = $verb: reevectl" as "$verb" ;;
	why | start | stop | roll) code 0 "allow = $verb: reevectl" as "$verb" web ;;
	restart) code 0 "allow = $verb: reevectl" as restart web db ;;
	scale) code 0 "allow = $verb: reevectl" as scale web 2 ;;
	signal) code 0 "allow = $verb: reevectl" as signal CONT web ;;
	tail) code 0 "allow = $verb: reevectl" as tail web db ;;
	messages) code 0 "allow = $verb: reevectl" as events --messages ;;
	plan) code 0 "allow = $verb: reevectl" as reload --plan ;;
	reload) code 0 "allow = $verb: reevectl" as reload ;;
	run) code 4 "allow = $verb: $verb" as run -- sh -c '[ "$(id -u)" = 4711 ] && exit 4' ;;
	upgrade)
		old=$(engine_pid)
		code 0 "allow = $verb: $verb" as upgrade
		await 10 '[ "$(engine_pid)" != "$old" ] && ctl status'
		;;
	*) isnt "allow = $verb: $verb" "$(code_of "$verb" "$(params "$verb")")" -32005 ;;
	esac
done <"$T/out/verbs"
awaits 10 "all up" 'all_state RUNNING'

# Programs.
allow "read web: uid 4711; restart web: uid 4711"
ok "reload" ctl reload
unlike "status shows web only" "$(ask status '{}')" '"db'
like "status shows web" "$(ask status '{}')" '"web.0"'
unlike "config shows web only" "$(ask config '{}')" 'program:db|"reeve"'
unlike "events of web only" "$(as events 2>&1)" 'db'
like "there are some" "$(as events 2>&1)" 'web'
is "why db" "$(code_of why '{"names": ["db"]}')" -32005
is "tail db.0" "$(code_of tail '{"names": ["db.0"]}')" -32005
is "a name that is not there" "$(code_of why '{"names": ["nix"]}')" -32005
is "restart all" "$(code_of restart '{"names": ["all"]}')" -32005
is "restart both" "$(code_of restart '{"names": ["web", "db"]}')" -32005
p=$(pid_of web.0)
code 0 "restart web" as restart web
isnt "web has another pid" "$(pid_of web.0)" "$p"
code 5 "stop web: exit 5" as stop web
has "says which" "$T/out/ok" "allow = stop web: uid 4711"

# By what the kernel says of who connected: user, main group, other groups.
member() { setpriv --reuid 4711 --regid 4712 --groups 4713,4714 "$B/reevectl" -c "$CONF" "$@"; }
allow "status: gid 4712; pid: gid 4714; why, tail: gid 4715, uid 4712; restart: uid 9, gid 9, gid 4713"
ok "reload" ctl reload
code 0 "the main group" member status
code 0 "another group" member pid web
code 0 "one of several" member restart db
code 5 "a group that it is not in" member why web
code 5 "nor by a uid that is a number of its groups" member tail web
code 5 "who is in none of them" as status
allow "status: user nobody; pid: group $(id -gn nobody); why: everyone"
ok "reload" ctl reload
nobody() { setpriv --reuid "$(id -u nobody)" --regid 4711 --clear-groups "$B/reevectl" -c "$CONF" "$@"; }
code 0 "a user by name" nobody status
code 5 "... not by the name of a group" nobody pid
code 0 "everyone" as why web
code 0 "a group by name" setpriv --reuid 4711 --regid 4711 --groups "$(id -g nobody)" "$B/reevectl" -c "$CONF" pid
allow "read web: uid 4711; restart web: uid 4711"
ok "reload" ctl reload

# A stream that is no longer allowed ends; the engine's death changes nothing.
as events -f >"$T/out/stream" 2>&1 &
s=$!
started $s
ctl restart web >"$T/out/ok" 2>&1
awaits 10 "the stream flows" '[ -s "$T/out/stream" ]'
allow "none"
ok "reload" ctl reload
awaits 10 "the stream ends" 'gone $s'
has "it says why" "$T/out/stream" "uid 4711 is no longer allowed to events"
kill_engine
code 5 "the next engine refuses as well" as status

# The queue: who may add has a queue of his own, and nobody sees another's.
allow "task_add: uid 4711"
ok "reload" ctl reload
add() { as task add --shell "until [ -e $T/out/go ]; do sleep 0.02; done"; }
root=$(ctl task add --shell "until [ -e $T/out/go ]; do sleep 0.02; done")
a=$(add)
code 0 "task_add: list" as task list --all
has "... one's own" "$T/out/ok" "until .*$T/out/go"
is "... alone" "$(grep -c until "$T/out/ok")" 1
code 0 "task_add: log" as task log "$a"
for verb in wait log cancel rm; do
	code 3 "another's is not there: $verb" as task "$verb" "$root"
done
as task cancel "$a" >"$T/out/ok" 2>&1
has "task_add: cancel" "$T/out/ok" "cancelled"
code 0 "task_add: rm" as task rm "$a"
code 5 "task_add: pause is task_group's" as task pause
code 5 "task_add: not status" as status
allow "task: uid 4711"
ok "reload" ctl reload
code 0 "task: pause" as task pause
code 0 "task: resume" as task resume
code 5 "task: not status" as status
a=$(add)

# stream METHOD PARAMS ALLOW: waits while allowed, and ends when it is not.
stream() {
	: >"$T/out/stream" # the hello of the one before is not its own
	ask "$1" "$2" >"$T/out/stream" 2>&1 &
	s=$!
	started $s
	awaits 10 "$1 waits" 'grep -q hello "$T/out/stream"'
	allow "$3"
	ok "... reload" ctl reload
	awaits 10 "... it ends" 'gone $s'
	has "... and says why" "$T/out/stream" "uid 4711 is no longer allowed to $1$4: "
	is "... with the code" "$(grep -c '^-32005' "$T/out/stream")" 1
	allow "task, read: uid 4711"
	ok "... allowed again" ctl reload
}
allow "task, read: uid 4711"
ok "reload" ctl reload
stream task_wait "{\"ids\": [\"$a\"]}" "read web, status: uid 4711" ""
stream task_log "{\"id\": \"$a\", \"follow\": true}" "task_wait: uid 4711" ""
stream events '{"follow": true}' "task: uid 4711" ""
stream events '{"follow": true, "names": ["web"]}' "read db: uid 4711" " web"
stream tail '{"names": ["web", "db"], "follow": true}' "read web: uid 4711" " db.0"
awaits 10 "the task still runs" 'ctl task list | grep -q "^ *$a *running"'

# A stream goes on when a reload leaves it its right.
rm "$T/out/stream"
ask events '{"follow": true}' >"$T/out/stream" 2>&1 &
s=$!
started $s
awaits 10 "events waits" 'grep -q hello "$T/out/stream"'
allow "read web: uid 4711"
ok "reload" ctl reload
ctl restart web >"$T/out/ok" 2>&1
ok "it is there" alive $s
unlike "nothing of db" "$(cat "$T/out/stream")" '"db'
kill $s
: >"$T/out/go"

# What is wrong is told with its line, and nothing changes.
allow "task web: uid 4711"
code 1 "a queue is of no program" ctl reload
has "with the line" "$T/out/ok" "reeve.conf:3: .*'task' is not about programs: 'web'"
allow "raed: uid 4711"
code 1 "an unknown verb: the reload is refused" ctl reload
has "with the line and what was meant" "$T/out/ok" "reeve.conf:3: .*did you mean 'read'"
code 0 "the old one holds" as status web
code 5 "... and no more" as status db

allow "shutdown: uid 4711"
ok "reload" ctl reload
code 0 "allow = shutdown: shutdown" as shutdown
wait_reeved
is "reeved exits with 0" "$CODE" 0
plan_done
