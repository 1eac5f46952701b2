#!/bin/sh
# A machine of its own, with cgroups of version 2 and all their controllers
# (here they may belong to version 1): the scenarios that need them, then
# reeved as its first process.  Debian's kernel, our programs, no disk.
. "$(dirname "$0")/lib.sh"
[ "$TEST_LONG" = 1 ] ||
    skip_all "boots a machine, two minutes: make check-vm"
for tool in qemu-system-x86_64 cpio; do
	command -v $tool >/dev/null || skip_all "$tool is not here: make deps-vm"
done
kernel=$(find /boot -name 'vmlinuz-*' -readable 2>/dev/null | sort -V | tail -n 1)
[ -n "$kernel" ] || skip_all "no kernel is in /boot: make deps-vm"
[ "$(uname -m)" = x86_64 ] || skip_all "the machine is an x86_64"

TESTS="006-stop-tree 027-pid1 036-cgroup-again 055-memory-limit 058-limits 059-oom 131-limits-hold"
R=$T/root
mkdir -p "$R/usr/bin" "$R/usr/sbin" "$R/usr/lib" "$R/usr/lib64" "$R/etc"
for d in bin sbin lib lib64; do ln -s usr/$d "$R/$d"; done
put() { # FILE...: with the libraries that it needs
	for f in "$@"; do
		mkdir -p "$R${f%/*}"
		cp -L "$f" "$R$f"
		ldd "$f" 2>/dev/null | grep -Eo '/[^ ]+' | while read -r lib; do
			[ -e "$R$lib" ] || { mkdir -p "$R${lib%/*}" && cp -L "$lib" "$R$lib"; }
		done
	done
}
for tool in sh env mktemp grep sed sort uniq tr awk cat cut find timeout sleep mv mkdir rmdir chmod rm ln touch \
    date pgrep ps wc head tail mountpoint mount umount dirname basename id ls stty kill test printf unshare setsid true uname; do
	p=$(command -v $tool)
	case $p in
	/*) ;;
	*) p=/usr/bin/$tool ;; # one that the shell has itself
	esac
	[ ! -e "$p" ] || put "$p"
done
put "$B/reeved" "$B/reeve-engine" "$B/reevectl" "$B/reeve-pool" "$CHILD"
mkdir -p "$R$SRC/tests"
cp -r "$SRC/tests/vm" "$SRC/tests/scenario" "$R$SRC/tests/"
mv "$R$SRC/tests/vm/init" "$R$SRC/tests/vm/pid1.conf" "$R/"
chmod 755 "$R/init"
echo 'root:x:0:0:root:/root:/bin/sh' >"$R/etc/passwd"
echo 'root:x:0:' >"$R/etc/group"
cat >"$R/guest.env" <<EOT
B=$B SRC=$SRC VARIANT=$VARIANT TEST_SLOW=${VM_SLOW-4} TESTS="$TESTS"
export SRC
EOT
(cd "$R" && find . | cpio -o -H newc --quiet | gzip -1) >"$T/initramfs"

# A kernel whose first process ends panics, and the machine with it.  Without
# KVM by default: where this is a virtual machine itself, it may be there and
# fail (VM_ACCEL=kvm tries).
timeout 580 qemu-system-x86_64 -accel "${VM_ACCEL-tcg}" -cpu max -smp 2 -m 1G -display none -monitor none -no-reboot \
    -kernel "$kernel" -initrd "$T/initramfs" -serial "file:$T/out/console" -net none \
    -append "console=ttyS0 quiet loglevel=1 panic=-1" >"$T/out/qemu" 2>&1 </dev/null
code=$?
is "the machine runs and ends" "$code" 0
[ $code = 0 ] || sed 's/^/# qemu: /' "$T/out/qemu"
tr -d '\r' <"$T/out/console" >"$T/out/tap"

for t in $TESTS pid1; do
	sed -n "/^@begin $t\$/,/^@end $t /p" "$T/out/tap" >"$T/out/part"
	if grep -q '^1\.\.0 # SKIP' "$T/out/part"; then
		fail "$t runs there" "$T/out/part"
	elif grep -q '^not ok' "$T/out/part" || ! grep -Eq '^1\.\.[1-9]' "$T/out/part"; then
		sed 's/^\(not \)\?ok /# &/' "$T/out/part" >"$T/out/part.tap"
		fail "$t" "$T/out/part.tap"
	else
		pass "$t: $(grep -c '^ok ' "$T/out/part") tests, $(grep -c '^ok .*# SKIP' "$T/out/part") of them skipped"
	fi
done
has "the first process has ended with 0" "$T/out/tap" "Attempted to kill init! exitcode=0x00000000"
plan_done
