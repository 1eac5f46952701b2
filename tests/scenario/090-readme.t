#!/bin/sh
# What the README shows as a config is one.
. "$(dirname "$0")/lib.sh"

block() { # the indented lines of a section of the README, from the first [
	sed -n "/^## $1/,/^## /p" "$SRC/README.md" | sed -n '/^    \[/,/^[^ ]/p' |
	    sed -n 's/^    //p'
}
# What is only named for show is not there.
known() {
	sed "s|= /srv/[^ ]*|= $CHILD|; s|/usr/bin/postgres -D /srv/db|$CHILD|"
}
conf <<EOT
$(block "More of what it does" | known)
EOT
has "its config is there" "$CONF" "depends_on *= db, migrate:done"
code 0 "and is accepted" env PORT=8080 "$B/reeved" --check -c "$CONF"
sed -i 's/^memory_limit/memory_limits/' "$CONF"
code 2 "a key that is not there would not be" env PORT=8080 "$B/reeved" --check -c "$CONF"
is "every option of run that is shown is one" "$(grep -o 'reevectl run.*' "$SRC/README.md" |
    grep -oE ' --[a-z-]+' | sort -u | while read -r o; do "$B/reevectl" run --help | grep -q -- "$o" || echo "$o"; done)" ""
is "the list of verbs fits into 80 columns" "$("$B/reevectl" --help | awk 'length > 80')" ""
is "each way to call a verb has its line" "$("$B/reevectl" task --help | grep -c 'reevectl task \[options\]')" 11
plan_done
