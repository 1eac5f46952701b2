#!/bin/sh
# What a person sees of CPU jobs: map with one that fails, a bar on a terminal
# and plain lines elsewhere, keys, pictures, shared memory from C; that a pool
# with nothing to do does nothing, and asks for no memory for an empty job.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"
need tmux python3 sha256sum

plugin rogue
cat >"$T/pool.ini" <<EOT
[pool]
threads = 2
[job:rogue]
plugin = $T/rogue.so
EOT
THUMB=$B/examples/jobs/thumb.so
if [ -e "$THUMB" ]; then
	cp "$THUMB" "$T/thumb.so"
	printf '[job:thumb]\nplugin = %s\n' "$T/thumb.so" >>"$T/pool.ini"
fi
start_pool "startsecs = 100ms
$(if [ "$VARIANT" = release ]; then
	head -c 8 /dev/zero >"$T/out/count"
	echo "environment = LD_PRELOAD=$B/plugins/alloc_count.so,ALLOC_COUNT=$T/out/count"
fi)"

# --- lines ---------------------------------------------------------------------

mkdir "$T/out/d" "$T/out/enc" "$T/out/dec"
for i in 1 2 3 4 5 6; do head -c "$((i * 10000))" /dev/urandom >"$T/out/d/$i"; done
job map digest "$T"/out/d/* >"$T/out/sums" 2>"$T/out/err"
is "lines as sha256sum prints them" "$(cat "$T/out/sums")" "$(sha256sum "$T"/out/d/*)"
is "and not a byte beside them" "$(cat "$T/out/err")" ""
code 0 "sha256sum -c reads them" sha256sum -c --quiet "$T/out/sums"
job run digest -i "$T/out/d/1" --arg algorithm=sha512 >"$T/out/sum512"
code 0 "sha512sum -c, too" sha512sum -c --quiet "$T/out/sum512"
is "it notices a change" "$(echo x >>"$T/out/d/1"
sha512sum -c "$T/out/sum512" 2>/dev/null)" "$T/out/d/1: FAILED"
chmod 0 "$T/out/d/4"
mv "$T/out/d/3" "$T/out/d/was3"
job map digest "$T/out/d/1" "$T/out/d/2" "$T/out/d/3" "$T/out/d/5" "$T/out/d/6" \
    >"$T/out/sums" 2>"$T/out/err"
is "one that is not there: 1" "$?" 1
is "the rest is done, in order" "$(cat "$T/out/sums")" \
    "$(cd / && sha256sum "$T/out/d/1" "$T/out/d/2" "$T/out/d/5" "$T/out/d/6")"
is "and a list at the end" "$(cat "$T/out/err")" "reevectl: 1 of 5 failed:
  $T/out/d/3: No such file or directory"

odd=$(printf '%s/out/odd\377' "$T")
echo odd >"$odd"
is "a name that is no text is one in JSON" "$(job map digest --json "$odd" |
    python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["ok"], r["input"][-4:])')" "True odd$(printf '\357\277\275')"

# --- outputs ---------------------------------------------------------------------

job map copy --out "$T/out/dec" "$T/out/d/2" "$T/out/d/5" >"$T/out/said" 2>&1
is "what has no answer is told by the name of its output" "$(cat "$T/out/said")" \
    "$T/out/dec/2
$T/out/dec/5"
rm "$T"/out/dec/*
long=$(printf 'x%.0s' $(seq 240))
for i in 1 2; do echo "$i" >"$T/out/d/$i$long"; done
code 0 "names that are as long as they may be" job map compress --out "$T/out/dec" "$T"/out/d/?x*
is "... stay that long" "$(find "$T/out/dec" -name "?$long.zst" | wc -l)" 2
rm "$T"/out/dec/* "$T"/out/d/?x*
job map copy --out "$T/out/none" "$T/out/d/2" "$T/out/d/5" >"$T/out/said" 2>&1
is "a folder that is not there: an error" "$?" 1
is "... once" "$(cat "$T/out/said")" "reevectl: $T/out/none: No such file or directory"
echo old >"$T/out/real"
chmod 640 "$T/out/real"
ln -s real "$T/out/link"
code 0 "an output over a file, by a link" job run copy -i "$T/out/d/2" -o "$T/out/link"
is "the link stays, and the mode" "$(readlink "$T/out/link") $(stat -c %a "$T/out/real")" "real 640"
is "the bytes are in the file" "$(cksum <"$T/out/real")" "$(cksum <"$T/out/d/2")"
ln -s nothing "$T/out/astray"
code 1 "a link to nothing is none" job run copy -i "$T/out/d/2" -o "$T/out/astray"
code 0 "input and output may be one file" job run copy -i "$T/out/real" -o "$T/out/real"
is "... which is whole" "$(cksum <"$T/out/real")" "$(cksum <"$T/out/d/2")"
mkfifo "$T/out/pipe"
timeout $((30 * TEST_SLOW)) cat "$T/out/pipe" >"$T/out/piped" &
piped=$!
code 0 "a pipe is written to" job run copy -i "$T/out/d/2" -o "$T/out/pipe"
wait $piped
is "... and stays one" "$(stat -c %F "$T/out/pipe") $(cksum <"$T/out/piped")" "fifo $(cksum <"$T/out/d/2")"
# Nobody writes to it yet: the others do not wait for that.
job map digest "$T/out/pipe" "$T/out/d/2" "$T/out/d/5" --json >"$T/out/said" &
map=$!
started $map
awaits 20 "a pipe that nobody writes to delays no other" \
    '[ "$(job list --json | grep -c running)" = 1 ] &&
    [ "$(job stats --json | tr -d " \n" | grep -o "\"queued\":0" | wc -l)" = 1 ]'
timeout $((30 * TEST_SLOW)) cp "$T/out/d/2" "$T/out/pipe"
wait $map
is "... and is read when somebody does" "$? $(grep -c '"ok": *true' "$T/out/said")" "0 3"

# stdin and stdout are where others of the line have left them.
printf 'one\ntwo\nthree\n' >"$T/out/lines"
(
	read -r first
	job run copy
	echo "after $first"
) <"$T/out/lines" >"$T/out/said"
is "stdin is read from where it is" "$(cat "$T/out/said")" "two
three
after one"
(
	echo head
	job run copy -i "$T/out/lines"
	job run digest -i "$T/out/lines"
	echo tail
) >"$T/out/said"
is "stdout is written where it is, and left behind that" "$(cat "$T/out/said")" "head
$(cat "$T/out/lines")
$(sha256sum "$T/out/lines")
tail"
(
	job run copy
	echo "and $(wc -c)"
) <"$T/out/lines" >>"$T/out/said"
is "... appended, too; nothing is left of stdin" "$(tail -n 5 "$T/out/said")" "tail
$(cat "$T/out/lines")
and 0"

cp "$T/out/lines" "$T/out/twice"
# shellcheck disable=SC2094 # that is what is tried
job run copy -i "$T/out/twice" >>"$T/out/twice"
is "a file that is appended to itself is so once" "$? $(cat "$T/out/twice")" \
    "0 $(cat "$T/out/lines" "$T/out/lines")"

# Whoever stops listening, or whose terminal goes, leaves no half output.
mkdir "$T/out/many" "$T/out/halves"
for i in $(seq 1 24); do echo "$i" >"$T/out/many/$i"; done
job map rogue --out "$T/out/halves" --arg do=sleep --arg ms=30 "$T"/out/many/* | head -1 >"$T/out/said"
is "the reader of the lines goes" "$(cat "$T/out/said")" "slept  $T/out/many/1"
is "... and nothing half is left" "$(find "$T/out/halves" -name '.partial*')" ""
"$B/reevectl" -c "$CONF" job map rogue --out "$T/out/halves" --arg do=wait "$T"/out/many/* >"$T/out/said" 2>&1 &
map=$!
started $map
await 20 '[ "$(stat_of "" busy)" = 2 ]'
kill -HUP $map
wait $map
is "it is hung up" "$?" 129
is "... and nothing half is left" "$(find "$T/out/halves" -name '.partial*')" ""

# --- keys ------------------------------------------------------------------------

head -c 32 /dev/urandom >"$T/out/key"
for mode in 644 640 604; do
	chmod $mode "$T/out/key"
	said=$(job run encrypt -i "$T/out/d/1" -o "$T/out/enc/1" --arg "key_file=$T/out/key" 2>&1)
	like "a key of mode $mode is refused" "$said" "key: .*(mode|other|group|read)"
done
is "and nothing was written" "$(ls -A "$T/out/enc")" ""
chmod 600 "$T/out/key"
code 0 "one of mode 600 is taken" job map encrypt --out "$T/out/enc" \
    --arg "key_file=$T/out/key" "$T/out/d/1" "$T/out/d/2"
code 0 "what it made is read" job map decrypt --out "$T/out/dec" \
    --arg "key_file=$T/out/key" "$T/out/enc/1.enc" "$T/out/enc/2.enc"
is "and is the same" "$(cat "$T/out/dec/1" "$T/out/dec/2" | cksum)" \
    "$(cat "$T/out/d/1" "$T/out/d/2" | cksum)"
printf '\001' | dd of="$T/out/enc/2.enc" bs=1 seek=5000 conv=notrunc 2>/dev/null
code 1 "a changed byte is noticed" job map decrypt --out "$T/out/dec" \
    --arg "key_file=$T/out/key" "$T/out/enc/2.enc"

# --- memory ------------------------------------------------------------------------

is "one memory and many jobs, from C" \
    "$(timeout $((60 * TEST_SLOW)) "$B/helpers/pool_share" "$REEVE_POOL" | grep -v '^#')" \
    "under way: 64
well: 64
each in its place: 1
sealed while it is written: 0
as it was: 1
read when sealed: 1
written when sealed: 0
still there: 1
made writable: 0"

# The program of the manual, from what is installed.
if [ "$VARIANT" = release ] && command -v cc >/dev/null; then
	sed -n '/^#include <fcntl.h>/,/^\.Ed/p' "$SRC/man/reeve-job.3" |
	    sed '$d; s/\\e/\\/g' >"$T/sum.c"
	printf '#include <reeve/pool.h>\n#include <reeve/job.h>\n' >"$T/alone.c"
	code 0 "the headers stand alone" cc -std=c99 -pedantic -Wall -Wextra -Werror \
	    -I"$SRC/lib" -fsyntax-only "$T/alone.c"
	if cc -x c++ -fsyntax-only /dev/null 2>/dev/null; then
		code 0 "... in C++, too" cc -x c++ -pedantic -Wall -Wextra -Werror \
		    -I"$SRC/lib" -fsyntax-only "$T/alone.c"
	fi
	code 0 "the manual's client is built" cc -std=c99 -pedantic -Wall -Wextra -Werror \
	    -I"$SRC/lib" -o "$T/sum" "$T/sum.c" "$B/libreeve-pool.a"
	is "... and works" "$("$T/sum" "$T/out/key" 2>&1)" "$(sha256sum "$T/out/key")"
else
	skip "the headers stand alone" "no compiler, or it would need a sanitizer's flags"
fi

# --- pictures ------------------------------------------------------------------------

cat >"$T/picture.py" <<'EOT'
"""picture.py write FILE WIDTH HEIGHT | size FILE... | greys PGM: a grey JPEG of
flat blocks, dark on the left and light on the right; what a decoder made of it."""
import struct, sys

def segment(mark, data):
    return struct.pack(">BBH", 0xff, mark, len(data) + 2) + data

def write(name, width, height):
    bits, last = [], 0
    for y in range((height + 7) // 8):
        for x in range((width + 7) // 8):
            grey = (x * 13 + y * 7) % 40 + (-100 if x * 16 < width else 60)
            diff, last = grey - last, grey
            n = abs(diff).bit_length()
            bits.append(f"{n:04b}")
            if n:
                bits.append(f"{diff if diff > 0 else diff + (1 << n) - 1:0{n}b}")
            bits.append("0")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    with open(name, "wb") as f:
        f.write(b"\xff\xd8" + segment(0xdb, b"\0" + b"\x08" * 64)
            + segment(0xc0, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
            + segment(0xc4, b"\0" + bytes([0, 0, 0, 12] + [0] * 12 + list(range(12))))
            + segment(0xc4, b"\x10" + bytes([1] + [0] * 15 + [0]))
            + segment(0xda, bytes([1, 1, 0, 0, 63, 0])) + data + b"\xff\xd9")

def size(name):
    data, at = open(name, "rb").read(), 2
    while data[at + 1] not in (0xc0, 0xc1, 0xc2):
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    height, width = struct.unpack_from(">HH", data, at + 5)
    return f"{width}x{height}"

def greys(name):
    """Of each quarter, from left to right."""
    head, size, most, data = open(name, "rb").read().split(b"\n", 3)
    assert (head, most) == (b"P5", b"255")
    width, height = map(int, size.split())
    assert len(data) == width * height
    sums = [0] * 4
    for i, grey in enumerate(data):
        sums[i % width * 4 // width] += grey
    means = [s * 4 / len(data) for s in sums]
    return " ".join("dark" if m < 90 else "light" if m > 170 else "grey" for m in means)

if sys.argv[1] == "greys":
    print(*map(greys, sys.argv[2:]))
elif sys.argv[1] == "write":
    write(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    print(*map(size, sys.argv[2:]))
EOT
picture() { python3 "$T/picture.py" "$@" 2>&1; }
if [ -e "$THUMB" ]; then
	mkdir "$T/out/pic" "$T/out/small"
	picture write "$T/out/pic/a.jpg" 1600 1200
	picture write "$T/out/pic/b.jpg" 300 900
	head -c 3000 "$T/out/pic/a.jpg" >"$T/out/pic/half.jpg"
	job map thumb --out "$T/out/small" --arg width=160 --arg height=160 "$T"/out/pic/* \
	    >"$T/out/said" 2>&1
	is "pictures are made smaller; half of one is an error" "$?" 1
	is "they have the size that was asked for" \
	    "$(picture size "$T/out/small/a.jpg" "$T/out/small/b.jpg")" "160x120 54x160"
	if command -v djpeg >/dev/null; then
		for i in a b; do djpeg -pnm -outfile "$T/out/small/$i.pgm" "$T/out/small/$i.jpg"; done
		is "another decoder sees what is in them" \
		    "$(picture greys "$T/out/small/a.pgm" "$T/out/small/b.pgm")" "dark dark light light dark dark light light"
		rm "$T"/out/small/*.pgm
	else
		skip "another decoder sees what is in them" "no djpeg"
	fi
	is "and there is no half one" "$(ls -A "$T/out/small")" "a.jpg
b.jpg"
	has "whose name is told" "$T/out/said" "half.jpg: .*(Premature|end)"
else
	skip "pictures are made smaller" "built without libjpeg"
fi

# --- a terminal -------------------------------------------------------------------------

export LC_ALL=C.UTF-8
term() { tmux -S "$T/run/tmux" -f /dev/null "$@" 2>/dev/null; }
seen() { term capture-pane -p | grep -Eq "$1"; }
mkdir "$T/out/t"
for i in $(seq 1 24); do head -c 100000 /dev/zero >"$T/out/t/$i"; done
cat >"$T/out/session" <<EOT
$B/reevectl -c $CONF job map rogue --arg do=sleep --arg ms=250 $T/out/t/* $T/out/none
echo "code \$?"
$B/reevectl -c $CONF job run rogue --arg do=sleep --arg ms=900 -i $T/out/t/1
echo over
while [ ! -e $T/out/narrow ]; do sleep 0.05; done
$B/reevectl -c $CONF job map rogue --arg do=sleep --arg ms=250 $T/out/t/*
$B/reevectl -c $CONF job map rogue --arg do=sleep --arg ms=1500 $T/out/t/1
echo narrow over
while [ ! -e $T/out/leave ]; do sleep 0.05; done
EOT
term new-session -d -x 100 -y 30 "sh $T/out/session"
started "$(term display -p '#{pid}')"
await 20 "seen '^\[#+ +\] [0-9]+/25  .* left  .*B/s'"
term capture-pane -p >"$T/out/screen"
has "a bar, the rate, the time that is left" "$T/out/screen" \
    "^\[#+ +\] [0-9]+/25  1 failed  .* left  .*B/s"
await 20 "seen '^rogue [1-9][0-9]*% sleeping'"
term capture-pane -p >"$T/out/screen"
has "one job says how far it is" "$T/out/screen" "^rogue [1-9][0-9]*% sleeping"
await 20 "seen '^over'"
term capture-pane -p >"$T/out/screen"
has "the list comes after the bar" "$T/out/screen" "^reevectl: 1 of 25 failed:"
has "with the code" "$T/out/screen" "^code 1"
unlike "nothing of the bar is left" "$(cat "$T/out/screen")" "[[]#|%"
term resize-window -x 40 -y 30
: >"$T/out/narrow"
await 20 "seen '^\[#+ +\] [1-9][0-9]*/24  .* left'"
term capture-pane -p >"$T/out/screen"
is "a narrow terminal has one line of it, too" "$(grep -c '^\[#' "$T/out/screen")" 1
has "... with what there is room for" "$T/out/screen" "^\[#+ +\] [1-9][0-9]*/24  .* left"
await 20 "seen '^\[#+ +\] 0/1'"
term capture-pane -p >"$T/out/screen"
has "a single file has a bar, too" "$T/out/screen" "^\[#+ +\] 0/1"
await 20 "seen '^narrow over'"
term capture-pane -p >"$T/out/screen"
unlike "nothing of the bar is left" "$(cat "$T/out/screen")" "[[]#|/s"
: >"$T/out/leave"
await 10 "! term has-session"
rm -f "$T/run/tmux"
job map rogue --arg do=sleep --arg ms=5 "$T"/out/t/? >"$T/out/plain" 2>&1
is "plain lines elsewhere" "$(LC_ALL=C grep -c '[^ -~]\|#\|/s' "$T/out/plain")" 0

# --- memory that is asked for --------------------------------------------------------------

if [ "$VARIANT" = release ]; then
	cat >"$T/empty.py" <<-'EOT'
		import os, struct
		from pool_peer import Peer
		def count():
		    return struct.unpack("=Q", open(os.environ["OUT"] + "/count", "rb").read())[0]
		p = Peer(os.environ["REEVE_POOL"])
		def empty(n):
		    for _ in range(n // 64):
		        for number in [p.submit("noop") for _ in range(64)]:
		            p.result(number)
		# A buffer may still grow once, when more comes at a time than before.
		asked = []
		while 0 not in asked and len(asked) < 5:
		    empty(6400)
		    before = count()
		    empty(6400)
		    asked.append(count() - before)
		print(before > 0, 0 in asked or asked)
	EOT
	is "6,400 empty jobs, 64 at a time, ask for no memory" "$(peer "$T/empty.py")" "True True"
else
	skip "empty jobs ask for no memory" "a sanitizer has its own malloc"
fi

# --- nothing to do --------------------------------------------------------------------------

switches() { cat "/proc/$pool"/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'; }
is "it was one pool" "$(pid_of pool)" "$pool"
job stats >/dev/null
steady 1 true
before=$(switches)
steady 3 true
if [ "$VARIANT" = tsan ]; then
	skip "an idle pool does not wake up" "the sanitizer has a thread that does"
else
	is "an idle pool does not wake up" "$(($(switches) - before))" 0
fi
plan_done
