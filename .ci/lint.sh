#!/bin/sh
# What a compiler does not check.  Run by "make lint"; B is the build folder.
#
# Rules: include private banned alloc size todo manual keeper shell.  A wanted
# exception in C is a comment on the line:  /* lint: RULE: reason */  (for
# size: on the line of the function's name, or of a file's first 40).  One
# that excuses nothing is an error.
set -eu

: "${B:=build/release}"
cd "$(dirname "$0")/.."
bad=0
say() {
	echo "$*"
	bad=1
}

# --- C -------------------------------------------------------------------------

cfiles=$(git ls-files -co --exclude-standard 'lib/*.[ch]' 'lib/*.def' \
    'cmd/*.[ch]' 'cmd/*.def' 'tests/*.[ch]' 'conf/*.[ch]' |
    while read -r f; do [ ! -e "$f" ] || echo "$f"; done)

# shellcheck disable=SC2086
perl - $cfiles <<'EOP' || bad=1
use strict;
use warnings;

# Who may include whom, by folder; a folder may always include itself.
my @low = qw(base loop ipc);
my %may = (
	base => [], loop => ["base"], ipc => ["base", "loop"],
	config => [@low, qw(watch reeve)], spawn => [@low],
	keeper => [@low, "spawn"],
	logs => [@low, "config", "spawn"],
	cluster => [@low, "config", "spawn"],
	queue => [qw(base loop)],
	watch => [qw(base loop)],
	state => [@low],
	tree => [@low, "config"],
	engine => [@low, qw(config spawn logs cluster queue pool watch
	    state tree)],
	tasks => [@low, qw(config spawn logs cluster)],
	pool => [@low, qw(config spawn logs cluster reeve)],
	ctl => [@low, qw(config spawn logs cluster queue engine tasks
	    pool state
	    tree)],
	"cmd/reeved" => [@low, qw(spawn keeper)],
	"cmd/reeve-engine" => [@low, qw(config spawn logs cluster engine ctl
	    tasks pool)],
	"cmd/reeve-pool" => [@low, qw(pool reeve cluster ctl)],
	"cmd/reevectl" => [@low, qw(config ctl engine reeve)],
);
my $bad = 0;
my (%excuse, %used);

sub found {
	my ($file, $line, $rule, $text) = @_;
	if ($excuse{"$file:$line:$rule"}) {
		$used{"$file:$line:$rule"} = 1;
		return;
	}
	print "$file:$line: $rule: $text\n";
	$bad = 1;
}

# Comments become blanks, strings become "", line numbers stay.
sub strip {
	my ($s) = @_;
	$s =~ s{(/\*.*?\*/)|(//[^\n]*)|("(?:\\.|[^"\\\n])*")|('(?:\\.|[^'\\\n])*')}{
		my $c = $1 // $2;
		if (defined $c) { $c =~ s/[^\n]//g; " $c" } else { defined $3 ? '""' : "' '" }
	}gse;
	return $s;
}

sub includes {
	my ($file, $n, $what) = @_;
	my ($me) = $file =~ m{^lib/([^/]+)/} ? $1 : $file =~ m{^(cmd/[^/]+)/} ? $1 : return;
	my ($from) = $what =~ m{^([^/]+)/};
	if (!defined $from) {
		my ($dir) = $file =~ m{^(.*)/};
		found($file, $n, "include", "\"$what\": folder/file, as from lib/")
		    if $me !~ m{^cmd/} || !-e "$dir/$what";
		return;
	}
	return if $from eq $me;
	found($file, $n, "include", "$me may not include $from")
	    unless grep { $_ eq $from } @{ $may{$me} // [] };
	found($file, $n, "private", "$what is of lib/$from alone")
	    if $what =~ /_priv\.h$/;
}

sub calls {
	my ($file, $n, $code) = @_;
	return if $file !~ m{^(lib|cmd)/};
	found($file, $n, "banned", $1)
	    if $code =~ /\b(strcpy|strcat|v?sprintf|gets|system|popen|u?sleep|nanosleep|strtok|tmpnam|mktemp)\s*\(/;
	found($file, $n, "banned", "$1 outside lib/base: use clock.h, log.h")
	    if $file !~ m{^lib/base/} && $code =~ /\b(time|gmtime|localtime|ctime|gettimeofday)\s*\(/;
	found($file, $n, "banned", "$1: the config looks names up")
	    if $file !~ m{^(lib/config|cmd/reevectl)/} && $code =~ /\b((?:get(?:pw|gr)(?:nam|uid|gid)|getgrouplist|initgroups)(?:_r)?)\s*\(/;
	found($file, $n, "alloc", "$1: use xalloc.h")
	    if $file !~ m{^lib/(base|loop|ipc|spawn|keeper)/|^cmd/reeved/} &&
	    # A library of other programs: it must not abort them.
	    $file !~ m{^lib/pool/client} &&
	    $code =~ /(?<![\w.>])(malloc|calloc|realloc|reallocarray|strdup|strndup)\s*\(/;
}

for my $file (@ARGV) {
	open my $fh, "<", $file or die "$file: $!";
	my $text = do { local $/; <$fh> };
	my @raw = split /\n/, $text, -1;
	my @code = split /\n/, strip($text), -1;
	my ($start, $name) = (0, 0);

	for my $i (0 .. $#raw) {
		my $n = $i + 1;
		while ($raw[$i] =~ m{/\* lint: (\w+): \S}g) {
			# A comment above may be long: what it excuses stands there.
			$excuse{"$file:$n:$1"} = 1;
		}
	}
	found($file, 1, "size", scalar(@raw) - 1 . " lines: more than 800")
	    if @raw - 1 > 800 && $file !~ m{^tests/unit/} && !grep {
		$excuse{"$file:$_:size"} && ($used{"$file:$_:size"} = 1)
	    } 1 .. 40;
	for my $i (0 .. $#code) {
		my ($n, $c) = ($i + 1, $code[$i]);
		includes($file, $n, $1) if $raw[$i] =~ /^\s*#\s*include\s+"([^"]+)"/;
		calls($file, $n, $c) if $c !~ /^\s*#\s*include/;
		$name = $n if $c =~ /^[A-Za-z_].*\(/;
		$start = $n if $c =~ /^\{/;
		if ($c =~ /^\}/ && $start) {
			my $len = $n - $start - 1;
			found($file, $name, "size", "a function of $len lines: more than 80")
			    if $len > 80 && $file !~ m{^tests/unit/};
			$start = 0;
		}
		# The words are put together so that this file may name them.
		my $word = "TO" . "DO|FIX" . "ME|XX" . "X";
		found($file, $n, "todo", $1) if $raw[$i] =~ /\b($word)\b/;
	}
}
for my $e (sort keys %excuse) {
	next if $used{$e};
	print "$e: this exception excuses nothing\n";
	$bad = 1;
}
exit $bad;
EOP

# --- the manual ------------------------------------------------------------------

# rows FILE PATTERN MANUAL: what PATTERN finds in FILE stands in MANUAL.
rows() {
	[ -e "$1" ] || return 0
	if [ ! -e "$3" ]; then
		say "$1: manual: $3 is not there"
		return 0
	fi
	# roff may write a minus as \-
	sed 's/\\-/-/g; s/\\&//g' "$3" >"$B/lint.man"
	sed -n "$2" "$1" | sort -u | while read -r word; do
		grep -Eq -e "(^|[^a-z_-])$word([^a-z_-]|\$)" "$B/lint.man" ||
		    echo "$1: manual: $word is not in $3"
	done >"$B/lint.out"
	if [ -s "$B/lint.out" ]; then
		cat "$B/lint.out"
		bad=1
	fi
}
mkdir -p "$B"
rows lib/config/schema.def 's/^[KR][A-Z]*([A-Z]*, \([a-z_]*\),.*/\1/p' "$B/man/reeve.conf.5"
rows lib/ctl/cmd.def 's/^CMD(\([a-z_]*\),.*/\1/p' "$B/man/reeve-protocol.7"
rows cmd/reevectl/verb.def 's/^VERB(\([a-z_]*\),.*/\1/p' "$B/man/reevectl.1"
rm -f "$B/lint.man" "$B/lint.out"
# What allow = read and operate grant is told in full.
for set in READ OPERATE; do
	want=$(sed -n "s/^CMD(\([a-z_]*\), $set,.*/\1/p" lib/ctl/cmd.def | sort | tr '\n' ' ')
	got=$(awk -v set="$(echo "$set" | tr '[:upper:]' '[:lower:]')" '
		$0 == ".Cm " set { on = 1; next }
		on { s = s " " $0 }
		on && /[;)]/ { exit }
		END { sub(/[;)].*/, "", s); gsub(/[(,]/, " ", s); print s }' \
	    man/reeve.conf.5.in | tr -s ' ' '\n' | grep . | sort | tr '\n' ' ')
	[ "$want" = "$got" ] || say "man/reeve.conf.5.in: manual: $set is $want"
done

# --- the keeper links libc and libev, and nothing else -----------------------------

if [ -e "$B/reeved" ] && command -v readelf >/dev/null; then
	for lib in $(readelf -d "$B/reeved" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		case $lib in
		libc.so.* | libev.so.* | ld-linux*) ;;
		libasan* | libubsan* | libtsan* | libgcov*) ;;
		*) say "$B/reeved: keeper: links $lib" ;;
		esac
	done
fi
n=$(cat lib/keeper/*.c lib/keeper/*.h 2>/dev/null | wc -l)
[ "$n" -le 3000 ] || say "lib/keeper: keeper: $n lines, far from the goal of 1,500"

# --- shell -------------------------------------------------------------------------

shfiles=$(git ls-files -co --exclude-standard '*.sh' '*.t' .ci/run |
    while read -r f; do [ ! -e "$f" ] || echo "$f"; done)
if command -v shellcheck >/dev/null; then
	# Words are split on purpose in lists; code is eval'ed by await; what
	# lib.sh sets is used elsewhere; ls and ps are read on purpose.
	# shellcheck disable=SC2086
	shellcheck -e SC1091,SC2016,SC2034,SC2154,SC2317,SC2329,SC2086,SC2046,SC2009,SC2010,SC2012,SC3045 \
	    $shfiles || bad=1
else
	echo "# shellcheck is not here: shell files are not checked"
fi
for f in tests/scenario/*.t; do
	[ -x "$f" ] || say "$f: shell: not executable"
	! grep -nE '^[^#]*\b(killall|pkill)\b' "$f" || say "$f: shell: kill by pid only"
done

if git grep -nE 'TO''DO|FIX''ME' -- '*.sh' '*.t' '*.md' '*.in' '*.conf' Makefile .ci; then
	say "todo: finish it, or file an issue"
fi
[ "$bad" = 0 ] && echo "lint: nothing to say"
exit "$bad"
