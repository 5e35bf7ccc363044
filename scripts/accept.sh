#!/bin/sh
# Drives the built binary with clients that nobody here wrote: rclone, restic, s3cmd, boto3, aws-cli, curl, minio-go.
#
#   scripts/accept.sh          the form of a few minutes, part of make test
#   scripts/accept.sh --full   every number as large as promised, for make accept
#
# Further arguments go to go test, for example: scripts/accept.sh -run Restic -accept.seed 7
set -eu
cd "$(dirname "$0")/.."

full=false
timeout=15m
if [ "${1:-}" = --full ]; then
	full=true
	timeout=90m
	shift
fi

scripts/test-deps
mkdir -p .tools/bin
CGO_ENABLED=0 go build -o .tools/bin/grange ./cmd/grange

# A run's servers and files live in one directory, so that nothing is left behind however the run ends.
work=$(mktemp -d "${TMPDIR:-/tmp}/grange-accept.XXXXXX")
trap 'rm -rf "$work"' EXIT
TMPDIR=$work go test -tags accept -count=1 -parallel 8 -timeout "$timeout" ./test/accept \
	-accept.grange "$PWD/.tools/bin/grange" -accept.full="$full" "$@"
