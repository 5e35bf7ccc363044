#!/bin/sh
# Loads a store with everything at once for a while, and then checks that it is well: no failed operation, no problem
# told by the node, no damaged block, and memory within its budget.
#
#   tools/soak.sh PROGRAM DURATION
set -eu
cd "$(dirname "$0")/.."
program=$1
duration=${2:-10m}
dir=$(mktemp -d)
export GRANGE_ACCESS_KEY=soak GRANGE_SECRET_KEY=soak-secret-of-this-run GRANGE_BUCKET=soak GRANGE_DATA_DIR=$dir/data
"$program" server --s3-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --memory 256MiB --gc-grace 10s --log-level warn &
server=$!
trap 'kill -TERM $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
until "$program" status >/dev/null 2>&1; do
	kill -0 $server || exit 1
	sleep 0.1
done
endpoint=$(sed -nE 's/.*"s3": "([^"]*)".*/\1/p' "$dir/data/runtime.json")

load() {
	"$program" bench mixed --endpoint "$endpoint" --bucket "soak-$1" --size "$2" --concurrency "$3" --objects "$4" \
		--duration "$duration" --mix get=40,put=40,list=5,head=5,delete=10
}
load small 4KiB 4 2000 >"$dir/small.txt" &
small=$!
load large 3MiB 2 100 >"$dir/large.txt" &
large=$!
wait $small
wait $large
cat "$dir/small.txt" "$dir/large.txt"
if grep -q '^first error' "$dir/small.txt" "$dir/large.txt"; then
	echo "soak: operations failed" >&2
	exit 1
fi

resident=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")
"$program" status
if "$program" status | grep -q PROBLEM || [ "$resident" -gt 512 ]; then
	echo "soak: the node has a problem, or used $resident MiB" >&2
	exit 1
fi
kill -TERM $server
wait $server
if "$program" inspect block --json | grep -E '"damaged": [1-9]'; then
	echo "soak: blocks are damaged" >&2
	exit 1
fi
echo "soak: all is well; at most $resident MiB of memory"
