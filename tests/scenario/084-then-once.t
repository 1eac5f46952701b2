#!/bin/sh
# What follows a task is ordered once, also when the engine dies after it was
# ordered and before the queue has kept that.
. "$(dirname "$0")/lib.sh"
need python3

conf <<EOT
[program:web]
command = $CHILD sleep
startsecs = 100ms
before_roll = /bin/sh -c 'until [ -e $T/out/go ]; do sleep 0.02; done'
[task:build]
shell = echo built >>$T/out/built
then = roll web, task:after
[task:after]
shell = echo after >>$T/out/after
EOT
start_reeved
up web
# As if the disk had not been reached: the queue says that it is to follow.
forget() {
	kill -STOP "$REEVED"
	old=$(engine_pid)
	kill -KILL "$old"
	await 10 '[ "$(proc_state "$old")" = Z ]'
	python3 - <<-EOT
		import sqlite3
		db = sqlite3.connect("$T/state/queue.db", timeout=20)
		db.execute("INSERT OR IGNORE INTO act SELECT id FROM task WHERE id = 1")
		db.commit()
	EOT
	kill -CONT "$REEVED"
	await 10 '[ -n "$(engine_pid)" ] && [ "$(engine_pid)" != "$old" ] && ctl status >/dev/null'
}
first=$(pid_of web)
code 0 "a build" ctl task run build
awaits 5 "the roll begins" 'ctl events | grep -q "then: roll web"'
awaits 5 "what follows it runs" '[ -s "$T/out/after" ]'
forget
code 0 "the next engine looks what is to follow" ctl task wait 2
: >"$T/out/go"
awaits 10 "the roll goes on" '[ -n "$(pid_of web)" ] && [ "$(pid_of web)" != "$first" ] && is_state web RUNNING'
second=$(pid_of web)
forget
code 0 "the one after it, too" ctl task run after
is "it was rolled once" "$(pid_of web)" "$second"
is "... ordered once" "$(ctl events | grep -c "then: roll web")" 1
is "the build ran once" "$(wc -l <"$T/out/built")" 1
is "what follows it once, and by hand" "$(wc -l <"$T/out/after")" 2
plan_done
