#!/bin/sh
# Prints the budget table of DESIGN.md section 11: "make bench" runs this.
#
# usage: B=BUILD run.sh [quick | reeve] [restart] [many] [commands] [rates]
#
# PM2 is no Debian package: it comes from npm into node_modules beside this
# file, once, if it can be had.
set -eu

here=$(dirname "$0")
if [ "${1-}" != reeve ] && [ ! -x "$here/node_modules/.bin/pm2" ] &&
    command -v npm >/dev/null; then
	npm install --prefix "$here" --no-save --no-audit --no-fund \
	    --loglevel=error pm2 >/dev/null 2>&1 ||
		echo "run.sh: npm could not install pm2, it is left out" >&2
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/bench.py" "$@"
