#!/bin/sh
# Under systemd: READY, STATUS, RELOADING, STOPPING, WATCHDOG are told.
. "$(dirname "$0")/lib.sh"
need python3

cat >"$T/systemd.py" <<'EOT'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
with open(sys.argv[2], "a", buffering=1) as f:
    while True:
        for line in s.recv(65536).decode("utf-8", "replace").split("\n"):
            if line:
                f.write(line + "\n")
EOT
python3 "$T/systemd.py" "$T/out/notify" "$T/out/told" &
started $!
f=$!
await 5 '[ -S "$T/out/notify" ]'
conf <<EOT
[program:web]
command = $CHILD dump $T/out/web sleep
startsecs = 300ms
[program:notify]
command = $CHILD dump $T/out/child ready notify "READY=1" notify "STOPPING=1" sleep
ready = notify
startsecs = 200ms
EOT
WRAP="env NOTIFY_SOCKET=$T/out/notify WATCHDOG_USEC=400000"
start_reeved
WRAP=
awaits 5 "READY=1" 'grep -q "^READY=1" "$T/out/told"'
awaits 5 "STATUS=" 'grep -q "^STATUS=." "$T/out/told"'
awaits 5 "up" 'all_state RUNNING'
awaits 5 "WATCHDOG=1, again and again" '[ "$(grep -c "^WATCHDOG=1" "$T/out/told")" -ge 3 ]'
is "a child has no NOTIFY_SOCKET" "$(grep -c '^env.NOTIFY_SOCKET' "$T/out/web")" 0
is "... but with ready = notify one of its own" "$(grep '^env.NOTIFY_SOCKET' "$T/out/child" | grep -c "$T/out/notify")" 0
is "no child has WATCHDOG_USEC" "$(cat "$T/out/web" "$T/out/child" | grep -c '^env.WATCHDOG_USEC')" 0
is "a child's STOPPING is not reeved's" "$(grep -c '^STOPPING=1' "$T/out/told")" 0
: >"$T/out/told"
kill -HUP "$REEVED"
awaits 5 "RELOADING=1, then READY=1" 'awk "/^RELOADING=1/ { r = 1 } /^READY=1/ && r { ok = 1 } END { exit !ok }" "$T/out/told"'
has "MONOTONIC_USEC= with RELOADING" "$T/out/told" "^MONOTONIC_USEC=[0-9]"
: >"$T/out/told"
kill_engine
awaits 5 "the watchdog goes on after the engine was killed" '[ "$(grep -c "^WATCHDOG=1" "$T/out/told")" -ge 2 ]'
is "and nothing is STOPPING" "$(grep -c '^STOPPING=1' "$T/out/told")" 0
end_reeved
ok "STOPPING=1" grep -q '^STOPPING=1' "$T/out/told"
kill $f
wait $f 2>/dev/null
plan_done
