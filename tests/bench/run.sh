#!/bin/sh
# Prints the budget table of DESIGN.md section 11: "make bench" runs this.
#
# usage: B=BUILD run.sh [quick | reeve] [restart] [many] [commands] [jobs] [rates]
#
# PM2 and piscina are no Debian packages: they come from npm into node_modules
# beside this file, once, if they can be had.
set -eu

here=$(dirname "$0")
if [ "${1-}" != reeve ] && [ ! -d "$here/node_modules/piscina" ] &&
    command -v npm >/dev/null; then
	npm install --prefix "$here" --no-save --no-audit --no-fund \
	    --loglevel=error pm2 piscina >/dev/null 2>&1 ||
		echo "run.sh: npm could not install pm2 and piscina, they are left out" >&2
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/bench.py" "$@"
