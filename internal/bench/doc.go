// Package bench loads an S3 endpoint and tells what it did: operations and bytes a second, and how long they took.
//
// It is meant for comparing stores, so it speaks plain S3 to any of them, and for sharing a small machine with the
// store under test, so it is cheap: each worker keeps one HTTP/1.1 connection, signs with a cached key, and sends its
// content from one buffer of random bytes that is stamped differently for every 64 KiB, so that neither compression
// nor deduplication can spare the store its work.
//
// [Run] is one benchmark: it makes the bucket, stores the objects that the operation needs, warms up, measures, and
// removes what it stored.
package bench
