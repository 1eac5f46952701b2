#!/bin/sh
# 200 programs with a soft limit of 256 files: what EMFILE did to others.
. "$(dirname "$0")/lib.sh"

i=0
while [ $i -lt 200 ]; do
	printf '[program:p%d]\ncommand = %s sleep\nstartsecs = 100ms\n' $i "$CHILD"
	i=$((i + 1))
done | conf
sed -i 's/loglevel = debug/loglevel = info/' "$CONF"
printf '[program:show]\ncommand = %s dump %s sleep\nstartsecs = 100ms\n' "$CHILD" "$T/out/show" >>"$CONF"
printf '#!/bin/sh\nulimit -Sn 256\nexec "$@"\n' >"$T/wrap"
chmod +x "$T/wrap"
WRAP=$T/wrap
start_reeved
WRAP=
awaits 20 "all are RUNNING" 'all_state RUNNING'
is "201 of them" "$(pids | wc -l)" 201
like "a child has the limit that reeved was given" "$(grep '^rlimit.nofile' "$T/out/show")" "=256:"
t0=$(now_ms)
ctl status >/dev/null
echo "# status of 201: $(($(now_ms) - t0)) ms"
ctl --json status >"$T/out/before"
kill_engine
is "the engine was killed: the same pids" "$(pids)" "$(grep -Eo '"pid" *: *[0-9]+' "$T/out/before" | grep -Eo '[0-9]+$')"
for p in $(pids); do kill -KILL "$p"; done
awaits 20 "all killed: all are back" '[ "$(ctl --json status | grep -Eo "\"restarts\" *: *1\b" | wc -l)" = 201 ] && all_state RUNNING'
unlike "no word about the limit" "$(cat "$T/out/reeved")" "open files"
end_reeved

# A hard limit, too, and more programs than it has room for: that is said, and
# whoever wants to do something about it is heard.
i=0
while [ $i -lt 60 ]; do
	printf '[program:p%d]\ncommand = %s sleep\nstartsecs = 100ms\nbackoff_max = 500ms\n' $i "$CHILD"
	i=$((i + 1))
done | conf
printf '#!/bin/sh\nulimit -n 256\nexec "$@"\n' >"$T/wrap"
WRAP=$T/wrap
start_reeved
WRAP=
has "what they need is told, and what there is" "$T/out/reeved" "need 484 open files, and reeved may have 256 .LimitNOFILE"
awaits 10 "some run, the others wait for room" 'n=$(ctl status | grep -c RUNNING) && [ "$n" -ge 15 ] && [ "$(ctl status | grep -c BACKOFF)" = $((60 - n)) ]'
like "they say why" "$(ctl status)" "no pipe for its output"
is "a command runs" "$(ctl run -- echo heard)" heard
ok "the next engine is there" kill_engine
is "a command runs" "$(ctl run -- echo heard)" heard
i=30
while [ $i -lt 50 ]; do
	printf '[program:p%d]\ncommand = %s sleep\nstartsecs = 100ms\nbackoff_max = 500ms\n' $i "$CHILD"
	i=$((i + 1))
done | conf
code 0 "with fewer of them" ctl reload
awaits 10 "all have room" 'all_state RUNNING'
is "... of both streams" "$(for p in $(pids); do readlink "/proc/$p/fd/1" "/proc/$p/fd/2"; done | grep -c pipe)" 40
end_reeved

# The kernel takes 10 ms each time that a table which threads share grows: the
# engine's has room for all that is in the config before it starts any.
conf <<EOT
[program:many]
command = $CHILD sleep
workers = 200
autostart = false
EOT
start_reeved
room=$(sed -n 's/^FDSize:[[:space:]]*//p' "/proc/$(engine_pid)/status")
ok "an engine has room for descriptors to come (it has $room)" [ "$room" -ge 1400 ]
plan_done
