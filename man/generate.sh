#!/bin/sh
# generate.sh ENGINE VERSION <page.in >page
#
# Puts the version in place of @VERSION@, and in place of a line @KEYS@ the
# list of the config's keys, which the engine prints from its own table.
set -eu

engine=$1
version=$2

sed "s/@VERSION@/$version/g" | while IFS= read -r line; do
	case $line in
	@KEYS@)
		"$engine" --schema-man
		;;
	*)
		printf '%s\n' "$line"
		;;
	esac
done
