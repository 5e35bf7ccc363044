#!/bin/sh
# Runs every fuzz test of the module, one after the other.
#
#   tools/fuzz.sh DURATION
set -eu
cd "$(dirname "$0")/.."
duration=${1:-20s}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' internal | while read -r file; do
	package=./$(dirname "$file")
	sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$file" | while read -r name; do
		echo "$package $name"
		go test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "$duration" </dev/null
	done
done
