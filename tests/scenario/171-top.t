#!/bin/sh
# What slots take of the machine: top, on a terminal and for programs.
. "$(dirname "$0")/lib.sh"
need tmux

cat >"$T/tree.sh" <<EOT
sh -c 'while :; do :; done' &
echo \$! >$T/out/burner
exec $CHILD sleep
EOT
conf <<EOT
[program:idle]
command = $CHILD sleep
workers = 2
[program:tree]
command = sh $T/tree.sh
[program:down]
command = $CHILD sleep
autostart = false
EOT
start_reeved
await 10 '[ -s "$T/out/burner" ]'
field() { # NAME FIELD
	ctl --json top "$1" | tr '{' '\n' | sed -n "s/.*\"$2\":\([^,}]*\).*/\1/p"
}
# It uses all it gets: some of a CPU, however busy the machine is.
ok "the CPU time of a child's child is its slot's" \
    awk -v cpu="$(field tree cpu_percent)" 'BEGIN { exit !(cpu >= 1) }'
rss=$(awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$(cat "$T/out/burner")/status")
ok "so is its memory" [ "$(field tree memory_bytes)" -gt "$rss" ]
is "nothing of what is down" "$(field down cpu_percent)$(field down memory_bytes)$(field down pid)" nullnullnull
is "who takes most is first" "$(ctl top | head -n 1 | cut -d ' ' -f 1)" tree.0
code 3 "a name that is not there" ctl top nobody

# On a terminal.
screen() { tmux -S "$T/tmux" capture-pane -p -t top 2>/dev/null; }
tmux -S "$T/tmux" -f /dev/null new-session -d -s top -x 80 -y 12 \
    "$B/reevectl -c $CONF top; echo left \$? >$T/out/left; exec sh"
started "$(tmux -S "$T/tmux" display-message -p '#{pid}')"
awaits 20 "the table, with CPU time" 'screen | grep -Eq "^tree.0 .* [1-9][0-9]*[.][0-9] +[0-9.]+ MiB"'
like "its head" "$(screen | sed -n 2p)" "^NAME +STATE +PID +CPU% +MEMORY +UPTIME +RESTARTS"
awaits 10 "the one that burns is first" 'screen | sed -n 3p | grep -q "^tree.0"'
tmux -S "$T/tmux" send-keys -t top n
awaits 10 "by name, as status has it" 'screen | sed -n 3p | grep -q "^down.0\|^idle.0"'
tmux -S "$T/tmux" resize-window -t top -x 40 -y 12
awaits 10 "a narrow one loses columns, not lines" 'screen | sed -n 2p | grep -q "MEMORY$"'
is "no line is too long for it" "$(screen | awk 'length > 40')" ""
tmux -S "$T/tmux" send-keys -t top q
awaits 10 "q ends it" 'grep -q "left 0" "$T/out/left"'
tmux -S "$T/tmux" kill-server
plan_done
