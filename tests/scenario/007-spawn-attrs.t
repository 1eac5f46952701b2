#!/bin/sh
# What a program finds when it starts: nothing but what the config says.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root: user=, nice=, oom_score_adj="

cat >"$T/env" <<'EOT'
# a comment
FROM_FILE=one two
QUOTED="a b"
export EXPORTED=yes
OVER=file
EOT
conf <<EOT
environment = GLOBAL="g", OVER="reeve"
umask = 027
[program:plain]
command = $CHILD dump $T/out/plain sleep
workers = 2
startsecs = 200ms
[program:full]
command = $CHILD dump $T/out/full "two words" sleep
process_name = full-%(process_num)02d
directory = $T/log
environment = MINE="m%(process_num)d", OVER="program", NAME="%(program_name)s", PCT="50%%"
env_file = $T/env
umask = 077
nice = 5
oom_score_adj = 300
rlimit_nofile = 200:300
rlimit_core = 0
rlimit_fsize = unlimited
cpu_affinity = auto
workers = 1
startsecs = 200ms
[program:nobody]
command = $CHILD dump $T/pub/nobody sleep
user = nobody
clear_env = true
startsecs = 200ms
stdout_logfile = $T/log/nobody.out
[program:listener]
command = $CHILD dump $T/out/listener sleep
socket = tcp://127.0.0.1:$(port 0)
ready = fd:9
ready_timeout = 20
startsecs = 200ms
[program:number]
command = $CHILD dump $T/pub/number sleep
user = 12345:12345
startsecs = 200ms
EOT
# The last word of full's dump is not a word of child's: make it one.
sed -i "s|dump $T/out/full \"two words\" sleep|print \"two words\" dump $T/out/full sleep|" "$CONF"
mkdir -m 777 "$T/pub"
# reeved itself: signals ignored and blocked, odd limits, open descriptors.
cat >"$T/wrap" <<EOT
#!/bin/sh
trap '' HUP INT QUIT USR1 PIPE XFSZ
ulimit -Sn 300
exec 7</dev/null 8<"$CONF"
exec "\$@"
EOT
chmod +x "$T/wrap"
WRAP="$T/wrap env STRAY=1"
start_reeved
WRAP=
awaits 10 "they are up" 'all_state RUNNING plain full nobody number && [ -s "$T/out/listener" ]'

v() { sed -n "s/^$2=//p" "$3/$1" | head -n 1; }
d() { v "$1" "$2" "$T/out"; }
n() { v "$1" "$2" "$T/pub"; }
is "two words are one argument" "$(d full argv.2)" "two words"
is "environment= of the program" "$(d full env.MINE)" m0
is "%(program_name)s" "$(d full env.NAME)" full
is "%%" "$(d full env.PCT)" "50%"
is "environment= of [reeve]" "$(d plain env.GLOBAL)" g
is "program over file over reeve" "$(d full env.OVER)" program
is "env_file" "$(d full env.FROM_FILE)" "one two"
is "env_file, quoted" "$(d full env.QUOTED)" "a b"
is "env_file, export" "$(d full env.EXPORTED)" yes
is "reeved's own environment goes down" "$(d plain env.STRAY)" 1
is "clear_env: it does not" "$(n nobody env.STRAY)" ""
isnt "clear_env leaves PATH" "$(n nobody env.PATH)" ""
is "no NOTIFY_SOCKET without ready = notify" "$(d plain env.NOTIFY_SOCKET)" ""
is "no LISTEN_FDS without socket" "$(d plain env.LISTEN_FDS)" ""
is "directory" "$(d full cwd)" "$T/log"
is "umask of the program" "$(d full umask)" 0077
is "umask of [reeve]" "$(d plain umask)" 0027
is "nice" "$(d full nice)" 5
is "nice is not inherited from anybody" "$(d plain nice)" 0
is "oom_score_adj" "$(d full oom_score_adj)" 300
is "oom_score_adj is 0 by default" "$(d plain oom_score_adj)" 0
is "rlimit_nofile" "$(d full rlimit.nofile)" 200:300
is "rlimit_core" "$(d full rlimit.core)" 0:0
like "nofile is what reeved was given, not what it made of it" "$(d plain rlimit.nofile)" "^300:"
is "cpu_affinity = auto: the first CPU of ours" \
    "$(d full affinity)" "$(d plain affinity | cut -d, -f1)"
is "user: uid" "$(n nobody uid) $(n nobody euid)" "$(id -u nobody) $(id -u nobody)"
is "user: gid" "$(n nobody gid) $(n nobody egid)" "$(id -g nobody) $(id -g nobody)"
is "user: groups" "$(n nobody groups)" "$(id -G nobody | tr ' ' ,)"
is "user: HOME" "$(n nobody env.HOME)" "$(getent passwd nobody | cut -d: -f6)"
is "user: USER" "$(n nobody env.USER)" nobody
is "user: LOGNAME" "$(n nobody env.LOGNAME)" nobody
is "user: SHELL" "$(n nobody env.SHELL)" "$(getent passwd nobody | cut -d: -f7)"
is "a number without a name" "$(n number uid)" 12345
is "... keeps no group of root's" "$(n number groups | grep -wc 0)" 0
for p in plain full listener; do
	is "$p: no signal is blocked" "$(d $p status.SigBlk)" 0000000000000000
	is "$p: no signal is ignored" "$(d $p status.SigIgn)" 0000000000000000
	is "$p: its own session" "$(d $p sid)" "$(d $p pid)"
	is "$p: its own process group" "$(d $p pgid)" "$(d $p pid)"
	is "$p: reeved is its parent" "$(d $p ppid)" "$REEVED"
	is "$p: stdin is /dev/null" "$(d $p fd.0)" /dev/null
	like "$p: stdout is a pipe" "$(d $p fd.1)" "^pipe:"
	like "$p: stderr is a pipe" "$(d $p fd.2)" "^pipe:"
done
is "no descriptor but 0, 1, 2" "$(grep -c '^fd\.' "$T/out/plain")" 3
is "the same with other user" "$(grep -c '^fd\.' "$T/pub/nobody")" 3
is "with a listener and ready = fd:9: two more" "$(grep -c '^fd\.' "$T/out/listener")" 5
like "fd 3 is the listener" "$(d listener fd.3)" "^socket:"
like "fd 9 is the pipe to be ready on" "$(d listener fd.9)" "^pipe:"
is "REEVE_PROGRAM" "$(d full env.REEVE_PROGRAM)" full
is "REEVE_SLOT" "$(d full env.REEVE_SLOT)" 0
is "SUPERVISOR_PROCESS_NAME" "$(d full env.SUPERVISOR_PROCESS_NAME)" full-00
ls "$T/log" >"$T/out/list"
has "process_name names the log" "$T/out/list" "full-00.stdout.log"

# A restart takes what env_file says by then, and no more than that.
printf 'QUOTED="c d"\n' >"$T/env"
rm "$T/out/full"
code 0 "restart" ctl restart full
awaits 5 "it is up again" '[ "$(d full env.QUOTED)" = "c d" ]'
is "a variable that is gone from the file is gone" "$(d full env.FROM_FILE)" ""

# redirect_stderr: one pipe
conf <<EOT
[program:one]
command = $CHILD dump $T/out/one print out print-err err print out2 sleep
redirect_stderr = true
startsecs = 200ms
EOT
code 0 "reload" ctl reload
awaits 5 "one.0 is up" 'is_state one.0 RUNNING'
is "redirect_stderr: one pipe for both" "$(d one fd.1)" "$(d one fd.2)"
awaits 5 "in order in one file" '[ "$(tr "\n" " " <"$T/log/one.0.stdout.log")" = "out err out2 " ]'
plan_done
