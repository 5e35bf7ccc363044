#!/bin/sh
# Starts a store in .grange-run with a key and a bucket that are made once and kept, and tells how to use it.
#
#   tools/run.sh PROGRAM
set -eu
cd "$(dirname "$0")/.."
program=$1
dir=${GRANGE_RUN_DIR:-.grange-run}
s3=${GRANGE_S3_LISTEN:-127.0.0.1:3900}
admin=${GRANGE_ADMIN_LISTEN:-127.0.0.1:3903}

umask 077
mkdir -p "$dir"
if [ ! -f "$dir/key.env" ]; then
	random() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
	printf 'GRANGE_ACCESS_KEY=GR%s\nGRANGE_SECRET_KEY=%s\nGRANGE_BUCKET=first\n' "$(random 9)" "$(random 20)" >"$dir/key.env.new"
	mv "$dir/key.env.new" "$dir/key.env"
fi
. "$dir/key.env"
export GRANGE_ACCESS_KEY GRANGE_SECRET_KEY GRANGE_BUCKET

"$program" server --data-dir "$dir/data" --s3-listen "$s3" --admin-listen "$admin" &
server=$!
trap 'kill -TERM $server 2>/dev/null || true' INT TERM

# Ready when the commands find the node; gone when it could not start.
until "$program" status --data-dir "$dir/data" >/dev/null 2>&1; do
	kill -0 $server 2>/dev/null || { wait $server || exit $?; }
	sleep 0.1
done

url="http://$s3"
link=$("$program" presign --endpoint "$url" --expires 24h "$GRANGE_BUCKET")
ca=""
if [ -n "${AWS_CA_BUNDLE:-}" ]; then
	ca="
    unset AWS_CA_BUNDLE    # set here, and older rclones refuse to work with it"
fi
cat <<TEXT

Grange serves S3 on $url, with its data in $dir/data. Ctrl-C stops it.

  AWS command line
    export AWS_ENDPOINT_URL=$url AWS_REGION=grange
    export AWS_ACCESS_KEY_ID=$GRANGE_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$GRANGE_SECRET_KEY
    aws s3 cp README.md s3://$GRANGE_BUCKET/
    aws s3 ls s3://$GRANGE_BUCKET

  rclone$ca
    export RCLONE_CONFIG_GRANGE_TYPE=s3 RCLONE_CONFIG_GRANGE_PROVIDER=Other RCLONE_CONFIG_GRANGE_ENDPOINT=$url
    export RCLONE_CONFIG_GRANGE_ACCESS_KEY_ID=$GRANGE_ACCESS_KEY RCLONE_CONFIG_GRANGE_SECRET_ACCESS_KEY=$GRANGE_SECRET_KEY
    rclone copy docs grange:$GRANGE_BUCKET/docs
    rclone ls grange:$GRANGE_BUCKET

  A browser (the link holds for a day; "$program presign" makes links to single objects)
    $link

  The node itself
    export GRANGE_DATA_DIR=$PWD/$dir/data
    $program status

TEXT

# A signal ends the first wait early; the second waits for the node to stop.
wait $server || code=$?
wait $server 2>/dev/null || true
# 143 is how a shell shows the end by SIGTERM, 130 by SIGINT.
case ${code:-0} in
0 | 130 | 143) exit 0 ;;
*) exit "$code" ;;
esac
