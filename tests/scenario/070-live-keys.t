#!/bin/sh
# Every key of the schema: what reload --plan says of a change is what happens.
. "$(dirname "$0")/lib.sh"

need unshare
mkdir "$T/inc"
: >"$T/inc/a.conf"
echo A=1 >"$T/env1"
echo A=2 >"$T/env2"
me=$(id -un)
cpu=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)

# What this machine does not let us do is not asked of it.
may=' '
[ "$(id -u)" != 0 ] || may=' root '
[ "$may" = ' ' ] || ! unshare -m true 2>/dev/null || may=' root ns '
grep -q '^CapEff.*[13579bdf][0-9a-f]\{2\}$' /proc/self/status && may="$may cap "
may() {
	case " $may " in *" $1 "*) ;; *) [ -z "$1" ] ;; esac
}

# key | before | after | the program's other lines, with ; | what it needs.
# "-": the key is not there.  A key of the schema without a row is a failure.
cat >"$T/programs" <<EOT
command|sleep 10000|sleep 10001
directory|/|/tmp
environment|A="1"|A="2"
env_file|$T/env1|$T/env2
clear_env|false|true
user|-|nobody||root
group|-|12345||root
supplementary_groups|-|12345||root
no_new_privs|false|true
capabilities|-|none||cap
chroot|-|/||root
private_tmp|false|true||ns
read_only|-|/usr||ns
ioprio|-|best-effort:6
umask|022|027
nice|-|5
oom_score_adj|0|500
rlimit_as|-|4GB
rlimit_core|-|0
rlimit_cpu|-|1000
rlimit_data|-|1GB
rlimit_fsize|-|1GB
rlimit_memlock|-|4KB
rlimit_nofile|-|100
rlimit_nproc|-|20000
rlimit_rtprio|-|0
rlimit_stack|-|4MB
workers|1|2
workers_per_cpu|-|1
numprocs|1|2
process_name|x%(process_num)d|y%(process_num)d
socket|unix:$T/run/k1|unix:$T/run/k2
socket_mode|shared|reuseport|socket = tcp://127.0.0.1:$(port 0)
cpu_affinity|none|auto
cpu_set|-|$cpu
priority|999|5
depends_on|-|base
bind_to|-|base
autostart|true|false
autorestart|true|never
startsecs|0|2
startretries|unlimited|5
backoff_min|500ms|1
backoff_max|30|60
exitcodes|0|0,3
restart_limit|none|5/1m
fatal_retry|0|10m
essential|no|on-fatal
wait_port_free|-|$(port 1)
wait_port_timeout|30|31|wait_port_free = $(port 2)
ready|delay|exec:true
ready_interval|250ms|500ms|ready = exec:true
ready_try_timeout|5|6|ready = exec:true
health|none|exec:true
health_interval|10|20|health = exec:true
health_timeout|5|6|health = exec:true
health_failures|-|4|health = exec:true
health_grace|0|5|health = exec:true
health_action|roll|report|health = exec:true
ready_timeout|60|50
stopsignal|TERM|INT
stopwaitsecs|10|3
stopasgroup|false|true
killasgroup|true|false
drain_timeout|30|20
roll_batch|1|2
roll_surge|1|2
roll_soak|0|1
memory_max|0|1GB
cpu_weight|0|200
cpu_max|none|50%
pids_max|0|500
memory_limit|0|1GB
memory_interval|15|20|memory_limit = 1GB
max_lifetime|0|1d
restart_at|-|@every 12h
before_start|-|true
after_ready|-|true
before_stop|-|true
after_exit|-|true
before_roll|-|true
hook_timeout|60|50
ipc|false|true
ipc_max_message|1MB|64KB|ipc = true
ipc_queue|1000|5|ipc = true
ipc_rate|10000/1s|5/1m|ipc = true
watch|-|$T/out/*.w -> restart base
watch_exclude|-|*.x|watch = $T/out/*.w -> restart base
watch_delay|200ms|1|watch = $T/out/*.w -> restart base
allow_jobs|false|true|[pool]
stdin|null|inherit
output|logs|inherit
redirect_stderr|false|true
stdout_logfile|AUTO|$T/log/other
stdout_logfile_maxbytes|50MB|1MB
stdout_logfile_backups|10|3
stderr_logfile|AUTO|$T/log/another
stderr_logfile_maxbytes|50MB|1MB
stderr_logfile_backups|10|3
EOT
# Of [reeve]; what is changed in the third round has an r.
cat >"$T/reeve" <<EOT
socket|$T/run/reeve.sock|$T/run/reeve2.sock
socket_chmod|0600|0660
socket_chown|-|$me
allow|-|read: everyone
pidfile|$T/run/reeve.pid|$T/run/reeve2.pid
logfile|$T/log/reeve.log|$T/log/reeve2.log
logfile_maxbytes|50MB|1MB
logfile_backups|10|3
loglevel|debug|info
childlogdir|$T/log|$T/log/children
state_dir|$T/state|$T/state2
nodaemon|false|true
on_hup|own|ignore
on_usr1|own|ignore
identifier|reeve|another
restart_rate|1000/1s|500/1s
cpu_slots|auto|4
jobserver|auto|no
task_history|100|50
task_history_time|2592000|3600
task_output|16MB|1MB
environment|-|A="1"||r
umask|022|027||r
EOT
# Of tasks: what runs goes on, the next run has it.
cat >"$T/tasks" <<EOT
command|true|false
shell|true|false
directory|/|/tmp
environment|A="1"|A="2"
env_file|$T/env1|$T/env2
clear_env|false|true
user|-|nobody||root
group|-|12345||root
umask|022|027
nice|-|5
oom_score_adj|0|500
rlimit_as|-|4GB
rlimit_core|-|0
rlimit_cpu|-|1000
rlimit_data|-|1GB
rlimit_fsize|-|1GB
rlimit_memlock|-|4KB
rlimit_nofile|-|100
rlimit_nproc|-|20000
rlimit_rtprio|-|0
rlimit_stack|-|4MB
depends_on|-|t_shell
timeout|0|5
retries|0|2
on_crash|adopt|retry
backoff_min|1|2|retries = 2
backoff_max|60|50|retries = 2
schedule|-|@yearly
timezone|-|UTC|schedule = @yearly
jitter|0|5|schedule = @yearly
overlap|skip|queue|schedule = @yearly
catch_up|once|no|schedule = @yearly
then|-|restart base
on_failure|-|restart base
on_change|-|$T/out/*.w
on_change_exclude|-|*.x|on_change = $T/out/*.w
on_change_delay|200ms|1|on_change = $T/out/*.w
ipc|false|true
ipc_max_message|1MB|32KB|ipc = on
ipc_queue|1000|50|ipc = on
ipc_rate|10000/1s|50/1s|ipc = on
log|-|$T/log/task.log
log_maxbytes|50MB|1MB|log = $T/log/task1.log
log_backups|10|3|log = $T/log/task2.log
EOT
cat >"$T/others" <<EOT
reevectl|socket
reevectl|color
group|programs
group|priority
group|restart_rate
include|files
pool|threads
pool|queue
pool|grace
pool|drain_timeout
job|plugin
job|pool
job|limit
job|run_timeout
job|queue_timeout
EOT

"$B/reeve-engine" --schema >"$T/schema"
{
	sed 's/^/program|/' "$T/programs"
	sed 's/^/reeve|/' "$T/reeve"
	sed 's/^/task|/' "$T/tasks"
	cat "$T/others"
} | cut -d'|' -f1,2 | sort >"$T/rows"
cut -f1,2 "$T/schema" | tr '\t' '|' | sort >"$T/keys"
is "every key of the schema has a row here" "$(comm -13 "$T/rows" "$T/keys")" ""
is "... and every row a key" "$(comm -23 "$T/rows" "$T/keys")" ""
needs() { awk -F'\t' -v s="$1" -v k="$2" '$1 == s && $2 == k { print $5 }' "$T/schema"; }

# --- a config of them -----------------------------------------------------------

reeve_section() { # COLUMN ROUND
	echo "[reeve]"
	while IFS='|' read -r key before after _ round; do
		value=$before
		[ "$1" = before ] || [ "$2" -lt 2 ] || [ -n "$round" ] || value=$after
		[ "$1" = before ] || [ "$2" -lt 3 ] || value=$after
		[ "$value" = - ] || echo "$key = $value"
	done <"$T/reeve"
}

programs() { # COLUMN
	while IFS='|' read -r key before after more flag; do
		may "$flag" || continue
		value=$before
		[ "$1" = before ] || value=$after
		printf '[program:k_%s]\n' "$key"
		[ "$key" = command ] || echo "command = sleep 10000"
		[ "$key" = startsecs ] || echo "startsecs = 0"
		[ "$value" = - ] || echo "$key = $value"
		[ -z "$more" ] || echo "$more"
	done <"$T/programs"
}

tasks() { # COLUMN
	while IFS='|' read -r key before after more flag; do
		may "$flag" || continue
		value=$before
		[ "$1" = before ] || value=$after
		printf '[task:t_%s]\n' "$key"
		case $key in
		command | shell) ;;
		*) echo "shell = echo \"\$A \$(umask)\"" ;;
		esac
		[ "$value" = - ] || echo "$key = $value"
		[ -z "$more" ] || echo "$more"
	done <"$T/tasks"
}

others() { # COLUMN
	for p in base joins stays; do
		printf '[program:%s]\ncommand = sleep 10000\nstartsecs = 0\n' "$p"
	done
	printf '[program:added]\ncommand = sleep 10000\nstartsecs = 0\n' >"$T/inc/b.conf"
	echo "[reevectl]"
	if [ "$1" = before ]; then
		echo "[group:one]"
		echo "programs = stays"
		echo "[include]"
		echo "files = inc/a*.conf"
	else
		echo "color = always"
		echo "socket = $T/out/link"
		echo "[group:one]"
		echo "programs = stays, joins"
		echo "priority = 5"
		echo "restart_rate = 5/1m"
		echo "[include]"
		echo "files = inc/*.conf"
	fi
}

s() { ctl -s "$T/run/reeve.sock" --color never "$@"; }
# slot, state, pid, generation
slots() {
	s --json status | tr -d '\n' | sed 's/} *, *{/}\n{/g' |
	    sed -n 's/.*"name" *: *"\([^"]*\)".*"state" *: *"\([A-Z]*\)".*"pid" *: *\([0-9]*\).*"generation" *: *\([0-9]*\).*/\1 \2 \3 \4/p'
}
# program|key|what it needs|values
plan() {
	awk '/^[^ ]/ { kind = $1; name = $2; next }
	{
		sub(/^ +/, ""); needs = kind
		if (match($0, / \((live|roll|restart)\)$/)) {
			needs = substr($0, RSTART + 2, RLENGTH - 3)
			$0 = substr($0, 1, RSTART - 1)
		}
		key = $0; sub(/: .*/, "", key); sub(/^[^:]*: /, "")
		print name "|" key "|" needs "|" $0
	}' "$1"
}
# section|key|value
values() {
	s config | sed -n 's/ *; .*//; s/^\[\(program:\)\{0,1\}\(.*\)\]$/\2/p; s/^\([a-z0-9_]*\) = /=\1|/p' |
	    awk '/^=/ { print section "|" substr($0, 2); next } { section = $0 }'
}
mark() { wc -l <"$LOG"; }

# What became of slot 0 of each program since the marks: one word.
cat >"$T/fate.awk" <<'EOT'
FILENAME == ARGV[1] { pid[$1] = $3; gen[$1] = $4; next }
FILENAME == ARGV[2] { state[$1] = $2; now[$1] = $3; gennow[$1] = $4; next }
FNR <= from { next }
$5 == "RUNNING" && $6 ~ /^--/ { left[$4] = 1 }
/new instance ready, the old one drains/ { sub(/:$/, "", $6); rolled[$6] = 1 }
END {
	for (x in pid) {
		if (state[x] != "RUNNING") fate = "down"
		else if (pid[x] == now[x] && !left[x] && !rolled[x]) fate = "live"
		else if (pid[x] != now[x] && !left[x] && rolled[x]) fate = "roll"
		else if (pid[x] != now[x] && left[x]) fate = "restart"
		else fate = "?"
		print x, fate
	}
}
EOT
fates() { awk -v from="$MARK" -f "$T/fate.awk" "$T/before" "$T/after" "$LOG" >"$T/fates"; }
fate() { awk -v x="$1" '$1 == x { print $2 }' "$T/fates"; }

# --- 1: keys of programs, groups, [include], [reevectl] ---------------------------

{ reeve_section before 1; programs before; tasks before; others before; } >"$CONF"
launch_reeved
await 10 's status || gone $REEVED'
if gone "$REEVED"; then
	fail "reeved takes it" "$T/out/reeved"
	bail
fi
awaits 20 "all are up" 'slots | grep -q RUNNING && ! slots | grep -qv RUNNING'
slots >"$T/before"
values >"$T/values.before"
{ reeve_section before 1; programs after; tasks after; others after; } >"$CONF"
ok "reload --plan" s reload --plan
cp "$T/out/ok" "$T/out/plan"
plan "$T/out/plan" >"$T/plan"
slots >"$T/after"
is "--plan has touched nothing" "$(cat "$T/after")" "$(cat "$T/before")"
MARK=$(mark)
ok "reload" s reload
awaits 20 "all are up" '! slots | grep -qv RUNNING'
slots >"$T/after"
values >"$T/values.after"
fates

# What was planned, came about, and is in force; and what should have been.
cat >"$T/verdict.awk" <<'EOT'
FILENAME == ARGV[1] { if ($1 == "program") needs[$2] = $5; next }
FILENAME == ARGV[2] { planned[$1 "|" $2] = $3; to[$1 "|" $2] = $4; next }
FILENAME == ARGV[3] { split($0, f, " "); fate[f[1]] = f[2]; next }
FILENAME == ARGV[4] { old[$1 "|" $2] = $3; next }
FILENAME == ARGV[5] { new[$1 "|" $2] = $3; next }
{
	name = "k_" $1; id = name "|" $1; shown = $1
	# These come to nothing but a number of workers.
	if ($1 == "workers_per_cpu" || $1 == "numprocs") shown = "workers"
	force = new[id] == "" ? "nothing" : new[id] "" == old[id] "" ? "the old" : "the new"
	if (to[name "|" shown] !~ / -> ./) planned[name "|" shown] = "?"
	print $1 "|" needs[$1] "|" $5 "|planned " planned[name "|" shown] \
	    ", so it is: " fate[name ".0"] ", " force " value is in force" \
	    "|planned " needs[$1] ", so it is: " needs[$1] ", the new value is in force"
}
EOT
tr '\t' '|' <"$T/schema" >"$T/schema.rows"
awk -F'|' -f "$T/verdict.awk" "$T/schema.rows" "$T/plan" "$T/fates" "$T/values.before" \
    "$T/values.after" "$T/programs" >"$T/verdicts"
while IFS='|' read -r key need flag got want; do
	if may "$flag"; then
		is "$key: $need" "$got" "$want"
	else
		skip "$key" "may not be done here: $flag"
	fi
done <"$T/verdicts"

awk -F'|' 'FILENAME == ARGV[1] { if ($1 == "task") needs[$2] = $5; next }
FILENAME == ARGV[2] { planned[$2] = $3; next }
{ print $1 "|" needs[$1] "|" $5 "|" planned["[task:t_" $1 "] " $1] }' \
    "$T/schema.rows" "$T/plan" "$T/tasks" >"$T/verdicts"
while IFS='|' read -r key need flag got; do
	if may "$flag"; then
		is "[task:x] $key: planned: $need" "$got" "$need"
	else
		skip "[task:x] $key" "may not be done here: $flag"
	fi
done <"$T/verdicts"
like "a task's next run has its new values" "$(s task run t_environment)" '^2 0022$'
like "... all of them" "$(s task run t_umask)" '^ 0027$'
code 1 "... what it runs, too" s task run t_command
ok "nothing of it is left to change" s reload --plan
is "... of anything" "$(cat "$T/out/ok")" "nothing would change"

n=$(cut -d'|' -f1 "$T/plan" | sort -u | grep -vc '^k_')
is "nothing else is planned but these" "$(cut -d'|' -f1 "$T/plan" | sort -u | grep -v '^k_' | tr '\n' ' ')" "[reeve] joins stays "
ok "... ($n of them)" test "$n" = 3
is "a program joins a group: $(needs group programs)" "$(grep '^joins|' "$T/plan" | head -n 1 | cut -d'|' -f2-)" "group|live|(none) -> one"
is "so it is" "$(fate joins.0)" "$(needs group programs)"
is "its name has the group" "$(s status 'one:*' | grep -c 'joins\|stays')" 2
like "priority of a group" "$(grep '^stays|' "$T/plan")" "^stays.priority of its group.$(needs group priority).999 -> 5"
is "so it is" "$(fate stays.0)" "$(needs group priority)"
like "restart_rate of a group" "$(grep '^stays|restart_rate' "$T/plan")" "^stays.restart_rate of its group.$(needs group restart_rate).none -> 5/1m"
has "it is in force" "$T/values.after" '^group:one.restart_rate.5/1m'
like "[include] files: a program is added" "$(cat "$T/out/plan")" '^added +added'
is "it is up" "$(awk '$1 == "added.0" { print $2 }' "$T/after")" RUNNING
is "what depends on nothing new: untouched" "$(fate base.0)" live
like "[reevectl] keys" "$(grep 'reevectl. color' "$T/plan")" "$(needs reevectl color).auto -> always"
like "[reevectl] socket" "$(grep 'reevectl. socket' "$T/plan")" "$(needs reevectl socket)"
code 4 "reevectl takes it: it is not there" ctl status
ln -s "$T/run/reeve.sock" "$T/out/link"
code 0 "now it is" ctl status
has "in colour" "$T/out/ok" "$(printf '\033')"

# --- 2: keys of [reeve] -----------------------------------------------------------

two() { printf '[program:k_%s]\ncommand = sleep 10000\nstartsecs = 0\n[program:own]\ncommand = sleep 10000\nstartsecs = 0\nenvironment = A="3"\numask = 077\n' any; }
{ reeve_section before 1; two; } >"$CONF"
ok "all but two are removed" s reload
slots >"$T/before"
{ reeve_section after 2; two; } >"$CONF"
ok "reload --plan" s reload --plan
plan "$T/out/ok" >"$T/plan"
MARK=$(mark)
ok "reload" s reload
cp "$T/out/ok" "$T/out/said"
slots >"$T/after"
values >"$T/values.after"
fates
is "no program is touched" "$(sort "$T/fates" | tr '\n' ' ')" "k_any.0 live own.0 live "

cat >"$T/reeve.awk" <<'EOT'
FILENAME == ARGV[1] { if ($1 == "reeve") needs[$2] = $5; next }
FILENAME == ARGV[2] { if ($1 == "[reeve]") planned[$2] = $3; next }
FILENAME == ARGV[3] { if ($1 == "reeve") value[$2] = $3; next }
FILENAME == ARGV[4] { if (sub(/ takes effect when.*/, "")) { sub(/^reeved: /, ""); later[$0] = 1 }; next }
$5 == round {
	if ($1 == "umask") $3 = "0027"
	force = value[$1] == "" ? "-" : value[$1]
	in_force = needs[$1] == "restart" ? $2 : $3
	says = needs[$1] == "restart" ? 1 : 0
	print $1 "|" needs[$1] \
	    "|planned " planned[$1] ", said: " later[$1] + 0 ", in force: " force \
	    "|planned " needs[$1] ", said: " says ", in force: " in_force
}
EOT
reeve_rows() { # ROUND
	awk -F'|' -v round="$1" -f "$T/reeve.awk" "$T/schema.rows" "$T/plan" "$T/values.after" \
	    "$T/out/said" "$T/reeve" >"$T/verdicts"
	while IFS='|' read -r key need got want; do
		is "[reeve] $key: $need" "$got" "$want"
	done <"$T/verdicts"
}
reeve_rows ''
like "config tells when it changes" "$(s config reeve)" "^pidfile = $T/run/reeve.pid .*until reeved is restarted, then $CONF:[0-9]+"
awaits 5 "the log has moved" 'grep -q . "$T/log/reeve2.log"'
LOG=$T/log/reeve2.log
old=$(engine_pid)
kill -KILL "$old"
awaits 10 "an engine that comes after" '[ "$(engine_pid)" != "$old" ] && s status'
values >"$T/values.again"
is "... has the same values in force" "$(grep '^reeve|' "$T/values.again")" "$(grep '^reeve|' "$T/values.after")"
ok "a reload later" s reload
has "... it still takes another reeved" "$T/out/ok" "^reeved: socket takes effect"
is "another reeved's file is not there" "$(ls "$T/run" | tr '\n' ' ')" "reeve.pid reeve.sock reeve.sock.lock "

# --- 3: those of [reeve] that programs have ------------------------------------------

slots >"$T/before"
{ reeve_section after 3; two; } >"$CONF"
ok "reload --plan" s reload --plan
plan "$T/out/ok" >"$T/plan"
like "the program that it touches is rolled" "$(grep '^k_any|' "$T/plan" | tr '\n' ' ')" "reeve. environment.roll.*"
is "the one that has its own umask for that" "$(grep '^own|' "$T/plan" | cut -d'|' -f2,3)" "[reeve] environment|roll"
MARK=$(wc -l <"$LOG")
ok "reload" s reload
cp "$T/out/ok" "$T/out/said"
slots >"$T/after"
values >"$T/values.after"
fates
is "both are rolled" "$(sort "$T/fates" | tr '\n' ' ')" "k_any.0 roll own.0 roll "
reeve_rows r
ln -sf "$T/run/reeve.sock" "$T/out/link"
plan_done
