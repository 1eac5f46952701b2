#!/bin/sh
# Who depends on what, as a tree; and what a start-up took so long.
. "$(dirname "$0")/lib.sh"

conf <<EOT
[program:db]
command = $CHILD wait-file $T/out/db ready sleep
ready = notify
[program:migrate]
command = $CHILD wait-file $T/out/migrate exit 0
autorestart = false
depends_on = db
[program:cache]
command = $CHILD sleep
startsecs = 100ms
[program:web]
command = $CHILD sleep
workers = 2
startsecs = 100ms
depends_on = cache:started, migrate:done
bind_to = db
[program:front]
command = $CHILD sleep
startsecs = 100ms
depends_on = web
EOT
start_reeved
awaits 10 "cache is up" 'is_state cache.0 RUNNING'
cat >"$T/out/want" <<'EOT'
front                   STOPPED      WAITING
└─ web         ready    0/2 RUNNING  WAITING
   ├─ cache    started  RUNNING
   ├─ migrate  done     STOPPED      WAITING
   │  └─ db    ready    STARTING
   └─ db       bound    STARTING
EOT
ctl status --tree >"$T/out/tree"
is "the tree" "$(cat "$T/out/tree")" "$(cat "$T/out/want")"
LC_ALL=C ctl status --tree migrate >"$T/out/tree"
is "of one, where there are no lines to draw" "$(cat "$T/out/tree")" "migrate         STOPPED   WAITING
\`- db    ready  STARTING"
code 3 "of one that is not there" ctl status --tree nobody
like "status --json has both keys" "$(ctl --json status web.0 | tr -d ' \n')" '"depends_on":\["cache:started","migrate:done"\],"bind_to":\["db"\]'

like "analyze, in the middle" "$(ctl analyze)" "^5 slots not up yet"
touch "$T/out/db"
awaits 5 "db is ready" 'is_state db.0 RUNNING'
ok "an engine dies in the middle" kill_engine
touch "$T/out/migrate"
awaits 10 "all are up" 'all_state RUNNING db cache web front && is_state migrate.0 EXITED'
chain() { ctl --json analyze "$@" | tr -d ' \n' | sed 's/"slots".*//' | grep -o '"name":"[^"]*"' | cut -d '"' -f 4 | sed 's/^web.[01]/web/' | tr '\n' ' '; }
is "the chain, from the last to the first" "$(chain)" "front.0 web migrate.0 db.0 "
like "all are counted" "$(ctl --json analyze | tr -d ' \n')" '"known":true,"total_ms":[0-9]+,"up":6,"pending":0,"later":0,"lost":0'
like "for people" "$(ctl analyze)" "^    └─db.0 +ready @ "
like "what is done" "$(ctl analyze)" "^  └─migrate.0 +done  @ "
is "of one" "$(chain migrate)" "migrate.0 db.0 "
before=$(ctl analyze)
ok "an engine dies" kill_engine
is "nothing is forgotten" "$(ctl analyze)" "$before"
# Restarts after a death are no start; an order is a new one.
kill -KILL "$(pid_of front.0)"
awaits 5 "front is back" '[ "$(status_field front.0 restarts)" = 1 ] && is_state front.0 RUNNING'
is "a death changes nothing" "$(ctl analyze)" "$before"
ctl restart front >/dev/null
like "a restart by order does" "$(ctl analyze)" "^1 slot started again, or later, by order"
is "and is analysed by itself" "$(chain front)" "front.0 "
code 3 "no such program" ctl analyze nobody
plan_done
