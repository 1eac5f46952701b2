#!/bin/sh
# Probes that need no process have none: tcp:, unix: and http: while they look.
. "$(dirname "$0")/lib.sh"
need python3 strace

cat >"$T/server.py" <<EOT
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open("$T/out/asked" + self.path.replace("/", "."), "a").write("x\n")
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", $(port 0)), Handler).serve_forever()
EOT
conf <<EOT
[program:web]
command = python3 $T/server.py
ready = tcp:$(port 0)
health = http:http://127.0.0.1:$(port 0)/health
health_interval = 50ms
[program:waits]
command = $CHILD sleep
ready = http:http://127.0.0.1:$(port 0)/ready
ready_interval = 50ms
ready_timeout = 1000
[program:ill]
command = $CHILD sleep
health = unix:$T/out/nothing
health_interval = 50ms
health_action = report
EOT
start_reeved
awaits 20 "all are asked" '[ -s "$T/out/asked.health" ] && [ -s "$T/out/asked.ready" ] && [ "$(status_field ill.0 health)" = unhealthy ]'
strace -f -qq -e trace=clone,clone3,fork,vfork,execve -p "$REEVED" -p "$(engine_pid)" -o "$T/out/trace" 2>"$T/out/strace" &
tracer=$!
started $tracer
await 10 'grep -q "^TracerPid:.*[1-9]" "/proc/$REEVED/status"' || skip_all "nobody may be traced here: $(cat "$T/out/strace")"
asked() { cat "$T/out/asked.health" "$T/out/asked.ready" | wc -l; }
n=$(asked)
awaits 20 "they are asked on" '[ "$(asked)" -ge $((n + 20)) ]'
is "and no process was made for it" "$(cat "$T/out/trace")" ""
code 0 "one for a command" ctl run -- true
awaits 5 "would have been seen" 'grep -q clone "$T/out/trace"'
kill $tracer
wait $tracer 2>/dev/null
plan_done
