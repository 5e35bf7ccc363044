#!/bin/sh
# Tells whether the generated files are what generate.sh writes. It works on a copy, and leaves the tree alone.
set -eu
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -co --exclude-standard | tar -cf - -T - | tar -xf - -C "$copy"
(cd "$copy" && tools/generate.sh)
if ! diff -r -u --exclude=.git --exclude=.tools --exclude=bin --exclude=.grange-run . "$copy"; then
	echo "verify-generate: the files above are not current: run make generate" >&2
	exit 1
fi
