#!/bin/sh
# Install the Debian packages that are missing, and only those.
#
# usage: deps.sh SET...		build test fuzz lint bench vm
#
# A tool that is on PATH already (a node from elsewhere, say) counts as
# there: "tool:package" asks for the tool, a plain word for the package.
set -eu

build='gcc make pkg-config libc6-dev libev-dev libinih-dev libjansson-dev uthash-dev
 libsqlite3-dev libssl-dev libzstd-dev zlib1g-dev liblzma-dev'
test='check perl python3:python3 curl:curl wrk:wrk node:nodejs socat:socat
 openssl:openssl zstd:zstd xz:xz-utils pgrep:procps libjpeg-dev djpeg:libjpeg-turbo-progs setpriv:util-linux tmux:tmux vi:vim-tiny strace:strace nginx:nginx-light
 imagemagick'
fuzz='clang:clang llvm-symbolizer:llvm'
lint='clang-format:clang-format shellcheck:shellcheck clang:clang readelf:binutils'
# To boot a machine of one's own: tests/scenario/130-vm.t.
vm='qemu-system-x86_64:qemu-system-x86 cpio:cpio linux-image-cloud-amd64'
bench='wrk:wrk nginx:nginx-light supervisord:supervisor runsvdir:runit s6-svscan:s6 npm:npm
 tsp:task-spooler libuv1-dev'

missing=
for set in "$@"; do
	eval "list=\${$set:?unknown set $set}"
	for item in $list; do
		tool=${item%%:*} package=${item##*:}
		if [ "$tool" != "$item" ] && command -v "$tool" >/dev/null; then
			continue
		fi
		case $(dpkg-query -W -f='${db:Status-Status}' "$package" \
		    2>/dev/null) in
		installed) ;;
		*) missing="$missing $package" ;;
		esac
	done
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "deps: missing:$missing; this is not a Debian system, install" \
	    "what corresponds to them by hand" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps: missing packages; as root, run" >&2
	echo "    apt-get install$missing" >&2
	exit 1
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update -q >/dev/null
	apt-get install -y -q --no-install-recommends $missing >/dev/null
}
