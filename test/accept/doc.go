// Package accept shows that grange, as built, does real work for clients that nobody here wrote: rclone, restic, s3cmd,
// boto3, aws-cli, curl and minio-go. It also shows what must hold when things go wrong on purpose: kill -9 at any moment, a
// full disk, flipped bits, a foreign data directory, hostile requests, a wrong clock.
//
// The tests are behind the build tag accept, because they need programs that scripts/test-deps installs, and the built
// binary. Run them with scripts/accept.sh, or with scripts/accept.sh --full for every number as large as promised. A missing
// program fails a test; nothing is skipped.
//
// Each test starts a server of its own in a temporary directory, on free ports of the loopback interface, shows the server's
// log if it fails, and ends the server. Whatever is random follows from a seed that is printed: -accept.seed repeats it.
package accept
