#!/bin/sh
# What a person has on a terminal: keys and signals reach a command, with and
# without a terminal of its own; editors work; pictures and tables fit.
. "$(dirname "$0")/lib.sh"
need tmux script

conf <<EOT
cpu_slots = 16
[program:idle]
command = $CHILD sleep
[task:first]
shell = echo from first; until [ -e $T/out/go ]; do sleep 0.02; done; printf 'no end of line'
[task:second-with-quite-a-long-name]
shell = exit 3
depends_on = first
[task:m1]
command = true
depends_on = first
[task:m2]
command = true
depends_on = first
[task:m3]
command = true
depends_on = first
[task:all-of-them]
command = /bin/true with words that are more than a narrow terminal has columns
depends_on = second-with-quite-a-long-name, m1, m2, m3
schedule = 0 0 1 1 *
EOT
start_reeved

export LC_ALL=C.UTF-8
term() { tmux -S "$T/run/tmux" -f /dev/null "$@" 2>/dev/null; }
screen() { term capture-pane -p; }
seen() { screen | grep -Eq "$1"; }
keys() { term send-keys "$@"; }
# Its output is on the screen, its exit code in $T/out/code.
typed() {
	rm -f "$T/out/code" "$T/out/up" "$T/out/got"
	keys "clear; $*; echo \$? >$T/out/code" Enter
}
code_is() { [ "$(cat "$T/out/code" 2>/dev/null)" = "$1" ]; }
got() { grep -qx "$1" "$T/out/got"; }
R="$B/reevectl -c $CONF"

cat >"$T/catch" <<EOT
#!/bin/sh
# Tells which signals have come, as does a child of it.
for s in INT QUIT TERM; do trap "echo \$1\$s >>$T/out/got" \$s; done
[ -n "\$1" ] || env --default-signal=INT,QUIT sh $T/catch child- &
echo >>$T/out/up
while [ ! -e $T/out/enough ]; do sleep 0.05; done
EOT
term new-session -d -x 90 -y 24 "env PS1='$ ' ENV= sh"
started "$(term display -p '#{pid}')"
awaits 10 "a terminal" 'seen "^\\$"'
term_before() { keys "stty -g >$T/out/stty" Enter; await 10 '[ -s "$T/out/stty" ]'; cat "$T/out/stty"; rm "$T/out/stty"; }
before=$(term_before)

for pty in "" --pty; do
	rm -f "$T/out/enough"
	typed "$R run $pty -- sh $T/catch ''"
	awaits 10 "run $pty: it runs" '[ "$(wc -l <"$T/out/up")" = 2 ]'
	keys C-c
	awaits 10 "... ^C reaches it" 'got INT'
	awaits 10 "... and what it started" 'got child-INT'
	keys "C-\\"
	awaits 10 "... so does ^\\" 'got QUIT && got child-QUIT'
	kill -TERM "$(pgrep -f "^$R run .*catch")"
	awaits 10 "... so does SIGTERM of the client" 'got TERM && got child-TERM'
	: >"$T/out/enough"
	awaits 10 "... and its exit code is there" 'code_is 0'
	for key in C-c:130 "C-\\:131"; do
		typed "$R run $pty -- sh -c ': >$T/out/up; exec sleep 1000'"
		awaits 10 "... one that waits" '[ -e "$T/out/up" ]'
		keys "${key%:*}"
		awaits 10 "... dies of the key: ${key#*:}" 'code_is "${key#*:}"'
	done
	is "... the terminal is as it was" "$(term_before)" "$before"
done
# ^Z: our shell has the terminal, and the command does not go on without us.
typed "$R run -- sh -c 'echo \$\$ >$T/out/up; until [ -e $T/out/end ]; do sleep 0.05; done; exit 4'"
awaits 10 "one that is stopped" '[ -s "$T/out/up" ]'
stopped=$(cat "$T/out/up")
keys C-z
awaits 10 "... by ^Z, with us" 'seen Stopped && [ "$(proc_state "$stopped")" = T ]'
: >"$T/out/end"
keys "fg; echo \$? >$T/out/code" Enter
awaits 10 "... goes on with us" 'code_is 4'
rm "$T/out/end"

typed "$R run --pty -- sh -c ': >$T/out/up; exec sleep 1000'"
awaits 10 "one with a terminal" '[ -e "$T/out/up" ]'
kill -TERM "$(pgrep -f "^$R run --pty")"
awaits 10 "SIGTERM of the client ends it" 'code_is 143'
is "... the terminal is as it was" "$(term_before)" "$before"

# The size, also when it changes.
typed "$R run --pty -- sh -c 'trap \"stty size >$T/out/got\" WINCH; stty size >$T/out/got; until [ -e $T/out/end ]; do sleep 0.05; done'"
awaits 10 "the size of our terminal" 'got "24 90"'
term resize-window -x 70 -y 20
awaits 10 "... and its next one" 'got "20 70"'
: >"$T/out/end"
awaits 10 "... it ends" 'code_is 0'

typed "echo | $R run --pty -- sh -c 'stty size >$T/out/got'"
awaits 10 "... where stdin is a pipe, too" 'code_is 0 && got "20 70"'

# What draws the whole screen.
vi=$(command -v vim.tiny || command -v vim)
if [ -n "$vi" ]; then
	typed "$R run --pty -- $vi -u NONE -n $T/out/text"
	awaits 10 "an editor" 'seen "^~"'
	keys ihello Enter world Escape
	awaits 10 "... shows what is typed" 'seen "^world"'
	term resize-window -x 50 -y 12
	awaits 10 "... draws itself anew" '[ "$(screen | grep -c "^~")" -le 9 ]'
	keys :wq Enter
	awaits 10 "... ends" 'code_is 0'
	is "... and has written" "$(cat "$T/out/text")" "hello
world"
else
	skip "an editor" "no vim is here"
fi
typed "$R run --pty -- top -d 1"
awaits 10 "top" 'seen "^ *PID +USER"'
keys q
awaits 10 "... ends" 'code_is 0'

# Input that is no terminal.
run() { ctl run --pty -- "$@"; }
printf 'ab' | run sh -c "cat >$T/out/got" >/dev/null
is "input without an end of line ends, too" "$? $(cat "$T/out/got")" "0 ab"
seq 100000 >"$T/in"
run sh -c "stty raw -echo; head -c $(wc -c <"$T/in") >$T/out/got" <"$T/in" >/dev/null
ok "more than a terminal takes: nothing is lost" cmp "$T/in" "$T/out/got"
run yes | head -n 1 >"$T/out/yes"
is "what nobody reads ends" "$(tr -d '\r' <"$T/out/yes")" y
rm -f "$T/out/up" "$T/out/end"
"$B/reevectl" -c "$CONF" run --pty -- sh -c "exec </dev/null >/dev/null 2>&1; : >$T/out/up
    until [ -e $T/out/end ]; do sleep 0.05; done; echo yes >/dev/tty" >"$T/out/closed" </dev/null &
closed=$!
started $closed
awaits 10 "one that has closed its streams" '[ -e "$T/out/up" ]'
ok "... goes on" steady 1 "alive $closed"
: >"$T/out/end"
wait $closed
is "... and has its terminal" "$? $(tr -d '\r' <"$T/out/closed")" "0 yes"

# The graph of a task, where it has little room.
term resize-window -x 40 -y 7
typed "$R task run all-of-them"
awaits 10 "a picture" 'seen "^first +running"'
awaits 10 "... whose lines are cut" 'seen "^second-with-quite-…  waits"'
screen >"$T/out/screen"
is "... of no more lines than fit" "$(grep -c 'running\|waits' "$T/out/screen")" 4
has "... it says how many are left" "$T/out/screen" "^2 more: 2 wait$"
: >"$T/out/go"
awaits 10 "... it ends with the code of what failed" 'code_is 3'
term resize-window -x 40 -y 24
typed "$R task run all-of-them"
awaits 10 "where there is room" 'code_is 3'
screen >"$T/out/screen"
is "... the last picture has each task once" "$(grep -c '  ok, \|  failed\|  skipped' "$T/out/screen")" 6
has "... below what was printed" "$T/out/screen" "^no end of line$"
typed "$R task run all-of-them | cat"
awaits 10 "through a pipe" 'code_is 0'
screen >"$T/out/screen"
has "... a line for each change" "$T/out/screen" "^reevectl: m2: ok, "
unlike "... and no picture" "$(cat "$T/out/screen")" "^m2  "

for what in "list -a" show; do
	typed "$R task $what"
	awaits 10 "task $what" 'code_is 0'
	# A line that is too long goes on in the next one, at its start.
	screen | sed -n '2,/^\$/p' >"$T/out/screen"
	is "... has a line a task" "$(grep -Evc '^ *[0-9]+  |^(first|second|m[123]|all-of-them)|^NAME|^ *ID|^$|^\$' "$T/out/screen")" 0
done
keys exit Enter
await 10 '! term has-session'
rm -f "$T/run/tmux"
plan_done
