#!/bin/sh
# The kind command with a program as it is: ImageMagick makes thumbnails of a
# folder, by name and through pipes; ffmpeg, where there is one, sound.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/scenario/lib-jobs.sh"

# Debian's names for it: what is first on PATH may be something else.
for convert in /usr/bin/magick /usr/bin/convert-im6.q16 /usr/bin/convert ''; do
	[ -z "$convert" ] || ! "$convert" -version 2>/dev/null | grep -q ImageMagick || break
done
[ -n "$convert" ] || skip_all "no ImageMagick"

cat >"$T/pool.ini" <<EOT
[pool]
threads = 2
EOT
start_pool "startsecs = 100ms"
size() { # FILE...: format, width and height, as the program itself sees them
	"$convert" "$@" -format '%m %wx%h\n' info: | sort | uniq -c | tr -s ' '
}
mkdir "$T/out/in" "$T/out/thumbs" "$T/out/piped"
for i in 1 2 3 4 5 6; do
	"$convert" -size 320x240 "gradient:#${i}00-#0$i$i" "$T/out/in/$i.png"
done

thumbs() { # ARG...: a square of 64
	job map command --out "$T/out/thumbs" --suffix .jpg --arg "program=$convert" \
	    --arg 'arg1={input}' --arg arg2=-thumbnail --arg 'arg3=64x64^' \
	    --arg arg4=-gravity --arg arg5=center --arg arg6=-extent --arg arg7=64x64 \
	    --arg 'arg8={output}' "$@"
}
code 0 "thumbnails of a folder" thumbs "$T"/out/in/*.png
is "all of them, in the format that the suffix names" "$(size "$T"/out/thumbs/*.jpg)" " 6 JPEG 64x64"
code 0 "through pipes" job map command --out "$T/out/piped" --suffix .gif \
    --arg "program=$convert" --arg arg1=png:- --arg arg2=-resize --arg arg3=50% --arg arg4=gif:- \
    "$T"/out/in/*.png
is "... all of them" "$(size "$T"/out/piped/*.gif)" " 6 GIF 160x120"

# Among good ones one that is no picture, and one that is half of one.
rm "$T"/out/thumbs/*
echo "no picture" >"$T/out/in/text.png"
head -c 150 "$T/out/in/1.png" >"$T/out/in/half.png"
code 1 "one that is no picture" thumbs "$T"/out/in/*.png
has "... its own words are the reason" "$T/out/ok" "text.png: .*exited with 1: [a-z].*image"
is "... stops no other" "$(find "$T/out/thumbs" -name '[1-6].png.jpg' | wc -l)" 6
is "... and leaves nothing" "$(find "$T/out/thumbs" -name '*text*' -o -name '.partial*')" ""

# One that takes for ever is ended, and nobody else.
"$convert" -size 3000x3000 plasma:red-blue "$T/out/in/big.miff" 2>/dev/null
code 1 "one that takes too long" job run command --timeout 0.3 --arg "program=$convert" \
    --arg arg1=miff:- --arg arg2=-blur --arg arg3=0x400 --arg arg4=png:- -i "$T/out/in/big.miff" -o "$T/out/big.png"
ok "... leaves nothing" [ ! -e "$T/out/big.png" ]
awaits 5 "... and no process" '! pgrep -f "blur 0x400" >/dev/null'
same_pool
code 0 "the next one goes on" thumbs "$T/out/in/1.png"

if command -v ffmpeg >/dev/null; then
	ffmpeg -loglevel error -f lavfi -i sine=duration=1 "$T/out/in/a.wav" </dev/null
	code 0 "ffmpeg" job map command --out "$T/out" --suffix .ogg --arg program=ffmpeg --arg arg1=-y \
	    --arg arg2=-loglevel --arg arg3=error --arg arg4=-i --arg 'arg5={input}' --arg 'arg6={output}' "$T/out/in/a.wav"
	is "... made what the suffix names" "$(head -c 4 "$T/out/a.ogg")" OggS
else
	skip "ffmpeg" "none here"
fi
plan_done
