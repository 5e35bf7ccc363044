// Package index is the replicated state machine behind objects: which versions every key of a bucket has, where their
// content is, which multipart uploads are in progress, and how often each block is named.
//
// One group of replicas runs one [Machine]. Changes are commands: [Put], [Delete], [CompleteUpload] and the others are
// encoded with [Encode], replicated by the group's log, applied by every replica in the order of the log, and answered with a
// [Result] that [DecodeResult] reads. Reads go through a [View] of any replica's state.
//
// # Promises
//
// A command is applied as a whole or not at all, and a refusal (any [Code] but OK) changes nothing. Conditions, quotas and
// the existence of parts are decided at that moment and nowhere else. In the same atomic step change the object, the exact
// [BucketStats], and the reference counts of blocks:
//
//   - The count of a block is the number of extents that name it in all stored payloads, those waiting on the release queue
//     included.
//   - A count that falls to zero puts the block on the garbage list; a new reference takes it off again.
//   - A block is deleted from disks only after [Doom] decided so; package block tells why no record can name it then.
//
// Work is bounded: a command touches no more rows than its own size, the 10,000 parts of one upload, or a constant. What is
// more (the blocks of a deleted large object) goes to the release queue, which [Release] works off in steps.
//
// Apply is deterministic: no clock, no random source, no iteration over Go maps. Times come with commands, are for people, and
// order nothing; versions are ordered by Seq, the order of the log.
//
// # Concurrency
//
// A Machine has no state of its own: Apply is called by one goroutine at a time. A View is as good as its [kv.Reader]: use one
// snapshot for reads that must agree with each other. Both are safe for concurrent use if the Reader is.
//
// # Format
//
// All rows live in one keyspace, a table per leading byte; docs/formats/index.md describes every key and message, and DESIGN.md
// the reasons.
package index
